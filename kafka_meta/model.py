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
    """A value that only `reveal` returns. Every other rendering of it is masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value in clear text."""
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


@dataclass(frozen=True, slots=True)
class Resource:
    """What a remark, a difference or an action is about. Two are the same when kind and name are.

    `kind` is "topic", "group", "partition", "acl", "user", "quota", …, or a whole section: "topics", "acls", …. A part
    that can be unreadable by itself has a kind of its own: "configs of topic", "positions of group". `name` is None
    where there is only one of the kind.
    """

    kind: str
    name: str | None = None

    def __str__(self) -> str:
        """The words of screens and documents: `topic orders`, `acls`. They are for readers; nothing parses them."""
        return self.kind if self.name is None else f"{self.kind} {self.name}"

    @staticmethod
    def partition(topic: str, partition: int) -> Resource:
        return Resource("partition", f"{topic}-{partition}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to report about a resource, and the reason."""

    resource: Resource
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
    """The authorizer of a cluster and its settings. `None` means "not known": brokers hide the values of an
    authorizer's settings, so a `super.users` that is set cannot be read through the API."""

    authorizer: str | None = None
    """Class name; "" when the cluster has no authorizer."""
    allow_everyone_if_no_acl_found: bool | None = None
    super_users: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster itself. `None` means "not known"."""

    id: str | None = None
    mode: Mode | None = None
    version: str | None = None
    controller_id: int | None = None
    """In ZooKeeper mode. In KRaft mode, brokers name any one of them instead (KIP-590)."""
    brokers: tuple[Broker, ...] = ()
    """Those that are there."""
    absent: tuple[int, ...] = ()
    """Brokers that belong to it and are not there. Not in the file."""
    features: Mapping[str, int] = field(default_factory=dict)
    """The finalized level of each feature, such as metadata.version; empty where there are none, or not known."""
    offsets_retention_minutes: int | None = None
    """How long it keeps the positions of a group without members. Not in the file."""
    security: Security = Security()


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition. Offsets are log offsets, `None` where not known. Broker ids in `leader`, `replicas` and `isr`."""

    partition: int
    leader: int | None = None
    replicas: tuple[int, ...] = ()
    """Without the replicas that a running reassignment is about to remove."""
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
    """A topic with its partitions and overrides."""

    name: str
    id: str | None = None
    internal: bool = False
    partitions: tuple[Partition, ...] = ()
    """Ordered by number: 0 … n−1, none missing."""
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
    """A group's position on a partition: the offset of the first record that the group has not read.

    "Position" means this everywhere in kafka-meta.
    """

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
    """A group with its members and positions."""

    id: str
    type: str | None = None
    """Kafka's own word in lower case: classic, consumer (KIP-848), share, streams. "zookeeper" for old consumers that
    keep their positions in ZooKeeper."""
    state: str | None = None
    protocol: str | None = None
    """Protocol type: "consumer", "connect", "sr", …; "" for a group that only has committed offsets."""
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
    """Salt and keys are base64. They are known only with `--secrets` and from ZooKeeper: brokers never return them."""

    mechanism: str
    iterations: int
    salt: str | None = None
    stored_key: Secret | None = field(default=None, compare=False)
    server_key: Secret | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    credentials: tuple[ScramCredential, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`entity` maps "user", "clientId" or "ip" to a name; None is Kafka's default entity."""

    entity: Mapping[str, str | None]
    values: Mapping[str, float]


ResourceType: TypeAlias = Literal["GROUP", "CLIENT_METRICS", "BROKER"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherConfigs:
    """The configs that are set at run time on what is no topic (org.apache.kafka.common.config.ConfigResource). Of the
    type BROKER, `name` is a broker's id, or empty for all brokers."""

    resource_type: ResourceType
    name: str
    configs: Mapping[str, str]
    """Without sensitive ones."""

    @property
    def resource(self) -> Resource:
        match self.resource_type:
            case "GROUP":
                return Resource("configs of group", self.name)
            case "CLIENT_METRICS":
                return Resource("client metrics", self.name)
        return Resource("configs of broker", self.name) if self.name else Resource("configs of all brokers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The disk that a log directory is on, in bytes (KIP-827, since 3.3)."""

    path: str
    total_bytes: int
    usable_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDirs:
    """The sizes of replicas, and the brokers' disks."""

    sizes: Mapping[tuple[str, int, int], int]
    """Bytes of each replica by topic, partition and broker. An empty replica has 0; an unknown one is absent."""
    volumes: Mapping[int, tuple[Volume, ...]]
    """By broker, one for each log directory. Brokers that do not report them are absent. Several directories may be on
    the same disk."""
    gaps: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An expression of a selection that matches none of the existing names."""

    option: str
    """The field of `Selection`."""
    names: int
    """How many names exist."""
    near: tuple[str, ...] = ()
    """Names that an include expression may have meant, at most three."""

    @property
    def section(self) -> str:
        """ "topics", "groups" or "principals"."""
        return self.option.partition("_")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which names to take: regular expressions that must match a whole name (as Kafka's tools do)."""

    include_topics: re.Pattern[str] | None = None
    exclude_topics: re.Pattern[str] | None = None
    include_groups: re.Pattern[str] | None = None
    exclude_groups: re.Pattern[str] | None = None
    include_principals: re.Pattern[str] | None = None
    exclude_principals: re.Pattern[str] | None = None
    include_internal: bool = False

    def topic(self, name: str) -> bool:
        """Whether the topic is selected. Internal topics are not treated differently here."""
        return _selected(name, self.include_topics, self.exclude_topics)

    def group(self, name: str) -> bool:
        """Whether the group is selected."""
        return _selected(name, self.include_groups, self.exclude_groups)

    def principal(self, name: str) -> bool:
        """Whether the principal, such as `User:alice`, is selected. The expressions may leave out `User:`."""
        names = {name, name.removeprefix("User:")}
        include, exclude = self.include_principals, self.exclude_principals
        if include is not None and not any(map(include.fullmatch, names)):
            return False
        return exclude is None or not any(map(exclude.fullmatch, names))

    @property
    def narrows_topics(self) -> bool:
        return self.include_topics is not None or self.exclude_topics is not None

    @property
    def narrows_groups(self) -> bool:
        return self.include_groups is not None or self.exclude_groups is not None

    @property
    def narrows_users(self) -> bool:
        """Whether it leaves out users, as it does where it says which topics or principals to take."""
        by_principal = self.include_principals is not None or self.exclude_principals is not None
        return by_principal or self.include_topics is not None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return self.narrows_topics or self.narrows_groups or self.narrows_users

    def unmatched(
        self,
        *,
        topics: Collection[str] | None = None,
        groups: Collection[str] | None = None,
        principals: Collection[str] | None = None,
    ) -> tuple[Unmatched, ...]:
        """The expressions that match none of these names. Where the names are not known (None), none is reported."""
        if principals is not None:
            principals = {*principals, *(name.removeprefix("User:") for name in principals)}
        given = (
            ("include_principals", self.include_principals, principals),
            ("exclude_principals", self.exclude_principals, principals),
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
    """At most three names: those that the expression matches in part, else those that are spelled alike."""
    if parts := sorted(filter(expression.search, names)):
        return tuple(parts[:3])
    by_lower = {name.lower(): name for name in names}
    return tuple(by_lower[name] for name in difflib.get_close_matches(expression.pattern.lower(), by_lower, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A section that is `None` was not asked for, or could not be read; then there is a gap."""

    taken_at_ms: int
    cluster: Cluster = Cluster()
    topics: tuple[Topic, ...] | None = None
    groups: tuple[Group, ...] | None = None
    acls: tuple[Acl, ...] | None = None
    users: tuple[User, ...] | None = None
    quotas: tuple[Quota, ...] | None = None
    other_configs: tuple[OtherConfigs, ...] | None = None
    defaults: Mapping[str, str] | None = None
    """The brokers' defaults by topic config: the value that a topic without an override has. None when they could not
    be read."""
    operations: frozenset[str] | None = None
    """The operations that we may do on the cluster resource. None where the brokers do not report them. Not in the
    file."""
    log_dirs: LogDirs | None = None
    """What is on the brokers' disks, for `stats`. Not in the file."""
    stats: Mapping[str, object] | None = None
    gaps: tuple[Remark, ...] = ()
    """What could not be read."""
    left_out: tuple[Remark, ...] = ()
    """What was left out on purpose: internal topics, topics being deleted."""
    disagreements: tuple[Remark, ...] = ()
    """Where ZooKeeper and the brokers, or two brokers, report different things."""
    signs: tuple[Remark, ...] = ()
    """Signs of what does not move by itself: Connect, Streams, a schema registry, delegation tokens, …"""
    unmatched: tuple[Unmatched, ...] = ()
    """Expressions of the selection that matched no name when this was read. Not in the file."""


INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
"""Kafka's own state (org.apache.kafka.common.internals.Topic). Brokers mark these topics as internal, ZooKeeper does
not."""

_OWNERS = (
    (re.compile("__consumer_offsets|__transaction_state|__share_group_state|__remote_log_metadata"), "Kafka"),
    (re.compile(r"__?confluent[-_.].*"), "Confluent's products"),
    (re.compile(r"__amazon_msk_.*"), "Amazon MSK"),
    (re.compile(r"__CruiseControl.*|__KafkaCruiseControl.*"), "Cruise Control"),
    (re.compile(r"__strimzi[-_.].*"), "Strimzi"),
    (re.compile(r"_redpanda[-_.].*|__redpanda[-_.].*"), "Redpanda"),
)
"""Topics in which software keeps the state of its own cluster, by their whole names. Brokers mark only Kafka's."""


def internal_to(topic: str) -> str | None:
    """Whose state a topic of this name holds; None for a topic of users."""
    return next((owner for names, owner in _OWNERS if names.fullmatch(topic)), None)


LEASE_GROUPS = "kafka-meta-mirror."
"""The prefix of the groups with which `mirror` prevents a second copy of the same migration."""


def sorted_remarks(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Each remark once, ordered by resource and reason, as in a file."""
    return tuple(sorted(set(remarks), key=lambda remark: (str(remark.resource), remark.reason)))


def camel(name: str) -> str:
    """A field's name as documents have it: `size_bytes` → `sizeBytes`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
