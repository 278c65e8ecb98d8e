"""What the operator decided: which resources move, their names on the destination, and what should differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from kafka_meta.errors import UsageError
from kafka_meta.model import EVERYTHING, Acl, Selection, Snapshot

Section: TypeAlias = Literal["topics", "groups", "acls", "users", "quotas"]
SECTIONS: tuple[Section, ...] = ("topics", "groups", "acls", "users", "quotas")

ReplicationFactor: TypeAlias = Literal["auto", "default"] | int
"""auto: the source's factor, at most the number of brokers of the destination. default: the destination's own
`default.replication.factor`. A number: this number."""

OnDrift: TypeAlias = Literal["report", "set"]

Position: TypeAlias = Literal["start", "end", "same", "time"]

Renamed: TypeAlias = Literal["topic", "group"]
"""What has names that `--rename` changes."""

LEGAL_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
"""org.apache.kafka.common.internals.Topic.validate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """`pattern` must match a whole name; `replacement` may refer to its groups (`\\1`)."""

    kind: Renamed
    pattern: re.Pattern[str]
    replacement: str

    def __str__(self) -> str:
        """The rule as the operator types it."""
        return f"{'group:' if self.kind == 'group' else ''}{self.pattern.pattern}={self.replacement}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffsets:
    """The position of a group that has none on the destination. `time_ms` (since 1970) is for "time" only."""

    position: Position = "start"
    time_ms: int | None = None
    label: str = "start"
    """As the operator typed it. The metadata of the committed offset is `kafka-meta:<label>`."""

    @property
    def metadata(self) -> str:
        """The metadata of the committed offsets that an import sets."""
        return f"{COMMIT_METADATA_PREFIX}{self.label}"


