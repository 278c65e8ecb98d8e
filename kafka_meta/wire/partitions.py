"""Partitions as a copier needs to know them: who leads them in which epoch, and where their logs end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka.protocol.consumer import OffsetForLeaderEpochRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import InitProducerIdRequest

from kafka_meta.model import Broker
from kafka_meta.wire.configs import broker_configs, effective
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.topics import LATEST, Place, by_leader, by_topic, list_offsets, topic_id

_TOPICS_BY_NAME = 4
"""MetadataRequest from v4 (0.11) on can ask for a topic without creating it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """`epoch` is -1 where brokers do not tell it (before 2.1)."""

    broker: Broker
    epoch: int
    topic_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`retriable`: it passes by itself, as an election does."""

    reason: str
    retriable: bool


def leaders(wire: Wire, topics: Iterable[str]) -> dict[Place, Leader | Failure]:
    """Of every partition of these topics; a topic that is not there, or not for us, has its `Failure` as partition -1.

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
        (name, -1): Failure(reason="the topic is not there", retriable=False) for name in wanted
    }
    for told in answer.topics:
        if (told.name, -1) not in found:
            continue
        if told.error_code:
            failure = Failure(reason=error_text(told.error_code), retriable=is_retriable(told.error_code))
            found[told.name, -1] = failure
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


def log_ends(wire: Wire, leaders: Mapping[Place, Leader]) -> dict[Place, int | Failure]:
    """Where the leaders' own logs end, unreplicated records included (OffsetForLeaderEpoch of the current epoch).

    ListOffsets tells the high watermark only, which lags behind it.
    """
    topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic
    partition = topic.OffsetForLeaderPartition

    def asked(name: str, number: int) -> Any:
        epoch = leaders[name, number].epoch
        return partition(partition=number, current_leader_epoch=epoch, leader_epoch=epoch)

    answers, found = _ask_leaders(
        wire,
        leaders,
        lambda places: OffsetForLeaderEpochRequest(
            replica_id=-1,
            topics=[
                topic(topic=name, partitions=[asked(name, number) for number in numbers])
                for name, numbers in by_topic(places).items()
            ],
        ),
    )
    for answer in answers:
        for told_topic in answer.topics:
            for told in told_topic.partitions:
                place = (told_topic.topic, told.partition)
                if told.error_code:
                    failure = Failure(reason=error_text(told.error_code), retriable=is_retriable(told.error_code))
                    found[place] = failure
                elif told.leader_epoch != leaders[place].epoch or told.end_offset < 0:
                    # A leader that has just been elected and has not written its epoch down yet.
                    found[place] = Failure(reason="its leader has just changed", retriable=True)
                else:
                    found[place] = told.end_offset
    return found


def listed_offsets(wire: Wire, leaders: Mapping[Place, Leader], at: int = LATEST) -> dict[Place, int | Failure]:
    """`LATEST` is the high watermark: what is on all replicas that count; `EARLIEST` where the log begins."""
    answers, found = _ask_leaders(wire, leaders, lambda places: list_offsets(places, at))
    for answer in answers:
        for told_topic in answer.topics:
            for told in told_topic.partitions:
                place = (told_topic.name, told.partition_index)
                if told.error_code:
                    failure = Failure(reason=error_text(told.error_code), retriable=is_retriable(told.error_code))
                    found[place] = failure
                else:
                    found[place] = told.offset
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What a topic takes: whether it stamps its records itself, and how large a batch may be."""

    stamps: bool
    max_message_bytes: int | None


def taking(wire: Wire, topics: Iterable[str]) -> dict[str, Taking]:
    """Of those topics whose configs the broker tells. Raises `Unanswered` when it does not answer."""
    found: dict[str, Taking] = {}
    for topic, configs in effective(wire, sorted(set(topics)), ("message.timestamp.type", "max.message.bytes")):
        if isinstance(configs, Unanswered):
            if configs.retriable:
                raise configs
            continue
        limit = configs.get("max.message.bytes")
        found[topic] = Taking(
            stamps=configs.get("message.timestamp.type") == "LogAppendTime",
            max_message_bytes=int(limit) if limit else None,
        )
    return found


def producer_memory_ms(wire: Wire) -> int | None:
    """How long after its last record's timestamp every broker is sure to know a producer; None when one does not tell.

    Before 3.4 the setting for transactional ids counted for producers, too (KAFKA-14097).
    """
    found: list[int] = []
    for configs in broker_configs(wire).values():
        if isinstance(configs, Unanswered):
            return None
        told = configs.get("producer.id.expiration.ms") or configs.get("transactional.id.expiration.ms")
        if told is None or told.value is None:
            return None
        found.append(int(told.value))
    return min(found, default=None)


def numbers_producers(wire: Wire) -> bool:
    """Whether the brokers know idempotent producers (KIP-98, since 0.11); some engines that are not Kafka do not."""
    return wire.speaks(InitProducerIdRequest)


def new_producer(wire: Wire) -> tuple[int, int] | Failure:
    """A producer id and its epoch. Raises `Unanswered`."""
    # Without a transactional id there is nothing that could time out.
    answer = wire.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000))
    if answer.error_code:
        return Failure(reason=error_text(answer.error_code), retriable=is_retriable(answer.error_code))
    return answer.producer_id, answer.producer_epoch


def _ask_leaders(
    wire: Wire, leaders: Mapping[Place, Leader], request: Callable[[Sequence[Place]], Any]
) -> tuple[list[Any], dict[Place, int | Failure]]:
    """Each leader once about all its partitions: the answers, and the partitions of those that gave none."""
    led = by_leader({place: leader.broker.id for place, leader in leaders.items()})
    answers: list[Any] = []
    failed: dict[Place, int | Failure] = {}
    asked = wire.ask_all([(broker, request(places)) for broker, places in led.items()])
    for places, answer in zip(led.values(), asked, strict=True):
        if isinstance(answer, Unanswered):
            failed |= dict.fromkeys(places, Failure(reason=answer.reason, retriable=answer.retriable))
        else:
            answers.append(answer)
    return answers, failed
