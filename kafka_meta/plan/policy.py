"""What the operator decided: which resources move, their names on the destination, and what should differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from kafka_meta.errors import UsageError
from kafka_meta.model import EVERYTHING, Acl, Selection, Snapshot

Section: TypeAlias = Literal["topics", "groups", "acls", "users", "quotas", "other-configs"]
SECTIONS: tuple[Section, ...] = ("topics", "groups", "acls", "users", "quotas", "other-configs")

ReplicationFactor: TypeAlias = Literal["auto", "default"] | int
"""auto: the source's factor, at most the number of brokers of the destination. default: the destination's own
`default.replication.factor`. A number: this number."""

OnDrift: TypeAlias = Literal["report", "set"]

Position: TypeAlias = Literal["start", "end", "same", "time"]

Renamed: TypeAlias = Literal["topic", "group"]
"""What has names that `--rename` changes."""

EVERYONE = "User:*"
"""Every principal, in ACLs (org.apache.kafka.common.security.auth: the wildcard principal)."""
_PRINCIPAL = re.compile(r"[A-Za-z]\w*:.+")

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
class Principals:
    """`pattern` must match a whole principal, such as `User:CN=shop,O=Acme`; `replacement` is a principal, too, and may
    refer to groups of the pattern."""

    pattern: re.Pattern[str]
    replacement: str

    def __str__(self) -> str:
        """The rule as the operator types it."""
        return f"{self.pattern.pattern}={self.replacement}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """A config that topics get (`value`), or do not get (None), whatever they have on the source. `topics` must match
    a whole name on the source; None: all topics."""

    topics: re.Pattern[str] | None
    name: str
    value: str | None

    def applies(self, topic: str) -> bool:
        return self.topics is None or self.topics.fullmatch(topic) is not None

    @property
    def option(self) -> str:
        return "--drop-config" if self.value is None else "--config"


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
    broker_configs: bool = False
    """Whether configs that are set for all brokers at run time move, too. They change every topic there."""
    selection: Selection = EVERYTHING
    renames: tuple[Rename, ...] = ()
    principals: tuple[Principals, ...] = ()
    configs: tuple[TopicConfig, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The hosts of ACLs and of quotas: address on the source → address on the destination."""
    wider_rights: frozenset[str] = frozenset()
    """ACLs, in words as on the destination, that may allow more there than on the source."""
    replication_factor: ReplicationFactor = "auto"
    group_offsets: GroupOffsets = GroupOffsets()
    on_drift: OnDrift = "report"
    pin_defaults: bool = False
    withhold_write: bool = False
    """Whether ACLs that allow to write to topics stay away: nobody shall write there yet."""

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

    def principal(self, name: str) -> str:
        """The principal on the destination; raises UsageError for a text that is none. `User:*` is everybody, and stays
        so."""
        if name == EVERYONE:
            return name
        for rule in self.principals:
            if match := rule.pattern.fullmatch(name):
                mapped = match.expand(rule.replacement)
                if not _PRINCIPAL.fullmatch(mapped) or mapped == EVERYONE:
                    raise UsageError(
                        f"--map-principal makes {mapped!r} of {name!r}, which is not the principal of one user",
                        "A principal is a type and a name, such as User:alice.",
                    )
                return mapped
        return name

    def user_name(self, name: str) -> str:
        """The name of a user on the destination; raises UsageError where its principal is of another type there."""
        mapped = self.principal(f"User:{name}")
        if not mapped.startswith("User:"):
            raise UsageError(f"--map-principal makes {mapped!r} of user {name!r}: a user needs the type User")
        return mapped.removeprefix("User:")

    def acl(self, acl: Acl) -> Acl:
        """The ACL on the destination, with the new names of topics, groups and principals and the new host. Raises
        UsageError."""
        acl = replace(acl, host=self.hosts.get(acl.host, acl.host), principal=self.principal(acl.principal))
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
    pattern, replacement = _rule(f"--rename {text!r}", old, new)
    return Rename(kind=kind, pattern=pattern, replacement=replacement)


def _rule(option: str, old: str, new: str) -> tuple[re.Pattern[str], str]:
    """The expression, and what `Match.expand` takes. Raises UsageError."""
    try:
        pattern = re.compile(old)
        replacement = re.sub(r"\$(\d+)", r"\\\1", new)
        # This also checks the replacement: \3 needs a third group, \x is not an escape.
        pattern.sub(replacement, "")
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        raise UsageError(f"{option}: {error}", "OLD is a regular expression; NEW may use its groups: \\1") from None
    return pattern, replacement


def parse_principals(texts: Iterable[str]) -> tuple[Principals, ...]:
    """`OLD=NEW`, both with their type: `User:CN=(.*),O=Acme=User:\\1`. The first rule that matches a principal is used.
    Raises UsageError."""
    return tuple(_parse_principals(text) for text in texts)


def _parse_principals(text: str) -> Principals:
    # A distinguished name has "=", so the last one before a type of principal counts.
    found = re.fullmatch(r"(.+)=([A-Za-z]\w*:.+)", text, re.DOTALL)
    if found is None or ":" not in found[1]:
        raise UsageError(
            f"--map-principal {text!r} is not OLD=NEW, both with their type",
            r"For example: --map-principal 'User:CN=(.*),O=Acme=User:\1'",
        )
    pattern, replacement = _rule(f"--map-principal {text!r}", found[1], found[2])
    return Principals(pattern=pattern, replacement=replacement)


def parse_configs(given: Iterable[str], dropped: Iterable[str]) -> tuple[TopicConfig, ...]:
    """`[TOPICS:]NAME=VALUE` of `--config`, then `[TOPICS:]NAME` of `--drop-config`. Raises UsageError."""
    return (*map(_parse_config, given), *map(_parse_dropped, dropped))


_CONFIG = re.compile(r"(?:(?P<topics>.+):)?(?P<name>[a-z0-9.]+)", re.DOTALL)


def _parse_config(text: str) -> TopicConfig:
    for equals in re.finditer("=", text):
        found = _CONFIG.fullmatch(text, 0, equals.start())
        if found is not None:
            return _topic_config("--config", text, found, text[equals.end() :])
    raise UsageError(
        f"--config {text!r} is not NAME=VALUE or TOPICS:NAME=VALUE",
        r"For example: --config 'orders\..*:retention.ms=604800000'",
    )


def _parse_dropped(text: str) -> TopicConfig:
    found = _CONFIG.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--drop-config {text!r} is not NAME or TOPICS:NAME", r"For example: --drop-config 'tmp\..*:retention.ms'"
        )
    return _topic_config("--drop-config", text, found, None)


def _topic_config(option: str, text: str, found: re.Match[str], value: str | None) -> TopicConfig:
    try:
        topics = None if found["topics"] is None else re.compile(found["topics"])
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{option} {text!r}: {error}", "TOPICS is a regular expression for a whole name.") from None
    return TopicConfig(topics=topics, name=found["name"], value=value)


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
