"""The values of a journal, and how its rows hold them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from kafka_meta.batches import Digest
from kafka_meta.journal.runs import Run
from kafka_meta.model import Remark

Place: TypeAlias = tuple[str, int]
"""Source topic and partition."""

NOTHING = Digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A partition to copy: source offsets `start` … `end` (half-open) to destination offsets from `base`.

    Topic ids are spelled as by Kafka. They are None where a broker has none (before 2.8).
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
class Verified:
    """How far a partition's copy was compared with what was sent. What was compared is not read again."""

    source: int = 0
    rank: int = 0
    """All records before source offset `source`, `rank` in number, were equal on the destination."""
    digest: Digest | None = NOTHING
    """The digest of the batches up to there, by `Digest.with_batch`; None where records were compared, and not at the
    end of a batch."""
    read: Digest = NOTHING
    """The digest of the destination's batches that were read. What was read behind `rank` is not yet known to be
    equal: the end of what was sent decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a partition is copied: all records before source offset `source` are on the destination, `rank` in
    number."""

    begun: Begun
    source: int
    rank: int
    digest: Digest
    """The digest of the batches that were sent, by `Digest.with_batch`."""
    size_bytes: int
    """The size of the acknowledged batches. Batches that landed without an answer are not counted."""
    failure: str | None
    """The reason why the last run stopped this partition; None when it did not."""
    epoch: int | None = None
    """The epoch of the source's leader that has written the last copied batch; None where it is not known."""
    dest_epoch: int | None = None
    """The highest epoch of a leader on the destination that has shown how far the copy was; None before the first."""
    released: int = 0
    """The destination is, or was, free to delete the first so many records: its retention is on, or was on again."""
    verified: Verified = Verified()
    given_back: bool = False
    """`--release` has set the topic's retention again. Unlike `released`, it says nothing of topics without a guard."""
    intended: int = 0
    """So many records may be on the destination by now: the others of `rank` were sent, or were about to be sent."""

    @property
    def boundary(self) -> Boundary:
        """The end of the last copied batch."""
        return Boundary(self.source, self.rank, self.digest, self.epoch)

    @property
    def done(self) -> bool:
        return self.source >= self.begun.end

    @property
    def dest_end(self) -> int:
        """The destination offset that follows the last mirrored record."""
        return self.begun.base + self.rank


class Boundary(NamedTuple):
    """The end of a batch: its source offset and rank, and the digest of everything before it."""

    source: int
    rank: int
    digest: Digest
    epoch: int | None = None
    """That of the source's leader that has written the batch; None where it is not known."""


@dataclass(slots=True, kw_only=True)
class Round:
    """What is written in one transaction before a round of batches may be sent."""

    intents: dict[Place, list[Boundary]] = field(default_factory=dict)
    """Ascending. Each continues the last one of the same generation."""
    runs: dict[Place, list[Run]] = field(default_factory=dict)
    acknowledged: dict[Place, tuple[Boundary, int]] = field(default_factory=dict)
    """The last boundary that the destination has acknowledged, and the bytes since the boundary before it."""
    ends: dict[Place, int] = field(default_factory=dict)
    """Ends of followed partitions, which have grown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffset:
    """A position that was set. `offset` is that on the destination, `topic` and `partition` are those of the source."""

    group: str
    topic: str
    partition: int
    offset: int


NOT_WRITTEN = "the copy of its position is not written down yet"
"""The reason of a group that is not-yet, where nothing is wrong."""

GroupState: TypeAlias = Literal[
    "not-yet", "synced", "ahead", "behind-start", "moved", "both-sides", "source-gone", "left-alone"
]
"""Of a group that is followed, on one partition:

not-yet       nothing of the partition has been copied yet
synced        it goes on at exactly the record that it reads next on the source
ahead         it has read further than the copy is; it is set to the end of the copy
behind-start  it stands before the first record that was copied
moved         its consumers read on the destination, or somebody has set its position there
both-sides    its consumers read on both sides
source-gone   it has been deleted there
left-alone    its position cannot be set or is not known: the reason says why
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How a group that is followed stands on one partition of the source."""

    group: str
    """Its name on the destination."""
    topic: str
    partition: int
    state: GroupState
    reason: str | None = None
    since_ms: int = 0
    """When this state began, in milliseconds since 1970."""
    source_offset: int | None = None
    dest_offset: int | None = None
    """The position that it has, or shall have, on the destination."""

    @property
    def key(self) -> tuple[str, str, int]:
        return self.group, self.topic, self.partition


TopicState: TypeAlias = Literal[
    "catching-up",
    "following",
    "stopped",
    "in-the-way",
    "source-gone",
    "recreated",
    "detached",
    "released",
    "not-selected",
]
"""Of a topic that is followed:

catching-up  it is more than some seconds behind
following    what is written on the source arrives at once
stopped      one of its partitions cannot go on
in-the-way   it exists on the destination, and is not ours
source-gone  it has been deleted on the source; its copy stays
recreated    it is another topic with the same name, on one side
detached     `task change` has taken it out
released     its retention was set again, and it is not followed any more
not-selected the filters of the last run leave it out
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedTopic:
    """How a topic of the source stands."""

    topic: str
    state: TopicState
    reason: str | None = None
    since_ms: int = 0
    """When this state began, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that stands in the way of a copy that goes on, or that differs and is left alone."""

    remark: Remark
    since_ms: int


