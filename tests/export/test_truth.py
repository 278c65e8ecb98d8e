"""What we export, create and verify, held against what Kafka's own tools print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from kafka_meta.files.schemas import validate
from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli, command_line
from tests.support.shop import (
    CUSTOMERS,
    EMPTY_GROUP,
    LEAVING,
    LIVE_GROUP,
    NAMES,
    OLD_GROUP,
    ORDERS,
    PLAIN,
    PURGED,
    STRANGE_GROUP,
    TWICE,
)
from tests.support.witness import CONFIGS, GROUPS, TOPICS, Told, acl_tool, told_by

Document = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return command_line(tmp_path_factory.mktemp("truth"))


@dataclass(frozen=True)
class Export:
    both: Document
    again: Document
    from_brokers: Document
    from_zookeeper: Document
    file: Path
    told_before: Told
    told_after: Told


@pytest.fixture(scope="module")
def exported(shop_source: Cluster, run: Cli, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("exports")
    brokers = ("--source-bootstrap-servers", shop_source.bootstrap_servers)
    zookeeper = ("--source-zk-connect", str(shop_source.zookeeper_connect))

    def export(name: str, *arguments: str) -> Document:
        done = run("export", *arguments, "--fileName", str(folder / name))
        assert done.returncode == 0, done.stderr
        return dict(json.loads((folder / name).read_text()))

    told_before = told_by(shop_source)
    return Export(
        both=export("both.json", *brokers, *zookeeper),
        again=export("again.json", *brokers, *zookeeper),
        from_brokers=export("brokers.json", *brokers),
        from_zookeeper=export("zookeeper.json", *zookeeper),
        file=folder / "both.json",
        told_before=told_before,
        told_after=told_by(shop_source),
    )


def partitions(document: Document) -> dict[tuple[str, int], Document]:
    return {(topic["name"], one["partition"]): one for topic in document["topics"] for one in topic["partitions"]}


def without_internal(facts: dict[tuple[str, int], Any]) -> dict[tuple[str, int], Any]:
    return {place: fact for place, fact in facts.items() if not place[0].startswith("__")}


def rules(document: Document) -> list[tuple[str, ...]]:
    fields = ("resourceType", "resourceName", "patternType", "principal", "host", "operation", "permission")
    return [tuple(acl[field] for field in fields) for acl in document["acls"]]


def broker_groups(document: Document) -> dict[str, Document]:
    return {group["id"]: group for group in document["groups"] if group["source"] == "broker"}


def positions(groups: dict[str, Document]) -> dict[tuple[str, str, int], int]:
    return {(id, at["topic"], at["partition"]): at["offset"] for id, group in groups.items() for at in group["offsets"]}


def metadata(cluster: Cluster, group: str) -> dict[tuple[str, int], str]:
    """Of its committed positions, as kafka-python reads it."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers.split(","))
    try:
        found = admin.list_group_offsets({group: None})[group]
        return {(place.topic, place.partition): position.metadata for place, position in found.items()}
    finally:
        admin.close()


# The file.


def test_the_file_has_the_topics_and_replicas_that_topic_command_describes(exported: Export) -> None:
    told = without_internal(exported.told_before.partitions)
    found = {
        place: (str(one["leader"]), one["replicas"], sorted(one["isr"]))
        for place, one in partitions(exported.both).items()
    }
    assert found == {place: fact for place, fact in told.items() if place[0] != LEAVING}
    assert {name: len([place for place in found if place[0] == name]) for name in NAMES} == NAMES
    assert found[TWICE, 0][1:] in (([1, 2], [1]), ([2, 1], [1])), "a replica is down: the file tells in-sync ones apart"
    assert {topic["name"]: topic["id"] for topic in exported.both["topics"]}.items() <= exported.told_before.ids.items()


def test_the_file_has_the_overrides_that_config_command_describes_and_no_others(exported: Export) -> None:
    told = {name: configs for name, configs in exported.told_before.configs.items() if name in NAMES}
    assert {topic["name"]: topic["configs"] for topic in exported.both["topics"]} == told
    assert told[ORDERS] == {
        "cleanup.policy": "compact,delete",
        "max.message.bytes": "2097152",
        "retention.ms": "86400000",
    }
    assert told[CUSTOMERS]["message.format.version"] == "3.0"
    assert told[PLAIN] == {}


