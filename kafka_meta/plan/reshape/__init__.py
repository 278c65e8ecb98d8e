"""Source and policy → what the destination ought to be. Whatever a policy or a limit of the destination says is applied
here, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kafka_meta.model import Quota, Resource, Snapshot, User, sorted_remarks
from kafka_meta.plan.actions import describe_entity
from kafka_meta.plan.configs import Home, fitted_defaults
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy, Renamed
from kafka_meta.plan.reshape.acls import reshape_acls
from kafka_meta.plan.reshape.groups import reshape_groups
from kafka_meta.plan.reshape.topics import reshape_topics
from kafka_meta.plan.scope import is_about, is_selected


def reshape(source: Snapshot, policy: Policy, home: Home) -> Desired:
    """The desired state of a destination that allows what `home` says. Raises UsageError for a rule whose outcome
    Kafka does not allow."""
    notes = Notes()
    defaults = None if source.defaults is None else fitted_defaults(source.defaults, home)
    only = policy.only
    topics = reshape_topics(source, defaults, policy, home, notes) if "topics" in only else None
    groups = reshape_groups(source, policy, notes) if "groups" in only else None
    acls = reshape_acls(source, policy, notes) if "acls" in only else None
    users = _reshape_users(source, notes) if "users" in only else None
    quotas = _reshape_quotas(source, notes) if "quotas" in only else None
    _note_gaps(source, policy, notes)
    wanted = {Resource("topic", topic.name) for topic in topics or ()}
    wanted |= {Resource("group", group.id) for group in groups or ()}
    return Desired(
        source_id=source.cluster.id,
        sections=only,
        selection=policy.selection,
        topics=topics,
        groups=groups,
        group_offsets=policy.group_offsets,
        acls=acls,
        users=users,
        quotas=quotas,
        defaults=defaults,
        security=source.cluster.security,
        left_behind=frozenset(_names_there(source, policy)) - wanted,
        intended=tuple(notes.intended),
        skipped=sorted_remarks(notes.skipped),
        refused=sorted_remarks(notes.refused),
        unread=sorted_remarks(notes.unread),
        warnings=sorted_remarks(notes.warnings),
    )


def _reshape_users(source: Snapshot, notes: Notes) -> tuple[User, ...] | None:
    if source.users is None:
        notes.skip(Resource("users"), "not in the file")
    return source.users


_KINDS = frozenset({"user", "clientId", "ip"})


def _reshape_quotas(source: Snapshot, notes: Notes) -> tuple[Quota, ...] | None:
    if source.quotas is None:
        notes.skip(Resource("quotas"), "not in the file")
        return None
    known: list[Quota] = []
    for quota in source.quotas:
        if quota.entity.keys() - _KINDS:
            resource = Resource("quota", describe_entity(quota.entity))
            notes.refuse(resource, "this kafka-meta does not know this kind of quota")
        else:
            known.append(quota)
    return tuple(known)


def _names_there(source: Snapshot, policy: Policy) -> Iterator[Resource]:
    """What the names of all topics and groups of the source would be on the destination."""
    yield from _renamed(policy, "topic", (topic.name for topic in source.topics or ()))
    yield from _renamed(policy, "group", (group.id for group in source.groups or ()))


def _renamed(policy: Policy, kind: Renamed, names: Iterable[str]) -> Iterator[Resource]:
    return (Resource(kind, policy.renamed(kind, name)) for name in names)


def _note_gaps(source: Snapshot, policy: Policy, notes: Notes) -> None:
    """What has a gap could not be compared. Gaps of what is not compared are warnings."""
    for gap in source.gaps:
        reason = f"not read on the source: {gap.reason}"
        if not is_about(gap.resource, policy.only, source.cluster.security):
            notes.warn(gap.resource, reason)
        elif is_selected(gap.resource, policy.selection):
            notes.cannot_compare(gap.resource, reason)
