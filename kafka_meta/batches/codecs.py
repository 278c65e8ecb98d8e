"""Kafka's five codecs, as its Java client writes them, and never more than a bounded number of bytes out.

Decoding is as lenient as Kafka's consumer, which reads as many records as the header counts and does not
ask for the stream's end mark; what is missing shows when the records are read.
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
"""Of one batch. A producer's request is at most max.request.size uncompressed (1 MiB by default)."""


class UndecodableError(ValueError):
    """Says what is wrong with compressed bytes; whoever knows their offset says where."""


class _TooLong(Exception):
    pass


def decode(codec: Codec, data: Buffer, *, limit: int = DECODED_LIMIT_BYTES) -> bytes:
    """At most `limit` bytes. Raises UndecodableError."""
    try:
        return _DECODERS[codec](data, limit)
    except _TooLong:
        raise UndecodableError(f"{codec.name.lower()} data that decodes to more than {limit} bytes") from None
    except (zlib.error, zstd.ZstdError, cramjam.DecompressionError, RuntimeError, EOFError, struct.error) as error:
        raise UndecodableError(f"{codec.name.lower()} data that cannot be decoded ({error})") from error


def encode(codec: Codec, data: bytes) -> bytes:
    """With each codec's default level."""
    return _ENCODERS[codec](data)


def _plain(data: Buffer, limit: int) -> bytes:
    return bytes(data)


def _gunzip(data: Buffer, limit: int) -> bytes:
    # 31: a gzip header is expected. Several members may follow each other (RFC 1952, 2.2).
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
    # Java writes the framing of xerial's SnappyOutputStream, librdkafka one raw block; both are read everywhere.
    if bytes(data[:8]) != _XERIAL_MAGIC:
        return _unsnappy_block(data, limit)
    blocks = []
    position = len(_XERIAL_HEADER)
    while position < len(data):
        (length,) = _INT32.unpack_from(data, position)
        position += _INT32.size
        if not 0 <= length <= len(data) - position:
            raise UndecodableError(f"a snappy block of {length} bytes where {len(data) - position} are left")
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
    # Step by step: this library allocates as much as it is asked for.
    decoder = lz4.frame.LZ4FrameDecompressor()
    decoded = bytearray(decoder.decompress(data, _LZ4_STEP_BYTES))
    while not decoder.eof and not decoder.needs_input:
        decoded += decoder.decompress(b"", min(_LZ4_STEP_BYTES, _room(limit, decoded)))
    _room(limit, decoded)
    return bytes(decoded)


def _lz4(data: bytes) -> bytes:
    # Kafka's reader refuses blocks that depend on each other (KafkaLZ4BlockInputStream).
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
    """How much to ask for next: one byte more than the limit allows shows that it is passed."""
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
    """An LZ4 frame whose header checksum is right.

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
