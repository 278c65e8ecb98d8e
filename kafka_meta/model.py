"""What is on a Kafka cluster, as values.

A `Snapshot` is what a reader saw at one time; a file holds one, `compare` takes two. `None` means
"not known", never zero, empty or absent; what could not be read is named in `Snapshot.gaps`.
Names are Kafka's own. Offsets are log offsets, sizes are bytes, times are milliseconds since 1970.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SCHEMA_VERSION = "1.0"

Mode: TypeAlias = Literal["zookeeper", "kraft"]
PatternType: TypeAlias = Literal["LITERAL", "PREFIXED"]
Permission: TypeAlias = Literal["ALLOW", "DENY"]
GroupSource: TypeAlias = Literal["broker", "zookeeper"]


class Secret:
    """A value that shows itself only to who calls `reveal`; every rendering of it is masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to say about a resource (`topic orders`, `acls`, `users`, …), and the reason."""

    resource: str
    reason: str


Gap: TypeAlias = Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    id: int
    host: str | None = None
    port: int | None = None
    rack: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What guards a cluster. `None` is "could not be told": values of authorizer settings are
    hidden by brokers, so a `super.users` that is set cannot be read through the API."""

    authorizer: str | None = None
    """Class name; "" when the cluster has no authorizer."""
    allow_everyone_if_no_acl_found: bool | None = None
    super_users: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    id: str | None = None
    mode: Mode | None = None
    version: str | None = None
    controller_id: int | None = None
    brokers: tuple[Broker, ...] = ()
    security: Security = Security()


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    partition: int
    leader: int | None = None
    replicas: tuple[int, ...] = ()
    """Without the ones that a running reassignment is about to remove."""
    isr: tuple[int, ...] | None = None
    start_offset: int | None = None
    end_offset: int | None = None
    size_bytes: int | None = None
    """Size on disk of the leader's replica."""

    def __post_init__(self) -> None:
        if self.partition < 0:
            raise ValueError(f"partition {self.partition} is negative")
        for name in ("start_offset", "end_offset", "size_bytes"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} {value} is negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    name: str
    id: str | None = None
    internal: bool = False
    partitions: tuple[Partition, ...] = ()
    """Ordered by number, 0 … n−1 without a hole."""
    configs: Mapping[str, str] | None = field(default_factory=dict)
    """Overrides only; None when they could not be read. Sensitive values are left out."""

    def __post_init__(self) -> None:
        numbers = [partition.partition for partition in self.partitions]
        if numbers != list(range(len(numbers))):
            raise ValueError(f"partitions of {self.name!r} are numbered {numbers}, expected 0 … {len(numbers) - 1}")

    @property
    def replication_factor(self) -> int | None:
        """Of partition 0, as Kafka's own tools count it."""
        return len(self.partitions[0].replicas) or None if self.partitions else None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CommittedOffset:
    topic: str
    partition: int
    offset: int
    metadata: str = ""

    def __post_init__(self) -> None:
        if self.offset < 0:
            raise ValueError(f"committed offset {self.offset} of {self.topic}-{self.partition} is negative")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    id: str
    client_id: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    id: str
    type: str | None = None
    """Kafka's own word, lower case: classic, consumer (KIP-848), share, streams; "zookeeper" for
    consumers that keep their offsets in ZooKeeper."""
    state: str | None = None
    protocol: str | None = None
    """Protocol type: "consumer", "connect", "sr", …; "" for a group that only has offsets."""
    members: tuple[Member, ...] = ()
    source: GroupSource = "broker"
    offsets: tuple[CommittedOffset, ...] | None = ()
    """Ordered by topic and partition; None when they could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Acl:
    """Words as Kafka's API spells them: TOPIC, TRANSACTIONAL_ID, DESCRIBE_CONFIGS, …"""

    resource_type: str
    resource_name: str
    pattern_type: PatternType
    principal: str
    host: str
    operation: str
    permission: Permission


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ScramCredential:
    """The keys (base64) only under `--secrets`, and only ZooKeeper can tell them."""

    mechanism: str
    iterations: int
    salt: str | None = None
    stored_key: Secret | None = field(default=None, compare=False)
    server_key: Secret | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    credentials: tuple[ScramCredential, ...] = ()


