"""Access rules: which overlap, and whether the one who imports them keeps their own rights.

Matching is that of AclAuthorizer and StandardAuthorizer: any matching DENY wins; ALL covers every
operation; READ, WRITE, DELETE and ALTER imply DESCRIBE, ALTER_CONFIGS implies DESCRIBE_CONFIGS.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka_meta.model import Acl

CLUSTER_RESOURCE = "kafka-cluster"

_IMPLIED_BY: dict[str, frozenset[str]] = {
    "DESCRIBE": frozenset({"READ", "WRITE", "DELETE", "ALTER"}),
    "DESCRIBE_CONFIGS": frozenset({"ALTER_CONFIGS"}),
}


def overlap(one: Acl, other: Acl) -> bool:
    """Whether some principal, host, operation and resource exists to which both rules apply."""
    return (
        one.resource_type == other.resource_type
        and _one_of(one.principal, other.principal, any_word="User:*")
        and _one_of(one.host, other.host, any_word="*")
        and _operations_meet(one, other)
        and _patterns_meet(one, other)
    )


def matches(acl: Acl, *, resource_type: str, resource_name: str, principal: str, operation: str) -> bool:
    """Whether the rule applies to a request; the host is taken as matching (ours is not known to us)."""
    if acl.resource_type != resource_type or acl.principal not in (principal, "User:*"):
        return False
    if acl.pattern_type == "PREFIXED":
        if not resource_name.startswith(acl.resource_name):
            return False
    elif acl.resource_name not in (resource_name, "*"):
        return False
    return acl.operation == "ALL" or operation in _operations(acl)


def may_alter_cluster(principal: str, acls: Iterable[Acl], *, without_rules: bool) -> bool:
    """Whether a principal who is no super user may manage access rules and topics under `acls`.

    `without_rules`: the broker's answer where no rule at all is about the cluster resource
    (`allow.everyone.if.no.acl.found`).
    """
    about_cluster = [acl for acl in acls if acl.resource_type == "CLUSTER"]
    if not about_cluster:
        return without_rules
    applying = [
        acl
        for acl in about_cluster
        if matches(acl, resource_type="CLUSTER", resource_name=CLUSTER_RESOURCE, principal=principal, operation="ALTER")
    ]
    return bool(applying) and all(acl.permission == "ALLOW" for acl in applying)


def in_order(acls: Iterable[Acl]) -> list[Acl]:
    """DENY before ALLOW, so that no right exists for a moment that a DENY is about to take away;
    rules about the cluster last of their kind, since they may end our own right to go on."""
    return sorted(acls, key=lambda acl: (acl.permission != "DENY", acl.resource_type == "CLUSTER", acl))


def _one_of(one: str, other: str, *, any_word: str) -> bool:
    return one == other or any_word in (one, other)


def _operations_meet(one: Acl, other: Acl) -> bool:
    return "ALL" in (one.operation, other.operation) or not _operations(one).isdisjoint(_operations(other))


def _operations(acl: Acl) -> frozenset[str]:
    """An ALLOW of READ also allows DESCRIBE, so a DENY of DESCRIBE meets it."""
    implied = (operation for operation, by in _IMPLIED_BY.items() if acl.permission == "ALLOW" and acl.operation in by)
    return frozenset((acl.operation, *implied))


def _patterns_meet(one: Acl, other: Acl) -> bool:
    if "*" in (_literal(one), _literal(other)):
        return True
    if one.pattern_type == "PREFIXED" and other.pattern_type == "PREFIXED":
        return one.resource_name.startswith(other.resource_name) or other.resource_name.startswith(one.resource_name)
    if one.pattern_type == "PREFIXED":
        return other.resource_name.startswith(one.resource_name)
    if other.pattern_type == "PREFIXED":
        return one.resource_name.startswith(other.resource_name)
    return one.resource_name == other.resource_name


def _literal(acl: Acl) -> str | None:
    return acl.resource_name if acl.pattern_type == "LITERAL" else None
