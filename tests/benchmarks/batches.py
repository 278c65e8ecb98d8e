"""How fast batches are checked, forwarded, rebuilt and digested on one core. Prints; asserts nothing.

python tests/benchmarks/batches.py
"""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from crc32c import crc32c
from kafka.record.default_records import DefaultRecordBatchBuilder

from kafka_meta.batches import (
    AbortedTransactions,
    Batch,
    Codec,
    Destination,
    Digest,
    Forward,
    Producer,
    decide,
    forward,
    rebuild,
    records,
    scan,
)
from kafka_meta.batches.codecs import encode
from kafka_meta.batches.format import HEADER, HEADER_BYTES

PRODUCER = Producer(id=1, epoch=0)
DESTINATION = Destination(max_message_bytes=1 << 20)
RESPONSE_BYTES = 1 << 20


def main() -> None:
    for size in (61, 1 << 10, 16 << 10, 128 << 10, 1 << 20):
        data = memoryview(random.randbytes(size))
        print(f"CRC-32C of {size:>9,} bytes: {size / seconds(partial(crc32c, data)) / 1e9:6.2f} GB/s")
    for codec, count, value_bytes in (
        (Codec.LZ4, 1, 91),
        (Codec.LZ4, 170, 91),
        (Codec.LZ4, 700, 91),
        (Codec.NONE, 16, 1000),
        (Codec.NONE, 1000, 1000),
    ):
        batch = a_batch(codec, count, value_bytes)
        response = batch * max(1, RESPONSE_BYTES // len(batch))
        each = seconds(partial(forward_all, response)) * len(batch) / len(response)
        print(
            f"forward {codec.name:6} {count:>5} × {value_bytes:>4} B ({len(batch):>9,} B a batch): "
            f"{1 / each:>9,.0f} batches/s {len(batch) / each / 1e9:6.2f} GB/s {count / each / 1e6:6.1f} M records/s"
        )
    for codec in Codec:
        for count, value_bytes in ((170, 91), (1000, 91), (16, 1000)):
            measure_records(codec, count, value_bytes)


def measure_records(codec: Codec, count: int, value_bytes: int) -> None:
    (batch,) = scan(a_batch(codec, count, value_bytes))
    assert isinstance(batch, Batch)
    cut = {"start": 1, "end": 1 << 62, "destination": DESTINATION, "producer": PRODUCER, "rank": 0}
    figures = {
        "rebuild": seconds(lambda: exhaust(rebuild(batch, **cut))),
        "records": seconds(lambda: exhaust(records(batch))),
        "digest of records": seconds(lambda: Digest().with_records(batch, start=0, end=1 << 62)),
        "of batches": seconds(lambda: Digest().with_batch(batch)),
    }
    shown = ", ".join(f"{name} {count / taken / 1e6:.2f}" for name, taken in figures.items())
    print(f"{codec.name:6} {count:>5} × {value_bytes:>4} B, M records/s: {shown}")


def forward_all(response: bytes) -> None:
    aborted = AbortedTransactions(())
    for batch in scan(response):
        fate = decide(batch, start=0, end=1 << 62, aborted=aborted.covers(batch), destination=DESTINATION)
        assert isinstance(fate, Forward)
        assert isinstance(batch, Batch)
        forward(batch, producer=PRODUCER, rank=0)


def exhaust(values: Iterable[object]) -> None:
    deque(values, maxlen=0)


def a_batch(codec: Codec, count: int, value_bytes: int) -> bytes:
    """JSON that compresses as JSON does."""
    dice = random.Random(1)
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for number in range(count):
        row = {"id": number, "name": f"user{dice.randrange(10**6)}", "v": dice.random()}
        value = (json.dumps(row) * 20)[:value_bytes].encode()
        builder.append(number, 1_700_000_000_000 + number // 3, None, value, [])
    built = bytes(builder.build())
    body = encode(codec, built[HEADER_BYTES:])
    header = next(batch.header for batch in scan(built) if isinstance(batch, Batch))
    head = HEADER.pack(*header._replace(attributes=codec, length=49 + len(body)))
    return head[:17] + crc32c(head[21:] + body).to_bytes(4, "big") + head[21:] + body


def seconds(work: Callable[[], object]) -> float:
    """Of one call: the best of five rounds of a tenth of a second."""
    best = float("inf")
    for _ in range(5):
        calls, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.1:
            work()
            calls += 1
        best = min(best, (time.perf_counter() - start) / calls)
    return best


if __name__ == "__main__":
    main()
