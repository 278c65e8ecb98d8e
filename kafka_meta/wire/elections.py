"""Who leads the partitions in which coordinators keep their state, and whether each leader has confirmed what it has.

Since 4.0 a coordinator answers from what its high watermark has confirmed. A leader that was just elected learns its
high watermark from the next fetch of its followers. Until then, up to a second on 4.3.1, groups and positions that had
been acknowledged before the election are missing or old, without an error. ListOffsets returns OFFSET_NOT_AVAILABLE for
as long (KIP-207). So an answer of a coordinator counts only when its leader had confirmed its log before, and is still
the leader, in the same epoch, after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.partitions import Failure, Leader, answered_offsets, leaders

OF_GROUPS = "__consumer_offsets"
OF_TRANSACTIONS = "__transaction_state"


class Term(NamedTuple):
    """Of a leader. `epoch` is -1 where brokers do not return it (before 2.1)."""

    broker: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """By partition: leaders, and why a leader is missing or cannot be believed yet. One that does not answer is only
    in `leaders`: it gives no answer that could be believed."""

    partitions: int
    leaders: Mapping[int, Term]
    unsure: Mapping[int, str]

    def doubt(self, key: str, after: Elected | None) -> str | None:
        """Why an answer about this group between two looks does not count; None when it does."""
        partition = partition_of(key, self.partitions)
        if after is None or self.leaders.get(partition) != after.leaders.get(partition):
            return "its coordinator is moving"
        return self.unsure.get(partition)


def elected(wire: Wire, topic: str) -> Elected | None:
    """None where there is no such topic, or the caller may not describe it: who asks for a coordinator then creates the
    topic."""
    try:
        told = leaders(wire, [topic])
    except Unanswered as silence:
        return Elected(partitions=1, leaders={}, unsure={0: silence.reason})
    at_all = told.get((topic, -1))
    if isinstance(at_all, Failure) and at_all.unknown:
        return None
    if isinstance(at_all, Failure):
        return Elected(partitions=1, leaders={}, unsure={0: at_all.reason}) if at_all.retriable else None
    led = {place: leader for place, leader in told.items() if isinstance(leader, Leader)}
    unsure = {place[1]: leader.reason for place, leader in told.items() if isinstance(leader, Failure)}
    for (_, partition), (_, code) in answered_offsets(wire, led).items():
        if code and is_retriable(code):
            unsure[partition] = f"partition {partition} of {topic}: {error_text(code)}"
    return Elected(
        partitions=len(told),
        leaders={partition: Term(leader.broker.id, leader.epoch) for (_, partition), leader in led.items()},
        unsure=unsure,
    )


def partition_of(key: str, partitions: int) -> int:
    """`Utils.abs(key.hashCode) % partitions`: org.apache.kafka.coordinator.group.GroupCoordinatorService,
    TransactionStateManager."""
    hashed = _java_hash(key)
    return (0 if hashed == -(1 << 31) else abs(hashed)) % partitions


@cache
def keys_of(partitions: int) -> Sequence[str]:
    """A key for each partition, in their order."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        key = f"kafka-meta-asks-{number}"
        found.setdefault(partition_of(key, partitions), key)
        number += 1
    return [found[partition] for partition in range(partitions)]


def _java_hash(text: str) -> int:
    """`java.lang.String.hashCode`, of UTF-16 code units."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for position in range(0, len(units), 2):
        value = (31 * value + (units[position] << 8) + units[position + 1]) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
