"""A plan, what became of its actions, and the report of verify."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from kafka_meta.model import Remark, Resource
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Difference,
    Plan,
    Report,
    Result,
    SetConfigs,
    SetOtherConfigs,
    SetQuota,
    UpsertUser,
    describe_acl,
    describe_entity,
    plural,
    quota_text,
)
from kafka_meta.render.words import limited, names, together, visible


def plan_lines(plan: Plan, *, verbose: bool) -> list[str]:
    """The totals, then a line for each action. The words are those of Alibaba Cloud's tool, whose logs users know."""
    lines = [""]
    by_type: dict[str, list[Action]] = {}
    for action in plan.actions:
        by_type.setdefault(type(action).__name__, []).append(action)
    for name, actions in by_type.items():
        lines.append(f"  + {_ACTION_NAMES[name]:<15} {_summary(actions)}")
    if plan.present:
        lines.append(f"  = present         {plural(len(plan.present), 'item')}")
    lines += _differences("~ drift", plan.drift, verbose)
    lines += _differences("= intended", plan.intended, verbose, intended=True)
    if plan.extra:
        lines.append(f"  · only there      {plural(len(plan.extra), 'item')} (not touched)")
    lines += _items("- skipped", plan.skipped, verbose)
    lines += _items("? not compared", plan.unread, verbose)
    lines += _items("× refused", plan.refused, verbose)
    lines += _items("! note", plan.warnings, verbose)
    return [*lines, "", *_will(plan.actions, verbose)]


_ACTION_NAMES = {
    "CreateTopic": "create topics",
    "AddPartitions": "add partitions",
    "SetConfigs": "set configs",
    "CommitOffsets": "set positions",
    "CreateAcl": "create ACLs",
    "UpsertUser": "create users",
    "SetQuota": "set quotas",
    "SetOtherConfigs": "set configs",
}


def _summary(actions: Sequence[Action]) -> str:
    match actions[0]:
        case CreateTopic():
            partitions = sum(action.partitions for action in actions if isinstance(action, CreateTopic))
            return f"{plural(len(actions), 'topic')}, {plural(partitions, 'partition')}"
        case AddPartitions() | SetConfigs():
            return plural(len(actions), "topic")
        case CommitOffsets():
            positions = sum(len(action.offsets) for action in actions if isinstance(action, CommitOffsets))
            return f"{plural(len(actions), 'group')}, {plural(positions, 'position')}"
        case CreateAcl():
            denies = sum(1 for action in actions if isinstance(action, CreateAcl) and action.acl.permission == "DENY")
            return f"{plural(len(actions), 'rule')}, {denies} of them DENY"
        case UpsertUser():
            origins = Counter(action.secret for action in actions if isinstance(action, UpsertUser))
            words = ", ".join(f"{count:,} {_SECRETS[origin]}" for origin, count in sorted(origins.items()))
            return f"{plural(len(actions), 'credential')}: {words}"
        case SetQuota():
            return plural(len(actions), "quota")
        case SetOtherConfigs():
            return ", ".join(sorted({visible(action.resource.kind) for action in actions}))
        case other:
            assert_never(other)


_SECRETS = {
    "generated": "with a new password",
    "key": "with the exported key",
    "passwords": "with the password of --passwords",
}


def _will(actions: Sequence[Action], verbose: bool) -> list[str]:
    topics = [action for action in actions if isinstance(action, CreateTopic)]
    groups = [action.group for action in actions if isinstance(action, CommitOffsets)]
    lines: list[str] = []
    if topics:
        lines.append(f"Begin to migrate topics:[{names([action.topic for action in topics], verbose=verbose)}]")
        lines.append(f"Total topic number:{len(topics)}")
        lines += limited([f"Will create {_topic(action, ':')}" for action in topics], verbose)
    grown = [action for action in actions if isinstance(action, AddPartitions)]
    lines += limited(
        [
            f"Will add partitions to topic:{visible(action.topic)}, from {action.existing} to {action.total}"
            for action in grown
        ],
        verbose,
    )
    lines += limited([_will_set(action) for action in actions if isinstance(action, SetConfigs)], verbose)
    if groups:
        lines.append(f"Will create consumer groups:[{names(groups, verbose=verbose)}]")
    acls = [action.acl for action in actions if isinstance(action, CreateAcl)]
    lines += limited([f"Will create ACL:{visible(describe_acl(acl))}" for acl in acls], verbose)
    users = [action for action in actions if isinstance(action, UpsertUser)]
    lines += limited(
        [
            f"Will create user:{visible(user.user)}{_was(user)}, {user.mechanism}, {_SECRETS[user.secret]}"
            for user in users
        ],
        verbose,
    )
    quotas = [f"Will set quota:{_quota(action)}" for action in actions if isinstance(action, SetQuota)]
    lines += limited(quotas, verbose)
    others = [f"Will set {_other_configs(action)}" for action in actions if isinstance(action, SetOtherConfigs)]
    return lines + limited(others, verbose)


def _was(user: UpsertUser) -> str:
    return "" if user.was is None else f" (on the source {visible(user.was)})"


