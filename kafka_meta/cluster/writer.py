"""The only way to change a cluster. A `Writer` exists only with `--commit`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Set
from types import TracebackType
from typing import TypeVar, assert_never, cast

from kafka_meta import wire
from kafka_meta.cluster import attempts
from kafka_meta.cluster.clients import admin
from kafka_meta.cluster.patience import Patience, Try, Verdict
from kafka_meta.cluster.vault import Vault
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.model import Acl
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
)
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered

A = TypeVar("A", bound=Action)

_ACTIONS_A_REQUEST = 2_000
_RECORDS_A_REQUEST = 9_800
"""A KRaft controller accepts 10,000 in one operation (QuorumController.MAX_RECORDS_PER_USER_OP)."""
_TOPICS_A_REQUEST_BY_ZOOKEEPER = 500
"""Each takes about 20 ms, and the answer comes after the last one: with more, the request would time out."""
_ACLS_A_REQUEST = 500
_USERS_A_REQUEST = 500
_QUOTAS_A_REQUEST = 500
_GROUPS_AT_ONCE = 500

_SETTLED_SECONDS = 120.0
_POLL_SECONDS = 0.2


class Writer:
    """Carries out actions in batches of one type. A context manager. Raises `KafkaMetaError` when it cannot connect.

    `vault` has the secrets of new users.
    """

    def __init__(self, settings: ClusterSettings, vault: Vault | None = None) -> None:
        self._vault = vault or Vault()
        self._wire = wire.connect(settings)
        self._tools = attempts.Tools(
            client=admin(settings),
            wire=self._wire,
            timeout_seconds=min(settings.request_timeout_ms / 1000, settings.patience_s),
        )
        self._patience = Patience(settings.patience_s)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    def announce(self, actions: Iterable[Action]) -> None:
        """Call it with all actions before the first `apply`, to save time. It is optional.

        A new cluster has no offsets topic. If thousands of topics are created first, the offsets topic has to wait for
        all their logs. So it is created here.
        """
        if any(isinstance(action, CommitOffsets) for action in actions):
            wire.wake(self._wire)

    def apply(self, actions: Sequence[Action]) -> Iterator[Result | Waiting]:
        """Yields a result for each action, not always in order. All actions must have one type. A failed action stops
        no other.

        Where what an action wants exists already, it is present. Where its precondition does not hold, it fails.
        """
        if not actions:
            return
        first = actions[0]
        if any(type(action) is not type(first) for action in actions):
            raise ValueError("a batch has actions of one type")
        match first:
            case CreateTopic():
                topics = cast(Sequence[CreateTopic], actions)
                yield from self._results(_topic_requests(self._tools, topics), attempts.create_topics)
            case AddPartitions():
                wanted = cast(Sequence[AddPartitions], actions)
                yield from self._results(_requests(wanted, _new_partitions), attempts.add_partitions)
            case SetConfigs():
                changes = cast(Sequence[SetConfigs], actions)
                yield from self._results(_requests(changes, lambda change: len(change.configs)), attempts.set_configs)
            case CreateAcl():
                yield from self._rules(cast(Sequence[CreateAcl], actions))
            case UpsertUser():
                yield from self._users(cast(Sequence[UpsertUser], actions))
            case SetQuota():
                quotas = cast(Sequence[SetQuota], actions)
                yield from self._results(_requests(quotas, most=_QUOTAS_A_REQUEST), attempts.set_quotas)
            case SetOtherConfigs():
                others = cast(Sequence[SetOtherConfigs], actions)
                yield from self._results(_requests(others, most=_QUOTAS_A_REQUEST), attempts.set_other_configs)
            case CommitOffsets():
                commits = cast(Sequence[CommitOffsets], actions)
                yield from self._results(_requests(commits, most=_GROUPS_AT_ONCE), attempts.commit_offsets)
            case _:
                assert_never(first)

    def _rules(self, actions: Sequence[CreateAcl]) -> Iterator[Result | Waiting]:
        # Read once for all requests: every answer has all ACLs, which may be tens of thousands.
        existing = frozenset(wire.acls(self._wire)[0] or ())
        requests = _requests(actions, most=_ACLS_A_REQUEST)
        yield from self._results(requests, lambda tools, tries: attempts.create_acls(tools, tries, existing))
        # A broker that does not know a DENY yet lets its principal in. So what comes next, topics first, waits.
        rules, deadline = self._tools.rules, time.monotonic() + _SETTLED_SECONDS
        if self._patience.lost:
            return
        late = yield from self._shown("ACLs", lambda broker: _unseen(self._wire, rules, broker), deadline)
        if late is not None:
            raise KafkaMetaError(
                f"broker {late} of the destination still does not know the new ACLs: nothing else is created",
                "Without a DENY, somebody could do more than on the source. Run the same command again.",
            )

    def _users(self, actions: Sequence[UpsertUser]) -> Iterator[Result | Waiting]:
        if with_keys := [action for action in actions if action.secret == "key"]:
            yield from self._vault.write_keys(with_keys, self._wire.cluster_id)
        rounds: dict[int, list[UpsertUser]] = {}
        seen: Counter[str] = Counter()
        for action in actions:
            if action.secret != "key":
                rounds.setdefault(seen[action.user], []).append(action)
                seen[action.user] += 1
        for each in rounds.values():
            requests = _requests(each, most=_USERS_A_REQUEST)
            yield from self._results(requests, lambda tools, tries: attempts.upsert_users(tools, tries, self._vault))

    def settle(self) -> Iterator[Waiting]:
        """Waits until every broker shows the topics and users that were created: the controller answers before the
        brokers know them.

        Ends after two minutes at most. What is not shown by then exists all the same. After an earlier wait without
        success there is no wait here.
        """
        if self._patience.lost:
            return
        deadline = time.monotonic() + _SETTLED_SECONDS
        grown, users = self._tools.grown, self._tools.users
        yield from self._shown("topics", lambda broker: grown - _led(self._wire, grown, broker), deadline)
        while users and (unseen := users - _credentials(self._wire)) and time.monotonic() < deadline:
            yield from _pause(f"the destination does not show {len(unseen)} of the new users yet")

    def _shown(
        self, what: str, unseen: Callable[[int], Set[object]], deadline: float
    ) -> Generator[Waiting, None, int | None]:
        """Waits until each broker has shown everything; returns one that has not by the deadline. `unseen`: what a
        broker does not show.

        A broker that does not answer is waited for until the others do not count on it any more: before it comes back,
        it takes over what has changed.
        """
        for broker in self._wire.broker_ids:
            while (left := unseen(broker)) and _counts(self._wire, broker):
                if time.monotonic() > deadline:
                    return broker
                yield from _pause(f"broker {broker} does not show {len(left)} of the new {what} yet")
        return None

    def _results(
        self, requests: Iterable[Sequence[A]], attempt: Callable[[attempts.Tools, Sequence[Try[A]]], list[Verdict]]
    ) -> Iterator[Result | Waiting]:
        for request in requests:
            yield from self._patience.results(request, lambda tries: attempt(self._tools, tries))


def _counts(connection: wire.Wire, broker: int) -> bool:
    """Whether the cluster counts on this broker."""
    try:
        return broker in {each.id for each in wire.metadata(connection, ()).brokers}
    except Unanswered:
        return True


def _unseen(connection: wire.Wire, rules: set[Acl], broker: int) -> set[Acl]:
    """The rules that this broker does not know: all of them when it does not answer, none when it does not tell."""
    known = wire.acls(connection, broker)[0] if rules else ()
    if known is not None:
        return rules - set(known)
    return set() if connection.reaches(broker) else rules


def _led(connection: wire.Wire, topics: set[str], broker: int) -> set[str]:
    """The topics that this broker knows with a leader for every partition."""
    if not topics:
        return set()
    try:
        known = wire.metadata(connection, topics, broker).topics
    except Unanswered:
        return set()
    return {name for name, topic in known.items() if all(part.leader is not None for part in topic.partitions)}


def _credentials(connection: wire.Wire) -> set[tuple[str, str]]:
    return {(user.name, each.mechanism) for user in wire.users(connection)[0] or () for each in user.credentials}


def _pause(reason: str) -> Iterator[Waiting]:
    yield Waiting(reason=reason, seconds=_POLL_SECONDS)
    time.sleep(_POLL_SECONDS)


def validate(settings: ClusterSettings, actions: Sequence[CreateTopic], *, emit: Emit = silent) -> list[Result]:
    """Lets the destination's controller check these topics without creating them. "done" means that it accepts one.

    It checks names, replication factors, configs, its policy and our rights. Raises `KafkaMetaError` when it cannot be
    reached.
    """
    results: list[Result] = []
    with wire.connect(settings) as connection:
        tools = attempts.Tools(
            client=admin(settings), wire=connection, timeout_seconds=settings.request_timeout_ms / 1000
        )
        patience = Patience()
        for request in _topic_requests(tools, actions):
            for told in patience.results(request, lambda tries: attempts.create_topics(tools, tries, pretend=True)):
                if isinstance(told, Result):
                    results.append(told)
                else:
                    emit(told)
    return results


def _topic_requests(tools: attempts.Tools, actions: Iterable[CreateTopic]) -> Iterator[list[CreateTopic]]:
    """The incomplete batch comes first. Brokers create all logs of one operation before they see the next one. What
    follows the topics has to wait until the brokers see the last operation, but not until its logs exist."""
    most = _ACTIONS_A_REQUEST if tools.wire.kraft else _TOPICS_A_REQUEST_BY_ZOOKEEPER
    from_the_end = list(_requests(reversed(list(actions)), _records, most=most))
    return (request[::-1] for request in reversed(from_the_end))


def _records(action: CreateTopic) -> int:
    return 1 + max(action.partitions, 1) + len(action.configs)


def _new_partitions(action: AddPartitions) -> int:
    return action.total - action.existing


def _requests(
    actions: Iterable[A], weight: Callable[[A], int] = lambda _: 0, *, most: int = _ACTIONS_A_REQUEST
) -> Iterator[list[A]]:
    """Parts of at most `most` actions and `_RECORDS_A_REQUEST` records. An action with more records is a part of its
    own."""
    request: list[A] = []
    records = 0
    for action in actions:
        if request and (len(request) == most or records + weight(action) > _RECORDS_A_REQUEST):
            yield request
            request, records = [], 0
        request.append(action)
        records += weight(action)
    if request:
        yield request
