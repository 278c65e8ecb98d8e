"""The `records` of a Fetch response: batches of magic 2, and message sets of magic 0 and 1.

Source: org.apache.kafka.common.record.{DefaultRecordBatch, LegacyRecord, AbstractLegacyRecordBatch}.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

from crc32c import crc32c

from kafka_meta.batches.errors import MalformedBatch

TimestampType: TypeAlias = Literal["CreateTime", "LogAppendTime"]
Buffer: TypeAlias = bytes | memoryview

NO_TIMESTAMP = -1

CODEC_MASK = 0x07
LOG_APPEND_TIME_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = HEADER.size
COVERED = struct.Struct(">hiqqqhii")
"""The header after the CRC. The CRC covers it and the records."""
CRC_STARTS_AT = HEADER_BYTES - COVERED.size
PREAMBLE = struct.Struct(">qiibb")
"""baseOffset, length, then partitionLeaderEpoch and magic (2), or CRC, magic and attributes (0, 1)."""
BEFORE_LENGTH_BYTES = 12
"""baseOffset and length: the length does not count them."""
OLD_MESSAGE_BYTES = (26, 34)
"""The size of an empty message with magic 0 and 1, including baseOffset and length."""


class Codec(IntEnum):
    """Compression codecs by their number in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


_CODECS = tuple(Codec)
"""By number: a look-up here takes a tenth of the time of a call of the class."""


