"""export, import and verify of a large cluster, beside Kafka's own tools; ZooKeeper alone by the number of topics."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient

from kafka_meta import playground
from tests.benchmarks.measure import HEADER, Run, as_shipped, row, run

TOPICS, PARTITIONS, GROUPS, OFFSETS, ACLS = 2000, 3, 500, 12, 1000
ROUNDS = 3
IN_ZOOKEEPER_ALONE = (2_500, 5_000, 10_000)


@dataclass(frozen=True, slots=True)
class Size:
    topics: int
    partitions: int = PARTITIONS
    groups: int = 0
    offsets: int = 0
    """Of each group, on so many partitions."""
    acls: int = 0
    """Of each topic."""


HUGE = Size(10_000, 10, groups=5_000, offsets=12, acls=6)

OF_THE_PLAYGROUND = ("-XX:SharedArchiveFile=", "-XX:TieredStopAtLevel=", "-XX:+UseSerialGC")
"""What makes the tools start sooner in the playground. Kafka's scripts do without it."""
OF_KAFKAS_SCRIPTS = (
    *("-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"),
    *("-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"),
)
"""The options of `kafka-run-class.sh` (3.9.1)."""

# What the four tools say is what an export holds: topics with partitions, overrides, rules, groups with offsets.
OFFICIAL = (
    ("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", "{}", "--describe"),
    ("kafka.admin.ConfigCommand", "--bootstrap-server", "{}", "--describe", "--entity-type", "topics"),
    ("kafka.admin.AclCommand", "--bootstrap-server", "{}", "--list"),
    (
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        *("--bootstrap-server", "{}", "--describe", "--all-groups", "--timeout", "60000"),
    ),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder:
        here = Path(folder)
        (here / "large.json").write_text(json.dumps(large_cluster()))
        print(f"\n## Metadata: {TOPICS:,} topics × {PARTITIONS} partitions, half of them with overrides,")
        print(f"{GROUPS} groups × {OFFSETS} offsets, {ACLS:,} ACLs; {ROUNDS} rounds\n")
        with playground.running(as_shipped("3.9.1", chroot="/kafka")) as (source,):
            kafka_meta(
                here, "import", "--fileName", "large.json", "--group-offsets", "same", "--commit",
                "--dest-bootstrap-servers", source.bootstrap_servers,
            )  # fmt: skip
            measure_pair(here, source)
            print("\n## ZooKeeper alone, by the number of topics (3 partitions, half with overrides)\n")
            address = str(source.zookeeper_connect).partition("/")[0]
            measure_zookeeper(here, address)
            with playground.running(as_shipped("4.3.1")) as (dest,):
                measure_huge(here, address, dest)


def measure_pair(here: Path, source: playground.Cluster) -> None:
    official: list[list[Run]] = [[] for _ in OFFICIAL]
    ours: dict[str, list[Run]] = {}
    bare: list[float] = []

    def take(name: str, *arguments: str) -> None:
        ours.setdefault(name, []).append(kafka_meta(here, *arguments))

    both = [
        "--source-bootstrap-servers",
        source.bootstrap_servers,
        "--source-zk-connect",
        str(source.zookeeper_connect),
    ]
    for _ in range(ROUNDS):
        for runs, (main_class, *arguments) in zip(official, OFFICIAL, strict=True):
            command = source.tool_command(main_class, *(each.format(source.bootstrap_servers) for each in arguments))
            java, *rest = (each for each in command if not each.startswith(OF_THE_PLAYGROUND))
            runs.append(run([java, *OF_KAFKAS_SCRIPTS, *rest], cwd=here))
        take("export, brokers and ZooKeeper", "export", *both, "--fileName", "metadata.json")
        take("export, brokers alone", "export", *both[:2], "--fileName", "brokers.json")
        take("export, ZooKeeper alone", "export", *both[2:], "--fileName", "zookeeper.json")
        with playground.running(as_shipped("4.3.1")) as (dest,):
            to_dest = ["--dest-bootstrap-servers", dest.bootstrap_servers, "--fileName", "metadata.json"]
            take("import, dry run", "import", *to_dest)
            take("import --commit onto an empty cluster", "import", *to_dest, "--commit")
            take("import --commit again", "import", *to_dest, "--commit")
            take("verify", "verify", *to_dest)
        with playground.running(as_shipped("4.3.1")) as (dest,):
            bare.append(created_by_admin_client(dest))
    print(HEADER)
    for runs, (main_class, *_) in zip(official, OFFICIAL, strict=True):
        print(row(main_class.rpartition(".")[2], runs))
    together = [sum(run.wall_s for run in round_) for round_ in zip(*official, strict=True)]
    print(f"| **the four tools together** | {median(together):.2f} s | | | |")
    for name, runs in ours.items():
        ratio = [mine.wall_s / theirs for mine, theirs in zip(runs, together, strict=True)]
        print(row(name, runs, f"{median(ratio):.2f} × the four tools" if name.startswith("export") else ""))
    print(f"| one AdminClient, the same topics in one request, until each has a leader | {median(bare):.2f} s | | | |")


def created_by_admin_client(dest: playground.Cluster) -> float:
    """Seconds. Nothing but topics: no overrides, no ACLs, no positions."""
    client = AdminClient({"bootstrap.servers": dest.bootstrap_servers})
    client.list_topics(timeout=30)
    began = time.perf_counter()
    topics = [NewTopic(f"topic-{number:05}", PARTITIONS, 1) for number in range(TOPICS)]
    for future in client.create_topics(topics, operation_timeout=120, request_timeout=120).values():
        future.result()
    while True:
        known = client.list_topics(timeout=30).topics
        ours = [known[topic.topic] for topic in topics if topic.topic in known]
        if len(ours) == TOPICS and all(part.leader > 0 for topic in ours for part in topic.partitions.values()):
            return time.perf_counter() - began
        time.sleep(0.1)


def measure_zookeeper(here: Path, address: str) -> None:
    print("| topics | wall clock, median (range) | ms a topic | peak memory |\n| --- | --- | --- | --- |")
    for topics in IN_ZOOKEEPER_ALONE:
        with nodes(address, f"/bench-{topics}", Size(topics)) as connect:
            runs = [
                kafka_meta(here, "export", "--source-zk-connect", connect, "--fileName", "big.json")
                for _ in range(ROUNDS)
            ]
        walls = sorted(run.wall_s for run in runs)
        print(
            f"| {topics:,} | {median(walls):.2f} s ({walls[0]:.2f}–{walls[-1]:.2f}) "
            f"| {median(walls) / topics * 1000:.2f} | {max(run.peak_mb for run in runs):.0f} MB |"
        )


def measure_huge(here: Path, address: str, dest: playground.Cluster) -> None:
    """A cluster that no machine like this one could run: its nodes in ZooKeeper, and an empty destination."""
    print(
        f"\n## {HUGE.topics:,} topics × {HUGE.partitions} partitions, {HUGE.groups:,} groups × {HUGE.offsets} offsets,"
    )
    print(f"{HUGE.topics * HUGE.acls:,} ACLs, from ZooKeeper; {ROUNDS} rounds\n\n{HEADER}")
    rename = ("--rename", r"topic-(.*)=eu.topic-\1")
    to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers, "--fileName", "huge.json")
    with nodes(address, "/bench-huge", HUGE) as connect:
        export = ("export", "--source-zk-connect", connect, "--fileName", "huge.json")
        print(row("export", [kafka_meta(here, *export) for _ in range(ROUNDS)]), flush=True)
    print(
        row(
            "import, dry run, everything renamed",
            [kafka_meta(here, "import", *to_dest, *rename) for _ in range(ROUNDS)],
        )
    )


