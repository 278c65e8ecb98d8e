"""What can be done to a destination: a closed union of actions, each with its precondition.

An action is complete: whoever applies it needs neither the source nor the policy. It holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from kafka_meta.model import Acl, CommittedOffset

Outcome: TypeAlias = Literal["done", "present", "failed"]

BROKER_DEFAULT = -1
"""As a replication factor: the destination's own `default.replication.factor` (KIP-464)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopic:
    """Precondition: no topic of that name."""

    topic: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)
    compacted: bool = False
    """Whether its effective cleanup policy, broker default included, compacts. For the reader only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPartitions:
    """Precondition: the topic has `existing` partitions."""

    topic: str
    existing: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConfigs:
    """Precondition: the overrides named in `previous` have these values (None: not overridden)."""

    topic: str
    configs: Mapping[str, str | None]
    """None takes an override away."""
    previous: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOffsets:
    """Precondition: the group has no live member and no position on any of these partitions but `replaces`."""

    group: str
    offsets: tuple[CommittedOffset, ...]
    replaces: tuple[CommittedOffset, ...] = ()
    """Positions that import or mirror has set before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAcl:
    """Precondition: none; a rule that exists stays as it is."""

    acl: Acl


SecretOrigin: TypeAlias = Literal["key", "passwords", "generated"]
"""Where a user's secret comes from: the exported keys, the file of `--passwords`, that of `--generate-passwords`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertUser:
    """Precondition: the user has no credential of this mechanism."""

    user: str
    mechanism: str
    iterations: int
    secret: SecretOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQuota:
    """Precondition: the values named in `previous` are these (None: not set). `entity` as in `Quota`."""

    entity: Mapping[str, str | None]
    values: Mapping[str, float]
    previous: Mapping[str, float | None]


Action: TypeAlias = CreateTopic | AddPartitions | SetConfigs | CommitOffsets | CreateAcl | UpsertUser | SetQuota


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an action; `error` says why it failed, or why it was found present."""

    action: Action
    outcome: Outcome
    error: str | None = None


def describe_acl(acl: Acl) -> str:
    """`ALLOW User:alice READ on TOPIC orders… from *`: one line; the ellipsis marks a prefix."""
    name = f"{acl.resource_name}…" if acl.pattern_type == "PREFIXED" else acl.resource_name
    return f"{acl.permission} {acl.principal} {acl.operation} on {acl.resource_type} {name} from {acl.host}"


def describe_entity(entity: Mapping[str, str | None]) -> str:
    """`user 'alice', default clientId`: quotes tell a user called "default" from Kafka's default entity."""
    names = ((kind, entity[kind]) for kind in sorted(entity, key="user clientId ip".find))
    return ", ".join(f"default {kind}" if name is None else f"{kind} '{name}'" for kind, name in names)


def quota_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def resource_of(action: Action) -> str:
    """The resource an action is about, as remarks and results name it."""
    match action:
        case CreateTopic() | AddPartitions() | SetConfigs():
            return f"topic {action.topic}"
        case CommitOffsets():
            return f"group {action.group}"
        case CreateAcl():
            return f"acl {describe_acl(action.acl)}"
        case UpsertUser():
            return f"user {action.user}"
        case SetQuota():
            return f"quota {describe_entity(action.entity)}"
        case _:
            assert_never(action)
