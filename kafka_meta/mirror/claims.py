"""To which topics of the destination other tasks copy.

Several tasks between two clusters copy different topics, on one machine or on several. A named task marks its topics
where every other one sees it: a group without members, `kafka-meta-mirror.<source cluster id>.<task>.topics`, has a
position on the first partition of each. The metadata of the position names the machine; that of a mark which was taken
back is "free".

A task without a name needs no right for such a group, and leaves no marks. Its topics are recognised by its guard.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.mirror.lease import group_of, holder
from kafka_meta.model import LEASE_GROUPS, CommittedOffset
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire

_TOPICS = ".topics"
_FREE = "free"
_MARKS_A_REQUEST = 1_000
"""A broker writes them in one batch, which must not be too large (`max.message.bytes` of its offsets topic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A topic of the destination to which another task copies."""

    topic: str
    task: str
    host: str

    @property
    def reason(self) -> str:
        return (
            f"task {self.task}, begun on {self.host}, copies to it, and tasks must have different topics: leave it out "
            "(--exclude-topics), or end that task first (kafka-meta task delete)"
        )


def claims_of_others(connection: Wire, source_id: str, task: str | None) -> dict[str, Claim]:
    """Topic of the destination → who copies to it. Raises `KafkaMetaError` when the destination does not tell."""
    own = None if task is None else _group(source_id, task)
    listed, gaps = wire.groups(connection)
    if listed is None or gaps:
        reason = gaps[0].reason if gaps else "no broker returns its groups"
        raise KafkaMetaError(f"whether another task copies to the same topics is not known: {reason}")
    groups = [
        each.id for each in listed if each.id.startswith(LEASE_GROUPS) and each.id.endswith(_TOPICS) and each.id != own
    ]
    found: dict[str, Claim] = {}
    for group, told in (wire.positions(connection, groups) if groups else {}).items():
        if isinstance(told, Unanswered):
            raise KafkaMetaError(f"whether another task copies to the same topics is not known: {told.reason}")
        name = group.removeprefix(LEASE_GROUPS).removesuffix(_TOPICS).partition(".")[2]
        for each in told.offsets:
            if each.metadata != _FREE:
                found[each.topic] = Claim(topic=each.topic, task=name, host=each.metadata or "another machine")
    return found


def loops(
    source: ClusterSettings, connection: Wire, dest_id: str, topics: Collection[str]
) -> Iterator[tuple[str | None, str]]:
    """Topics of the source to which somebody copies from the destination right now: records would go in circles. Yields
    each with the reason; None where it is not known which topics that copier has. `connection` is to the source."""
    listed, _ = wire.groups(connection)
    alone = group_of(dest_id)
    leases = [
        each.id
        for each in listed or ()
        if (each.id == alone or each.id.startswith(f"{alone}.")) and not each.id.endswith(_TOPICS)
    ]
    for group in leases:
        task = group.removeprefix(alone).removeprefix(".") or None
        found = holder(source, dest_id, task)
        if found is None:
            continue
        who = "another kafka-meta" if found.pid is None else f"process {found.pid} on {found.host}"
        circle = f"{who} copies from the destination to the source: records would go in circles. End it first"
        if task is None:
            yield None, circle
            continue
        marks = f"{group}{_TOPICS}"
        told = wire.positions(connection, [marks])[marks]
        if isinstance(told, Unanswered):
            yield None, f"{circle} (its topics are not known: {told.reason})"
            continue
        theirs = {each.topic for each in told.offsets if each.metadata != _FREE}
        yield from ((topic, f"{circle}, or leave the topic out") for topic in sorted(theirs & set(topics)))


def claim(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> None:
    """Marks these topics of the destination as those of a named task. Then looks again: of two tasks that begin at the
    same time, at least one sees the other. Raises `KafkaMetaError` for a topic of another task, and when a mark is
    refused."""
    if task is None or not topics:
        return
    with wire.connect(dest) as connection:
        _mark(connection, source_id, task, sorted(topics), socket.gethostname())
        others = claims_of_others(connection, source_id, task)
        taken = sorted(others.keys() & set(topics))
        if taken:
            _mark(connection, source_id, task, taken, _FREE)
            raise KafkaMetaError(f"topic {taken[0]}: {others[taken[0]].reason}")


def unclaim(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> None:
    """Takes the marks back. Raises `KafkaMetaError` when that is refused."""
    if task is not None and topics:
        with wire.connect(dest) as connection:
            _mark(connection, source_id, task, sorted(topics), _FREE)


def _group(source_id: str, task: str) -> str:
    return group_of(source_id, task) + _TOPICS


def _mark(connection: Wire, source_id: str, task: str, topics: Sequence[str], says: str) -> None:
    group = _group(source_id, task)
    for start in range(0, len(topics), _MARKS_A_REQUEST):
        some = topics[start : start + _MARKS_A_REQUEST]
        marks = [CommittedOffset(topic=topic, partition=0, offset=0, metadata=says) for topic in some]
        told = wire.commit(connection, {group: marks})[group]
        if isinstance(told, Unanswered):
            raise KafkaMetaError(
                f"task {task} cannot mark its topics on the destination: group {group}: {told.reason}",
                "A named task needs READ on that group, and on its topics.",
            )
        for (topic, _), reason in told.items():
            raise KafkaMetaError(f"task {task} cannot mark topic {topic} on the destination: {reason}")
