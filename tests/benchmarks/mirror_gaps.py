"""A million transactions of one record each: behind every record of the source's log is a gap.

python -m tests.benchmarks.mirror_gaps
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import Producer

from kafka_meta import playground
from kafka_meta.journal import Journal, clusters_of
from kafka_meta.playground import Cluster
from tests.benchmarks.measure import as_shipped, compiled, run
from tests.benchmarks.mirror import whole_topic
from tests.support.mirroring import create
from tests.support.traffic import watermarks

RECORDS = 1_000_000
PRODUCERS = 32
TOPIC = "gaps"
RANKS = 10_000


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder,
        playground.running(as_shipped("3.9.1"), as_shipped("4.3.1")) as (source, dest),
    ):
        here = Path(folder)
        create(source, TOPIC)
        create(dest, TOPIC)
        with ThreadPoolExecutor(PRODUCERS) as pool:
            list(pool.map(lambda number: transact(source, number), range(PRODUCERS)))
        _, end = watermarks(source.bootstrap_servers, TOPIC, 0)
        print(f"\n## {RECORDS:,} transactions of one record each, {end - RECORDS:,} gaps in one partition\n")
        command = whole_topic(source, dest, TOPIC, here)
        killed_at = kill_half_way(dest, command, here)
        rest = run(command, cwd=here)
        again = run(command, cwd=here)
        _, arrived = watermarks(dest.bootstrap_servers, TOPIC, 0)
        print("| | |\n| --- | --- |")
        print(f"| killed after | {killed_at:,} records |")
        print(
            f"| the same command then: resume, copy of the rest, check | {rest.wall_s:.1f} s, {rest.cpu_s:.1f} s CPU |"
        )
        print(f"| once more, nothing new | {again.wall_s:.1f} s, {again.cpu_s:.1f} s CPU |")
        print(f"| peak memory | {rest.peak_mb:.0f} MB |")
        print(f"| arrived | {arrived:,} records |")
        size = sum(each.stat().st_size for each in here.glob("journal*"))
        print(f"| journal | {size / 1e6:.1f} MB |")
        ids = clusters_of(here / "journal")
        with Journal(here / "journal", source_id=ids[0], dest_id=ids[1]) as journal:
            dice = random.Random(1)
            offsets = [dice.randrange(end) for _ in range(RANKS)]
            took = timed(lambda: [journal.rank(TOPIC, 0, offset) for offset in offsets])
        print(f"| `rank` | {took / RANKS * 1000:.3f} ms |", flush=True)


def transact(source: Cluster, number: int) -> None:
    """This producer's share of the transactions, one after the other."""
    producer = Producer(
        {
            "log_level": 0,
            "bootstrap.servers": source.bootstrap_servers,
            "transactional.id": f"t{number}",
            "linger.ms": 0,
        }
    )
    producer.init_transactions()
    for _ in range(RECORDS // PRODUCERS):
        producer.begin_transaction()
        producer.produce(TOPIC, b"%d" % number, partition=0)
        producer.commit_transaction()


def kill_half_way(dest: Cluster, command: tuple[str, ...], folder: Path) -> int:
    """How many records had arrived by then."""
    copier = subprocess.Popen(
        command,
        cwd=folder,
        env=compiled(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while (arrived := watermarks(dest.bootstrap_servers, TOPIC, 0)[1]) < RECORDS // 2:
        assert copier.poll() is None, "the copy was over"
        time.sleep(0.02)
    copier.send_signal(signal.SIGKILL)
    copier.wait()
    return arrived


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors")
    main()
