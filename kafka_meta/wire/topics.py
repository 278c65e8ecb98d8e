"""Topics: metadata, start and end offsets, sizes on disk, running reassignments."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

from kafka.errors import TopicAuthorizationFailedError
from kafka.protocol.admin import DescribeClusterRequest, DescribeLogDirsRequest, ListPartitionReassignmentsRequest
from kafka.protocol.consumer import ListOffsetsRequest
from kafka.protocol.metadata import MetadataRequest

from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.model import Broker, Gap, LogDirs, Partition, Remark, Resource, Topic, Volume, internal_to
from kafka_meta.wire.connection import Unanswered, Wire, authorized, error_text, is_retriable

Place: TypeAlias = tuple[str, int]
"""Topic and partition."""

EARLIEST = -2
LATEST = -1
MAX_TIMESTAMP = -3
"""As the time of a `ListOffsetsRequest`."""

_PARTITIONS_A_REQUEST = 10_000
_TRIES = 30
_PAUSE_SECONDS = 0.5
_NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What Metadata and DescribeCluster return. They leave out topics that the caller may not describe, without an
    error."""

    cluster_id: str | None
    controller_id: int | None
    brokers: tuple[Broker, ...]
    topics: Mapping[str, Topic]
    """Without configs, offsets and sizes."""
    gaps: tuple[Gap, ...]
    """Topics that came with an error."""
    cluster_operations: frozenset[str] | None
    """The operations that the caller may do on the cluster; None when the broker does not return them (before 2.3)."""


def metadata(wire: Wire, names: Iterable[str] | None = None, broker: int | None = None) -> Metadata:
    """All topics, or these, as this broker (or any) knows them. Asking creates no topic. Raises `Unanswered`."""
    wanted = None if names is None else frozenset(names)
    # Before v4 (0.11) naming a topic may create it.
    all_topics = wanted is None or (wanted and not wire.speaks(MetadataRequest, 4))
    named = [MetadataRequest.MetadataRequestTopic(name=name) for name in sorted(wanted or ())]
    request = MetadataRequest(
        topics=None if all_topics else named,
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=True,
    )
    answer = _told(wire, request, broker)
    topics: dict[str, Topic] = {}
    gaps: list[Gap] = []
    for told in answer.topics:
        partitions = sorted(told.partitions, key=lambda partition: partition.partition_index)
        resource = Resource("topic", told.name)
        if wanted is not None and told.name not in wanted:
            continue
        if told.error_code:
            gaps.append(Remark(resource=resource, reason=error_text(told.error_code)))
        elif [partition.partition_index for partition in partitions] != list(range(len(partitions))):
            gaps.append(Remark(resource=resource, reason="the broker returned only some of its partitions"))
        else:
            topics[told.name] = Topic(
                name=told.name,
                id=topic_id(told.topic_id),
                internal=bool(told.is_internal) or internal_to(told.name) is not None,
                partitions=tuple(_partition(partition) for partition in partitions),
                configs=None,
            )
    return Metadata(
        cluster_id=answer.cluster_id or None,
        controller_id=_broker_id(answer.controller_id),
        brokers=tuple(
            Broker(id=broker.node_id, host=broker.host, port=broker.port, rack=broker.rack)
            for broker in sorted(answer.brokers, key=lambda broker: int(broker.node_id))
        ),
        topics=topics,
        gaps=tuple(gaps),
        cluster_operations=_cluster_operations(wire, answer),
    )


