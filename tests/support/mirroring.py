"""What tests of the copy share: topics with records, a journal that has begun, and both sides read by librdkafka."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_meta.journal import Begun, Journal, Place
from kafka_meta.mirror.copy import Outcome, PartitionFailed, copy
from kafka_meta.mirror.lease import Lease
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.connection import Wire
from kafka_meta.wire.partitions import Leader, leaders, listed_offsets
from kafka_meta.wire.topics import EARLIEST
from kafka_meta.wire.transactions import stable_offsets


class Record(NamedTuple):
    """As a consumer sees it. `timestamp` is type and milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: tuple[int, int]

    @property
    def content(self) -> tuple[Any, ...]:
        return self[1:]


Log: TypeAlias = dict[Place, list[Record]]


def settings(cluster: Cluster, role: Any) -> ClusterSettings:
    return ClusterSettings(role=role, bootstrap_servers=cluster.bootstrap_servers, request_timeout_ms=10_000)


def create(cluster: Cluster, *topics: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    copies = min(3, len(cluster.brokers))
    wanted = [NewTopic(topic, partitions, copies, config=config or {}) for topic in topics]
    for future in admin.create_topics(wanted).values():
        future.result(120)


def fill(
    cluster: Cluster,
    topic: str,
    count: int,
    *,
    partitions: int,
    value_bytes: int = 300,
    timestamp_ms: int = 0,
    seed: int = 0,
    config: dict[str, Any] | None = None,
) -> None:
    """`timestamp_ms` 0: now; else the first record's, one millisecond a record on."""
    dice = random.Random(seed)
    producer = Producer(
        {"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers, "linger.ms": 2, **(config or {})}
    )
    noise = dice.randbytes(value_bytes * 64)
    for number in range(count):
        start = dice.randrange(len(noise) - value_bytes)
        value = b"%d " % number + noise[start : start + value_bytes]
        while True:
            try:
                producer.produce(
                    topic,
                    key=b"%d" % number,
                    value=value,
                    partition=number % partitions,
                    timestamp=timestamp_ms + number if timestamp_ms else 0,
                    headers=[("number", b"%d" % number)] if number % 7 == 0 else None,
                )
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(60) == 0


def read(cluster: Cluster, places: Iterable[Place], **config: Any) -> Log:
    """Every record of these partitions, as a read_committed consumer gets them."""
    consumer = Consumer(
        {
            "log_level": 0,
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "reads-all",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "check.crcs": True,
            "fetch.wait.max.ms": 50,  # the end is told by an empty answer, after this time
            **config,
        }
    )
    log: Log = {place: [] for place in places}
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in log])
    ended: set[Place] = set()
    try:
        while len(ended) < len(log):
            for message in consumer.consume(5000, timeout=0.1):
                place = (message.topic(), message.partition())
                if message.error():
                    assert message.error().name() == "_PARTITION_EOF", message.error()
                    ended.add(place)
                    continue
                log[place].append(
                    Record(
                        message.offset(),
                        message.key(),
                        message.value(),
                        tuple(message.headers() or ()),
                        message.timestamp(),
                    )
                )
    finally:
        consumer.close()
    return log


def begin(
    path: Path,
    source: Cluster,
    dest: Cluster,
    topics: Sequence[str],
    *,
    starts: dict[Place, int] | None = None,
    ends: dict[Place, int] | None = None,
) -> tuple[str, str]:
    """Begins all of these topics in a journal, from the log's start to the last stable offset unless told otherwise.
    Returns the ids of both clusters."""
    with connect(settings(source, "source")) as wire:
        source_id = str(wire.cluster_id)
        source_leaders = led(wire, topics)
        first = listed_offsets(wire, source_leaders, EARLIEST)
        last, _ = stable_offsets(wire, {place: leader.broker.id for place, leader in source_leaders.items()})
    with connect(settings(dest, "dest")) as wire:
        dest_id = str(wire.cluster_id)
        dest_leaders = led(wire, topics)
        bases = listed_offsets(wire, dest_leaders)
        while not all(isinstance(base, int) for base in bases.values()):
            time.sleep(0.1)  # a topic that was created a moment ago
            bases = listed_offsets(wire, dest_leaders)
    with Journal(path, source_id=source_id, dest_id=dest_id) as journal:
        journal.begin(begun(source_leaders, dest_leaders, first | (starts or {}), last | (ends or {}), bases))
    return source_id, dest_id


def led(wire: Wire, topics: Sequence[str]) -> dict[Place, Leader]:
    """The leaders of all partitions, as soon as all brokers know of them."""
    for _ in range(300):
        found = leaders(wire, topics)
        known = {place: each for place, each in found.items() if isinstance(each, Leader)}
        if len(known) == len(found):
            return known
        time.sleep(0.1)
    raise AssertionError(found)


def begun(
    source: dict[Place, Leader], dest: dict[Place, Leader], starts: Any, ends: Any, bases: Any
) -> Iterator[Begun]:
    for place, leader in source.items():
        topic, partition = place
        yield Begun(
            topic=topic,
            partition=partition,
            dest_topic=topic,
            source_topic_id=leader.topic_id,
            dest_topic_id=dest[place].topic_id,
            base=bases[place],
            start=starts[place],
            end=ends[place],
        )


def assert_same(source: Log, dest: Log) -> None:
    """The same records in the same order, each once, and no gap between them on the destination."""
    assert source.keys() == dest.keys()
    for place, records in source.items():
        copied = dest[place]
        assert [record.content for record in copied] == [record.content for record in records], place
        assert [record.offset for record in copied] == list(range(len(copied))), place


def run(path: Path, source: Cluster, dest: Cluster, ids: tuple[str, str], **options: Any) -> list[Outcome]:
    """One run of the copy to its end, under a lease."""
    to = settings(dest, "dest")
    with (
        Lease(to, ids[0]) as lease,
        Journal(path, source_id=ids[0], dest_id=ids[1]) as journal,
    ):
        return list(copy(settings(source, "source"), to, journal, lease=lease, **options))


def failures(outcomes: Iterable[Outcome]) -> dict[Place, str]:
    return {(each.topic, each.partition): each.reason for each in outcomes if isinstance(each, PartitionFailed)}
