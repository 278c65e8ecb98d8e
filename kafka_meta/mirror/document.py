"""What a mirror found and did → the mirror document (`schemas/mirror.schema.json`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.journal import Place
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.model import Remark
from kafka_meta.ranges import LeftBehind, Range, Unconsumed

KIND = "kafka-meta-mirror"
VERSION = "1.0"

Content: TypeAlias = Literal["equal", "different", "not compared"]
GroupOutcome: TypeAlias = Literal["set", "present", "left alone", "refused", "failed", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of one partition; the counts are records."""

    topic: str
    partition: int
    dest_topic: str
    planned: int
    """What has been copied, and at most so much as is left up to the end of the range."""
    messages: int
    source_offset: int
    """Everything before it is copied."""
    size_bytes: int
    dest_start: int
    dest_end: int
    arrived: int | None
    """Records that the destination has from `dest_start` on; None when it could not be asked."""
    content: Content
    done: bool
    error: str | None = None
    final: bool = False
    """With an error: nothing can be mended, so the same command will not go on with it."""

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def equal(self) -> bool:
        return self.done and self.error is None and self.arrived == self.messages and self.content == "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPosition:
    """Where a group stands on the source and what became of it on the destination; `dest_offset` None: not known."""

    group: str
    topic: str
    partition: int
    source_offset: int | None
    dest_offset: int | None
    outcome: GroupOutcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """Everything that one run of the mirror has to say."""

    committed: bool
    source_id: str | None
    dest_id: str | None
    unread: Unconsumed
    open_transactions: tuple[OpenTransaction, ...] = ()
    findings: tuple[Remark, ...] = ()
    """Why nothing is copied before it is mended."""
    warnings: tuple[Remark, ...] = ()
    copied: tuple[Copied, ...] = ()
    groups: tuple[GroupPosition, ...] = ()
    guarded: tuple[str, ...] = ()
    """Destination topics whose retention is off until it is released."""
    start_before_ms: int | None = None
    """When the positions that were set expire if no consumer has started."""


def encode_mirror(mirrored: Mirrored) -> dict[str, Any]:
    unread = mirrored.unread
    still = left(unread.ranges, mirrored.copied)
    return {
        "kind": KIND,
        "schemaVersion": VERSION,
        "committed": mirrored.committed,
        "source": {"clusterId": mirrored.source_id},
        "dest": {"clusterId": mirrored.dest_id},
        "ranges": [_range(each, still[each.topic, each.partition]) for each in unread.ranges],
        "copied": [_copied(each) for each in mirrored.copied],
        "groups": [_position(each) for each in mirrored.groups],
        "leftBehind": [_left_behind(each) for each in unread.left_behind],
        "openTransactions": [_open(each) for each in mirrored.open_transactions],
        "findings": encode_remarks(mirrored.findings),
        "warnings": encode_remarks((*unread.warnings, *mirrored.warnings)),
        "unreadable": encode_remarks(unread.unreadable),
        "skipped": encode_remarks(unread.skipped),
        "guarded": list(mirrored.guarded),
        "startBeforeMs": mirrored.start_before_ms,
        "totals": totals(unread.ranges, mirrored.copied),
    }


def left(ranges: Iterable[Range], copied: Iterable[Copied]) -> dict[Place, int]:
    """How many messages of each range are to be copied yet, at most: a copy that has begun goes on where it stands,
    however far its groups have read since."""
    stands = {each.place: each.source_offset for each in copied}
    return {
        (place := (each.topic, each.partition)): max(0, each.end - max(stands.get(place, each.start), each.earliest))
        for each in ranges
    }


def size_left(each: Range, messages: int) -> int | None:
    """Bytes that `messages` of a range come to, were all records alike; None where that is not known."""
    if each.size_bytes is None:
        return None
    if not messages:
        return 0
    return each.size_bytes * messages // each.messages if each.messages else None


def totals(ranges: Sequence[Range], copied: Sequence[Copied] = ()) -> dict[str, int | None]:
    """Over all partitions; `sizeBytes` None where the brokers tell no sizes."""
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


def _range(each: Range, still: int) -> dict[str, Any]:
    return {
        "topic": each.topic,
        "partition": each.partition,
        "start": each.start,
        "end": each.end,
        "messages": each.messages,
        "left": still,
        "earliestOffset": each.earliest,
        "committedOffset": each.committed,
        "groups": [
            {"group": reader.group, "committedOffset": reader.committed, "setsStart": reader.group in each.set_by}
            for reader in each.readers
        ],
        "expired": each.expired,
        "sizeBytes": each.size_bytes,
        "reason": each.reason,
        "note": each.note,
    }


def _copied(each: Copied) -> dict[str, Any]:
    return {
        "topic": each.topic,
        "partition": each.partition,
        "destTopic": each.dest_topic,
        "planned": each.planned,
        "messages": each.messages,
        "sourceOffset": each.source_offset,
        "bytes": each.size_bytes,
        "destStart": each.dest_start,
        "destEnd": each.dest_end,
        "arrived": each.arrived,
        "content": each.content,
        "outcome": "failed" if each.error is not None else "done" if each.done else "incomplete",
        "error": each.error,
    }


def _position(each: GroupPosition) -> dict[str, Any]:
    return {
        "group": each.group,
        "topic": each.topic,
        "partition": each.partition,
        "sourceOffset": each.source_offset,
        "destOffset": each.dest_offset,
        "outcome": each.outcome,
        "reason": each.reason,
    }


def _left_behind(each: LeftBehind) -> dict[str, Any]:
    return {
        "topic": each.topic,
        "partitions": list(each.partitions),
        "messages": each.messages,
        "reason": each.reason,
    }


def _open(each: OpenTransaction) -> dict[str, Any]:
    holder = each.holder
    return {
        "topic": each.topic,
        "partition": each.partition,
        "lastStableOffset": each.stable,
        "highWatermark": each.high_watermark,
        "producerId": None if holder is None else holder.producer_id,
        "transactionalId": None if holder is None else holder.transactional_id,
        "firstOffset": None if holder is None else holder.first_offset,
    }


def topics_of(copied: Iterable[Copied]) -> dict[str, list[Copied]]:
    """By source topic."""
    found: dict[str, list[Copied]] = {}
    for each in copied:
        found.setdefault(each.topic, []).append(each)
    return found