def _told(wire: Wire, request: MetadataRequest, broker: int | None) -> Any:
    """A broker that has just started beside ZooKeeper answers before its controller has told it anything: no brokers,
    no topics, no error. It is asked again for some seconds."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        answer = wire.ask(request, broker)
        if answer.brokers:
            return answer
    raise Unanswered("the broker does not know its cluster yet", retriable=True)


def absent_brokers(wire: Wire, metadata: Metadata) -> tuple[int, ...]:
    """The brokers that have replicas, or are registered and fenced (KIP-1073, since 4.0), and are not there."""
    partitions = (partition for topic in metadata.topics.values() for partition in topic.partitions)
    named = {replica for partition in partitions for replica in partition.replicas}
    if wire.speaks(DescribeClusterRequest, 2):
        with suppress(Unanswered):  # then replicas alone tell
            answer = wire.ask(DescribeClusterRequest(include_fenced_brokers=True))
            named |= {int(broker.broker_id) for broker in answer.brokers or ()}
    return tuple(sorted(named - {broker.id for broker in metadata.brokers}))


def unseen(wire: Wire, names: Collection[str]) -> tuple[Gap, ...]:
    """A gap for each of these topics that the caller may not describe. Asked for all topics, brokers leave those out
    without an error; asked by name, they return one, whether the topic exists or not. Raises `Unanswered`.
    """
    if not names or not wire.speaks(MetadataRequest, 4):  # before v4 (0.11) naming a topic may create it
        return ()
    named = [MetadataRequest.MetadataRequestTopic(name=name) for name in sorted(names)]
    answer = _told(wire, MetadataRequest(topics=named, allow_auto_topic_creation=False), None)
    return tuple(
        Remark(resource=Resource("topic", told.name), reason=f"no right to DESCRIBE it: {error_text(told.error_code)}")
        for told in answer.topics
        if told.error_code == TopicAuthorizationFailedError.errno
    )


def _cluster_operations(wire: Wire, metadata: Any) -> frozenset[str] | None:
    """Metadata returned them from 2.3 to 2.7, DescribeCluster does since then (KIP-700)."""
    told = authorized(metadata.authorized_operations)
    if told is None:
        try:
            answer = wire.ask(DescribeClusterRequest(include_cluster_authorized_operations=True))
        except Unanswered:
            return None
        told = None if answer.error_code else authorized(answer.authorized_operations)
    return told


def topic_id(told: UUID | None) -> str | None:
    """As Kafka writes it (org.apache.kafka.common.Uuid): URL-safe base64 without padding."""
    if told is None or told == _NO_ID:
        return None
    return base64.urlsafe_b64encode(told.bytes).decode().rstrip("=")


def _broker_id(told: int) -> int | None:
    return told if told >= 0 else None


def _partition(told: Any) -> Partition:
    return Partition(
        partition=told.partition_index,
        leader=_broker_id(told.leader_id),
        replicas=tuple(told.replica_nodes),
        isr=tuple(told.isr_nodes),
    )


def by_leader(leaders: Mapping[Place, int]) -> dict[int, list[Place]]:
    """Partitions by the broker to ask about them; both in order."""
    found: dict[int, list[Place]] = {leader: [] for leader in sorted(set(leaders.values()))}
    for place in sorted(leaders):
        found[leaders[place]].append(place)
    return found


def by_topic(places: Iterable[Place]) -> dict[str, list[int]]:
    """Partition numbers by topic, as requests have them."""
    found: dict[str, list[int]] = {}
    for topic, partition in places:
        found.setdefault(topic, []).append(partition)
    return found


def list_offsets(places: Iterable[Place], at: int, *, committed: bool = False) -> ListOffsetsRequest:
    """With `committed`, `LATEST` is the last stable offset, not the high watermark."""
    topic = ListOffsetsRequest.ListOffsetsTopic
    partition = topic.ListOffsetsPartition
    return ListOffsetsRequest(
        replica_id=-1,
        isolation_level=int(committed),
        topics=[
            topic(name=name, partitions=[partition(partition_index=number, timestamp=at) for number in numbers])
            for name, numbers in by_topic(places).items()
        ],
    )


def offsets(
    wire: Wire, leaders: Mapping[Place, int], at: int, *, emit: Emit = silent, tries: int = _TRIES
) -> tuple[dict[Place, int | None], dict[Place, str]]:
    """The offset of each partition's first record at or after `at`: milliseconds since 1970, `EARLIEST` or `LATEST`.

    `LATEST` is the high watermark: records of open transactions count. None: no record is that young. The second part
    has the reasons why an offset is not known. Leaders that are moving or being elected are waited for, some seconds;
    silent ones no longer than for two request time-outs.
    """
    found: dict[Place, int | None] = {}
    failed: dict[Place, str] = {}
    wanted = dict(leaders)
    until = time.monotonic() + max(tries * _PAUSE_SECONDS, wire.timeout_seconds)
    for attempt in range(tries):
        moving = _ask_offsets(wire, wanted, at, found, failed)
        if not moving or attempt == tries - 1 or (attempt and time.monotonic() > until):
            break
        reason = f"the leaders of {len(moving)} partitions are not ready ({failed[min(moving)]})"
        emit(Waiting(reason=reason, seconds=_PAUSE_SECONDS))
        time.sleep(_PAUSE_SECONDS)
        wanted = _leaders(wire, moving)
    return found, failed


def _ask_offsets(
    wire: Wire, leaders: Mapping[Place, int], at: int, found: dict[Place, int | None], failed: dict[Place, str]
) -> set[Place]:
    """Adds offsets and reasons. Returns the partitions whose offsets may be known a little later."""
    moving: set[Place] = set()
    parts = [
        (leader, part)
        for leader, places in by_leader(leaders).items()
        for part in _batches(places, _PARTITIONS_A_REQUEST)
    ]
    answers = wire.ask_all([(leader, list_offsets(part, at)) for leader, part in parts])
    for (_, part), answer in zip(parts, answers, strict=True):
        if isinstance(answer, Unanswered):
            failed |= dict.fromkeys(part, answer.reason)
            moving |= set(part) if answer.retriable else set()
            continue
        for topic in answer.topics:
            for told in topic.partitions:
                place = (topic.name, told.partition_index)
                if told.error_code:
                    failed[place] = error_text(told.error_code)
                    moving |= {place} if is_retriable(told.error_code) else set()
                else:
                    found[place] = told.offset if told.offset >= 0 else None
                    failed.pop(place, None)
    return moving


def _leaders(wire: Wire, places: Iterable[Place]) -> dict[Place, int]:
    wanted = set(places)
    try:
        topics = metadata(wire, {topic for topic, _ in wanted}).topics
    except Unanswered:
        return {}
    return {
        (name, partition.partition): partition.leader
        for name, topic in topics.items()
        for partition in topic.partitions
        if partition.leader is not None and (name, partition.partition) in wanted
    }


def _batches(places: Iterable[Place], size: int) -> Iterable[list[Place]]:
    rest = iter(places)
    while batch := list(islice(rest, size)):
        yield batch


def log_dirs(wire: Wire) -> LogDirs:
    """Sizes on disk and free space, as far as the brokers return them (since 1.0; free space since 3.3).

    An answer without any directory means "unknown": before 3.2, a caller without DESCRIBE on the cluster gets it.
    """
    sizes: dict[tuple[str, int, int], int] = {}
    volumes: dict[int, tuple[Volume, ...]] = {}
    gaps: list[Gap] = []
    ids = wire.broker_ids
    answers = wire.ask_all([(broker, DescribeLogDirsRequest(topics=None)) for broker in ids])
    for broker, answer in zip(ids, answers, strict=True):
        resource = Resource("log directories of broker", str(broker))
        if isinstance(answer, Unanswered):
            gaps.append(Remark(resource=resource, reason=answer.reason))
        elif answer.error_code:
            gaps.append(Remark(resource=resource, reason=error_text(answer.error_code)))
        elif not answer.results:
            gaps.append(Remark(resource=resource, reason="the broker returned none: DESCRIBE on the cluster is needed"))
        else:
            for directory in answer.results:
                if directory.error_code:
                    reason = f"{directory.log_dir}: {error_text(directory.error_code)}"
                    gaps.append(Remark(resource=resource, reason=reason))
                for topic in directory.topics:
                    for replica in topic.partitions:
                        # A future replica is a copy that is being made in another directory of the same broker.
                        if not replica.is_future_key:
                            sizes[topic.name, replica.partition_index, broker] = replica.partition_size
            told = tuple(
                Volume(path=each.log_dir, total_bytes=each.total_bytes, usable_bytes=each.usable_bytes)
                for each in answer.results
                if each.total_bytes >= 0
            )
            if told and len(told) == len(answer.results):
                volumes[broker] = told
    return LogDirs(sizes=sizes, volumes=volumes, gaps=tuple(gaps))


def reassignments(wire: Wire, controller: int | None) -> dict[Place, tuple[int, ...]]:
    """The future replicas of the partitions that a reassignment is moving (KIP-455, since 2.4). Raises `Unanswered`."""
    answer = wire.ask(ListPartitionReassignmentsRequest(topics=None), controller)
    if answer.error_code:
        raise Unanswered(error_text(answer.error_code, answer.error_message))
    return {
        (topic.name, partition.partition_index): tuple(
            replica for replica in partition.replicas if replica not in partition.removing_replicas
        )
        for topic in answer.topics
        for partition in topic.partitions
    }
