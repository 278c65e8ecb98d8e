"""Clusters of three brokers as operators have them, and what happens to such clusters.

Topics have three replicas, of which two must have a record before it counts. Fixtures, in `tests/conftest.py`:
`three_source` (3.9.1, ZooKeeper), `three_kraft_source` (3.9.1, KRaft), `three_dest` (4.3.1, KRaft). Each starts when
the first test asks for it, and serves the whole session: after a test, whatever happened to it is mended.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka.admin import NewTopic
from kafka.protocol.admin import AlterPartitionReassignmentsRequest, ElectLeadersRequest

from kafka_meta import playground, wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Acl, Mode, Partition
from kafka_meta.playground import Cluster, Design
from kafka_meta.playground.cluster import Broker
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Wire
from tests.support.shop import until
from tests.support.traffic import admin
from tests.support.witness import CONFIGS

PATIENCE_S = 120
ELECT = "org.apache.kafka.tools.LeaderElectionCommand"


def three(version: str, mode: Mode, **more: Any) -> Design:
    """Settings, if given, are added."""
    settings = {"default.replication.factor": "3", "min.insync.replicas": "2", **more.pop("settings", {})}
    return Design(version=version, mode=mode, brokers=3, as_shipped=True, settings=settings, **more)


THREE_SOURCE = three("3.9.1", "zookeeper", chroot="/kafka")
THREE_KRAFT_SOURCE = three("3.9.1", "kraft")
THREE_DEST = three("4.3.1", "kraft")


@contextmanager
def started(design: Design) -> Iterator[Cluster]:
    with playground.running(design) as (cluster,):
        yield cluster


def mend(cluster: Cluster) -> None:
    """Wakes and starts all its brokers; returns when every partition has all its replicas again."""
    for broker in cluster.brokers:
        _send(broker, signal.SIGCONT)
    cluster.start()
    until_in_sync(cluster)


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    """It takes connections and says nothing, as behind a firewall (SIGSTOP), until the end of the block."""
    _send(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(broker, signal.SIGCONT)


@contextmanager
def killed(broker: Broker) -> Iterator[None]:
    """It is not there until the end of the block."""
    broker.kill()
    try:
        yield
    finally:
        broker.start()


def _send(broker: Broker, number: signal.Signals) -> None:
    if broker.pid is not None:
        os.kill(broker.pid, number)


def broker_of(cluster: Cluster, id: int) -> Broker:
    return next(broker for broker in cluster.brokers if broker.id == id)


def not_controlling(cluster: Cluster) -> Broker:
    """A broker without the active controller (of KRaft): while that one is frozen, nothing at all is created."""
    quorum = "org.apache.kafka.tools.MetadataQuorumCommand"
    told = cluster.tool(quorum, "--bootstrap-server", cluster.bootstrap_servers, "describe", "--status")
    (active,) = (int(line.split()[1]) for line in told.splitlines() if line.startswith("LeaderId:"))
    return next(broker for broker in reversed(cluster.brokers) if broker.id != active)


def leader(cluster: Cluster, topic: str, partition: int) -> Broker:
    """Who leads a partition, as soon as somebody does."""
    found: list[int] = []

    def led() -> bool:
        found[:] = [_partitions(cluster, topic)[partition].leader]
        return found[0] > 0

    until(led, f"somebody leads {topic}-{partition}", PATIENCE_S)
    return broker_of(cluster, found[0])


def in_sync(cluster: Cluster, topic: str, partition: int) -> set[int]:
    return set(_partitions(cluster, topic)[partition].isrs)


def until_in_sync(cluster: Cluster, *topics: str) -> None:
    """Returns when each broker says that all replicas of these topics are in sync (of all topics unless told)."""

    def whole(broker: Broker) -> bool:
        told = admin(f"127.0.0.1:{broker.port}").list_topics(timeout=30).topics
        partitions = [each for topic in topics or told if topic in told for each in told[topic].partitions.values()]
        known = all(topic in told and told[topic].partitions for topic in topics)
        return known and all(each.leader > 0 and set(each.isrs) == set(each.replicas) for each in partitions)

    until(lambda: all(map(whole, cluster.brokers)), "every partition has its replicas in sync", PATIENCE_S)


def until_shown(cluster: Cluster, rule: Acl) -> None:
    """Returns when each broker shows this rule: it is created when a controller has it, and brokers follow."""
    with wire.connect(ClusterSettings(role="source", bootstrap_servers=cluster.bootstrap_servers)) as brokers:
        for id in brokers.broker_ids:
            until(lambda: rule in (wire.acls(brokers, id)[0] or ()), f"broker {id} shows {rule}", PATIENCE_S)  # noqa: B023


def elect_preferred(cluster: Cluster, topics: Sequence[str]) -> None:
    """Each partition is led by its first replica again, as Kafka's own tool does it."""
    partitions = [{"topic": topic, "partition": each} for topic in topics for each in _partitions(cluster, topic)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps({"partitions": partitions}))
        file.flush()
        to = ("--bootstrap-server", cluster.bootstrap_servers, "--election-type", "preferred")
        cluster.tool(ELECT, *to, "--path-to-json-file", file.name)


