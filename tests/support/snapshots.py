"""Snapshots for tests: short ways to write them, arbitrary ones, and what a plan's actions make of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from hypothesis import strategies as st

from kafka_meta.model import (
    Acl,
    Broker,
    Cluster,
    CommittedOffset,
    Group,
    Member,
    OtherConfigs,
    Partition,
    PatternType,
    Permission,
    Quota,
    Remark,
    Resource,
    ScramCredential,
    Secret,
    Security,
    Snapshot,
    Topic,
    User,
)
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    SetConfigs,
    SetOtherConfigs,
    SetQuota,
    UpsertUser,
)


def topic(
    name: str,
    partitions: int = 1,
    *,
    factor: int = 1,
    configs: Mapping[str, str] | None = None,
    start: int | None = 0,
    end: int | None = 0,
    internal: bool = False,
) -> Topic:
    return Topic(
        name=name,
        internal=internal,
        partitions=tuple(
            Partition(partition=number, replicas=tuple(range(factor)), start_offset=start, end_offset=end)
            for number in range(partitions)
        ),
        configs=configs or {},
    )


def group(
    id: str, *positions: tuple[str, int, int], members: int = 0, state: str | None = None, **rest: object
) -> Group:
    """Positions as (topic, partition, offset)."""
    return Group(
        id=id,
        state=state or ("Stable" if members else "Empty"),
        members=tuple(Member(id=f"m{number}") for number in range(members)),
        offsets=tuple(sorted(CommittedOffset(topic=t, partition=p, offset=o) for t, p, o in positions)),
        **rest,  # type: ignore[arg-type]
    )


def acl(
    permission: Permission,
    principal: str,
    operation: str,
    resource: str,
    *,
    pattern: PatternType = "LITERAL",
    host: str = "*",
) -> Acl:
    """`resource` as `TOPIC orders`."""
    resource_type, _, name = resource.partition(" ")
    return Acl(
        resource_type=resource_type,
        resource_name=name,
        pattern_type=pattern,
        principal=principal,
        host=host,
        operation=operation,
        permission=permission,
    )


def snapshot(
    *,
    topics: Iterable[Topic] | None = (),
    groups: Iterable[Group] | None = (),
    acls: Iterable[Acl] | None = (),
    users: Iterable[User] | None = (),
    quotas: Iterable[Quota] | None = (),
    other_configs: Iterable[OtherConfigs] | None = (),
    defaults: Mapping[str, str] | None = None,
    id: str | None = "source",
    version: str | None = "3.9",
    brokers: int = 1,
    security: Security = Security(  # noqa: B008  # frozen
        authorizer="org.example.Authorizer", allow_everyone_if_no_acl_found=False, super_users=("User:admin",)
    ),
    gaps: tuple[Remark, ...] = (),
) -> Snapshot:
    return Snapshot(
        taken_at_ms=0,
        cluster=Cluster(
            id=id,
            version=version,
            brokers=tuple(Broker(id=number) for number in range(brokers)),
            security=security,
        ),
        topics=None if topics is None else tuple(topics),
        groups=None if groups is None else tuple(groups),
        acls=None if acls is None else tuple(acls),
        users=None if users is None else tuple(users),
        quotas=None if quotas is None else tuple(quotas),
        other_configs=None if other_configs is None else tuple(other_configs),
        defaults={"default.replication.factor": "1"} if defaults is None else defaults,
        gaps=gaps,
    )


def carried_out(actual: Snapshot, actions: Iterable[Action]) -> Snapshot:
    """The destination after these actions, as Kafka carries them out."""
    topics = {topic.name: topic for topic in actual.topics or ()}
    groups = {group.id: group for group in actual.groups or ()}
    acls = dict.fromkeys(actual.acls or ())
    users = {user.name: user for user in actual.users or ()}
    quotas = {tuple(sorted(quota.entity.items(), key=str)): quota for quota in actual.quotas or ()}
    others = list(actual.other_configs or ())
    for action in actions:
        match action:
            case CreateTopic():
                assert action.topic not in topics, f"{action.topic} exists"
                factor = action.replication_factor
                if factor == -1:
                    factor = int((actual.defaults or {}).get("default.replication.factor", "1"))
                topics[action.topic] = topic(action.topic, action.partitions, factor=factor, configs=action.configs)
            case AddPartitions():
                old = topics[action.topic]
                assert len(old.partitions) == action.existing < action.total
                new = topic(action.topic, action.total, factor=old.replication_factor or 1)
                topics[action.topic] = replace(old, partitions=old.partitions + new.partitions[action.existing :])
            case SetConfigs():
                old = topics[action.topic]
                assert old.configs is not None
                topics[action.topic] = replace(old, configs={**old.configs, **action.configs})
            case CommitOffsets():
                there = groups.get(action.group, Group(id=action.group, state="Empty"))
                assert there.offsets is not None and not there.members, "only a group that rests takes positions"
                places = [(offset.topic, offset.partition) for offset in action.offsets]
                assert len(places) == len(set(places)), "one position a partition"
                for name, number in places:
                    assert number < len(topics[name].partitions), f"{name}-{number} exists"
                kept = [offset for offset in there.offsets if (offset.topic, offset.partition) not in places]
                groups[action.group] = replace(there, offsets=tuple(sorted((*kept, *action.offsets))))
            case CreateAcl():
                acls[action.acl] = None
            case UpsertUser():
                known = users.get(action.user, User(name=action.user)).credentials
                assert action.mechanism not in {each.mechanism for each in known}, f"{action.user} has one"
                made = ScramCredential(mechanism=action.mechanism, iterations=action.iterations)
                users[action.user] = User(name=action.user, credentials=(*known, made))
            case SetQuota():
                key = tuple(sorted(action.entity.items(), key=str))
                values = quotas[key].values if key in quotas else {}
                for name, value in action.previous.items():
                    assert values.get(name) == value, f"{name} is {values.get(name)}"
                quotas[key] = Quota(entity=action.entity, values={**values, **action.values})
            case SetOtherConfigs():
                other = {each.resource: each for each in others}
                now = other[action.resource].configs if action.resource in other else {}
                assert {name: now.get(name) for name in action.previous} == action.previous
                made = OtherConfigs(
                    resource_type=action.resource_type, name=action.name, configs={**now, **action.configs}
                )
                others = [*(each for each in others if each.resource != action.resource), made]
            case _:
                assert_never(action)
    return replace(
        actual,
        topics=None if actual.topics is None else tuple(topics.values()),
        groups=None if actual.groups is None else tuple(groups.values()),
        acls=None if actual.acls is None else tuple(acls),
        users=None if actual.users is None else tuple(users.values()),
        quotas=None if actual.quotas is None else tuple(quotas.values()),
        other_configs=None if actual.other_configs is None else tuple(others),
    )


# Small universes, so that two arbitrary snapshots have much in common.

TOPIC_NAMES = ("a", "a.b", "b", "eu.a", "orders")
GROUP_NAMES = ("g", "h", "a")
CONFIGS: Mapping[str, tuple[str, ...]] = {
    "cleanup.policy": ("compact", "delete", "delete, compact", "compact,delete"),
    "follower.replication.throttled.replicas": ("*",),
    "message.format.version": ("2.8",),
    "message.timestamp.after.max.ms": ("7", "9223372036854775807"),
    "message.timestamp.difference.max.ms": ("5",),
    "min.cleanable.dirty.ratio": ("0.5", "0.50"),
    "min.insync.replicas": ("1", "2", "3"),
    "nonsense": ("x",),
    "preallocate": ("TRUE", "true"),
    "remote.storage.enable": ("true",),
    "retention.ms": ("1000", "2000", "-1"),
    "segment.bytes": ("512", "1048576"),
}
PRINCIPALS = ("User:*", "User:admin", "User:alice", "Group:staff")
HOSTS = ("*", "10.0.0.1")
OPERATIONS = ("ALL", "READ", "DESCRIBE", "ALTER", "ALTER_CONFIGS", "DESCRIBE_CONFIGS")


def some(strategy: st.SearchStrategy[str], values: Mapping[str, tuple[str, ...]]) -> st.SearchStrategy[dict[str, str]]:
    return st.lists(strategy, unique=True, max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: st.sampled_from(values[name]) for name in names})
    )


configs = some(st.sampled_from(sorted(CONFIGS)), CONFIGS)


@st.composite
def small_topics(draw: st.DrawFn, *, brokers: int) -> tuple[Topic, ...]:
    names = draw(st.lists(st.sampled_from(TOPIC_NAMES), unique=True, max_size=4))
    found = []
    for name in names:
        start = draw(st.integers(0, 3))
        found.append(
            topic(
                name,
                draw(st.integers(1, 3)),
                factor=draw(st.integers(1, brokers)),
                configs=draw(configs),
                start=start,
                end=start + draw(st.integers(0, 3)),
                internal=draw(st.sampled_from((False, False, False, True))),
            )
        )
    return tuple(found)


@st.composite
def small_groups(draw: st.DrawFn, *, zookeeper: bool, metadata: tuple[str, ...]) -> tuple[Group, ...]:
    sources = ("broker", "zookeeper") if zookeeper else ("broker",)
    keys = draw(st.lists(st.tuples(st.sampled_from(GROUP_NAMES), st.sampled_from(sources)), unique=True, max_size=4))
    found = []
    for name, source in keys:
        places = draw(
            st.lists(st.tuples(st.sampled_from(TOPIC_NAMES), st.integers(0, 3)), unique=True, min_size=0, max_size=4)
        )
        members = draw(st.sampled_from((0, 0, 0, 2)))
        found.append(
            Group(
                id=name,
                source=source,  # type: ignore[arg-type]
                type=draw(st.sampled_from(("classic", "consumer", "share", None))),
                protocol=draw(st.sampled_from(("consumer", "connect", "sr", ""))),
                state="Stable" if members else "Empty",
                members=tuple(Member(id=f"m{number}") for number in range(members)),
                offsets=tuple(
                    sorted(
                        CommittedOffset(
                            topic=name,
                            partition=number,
                            offset=draw(st.integers(0, 7)),
                            metadata=draw(st.sampled_from(metadata)),
                        )
                        for name, number in places
                    )
                ),
            )
        )
    return tuple(found)


small_acls = st.builds(
    Acl,
    resource_type=st.sampled_from(("TOPIC", "GROUP", "CLUSTER")),
    resource_name=st.sampled_from(("*", "a", "a.b", "kafka-cluster", "or")),
    pattern_type=st.sampled_from(("LITERAL", "PREFIXED")),
    principal=st.sampled_from(PRINCIPALS),
    host=st.sampled_from(HOSTS),
    operation=st.sampled_from(OPERATIONS),
    permission=st.sampled_from(("ALLOW", "DENY")),
)


small_users = st.lists(
    st.builds(
        User,
        name=st.sampled_from(("a", "b", "ü%2F")),
        credentials=st.lists(
            st.builds(
                ScramCredential,
                mechanism=st.sampled_from(("SCRAM-SHA-256", "SCRAM-SHA-512")),
                iterations=st.sampled_from((1024, 4096, 8192, 65536)),
            ),
            max_size=2,
            unique_by=lambda each: each.mechanism,
        ).map(tuple),
    ),
    max_size=3,
    unique_by=lambda user: user.name,
)
small_quotas = st.lists(
    st.builds(
        Quota,
        entity=st.sampled_from(({"user": "a"}, {"user": None}, {"user": "a", "clientId": None}, {"ip": None})),
        values=st.dictionaries(st.sampled_from(("x", "y")), st.sampled_from((1.0, 2.5)), max_size=2),
    ),
    max_size=3,
    unique_by=lambda quota: str(quota.entity),
)


@st.composite
def small_snapshots(draw: st.DrawFn, *, id: str, dest: bool) -> Snapshot:
    brokers = draw(st.integers(1, 3))
    defaults = draw(configs) | {"default.replication.factor": str(draw(st.integers(1, brokers)))}
    return snapshot(
        id=id,
        version=draw(st.sampled_from(("4.3", "3.9", "2.8", None))),
        brokers=brokers,
        topics=draw(small_topics(brokers=brokers)),
        groups=draw(small_groups(zookeeper=not dest, metadata=("", "kafka-meta:start") if dest else ("", "own"))),
        acls=draw(st.lists(small_acls, unique=True, max_size=5)),
        users=draw(small_users),
        quotas=draw(small_quotas),
        defaults=defaults,
        security=Security(
            authorizer=draw(st.sampled_from(("org.example.Authorizer", "org.example.Authorizer", ""))),
            allow_everyone_if_no_acl_found=draw(st.sampled_from((True, False, None))),
            super_users=draw(st.sampled_from((None, (), ("User:admin",)))),
        ),
    )


# Anything that a file can hold.

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_maybe_words = st.none() | words
_counts = st.integers(0, 2**63 - 1)
_ids = st.integers(0, 2**31 - 1)
topic_names = st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True).filter(lambda name: name not in (".", ".."))
resources = st.builds(Resource, words, st.none() | words)
_remarks = st.lists(st.builds(Remark, resource=resources, reason=words), max_size=3).map(
    lambda remarks: tuple(sorted(remarks, key=lambda remark: (str(remark.resource), remark.reason)))
)


@st.composite
def _any_topic(draw: st.DrawFn, name: str) -> Topic:
    partitions = [
        Partition(
            partition=number,
            leader=draw(st.none() | st.integers(-1, 5)),
            replicas=draw(st.lists(_ids, max_size=3).map(tuple)),
            isr=draw(st.none() | st.lists(_ids, max_size=3).map(sorted).map(tuple)),
            start_offset=draw(st.none() | _counts),
            end_offset=draw(st.none() | _counts),
            size_bytes=draw(st.none() | _counts),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    return Topic(
        name=name,
        id=draw(_maybe_words),
        internal=draw(st.booleans()),
        partitions=tuple(partitions),
        configs=draw(st.none() | st.dictionaries(words, words, max_size=3)),
    )


_offsets = st.builds(CommittedOffset, topic=topic_names, partition=_ids, offset=_counts, metadata=words)


@st.composite
def _any_group(draw: st.DrawFn, key: tuple[str, str]) -> Group:
    id, source = key
    members = draw(
        st.lists(
            st.builds(Member, id=words, client_id=_maybe_words, host=_maybe_words),
            max_size=2,
            unique_by=lambda member: member.id,
        )
    )
    offsets = draw(st.none() | st.lists(_offsets, max_size=3, unique_by=lambda each: (each.topic, each.partition)))
    return Group(
        id=id,
        source=source,  # type: ignore[arg-type]
        type=draw(_maybe_words),
        state=draw(_maybe_words),
        protocol=draw(_maybe_words),
        members=tuple(sorted(members, key=lambda member: member.id)),
        offsets=None if offsets is None else tuple(sorted(offsets)),
    )


any_acls = st.builds(
    Acl,
    resource_type=st.from_regex(r"[A-Z_]{1,9}", fullmatch=True),
    resource_name=words.filter(bool),
    pattern_type=st.sampled_from(("LITERAL", "PREFIXED")),
    principal=words.map(lambda name: f"User:{name}"),
    host=words.filter(bool),
    operation=st.from_regex(r"[A-Z_]{1,9}", fullmatch=True),
    permission=st.sampled_from(("ALLOW", "DENY")),
)
_secrets = st.none() | words.map(Secret)
_users = st.builds(
    User,
    name=words,
    credentials=st.lists(
        st.builds(
            ScramCredential,
            mechanism=st.sampled_from(("SCRAM-SHA-256", "SCRAM-SHA-512")),
            iterations=st.integers(1, 2**31),
            salt=_maybe_words,
            stored_key=_secrets,
            server_key=_secrets,
        ),
        max_size=2,
        unique_by=lambda credential: credential.mechanism,
    ).map(lambda found: tuple(sorted(found, key=lambda credential: credential.mechanism))),
)
_quotas = st.builds(
    Quota,
    entity=st.dictionaries(st.sampled_from(("user", "clientId", "ip")), _maybe_words, min_size=1),
    values=st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
)


@st.composite
def any_snapshots(draw: st.DrawFn) -> Snapshot:
    """Every field of the model with anything that it may hold, in the order of a file."""
    names = draw(st.lists(topic_names, unique=True, max_size=3))
    groups = draw(st.lists(st.tuples(words, st.sampled_from(("broker", "zookeeper"))), unique=True, max_size=3))
    quotas = draw(st.lists(_quotas, max_size=3, unique_by=lambda quota: tuple(sorted(quota.entity.items(), key=repr))))
    return Snapshot(
        taken_at_ms=draw(st.integers(0, 253402300799999)),
        cluster=Cluster(
            id=draw(_maybe_words),
            mode=draw(st.sampled_from((None, "zookeeper", "kraft"))),
            version=draw(_maybe_words),
            controller_id=draw(st.none() | _ids),
            brokers=tuple(
                Broker(
                    id=id,
                    host=draw(_maybe_words),
                    port=draw(st.none() | st.integers(0, 65535)),
                    rack=draw(_maybe_words),
                )
                for id in sorted(draw(st.sets(_ids, max_size=3)))
            ),
            security=Security(
                authorizer=draw(_maybe_words),
                allow_everyone_if_no_acl_found=draw(st.sampled_from((None, True, False))),
                super_users=draw(st.none() | st.lists(words, max_size=2).map(sorted).map(tuple)),
            ),
        ),
        topics=draw(st.none() | st.just(tuple(draw(_any_topic(name)) for name in sorted(names)))),
        groups=draw(st.none() | st.just(tuple(draw(_any_group(key)) for key in sorted(groups)))),
        acls=draw(st.none() | st.lists(any_acls, unique=True, max_size=3).map(sorted).map(tuple)),
        users=draw(
            st.none()
            | st.lists(_users, max_size=2, unique_by=lambda user: user.name).map(
                lambda users: tuple(sorted(users, key=lambda user: user.name))
            )
        ),
        quotas=draw(
            st.none() | st.just(tuple(sorted(quotas, key=lambda quota: sorted(map(str, quota.entity.items())))))
        ),
        defaults=draw(st.none() | st.dictionaries(words, words, max_size=3)),
        stats=draw(st.none() | st.dictionaries(words, st.none() | words | _counts | st.booleans(), max_size=3)),
        gaps=draw(_remarks),
        left_out=draw(_remarks),
        disagreements=draw(_remarks),
        signs=draw(_remarks),
    )
