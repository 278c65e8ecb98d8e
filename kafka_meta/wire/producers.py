"""The partitions to which idempotent and transactional producers write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kafka.protocol.admin import DescribeProducersRequest

from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.topics import Place, by_leader, by_topic

_NO_MARKER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Producers:
    """Producers of the last day: brokers forget a producer after `producer.id.expiration.ms`."""

    idempotent: frozenset[Place]
    transactional: frozenset[Place]
    known: frozenset[Place]
    """Partitions whose leaders returned their producers (KIP-664, since 2.8). READ on the topic is needed."""


class ProducerState(NamedTuple):
    """What a partition's leader remembers of a producer. It changes with every batch, and with every transaction."""

    id: int
    epoch: int
    last_sequence: int
    last_timestamp_ms: int
    open_from: int
    """The first offset of its open transaction; -1 without one."""


def producer_states(wire: Wire, leaders: Mapping[Place, int]) -> dict[Place, frozenset[ProducerState]]:
    """By partition. Absent where the leader does not return it (before 2.8, or without READ on the topic)."""
    found: dict[Place, frozenset[ProducerState]] = {}
    for answer in wire.ask_all([(leader, describe_producers(places)) for leader, places in by_leader(leaders).items()]):
        if isinstance(answer, Unanswered):
            continue
        for topic in answer.topics:
            for told in topic.partitions:
                if not told.error_code:
                    found[topic.name, told.partition_index] = frozenset(
                        ProducerState(
                            id=each.producer_id,
                            epoch=each.producer_epoch,
                            last_sequence=each.last_sequence,
                            last_timestamp_ms=each.last_timestamp,
                            open_from=each.current_txn_start_offset,
                        )
                        for each in told.active_producers
                    )
    return found


def describe_producers(places: Iterable[Place]) -> DescribeProducersRequest:
    topic = DescribeProducersRequest.TopicRequest
    topics = [topic(name=name, partition_indexes=numbers) for name, numbers in by_topic(places).items()]
    return DescribeProducersRequest(topics=topics)


def producers(wire: Wire, leaders: Mapping[Place, int]) -> Producers:
    idempotent: set[Place] = set()
    transactional: set[Place] = set()
    known: set[Place] = set()
    requests = [(leader, describe_producers(places)) for leader, places in by_leader(leaders).items()]
    for answer in wire.ask_all(requests):
        if isinstance(answer, Unanswered):
            continue
        for topic in answer.topics:
            for told in topic.partitions:
                place = (topic.name, told.partition_index)
                if told.error_code:
                    continue
                known.add(place)
                if told.active_producers:
                    idempotent.add(place)
                # Only a marker that ends a transaction has a coordinator's epoch.
                if any(
                    each.coordinator_epoch != _NO_MARKER or each.current_txn_start_offset >= 0
                    for each in told.active_producers
                ):
                    transactional.add(place)
    return Producers(idempotent=frozenset(idempotent), transactional=frozenset(transactional), known=frozenset(known))
