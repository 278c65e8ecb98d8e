"""The list of all groups of every type, and of transactional ids."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import ListGroupsRequest, ListTransactionsRequest

from kafka_meta.model import Gap, Remark, Resource
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable

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


def groups(wire: Wire) -> tuple[tuple[Listing, ...] | None, tuple[Gap, ...]]:
    """The groups that the caller may see; None when no broker answered. Each broker knows those that it coordinates."""
    answers, gaps = _ask_brokers(wire, ListGroupsRequest, "groups")
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
    answers, gaps = _ask_brokers(wire, ListTransactionsRequest, "transactional producers")
    return tuple(sorted({told.transactional_id for answer in answers for told in answer.transaction_states})), gaps


def _ask_brokers(wire: Wire, request: Any, section: str) -> tuple[list[Any], tuple[Gap, ...]]:
    """The answers of all brokers that answered. Waits some seconds for a coordinator that is still loading."""
    answers: list[Any] = []
    gaps: dict[int, str] = {}
    waiting = list(wire.broker_ids)
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        loading: list[int] = []
        for broker, answer in zip(waiting, wire.ask_all([(broker, request()) for broker in waiting]), strict=True):
            if isinstance(answer, Unanswered):
                gaps[broker] = answer.reason
            elif answer.error_code == 0:
                answers.append(answer)
                gaps.pop(broker, None)
            else:
                gaps[broker] = error_text(answer.error_code)
                if is_retriable(answer.error_code):
                    loading.append(broker)
        waiting = loading
        if not waiting:
            break
    return answers, tuple(
        Remark(resource=Resource(section), reason=f"broker {broker}: {reason}")
        for broker, reason in sorted(gaps.items())
    )
