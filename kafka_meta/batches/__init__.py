"""Record batches: from the bytes of a Fetch response to those of a Produce request, without changing the records.

Pure: bytes in, bytes out. `scan` finds the batches of a Fetch response and checks them. `AbortedTransactions` knows
which of them belong to an aborted transaction. `decide` says what happens to each batch: `forward` puts a new header
before its own bytes, `rebuild` encodes its records again. `Neighbours` makes one batch of several small ones. `records`
and `Digest` are for comparing both sides.

    aborted = AbortedTransactions(response.aborted)
    for batch in scan(response.records):
        match decide(batch, start=start, end=end, aborted=aborted.covers(batch), destination=destination):
            case Forward(): send(forward(batch, producer=producer, rank=rank))
            case Rebuild(): send each of rebuild(batch, start=start, end=end, …, rank=rank)
            case Drop(): continue at batch.next_offset

Truths that are easy to miss:

- A broker accepts only what a producer could have written: base offset 0, no gap in the offsets, no transaction bit
  without a transaction, one batch for each partition in a request.
- `crc` covers everything from the attributes on. Base offset and leader epoch are before it: brokers change them.
- The offset of a wrapper message (magic 0 or 1) is that of its *last* message.
- A few compressed bytes may decode to any size. `codecs.DECODED_LIMIT_BYTES` is the limit here.
"""

from __future__ import annotations

from kafka_meta.batches.digest import Digest
from kafka_meta.batches.errors import MalformedBatch, RecordTooLarge
from kafka_meta.batches.format import Batch, Codec, Header, MessageSet, TimestampType, scan
from kafka_meta.batches.records import Record, records
from kafka_meta.batches.surgery import (
    JOINED_BYTES,
    AbortedTransactions,
    Destination,
    Drop,
    Fate,
    Forward,
    Neighbours,
    Outgoing,
    Producer,
    Rebuild,
    decide,
    encoded,
    forward,
    joinable,
    rebuild,
    unreadable,
)

__all__ = [
    "JOINED_BYTES",
    "AbortedTransactions",
    "Batch",
    "Codec",
    "Destination",
    "Digest",
    "Drop",
    "Fate",
    "Forward",
    "Header",
    "MalformedBatch",
    "MessageSet",
    "Neighbours",
    "Outgoing",
    "Producer",
    "Rebuild",
    "Record",
    "RecordTooLarge",
    "TimestampType",
    "decide",
    "encoded",
    "forward",
    "joinable",
    "rebuild",
    "records",
    "scan",
    "unreadable",
]