COMMIT_METADATA_PREFIX = "kafka-meta:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All decisions of the operator about an import."""

    only: frozenset[Section] = frozenset(SECTIONS)
    selection: Selection = EVERYTHING
    renames: tuple[Rename, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The hosts of ACLs: address on the source → address on the destination."""
    wider_rights: frozenset[str] = frozenset()
    """ACLs, in words as on the destination, that may allow more there than on the source."""
    replication_factor: ReplicationFactor = "auto"
    group_offsets: GroupOffsets = GroupOffsets()
    on_drift: OnDrift = "report"
    pin_defaults: bool = False

    def topic_name(self, name: str) -> str:
        """The topic's name on the destination; raises UsageError for one that Kafka does not allow."""
        renamed = self.renamed("topic", name)
        if renamed != name and not LEGAL_TOPIC.fullmatch(renamed):
            raise UsageError(
                f"--rename gives topic {name!r} the name {renamed!r}, which Kafka does not allow",
                "A topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ - and is neither . nor ..",
            )
        return renamed

    def group_name(self, name: str) -> str:
        """The group's name on the destination; raises UsageError for an empty one."""
        renamed = self.renamed("group", name)
        if renamed != name and not renamed:
            raise UsageError(f"--rename gives group {name!r} an empty name")
        return renamed

    def acl(self, acl: Acl) -> Acl:
        """The ACL on the destination, with the new names of topics and groups and the new host. Raises UsageError."""
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
        # A literal "*" or an empty prefix would make the ACL cover everything.
        if name in ("", "*"):
            raise UsageError(
                f"--rename makes an ACL about {acl.resource_type.lower()} {acl.resource_name!r} cover {name!r}",
                "Correct the rule: this ACL would cover everything.",
            )
        return replace(acl, resource_name=name)

    def renamed(self, kind: Renamed, name: str) -> str:
        """The name after the rules. It is not checked."""
        for rule in self.renames:
            if rule.kind == kind and (match := rule.pattern.fullmatch(name)):
                return match.expand(rule.replacement)
        return name

    def idle_renames(self, source: Snapshot) -> tuple[Rename, ...]:
        """The rules that match no name of the source. Where the names are not known, no rule is reported."""
        acls = source.acls or ()
        known: dict[str, set[str]] = {}
        if source.topics is not None:
            known["topic"] = {topic.name for topic in source.topics}
            known["topic"] |= {acl.resource_name for acl in acls if acl.resource_type == "TOPIC"}
        if source.groups is not None and not any(gap.resource.kind == "groups" for gap in source.gaps):
            known["group"] = {group.id for group in source.groups}
            known["group"] |= {acl.resource_name for acl in acls if acl.resource_type == "GROUP"}
        idle = []
        for rule in self.renames:
            if rule.kind in known:
                taken = set(filter(rule.pattern.fullmatch, known[rule.kind]))
                known[rule.kind] -= taken  # only the first rule that matches a name is used
                if not taken:
                    idle.append(rule)
        return tuple(idle)


def parse_renames(texts: Iterable[str]) -> tuple[Rename, ...]:
    """`OLD=NEW` for topics, `group:OLD=NEW` for groups. Of the rules that match a name, the first is used.

    Raises UsageError.
    """
    return tuple(_parse_rename(text) for text in texts)


def _parse_rename(text: str) -> Rename:
    kind: Renamed = "topic"
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
        # This also checks the replacement: \3 needs a third group, \x is not an escape.
        pattern.sub(replacement, "")
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        raise UsageError(
            f"--rename {text!r}: {error}", "OLD is a regular expression; NEW may use its groups: \\1"
        ) from None
    return Rename(kind=kind, pattern=pattern, replacement=replacement)


def parse_sections(words: Iterable[str]) -> frozenset[Section]:
    """The sections of `--only`; all sections when it is not given. Raises UsageError."""
    named = tuple(words)
    for word in named:
        if word not in SECTIONS:
            raise UsageError(f"--only: there is no section {word!r}", f"The sections are {', '.join(SECTIONS)}.")
    return frozenset(section for section in SECTIONS if section in named or not named)


def parse_replication_factor(text: str) -> ReplicationFactor:
    if text == "auto":
        return "auto"
    if text == "default":
        return "default"
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 32768:
        return int(text)
    raise UsageError(f"--replication-factor {text!r}: expected auto, default or a number from 1")


def parse_group_offsets(text: str) -> GroupOffsets:
    """`start`, `end`, `same`, or `time:` with an ISO 8601 time (UTC where it has no offset). Raises UsageError."""
    match text.partition(":"):
        case ("start" | "end" | "same") as position, "", "":
            return GroupOffsets(position=position, label=position)
        case "time", ":", moment:
            try:
                when = datetime.fromisoformat(moment)
            except ValueError:
                pass
            else:
                when = when if when.tzinfo else when.replace(tzinfo=UTC)
                return GroupOffsets(position="time", time_ms=round(when.timestamp() * 1000), label=f"time:{moment}")
    raise UsageError(
        f"--group-offsets {text!r}: expected start, end, same or time:ISO", "For example: time:2026-11-21T03:50:00Z"
    )


def parse_on_drift(text: str) -> OnDrift:
    if text == "report":
        return "report"
    if text == "set":
        return "set"
    raise UsageError(f"--on-drift {text!r}: expected report or set")


def parse_hosts(texts: Iterable[str]) -> dict[str, str]:
    """`OLD=NEW`, both addresses as in ACLs. Raises UsageError, also where an ACL would allow more hosts."""
    hosts: dict[str, str] = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not old or not new:
            raise UsageError(f"--map-host {text!r} is not OLD=NEW", "For example: --map-host 10.0.0.7=10.1.0.7")
        if "*" in (old, new):
            raise UsageError(
                f"--map-host {text!r}: * means every host, and rights would become wider", "Name two addresses."
            )
        if hosts.setdefault(old, new) != new:
            raise UsageError(f"--map-host gives {old} two addresses: {hosts[old]} and {new}")
    return hosts
