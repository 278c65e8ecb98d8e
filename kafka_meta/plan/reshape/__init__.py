"""Source and policy → what the destination ought to be. Whatever a policy or a limit of the destination says is applied
here, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from kafka_meta.errors import UsageError
from kafka_meta.model import Acl, Quota, Resource, Snapshot, sorted_remarks
from kafka_meta.plan.actions import describe_entity
from kafka_meta.plan.configs import Home, fitted_defaults
from kafka_meta.plan.desired import Desired, DesiredUser
from kafka_meta.plan.narrow import narrowed
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy, Renamed
from kafka_meta.plan.reshape.acls import reshape_acls
from kafka_meta.plan.reshape.groups import reshape_groups
from kafka_meta.plan.reshape.other_configs import reshape_other_configs
from kafka_meta.plan.reshape.topics import destined, reshape_topics
from kafka_meta.plan.scope import is_about, is_selected


def reshape(source: Snapshot, policy: Policy, home: Home) -> Desired:
    """The desired state of a destination that allows what `home` says. Raises UsageError for a rule whose outcome
    Kafka does not allow."""
    notes = Notes()
    whole = source
    source, left = narrowed(whole, policy.selection)
    for remark in left:
        if is_about(Resource(f"{remark.resource.kind}s"), policy.only, source.cluster.security):
            notes.skip(remark.resource, remark.reason)
    defaults = None if source.defaults is None else fitted_defaults(source.defaults, home)
    only = policy.only
    topics = reshape_topics(source, defaults, policy, home, notes) if "topics" in only else None
    groups = reshape_groups(source, policy, notes) if "groups" in only else None
    acls, withheld = reshape_acls(source, whole, policy, notes) if "acls" in only else (None, ())
    users = _reshape_users(source, policy, notes) if "users" in only else None
    quotas = _reshape_quotas(source, policy, notes) if "quotas" in only else None
    others = reshape_other_configs(source, policy, notes) if "other-configs" in only else None
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
        withheld=withheld,
        wider_rights=policy.wider_rights,
        users=users,
        quotas=quotas,
        other_configs=others,
        defaults=defaults,
        security=source.cluster.security,
        features=source.cluster.features,
        names={
            "TOPIC": None if source.topics is None else frozenset(destined(source, policy).values()),
            "GROUP": None
            if source.groups is None
            else frozenset(policy.group_name(each.id) for each in source.groups if policy.selection.group(each.id)),
        },
        other_rules=frozenset(_left_out({*(whole.acls or ())} - {*(source.acls or ())}, policy)),
        left_behind=frozenset(_names_there(source, policy)) - wanted,
        intended=tuple(notes.intended),
        skipped=sorted_remarks(notes.skipped),
        refused=sorted_remarks(notes.refused),
        unread=sorted_remarks(notes.unread),
        warnings=sorted_remarks(notes.warnings),
    )


def _left_out(rules: Iterable[Acl], policy: Policy) -> Iterator[Acl]:
    """Rules that do not move, as they would be on the destination."""
    for acl in rules:
        with suppress(UsageError):  # it could not be there
            yield policy.acl(acl)


def _reshape_users(source: Snapshot, policy: Policy, notes: Notes) -> tuple[DesiredUser, ...] | None:
    if source.users is None:
        notes.skip(Resource("users"), "not in the file")
        return None
    wanted: dict[str, DesiredUser] = {}
    for user in source.users:
        name = policy.user_name(user.name)
        if name in wanted:
            reason = f"--map-principal gives it the name {name}, which user {wanted[name].was} has already"
            notes.refuse(Resource("user", user.name), reason)
            continue
        wanted[name] = DesiredUser(name=name, was=user.name, credentials=user.credentials)
        if name != user.name:
            notes.intend(Resource("user", name), "name", user.name, name, "--map-principal")
    return tuple(wanted.values())


_KINDS = frozenset({"user", "clientId", "ip"})


def _reshape_quotas(source: Snapshot, policy: Policy, notes: Notes) -> tuple[Quota, ...] | None:
    if source.quotas is None:
        notes.skip(Resource("quotas"), "not in the file")
        return None
    wanted: dict[str, Quota] = {}
    taken: dict[str, str] = {}
    for quota in source.quotas:
        here = describe_entity(quota.entity)
        if quota.entity.keys() - _KINDS:
            notes.refuse(Resource("quota", here), "this kafka-meta does not know this kind of quota")
            continue
        entity = _entity(quota.entity, policy)
        there = describe_entity(entity)
        if there in wanted:
            reason = f"it would be that of {there} on the destination, as that of {taken[there]} is"
            notes.refuse(Resource("quota", here), reason)
            continue
        wanted[there], taken[there] = replace(quota, entity=entity), here
        if there != here:
            option = "--map-principal" if entity.get("user") != quota.entity.get("user") else "--map-host"
            notes.intend(Resource("quota", there), "entity", here, there, option)
    return tuple(wanted.values())


def _entity(entity: Mapping[str, str | None], policy: Policy) -> dict[str, str | None]:
    """The entity of a quota on the destination."""
    there = dict(entity)
    if (user := entity.get("user")) is not None:
        there["user"] = policy.user_name(user)
    if (host := entity.get("ip")) is not None:
        there["ip"] = policy.hosts.get(host, host)
    return there


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
