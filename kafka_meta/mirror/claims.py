"""Which topics of the destination belong to which task.

Several tasks between two clusters copy different topics, on one machine or on several. Each task marks its topics where
every other one sees it: a group without members has a position on the first partition of each. The group's name is that
of the task's lease with "/topics" behind it. The metadata of a position names the machine; that of a mark which was
taken back is "free".

A mirror without a name, which has no right to such a group, goes on without marks: then only the guard of its topics
shows that they are somebody's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.mirror.lease import group_of, holder
from kafka_meta.model import LEASE_GROUPS, CommittedOffset
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire

_TOPICS = "/topics"
"""A task's name has no slash."""
_FREE = "free"
_MARKS_A_REQUEST = 1_000
"""A broker writes them in one batch, which must not be too large (`max.message.bytes` of its offsets topic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A topic of the destination to which another task copies."""

    topic: str
    task: str | None
    host: str

    @property
    def reason(self) -> str:
        who = "the task without a name" if self.task is None else f"task {self.task}"
        return (
            f"{who}, begun on {self.host}, copies to it, and tasks must have different topics: leave it out "
            "(--exclude-topics), or end that task first (kafka-meta task delete)"
        )


def claims_of_others(connection: Wire, source_id: str, task: str | None) -> dict[str, Claim]:
    """Topic of the destination → who copies to it. Raises `KafkaMetaError` when the destination does not tell."""
    own = _group(source_id, task)
    listed, gaps = wire.groups(connection)
    if listed is None or gaps:
        reason = gaps[0].reason if gaps else "no broker returns its groups"
        raise KafkaMetaError(f"whether another task copies to the same topics is not known: {reason}")
    groups = [
        each.id for each in listed if each.id.startswith(LEASE_GROUPS) and each.id.endswith(_TOPICS) and each.id != own
    ]
    found: dict[str, Claim] = {}
    for group in groups:
        name = group.removeprefix(LEASE_GROUPS).removesuffix(_TOPICS).partition(".")[2] or None
        for topic, host in _marks(connection, group).items():
            found[topic] = Claim(topic=topic, task=name, host=host)
    return found


def loops(
    source: ClusterSettings, connection: Wire, dest_id: str, topics: Collection[str]
) -> Iterator[tuple[str | None, str]]:
    """Topics of the source to which somebody copies from the destination right now: records would go in circles. Yields
    each with the reason; None where it is not known which topics that copier has. `connection` is to the source."""
    listed, _ = wire.groups(connection)
    alone = group_of(dest_id)
    names = {each.id for each in listed or ()}
    for group in sorted(names):
        if (group != alone and not group.startswith(f"{alone}.")) or group.endswith(_TOPICS):
            continue
        try:
            found = holder(source, dest_id, group.removeprefix(alone).removeprefix(".") or None)
        except KafkaMetaError:
            continue  # we may list the group, and not describe it
        if found is None:
            continue
        who = "another kafka-meta" if found.pid is None else f"process {found.pid} on {found.host}"
        circle = f"{who} copies from the destination to the source: records would go in circles. End it first"
        if group + _TOPICS not in names:
            yield None, circle
            continue
        try:
            theirs = _marks(connection, group + _TOPICS)
        except KafkaMetaError as error:
            yield None, f"{circle} ({error.message})"
            continue
        yield from ((topic, f"{circle}, or leave the topic out") for topic in sorted(theirs.keys() & set(topics)))


def claim(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> dict[str, str]:
    """Marks these topics of the destination as those of this task. Then looks again: of two tasks that begin at the
    same time, at least one sees the other. Returns the topics that are another task's, or cannot be marked, with the
    reason; what was marked of them is free again. Raises `KafkaMetaError` when the destination does not tell, or a
    named task may not mark. A task without a name goes on as far as it may."""
    if not topics:
        return {}
    with wire.connect(dest) as connection:
        try:
            refused = _mark(connection, source_id, task, sorted(topics), socket.gethostname())
            others = claims_of_others(connection, source_id, task)
        except KafkaMetaError:
            if task is not None:
                raise
            return {}
        taken = {topic: others[topic].reason for topic in sorted(others.keys() & set(topics))}
        with suppress(KafkaMetaError):  # what cannot be taken back expires
            _mark(connection, source_id, task, sorted(taken), _FREE)
    return taken if task is None else {**refused, **taken}


def unclaim(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> None:
    """Takes the marks of these topics back. What cannot be taken back expires by itself. Raises `KafkaMetaError` when
    the destination cannot be reached."""
    _take_back(dest, source_id, task, lambda marked: marked & set(topics))


def keep_only(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> None:
    """Takes all marks of a named task back but those of these topics: its group is its own. Several journals may share
    the group of the task without a name."""
    if task is not None:
        _take_back(dest, source_id, task, lambda marked: marked - set(topics))


def give_up(dest: ClusterSettings, source_id: str, task: str | None, topics: Collection[str]) -> None:
    """Takes all marks back of a task that is over, which has begun these topics."""
    if task is None:
        unclaim(dest, source_id, task, topics)
    else:
        keep_only(dest, source_id, task, ())


def _take_back(dest: ClusterSettings, source_id: str, task: str | None, choose: Callable[[Set[str]], Set[str]]) -> None:
    with wire.connect(dest) as connection, suppress(KafkaMetaError):
        marked = _marks(connection, _group(source_id, task)).keys()
        _mark(connection, source_id, task, sorted(choose(marked)), _FREE)


def _group(source_id: str, task: str | None) -> str:
    return group_of(source_id, task) + _TOPICS


def _marks(connection: Wire, group: str) -> Mapping[str, str]:
    """Marked topic → machine."""
    told = wire.positions(connection, [group])[group]
    if isinstance(told, Unanswered):
        raise KafkaMetaError(f"whether another task copies to the same topics is not known: {told.reason}")
    return {each.topic: each.metadata or "another machine" for each in told.offsets if each.metadata != _FREE}


def _mark(connection: Wire, source_id: str, task: str | None, topics: Sequence[str], says: str) -> dict[str, str]:
    """Topics that are refused, with the reason. One that is not there is none of them: then there is nothing to
    protect. Raises `KafkaMetaError` when everything is refused."""
    group = _group(source_id, task)
    refused: dict[str, str] = {}
    for start in range(0, len(topics), _MARKS_A_REQUEST):
        some = topics[start : start + _MARKS_A_REQUEST]
        marks = [CommittedOffset(topic=topic, partition=0, offset=0, metadata=says) for topic in some]
        told = wire.commit(connection, {group: marks})[group]
        if isinstance(told, Unanswered):
            raise KafkaMetaError(
                f"this task cannot mark its topics on the destination: group {group}: {told.reason}",
                "A named task needs READ on that group, and on its topics.",
            )
        for (topic, _), reason in told.items():
            if not reason.startswith("UNKNOWN_TOPIC"):
                refused[topic] = f"it cannot be marked as a topic of this task: {reason}"
    return refused
