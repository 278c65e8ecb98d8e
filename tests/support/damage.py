"""Damage in the log of a broker, as a disk makes it: bytes of a batch changed in its segment."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from crc32c import crc32c

from kafka_meta.playground import Cluster

HEADER_BYTES = 61
_LENGTH_AT, _MAGIC_AT, _CRC_AT, _COVERED_AT = 8, 16, 17, 21

Damage = Callable[[bytearray], None]
"""Changes a batch in place."""


def damaged(cluster: Cluster, topic: str, partition: int, offset: int, damage: Damage) -> int:
    """Damages the batch with this offset on the only broker. The broker serves it from then on, without a restart.
    Returns the batch's first offset."""
    (broker,) = cluster.brokers
    for segment in sorted(Path(broker.data_dir, f"{topic}-{partition}").glob("*.log")):
        data = segment.read_bytes()
        position = 0
        while position < len(data):
            base, length = struct.unpack_from(">qi", data, position)
            (last_delta,) = struct.unpack_from(">i", data, position + 23)
            size = 12 + length
            if base <= offset <= base + last_delta:
                batch = bytearray(data[position : position + size])
                damage(batch)
                with segment.open("r+b") as file:
                    file.seek(position)
                    file.write(batch)
                return int(base)
            position += size
    raise AssertionError(f"offset {offset} is in no batch of {topic}-{partition}")


def flipped_byte(batch: bytearray) -> None:
    """In the midst of its records: the CRC tells."""
    batch[(HEADER_BYTES + len(batch)) // 2] ^= 0xFF


def damaged_record(batch: bytearray) -> None:
    """The CRC is right, and the records cannot be read."""
    batch[HEADER_BYTES:] = b"\xff" * (len(batch) - HEADER_BYTES)
    struct.pack_into(">I", batch, _CRC_AT, crc32c(bytes(batch[_COVERED_AT:])))


def garbage(batch: bytearray) -> None:
    """No batch at all, but as long as before."""
    batch[_MAGIC_AT:] = b"\x5a" * (len(batch) - _MAGIC_AT)


def too_long(batch: bytearray) -> None:
    """It claims to go on behind the end of the log."""
    struct.pack_into(">i", batch, _LENGTH_AT, 300 << 20)


def too_short(batch: bytearray) -> None:
    """It claims to be shorter than any batch: the broker itself refuses to read on."""
    struct.pack_into(">i", batch, _LENGTH_AT, 3)


def far_away(batch: bytearray) -> None:
    """Its first offset, which the CRC does not cover, is far behind the end of the log."""
    batch[2] ^= 0x01
