"""Whether the destination has disk space for the copy, and which records either side may delete too early."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kafka_meta import wire
from kafka_meta.journal import Place, Position
from kafka_meta.mirror.findings import Findings
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import LogDirs, Resource, Topic, Volume
from kafka_meta.plan import plural
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
    """Compares the bytes that each broker would receive, replicas included, with its free space."""
    arriving: dict[int, int] = defaultdict(int)
    for each in ranges:
        topic = topics.get(names[each.topic])
        if topic is None or each.partition >= len(topic.partitions):
            continue
        position = known.get((each.topic, each.partition))
        left = each.end - (max(position.source, each.earliest) if position else each.start)
        if each.size_bytes is None:
            found.warn(
                Resource.partition(each.topic, each.partition),
                "its size is not known: it is not known either whether the destination has space for it",
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
                untold = gaps.get(Resource("log directories of broker", str(broker)), "brokers report it since 3.3")
                found.warn(
                    Resource("broker", f"{broker} of the destination"),
                    f"the copy needs {size_bytes:,} bytes there, and the broker does not report its free space "
                    f"({untold}): check it yourself",
                )
        elif size_bytes > (free := _free_bytes(volumes)):
            found.find(
                Resource("broker", f"{broker} of the destination"),
                f"too little space: the copy needs {size_bytes:,} bytes, {free:,} are free",
            )


def _free_bytes(volumes: Iterable[Volume]) -> int:
    """The sum over disks. Log directories with the same figures are on the same disk, and count once."""
    return sum(usable for _, usable in {(volume.total_bytes, volume.usable_bytes) for volume in volumes})


def look_at_retention(
    from_source: Wire,
    prepared: Preparation,
    known: Mapping[Place, Position],
    source_configs: Mapping[str, Mapping[str, str]],
    now_ms: int,
    found: Findings,
) -> None:
    """Warns of records that the source will delete soon: the copy may be too late for them."""
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
                    Resource.partition(topic, partition),
                    f"the source may delete the records from {start} to {until} within an hour "
                    f"(retention.ms is {source_configs[topic]['retention.ms']}): raise it until the copy is done",
                )


def look_at_what_may_vanish(
    from_source: Wire,
    prepared: Preparation,
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    dest_configs: Mapping[str, Mapping[str, str]],
    now_ms: int,
    found: Findings,
) -> None:
    """Warns of the records that the destination may delete before they are read, where there is no guard."""
    left: dict[str, int] = defaultdict(int)
    limits: dict[int, dict[Place, int]] = defaultdict(dict)
    spans: dict[Place, tuple[int, int]] = {}
    for each in prepared.unconsumed.ranges:
        place = (each.topic, each.partition)
        start = max(known[place].source, each.start) if place in known else each.start
        left[each.topic] += max(0, each.end - start)
        leader = prepared.topics[each.topic].partitions[each.partition].leader
        retention_ms = _retention_ms(dest_configs.get(names[each.topic]))
        if retention_ms is not None and leader is not None and start < each.end:
            spans[place] = (start, each.end)
            limits[now_ms - retention_ms][place] = leader
    old: dict[str, int] = defaultdict(int)
    for time_ms, leaders in limits.items():
        for place, offset in wire.offsets(from_source, leaders, time_ms)[0].items():
            start, end = spans[place]
            # Timestamps need not ascend: records behind the first one that is young enough may be too old as well.
            old[place[0]] += (end if offset is None else min(max(offset, start), end)) - start
    for topic, count in left.items():
        if said := _may_vanish(dest_configs.get(names[topic]), count, old[topic]):
            found.warn(Resource("topic", names[topic]), f"--no-guard: {said}")


def _retention_ms(configs: Mapping[str, str] | None) -> int | None:
    """After how many milliseconds a topic deletes records; None when it does not, or when that is not known."""
    if configs is None or "delete" not in configs.get("cleanup.policy", ""):
        return None
    retention_ms = int(configs.get("retention.ms", -1))
    return retention_ms if retention_ms >= 0 else None


def _may_vanish(configs: Mapping[str, str] | None, count: int, old: int) -> str | None:
    """In words, what a topic with these configs may do to `count` records, of which `old` are too old already."""
    if configs is None:
        return "its retention on the destination could not be read: copied records may be deleted before they are read"
    said: list[str] = []
    retention_ms, size = _retention_ms(configs), configs.get("retention.bytes", "-1")
    if retention_ms is not None:
        said.append(
            "the destination deletes records by their own timestamps, read or unread (retention.ms is "
            f"{retention_ms}); of the {plural(count, 'record')} to copy, at least {old:,} are too old already"
        )
    if "delete" in configs.get("cleanup.policy", "") and size != "-1":
        said.append(f"the destination deletes the oldest records of a partition above {size} bytes, read or unread")
    if "compact" in configs.get("cleanup.policy", ""):
        said.append("the destination compacts: of records with one key, the older ones may vanish before they are read")
    return "; ".join(said) or None
