"""Kafka's own tools as witnesses: what they print about a cluster, as plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from kafka_meta.playground import Cluster

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"

Place: TypeAlias = tuple[str, int]
Rule: TypeAlias = tuple[str, str, str, str, str, str, str]
"""Resource type, name, pattern type, principal, host, operation, permission."""


def acl_tool(cluster: Cluster) -> str:
    """It moved in 4.x."""
    return "org.apache.kafka.tools.AclCommand" if cluster.version.startswith("4") else "kafka.admin.AclCommand"


@dataclass(frozen=True)
class Told:
    partitions: dict[Place, tuple[str, list[int], list[int]]]
    """Leader as the tool spells it, replicas, in-sync replicas (sorted)."""
    ids: dict[str, str]
    configs: dict[str, dict[str, str]]
    """Overrides."""
    acls: set[Rule]
    positions: dict[tuple[str, str, int], int]
    states: dict[str, tuple[str, int]]
    """Of a group, with the number of its members."""
    starts: dict[Place, int]
    ends: dict[Place, int]
    sizes: dict[Place, set[int]]
    """Bytes of each replica that a live broker has."""

    @property
    def topics(self) -> dict[str, int]:
        """Partitions by topic, internal ones apart."""
        names = [topic for topic, _ in self.partitions if not topic.startswith("__")]
        return {name: names.count(name) for name in names}


def told_by(cluster: Cluster) -> Told:
    """What seven runs of Kafka's tools say."""
    runs = {
        "topics": (TOPICS, "--describe"),
        "configs": (CONFIGS, "--describe", "--entity-type", "topics"),
        "acls": (acl_tool(cluster), "--list"),
        "positions": (GROUPS, "--describe", "--all-groups"),
        "states": (GROUPS, "--describe", "--all-groups", "--state"),
        "starts": (OFFSETS, "--time", "earliest"),
        "ends": (OFFSETS, "--time", "latest"),
        "sizes": (LOG_DIRS, "--describe"),
    }

    def run(words: tuple[str, ...]) -> str:
        return cluster.tool(words[0], "--bootstrap-server", cluster.bootstrap_servers, *words[1:])

    with ThreadPoolExecutor(max_workers=3) as some:
        told = dict(zip(runs, some.map(run, runs.values()), strict=True))
    return Told(
        partitions=dict(_partitions(told["topics"])),
        ids=dict(re.findall(r"^Topic: (\S+)\tTopicId: (\S+)\t", told["topics"], re.M)),
        configs=dict(_configs(told["configs"])),
        acls=set(_acls(told["acls"])),
        positions={(g, t, int(p)): int(at) for g, t, p, at in _rows(told["positions"], 4) if at.isdigit()},
        states={row[0]: (row[-2], int(row[-1])) for row in _rows(told["states"], None)},
        starts=dict(_offsets(told["starts"])),
        ends=dict(_offsets(told["ends"])),
        sizes=_sizes(told["sizes"]),
    )


def _partitions(text: str) -> Iterator[tuple[Place, tuple[str, list[int], list[int]]]]:
    line = r"^\tTopic: (\S+)\tPartition: (\d+)\tLeader: (\S+)\tReplicas: (\S+)\tIsr: (\S*)"
    for topic, partition, leader, replicas, isr in re.findall(line, text, re.M):
        yield (topic, int(partition)), (leader, _numbers(replicas), sorted(_numbers(isr)))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _configs(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for part in text.split("Dynamic configs for topic ")[1:]:
        head, _, lines = part.partition(" are:\n")
        yield head, dict(re.findall(r"^  (\S+?)=(.*) sensitive=false", lines, re.M))


def _acls(text: str) -> Iterator[Rule]:
    for part in text.split("Current ACLs for resource ")[1:]:
        pattern = re.search(r"resourceType=(\w+), name=(.*), patternType=(\w+)\)", part)
        assert pattern is not None, part
        kind, name, pattern_type = pattern.groups()
        for principal, host, operation, permission in re.findall(
            r"\(principal=(.*), host=(.*), operation=(\w+), permissionType=(\w+)\)", part
        ):
            yield kind, name, pattern_type, principal, host, operation, permission


def _rows(text: str, width: int | None) -> Iterator[list[str]]:
    """Rows of the tool's tables, of which each group has its own; without their heads."""
    for line in text.splitlines():
        row = line.split()
        if len(row) >= 4 and row[0] != "GROUP" and not line.startswith("Consumer group "):
            yield row[:width]


def _offsets(text: str) -> Iterator[tuple[Place, int]]:
    for topic, partition, offset in re.findall(r"^(\S+):(\d+):(\d+)$", text, re.M):
        yield (topic, int(partition)), int(offset)


def _sizes(text: str) -> dict[Place, set[int]]:
    sizes: dict[Place, set[int]] = {}
    document: dict[str, Any] = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
    for broker in document["brokers"]:
        for directory in broker["logDirs"]:
            for replica in directory["partitions"]:
                topic, _, partition = replica["partition"].rpartition("-")
                sizes.setdefault((topic, int(partition)), set()).add(replica["size"])
    return sizes
