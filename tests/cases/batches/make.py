"""Writes the golden logs beside it again: log segments of real brokers, and what librdkafka's consumer reads from them.

    python tests/cases/batches/make.py

`<case>.log` is a partition's log, its segments one after the other. `<case>.json` has its records as
[offset, timestamp type, timestamp, key, value, headers], bytes in base64; where transactions were aborted, `committed`
has the offsets that a read_committed consumer sees and `aborted` the transaction index: [producer id, first offset].
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_meta.playground import Cluster
from tests.support.brokers import zookeeper_cluster

HERE = Path(__file__).parent
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
TIMESTAMP = 1_600_000_000_000


def main() -> None:
    settings = {"log.cleaner.backoff.ms": "200", "log.retention.hours": "-1"}
    with zookeeper_cluster("3.9.1", authorizer=False, settings=settings) as cluster:
        for codec in CODECS:
            write_case(cluster, f"v2-{codec}-librdkafka", {}, with_librdkafka(codec))
            write_case(cluster, f"v2-{codec}-java", {}, with_java(codec))
        write_case(cluster, "v2-log-append-time", {"message.timestamp.type": "LogAppendTime"}, with_librdkafka("lz4"))
        write_case(cluster, "v2-compacted", COMPACTED, compacted("lz4"))
        write_case(cluster, "v2-transactions", {}, transactions)
    with zookeeper_cluster("0.10.2.2", authorizer=False, settings=settings) as cluster:
        for magic, configs in ((0, {"message.format.version": "0.9.0"}), (1, {})):
            for codec in CODECS[:4]:
                write_case(cluster, f"v{magic}-{codec}-librdkafka", configs, with_librdkafka(codec, headers=False))
                write_case(cluster, f"v{magic}-{codec}-java", configs, with_java(codec))
            write_case(cluster, f"v{magic}-compacted", {**COMPACTED, **configs}, compacted("gzip"))
        stamped = {"message.timestamp.type": "LogAppendTime"}
        write_case(cluster, "v1-log-append-time", stamped, with_librdkafka("snappy", headers=False))
        write_case(cluster, "v1-log-append-time-plain", stamped, with_librdkafka("none", headers=False))


def write_case(cluster: Cluster, name: str, configs: Mapping[str, str], fill: Callable[[Cluster, str], None]) -> None:
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        return
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1, config=dict(configs))])[name].result()
    fill(cluster, name)
    found = consumed(cluster, name, "read_uncommitted")
    committed = [message.offset() for message in consumed(cluster, name, "read_committed")]
    document: dict[str, object] = {"records": [as_json(message) for message in found]}
    partition = cluster.brokers[0].data_dir / f"{name}-0"
    if len(committed) < len(found):
        index = b"".join(path.read_bytes() for path in sorted(partition.glob("*.txnindex")))
        document["committed"] = committed
        # version, producer id, first offset, last offset, last stable offset (kafka.log.AbortedTxn)
        document["aborted"] = [entry[1:3] for entry in struct.iter_unpack(">hqqqq", index)]
    (HERE / f"{name}.log").write_bytes(b"".join(path.read_bytes() for path in sorted(partition.glob("*.log"))))
    (HERE / f"{name}.json").write_text(json.dumps(document, indent=None).replace("], [", "],\n [") + "\n")


def with_librdkafka(codec: str, *, headers: bool = True) -> Callable[[Cluster, str], None]:
    def fill(cluster: Cluster, topic: str) -> None:
        producer = Producer(
            {"bootstrap.servers": cluster.bootstrap_servers, "compression.type": codec, "linger.ms": 500}
        )
        some = {"headers": [("a", b"1"), ("a", None), ("b", b""), ("", b"2")]} if headers else {}
        producer.produce(topic, b"value", b"key", timestamp=TIMESTAMP, partition=0, **some)
        producer.produce(topic, None, b"tombstone", timestamp=TIMESTAMP + 5, partition=0)
        producer.produce(topic, b"", b"", timestamp=1, partition=0)
        producer.produce(topic, b"only a value", timestamp=TIMESTAMP - 86_400_000, partition=0)
        producer.produce(topic, None, None, timestamp=TIMESTAMP, partition=0)
        for number in range(100):
            producer.produce(topic, b"%d " % number * 20, b"%d" % number, timestamp=TIMESTAMP + number, partition=0)
        producer.flush()
        producer.produce(topic, b"in a batch of its own", timestamp=TIMESTAMP, partition=0)
        producer.flush()

    return fill


def with_java(codec: str) -> Callable[[Cluster, str], None]:
    def fill(cluster: Cluster, topic: str) -> None:
        old = cluster.version.startswith("0.")
        cluster.tool(
            "kafka.tools.ConsoleProducer",
            *("--broker-list" if old else "--bootstrap-server", cluster.bootstrap_servers),
            *("--topic", topic, "--compression-codec", codec, "--timeout", "2000", "--batch-size", "2000"),
            *("--property", "parse.key=true", "--property", "key.separator=:"),
            input="".join(f"{number}:{f'value {number} ' * 6}\n" for number in range(100)),
        )

    return fill


COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}


def compacted(codec: str) -> Callable[[Cluster, str], None]:
    def fill(cluster: Cluster, topic: str) -> None:
        producer = Producer(
            {"bootstrap.servers": cluster.bootstrap_servers, "compression.type": codec, "linger.ms": 500}
        )
        for start in range(0, 60, 20):
            for number in range(start, start + 20):
                key = b"%d" % (number % 7 if number % 5 else number)
                producer.produce(topic, b"value %d" % number, key, timestamp=TIMESTAMP + start * 1000, partition=0)
            producer.flush()
        deadline = time.monotonic() + 60
        rolling = TIMESTAMP
        while len(consumed(cluster, topic, "read_uncommitted")) > 40:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not compacted within a minute")
            rolling += 1_000_000  # a segment's age is told by its records (segment.ms)
            producer.produce(topic, b"rolls the segment", b"last", timestamp=rolling, partition=0)
            producer.flush()
            time.sleep(0.5)

    return fill


def transactions(cluster: Cluster, topic: str) -> None:
    def producer(name: str) -> Producer:
        made = Producer({"bootstrap.servers": cluster.bootstrap_servers, "transactional.id": name, "linger.ms": 500})
        made.init_transactions()
        return made

    def send(into: Producer, text: str, count: int) -> None:
        for number in range(count):
            into.produce(topic, f"{text} {number}".encode(), timestamp=TIMESTAMP + number, partition=0)
        into.flush()

    one, other = producer("one"), producer("other")
    plain = Producer({"bootstrap.servers": cluster.bootstrap_servers, "enable.idempotence": True, "linger.ms": 500})
    one.begin_transaction()
    send(one, "aborted", 5)
    other.begin_transaction()
    send(other, "committed, between what is aborted", 3)
    send(plain, "without a transaction", 4)
    send(one, "aborted, too", 2)
    other.commit_transaction()
    one.abort_transaction()
    one.begin_transaction()
    send(one, "committed", 6)
    one.commit_transaction()
    other.begin_transaction()
    send(other, "aborted by the other", 2)
    other.abort_transaction()
    send(plain, "the last one", 1)


def consumed(cluster: Cluster, topic: str, isolation_level: str) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": isolation_level,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    try:
        while True:
            message = consumer.poll(10)
            if message is None:
                raise TimeoutError(f"{topic} has no end")
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return found
            else:
                raise RuntimeError(str(error))
    finally:
        consumer.close()


def as_json(message: Message) -> list[object]:
    kind, timestamp = message.timestamp()
    return [
        message.offset(),
        "LogAppendTime" if kind == TIMESTAMP_LOG_APPEND_TIME else "CreateTime",
        timestamp if kind else -1,
        text(message.key()),
        text(message.value()),
        [[name, text(value)] for name, value in message.headers() or ()],
    ]


def text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
