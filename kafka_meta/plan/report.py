"""A plan as an answer: is the destination as it should be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta.model import Remark, Resource
from kafka_meta.plan.differences import Difference
from kafka_meta.plan.draft import Plan

Verdict: TypeAlias = Literal["equal", "different", "inconclusive"]

SECTIONS = ("topics", "partitions", "configs", "groups", "positions", "acls", "users", "quotas", "otherConfigs")
KINDS = ("equal", "intended", "missing", "different", "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`counts[section][kind]` has every section and kind. Each item is counted once: "different" goes before
    "intended", and "intended" before "equal". `unread` is what could not be compared."""

    verdict: Verdict
    counts: Mapping[str, Mapping[str, int]]
    differences: tuple[Difference, ...]
    intended: tuple[Difference, ...] = ()
    unread: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    """What may make the destination behave differently, and does not decide the verdict."""


def report(plan: Plan, *, ignore_extra: bool = False) -> Report:
    """The differences are the plan's actions, drift, refused and extra (without extra under `ignore_extra`).

    The verdict is "different" if there is a difference, else "inconclusive" if something could not be read, else
    "equal".
    """
    differences = [difference for action in plan.actions for difference in action.differences]
    differences += plan.drift
    differences += (Difference(resource=r.resource, difference="missing", reason=r.reason) for r in plan.refused)
    if not ignore_extra:
        differences += plan.extra
    counts = {section: dict.fromkeys(KINDS, 0) for section in SECTIONS}
    for section, count in plan.equal.items():
        counts[section]["equal"] = count
    for difference in differences:
        counts[_section(difference)][difference.difference] += 1
    present = frozenset(plan.present)
    for section, resource, _ in {_item(each) for each in plan.intended} - {_item(each) for each in differences}:
        counts[section]["intended"] += 1
        counts[section]["equal"] -= section in _WHOLE and resource in present
    return Report(
        verdict="different" if differences else "inconclusive" if plan.unread else "equal",
        counts=counts,
        differences=tuple(differences),
        intended=plan.intended,
        unread=plan.unread,
        warnings=plan.warnings,
    )


_WHOLE = frozenset({"topics", "groups", "acls"})
"""The sections in which a resource counts once, however much of it differs."""


def _item(difference: Difference) -> tuple[str, Resource, str | None]:
    """What is counted once: a topic, group or ACL, however many of its aspects differ. In other sections each aspect
    counts."""
    section = _section(difference)
    return section, difference.resource, None if section in _WHOLE else difference.aspect


def _section(difference: Difference) -> str:
    aspect = difference.aspect
    match difference.resource.kind:
        case "topic" if aspect == "partitions":
            return "partitions"
        case "topic" if aspect in (None, "name", "replicationFactor"):
            return "topics"
        case "group":
            return "groups" if aspect in (None, "name") else "positions"
        case "acl" | "acls" | "cluster":
            return "acls"
        case "user" | "users":
            return "users"
        case "quota":
            return "quotas"
        case "configs of group" | "client metrics" | "configs of all brokers" | "other configs":
            return "otherConfigs"
    return "configs"
