"""What is noted on the way to a plan: what differs as intended, what does not move, what nobody knows."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from kafka_meta.model import Acl, Remark, Resource
from kafka_meta.plan.actions import describe_acl
from kafka_meta.plan.differences import Difference, Value


@dataclass(slots=True, kw_only=True)
class Notes:
    """`reshape` and `compare` write into it. With `Draft` it is the only mutable type in this room."""

    intended: list[Difference] = field(default_factory=list)
    skipped: list[Remark] = field(default_factory=list)
    refused: list[Remark] = field(default_factory=list)
    unread: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def skip(self, resource: Resource, reason: str) -> None:
        self.skipped.append(Remark(resource=resource, reason=reason))

    def refuse(self, resource: Resource, reason: str) -> None:
        self.refused.append(Remark(resource=resource, reason=reason))

    def cannot_compare(self, resource: Resource, reason: str) -> None:
        self.unread.append(Remark(resource=resource, reason=reason))

    def warn(self, resource: Resource, reason: str) -> None:
        self.warnings.append(Remark(resource=resource, reason=reason))

    def allow_wider(self, acl: Acl, why: str, allowed: Set[str]) -> bool:
        """Whether the operator has named this ACL, which would allow more than on the source. It is refused if not."""
        words = describe_acl(acl)
        if words in allowed:
            self.warn(Resource("acl", words), f"--allow-wider-rights: {why}")
        else:
            self.refuse(Resource("acl", words), f"{why}. To allow it, name it: --allow-wider-rights")
        return words in allowed

    def intend(self, resource: Resource, aspect: str, source: Value, dest: Value, reason: str) -> None:
        self.intended.append(different(resource, aspect, source, dest, reason))


def different(resource: Resource, aspect: str, source: Value, dest: Value, reason: str) -> Difference:
    return Difference(resource=resource, difference="different", aspect=aspect, source=source, dest=dest, reason=reason)
