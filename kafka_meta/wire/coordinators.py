"""Members and positions of groups, read from and sent to the groups' coordinators.

Not with librdkafka: while a coordinator is moving or loading, its `ListConsumerGroupOffsets` (2.16.1) dereferences a
consumer that an admin client does not have, and the process dies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.consumer import OffsetCommitRequest, OffsetFetchRequest
from kafka.protocol.metadata import FindCoordinatorRequest

from kafka_meta.model import CommittedOffset, Member
from kafka_meta.wire import elections
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.elections import elected

T = TypeVar("T")
Told: TypeAlias = "tuple[str, int, T]"
"""Group, error code, and what the coordinator returned for it."""

OF_GROUPS, OF_TRANSACTIONS = 0, 1
"""What is asked for in FindCoordinator."""

TRIES = 30
"""How often a coordinator that moves or loads is asked, before its error is the result."""
_PAUSE_SECONDS = 0.5
_GROUPS_A_REQUEST = 100
_UNKNOWN_TOPIC = 3
_GROUP_ID_NOT_FOUND = 69
_UNSTABLE = 88
"""UNSTABLE_OFFSET_COMMIT: a transaction that has not ended will set the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    state: str
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """`lost`: partitions whose position the coordinator did not return, with the error. `pending`: a transaction that
    has not ended is about to set some of them."""

    offsets: tuple[CommittedOffset, ...] = ()
    lost: tuple[str, ...] = ()
    pending: bool = False


def described(wire: Wire, groups: Sequence[str], *, tries: int = TRIES) -> dict[str, Described | Unanswered]:
    """State and members of classic groups. A group that does not exist, or is not classic, is "Dead" without
    members."""

    def told(answer: Any, _: Sequence[str]) -> Iterator[Told[Described]]:
        for group in answer.groups:
            gone = group.error_code == _GROUP_ID_NOT_FOUND  # v6 (4.0); before, such a group is described as Dead
            members = (
                Member(id=member.member_id, client_id=member.client_id or None, host=member.client_host or None)
                for member in group.members
            )
            state = "Dead" if gone else group.group_state
            yield (
                group.group_id,
                0 if gone else group.error_code,
                Described(state=state, members=tuple(sorted(members))),
            )

    def ask(some: Sequence[str]) -> Mapping[str, Described | Unanswered]:
        return _ask(
            wire, some, lambda part: DescribeGroupsRequest(groups=list(part)), told, tries, size=_GROUPS_A_REQUEST
        )

    return _confirmed(wire, groups, ask, tries)


def positions(wire: Wire, groups: Sequence[str], *, tries: int = TRIES) -> dict[str, Positions | Unanswered]:
    """Committed offsets of each group on all topics; empty for a group that does not exist.

    A position that a transaction is about to change is not the group's any more, and the new one not yet (KIP-447,
    since 2.5). It is waited for, some seconds; then it is among `lost`.
    """
    pending: dict[str, Positions] = {}

    def told(group: str, code: int, topics: Sequence[Any]) -> Told[Positions]:
        found = _positions(topics)
        codes = {told.error_code for topic in topics for told in topic.partitions}
        if code == 0 and _UNSTABLE in codes:
            pending[group] = replace(found, pending=True)
            return group, _UNSTABLE, found
        pending.pop(group, None)
        return group, 0 if code == _GROUP_ID_NOT_FOUND else code, found

    if wire.speaks(OffsetFetchRequest, 8):  # several groups in one request: KIP-709, since 3.0

        def of_many(answer: Any, _: Sequence[str]) -> Iterator[Told[Positions]]:
            return (told(each.group_id, each.error_code, each.topics) for each in answer.groups)

        def ask(some: Sequence[str]) -> Mapping[str, Positions | Unanswered]:
            return _ask(wire, some, _fetch_of_many, of_many, tries, size=_GROUPS_A_REQUEST)

    else:

        def of_one(answer: Any, some: Sequence[str]) -> Iterator[Told[Positions]]:
            yield told(some[0], answer.error_code, answer.topics)

        def ask(some: Sequence[str]) -> Mapping[str, Positions | Unanswered]:
            return _ask(wire, some, lambda part: _fetch_of_one(wire, part[0]), of_one, tries, size=1)

    return _confirmed(wire, groups, lambda some: {**ask(some), **pending}, tries)


def _fetch_of_one(wire: Wire, group: str) -> Any:
    stable = wire.speaks(OffsetFetchRequest, 7)
    return OffsetFetchRequest(group_id=group, topics=None, require_stable=stable, min_version=2, max_version=7)


def _fetch_of_many(groups: Sequence[str]) -> Any:
    group = OffsetFetchRequest.OffsetFetchRequestGroup
    # From v10 topics are named by their ids only.
    return OffsetFetchRequest(
        groups=[group(group_id=name, topics=None) for name in groups],
        require_stable=True,
        min_version=8,
        max_version=9,
    )


def _positions(topics: Sequence[Any]) -> Positions:
    offsets: list[CommittedOffset] = []
    lost: list[str] = []
    for topic in topics:
        for told in topic.partitions:
            if told.error_code:
                lost.append(f"{topic.name}-{told.partition_index}: {error_text(told.error_code)}")
            elif told.committed_offset >= 0:
                offsets.append(
                    CommittedOffset(
                        topic=topic.name,
                        partition=told.partition_index,
                        offset=told.committed_offset,
                        metadata=told.metadata or "",
                    )
                )
    return Positions(offsets=tuple(sorted(offsets)), lost=tuple(lost))


