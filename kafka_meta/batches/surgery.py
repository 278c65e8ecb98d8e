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
    CRC_AT,
    CRC_STARTS_AT,
    HEADER,
    HEADER_BYTES,
    Batch,
    Buffer,
    Codec,
    Header,
    MessageSet,
    TimestampType,
)
from kafka_meta.batches.records import Contents, contents, packed, records

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
    source = batch.header
    header = Header(
        0,
        source.length,
        source.partition_leader_epoch,
        source.magic,
        0,
        source.attributes & CODEC_MASK,
        source.last_offset_delta,
        source.base_timestamp,
        source.max_timestamp,
        producer.id,
        producer.epoch,
        producer.sequence(rank),
        source.record_count,
    )
    return _sealed(header, batch.body, source_end=batch.next_offset)


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
        source_end = last_end if piece_end > kept.offsets[-1] else piece_end
        yield _encoded(piece, body, codec, producer=producer, rank=rank, source_end=source_end)
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


def join(batches: Sequence[Batch], *, producer: Producer, rank: int) -> Outgoing:
    """Neighbours that `decide` would all forward, as one uncompressed batch; gaps between them vanish.
    Raises MalformedBatch."""
    parts = [contents(batch) for batch in batches]
    joined = Contents(
        offsets=[offset for part in parts for offset in part.offsets],
        timestamps=[timestamp for part in parts for timestamp in part.timestamps],
        bodies=[body for part in parts for body in part.bodies],
    )
    body = packed(joined)
    return _encoded(joined, body, Codec.NONE, producer=producer, rank=rank, source_end=batches[-1].next_offset)


def _encoded(part: Contents, body: bytes, codec: Codec, *, producer: Producer, rank: int, source_end: int) -> Outgoing:
    header = Header(
        base_offset=0,
        length=HEADER_BYTES - BEFORE_LENGTH_BYTES + len(body),
        partition_leader_epoch=-1,
        magic=2,
        crc=0,
        attributes=codec,
        last_offset_delta=len(part) - 1,
        base_timestamp=part.timestamps[0],
        max_timestamp=max(part.timestamps),
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        base_sequence=producer.sequence(rank),
        record_count=len(part),
    )
    return _sealed(header, body, source_end=source_end)


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


def _sealed(header: Header, body: Buffer, *, source_end: int) -> Outgoing:
    head = bytearray(HEADER.pack(*header))
    crc = crc32c(body, crc32c(memoryview(head)[CRC_STARTS_AT:]))
    _CRC.pack_into(head, CRC_AT, crc)
    return Outgoing(Header(*header[:4], crc, *header[5:]), bytes(head), body, source_end)


_CRC = struct.Struct(">I")
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
