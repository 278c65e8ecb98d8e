"""What a destination ought to be, in its own words: what `reshape` makes of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_meta.model import Acl, Group, OtherConfigs, Quota, Remark, Resource, ScramCredential, Security, Selection
from kafka_meta.plan.differences import Difference
from kafka_meta.plan.policy import GroupOffsets, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredTopic:
    """A topic as it ought to be on the destination. `partitions` is 0 where the source did not show them."""

    name: str
    partitions: int
    replication_factor: int | None
    """`BROKER_DEFAULT`: the destination chooses it. None: the source did not show it."""
    configs: Mapping[str, str]
    """The overrides, fitted to the destination."""
    configs_known: bool = True
    """False where the source did not show its overrides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredUser:
    """A user as it ought to be on the destination, where it may have another name than on the source (`was`)."""

    name: str
    was: str
    credentials: tuple[ScramCredential, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The desired state of a destination. A section is None where it was not asked for or is not in the file; the
    second is in `unread`."""

    source_id: str | None
    sections: frozenset[Section]
    """The sections that are compared."""
    selection: Selection
    """What else counts on the destination: a topic or a group that it does not select is nobody's extra."""
    topics: tuple[DesiredTopic, ...] | None
    groups: tuple[Group, ...] | None
    """With the positions that they have on the source, on the destination's topics."""
    group_offsets: GroupOffsets
    """What becomes of these positions."""
    acls: tuple[Acl, ...] | None
    withheld: tuple[Acl, ...]
    """Those that stay away for now, as they would be on the destination: `--withhold-write`."""
    wider_rights: frozenset[str]
    """ACLs, in words, that may allow more than on the source."""
    users: tuple[DesiredUser, ...] | None
    quotas: tuple[Quota, ...] | None
    other_configs: tuple[OtherConfigs, ...] | None
    defaults: Mapping[str, str] | None
    """The source's defaults of topic configs, fitted to the destination. None where nobody knows them."""
    security: Security
    """Of the source."""
    features: Mapping[str, int]
    """Of the source."""
    names: Mapping[str, frozenset[str] | None]
    """The names that selected topics ("TOPIC") and groups ("GROUP") have on the destination, in whatever sections. None
    where the source's are not known."""
    other_rules: frozenset[Acl]
    """ACLs of the source that do not belong to the selection, as they would be on the destination."""
    left_behind: frozenset[Resource]
    """What the source has, too, and what is not wanted here, by its name on the destination. It is not extra there."""
    intended: tuple[Difference, ...]
    """How it differs from the source because a policy or a limit of the destination requires it."""
    skipped: tuple[Remark, ...]
    refused: tuple[Remark, ...]
    unread: tuple[Remark, ...]
    warnings: tuple[Remark, ...]

    def keeps_out(self, resource: Resource) -> bool:
        """Whether a topic or a group of the destination is none of this: not selected, or left behind on the source."""
        name = resource.name or ""
        selected = self.selection.topic(name) if resource.kind == "topic" else self.selection.group(name)
        return not selected or resource in self.left_behind
