"""Which partitions idempotent and transactional producers write to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka.protocol.admin import DescribeProducersRequest

from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.topics import Place, by_leader, by_topic

_NO_MARKER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Producers:
    """Of the last day: brokers forget a producer after `producer.id.expiration.ms`."""

    idempotent: frozenset[Place]
    transactional: frozenset[Place]
    known: frozenset[Place]
    """Partitions whose leaders told (KIP-664, since 2.8); READ on the topic is needed."""


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
                # Only the marker that ends a transaction carries a coordinator's epoch.
                if any(
                    each.coordinator_epoch != _NO_MARKER or each.current_txn_start_offset >= 0
                    for each in told.active_producers
                ):
                    transactional.add(place)
    return Producers(idempotent=frozenset(idempotent), transactional=frozenset(transactional), known=frozenset(known))
