"""What the bounds of a log decide before anything is read, and the steps of a comparison by records. No broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafka_meta.batches import Digest
from kafka_meta.journal import Begun, Boundary, Journal, Position, Round, Run, Verified
from kafka_meta.verify.data import _without_reading
from kafka_meta.verify.records import STEP_BYTES, _next_steps
from kafka_meta.verify.there import There
from kafka_meta.wire.partitions import Failure

BEGUN = Begun(
    topic="t", partition=0, dest_topic="t", source_topic_id=None, dest_topic_id=None, base=7, start=100, end=200
)


def position(verified: int, *, read: int = 0, released: int = 0) -> Position:
    """Fifty records are copied, to offsets 7 to 56."""
    return Position(
        begun=BEGUN,
        source=150,
        rank=50,
        digest=Digest(records=50),
        size_bytes=5000,
        failure=None,
        released=released,
        verified=Verified(source=100 + verified, rank=verified, digest=Digest(verified), read=Digest(read)),
    )


@pytest.mark.parametrize(
    "stands, start, end, answer",
    [
        (position(50), 7, 57, ("equal", 50, None)),
        (position(50), 0, 80, ("equal", 50, None)),
        (position(50), 8, 57, ("different", 49, "offset 7 is not there: the log begins at 8")),
        (position(50, released=50), 57, 57, ("equal", 50, None)),
        (position(50, released=50), 80, 80, ("equal", 50, None)),
        (position(50, released=20), 28, 57, ("different", 29, "offset 7 is not there: the log begins at 28")),
        (position(50), 7, 50, ("different", 43, "the log ends at 50, 57 was expected")),
        (position(20), 7, 57, None),
        (position(20, released=50), 27, 57, None),
        (position(20, read=30, released=50), 37, 57, None),
        (
            position(20, released=50),
            28,
            57,
            (
                "not compared",
                None,
                "it cannot be read from its start any more: the log begins at 28, the copy at 7; 20 records were found "
                "equal earlier",
            ),
        ),
        (position(50), None, None, ("not compared", None, "nobody answers")),
        (position(20), None, None, None),
    ],
)
def test_what_was_verified_is_held_against_the_bounds_of_the_log(
    stands: Position, start: int | None, end: int | None, answer: tuple[str, int | None, str | None] | None
) -> None:
    there = There(
        start=start, end=end, failure=Failure(reason="nobody answers", retriable=True) if end is None else None
    )
    found = _without_reading(stands, there, anew=False)
    assert (None if found is None else (found.content, found.arrived, found.reason)) == answer


def test_from_the_start_nothing_counts_as_verified() -> None:
    assert _without_reading(position(50), There(start=7, end=57), anew=True) is None
    found = _without_reading(position(50, released=50), There(start=8, end=57), anew=True)
    assert found is not None and found.content == "not compared"


def test_a_comparison_by_records_goes_in_steps_whose_ends_have_known_ranks(tmp_path: Path) -> None:
    """A partition of two and a half steps, with a gap in it, and a small one behind it."""
    with Journal(tmp_path / "journal", source_id="S", dest_id="D") as journal:
        small = Begun(
            topic="t", partition=1, dest_topic="t", source_topic_id=None, dest_topic_id=None, base=0, start=0, end=9
        )
        journal.begin([BEGUN, small])
        journal.claim()
        journal.settle({("t", 0): 0, ("t", 1): 0})
        ends = {("t", 0): Boundary(200, 60, Digest(records=60)), ("t", 1): Boundary(9, 9, Digest(records=9))}
        runs = {("t", 0): [Run(100, 0), Run(160, 20)], ("t", 1): [Run(0, 0)]}  # offsets 120 to 159 are gaps
        journal.record(Round(intents={place: [end] for place, end in ends.items()}, runs=runs))
        sizes = {("t", 0): 5 * STEP_BYTES // 2, ("t", 1): 100}
        journal.record(Round(acknowledged={place: (end, sizes[place]) for place, end in ends.items()}))
        left = list(journal.positions())
        (first,) = _next_steps(left, journal)
        assert (first.here, first.there, first.complete) == ((100, 140), (7, 27), False)
        journal.keep_verified({("t", 0): Verified(source=180, rank=40, digest=None)})
        last, other = _next_steps(journal.positions(), journal)
        assert (last.here, last.there, last.complete) == ((180, 200), (47, 67), True)
        assert (other.here, other.there, other.complete) == ((0, 9), (0, 9), True)
        # Without a journal no rank within a partition is known: one step for each.
        assert [each.complete for each in _next_steps(left, None)] == [True]