DEFAULT_ENTITY: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`entity` maps "user", "clientId" or "ip" to a name; None is Kafka's default entity."""

    entity: Mapping[str, str | None]
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The disk that a log directory is on, in bytes (KIP-827, since 3.3)."""

    path: str
    total_bytes: int
    usable_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDirs:
    sizes: Mapping[tuple[str, int, int], int]
    """Bytes of each replica by topic, partition and broker; a partition without a byte is 0, an unknown one absent."""
    volumes: Mapping[int, tuple[Volume, ...]]
    """One a log directory, of the brokers that tell; several directories may be on the same disk."""
    gaps: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An expression of a selection that matches none of the names there are."""

    option: str
    """The field of `Selection`."""
    names: int
    """How many names there are."""
    near: tuple[str, ...] = ()
    """Names that an include expression may have meant, at most three."""

    @property
    def section(self) -> str:
        return "topics" if self.option.endswith("topics") else "groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which names to take: regular expressions that must match a whole name (as Kafka's tools do)."""

    include_topics: re.Pattern[str] | None = None
    exclude_topics: re.Pattern[str] | None = None
    include_groups: re.Pattern[str] | None = None
    exclude_groups: re.Pattern[str] | None = None
    include_internal: bool = False

    def topic(self, name: str) -> bool:
        return _selected(name, self.include_topics, self.exclude_topics)

    def group(self, name: str) -> bool:
        return _selected(name, self.include_groups, self.exclude_groups)

    def unmatched(
        self, *, topics: Collection[str] | None = None, groups: Collection[str] | None = None
    ) -> tuple[Unmatched, ...]:
        """The expressions that match none of all these names; of names that are not known (None) nothing is said."""
        given = (
            ("include_topics", self.include_topics, topics),
            ("exclude_topics", self.exclude_topics, topics),
            ("include_groups", self.include_groups, groups),
            ("exclude_groups", self.exclude_groups, groups),
        )
        return tuple(
            Unmatched(
                option=option,
                names=len(names),
                near=_near(expression, names) if option.startswith("include") else (),
            )
            for option, expression, names in given
            if expression is not None and names is not None and not any(map(expression.fullmatch, names))
        )


EVERYTHING = Selection()


def _selected(name: str, include: re.Pattern[str] | None, exclude: re.Pattern[str] | None) -> bool:
    if include is not None and not include.fullmatch(name):
        return False
    return exclude is None or not exclude.fullmatch(name)


def _near(expression: re.Pattern[str], names: Collection[str]) -> tuple[str, ...]:
    """Names of which it matches a part, else those that are spelt much like it."""
    if parts := sorted(filter(expression.search, names)):
        return tuple(parts[:3])
    by_lower = {name.lower(): name for name in names}
    return tuple(by_lower[name] for name in difflib.get_close_matches(expression.pattern.lower(), by_lower, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`None` for a whole section: it was not asked for or could not be read (then there is a gap)."""

    taken_at_ms: int
    cluster: Cluster = Cluster()
    topics: tuple[Topic, ...] | None = None
    groups: tuple[Group, ...] | None = None
    acls: tuple[Acl, ...] | None = None
    users: tuple[User, ...] | None = None
    quotas: tuple[Quota, ...] | None = None
    defaults: Mapping[str, str] | None = None
    """Broker-level defaults by the name of the topic config that they stand in for: what a topic
    without an override gets. None when they could not be read."""
    operations: frozenset[str] | None = None
    """What we may do with the cluster resource; None where the brokers do not say. No file has it."""
    log_dirs: LogDirs | None = None
    """What the brokers' disks hold, for `stats`; no file has it."""
    stats: Mapping[str, object] | None = None
    gaps: tuple[Remark, ...] = ()
    """What could not be read."""
    left_out: tuple[Remark, ...] = ()
    """What was read and is not in the snapshot on purpose: internal topics, topics being deleted."""
    disagreements: tuple[Remark, ...] = ()
    """Where ZooKeeper and the brokers, or one broker and another, say different things."""
    signs: tuple[Remark, ...] = ()
    """Traces of what does not move by itself: Connect, Streams, schema registry, tokens, …"""
    unmatched: tuple[Unmatched, ...] = ()
    """Expressions of the selection that no name matched when this was read; no file has it."""


INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
"""Kafka's own state (org.apache.kafka.common.internals.Topic); brokers flag them, ZooKeeper does not."""


LEASE_GROUPS = "kafka-meta-mirror."
"""How the names of the groups begin by which `mirror` keeps a second copier away."""


def sorted_remarks(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Without repetitions, in the order of a file."""
    return tuple(sorted(set(remarks), key=lambda remark: (remark.resource, remark.reason)))
