"""A copy that goes on between clusters of three brokers, while producers and consumers live, brokers of both sides are
killed, topics and partitions appear, configs and ACLs are altered, and the copier itself is killed. A minute of it in
`make test-guard`; ten minutes with 40 topics of 10 partitions and 12 groups in `make test-long`."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from kafka_meta.cluster.clients import background
from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.following import Following, contents
from tests.support.mirrored import Mirror
from tests.support.three import killed, not_controlling, until_in_sync
from tests.support.traffic import admin, alter, binding, config, create, produce, rule, rules, watermarks

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    seconds: float
    topics: int
    partitions: int
    groups: int
    compacted: int
    """Topics that the source compacts while they are copied. No group reads them."""
    mirror_killed_s: float
    broker_killed_s: float


A_MINUTE = Fire(seconds=60, topics=6, partitions=6, groups=4, compacted=1, mirror_killed_s=24, broker_killed_s=20)
TEN_MINUTES = Fire(
    seconds=600, topics=40, partitions=10, groups=12, compacted=4, mirror_killed_s=180, broker_killed_s=60
)


class Traffic:
    """Producers and consumers on the source until it ends. What was acknowledged is what the source has then."""

    def __init__(self, servers: str, name: str, fire: Fire) -> None:
        self.servers, self.name, self.fire = servers, name, fire
        self.places = [(f"{name}.{number}", part) for number in range(fire.topics) for part in range(fire.partitions)]
        self.compacted = [f"{name}.compacted-{number}" for number in range(fire.compacted)]
        self._all = [*self.places, *((topic, 0) for topic in self.compacted)]
        self.over = threading.Event()
        self._random = random.Random(7)

    @contextmanager
    def flows(self) -> Iterator[None]:
        workers = [background(lambda codec=codec: self._produce(codec)) for codec in CODECS]  # type: ignore[misc]
        workers += [background(lambda number=number: self._produce_transactions(number)) for number in range(2)]  # type: ignore[misc]
        workers += [background(lambda number=number: self._consume(number)) for number in range(self.fire.groups)]  # type: ignore[misc]
        try:
            yield
        finally:
            self.over.set()
            for worker in workers:
                worker.result(timeout=120)

    def _produce(self, codec: str) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "enable.idempotence": True,
                "compression.type": codec,
                "linger.ms": self._random.choice((0, 20)),
                "log_level": 0,
            }
        )
        sent = 0
        while not self.over.wait(0.05):
            for _ in range(20):
                topic, part = self._random.choice(self._all)
                producer.produce(topic, f"{codec} {sent}", f"key {sent % 50}", partition=part)
                sent += 1
            producer.poll(0)
        assert producer.flush(90) == 0

    def _produce_transactions(self, number: int) -> None:
        sent = 0
        while not self.over.is_set():
            producer = Producer(
                {
                    "bootstrap.servers": self.servers,
                    "transactional.id": f"{self.name}.{number}",
                    "transaction.timeout.ms": 30_000,
                    "log_level": 0,
                }
            )
            with suppress(KafkaException):  # a broker that dies may fence it: another one goes on
                producer.init_transactions(60)
                while not self.over.wait(0.1):
                    producer.begin_transaction()
                    for _ in range(15):
                        topic, part = self._random.choice(self.places)
                        producer.produce(topic, f"transaction {number} {sent}", partition=part)
                        sent += 1
                    if self._random.random() < 0.3:
                        producer.abort_transaction(60)
                    else:
                        producer.commit_transaction(60)

    def _consume(self, number: int) -> None:
        """Its positions are somewhere in the log in the end: it reads slowly."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"{self.name}.group-{number}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "session.timeout.ms": 10_000,
                "log_level": 0,
            }
        )
        mine = range(number % self.fire.topics, self.fire.topics, max(2, self.fire.groups // 2))
        consumer.subscribe([f"{self.name}.{topic}" for topic in mine])
        while not self.over.is_set():
            read = consumer.consume(200, timeout=0.5)
            if read and self._random.random() < 0.7:
                with suppress(KafkaException):
                    consumer.commit(asynchronous=False)
        with suppress(KafkaException):
            consumer.commit(asynchronous=False)
        consumer.close()

    def group(self, number: int) -> str:
        return f"{self.name}.group-{number}"


class Sampler:
    """Looks at each position on the destination, whether it is beyond what is there."""

    def __init__(self, traffic: Traffic, dest: str) -> None:
        self._traffic, self._dest = traffic, dest
        self.beyond: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self._traffic.over.wait(1):
            for number in range(self._traffic.fire.groups):
                group = self._traffic.group(number)
                with suppress(KafkaException, TimeoutError, AssertionError):
                    for (topic, part), offset in positions(self._dest, group, self._traffic.places).items():
                        self.looks += 1
                        end = watermarks(self._dest, topic, part)[1]
                        if offset > end:
                            self.beyond.append(f"{group} {topic}-{part}: {offset} > {end}")


@pytest.mark.brokers
@pytest.mark.parametrize(
    "fire",
    [pytest.param(A_MINUTE, marks=pytest.mark.guard), pytest.param(TEN_MINUTES, marks=pytest.mark.long)],
    ids=["a-minute", "ten-minutes"],
)
def test_everything_arrives_once_and_every_group_stands_at_its_next_record(
    three_source: Cluster, three_dest: Cluster, cli: Cli, tmp_path: Path, fire: Fire
) -> None:
    name = f"fire-{fire.seconds:.0f}"
    mirror = Mirror(cli, three_source, three_dest, tmp_path, rf"{name}\..*", name)
    traffic = Traffic(mirror.source, name, fire)
    for servers in (mirror.source, mirror.dest):
        create(servers, {topic: fire.partitions for topic, part in traffic.places if part == 0}, replicas=3)
        create(servers, dict.fromkeys(traffic.compacted, 1), COMPACTED, replicas=3)
    sampler = Sampler(traffic, mirror.dest)
    with ExitStack() as stack:
        with traffic.flows():
            sampling = background(sampler.run)
            running = _started(mirror, stack)
            until_s = time.monotonic() + fire.seconds
            mirror_at, broker_at = time.monotonic() + fire.mirror_killed_s, time.monotonic() + fire.broker_killed_s / 2
            turn = 0
            grown = False
            ended: list[tuple[str, str]] = []
            while time.monotonic() < until_s or turn < 2:  # a broker of either side, however slow the machine is
                time.sleep(0.5)
                if running.process.poll() is not None:
                    # It looks before it follows, and a broker that dies meanwhile may be in the way.
                    ended.append(running.process.communicate())
                    assert len(ended) < 3, ended
                    running = _started(mirror, stack)
                if time.monotonic() > mirror_at:
                    running.end(signal.SIGKILL)
                    running = _started(mirror, stack)
                    mirror_at = time.monotonic() + fire.mirror_killed_s
                if time.monotonic() > broker_at:
                    cluster = (three_source, three_dest)[turn % 2]
                    broker = cluster.brokers[turn // 2 % 3] if cluster is three_source else not_controlling(cluster)
                    with killed(broker):
                        time.sleep(4)
                    until_in_sync(cluster)
                    broker_at = time.monotonic() + fire.broker_killed_s
                    turn += 1
                if not grown and time.monotonic() > until_s - fire.seconds / 2:
                    grown = True
                    _grow(traffic)
            sampling_done = sampling
        sampling_done.result(timeout=120)
        places = sorted({*traffic.places, (f"{name}.new", 0), (f"{name}.0", fire.partitions)})
        running.until(lambda: running.task("show")["task"]["lagOffsets"] == 0, "nothing is left")
        running.until_copied(*places)
        for topic in traffic.compacted:
            running.until(lambda: _is_within(traffic.servers, mirror.dest, topic), f"{topic} is copied")  # noqa: B023
        for number in range(fire.groups):
            running.until(lambda: _wrong(traffic, mirror, number) == [], f"group {number} stands right")  # noqa: B023
        altered = f"{name}.1"
        running.until(lambda: config(mirror.dest, altered, "max.message.bytes") == "1500000", "a config follows")
        running.until(lambda: rules(mirror.dest, altered) == {("User:fire", "READ", "ALLOW")}, "an ACL follows")
        assert sum(each["recordsVerified"] for each in running.task("show")["topics"]) > 0
        running.end()
    assert sampler.looks > 0 and sampler.beyond == []


def _started(mirror: Mirror, stack: ExitStack) -> Following:
    running = Following(mirror, "--all-data", "--quiet", "1s")
    stack.callback(running.process.wait)
    stack.callback(running.process.kill)
    return running


COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": "1048576",
    "segment.ms": "5000",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "5000",
}


def _is_within(source: str, dest: str, topic: str) -> bool:
    """What compaction has left on the source is on the destination, in the same order, and the newest record last."""
    here, there = contents(source, topic, 0), contents(dest, topic, 0)
    left = iter(there)
    return len(here) > 0 and here[-1] == there[-1] and all(each in left for each in here)


def _grow(traffic: Traffic) -> None:
    """Topics and partitions appear, a config and an ACL are altered."""
    fire = traffic.fire
    alter(traffic.servers, f"{traffic.name}.1", {"max.message.bytes": "1500000"})
    rule(
        traffic.servers,
        binding(f"{traffic.name}.1", "User:fire", "READ", "ALLOW"),
        binding(f"{traffic.name}.1", "User:fire", "WRITE", "ALLOW"),
    )
    create(traffic.servers, {f"{traffic.name}.new": 1}, replicas=3)
    client = admin(traffic.servers)
    client.create_partitions([NewPartitions(f"{traffic.name}.0", fire.partitions + 1)])[f"{traffic.name}.0"].result(60)
    for topic, part in ((f"{traffic.name}.new", 0), (f"{traffic.name}.0", fire.partitions)):
        produce(traffic.servers, topic, part, (b"%d" % number for number in range(500)))


def _wrong(traffic: Traffic, mirror: Mirror, number: int) -> list[str]:
    """Each position against the content behind it: what the group would read next on either side."""
    group = traffic.group(number)
    here, there = (positions(servers, group, traffic.places) for servers in (mirror.source, mirror.dest))
    found: list[str] = []
    for place, offset in here.items():
        left = _behind(mirror.source, place, offset)
        if place not in there or _behind(mirror.dest, place, there[place]) != left:
            found.append(f"{group} {place}: {offset} is {there.get(place)} there")
    return found


def positions(servers: str, group: str, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """By a consumer: while a coordinator moves, librdkafka's admin client ends the process (2.16.1)."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 0})
    try:
        told = consumer.committed([TopicPartition(*place) for place in places], timeout=20)
    finally:
        consumer.close()
    return {(each.topic, each.partition): each.offset for each in told if each.offset >= 0}


def _behind(servers: str, place: tuple[str, int], offset: int) -> int:
    """How many records a consumer of committed records has left."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(*place, offset)])
        count = 0
        while True:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is not None:
                assert message.error().name() == "_PARTITION_EOF", message.error()
                return count
            count += 1
    finally:
        consumer.close()
