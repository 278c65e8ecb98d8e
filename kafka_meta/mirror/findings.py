"""What a look at the clusters finds: what stops a copy, and what the operator ought to know first."""

from __future__ import annotations

from dataclasses import dataclass, field

from kafka_meta.model import Remark


@dataclass(slots=True, kw_only=True)
class Findings:
    findings: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def find(self, resource: str, reason: str) -> None:
        self.findings.append(Remark(resource=resource, reason=reason))

    def warn(self, resource: str, reason: str) -> None:
        self.warnings.append(Remark(resource=resource, reason=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator has said he knows of."""

    append: bool = False
    until_lso: bool = False
    live_source: bool = False
