"""What the checks before a copy find: findings prevent the copy, warnings are what the operator should know first."""

from __future__ import annotations

from dataclasses import dataclass, field

from kafka_meta.model import Remark, Resource


@dataclass(slots=True, kw_only=True)
class Findings:
    findings: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def find(self, resource: Resource, reason: str) -> None:
        self.findings.append(Remark(resource=resource, reason=reason))

    def warn(self, resource: Resource, reason: str) -> None:
        self.warnings.append(Remark(resource=resource, reason=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator has allowed by an option."""

    append: bool = False
    until_lso: bool = False
    live_source: bool = False
    no_guard: bool = False
    same_id: bool = False
    follow: bool = False
    """The copy goes on: clients may write and read, and open transactions are waited for while it goes on."""
