"""Readers → one Snapshot: from ZooKeeper, from the brokers, or from both. Every disagreement is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from typing import Literal, TypeVar

from kafka_meta import cluster, zookeeper
from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.events import Emit
from kafka_meta.model import (
    Acl,
    Cluster,
    Quota,
    Remark,
    Resource,
    ScramCredential,
    Selection,
    Snapshot,
    Topic,
    Unmatched,
    User,
    sorted_remarks,
)
from kafka_meta.plan import plural
from kafka_meta.plan.configs import same_value
from kafka_meta.plan.narrow import narrowed, principals_of
from kafka_meta.settings import ClusterSettings

_T = TypeVar("_T")

ALL_CONFIGS = Resource("configs of topics")

KEYS_GAP = Remark(
    resource=Resource("keys of users"), reason="brokers never return them: only ZooKeeper does (--source-zk-connect)"
)


def export(
    source: ClusterSettings,
    selection: Selection,
    *,
    emit: Emit,
    taken_at_ms: int,
    secrets: bool = False,
    sizes: bool = True,
) -> Snapshot:
    """What is on the source, from its brokers, its ZooKeeper, or both: whichever has an address in `source`.

    Raises UsageError when neither has one. Raises KafkaMetaError when one cannot be reached, or when the two are
    different clusters.
    """
    if source.zookeeper is None and not source.bootstrap_servers:
        raise UsageError("no address of the source is given", "Use --source-bootstrap-servers or --source-zk-connect.")
    whole = _read(source, selection, emit=emit, taken_at_ms=taken_at_ms, secrets=secrets, sizes=sizes)
    chosen, left = narrowed(whole, selection)
    unmatched = (*whole.unmatched, *selection.unmatched(principals=principals_of(whole)))
    return replace(chosen, left_out=sorted_remarks((*chosen.left_out, *left)), unmatched=unmatched)


def _read(
    source: ClusterSettings, selection: Selection, *, emit: Emit, taken_at_ms: int, secrets: bool, sizes: bool
) -> Snapshot:
    if source.zookeeper is None:
        snapshot = cluster.read(source, selection, emit=emit, taken_at_ms=taken_at_ms, sizes=sizes)
        return replace(snapshot, gaps=sorted_remarks((*snapshot.gaps, KEYS_GAP))) if secrets else snapshot
    if not source.bootstrap_servers:
        return zookeeper.read(source.zookeeper, selection, emit=emit, secrets=secrets, taken_at_ms=taken_at_ms)
    zookeeper_settings = source.zookeeper
    in_zookeeper = background(
        lambda: zookeeper.read(
            zookeeper_settings, selection, emit=emit, secrets=secrets, states=False, taken_at_ms=taken_at_ms
        )
    )
    in_brokers = cluster.read(source, selection, emit=emit, taken_at_ms=taken_at_ms, sizes=sizes)
    return merge(in_zookeeper.result(), in_brokers)


def read_dest(
    dest: ClusterSettings,
    *,
    sections: Set[str],
    include_internal: bool = False,
    configured: Collection[str] = (),
    emit: Emit,
    taken_at_ms: int,
) -> Snapshot:
    """The destination as it is: these sections of it, without the offsets of its logs. `configured`: groups that may
    have configs.

    It is read from the brokers. Old brokers do not return users and quotas: these are read from ZooKeeper when its
    address is given. Raises KafkaMetaError when one cannot be reached, or when the two are different clusters.
    """
    everything = Selection(include_internal=include_internal)
    in_brokers = cluster.read(
        dest,
        everything,
        emit=emit,
        taken_at_ms=taken_at_ms,
        sections=sections,
        offsets=False,
        configured=configured,
    )
    unread = {name for name in sections & {"users", "quotas"} if getattr(in_brokers, name) is None}
    if dest.zookeeper is None or not unread:
        return in_brokers
    return merge(zookeeper.read_users_and_quotas(dest.zookeeper, emit=emit), in_brokers, side="dest")


def merge(in_zookeeper: Snapshot, in_brokers: Snapshot, *, side: Literal["source", "dest"] = "source") -> Snapshot:
    """One snapshot from two views of the same cluster.

    Where both have a value, the brokers' value is taken: clients see that one. ZooKeeper's fills what the brokers did
    not return. Raises KafkaMetaError when the cluster ids differ.
    """
    one, other = in_zookeeper.cluster.id, in_brokers.cluster.id
    if one is not None and other is not None and one != other:
        raise KafkaMetaError(
            f"two different clusters: the cluster id is {one} in ZooKeeper and {other} in the brokers",
            f"Check --{side}-zk-connect (is the chroot right?) and --{side}-bootstrap-servers.",
        )
    disagreements: list[Remark] = []
    topics = _merge_topics(in_zookeeper, in_brokers, disagreements)
    acls = _merge_acls(in_zookeeper.acls, in_brokers.acls, disagreements)
    groups = in_zookeeper.groups if in_brokers.groups is None else (*in_brokers.groups, *(in_zookeeper.groups or ()))
    _compare_brokers(in_zookeeper.cluster, in_brokers.cluster, disagreements)
    merged = replace(
        in_brokers,
        cluster=replace(
            in_brokers.cluster,
            id=other or one,
            mode=in_brokers.cluster.mode or in_zookeeper.cluster.mode,
            version=in_brokers.cluster.version or in_zookeeper.cluster.version,
            controller_id=_first(in_brokers.cluster.controller_id, in_zookeeper.cluster.controller_id),
            brokers=in_brokers.cluster.brokers or in_zookeeper.cluster.brokers,
        ),
        topics=topics,
        groups=groups,
        acls=acls,
        users=_merge_users(in_zookeeper.users, in_brokers.users, disagreements),
        quotas=_merge_quotas(in_zookeeper.quotas, in_brokers.quotas, disagreements),
        other_configs=_first(in_brokers.other_configs, in_zookeeper.other_configs),
        defaults=_first(in_brokers.defaults, in_zookeeper.defaults),
        left_out=_merge_left_out(in_zookeeper.left_out, in_brokers.left_out),
        disagreements=sorted_remarks((*in_zookeeper.disagreements, *in_brokers.disagreements, *disagreements)),
        signs=sorted_remarks((*in_zookeeper.signs, *in_brokers.signs)),
        unmatched=_merge_unmatched(in_zookeeper, in_brokers),
    )
    return replace(merged, gaps=_remaining_gaps(in_zookeeper, in_brokers, merged))


def _merge_topics(one: Snapshot, other: Snapshot, disagreements: list[Remark]) -> tuple[Topic, ...] | None:
    if one.topics is None or other.topics is None:
        return _first(other.topics, one.topics)
    in_zookeeper = {topic.name: topic for topic in one.topics}
    in_brokers = {topic.name: topic for topic in other.topics}
    left_out = {remark.resource for remark in (*one.left_out, *other.left_out)}
    merged: list[Topic] = []
    for name in sorted(in_zookeeper.keys() | in_brokers.keys()):
        # Brokers still list a topic that is being deleted; ZooKeeper's view leaves it out.
        if Resource("topic", name) in left_out:
            continue
        here, there = in_zookeeper.get(name), in_brokers.get(name)
        if here is None or there is None:
            only = "the brokers have" if here is None else "ZooKeeper has"
            disagreements.append(Remark(resource=Resource("topic", name), reason=f"only {only} it"))
            merged.extend(topic for topic in (here, there) if topic is not None)
        else:
            merged.append(_merge_topic(here, there, disagreements))
    return tuple(merged)


def _merge_topic(here: Topic, there: Topic, disagreements: list[Remark]) -> Topic:
    def disagree(what: str, in_zookeeper: object, in_brokers: object) -> None:
        reason = f"{what}: {in_zookeeper} in ZooKeeper, {in_brokers} in the brokers"
        disagreements.append(Remark(resource=Resource("topic", there.name), reason=reason))

    if len(here.partitions) != len(there.partitions):
        disagree("partitions", len(here.partitions), len(there.partitions))
    for mine, theirs in zip(here.partitions, there.partitions, strict=False):
        if mine.replicas != theirs.replicas:
            disagree(f"replicas of partition {mine.partition}", list(mine.replicas), list(theirs.replicas))
    if here.id is not None and there.id is not None and here.id != there.id:
        disagree("topic id", here.id, there.id)
    if here.configs is not None and there.configs is not None:
        for config in sorted(here.configs.keys() | there.configs.keys()):
            mine_value, their_value = here.configs.get(config), there.configs.get(config)
            if not same_value(config, mine_value, their_value):
                disagree(config, mine_value, their_value)
    return replace(
        there,
        id=there.id or here.id,
        internal=there.internal or here.internal,
        partitions=there.partitions or here.partitions,
        configs=_first(there.configs, here.configs),
    )


def _merge_acls(
    in_zookeeper: tuple[Acl, ...] | None, in_brokers: tuple[Acl, ...] | None, disagreements: list[Remark]
) -> tuple[Acl, ...] | None:
    if in_zookeeper is None or in_brokers is None:
        return _first(in_brokers, in_zookeeper)
    only_here, only_there = set(in_zookeeper) - set(in_brokers), set(in_brokers) - set(in_zookeeper)
    if only_here or only_there:
        here = plural(len(only_here), "ACL")
        reason = f"{here} only in ZooKeeper, {len(only_there):,} only in the brokers; those of the brokers are taken"
        disagreements.append(Remark(resource=Resource("acls"), reason=reason))
    return in_brokers


def _merge_users(
    in_zookeeper: tuple[User, ...] | None, in_brokers: tuple[User, ...] | None, disagreements: list[Remark]
) -> tuple[User, ...] | None:
    """The credentials of both, by user and mechanism. ZooKeeper's go first: only they can have keys."""
    if in_zookeeper is None or in_brokers is None:
        return _first(in_zookeeper, in_brokers)
    here, there = (
        {(user.name, credential.mechanism, credential.iterations) for user in users for credential in user.credentials}
        for users in (in_zookeeper, in_brokers)
    )
    _compare_parts("users", here, there, disagreements)
    merged: dict[str, dict[str, ScramCredential]] = {}
    for user in (*in_brokers, *in_zookeeper):
        merged.setdefault(user.name, {}).update({each.mechanism: each for each in user.credentials})
    return tuple(
        User(name=name, credentials=tuple(merged[name][mechanism] for mechanism in sorted(merged[name])))
        for name in sorted(merged)
    )


