"""What a copy needs to know of partitions and topics: leaders with their epochs, where logs and epochs end, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.errors import UnknownTopicOrPartitionError
from kafka.protocol.consumer import ListOffsetsRequest, OffsetForLeaderEpochRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import InitProducerIdRequest

from kafka_meta.model import Broker
from kafka_meta.wire.configs import Config, effective
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.topics import EARLIEST, LATEST, MAX_TIMESTAMP, Place, by_leader, by_topic, list_offsets, topic_id

_MAX_TIMESTAMP_FROM = 7
_TOPICS_BY_NAME = 4
"""From v4 (0.11) on, a MetadataRequest can name a topic without creating it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """`epoch` is -1 where brokers do not return it (before 2.1)."""

    broker: Broker
    epoch: int
    topic_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`retriable`: it ends by itself, as an election does. `unknown`: the broker knows no such topic, which may change
    while a topic is being created."""

    reason: str
    retriable: bool
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recreated(Failure):
    """The topic has the same name as the expected one, and another id."""


def led(
    wire: Wire, places: Mapping[Place, str | None], epochs: Mapping[Place, int] | None = None
) -> dict[Place, Leader | Failure]:
    """The leaders of these partitions. Each partition comes with the id that its topic should have; None accepts any
    id.

    `epochs` are leaders' epochs that have been seen before. A broker that does not know of the last election yet
    returns the leader before it, which may still answer, and whose log may lack records: a retriable `Failure`.
    """
    seen = epochs or {}
    try:
        told = leaders(wire, (topic for topic, _ in places))
    except Unanswered as silence:
        return dict.fromkeys(places, Failure(reason=silence.reason, retriable=silence.retriable))
    found: dict[Place, Leader | Failure] = {}
    for (topic, partition), expected in places.items():
        missing = Failure(reason=f"topic {topic} has no partition {partition}", retriable=False)
        leader = told.get((topic, partition)) or told.get((topic, -1)) or missing
        if isinstance(leader, Leader) and None not in (expected, leader.topic_id) and leader.topic_id != expected:
            reason = f"topic {topic} has been recreated: its id was {expected}, now it is {leader.topic_id}"
            leader = Recreated(reason=reason, retriable=False)
        if isinstance(leader, Leader) and 0 <= leader.epoch < seen.get((topic, partition), -1):
            reason = f"epoch {leader.epoch} is told of its leader, but {seen[topic, partition]} has been seen before"
            leader = Failure(reason=reason, retriable=True)
        found[topic, partition] = leader
    return found


def leaders(wire: Wire, topics: Iterable[str]) -> dict[Place, Leader | Failure]:
    """The leader of every partition of these topics. A topic that does not exist, or that we may not see, has its
    `Failure` as partition -1.

    Asking creates no topic. Raises `Unanswered`.
    """
    wanted = sorted(set(topics))
    named = [MetadataRequest.MetadataRequestTopic(name=name) for name in wanted]
    try:
        answer = wire.ask(MetadataRequest(topics=named, allow_auto_topic_creation=False, min_version=_TOPICS_BY_NAME))
    except Unanswered as silence:
        if silence.retriable:
            raise
        answer = wire.ask(MetadataRequest(topics=None))
    brokers = {each.node_id: Broker(id=each.node_id, host=each.host, port=each.port) for each in answer.brokers}
    found: dict[Place, Leader | Failure] = {
        (name, -1): Failure(reason="the topic does not exist", retriable=False, unknown=True) for name in wanted
    }
    for told in answer.topics:
        if (told.name, -1) not in found:
            continue
        if told.error_code:
            code = told.error_code
            unknown = code == UnknownTopicOrPartitionError.errno
            found[told.name, -1] = Failure(reason=error_text(code), retriable=is_retriable(code), unknown=unknown)
            continue
        del found[told.name, -1]
        for partition in told.partitions:
            place = (told.name, partition.partition_index)
            broker = brokers.get(partition.leader_id)
            if partition.error_code or broker is None:
                reason = error_text(partition.error_code) if partition.error_code else "it has no leader"
                found[place] = Failure(reason=reason, retriable=True)
            else:
                found[place] = Leader(broker=broker, epoch=partition.leader_epoch, topic_id=topic_id(told.topic_id))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """Where an epoch ends in a leader's log: where the next epoch begins, or where the log ends (KIP-101, KIP-320).

    `epoch` is the requested one, or the largest one before it that the log has; -1 where the broker does not return it
    (before 2.0). `offset` is -1 where the leader does not know the epoch.
    """

    epoch: int
    offset: int


def epoch_ends(
    wire: Wire, leaders: Mapping[Place, Leader], epochs: Mapping[Place, int]
) -> dict[Place, EpochEnd | Failure]:
    """The end of an epoch in each leader's log (OffsetForLeaderEpoch). From 2.1 on a broker refuses that has
    another epoch than the caller knows: a retriable `Failure`."""
    topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic
    partition = topic.OffsetForLeaderPartition

    def asked(place: Place) -> Any:
        return partition(partition=place[1], current_leader_epoch=leaders[place].epoch, leader_epoch=epochs[place])

    answers, failed = _ask_leaders(
        wire,
        {place: leaders[place] for place in epochs},
        lambda places: OffsetForLeaderEpochRequest(
            replica_id=-1,
            topics=[
                topic(topic=name, partitions=[asked((name, number)) for number in numbers])
                for name, numbers in by_topic(places).items()
            ],
        ),
    )
    found: dict[Place, EpochEnd | Failure] = {**failed}
    for answer in answers:
        for told_topic in answer.topics:
            for told in told_topic.partitions:
                place = (told_topic.topic, told.partition)
                if told.error_code:
                    failure = Failure(reason=error_text(told.error_code), retriable=is_retriable(told.error_code))
                    found[place] = failure
                else:
                    found[place] = EpochEnd(epoch=told.leader_epoch, offset=told.end_offset)
    return found


def ends_epochs(wire: Wire) -> bool:
    """Whether the brokers support OffsetForLeaderEpoch (since 0.11). Some brokers that are not Kafka do not."""
    return wire.speaks(OffsetForLeaderEpochRequest)


def log_ends(wire: Wire, leaders: Mapping[Place, Leader]) -> dict[Place, int | Failure]:
    """The ends of the leaders' own logs, unreplicated records included: the ends of the current epochs.

    ListOffsets returns only the high watermark, which lags behind it.
    """
    ends = epoch_ends(wire, leaders, {place: leader.epoch for place, leader in leaders.items()})
    found: dict[Place, int | Failure] = {}
    for place, end in ends.items():
        if isinstance(end, Failure):
            found[place] = end
        elif end.epoch != leaders[place].epoch or end.offset < 0:
            # A leader that was just elected and has not written its epoch yet.
            found[place] = Failure(reason="its leader has just changed", retriable=True)
        else:
            found[place] = end.offset
    return found


def listed_offsets(wire: Wire, leaders: Mapping[Place, Leader], at: int = LATEST) -> dict[Place, int | Failure]:
    """`LATEST` is the high watermark: below it every record is on all in-sync replicas. `EARLIEST` is the log's
    start."""
    answers, failed = _ask_leaders(wire, leaders, lambda places: list_offsets(places, at))
    found: dict[Place, int | Failure] = {**failed}
    for place, (offset, code) in _offsets_and_codes(answers):
        found[place] = Failure(reason=error_text(code), retriable=is_retriable(code)) if code else offset
    return found


def answered_offsets(wire: Wire, leaders: Mapping[Place, Leader]) -> dict[Place, tuple[int, int]]:
    """High watermarks with their error codes, of the leaders that answered. A leader that was just elected does not
    know it yet: OFFSET_NOT_AVAILABLE (KIP-207, since 2.2)."""
    answers, _ = _ask_leaders(wire, leaders, lambda places: list_offsets(places, LATEST))
    return dict(_offsets_and_codes(answers))


def _offsets_and_codes(answers: Iterable[Any]) -> Iterator[tuple[Place, tuple[int, int]]]:
    for answer in answers:
        for topic in answer.topics:
            for told in topic.partitions:
                yield (topic.name, told.partition_index), (told.offset, told.error_code)


class Bounds(NamedTuple):
    """Where logs begin and end, by partition. A partition whose leader did not answer is in neither mapping."""

    starts: Mapping[Place, int | Failure]
    ends: Mapping[Place, int | Failure]
    uncertain: frozenset[Place]
    """Their ends are high watermarks, which may lag behind for a moment: before 2.1 leaders' epochs are not returned,
    and some brokers that are not Kafka never return the ends of their logs."""


def log_bounds(wire: Wire, leaders: Mapping[Place, Leader]) -> Bounds:
    """Asked of each partition's leader."""
    starts, ends = listed_offsets(wire, leaders, EARLIEST), log_ends(wire, leaders)
    uncertain = {
        place: leader
        for place, leader in leaders.items()
        if leader.epoch < 0 or (isinstance(end := ends.get(place), Failure) and not end.retriable)
    }
    return Bounds(starts, ends | listed_offsets(wire, uncertain), frozenset(uncertain))