@contextmanager
def nodes(address: str, chroot: str, size: Size) -> Iterator[str]:
    """The nodes that a cluster of this size has, under a chroot that no broker looks at."""
    client = KazooClient(hosts=address)
    client.start()
    try:
        client.create(f"{chroot}/brokers/ids/1", b'{"version":1,"host":"localhost","port":9092}', makepath=True)
        pending = []
        for path, content in _nodes_of(size):
            pending.append(client.create_async(f"{chroot}{path}", content))
            if len(pending) > 4000:
                for each in pending:
                    each.get()
                pending = []
        for each in pending:
            each.get()
        yield f"{address}{chroot}"
    finally:
        client.stop()
        client.close()


def _nodes_of(size: Size) -> Iterator[tuple[str, bytes]]:
    """Each below the node before it, or below one that was before that."""
    for path in ("/brokers/topics", "/config", "/config/topics", "/consumers", "/kafka-acl", "/kafka-acl/Topic"):
        yield path, b""
    for path in ("/kafka-acl-extended", "/kafka-acl-extended/prefixed"):
        yield path, b""
    replicas = {str(partition): [1] for partition in range(size.partitions)}
    state = b'{"version":1,"leader":1,"leader_epoch":0,"controller_epoch":1,"isr":[1]}'
    for number in range(size.topics):
        name = f"topic-{number:05}"
        yield f"/brokers/topics/{name}", json.dumps({"version": 1, "partitions": replicas}).encode()
        yield f"/brokers/topics/{name}/partitions", b""
        for partition in range(size.partitions):
            yield f"/brokers/topics/{name}/partitions/{partition}", b""
            yield f"/brokers/topics/{name}/partitions/{partition}/state", state
        if number % 2:
            yield f"/config/topics/{name}", b'{"version":1,"config":{"retention.ms":"3600000"}}'
        if size.acls:
            rules = [
                {
                    "principal": f"User:user-{(number + rule) % 50}",
                    "permissionType": "Deny" if (number + rule) % 10 == 0 else "Allow",
                    "operation": "Read" if rule % 2 else "Write",
                    "host": "*" if rule < 2 else f"10.0.0.{rule}",
                }
                for rule in range(size.acls)
            ]
            yield f"/kafka-acl/Topic/{name}", json.dumps({"version": 1, "acls": rules}).encode()
    for number in range(size.groups):
        group = f"/consumers/group-{number:05}"
        yield group, b""
        yield f"{group}/offsets", b""
        for place in range(size.offsets):
            topic, partition = (
                f"topic-{(2 * number + place // size.partitions) % size.topics:05}",
                place % size.partitions,
            )
            if partition == 0:
                yield f"{group}/offsets/{topic}", b""
            yield f"{group}/offsets/{topic}/{partition}", b"0"


