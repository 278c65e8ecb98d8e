"""The start and end offsets of logs, and the offset at a time."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit
from kafka_meta.model import Snapshot
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Place


def with_offsets(
    settings: ClusterSettings,
    snapshot: Snapshot,
    places: Container[Place],
    *,
    at_once: Container[Place] = frozenset(),
    emit: Emit,
) -> Snapshot:
    """`snapshot` with the start and end offsets of these partitions. They stay None where no leader returns them.

    A leader that is not ready is waited for. For partitions that are `at_once` only, it is not.
    """
    led = _leaders(snapshot)
    leaders = {place: leader for place, leader in led.items() if place in places}
    others = {place: leader for place, leader in led.items() if place in at_once}
    starts: dict[Place, int | None] = {}
    ends: dict[Place, int | None] = {}
    with wire.connect(settings) as connection:
        for found, at in ((starts, wire.EARLIEST), (ends, wire.LATEST)):
            found |= wire.offsets(connection, leaders, at, emit=emit)[0]
            found |= wire.offsets(connection, others, at, tries=1)[0] if others else {}
    topics = (
        replace(
            topic,
            partitions=tuple(
                replace(
                    partition,
                    start_offset=starts.get((topic.name, partition.partition), partition.start_offset),
                    end_offset=ends.get((topic.name, partition.partition), partition.end_offset),
                )
                for partition in topic.partitions
            ),
        )
        for topic in snapshot.topics or ()
    )
    return replace(snapshot, topics=tuple(topics))


def offsets_at(
    settings: ClusterSettings, snapshot: Snapshot, time_ms: int, places: Container[Place]
) -> Mapping[Place, int]:
    """The offset of the first record at or after `time_ms` (since 1970), of each of these partitions. A partition
    without such a record is absent.

    Raises KafkaMetaError when a leader does not return it: with a guess, a group would start at the wrong record.
    """
    with wire.connect(settings) as connection:
        leaders = {place: leader for place, leader in _leaders(snapshot).items() if place in places}
        found, failed = wire.offsets(connection, leaders, time_ms)
    if failed:
        (topic, partition), reason = next(iter(sorted(failed.items())))
        raise KafkaMetaError(
            f"the offset of {topic}-{partition} at that time could not be read: {reason}",
            "Use another --group-offsets, or leave the topic out with --exclude-topics.",
        )
    return {place: offset for place, offset in found.items() if offset is not None}


def _leaders(snapshot: Snapshot) -> dict[Place, int]:
    return {
        (topic.name, partition.partition): partition.leader
        for topic in snapshot.topics or ()
        for partition in topic.partitions
        if partition.leader is not None
    }
