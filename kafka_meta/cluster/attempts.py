"""One attempt at a batch of actions: read the present state, check the preconditions, send the request.

Each function returns a verdict for each try, in order. If a precondition does not hold, nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from kafka_meta import wire
from kafka_meta.cluster.clients import code, reason
from kafka_meta.cluster.groups import NO_MEMBERS
from kafka_meta.cluster.patience import Again, Try, Verdict, verdict
from kafka_meta.cluster.vault import Vault
from kafka_meta.model import Acl, CommittedOffset, OtherConfigs, Quota, Resource
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Result,
    SetConfigs,
    SetOtherConfigs,
    SetQuota,
    UpsertUser,
    quota_text,
)
from kafka_meta.wire import Described, Place, Unanswered, Upsertion, Wire

A = TypeVar("A", bound=Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The clients of a writer, and what it has created so far."""

    client: AdminClient
    wire: Wire
    timeout_seconds: float
    grown: set[str] = field(default_factory=set)
    """Topics that we have created or given partitions. The controller answers before every broker knows them."""
    rules: set[Acl] = field(default_factory=set)
    """ACLs that we have created. Brokers know them later as well."""
    users: set[tuple[str, str]] = field(default_factory=set)
    """Credentials that we have created: (user, mechanism)."""


def create_topics(tools: Tools, tries: Sequence[Try[CreateTopic]], *, pretend: bool = False) -> list[Verdict]:
    """Creates topics. With `pretend` the controller only checks them."""
    topics = [
        NewTopic(
            attempt.action.topic,
            num_partitions=attempt.action.partitions,
            replication_factor=attempt.action.replication_factor,
            config=dict(attempt.action.configs),
        )
        for attempt in tries
    ]
    futures = tools.client.create_topics(
        topics,
        validate_only=pretend,
        request_timeout=tools.timeout_seconds,
        # After this time the broker answers with REQUEST_TIMED_OUT: earlier than our own timeout.
        operation_timeout=tools.timeout_seconds / 2,
    )
    verdicts: list[Verdict] = []
    for attempt in tries:
        action = attempt.action
        error = _error(futures[action.topic])
        if error is None:
            tools.grown.add(action.topic)
            verdicts.append(Result(action=action, outcome="done"))
        elif code(error) == KafkaError.TOPIC_ALREADY_EXISTS:
            verdicts.append(_there(attempt, "the topic exists"))
        else:
            verdicts.append(verdict(action, error))
    return verdicts


def add_partitions(tools: Tools, tries: Sequence[Try[AddPartitions]]) -> list[Verdict]:
    """Adds partitions to topics that have the number that the plan expects."""
    try:
        topics = wire.metadata(tools.wire, [attempt.action.topic for attempt in tries]).topics
    except Unanswered as silence:
        return _all(tries, silence)
    verdicts: dict[str, Verdict] = {}
    wanted: list[Try[AddPartitions]] = []
    for attempt in tries:
        action = attempt.action
        count = len(topics[action.topic].partitions) if action.topic in topics else None
        if count == action.total:
            verdicts[action.topic] = _there(attempt, f"the topic has {count} partitions")
        elif count != action.existing:
            has = "does not exist or cannot be seen" if count is None else f"has {count} partitions now"
            verdicts[action.topic] = _broken(action, f"the topic {has}, expected {action.existing}")
        else:
            wanted.append(attempt)
    if wanted:
        futures = tools.client.create_partitions(
            [NewPartitions(attempt.action.topic, attempt.action.total) for attempt in wanted],
            request_timeout=tools.timeout_seconds,
            operation_timeout=tools.timeout_seconds / 2,
        )
        for attempt in wanted:
            error = _error(futures[attempt.action.topic])
            if error is not None and code(error) == KafkaError.INVALID_PARTITIONS:
                # The controller knows more partitions than the brokers do yet.
                verdicts[attempt.action.topic] = Again(reason=reason(error), unsure=attempt.unsure)
            else:
                tools.grown.add(attempt.action.topic)
                verdicts[attempt.action.topic] = _settled(attempt.action, futures[attempt.action.topic])
    return [verdicts[attempt.action.topic] for attempt in tries]


