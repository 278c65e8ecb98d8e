"""What a look says of a copy that has begun: what is left, what cannot go on, whose journal is missing. No cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from kafka_meta.batches import Digest
from kafka_meta.journal import Begun, Boundary, Journal, Place, Position, Round, Run
from kafka_meta.logs.history import Cut
from kafka_meta.mirror.bind import bind
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.groups import awaited
from kafka_meta.mirror.guard import looks_guarded
from kafka_meta.mirror.migrate import copied_of
from kafka_meta.mirror.outcome import Copied, GroupPosition, left, size_left
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import CommittedOffset, Group, Partition, Snapshot, Topic
from kafka_meta.plan import Policy
from kafka_meta.ranges import Range, Reader, Unconsumed
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Checked, report

BEGUN = Begun(
    topic="t", partition=0, dest_topic="t", source_topic_id="S", dest_topic_id="D", base=5, start=100, end=200
)


def a_range(start: int = 100, end: int = 200, *, earliest: int = 0, committed: int | None = None) -> Range:
    readers = (Reader(group="g", committed=start if committed is None else committed),)
    return Range(
        topic="t", partition=0, start=start, end=end, earliest=earliest, readers=readers, reason="", size_bytes=1000
    )


def stands(source: int, *, failure: str | None = None) -> Position:
    rank = source - BEGUN.start
    return Position(begun=BEGUN, source=source, rank=rank, digest=Digest(records=rank), size_bytes=0, failure=failure)


def copied(source: int) -> Copied:
    return copied_of(Checked(position=stands(source), arrived=None, content="not compared"))


def a_topic(end: int, *, start: int = 0, retention_ms: str | None = None, id: str = "D") -> Topic:
    configs = {} if retention_ms is None else {"retention.ms": retention_ms}
    partitions = (Partition(partition=0, start_offset=start, end_offset=end),)
    return Topic(name="t", id=id, partitions=partitions, configs=configs)


def prepared(each: Range) -> Preparation:
    source = Snapshot(taken_at_ms=0, topics=(a_topic(each.end, start=each.earliest, id="S"),), groups=())
    return Preparation(source=source, unconsumed=Unconsumed(ranges=(each,)))


# What is left.


def test_of_a_copy_that_has_begun_only_what_lies_behind_it_is_left() -> None:
    assert left([a_range()], []) == {("t", 0): 100}
    assert left([a_range()], [copied(160)]) == {("t", 0): 40}
    assert left([a_range()], [copied(200)]) == {("t", 0): 0}


def test_of_an_extension_only_what_has_arrived_since_is_left_however_far_its_groups_have_read() -> None:
    assert left([a_range(end=230)], [copied(200)]) == {("t", 0): 30}
    assert left([a_range(start=230, end=230)], [copied(200)]) == {("t", 0): 30}


def test_what_the_source_has_deleted_is_not_left() -> None:
    assert left([a_range(start=190, earliest=190)], [copied(160)]) == {("t", 0): 10}


def test_the_size_of_what_is_left_is_its_share() -> None:
    assert [size_left(a_range(), messages) for messages in (100, 40, 0)] == [1000, 400, 0]
    assert size_left(a_range(start=200), 30) is None  # of what no group has to read no size is told


def test_planned_is_what_has_been_copied_and_at_most_what_is_left() -> None:
    gappy = Position(begun=BEGUN, source=160, rank=20, digest=Digest(records=20), size_bytes=0, failure=None)
    assert copied_of(Checked(position=gappy, arrived=None, content="not compared")).planned == 20 + 40


# What speaks against going on.


def found_in(
    each: Range,
    there: Topic,
    position: Position | None,
    *,
    strange: bool = False,
    append: bool = False,
    cut: Cut | None = None,
) -> tuple[Findings, tuple[Begun, ...]]:
    found = Findings()
    known = {} if position is None else {BEGUN.place: position}
    stopped = {} if cut is None else {BEGUN.place: cut}
    guarded = {"t"} if strange else set()
    allowed = Allowed(append=append)
    begun = bind(prepared(each), known, {"t": "t"}, {"t": there}, guarded, {}, stopped, {}, allowed, found)
    return found, begun


def test_an_unfinished_copy_whose_logs_are_as_they_were_goes_on() -> None:
    found, (begun,) = found_in(a_range(end=230), a_topic(65), stands(160))
    assert (found.findings, found.warnings) == ([], [])
    assert (begun.base, begun.start, begun.end) == (5, 100, 230)


def test_what_was_sent_last_without_an_answer_is_no_finding() -> None:
    found, begun = found_in(a_range(), a_topic(70), stands(160))
    assert found.findings == [] and len(begun) == 1


@pytest.mark.parametrize(
    ("each", "there", "position", "said"),
    [
        (a_range(start=190, earliest=190), a_topic(65), stands(160), "lost offsets 160–190: the source deleted them"),
        (a_range(), a_topic(64), stands(160), "ends at 64, but the copy at 65: it was truncated"),
        (a_range(end=230), a_topic(106), stands(200), "ends at 106, but the copy at 105: another client has written"),
        (a_range(), a_topic(65, id="another"), stands(160), "it has been recreated on the destination"),
    ],
)
def test_what_cannot_go_on_is_found_before_the_first_byte_with_the_way_out(
    each: Range, there: Topic, position: Position, said: str
) -> None:
    found, begun = found_in(each, there, position)
    (finding,) = found.findings
    assert said in finding.reason
    assert "this copy cannot go on: leave it out (--exclude-topics)" in finding.reason
    assert begun == ()


def test_a_log_that_was_cut_back_stops_its_partition_and_no_other() -> None:
    found, begun = found_in(a_range(end=230), a_topic(65), stands(160), cut=Cut(150, 160))
    assert found.findings == []
    (warning,) = found.warnings
    assert str(warning.resource) == "partition t-0"
    assert "was cut back to offset 150, offsets 150–160 had been copied; this copy cannot go on" in warning.reason
    assert begun == (BEGUN,), "it is not extended"


def test_what_happened_behind_a_finished_copy_does_not_matter_while_there_is_nothing_to_bring() -> None:
    assert found_in(a_range(), a_topic(106), stands(200))[0].findings == []
    assert found_in(a_range(start=200, earliest=200), a_topic(105), stands(200))[0].findings == []


# A journal that is not there.

GUARDED = {"cleanup.policy": "delete", "retention.bytes": "-1", "retention.ms": "-1"}


@pytest.mark.parametrize(
    ("works", "own", "source_retention_ms", "guarded"),
    [
        (GUARDED, "-1", "604800000", True),
        (GUARDED, "-1", "-1", False),  # import has set it
        (GUARDED, None, "604800000", False),  # the brokers' default
        ({**GUARDED, "retention.bytes": "1000"}, "-1", "604800000", False),
        ({**GUARDED, "cleanup.policy": "compact"}, "-1", "604800000", False),
        ({}, "-1", "604800000", False),  # not told
    ],
)
def test_a_topic_looks_guarded_when_nothing_but_the_guard_explains_it(
    works: Mapping[str, str], own: str | None, source_retention_ms: str, guarded: bool
) -> None:
    assert looks_guarded(a_topic(0, retention_ms=own), works, {"retention.ms": source_retention_ms}) is guarded


@pytest.mark.parametrize("append", [False, True])
def test_what_a_mirror_without_its_journal_has_brought_is_not_copied_again(append: bool) -> None:
    found, begun = found_in(a_range(), a_topic(60), None, strange=True, append=append)
    (finding,) = found.findings
    assert finding.reason.startswith("another mirror may have filled it")
    assert "would double its ≤ 60 records" in finding.reason
    assert "--journal FILE" in finding.reason
    assert begun == ()


def test_an_emptied_topic_that_a_mirror_has_guarded_may_be_filled_and_stays_unguarded_by_us() -> None:
    found, begun = found_in(a_range(), a_topic(60, start=60), None, strange=True)
    assert found.findings == [] and begun[0].base == 60
    assert "--release will not set its retention again" in found.warnings[0].reason


def test_append_says_what_it_goes_behind() -> None:
    found, begun = found_in(a_range(), a_topic(60), None, append=True)
    assert "≤ 60 records exist there and stay before the copy" in found.warnings[0].reason
    assert found.findings == [] and begun[0].base == 60


# Positions.


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """All of the range has been copied, without a gap."""
    with Journal(tmp_path / "journal", source_id="S", dest_id="D") as journal:
        journal.begin([BEGUN])
        journal.claim()
        journal.settle({BEGUN.place: 0})
        end = Boundary(200, 100, Digest(records=100))
        journal.record(Round(intents={BEGUN.place: [end]}, runs={BEGUN.place: [Run(100, 0)]}))
        journal.record(Round(acknowledged={BEGUN.place: (end, 1)}))
        yield journal


def outcomes(
    each: Range, journal: Journal | None, *offsets: CommittedOffset, cut: Collection[Place] = ()
) -> list[tuple[str, int | None]]:
    dest = Snapshot(taken_at_ms=0, topics=(a_topic(105),), groups=(Group(id="g", offsets=offsets),))
    told: tuple[GroupPosition, ...] = awaited(prepared(each), journal, Policy(), dest, cut)
    return [(position.outcome, position.dest_offset) for position in told]


def test_before_the_first_run_every_position_is_to_be_set(tmp_path: Path) -> None:
    assert outcomes(a_range(), None) == [("later", None)]


def test_a_position_that_stands_where_it_belongs_is_not_to_be_set(journal: Journal) -> None:
    there = CommittedOffset(topic="t", partition=0, offset=45)
    assert outcomes(a_range(committed=140), journal) == [("later", 45)]
    assert outcomes(a_range(committed=140), journal, there) == [("present", 45)]
    assert outcomes(a_range(committed=150), journal, there) == [("left alone", 55)]


def test_a_position_in_what_an_extension_will_bring_is_to_be_set(journal: Journal) -> None:
    assert outcomes(a_range(end=230, committed=220), journal) == [("later", None)]


def test_a_position_on_a_log_that_was_cut_back_will_not_be_set(journal: Journal) -> None:
    assert outcomes(a_range(committed=140), journal, cut={BEGUN.place}) == [("refused", 45)]


# `verify --data` of an unfinished copy.


def test_an_unfinished_copy_is_told_in_source_offsets_and_with_what_lies_behind_it() -> None:
    unfinished = Checked(position=stands(160), arrived=67, content="equal")
    answer = report(ClusterSettings(role="dest"), [unfinished], ())
    (difference,) = answer.differences
    assert (difference.aspect, difference.source, difference.dest) == ("source offset of the copy", 200, 160)
    assert "7 more records lie behind the 60 that are known to be its own" in (difference.reason or "")
    stopped = Checked(position=stands(160, failure="lost offsets 160–190"), arrived=60, content="equal")
    (difference,) = report(ClusterSettings(role="dest"), [stopped], ()).differences
    assert difference.reason == "lost offsets 160–190"
