"""ACLs of every resource type, all in one answer.

librdkafka does not know delegation tokens and users as resources, and crashes above about 55,000 ACLs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from kafka_meta.model import Acl, Gap, PatternType, Permission, Remark, Resource
from kafka_meta.wire.connection import OPERATIONS, BrokerId, Unanswered, Wire, error_text, is_retriable

_ANY = 1
_RESOURCES: Mapping[int, str] = {
    2: "TOPIC",
    3: "GROUP",
    4: "CLUSTER",
    5: "TRANSACTIONAL_ID",
    6: "DELEGATION_TOKEN",
    7: "USER",
}
_PATTERNS: Mapping[int, PatternType] = {3: "LITERAL", 4: "PREFIXED"}
_PERMISSIONS: Mapping[int, Permission] = {2: "DENY", 3: "ALLOW"}
_OPERATIONS: Mapping[int, str] = {2: "ALL", **OPERATIONS}
_SECURITY_DISABLED = 54

_SINCE: Mapping[str, tuple[int, ...]] = {
    "PREFIXED": (2, 0),  # KIP-290
    "DELEGATION_TOKEN": (1, 1),  # KIP-48
    "USER": (3, 3),  # KIP-373, also the next two
    "CREATE_TOKENS": (3, 3),
    "DESCRIBE_TOKENS": (3, 3),
    "TWO_PHASE_COMMIT": (4, 0),  # KIP-939
}

NO_AUTHORIZER = "the cluster has no authorizer (SECURITY_DISABLED)"


def acls(wire: Wire, broker: BrokerId | None = None) -> tuple[tuple[Acl, ...] | None, tuple[Gap, ...]]:
    """All ACLs, sorted, as this broker knows them (any broker unless told); None when they could not be read, for
    example where the cluster has no authorizer."""
    try:
        answer = wire.ask(
            DescribeAclsRequest(
                resource_type_filter=_ANY,
                resource_name_filter=None,
                # Since 2.0 (KIP-290); before, all are literal and the field is not sent.
                pattern_type_filter=_ANY,
                principal_filter=None,
                host_filter=None,
                operation=_ANY,
                permission_type=_ANY,
            ),
            broker,
        )
    except Unanswered as silence:
        return None, (Remark(resource=Resource("acls"), reason=silence.reason),)
    if answer.error_code == _SECURITY_DISABLED:
        return None, (Remark(resource=Resource("acls"), reason=NO_AUTHORIZER),)
    if answer.error_code:
        return None, (Remark(resource=Resource("acls"), reason=error_text(answer.error_code, answer.error_message)),)
    rules = [_acl(resource, rule) for resource in answer.resources for rule in resource.acls]
    unknown = rules.count(None)
    reason = f"{unknown} of a kind that this kafka-meta does not know"
    gaps = (Remark(resource=Resource("acls"), reason=reason),) if unknown else ()
    return tuple(sorted({rule for rule in rules if rule is not None})), gaps


def _acl(resource: Any, rule: Any) -> Acl | None:
    try:
        return Acl(
            resource_type=_RESOURCES[resource.resource_type],
            resource_name=resource.resource_name,
            pattern_type=_PATTERNS[resource.pattern_type],
            principal=rule.principal,
            host=rule.host,
            operation=_OPERATIONS[rule.operation],
            permission=_PERMISSIONS[rule.permission_type],
        )
    except KeyError:
        return None


def create_acls(wire: Wire, rules: Sequence[Acl]) -> list[Unanswered | None]:
    """For each rule, in order: None when it exists now, new or not; else why it does not. Raises `Unanswered`."""
    outcomes: dict[Acl, Unanswered | None] = {rule: _refusal(wire, rule) for rule in rules}
    taken = [rule for rule, refusal in outcomes.items() if refusal is None]
    if taken:
        answer = wire.ask(CreateAclsRequest(creations=[_creation(rule) for rule in taken]))
        for rule, result in zip(taken, answer.results, strict=True):
            if result.error_code:
                text = error_text(result.error_code, result.error_message)
                outcomes[rule] = Unanswered(text, retriable=is_retriable(result.error_code))
    return [outcomes[rule] for rule in rules]


def _refusal(wire: Wire, rule: Acl) -> Unanswered | None:
    """Why a rule must not be sent: brokers close the connection on a name that they do not know, and no rule of the
    request gets an answer.

    In v0 there is no field for the pattern, and a prefixed rule would become a literal one.
    """
    for word, known in (
        (rule.resource_type, _RESOURCES),
        (rule.pattern_type, _PATTERNS),
        (rule.operation, _OPERATIONS),
        (rule.permission, _PERMISSIONS),
    ):
        if word not in known.values():
            return Unanswered(f"this kafka-meta does not know {word} in an ACL")
        since = _SINCE.get(word)
        if since is not None and wire.release is not None and wire.release < since:
            return Unanswered(
                f"the brokers do not support {word} in ACLs (Kafka does since {'.'.join(map(str, since))})"
            )
    return None


def _creation(rule: Acl) -> Any:
    return CreateAclsRequest.AclCreation(
        resource_type=_code(_RESOURCES, rule.resource_type),
        resource_name=rule.resource_name,
        resource_pattern_type=_code(_PATTERNS, rule.pattern_type),
        principal=rule.principal,
        host=rule.host,
        operation=_code(_OPERATIONS, rule.operation),
        permission_type=_code(_PERMISSIONS, rule.permission),
    )


def _code(names: Mapping[int, str], name: str) -> int:
    return next(code for code, known in names.items() if known == name)
