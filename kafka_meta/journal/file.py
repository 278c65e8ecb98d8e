"""The journal's file. When a method that writes returns, the data is on disk."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from kafka_meta.batches import Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal.copier import Copier
from kafka_meta.journal.migration import from_version_1, from_version_3
from kafka_meta.journal.runs import Block, Run, appended, packed_runs, rank_in, unpacked_runs
from kafka_meta.journal.trouble import BUSY_SECONDS, in_words
from kafka_meta.journal.values import (
    POSITIONS,
    TABLES,
    Begun,
    Boundary,
    Followed,
    FollowedTopic,
    GroupOffset,
    Notice,
    Place,
    Position,
    Round,
    Verified,
    begun_of,
    packed,
    position_of,
    unpacked,
)
from kafka_meta.journal.wishes import Wishes
from kafka_meta.model import Remark, Resource

SCHEMA_VERSION = 4
"""2: intents by generation. 3: groups that are followed. 4: topics, configs and ACLs that are."""
_EARLIER = ("1", "2", "3")

_BLOCKS = "SELECT source, rank, runs FROM block WHERE partition = ?"


def default_path(source_id: str, dest_id: str, task: str | None = None) -> Path:
    """The journal's default path, in the user's state folder (XDG Base Directory Specification)."""
    name = "--".join(filter(None, (source_id, dest_id, task)))
    return journals_folder() / f"{name}.sqlite"


def journals_folder() -> Path:
    """Where journals are, unless another place was named."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "kafka-meta"


def clusters_of(path: Path) -> tuple[str, str]:
    """The ids of the source and destination cluster of a journal. Raises `KafkaMetaError` for any other file."""
    told = _told(path)
    return told["source cluster"], told["dest cluster"]


def task_of(path: Path) -> str | None:
    """The name of the task that this journal is. Raises as `clusters_of`."""
    return _told(path).get("task") or None


def _told(path: Path) -> dict[str, str]:
    with in_words(path), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
        if not _tables(db, path):
            raise KafkaMetaError(f"the journal {path} is empty", "The run that made it ended before it wrote anything.")
        told = {str(name): str(value) for name, value in db.execute("SELECT name, value FROM about")}
    if not {"source cluster", "dest cluster"} <= told.keys():
        raise KafkaMetaError(f"{path} is not the journal of a migration")
    return told


def _make(path: Path) -> None:
    """A private file, unless there is one. One that is there is not opened: this process may have it open in another
    thread, and closing any descriptor of a file drops all locks that the process has on it (POSIX). Another process
    would then take the journal for its own, and remove what is not merged yet."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _tables(db: sqlite3.Connection, path: Path) -> set[str]:
    """Those of a journal; none of an empty file, which may become one. Raises KafkaMetaError for a database of
    something else."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "about" not in tables:
        raise KafkaMetaError(f"{path} is not the journal of a migration", "Name another file with --journal.")
    return tables


