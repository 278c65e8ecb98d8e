"""What a mirror found and did, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kafka_meta.journal import Copier, Place
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.model import Remark
from kafka_meta.ranges import Range, Unconsumed

Content: TypeAlias = Literal["equal", "different", "not compared"]
GroupOutcome: TypeAlias = Literal["set", "present", "left alone", "refused", "failed", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The result for one partition; the counts are records."""

    topic: str
    partition: int
    dest_topic: str
    planned: int
    """The records that have been copied, and at most those that are left up to the end of the range."""
    messages: int
    source_offset: int
    """Everything before it is copied."""
    size_bytes: int
    dest_start: int
    dest_end: int
    arrived: int | None
    """Records that the destination has from `dest_start` on; None when they could not be read."""
    content: Content
    done: bool
    error: str | None = None
    final: bool = False
    """With an error: it cannot be repaired, so the same command will not continue this partition."""
    verified_earlier: int = 0
    """Records that an earlier check has found equal, and this one has not read again."""
    verified_now: int = 0
    """Records that this check has read on the destination and found equal."""

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def equal(self) -> bool:
        return self.done and self.error is None and self.arrived == self.messages and self.content == "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPosition:
    """Where a group stands on the source, and the result on the destination; `dest_offset` None: not known."""

    group: str
    topic: str
    partition: int
    source_offset: int | None
    dest_offset: int | None
    outcome: GroupOutcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """Everything that one run of the mirror reports."""

    committed: bool
    source_id: str | None
    dest_id: str | None
    unread: Unconsumed
    open_transactions: tuple[OpenTransaction, ...] = ()
    findings: tuple[Remark, ...] = ()
    """Why nothing is copied before this is repaired."""
    warnings: tuple[Remark, ...] = ()
    copied: tuple[Copied, ...] = ()
    groups: tuple[GroupPosition, ...] = ()
    guarded: tuple[str, ...] = ()
    """Destination topics whose retention is off until it is released."""
    released: tuple[str, ...] = ()
    """Destination topics whose earlier retention this run has set again."""
    youngest_ms: Mapping[str, int] = field(default_factory=dict)
    """Source topic → the largest timestamp of its records in milliseconds; only topics whose brokers return it."""
    copier: Copier | None = None
    """What the last copier told about itself; only where the state of a migration was asked for."""
    running: bool | None = None
    """Whether a copier runs now; None: not known, or not asked for."""
    start_before_ms: int | None = None
    """When the positions that were set expire, in milliseconds since 1970, if no consumer has started."""


def left(ranges: Iterable[Range], copied: Iterable[Copied]) -> dict[Place, int]:
    """How many messages of each range are still to be copied, at most. A copy that has begun continues where it stands,
    even if its groups have read further since."""
    stands = {each.place: each.source_offset for each in copied}
    return {
        (place := (each.topic, each.partition)): max(0, each.end - max(stands.get(place, each.start), each.earliest))
        for each in ranges
    }


def size_left(each: Range, messages: int) -> int | None:
    """The bytes of `messages` of a range, as if all its records were alike; None where the size is not known."""
    if each.size_bytes is None:
        return None
    if not messages:
        return 0
    return each.size_bytes * messages // each.messages if each.messages else None


def totals(ranges: Sequence[Range], copied: Sequence[Copied] = ()) -> dict[str, int | None]:
    """The sums over all partitions; `sizeBytes` None where the brokers return no sizes."""
    sizes = [each.size_bytes for each in ranges]
    arrived = [each.arrived for each in copied]
    return {
        "topics": len({each.topic for each in ranges}),
        "partitions": len(ranges),
        "skipped": sum(1 for each in ranges if each.start == each.end),
        "messages": sum(each.messages for each in ranges),
        "left": sum(left(ranges, copied).values()),
        "expired": sum(each.expired for each in ranges),
        "sizeBytes": sum(filter(None, sizes)) if all(size is not None for size in sizes) else None,
        "copied": sum(each.messages for each in copied),
        "arrived": sum(filter(None, arrived)) if all(count is not None for count in arrived) else None,
    }


def topics_of(copied: Iterable[Copied]) -> dict[str, list[Copied]]:
    """By source topic."""
    found: dict[str, list[Copied]] = {}
    for each in copied:
        found.setdefault(each.topic, []).append(each)
    return found