class Header(NamedTuple):
    """The 61 bytes before the records of magic 2. A tuple, because the mirror reads a million of them.

    Offsets are log offsets, timestamps milliseconds since 1970; -1 is Kafka's own "none" in timestamps and
    in the three producer fields.
    """

    base_offset: int
    length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def codec(self) -> Codec:
        return _CODECS[self.attributes & CODEC_MASK]

    @property
    def timestamp_type(self) -> TimestampType:
        return "LogAppendTime" if self.attributes & LOG_APPEND_TIME_BIT else "CreateTime"

    @property
    def transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def control(self) -> bool:
        return bool(self.attributes & CONTROL_BIT)

    @property
    def next_offset(self) -> int:
        """The offset after the last one."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def gapless(self) -> bool:
        """Whether the batch has a record for every offset."""
        return self.record_count == self.last_offset_delta + 1

    @property
    def size_bytes(self) -> int:
        """The size of the whole batch, header included."""
        return BEFORE_LENGTH_BYTES + self.length


class Batch(NamedTuple):
    """A record batch of magic 2. `data` is a view of its received bytes, including the header."""

    header: Header
    data: memoryview

    @property
    def base_offset(self) -> int:
        return self.header.base_offset

    @property
    def next_offset(self) -> int:
        return self.header.next_offset

    @property
    def leader_epoch(self) -> int | None:
        """The epoch of the leader that has appended the batch; None where it is not known."""
        epoch = self.header.partition_leader_epoch
        return epoch if epoch >= 0 else None

    @property
    def body(self) -> memoryview:
        return self.data[HEADER_BYTES:]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSet:
    """Neighbouring messages of magic 0 or 1 that can be handled together: any number of uncompressed messages with the
    same attributes, or one compressed wrapper. `data` is a view of their bytes.

    A wrapper has only its last message's offset. Its first offset is not known before it is decoded: `base_offset` is
    None then.
    """

    magic: Literal[0, 1]
    codec: Codec
    timestamp_type: TimestampType
    base_offset: int | None
    next_offset: int
    data: memoryview

    @property
    def leader_epoch(self) -> None:
        """Not known: these messages have none."""
        return None


def scan(records: Buffer, *, start: int = 0, high_watermark: int | None = None) -> Iterator[Batch | MessageSet]:
    """Yields the batches in `records`, in order. Each is checked against its CRC; none is copied.

    The CRC does not cover a batch's first offset, and a damaged one must not hide the records behind it. So the first
    batch must end behind `start`, the offset that was asked for; each batch before the next one begins; and the last
    one before `high_watermark`, if that is known.

    A broker cuts its answer at a number of bytes, so an incomplete last batch is not an error. Raises MalformedBatch.
    """
    data = memoryview(records).toreadonly()
    size = len(data)
    position = 0
    batch: Batch | MessageSet | None = None
    next_offset = start
    while size - position >= PREAMBLE.size:
        base_offset, length, _, magic, _ = PREAMBLE.unpack_from(data, position)
        if batch is not None:
            if base_offset < next_offset:
                raise _misplaced(batch, f"the next batch begins at {base_offset}")
            yield batch
            batch = None
        end = position + BEFORE_LENGTH_BYTES + length
        if magic == 2:
            if length < HEADER_BYTES - BEFORE_LENGTH_BYTES:
                raise MalformedBatch(base_offset, f"its length is {length}")
            if end > size:
                return
            whole = data[position:end]
            header = _checked_header(whole)
            batch = Batch(header, whole)
            next_offset = base_offset + header.last_offset_delta + 1
        elif magic in (0, 1):
            if length < OLD_MESSAGE_BYTES[magic] - BEFORE_LENGTH_BYTES:
                raise MalformedBatch(base_offset, f"its length is {length}")
            if end > size:
                return
            batch = _messages_alike(data[position:])
            end = position + len(batch.data)
            next_offset = batch.next_offset
        else:
            raise MalformedBatch(base_offset, f"its magic is {magic}, expected 0, 1 or 2")
        if next_offset <= start:
            raise _misplaced(batch, f"{start} was asked for")
        position = end
    if batch is not None:
        if high_watermark is not None and next_offset > high_watermark:
            raise _misplaced(batch, f"the log ends at {high_watermark}")
        yield batch


def _misplaced(batch: Batch | MessageSet, seen: str) -> MalformedBatch:
    return MalformedBatch(batch.base_offset, f"it ends at offset {batch.next_offset}, but {seen}")


def first_size_bytes(records: Buffer) -> int:
    """The size of the first batch, as its header says. `records` may have only a part of it; 0 for less than a
    header."""
    if len(records) < PREAMBLE.size:
        return 0
    return BEFORE_LENGTH_BYTES + int(PREAMBLE.unpack_from(records)[1])


def _checked_header(data: memoryview) -> Header:
    header = Header(*HEADER.unpack_from(data))
    crc = crc32c(data[CRC_STARTS_AT:])
    if crc != header.crc:
        raise MalformedBatch(header.base_offset, f"its CRC-32C is {crc:08x}, expected {header.crc:08x}")
    if header.attributes & CODEC_MASK > Codec.ZSTD:
        raise MalformedBatch(header.base_offset, f"codec {header.attributes & CODEC_MASK} is unknown")
    if (
        header.base_offset < 0
        or header.record_count < 0
        or not 0 <= header.last_offset_delta >= header.record_count - 1
    ):
        seen = f"{header.record_count} records up to offset delta {header.last_offset_delta}"
        raise MalformedBatch(header.base_offset, seen)
    return header


class Message(NamedTuple):
    """One message of magic 0 or 1. With magic 0 `timestamp` is -1: there is none."""

    offset: int
    magic: Literal[0, 1]
    attributes: int
    timestamp: int
    content: memoryview
    """Key and value, each after its length (int32, -1 is null)."""

    @property
    def codec(self) -> Codec:
        return _CODECS[self.attributes & CODEC_MASK]

    @property
    def timestamp_type(self) -> TimestampType:
        return "LogAppendTime" if self.magic == 1 and self.attributes & LOG_APPEND_TIME_BIT else "CreateTime"


_OLD = (struct.Struct(">qiIbb"), struct.Struct(">qiIbbq"))
"""offset, length, crc, magic, attributes and, with magic 1, timestamp."""


def messages(data: memoryview) -> Iterator[tuple[Message, int]]:
    """Yields each complete message in `data` and the position of its end. Stops at an incomplete message and at a batch
    of magic 2. Raises MalformedBatch."""
    size = len(data)
    position = 0
    while size - position >= PREAMBLE.size:
        offset, length, _, magic, _ = PREAMBLE.unpack_from(data, position)
        if magic not in (0, 1):
            return
        if offset < 0 or length < OLD_MESSAGE_BYTES[magic] - BEFORE_LENGTH_BYTES:
            raise MalformedBatch(offset, f"a message's length is {length}")
        end = position + BEFORE_LENGTH_BYTES + length
        if end > size:
            return
        _, _, said, _, attributes, *timestamp = _OLD[magic].unpack_from(data, position)
        crc = zlib.crc32(data[position + 16 : end])
        if crc != said:
            raise MalformedBatch(offset, f"its message has CRC-32 {crc:08x}, expected {said:08x}")
        if attributes & CODEC_MASK > Codec.LZ4:
            raise MalformedBatch(offset, f"codec {attributes & CODEC_MASK} is unknown in messages of magic {magic}")
        content = data[position + _OLD[magic].size : end]
        yield Message(offset, magic, attributes, timestamp[0] if timestamp else NO_TIMESTAMP, content), end
        position = end


def _messages_alike(data: memoryview) -> MessageSet:
    """The first message of `data`, with the next ones that can be in the same set."""
    found = messages(data)
    first, end = next(found)
    last = first
    if first.codec is Codec.NONE:
        for message, message_end in found:
            if message.magic != first.magic or message.attributes != first.attributes:
                break
            last, end = message, message_end
    return MessageSet(
        magic=first.magic,
        codec=first.codec,
        timestamp_type=first.timestamp_type,
        base_offset=first.offset if first.codec is Codec.NONE else None,
        next_offset=last.offset + 1,
        data=data[:end],
    )