class Journal:
    """A context manager. Raises `KafkaMetaError` for a file that is not a journal, that belongs to other clusters, or
    that has another schema version.

    When a method that writes returns, the data is on disk and survives a crash of the machine (WAL with
    synchronous=FULL). Use it only from the thread that has created it.

    `read_only`: for a file that exists. Nothing waits for a copier that writes to it, and no copier waits. `task` names
    the task that a new journal is; that of one that exists must be the same.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        source_id: str,
        dest_id: str,
        task: str | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path or default_path(source_id, dest_id, task)
        self.source_id, self.dest_id = source_id, dest_id
        self.task = task
        """None: the only task of these clusters, or one that was begun without a name."""
        self._read_only = read_only
        with in_words(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make(self.path)
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise
        self._rows = {(topic, partition): row for row, topic, partition in self._all_rows()}
        self._generations: dict[Place, int] = {}
        self._owner: str | None = None

    def again(self, *, read_only: bool = False) -> Journal:
        """The same file, opened once more: for another thread, which calls this."""
        return Journal(self.path, source_id=self.source_id, dest_id=self.dest_id, read_only=read_only)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def _open(self) -> None:
        _tables(self._db, self.path)  # refuses a database of something else
        if self._read_only and self._about("schema version") == str(SCHEMA_VERSION):
            self._db.execute("PRAGMA query_only = ON")
            self.task = self._about("task") or None
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            version = self._remember_once("schema version", str(SCHEMA_VERSION))
            if version not in (*_EARLIER, str(SCHEMA_VERSION)):
                raise KafkaMetaError(
                    f"the journal {self.path} has schema version {version}; this kafka-meta reads versions up to "
                    f"{SCHEMA_VERSION}",
                    "Use the version of kafka-meta that wrote it, or a newer one.",
                )
            for name, id in (("source", self.source_id), ("dest", self.dest_id)):
                seen = self._remember_once(f"{name} cluster", id)
                if seen != id:
                    raise KafkaMetaError(
                        f"the journal {self.path} belongs to the {name} cluster {seen}, but this is cluster {id}",
                        "Name another journal with --journal, or the clusters to which this one belongs.",
                    )
            named = self._remember_once("task", self.task or "") or None
            if self.task not in (None, named):
                whose = "has no name" if named is None else f"is task {named}"
                raise KafkaMetaError(
                    f"the journal {self.path} {whose}, and cannot become task {self.task}",
                    "Leave out --task, or name another journal.",
                )
            self.task = named
            if version == "1":
                from_version_1(self._db)
            for statement in TABLES:
                self._db.execute(statement)
            if version == "3":
                from_version_3(self._db)
            self._db.execute("UPDATE about SET value = ? WHERE name = 'schema version'", (SCHEMA_VERSION,))

    def _all_rows(self) -> list[Any]:
        return self._read("SELECT id, topic, partition FROM partition")

    def _read(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        with in_words(self.path):
            return self._db.execute(query, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with in_words(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled it back by itself, when the disk was full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _about(self, name: str) -> str | None:
        found = self._read("SELECT value FROM about WHERE name = ?", (name,))
        return str(found[0][0]) if found else None

    def _remember_once(self, name: str, value: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
        return self._about(name) or value

    # The copier.

    def producer(self) -> Producer | None:
        """The producer of this migration; None before `remember_producer`."""
        told = self._about("producer")
        if told is None:
            return None
        id, epoch = told.split()
        return Producer(id=int(id), epoch=int(epoch))

    def remember_producer(self, producer: Producer) -> None:
        """Call it once in a migration: the ranks are the sequence numbers of this producer."""
        with self._transaction():
            self._db.execute("INSERT INTO about VALUES ('producer', ?)", (f"{producer.id} {producer.epoch}",))

    def claim(self) -> None:
        """Makes this process the only one that may write positions. The last claim wins: after it, `record`, `settle`
        and `fail` of another process (that was stopped, for example) raise `KafkaMetaError` and change nothing."""
        self._owner = uuid.uuid4().hex
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO about VALUES ('owner', ?)", (self._owner,))

    def check_claim(self) -> None:
        """Raises `KafkaMetaError` when another process has claimed the journal since."""
        if self._about("owner") != self._owner:
            raise KafkaMetaError(
                "another kafka-meta has taken over this migration", "Let it finish: this process stops here."
            )

    def tell(self, copier: Copier) -> None:
        """Keeps what the copier tells about itself, instead of what it told before. Once this process has claimed the
        journal, only while no other process has."""
        with self._transaction() if self._owner is None else self._claimed():
            self._db.execute("INSERT OR REPLACE INTO about VALUES ('copier', ?)", (copier.encoded(),))

    def copier(self) -> Copier | None:
        """What the last copier told; None before the first one."""
        told = self._about("copier")
        return None if told is None else Copier.decoded(told)

    # What the operator wishes of a copy that goes on. It reads that again and again.

    def change_wishes(self, change: Callable[[Wishes], Wishes]) -> Wishes:
        """Keeps what `change` makes of the wishes, which nobody else changes meanwhile; returns it."""
        with self._transaction():
            wishes = change(self.wishes())
            self._db.execute("INSERT OR REPLACE INTO about VALUES ('wishes', ?)", (wishes.encoded(),))
        return wishes

    def wishes(self) -> Wishes:
        told = self._about("wishes")
        return Wishes() if told is None else Wishes.decoded(told)

    def passed_over(self, topics: Iterable[str] = ()) -> frozenset[str]:
        """The topics that no group read when the first copy that goes on began. `topics` are kept the first time."""
        told = self._about("passed over")
        if told is None:
            told = json.dumps(sorted(topics))
            with self._transaction():
                self._remember_once("passed over", told)
        return frozenset(json.loads(told))

    def note(self, who: str, what: str, at_ms: int) -> None:
        """Adds a line to the history."""
        with self._transaction():
            self._db.execute("INSERT INTO history VALUES (?, ?, ?)", (at_ms, who, what))

    def history(self) -> tuple[tuple[int, str, str], ...]:
        """When (milliseconds since 1970), who and what, in order."""
        return tuple(self._read("SELECT at_ms, who, what FROM history ORDER BY rowid"))

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        with self._transaction():
            self.check_claim()
            yield

    # Partitions, and how far each of them is copied.

    def begin(self, partitions: Iterable[Begun]) -> None:
        """Adds these partitions. A partition that has begun already keeps its `base` and `start`; only its `end` may
        grow. Raises `KafkaMetaError` when one of the topics has been recreated, or has another destination topic."""
        with self._transaction():
            known = {position.begun.place: position.begun for position in self.positions()}
            for new in partitions:
                if (old := known.get(new.place)) is None:
                    self._insert(new)
                else:
                    _refuse_another_topic(old, new)
                    self._db.execute(
                        'UPDATE partition SET "end" = max("end", ?), failure = NULL WHERE topic = ? AND partition = ?',
                        (new.end, *new.place),
                    )
        self._rows = {(topic, partition): row for row, topic, partition in self._all_rows()}

    def _insert(self, new: Begun) -> None:
        self._db.execute(
            'INSERT INTO partition (topic, partition, dest_topic, source_topic_id, dest_topic_id, base, start, "end",'
            " source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new.topic, new.partition, new.dest_topic, new.source_topic_id, new.dest_topic_id),
                *(new.base, new.start, new.end, new.start),
            ),
        )

    def positions(self, topics: Iterable[str] | None = None) -> tuple[Position, ...]:
        """The positions of all partitions that have begun, or of those of some topics, ordered by topic and
        partition."""
        if topics is None:
            return tuple(map(position_of, self._read(f"{POSITIONS} ORDER BY topic, partition")))
        chosen = f"{POSITIONS} WHERE topic IN (SELECT value FROM json_each(?)) ORDER BY topic, partition"
        return tuple(map(position_of, self._read(chosen, (json.dumps(sorted(topics)),))))

    def topic_names(self) -> dict[str, str]:
        """Topic of the source → topic of the destination, of all that have begun."""
        return dict(self._read("SELECT DISTINCT topic, dest_topic FROM partition"))

    def begun(self) -> dict[Place, Begun]:
        """The partitions that have begun, without how far they are."""
        columns = 'topic, partition, dest_topic, source_topic_id, dest_topic_id, base, start, "end"'
        return {
            (row[0], row[1]): begun_of(row)
            for row in self._read(f"SELECT {columns} FROM partition ORDER BY topic, partition")
        }

    def position(self, place: Place) -> Position:
        """The position of a partition that has begun, by this journal or by another one of the same file."""
        (row,) = self._read(f"{POSITIONS} WHERE topic = ? AND partition = ?", place)
        return position_of(row)

    def rank(self, topic: str, partition: int, offset: int) -> int | None:
        """The number of mirrored records with a source offset below `offset`. None where the copy has not passed it.

        The rank of every offset that the copy has passed is known for good.
        """
        found = self._read(
            "SELECT id, start, source, rank FROM partition WHERE topic = ? AND partition = ?", (topic, partition)
        )
        if not found:
            return None
        ((id, start, source, rank),) = found
        if offset <= start:
            return 0
        if offset >= source:
            return int(rank) if offset == source else None
        before = self._read(f"{_BLOCKS} AND source < ? ORDER BY source DESC LIMIT 1", (id, offset))
        if not before:
            return 0
        block = Block(*before[0])
        behind = self._read(f"{_BLOCKS} AND source > ? ORDER BY source LIMIT 1", (id, block.source))
        return rank_in(block, offset, Block(*behind[0]).rank if behind else rank)

    def record(self, work: Round) -> None:
        """Writes the intents of batches that will be sent, and what has been acknowledged since: all or nothing."""
        with self._claimed():
            self._db.executemany(
                'UPDATE partition SET "end" = max("end", ?) WHERE id = ?',
                [(end, self._rows[place]) for place, end in work.ends.items()],
            )
            for place, (boundary, size_bytes) in work.acknowledged.items():
                self._advance(place, boundary, size_bytes, self._generation(place))
            for place, boundaries in work.intents.items():
                runs = packed_runs(work.runs.get(place, ()))
                self._db.execute(
                    "INSERT INTO intent VALUES (?, ?, ?, ?, ?)",
                    (self._rows[place], self._generation(place), boundaries[-1].rank, packed(boundaries), runs),
                )

    def settle(
        self, landed: Mapping[Place, int], epochs: Mapping[Place, int] | None = None
    ) -> dict[Place, Position | None]:
        """The positions for the number of records that have landed on the destination, each with a new generation of
        intents. `epochs` are those of the leaders there that have told it.

        None where no boundary with that rank was ever intended, or where more records have been acknowledged.
        """
        found: dict[Place, Position | None] = {}
        with self._claimed():
            for place, rank in landed.items():
                position = self.position(place)
                if rank != position.rank:
                    intended = self._intended(position, rank) if rank > position.rank else None
                    if intended is None:
                        found[place] = None
                        continue
                    boundary, generation = intended
                    self._advance(place, boundary, 0, generation)
                self._generations[place] = self._next_generation(place, (epochs or {}).get(place))
                found[place] = self.position(place)
        return found

    def _generation(self, place: Place) -> int:
        """The current generation. There is none before the first settlement: no intent may be written then."""
        return self._generations[place]

    def _next_generation(self, place: Place, dest_epoch: int | None) -> int:
        row = (self._rows[place],)
        self._db.execute(
            "UPDATE partition SET generation = generation + 1, dest_epoch = coalesce(max(dest_epoch, ?1), ?1,"
            " dest_epoch) WHERE id = ?2",
            (dest_epoch, *row),
        )
        return int(self._db.execute("SELECT generation FROM partition WHERE id = ?", row).fetchone()[0])

    def _intended(self, position: Position, landed: int) -> tuple[Boundary, int] | None:
        """The newest intended boundary with the rank `landed` behind this position, and its generation."""
        rows = self._db.execute(
            "SELECT generation, boundaries FROM intent WHERE partition = ? AND last_rank >= ?"
            " ORDER BY generation DESC, last_rank",
            (self._rows[position.begun.place], landed),
        )
        for generation, blob in rows:
            for boundary in unpacked(blob):
                if boundary.rank == landed and boundary.source > position.source:
                    return boundary, generation
        return None

    def _advance(self, place: Place, to: Boundary, size_bytes: int, generation: int) -> None:
        """`generation` is that of the batches that landed. Only its runs are kept."""
        row = self._rows[place]
        (rank,) = self._db.execute("SELECT rank FROM partition WHERE id = ?", (row,)).fetchone()
        landed = self._landed_runs(row, generation, rank, to.rank)
        if landed:
            self._append(row, landed)
        self._db.execute("DELETE FROM intent WHERE partition = ? AND last_rank <= ?", (row, to.rank))
        self._db.execute(
            'UPDATE partition SET source = ?1, "end" = max("end", ?1), rank = ?2, crc32c = ?3, crc32 = ?4,'
            " size_bytes = size_bytes + ?5, epoch = ?6 WHERE id = ?7",
            (to.source, to.rank, to.digest.crc32c, to.digest.crc32, size_bytes, to.epoch, row),
        )

    def _landed_runs(self, row: int, generation: int, start: int, end: int) -> list[Run]:
        """The runs that this generation intended, of ranks from `start` to `end` (half-open)."""
        found: list[Run] = []
        for last_rank, runs in self._db.execute(
            "SELECT last_rank, runs FROM intent WHERE partition = ? AND generation = ? AND last_rank > ?"
            " ORDER BY last_rank",
            (row, generation, start),
        ):
            found += [run for run in unpacked_runs(runs) if start <= run.rank < end]
            if last_rank >= end:
                break
        return found

    def _append(self, row: int, landed: Sequence[Run]) -> None:
        last = self._db.execute(f"{_BLOCKS} ORDER BY source DESC LIMIT 1", (row,)).fetchone()
        self._db.executemany(
            "INSERT INTO block VALUES (?, ?, ?, ?) ON CONFLICT (partition, source) DO UPDATE SET runs = excluded.runs",
            [(row, *block) for block in appended(last and Block(*last), landed)],
        )

    def fail(self, place: Place, reason: str) -> None:
        """Keeps the reason why this run stops the partition."""
        with self._claimed():
            self._db.execute("UPDATE partition SET failure = ? WHERE id = ?", (reason, self._rows[place]))

    # What has been compared with what was sent.

    def keep_verified(self, verified: Mapping[Place, Verified]) -> None:
        """Keeps how far these partitions are compared. Every check may do that, also beside a copy: what two of them
        keep of a partition is true whichever comes last."""
        with self._transaction():
            for place, each in verified.items():
                crcs = (None, None) if each.digest is None else (each.digest.crc32c, each.digest.crc32)
                self._db.execute(
                    "UPDATE partition SET verified_source = ?, verified_rank = ?, verified_crc32c = ?,"
                    " verified_crc32 = ?, read_rank = ?, read_crc32c = ?, read_crc32 = ? WHERE id = ?",
                    (each.source, each.rank, *crcs, *each.read, self._rows[place]),
                )

    # Configs of the destination that were changed to protect the copy.

    def remember_guard(self, topic: str, previous: Mapping[str, str | None]) -> None:
        """Keeps a destination topic's own values of the configs that will be changed. None: it had no override.

        The first value of a config is never replaced: it is the original one.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO guard VALUES (?, ?, ?)",
                [(topic, config, value) for config, value in previous.items()],
            )

    def change_guards(self, changes: Iterable[tuple[str, str, str | None]]) -> None:
        """Replaces the values that release sets again: destination topic, config, value."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO guard VALUES (?, ?, ?)", list(changes))

    def forget_guarded(self, topic: str, configs: Iterable[str]) -> None:
        """Deletes the original values of some configs, which were not changed after all."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM guard WHERE topic = ? AND config = ?", [(topic, config) for config in configs]
            )

    def guards(self) -> dict[str, dict[str, str | None]]:
        """Destination topic → config → its original value."""
        found: dict[str, dict[str, str | None]] = {}
        for topic, config, value in self._read("SELECT * FROM guard ORDER BY topic, config"):
            found.setdefault(topic, {})[config] = value
        return found

    def forget_guard(self, topic: str) -> None:
        """Deletes the original values of a destination topic's configs: from now on it may delete what was copied."""
        with self._transaction():
            self._db.execute("DELETE FROM guard WHERE topic = ?", (topic,))
            self._db.execute("UPDATE partition SET released_rank = rank WHERE dest_topic = ?", (topic,))

    # Positions of groups that were set on the destination.

    def set_committed(self, positions: Iterable[GroupOffset]) -> None:
        """Keeps the positions that were set on the destination."""
        rows = [(each.group, each.topic, each.partition, each.offset) for each in positions]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)", rows)
            self._db.executemany(
                'DELETE FROM intended WHERE "group" = ? AND topic = ? AND partition = ? AND "offset" = ?', rows
            )

    def intend(self, positions: Iterable[GroupOffset]) -> None:
        """Keeps the positions that are about to be set. Without it, our own commit would look like somebody else's
        after a crash."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO intended VALUES (?, ?, ?, ?)",
                [(each.group, each.topic, each.partition, each.offset) for each in positions],
            )

    def committed(self) -> tuple[GroupOffset, ...]:
        """The positions that were set on the destination, ordered by group, topic and partition."""
        return self._positions_in("committed")

    def intended(self) -> tuple[GroupOffset, ...]:
        """The positions that were about to be set, and of which it is not known whether they were."""
        return self._positions_in("intended")

    def _positions_in(self, table: str) -> tuple[GroupOffset, ...]:
        rows = self._read(f'SELECT "group", topic, partition, "offset" FROM {table} ORDER BY 1, 2, 3')
        return tuple(
            GroupOffset(group=group, topic=topic, partition=partition, offset=offset)
            for group, topic, partition, offset in rows
        )

    # Groups that are followed.

    def keep_followed(self, changed: Iterable[Followed]) -> None:
        """Keeps how these groups stand, instead of how they stood before."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*each.key, each.state, each.reason, each.since_ms, each.source_offset, each.dest_offset)
                    for each in changed
                ],
            )

    def followed(self) -> tuple[Followed, ...]:
        """How the groups that are followed stand, ordered by group, topic and partition."""
        return tuple(
            Followed(
                group=group,
                topic=topic,
                partition=partition,
                state=state,
                reason=reason,
                since_ms=since_ms,
                source_offset=source_offset,
                dest_offset=dest_offset,
            )
            for group, topic, partition, state, reason, since_ms, source_offset, dest_offset in self._read(
                'SELECT * FROM followed ORDER BY "group", topic, partition'
            )
        )

    # Topics that are followed, and what is in their way.

    def keep_topics(self, changed: Iterable[FollowedTopic], *, gone: Iterable[str] = ()) -> None:
        """Keeps how these topics stand, instead of how they stood before; nothing any more of those that are gone."""
        with self._transaction():
            self._db.executemany("DELETE FROM topic WHERE topic = ?", [(topic,) for topic in gone])
            self._db.executemany(
                "INSERT OR REPLACE INTO topic VALUES (?, ?, ?, ?)",
                [(each.topic, each.state, each.reason, each.since_ms) for each in changed],
            )

    def topics(self) -> dict[str, FollowedTopic]:
        """Topic of the source → how it stands."""
        return {
            topic: FollowedTopic(topic=topic, state=state, reason=reason, since_ms=since_ms)
            for topic, state, reason, since_ms in self._read("SELECT * FROM topic ORDER BY topic")
        }

    def keep_notices(self, room: str, remarks: Iterable[Remark], now_ms: int) -> None:
        """Keeps what this `room` of the copier has to say, instead of what it said before. What it said before and
        says again keeps its time."""
        before = {
            Remark(resource=Resource(kind, name), reason=reason): since_ms
            for kind, name, reason, since_ms in self._read(
                "SELECT kind, name, reason, since_ms FROM notice WHERE room = ?", (room,)
            )
        }
        now = dict.fromkeys(remarks)
        if now.keys() == before.keys():
            return
        with self._transaction():
            self._db.execute("DELETE FROM notice WHERE room = ?", (room,))
            self._db.executemany(
                "INSERT INTO notice VALUES (?, ?, ?, ?, ?)",
                [(room, each.resource.kind, each.resource.name, each.reason, before.get(each, now_ms)) for each in now],
            )

    def notices(self) -> tuple[Notice, ...]:
        """What all rooms have to say, in the order of time."""
        return tuple(
            Notice(remark=Remark(resource=Resource(kind, name), reason=reason), since_ms=since_ms)
            for kind, name, reason, since_ms in self._read(
                "SELECT kind, name, reason, since_ms FROM notice ORDER BY since_ms, rowid"
            )
        )

    # Metadata that is followed.

    def agreed(self) -> dict[str, dict[str, str | None]]:
        """Destination topic → config → the value that it had on both sides when it was last the same, or that the
        source had when it was first looked at. A config that is not named had no value of its own."""
        found: dict[str, dict[str, str | None]] = {}
        for topic, config, value in self._read("SELECT * FROM agreed"):
            configs = found.setdefault(topic, {})
            if config:
                configs[config] = value
        return found

    def keep_agreed(self, topics: Mapping[str, Mapping[str, str | None]]) -> None:
        """Keeps these values beside the others of each destination topic, all in one transaction."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)",
                [
                    (topic, config, value)
                    for topic, configs in topics.items()
                    for config, value in (("", None), *configs.items())
                ],
            )

    def rules(self) -> frozenset[str]:
        """The ACLs, in words, that were on both sides."""
        return frozenset(acl for (acl,) in self._read("SELECT acl FROM rule"))

    def change_rules(self, *, new: Iterable[str], gone: Iterable[str]) -> None:
        """Adds to them, and takes away."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO rule VALUES (?)", [(acl,) for acl in new])
            self._db.executemany("DELETE FROM rule WHERE acl = ?", [(acl,) for acl in gone])


def _refuse_another_topic(old: Begun, new: Begun) -> None:
    for side, then, now in (
        ("source", old.source_topic_id, new.source_topic_id),
        ("destination", old.dest_topic_id, new.dest_topic_id),
    ):
        if then is not None and now is not None and then != now:
            raise KafkaMetaError(
                f"topic {old.topic} on the {side} has been recreated: its id was {then}, now it is {now}",
                "The copied records belong to the old topic. --restart copies again into an empty destination topic.",
            )
    if old.dest_topic != new.dest_topic:
        raise KafkaMetaError(
            f"the copy of topic {old.topic} began as {old.dest_topic}, and cannot continue as {new.dest_topic}",
            "Use the same --rename for the whole migration.",
        )
