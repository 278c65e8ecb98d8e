"""Everything that stands in the way of a copy, found at once, before the first byte. Changes nothing.

A *finding* stops the run; a *warning* is for the operator to know first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kafka_meta import cluster, wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit
from kafka_meta.journal import Begun, Place, Position
from kafka_meta.mirror.bind import bind
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.guard import looks_guarded
from kafka_meta.mirror.prepare import OpenTransaction, Preparation
from kafka_meta.mirror.quiet import is_quiet
from kafka_meta.mirror.rights import look_at_rights
from kafka_meta.mirror.room import look_at_retention, look_at_room
from kafka_meta.mirror.takes import Candidate, limits, refused_records
from kafka_meta.model import EVERYTHING, Remark, Snapshot, sorted_remarks
from kafka_meta.plan import Policy
from kafka_meta.plan.groups import liveness
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Span
from kafka_meta.wire import Config, Unanswered, Wire
from kafka_meta.wire.configs import effective
from kafka_meta.wire.partitions import numbers_producers

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


def preflight(
    source: ClusterSettings,
    dest: ClusterSettings,
    prepared: Preparation,
    *,
    decided: Policy,
    positions: Iterable[Position],
    guarded: Collection[str],
    allowed: Allowed,
    emit: Emit,
    now_ms: int,
) -> Preflight:
    """Both clusters looked at for this copy. `positions`, and the topics of the destination that are `guarded`, are
    those of the journal: none before the first run.

    Raises KafkaMetaError when a cluster cannot be reached, or both are one.
    """
    found = Findings()
    known = {position.begun.place: position for position in positions}
    actual = cluster.read(dest, EVERYTHING, emit=emit, taken_at_ms=now_ms, sections=frozenset({"topics", "groups"}))
    _refuse_one_cluster(prepared.source, actual)
    unread = prepared.unconsumed
    found.findings += unread.refused
    _of_unreadable(unread.unreadable, found)
    if not allowed.until_lso:
        found.findings += map(_waiting_for, prepared.open_transactions)
    names = {each.topic: decided.topic_name(each.topic) for each in unread.ranges}
    groups = {group: decided.group_name(group) for each in unread.ranges for group in each.groups}
    _of_names("topic", names, found)
    _of_names("group", groups, found)
    _of_groups(groups, actual, found)
    topics = {topic.name: topic for topic in actual.topics or ()}
    with wire.connect(source) as from_source, wire.connect(dest) as to_dest:
        source_configs = _effective(from_source, names.keys())
        dest_configs = _effective(to_dest, (name for name in names.values() if name in topics))
        hidden = wire.metadata(to_dest, set(names.values()) - topics.keys()).gaps if names else ()
        look_at_rights(from_source, to_dest, prepared, decided, names, topics, actual, found)
        if not numbers_producers(to_dest):
            reason = "it knows no idempotent producers: batches go one at a time, kept exact by their positions alone"
            found.warn("destination", reason)
        brokers = wire.broker_configs(to_dest)
        look_at_room(unread.ranges, known, names, topics, wire.log_dirs(to_dest), found)
        look_at_retention(from_source, prepared, known, source_configs, now_ms, found)
        candidates = _candidates(prepared, known, names, source_configs, dest_configs)
        found.findings += refused_records(source, from_source, candidates, now_ms=now_ms, emit=emit)
    strange = {
        name
        for topic, name in names.items()
        if name in topics
        and name not in guarded
        and looks_guarded(topics[name], dest_configs.get(name, {}), source_configs.get(topic, {}))
    }
    gaps = {gap.resource: gap.reason for gap in hidden}
    begun = bind(prepared, known, names, topics, strange, gaps, allowed, found)
    _of_configs(names, source_configs, dest_configs, found)
    quiet = is_quiet(source, prepared, decided, emit, allowed, found)
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


def _of_unreadable(unreadable: Iterable[Remark], found: Findings) -> None:
    """What would be copied is not known as long as somebody's position or a log's end is not."""
    for remark in unreadable:
        what = "groups" if remark.resource.startswith("group") else "topics"
        found.find(remark.resource, f"{remark.reason}: mend it, or leave it out with --exclude-{what}")


def _waiting_for(each: OpenTransaction) -> Remark:
    return Remark(
        resource=f"{each.topic}-{each.partition}",
        reason=f"a transaction of {each.producer} is open: everything from offset {each.stable} to "
        f"{each.high_watermark} waits for it; end it, or copy up to there with --until-lso",
    )


def _of_names(kind: str, names: Mapping[str, str], found: Findings) -> None:
    """Two topics into one would mix their records, two groups into one their positions."""
    by_dest: dict[str, list[str]] = defaultdict(list)
    for name, dest in names.items():
        by_dest[dest].append(name)
    for dest, sources in by_dest.items():
        if len(sources) > 1:
            found.find(f"{kind} {dest}", f"{', '.join(sorted(sources))} would all become it: change --rename")


def _of_groups(groups: Mapping[str, str], actual: Snapshot, found: Findings) -> None:
    there = {group.id: group for group in actual.groups or ()}
    for name in sorted(set(groups.values())):
        if (alive := liveness(there.get(name))) is not None:
            found.warn(
                f"group {name}", f"its consumers run on the destination ({alive}): its positions will be left alone"
            )


def _effective(connection: Wire, topics: Iterable[str]) -> dict[str, Mapping[str, str]]:
    return {
        topic: told
        for topic, told in effective(connection, sorted(set(topics)), _CONFIGS)
        if not isinstance(told, Unanswered)
    }


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
        start = known[place].source if place in known else each.start
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
    found: Findings,
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


def _offsets_retention_ms(brokers: Mapping[int, Mapping[str, Config] | Unanswered]) -> int | None:
    minutes = [
        int(config.value)
        for told in brokers.values()
        if not isinstance(told, Unanswered)
        and (config := told.get("offsets.retention.minutes")) is not None
        and config.value is not None
    ]
    return min(minutes) * 60_000 if minutes else None
