"""The last stable offset of partitions, and the open transactions that hold it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import ListTransactionsRequest

from kafka_meta.wire.connection import Unanswered, Wire, error_text
from kafka_meta.wire.producers import describe_producers
from kafka_meta.wire.topics import LATEST, Place, by_leader, list_offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A producer with an open transaction on a partition; `transactional_id` None where the brokers do not return
    it."""

    producer_id: int
    first_offset: int
    transactional_id: str | None


def stable_offsets(wire: Wire, leaders: Mapping[Place, int]) -> tuple[dict[Place, int], dict[Place, str]]:
    """Last stable offsets: below them every transaction has ended. The second part has the reasons why one is not
    known.

    Before 0.11 there are no transactions, and the high watermark is returned.
    """
    found: dict[Place, int] = {}
    failed: dict[Place, str] = {}
    led = by_leader(leaders)
    answers = wire.ask_all([(leader, list_offsets(places, LATEST, committed=True)) for leader, places in led.items()])
    for places, answer in zip(led.values(), answers, strict=True):
        if isinstance(answer, Unanswered):
            failed |= dict.fromkeys(places, answer.reason)
            continue
        for topic in answer.topics:
            for told in topic.partitions:
                if told.error_code:
                    failed[topic.name, told.partition_index] = error_text(told.error_code)
                else:
                    found[topic.name, told.partition_index] = told.offset
    return found, failed


def holders(wire: Wire, leaders: Mapping[Place, int]) -> dict[Place, Holder]:
    """The producer of the oldest open transaction on each of these partitions, as far as the brokers return it
    (KIP-664, since 2.8)."""
    found: dict[Place, Holder] = {}
    names: dict[int, str] | None = None
    for answer in wire.ask_all([(leader, describe_producers(places)) for leader, places in by_leader(leaders).items()]):
        if isinstance(answer, Unanswered):
            continue
        for topic in answer.topics:
            for told in topic.partitions:
                open_ones = [each for each in told.active_producers if each.current_txn_start_offset >= 0]
                if open_ones:
                    names = _transactional_ids(wire) if names is None else names
                    oldest: Any = min(open_ones, key=lambda each: each.current_txn_start_offset)
                    found[topic.name, told.partition_index] = Holder(
                        producer_id=oldest.producer_id,
                        first_offset=oldest.current_txn_start_offset,
                        transactional_id=names.get(oldest.producer_id),
                    )
    return found


def _transactional_ids(wire: Wire) -> dict[int, str]:
    """By producer id (since 3.0)."""
    brokers = wire.broker_ids
    answers = wire.ask_all([(broker, ListTransactionsRequest()) for broker in brokers])
    return {
        state.producer_id: state.transactional_id
        for answer in answers
        if not isinstance(answer, Unanswered) and not answer.error_code
        for state in answer.transaction_states
    }
