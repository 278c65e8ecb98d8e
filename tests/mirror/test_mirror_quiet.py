"""Quiet means quiet: positions are set only when nobody writes to the source, and nobody else to the destination."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from threading import Thread

import pytest

from kafka_meta.mirror.prepare import Preparation
from kafka_meta.mirror.quiet import Look, Pulse, movements
from kafka_meta.model import CommittedOffset, Group, Member, Snapshot
from kafka_meta.ranges import Range, Unconsumed
from kafka_meta.wire.producers import ProducerState
from tests.support.mirrored import Mirror, midway, small
from tests.support.shop import until
from tests.support.traffic import commit, committed, produce, rows, watermarks

__all__ = ["small"]

PLACE = ("t", 0)
PREPARED = Preparation(
    source=Snapshot(taken_at_ms=0),
    unconsumed=Unconsumed(ranges=(Range(topic="t", partition=0, start=0, end=100, earliest=0, reason=""),)),
)
PRODUCER = ProducerState(id=7, epoch=0, last_sequence=99, last_timestamp_ms=1, open_from=-1)
REST = Pulse(log_end=100, high_watermark=100, stable=100, producers=frozenset({PRODUCER}))
READER = Group(id="g", source="broker", offsets=(CommittedOffset(topic="t", partition=0, offset=40),))


def a_look(pulse: Pulse | str, *groups: Group) -> Look:
    return Look(taken_at=0, partitions={PLACE: pulse}, groups=groups, youngest_ms={})


def seen(then: Pulse | str, now: Pulse | str, *, until_lso: bool = False) -> list[str]:
    return [each.reason for each in movements(PREPARED, a_look(then), a_look(now), until_lso=until_lso)]


def test_a_source_at_rest_is_quiet() -> None:
    assert seen(REST, REST) == []
    old = replace(REST, log_end=None, producers=None)
    assert seen(old, old) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(REST, log_end=101), "its log ended at 100, now it ends at 101"),
        (replace(REST, log_end=101, high_watermark=101, stable=101), "now it ends at 101"),
        (replace(REST, stable=99), "a transaction has ended on it"),
        (replace(REST, producers=frozenset({PRODUCER._replace(epoch=1)})), "producer 7 is active on it"),
        (replace(REST, producers=frozenset({PRODUCER._replace(last_sequence=100)})), "producer 7 is active on it"),
        (replace(REST, producers=frozenset({PRODUCER._replace(open_from=100)})), "producer 7 is active on it"),
        ("it has no leader", "it is not known whether clients write to it: it has no leader"),
    ],
)
def test_whatever_a_leader_shows_of_a_writer_is_movement(now: Pulse | str, said: str) -> None:
    (reason,) = seen(REST, now)
    assert said in reason


def test_records_above_the_high_watermark_are_movement_though_nothing_changes() -> None:
    """Those of a producer with acks=1, while a replica lags."""
    (reason,) = seen(replace(REST, log_end=105), replace(REST, log_end=105))
    assert reason == "its log on the source ends at 105, and its replicas have only those up to 100"


def test_what_was_written_between_the_ranges_and_the_first_look_is_movement() -> None:
    later = Pulse(log_end=120, high_watermark=120, stable=120, producers=frozenset({PRODUCER}))
    assert len(seen(later, later)) == 1


def test_an_open_transaction_is_movement_unless_the_copy_shall_end_there() -> None:
    held = replace(REST, log_end=130, high_watermark=130)
    assert "a transaction is open on it: offsets 100 to 130" in seen(held, held)[0]
    assert seen(held, held, until_lso=True) == []


def test_a_producer_that_the_broker_has_forgotten_is_no_movement() -> None:
    assert seen(REST, replace(REST, producers=frozenset())) == []


def test_groups_that_commit_or_live_are_movement() -> None:
    moved = replace(READER, offsets=(CommittedOffset(topic="t", partition=0, offset=41),))
    alive = replace(READER, members=(Member(id="m"),))
    for now, said in ((moved, "its position on t-0 was 40, now it is 41"), (alive, "1 live member")):
        (found,) = movements(PREPARED, a_look(REST, READER), a_look(REST, now), until_lso=False)
        assert str(found.resource) == "group g" and said in found.reason
    assert movements(PREPARED, a_look(REST, READER), a_look(REST, READER), until_lso=False) == ()


def test_what_a_group_has_committed_between_the_ranges_and_the_first_look_is_movement() -> None:
    """Its position is translated as it was when the ranges were read."""
    moved = replace(READER, offsets=(CommittedOffset(topic="t", partition=0, offset=41),))
    prepared = replace(PREPARED, source=replace(PREPARED.source, groups=(READER,)))
    (found,) = movements(prepared, a_look(REST, moved), a_look(REST, moved), until_lso=False)
    assert "its position on t-0 was 40, now it is 41" in found.reason
    (gone,) = movements(prepared, a_look(REST), a_look(REST), until_lso=False)
    assert (str(gone.resource), gone.reason) == ("group g", "it has been deleted on the source meanwhile")


def test_a_record_that_arrives_on_the_source_during_the_copy_keeps_positions_unset(small: Mirror) -> None:
    status, out, _ = midway(small, lambda _: produce(small.source, small.topic, 0, [b"late"]))
    assert status == 1
    said = "a client writes to it on the source: its log ended at 100, now it ends at 101"
    assert f"! partition {small.topic}-0: {said}" in out
    assert "exit status 1; not finished: 2 positions of groups not set yet" in out
    assert committed(small.dest, small.group) == {}
    document = small.document("--commit")
    assert document["copied"][0]["arrived"] == 61
    assert committed(small.dest, small.group) == {(small.topic, 0): 0, (small.topic, 1): 0}


@pytest.mark.guard
def test_a_producer_that_writes_every_few_seconds_is_seen(small: Mirror) -> None:
    """Its pauses are longer than a copy of 60 records, and shorter than --quiet."""
    stop = False

    def write_now_and_then() -> None:
        while not stop:
            produce(small.source, small.topic, 0, [b"now and then"])
            time.sleep(4)

    thread = Thread(target=write_now_and_then)
    thread.start()
    try:
        done = small("--commit", "--quiet", "9s")
        assert done.returncode == 1, done.stdout
        assert f"{small.topic}-0: a client writes to it on the source" in done.stdout
        assert committed(small.dest, small.group) == {}
    finally:
        stop = True
        thread.join()


def test_records_of_somebody_else_behind_a_complete_copy_are_named_and_positions_not_set(small: Mirror) -> None:
    """One partition is complete long before the other one: a producer has been started too early."""

    def write_there(_: subprocess.Popen[str]) -> None:
        until(lambda: watermarks(small.dest, small.topic, 0)[1] == 60, "the first partition is complete")
        produce(small.dest, small.topic, 0, [b"not ours"] * 2)

    status, out, err = midway(small, write_there)
    assert status == 1, out + err
    said = f"× {small.topic}-0: offsets 60 to 61 are on the destination and not of this copy"
    assert said in out, out
    assert committed(small.dest, small.group) == {(small.topic, 1): 0}


def test_producers_that_write_there_after_the_cut_over_are_no_failure_of_a_later_run(small: Mirror) -> None:
    small.document("--commit")
    produce(small.dest, small.topic, 0, [b"from the new home"])
    again = small("--commit")
    assert again.returncode == 0, again.stdout
    assert len(rows(small.dest, small.topic, 0)) == 61
    assert watermarks(small.dest, small.topic, 0) == (0, 61)
    commit(small.dest, small.group, {(small.topic, 0): 0})


def test_a_look_tells_how_old_the_youngest_record_of_each_topic_is(small: Mirror) -> None:
    at_ms = round(time.time() * 1000) + 60_000
    produce(small.source, small.topic, 1, [{"value": b"young", "timestamp": at_ms}])
    assert small.document()["youngestRecords"] == [{"topic": small.topic, "timestampMs": at_ms}]
    assert f"· youngest record of {small.topic}: " in small().stdout
