"""What a mirror would copy, has copied, and leaves behind."""

from __future__ import annotations

from typing import Any

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.journal import Copier
from kafka_meta.mirror.outcome import Copied, GroupPosition, Mirrored, left, totals
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.ranges import LeftBehind, Range


def encode_mirror(mirrored: Mirrored, *, interrupted: bool = False) -> dict[str, Any]:
    unread = mirrored.unread
    still = left(unread.ranges, mirrored.copied)
    return {
        "kind": "kafka-meta-mirror",
        "schemaVersion": "1.0",
        "committed": mirrored.committed,
        "interrupted": interrupted,
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
        "released": list(mirrored.released),
        "youngestRecords": [
            {"topic": topic, "timestampMs": at_ms} for topic, at_ms in sorted(mirrored.youngest_ms.items())
        ],
        "startBeforeMs": mirrored.start_before_ms,
        "copier": None if mirrored.copier is None else _copier(mirrored.copier),
        "running": mirrored.running,
        "totals": totals(unread.ranges, mirrored.copied),
    }


def _copier(copier: Copier) -> dict[str, Any]:
    return {
        "host": copier.host,
        "pid": copier.pid,
        "sinceMs": copier.since_ms,
        "toldMs": copier.told_ms,
        "ended": copier.ended,
        "stage": copier.stage,
        "done": copier.done,
        "total": copier.total,
        "offsetsPerSecond": copier.offsets_a_second,
        "bytesPerSecond": copier.bytes_a_second,
        "secondsLeft": copier.seconds_left,
        "waitingFor": copier.waiting_for,
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
        "verifiedEarlier": each.verified_earlier,
        "verifiedNow": each.verified_now,
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
