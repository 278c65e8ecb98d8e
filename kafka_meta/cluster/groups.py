"""Groups of every type: members and committed offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from kafka_meta import wire
from kafka_meta.cluster.clients import code, reason
from kafka_meta.events import Emit, Progress
from kafka_meta.model import CommittedOffset, Gap, Group, Member, Remark, Selection
from kafka_meta.wire import Listing, Wire

_AT_ONCE = 100
"""Requests of librdkafka that wait for an answer at a time: one group each."""

_FIRST_TYPES = (3, 7)
"""The first version that can have groups which are not classic (KIP-848)."""

_NO_MEMBERS = frozenset({"Empty", "Dead"})
_DESCRIBED = frozenset({None, "classic", "consumer"})
"""Group types that librdkafka can describe; kafka-python knows classic ones only."""


@dataclass(slots=True)
class Groups:
    """What was read so far; `found` is None when no broker told its groups."""

    found: list[Group] | None = None
    gaps: list[Gap] = field(default_factory=list)


def read_groups(
    client: AdminClient,
    connection: Wire,
    selection: Selection,
    *,
    emit: Emit,
    version: tuple[int, ...] | None,
    timeout_seconds: float,
) -> Groups:
    listings, gaps = wire.groups(connection)
    groups = Groups(gaps=list(gaps))
    if listings is None:
        return groups
    groups.found = []
    chosen = [listing for listing in listings if selection.group(listing.id)]
    emit(Progress(stage="groups", done=0, total=len(chosen)))
    for part in _parts(chosen, _AT_ONCE):
        groups.found.extend(_read_part(client, part, version, timeout_seconds, groups.gaps))
        emit(Progress(stage="groups", done=len(groups.found), total=len(chosen)))
    return groups


def _read_part(
    client: AdminClient,
    listings: Sequence[Listing],
    version: tuple[int, ...] | None,
    timeout_seconds: float,
    gaps: list[Gap],
) -> Iterator[Group]:
    """Members of the groups that have some, and positions of those that keep them as committed offsets."""
    alive = [listing for listing in listings if listing.state not in _NO_MEMBERS]
    can_be_asked = [listing.id for listing in alive if listing.type in _DESCRIBED]
    described = described_groups(client, can_be_asked, timeout_seconds)
    # Share groups keep their positions in a state of their own (KIP-932).
    committed = committed_offsets(
        client, [listing.id for listing in listings if listing.type != "share"], timeout_seconds
    )
    for listing in listings:
        resource = f"group {listing.id}"
        there = described.get(listing.id)
        positions = committed.get(listing.id, Positions())
        if isinstance(there, BaseException):
            gaps.append(Remark(resource=resource, reason=f"members: {reason(there)}"))
        elif there is None and listing in alive:
            gaps.append(
                Remark(resource=resource, reason=f"members: brokers do not tell those of {listing.type} groups")
            )
        if isinstance(positions, BaseException):
            gaps.append(Remark(resource=resource, reason=f"committed offsets: {reason(positions)}"))
        else:
            gaps.extend(Remark(resource=resource, reason=f"committed offset of {lost}") for lost in positions.lost)
        told = there if isinstance(there, Described) else Described(state=None)
        yield Group(
            id=listing.id,
            type=listing.type or ("classic" if version is not None and version < _FIRST_TYPES else None),
            state=listing.state or told.state,
            protocol=listing.protocol,
            members=told.members,
            offsets=None if isinstance(positions, BaseException) else positions.offsets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    state: str | None
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """`lost` names partitions whose position is not known, with the error."""

    offsets: tuple[CommittedOffset, ...] = ()
    lost: tuple[str, ...] = ()


def described_groups(
    client: AdminClient, groups: Sequence[str], timeout_seconds: float
) -> dict[str, Described | BaseException]:
    """State and members, or the error, of classic and consumer groups; a group that is not there is dead."""
    if not groups:
        return {}
    futures = client.describe_consumer_groups(list(groups), request_timeout=timeout_seconds)
    described: dict[str, Described | BaseException] = {}
    for group, future in futures.items():
        error = future.exception()
        if error is None:
            told = future.result()
            members = (
                Member(id=member.member_id, client_id=member.client_id or None, host=member.host or None)
                for member in told.members
            )
            described[group] = Described(state=_STATES.get(told.state.name), members=tuple(sorted(members)))
        elif code(error) == KafkaError.GROUP_ID_NOT_FOUND:
            described[group] = Described(state="Dead")
        else:
            described[group] = error
    return described


def committed_offsets(
    client: AdminClient, groups: Sequence[str], timeout_seconds: float
) -> dict[str, Positions | BaseException]:
    """Committed offsets, or the error, of each group; none of one that is not there. A request each, all at once."""
    futures = {
        group: client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_seconds
        )[group]
        for group in groups
    }
    committed: dict[str, Positions | BaseException] = {}
    for group, future in futures.items():
        error = future.exception()
        if error is None:
            committed[group] = _positions(future.result().topic_partitions)
        elif code(error) == KafkaError.GROUP_ID_NOT_FOUND:
            committed[group] = Positions()
        else:
            committed[group] = error
    return committed


def _positions(places: Sequence[TopicPartition]) -> Positions:
    told = (
        CommittedOffset(
            topic=place.topic, partition=place.partition, offset=place.offset, metadata=place.metadata or ""
        )
        for place in places
        if place.error is None and place.offset >= 0
    )
    lost = (f"{place.topic}-{place.partition}: {place.error.name()}" for place in places if place.error is not None)
    return Positions(offsets=tuple(sorted(told)), lost=tuple(lost))


_STATES = {
    "STABLE": "Stable",
    "EMPTY": "Empty",
    "DEAD": "Dead",
    "PREPARING_REBALANCING": "PreparingRebalance",
    "COMPLETING_REBALANCING": "CompletingRebalance",
}
"""librdkafka's words for the states that brokers before 2.6 do not list, in Kafka's words."""


def _parts(listings: Sequence[Listing], size: int) -> Iterator[list[Listing]]:
    rest = iter(listings)
    while part := list(islice(rest, size)):
        yield part
