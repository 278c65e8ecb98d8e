"""Where a point in time lies in the partitions of a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Snapshot
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Place


def offsets_at(settings: ClusterSettings, snapshot: Snapshot, time_ms: int) -> Mapping[Place, int]:
    """The offset of each partition's first record at or after `time_ms`; a partition without one is absent.

    Raises KafkaMetaError when a leader does not tell: a guess would put a group at the wrong record.
    """
    leaders = {
        (topic.name, partition.partition): partition.leader
        for topic in snapshot.topics or ()
        for partition in topic.partitions
        if partition.leader is not None
    }
    with wire.connect(settings) as connection:
        found, failed = wire.offsets(connection, leaders, time_ms)
    if failed:
        (topic, partition), reason = next(iter(sorted(failed.items())))
        raise KafkaMetaError(
            f"the offset at that time of {topic}-{partition} is not known: {reason}",
            "Use another --group-offsets, or leave the topic out with --exclude-topics.",
        )
    return {place: offset for place, offset in found.items() if offset is not None}
