"""Where a group that is followed shall stand on the destination: every case of the table, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kafka_meta.journal import Begun, Followed, GroupOffset, Journal, Position
from kafka_meta.journal.values import NOTHING
from kafka_meta.mirror.positions import NOWHERE, Copy, Side, decide
from kafka_meta.model import CommittedOffset

PLACE = ("orders", 0)
BASE, START, SOURCE = 7, 100, 200
POSITION = Position(
    begun=Begun(
        topic="orders",
        partition=0,
        dest_topic="orders",
        source_topic_id=None,
        dest_topic_id=None,
        base=BASE,
        start=START,
        end=300,
    ),
    source=SOURCE,
    rank=80,
    digest=NOTHING,
    size_bytes=0,
    failure=None,
)
COPY = Copy(position=POSITION, rank=lambda offset: offset - START, earliest=START, latest=400)
NEW = Followed(group="g", topic="orders", partition=0, state="not-yet")


def side(offset: int | None, *, alive: str | None = None, metadata: str = "", unknown: str | None = None) -> Side:
    at = CommittedOffset(topic="orders", partition=0, offset=offset or 0, metadata=metadata)
    return Side(offsets={} if offset is None else {PLACE: at}, alive=alive, unknown=unknown)


@pytest.mark.parametrize(
    ("committed", "copy", "state", "wanted"),
    [
        (150, COPY, "synced", BASE + 50),
        (START, COPY, "synced", BASE),
        (SOURCE, COPY, "synced", BASE + 100),
        (SOURCE + 1, COPY, "ahead", BASE + 80),
        (400, COPY, "ahead", BASE + 80),
        (401, COPY, "left-alone", None),
        (401, replace(COPY, latest=None), "ahead", BASE + 80),
        (50, COPY, "synced", BASE),  # nothing older can be read any more
        (50, replace(COPY, earliest=50), "behind-start", None),
        (50, replace(COPY, earliest=None), "left-alone", None),
        (None, COPY, "synced", BASE),
        (None, replace(COPY, earliest=50), "behind-start", None),
        (150, replace(COPY, rank=lambda offset: None), "not-yet", None),
    ],
)
def test_a_position_is_translated_exactly_or_has_a_reason(
    committed: int | None, copy: Copy, state: str, wanted: int | None
) -> None:
    found = decide(NEW, side(committed), NOWHERE, copy, ours=(), uncommitted="earliest")
    assert (found.state, found.dest_offset, found.source_offset) == (state, wanted, committed)
    assert found.reason is not None or (state == "synced" and committed is not None)


def test_a_group_without_a_position_is_left_alone_when_the_operator_says_so() -> None:
    assert decide(NEW, side(None), NOWHERE, COPY, ours=(), uncommitted="skip").state == "left-alone"


@pytest.mark.parametrize("at", [side(20), side(BASE + 60), side(0, metadata="mine")])
def test_a_group_whose_position_there_somebody_else_has_set_has_moved_and_stays_so(at: Side) -> None:
    moved = decide(NEW, side(150), at, COPY, ours=(33,), uncommitted="earliest")
    assert moved.state == "moved" and moved.reason is not None and "has not set" in moved.reason
    later = decide(moved, side(160), NOWHERE, COPY, ours=(33,), uncommitted="earliest")
    assert (later.state, later.reason) == ("moved", moved.reason)


@pytest.mark.parametrize("at", [side(33), side(BASE + 50), side(1, metadata="kafka-meta:start")])
def test_a_position_there_of_ours_follows_the_source_also_back(at: Side) -> None:
    found = decide(replace(NEW, state="synced"), side(150), at, COPY, ours=(33,), uncommitted="earliest")
    assert (found.state, found.dest_offset) == ("synced", BASE + 50)


def test_a_group_that_reads_there_has_moved_and_one_that_reads_on_both_sides_is_an_alarm() -> None:
    there = side(33, alive="1 member")
    assert decide(NEW, side(150), there, COPY, ours=(33,), uncommitted="earliest").state == "moved"
    both = decide(NEW, side(150, alive="2 members"), there, COPY, ours=(33,), uncommitted="earliest")
    assert both.state == "both-sides"
    assert decide(both, side(150), side(33), COPY, ours=(33,), uncommitted="earliest").state == "moved"


def test_what_is_not_known_is_no_position() -> None:
    unknown = side(None, unknown="COORDINATOR_NOT_AVAILABLE")
    for here, there in ((unknown, NOWHERE), (side(150), unknown)):
        found = decide(replace(NEW, dest_offset=9), here, there, COPY, ours=(), uncommitted="earliest")
        assert (found.state, found.dest_offset) == ("left-alone", 9)
        assert found.reason is not None and "COORDINATOR_NOT_AVAILABLE" in found.reason


def test_the_journal_keeps_intended_positions_until_they_are_set(tmp_path: Path) -> None:
    first, second = (GroupOffset(group="g", topic="orders", partition=0, offset=offset) for offset in (5, 6))
    with Journal(tmp_path / "j", source_id="A", dest_id="B") as journal:
        journal.intend([first])
        journal.set_committed([first])
        assert (journal.intended(), journal.committed()) == ((), (first,))
        journal.intend([second])
        journal.keep_followed([NEW, replace(NEW, state="ahead", since_ms=3)])
    with Journal(tmp_path / "j", source_id="A", dest_id="B") as journal:
        assert (journal.intended(), journal.committed()) == ((second,), (first,))
        assert journal.followed() == (replace(NEW, state="ahead", since_ms=3),)