def youngest_records(wire: Wire, leaders: Mapping[Place, Leader]) -> dict[Place, int]:
    """The largest timestamp of each partition's records, in milliseconds since 1970 (KIP-734, since 3.0). A partition
    without records is absent, and one whose broker does not return it."""
    if not wire.speaks(ListOffsetsRequest, _MAX_TIMESTAMP_FROM):
        return {}
    answers, _ = _ask_leaders(wire, leaders, lambda places: list_offsets(places, MAX_TIMESTAMP))
    return {
        (topic.name, told.partition_index): told.timestamp
        for answer in answers
        for topic in answer.topics
        for told in topic.partitions
        if not told.error_code and told.timestamp >= 0
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLimits:
    """What a topic accepts: whether it sets the timestamps of its records itself, and how large a batch may be."""

    stamps: bool
    max_message_bytes: int | None


def topic_limits(wire: Wire, topics: Iterable[str]) -> dict[str, TopicLimits]:
    """By topic, where the broker returns its configs. Raises `Unanswered` when it does not answer."""
    found: dict[str, TopicLimits] = {}
    for topic, configs in effective(wire, sorted(set(topics)), ("message.timestamp.type", "max.message.bytes")):
        if isinstance(configs, Unanswered):
            if configs.retriable:
                raise configs
            continue
        limit = configs.get("max.message.bytes")
        found[topic] = TopicLimits(
            stamps=configs.get("message.timestamp.type") == "LogAppendTime",
            max_message_bytes=int(limit) if limit else None,
        )
    return found


def producer_memory_ms(brokers: Iterable[Mapping[str, Config] | Unanswered]) -> int | None:
    """For how many milliseconds after its last record's timestamp every broker surely remembers a producer, from the
    configs of all brokers; None when one does not return the setting.

    Before 3.4 the setting for transactional ids counted for producers, too (KAFKA-14097).
    """
    found: list[int] = []
    for configs in brokers:
        if isinstance(configs, Unanswered):
            return None
        told = configs.get("producer.id.expiration.ms") or configs.get("transactional.id.expiration.ms")
        if told is None or told.value is None:
            return None
        found.append(int(told.value))
    return min(found, default=None)


def numbers_producers(wire: Wire) -> bool:
    """Whether the brokers support idempotent producers (KIP-98, since 0.11). Some brokers that are not Kafka do not."""
    return wire.speaks(InitProducerIdRequest)


def new_producer(wire: Wire) -> tuple[int, int] | Failure:
    """A producer id and its epoch. Raises `Unanswered`."""
    # The transaction timeout does not matter: without a transactional id there is no transaction.
    answer = wire.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000))
    if answer.error_code:
        return Failure(reason=error_text(answer.error_code), retriable=is_retriable(answer.error_code))
    return answer.producer_id, answer.producer_epoch


def _ask_leaders(
    wire: Wire, leaders: Mapping[Place, Leader], request: Callable[[Sequence[Place]], Any]
) -> tuple[list[Any], dict[Place, Failure]]:
    """Asks each leader once about all its partitions. Returns the answers, and the partitions of leaders without
    one."""
    led = by_leader({place: leader.broker.id for place, leader in leaders.items()})
    answers: list[Any] = []
    failed: dict[Place, Failure] = {}
    asked = wire.ask_all([(broker, request(places)) for broker, places in led.items()])
    for places, answer in zip(led.values(), asked, strict=True):
        if isinstance(answer, Unanswered):
            failed |= dict.fromkeys(places, Failure(reason=answer.reason, retriable=answer.retriable))
        else:
            answers.append(answer)
    return answers, failed
