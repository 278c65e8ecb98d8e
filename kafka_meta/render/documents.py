"""Documents → lines for a person. Pure: no terminal, no colour codes; a line's mark tells its weight.

+  will be created    =  is there    ~  differs    -  skipped    !  look at this    ×  failed
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from kafka_meta.model import Cluster, Remark, Snapshot
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
    SetQuota,
    UpsertUser,
    describe_acl,
    describe_entity,
    plural,
    quota_text,
)

FEW = 10
"""How many examples a screen shows of a kind; --verbose shows all, documents always hold all."""

# What Python calls printable and nobody sees: joiners, fillers, variation selectors (Default_Ignorable_Code_Point
# of Unicode's DerivedCoreProperties), and the blank of Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """`text` with everything that could deceive a reader written as an escape: `\\x1b`, `\\u202e`.

    Every name that came from a cluster or a file goes through here before a person sees it.
    """
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(
        character if character.isprintable() and not _UNSEEN.match(character) else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def size(count_bytes: float) -> str:
    """Bytes as `1.2 MB`: decimal units, as disks and networks are sold."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        # Rounded as it is written: 999,960 bytes are 1.0 MB, not 1000.0 kB.
        if round(count_bytes, 1) < 1000 or unit == "TB":
            return f"{count_bytes:.0f} {unit}" if unit == "bytes" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    raise AssertionError


def snapshot_lines(snapshot: Snapshot, *, verbose: bool) -> list[str]:
    """What an export found, what it left out and what it could not read."""
    lines = ["", *_counts(snapshot)]
    lines += _remarks("left out", snapshot.left_out, verbose)
    lines += _remarks("signs of what does not move by itself", snapshot.signs, verbose)
    lines += _remarks("ZooKeeper and brokers disagree", snapshot.disagreements, verbose, mark="!")
    lines += _remarks("not read", snapshot.gaps, verbose, mark="!")
    return lines


def _counts(snapshot: Snapshot) -> list[str]:
    topics = snapshot.topics
    rows: list[tuple[int | None, str, str]] = []
    if topics is None:
        rows.append((None, "topics", "not read"))
    else:
        partitions = [partition for topic in topics for partition in topic.partitions]
        sizes = [partition.size_bytes for partition in partitions]
        copies = sum(len(partition.replicas) for partition in partitions)
        details = [plural(len(partitions), "partition"), plural(copies, "replica")]
        known = [value for value in sizes if value is not None]
        if known:
            unknown = f" ({plural(len(sizes) - len(known), 'partition')} not known)" if len(known) < len(sizes) else ""
            details.append(f"{size(sum(known))} without replicas{unknown}")
        rows.append((len(topics), "topics", ", ".join(details)))
    if snapshot.groups is None:
        rows.append((None, "groups", "not read"))
    else:
        states = Counter(
            "in ZooKeeper (old consumers)"
            if group.source == "zookeeper"
            else visible(group.state or "state unknown").lower()
            for group in snapshot.groups
        )
        details = [f"{count:,} {state}" for state, count in sorted(states.items())]
        unread = unread_records(snapshot)
        if unread is not None and snapshot.groups:
            details.append(f"{plural(unread, 'record')} between their positions and the ends")
        rows.append((len(snapshot.groups), "groups", ", ".join(details)))
    acls = snapshot.acls
    if acls is None and snapshot.cluster.security.authorizer == "":
        rows.append((None, "ACLs", "no authorizer"))
    elif acls is None:
        rows.append((None, "ACLs", "not read"))
    else:
        denies = sum(1 for acl in acls if acl.permission == "DENY")
        rows.append((len(acls), "ACLs", f"{denies:,} of them DENY" if denies else ""))
    for name, items in (("users", snapshot.users), ("quotas", snapshot.quotas)):
        if items is not None:
            rows.append((len(items), name, ""))
    lines: list[str] = []
    for count, name, detail in rows:
        number, noun = "?" if count is None else f"{count:,}", name.removesuffix("s") if count == 1 else name
        lines.append(f"  {number:>7} {noun:<8}{detail}".rstrip())
    return lines


