"""What a journal holds, and how rows hold it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from kafka_meta.batches import Digest

Place: TypeAlias = tuple[str, int]
"""Source topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A partition to copy: source offsets `start` … `end` (half-open) from destination offset `base` on.

    Topic ids are as Kafka writes them, None where a broker has none (before 2.8).
    """

    topic: str
    partition: int
    dest_topic: str
    source_topic_id: str | None
    dest_topic_id: str | None
    base: int
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end or self.base < 0:
            raise ValueError(f"source offsets {self.start} … {self.end} to destination offset {self.base}")

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a partition is: everything before `source` is on the destination, as `rank` records."""

    begun: Begun
    source: int
    rank: int
    digest: Digest
    """Of the batches that were sent, as `Digest.with_batch` counts them."""
    size_bytes: int
    """Of the batches that were acknowledged; what landed without an answer is not in it."""
    failure: str | None
    """Why the last run gave it up, None when nothing is wrong with it."""

    @property
    def done(self) -> bool:
        return self.source >= self.begun.end

    @property
    def dest_end(self) -> int:
        """The destination offset that follows the last mirrored record."""
        return self.begun.base + self.rank


class Boundary(NamedTuple):
    """The end of a batch, with the digest of everything up to there."""

    source: int
    rank: int
    digest: Digest


class Run(NamedTuple):
    """From source offset `source` with rank `rank` on, offsets follow each other without a gap."""

    source: int
    rank: int


@dataclass(slots=True, kw_only=True)
class Round:
    """What is written in one transaction before a round of batches may leave."""

    intents: dict[Place, list[Boundary]] = field(default_factory=dict)
    """Ascending, each continuing the last one of the same generation."""
    runs: dict[Place, list[Run]] = field(default_factory=dict)
    acknowledged: dict[Place, tuple[Boundary, int]] = field(default_factory=dict)
    """The last boundary that the destination has acknowledged, and how many bytes since the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffset:
    """A position that was set: `offset` on the destination, `topic` and `partition` of the source."""

    group: str
    topic: str
    partition: int
    offset: int


TABLES = (
    """CREATE TABLE IF NOT EXISTS partition (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, dest_topic TEXT NOT NULL,
        source_topic_id TEXT, dest_topic_id TEXT, base INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
        source INTEGER NOT NULL, rank INTEGER NOT NULL DEFAULT 0, crc32c INTEGER NOT NULL DEFAULT 0,
        crc32 INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0, failure TEXT,
        UNIQUE (topic, partition))""",
    """CREATE TABLE IF NOT EXISTS intent (
        partition INTEGER NOT NULL, generation INTEGER NOT NULL, last_rank INTEGER NOT NULL,
        boundaries BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS intents ON intent (partition, last_rank)",
    """CREATE TABLE IF NOT EXISTS run (
        partition INTEGER NOT NULL, generation INTEGER NOT NULL, source INTEGER NOT NULL, rank INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS runs ON run (partition, source)",
    "CREATE INDEX IF NOT EXISTS runs_by_rank ON run (partition, rank)",
    """CREATE TABLE IF NOT EXISTS guard (
        topic TEXT NOT NULL, config TEXT NOT NULL, value TEXT, PRIMARY KEY (topic, config)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS committed (
        "group" TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
        PRIMARY KEY ("group", topic, partition)) WITHOUT ROWID""",
)

POSITIONS = (
    'SELECT topic, partition, dest_topic, source_topic_id, dest_topic_id, base, start, "end",'
    " source, rank, crc32c, crc32, size_bytes, failure FROM partition"
)

_BOUNDARY = struct.Struct("<qqII")
"""Source, rank, and the two halves of the digest; its count is the rank."""


def packed(boundaries: Sequence[Boundary]) -> bytes:
    return b"".join(_BOUNDARY.pack(source, rank, digest.crc32c, digest.crc32) for source, rank, digest in boundaries)


def unpacked(packed: bytes) -> Iterator[Boundary]:
    for source, rank, crc32c, crc32 in _BOUNDARY.iter_unpack(packed):
        yield Boundary(source, rank, Digest(records=rank, crc32c=crc32c, crc32=crc32))


def position_of(row: Sequence[Any]) -> Position:
    source, rank, crc32c, crc32, size_bytes, failure = row[8:]
    return Position(
        begun=Begun(
            topic=row[0],
            partition=row[1],
            dest_topic=row[2],
            source_topic_id=row[3],
            dest_topic_id=row[4],
            base=row[5],
            start=row[6],
            end=row[7],
        ),
        source=source,
        rank=rank,
        digest=Digest(records=rank, crc32c=crc32c, crc32=crc32),
        size_bytes=size_bytes,
        failure=failure,
    )