def _merge_quotas(
    in_zookeeper: tuple[Quota, ...] | None, in_brokers: tuple[Quota, ...] | None, disagreements: list[Remark]
) -> tuple[Quota, ...] | None:
    if in_zookeeper is None or in_brokers is None:
        return _first(in_brokers, in_zookeeper)
    here, there = (
        {(frozenset(quota.entity.items()), *value) for quota in quotas for value in quota.values.items()}
        for quotas in (in_zookeeper, in_brokers)
    )
    _compare_parts("quotas", here, there, disagreements)
    return in_brokers


def _compare_parts(section: str, here: Set[object], there: Set[object], disagreements: list[Remark]) -> None:
    if here != there:
        reason = f"{len(here - there)} only in ZooKeeper, {len(there - here)} only in the brokers"
        disagreements.append(Remark(resource=Resource(section), reason=reason))


def _compare_brokers(one: Cluster, other: Cluster, disagreements: list[Remark]) -> None:
    here, there = {broker.id for broker in one.brokers}, {broker.id for broker in other.brokers}
    if here and there and here != there:
        reason = f"live brokers: {sorted(here)} in ZooKeeper, {sorted(there)} in the brokers' metadata"
        disagreements.append(Remark(resource=Resource("cluster"), reason=reason))


def _merge_left_out(one: Iterable[Remark], other: Iterable[Remark]) -> tuple[Remark, ...]:
    """One remark for each resource. ZooKeeper's reason goes first: "being deleted" says more than "internal"."""
    reasons: dict[Resource, Remark] = {}
    for remark in (*one, *other):
        reasons.setdefault(remark.resource, remark)
    return sorted_remarks(reasons.values())


