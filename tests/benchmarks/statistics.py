"""What statistics cost on top of an export: 2,000 topics × 3 partitions with seven days of history."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_meta import playground, stats, wire
from kafka_meta.events import silent
from kafka_meta.export import export
from kafka_meta.model import EVERYTHING
from kafka_meta.settings import resolve
from tests.benchmarks.measure import HEADER, Run, as_shipped, row
from tests.benchmarks.metadata import kafka_meta

TOPICS, PARTITIONS = 2000, 3
HOURS = 7 * 24
LARGE = 100
"""Topics with most of the bytes, as in life; each partition of every topic has a record in each hour."""
ROUNDS = 3


def main() -> None:
    print(f"\n## Statistics: {TOPICS:,} topics × {PARTITIONS} partitions, {HOURS} hours of history, {ROUNDS} rounds\n")
    with (
        tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder,
        playground.running(as_shipped("4.3.1")) as (cluster,),
    ):
        here, bootstrap = Path(folder), cluster.bootstrap_servers
        fill(bootstrap)
        source = ("--source-bootstrap-servers", bootstrap)
        runs: dict[str, list[Run]] = {"export --no-evaluate": [], "export": []}
        for _ in range(ROUNDS):
            runs["export --no-evaluate"].append(
                kafka_meta(here, "export", *source, "--fileName", "plain.json", "--no-evaluate")
            )
            runs["export"].append(kafka_meta(here, "export", *source, "--fileName", "metadata.json"))
        print(HEADER)
        for name, each in runs.items():
            print(row(name, each))
        extra = [a.wall_s - b.wall_s for a, b in zip(runs["export"], runs["export --no-evaluate"], strict=True)]
        found = json.loads((here / "metadata.json").read_text())["stats"]
        print(f"\n{len(found['hours'])} hours are told, of {[gap['reason'] for gap in found['gaps']]}")
        print(f"on top of the export: {median(extra):.1f} s ({min(extra):.1f}–{max(extra):.1f})")
        counted, partitions = count(bootstrap)
        for broker, requests in sorted(counted.items()):
            print(
                f"broker {broker}: {requests} requests for statistics, at least {partitions} partitions in each of them"
            )


def fill(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [f"topic-{number:04}" for number in range(TOPICS)]
    for start in range(0, TOPICS, 500):
        made = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names[start : start + 500]])
        for future in made.values():
            future.result()
    newest = time.time_ns() // 1_000_000 // 3_600_000 * 3_600_000
    settings = {"linger.ms": 200, "max.in.flight": 1, "queue.buffering.max.messages": 2_000_000}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    for place, (name, partition) in enumerate((name, partition) for name in names for partition in range(PARTITIONS)):
        value = b"x" * (2000 if place < LARGE * PARTITIONS else 20)
        for hour in range(HOURS):
            producer.produce(name, value, partition=partition, timestamp=newest - (HOURS - hour) * 3_600_000 + 60_000)
        if place % 50 == 0:
            producer.flush(60)
    assert producer.flush(120) == 0


def count(bootstrap: str) -> tuple[dict[Any, int], int]:
    """Requests that the statistics send to each broker, and the fewest partitions that one of them asks for."""
    settings = resolve("source", flags={"source-bootstrap-servers": bootstrap}, environ={}, toml=None)
    now_ms = time.time_ns() // 1_000_000
    snapshot = export(settings, EVERYTHING, emit=silent, taken_at_ms=now_ms)
    counted: Counter[Any] = Counter()
    fewest: list[int] = []
    original = wire.Wire.ask_each

    def counting(self: wire.Wire, requests: Sequence[tuple[Any, Any]]) -> Iterator[tuple[int, Any]]:
        for broker, request in requests:
            counted[broker] += 1
            if type(request).__name__.startswith("ListOffsets"):
                fewest.append(sum(len(topic.partitions) for topic in request.topics))
        return original(self, requests)

    wire.Wire.ask_each = counting  # type: ignore[method-assign]
    try:
        stats.collect(settings, snapshot, stats.Wanted(), emit=silent, now_ms=now_ms)
    finally:
        wire.Wire.ask_each = original  # type: ignore[method-assign]
    return dict(counted), min(fewest)
