"""Reads a Snapshot from the brokers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace

from kafka_meta import wire
from kafka_meta.cluster.brokers import BrokerFacts, broker_facts, cluster_of
from kafka_meta.cluster.clients import admin, background
from kafka_meta.cluster.groups import Groups, read_groups
from kafka_meta.cluster.signs import signs
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Progress
from kafka_meta.model import (
    Acl,
    Gap,
    Group,
    LogDirs,
    Partition,
    Remark,
    Resource,
    Selection,
    Snapshot,
    Topic,
    internal_to,
    sorted_remarks,
)
from kafka_meta.plan import SECTIONS
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Metadata, Place, Unanswered, Wire

_TOPICS_AN_EVENT = 200


def read(
    settings: ClusterSettings,
    selection: Selection,
    *,
    emit: Emit,
    taken_at_ms: int,
    sections: Set[str] = frozenset(SECTIONS),
    offsets: bool = True,
    sizes: bool = True,
    configured: Collection[str] = (),
) -> Snapshot:
    """A Snapshot of the brokers. Cluster and defaults are always read. A section that was not asked for is None.

    `offsets=False` leaves out start and end offsets and sizes, `sizes=False` only the sizes. Groups' positions are read
    before the end offsets, so that no position is above its partition's end. `configured`: groups that may have
    configs, whether they exist or not. Raises `KafkaMetaError` when the cluster cannot be reached.
    """
    with wire.connect(settings) as connection:
        timeout_seconds = settings.request_timeout_ms / 1000
        gaps: list[Gap] = []
        try:
            metadata = wire.metadata(connection)
        except Unanswered as silence:
            message = f"the brokers at {settings.bootstrap_servers} do not return their topics: {silence.reason}"
            raise KafkaMetaError(message) from silence
        facts = broker_facts(connection)
        client = admin(settings)
        reading_groups = background(
            lambda: (
                read_groups(
                    client,
                    connection,
                    selection,
                    emit=emit,
                    version=connection.release,
                    timeout_seconds=timeout_seconds,
                )
                if "groups" in sections
                else Groups()
            )
        )
        chosen = _chosen(metadata.topics, selection) if "topics" in sections else {}
        configs = _overrides(connection, chosen, emit, gaps)
        groups = reading_groups.result()
        acls, acl_gaps = wire.acls(connection) if "acls" in sections else (None, ())
        users, user_gaps = wire.users(connection) if "users" in sections else (None, ())
        quotas, quota_gaps = wire.quotas(connection) if "quotas" in sections else (None, ())
        named = {*configured, *(group.id for group in groups.found or ())}
        others, other_gaps = wire.other_configs(connection, named) if "other-configs" in sections else (None, ())
        topics = _with_configs(chosen, configs)
        topics = _with_reassignments(connection, metadata, topics, gaps)
        guarded = "topics" in sections and facts.security.authorizer != ""
        log_dirs = wire.log_dirs(connection) if (offsets and sizes) or guarded else None
        if guarded:
            named = named_topics(log_dirs, groups.found or (), acls or ())
            gaps.extend(hidden_topics(connection, metadata, filter(selection.topic, named)))
        if not (offsets and sizes):
            log_dirs = None
        if offsets:
            topics = _with_offsets(connection, topics, log_dirs, emit, gaps)
        absent = wire.absent_brokers(connection, metadata)
        gaps += (Remark(resource=Resource("broker", str(id)), reason="it is not there") for id in absent)
        found_groups = groups.found
        found_signs = _signs(connection, metadata, groups, facts, gaps)
        return Snapshot(
            taken_at_ms=taken_at_ms,
            cluster=replace(cluster_of(connection, metadata, facts), absent=absent),
            topics=tuple(topics[name] for name in sorted(topics)) if "topics" in sections else None,
            groups=None if found_groups is None else tuple(found_groups),
            acls=acls,
            users=users,
            quotas=quotas,
            other_configs=None if others is None else (*others, *facts.dynamic),
            defaults=facts.defaults,
            operations=metadata.cluster_operations,
            log_dirs=log_dirs,
            gaps=sorted_remarks(
                [
                    *gaps,
                    *groups.gaps,
                    *acl_gaps,
                    *user_gaps,
                    *quota_gaps,
                    *other_gaps,
                    *facts.gaps,
                    *metadata.gaps,
                    *_unseen(connection, metadata, facts, acls, groups),
                ]
            ),
            left_out=sorted_remarks(
                [*groups.left_out, *(_internal(metadata.topics, selection) if "topics" in sections else ())]
            ),
            disagreements=sorted_remarks(facts.disagreements),
            signs=sorted_remarks([*facts.signs, *found_signs]),
            unmatched=(
                *(selection.unmatched(topics=metadata.topics) if "topics" in sections else ()),
                *groups.unmatched,
            ),
        )


def _chosen(topics: Mapping[str, Topic], selection: Selection) -> dict[str, Topic]:
    return {
        name: topic
        for name, topic in topics.items()
        if selection.topic(name) and (selection.include_internal or not topic.internal)
    }


def _internal(topics: Mapping[str, Topic], selection: Selection) -> Iterator[Remark]:
    for name, topic in topics.items():
        if topic.internal and selection.topic(name) and not selection.include_internal:
            yield Remark(resource=Resource("topic", name), reason=f"internal to {internal_to(name) or 'Kafka'}")


def named_topics(log_dirs: LogDirs | None, groups: Iterable[Group], rules: Iterable[Acl]) -> set[str]:
    """The topics that log directories, positions of groups and literal ACLs name."""
    named = set() if log_dirs is None else {topic for topic, _, _ in log_dirs.sizes}
    named |= {offset.topic for group in groups for offset in group.offsets or ()}
    return named | {
        rule.resource_name
        for rule in rules
        if rule.resource_type == "TOPIC" and rule.pattern_type == "LITERAL" and rule.resource_name != "*"
    }


def hidden_topics(connection: Wire, metadata: Metadata, named: Iterable[str]) -> tuple[Gap, ...]:
    """The topics among `named` that metadata of all topics lacks because we may not describe them."""
    lacking = set(named) - metadata.topics.keys() - {gap.resource.name for gap in metadata.gaps}
    try:
        return wire.unseen(connection, lacking)
    except Unanswered as silence:
        return tuple(Remark(resource=Resource("topic", name), reason=silence.reason) for name in lacking)


_LISTS_SINGLE_GROUPS = (2, 1)
"""KIP-231. Before, only who may DESCRIBE the cluster could list groups at all."""


def _describes_cluster(
    connection: Wire, metadata: Metadata, acls: tuple[Acl, ...] | None, groups: Groups
) -> bool | None:
    """Whether we may DESCRIBE the cluster; None where nothing shows it."""
    if metadata.cluster_operations is not None:
        return "DESCRIBE" in metadata.cluster_operations
    old = connection.release is not None and connection.release < _LISTS_SINGLE_GROUPS
    lists = groups.found is not None and not any(gap.resource.kind == "groups" for gap in groups.gaps)
    return True if acls is not None or (old and lists) else None


def _unseen(
    connection: Wire, metadata: Metadata, facts: BrokerFacts, acls: tuple[Acl, ...] | None, groups: Groups
) -> Iterator[Gap]:
    """A gap where brokers may have left out what we may not see: they do so without an error."""
    describes = _describes_cluster(connection, metadata, acls, groups)
    missing = "brokers leave out topics and groups that we may not DESCRIBE, without an error"
    if describes is None:
        if facts.security.authorizer != "":
            reason = f"brokers do not report our rights: {missing}"
            yield Remark(resource=Resource("cluster"), reason=reason)
    elif not describes:
        reason = f"no right to DESCRIBE the cluster: {missing}"
        yield Remark(resource=Resource("cluster"), reason=reason)


def _overrides(
    connection: Wire, topics: Mapping[str, Topic], emit: Emit, gaps: list[Gap]
) -> dict[str, dict[str, str] | None]:
    configs: dict[str, dict[str, str] | None] = {}
    refused: dict[str, list[str]] = {}
    for name, told in wire.overrides(connection, sorted(topics)):
        if isinstance(told, Unanswered):
            refused.setdefault(told.reason, []).append(name)
            configs[name] = None
        else:
            configs[name] = dict(sorted(told.items()))
        if len(configs) % _TOPICS_AN_EVENT == 0 or len(configs) == len(topics):
            emit(Progress(stage="topics", done=len(configs), total=len(topics)))
    for reason, names in refused.items():
        if len(names) == len(topics):
            gaps.append(Remark(resource=Resource("configs of topics"), reason=reason))
        else:
            gaps.extend(Remark(resource=Resource("configs of topic", name), reason=reason) for name in names)
    return configs


def _with_configs(topics: Mapping[str, Topic], configs: Mapping[str, dict[str, str] | None]) -> dict[str, Topic]:
    return {name: replace(topic, configs=configs.get(name)) for name, topic in topics.items()}


def _with_reassignments(
    connection: Wire, metadata: Metadata, topics: dict[str, Topic], gaps: list[Gap]
) -> dict[str, Topic]:
    """Topics without the replicas that a reassignment is removing: Metadata returns old and new replicas together."""
    if not topics:
        return topics
    try:
        moving = wire.reassignments(connection, metadata.controller_id)
    except Unanswered as silence:
        gaps.append(Remark(resource=Resource("reassignments"), reason=silence.reason))
        return topics

    def settled(topic: Topic) -> Topic:
        return replace(
            topic,
            partitions=tuple(
                replace(partition, replicas=moving.get((topic.name, partition.partition), partition.replicas))
                for partition in topic.partitions
            ),
        )

    return {**topics, **{name: settled(topics[name]) for name in {name for name, _ in moving} & topics.keys()}}


def _with_offsets(
    connection: Wire, topics: Mapping[str, Topic], log_dirs: LogDirs | None, emit: Emit, gaps: list[Gap]
) -> dict[str, Topic]:
    """Topics with start and end offsets and the sizes of the leaders' replicas. A gap names a topic's partitions."""
    leaders: dict[Place, int] = {}
    missing: dict[Place, str] = {}
    for topic in topics.values():
        for partition in topic.partitions:
            place = (topic.name, partition.partition)
            if partition.leader is None:
                missing[place] = "no leader"
            else:
                leaders[place] = partition.leader
    starts, no_start = wire.offsets(connection, leaders, wire.EARLIEST, emit=emit)
    ends, no_end = wire.offsets(connection, leaders, wire.LATEST, emit=emit)
    sizes = {} if log_dirs is None else log_dirs.sizes
    gaps.extend(() if log_dirs is None else log_dirs.gaps)
    gaps.extend(_offset_gaps({**missing, **no_start, **no_end}))
    return {
        name: replace(
            topic,
            partitions=tuple(_measured(name, partition, starts, ends, sizes) for partition in topic.partitions),
        )
        for name, topic in topics.items()
    }


def _measured(
    topic: str,
    partition: Partition,
    starts: Mapping[Place, int | None],
    ends: Mapping[Place, int | None],
    sizes: Mapping[tuple[str, int, int], int],
) -> Partition:
    place = (topic, partition.partition)
    return replace(
        partition,
        start_offset=starts.get(place),
        end_offset=ends.get(place),
        size_bytes=None if partition.leader is None else sizes.get((*place, partition.leader)),
    )


def _offset_gaps(reasons: Mapping[Place, str]) -> Iterator[Gap]:
    together: dict[tuple[str, str], list[int]] = {}
    for (topic, partition), reason in sorted(reasons.items()):
        together.setdefault((topic, reason), []).append(partition)
    for (topic, reason), partitions in together.items():
        which = f"partition{'s' * (len(partitions) > 1)} {_enumerated(partitions)}"
        yield Remark(resource=Resource("offsets of topic", topic), reason=f"{which}: {reason}")


def _enumerated(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _signs(connection: Wire, metadata: Metadata, groups: Groups, facts: BrokerFacts, gaps: list[Gap]) -> list[Remark]:
    producers, unknown_producers = wire.transactional_ids(connection)
    gaps += unknown_producers
    found = groups.found or ()
    return signs(metadata.topics, found, producers, delegation_tokens=facts.delegation_tokens)
