"""Groups of every type: their members and positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from confluent_kafka.admin import AdminClient

from kafka_meta import wire
from kafka_meta.cluster.clients import reason
from kafka_meta.events import Emit, Progress
from kafka_meta.model import LEASE_GROUPS, Gap, Group, Member, Remark, Resource, Selection, Unmatched
from kafka_meta.wire import Described, Listing, Positions, Unanswered, Wire

_AT_ONCE = 500
"""Groups between two reports of progress."""

_FIRST_TYPES = (3, 7)
"""The first version with groups that are not classic (KIP-848)."""

NO_MEMBERS = frozenset({"Empty", "Dead"})


@dataclass(slots=True)
class Groups:
    """What was read so far. `found` is None when no broker returned its groups."""

    found: list[Group] | None = None
    gaps: list[Gap] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)
    unmatched: tuple[Unmatched, ...] = ()


def read_groups(
    client: AdminClient,
    connection: Wire,
    selection: Selection,
    *,
    emit: Emit,
    version: tuple[int, ...] | None,
    timeout_seconds: float,
) -> Groups:
    """Reads the selected groups with their members and positions. What cannot be read is a gap."""
    listings, gaps = wire.groups(connection)
    groups = Groups(gaps=list(gaps))
    if listings is None:
        return groups
    groups.found = []
    groups.unmatched = selection.unmatched(groups=[listing.id for listing in listings])
    chosen: list[Listing] = []
    for listing in listings:
        if listing.id.startswith(LEASE_GROUPS) and not selection.include_internal:
            groups.left_out.append(
                Remark(resource=Resource("group", listing.id), reason="a lease of kafka-meta mirror")
            )
        elif selection.group(listing.id):
            chosen.append(listing)
    emit(Progress(stage="groups", done=0, total=len(chosen)))
    for part in _parts(chosen, _AT_ONCE):
        groups.found.extend(_read_part(client, connection, part, version, timeout_seconds, groups.gaps))
        emit(Progress(stage="groups", done=len(groups.found), total=len(chosen)))
    return groups


def _read_part(
    client: AdminClient,
    connection: Wire,
    listings: Sequence[Listing],
    version: tuple[int, ...] | None,
    timeout_seconds: float,
    gaps: list[Gap],
) -> Iterator[Group]:
    """Groups with their members, and with their positions where these are committed offsets."""
    alive = [listing for listing in listings if listing.state not in NO_MEMBERS]
    described = _members(client, connection, alive, timeout_seconds)
    # Share groups keep their positions in a state of their own (KIP-932).
    positions = wire.positions(connection, [listing.id for listing in listings if listing.type != "share"])
    for listing in listings:
        positions_of = Resource("positions of group", listing.id)
        there = described.get(listing.id, Described(state=listing.state or ""))
        committed = positions.get(listing.id, Positions())
        if isinstance(there, Unanswered):
            gaps.append(Remark(resource=Resource("members of group", listing.id), reason=there.reason))
        if isinstance(committed, Unanswered):
            gaps.append(Remark(resource=positions_of, reason=committed.reason))
        else:
            gaps.extend(Remark(resource=positions_of, reason=lost) for lost in committed.lost)
        told = Described(state="") if isinstance(there, Unanswered) else there
        yield Group(
            id=listing.id,
            type=listing.type or ("classic" if version is not None and version < _FIRST_TYPES else None),
            state=listing.state or told.state or None,
            protocol=listing.protocol,
            members=told.members,
            offsets=None if isinstance(committed, Unanswered) or committed.pending else committed.offsets,
        )


def _members(
    client: AdminClient, connection: Wire, listings: Sequence[Listing], timeout_seconds: float
) -> dict[str, Described | Unanswered]:
    """kafka-python can describe classic groups, librdkafka also those of KIP-848. None can describe share and streams
    groups."""
    by_type: dict[str, list[str]] = {}
    for listing in listings:
        by_type.setdefault(listing.type or "classic", []).append(listing.id)
    described = wire.described(connection, by_type.pop("classic", []))
    if consumers := by_type.pop("consumer", []):
        futures = client.describe_consumer_groups(consumers, request_timeout=timeout_seconds)
        described |= {group: _described(future) for group, future in futures.items()}
    for kind, groups in by_type.items():
        described |= dict.fromkeys(groups, Unanswered(f"kafka-meta cannot read the members of a {kind} group"))
    return described


def _described(future: Future[Any]) -> Described | Unanswered:
    error = future.exception()
    if error is not None:
        return Unanswered(reason(error))
    members = (
        Member(id=member.member_id, client_id=member.client_id or None, host=member.host or None)
        for member in future.result().members
    )
    return Described(state="", members=tuple(sorted(members)))


def _parts(listings: Sequence[Listing], size: int) -> Iterator[list[Listing]]:
    rest = iter(listings)
    while part := list(islice(rest, size)):
        yield part