def another(connection: Wire, topic: str, partition: int) -> Callable[[], None]:
    """The function that is returned lets another replica lead this partition, at once: nothing is stopped."""

    def told() -> Partition:
        return wire.metadata(connection, [topic]).topics[topic].partitions[partition]

    before = told()
    order = [*(id for id in before.replicas if id != before.leader), before.leader]
    moving = AlterPartitionReassignmentsRequest.ReassignableTopic
    places = [moving.ReassignablePartition(partition_index=partition, replicas=order)]
    ordered = AlterPartitionReassignmentsRequest(
        timeout_ms=30_000, topics=[moving(name=topic, partitions=places)], max_version=0
    )
    _done(connection.ask(ordered, wire.metadata(connection).controller_id))
    until(lambda: list(told().replicas) == order, f"the replicas of {topic}-{partition} are {order}", PATIENCE_S)
    elections = ElectLeadersRequest.TopicPartitions(topic=topic, partitions=[partition])
    elect = ElectLeadersRequest(election_type=0, topic_partitions=[elections], timeout_ms=30_000)
    return lambda: _done(connection.ask(elect, wire.metadata(connection).controller_id))


def _done(answer: Any) -> None:
    assert answer.error_code == 0, answer


def create_on(cluster: Cluster, topic: str, replicas: list[list[int]], config: Mapping[str, str] | None = None) -> None:
    """A topic whose partitions are where a test wants them: brokers by partition, the preferred leader first."""
    new = NewTopic(topic, num_partitions=len(replicas), replica_assignment=replicas, config=dict(config or {}))
    client = admin(cluster.bootstrap_servers)  # what is asked of one that is gone is never answered
    client.create_topics([new])[topic].result(30)
    until_in_sync(cluster, topic)


@contextmanager
def alone(cluster: Cluster, topic: str, partition: int) -> Iterator[Callable[[], None]]:
    """What is written from now on is on the leader alone. The function that is given kills it, and lets the other
    replica lead, which has never had it (an unclean election).

    The partition has two replicas (of three controllers two must live) and needs one only (`min.insync.replicas`).
    """
    former = leader(cluster, topic, partition)
    (other,) = (broker_of(cluster, id) for id in _partitions(cluster, topic)[partition].replicas if id != former.id)
    other.stop()
    until(lambda: in_sync(cluster, topic, partition) == {former.id}, f"{topic}-{partition} has one replica", PATIENCE_S)
    at = f"127.0.0.1:{other.port}"
    place = ("--topic", topic, "--partition", str(partition))

    def elected() -> bool:
        with suppress(KafkaMetaError):  # there is no controller yet, or it has not noticed that the leader is dead
            cluster.tool(ELECT, "--bootstrap-server", at, "--election-type", "unclean", *place)
        return bool(admin(at).list_topics(topic, timeout=30).topics[topic].partitions[partition].leader == other.id)

    def elect() -> None:
        former.kill()
        other.start()
        until(elected, f"{other.id} leads {topic}-{partition}", PATIENCE_S)
        former.start()
        until_in_sync(cluster, topic)

    yield elect


@contextmanager
def quota(cluster: Cluster, client_id: str, **rates: int) -> Iterator[None]:
    """For a client id until the end of the block; `consumer_byte_rate`, `producer_byte_rate` are bytes a second."""
    entity = ("--entity-type", "clients", "--entity-name", client_id)
    to = ("--bootstrap-server", cluster.bootstrap_servers, "--alter", *entity)
    cluster.tool(CONFIGS, *to, "--add-config", ",".join(f"{name}={value}" for name, value in rates.items()))
    try:
        yield
    finally:
        cluster.tool(CONFIGS, *to, "--delete-config", ",".join(rates))


def _partitions(cluster: Cluster, topic: str) -> Mapping[int, Any]:
    """As those who are up tell it."""
    alive = ",".join(f"127.0.0.1:{broker.port}" for broker in cluster.brokers if broker.pid is not None)
    partitions: Mapping[int, Any] = admin(alive).list_topics(topic, timeout=30).topics[topic].partitions
    return partitions
