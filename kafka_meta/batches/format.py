"""What a Fetch response's `records` are: batches of magic 2, and message sets of magic 0 and 1.

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
DELETE_HORIZON_BIT = 0x40

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = HEADER.size
COVERED = struct.Struct(">hiqqqhii")
"""What follows the CRC, which covers it and the records."""
CRC_STARTS_AT = HEADER_BYTES - COVERED.size
PREAMBLE = struct.Struct(">qiibb")
"""baseOffset, length, then partitionLeaderEpoch and magic (2), or CRC, magic and attributes (0, 1)."""
BEFORE_LENGTH_BYTES = 12
"""baseOffset and length itself, which the length does not count."""
OLD_MESSAGE_BYTES = (26, 34)
"""Of an empty message with magic 0 and 1, baseOffset and length included."""


class Codec(IntEnum):
    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


_CODECS = tuple(Codec)
"""By number: looking them up costs a tenth of calling the class."""


class Header(NamedTuple):
    """The 61 bytes before the records, magic 2. A tuple, since the mirror reads a million of them.

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
    def delete_horizon(self) -> bool:
        """Compaction has put the time from which tombstones may go into `base_timestamp` (KIP-534);
        the records' deltas count from there, so nothing else changes."""
        return bool(self.attributes & DELETE_HORIZON_BIT)

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def gapless(self) -> bool:
        return self.record_count == self.last_offset_delta + 1

    @property
    def size_bytes(self) -> int:
        return BEFORE_LENGTH_BYTES + self.length


class Batch(NamedTuple):
    """A record batch of magic 2. `data` are its bytes, header included, where they were received."""

    header: Header
    data: memoryview

    @property
    def base_offset(self) -> int:
        return self.header.base_offset

    @property
    def next_offset(self) -> int:
        return self.header.next_offset

    @property
    def body(self) -> memoryview:
        return self.data[HEADER_BYTES:]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSet:
    """Messages of magic 0 or 1 that lie next to each other and are alike: any number of uncompressed
    ones, or one compressed wrapper. `data` are their bytes.

    A wrapper carries its last message's offset, so where it begins is not known before it is decoded:
    `base_offset` is None then.
    """

    magic: Literal[0, 1]
    codec: Codec
    timestamp_type: TimestampType
    base_offset: int | None
    next_offset: int
    data: memoryview


def scan(records: Buffer) -> Iterator[Batch | MessageSet]:
    """The batches in `records`, in order, each checked against its CRC, without copying them.

    A broker cuts its answer at a number of bytes, so what is left of a last batch is not an error; an
    answer that holds bytes and yet yields nothing is a batch larger than was asked for (Fetch ≤ 2).
    Raises MalformedBatch.
    """
    data = memoryview(records).toreadonly()
    size = len(data)
    position = 0
    while size - position >= PREAMBLE.size:
        base_offset, length, _, magic, _ = PREAMBLE.unpack_from(data, position)
        end = position + BEFORE_LENGTH_BYTES + length
        if magic == 2:
            if length < HEADER_BYTES - BEFORE_LENGTH_BYTES:
                raise MalformedBatch(base_offset, f"its length is {length}")
            if end > size:
                return
            whole = data[position:end]
            yield Batch(_checked_header(whole), whole)
        elif magic in (0, 1):
            if length < OLD_MESSAGE_BYTES[magic] - BEFORE_LENGTH_BYTES:
                raise MalformedBatch(base_offset, f"its length is {length}")
            if end > size:
                return
            messages = _messages_alike(data[position:])
            end = position + len(messages.data)
            yield messages
        else:
            raise MalformedBatch(base_offset, f"magic is {magic}, known are 0, 1 and 2")
        position = end


def _checked_header(data: memoryview) -> Header:
    header = Header(*HEADER.unpack_from(data))
    crc = crc32c(data[CRC_STARTS_AT:])
    if crc != header.crc:
        raise MalformedBatch(header.base_offset, f"its CRC-32C is {crc:08x}, the header says {header.crc:08x}")
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
    """One message of magic 0 or 1. `timestamp` is -1 with magic 0, which has none."""

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
    """Each whole message in `data` and where it ends; ends before a truncated one and before a batch of magic 2.
    Raises MalformedBatch."""
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
            raise MalformedBatch(offset, f"the message's CRC-32 is {crc:08x}, it says {said:08x}")
        if attributes & CODEC_MASK > Codec.LZ4:
            raise MalformedBatch(offset, f"codec {attributes & CODEC_MASK} is unknown in messages of magic {magic}")
        content = data[position + _OLD[magic].size : end]
        yield Message(offset, magic, attributes, timestamp[0] if timestamp else NO_TIMESTAMP, content), end
        position = end


def _messages_alike(data: memoryview) -> MessageSet:
    """The first message of `data` with those that can share a batch with it; there is at least one."""
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