def commit(
    wire: Wire, offsets: Mapping[str, Sequence[CommittedOffset]], *, tries: int = TRIES
) -> dict[str, Mapping[tuple[str, int], str] | Unanswered]:
    """Commits positions for groups without members. Returns by group the error of each partition that was refused.

    The commits have no leader epochs: an epoch of another cluster breaks consumers. A group that has members refuses.
    """

    def told(answer: Any, some: Sequence[str]) -> Iterator[Told[Mapping[tuple[str, int], str]]]:
        codes = {
            (topic.name, told.partition_index): told.error_code for topic in answer.topics for told in topic.partitions
        }
        # An unknown topic may still appear soon. Only the caller knows that.
        moving = next((code for code in codes.values() if is_retriable(code) and code != _UNKNOWN_TOPIC), 0)
        yield some[0], moving, {place: error_text(code) for place, code in codes.items() if code}

    return _ask(wire, list(offsets), lambda some: _commit(some[0], offsets[some[0]]), told, tries, size=1)


def _commit(group: str, offsets: Sequence[CommittedOffset]) -> Any:
    topics: dict[str, list[Any]] = {}
    partition = OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition
    for offset in offsets:
        topics.setdefault(offset.topic, []).append(
            partition(
                partition_index=offset.partition,
                committed_offset=offset.offset,
                committed_leader_epoch=-1,
                committed_metadata=offset.metadata,
            )
        )
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        group_instance_id=None,
        topics=[
            OffsetCommitRequest.OffsetCommitRequestTopic(name=name, partitions=parts) for name, parts in topics.items()
        ],
        max_version=9,
    )


def _ask(
    wire: Wire,
    groups: Sequence[str],
    request: Callable[[Sequence[str]], Any],
    told: Callable[[Any, Sequence[str]], Iterator[Told[T]]],
    tries: int,
    *,
    size: int,
) -> dict[str, T | Unanswered]:
    """Asks each group's coordinator about up to `size` groups at once. Waits for a coordinator that moves or loads; for
    one that is silent until another one can have taken its groups, no longer than for two request time-outs."""
    found: dict[str, T | Unanswered] = {}
    waiting = list(groups)
    until = time.monotonic() + max(tries * _PAUSE_SECONDS, wire.timeout_seconds)
    for attempt in range(tries):
        if attempt > 1 and time.monotonic() > until:
            break
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        requests: list[tuple[int, Any]] = []
        parts: list[Sequence[str]] = []
        for broker, some in coordinators(wire, waiting, found).items():
            for start in range(0, len(some), size):
                parts.append(some[start : start + size])
                requests.append((broker, request(parts[-1])))
        for position, answer in wire.ask_each(requests):
            if isinstance(answer, Unanswered):
                found |= dict.fromkeys(parts[position], answer)
                continue
            for group, code, value in told(answer, parts[position]):
                found[group] = Unanswered(error_text(code), retriable=is_retriable(code)) if code else value
        waiting = [group for group in waiting if _may_change(found[group])]
        if not waiting:
            break
    return found


def _confirmed(
    wire: Wire, groups: Sequence[str], ask: Callable[[Sequence[str]], Mapping[str, T | Unanswered]], tries: int
) -> dict[str, T | Unanswered]:
    """Asks again about groups whose coordinator moved meanwhile, or had not confirmed what it has (`elections`)."""
    found: dict[str, T | Unanswered] = {}
    waiting = list(groups)
    for attempt in range(tries if groups else 0):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        before = elected(wire, elections.OF_GROUPS)
        found |= ask(waiting)
        if before is None:
            break
        after = elected(wire, elections.OF_GROUPS)
        doubts = {group: before.doubt(group, after) for group in waiting if not isinstance(found[group], Unanswered)}
        waiting = [group for group, doubt in doubts.items() if doubt]
        found |= {group: Unanswered(str(doubts[group]), retriable=True) for group in waiting}
        if not waiting:
            break
    return found


def wake(wire: Wire) -> None:
    """Makes the brokers create their offsets topic if it does not exist, without waiting for it."""
    coordinators(wire, [""], {})


def _may_change(told: object) -> bool:
    return isinstance(told, Unanswered) and told.retriable


def coordinators(
    wire: Wire, keys: Sequence[str], failed: dict[str, Any], *, key_type: int = OF_GROUPS
) -> dict[int, list[str]]:
    """Groups, or transactional ids, by coordinator. Why one has none is added to `failed`. The first such request on a
    cluster creates the topic in which coordinators keep their state."""
    found: dict[int, list[str]] = {}
    if wire.speaks(FindCoordinatorRequest, 4):  # many keys: KIP-699, since 3.0
        parts = [keys[start : start + _GROUPS_A_REQUEST] for start in range(0, len(keys), _GROUPS_A_REQUEST)]
        requests = [
            FindCoordinatorRequest(key_type=key_type, coordinator_keys=list(part), min_version=4) for part in parts
        ]
    else:
        parts = [[key] for key in keys]
        requests = [FindCoordinatorRequest(key=key, key_type=key_type, max_version=3) for key in keys]
    for part, answer in zip(parts, wire.ask_all([(None, request) for request in requests]), strict=True):
        if isinstance(answer, Unanswered):
            failed |= dict.fromkeys(part, answer)
            continue
        several = answer.coordinators if answer.version >= 4 else ()
        for key, told in [(told.key, told) for told in several] or [(part[0], answer)]:
            if told.error_code:
                reason = error_text(told.error_code, told.error_message)
                failed[key] = Unanswered(reason, retriable=is_retriable(told.error_code))
            else:
                found.setdefault(told.node_id, []).append(key)
    return found