def _merge_unmatched(one: Snapshot, other: Snapshot) -> tuple[Unmatched, ...]:
    """The expressions that match no name in either view. A view without the section does not count."""
    found: dict[str, Unmatched] = {}
    for mine, theirs in ((other, one), (one, other)):
        elsewhere = {each.option: each.names for each in theirs.unmatched}
        for each in mine.unmatched:
            if each.option in elsewhere or getattr(theirs, each.section) is None:
                found.setdefault(each.option, replace(each, names=max(each.names, elsewhere.get(each.option, 0))))
    return tuple(found.values())


def _remaining_gaps(in_zookeeper: Snapshot, in_brokers: Snapshot, merged: Snapshot) -> tuple[Remark, ...]:
    """Gaps of one side that the other side has not filled."""
    sections: Mapping[str, object] = {
        name: getattr(merged, name) for name in ("topics", "groups", "acls", "users", "quotas", "defaults")
    }
    configured = {
        Resource("configs of topic", topic.name) for topic in merged.topics or () if topic.configs is not None
    }

    in_both = {Resource("topic", topic.name) for topic in in_zookeeper.topics or ()}

    def filled(gap: Remark, own: Snapshot) -> bool:
        if gap == zookeeper.GROUPS_GAP:
            return in_brokers.groups is not None
        if gap.resource in configured:
            return True
        if own is in_brokers and gap.resource in in_both:
            return True  # ZooKeeper shows a topic that we may not describe
        if gap.resource == ALL_CONFIGS:
            return len(configured) == len(merged.topics or ())
        # A section that its own side has read in part keeps its gaps. Groups of the brokers never fill a gap of
        # ZooKeeper's groups, nor the other way round: they are different groups.
        return (
            gap.resource.kind != "groups"
            and sections.get(gap.resource.kind) is not None
            and getattr(own, gap.resource.kind) is None
        )

    return sorted_remarks(gap for own in (in_zookeeper, in_brokers) for gap in own.gaps if not filled(gap, own))


def _first(one: _T | None, other: _T | None) -> _T | None:
    return other if one is None else one
