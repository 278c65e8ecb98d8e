"""What a program with confluent-kafka would do: consume in bulk, produce with key, headers and timestamp."""

from __future__ import annotations

import json
import sys

from confluent_kafka import Consumer, Producer


def main(given: dict[str, object]) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": given["source"],
            "group.id": "loop",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 131072,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": given["dest"],
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4" if given["topic"] == "json" else "none",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    consumer.subscribe([str(given["topic"])])
    left = int(str(given["records"]))
    while left:
        for message in consumer.consume(10_000, timeout=1):
            while True:
                try:
                    producer.produce(
                        str(given["topic"]),
                        key=message.key(),
                        value=message.value(),
                        headers=message.headers(),
                        partition=message.partition(),
                        timestamp=message.timestamp()[1],
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            left -= 1
        producer.poll(0)
    producer.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
