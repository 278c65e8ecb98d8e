"""The actions on a destination: a closed union, each with its precondition.

An action is complete: to apply it, neither the source nor the policy is needed. It holds no secret. Each has its
`type`, the word of plan documents; its `resource`; and its `differences`: what verify reports while it is not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from kafka_meta.model import Acl, CommittedOffset, OtherConfigs, Resource, ResourceType
from kafka_meta.plan.differences import Difference

Outcome: TypeAlias = Literal["done", "present", "failed"]

BROKER_DEFAULT = -1
"""As a replication factor: the destination's own `default.replication.factor` (KIP-464)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopic:
    """Precondition: no topic has this name."""

    type: ClassVar[str] = "createTopic"

    topic: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)
    compacted: bool = False
    """Whether its effective cleanup policy, broker default included, compacts. For display only."""

    @property
    def resource(self) -> Resource:
        return Resource("topic", self.topic)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (Difference(resource=self.resource, difference="missing"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPartitions:
    """Precondition: the topic has `existing` partitions."""

    type: ClassVar[str] = "addPartitions"

    topic: str
    existing: int
    total: int

    @property
    def resource(self) -> Resource:
        return Resource("topic", self.topic)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (
            Difference(
                resource=self.resource,
                difference="different",
                aspect="partitions",
                source=self.total,
                dest=self.existing,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConfigs:
    """Precondition: the configs named in `previous` have these values. None: no override."""

    type: ClassVar[str] = "setConfigs"

    topic: str
    configs: Mapping[str, str | None]
    """None removes the override."""
    previous: Mapping[str, str | None]

    @property
    def resource(self) -> Resource:
        return Resource("topic", self.topic)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                resource=self.resource,
                difference="different",
                aspect=name,
                source=value,
                dest=self.previous.get(name),
            )
            for name, value in self.configs.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOffsets:
    """Precondition: the group has no live member, and on these partitions no position except those in `replaces`."""

    type: ClassVar[str] = "commitOffsets"

    group: str
    offsets: tuple[CommittedOffset, ...]
    replaces: tuple[CommittedOffset, ...] = ()
    """Positions that import or mirror has set before."""

    @property
    def resource(self) -> Resource:
        return Resource("group", self.group)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                resource=self.resource,
                difference="missing",
                aspect=f"offset {offset.topic}-{offset.partition}",
                source=offset.offset,
            )
            for offset in self.offsets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAcl:
    """Precondition: none. An ACL that exists stays as it is."""

    type: ClassVar[str] = "createAcl"

    acl: Acl

    @property
    def resource(self) -> Resource:
        return Resource("acl", describe_acl(self.acl))

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (Difference(resource=self.resource, difference="missing"),)


SecretOrigin: TypeAlias = Literal["key", "passwords", "generated"]
"""The origin of a user's secret: the exported keys, or the file of `--passwords` or `--generate-passwords`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertUser:
    """Precondition: the user has no credential of this mechanism."""

    type: ClassVar[str] = "upsertUser"

    user: str
    mechanism: str
    iterations: int
    secret: SecretOrigin
    was: str | None = None
    """The user's name on the source, where it is another one."""

    @property
    def resource(self) -> Resource:
        return Resource("user", self.user)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (Difference(resource=self.resource, difference="missing", aspect=self.mechanism),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOtherConfigs:
    """Precondition: the configs named in `previous` have these values. None: not set."""

    type: ClassVar[str] = "setOtherConfigs"

    resource_type: ResourceType
    name: str
    configs: Mapping[str, str]
    previous: Mapping[str, str | None]

    @property
    def resource(self) -> Resource:
        return OtherConfigs(resource_type=self.resource_type, name=self.name, configs=self.configs).resource

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                resource=self.resource,
                difference="missing" if (now := self.previous.get(name)) is None else "different",
                aspect=name,
                source=value,
                dest=now,
            )
            for name, value in sorted(self.configs.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQuota:
    """Precondition: the quotas named in `previous` have these values. None: not set. `entity` is that of `Quota`."""

    type: ClassVar[str] = "setQuota"

    entity: Mapping[str, str | None]
    values: Mapping[str, float]
    previous: Mapping[str, float | None]

    @property
    def resource(self) -> Resource:
        return Resource("quota", describe_entity(self.entity))

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                resource=self.resource,
                difference="missing" if (now := self.previous.get(name)) is None else "different",
                aspect=name,
                source=quota_text(value),
                dest=None if now is None else quota_text(now),
            )
            for name, value in self.values.items()
        )


Action: TypeAlias = (
    CreateTopic | AddPartitions | SetConfigs | CommitOffsets | CreateAcl | UpsertUser | SetQuota | SetOtherConfigs
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of an action. `error` is the reason for "failed" and "present"."""

    action: Action
    outcome: Outcome
    error: str | None = None


def describe_acl(acl: Acl) -> str:
    """One line: `ALLOW User:alice READ on TOPIC orders… from *`. The ellipsis marks a prefix."""
    name = f"{acl.resource_name}…" if acl.pattern_type == "PREFIXED" else acl.resource_name
    return f"{acl.permission} {acl.principal} {acl.operation} on {acl.resource_type} {name} from {acl.host}"


def describe_entity(entity: Mapping[str, str | None]) -> str:
    """`user 'alice', default clientId`. A name has quotes: Kafka's default entity has none."""
    names = ((kind, entity[kind]) for kind in sorted(entity, key="user clientId ip".find))
    return ", ".join(f"default {kind}" if name is None else f"{kind} '{name}'" for kind, name in names)


def quota_text(value: float) -> str:
    """A quota's value as text: without a fraction where it has none."""
    return str(int(value)) if value.is_integer() else repr(value)
