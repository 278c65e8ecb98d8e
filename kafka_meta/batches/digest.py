"""A running checksum of records that can be stored between two runs of a copy.

It is two CRCs of different polynomials, 64 bits together. Both can continue from their last value, so a journal row can
hold them. They find damage and loss, but do not protect against a forger.
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
    """The checksum of `records` records, in order. A tuple, because one is made for every batch."""

    records: int = 0
    crc32c: int = 0
    crc32: int = 0

    def extended(self, count: int, *parts: Buffer) -> Digest:
        """The digest with the bytes of `count` records added."""
        castagnoli, ieee = self.crc32c, self.crc32
        for part in parts:
            castagnoli, ieee = crc32c(part, castagnoli), zlib.crc32(part, ieee)
        return Digest(self.records + count, castagnoli, ieee)

    def with_records(self, batch: Batch | MessageSet, *, start: int, end: int, timestamps: bool = True) -> Digest:
        """The digest with `batch`'s records with `start` ≤ offset < `end` added: key, value, headers, timestamp,
        in their order.

        It is equal for the same records in another codec, batching or message format. Use `timestamps=False` where the
        destination's log sets its own timestamps. Raises MalformedBatch.
        """
        found = contents(batch).within(start, end)
        if not timestamps:
            return self.extended(len(found), b"".join(found.bodies))
        parts: list[bytes] = [b""] * (2 * len(found))
        parts[::2] = map(_TIMESTAMP.pack, found.timestamps)
        parts[1::2] = found.bodies
        return self.extended(len(found), b"".join(parts))

    def with_batch(self, batch: Batch | Outgoing) -> Digest:
        """The digest with `batch`'s encoded bytes added, by their CRC. They are not decoded: this is hundreds of times
        faster than `with_records`.

        It is equal for sent and stored batches only where the destination stores batches as they are (compression.type
        producer, CreateTime). Otherwise use `with_records`.
        """
        header, body = batch.header, batch.body
        fields = _BATCH.pack(
            header.record_count, header.attributes & CODEC_MASK, header.base_timestamp, len(body), crc32c(body)
        )
        return self.extended(header.record_count, fields)


_TIMESTAMP = struct.Struct(">q")
_BATCH = struct.Struct(">ihqiI")
