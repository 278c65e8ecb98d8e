"""ACLs: which of them overlap, and whether the operator who imports them keeps the right to manage the cluster.

They match as in AclAuthorizer and StandardAuthorizer: any matching DENY wins. ALL covers every operation. An ALLOW of
READ, WRITE, DELETE or ALTER implies DESCRIBE, one of ALTER_CONFIGS implies DESCRIBE_CONFIGS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import attrgetter

from kafka_meta.model import Acl
from kafka_meta.plan.pattern import Pattern

CLUSTER_RESOURCE = "kafka-cluster"

_IMPLIED_BY: dict[str, frozenset[str]] = {
    "DESCRIBE": frozenset({"READ", "WRITE", "DELETE", "ALTER"}),
    "DESCRIBE_CONFIGS": frozenset({"ALTER_CONFIGS"}),
}


def overlap(one: Acl, other: Acl) -> bool:
    """Whether both ACLs can apply to the same principal, host, operation and resource."""
    return one.resource_type == other.resource_type and Pattern.of(one).meets(Pattern.of(other)) and meet(one, other)


def meet(one: Acl, other: Acl) -> bool:
    """Whether both ACLs can apply to the same principal, host and operation."""
    return (
        _one_of(one.principal, other.principal, any_word="User:*")
        and _one_of(one.host, other.host, any_word="*")
        and _operations_meet(one, other)
    )


def includes(one: Acl, other: Acl) -> bool:
    """Whether the first applies to every principal, host and operation to which the second applies. Both have the same
    permission."""
    return (
        one.principal in (other.principal, "User:*")
        and one.host in (other.host, "*")
        and (one.operation == "ALL" or _operations(other) <= _operations(one))
    )


def gives(one: Acl, other: Acl) -> bool:
    """Whether the first ALLOW allows everything that the second one allows."""
    return (
        one.permission == other.permission == "ALLOW"
        and one.resource_type == other.resource_type
        and Pattern.of(one).includes(Pattern.of(other))
        and includes(one, other)
    )


def matches(acl: Acl, *, resource_type: str, resource_name: str, principal: str, operation: str) -> bool:
    """Whether the ACL applies to a request. Every host matches: we do not know which host the broker sees."""
    if acl.resource_type != resource_type or acl.principal not in (principal, "User:*"):
        return False
    return Pattern.of(acl).covers(resource_name) and (acl.operation == "ALL" or operation in _operations(acl))


def may_alter_cluster(principal: str, acls: Iterable[Acl], *, without_rules: bool) -> bool:
    """Whether `acls` allow a principal who is not a super user to manage ACLs and topics.

    `without_rules` is the answer where no ACL is about the cluster resource (`allow.everyone.if.no.acl.found`).
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
    """DENY before ALLOW: otherwise a right would exist until its DENY is created. Within each, ACLs about the cluster
    come last: they may end our own right to create the others."""
    return sorted(acls, key=lambda acl: (acl.permission != "DENY", acl.resource_type == "CLUSTER", as_tuple(acl)))


as_tuple: Callable[[Acl], tuple[str, ...]] = attrgetter(*(field.name for field in fields(Acl)))
"""What an ACL is ordered by. Of tens of thousands of ACLs, tuples are sorted much faster than dataclasses."""


def _one_of(one: str, other: str, *, any_word: str) -> bool:
    return one == other or any_word in (one, other)


def _operations_meet(one: Acl, other: Acl) -> bool:
    return "ALL" in (one.operation, other.operation) or not _operations(one).isdisjoint(_operations(other))


def _operations(acl: Acl) -> frozenset[str]:
    """With the implied ones: an ALLOW of READ also allows DESCRIBE, so it overlaps a DENY of DESCRIBE."""
    implied = (operation for operation, by in _IMPLIED_BY.items() if acl.permission == "ALLOW" and acl.operation in by)
    return frozenset((acl.operation, *implied))
