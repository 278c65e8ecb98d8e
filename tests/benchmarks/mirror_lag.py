"""A copy that goes on beside MirrorMaker 2: how long a record takes, from its acknowledgement on the source until a
consumer has it from the destination; what that costs; what an idle task costs; and how fast it catches up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from kafka_meta import playground
from kafka_meta.playground import Cluster
from tests.benchmarks.measure import as_shipped, compiled
from tests.benchmarks.mirror import (
    MIRROR,
    MIRROR_MAKER_2,
    Load,
    delete,
    fill,
    fresh_topic,
    mirror_maker_2,
    moved,
    sides,
    tail,
    whole_topic,
)
from tests.support.mirroring import create

FOLLOWS = "**kafka-meta mirror --follow**"
WARM_S, SECONDS = 10.0, 30.0
IDLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    busy: int
    idle: int
    bytes_s: float

    @property
    def title(self) -> str:
        idle = f", {self.idle:,} idle ones" if self.idle else ""
        return f"{self.busy} busy partitions{idle}, {self.bytes_s / 1e6:.0f} MB/s"


PACES = (
    Pace(busy=12, idle=0, bytes_s=50e6),
    Pace(busy=500, idle=0, bytes_s=50e6),
    Pace(busy=10, idle=5_000, bytes_s=5e6),
)


def main(paces: Sequence[Pace] = PACES) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder,
        playground.running(
            as_shipped("3.9.1"), as_shipped("4.3.1", settings={"log.segment.delete.delay.ms": "100"})
        ) as (source, dest),
    ):
        print("\n## From the acknowledgement on the source to a consumer of the destination\n")
        print(f"| | | p50 | p99 | most | processor | memory | idle |\n{'| --- ' * 8}|")
        for pace in paces:
            for name in (FOLLOWS, MIRROR_MAKER_2):
                print(f"| {pace.title} | {name} | {measured(source, dest, pace, name, Path(folder))} |", flush=True)
        catch_up(source, dest, Path(folder))


def measured(source: Cluster, dest: Cluster, pace: Pace, name: str, folder: Path) -> str:
    """Each in topics of its own: none has to catch up on what the other was given."""
    topic = f"lag-{pace.busy}-{'ours' if name == FOLLOWS else 'theirs'}"
    idle = f"{topic}-idle"
    for cluster in (source, dest):
        create(cluster, topic, partitions=pace.busy)
        if pace.idle:
            create(cluster, idle, partitions=pace.idle)
    try:
        with running(command_of(source, dest, topic, name, folder), folder) as process:
            found = probed(source, dest, topic, pace, process)
            time.sleep(5)
            before, began = processor_s(process), time.monotonic()
            time.sleep(IDLE_S)
            idle_share = (processor_s(process) - before) / (time.monotonic() - began)
        return f"{found} | {idle_share:.1%}"
    finally:
        for cluster in (source, dest):
            for each in (topic, *([idle] if pace.idle else [])):
                delete(cluster, each)


def command_of(source: Cluster, dest: Cluster, topic: str, name: str, folder: Path) -> Sequence[str]:
    if name == FOLLOWS:
        state = ("--journal", str(folder / f"{topic}.sqlite"), "--log", str(folder / f"{topic}.log"))
        chosen = ("--include-topics", f"{topic}.*", "--all-data")
        return (*MIRROR, "--follow", "--commit", *sides(source, dest), *chosen, *state)
    addresses = {"source": source.bootstrap_servers, "dest": dest.bootstrap_servers}
    load = Load(topic=topic, records=0, value_bytes=0, codec="none")
    return mirror_maker_2({**addresses, "topic": f"{topic}.*"}, load, folder, linger_ms=0)


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[psutil.Process]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=compiled(os.environ), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield psutil.Process(process.pid)
            assert process.poll() is None, tail(output)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def probed(source: Cluster, dest: Cluster, topic: str, pace: Pace, process: psutil.Process) -> str:
    given = {
        "source": source.bootstrap_servers,
        "dest": dest.bootstrap_servers,
        "topic": topic,
        "partitions": pace.busy,
        "bytes_s": pace.bytes_s,
        "warm_s": WARM_S,
        "seconds": SECONDS,
    }
    samples: list[tuple[float, float, float]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            with suppress(psutil.Error):
                samples.append((time.monotonic(), processor_s(process), process.memory_info().rss / 1e6))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.lag_probe", json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    over.set()
    watching.join()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["missing"], found
    inside = [each for each in samples if found["began"] <= each[0] <= found["ended"]]
    share = (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])
    p50, p99, most = (f"{found[name] * 1000:,.0f} ms" for name in ("p50", "p99", "max"))
    return f"{p50} | {p99} | {most} | {share:.0%} | {max(each[2] for each in samples):.0f} MB"


def processor_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def catch_up(source: Cluster, dest: Cluster, folder: Path) -> None:
    """A gigabyte that is there before either begins; then the same over a link with 50 ms there and back."""
    load = Load(topic="catch-up", records=1_000_000, value_bytes=1000, codec="none")
    fill(source, load, folder)
    follows = (*MIRROR, "--follow", "--commit", *sides(source, dest), "--include-topics", load.topic, "--all-data")

    def plain() -> Sequence[str]:
        return whole_topic(source, dest, load.topic, folder)

    rates: dict[str, list[float]] = {"mirror --commit": [], "mirror --follow": []}
    for _ in range(3):
        for name, command in (("mirror --commit", plain), ("mirror --follow", lambda: follows)):
            with fresh_topic(dest, load):
                rates[name].append(_rate(command, dest, load, folder))
    print("\n## A gigabyte that is there before, records of 1 KB\n\n| | records/s |\n| --- | --- |")
    for name, found in rates.items():
        print(f"| {name} | {median(found) / 1000:,.0f} k ({min(found) / 1000:,.0f}–{max(found) / 1000:,.0f}) |")
    delete(source, load.topic)


def _rate(command: Callable[[], Sequence[str]], dest: Cluster, load: Load, folder: Path) -> float:
    for left in (*folder.glob("journal*"), *folder.glob("follow*")):
        left.unlink()
    state = ("--journal", str(folder / "follow.sqlite"), "--log", str(folder / "follow.log"))
    given = command()
    return moved((*given, *state) if "--follow" in given else given, dest, load).rate(load.records)


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors")
    main()