def kafka_meta(here: Path, *arguments: str) -> Run:
    return run([sys.executable, "-m", "kafka_meta", *arguments], cwd=here)


def large_cluster() -> dict[str, Any]:
    """A metadata document of a cluster of this size."""
    overrides = {"retention.ms": "3600000", "cleanup.policy": "compact,delete", "max.message.bytes": "2097152"}
    return {
        "kind": "kafka-metadata",
        "schemaVersion": "1.0",
        "createdAt": "2026-01-01T00:00:00Z",
        "cluster": {},
        "topics": [
            {
                "name": f"topic-{number:05}",
                "partitions": [{"partition": partition, "replicas": [1]} for partition in range(PARTITIONS)],
                "configs": overrides if number % 2 else {},
            }
            for number in range(TOPICS)
        ],
        "groups": [
            {
                "id": f"group-{number:03}",
                "offsets": [
                    {"topic": f"topic-{(number * 4 + place // 3):05}", "partition": place % 3, "offset": 0}
                    for place in range(OFFSETS)
                ],
            }
            for number in range(GROUPS)
        ],
        "acls": [
            {
                "resourceType": "TOPIC",
                "resourceName": f"topic-{number:05}",
                "patternType": "PREFIXED" if number % 5 == 0 else "LITERAL",
                "principal": f"User:user-{number % 50}",
                "host": "*",
                "operation": "READ" if number % 2 else "WRITE",
                "permission": "DENY" if number % 10 == 0 else "ALLOW",
            }
            for number in range(ACLS)
        ],
        "gaps": [],
    }
