"""A copy that goes on, as its journal has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kafka_meta.journal import Copier, Followed, Journal, Position

TaskState: TypeAlias = Literal["running", "paused", "not running", "not known"]
"""paused: whether a copier runs or not. not known: the destination does not tell who has the lease."""
TopicState: TypeAlias = Literal["following", "catching up", "stopped"]
"""stopped: one of its partitions cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicStanding:
    topic: str
    dest_topic: str
    state: TopicState
    partitions: int
    records: int
    lag_offsets: int
    """As far as the source has returned its ends to the copier."""
    verified: int
    """Records that were compared on the destination, and found equal."""
    failures: Mapping[int, str]
    """Partition → why it has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    journal: Path
    source_id: str
    dest_id: str
    state: TaskState
    running: bool | None
    """Whether a copier has the lease; None: not known."""
    copier: Copier | None
    topics: tuple[TopicStanding, ...]
    groups: tuple[Followed, ...]

    @property
    def failed(self) -> bool:
        return any(topic.failures for topic in self.topics)

    @property
    def lag_offsets(self) -> int:
        return sum(topic.lag_offsets for topic in self.topics)

    @property
    def group_states(self) -> Mapping[str, int]:
        """State → positions."""
        return Counter(each.state for each in self.groups)


def standing_of(journal: Journal, *, running: bool | None) -> Task:
    """`running`: whether somebody has the lease; None where that is not known."""
    by_topic: dict[str, list[Position]] = {}
    for position in journal.positions():
        by_topic.setdefault(position.begun.topic, []).append(position)
    paused = journal.pause_wished()
    state: TaskState = "paused" if paused else "not known"
    if not paused and running is not None:
        state = "running" if running else "not running"
    return Task(
        journal=journal.path,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        state=state,
        running=running,
        copier=journal.copier(),
        topics=tuple(_topic(positions) for positions in by_topic.values()),
        groups=journal.followed(),
    )


def _topic(positions: list[Position]) -> TopicStanding:
    first = positions[0].begun
    failures = {each.begun.partition: each.failure for each in positions if each.failure is not None}
    lag_offsets = sum(max(0, each.begun.end - each.source) for each in positions)
    return TopicStanding(
        topic=first.topic,
        dest_topic=first.dest_topic,
        state="stopped" if failures else "catching up" if lag_offsets else "following",
        partitions=len(positions),
        records=sum(each.rank for each in positions),
        lag_offsets=lag_offsets,
        verified=sum(each.verified.rank for each in positions),
        failures=failures,
    )