def test_the_file_has_the_rules_that_acl_command_lists(exported: Export) -> None:
    assert sorted(rules(exported.both)) == sorted(exported.told_before.acls)
    kinds = {(rule[2], rule[6]) for rule in rules(exported.both)}
    assert kinds == {("LITERAL", "ALLOW"), ("LITERAL", "DENY"), ("PREFIXED", "ALLOW")}


def test_the_file_has_the_groups_and_positions_that_consumer_group_command_describes(exported: Export) -> None:
    groups = broker_groups(exported.both)
    told = exported.told_before
    assert {id: (group["state"], len(group["members"])) for id, group in groups.items()} == {
        EMPTY_GROUP: ("Empty", 0),
        LIVE_GROUP: ("Stable", 1),
        STRANGE_GROUP: ("Empty", 0),
    }
    assert {id: (group["state"], len(group["members"])) for id, group in groups.items()} == told.states
    assert positions(groups) == told.positions
    assert len(told.positions) == 5


def test_the_file_keeps_what_consumers_noted_beside_their_positions(exported: Export, shop_source: Cluster) -> None:
    group = broker_groups(exported.both)[EMPTY_GROUP]
    found = {(at["topic"], at["partition"]): at["metadata"] for at in group["offsets"]}
    assert found == metadata(shop_source, EMPTY_GROUP)
    assert found[PURGED, 0].rstrip("\0") == "checkpoint 6"


def test_the_file_has_the_old_consumer_that_only_zookeeper_knows(exported: Export) -> None:
    (old,) = [group for group in exported.both["groups"] if group["source"] == "zookeeper"]
    assert old["id"] == OLD_GROUP
    assert [(at["topic"], at["partition"], at["offset"]) for at in old["offsets"]] == [(ORDERS, 0, 3)]


def test_the_file_has_the_offsets_and_sizes_that_kafka_s_tools_print(exported: Export) -> None:
    found = partitions(exported.both)
    told = exported.told_before
    assert {place: one["startOffset"] for place, one in found.items()} == without_internal(told.starts)
    assert {place: one["endOffset"] for place, one in found.items()} == without_internal(told.ends)
    assert {place: {one["sizeBytes"]} for place, one in found.items()} == without_internal(told.sizes)
    assert found[PURGED, 0]["startOffset"] == 4


def test_what_is_left_out_is_named_and_nothing_remains_unread(exported: Export) -> None:
    assert [remark["resource"] for remark in exported.both["leftOut"]] == [
        "topic __consumer_offsets",
        f"topic {LEAVING}",
    ]
    assert "delet" in exported.both["leftOut"][1]["reason"]
    # A topic that is being deleted has a replica there: so the cluster cannot delete it.
    assert [(gap["resource"], gap["reason"]) for gap in exported.both["gaps"]] == [("broker 2", "it is not there")]
    assert exported.both["disagreements"] == []


def test_two_exports_of_an_unchanged_cluster_differ_in_createdAt_and_stats_only(exported: Export) -> None:
    different = {name for name in exported.both if exported.both[name] != exported.again[name]}
    assert "createdAt" in different
    assert different <= {"createdAt", "stats"}
    assert list(exported.both) == list(exported.again)


def test_exporting_changes_nothing_on_the_source(exported: Export) -> None:
    assert exported.told_after == exported.told_before


KEYS = ("name", "id", "partition")
ONE_SIDED = {"createdAt", "stats", "gaps", "leftOut", "signs", "defaults", "groups"}


