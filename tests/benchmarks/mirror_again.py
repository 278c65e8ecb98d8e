"""A few new records behind a large copy: what the same command costs the second time."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import psutil

from kafka_meta import playground
from kafka_meta.playground import Cluster
from tests.benchmarks.measure import Run, as_shipped, run
from tests.benchmarks.mirror import Load, fill, whole_topic
from tests.support.mirroring import create
from tests.support.mirroring import fill as produce

LARGE = Load(topic="large", records=5_000_000, value_bytes=1000, codec="none")
NEW = 12
ROUNDS = 3


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder,
        playground.running(as_shipped("3.9.1"), as_shipped("4.3.1")) as (source, dest),
    ):
        fill(source, LARGE, Path(folder))
        create(dest, LARGE.topic, partitions=LARGE.partitions)
        megabytes = LARGE.records * LARGE.value_bytes / 1e6
        print(f"\n## {NEW} new records behind {megabytes / 1000:.0f} GB in {LARGE.partitions} partitions\n")
        print("| | wall clock | processor | through the network card |\n| --- | --- | --- | --- |")
        tell("the copy and its check", *mirror(source, dest, Path(folder)))
        tell("the same command, nothing new", *mirror(source, dest, Path(folder)))
        for _ in range(ROUNDS):
            produce(source, LARGE.topic, NEW, partitions=LARGE.partitions)
            tell(f"{NEW} new records", *mirror(source, dest, Path(folder)))


def tell(name: str, done: Run, megabytes: float) -> None:
    print(f"| {name} | {done.wall_s:.1f} s | {done.cpu_s:.1f} s | {megabytes:,.1f} MB |", flush=True)


def mirror(source: Cluster, dest: Cluster, folder: Path) -> tuple[Run, float]:
    """One command, and the MB of everything that passed the loopback card meanwhile: both sides, and both brokers."""
    time.sleep(1)
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    done = run(whole_topic(source, dest, LARGE.topic, folder), cwd=folder)
    return done, (psutil.net_io_counters(pernic=True)["lo"].bytes_recv - before) / 1e6


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors")
    main()
