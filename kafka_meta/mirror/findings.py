"""What the checks before a copy find: findings prevent the copy, warnings are what the operator should know first."""

from __future__ import annotations

from dataclasses import dataclass, field

from kafka_meta.journal import Place
from kafka_meta.model import Remark, Resource


@dataclass(slots=True, kw_only=True)
class Findings:
    findings: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    stopped: dict[Place, str] = field(default_factory=dict)
    """Partitions whose copy cannot go on, where that does not stop the others."""

    def find(self, resource: Resource, reason: str) -> None:
        self.findings.append(Remark(resource=resource, reason=reason))

    def stop(self, place: Place, resource: Resource, reason: str) -> None:
        self.warn(resource, reason)
        self.stopped[place] = reason

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
