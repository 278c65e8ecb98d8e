"""A plan read as an answer: is the destination what it ought to be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from kafka_meta.model import Remark
from kafka_meta.plan.actions import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    SetConfigs,
    SetQuota,
    UpsertUser,
    quota_text,
    resource_of,
)
from kafka_meta.plan.draft import Difference, Plan

Verdict: TypeAlias = Literal["equal", "different", "inconclusive"]

SECTIONS = ("topics", "partitions", "configs", "groups", "positions", "acls", "users", "quotas")
KINDS = ("equal", "intended", "missing", "different", "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`counts[section][kind]` for every section and kind: what differs as intended is not counted as equal, too, and
    what differs otherwise not as intended. `unread` is what nobody could compare."""

    verdict: Verdict
    counts: Mapping[str, Mapping[str, int]]
    differences: tuple[Difference, ...]
    intended: tuple[Difference, ...] = ()
    unread: tuple[Remark, ...] = ()


def report(plan: Plan, *, ignore_extra: bool = False) -> Report:
    """What import would still do, and what it leaves alone, are the differences; what it would leave
    as it is on purpose is intended. Differences outweigh what could not be read."""
    differences = [difference for action in plan.actions for difference in _lacking(action)]
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
    for section, item in {_item(each) for each in plan.intended} - {_item(each) for each in differences}:
        counts[section]["intended"] += 1
        counts[section]["equal"] -= item in present
    return Report(
        verdict="different" if differences else "inconclusive" if plan.unread else "equal",
        counts=counts,
        differences=tuple(differences),
        intended=plan.intended,
        unread=plan.unread,
    )


def _lacking(action: Action) -> list[Difference]:
    resource = resource_of(action)
    match action:
        case CreateTopic() | CreateAcl():
            return [Difference(resource=resource, difference="missing")]
        case AddPartitions():
            return [
                Difference(
                    resource=resource,
                    difference="different",
                    aspect="partitions",
                    source=action.total,
                    dest=action.existing,
                )
            ]
        case SetConfigs():
            return [
                Difference(
                    resource=resource,
                    difference="different",
                    aspect=name,
                    source=value,
                    dest=action.previous.get(name),
                )
                for name, value in action.configs.items()
            ]
        case CommitOffsets():
            return [
                Difference(
                    resource=resource,
                    difference="missing",
                    aspect=f"offset {offset.topic}-{offset.partition}",
                    source=offset.offset,
                )
                for offset in action.offsets
            ]
        case UpsertUser():
            return [Difference(resource=resource, difference="missing", aspect=action.mechanism)]
        case SetQuota():
            return [
                Difference(
                    resource=resource,
                    difference="missing" if action.previous.get(name) is None else "different",
                    aspect=name,
                    source=quota_text(value),
                    dest=None if (now := action.previous.get(name)) is None else quota_text(now),
                )
                for name, value in action.values.items()
            ]
        case _:
            assert_never(action)


def _item(difference: Difference) -> tuple[str, str]:
    """What is counted: a topic, group or rule as a whole, however many of its aspects differ; else the aspect."""
    section = _section(difference)
    whole = section in ("topics", "groups", "acls")
    return section, difference.resource if whole else f"{difference.resource} {difference.aspect}"


def _section(difference: Difference) -> str:
    kind = difference.resource.partition(" ")[0]
    aspect = difference.aspect
    if kind == "topic":
        if aspect == "partitions":
            return "partitions"
        return "topics" if aspect in (None, "name", "replicationFactor") else "configs"
    if kind == "group":
        return "positions" if aspect is not None and aspect.startswith("offset ") else "groups"
    return {"acl": "acls", "acls": "acls", "user": "users", "users": "users", "quota": "quotas"}.get(kind, "configs")
