"""Everything that stands in the way of a copy, found at once, before the first byte. Changes nothing.

A *finding* stops the run; a *warning* is for the operator to know first.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kafka_meta import cluster, wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting
from kafka_meta.journal import Begun, Place, Position
from kafka_meta.mirror.prepare import OpenTransaction, Preparation, read_source
from kafka_meta.mirror.takes import Candidate, limits, refused_records
from kafka_meta.model import EVERYTHING, Remark, Snapshot, Topic, sorted_remarks
from kafka_meta.plan import Policy, plural
from kafka_meta.plan.groups import liveness
from kafka_meta.ranges import Range
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Span
from kafka_meta.wire import Config, LogDirs, Unanswered, Wire
from kafka_meta.wire.configs import effective
from kafka_meta.wire.rights import group_operations, topic_operations

_CONFIGS = (
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "retention.bytes",
    "retention.ms",
)
_QUIET_SECONDS = 2.0
"""Between two looks at the source: whoever writes or commits without a pause is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator has said he knows of."""

    append: bool = False
    until_lso: bool = False
    live_source: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    findings: tuple[Remark, ...]
    warnings: tuple[Remark, ...]
    begun: tuple[Begun, ...]
    """What the journal shall hold; complete only without findings."""
    dest: Snapshot
    dest_configs: Mapping[str, Mapping[str, str]]
    """Effective ones of the destination topics, as far as they could be read."""
    quiet: bool
    """Nobody wrote to or read from the source between the two looks."""
    offsets_retention_ms: int | None


@dataclass(slots=True, kw_only=True)
class _Found:
    findings: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def find(self, resource: str, reason: str) -> None:
        self.findings.append(Remark(resource=resource, reason=reason))

    def warn(self, resource: str, reason: str) -> None:
        self.warnings.append(Remark(resource=resource, reason=reason))


def preflight(
    source: ClusterSettings,
    dest: ClusterSettings,
    prepared: Preparation,
    *,
    decided: Policy,
    positions: Iterable[Position],
    allowed: Allowed,
    emit: Emit,
    now_ms: int,
) -> Preflight:
    """Both clusters looked at for this copy. `positions` are those of the journal, none before the first run.

    Raises KafkaMetaError when a cluster cannot be reached, or both are one.
    """
    began = time.monotonic()
    found = _Found()
    known = {position.begun.place: position for position in positions}
    actual = cluster.read(dest, EVERYTHING, emit=emit, taken_at_ms=now_ms, sections=frozenset({"topics", "groups"}))
    _refuse_one_cluster(prepared.source, actual)
    unread = prepared.unconsumed
    found.findings += unread.refused
    _of_unreadable(unread.unreadable, found)
    if not allowed.until_lso:
        found.findings += map(_waiting_for, prepared.open_transactions)
    names = {each.topic: decided.topic_name(each.topic) for each in unread.ranges}
    _of_names(names, found)
    topics = {topic.name: topic for topic in actual.topics or ()}
    with wire.connect(source) as from_source, wire.connect(dest) as to_dest:
        source_configs = _effective(from_source, names.keys())
        dest_configs = _effective(to_dest, (name for name in names.values() if name in topics))
        hidden = wire.metadata(to_dest, set(names.values()) - topics.keys()).gaps if names else ()
        _of_rights(from_source, to_dest, prepared, decided, names, topics, actual, found)
        brokers = wire.broker_configs(to_dest)
        _of_room(unread.ranges, known, names, topics, wire.log_dirs(to_dest), found)
        candidates = _candidates(prepared, known, names, source_configs, dest_configs)
        found.findings += refused_records(source, from_source, candidates, now_ms=now_ms, emit=emit)
    begun = _begun(prepared, known, names, topics, {gap.resource: gap.reason for gap in hidden}, allowed, found)
    _of_configs(names, source_configs, dest_configs, found)
    quiet = _is_quiet(source, prepared, decided, began, emit, allowed, found)
    return Preflight(
        findings=sorted_remarks(found.findings),
        warnings=sorted_remarks(found.warnings),
        begun=begun,
        dest=actual,
        dest_configs=dest_configs,
        quiet=quiet,
        offsets_retention_ms=_offsets_retention_ms(brokers),
    )


def _refuse_one_cluster(source: Snapshot, dest: Snapshot) -> None:
    if source.cluster.id is None or dest.cluster.id is None:
        side = "source" if source.cluster.id is None else "destination"
        raise KafkaMetaError(
            f"the {side} tells no cluster id, and the journal of a copy is bound to it",
            "Brokers have one since 0.10.1.",
        )
    if source.cluster.id == dest.cluster.id:
        raise KafkaMetaError(
            f"the destination is the source itself: both have the cluster id {source.cluster.id}",
            "Nothing on the source is ever changed. Check --dest-bootstrap-servers.",
        )


def _of_unreadable(unreadable: Iterable[Remark], found: _Found) -> None:
    for remark in unreadable:
        hint = (
            ": leave it out with --exclude-groups, or get the right to describe it"
            if "group" in remark.resource
            else ""
        )
        found.find(remark.resource, f"{remark.reason}{hint}")


def _waiting_for(each: OpenTransaction) -> Remark:
    who = "a producer that the brokers do not name"
    if each.holder is not None:
        who = f"producer {each.holder.producer_id}"
        who += f" (transactional id {each.holder.transactional_id})" if each.holder.transactional_id else ""
    return Remark(
        resource=f"{each.topic}-{each.partition}",
        reason=f"a transaction of {who} is open: everything from offset {each.stable} to {each.high_watermark} waits "
        "for it; end it, or copy up to there with --until-lso",
    )


def _of_names(names: Mapping[str, str], found: _Found) -> None:
    """Two topics into one would mix their records."""
    by_dest: dict[str, list[str]] = defaultdict(list)
    for name, dest in names.items():
        by_dest[dest].append(name)
    for dest, sources in by_dest.items():
        if len(sources) > 1:
            found.find(f"topic {dest}", f"{', '.join(sorted(sources))} would all be copied into it: change --rename")


def _effective(connection: Wire, topics: Iterable[str]) -> dict[str, Mapping[str, str]]:
    return {
        topic: told
        for topic, told in effective(connection, sorted(set(topics)), _CONFIGS)
        if not isinstance(told, Unanswered)
    }


def _begun(
    prepared: Preparation,
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    hidden: Mapping[str, str],
    allowed: Allowed,
    found: _Found,
) -> tuple[Begun, ...]:
    """Each partition's range bound to its place on the destination; one that has begun keeps its start and base."""
    begun: list[Begun] = []
    for topic, dest_topic in names.items():
        here, there = prepared.topics[topic], topics.get(dest_topic)
        if there is None:
            _of_missing(dest_topic, hidden, found)
            continue
        if len(here.partitions) != len(there.partitions):
            found.find(
                f"topic {dest_topic}",
                f"{plural(len(there.partitions), 'partition')} on the destination, {len(here.partitions)} on the "
                "source: every record goes into its own partition, so the counts must be the same",
            )
            continue
        for each in prepared.unconsumed.ranges:
            if each.topic == topic:
                begun += _bound(each, here, there, known.get((topic, each.partition)), allowed, found)
    return tuple(begun)


