"""Records in batches, parsed only as far as needed.

A record of magic 2 is `length attributes timestampDelta offsetDelta`, then its body `key value headers`. The body does
not depend on the record's offset, so a copy takes it as it is (`contents`, `packed`). Only `records` parses it.
"""

from __future__ import annotations

import operator
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from kafka_meta.batches.codecs import TooLongError, UndecodableError, decode, with_right_lz4_checksum
from kafka_meta.batches.errors import MalformedBatch
from kafka_meta.batches.format import (
    Batch,
    Buffer,
    Codec,
    Message,
    MessageSet,
    messages,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record. Null and empty are different. The order of headers matters."""

    offset: int
    timestamp: int
    """Milliseconds, -1 for none."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A batch's records as three sequences of the same length. Offsets ascend.

    `timestamps` are those that a consumer sees: all equal with LogAppendTime. `bodies` are encoded as in magic 2.
    """

    offsets: Sequence[int]
    timestamps: Sequence[int]
    bodies: Sequence[bytes]

    def __getitem__(self, part: slice) -> Contents:
        return Contents(offsets=self.offsets[part], timestamps=self.timestamps[part], bodies=self.bodies[part])

    def __len__(self) -> int:
        return len(self.offsets)

    def within(self, start: int, end: int) -> Contents:
        """Those with `start` ≤ offset < `end`."""
        first = bisect_left(self.offsets, start)
        return self[first : bisect_left(self.offsets, end, first)]


def contents(batch: Batch | MessageSet) -> Contents:
    """All records of the batch. Raises MalformedBatch."""
    if isinstance(batch, MessageSet):
        return _old_contents(batch)
    header = batch.header
    try:
        found = _walk(decode(header.codec, batch.body), header.record_count)
    except (UndecodableError, ValueError) as error:
        raise MalformedBatch(header.base_offset, str(error)) from error
    except IndexError as error:
        raise MalformedBatch(header.base_offset, f"it ends before its {header.record_count} records do") from error
    deltas, timestamps, bodies = found
    ascending = all(map(operator.lt, deltas, deltas[1:]))
    if deltas and not (ascending and deltas[0] >= 0 and deltas[-1] <= header.last_offset_delta):
        raise MalformedBatch(header.base_offset, "its records' offsets are not in order")
    if header.timestamp_type == "LogAppendTime":
        timestamps = [header.max_timestamp] * len(deltas)
    else:
        timestamps = list(map(operator.add, timestamps, repeat(header.base_timestamp)))
    offsets = list(map(operator.add, deltas, repeat(header.base_offset)))
    return Contents(offsets=offsets, timestamps=timestamps, bodies=bodies)


def _walk(data: bytes, count: int) -> tuple[list[int], list[int], list[bytes]]:
    """Offset deltas, timestamp deltas and bodies of `count` records that fill `data`.

    Varints of one and two bytes are read here without a call: three varints for each record are most of the time that a
    rebuilt batch takes.
    """
    deltas: list[int] = []
    timestamps: list[int] = []
    bodies: list[bytes] = []
    position = 0
    for _ in range(count):
        number = data[position]
        position += 1
        if number > 127:
            following = data[position]
            if following > 127:
                number, position = _rest_of_varint(data, position, number)
            else:
                number = following << 7 | number & 127
                position += 1
        if number & 1:
            raise ValueError("a record's length is negative")
        end = position + (number >> 1)
        number = data[position + 1]
        position += 2
        if number > 127:
            number, position = _rest_of_varint(data, position, number)
        timestamps.append(number >> 1 ^ -(number & 1))
        number = data[position]
        position += 1
        if number > 127:
            following = data[position]
            if following > 127:
                number, position = _rest_of_varint(data, position, number)
            else:
                number = following << 7 | number & 127
                position += 1
        deltas.append(number >> 1 ^ -(number & 1))
        if position > end:
            raise ValueError("a record is longer than it says")
        bodies.append(data[position:end])
        position = end
    if position != len(data):
        raise ValueError(f"its {count} records take {position} bytes, it has {len(data)}")
    return deltas, timestamps, bodies


def _rest_of_varint(data: bytes, position: int, number: int) -> tuple[int, int]:
    """The rest of a varint, still zigzag-encoded. `number` is its first byte, before `position`; at most 9 follow."""
    number &= 127
    for shift in range(7, 70, 7):
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
    raise ValueError("a number of more than 10 bytes")


def _varint(number: int) -> bytes:
    """A varint: zigzag, then 7 bits in each byte, the lowest bits first."""
    number = number << 1 if number >= 0 else ~(number << 1)
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SMALL = 8192
_VARINTS = [_varint(number) for number in range(_SMALL)]


def packed(part: Contents) -> bytes:
    """The encoded records, with offset deltas 0, 1, 2 … and timestamps relative to the first record's."""
    parts: list[bytes] = []
    if not part.timestamps:
        return b""
    base = part.timestamps[0]
    small, varints = _SMALL, _VARINTS
    for delta, (timestamp, body) in enumerate(zip(part.timestamps, part.bodies, strict=True)):
        timestamp -= base
        head = b"\0%b%b" % (
            varints[timestamp] if 0 <= timestamp < small else _varint(timestamp),
            varints[delta] if delta < small else _varint(delta),
        )
        length = len(head) + len(body)
        parts += (varints[length] if length < small else _varint(length), head, body)
    return b"".join(parts)


def decoded(batch: Batch, limit_bytes: int) -> bytes | None:
    """The batch's records without compression; None for more than `limit_bytes`. Raises MalformedBatch."""
    try:
        return decode(batch.header.codec, batch.body, limit=limit_bytes)
    except TooLongError:
        return None
    except UndecodableError as error:
        raise MalformedBatch(batch.header.base_offset, str(error)) from error


def renumbered(batch: Batch, body: Buffer, *, first: int, base_timestamp: int) -> list[Buffer]:
    """The batch's encoded records as a part of a larger batch, with offset deltas from `first` on. `body` are its
    decoded records. Only for batches without gaps.

    It does not parse the records' own bodies: `contents` and `packed` together take three times as long. Raises
    MalformedBatch.
    """
    header = batch.header
    try:
        return _renumber(body, header.record_count, first, header.base_timestamp - base_timestamp)
    except ValueError as error:
        raise MalformedBatch(header.base_offset, str(error)) from error
    except IndexError as error:
        raise MalformedBatch(header.base_offset, f"it ends before its {header.record_count} records do") from error


def _renumber(body: Buffer, count: int, first: int, later_ms: int) -> list[Buffer]:
    data = bytes(body)  # its numbers are read at half the price, its slices would be copies
    if count > len(data):
        raise IndexError
    small, varints = _SMALL, _VARINTS
    ranks = range(first, first + count)
    orders = varints[first : first + count] if first + count <= small else map(_varint, ranks)
    parts: list[Buffer] = []
    position = 0
    timestamp, moment = -1, b""
    # Still zigzag-encoded: so they can be compared with the bytes.
    for delta, order in zip(range(0, 2 * count, 2), orders, strict=True):
        number, following = data[position], data[position + 1]
        if number > 127 >= following:
            number = following << 7 | number & 127
            position += 2
        else:
            position += 1
            if number > 127:
                number, position = _rest_of_varint(data, position, number)
        if number & 1:
            raise ValueError("a record's length is negative")
        end = position + (number >> 1)
        number = data[position + 1]
        position += 2
        if number > 127:
            number, position = _rest_of_varint(data, position, number)
        if number != timestamp:
            # Neighbours often have the same delta.
            timestamp = number
            later = (number >> 1 ^ -(number & 1)) + later_ms
            moment = b"\0" + (varints[later] if 0 <= later < small else _varint(later))
        number = data[position]
        position += 1
        if number > 127:
            number, position = _rest_of_varint(data, position, number)
        if number != delta:
            raise ValueError("its records' offsets do not follow each other")
        if position > end:
            raise ValueError("a record is longer than it says")
        length = len(moment) + len(order) + end - position
        parts += (varints[length] if length < small else _varint(length), moment, order, body[position:end])
        position = end
    if position != len(data):
        raise ValueError(f"its {count} records take {position} bytes, it has {len(data)}")
    return parts


_INT32 = struct.Struct(">i")


def _old_contents(batch: MessageSet) -> Contents:
    offsets: list[int] = []
    timestamps: list[int] = []
    bodies: list[bytes] = []
    for message, _ in messages(batch.data):
        if message.codec is Codec.NONE:
            offsets.append(message.offset)
            timestamps.append(message.timestamp)
            bodies.append(_body(message))
            continue
        inner = _unwrapped(message)
        # Inner offsets count from the first message with magic 1 (KIP-31), from the log's start with magic 0.
        shift = message.offset - inner[-1].offset if message.magic == 1 else 0
        stamped = message.timestamp_type == "LogAppendTime"
        for each in inner:
            offsets.append(each.offset + shift)
            timestamps.append(message.timestamp if stamped else each.timestamp)
            bodies.append(_body(each))
    if not all(map(operator.lt, offsets, offsets[1:])) or offsets[0] < 0:
        raise MalformedBatch(batch.base_offset, "its messages' offsets are not in order")
    return Contents(offsets=offsets, timestamps=timestamps, bodies=bodies)


def _unwrapped(wrapper: Message) -> list[Message]:
    """The messages inside a compressed message, at least one. Raises MalformedBatch."""
    _, value = _key_and_value(wrapper)
    if value is None:
        raise MalformedBatch(wrapper.offset, "a compressed message without a value")
    if wrapper.codec is Codec.LZ4:
        value = memoryview(with_right_lz4_checksum(value))
    try:
        decoded = decode(wrapper.codec, value)
    except UndecodableError as error:
        raise MalformedBatch(wrapper.offset, str(error)) from error
    inner = list(messages(memoryview(decoded)))
    if not inner or inner[-1][1] != len(decoded):
        raise MalformedBatch(wrapper.offset, f"a compressed message with {len(inner)} whole messages and more bytes")
    if any(message.codec is not Codec.NONE for message, _ in inner):
        # Kafka's consumer refuses it as well: "Inner messages must not be compressed".
        raise MalformedBatch(wrapper.offset, "a compressed message inside a compressed message")
    return [message for message, _ in inner]


def _body(message: Message) -> bytes:
    """The message's body as a record of magic 2 without headers."""
    key, value = _key_and_value(message)
    return b"".join((_sized(key), _sized(value), _VARINTS[0]))


def _sized(field: memoryview | None) -> bytes:
    return _varint(-1) if field is None else _varint(len(field)) + field


def _key_and_value(message: Message) -> tuple[memoryview | None, memoryview | None]:
    key, rest = _old_field(message, message.content)
    value, rest = _old_field(message, rest)
    if rest:
        raise MalformedBatch(message.offset, f"a message with {len(rest)} bytes after its value")
    return key, value


def _old_field(message: Message, data: memoryview) -> tuple[memoryview | None, memoryview]:
    if len(data) < _INT32.size:
        raise MalformedBatch(message.offset, "a message that ends before its value")
    (length,) = _INT32.unpack_from(data)
    rest = data[_INT32.size :]
    if length == -1:
        return None, rest
    if not 0 <= length <= len(rest):
        raise MalformedBatch(message.offset, f"a message with a field of {length} bytes, but only {len(rest)} are left")
    return rest[:length], rest[length:]


def records(batch: Batch | MessageSet) -> Iterator[Record]:
    """Yields every record, parsed completely. Raises MalformedBatch."""
    found = contents(batch)
    for offset, timestamp, body in zip(found.offsets, found.timestamps, found.bodies, strict=True):
        try:
            key, value, headers = _fields(body)
        except (IndexError, ValueError) as error:
            raise MalformedBatch(
                batch.base_offset, f"its record at offset {offset} cannot be read ({error})"
            ) from error
        yield Record(offset=offset, timestamp=timestamp, key=key, value=value, headers=headers)


def _fields(body: bytes) -> tuple[bytes | None, bytes | None, tuple[tuple[bytes, bytes | None], ...]]:
    key, position = _field(body, 0)
    value, position = _field(body, position)
    count, position = _number(body, position)
    if not 0 <= count <= len(body):
        raise ValueError(f"{count} headers")
    headers = []
    for _ in range(count):
        name, position = _field(body, position)
        content, position = _field(body, position)
        if name is None:
            raise ValueError("a header without a name")
        headers.append((name, content))
    if position != len(body):
        raise ValueError(f"{len(body) - position} bytes too long")
    return key, value, tuple(headers)


def _field(body: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _number(body, position)
    if length == -1:
        return None, position
    if not 0 <= length <= len(body) - position:
        raise ValueError(f"a field of {length} bytes, but only {len(body) - position} are left")
    return body[position : position + length], position + length


def _number(data: bytes, position: int) -> tuple[int, int]:
    number = data[position]
    position += 1
    if number > 127:
        number, position = _rest_of_varint(data, position, number)
    return number >> 1 ^ -(number & 1), position
