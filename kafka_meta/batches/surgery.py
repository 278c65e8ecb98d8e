"""Which batches go as they are, which are encoded anew, which stay behind; and doing it."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from crc32c import crc32c

from kafka_meta.batches.codecs import encode
from kafka_meta.batches.errors import RecordTooLarge
from kafka_meta.batches.format import (
    BEFORE_LENGTH_BYTES,
    CODEC_MASK,
    COVERED,
    HEADER,
    HEADER_BYTES,
    Batch,
    Buffer,
    Codec,
    Header,
    MessageSet,
    TimestampType,
)
from kafka_meta.batches.records import Contents, contents, packed, records, renumbered

SEQUENCES = 1 << 31
"""A sequence number follows 2^31 - 1 with 0 (DefaultRecordBatch.incrementSequence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What of a destination topic decides about batches."""

    timestamp_type: TimestampType = "CreateTime"
    max_message_bytes: int | None = None
    """Of a whole batch, as encoded, with its header; None when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Who InitProducerId said we are; -1 and -1 where the destination refuses idempotence."""

    id: int = -1
    epoch: int = -1

    def sequence(self, rank: int) -> int:
        return rank % SEQUENCES if self.id >= 0 else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """The batch's own bytes behind a new header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Nothing of the batch is copied; the position moves on to its end."""

    reason: str


Fate: TypeAlias = Forward | Rebuild | Drop

FORWARD = Forward()


class Outgoing(NamedTuple):
    """A batch as a Produce request takes it: `head` (61 bytes), then `body`, which is not copied when forwarded.

    A tuple, as is all that is made for every batch: they are half as dear as frozen dataclasses.
    """

    header: Header
    head: bytes
    body: Buffer
    source_end: int
    """Everything before this source offset has been copied with this batch."""

    @property
    def size_bytes(self) -> int:
        return self.header.size_bytes

    def __bytes__(self) -> bytes:
        return b"".join((self.head, self.body))


def decide(batch: Batch | MessageSet, *, start: int, end: int, aborted: bool, destination: Destination) -> Fate:
    """The fate of a batch in the copy of source offsets `start` … `end` (half-open).

    `aborted` is what `AbortedTransactions.covers` said of it. What brokers refuse was tried on 4.3.1.
    """
    if isinstance(batch, Batch):
        if batch.header.control:
            return Drop(reason="transaction marker")
        if aborted:
            return Drop(reason="aborted transaction")
        if not batch.header.record_count:
            return Drop(reason="emptied by compaction")
    if batch.next_offset <= start or (batch.base_offset is not None and batch.base_offset >= end):
        return Drop(reason="outside the range")
    if isinstance(batch, MessageSet):
        return Rebuild(reason=f"message format {batch.magic}")
    header = batch.header
    if header.base_offset < start:
        return Rebuild(reason="cut by the start of the range")
    if header.next_offset > end:
        return Rebuild(reason="cut by the end of the range")
    if not header.gapless:
        return Rebuild(reason="thinned by compaction")
    if header.timestamp_type == "LogAppendTime" and destination.timestamp_type == "CreateTime":
        return Rebuild(reason="stamped by the source's log")
    if destination.max_message_bytes is not None and header.size_bytes > destination.max_message_bytes:
        return Rebuild(reason="larger than the destination's max.message.bytes")
    return FORWARD


def forward(batch: Batch, *, producer: Producer, rank: int) -> Outgoing:
    """The batch under a new header; `rank` is its first record's.

    Only the codec stays of the attributes: the transaction is over, the log's own stamp and the delete horizon are
    the source's business.
    """
    header = batch.header
    return _sealed(
        batch.body,
        header.attributes & CODEC_MASK,
        count=header.record_count,
        base_timestamp=header.base_timestamp,
        max_timestamp=header.max_timestamp,
        producer=producer,
        rank=rank,
        source_end=header.next_offset,
    )


def rebuild(
    batch: Batch | MessageSet, *, start: int, end: int, destination: Destination, producer: Producer, rank: int
) -> Iterator[Outgoing]:
    """The batch's records with `start` ≤ offset < `end`, gapless, in the codec they came in, in as many batches as the
    destination's size limit asks for; `rank` is the first record's. None when no record is left in the range.

    Raises MalformedBatch and RecordTooLarge.
    """
    kept = contents(batch).within(start, end)
    codec = batch.codec if isinstance(batch, MessageSet) else batch.header.codec
    pieces = _fitting(kept, codec, destination.max_message_bytes)
    last_end = min(batch.next_offset, end)
    for piece, body in pieces:
        piece_end = piece.offsets[-1] + 1
        yield _sealed(
            body,
            codec,
            count=len(piece),
            base_timestamp=piece.timestamps[0],
            max_timestamp=max(piece.timestamps),
            producer=producer,
            rank=rank,
            source_end=last_end if piece_end > kept.offsets[-1] else piece_end,
        )
        rank += len(piece)


JOINED_BYTES = 256 << 10
_JOINABLE_RECORD_BYTES = 256


def joinable(batch: Batch) -> bool:
    """Whether a batch that could be forwarded had better be joined with its neighbours.

    A broker takes one batch a partition and request, and most of its work on 16 KiB (what producers send by default) is
    the same for 256 KiB. Uncompressed records of some size cost less to copy into a larger batch than that is worth;
    measured with 1 KB records: three times the throughput for less of our own processor time.
    """
    header = batch.header
    small = header.size_bytes <= JOINED_BYTES // 2
    return small and header.codec is Codec.NONE and header.length >= header.record_count * _JOINABLE_RECORD_BYTES


def joined_bytes(batch: Batch) -> int:
    """What it takes at most of a larger one: up to three bytes more a record for longer offset deltas, up to nine for
    other timestamp deltas."""
    return batch.header.size_bytes + 12 * batch.header.record_count


def join(batches: Sequence[Batch], *, producer: Producer, rank: int) -> Outgoing:
    """Neighbours that are `joinable` and that `decide` would all forward, as one; gaps between them vanish.
    Raises MalformedBatch."""
    head = batches[0].header
    parts: list[Buffer] = [batches[0].body]
    count = head.record_count
    for batch in batches[1:]:
        parts += renumbered(batch, first=count, base_timestamp=head.base_timestamp)
        count += batch.header.record_count
    return _sealed(
        b"".join(parts),
        Codec.NONE,
        count=count,
        base_timestamp=head.base_timestamp,
        max_timestamp=max(batch.header.max_timestamp for batch in batches),
        producer=producer,
        rank=rank,
        source_end=batches[-1].next_offset,
    )


def _fitting(part: Contents, codec: Codec, limit: int | None) -> Iterator[tuple[Contents, bytes]]:
    """`part` in as few halvings as make every encoded piece fit."""
    if not len(part):
        return
    body = encode(codec, packed(part))
    if limit is None or HEADER_BYTES + len(body) <= limit:
        yield part, body
        return
    if len(part) == 1:
        raise RecordTooLarge(part.offsets[0], HEADER_BYTES + len(body), limit)
    middle = len(part) // 2
    yield from _fitting(part[:middle], codec, limit)
    yield from _fitting(part[middle:], codec, limit)


def _sealed(
    body: Buffer,
    attributes: int,
    *,
    count: int,
    base_timestamp: int,
    max_timestamp: int,
    producer: Producer,
    rank: int,
    source_end: int,
) -> Outgoing:
    """`count` gapless records under a header of ours."""
    covered = (
        *(attributes, count - 1, base_timestamp, max_timestamp),
        *(producer.id, producer.epoch, producer.sequence(rank), count),
    )
    crc = crc32c(body, crc32c(COVERED.pack(*covered)))
    header = Header(0, HEADER_BYTES - BEFORE_LENGTH_BYTES + len(body), -1, 2, crc, *covered)
    return Outgoing(header, HEADER.pack(*header), body, source_end)


_CONTROL_KEY = struct.Struct(">hh")
"""Version and type of a transaction marker."""
_ABORT = 0


class AbortedTransactions:
    """Which batches of one Fetch response belong to aborted transactions, as Kafka's consumer tells it
    (CompletedFetch.nextFetchedRecord): ask about every batch, in order.

    `aborted` is the response's list of (producerId, firstOffset): a producer is aborted from that offset to its
    next abort marker. Fetch with isolation level read_committed, else brokers leave the list out.
    """

    def __init__(self, aborted: Iterable[tuple[int, int]] | None) -> None:
        self._ahead = deque(sorted((first_offset, producer) for producer, first_offset in aborted or ()))
        self._aborted: set[int] = set()

    def covers(self, batch: Batch | MessageSet) -> bool:
        """Raises MalformedBatch on a marker that cannot be read."""
        if isinstance(batch, MessageSet) or batch.header.producer_id < 0:
            return False
        header = batch.header
        while self._ahead and self._ahead[0][0] < header.next_offset:
            self._aborted.add(self._ahead.popleft()[1])
        if header.producer_id not in self._aborted:
            return False
        if header.control:
            if any(_is_abort(record.key) for record in records(batch)):
                self._aborted.remove(header.producer_id)
            return False
        return header.transactional


def _is_abort(key: bytes | None) -> bool:
    return key is not None and len(key) >= _CONTROL_KEY.size and _CONTROL_KEY.unpack_from(key)[1] == _ABORT
