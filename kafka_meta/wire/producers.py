"""Which partitions idempotent and transactional producers write to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka.protocol.admin import DescribeProducersRequest

from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.topics import Place

_NO_MARKER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Producers:
    """Of the last day: brokers forget a producer after `producer.id.expiration.ms`."""

    idempotent: frozenset[Place]
    transactional: frozenset[Place]
    known: frozenset[Place]
    """Partitions whose leaders told (KIP-664, since 2.8); READ on the topic is needed."""


def producers(wire: Wire, leaders: Mapping[Place, int]) -> Producers:
    idempotent: set[Place] = set()
    transactional: set[Place] = set()
    known: set[Place] = set()
    by_leader: dict[int, dict[str, list[int]]] = {}
    for (topic, partition), leader in leaders.items():
        by_leader.setdefault(leader, {}).setdefault(topic, []).append(partition)
    requests = [
        (
            leader,
            DescribeProducersRequest(
                topics=[
                    DescribeProducersRequest.TopicRequest(name=topic, partition_indexes=partitions)
                    for topic, partitions in topics.items()
                ]
            ),
        )
        for leader, topics in by_leader.items()
    ]
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
