"""A copy that goes on, as its journal has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kafka_meta.journal import Copier, Followed, FollowedTopic, Journal, Notice, Position, TopicState

TaskState: TypeAlias = Literal["running", "waiting", "paused", "stopped", "unknown"]
"""waiting: nothing moves for the moment. paused: by `task pause`, whether a copier runs or not. stopped: no copier
runs. unknown: the destination does not tell who has the lease."""
_MOVES = ("catching-up", "following")
_COUNTS = (*_MOVES, "paused", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicStanding:
    topic: str
    dest_topic: str | None
    """None: nothing of it is copied."""
    state: TopicState | Literal["paused"]
    reason: str | None
    since_ms: int | None
    partitions: int
    records: int
    size_bytes: int
    """Of the acknowledged batches."""
    lag_offsets: int
    """As far as the source has returned its ends to the copier."""
    verified: int
    """Records that were compared on the destination, and found equal."""
    failures: Mapping[int, str]
    """Partition → why it has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    journal: Path
    name: str | None
    source_id: str
    dest_id: str
    state: TaskState
    running: bool | None
    """Whether a copier has the lease; None: not known."""
    copier: Copier | None
    topics: tuple[TopicStanding, ...]
    groups: tuple[Followed, ...]
    notices: tuple[Notice, ...]
    """What differs and is left alone, and what is in the way."""

    @property
    def failed(self) -> bool:
        """Whether something that should be copied cannot be."""
        return any(topic.state in ("stopped", "recreated", "in-the-way") for topic in self.topics)

    @property
    def lag_offsets(self) -> int:
        """Of what is followed, or should be."""
        return sum(topic.lag_offsets for topic in self.topics if topic.state in _COUNTS)

    @property
    def stopped(self) -> int:
        """Partitions that cannot go on."""
        return sum(len(topic.failures) for topic in self.topics if topic.state in _COUNTS)

    @property
    def group_states(self) -> Mapping[str, int]:
        """State → positions."""
        return Counter(each.state for each in self.groups)


def standing_of(journal: Journal, *, running: bool | None) -> Task:
    """`running`: whether somebody has the lease; None where that is not known."""
    by_topic: dict[str, list[Position]] = {}
    for position in journal.positions():
        by_topic.setdefault(position.begun.topic, []).append(position)
    told = journal.topics()
    paused = journal.wishes().paused
    copier = journal.copier()
    return Task(
        journal=journal.path,
        name=journal.task,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        state=_state(copier, paused=paused, running=running),
        running=running,
        copier=copier,
        topics=tuple(
            _topic(topic, by_topic.get(topic, []), told.get(topic), paused=paused)
            for topic in sorted(by_topic.keys() | {topic for topic in told if told[topic].state == "in-the-way"})
        ),
        groups=journal.followed(),
        notices=journal.notices(),
    )


def _state(copier: Copier | None, *, paused: bool, running: bool | None) -> TaskState:
    if paused:
        return "paused"
    if running is None:
        return "unknown"
    if not running:
        return "stopped"
    return "waiting" if copier is not None and copier.waiting_for is not None else "running"


def _topic(topic: str, positions: list[Position], told: FollowedTopic | None, *, paused: bool) -> TopicStanding:
    """`told`: what the last copier that follows has told; None when none has."""
    failures = {each.begun.partition: each.failure for each in positions if each.failure is not None}
    lag_offsets = sum(max(0, each.begun.end - each.source) for each in positions)
    state: TopicState | Literal["paused"] = "catching-up" if lag_offsets else "following"
    if told is not None:
        state = told.state
    if failures and state in _MOVES:
        state = "stopped"
    if paused and state in _MOVES:
        state = "paused"
    known = told is not None and told.state == state
    return TopicStanding(
        topic=topic,
        dest_topic=positions[0].begun.dest_topic if positions else None,
        state=state,
        reason=told.reason if told is not None and known else None,
        since_ms=told.since_ms if told is not None and known else None,
        partitions=len(positions),
        records=sum(each.rank for each in positions),
        size_bytes=sum(each.size_bytes for each in positions),
        lag_offsets=lag_offsets,
        verified=sum(each.verified.rank for each in positions),
        failures=failures,
    )
