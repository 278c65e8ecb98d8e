"""Kafka's five codecs, as its Java client writes them. The size of decoded data is limited.

Decoding is as lenient as in Kafka's consumer: it reads as many records as the header counts, and does not require the
stream's end mark. Missing data is found when the records are read.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable

import cramjam
import lz4.frame

from kafka_meta.batches.format import Buffer, Codec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECODED_LIMIT_BYTES = 256 << 20
"""The limit of one batch. (A producer's uncompressed request is at most max.request.size: 1 MiB by default.)"""


class UndecodableError(ValueError):
    """Compressed bytes are invalid. The message has no offset: the caller adds it."""


class TooLongError(UndecodableError):
    """Compressed bytes decode to more than the limit."""


class _TooLong(Exception):
    pass


def decode(codec: Codec, data: Buffer, *, limit: int = DECODED_LIMIT_BYTES) -> bytes:
    """The decoded bytes, at most `limit`. Raises UndecodableError."""
    try:
        return _DECODERS[codec](data, limit)
    except _TooLong:
        raise TooLongError(f"{codec.name.lower()} data that decodes to more than {limit} bytes") from None
    except (zlib.error, zstd.ZstdError, cramjam.DecompressionError, RuntimeError, EOFError, struct.error) as error:
        raise UndecodableError(f"{codec.name.lower()} data that cannot be decoded ({error})") from error


def encode(codec: Codec, data: bytes) -> bytes:
    """The encoded bytes, with the codec's default level."""
    return _ENCODERS[codec](data)


def _plain(data: Buffer, limit: int) -> bytes:
    return bytes(data)


def _gunzip(data: Buffer, limit: int) -> bytes:
    # 31: a gzip header is expected. There may be several members (RFC 1952, 2.2).
    decoded = b""
    while data:
        decoder = zlib.decompressobj(31)
        decoded += decoder.decompress(data, _room(limit, decoded))
        data = decoder.unused_data
    _room(limit, decoded)
    return decoded


def _gzip(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=31)
    return encoder.compress(data) + encoder.flush()


_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 32 << 10
_INT32 = struct.Struct(">i")


def _unsnappy(data: Buffer, limit: int) -> bytes:
    # Java writes the framing of xerial's SnappyOutputStream, librdkafka one raw block. Every client reads both.
    if bytes(data[:8]) != _XERIAL_MAGIC:
        return _unsnappy_block(data, limit)
    blocks = []
    position = len(_XERIAL_HEADER)
    while position < len(data):
        (length,) = _INT32.unpack_from(data, position)
        position += _INT32.size
        if not 0 <= length <= len(data) - position:
            raise UndecodableError(f"a snappy block of {length} bytes, but only {len(data) - position} are left")
        block = _unsnappy_block(data[position : position + length], limit)
        limit -= len(block)
        blocks.append(block)
        position += length
    return b"".join(blocks)


def _unsnappy_block(data: Buffer, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > limit:
        raise _TooLong
    return bytes(cramjam.snappy.decompress_raw(data))


def _snappy(data: bytes) -> bytes:
    parts = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES]))
        parts += (_INT32.pack(len(block)), block)
    return b"".join(parts)


_LZ4_STEP_BYTES = 1 << 20


def _unlz4(data: Buffer, limit: int) -> bytes:
    # In small steps: this library allocates as many bytes as it is asked for.
    decoder = lz4.frame.LZ4FrameDecompressor()
    decoded = bytearray(decoder.decompress(data, _LZ4_STEP_BYTES))
    while not decoder.eof and not decoder.needs_input:
        decoded += decoder.decompress(b"", min(_LZ4_STEP_BYTES, _room(limit, decoded)))
    _room(limit, decoded)
    return bytes(decoded)


def _lz4(data: bytes) -> bytes:
    # Kafka refuses blocks that depend on each other (KafkaLZ4BlockInputStream).
    encoded: bytes = lz4.frame.compress(
        data, block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=False, store_size=False
    )
    return encoded


def _unzstd(data: Buffer, limit: int) -> bytes:
    decoded = b""
    while data:
        decoder = zstd.ZstdDecompressor()
        decoded += decoder.decompress(data, _room(limit, decoded))
        data = decoder.unused_data
    _room(limit, decoded)
    return decoded


def _room(limit: int, decoded: bytes | bytearray) -> int:
    """The number of bytes to ask for next. One byte above the limit is enough to see that there are too many."""
    if len(decoded) > limit:
        raise _TooLong
    return limit + 1 - len(decoded)


_DECODERS: dict[Codec, Callable[[Buffer, int], bytes]] = {
    Codec.NONE: _plain,
    Codec.GZIP: _gunzip,
    Codec.SNAPPY: _unsnappy,
    Codec.LZ4: _unlz4,
    Codec.ZSTD: _unzstd,
}
_ENCODERS: dict[Codec, Callable[[bytes], bytes]] = {
    Codec.NONE: bytes,
    Codec.GZIP: _gzip,
    Codec.SNAPPY: _snappy,
    Codec.LZ4: _lz4,
    Codec.ZSTD: zstd.compress,
}


def with_right_lz4_checksum(data: Buffer) -> bytes:
    """An LZ4 frame with a correct header checksum.

    Clients before 0.10 computed it over the frame's magic number too, and Kafka goes on doing so in
    messages of magic 0 (KAFKA-3160). The checksum is byte 1 of the descriptor's xxh32.
    """
    frame = bytearray(data)
    if len(frame) >= 7:
        descriptor_end = 6 + 8 * bool(frame[4] & 0x08) + 4 * bool(frame[4] & 0x01)
        if descriptor_end < len(frame):
            frame[descriptor_end] = (_xxh32(bytes(frame[4:descriptor_end])) >> 8) & 0xFF
    return bytes(frame)


def _xxh32(data: bytes) -> int:
    """xxHash, 32 bits, seed 0, of fewer than 16 bytes (xxhash.com, "doc/xxhash_spec.md", the steps for short input)."""
    mask = 0xFFFFFFFF
    value = (374761393 + len(data)) & mask
    whole = len(data) // 4 * 4
    for (lane,) in struct.iter_unpack("<I", data[:whole]):
        value = (value + lane * 3266489917) & mask
        value = (value << 17 | value >> 15) * 668265263 & mask
    for byte in data[whole:]:
        value = (value + byte * 374761393) & mask
        value = (value << 11 | value >> 21) * 2654435761 & mask
    value = (value ^ value >> 15) * 2246822519 & mask
    value = (value ^ value >> 13) * 3266489917 & mask
    return value ^ value >> 16
