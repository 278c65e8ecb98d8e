"""What the operator decided: which resources, under which names, and what may differ on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from kafka_meta.errors import UsageError
from kafka_meta.model import EVERYTHING, Acl, Selection, Snapshot

Section: TypeAlias = Literal["topics", "groups", "acls", "users", "quotas"]
SECTIONS: tuple[Section, ...] = ("topics", "groups", "acls", "users", "quotas")

ReplicationFactor: TypeAlias = Literal["auto", "default"] | int
"""auto: the source's factor, but no more than the destination has brokers; default: the
destination's own `default.replication.factor`; a number: that one."""

Position: TypeAlias = Literal["start", "end", "same", "time"]

LEGAL_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
"""org.apache.kafka.common.internals.Topic.validate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """`pattern` must match a whole name; `replacement` may refer to its groups (`\\1`)."""

    kind: Literal["topic", "group"]
    pattern: re.Pattern[str]
    replacement: str

    def __str__(self) -> str:
        """As it may be typed."""
        return f"{'group:' if self.kind == 'group' else ''}{self.pattern.pattern}={self.replacement}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffsets:
    """Where a group without a position on the destination is put. `time_ms` belongs to "time" only."""

    position: Position = "start"
    time_ms: int | None = None
    label: str = "start"
    """As the operator wrote it; the commit's metadata says `kafka-meta:<label>`."""

    @property
    def metadata(self) -> str:
        return f"{COMMIT_METADATA_PREFIX}{self.label}"


COMMIT_METADATA_PREFIX = "kafka-meta:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    only: frozenset[Section] = frozenset(SECTIONS)
    selection: Selection = EVERYTHING
    renames: tuple[Rename, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Of access rules: address on the source → address on the destination."""
    replication_factor: ReplicationFactor = "auto"
    group_offsets: GroupOffsets = GroupOffsets()
    on_drift: Literal["report", "set"] = "report"
    pin_defaults: bool = False

    def topic_name(self, name: str) -> str:
        """The topic's name on the destination; raises UsageError for one that Kafka does not allow."""
        renamed = self.renamed("topic", name)
        if renamed != name and not LEGAL_TOPIC.fullmatch(renamed):
            raise UsageError(
                f"--rename turns topic {name!r} into {renamed!r}, which is not a topic name",
                "A topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ - and is neither . nor ..",
            )
        return renamed

    def group_name(self, name: str) -> str:
        """The group's name on the destination; raises UsageError for an empty one."""
        renamed = self.renamed("group", name)
        if renamed != name and not renamed:
            raise UsageError(f"--rename turns group {name!r} into an empty name")
        return renamed

    def acl(self, acl: Acl) -> Acl:
        """The rule on the destination: it follows the names of topics and groups, and hosts. Raises UsageError."""
        acl = replace(acl, host=self.hosts.get(acl.host, acl.host))
        name = acl.resource_name
        if name == "*" and acl.pattern_type == "LITERAL":
            return acl
        match acl.resource_type:
            case "TOPIC":
                name = self.renamed("topic", name)
            case "GROUP":
                name = self.renamed("group", name)
            case _:
                return acl
        if name == acl.resource_name:
            return acl
        # A literal "*" or an empty prefix would be a rule about everything.
        if name in ("", "*"):
            raise UsageError(
                f"--rename turns a rule about {acl.resource_type.lower()} {acl.resource_name!r} into one about {name!r}"
            )
        return replace(acl, resource_name=name)

    def renamed(self, kind: Literal["topic", "group"], name: str) -> str:
        """The name by the rules, be it allowed or not."""
        for rule in self.renames:
            if rule.kind == kind and (match := rule.pattern.fullmatch(name)):
                return match.expand(rule.replacement)
        return name

    def idle_renames(self, source: Snapshot) -> tuple[Rename, ...]:
        """The rules by which no name of the source goes; a rule about names that are not known is not idle."""
        acls = source.acls or ()
        known: dict[str, set[str]] = {}
        if source.topics is not None:
            known["topic"] = {topic.name for topic in source.topics}
            known["topic"] |= {acl.resource_name for acl in acls if acl.resource_type == "TOPIC"}
        if source.groups is not None and not any(gap.resource == "groups" for gap in source.gaps):
            known["group"] = {group.id for group in source.groups}
            known["group"] |= {acl.resource_name for acl in acls if acl.resource_type == "GROUP"}
        idle = []
        for rule in self.renames:
            if rule.kind in known:
                taken = set(filter(rule.pattern.fullmatch, known[rule.kind]))
                known[rule.kind] -= taken  # the first rule that matches a name counts
                if not taken:
                    idle.append(rule)
        return tuple(idle)


def parse_renames(texts: Iterable[str]) -> tuple[Rename, ...]:
    """`OLD=NEW` for topics, `group:OLD=NEW` for groups; the first rule that matches a name counts."""
    return tuple(_parse_rename(text) for text in texts)


def _parse_rename(text: str) -> Rename:
    kind: Literal["topic", "group"] = "topic"
    rule = text
    if rule.startswith("group:"):
        kind, rule = "group", rule.removeprefix("group:")
    elif rule.startswith("topic:"):
        rule = rule.removeprefix("topic:")
    old, separator, new = rule.partition("=")
    if not separator or not old or not new:
        raise UsageError(f"--rename {text!r} is not OLD=NEW", r"For example: --rename 'prod\.(.*)=eu.\1'")
    try:
        pattern = re.compile(old)
        replacement = re.sub(r"\$(\d+)", r"\\\1", new)
        # Reads the replacement, too: \3 needs a third group, \x is no escape.
        pattern.sub(replacement, "")
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        raise UsageError(
            f"--rename {text!r}: {error}", "OLD is a regular expression; NEW may use its groups: \\1"
        ) from None
    return Rename(kind=kind, pattern=pattern, replacement=replacement)


def parse_hosts(texts: Iterable[str]) -> dict[str, str]:
    """`OLD=NEW`, both addresses as access rules have them. Raises UsageError, also where a rule would widen."""
    hosts: dict[str, str] = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not old or not new:
            raise UsageError(f"--map-host {text!r} is not OLD=NEW", "For example: --map-host 10.0.0.7=10.1.0.7")
        if "*" in (old, new):
            raise UsageError(
                f"--map-host {text!r}: * stands for every host, and rights would widen", "Name two addresses."
            )
        if hosts.setdefault(old, new) != new:
            raise UsageError(f"--map-host gives {old} two addresses: {hosts[old]} and {new}")
    return hosts
