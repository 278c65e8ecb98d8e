"""The resume state: what is intended, what has landed, and the rank of every offset that was passed."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta.batches import Digest, Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal import Begun, Boundary, GroupOffset, Journal, Round, Run, default_path

PLACE = ("topic", 0)


def begun(**other: object) -> Begun:
    given: dict[str, object] = {
        "topic": "topic",
        "partition": 0,
        "dest_topic": "topic",
        "source_topic_id": "source-id",
        "dest_topic_id": "dest-id",
        "base": 7,
        "start": 100,
        "end": 200,
    }
    return Begun(**{**given, **other})  # type: ignore[arg-type]


def opened(path: Path, **ids: str) -> Journal:
    return Journal(path / "journal", **{"source_id": "S", "dest_id": "D", **ids})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = opened(tmp_path)
    made.begin([begun()])
    made.claim()
    return made


def boundary(source: int, rank: int) -> Boundary:
    return Boundary(source, rank, Digest(records=rank, crc32c=source, crc32=rank))


def intend(journal: Journal, *boundaries: Boundary, runs: tuple[Run, ...] = ()) -> None:
    journal.record(Round(intents={PLACE: list(boundaries)}, runs={PLACE: list(runs)} if runs else {}))


def test_a_partition_begins_whole_and_stands_at_its_start(journal: Journal) -> None:
    (position,) = journal.positions()
    assert position.begun == begun()
    assert (position.source, position.rank, position.dest_end, position.done) == (100, 0, 7, False)
    assert position.digest == Digest()


def test_beginning_again_only_lets_the_end_grow(journal: Journal) -> None:
    journal.begin([begun(end=300, base=99, start=150), begun(partition=1)])
    journal.begin([begun(end=250)])
    assert [position.begun for position in journal.positions()] == [begun(end=300), begun(partition=1)]


@pytest.mark.parametrize("other", [{"source_topic_id": "new"}, {"dest_topic_id": "new"}, {"dest_topic": "new"}])
def test_another_topic_of_the_same_name_is_refused(journal: Journal, other: dict[str, str]) -> None:
    with pytest.raises(KafkaMetaError):
        journal.begin([begun(partition=1), begun(**other)])
    assert [position.begun for position in journal.positions()] == [begun()]


def test_a_journal_of_other_clusters_is_refused(journal: Journal, tmp_path: Path) -> None:
    for ids in ({"source_id": "X"}, {"dest_id": "X"}):
        with pytest.raises(KafkaMetaError, match="belongs to the"):
            opened(tmp_path, **ids)


def test_a_file_that_is_no_journal_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a text of somebody's" * 100)
    with pytest.raises(KafkaMetaError, match="cannot be used"):
        opened(tmp_path)
    assert (tmp_path / "journal").read_text().startswith("a text")


def test_a_journal_of_a_newer_version_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    with sqlite3.connect(tmp_path / "journal") as file:
        file.execute("UPDATE about SET value = '2' WHERE name = 'schema version'")
    with pytest.raises(KafkaMetaError, match="schema version 2"):
        opened(tmp_path)


def test_only_its_owner_can_read_it(journal: Journal) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_it_lies_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path("S", "D") == tmp_path / "kafka-meta" / "S--D.sqlite"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path("S", "D") == tmp_path / ".local/state/kafka-meta/S--D.sqlite"


def test_what_has_landed_is_found_among_what_was_intended(journal: Journal, tmp_path: Path) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10), boundary(125, 20), boundary(130, 25))
    journal.close()
    again = opened(tmp_path)
    again.claim()
    position = again.settle({PLACE: 20})[PLACE]
    assert position is not None
    assert (position.source, position.rank, position.digest) == (125, 20, boundary(125, 20).digest)


@pytest.mark.parametrize("landed", [-1, 9, 11, 26])
def test_a_rank_that_nobody_intended_is_no_position(journal: Journal, landed: int) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10), boundary(125, 20), boundary(130, 25))
    assert journal.settle({PLACE: landed}) == {PLACE: None}


def test_less_than_was_acknowledged_is_no_position(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10), boundary(125, 20))
    journal.record(Round(acknowledged={PLACE: (boundary(125, 20), 1000)}))
    assert journal.settle({PLACE: 10}) == {PLACE: None}
    assert journal.positions()[0].size_bytes == 1000


def test_a_late_packet_of_an_earlier_generation_is_still_known(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10), boundary(125, 25), runs=(Run(100, 0),))
    journal.settle({PLACE: 10})
    # Meanwhile the source has been compacted: other batches, other gaps.
    intend(journal, boundary(140, 20), boundary(160, 40), runs=(Run(130, 10),))
    position = journal.settle({PLACE: 25})[PLACE]
    assert position is not None
    assert (position.source, position.rank) == (125, 25)
    assert [journal.rank(*PLACE, offset) for offset in (100, 109, 110, 117, 125, 126)] == [0, 9, 10, 17, 25, None]


def test_of_two_generations_that_meet_the_younger_one_counts(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10), boundary(120, 20), runs=(Run(100, 0),))
    journal.settle({PLACE: 10})
    intend(journal, boundary(150, 20), runs=(Run(140, 10),))
    position = journal.settle({PLACE: 20})[PLACE]
    assert position is not None
    assert position.source == 150
    assert [journal.rank(*PLACE, offset) for offset in (110, 139, 140, 141, 150)] == [10, 10, 10, 11, 20]


def test_whoever_has_claimed_before_writes_no_more(journal: Journal, tmp_path: Path) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10))
    another = opened(tmp_path)
    another.claim()
    another.settle({PLACE: 10})
    for write in (
        lambda: journal.record(Round(acknowledged={PLACE: (boundary(105, 5), 1)})),
        lambda: journal.settle({PLACE: 0}),
        lambda: journal.fail(PLACE, "why"),
    ):
        with pytest.raises(KafkaMetaError, match="another kafka-meta has taken over"):
            write()
    (position,) = another.positions()
    assert (position.rank, position.failure) == (10, None)


def test_acknowledged_rounds_leave_one_row_behind(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    for number in range(50):
        last = boundary(100 + number + 1, number + 1)
        journal.record(
            Round(
                intents={PLACE: [last]},
                acknowledged={PLACE: (boundary(100 + number, number), 1)} if number else {},
            )
        )
    with sqlite3.connect(journal.path) as file:
        assert file.execute("SELECT count(*) FROM intent").fetchone()[0] <= 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_rank_of_every_passed_offset_is_the_count_of_records_before_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Batches with gaps in and between them, interruptions anywhere, each of which lands at any intended boundary."""
    made = Journal(tmp_path_factory.mktemp("ranks") / "journal", source_id="S", dest_id="D")
    made.claim()
    offsets = sorted(data.draw(st.sets(st.integers(100, 199), max_size=60)))
    made.begin([begun()])
    source, rank = 100, 0
    while source < 200:
        made.settle({PLACE: rank})
        ends = data.draw(
            st.lists(st.integers(source + 1, 200), min_size=1, max_size=5).map(lambda cuts: sorted(set(cuts)))
        )
        boundaries, runs, at, reached, run_end = [], [], source, rank, None
        for end in ends:
            inside = [offset for offset in offsets if at <= offset < end]
            for offset in inside:
                if offset != run_end:
                    runs.append(Run(offset, reached))
                run_end, reached = offset + 1, reached + 1
            if inside:
                boundaries.append(boundary(end, reached))
            at = end
        work = Round(runs={PLACE: runs} if runs else {}, intents={PLACE: boundaries} if boundaries else {})
        made.record(work)
        if not boundaries:
            made.record(Round(acknowledged={PLACE: (boundary(at, rank), 0)}))
            source = at
            continue
        landed = data.draw(st.sampled_from(boundaries))
        source, rank = landed.source, landed.rank
        if data.draw(st.booleans()):
            made.record(Round(acknowledged={PLACE: (landed, 1)}))
    made.settle({PLACE: rank})
    for offset in range(100, 201):
        assert made.rank(*PLACE, offset) == sum(each < offset for each in offsets)
    assert made.rank("topic", 1, 100) is None
    made.close()


def test_the_producer_the_owner_guards_and_commits_are_remembered(journal: Journal, tmp_path: Path) -> None:
    assert journal.producer() is None
    journal.remember_producer(Producer(id=5000, epoch=2))
    journal.remember_guard("topic", {"retention.ms": "5", "cleanup.policy": None})
    journal.remember_guard("topic", {"retention.ms": "-1"})
    journal.set_committed([GroupOffset(group="group", topic="topic", partition=0, offset=17)])
    journal.fail(PLACE, "why")
    journal.close()
    again = opened(tmp_path)
    assert again.producer() == Producer(id=5000, epoch=2)
    assert again.guards() == {"topic": {"cleanup.policy": None, "retention.ms": "5"}}
    assert [(each.group, each.topic, each.partition, each.offset) for each in again.committed()] == [
        ("group", "topic", 0, 17)
    ]
    assert again.positions()[0].failure == "why"
    again.forget_guard("topic")
    assert again.guards() == {}
    again.begin([begun()])
    assert again.positions()[0].failure is None
    assert os.path.exists(again.path)