ADDED_COLUMNS = (
    "epoch INTEGER",
    "dest_epoch INTEGER",
    "generation INTEGER NOT NULL DEFAULT 0",
    "released_rank INTEGER NOT NULL DEFAULT 0",
    "verified_source INTEGER",
    "verified_rank INTEGER NOT NULL DEFAULT 0",
    "verified_crc32c INTEGER DEFAULT 0",
    "verified_crc32 INTEGER DEFAULT 0",
    "read_rank INTEGER NOT NULL DEFAULT 0",
    "read_crc32c INTEGER NOT NULL DEFAULT 0",
    "read_crc32 INTEGER NOT NULL DEFAULT 0",
)
"""The columns of `partition` that schema version 1 did not have."""

TABLES = (
    f"""CREATE TABLE IF NOT EXISTS partition (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, dest_topic TEXT NOT NULL,
        source_topic_id TEXT, dest_topic_id TEXT, base INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
        source INTEGER NOT NULL, rank INTEGER NOT NULL DEFAULT 0, crc32c INTEGER NOT NULL DEFAULT 0,
        crc32 INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0, failure TEXT,
        {", ".join(ADDED_COLUMNS)}, UNIQUE (topic, partition))""",
    # What was sent or will be, and has not landed yet.
    """CREATE TABLE IF NOT EXISTS intent (
        partition INTEGER NOT NULL, generation INTEGER NOT NULL, last_rank INTEGER NOT NULL,
        boundaries BLOB NOT NULL, runs BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS intents ON intent (partition, last_rank)",
    # The runs of everything that has landed, in blocks.
    """CREATE TABLE IF NOT EXISTS block (
        partition INTEGER NOT NULL, source INTEGER NOT NULL, rank INTEGER NOT NULL, runs BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS blocks ON block (partition, source)",
    """CREATE TABLE IF NOT EXISTS guard (
        topic TEXT NOT NULL, config TEXT NOT NULL, value TEXT, PRIMARY KEY (topic, config)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS committed (
        "group" TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
        PRIMARY KEY ("group", topic, partition)) WITHOUT ROWID""",
    # A position that was about to be set, and of which it is not known whether it was.
    """CREATE TABLE IF NOT EXISTS intended (
        "group" TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
        PRIMARY KEY ("group", topic, partition)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS history (at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS followed (
        "group" TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT,
        since_ms INTEGER NOT NULL, source_offset INTEGER, dest_offset INTEGER,
        PRIMARY KEY ("group", topic, partition)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS topic (
        topic TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, since_ms INTEGER NOT NULL) WITHOUT ROWID""",
    # The value that a config of a destination topic had on both sides; NULL: it had none. The config "" stands for the
    # topic itself: its configs have been looked at.
    """CREATE TABLE IF NOT EXISTS agreed (
        topic TEXT NOT NULL, config TEXT NOT NULL, value TEXT, PRIMARY KEY (topic, config)) WITHOUT ROWID""",
    # ACLs that were on both sides.
    "CREATE TABLE IF NOT EXISTS rule (acl TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS notice (
        room TEXT NOT NULL, kind TEXT NOT NULL, name TEXT, reason TEXT NOT NULL, since_ms INTEGER NOT NULL)""",
)

POSITIONS = (
    'SELECT topic, partition, dest_topic, source_topic_id, dest_topic_id, base, start, "end",'
    " source, rank, crc32c, crc32, size_bytes, failure, epoch, dest_epoch,"
    " CASE WHEN dest_topic IN (SELECT topic FROM guard) THEN released_rank ELSE rank END,"
    " coalesce(verified_source, start), verified_rank, verified_crc32c, verified_crc32,"
    " read_rank, read_crc32c, read_crc32,"
    " (SELECT max(last_rank) FROM intent WHERE intent.partition = partition.id), released_rank FROM partition"
)

_BOUNDARY = struct.Struct("<qqIIi")
"""Source offset, rank, the digest's two CRCs, and the leader's epoch; -1 for none, as Kafka has it. The digest's count
is the rank."""


def packed(boundaries: Iterable[Boundary]) -> bytes:
    """Boundaries as the bytes of a row."""
    return b"".join(
        _BOUNDARY.pack(source, rank, digest.crc32c, digest.crc32, -1 if epoch is None else epoch)
        for source, rank, digest, epoch in boundaries
    )


def unpacked(packed: bytes) -> Iterator[Boundary]:
    """Yields the boundaries in the bytes of a row."""
    for source, rank, crc32c, crc32, epoch in _BOUNDARY.iter_unpack(packed):
        digest = Digest(records=rank, crc32c=crc32c, crc32=crc32)
        yield Boundary(source, rank, digest, None if epoch < 0 else epoch)


def begun_of(row: Sequence[Any]) -> Begun:
    """What the first columns of a row of `POSITIONS` say."""
    return Begun(
        topic=row[0],
        partition=row[1],
        dest_topic=row[2],
        source_topic_id=row[3],
        dest_topic_id=row[4],
        base=row[5],
        start=row[6],
        end=row[7],
    )


def position_of(row: Sequence[Any]) -> Position:
    """The position in a row of `POSITIONS`."""
    source, rank, crc32c, crc32, size_bytes, failure, epoch, dest_epoch, released, *verified, intended, given_back = (
        row[8:]
    )
    return Position(
        begun=begun_of(row),
        source=source,
        rank=rank,
        digest=Digest(records=rank, crc32c=crc32c, crc32=crc32),
        size_bytes=size_bytes,
        failure=failure,
        epoch=epoch,
        dest_epoch=dest_epoch,
        released=released,
        verified=_verified_of(*verified),
        intended=max(rank, intended or 0),
        given_back=given_back > 0,
    )


def _verified_of(source: int, rank: int, crc32c: int | None, crc32: int | None, *read: int) -> Verified:
    known = crc32c is not None and crc32 is not None
    return Verified(
        source=source,
        rank=rank,
        digest=Digest(records=rank, crc32c=crc32c or 0, crc32=crc32 or 0) if known else None,
        read=Digest(*read),
    )
