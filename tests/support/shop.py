"""A source that has everything that is hard to move, made with Kafka's own tools.

Topics   plain, compacted, with overrides, with names of `.`, `_` and `-`, purged at the start, with a
         replica on a broker that is down, and one that cannot be deleted until that broker is back
Groups   Empty (with the consumer's own metadata), Stable (a live consumer), an old one in ZooKeeper,
         and one whose name holds an escape sequence
ACLs     literal, prefixed and DENY; on topics, groups, the cluster and transactional ids
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient

from kafka_meta.playground import Cluster
from tests.support.brokers import zookeeper_cluster
from tests.support.witness import CONFIGS, GROUPS, TOPICS, acl_tool

ORDERS = "shop.orders_v2-eu"
CUSTOMERS = "customers"
PURGED = "orders"
TWICE = "copied.twice"
PLAIN = "billing"
LEAVING = "leaving"
NAMES = {ORDERS: 3, CUSTOMERS: 4, PURGED: 1, TWICE: 2, PLAIN: 1}

EMPTY_GROUP = "billing-workers"
LIVE_GROUP = "live.readers_1"
OLD_GROUP = "old-readers"
STRANGE_GROUP = "red\x1b[31malert"


@contextmanager
def shop() -> Iterator[Cluster]:
    """ZooKeeper mode, a chroot, an authorizer; broker 2 is down."""
    copies = {f"{log}.replication.factor": "1" for log in ("offsets.topic", "transaction.state.log")}
    with zookeeper_cluster("3.9.1", brokers=2, chroot="/kafka", settings=copies) as source:
        admin = AdminClient({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
        create(admin, NewTopic(TWICE, NAMES[TWICE], 2, config={"min.insync.replicas": "2"}), NewTopic(LEAVING, 1, 2))
        source.brokers[1].stop()
        until(lambda: _known(admin) == ([1], {TWICE, LEAVING}), "broker 2 is gone, and broker 1 knows the topics")
        for future in admin.delete_topics([LEAVING]).values():
            future.result()
        create(admin, NewTopic(CUSTOMERS, NAMES[CUSTOMERS], 1), NewTopic(PURGED, 1, 1), NewTopic(PLAIN, 1, 1))
        _with_tools(source)
        _produce(source)
        purge = admin.delete_records([TopicPartition(PURGED, 0, 4)])
        next(iter(purge.values())).result()
        _groups(source)
        with live_consumer(source.bootstrap_servers, LIVE_GROUP, CUSTOMERS):
            yield source


@pytest.fixture(scope="session")
def shop_source() -> Iterator[Cluster]:
    """The shop, for everybody who only reads it."""
    with shop() as source:
        yield source


def _known(admin: AdminClient) -> tuple[list[int], set[str]]:
    metadata = admin.list_topics(timeout=10)
    return list(metadata.brokers), {name for name, topic in metadata.topics.items() if topic.partitions}


def create(admin: AdminClient, *topics: NewTopic) -> None:
    for future in admin.create_topics(list(topics)).values():
        future.result()


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.1)


def commit(bootstrap_servers: str, group: str, *positions: TopicPartition) -> None:
    """As a consumer that assigns its partitions itself: the group is Empty afterwards."""
    with closing(_consumer(bootstrap_servers, group)) as consumer:
        consumer.commit(offsets=list(positions), asynchronous=False)


@contextmanager
def live_consumer(bootstrap_servers: str, group: str, topic: str) -> Iterator[Consumer]:
    """A member of a Stable group, which has committed a position on partition 0."""
    with closing(_consumer(bootstrap_servers, group)) as consumer:
        consumer.subscribe([topic])
        until(lambda: consumer.poll(0.1) is not None or bool(consumer.assignment()), f"{group} has its partitions")
        consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
        yield consumer


def _consumer(bootstrap_servers: str, group: str) -> Consumer:
    return Consumer(
        {
            "log_level": 0,
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "max.poll.interval.ms": 3_600_000,
            "session.timeout.ms": 30_000,
        }
    )


def _with_tools(source: Cluster) -> None:
    to_source = ("--bootstrap-server", source.bootstrap_servers)
    acls = (acl_tool(source), *to_source, "--add")
    runs = (
        (
            *(TOPICS, *to_source, "--create", "--topic", ORDERS, "--partitions", "3", "--replication-factor", "1"),
            *("--config", "retention.ms=86400000", "--config", "max.message.bytes=2097152"),
            *("--config", "cleanup.policy=compact,delete"),
        ),
        (
            *(CONFIGS, *to_source, "--alter", "--entity-type", "topics", "--entity-name", CUSTOMERS),
            *("--add-config", "cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,message.format.version=3.0"),
        ),
        (
            *(*acls, "--allow-principal", "User:billing", "--allow-principal", "User:C=DE,CN=shop"),
            *("--operation", "Describe", "--topic", ORDERS, "--group", EMPTY_GROUP, "--cluster"),
        ),
        (
            *(*acls, "--allow-principal", "User:*", "--producer", "--topic", "shop."),
            *("--transactional-id", "shop-", "--resource-pattern-type", "prefixed"),
        ),
        (
            *(*acls, "--deny-principal", "User:intern", "--deny-host", "10.0.0.7", "--operation", "Read"),
            *("--operation", "Alter", "--topic", CUSTOMERS, "--topic", "*"),
        ),
    )
    with ThreadPoolExecutor(max_workers=2) as some:
        list(some.map(lambda words: source.tool(*words), runs))


def _produce(source: Cluster) -> None:
    producer = Producer({"log_level": 0, "bootstrap.servers": source.bootstrap_servers, "acks": "1"})
    for topic, partitions in NAMES.items():
        for number in range(partitions * 10):
            producer.produce(topic, partition=number % partitions, key=str(number), value=b"x" * 100)
    assert producer.flush(30) == 0


def _groups(source: Cluster) -> None:
    source.tool(
        *(GROUPS, "--bootstrap-server", source.bootstrap_servers, "--group", EMPTY_GROUP, "--reset-offsets"),
        *("--topic", f"{ORDERS}:0,1", "--to-offset", "7", "--execute"),
    )
    commit(source.bootstrap_servers, EMPTY_GROUP, TopicPartition(PURGED, 0, 6, "checkpoint 6"))
    commit(source.bootstrap_servers, STRANGE_GROUP, TopicPartition(PLAIN, 0, 10))
    zookeeper = KazooClient(source.zookeeper_connect, timeout=30)
    zookeeper.start(timeout=30)
    with closing(zookeeper):
        zookeeper.create(f"/consumers/{OLD_GROUP}/offsets/{ORDERS}/0", b"3", makepath=True)
        zookeeper.stop()
