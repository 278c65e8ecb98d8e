"""A running check sum of records that can be kept between two runs of a copy.

Two CRCs of different polynomials side by side, 64 bits: both go on from their last value, so a journal row can hold
them, and neither depends on where one batch ends and the next begins. They find damage and loss, not forgery.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from crc32c import crc32c

from kafka_meta.batches.format import CODEC_MASK, Batch, Buffer, MessageSet
from kafka_meta.batches.records import contents
from kafka_meta.batches.surgery import Outgoing


class Digest(NamedTuple):
    """Of so many records in their order. A tuple, since one is made for every batch."""

    records: int = 0
    crc32c: int = 0
    crc32: int = 0

    def extended(self, count: int, *parts: Buffer) -> Digest:
        castagnoli, ieee = self.crc32c, self.crc32
        for part in parts:
            castagnoli, ieee = crc32c(part, castagnoli), zlib.crc32(part, ieee)
        return Digest(self.records + count, castagnoli, ieee)

    def with_records(self, batch: Batch | MessageSet, *, start: int, end: int, timestamps: bool = True) -> Digest:
        """`batch`'s records with `start` ≤ offset < `end` added: key, value, headers in order, timestamp and rank.

        Equal for the same records in another codec, batching or message format. Without `timestamps` where the
        destination's log stamps its own. Raises MalformedBatch.
        """
        found = contents(batch).within(start, end)
        if not timestamps:
            return self.extended(len(found), b"".join(found.bodies))
        parts: list[bytes] = [b""] * (2 * len(found))
        parts[::2] = map(_TIMESTAMP.pack, found.timestamps)
        parts[1::2] = found.bodies
        return self.extended(len(found), b"".join(parts))

    def with_batch(self, batch: Batch | Outgoing) -> Digest:
        """`batch`'s encoded bytes added, by their own CRC, without decoding them: hundreds of times faster than
        `with_records`.

        Equal for what was sent and what a destination stores that keeps batches as they come (compression.type
        producer, CreateTime); whoever else compares must use `with_records`.
        """
        header, body = batch.header, batch.body
        fields = _BATCH.pack(
            header.record_count, header.attributes & CODEC_MASK, header.base_timestamp, len(body), crc32c(body)
        )
        return self.extended(header.record_count, fields)


_TIMESTAMP = struct.Struct(">q")
_BATCH = struct.Struct(">ihqiI")
