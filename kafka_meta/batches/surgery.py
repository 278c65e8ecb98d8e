"""Which batches are forwarded as they are, which are encoded again, which are dropped; and how."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from crc32c import crc32c

from kafka_meta.batches.codecs import encode
from kafka_meta.batches.errors import MalformedBatch, RecordTooLarge
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
from kafka_meta.batches.records import Contents, contents, decoded, packed, records, renumbered

SEQUENCES = 1 << 31
"""Sequence numbers are below this: after 2^31 - 1 comes 0 (DefaultRecordBatch.incrementSequence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The properties of a destination topic that matter for batches."""

    timestamp_type: TimestampType = "CreateTime"
    max_message_bytes: int | None = None
    """The limit of an encoded batch including its header; None when it is not known."""
    max_records: int | None = None
    """The most records of a batch; None without such a limit. A destination that compresses batches anew measures them
    afterwards, so it may refuse one that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Producer id and epoch from InitProducerId; -1 and -1 where the destination does not support idempotence."""

    id: int = -1
    epoch: int = -1

    def sequence(self, rank: int) -> int:
        """The sequence number of the record with this rank; -1 without idempotence."""
        return rank % SEQUENCES if self.id >= 0 else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """The batch's own bytes are sent behind a new header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """The batch's records are encoded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Nothing of the batch is copied. The copy goes on at the batch's end."""


Fate: TypeAlias = Forward | Rebuild | Drop

FORWARD, REBUILD, DROP = Forward(), Rebuild(), Drop()


class Outgoing(NamedTuple):
    """A batch for a Produce request: `head` (61 bytes), then `body`. A forwarded body is not copied.

    A tuple, because one is made for every batch: a frozen dataclass takes twice the time.
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
    """What happens to a batch in the copy of source offsets `start` … `end` (half-open).

    `aborted` is the answer of `AbortedTransactions.covers`. What brokers refuse was tested on 4.3.1.
    """
    if isinstance(batch, Batch) and (batch.header.control or aborted or not batch.header.record_count):
        return DROP  # a transaction marker, an aborted transaction, or a batch that compaction has emptied
    if batch.next_offset <= start or (batch.base_offset is not None and batch.base_offset >= end):
        return DROP
    if isinstance(batch, MessageSet):
        return REBUILD
    header = batch.header
    cut = header.base_offset < start or header.next_offset > end
    # With LogAppendTime the time of every record is the batch's max timestamp: each record must carry it itself.
    restamped = header.timestamp_type == "LogAppendTime" and destination.timestamp_type == "CreateTime"
    too_large = destination.max_message_bytes is not None and header.size_bytes > destination.max_message_bytes
    too_many = destination.max_records is not None and header.record_count > destination.max_records
    if cut or restamped or too_large or too_many or not header.gapless:  # compaction leaves gaps
        return REBUILD
    return FORWARD


def forward(batch: Batch, *, producer: Producer, rank: int) -> Outgoing:
    """The batch with a new header. `rank` is the rank of its first record.

    Of the attributes only the codec stays: the transaction has ended, and log append time and delete horizon belong to
    the source's log.
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
    """Yields the batch's records with `start` ≤ offset < `end`, without gaps and with the same codec, in as many
    batches as the destination's limits require. `rank` is the rank of the first record. Yields nothing when no
    record is in the range.

    Raises MalformedBatch and RecordTooLarge.
    """
    kept = contents(batch).within(start, end)
    return encoded(batch, kept, end=end, destination=destination, producer=producer, rank=rank)


def encoded(
    batch: Batch | MessageSet, kept: Contents, *, end: int, destination: Destination, producer: Producer, rank: int
) -> Iterator[Outgoing]:
    """As `rebuild`, for those of a batch's records that were decoded and `kept`. Raises RecordTooLarge."""
    codec = batch.codec if isinstance(batch, MessageSet) else batch.header.codec
    pieces = _fitting(kept, codec, destination)
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


def unreadable(outgoing: Outgoing) -> str | None:
    """Why the records of a batch cannot be read, though its CRC is right; None when they can. A forwarded batch is sent
    without a look at its records."""
    try:
        contents(Batch(outgoing.header, memoryview(bytes(outgoing))))
    except MalformedBatch as error:
        return error.seen
    return None


JOINED_BYTES = 256 << 10
_LARGE_RECORD_BYTES = 256
_FEW_RECORDS = 48


def joinable(batch: Batch) -> bool:
    """Whether a batch that can be forwarded should be joined with its neighbours.

    A broker accepts one batch for each partition in a request, and most of its work and of ours is the same for one
    record as for 256 KiB. A producer without `linger.ms` writes such batches: forwarded one by one, they limit a
    partition to one record a round trip. To join a batch costs about half a microsecond for each of its records, to
    forward it some 50 (both measured), so a batch of few records is joined whatever its codec, and one of many records
    only where they are uncompressed and so large that the bytes count, not the records.
    """
    header = batch.header
    if header.size_bytes > JOINED_BYTES // 2:
        return False
    large_records = header.codec is Codec.NONE and header.length >= header.record_count * _LARGE_RECORD_BYTES
    return large_records or header.record_count <= _FEW_RECORDS


class Neighbours:
    """Small batches of a partition, in order, on their way into a larger batch of the same codec.

    Compressed batches are decoded and their records encoded together again; no record body is parsed.
    """

    def __init__(self, destination: Destination) -> None:
        limit_bytes = min(JOINED_BYTES, destination.max_message_bytes or JOINED_BYTES)
        self._max_records = destination.max_records
        # Compressing what cannot be compressed makes it a little larger.
        self._most_bytes = limit_bytes - (limit_bytes >> 6)
        self._batches: list[Batch] = []
        self._parts: list[Buffer] = []
        self._count = 0
        self._size_bytes = HEADER_BYTES

    @property
    def batches(self) -> Sequence[Batch]:
        return self._batches

    def add(self, batch: Batch) -> bool:
        """Takes a batch that `decide` forwards. False: it does not go with those that were taken, so they must be sent
        first. Raises MalformedBatch for the batch, or for the first one, which is dropped then."""
        if not self._batches:
            self._batches.append(batch)
            return True
        first = self._batches[0]
        if batch.header.codec is not first.header.codec:
            return False
        try:
            if not self._parts and not self._join(first):
                return False
        except MalformedBatch:
            self._batches.clear()
            raise
        if not self._join(batch):
            return False
        self._batches.append(batch)
        return True

    def _join(self, batch: Batch) -> bool:
        """Adds the batch's records if there is room. The first batch is only decoded when a second one comes."""
        header = batch.header
        # Up to 3 bytes more for each record's offset delta, and up to 9 for its timestamp delta.
        room_bytes = self._most_bytes - self._size_bytes - 12 * header.record_count
        if self._max_records is not None and self._count + header.record_count > self._max_records:
            return False
        body = batch.body if header.codec is Codec.NONE else decoded(batch, max(0, room_bytes))
        if body is None or len(body) > room_bytes:
            return False
        if self._parts:
            base_timestamp = self._batches[0].header.base_timestamp
            self._parts += renumbered(batch, body, first=self._count, base_timestamp=base_timestamp)
        else:
            self._parts.append(body)
        self._count += header.record_count
        self._size_bytes += len(body) + 12 * header.record_count
        return True

    def take(self, *, producer: Producer, rank: int) -> Outgoing:
        """What was taken, at least one batch, as one batch. Gaps between them disappear. A single one is forwarded
        unchanged."""
        batches = self._batches
        if len(batches) == 1:
            outgoing = forward(batches[0], producer=producer, rank=rank)
        else:
            codec = batches[0].header.codec
            outgoing = _sealed(
                encode(codec, b"".join(self._parts)),
                codec,
                count=self._count,
                base_timestamp=batches[0].header.base_timestamp,
                max_timestamp=max(batch.header.max_timestamp for batch in batches),
                producer=producer,
                rank=rank,
                source_end=batches[-1].next_offset,
            )
        self._batches, self._parts, self._count, self._size_bytes = [], [], 0, HEADER_BYTES
        return outgoing


def _fitting(part: Contents, codec: Codec, destination: Destination) -> Iterator[tuple[Contents, bytes]]:
    """`part`, halved until every encoded piece fits."""
    if not len(part):
        return
    if destination.max_records is None or len(part) <= destination.max_records:
        body, limit = encode(codec, packed(part)), destination.max_message_bytes
        if limit is None or HEADER_BYTES + len(body) <= limit:
            yield part, body
            return
        if len(part) == 1:
            raise RecordTooLarge(part.offsets[0], HEADER_BYTES + len(body), limit)
    middle = len(part) // 2
    yield from _fitting(part[:middle], codec, destination)
    yield from _fitting(part[middle:], codec, destination)


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
    """`count` records without gaps, with a new header."""
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
    """Which batches of one Fetch response belong to aborted transactions, as in Kafka's consumer
    (CompletedFetch.nextFetchedRecord). Call `covers` for every batch, in order.

    `aborted` is the response's list of (producerId, firstOffset). A producer's records are aborted from that offset to
    its next abort marker. Brokers return the list only for the isolation level read_committed.
    """

    def __init__(self, aborted: Iterable[tuple[int, int]] | None) -> None:
        self._ahead = deque(sorted((first_offset, producer) for producer, first_offset in aborted or ()))
        self._aborted: set[int] = set()

    def covers(self, batch: Batch | MessageSet) -> bool:
        """Whether the batch belongs to an aborted transaction. Raises MalformedBatch for an invalid marker."""
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