def _of_missing(dest_topic: str, hidden: Mapping[str, str], found: _Found) -> None:
    reason = hidden.get(f"topic {dest_topic}", "")
    if reason and not reason.startswith("UNKNOWN_TOPIC"):
        found.find(f"topic {dest_topic}", f"the destination does not show it to us: {reason}")
    else:
        found.find(f"topic {dest_topic}", "it is not on the destination: run kafka-meta import first")


def _bound(
    each: Range, here: Topic, there: Topic, position: Position | None, allowed: Allowed, found: _Found
) -> Iterator[Begun]:
    place = f"{there.name}-{each.partition}"
    if position is not None:
        old = position.begun
        if _another(old.source_topic_id, here.id):
            found.find(
                f"topic {here.name}",
                f"it has been recreated on the source: its id was {old.source_topic_id} when its copy began, now it is "
                f"{here.id}; --restart begins anew, once the destination topic is empty",
            )
        elif _another(old.dest_topic_id, there.id):
            found.find(
                f"topic {there.name}",
                f"it has been recreated on the destination: its id was {old.dest_topic_id} when the copy began, now it "
                f"is {there.id}; --restart begins anew, once it is empty",
            )
        elif old.dest_topic != there.name:
            found.find(
                f"topic {here.name}", f"its copy went to {old.dest_topic} so far: give the same --rename as then"
            )
        else:
            yield _as_begun(each, here, there, base=old.base, start=old.start)
        return
    partition = there.partitions[each.partition]
    start, end = partition.start_offset, partition.end_offset
    if start is None or end is None:
        found.find(place, "its first and last offset on the destination could not be read")
    elif end > start and not allowed.append:
        found.find(
            place,
            f"it is not empty on the destination: offsets {start} to {end}; --append copies behind what is there",
        )
    else:
        yield _as_begun(each, here, there, base=end, start=each.start)