def contradictions(one: Any, other: Any, place: str = "$") -> Iterator[str]:
    """Where both know something and it is not the same; None is "not known"."""
    if one is None or other is None or one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in (one.keys() | other.keys()) - (ONE_SIDED if place == "$" else set()):
            yield from contradictions(one.get(name), other.get(name), f"{place}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other) and place != "$.acls":
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from contradictions(left, right, f"{place}[{index}]")
    else:
        yield f"{place}: {one} and {other}"


def test_zookeeper_alone_brokers_alone_and_both_agree_on_what_all_can_see(exported: Export) -> None:
    for one in (exported.from_zookeeper, exported.from_brokers):
        assert list(contradictions(one, exported.both)) == []
        assert [topic["name"] for topic in one["topics"]] == sorted(NAMES)
    assert list(contradictions(exported.from_zookeeper, exported.from_brokers)) == []
    assert broker_groups(exported.from_brokers) == broker_groups(exported.both)
    together = [*exported.from_brokers["groups"], *exported.from_zookeeper["groups"]]
    assert sorted(together, key=lambda group: group["id"]) == exported.both["groups"]


def test_what_one_side_alone_cannot_see_is_a_gap_and_never_an_empty_list(exported: Export) -> None:
    in_zookeeper = {gap["resource"]: gap["reason"] for gap in exported.from_zookeeper["gaps"]}
    assert "defaults" in in_zookeeper
    assert "broker" in in_zookeeper.get("groups", ""), "groups of the brokers are not in ZooKeeper: it must be said"
    in_brokers = {gap["resource"] for gap in exported.from_brokers["gaps"]}
    for section in ("users", "quotas"):
        assert (exported.from_brokers[section] is None) == (section in in_brokers)


# The destination.


@dataclass(frozen=True)
class Import:
    dry: CompletedProcess[str]
    done: CompletedProcess[str]
    again: CompletedProcess[str]
    verified: CompletedProcess[str]
    listed_after_dry: str
    told: Told
    told_after: Told
    metadata: dict[tuple[str, int], str]


@pytest.fixture(scope="module")
def new_cluster() -> Iterator[Cluster]:
    with kraft_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def imported(exported: Export, new_cluster: Cluster, run: Cli) -> Import:
    arguments = ("--fileName", str(exported.file), "--dest-bootstrap-servers", new_cluster.bootstrap_servers)
    dry = run("import", *arguments)
    tools = ((TOPICS, "--list"), (acl_tool(new_cluster), "--list"), (GROUPS, "--list"))
    to_new = ("--bootstrap-server", new_cluster.bootstrap_servers)
    listed = "".join(new_cluster.tool(tool, *to_new, *words) for tool, *words in tools)
    done = run("import", *arguments, "--commit")
    told = told_by(new_cluster)
    return Import(
        dry=dry,
        done=done,
        listed_after_dry=listed.strip(),
        told=told,
        again=run("import", *arguments, "--commit", "--output", "json"),
        verified=run("verify", *arguments, "--output", "json"),
        told_after=told_by(new_cluster),
        metadata=metadata(new_cluster, EMPTY_GROUP),
    )


def test_a_dry_run_says_all_of_it_and_changes_nothing(imported: Import) -> None:
    assert imported.dry.returncode == 0, imported.dry.stderr
    for name, count in NAMES.items():
        compact = str(name in (ORDERS, CUSTOMERS)).lower()
        assert f"Will create topic:{name}, isCompactTopic:{compact}, partition number:{count}\n" in imported.dry.stdout
    assert f"Begin to migrate topics:[{', '.join(sorted(NAMES))}]\nTotal topic number:5\n" in imported.dry.stdout
    assert LEAVING not in imported.dry.stdout
    assert imported.listed_after_dry == ""


def test_the_new_cluster_has_the_topics_and_overrides_as_kafka_s_tools_see_them(
    exported: Export, imported: Import
) -> None:
    assert imported.done.returncode == 0, imported.done.stderr
    assert imported.told.topics == NAMES
    fitted = {name: dict(configs) for name, configs in exported.told_before.configs.items() if name in NAMES}
    del fitted[CUSTOMERS]["message.format.version"]  # 4.x has none
    fitted[TWICE]["min.insync.replicas"] = "1"  # one broker, one replica
    assert {name: imported.told.configs[name] for name in NAMES} == fitted
    assert all(replicas == [1] for _, replicas, _ in imported.told.partitions.values())


def test_the_new_cluster_has_the_rules_as_acl_command_lists_them(exported: Export, imported: Import) -> None:
    assert imported.told.acls == exported.told_before.acls


def test_the_new_cluster_has_the_groups_at_the_start_as_consumer_group_command_describes_them(
    exported: Export, imported: Import
) -> None:
    expected = dict.fromkeys([*exported.told_before.positions, (OLD_GROUP, ORDERS, 0)], 0)
    assert imported.told.positions == expected
    assert {state for state, _ in imported.told.states.values()} == {"Empty"}


def test_a_position_says_that_import_has_set_it(imported: Import) -> None:
    assert set(imported.metadata.values()) == {"kafka-meta:start"}


def test_importing_again_changes_nothing(imported: Import) -> None:
    assert imported.again.returncode == 0, imported.again.stderr
    totals = json.loads(imported.again.stdout)["totals"]
    assert (totals["done"], totals["failed"]) == (0, 0)
    assert imported.told_after == imported.told


def test_verify_calls_the_new_cluster_equal(imported: Import) -> None:
    assert imported.verified.returncode == 0, imported.verified.stdout + imported.verified.stderr
    document = json.loads(imported.verified.stdout)
    validate(document, "verify", called="the report")
    assert document["verdict"] == "equal"
    assert document["differences"] == []
    assert document["counts"]["topics"] == {"equal": 4, "intended": 1, "missing": 0, "different": 0, "extra": 0}
    assert document["counts"]["acls"]["equal"] == 15
    assert document["counts"]["positions"]["equal"] == 6


def test_verify_names_each_thing_that_somebody_changes_on_the_destination(
    imported: Import, exported: Export, new_cluster: Cluster, run: Cli
) -> None:
    to_new = ("--bootstrap-server", new_cluster.bootstrap_servers)
    producer = Producer({"log_level": 0, "bootstrap.servers": new_cluster.bootstrap_servers})
    for _ in range(5):
        producer.produce(PLAIN, partition=0, value=b"x")
    assert producer.flush(30) == 0
    new_cluster.tool(
        *(CONFIGS, *to_new, "--alter", "--entity-type", "topics", "--entity-name", ORDERS),
        *("--add-config", "retention.ms=1000", "--delete-config", "max.message.bytes"),
    )
    new_cluster.tool(TOPICS, *to_new, "--alter", "--topic", PLAIN, "--partitions", "3")
    new_cluster.tool(TOPICS, *to_new, "--delete", "--topic", PURGED)
    new_cluster.tool(
        *(acl_tool(new_cluster), *to_new, "--remove", "--force", "--topic", CUSTOMERS, "--operation", "Read"),
        *("--deny-principal", "User:intern", "--deny-host", "10.0.0.7"),
    )
    new_cluster.tool(
        *(GROUPS, *to_new, "--group", STRANGE_GROUP, "--reset-offsets", "--topic", f"{PLAIN}:0"),
        *("--to-offset", "4", "--execute"),
    )
    arguments = ("--fileName", str(exported.file), "--dest-bootstrap-servers", new_cluster.bootstrap_servers)
    verified = run("verify", *arguments, "--output", "json")
    assert verified.returncode == 3, verified.stderr
    document = json.loads(verified.stdout)
    validate(document, "verify", called="the report")
    assert document["verdict"] == "different"
    found = {
        (each["resource"], each["difference"], each["aspect"], each["source"], each["dest"])
        for each in document["differences"]
    }
    assert found == {
        (f"topic {ORDERS}", "different", "retention.ms", "86400000", "1000"),
        (f"topic {ORDERS}", "different", "max.message.bytes", "2097152", None),
        (f"topic {PLAIN}", "different", "partitions", 1, 3),
        (f"topic {PURGED}", "missing", None, None, None),
        (f"group {EMPTY_GROUP}", "missing", f"offset {PURGED}-0", 0, None),
        (f"group {STRANGE_GROUP}", "different", f"offset {PLAIN}-0", 0, 4),
        (f"acl DENY User:intern READ on TOPIC {CUSTOMERS} from 10.0.0.7", "missing", None, None, None),
    }
    shown = run("verify", *arguments)
    assert shown.returncode == 3
    for resource, *_ in found:
        assert resource.replace("\x1b", r"\x1b") in shown.stdout
    assert "\x1b" not in shown.stdout + shown.stderr
