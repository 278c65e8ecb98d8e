"""The copy beside MirrorMaker 2 on the loads that are hard for either: batches of one record, many partitions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median

from kafka_meta import playground
from kafka_meta.playground import Cluster
from tests.benchmarks.measure import as_shipped
from tests.benchmarks.mirror import (
    MIRROR_MAKER_2,
    OURS,
    Load,
    Moved,
    contenders_of,
    delete,
    fill,
    fresh_topic,
    moved,
)

SINGLE = tuple(
    Load(
        topic=f"single-{value_bytes}-{codec}-{'transactional' if transactional else 'plain'}-{partitions}",
        # Kafka's own producer needs half a millisecond for such a batch with lz4.
        records=400_000 if codec == "none" else 100_000,
        value_bytes=value_bytes,
        codec=codec,
        partitions=partitions,
        single=True,
        transactional=transactional,
    )
    for value_bytes, codec, transactional, partitions in product((60, 1000), ("none", "lz4"), (False, True), (1, 12))
)

MANY = tuple(
    Load(topic=f"many-{partitions}", records=1_200_000, value_bytes=1000, codec="none", partitions=partitions)
    for partitions in (16, 2_000, 10_000)
)


def main(loads: Sequence[Load] = SINGLE + MANY) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder,
        playground.running(
            as_shipped("3.9.1"),
            # Not as shipped: what one has moved makes room for the next, on small disks.
            as_shipped("4.3.1", settings={"log.segment.delete.delay.ms": "100"}),
        ) as (source, dest),
    ):
        single, many = [load for load in loads if load.single], [load for load in loads if not load.single]
        if single:
            print("\n## Records of which each is a batch of its own: 400,000, with lz4 100,000\n")
            print(f"| value, codec, producer | partitions | {OURS} | {MIRROR_MAKER_2} | |\n{'| --- ' * 5}|")
        for load in single:
            ours, theirs = beside(source, dest, load, Path(folder))
            rates = [median(each.rate(load.records) for each in runs) for runs in (ours, theirs)]
            kind = "transactional" if load.transactional else "plain"
            print(
                f"| {load.value_bytes} B, {load.codec}, {kind} | {load.partitions} | {rates[0] / 1000:,.0f} k/s "
                f"| {rates[1] / 1000:,.0f} k/s | × {rates[0] / rates[1]:.1f} |",
                flush=True,
            )
        if many:
            print("\n## 1.2 GB in many partitions: batches of 16 KB, 1 KB a record\n")
            print(
                f"| partitions | {OURS} | {MIRROR_MAKER_2} | | our processor time | theirs "
                f"| without a record at half-way: ours | theirs |\n{'| --- ' * 8}|"
            )
        for load in many:
            ours, theirs = beside(source, dest, load, Path(folder))
            megabytes = load.records * load.value_bytes / 1e6
            rates = [median(each.rate(load.records) for each in runs) for runs in (ours, theirs)]
            cpus = [median(each.cpu_s for each in runs) * 1000 / megabytes for runs in (ours, theirs)]
            print(
                f"| {load.partitions:,} | {rates[0] / 1000:,.0f} k/s | {rates[1] / 1000:,.0f} k/s "
                f"| × {rates[0] / rates[1]:.1f} | {cpus[0]:.1f} ms/MB | {cpus[1]:.1f} ms/MB "
                f"| {max(each.untouched for each in ours):,} | {max(each.untouched for each in theirs):,} |",
                flush=True,
            )


def beside(source: Cluster, dest: Cluster, load: Load, folder: Path) -> tuple[list[Moved], list[Moved]]:
    """Both move the same records, one after the other, as often as `ROUNDS` says."""
    fill(source, load, folder)
    contenders = dict(contenders_of(source, dest, load, folder))
    found: dict[str, list[Moved]] = {OURS: [], MIRROR_MAKER_2: []}
    for _ in range(ROUNDS):
        for name, runs in found.items():
            with fresh_topic(dest, load):
                runs.append(moved(contenders[name](), dest, load))
    delete(source, load.topic)
    return found[OURS], found[MIRROR_MAKER_2]


ROUNDS = 1
"""A round of all loads takes a quarter of an hour."""


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors")
    main()