def _another(then: str | None, now: str | None) -> bool:
    return then is not None and now is not None and then != now


def _as_begun(each: Range, here: Topic, there: Topic, *, base: int, start: int) -> Begun:
    return Begun(
        topic=here.name,
        partition=each.partition,
        dest_topic=there.name,
        source_topic_id=here.id,
        dest_topic_id=there.id,
        base=base,
        start=start,
        end=max(start, each.end),
    )


_TOPIC_RIGHTS = {
    "WRITE": "to write the records",
    "DESCRIBE": "to see where its logs end",
    "READ": "to compare what has arrived, and to set positions",
    "DESCRIBE_CONFIGS": "to see what it takes",
    "ALTER_CONFIGS": "to keep what arrives from expiring",
}


def _of_rights(
    from_source: Wire,
    to_dest: Wire,
    prepared: Preparation,
    decided: Policy,
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    actual: Snapshot,
    found: _Found,
) -> None:
    """What brokers say that we may do; where they do not say (before 2.3), the copy itself finds out."""
    for topic, may in topic_operations(from_source, names).items():
        for right, use in (("READ", "to copy it"), ("DESCRIBE", "to see where its logs end")):
            if right not in may:
                found.find(f"topic {topic}", f"no right to {right} it on the source, {use}")
    dest_topics = {name for name in names.values() if name in topics}
    told = topic_operations(to_dest, dest_topics) if dest_topics else {}
    for topic, may in told.items():
        for right, use in _TOPIC_RIGHTS.items():
            if right not in may:
                found.find(f"topic {topic}", f"no right to {right} it on the destination, {use}")
    if dest_topics - told.keys():
        found.warn("destination", "its brokers do not say what we may do with the topics: the copy will find out")
    groups = {decided.group_name(group) for each in prepared.unconsumed.ranges for group in each.groups}
    lease = f"kafka-meta-mirror.{prepared.source.cluster.id}"
    for group, may in group_operations(to_dest, {*groups, lease}).items():
        if "READ" not in may:
            use = "that keeps a second copier away" if group == lease else "to set its positions"
            found.find(f"group {group}", f"no right to READ it on the destination, {use}")


def _of_room(
    ranges: Iterable[Range],
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    disks: LogDirs,
    found: _Found,
) -> None:
    """What would arrive at each broker, replicas included, against what it has left."""
    arriving: dict[int, int] = defaultdict(int)
    for each in ranges:
        topic = topics.get(names[each.topic])
        if topic is None or each.partition >= len(topic.partitions):
            continue
        position = known.get((each.topic, each.partition))
        left = each.end - max(each.start, position.source if position else 0)
        if each.size_bytes is None:
            found.warn(
                f"{each.topic}-{each.partition}", "its size is not told: whether there is room for it is not known"
            )
            continue
        size_bytes = each.size_bytes * max(0, left) // max(1, each.messages)
        for replica in topic.partitions[each.partition].replicas:
            arriving[replica] += size_bytes
    for broker, size_bytes in sorted(arriving.items()):
        volume = disks.volumes.get(broker)
        if volume is None:
            if size_bytes:
                reason = "it does not tell how much room it has (brokers do since 3.3): look yourself"
                found.warn(
                    f"broker {broker} of the destination", f"{size_bytes:,} bytes will arrive there, and {reason}"
                )
        elif size_bytes > volume.usable_bytes:
            found.find(
                f"broker {broker} of the destination",
                f"too little room: {size_bytes:,} bytes would arrive there, {volume.usable_bytes:,} are free",
            )


def _candidates(
    prepared: Preparation,
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    source_configs: Mapping[str, Mapping[str, str]],
    dest_configs: Mapping[str, Mapping[str, str]],
) -> dict[Place, Candidate]:
    """What is left to copy into topics whose limits are known."""
    found: dict[Place, Candidate] = {}
    for each in prepared.unconsumed.ranges:
        place = (each.topic, each.partition)
        leader = prepared.topics[each.topic].partitions[each.partition].leader
        start = max(each.start, known[place].source) if place in known else each.start
        configs = dest_configs.get(names[each.topic])
        if configs is None or leader is None or start >= each.end:
            continue
        largest = source_configs.get(each.topic, {}).get("max.message.bytes")
        found[place] = Candidate(
            span=Span(start, each.end),
            limits=limits(names[each.topic], configs),
            leader=leader,
            source_max_bytes=None if largest is None else int(largest),
        )
    return found


