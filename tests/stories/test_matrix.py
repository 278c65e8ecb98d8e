"""From every version onto its destination: export, import, mirror and verify as their users type them.

What arrives is judged by confluent-kafka and by Kafka's own tools.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from kafka_meta import playground
from kafka_meta.model import Mode
from kafka_meta.playground import Cluster
from tests.support.brokers import design
from tests.support.commands import command_line
from tests.support.shop import commit
from tests.support.traffic import admin, committed, config, create, produce, purge, rows, watermarks
from tests.support.witness import CONFIGS, acl_tool

pytestmark = pytest.mark.long


class Kind(NamedTuple):
    version: str
    mode: Mode

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


NEWEST = Kind("4.3.1", "kraft")
PAIRS = (
    (Kind("0.10.2.2", "zookeeper"), NEWEST),
    (Kind("0.11.0.3", "zookeeper"), NEWEST),
    (Kind("1.1.1", "zookeeper"), NEWEST),
    (Kind("2.8.2", "zookeeper"), NEWEST),
    (Kind("3.9.1", "zookeeper"), NEWEST),
    (Kind("3.9.1", "kraft"), NEWEST),
    (Kind("4.3.1", "kraft"), NEWEST),
    (Kind("3.9.1", "zookeeper"), Kind("2.8.2", "zookeeper")),
    (Kind("3.9.1", "zookeeper"), Kind("3.9.1", "kraft")),
)

ORDERS, CUSTOMERS = "orders", "customers"
PARTITIONS = {ORDERS: 3, CUSTOMERS: 2}
PLACES = [(topic, partition) for topic, count in PARTITIONS.items() for partition in range(count)]
OVERRIDES = {
    ORDERS: {"max.message.bytes": "2097152", "retention.ms": "86400000"},
    CUSTOMERS: {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.9"},
}
RECORDS = 120
PURGED = 30
"""Of the first partition, where brokers have a request for it: since 0.11."""
GROUP = "billing"
POSITIONS = {(ORDERS, 0): 40, (ORDERS, 1): RECORDS, (ORDERS, 2): 7, (CUSTOMERS, 1): 100}
"""One that has read everything. The group has no position on the first partition of the customers."""
USER, PASSWORD = "al ice", "her password"
RULES = {
    ("User:bob", "ALLOW", "READ", "TOPIC", ORDERS, "LITERAL"),
    ("User:bob", "ALLOW", "WRITE", "TOPIC", "ord", "PREFIXED"),
    ("User:eve", "DENY", "READ", "TOPIC", ORDERS, "LITERAL"),
}


def gaps_of(kind: Kind) -> dict[str, set[str]]:
    """What cannot be read, by where it is read from: from both, from the brokers, from ZooKeeper."""
    brokers, both = set(), set()
    if kind.release < (0, 11):
        brokers |= {"acls", "configs of topics"}
        both |= {"configs of broker 1", "defaults"}
    if kind.release < (1, 0):
        both |= {"log directories of broker 1"}
    if kind.release < (2, 4):
        both |= {"reassignments"}
    if kind.release < (2, 6):
        brokers |= {"quotas"}
    if kind.release < (2, 7):
        brokers |= {"users"}
    return {"both": both, "brokers": both | brokers, "zookeeper": {"defaults", "groups"}}


@pytest.mark.parametrize(("here", "there"), PAIRS, ids="-".join)
def test_everything_moves(here: Kind, there: Kind, tmp_path: Path) -> None:
    with playground.running(*(design(kind.version, kind.mode) for kind in (here, there))) as (
        source,
        dest,
    ):
        rules = furnish(source, here)
        by_brokers = ("--source-bootstrap-servers", source.bootstrap_servers)
        by_zookeeper = ("--source-zk-connect", str(source.zookeeper_connect)) if here.mode == "zookeeper" else ()
        by_both = (*by_brokers, *by_zookeeper)
        to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers)

        def run(*words: str) -> dict[str, Any]:
            done = command_line(tmp_path)(*words, "--output", "json", env={"XDG_STATE_HOME": str(tmp_path)})
            assert done.returncode == 0, done.stderr + done.stdout
            document: dict[str, Any] = json.loads(done.stdout)
            return document

        # What a version cannot give is a gap, and nothing else is.
        for name, address in {"both": by_both, "brokers": by_brokers, "zookeeper": by_zookeeper}.items():
            if address:
                told = run("export", *address, "--fileName", f"{name}.json")
                assert {gap["resource"] for gap in told["gaps"]} == gaps_of(here)[name], (name, told["gaps"])
                assert told["disagreements"] == []
                document = json.loads((tmp_path / f"{name}.json").read_text())
                assert {topic["name"]: topic["configs"] for topic in document["topics"]} == (
                    dict.fromkeys(OVERRIDES) if "configs of topics" in gaps_of(here)[name] else OVERRIDES
                )
                unknown = {section for section in ("acls", "users", "quotas") if document[section] is None}
                assert unknown == gaps_of(here)[name] & {"acls", "users", "quotas"}

        passwords = tmp_path / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(f"{USER}={PASSWORD}\n")
        from_file = ("--fileName", "both.json")
        imported = run("import", *from_file, *to_dest, "--passwords", "passwords", "--commit")
        assert {each["outcome"] for each in imported["results"]} == {"done"}
        mirrored = run("mirror", *by_both, *to_dest, "--quiet", "1s", "--commit")
        assert {each["content"] for each in mirrored["copied"]} == {"equal"}
        for words in ((*from_file,), (*by_both,), ("--data",), ("--data", "--both", *by_brokers)):
            verified = run("verify", *words, *to_dest)
            assert (verified["verdict"], verified["differences"]) == ("equal", [])
        run("mirror", *to_dest, "--release", "--allow-unread", "--commit")
        assert run("verify", *from_file, *to_dest)["verdict"] == "equal"

        look_at_records(source, dest)
        assert rules_of(dest) == rules
        for topic, overrides in OVERRIDES.items():
            assert {name: config(dest.bootstrap_servers, topic, name) for name in overrides} == overrides
        look_at_user(dest)


def furnish(source: Cluster, kind: Kind) -> set[tuple[str, ...]]:
    """Returns the rules that this version can have."""
    servers = source.bootstrap_servers
    in_zookeeper = str(source.zookeeper_connect)
    for topic, count in PARTITIONS.items():
        create(servers, {topic: count}, OVERRIDES[topic])
    for topic, partition in PLACES:
        records = [{"key": b"%d" % number, "value": b"%d of %d" % (number, partition)} for number in range(RECORDS)]
        produce(servers, topic, partition, records, {"enable.idempotence": False, "compression.type": "gzip"})
    if kind.release >= (0, 11):
        purge(servers, ORDERS, 0, PURGED)
    commit(servers, GROUP, *(TopicPartition(*place, offset) for place, offset in POSITIONS.items()))
    rules = {rule for rule in RULES if rule[-1] == "LITERAL" or kind.release >= (2, 0)}
    at = ("--bootstrap-server", servers)
    for principal, permission, operation, _, name, pattern in rules:
        source.tool(
            acl_tool(source),
            *(at if kind.release >= (2, 0) else ("--authorizer-properties", f"zookeeper.connect={in_zookeeper}")),
            *("--add", f"--{permission.lower()}-principal", principal, "--operation", operation.title()),
            *("--topic", name, *(("--resource-pattern-type", "prefixed") if pattern == "PREFIXED" else ())),
        )
    for change in (f"SCRAM-SHA-256=[iterations=4096,password={PASSWORD}]", "producer_byte_rate=1048576"):
        source.tool(
            CONFIGS,
            *(at if kind.release >= (2, 7) else ("--zookeeper", in_zookeeper)),
            *("--alter", "--entity-type", "users", "--entity-name", USER, "--add-config", change),
        )
    return rules


def look_at_records(source: Cluster, dest: Cluster) -> None:
    """Each group goes on at the first record that it has not read, and every record behind it is there, once. The
    compacted topic is there as a whole."""
    found = committed(dest.bootstrap_servers, GROUP)
    assert found.keys() == set(PLACES)
    for place in PLACES:
        unread = rows(source.bootstrap_servers, *place, POSITIONS.get(place, 0))
        copied = rows(source.bootstrap_servers, *place, 0) if place[0] == CUSTOMERS else unread
        arrived = rows(dest.bootstrap_servers, *place)
        assert len(unread) == RECORDS - POSITIONS.get(place, 0)
        assert [row[1:] for row in arrived] == [row[1:] for row in copied]
        assert watermarks(dest.bootstrap_servers, *place) == (0, len(copied))
        assert [row[1:] for row in rows(dest.bootstrap_servers, *place, found[place])] == [row[1:] for row in unread]


def rules_of(cluster: Cluster) -> set[tuple[str, ...]]:
    everything = AclBindingFilter(
        *(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    )
    client = admin(cluster.bootstrap_servers)
    return {
        (
            *(each.principal, each.permission_type.name, each.operation.name),
            *(each.restype.name, each.name, each.resource_pattern_type.name),
        )
        for each in client.describe_acls(everything).result(30)
    }


def look_at_user(cluster: Cluster) -> None:
    told = cluster.tool(
        *(CONFIGS, "--bootstrap-server", cluster.bootstrap_servers),
        *("--describe", "--entity-type", "users", "--entity-name", USER),
    )
    assert "producer_byte_rate=1048576" in told
    assert "SCRAM-SHA-256=iterations=4096" in told


def test_users_and_quotas_of_an_old_destination_are_those_of_its_zookeeper(tmp_path: Path) -> None:
    designs = (design("3.9.1", "zookeeper"), design("1.1.1", "zookeeper"))
    with playground.running(*designs) as (source, dest):
        from_brokers = ("--bootstrap-server", source.bootstrap_servers)
        in_zookeeper = ("--zookeeper", str(dest.zookeeper_connect))
        secret = f"SCRAM-SHA-256=[iterations=4096,password={PASSWORD}]"
        for cluster, at, user, changes in (
            (source, from_brokers, USER, (secret, "producer_byte_rate=1048576")),
            (source, from_brokers, "both", (secret, "producer_byte_rate=5")),
            (dest, in_zookeeper, "both", (secret, "producer_byte_rate=5")),
        ):
            for change in changes:
                words = ("--alter", "--entity-type", "users", "--entity-name", user, "--add-config", change)
                cluster.tool(CONFIGS, *at, *words)
        cli = command_line(tmp_path)
        at_source = ("--source-bootstrap-servers", source.bootstrap_servers)
        to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers, "--only", "users,quotas", "--output", "json")
        with_zookeeper = (*to_dest, "--dest-zk-connect", str(dest.zookeeper_connect))
        assert cli("export", *at_source).returncode == 0

        # Without its ZooKeeper nothing is known, and it is said who knows.
        blind = json.loads(cli("import", *to_dest).stdout)
        assert (blind["actions"], {each["resource"] for each in blind["unread"]}) == ([], {"users", "quotas"})
        assert sum("--dest-zk-connect" in each["reason"] for each in blind["unread"]) == 2
        assert json.loads(cli("verify", *to_dest).stdout)["verdict"] == "inconclusive"

        # Its brokers take neither passwords nor quotas, and that is said before anything fails.
        seen = json.loads(cli("import", *with_zookeeper, "--generate-passwords", "new").stdout)
        assert (seen["actions"], seen["unread"]) == ([], [])
        assert {each["resource"]: each["reason"].partition(":")[0] for each in seen["refused"]} == {
            f"user {USER}": "the brokers do not support AlterUserScramCredentials (Kafka does since 2.7)",
            f"quota user '{USER}'": "the brokers do not support AlterClientQuotas (Kafka does since 2.6)",
        }

        by_zookeeper = ("--source-zk-connect", str(source.zookeeper_connect))
        assert cli("export", *at_source, *by_zookeeper, "--secrets").returncode == 0
        done = json.loads(cli("import", *with_zookeeper, "--commit").stdout)
        assert [(each["action"]["user"], each["outcome"]) for each in done["results"]] == [(USER, "done")]
        users = json.loads((tmp_path / "kafka-metadata-export.json").read_text())["users"]
        (key,) = (each["storedKey"] for user in users if user["name"] == USER for each in user["credentials"])
        of_user = ("--entity-type", "users", "--entity-name", USER)
        assert f"stored_key={key}" in dest.tool(CONFIGS, *in_zookeeper, "--describe", *of_user)
        dest.tool(CONFIGS, *in_zookeeper, "--alter", *of_user, "--add-config", "producer_byte_rate=1048576")
        verified = json.loads(cli("verify", *with_zookeeper).stdout)
        assert (verified["verdict"], verified["counts"]["users"]["equal"]) == ("equal", 2)
