"""The resume state: what is intended, what has landed, and the rank of every offset that was passed."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta.batches import Digest, Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal import (
    Begun,
    Boundary,
    Copier,
    GroupOffset,
    Journal,
    Place,
    Round,
    Run,
    clusters_of,
    default_path,
)
from kafka_meta.journal.runs import RUNS_A_BLOCK
from tests.support.examples import many

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


TABLE_NAMES = {
    *("about", "partition", "intent", "block", "guard", "committed", "intended", "followed", "history"),
    *("topic", "agreed", "rule", "notice"),
}


def boundary(source: int, rank: int) -> Boundary:
    return Boundary(source, rank, Digest(records=rank, crc32c=source & 0xFFFFFFFF, crc32=rank))


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
    with pytest.raises(KafkaMetaError, match="is not the journal of a migration"):
        opened(tmp_path)
    assert (tmp_path / "journal").read_text().startswith("a text")


def test_a_database_of_something_else_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal")) as file:
        file.execute("CREATE TABLE mine (name TEXT)")
    before = (tmp_path / "journal").read_bytes()
    for attempt in (lambda: opened(tmp_path), lambda: clusters_of(tmp_path / "journal")):
        with pytest.raises(KafkaMetaError, match="is not the journal of a migration"):
            attempt()
    assert (tmp_path / "journal").read_bytes() == before


def test_a_journal_of_a_newer_version_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    with sqlite3.connect(tmp_path / "journal") as file:
        file.execute("UPDATE about SET value = '5' WHERE name = 'schema version'")
    with pytest.raises(KafkaMetaError, match="has schema version 5; this kafka-meta reads versions up to 4") as told:
        opened(tmp_path)
    assert told.value.hint is not None and "newer" in told.value.hint


# What version 1 has written (`tests/cases/journal/version-1.sql`): landed are 100–109, 115–124, 131, 133 and 135.
# Under way are, in the second generation, 150–159 and 168–169; `free` has no guard.


@pytest.fixture
def of_version_1(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "journal")) as file:
        file.executescript(Path("tests/cases/journal/version-1.sql").read_text())
    return tmp_path


def test_a_copy_that_began_with_version_1_goes_on(of_version_1: Path) -> None:
    opened(of_version_1).close()
    with opened(of_version_1) as journal:
        assert [(each.begun.topic, each.source, each.rank, each.failure) for each in journal.positions()] == [
            ("free", 10, 10, None),
            ("topic", 136, 23, None),
            ("topic", 100, 0, "why"),
        ]
        assert journal.producer() == Producer(id=5000, epoch=2)
        assert journal.guards() == {"topic": {"cleanup.policy": None, "retention.ms": "5"}}
        assert [each.offset for each in journal.committed()] == [17]
        journal.claim()
        position = journal.settle({PLACE: 33})[PLACE]
        assert position is not None and (position.source, position.digest) == (160, boundary(160, 33).digest)
        intend(journal, boundary(180, 45), runs=(Run(168, 33),))
        journal.record(Round(acknowledged={PLACE: (boundary(180, 45), 10)}))
        passed = [*range(100, 110), *range(115, 125), 131, 133, 135, *range(150, 160), *range(168, 180)]
        for offset in range(100, 181):
            assert journal.rank(*PLACE, offset) == sum(each < offset for each in passed), offset
    with closing(sqlite3.connect(of_version_1 / "journal")) as file:
        assert {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} == TABLE_NAMES


@pytest.mark.parametrize("landed, source", [(23, 136), (33, 160), (35, 170), (24, None)])
def test_what_version_1_intended_is_found(of_version_1: Path, landed: int, source: int | None) -> None:
    with opened(of_version_1) as journal:
        journal.claim()
        position = journal.settle({PLACE: landed})[PLACE]
        assert (None if position is None else position.source) == source


def test_of_a_copy_of_version_1_nothing_counts_as_verified_and_no_epoch_is_known(of_version_1: Path) -> None:
    with opened(of_version_1) as journal:
        assert {(each.epoch, each.verified.rank, each.verified.read) for each in journal.positions()} == {
            (None, 0, Digest())
        }
        assert {each.begun.dest_topic: each.released for each in journal.positions()} == {"free.there": 10, "topic": 0}


def test_a_migration_of_the_schema_that_is_interrupted_changes_nothing(
    of_version_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = dump(of_version_1)
    with monkeypatch.context() as patch:
        patch.setattr("kafka_meta.journal.migration._blocks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(of_version_1)
    assert dump(of_version_1) == before
    opened(of_version_1).close()


def dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "journal")) as file:
        return list(file.iterdump())


def test_the_epoch_of_the_last_copied_batch_is_kept_with_the_position(journal: Journal, tmp_path: Path) -> None:
    assert journal.position(PLACE).epoch is None
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10)._replace(epoch=3), boundary(125, 20)._replace(epoch=4), boundary(130, 25))
    journal.record(Round(acknowledged={PLACE: (boundary(110, 10)._replace(epoch=3), 1)}))
    assert journal.position(PLACE).epoch == 3
    assert journal.settle({PLACE: 20})[PLACE] == journal.position(PLACE)
    assert journal.position(PLACE).epoch == 4
    # The end of the range: transaction markers follow the last batch.
    journal.record(Round(acknowledged={PLACE: (boundary(200, 20)._replace(epoch=5), 0)}))
    journal.close()
    assert opened(tmp_path).position(PLACE).epoch == 5


def test_the_highest_epoch_of_the_destinations_leaders_is_kept(journal: Journal, tmp_path: Path) -> None:
    assert journal.position(PLACE).dest_epoch is None
    for epochs, highest in (({PLACE: 3}, 3), ({PLACE: 2}, 3), ({}, 3), ({PLACE: 5}, 5)):
        journal.settle({PLACE: 0}, epochs)
        assert journal.position(PLACE).dest_epoch == highest
    journal.close()
    assert opened(tmp_path).position(PLACE).dest_epoch == 5


def test_an_earlier_epoch_is_not_kept_for_a_batch_without_one(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10)._replace(epoch=3), boundary(125, 20))
    assert journal.settle({PLACE: 10})[PLACE] is not None
    journal.record(Round(acknowledged={PLACE: (boundary(125, 20), 1)}))
    assert journal.position(PLACE).epoch is None


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


@settings(max_examples=many(60), deadline=None)
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


def gappy(count: int, *, start: int = 0) -> Iterator[Run]:
    """Transactions of one record: each is followed by its marker."""
    return (Run(2 * number, number) for number in range(start, start + count))


def test_ranks_across_the_blocks_of_runs(journal: Journal) -> None:
    """Rounds that fill a part of a block, exactly one, and several."""
    journal.begin([begun(partition=1, start=0, end=1 << 40)])
    place = ("topic", 1)
    journal.settle({place: 0})
    rank = 0
    for count in (1, RUNS_A_BLOCK - 2, 1, 1, RUNS_A_BLOCK, 7 * RUNS_A_BLOCK + 3, 5):
        rank, runs = rank + count, list(gappy(count, start=rank))
        end = boundary(2 * rank, rank)
        journal.record(Round(intents={place: [end]}, runs={place: runs}))
        journal.record(Round(acknowledged={place: (end, 1)}))
    # Far behind: a block does not reach so far.
    far = 1 << 36
    journal.record(Round(intents={place: [boundary(far + 1, rank + 1)]}, runs={place: [Run(far, rank)]}))
    journal.record(Round(acknowledged={place: (boundary(far + 1, rank + 1), 1)}))
    for offset in range(2 * rank + 1):
        assert journal.rank(*place, offset) == (offset + 1) // 2
    assert [journal.rank(*place, each) for each in (2 * rank + 5, far - 1, far, far + 1)] == [
        rank,
        rank,
        rank,
        rank + 1,
    ]
    with closing(sqlite3.connect(journal.path)) as file:
        assert file.execute("SELECT count(*) FROM block").fetchone() == (-(-rank // RUNS_A_BLOCK) + 1,)


@pytest.mark.long
def test_ten_million_gaps_take_less_than_200_mb_and_every_rank_is_known(tmp_path: Path) -> None:
    count, a_round = 10_000_000, 10_000
    with opened(tmp_path) as journal:
        journal.begin([begun(start=0, end=1 << 40)])
        journal.claim()
        journal.settle({PLACE: 0})
        acknowledged: dict[Place, tuple[Boundary, int]] = {}
        for rank in range(0, count, a_round):
            end = boundary(2 * (rank + a_round), rank + a_round)
            runs = {PLACE: list(gappy(a_round, start=rank))}
            journal.record(Round(intents={PLACE: [end]}, runs=runs, acknowledged=acknowledged))
            acknowledged = {PLACE: (end, 1)}
    with opened(tmp_path) as journal:
        journal.claim()
        position = journal.settle({PLACE: count})[PLACE]
        assert position is not None and (position.source, position.rank) == (2 * count, count)
        dice = random.Random(1)
        for offset in (0, 1, 2 * count - 1, 2 * count, *(dice.randrange(2 * count) for _ in range(10_000))):
            assert journal.rank(*PLACE, offset) == (offset + 1) // 2
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 200_000_000


# What SQLite cannot do is told in words.


def damage(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def test_a_full_disk_is_told_and_nothing_of_the_round_is_kept(journal: Journal) -> None:
    journal.settle({PLACE: 0})
    intend(journal, boundary(110, 10))
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(KafkaMetaError, match="no room left on the disk of the journal") as told:
        journal.record(
            Round(
                intents={PLACE: [boundary(120 + each, 11 + each) for each in range(1000)]},
                acknowledged={PLACE: (boundary(110, 10), 5)},
            )
        )
    assert told.value.hint is not None and "give the same command again" in told.value.hint
    assert journal.position(PLACE).rank == 0
    journal._db.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert journal.settle({PLACE: 10})[PLACE] == journal.position(PLACE)
    assert journal.position(PLACE).rank == 10


def test_a_journal_that_another_program_locks_is_told(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kafka_meta.journal.file.BUSY_SECONDS", 0)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(KafkaMetaError, match="another program has locked the journal"):
            opened(tmp_path)


def test_a_damaged_journal_is_told(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    damage(tmp_path / "journal")
    with pytest.raises(KafkaMetaError, match="is damaged") as told:
        opened(tmp_path)
    assert told.value.hint is not None and "copy of the file" in told.value.hint


def test_a_journal_that_may_not_be_written_is_told(journal: Journal) -> None:
    journal._db.execute("PRAGMA query_only = 1")
    with pytest.raises(KafkaMetaError, match="may not be written"):
        journal.fail(PLACE, "why")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KafkaMetaError, match="cannot be used: Not a directory"):
        opened(tmp_path / "file" / "folder")


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


READER = """
import sys
from pathlib import Path
from kafka_meta.journal import Journal
for _ in range(2):  # the last one to close a journal clears it up
    with Journal(Path(sys.argv[1]), source_id="A", dest_id="B") as journal:
        print(journal.copier() is not None)
"""


def test_a_process_that_looks_beside_several_threads_of_a_copier_takes_nothing_from_it(tmp_path: Path) -> None:
    """Locks on a file belong to a process: closing any descriptor of it drops them all (POSIX). Another process then
    takes a journal for its own, and removes what is not merged yet."""
    path = tmp_path / "j"

    def look() -> list[str]:
        words = [sys.executable, "-c", READER, str(path)]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    with Journal(path, source_id="A", dest_id="B") as journal:
        with Journal(path, source_id="A", dest_id="B") as of_another_thread:
            assert of_another_thread.copier() is None
        assert look() == ["False", "False"]
        journal.tell(Copier(host="h", pid=1, since_ms=0, told_ms=0))
        assert look() == ["True", "True"]
    assert look() == ["True", "True"]
