"""The file itself: every method that writes has written when it returns."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType

from kafka_meta.batches import Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal.values import (
    POSITIONS,
    TABLES,
    Begun,
    Boundary,
    GroupOffset,
    Place,
    Position,
    Round,
    packed,
    position_of,
    unpacked,
)

SCHEMA_VERSION = 1


def default_path(source_id: str, dest_id: str) -> Path:
    """In the user's state folder (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "kafka-meta" / f"{source_id}--{dest_id}.sqlite"


def clusters_of(path: Path) -> tuple[str, str]:
    """Source and destination of the journal in this file. Raises `KafkaMetaError` for a file that is none."""
    try:
        with closing(sqlite3.connect(path)) as db:
            told = dict(db.execute("SELECT name, value FROM about WHERE name IN ('source cluster', 'dest cluster')"))
        return str(told["source cluster"]), str(told["dest cluster"])
    except (sqlite3.DatabaseError, KeyError) as error:
        raise KafkaMetaError(f"{path} is not the journal of a migration") from error


class Journal:
    """A context manager. Raises `KafkaMetaError` for a file that is none, or of other clusters, or newer than we are.

    Every method that writes has written when it returns: the file survives a crash of the machine (WAL with
    synchronous=FULL). Used from the thread that made it.
    """

    def __init__(self, path: Path | None = None, *, source_id: str, dest_id: str) -> None:
        self.path = path or default_path(source_id, dest_id)
        self.source_id, self.dest_id = source_id, dest_id
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise KafkaMetaError(
                f"the journal {self.path} cannot be used: {error}", "name another place with --journal"
            ) from error
        except BaseException:
            self._db.close()
            raise
        self._rows = {(topic, partition): row for row, topic, partition in self._all_rows()}
        self._generations: dict[Place, int] = {}
        self._owner: str | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            self._remember_once("schema version", str(SCHEMA_VERSION))
            for statement in TABLES:
                self._db.execute(statement)
            for name, id in (("source", self.source_id), ("dest", self.dest_id)):
                seen = self._remember_once(f"{name} cluster", id)
                if seen != id:
                    raise KafkaMetaError(
                        f"the journal {self.path} belongs to the {name} cluster {seen}, this one is {id}",
                        "name another journal with --journal, or the clusters that it belongs to",
                    )
        if (version := self._about("schema version")) != str(SCHEMA_VERSION):
            raise KafkaMetaError(
                f"the journal {self.path} has schema version {version}, known here is {SCHEMA_VERSION}",
                "use the kafka-meta that wrote it",
            )

    def _all_rows(self) -> list[tuple[int, str, int]]:
        return self._db.execute("SELECT id, topic, partition FROM partition").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _about(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _remember_once(self, name: str, value: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
        return self._about(name) or value

    # Who copies.

    def producer(self) -> Producer | None:
        """The producer of this migration; None before `remember_producer`."""
        told = self._about("producer")
        if told is None:
            return None
        id, epoch = told.split()
        return Producer(id=int(id), epoch=int(epoch))

    def remember_producer(self, producer: Producer) -> None:
        """Once a migration: its ranks are that producer's sequence numbers."""
        with self._transaction():
            self._db.execute("INSERT INTO about VALUES ('producer', ?)", (f"{producer.id} {producer.epoch}",))

    def claim(self) -> None:
        """Makes this the copier that writes positions. Whoever claims last is: from then on `record`, `settle` and
        `fail` of another one, which had been stopped perhaps, raise `KafkaMetaError` and change nothing."""
        self._owner = uuid.uuid4().hex
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO about VALUES ('owner', ?)", (self._owner,))

    def check_claim(self) -> None:
        """Raises `KafkaMetaError` when another copier has claimed the journal since."""
        if self._about("owner") != self._owner:
            raise KafkaMetaError(
                "another kafka-meta has taken over this migration meanwhile", "let it finish; this one stops here"
            )

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        with self._transaction():
            self.check_claim()
            yield

    # What is copied, and how far.

    def begin(self, partitions: Iterable[Begun]) -> None:
        """Writes them whole. Of a partition that has begun already only `end` may be another one, and it only grows;
        `base` and `start` stay what they were. Raises `KafkaMetaError` when a topic is another one than then."""
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

    def positions(self) -> tuple[Position, ...]:
        """Every partition that has begun, ordered by topic and partition."""
        return tuple(map(position_of, self._db.execute(f"{POSITIONS} ORDER BY topic, partition")))

    def position(self, place: Place) -> Position:
        """Of a partition that has begun."""
        return position_of(self._db.execute(f"{POSITIONS} WHERE id = ?", (self._rows[place],)).fetchone())

    def rank(self, topic: str, partition: int, offset: int) -> int | None:
        """How many mirrored records have a source offset below `offset`. None where the copy has not been (yet).

        Every offset that the copy has passed has its rank for good; nobody need say beforehand which ones matter.
        """
        found = self._db.execute(
            "SELECT id, start, source, rank FROM partition WHERE topic = ? AND partition = ?", (topic, partition)
        ).fetchone()
        if found is None:
            return None
        id, start, source, rank = found
        if offset <= start:
            return 0
        if offset >= source:
            return int(rank) if offset == source else None
        # A gap's offsets belong to no run: their rank is that of the run behind.
        before = self._db.execute(
            "SELECT source, rank FROM run WHERE partition = ? AND source < ? AND rank < ? ORDER BY source DESC LIMIT 1",
            (id, offset, rank),
        ).fetchone()
        if before is None:
            return 0
        behind = self._db.execute(
            "SELECT min(rank) FROM run WHERE partition = ? AND source >= ? AND rank < ?", (id, offset, rank)
        ).fetchone()[0]
        return int(min(before[1] + offset - before[0], rank if behind is None else behind))

    def record(self, work: Round) -> None:
        """Writes what is about to be sent, and what has been acknowledged since; all of it or nothing."""
        with self._claimed():
            for place, (boundary, size_bytes) in work.acknowledged.items():
                self._advance(place, boundary, size_bytes, self._generation(place))
            for place, boundaries in work.intents.items():
                self._db.execute(
                    "INSERT INTO intent VALUES (?, ?, ?, ?)",
                    (self._rows[place], self._generation(place), boundaries[-1].rank, packed(boundaries)),
                )
            for place, runs in work.runs.items():
                row, generation = self._rows[place], self._generation(place)
                self._db.executemany("INSERT INTO run VALUES (?, ?, ?, ?)", [(row, generation, *run) for run in runs])

    def settle(self, landed: Mapping[Place, int]) -> dict[Place, Position | None]:
        """The positions after so many records are known to have landed, each with a new generation of intents.

        None where nothing of that rank was ever intended, or where more has been acknowledged.
        """
        found: dict[Place, Position | None] = {}
        with self._claimed():
            for place, rank in landed.items():
                position = self.position(place)
                if rank != position.rank:
                    intended = self._intended(place, rank) if rank > position.rank else None
                    if intended is None:
                        found[place] = None
                        continue
                    boundary, generation = intended
                    self._advance(place, boundary, 0, generation)
                self._generations[place] = 1 + self._newest_generation(place)
                found[place] = self.position(place)
        return found

    def _generation(self, place: Place) -> int:
        """Before the first settlement nothing may be intended."""
        return self._generations[place]

    def _newest_generation(self, place: Place) -> int:
        row = self._rows[place]
        newest: int = self._db.execute(
            "SELECT max(coalesce((SELECT max(generation) FROM intent WHERE partition = ?), 0),"
            " coalesce((SELECT max(generation) FROM run WHERE partition = ?), 0))",
            (row, row),
        ).fetchone()[0]
        return newest

    def _intended(self, place: Place, landed: int) -> tuple[Boundary, int] | None:
        """The youngest intent whose records end at rank `landed`, and its generation."""
        rows = self._db.execute(
            "SELECT generation, boundaries FROM intent WHERE partition = ? AND last_rank >= ?"
            " ORDER BY generation DESC, last_rank",
            (self._rows[place], landed),
        )
        for generation, blob in rows:
            for boundary in unpacked(blob):
                if boundary.rank == landed:
                    return boundary, generation
        return None

    def _advance(self, place: Place, to: Boundary, size_bytes: int, generation: int) -> None:
        """`generation` is the one whose batches landed: what others meant to send in their place is forgotten."""
        row = self._rows[place]
        (rank,) = self._db.execute("SELECT rank FROM partition WHERE id = ?", (row,)).fetchone()
        self._db.execute(
            "DELETE FROM run WHERE partition = ? AND rank >= ? AND rank < ? AND generation <> ?",
            (row, rank, to.rank, generation),
        )
        self._db.execute("DELETE FROM intent WHERE partition = ? AND last_rank <= ?", (row, to.rank))
        self._db.execute(
            "UPDATE partition SET source = ?, rank = ?, crc32c = ?, crc32 = ?, size_bytes = size_bytes + ?"
            " WHERE id = ?",
            (to.source, to.rank, to.digest.crc32c, to.digest.crc32, size_bytes, row),
        )

    def fail(self, place: Place, reason: str) -> None:
        with self._claimed():
            self._db.execute("UPDATE partition SET failure = ? WHERE id = ?", (reason, self._rows[place]))

    # What was changed on the destination to protect the copy.

    def remember_guard(self, topic: str, previous: Mapping[str, str | None]) -> None:
        """A destination topic's own values of the configs that are about to be changed; None: it had none.

        The first memory of a config stays: it is the original.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO guard VALUES (?, ?, ?)",
                [(topic, config, value) for config, value in previous.items()],
            )

    def guards(self) -> dict[str, dict[str, str | None]]:
        """Destination topic → config → its value before."""
        found: dict[str, dict[str, str | None]] = {}
        for topic, config, value in self._db.execute("SELECT * FROM guard ORDER BY topic, config"):
            found.setdefault(topic, {})[config] = value
        return found

    def forget_guard(self, topic: str) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM guard WHERE topic = ?", (topic,))

    # Which positions of groups were set on the destination.

    def set_committed(self, positions: Iterable[GroupOffset]) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)",
                [(each.group, each.topic, each.partition, each.offset) for each in positions],
            )

    def committed(self) -> tuple[GroupOffset, ...]:
        rows = self._db.execute('SELECT "group", topic, partition, "offset" FROM committed ORDER BY 1, 2, 3')
        return tuple(
            GroupOffset(group=group, topic=topic, partition=partition, offset=offset)
            for group, topic, partition, offset in rows
        )


def _refuse_another_topic(old: Begun, new: Begun) -> None:
    for side, then, now in (
        ("source", old.source_topic_id, new.source_topic_id),
        ("destination", old.dest_topic_id, new.dest_topic_id),
    ):
        if then is not None and now is not None and then != now:
            raise KafkaMetaError(
                f"topic {old.topic} of the {side} has been recreated: its id was {then} when its copy began, now {now}",
                "what was copied belongs to the old one; --restart begins anew on an empty destination topic",
            )
    if old.dest_topic != new.dest_topic:
        raise KafkaMetaError(
            f"topic {old.topic} is being copied to {old.dest_topic}, now it shall go to {new.dest_topic}",
            "keep the same --rename for the whole migration",
        )
