"""Membership of a group that reads nothing, by the classic protocol: a lease that the brokers check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.consumer import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from kafka.protocol.metadata import FindCoordinatorRequest

from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable

_GROUP = 0
_MEMBER_ID_REQUIRED = 79
_MEMBER_ID_REQUIRED_FROM = 4
_GONE = frozenset({25, 82, 22})
"""UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION."""
_REBALANCE_IN_PROGRESS = 27


class Expelled(Exception):
    """The group has removed us."""


class Rebalancing(Exception):
    """A member has joined or left: join again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """`members`: id → the metadata that each member sent; only the leader gets them."""

    member_id: str
    generation: int
    leads: bool
    members: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The requests of one member. All raise `Unanswered`, and the errors that the method's own docstring names."""

    wire: Wire
    group: str
    kind: str
    """The name of the protocol and of its type. It is not "consumer", so nobody takes the member for a consumer."""

    def coordinator(self) -> int:
        answer = self.wire.ask(self._find())
        _check(answer.error_code, answer.error_message)
        return int(answer.node_id)

    def coordinators(self) -> frozenset[int]:
        """What each broker says: one, unless it is moving. Raises `Unanswered` when one of them does not answer."""
        found: set[int] = set()
        for answer in self.wire.ask_all([(broker, self._find()) for broker in self.wire.broker_ids]):
            if isinstance(answer, Unanswered):
                raise answer
            _check(answer.error_code, answer.error_message)
            found.add(int(answer.node_id))
        return frozenset(found)

    def _find(self) -> FindCoordinatorRequest:
        return FindCoordinatorRequest(key=self.group, key_type=_GROUP, coordinator_keys=[self.group], max_version=3)

    def members(self, coordinator: int) -> tuple[bytes, ...]:
        """The metadata that each member sent; empty while the group is rebalancing."""
        return tuple(bytes(member.member_metadata) for member in self._described(coordinator))

    def member_ids(self, coordinator: int) -> frozenset[str]:
        """Of all members that have joined, or wait for an answer to their join."""
        return frozenset(member.member_id for member in self._described(coordinator))

    def _described(self, coordinator: int) -> Sequence[Any]:
        (group,) = self.wire.ask(DescribeGroupsRequest(groups=[self.group], max_version=5), coordinator).groups
        _check(group.error_code)
        members: Sequence[Any] = group.members
        return members

    def new_member_id(self, coordinator: int, *, says: bytes, session_ms: int) -> str:
        """The id to join with, which the coordinator returns at once (KIP-394, since 2.2). Empty for older brokers:
        they return it with the answer to the join."""
        if not self.wire.speaks(JoinGroupRequest, _MEMBER_ID_REQUIRED_FROM):
            return ""
        answer = self.wire.ask(self._join("", says, session_ms), coordinator)
        if answer.error_code != _MEMBER_ID_REQUIRED:
            _check(answer.error_code)
        return str(answer.member_id)

    def join(self, coordinator: int, *, member_id: str, says: bytes, session_ms: int) -> Joined:
        """Joins the group. Waits for its members to join again, at most until the sessions of those that do not are
        over; for an empty group, the brokers' `group.initial.rebalance.delay.ms`. Raises `Rebalancing` and
        `Expelled`."""
        answer = self.wire.ask(self._join(member_id, says, session_ms), coordinator)
        _check(answer.error_code)
        return Joined(
            member_id=answer.member_id,
            generation=answer.generation_id,
            leads=answer.leader == answer.member_id,
            members={member.member_id: bytes(member.metadata) for member in answer.members},
        )

    def _join(self, member_id: str, says: bytes, session_ms: int) -> JoinGroupRequest:
        protocol = JoinGroupRequest.JoinGroupRequestProtocol(name=self.kind, metadata=says)
        return JoinGroupRequest(
            group_id=self.group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=session_ms,
            member_id=member_id,
            group_instance_id=None,
            protocol_type=self.kind,
            protocols=[protocol],
            reason=None,
        )

    def sync(self, coordinator: int, joined: Joined, says: Callable[[Mapping[str, bytes]], bytes]) -> bytes:
        """What the leader sends to all members. Raises `Rebalancing` and `Expelled`."""
        told = says(joined.members) if joined.leads else b""
        assignment = SyncGroupRequest.SyncGroupRequestAssignment
        answer = self.wire.ask(
            SyncGroupRequest(
                group_id=self.group,
                generation_id=joined.generation,
                member_id=joined.member_id,
                group_instance_id=None,
                protocol_type=self.kind,
                protocol_name=self.kind,
                assignments=[assignment(member_id=member, assignment=told) for member in joined.members],
            ),
            coordinator,
        )
        _check(answer.error_code)
        return bytes(answer.assignment)

    def heartbeat(self, coordinator: int, joined: Joined) -> None:
        """Raises `Rebalancing` and `Expelled`."""
        answer = self.wire.ask(
            HeartbeatRequest(
                group_id=self.group,
                generation_id=joined.generation,
                member_id=joined.member_id,
                group_instance_id=None,
            ),
            coordinator,
        )
        _check(answer.error_code)

    def leave(self, coordinator: int, member_id: str) -> None:
        self.wire.ask(LeaveGroupRequest(group_id=self.group, member_id=member_id, max_version=2), coordinator)


def _check(code: int, message: str | None = None) -> None:
    if code in _GONE:
        raise Expelled
    if code == _REBALANCE_IN_PROGRESS:
        raise Rebalancing
    if code:
        raise Unanswered(error_text(code, message), retriable=is_retriable(code))