def _will_set(action: SetConfigs) -> str:
    changes = ", ".join(f"{name}={value}" for name, value in sorted(action.configs.items()))
    return f"Will set configs of topic:{visible(action.topic)}, {visible(changes)}"


def _topic(action: CreateTopic, separator: str) -> str:
    compact = str(action.compacted).lower()
    return (
        f"topic{separator}{visible(action.topic)}, isCompactTopic{separator}{compact}, "
        f"partition number{separator}{action.partitions}"
    )


def _quota(action: SetQuota) -> str:
    values = ", ".join(f"{name}={quota_text(value)}" for name, value in sorted(action.values.items()))
    return visible(f"{describe_entity(action.entity)}, {values}")


def _other_configs(action: SetOtherConfigs) -> str:
    values = ", ".join(f"{name}={value}" for name, value in sorted(action.configs.items()))
    return visible(f"{action.resource}: {values}")


def result_line(result: Result) -> str:
    """`TopicCreate success, topic=…`: what became of one action."""
    outcome = {"done": "success", "present": "present", "failed": "failed"}[result.outcome]
    action = result.action
    match action:
        case CreateTopic():
            compact = str(action.compacted).lower()
            text = (
                f"TopicCreate {outcome}, topic={visible(action.topic)}, "
                f"partition number={action.partitions}, isCompactTopic={compact}"
            )
        case AddPartitions():
            text = f"PartitionsAdd {outcome}, topic={visible(action.topic)}, partition number={action.total}"
        case SetConfigs():
            configs = visible(",".join(sorted(action.configs)))
            text = f"ConfigsSet {outcome}, topic={visible(action.topic)}, configs={configs}"
        case CommitOffsets():
            text = f"ConsumerCreate {outcome}, consumer group={visible(action.group)}"
        case CreateAcl():
            text = f"AclCreate {outcome}, acl={visible(describe_acl(action.acl))}"
        case UpsertUser():
            text = f"UserCreate {outcome}, user={visible(action.user)}, mechanism={visible(action.mechanism)}"
        case SetOtherConfigs():
            text = f"ConfigsSet {outcome}, {_other_configs(action)}"
        case SetQuota():
            text = f"QuotaSet {outcome}, quota={_quota(action)}"
        case _:
            assert_never(action)
    return text if result.error is None else f"{text}: {visible(result.error)}"


def report_lines(report: Report, *, verbose: bool) -> list[str]:
    """A table of counts by section, then the differences."""
    kinds = ("equal", "intended", "missing", "different", "extra")
    lines = ["", f"  {'':<12}" + "".join(f"{kind:>11}" for kind in kinds)]
    for section, counts in report.counts.items():
        if section == "otherConfigs" and not any(counts.values()):
            continue  # few clusters have any
        lines.append(f"  {section:<12}" + "".join(f"{counts[kind]:>11,}" for kind in kinds))
    lines.append("")
    lines += _differences("~ differs", report.differences, verbose)
    lines += _differences("= intended", report.intended, verbose, intended=True)
    lines += _items("? not compared", report.unread, verbose)
    lines += _items("! note", report.warnings, verbose)
    return lines


def _differences(title: str, differences: Sequence[Difference], verbose: bool, *, intended: bool = False) -> list[str]:
    if not differences:
        return []
    resources = len({difference.resource for difference in differences})
    head = f"  {title:<17} {plural(len(differences), 'difference')} on {plural(resources, 'resource')}"
    lines = [f"      {_difference(each, intended=intended)}" for each in differences]
    return [head, *limited(lines, verbose, indent="      ")]


def _difference(difference: Difference, *, intended: bool) -> str:
    """`intended`: the source's value becomes the other one on purpose; nothing else is expected."""
    resource, aspect = visible(str(difference.resource)), visible(difference.aspect or "")
    match difference.difference:
        case "missing":
            text = f"{resource}: no {aspect}" if aspect else f"{resource} is missing"
        case "extra":
            text = f"{resource}: {aspect}" if aspect else resource
            text += " is only on the destination"
        case "different":
            here, there = (
                "not overridden" if value is None else visible(str(value))
                for value in (difference.source, difference.dest)
            )
            text = f"{resource}: {aspect} is {there}, {here} expected"
            if intended:
                text = f"{resource}: {aspect} {here} → {there}"
    return text if difference.reason is None else f"{text}  ({visible(difference.reason)})"


def _items(title: str, remarks: Sequence[Remark], verbose: bool) -> list[str]:
    """Remarks with the same reason share a line. Without --verbose, only the first few lines."""
    if not remarks:
        return []
    by_reason: dict[str, list[Resource]] = {}
    for remark in remarks:
        by_reason.setdefault(remark.reason, []).append(remark.resource)
    lines = [f"      {together(resources, verbose)}: {visible(reason)}" for reason, resources in by_reason.items()]
    return [f"  {title:<17} {plural(len(remarks), 'item')}", *limited(lines, verbose, indent="      ")]


def totals_line(totals: Mapping[str, int]) -> str:
    """`done 621   present 3   failed 1`."""
    return "   ".join(f"{name} {count:,}" for name, count in totals.items())
