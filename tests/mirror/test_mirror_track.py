"""A partition's way through a copy: what is prepared of it, and which states it may have. No broker is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kafka_meta.batches import Batch, Destination, Producer, scan
from kafka_meta.events import silent
from kafka_meta.journal import Begun, Journal
from kafka_meta.logs.reader import Memory
from kafka_meta.mirror.partitions import PartitionDone, Partitions
from kafka_meta.mirror.track import Held, State, Track
from kafka_meta.wire.fetch import Fetched

COMPACTED = Path(__file__).parent.parent / "cases" / "batches" / "v2-compacted.log"


def begun(end: int) -> Begun:
    ids = {"source_topic_id": None, "dest_topic_id": None}
    return Begun(topic="t", partition=0, dest_topic="t", base=0, start=0, end=end, **ids)


def a_track(end: int) -> Track:
    return Track(begun=begun(end), destination=Destination(), producer=Producer())


class NoReader:
    def forget(self, place: object) -> None: ...

    def want(self, *_: object) -> None: ...


@pytest.fixture
def copying(tmp_path: Path) -> tuple[Partitions, Track]:
    """All partitions of a copy: one, with nothing left to copy."""
    journal = Journal(tmp_path / "journal", source_id="s", dest_id="d")
    journal.begin([begun(0)])
    nobody: Any = NoReader()
    partitions = Partitions(
        journal, list(journal.positions()), Memory(total_bytes=1 << 20, free_bytes=1 << 20), nobody, silent
    )
    track = a_track(0)
    partitions.open_all([track])
    position = journal.settle({track.place: 0})[track.place]
    assert position is not None
    track.settle(position)
    return partitions, track


def test_what_is_complete_neither_fails_nor_counts_twice(copying: tuple[Partitions, Track]) -> None:
    partitions, track = copying
    partitions.enlist(track)
    partitions.enlist(track)
    partitions.fail(track, "too late")
    partitions.unsettle(track, "too late")
    partitions.conclude()
    partitions.fail(track, "too late")
    assert (partitions.open, track.state) == (0, State.COMPLETE)  # -1 before: the copy never ended
    assert [type(outcome) for outcome in partitions.outcomes] == [PartitionDone]


def test_what_has_failed_fails_once(copying: tuple[Partitions, Track]) -> None:
    partitions, track = copying
    for _ in range(2):
        partitions.fail(track, "gone")
    partitions.enlist(track)
    assert (partitions.open, track.state, len(partitions.outcomes)) == (0, State.FAILED, 1)


@pytest.mark.parametrize("wrong", [Track.complete, lambda track: (track.fail(), track.fail())])
def test_no_state_is_entered_from_one_that_does_not_lead_there(wrong: Callable[[Track], object]) -> None:
    with pytest.raises(AssertionError):
        wrong(a_track(5))


def test_a_batch_that_is_rebuilt_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    decoding = sys.modules["kafka_meta.batches.records"]  # `batches.records` is its function
    decode = decoding.__dict__["decode"]
    monkeypatch.setattr(decoding, "decode", lambda *given, **more: decoded.append(given) or decode(*given, **more))
    records = memoryview(COMPACTED.read_bytes())
    track = a_track(1 << 40)
    prepared = track.prepare(
        Fetched(topic="t", partition=0, error_code=0, aborted=(), records=records), Held(size_bytes=0)
    )
    assert prepared.ready and len(prepared.runs) > 1  # it has gaps
    thinned = [batch for batch in scan(records) if isinstance(batch, Batch) and not batch.header.gapless]
    assert len(decoded) == len(thinned) == 3