def _of_configs(
    names: Mapping[str, str],
    source_configs: Mapping[str, Mapping[str, str]],
    dest_configs: Mapping[str, Mapping[str, str]],
    found: _Found,
) -> None:
    """What cannot be the same on the destination is said before."""
    for topic, dest_topic in names.items():
        here, there = source_configs.get(topic, {}), dest_configs.get(dest_topic, {})
        if there.get("message.timestamp.type") == "LogAppendTime":
            found.warn(
                f"topic {dest_topic}",
                "the destination stamps the records itself (message.timestamp.type is LogAppendTime): "
                "they will have the time of the copy",
            )
        if there.get("compression.type", "producer") not in ("producer", here.get("compression.type")):
            found.warn(
                f"topic {dest_topic}",
                f"the destination compresses anew (compression.type is {there['compression.type']}): "
                "records stay the same, batches do not",
            )


def _is_quiet(
    source: ClusterSettings,
    prepared: Preparation,
    decided: Policy,
    began: float,
    emit: Emit,
    allowed: Allowed,
    found: _Found,
) -> bool:
    """A second look at ends, positions and members, some time after the first one."""
    pause = began + _QUIET_SECONDS - time.monotonic()
    if pause > 0:
        emit(Waiting(reason="a second look at the source will show whether it is quiet", seconds=pause))
        time.sleep(pause)
    moves = sorted_remarks(movements(source, prepared, decided, emit))
    for move in moves:
        if allowed.live_source:
            found.warn(move.resource, f"{move.reason}: the groups' positions will not be set yet")
        else:
            found.find(move.resource, f"{move.reason}; stop it, or copy meanwhile with --allow-live-source")
    return not moves


def movements(source: ClusterSettings, prepared: Preparation, decided: Policy, emit: Emit) -> Iterator[Remark]:
    """Who has written to, or read from, what is copied since the first look; and who is about to."""
    now = read_source(source, decided.selection, emit=emit, taken_at_ms=prepared.source.taken_at_ms)
    copied = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
    ends = _high_watermarks(prepared)
    for topic in now.topics or ():
        for partition in topic.partitions:
            place = (topic.name, partition.partition)
            then = ends.get(place)
            if place in copied and then is not None and partition.end_offset not in (None, then):
                yield Remark(
                    resource=f"{topic.name}-{partition.partition}",
                    reason=f"somebody writes to it on the source: its end was {then}, now it is {partition.end_offset}",
                )
    before = {group.id: group for group in prepared.source.groups or () if group.source == "broker"}
    for group in now.groups or ():
        offsets = {(each.topic, each.partition): each.offset for each in group.offsets or ()}
        if group.source != "broker" or not offsets.keys() & copied:
            continue
        if (alive := liveness(group)) is not None:
            yield Remark(resource=f"group {group.id}", reason=f"its consumers run on the source: {alive}")
        old = before[group.id].offsets if group.id in before else ()
        positions = {(each.topic, each.partition): each.offset for each in old or ()}
        moved = [place for place in offsets.keys() & copied if positions.get(place) != offsets[place]]
        if moved:
            topic_name, number = min(moved)
            yield Remark(
                resource=f"group {group.id}",
                reason=f"it reads on the source: its position on {topic_name}-{number} was "
                f"{positions.get((topic_name, number))}, now it is {offsets[topic_name, number]}",
            )


def _high_watermarks(prepared: Preparation) -> dict[Place, int]:
    """The ends of the first look, as the second one reads them."""
    ends = {
        (topic.name, partition.partition): partition.end_offset
        for topic in prepared.source.topics or ()
        for partition in topic.partitions
        if partition.end_offset is not None
    }
    held = {(each.topic, each.partition): each.high_watermark for each in prepared.open_transactions}
    return {**ends, **held}


def _offsets_retention_ms(brokers: Mapping[int, Mapping[str, Config] | Unanswered]) -> int | None:
    minutes = [
        int(config.value)
        for told in brokers.values()
        if not isinstance(told, Unanswered)
        and (config := told.get("offsets.retention.minutes")) is not None
        and config.value is not None
    ]
    return min(minutes) * 60_000 if minutes else None
