"""The only way to change a cluster. A `Writer` exists under `--commit` and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar, assert_never, cast

from kafka_meta import wire
from kafka_meta.cluster import attempts
from kafka_meta.cluster.clients import admin
from kafka_meta.cluster.patience import Patience, Try, Verdict
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.plan import Action, AddPartitions, CommitOffsets, CreateAcl, CreateTopic, Result, SetConfigs
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered

A = TypeVar("A", bound=Action)

_ACTIONS_A_REQUEST = 1_000
_RECORDS_A_REQUEST = 5_000
"""Half of what a KRaft controller takes in one operation (QuorumController.MAX_RECORDS_PER_USER_OP is 10,000)."""
_ACLS_A_REQUEST = 500
_GROUPS_AT_ONCE = 100

_SPREAD_SECONDS = 30.0
_POLL_SECONDS = 0.2


class Writer:
    """Does actions, batches of one type. A context manager. Raises `KafkaMetaError` when it cannot connect."""

    def __init__(self, settings: ClusterSettings) -> None:
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
                yield from self._create_topics(cast(Sequence[CreateTopic], actions))
            case AddPartitions():
                wanted = cast(Sequence[AddPartitions], actions)
                yield from self._results(_requests(wanted, _new_partitions), attempts.add_partitions)
            case SetConfigs():
                changes = cast(Sequence[SetConfigs], actions)
                yield from self._results(_requests(changes, lambda change: len(change.configs)), attempts.set_configs)
            case CreateAcl():
                rules = cast(Sequence[CreateAcl], actions)
                yield from self._results(_requests(rules, most=_ACLS_A_REQUEST), attempts.create_acls)
            case CommitOffsets():
                commits = cast(Sequence[CommitOffsets], actions)
                yield from self._results(_requests(commits, most=_GROUPS_AT_ONCE), attempts.commit_offsets)
            case _:
                assert_never(first)

    def _results(
        self, requests: Iterable[Sequence[A]], attempt: Callable[[attempts.Tools, Sequence[Try[A]]], list[Verdict]]
    ) -> Iterator[Result | Waiting]:
        for request in requests:
            yield from self._patience.results(request, lambda tries: attempt(self._tools, tries))

    def _create_topics(self, actions: Sequence[CreateTopic]) -> Iterator[Result | Waiting]:
        created: set[str] = set()
        for result in self._results(_requests(actions, _records), attempts.create_topics):
            if isinstance(result, Result) and result.outcome == "done" and isinstance(result.action, CreateTopic):
                created.add(result.action.topic)
            yield result
        yield from self._until_everybody_knows(created)

    def _until_everybody_knows(self, topics: set[str]) -> Iterator[Waiting]:
        """A controller answers before all brokers have heard of a topic; commits to one that is unknown are refused."""
        deadline = time.monotonic() + _SPREAD_SECONDS
        for broker in self._wire.broker_ids:
            missing = topics
            while missing := missing - _led(self._wire, missing, broker):
                if time.monotonic() > deadline:
                    return
                reason = f"broker {broker} does not know {len(missing)} of the new topics yet"
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
        for request in _requests(actions, _records):
            for told in patience.results(request, lambda tries: attempts.create_topics(tools, tries, pretend=True)):
                if isinstance(told, Result):
                    results.append(told)
                else:
                    emit(told)
    return results


def _led(connection: wire.Wire, topics: set[str], broker: int) -> set[str]:
    try:
        known = wire.metadata(connection, topics, broker).topics
    except Unanswered:
        return set()
    return {name for name, topic in known.items() if all(part.leader is not None for part in topic.partitions)}


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
