"""The list of all groups of every type, and of transactional ids.

Each broker lists what it coordinates. While a coordinator moves, the broker that had it has forgotten its groups, and
the one that will have it may not have begun to load them: neither lists them, and neither returns an error. (One list
in ten was short of a third of the groups, on three brokers of which one restarted.) So coordinators are asked before
and after, one key for each partition in which they keep their state. A list counts when all of them were at work, on
the same brokers both times, and had confirmed what they have (`elections`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import (
    DescribeGroupsRequest,
    DescribeTransactionsRequest,
    ListGroupsRequest,
    ListTransactionsRequest,
)

from kafka_meta.model import Gap, Remark, Resource
from kafka_meta.wire import elections
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.coordinators import OF_GROUPS, OF_TRANSACTIONS, coordinators
from kafka_meta.wire.elections import Term, elected, keys_of

_TRIES = 20
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Listing:
    """A group as ListGroups returns it: state since 2.6 (KIP-518), type since 3.8 (KIP-848); lower case, None
    before."""

    id: str
    protocol: str
    state: str | None
    type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coordinated:
    """What coordinators keep, and how they are asked about it."""

    section: str
    topic: str
    """Where they keep it. Each partition has one coordinator: its leader."""
    key_type: int
    listed: Any
    described: Callable[[Sequence[str]], Any]
    codes: Callable[[Any], Iterator[int]]
    """Of an answer to `described`."""


_GROUPS = _Coordinated(
    section="groups",
    topic=elections.OF_GROUPS,
    key_type=OF_GROUPS,
    listed=ListGroupsRequest,
    described=lambda keys: DescribeGroupsRequest(groups=list(keys)),
    codes=lambda answer: (told.error_code for told in answer.groups),
)
_TRANSACTIONS = _Coordinated(
    section="transactional producers",
    topic=elections.OF_TRANSACTIONS,
    key_type=OF_TRANSACTIONS,
    listed=ListTransactionsRequest,
    described=lambda keys: DescribeTransactionsRequest(transactional_ids=list(keys)),
    codes=lambda answer: (told.error_code for told in answer.transaction_states),
)


def groups(wire: Wire) -> tuple[tuple[Listing, ...] | None, tuple[Gap, ...]]:
    """The groups that the caller may see; None when no broker answered. Each broker knows those that it coordinates."""
    answers, gaps = _list(wire, _GROUPS)
    if not answers:
        return None, gaps
    listings = {
        told.group_id: Listing(
            id=told.group_id,
            protocol=told.protocol_type or "",
            state=told.group_state or None,
            type=told.group_type.lower() if told.group_type else None,
        )
        for answer in answers
        for told in answer.groups
    }
    return tuple(sorted(listings.values())), gaps


def transactional_ids(wire: Wire) -> tuple[tuple[str, ...], tuple[Gap, ...]]:
    """Ids of the producers that brokers keep a transaction state for (KIP-664, since 3.0). Brokers leave out those that
    the caller may not describe, without an error."""
    if not wire.speaks(ListTransactionsRequest):
        return (), ()
    answers, gaps = _list(wire, _TRANSACTIONS)
    return tuple(sorted({told.transactional_id for answer in answers for told in answer.transaction_states})), gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtWork:
    """`keys` by coordinator: one that does not answer has none. It does not answer with a list either, unless it comes
    back meanwhile. `missing`: why one of them is not at work yet; None when all are."""

    keys: Mapping[int, Sequence[str]]
    leaders: Mapping[int, Term]
    missing: str | None

    def moved(self, before: _AtWork) -> bool:
        return (self.keys, self.leaders) != (before.keys, before.leaders)


def _list(wire: Wire, what: _Coordinated) -> tuple[list[Any], tuple[Gap, ...]]:
    """The answers of all brokers that answered. Waits some seconds for coordinators that move or load."""
    before = _at_work(wire, what)
    until = time.monotonic() + max(_TRIES * _PAUSE_SECONDS, wire.timeout_seconds)
    while True:
        answers, gaps, loading = _ask_brokers(wire, what, {*wire.broker_ids, *before.keys})
        after = _at_work(wire, what)
        missing = after.missing or before.missing or ("it moves" if after.moved(before) else None)
        if not (loading or missing) or time.monotonic() > until:
            break
        time.sleep(_PAUSE_SECONDS)
        before = after
    found = [f"broker {broker}: {reason}" for broker, reason in sorted(gaps.items())]
    if missing and not loading:
        found.append(f"some may be missing: their coordinator is not at work ({missing})")
    return answers, tuple(Remark(resource=Resource(what.section), reason=reason) for reason in found)


def _ask_brokers(wire: Wire, what: _Coordinated, brokers: Iterable[int]) -> tuple[list[Any], dict[int, str], bool]:
    """Answers; why a broker gave none; whether one of them may have an answer soon."""
    asked = sorted(brokers)
    answers: list[Any] = []
    gaps: dict[int, str] = {}
    loading = False
    for broker, answer in zip(asked, wire.ask_all([(broker, what.listed()) for broker in asked]), strict=True):
        if isinstance(answer, Unanswered):
            gaps[broker] = answer.reason
        elif answer.error_code:
            gaps[broker] = error_text(answer.error_code)
            loading = loading or is_retriable(answer.error_code)
        else:
            answers.append(answer)
    return answers, gaps, loading


def _at_work(wire: Wire, what: _Coordinated) -> _AtWork:
    """Of a topic that does not exist, or that the caller may not describe, nobody is asked: that would create it. Of a
    caller who may not describe any key, only the leaders are known, and not whether they have loaded what they need."""
    seen = elected(wire, what.topic)
    if seen is None:
        return _AtWork(keys={}, leaders={}, missing=None)
    failed: dict[str, Unanswered] = {}
    asked = coordinators(wire, keys_of(seen.partitions), failed, key_type=what.key_type)
    missing = [*seen.unsure.values(), *(silence.reason for silence in failed.values() if silence.retriable)]
    keys: dict[int, Sequence[str]] = {}
    answers = wire.ask_all([(broker, what.described(some)) for broker, some in asked.items()])
    for (broker, some), answer in zip(asked.items(), answers, strict=True):
        keys[broker] = () if isinstance(answer, Unanswered) else some
        if not isinstance(answer, Unanswered):
            missing += [error_text(code) for code in what.codes(answer) if code and is_retriable(code)]
    return _AtWork(keys=keys, leaders=seen.leaders, missing=min(missing, default=None))
