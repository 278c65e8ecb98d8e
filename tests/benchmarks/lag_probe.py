"""Traffic of a given pace, and how long its records take from one cluster to the other. A process of its own: it must
not wait for what measures it.

Some records are probes. When a probe is acknowledged is written down, and its offset. It can be read on the destination
as soon as the high watermark there is behind that offset: the topics are new and written by nobody else, so offsets are
the same on both sides. The watermarks are asked for again and again, which costs little. (A consumer of all records
needs so much of two processors that it waits for itself.) Both times are of the same clock.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import deque
from itertools import count

from confluent_kafka import Producer

from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.partitions import led, listed_offsets

VALUE_BYTES = 2000
_PROBES_S = 200
_LOOK_S = 0.01


def main(*, source: str, dest: str, topic: str, partitions: int, bytes_s: float, warm_s: float, seconds: float) -> None:
    """Prints what was found as JSON."""
    producer = Producer(
        {
            "bootstrap.servers": source,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 256_000,
            "log_level": 0,
        }
    )
    waiting: list[deque[tuple[int, int, float]]] = [deque() for _ in range(partitions)]
    """Of each partition: number of the probe, its offset, when it was acknowledged."""
    lags: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        with connect(ClusterSettings(role="dest", bootstrap_servers=dest)) as wire:
            leaders = led(wire, {(topic, each): None for each in range(partitions)})
            while not over.wait(_LOOK_S):
                ends = listed_offsets(wire, leaders)
                now = time.monotonic()
                for (_, part), end in ends.items():
                    queue = waiting[part]
                    while queue and isinstance(end, int) and queue[0][1] < end:
                        number, _, at = queue.popleft()
                        lags[number] = now - at

    looking = threading.Thread(target=look, daemon=True)
    looking.start()

    def sent(number: int):  # type: ignore[no-untyped-def]
        def heard(error: object, message: object) -> None:
            if error is None:
                waiting[message.partition()].append((number, message.offset(), time.monotonic()))  # type: ignore[attr-defined]

        return heard

    dice, numbers = random.Random(1), count()
    value = random.Random(2).randbytes(VALUE_BYTES)

    def probe() -> int:
        number = next(numbers)
        producer.produce(topic, value, partition=dice.randrange(partitions), on_delivery=sent(number))
        return number

    # What it takes to begin does not count: the first record may come late.
    while not lags:
        probe()
        producer.poll(0.1)
        time.sleep(0.1)
    began = time.monotonic()
    measured: set[int] = set()
    written = probed = next_part = 0
    while (now := time.monotonic() - began) < warm_s + seconds:
        while probed < now * _PROBES_S:
            number = probe()
            probed += 1
            if now >= warm_s:
                measured.add(number)
        while written * VALUE_BYTES < now * bytes_s:
            # Some records in a row to one partition, as a sticky partitioner does.
            for _ in range(8):
                producer.produce(topic, value, partition=next_part)
            written += 8
            next_part = (next_part + 1) % partitions
        producer.poll(0)
        time.sleep(0.002)
    producer.flush(60)
    until = time.monotonic() + 60
    while time.monotonic() < until and not measured <= lags.keys():
        time.sleep(0.05)
    over.set()
    looking.join()
    found = sorted(lags[each] for each in measured & lags.keys())
    print(
        json.dumps(
            {
                "probes": len(measured),
                "missing": len(measured) - len(found),
                "p50": found[len(found) // 2],
                "p99": found[int(len(found) * 0.99)],
                "max": found[-1],
                "written_mb_s": written * VALUE_BYTES / 1e6 / (warm_s + seconds),
                "began": began + warm_s,
                "ended": began + warm_s + seconds,
            }
        )
    )


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
