"""Traffic of a given pace, and how long its records take from one cluster to the other. A process of its own: it must
not wait for what measures it.

Every tenth record or so is a probe: when its acknowledgement arrives is written down, and when a consumer gets it from
the destination. Both by the same clock.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from itertools import count

from confluent_kafka import Consumer, Producer, TopicPartition

VALUE_BYTES = 1000
_PROBES_S = 200


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
    consumer = Consumer(
        {
            "bootstrap.servers": dest,
            "group.id": "lag-probe",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 10_000,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(topic, each, 0) for each in range(partitions)])
    acknowledged: dict[int, float] = {}
    seen: dict[int, float] = {}
    over = threading.Event()

    def consume() -> None:
        while not over.is_set():
            for message in consumer.consume(5_000, timeout=0.02):
                key = None if message.error() else message.key()
                if key is not None:
                    seen[int(key)] = time.monotonic()

    reading = threading.Thread(target=consume, daemon=True)
    reading.start()

    def sent(number: int):  # type: ignore[no-untyped-def]
        def heard(error: object, _: object) -> None:
            if error is None:
                acknowledged[number] = time.monotonic()

        return heard

    dice, numbers = random.Random(1), count()
    value = random.Random(2).randbytes(VALUE_BYTES)

    def probe() -> int:
        number = next(numbers)
        producer.produce(
            topic, value, str(number).encode(), partition=dice.randrange(partitions), on_delivery=sent(number)
        )
        return number

    # What it takes to begin does not count: the first record may come late.
    while not seen:
        probe()
        producer.poll(0.1)
        time.sleep(0.1)
    began = time.monotonic()
    measured: set[int] = set()
    written = 0
    probed = 0
    next_part = 0
    while (now := time.monotonic() - began) < warm_s + seconds:
        while probed < now * _PROBES_S:
            number = probe()
            probed += 1
            if now >= warm_s:
                measured.add(number)
        while written * VALUE_BYTES < now * bytes_s:
            # Some records in a row to one partition, as a sticky partitioner does.
            for _ in range(16):
                producer.produce(topic, value, partition=next_part)
            written += 16
            next_part = (next_part + 1) % partitions
        producer.poll(0)
        time.sleep(0.002)
    producer.flush(60)
    until = time.monotonic() + 60
    while time.monotonic() < until and not measured <= seen.keys():
        time.sleep(0.05)
    over.set()
    reading.join()
    consumer.close()
    lags = sorted(seen[each] - acknowledged[each] for each in measured if each in seen and each in acknowledged)
    print(
        json.dumps(
            {
                "probes": len(measured),
                "missing": len(measured) - len(lags),
                "p50": lags[len(lags) // 2],
                "p99": lags[int(len(lags) * 0.99)],
                "max": lags[-1],
                "written_mb_s": written * VALUE_BYTES / 1e6 / (warm_s + seconds),
                "began": began + warm_s,
                "ended": began + warm_s + seconds,
            }
        )
    )


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
