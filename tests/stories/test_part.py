"""A part of a cluster moves under other names, with what belongs to it: configs of groups, users, keys, positions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli
from tests.support.shop import until
from tests.support.traffic import commit, committed, config, create, produce
from tests.support.witness import CONFIGS, acl_tool, told_by


@pytest.fixture(scope="module")
def newer() -> Iterator[Cluster]:
    """A source whose groups can have configs."""
    with kraft_cluster() as cluster:
        yield cluster


OTHERS = {
    ("groups", "part.g"): "consumer.session.timeout.ms=50000",
    ("client-metrics", "part-latency"): "interval.ms=5000,metrics=org.apache.kafka.",
    ("brokers", ""): "log.cleaner.delete.retention.ms=86400000",
}


def configs_of(cluster: Cluster) -> dict[tuple[str, str], str]:
    """As Kafka's own tool shows them."""
    found = {}
    for kind, name in OTHERS:
        entity = ("--entity-name", name) if name else ("--entity-default",)
        at = ("--bootstrap-server", cluster.bootstrap_servers)
        found[kind, name] = cluster.tool(CONFIGS, *at, "--describe", "--entity-type", kind, *entity)
    return found


def test_configs_of_groups_client_metrics_and_all_brokers_move(
    cli: Cli, newer: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    for (kind, name), change in OTHERS.items():
        entity = ("--entity-name", name) if name else ("--entity-default",)
        at = ("--bootstrap-server", newer.bootstrap_servers)
        newer.tool(CONFIGS, *at, "--alter", "--entity-type", kind, *entity, "--add-config", change)
    source, to_dest = (
        ("--source-bootstrap-servers", newer.bootstrap_servers),
        ("--dest-bootstrap-servers", dest.bootstrap_servers),
    )

    def written() -> dict[str, object]:
        done = cli("export", *source, "--no-evaluate", "--fileName", "part.json")
        assert done.returncode == 0, done.stderr
        document: dict[str, object] = json.loads((tmp_path / "part.json").read_text())
        return document

    until(lambda: len(written()["otherConfigs"]) == 3, "the brokers show them", 30)  # type: ignore[arg-type]
    document = written()
    of_brokers, *others = document["otherConfigs"]  # type: ignore[misc]
    assert (of_brokers["resourceType"], of_brokers["name"]) == ("BROKER", "")
    # A cluster of 4.x sets min.insync.replicas for all brokers by itself (KIP-966).
    assert of_brokers["configs"] | {"min.insync.replicas": "1"} == {
        "log.cleaner.delete.retention.ms": "86400000",
        "min.insync.replicas": "1",
    }
    assert others == [
        {
            "resourceType": "CLIENT_METRICS",
            "name": "part-latency",
            "configs": {"interval.ms": "5000", "metrics": "org.apache.kafka."},
        },
        {"resourceType": "GROUP", "name": "part.g", "configs": {"consumer.session.timeout.ms": "50000"}},
    ]
    assert document["cluster"]["features"]["metadata.version"] > 20  # type: ignore[index]
    only = ("--only", "other-configs")
    look = cli("import", "--fileName", "part.json", *to_dest, *only, "--save-plan", "plan.json")
    assert (look.returncode, look.stdout.count("Will set ")) == (0, 3), look.stdout + look.stderr
    done = cli("import", *to_dest, "--plan-file", "plan.json", "--commit")
    assert done.returncode == 0, done.stdout + done.stderr
    told = configs_of(dest)
    for key, change in OTHERS.items():
        for each in change.split(","):
            assert each in told[key], told[key]
    again = cli("import", "--fileName", "part.json", *to_dest, *only, "--commit", "--output", "json")
    assert json.loads(again.stdout)["results"] == []
    verified = cli("verify", "--fileName", "part.json", *to_dest, *only, "--ignore-extra")
    assert verified.returncode == 0, verified.stdout
    whole = json.loads(cli("import", "--fileName", "part.json", *to_dest, "--output", "json").stdout)
    assert ("configs of all brokers", None) in {(each["kind"], each["name"]) for each in whole["skipped"]}


def test_a_teams_part_moves_with_its_users_and_keys_alone(
    cli: Cli, pair: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    source, dest = pair
    create(source.bootstrap_servers, {"part.orders": 1, "elsewhere.orders": 1}, {"retention.ms": "1000000"})
    at = ("--bootstrap-server", source.bootstrap_servers)
    for user, topic in (("part-team", "part."), ("elsewhere-team", "elsewhere.")):
        entity = ("--entity-type", "users", "--entity-name", user)
        password = f"SCRAM-SHA-256=[iterations=4096,password={user}-pw]"
        source.tool(CONFIGS, *at, "--alter", *entity, "--add-config", password)
        source.tool(CONFIGS, *at, "--alter", *entity, "--add-config", "consumer_byte_rate=7777777")
        allow = ("--add", "--allow-principal", f"User:{user}", "--operation", "Read", "--topic", topic)
        source.tool(acl_tool(source), *at, *allow, "--resource-pattern-type", "prefixed")
    from_source = (
        *("--source-bootstrap-servers", source.bootstrap_servers),
        "--source-zk-connect",
        str(source.zookeeper_connect),
    )
    done = cli(
        "export", *from_source, "--no-evaluate", "--secrets", "--include-topics", r"part\..*", "--fileName", "p.json"
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "p.json").read_text()
    document = json.loads(text)
    assert [user["name"] for user in document["users"]] == ["part-team"]
    assert [quota["entity"] for quota in document["quotas"]] == [{"user": "part-team"}]
    assert {"elsewhere-team"} <= {each["name"] for each in document["leftOut"] if each["kind"] == "user"}
    assert text.count("storedKey") == 1, "keys of others stay out of the file"

    (tmp_path / "passwords").write_text("part-eu=part-team-pw\n")
    (tmp_path / "passwords").chmod(0o600)
    (tmp_path / "kafka-meta.toml").write_text(
        f'[dest]\nbootstrap-servers = "{dest.bootstrap_servers}"\n'
        "[policy]\nmap-principal = ['User:part-(.*)=User:part-eu']\nconfig = ['retention.ms=2000000']\n"
    )
    options = ("--fileName", "p.json", "--config", r"part\.o.*:segment.ms=5000000")
    looked = cli("import", *options, "--passwords", "passwords")
    assert "Will create user:part-eu (on the source part-team), SCRAM-SHA-256" in looked.stdout, looked.stdout
    done = cli("import", *options, "--passwords", "passwords", "--commit")
    assert done.returncode == 0, done.stdout + done.stderr
    told = told_by(dest)
    assert ("TOPIC", "part.", "PREFIXED", "User:part-eu", "*", "READ", "ALLOW") in told.acls
    assert not any("elsewhere" in str(rule) or "part-team" in str(rule) for rule in told.acls)
    # A flag goes before what the settings file says: the list of the flag is the whole list.
    assert config(dest.bootstrap_servers, "part.orders", "segment.ms") == "5000000"
    assert config(dest.bootstrap_servers, "part.orders", "retention.ms") == "1000000"
    described = dest.tool(CONFIGS, "--bootstrap-server", dest.bootstrap_servers, "--describe", "--entity-type", "users")
    assert "part-eu" in described and "elsewhere-team" not in described
    verified = cli("verify", *options, "--ignore-extra")
    assert verified.returncode == 0, verified.stdout


def test_a_position_that_a_transaction_is_about_to_change_is_not_taken_for_the_groups(
    cli: Cli, source: Cluster, tmp_path: Path
) -> None:
    servers = source.bootstrap_servers
    create(servers, {"pending.t": 1, "pending.out": 1})
    produce(servers, "pending.t", 0, [b"x"] * 9)
    commit(servers, "pending.g", {("pending.t", 0): 2})
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "pending.g", "enable.auto.commit": False})
    consumer.assign([TopicPartition("pending.t", 0, 2)])
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "pending"})
    producer.init_transactions(30)

    def exported() -> tuple[list[int], list[str]]:
        mine = ("--include-topics", r"pending\..*", "--include-groups", r"pending\..*")
        done = cli("export", "--source-bootstrap-servers", servers, *mine, "--no-evaluate", "--fileName", "p.json")
        assert done.returncode == 0, done.stderr
        document = json.loads((tmp_path / "p.json").read_text())
        (group,) = document["groups"]
        gaps = [each["reason"] for each in document["gaps"] if each["kind"] == "positions of group"]
        return [each["offset"] for each in group["offsets"] or ()], gaps

    assert exported() == ([2], [])
    producer.begin_transaction()
    producer.produce("pending.out", b"y")
    producer.send_offsets_to_transaction([TopicPartition("pending.t", 0, 7)], consumer.consumer_group_metadata(), 30)
    offsets, gaps = exported()
    assert offsets == [] and len(gaps) == 1 and "UNSTABLE_OFFSET_COMMIT" in gaps[0]
    producer.commit_transaction(30)
    until(lambda: exported() == ([7], []), "the position is the one of the transaction")
    consumer.close()
    assert committed(servers, "pending.g") == {("pending.t", 0): 7}
