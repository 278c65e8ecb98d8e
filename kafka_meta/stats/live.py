"""What is written and read while we look: end offsets and committed offsets, again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kafka_meta import wire
from kafka_meta.events import Emit, Progress
from kafka_meta.stats.history import Log
from kafka_meta.wire import LATEST, Place, Unanswered, Wire

STEPS = 12
"""How often the ends of all partitions are read in one sample, so that a burst is seen."""

SHORTEST_STEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The ends of all logs whose leader returned them, at a moment of our monotonic clock (seconds)."""

    at_s: float
    ends: Mapping[Place, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Rates are in messages a second and in MB/s; None where the bytes of the messages are not known."""

    seconds: float
    messages_mean: float
    messages_max: float
    write_mean: float | None
    write_max: float | None
    read_by_group: Mapping[str, float | None]
    """MB/s by which the group's committed positions moved. Consumers commit every few seconds."""
    reads: int
    """Groups with committed positions, also those that did not move."""
    unanswered: int
    """Partitions whose leader did not return the end."""

    @property
    def read_mean(self) -> float | None:
        """MB/s of all groups; None unless there is at least one group, and the rate of each one is known."""
        if not self.reads or None in self.read_by_group.values():
            return None
        return sum(rate for rate in self.read_by_group.values() if rate is not None)


def watch(connection: Wire, logs: Sequence[Log], groups: Sequence[str], *, seconds: float, emit: Emit) -> Live | None:
    """Looks again and again for `seconds`; None when fewer than two looks got an answer."""
    leaders = {log.place: log.leader for log in logs}
    before, asked_s = _positions(connection, groups), time.monotonic()
    steps = max(1, min(STEPS, int(seconds / SHORTEST_STEP_S)))
    looks = [_look(connection, leaders)]
    begin = looks[0].at_s
    for step in range(1, steps + 1):
        time.sleep(max(0.0, begin + seconds * step / steps - time.monotonic()))
        looks.append(_look(connection, leaders))
        emit(Progress(stage="live sample", done=step, total=steps))
    after, read_s = _positions(connection, groups), time.monotonic() - asked_s
    return measure(logs, looks, before, after, read_s=read_s)


def measure(
    logs: Sequence[Log],
    looks: Sequence[Look],
    before: Mapping[str, Mapping[Place, int]],
    after: Mapping[str, Mapping[Place, int]],
    *,
    read_s: float,
) -> Live | None:
    """Pure."""
    weights = {log.place: log.bytes_a_message for log in logs}
    answered = [place for place in weights if all(place in look.ends for look in looks)]
    if not answered or len(looks) < 2:
        return None
    messages: list[float] = []
    megabytes: list[float | None] = []
    spans = [later.at_s - earlier.at_s for earlier, later in pairwise(looks)]
    for (earlier, later), span in zip(pairwise(looks), spans, strict=True):
        counts = {place: later.ends[place] - earlier.ends[place] for place in answered}
        messages.append(sum(counts.values()) / span)
        volume = _volume(counts, weights)
        megabytes.append(None if volume is None else volume / span / 1e6)
    seconds = sum(spans)
    known = [rate for rate in megabytes if rate is not None]
    weighed = len(known) == len(megabytes)
    reading: dict[str, float | None] = {}
    for group in before.keys() & after.keys():
        # Positions that were moved back are not reading.
        moved = {place: max(0, to - before[group].get(place, to)) for place, to in after[group].items()}
        volume = _volume(moved, weights)
        reading[group] = None if volume is None else volume / read_s / 1e6
    return Live(
        seconds=seconds,
        messages_mean=sum(rate * span for rate, span in zip(messages, spans, strict=True)) / seconds,
        messages_max=max(messages),
        write_mean=sum(r * s for r, s in zip(known, spans, strict=True)) / seconds if weighed else None,
        write_max=max(known) if weighed else None,
        read_by_group=dict(sorted(reading.items())),
        reads=len(reading),
        unanswered=len(weights) - len(answered),
    )


def _volume(counts: Mapping[Place, int], weights: Mapping[Place, float | None]) -> float | None:
    """Bytes; None where messages moved whose bytes are not known."""
    total = 0.0
    for place, count in counts.items():
        if count:
            weight = weights.get(place)
            if weight is None:
                return None
            total += count * weight
    return total


def _look(connection: Wire, leaders: Mapping[Place, int]) -> Look:
    ends, _ = wire.offsets(connection, leaders, LATEST, tries=1)
    return Look(at_s=time.monotonic(), ends={place: end for place, end in ends.items() if end is not None})


def _positions(connection: Wire, groups: Sequence[str]) -> dict[str, dict[Place, int]]:
    told = wire.positions(connection, groups, tries=1) if groups else {}
    return {
        group: {(each.topic, each.partition): each.offset for each in answer.offsets}
        for group, answer in told.items()
        if not isinstance(answer, Unanswered) and answer.offsets
    }
