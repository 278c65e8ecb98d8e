"""A journal with ten million gaps: its size, and what each step of a copy costs. Prints; asserts nothing.

python -m tests.benchmarks.journal
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from kafka_meta.batches import Digest
from kafka_meta.journal import Begun, Boundary, Journal, Round, Run

GAPS = 10_000_000
A_ROUND = 5000
"""As many one-record transactions as an answer of 1 MB holds."""
PLACE = ("topic", 0)
BEGUN = Begun(
    topic="topic",
    partition=0,
    dest_topic="topic",
    source_topic_id=None,
    dest_topic_id=None,
    base=0,
    start=0,
    end=1 << 40,
)


def main() -> None:
    print("| gaps | journal | a round of 5,000 gaps | `rank` | a settlement | open and settle |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with Journal(path, source_id="S", dest_id="D") as journal:
            journal.begin([BEGUN])
        at = 0
        for gaps in (GAPS // 100, GAPS // 10, GAPS):
            round_s = fill(path, at, gaps)
            at = gaps
            print(f"| {gaps:,} | {sum(each.stat().st_size for each in Path(folder).iterdir()) / 1e6:.0f} MB ", end="")
            resume_s = seconds(partial(resume, path))
            with Journal(path, source_id="S", dest_id="D") as journal:
                journal.claim()
                offsets = random.Random(1).choices(range(2 * gaps), k=1000)
                rank_s = median(seconds(partial(journal.rank, *PLACE, offset)) for offset in offsets)
                settle_s = median(seconds(partial(journal.settle, {PLACE: gaps})) for _ in range(50))
            print(f"| {milli(round_s)} | {milli(rank_s)} | {milli(settle_s)} | {milli(resume_s)} |")


def fill(path: Path, at: int, gaps: int) -> float:
    """Copies on to so many gaps. Returns the seconds of a round, as the copy has them: what was acknowledged, and what
    will be sent."""
    taken: list[float] = []
    with Journal(path, source_id="S", dest_id="D") as journal:
        journal.claim()
        journal.settle({PLACE: at})
        acknowledged: dict[tuple[str, int], tuple[Boundary, int]] = {}
        for rank in range(at, gaps, A_ROUND):
            end = Boundary(2 * (rank + A_ROUND), rank + A_ROUND, Digest(records=rank + A_ROUND))
            runs = [Run(2 * each, each) for each in range(rank, rank + A_ROUND)]
            work = Round(intents={PLACE: [end]}, runs={PLACE: runs}, acknowledged=acknowledged)
            taken.append(seconds(partial(journal.record, work)))
            acknowledged = {PLACE: (end, 1)}
        journal.record(Round(acknowledged=acknowledged))
    return median(taken)


def resume(path: Path) -> None:
    with Journal(path, source_id="S", dest_id="D") as journal:
        journal.claim()
        (position,) = journal.positions()
        journal.settle({PLACE: position.rank})


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def milli(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    main()
