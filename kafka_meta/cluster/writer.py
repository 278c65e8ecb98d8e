"""The only way to change a cluster. A `Writer` exists under `--commit` and nowhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar, assert_never, cast

from kafka_meta import wire
from kafka_meta.cluster import attempts
from kafka_meta.cluster.clients import admin
from kafka_meta.cluster.patience import Patience, Try, Verdict
from kafka_meta.cluster.vault import Vault
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Result,
    SetConfigs,
    SetQuota,
    UpsertUser,
)
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered

A = TypeVar("A", bound=Action)

_ACTIONS_A_REQUEST = 2_000
_RECORDS_A_REQUEST = 9_800
"""A KRaft controller takes 10,000 in one operation (QuorumController.MAX_RECORDS_PER_USER_OP)."""
_TOPICS_A_REQUEST_BY_ZOOKEEPER = 500
"""Some 20 ms each, all before the answer: more would outlast the request's time."""
_ACLS_A_REQUEST = 500
_USERS_A_REQUEST = 500
_QUOTAS_A_REQUEST = 500
_GROUPS_AT_ONCE = 500

_SETTLED_SECONDS = 120.0
_POLL_SECONDS = 0.2


class Writer:
    """Does actions, batches of one type. A context manager. Raises `KafkaMetaError` when it cannot connect.

    `vault` has what new users' credentials are made of.
    """

    def __init__(self, settings: ClusterSettings, vault: Vault | None = None) -> None:
        self._vault = vault or Vault()
        self._wire = wire.connect(settings)
        self._tools = attempts.Tools(
            client=admin(settings), wire=self._wire, timeout_seconds=settings.request_timeout_ms / 1000
        )
        self._patience = Patience()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    def announce(self, actions: Iterable[Action]) -> None:
        """What is going to come, before the first `apply`: not needed, but it saves time.

        A new cluster has no offsets topic; asked for after thousands of topics, it would be made after all their logs.
        """
        if any(isinstance(action, CommitOffsets) for action in actions):
            wire.wake(self._wire)

    def apply(self, actions: Sequence[Action]) -> Iterator[Result | Waiting]:
        """A result for each action, all of one type, as they come, not always in order. A failure stops no other.

        Where a precondition no longer holds the action fails, or is present if what it wants is there already.
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
            case CommitOffsets():
                commits = cast(Sequence[CommitOffsets], actions)
                yield from self._results(_requests(commits, most=_GROUPS_AT_ONCE), attempts.commit_offsets)
            case _:
                assert_never(first)

    def _rules(self, actions: Sequence[CreateAcl]) -> Iterator[Result | Waiting]:
        # Once for all requests: there may be tens of thousands, and each answer has all of them.
        existing = frozenset(wire.acls(self._wire)[0] or ())
        requests = _requests(actions, most=_ACLS_A_REQUEST)
        yield from self._results(requests, lambda tools, tries: attempts.create_acls(tools, tries, existing))

    def _users(self, actions: Sequence[UpsertUser]) -> Iterator[Result | Waiting]:
        yield from self._vault.write_keys([action for action in actions if action.secret == "key"])
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
        """Until every broker shows what was created: a controller answers before the brokers have heard of it.

        Gives up after two minutes; nothing is lost then, it is only not seen yet. Who has waited in vain for a
        destination does not begin again.
        """
        if self._patience.lost:
            return
        deadline = time.monotonic() + _SETTLED_SECONDS
        grown, rules = self._tools.grown, self._tools.rules
        for broker in self._wire.broker_ids:
            while (unseen := grown - _led(self._wire, grown, broker)) and time.monotonic() < deadline:
                yield from _pause(f"broker {broker} does not show {len(unseen)} of the new topics yet")
        while (unseen_rules := rules - set(wire.acls(self._wire)[0] or ())) and time.monotonic() < deadline:
            yield from _pause(f"the destination does not show {len(unseen_rules)} of the new ACLs yet")

        users = self._tools.users
        while users and (unseen_users := users - _credentials(self._wire)) and time.monotonic() < deadline:
            yield from _pause(f"the destination does not show {len(unseen_users)} of the new users yet")

    def _results(
        self, requests: Iterable[Sequence[A]], attempt: Callable[[attempts.Tools, Sequence[Try[A]]], list[Verdict]]
    ) -> Iterator[Result | Waiting]:
        for request in requests:
            yield from self._patience.results(request, lambda tries: attempt(self._tools, tries))


def _led(connection: wire.Wire, topics: set[str], broker: int) -> set[str]:
    """Those of the topics that this broker knows, with a leader for every partition."""
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
    """What the destination's controller would answer to these topics, which it does not create: "done" stands for yes.

    It checks names, factors, configs, its policy and our rights. Raises `KafkaMetaError` when it cannot be reached.
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
    """The small rest first: brokers make the logs of one operation before they look at the next, and what comes
    after the topics waits for the last operation to be seen, not for its logs."""
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
    """Parts of at most so many actions and `_RECORDS_A_REQUEST` records; what is heavier than that goes alone."""
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
