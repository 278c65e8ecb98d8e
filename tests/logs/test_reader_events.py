"""What real brokers do too seldom. The lines are stand-ins: no broker is asked."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kafka_meta.events import Happened
from kafka_meta.logs import reader as room
from kafka_meta.logs.reader import Arrived, Damaged, LogReader, Memory, _Bounds, _Led
from kafka_meta.wire.fetch import Fetched
from kafka_meta.wire.partitions import Leader

PLACE = ("t", 0)
LEADER = Leader(broker=SimpleNamespace(id=1), epoch=1, topic_id=None)  # type: ignore[arg-type]


class Stand:
    """A reader of one partition whose lines are stand-ins. `requests` are those that it has sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[Any] = []
        self._answers: list[Callable[[Any], None]] = []
        line = SimpleNamespace(
            under_way=0,
            pace=SimpleNamespace(request_bytes=1 << 20),
            channel=SimpleNamespace(ask=self._asked),
            answered=lambda lost: None,
        )
        lines = SimpleNamespace(free=lambda broker: [line], resting=lambda: None)
        monkeypatch.setattr(room, "side_of", lambda settings: "source")
        monkeypatch.setattr(room, "Lines", lambda *_, **__: lines)
        answers: Any = SimpleNamespace(
            meanwhile=lambda ask, heard: None, to=lambda heard, *context: lambda answer: heard(answer, *context)
        )
        nobody: Any = None
        memory = Memory(total_bytes=8 << 20, free_bytes=8 << 20)
        self.reader = LogReader(nobody, nobody, answers, memory, request_bytes=1 << 20)
        self.reader.want(PLACE, 5, 9)
        self.reader._heard_leaders(dict(self.reader._logs), {PLACE: _Led(leader=LEADER, end=None)})
        self.reader.go_on()

    def _asked(self, request: Any, heard: Callable[[Any], None]) -> None:
        self.requests.append(request)
        self._answers.append(heard)

    def answer(self, error_code: int = 0, records: bytes = b"") -> None:
        """To the last request."""
        told = Fetched(topic="t", partition=0, error_code=error_code, aborted=(), records=memoryview(records))
        self._answers[-1]([told])


@pytest.mark.parametrize("code", [0, 1])
def test_a_partition_that_is_lost_while_it_is_asked_leaves_every_queue(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    stand = Stand(monkeypatch)
    reader = stand.reader
    stand.answer()  # nothing arrived: its bounds are looked up, and it is asked again
    reader.go_on()
    reader._heard_bounds({PLACE: _Bounds(leader=LEADER, start=7, end=20, certain=True)})
    stand.answer(code)  # of the request that was under way
    assert [type(event).__name__ for event in reader.take()] == ["Purged"]
    reader._looking_at_bounds = False
    reader._bounds_not_before = 0
    reader.go_on()  # a KeyError before
    assert list(reader.take()) == []


def part_of_a_batch(size_bytes: int) -> bytes:
    return struct.pack(">qiib", 5, size_bytes - 12, 0, 2) + bytes(1000)


def test_a_batch_that_is_larger_than_what_was_asked_for_is_asked_for_in_its_own_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kafka returns the first batch whole; brokers that are not Kafka need not."""
    stand = Stand(monkeypatch)
    stand.answer(records=part_of_a_batch(20 << 20))
    stand.reader.go_on()
    assert list(stand.reader.take()) == []
    assert stand.requests[-1].max_bytes == stand.requests[-1].wanted[0].max_bytes == 20 << 20
    whole = part_of_a_batch(1017)
    stand.answer(records=whole)
    (arrived,) = stand.reader.take()
    assert isinstance(arrived, Arrived) and arrived.fetched[0].records == whole


def test_a_batch_that_never_comes_as_a_whole_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    for _ in range(2):
        stand.answer(records=part_of_a_batch(20 << 20))
        stand.reader.go_on()
    (damaged,) = stand.reader.take()
    assert isinstance(damaged, Damaged)
    assert damaged.reason == "record batch at offset 5: it claims 20971520 bytes, and 1017 arrive"


def test_another_leader_is_told_once_for_all_its_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(room, "side_of", lambda settings: "source")
    monkeypatch.setattr(room, "Lines", lambda *_, **__: SimpleNamespace(resting=lambda: None))
    nobody: Any = None
    memory = Memory(total_bytes=8 << 20, free_bytes=8 << 20)
    reader = LogReader(nobody, nobody, nobody, memory, request_bytes=1 << 20, emit=told.append)
    places = [("t", number) for number in range(3)]
    for place in places:
        reader.want(place, 5, 9)
    reader._heard_leaders(reader._logs, dict.fromkeys(places, _Led(leader=LEADER, end=None)))
    assert told == []
    for place in places:
        reader._seek_leader(reader._logs[place])
    other = Leader(broker=SimpleNamespace(id=2), epoch=2, topic_id=None)  # type: ignore[arg-type]
    reader._heard_leaders(reader._logs, dict.fromkeys(places, _Led(leader=other, end=None)))
    assert told == [Happened(text="t-0 and 2 more partitions: the leader on the source was broker 1, now it is 2")]
