"""Surgery on record batches: what a Fetch brings, made ready for a Produce, without touching the records.

Pure: bytes in, bytes out. `scan` finds the batches of a Fetch response and checks them, `AbortedTransactions` knows
whose transaction was aborted, `decide` says what becomes of each, `forward` puts a new header before its own bytes,
`rebuild` encodes anew what cannot go as it is, `join` makes one of many small ones. `records` and `Digest` read both
sides for comparing them.

    aborted = AbortedTransactions(response.aborted)
    for batch in scan(response.records):
        match decide(batch, start=start, end=end, aborted=aborted.covers(batch), destination=destination):
            case Forward(): send(forward(batch, producer=producer, rank=rank))
            case Rebuild(): send each of rebuild(batch, start=start, end=end, …, rank=rank)
            case Drop(): go on at batch.next_offset

Truths that are easy to miss:

- A broker takes only what a producer would have written: base offset 0, no gap in the offsets, no transaction bit
  without a transaction, one batch a partition and request.
- `crc` covers everything from the attributes on; base offset and leader epoch lie before it: brokers change them.
- A wrapper of magic 0 or 1 is addressed by its *last* message's offset.
- Nothing limits what a few compressed bytes decode to; `codecs.DECODED_LIMIT_BYTES` does here.
"""

from __future__ import annotations

from kafka_meta.batches.digest import Digest
from kafka_meta.batches.errors import MalformedBatch, RecordTooLarge
from kafka_meta.batches.format import Batch, Codec, Header, MessageSet, TimestampType, scan
from kafka_meta.batches.records import Record, count_between, records
from kafka_meta.batches.surgery import (
    JOINED_BYTES,
    AbortedTransactions,
    Destination,
    Drop,
    Fate,
    Forward,
    Outgoing,
    Producer,
    Rebuild,
    decide,
    forward,
    join,
    joinable,
    joined_bytes,
    rebuild,
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
    "Outgoing",
    "Producer",
    "Rebuild",
    "Record",
    "RecordTooLarge",
    "TimestampType",
    "count_between",
    "decide",
    "forward",
    "join",
    "joinable",
    "joined_bytes",
    "rebuild",
    "records",
    "scan",
]
