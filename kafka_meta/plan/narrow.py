"""What of a cluster's rules, users and quotas belongs to a selection.

A selection is about names of topics, groups and principals. Rules on a prefix or on the cluster, users and quotas have
no such name. Of a cluster that several teams share, they belong to the selection where they touch it:

- A rule about topics or groups touches it when it covers a topic or a group that is selected.
- With `--include-topics`, a principal touches it when a rule allows it something on one of these topics. Then its user,
  its quotas, its rules about groups and transactional ids and its IDEMPOTENT_WRITE belong to the selection.
  `--include-principals` says it by name instead; then all rules about the cluster belong to it, too.
- A DENY that overlaps an ALLOW of the selection belongs to it, whoever it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kafka_meta.model import Acl, Quota, Remark, Resource, Selection, Snapshot, User
from kafka_meta.plan.actions import describe_acl, describe_entity
from kafka_meta.plan.pattern import Pattern
from kafka_meta.plan.rules import Rules

_ANYWAY = " (--include-principals takes it)"


def narrowed(source: Snapshot, selection: Selection) -> tuple[Snapshot, tuple[Remark, ...]]:
    """The snapshot with those of its rules, users and quotas that belong to the selection, and a remark with the reason
    for each one that does not. Topics and groups are as they were."""
    if not selection.narrows:
        return source, ()
    scope = _Scope(source, selection)
    acls = {acl: scope.why_not_rule(acl) for acl in source.acls or ()}
    acls |= dict.fromkeys(_denying(acls))
    users = [(user, scope.why_not_user(user)) for user in source.users or ()]
    quotas = [(quota, scope.why_not_quota(quota)) for quota in source.quotas or ()]
    left = [
        *((Resource("acl", describe_acl(acl)), reason) for acl, reason in acls.items()),
        *((Resource("user", user.name), reason) for user, reason in users),
        *((Resource("quota", describe_entity(quota.entity)), reason) for quota, reason in quotas),
    ]
    chosen = replace(
        source,
        acls=None if source.acls is None else tuple(acl for acl, reason in acls.items() if reason is None),
        users=None if source.users is None else tuple(user for user, reason in users if reason is None),
        quotas=None if source.quotas is None else tuple(quota for quota, reason in quotas if reason is None),
    )
    return chosen, tuple(Remark(resource=resource, reason=reason) for resource, reason in left if reason is not None)


def principals_of(source: Snapshot) -> frozenset[str] | None:
    """Those that rules, users and quotas name. None where they are not all known."""
    if source.users is None or (source.acls is None and source.cluster.security.authorizer != ""):
        return None
    users = {user.name for user in source.users or ()}
    users |= {user for quota in source.quotas or () if (user := quota.entity.get("user")) is not None}
    return frozenset({acl.principal for acl in source.acls or ()} | {f"User:{name}" for name in users})


def _denying(reasons: Mapping[Acl, str | None]) -> Iterator[Acl]:
    """Each DENY without which a rule of the selection would allow more. `reasons`: of each rule, why it is left out."""
    allows: dict[str, list[Acl]] = {}
    for acl, reason in reasons.items():
        if reason is None and acl.permission == "ALLOW":
            allows.setdefault(acl.resource_type, []).append(acl)
    by_type = {resource_type: Rules(of_type, lambda acl: acl) for resource_type, of_type in allows.items()}
    for acl, reason in reasons.items():
        left_out = reason is not None and acl.permission == "DENY"
        if left_out and acl.resource_type in by_type and any(by_type[acl.resource_type].overlapping(acl)):
            yield acl


class _Scope:
    """A selection, and what of the source it is about."""

    def __init__(self, source: Snapshot, selection: Selection) -> None:
        self._selection = selection
        self._by_topic = selection.include_topics is not None
        """Whether the topics say which principals belong to it. To leave some topics out says nothing about them."""
        self._has_rules = bool(source.acls)
        self._names: Mapping[str, Sequence[str]] = {
            "TOPIC": sorted(filter(selection.topic, (topic.name for topic in source.topics or ()))),
            "GROUP": sorted(filter(selection.group, (group.id for group in source.groups or ()))),
        }
        self._principals: set[str] = set()
        """Those that a rule allows something on a selected topic."""
        for acl in source.acls or ():
            if acl.permission == "ALLOW" and acl.resource_type == "TOPIC" and self._touches(acl):
                self._principals.add(acl.principal)

    def why_not_rule(self, acl: Acl) -> str | None:
        """Why the rule does not belong to the selection, as far as itself tells; None when it does."""
        kind = {"TOPIC": "topic", "GROUP": "group"}.get(acl.resource_type)
        if kind is not None and not self._touches(acl):
            return f"its {kind} is not selected" if acl.pattern_type == "LITERAL" else f"it covers no selected {kind}"
        if kind == "topic":
            return self._why_not_named(acl.principal)
        if (reason := self._why_not(acl.principal)) is not None:
            return reason
        if kind == "group" or self._named or not self._by_topic:
            return None
        own = acl.resource_type == "TRANSACTIONAL_ID" or acl.operation == "IDEMPOTENT_WRITE"
        return None if own and acl.principal != "User:*" else f"it is about more than the selected topics{_ANYWAY}"

    def why_not_user(self, user: User) -> str | None:
        return self._why_not(f"User:{user.name}")

    def why_not_quota(self, quota: Quota) -> str | None:
        user = quota.entity.get("user")
        if user is not None:
            return self._why_not(f"User:{user}")
        if self._named or self._by_topic:
            return "it is not of one user who is selected"
        return None

    @property
    def _named(self) -> bool:
        """Whether the operator has said which principals belong to it."""
        return self._selection.include_principals is not None

    def _selects_by(self, resource_type: str) -> bool:
        """Whether the selection chooses among resources of this type."""
        if resource_type == "TOPIC":
            return self._selection.narrows_topics
        return resource_type == "GROUP" and self._selection.narrows_groups

    def _touches(self, acl: Acl) -> bool:
        """Whether a rule covers something that is selected, or will be when it is there."""
        pattern = Pattern.of(acl)
        if not self._selects_by(acl.resource_type) or pattern.is_all:
            return True
        selects = self._selection.topic if acl.resource_type == "TOPIC" else self._selection.group
        return selects(pattern.name) or (pattern.is_prefix and bool(pattern.among(self._names[acl.resource_type])))

    def _why_not(self, principal: str) -> str | None:
        if (reason := self._why_not_named(principal)) is not None:
            return reason
        if self._named or not self._by_topic or principal in self._principals:
            return None
        if not self._has_rules:
            return f"no ACLs tell whether it uses a selected topic{_ANYWAY}"
        return f"no ACL allows its principal anything on a selected topic{_ANYWAY}"

    def _why_not_named(self, principal: str) -> str | None:
        return None if self._selection.principal(principal) else "its principal is not selected"
