"""Configs of groups, client metrics and all brokers for the destination."""

from __future__ import annotations

from dataclasses import replace

from kafka_meta.model import OtherConfigs, Resource, Snapshot
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy


def reshape_other_configs(source: Snapshot, policy: Policy, notes: Notes) -> tuple[OtherConfigs, ...] | None:
    """Those that move. Raises UsageError."""
    if source.other_configs is None:
        if not any(gap.resource == Resource("other configs") for gap in source.gaps):
            notes.skip(Resource("other configs"), "not in the file")
        return None
    wanted: list[OtherConfigs] = []
    for each in source.other_configs:
        if (reason := _why_not_moved(each, policy)) is not None:
            notes.skip(each.resource, reason)
            continue
        moved = each
        if each.resource_type == "GROUP":
            moved = replace(each, name=policy.group_name(each.name))
        if each.resource_type == "BROKER":
            moved = replace(each, configs=_without_throttles(each, notes))
        if moved.name != each.name:
            notes.intend(moved.resource, "name", each.name, moved.name, "--rename")
        if moved.configs:
            wanted.append(moved)
    return tuple(wanted)


def _why_not_moved(each: OtherConfigs, policy: Policy) -> str | None:
    match each.resource_type:
        case "GROUP":
            return None if policy.selection.group(each.name) else "not selected"
        case "BROKER" if each.name:
            return "they are of one broker of the source"
        case "BROKER" if not policy.broker_configs:
            return "they would change all topics of the destination (--only other-configs sets them)"
    return "they are about more than what is selected" if policy.selection.narrows else None


def _without_throttles(each: OtherConfigs, notes: Notes) -> dict[str, str]:
    for name in sorted(each.configs):
        if "throttled" in name:
            notes.skip(each.resource, f"config {name}: it throttles a reassignment on the source")
    return {name: value for name, value in each.configs.items() if "throttled" not in name}
