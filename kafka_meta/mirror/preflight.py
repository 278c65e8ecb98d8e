"""All checks before a copy. They change nothing.

A *finding* prevents the run. A *warning* is something that the operator should know first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kafka_meta import cluster, wire
from kafka_meta.cluster.clients import background
from kafka_meta.cluster.identity import compare_identity
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit
from kafka_meta.journal import Begun, Place, Position
from kafka_meta.logs import Span
from kafka_meta.logs.history import Cut, Untold
from kafka_meta.mirror.abilities import lacks, look_at_abilities
from kafka_meta.mirror.bind import bind
from kafka_meta.mirror.claims import claims_of_others, loops
from kafka_meta.mirror.clock import look_at_clock
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.guard import looks_guarded
from kafka_meta.mirror.limits import Candidate, limits, longest_copy_ms, refused_records
from kafka_meta.mirror.prepare import OpenTransaction, Preparation
from kafka_meta.mirror.quiet import GLANCE_SECONDS, Look, look, movements, wait_until
from kafka_meta.mirror.rights import look_at_rights
from kafka_meta.mirror.room import look_at_retention, look_at_room, look_at_what_may_vanish
from kafka_meta.model import EVERYTHING, Remark, Resource, Snapshot, sorted_remarks
from kafka_meta.plan import Policy, plural
from kafka_meta.plan.compare.groups import liveness
from kafka_meta.plan.identity import require_two_clusters
from kafka_meta.ranges import Range
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import cut_back, unknown
from kafka_meta.wire import Config, Unanswered, Wire
from kafka_meta.wire.configs import effective
from kafka_meta.wire.partitions import Failure, ends_epochs

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
    """What the journal shall hold. It is complete only when there are no findings."""
    stopped: Mapping[Place, str]
    """Of a copy that goes on: partitions that cannot, and why."""
    dest: Snapshot
    dest_configs: Mapping[str, Mapping[str, str]]
    """Effective configs of the destination topics, as far as they could be read."""
    first_look: Look
    """The first look at the source, before anything else. The last look comes right before positions are set."""
    quiet: bool
    """Nobody wrote to or read from the source between the first two looks."""
    offsets_retention_ms: int | None
    history: Mapping[Place, Cut | Failure]
    """Partitions whose log on the source was cut back since they were copied: nothing more of them is copied. And those
    of which this is not known."""
    clock_ahead_ms: int
    """By how many milliseconds the brokers' clock is ahead of this machine's; 0 where they do not tell."""

    @property
    def cut(self) -> dict[Place, Cut]:
        return {place: told for place, told in self.history.items() if isinstance(told, Cut)}


def preflight(
    source: ClusterSettings,
    dest: ClusterSettings,
    prepared: Preparation,
    *,
    decided: Policy,
    positions: Iterable[Position],
    guarded: Collection[str],
    task: str | None,
    allowed: Allowed,
    max_rate_bytes: int | None = None,
    emit: Emit,
    now_ms: int,
) -> Preflight:
    """Reads both clusters and checks them for this copy. `positions` and `guarded` (topics of the destination) come
    from the journal; both are empty before the first run. `task` is its name, if it has one. `now_ms` is this machine's
    time.

    Raises KafkaMetaError when a cluster cannot be reached, or when both are one cluster.
    """
    sections = frozenset({"topics", "groups"})
    reading = background(lambda: cluster.read(dest, EVERYTHING, emit=emit, taken_at_ms=now_ms, sections=sections))
    first = look(source, prepared, decided.selection, emit=emit)
    found = Findings()
    known = {position.begun.place: position for position in positions}
    actual = reading.result()
    _require_ids(prepared.source, actual)
    if prepared.source.cluster.id == actual.cluster.id:
        require_two_clusters(compare_identity(source, dest), actual.cluster.id, allowed=allowed.same_id)
    unread = prepared.unconsumed
    found.findings += unread.refused
    _of_unreadable(unread.unreadable, found)
    if not (allowed.until_lso or allowed.live_source or allowed.follow):
        found.findings += map(_waiting_for, prepared.open_transactions)
    names = {each.topic: decided.topic_name(each.topic) for each in unread.ranges}
    groups = {group: decided.group_name(group) for each in unread.ranges for group in each.groups}
    _of_names("topic", names, found)
    _of_names("group", groups, found)
    _of_groups(groups, actual, found)
    _of_no_position(prepared, found)
    topics = {topic.name: topic for topic in actual.topics or ()}
    with wire.connect(source) as from_source, wire.connect(dest) as to_dest:
        brokers = wire.broker_configs(to_dest)
        readable = not any(lacks(from_source, "source", guard=False))
        look_at_abilities(from_source, to_dest, brokers.values(), guard=not allowed.no_guard, found=found)
        source_configs = _effective(from_source, names.keys())
        dest_configs = _effective(to_dest, (name for name in names.values() if name in topics))
        hidden = wire.metadata(to_dest, set(names.values()) - topics.keys()).gaps if names else ()
        look_at_rights(from_source, to_dest, prepared, decided, names, topics, actual, task, allowed, found)
        goes_on = allowed.follow and bool(known)
        claimed = _of_other_tasks(
            to_dest, str(prepared.source.cluster.id), task, set(names.values()), allowed, found, goes_on=goes_on
        )
        for loop, reason in loops(source, from_source, str(actual.cluster.id), names):
            found.find(Resource("source") if loop is None else Resource("topic", loop), reason)
        clock_ahead_ms = look_at_clock(to_dest, from_source, first.youngest_ms, now_ms, found)
        now_ms += clock_ahead_ms
        look_at_room(unread.ranges, known, names, topics, wire.log_dirs(to_dest), found)
        history = _history(from_source, unread.ranges, known, emit)
        found.warnings += unknown(history)
        look_at_retention(from_source, prepared, known, source_configs, now_ms, found)
        candidates = _candidates(prepared, known, names, source_configs, dest_configs)
        if readable:
            size_bytes = sum(each.size_bytes or 0 for each in unread.ranges)
            until_ms = now_ms + longest_copy_ms(size_bytes, max_rate_bytes)
            refused, damaged = refused_records(
                source, from_source, candidates, now_ms=now_ms, until_ms=until_ms, emit=emit
            )
            found.findings += refused
            found.warnings += damaged
        if allowed.no_guard:
            look_at_what_may_vanish(from_source, prepared, known, names, dest_configs, now_ms, found)
    strange = {
        name
        for topic, name in names.items()
        if name in topics
        and name not in guarded
        and looks_guarded(topics[name], dest_configs.get(name, {}), source_configs.get(topic, {}))
    }
    gaps = {gap.resource: gap.reason for gap in hidden}
    cut = {place: told for place, told in history.items() if isinstance(told, Cut)}
    begun = bind(prepared, known, names, topics, strange, gaps, cut, claimed, allowed, found)
    _of_configs(names, source_configs, dest_configs, found)
    moves: tuple[Remark, ...] = ()
    if not allowed.follow:
        wait_until(first.taken_at, GLANCE_SECONDS, emit=emit)
        second = look(source, prepared, decided.selection, emit=emit)
        moves = movements(prepared, first, second, until_lso=allowed.until_lso)
    for move in moves:
        if allowed.live_source:
            found.warn(move.resource, f"{move.reason}: positions of groups will not be set yet")
        elif not _is_known(move, prepared.open_transactions):
            found.find(move.resource, f"{move.reason}. Stop it, or copy all the same with --allow-live-source")
    return Preflight(
        findings=sorted_remarks(found.findings),
        warnings=sorted_remarks(found.warnings),
        begun=begun,
        stopped=found.stopped,
        dest=actual,
        dest_configs=dest_configs,
        first_look=first,
        quiet=not moves,
        offsets_retention_ms=_offsets_retention_ms(brokers),
        history=history,
        clock_ahead_ms=clock_ahead_ms,
    )


def _history(
    source: Wire, ranges: Iterable[Range], known: Mapping[Place, Position], emit: Emit
) -> dict[Place, Cut | Failure]:
    """That brokers do not return where epochs end is said before the first copy, too."""
    places = [(each.topic, each.partition) for each in ranges]
    if ends_epochs(source):
        return cut_back(source, [known[place] for place in places if place in known], emit=emit)
    return dict.fromkeys(places, Untold(reason="the brokers do not support OffsetForLeaderEpoch", retriable=False))


def _of_other_tasks(
    dest: Wire,
    source_id: str,
    task: str | None,
    topics: Collection[str],
    allowed: Allowed,
    found: Findings,
    *,
    goes_on: bool,
) -> dict[str, str]:
    """Topics of other tasks, and the reason that says so. With --append the operator wants records of several sources
    in one topic."""
    try:
        claims = claims_of_others(dest, source_id, task)
    except KafkaMetaError as error:
        found.warn(Resource("destination"), error.message)
        return {}
    claimed = {topic: claims[topic].reason for topic in sorted(claims.keys() & topics)}
    for topic, reason in claimed.items():
        if allowed.append:
            found.warn(Resource("topic", topic), reason)
        elif not goes_on:
            found.find(Resource("topic", topic), reason)
    return {} if allowed.append else claimed


def _require_ids(source: Snapshot, dest: Snapshot) -> None:
    if source.cluster.id is None or dest.cluster.id is None:
        side = "source" if source.cluster.id is None else "destination"
        raise KafkaMetaError(
            f"the {side} has no cluster id, which the journal of a copy needs",
            "Brokers have one since 0.10.1.",
        )


def _of_unreadable(unreadable: Iterable[Remark], found: Findings) -> None:
    """While a position of a group or the end of a log is not known, the ranges to copy are not known either."""
    for remark in unreadable:
        what = "groups" if remark.resource.kind in ("group", "groups") else "topics"
        found.find(remark.resource, f"{remark.reason}: correct that, or leave it out with --exclude-{what}")


def _waiting_for(each: OpenTransaction) -> Remark:
    return Remark(
        resource=Resource.partition(each.topic, each.partition),
        reason=f"a transaction of {each.producer} is open: the records from offset {each.stable} to "
        f"{each.high_watermark} wait for its end. End it, or copy up to offset {each.stable} with --until-lso",
    )


def _is_known(move: Remark, open_transactions: Iterable[OpenTransaction]) -> bool:
    """Whether an open transaction, which is a finding of its own, is the same thing."""
    return move.resource in {Resource.partition(each.topic, each.partition) for each in open_transactions}


def _of_names(kind: str, names: Mapping[str, str], found: Findings) -> None:
    """Two topics copied into one would mix their records; two groups renamed to one would mix their positions."""
    by_dest: dict[str, list[str]] = defaultdict(list)
    for name, dest in names.items():
        by_dest[dest].append(name)
    for dest, sources in by_dest.items():
        if len(sources) > 1:
            found.find(Resource(kind, dest), f"--rename gives this name to {', '.join(sorted(sources))}: change it")


def _of_groups(groups: Mapping[str, str], actual: Snapshot, found: Findings) -> None:
    there = {group.id: group for group in actual.groups or ()}
    for name in sorted(set(groups.values())):
        if (alive := liveness(there.get(name))) is not None:
            found.warn(
                Resource("group", name),
                f"its consumers are running on the destination ({alive}): its positions will be left alone",
            )


def _of_no_position(prepared: Preparation, found: Findings) -> None:
    """With `latest` as its auto.offset.reset, a group without a position would skip the records copied for it."""
    if prepared.uncommitted != "earliest":
        return
    without: dict[tuple[str, str], int] = defaultdict(int)
    for each in prepared.unconsumed.ranges:
        for reader in each.readers:
            without[reader.group, each.topic] += reader.committed is None and each.end > each.earliest
    for (group, topic), count in sorted(without.items()):
        if count:
            where = f"{plural(count, 'partition')} of topic {topic} with records"
            reason = f"it has no position on {where}: there it is set to the start of the copy (--uncommitted)"
            found.warn(Resource("group", group), reason)


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
    """The partitions that still have records to copy, into topics whose limits are known."""
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
    """Finds before the copy what cannot be the same on the destination."""
    for topic, dest_topic in names.items():
        here, there = source_configs.get(topic, {}), dest_configs.get(dest_topic, {})
        if there.get("message.timestamp.type") == "LogAppendTime":
            found.warn(
                Resource("topic", dest_topic),
                "message.timestamp.type is LogAppendTime on the destination: records will have the time of the copy",
            )
        if there.get("compression.type", "producer") not in ("producer", here.get("compression.type")):
            found.warn(
                Resource("topic", dest_topic),
                f"compression.type is {there['compression.type']} on the destination: it compresses the batches again; "
                "the records stay the same",
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