def set_configs(tools: Tools, tries: Sequence[Try[SetConfigs]]) -> list[Verdict]:
    """Sets configs of topics whose present values are those that the plan expects."""
    current = dict(wire.overrides(tools.wire, [attempt.action.topic for attempt in tries]))
    verdicts: dict[str, Verdict] = {}
    wanted: list[Try[SetConfigs]] = []
    for attempt in tries:
        action = attempt.action
        now = current[action.topic]
        if isinstance(now, Unanswered):
            verdicts[action.topic] = _silence(action, now)
        elif all(now.get(name) == value for name, value in action.configs.items()):
            verdicts[action.topic] = _there(attempt, "the configs have these values")
        elif moved := [name for name, value in sorted(action.previous.items()) if now.get(name) != value]:
            verdicts[action.topic] = _broken(action, _changed(moved, now, action.previous))
        else:
            wanted.append(attempt)
    if wanted:
        resources = [_changes(attempt.action) for attempt in wanted]
        futures = tools.client.incremental_alter_configs(resources, request_timeout=tools.timeout_seconds)
        for attempt, resource in zip(wanted, resources, strict=True):
            result = _settled(attempt.action, futures[resource])
            error = _error(futures[resource])
            if error is not None and code(error) == KafkaError._UNSUPPORTED_FEATURE:
                text = "the brokers do not support IncrementalAlterConfigs (Kafka does since 2.3): use kafka-configs"
                result = _broken(attempt.action, text)
            verdicts[attempt.action.topic] = result
    return [verdicts[attempt.action.topic] for attempt in tries]


def _changed(names: Iterable[str], now: Mapping[str, str], expected: Mapping[str, str | None]) -> str:
    return "; ".join(f"{name} is {_shown(now.get(name))}, expected {_shown(expected[name])}" for name in names)


def _shown(value: str | None) -> str:
    return "not overridden" if value is None else value