def unread_records(snapshot: Snapshot) -> int | None:
    """Offsets between committed positions and ends, summed over groups; None where no end is known."""
    ends = {
        (topic.name, partition.partition): partition.end_offset
        for topic in snapshot.topics or ()
        for partition in topic.partitions
    }
    lags = [
        max(0, end - offset.offset)
        for group in snapshot.groups or ()
        for offset in group.offsets or ()
        if (end := ends.get((offset.topic, offset.partition))) is not None
    ]
    return sum(lags) if lags else None


def cluster_words(cluster: Cluster) -> str:
    """`3.9, ZooKeeper mode, 3 brokers`."""
    return _cluster_words(cluster.version, cluster.mode, len(cluster.brokers))


def _cluster_words(version: str | None, mode: str | None, brokers: int) -> str:
    mode_words = {"zookeeper": "ZooKeeper mode", "kraft": "KRaft"}.get(mode or "", "mode unknown")
    return f"{visible(version or 'version unknown')}, {mode_words}, {plural(brokers, 'broker')}"


def access_lines(side: Mapping[str, Any]) -> list[str]:
    """One side as `check` found it."""
    name = "source" if side["role"] == "source" else "destination"
    if side["error"] is not None:
        lines = [f"  × {name:<12} {visible(side['address'])}", f"      {visible(side['error'])}"]
        return lines + [f"      {visible(line)}" for line in (side["hint"] or "").splitlines()]
    if side["via"] == "zookeeper":
        words = f"ZooKeeper, {plural(side['brokers'], 'broker')}"
    else:
        words = _cluster_words(side["version"], side["mode"], side["brokers"])
    cluster_id = visible(side["clusterId"] or "unknown")
    lines = [f"  + {name:<12} {visible(side['address'])}  {words}, cluster {cluster_id}"]
    if side["via"] == "brokers":
        who = visible(side["principal"] or "unknown")
        rights = "not told by the brokers" if side["operations"] is None else "all that is needed"
        if side["missing"]:
            rights = ", ".join(side["operations"]) or "none"
        authorizer = {None: "authorizer unknown", "": "no authorizer"}.get(side["authorizer"]) or visible(
            side["authorizer"]
        )
        lines.append(f"      as {who}; rights on the cluster: {rights}; {authorizer}")
    lines += [f"  ! right missing: {operation}, {use}" for operation, use in sorted(side["missing"].items())]
    lines += [f"  ! {visible(gap['resource'])}: {visible(gap['reason'])}" for gap in side["gaps"]]
    return lines


def plan_lines(plan: Plan, *, verbose: bool) -> list[str]:
    """The totals, then one line an item in the words that the seeds' users know."""
    lines = [""]
    by_type: dict[str, list[Action]] = {}
    for action in plan.actions:
        by_type.setdefault(type(action).__name__, []).append(action)
    for name, actions in by_type.items():
        lines.append(f"  + {_ACTION_NAMES[name]:<15} {_summary(actions)}")
    if plan.present:
        lines.append(f"  = present         {plural(len(plan.present), 'item')}")
    lines += _differences("~ drift", plan.drift, verbose)
    lines += _differences("~ intended", plan.intended, verbose)
    if plan.extra:
        lines.append(f"  · only there      {plural(len(plan.extra), 'item')} (left alone)")
    lines += _items("- skipped", plan.skipped, verbose)
    lines += _items("? not compared", plan.unread, verbose)
    lines += _items("! refused", plan.refused, verbose)
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
        case other:
            assert_never(other)


_SECRETS = {
    "generated": "with a new password",
    "key": "by the exported key",
    "passwords": "by the password of --passwords",
}


