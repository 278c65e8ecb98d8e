"""Filters and rules that match nothing. Most often they are misspelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kafka_meta.errors import UsageError
from kafka_meta.model import Gap, Snapshot, Unmatched
from kafka_meta.plan import Policy
from kafka_meta.plan.narrow import principals_of
from kafka_meta.plan.policy import EVERYONE
from kafka_meta.settings.policy import PolicyOptions


def require_matches(given: PolicyOptions, found: Snapshot, where: str) -> list[str]:
    """Raises UsageError for an include filter that matches no name of `where`. Returns a sentence for each exclude
    filter that matches none: it may be for names that do not exist yet. Where names could not be read, their filters
    are not checked."""
    return require_each_matches(given, found.unmatched, where, gaps=found.gaps)


def require_each_matches(
    given: PolicyOptions, unmatched: Iterable[Unmatched], where: str, *, gaps: Sequence[Gap] = ()
) -> list[str]:
    """As `require_matches`, of names that do not come from a snapshot."""
    unknown = {gap.resource.kind for gap in gaps}
    idle: list[str] = []
    refused: list[str] = []
    near: list[str] = []
    for each in unmatched:
        if each.section in unknown:
            continue
        told = f"{given.origins[each.option]}: '{getattr(given, each.option)}' matches "
        told += f"none of the {each.names:,} {each.section} of {where}" if each.names else "nothing: "
        told += "" if each.names else f"{where} has no {each.section}"
        if each.option.startswith("exclude"):
            idle.append(told)
        else:
            refused.append(told)
            near += (name if name.isprintable() else repr(name) for name in each.near)
    if refused:
        hints = ["The expression must match a whole name." + (f" Similar: {', '.join(near)}." if near else "")]
        hints += (f"{gap.resource}: {gap.reason}" for gap in gaps if gap.resource.kind == "cluster")
        raise UsageError("; ".join(refused), "\n".join(hints))
    return idle


def idle_rules(given: PolicyOptions, decided: Policy, source: Snapshot) -> list[str]:
    """A sentence for each rule that changes nothing on the source."""
    told = []
    for rule in decided.idle_renames(source):
        first = " that no earlier rule renames" if len(decided.renames) > 1 else ""
        told.append(f"{given.origins['rename']}: '{rule}' renames nothing: there is no such {rule.kind}{first}")
    if source.acls is not None:
        there = {acl.host for acl in source.acls} | {quota.entity.get("ip") for quota in source.quotas or ()}
        told += (
            f"{given.origins['map_host']}: no ACL and no quota of the source is about the host {each}"
            for each in sorted(decided.hosts.keys() - there)
        )
    told += _idle_principals(given, decided, source)
    told += _idle_configs(given, decided, source)
    return told


def _idle_principals(given: PolicyOptions, decided: Policy, source: Snapshot) -> list[str]:
    if (known := principals_of(source)) is None:
        return []
    left = set(known)
    told = []
    for rule in decided.principals:
        taken = set(filter(rule.pattern.fullmatch, left - {EVERYONE}))
        left -= taken  # only the first rule that matches a principal is used
        if not taken:
            told.append(f"{given.origins['map_principal']}: '{rule}' maps nothing: the source has no such principal")
    return told


def _idle_configs(given: PolicyOptions, decided: Policy, source: Snapshot) -> list[str]:
    names = [topic.name for topic in source.topics or ()]
    return [
        f"{given.origins[each.option[2:].replace('-', '_')]}: '{each.topics.pattern}' matches no topic"
        for each in decided.configs
        if each.topics is not None and source.topics is not None and not any(map(each.applies, names))
    ]


def with_unmatched(found: Snapshot, decided: Policy) -> Snapshot:
    """A snapshot from a file, with the filters that match none of its names."""
    # An ACL may be about a topic or a group that is not there yet.
    rules = [acl for acl in found.acls or () if acl.pattern_type == "LITERAL" and acl.resource_name != "*"]
    names = {
        section: None if items is None else {*items, *(acl.resource_name for acl in rules if acl.resource_type == kind)}
        for section, kind, items in (
            ("topics", "TOPIC", None if found.topics is None else [topic.name for topic in found.topics]),
            ("groups", "GROUP", None if found.groups is None else [group.id for group in found.groups]),
        )
    }
    unmatched = decided.selection.unmatched(
        topics=names["topics"], groups=names["groups"], principals=principals_of(found)
    )
    return replace(found, unmatched=unmatched)