def _changes(action: SetConfigs) -> ConfigResource:
    return ConfigResource(
        ResourceType.TOPIC,
        action.topic,
        incremental_configs=[
            ConfigEntry(
                name,
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for name, value in action.configs.items()
        ],
    )


def create_acls(tools: Tools, tries: Sequence[Try[CreateAcl]], existing: Set[Acl]) -> list[Verdict]:
    """`existing` may be a little older than the attempt: creating an ACL that exists changes nothing."""
    new = [attempt.action.acl for attempt in tries if attempt.action.acl not in existing]
    try:
        answers = wire.create_acls(tools.wire, new) if new else []
    except Unanswered as silence:
        answers = [silence] * len(new)
    errors = dict(zip(new, answers, strict=True))
    verdicts: list[Verdict] = []
    for attempt in tries:
        error = errors.get(attempt.action.acl)
        if error is not None:
            verdicts.append(_silence(attempt.action, error))
        elif attempt.action.acl in existing:
            verdicts.append(_there(attempt, "the ACL exists"))
        else:
            tools.rules.add(attempt.action.acl)
            verdicts.append(Result(action=attempt.action, outcome="done"))
    return verdicts


def upsert_users(tools: Tools, tries: Sequence[Try[UpsertUser]], vault: Vault) -> list[Verdict]:
    """Each user at most once in `tries`: KRaft refuses two mechanisms of one user in one request."""
    existing, gaps = wire.users(tools.wire)
    if existing is None:
        return _all(tries, Unanswered(gaps[0].reason))
    there = {(user.name, each.mechanism): each.iterations for user in existing for each in user.credentials}
    verdicts: dict[str, Verdict] = {}
    wanted: list[tuple[Try[UpsertUser], Upsertion]] = []
    for attempt in tries:
        action = attempt.action
        iterations = there.get((action.user, action.mechanism))
        if iterations == action.iterations:
            verdicts[action.user] = _there(attempt, f"the user has a credential of {action.mechanism}")
        elif iterations is not None:
            text = f"the user has a credential of {action.mechanism} with {iterations} iterations now"
            verdicts[action.user] = _broken(action, text)
        else:
            upsertion = vault.upsertion(action)
            if isinstance(upsertion, Upsertion):
                wanted.append((attempt, upsertion))
            else:
                verdicts[action.user] = upsertion
    if wanted:

        def ask() -> list[Unanswered | None]:
            controller = wire.metadata(tools.wire, ()).controller_id
            return wire.upsert_users(tools.wire, [upsertion for _, upsertion in wanted], controller)

        for (attempt, _), made in zip(wanted, _made([attempt for attempt, _ in wanted], ask), strict=True):
            verdicts[attempt.action.user] = made
            if isinstance(made, Result) and made.outcome == "done":
                tools.users.add((attempt.action.user, attempt.action.mechanism))
    return [verdicts[attempt.action.user] for attempt in tries]


def set_quotas(tools: Tools, tries: Sequence[Try[SetQuota]]) -> list[Verdict]:
    """Sets quotas whose present values are those that the plan expects."""
    existing, gaps = wire.quotas(tools.wire)
    if existing is None:
        return _all(tries, Unanswered(gaps[0].reason))
    there = {_entity(quota): quota.values for quota in existing}
    verdicts: dict[frozenset[tuple[str, str | None]], Verdict] = {}
    wanted: list[Try[SetQuota]] = []
    for attempt in tries:
        action = attempt.action
        now = there.get(_entity(action), {})
        if all(now.get(name) == value for name, value in action.values.items()):
            verdicts[_entity(action)] = _there(attempt, "the quota has these values")
        elif moved := [name for name, value in sorted(action.previous.items()) if now.get(name) != value]:
            value = now.get(moved[0])
            is_now, was = (
                "not set" if each is None else quota_text(each) for each in (value, action.previous[moved[0]])
            )
            verdicts[_entity(action)] = _broken(action, f"{moved[0]} is {is_now}, expected {was}")
        else:
            wanted.append(attempt)
    if wanted:
        changes = [Quota(entity=attempt.action.entity, values=attempt.action.values) for attempt in wanted]
        made = _made(wanted, lambda: wire.set_quotas(tools.wire, changes))
        verdicts |= {_entity(attempt.action): each for attempt, each in zip(wanted, made, strict=True)}
    return [verdicts[_entity(attempt.action)] for attempt in tries]


def _entity(quota: Quota | SetQuota) -> frozenset[tuple[str, str | None]]:
    return frozenset(quota.entity.items())


def set_other_configs(tools: Tools, tries: Sequence[Try[SetOtherConfigs]]) -> list[Verdict]:
    """Sets configs of groups, client metrics and all brokers whose present values are those that the plan expects."""
    groups = [each.action.name for each in tries if each.action.resource_type == "GROUP"]
    existing, gaps = wire.other_configs(tools.wire, groups)
    if existing is None:
        return _all(tries, Unanswered(gaps[0].reason))
    there = {each.resource: each.configs for each in existing}
    unread = {gap.resource: gap.reason for gap in gaps}
    verdicts: dict[Resource, Verdict] = {}
    wanted: list[Try[SetOtherConfigs]] = []
    for attempt in tries:
        action = attempt.action
        now = there.get(action.resource, {})
        if action.resource in unread:
            verdicts[action.resource] = _broken(action, unread[action.resource])
        elif all(now.get(name) == value for name, value in action.configs.items()):
            verdicts[action.resource] = _there(attempt, "the configs have these values")
        elif moved := [name for name, value in sorted(action.previous.items()) if now.get(name) != value]:
            verdicts[action.resource] = _broken(action, _changed(moved, now, action.previous))
        else:
            wanted.append(attempt)
    if wanted:
        changes = [
            OtherConfigs(resource_type=each.action.resource_type, name=each.action.name, configs=each.action.configs)
            for each in wanted
        ]
        made = _made(wanted, lambda: wire.set_configs(tools.wire, changes))
        verdicts |= {attempt.action.resource: each for attempt, each in zip(wanted, made, strict=True)}
    return [verdicts[attempt.action.resource] for attempt in tries]


def commit_offsets(tools: Tools, tries: Sequence[Try[CommitOffsets]]) -> list[Verdict]:
    """Commits positions of groups without live members that have no other position there."""
    groups = [attempt.action.group for attempt in tries]
    # ListGroups has the state of groups of every type (since 2.6). Before 2.6 the groups must be described, which works
    # for classic groups only.
    listings, _ = wire.groups(tools.wire)
    states = {listing.id: listing.state for listing in listings or ()}
    described = wire.described(tools.wire, [group for group in groups if states.get(group) is None], tries=1)
    positions = wire.positions(tools.wire, groups, tries=1)
    verdicts: dict[str, Verdict] = {}
    wanted: dict[str, list[CommittedOffset]] = {}
    for attempt in tries:
        action = attempt.action
        there, committed = described.get(action.group), positions[action.group]
        state = there.state if isinstance(there, Described) else states.get(action.group)
        if isinstance(there, Unanswered):
            verdicts[action.group] = _silence(action, there)
        elif isinstance(committed, Unanswered):
            verdicts[action.group] = _silence(action, committed)
        elif committed.pending:
            waits = Unanswered("a transaction is about to set its positions", retriable=True)
            verdicts[action.group] = _silence(action, waits)
        elif state not in NO_MEMBERS:
            verdicts[action.group] = _broken(action, f"consumers of the group are running on the destination ({state})")
        elif (missing := _missing(action, committed.offsets)) is None:
            verdicts[action.group] = _broken(action, _occupied(action, committed.offsets))
        elif not missing:
            verdicts[action.group] = _there(attempt, "the group has these positions")
        else:
            wanted[action.group] = missing
    answers = wire.commit(tools.wire, wanted, tries=1)
    for attempt in tries:
        if attempt.action.group in wanted:
            verdicts[attempt.action.group] = _committed(tools, attempt.action, answers[attempt.action.group])
    return [verdicts[group] for group in groups]


def _missing(action: CommitOffsets, existing: Sequence[CommittedOffset]) -> list[CommittedOffset] | None:
    """The positions that are still to be committed. None when another position exists there."""
    positions = {(offset.topic, offset.partition): offset for offset in existing}
    missing: list[CommittedOffset] = []
    for wanted in action.offsets:
        there = positions.get((wanted.topic, wanted.partition))
        if there is None or (there != wanted and there in action.replaces):
            missing.append(wanted)
        elif there != wanted:
            return None
    return missing


def _occupied(action: CommitOffsets, existing: Sequence[CommittedOffset]) -> str:
    wanted = {(offset.topic, offset.partition): offset for offset in action.offsets}
    other = next(
        offset
        for offset in existing
        if wanted.get((offset.topic, offset.partition), offset) != offset and offset not in action.replaces
    )
    return f"the group has position {other.offset} on {other.topic}-{other.partition} already"


def _committed(tools: Tools, action: CommitOffsets, answer: Mapping[Place, str] | Unanswered) -> Verdict:
    if isinstance(answer, Unanswered):
        return _silence(action, answer)
    if not answer:
        return Result(action=action, outcome="done")
    if all(error == "UNKNOWN_TOPIC_OR_PARTITION" and topic in tools.grown for (topic, _), error in answer.items()):
        return Again(reason="the group's coordinator does not know the new partitions yet")
    (topic, partition), error = min(answer.items())
    others = f" (and {len(answer) - 1} more partitions)" if len(answer) > 1 else ""
    return _broken(action, f"{topic}-{partition}: {error}{others}")


def _error(future: Future[Any]) -> BaseException | None:
    return future.exception()


def _settled(action: Action, future: Future[Any]) -> Verdict:
    error = _error(future)
    return Result(action=action, outcome="done") if error is None else verdict(action, error)


def _there(attempt: Try[A], said: str) -> Result:
    """What the action wants exists: done, if the outcome of an earlier attempt is not known, else present."""
    if attempt.unsure:
        return Result(action=attempt.action, outcome="done")
    return Result(action=attempt.action, outcome="present", error=said)


def _broken(action: Action, said: str) -> Result:
    return Result(action=action, outcome="failed", error=said)


def _silence(action: Action, silence: Unanswered) -> Verdict:
    return Again(reason=silence.reason, unsure=True) if silence.retriable else _broken(action, silence.reason)


def _made(tries: Sequence[Try[A]], ask: Callable[[], list[Unanswered | None]]) -> list[Verdict]:
    """What became of these attempts, which are asked for in one request. `ask` returns None for what was done."""
    try:
        answers = ask()
    except Unanswered as silence:
        return _all(tries, silence)
    return [
        Result(action=attempt.action, outcome="done") if error is None else _silence(attempt.action, error)
        for attempt, error in zip(tries, answers, strict=True)
    ]


def _all(tries: Sequence[Try[A]], silence: Unanswered) -> list[Verdict]:
    return [_silence(attempt.action, silence) for attempt in tries]