def _will(actions: Sequence[Action], verbose: bool) -> list[str]:
    topics = [action for action in actions if isinstance(action, CreateTopic)]
    groups = [action.group for action in actions if isinstance(action, CommitOffsets)]
    lines: list[str] = []
    if topics:
        lines.append(f"Begin to migrate topics:[{_some([action.topic for action in topics], verbose)}]")
        lines.append(f"Total topic number:{len(topics)}")
        lines += _limited([f"Will create {_topic(action, ':')}" for action in topics], verbose)
    grown = [action for action in actions if isinstance(action, AddPartitions)]
    lines += _limited(
        [
            f"Will add partitions to topic:{visible(action.topic)}, from {action.existing} to {action.total}"
            for action in grown
        ],
        verbose,
    )
    lines += _limited([_will_set(action) for action in actions if isinstance(action, SetConfigs)], verbose)
    if groups:
        lines.append(f"Will create consumer groups:[{_some(groups, verbose)}]")
    acls = [action.acl for action in actions if isinstance(action, CreateAcl)]
    lines += _limited([f"Will create ACL:{visible(describe_acl(acl))}" for acl in acls], verbose)
    users = [action for action in actions if isinstance(action, UpsertUser)]
    lines += _limited(
        [f"Will create user:{visible(user.user)}, {user.mechanism}, {_SECRETS[user.secret]}" for user in users], verbose
    )
    quotas = [f"Will set quota:{_quota(action)}" for action in actions if isinstance(action, SetQuota)]
    lines += _limited(quotas, verbose)
    return lines


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
        lines.append(f"  {section:<12}" + "".join(f"{counts[kind]:>11,}" for kind in kinds))
    lines.append("")
    lines += _differences("~ differs", report.differences, verbose)
    lines += _differences("= intended", report.intended, verbose)
    lines += _items("? not compared", report.unread, verbose)
    return lines


def remark_line(remark: Remark) -> str:
    return f"{visible(remark.resource)}: {visible(remark.reason)}"


def _differences(title: str, differences: Sequence[Difference], verbose: bool) -> list[str]:
    if not differences:
        return []
    resources = len({difference.resource for difference in differences})
    head = f"  {title:<17} {plural(len(differences), 'difference')} on {plural(resources, 'resource')}"
    return [head, *_limited([f"      {_difference(each)}" for each in differences], verbose, indent="      ")]


def _difference(difference: Difference) -> str:
    resource, aspect = visible(difference.resource), visible(difference.aspect or "")
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
            if difference.reason is not None and difference.reason.startswith("--"):
                text = f"{resource}: {aspect} {here} → {there}"
    return text if difference.reason is None else f"{text}  ({visible(difference.reason)})"


def _items(title: str, remarks: Sequence[Remark], verbose: bool) -> list[str]:
    """Remarks with the same reason share a line; without --verbose, the first few lines."""
    if not remarks:
        return []
    by_reason: dict[str, list[str]] = {}
    for remark in remarks:
        by_reason.setdefault(remark.reason, []).append(remark.resource)
    lines = [f"      {_together(resources, verbose)}: {visible(reason)}" for reason, resources in by_reason.items()]
    return [f"  {title:<17} {plural(len(remarks), 'item')}", *_limited(lines, verbose, indent="      ")]


def _together(resources: Sequence[str], verbose: bool) -> str:
    """`topic a, b, c`: the kind once where all are of one kind."""
    kinds = {resource.partition(" ")[0] for resource in resources}
    if len(resources) > 1 and len(kinds) == 1 and all(" " in resource for resource in resources):
        kind = kinds.pop()
        return f"{visible(kind)} {_some([resource.partition(' ')[2] for resource in resources], verbose)}"
    return _some(resources, verbose)


def _remarks(title: str, remarks: Sequence[Remark], verbose: bool, mark: str = " ") -> list[str]:
    if not remarks:
        return []
    by_reason: dict[str, list[str]] = {}
    for remark in remarks:
        by_reason.setdefault(remark.reason, []).append(remark.resource)
    lines = [f"      {_together(resources, verbose)}: {visible(reason)}" for reason, resources in by_reason.items()]
    return [f"  {mark} {title}", *_limited(lines, verbose, indent="      ")]


def _some(names: Sequence[str], verbose: bool) -> str:
    shown = names if verbose else names[:FEW]
    rest = f", … {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return ", ".join(map(visible, shown)) + rest


def _limited(lines: Sequence[str], verbose: bool, indent: str = "") -> list[str]:
    if verbose or len(lines) <= FEW:
        return list(lines)
    return [*lines[:FEW], f"{indent}… {len(lines) - FEW:,} more (--verbose, or --output json)"]


def totals_line(totals: Mapping[str, int]) -> str:
    """`done 621   present 3   failed 1`."""
    return "   ".join(f"{name} {count:,}" for name, count in totals.items())


def names(resources: Sequence[str], *, verbose: bool) -> str:
    return _some(resources, verbose)
