"""Whether there is room for what arrives, and time for what is still there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kafka_meta import wire
from kafka_meta.journal import Place, Position
from kafka_meta.mirror.findings import Findings
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import LogDirs, Topic, Volume
from kafka_meta.ranges import Range
from kafka_meta.wire import Wire

_SOON_MS = 3_600_000


def look_at_room(
    ranges: Iterable[Range],
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    disks: LogDirs,
    found: Findings,
) -> None:
    """What would arrive at each broker, replicas included, against what it has left."""
    arriving: dict[int, int] = defaultdict(int)
    for each in ranges:
        topic = topics.get(names[each.topic])
        if topic is None or each.partition >= len(topic.partitions):
            continue
        position = known.get((each.topic, each.partition))
        left = each.end - (max(position.source, each.earliest) if position else each.start)
        if each.size_bytes is None:
            found.warn(
                f"{each.topic}-{each.partition}", "its size is not told: whether there is room for it is not known"
            )
            continue
        size_bytes = each.size_bytes * max(0, left) // max(1, each.messages)
        for replica in topic.partitions[each.partition].replicas:
            arriving[replica] += size_bytes
    gaps = {gap.resource: gap.reason for gap in disks.gaps}
    for broker, size_bytes in sorted(arriving.items()):
        volumes = disks.volumes.get(broker)
        if not volumes:
            if size_bytes:
                untold = gaps.get(f"log directories of broker {broker}", "brokers tell since 3.3")
                found.warn(
                    f"broker {broker} of the destination",
                    f"{size_bytes:,} bytes will arrive there, and it does not tell how much room it has ({untold}): "
                    "look yourself",
                )
        elif size_bytes > (free_bytes := _free_bytes(volumes)):
            found.find(
                f"broker {broker} of the destination",
                f"too little room: {size_bytes:,} bytes would arrive there, {free_bytes:,} are free",
            )


def _free_bytes(volumes: Iterable[Volume]) -> int:
    """Log directories that tell the same figures are on the same disk, and count once."""
    return sum(usable for _, usable in {(volume.total_bytes, volume.usable_bytes) for volume in volumes})


def look_at_retention(
    from_source: Wire,
    prepared: Preparation,
    known: Mapping[Place, Position],
    source_configs: Mapping[str, Mapping[str, str]],
    now_ms: int,
    found: Findings,
) -> None:
    """Records that the source is about to delete: the copy may come too late for them."""
    soon: dict[int, dict[Place, int]] = defaultdict(dict)
    starts: dict[Place, int] = {}
    for each in prepared.unconsumed.ranges:
        place = (each.topic, each.partition)
        configs = source_configs.get(each.topic, {})
        retention_ms = int(configs.get("retention.ms", -1))
        leader = prepared.topics[each.topic].partitions[each.partition].leader
        starts[place] = max(known[place].source, each.earliest) if place in known else each.start
        expires = "delete" in configs.get("cleanup.policy", "") and retention_ms > 0
        if expires and leader is not None and starts[place] < each.end:
            soon[now_ms - retention_ms + _SOON_MS][place] = leader
    for time_ms, leaders in soon.items():
        for (topic, partition), offset in wire.offsets(from_source, leaders, time_ms)[0].items():
            start = starts[topic, partition]
            if offset is None or offset > start:
                until = "the end" if offset is None else str(offset)
                found.warn(
                    f"{topic}-{partition}",
                    f"the source's retention may delete what lies between {start} and {until} within the hour "
                    f"(retention.ms is {source_configs[topic]['retention.ms']}): lengthen it until the copy is done",
                )
