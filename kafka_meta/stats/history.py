"""Messages and bytes of past hours, from the offsets at the boundaries of each hour.

One ListOffsets a leader and boundary tells where in each of its partitions that moment lies (a partition may stand in
a request once); the difference of two is what was written in between. What it cannot tell: peaks within an hour; what
was deleted since; when a record was really written, where producers set timestamps of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from kafka_meta import wire
from kafka_meta.events import Emit, Progress
from kafka_meta.model import Remark, Snapshot
from kafka_meta.stats.inventory import is_tiered, setting
from kafka_meta.wire import Place, Wire

HOUR_MS = 3_600_000
MOST_HOURS = 7 * 24
"""Also where everything is kept for ever: a week has every day and every night once."""

MOST_PARTITIONS = 500
ENOUGH = 0.95
"""Of the bytes, for the partitions that are looked at; of the traffic, for an hour to be told."""

BUDGET_S = 4.0
"""For all boundaries together, with the pauses. Where brokers are slow, fewer partitions are looked at, not longer."""

_REST = 0.5
"""Pause after each boundary as a share of the time that the brokers took for it: they have other clients."""

_CHECKS = (5, 30)
"""Boundaries after which it is reckoned how long the rest will take: the first ones say little of it."""

_FEWEST = 50
"""Partitions that are looked at however slow the brokers seem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A partition that holds something, and what its messages weigh."""

    topic: str
    partition: int
    leader: int
    start: int
    end: int
    size_bytes: int | None
    bytes_a_message: float | None
    """Of its topic, as stored, so compressed as producers did; None where sizes are not known or not of all of it."""
    compacted: bool = False

    @property
    def place(self) -> Place:
        return self.topic, self.partition


def logs(snapshot: Snapshot) -> list[Log]:
    """Those whose leader and offsets are known."""
    found: list[Log] = []
    for topic in snapshot.topics or ():
        held = [p for p in topic.partitions if p.start_offset is not None and p.end_offset is not None]
        messages = sum((p.end_offset or 0) - (p.start_offset or 0) for p in held)
        sizes = [p.size_bytes for p in held]
        weight = None
        # The log directories hold what is not in the tier, the offsets count both.
        if messages and None not in sizes and not is_tiered(snapshot, topic):
            weight = sum(size for size in sizes if size is not None) / messages
        compacted = "compact" in (setting(snapshot, topic, "cleanup.policy") or "")
        for partition in held:
            start, end = partition.start_offset, partition.end_offset
            if partition.leader is not None and start is not None and end is not None:
                found.append(
                    Log(
                        topic=topic.name,
                        partition=partition.partition,
                        leader=partition.leader,
                        start=start,
                        end=end,
                        size_bytes=partition.size_bytes,
                        bytes_a_message=weight,
                        compacted=compacted,
                    )
                )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The logs that are looked at, and their share of the bytes (of the messages, where no sizes are known)."""

    logs: tuple[Log, ...]
    share: float


def choose(found: Sequence[Log]) -> Sample:
    """All of a small cluster; of a larger one the largest logs, until they hold 95 % of the bytes, at most 500."""
    held = [log for log in found if log.end > log.start]
    weights = _weights(held)
    held.sort(key=lambda log: (-weights[log.place], log.place))
    chosen = held[:MOST_PARTITIONS]
    if len(held) > MOST_PARTITIONS:
        sums = list(accumulate(weights[log.place] for log in chosen))
        enough = sum(weights.values()) * ENOUGH
        chosen = chosen[: next((i for i, total in enumerate(sums, 1) if total >= enough), len(chosen))]
    return Sample(logs=tuple(chosen), share=_share(chosen, held))


def _weights(logs: Sequence[Log]) -> dict[Place, int]:
    """Bytes; messages where the bytes of some are not known."""
    by_size = all(log.size_bytes is not None for log in logs) and any(log.size_bytes for log in logs)
    return {log.place: (log.size_bytes or 0) if by_size else log.end - log.start for log in logs}


def _share(part: Sequence[Log], whole: Sequence[Log]) -> float:
    weights = _weights(whole)
    return sum(weights[log.place] for log in part) / sum(weights.values()) if weights else 1.0


def _without(sample: Sample, left_out: Callable[[Log], bool]) -> Sample:
    """What remains of a sample, and the share that this holds."""
    rest = tuple(log for log in sample.logs if not left_out(log))
    return Sample(logs=rest, share=sample.share * _share(rest, sample.logs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """Where each moment lies in each log: `offsets[i]` for `times_ms[i]`, oldest first, all an hour apart.

    A log is absent from a moment at which it still stood where it stands at the oldest one, which `floors` tells.
    """

    sample: Sample
    """What was looked at in the end: less than was asked for, where brokers are slow or did not tell."""
    times_ms: tuple[int, ...]
    offsets: tuple[Mapping[Place, int], ...]
    floors: Mapping[Place, int] = field(default_factory=dict)
    """Of the oldest moment; the log's start, for one that is absent."""
    failed: Mapping[Place, str] = field(default_factory=dict)

    def at(self, log: Log, i: int) -> int:
        return self.offsets[i].get(log.place, self.floors.get(log.place, log.start))

    def edge(self, log: Log) -> int:
        """Up to there nothing is known of the log, except that it is nothing where that is 0. A compacted log does not
        begin with what was written first: before its oldest record that is left, any number may have been removed."""
        return self.floors.get(log.place, log.start) if log.compacted else log.start


def ask(connection: Wire, sample: Sample, *, now_ms: int, emit: Emit) -> Boundaries:
    """The oldest moment, then from the last full hour backwards until all stand where they did then, at most seven
    days. Raises nothing: see `failed`."""
    newest = now_ms - now_ms % HOUR_MS
    asked = {log.place: log for log in sample.logs}
    failed: dict[Place, str] = {}
    told: dict[int, Mapping[Place, int]] = {}
    floors: Mapping[Place, int] = {}
    begun = time.monotonic()
    for done, back in enumerate((MOST_HOURS, *range(MOST_HOURS))):
        if done in _CHECKS and (kept_share := _affordable(done, time.monotonic() - begun)) < 1:
            kept = {log.place for log in sample.logs[: max(_FEWEST, int(len(sample.logs) * kept_share))]}
            sample = _without(sample, lambda log: log.place not in kept)  # noqa: B023  # called at once
            asked = {place: log for place, log in asked.items() if place in kept}
        if not asked:
            break
        asking = time.monotonic()
        leaders = {place: log.leader for place, log in asked.items()}
        # Once: a partition whose leader moves meanwhile is left out, not waited for.
        found, wrong = wire.offsets(connection, leaders, newest - back * HOUR_MS, tries=1)
        failed |= wrong
        # No record is as young as that: the moment lies at the end.
        here = {place: asked[place].end if offset is None else offset for place, offset in found.items()}
        told[back] = here
        floors = floors or here
        asked = {
            place: log for place, log in asked.items() if place in here and (not done or here[place] > floors[place])
        }
        emit(Progress(stage="statistics", done=done + 1, total=MOST_HOURS + 1 if asked else done + 1))
        now = time.monotonic()
        on_time = begun + BUDGET_S * (done + 1) / (MOST_HOURS + 1)
        time.sleep(min(_REST * (now - asking), max(0.0, on_time - now)))
    return Boundaries(
        sample=_without(sample, lambda log: log.place in failed),
        times_ms=tuple(newest - back * HOUR_MS for back in range(MOST_HOURS, -1, -1)),
        offsets=tuple(told.get(back, {}) for back in range(MOST_HOURS, -1, -1)),
        floors=floors,
        failed=failed,
    )


def _affordable(done: int, seconds: float) -> float:
    """The share of the partitions that fits into the rest of the budget, when so many boundaries took so long."""
    rest = seconds / done * (MOST_HOURS + 1 - done)
    return (BUDGET_S - seconds) / rest if rest else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """`messages` a second, and MB/s where the weight of all messages is known."""

    start_ms: int
    messages: float
    megabytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    hours: tuple[Hour, ...]
    """Oldest first; an hour of which too little is left is not in it."""
    by_topic: Mapping[str, float]
    """Messages a second of each topic that was looked at, over the hours that are known of it."""
    short: frozenset[str]
    """Topics that deleted records of the hours that were looked at."""
    share: float
    gaps: tuple[Remark, ...] = ()


def rates(boundaries: Boundaries) -> History:
    """Pure. Traffic of logs that were not looked at is added by their share of the bytes."""
    sample = boundaries.sample
    logs = sample.logs
    gaps = [Remark(resource="past rates", reason=text) for text in _failures(boundaries.failed)]
    boundaries = _since_the_oldest(boundaries)
    written = {log.place: list(_written(log, boundaries)) for log in logs}
    weights = {log.place: _weight(log, written[log.place], boundaries) for log in logs}
    total_weight = sum(weights.values())
    hours: list[Hour] = []
    dropped = 0
    for i in range(len(boundaries.times_ms) - 1):
        known = [log for log in logs if written[log.place][i] is not None]
        if not known:
            continue
        if sum(weights[log.place] for log in known) < ENOUGH * total_weight:
            dropped += 1
            continue
        counts = [(log, written[log.place][i] or 0) for log in known]
        weighed = all(log.bytes_a_message is not None for log, count in counts if count)
        volume = sum(count * (log.bytes_a_message or 0) for log, count in counts)
        scale = 3600 * sample.share
        hours.append(
            Hour(
                start_ms=boundaries.times_ms[i],
                messages=sum(count for _, count in counts) / scale,
                megabytes=volume / scale / 1e6 if weighed else None,
            )
        )
    if dropped:
        reason = f"{dropped} hours are not told: records of them are deleted already, and with them their number"
        gaps.append(Remark(resource="past rates", reason=reason))
    if sample.share < ENOUGH:
        looked = f"{len(sample.logs):,} partitions were looked at, which hold {sample.share:.0%}"
        reason = f"{looked}; the traffic of the others is taken to be by their size"
        gaps.append(Remark(resource="past rates", reason=reason))
    if len(boundaries.times_ms) < 2 and logs:
        reason = "all records are younger than the last full hour"
        gaps.append(Remark(resource="past rates", reason=reason))
    return History(
        hours=tuple(hours),
        by_topic=_by_topic(logs, written),
        short=frozenset(log.topic for log in logs if log.start and not log.compacted and None in written[log.place]),
        share=sample.share,
        gaps=tuple(gaps),
    )


def _written(log: Log, boundaries: Boundaries) -> Iterator[int | None]:
    """Messages of each hour; None for an hour whose first records may have been deleted."""
    edge = boundaries.edge(log)
    for i in range(len(boundaries.times_ms) - 1):
        here, there = boundaries.at(log, i), boundaries.at(log, i + 1)
        yield max(0, min(there, log.end) - here) if here > edge or edge == 0 else None


def _since_the_oldest(boundaries: Boundaries) -> Boundaries:
    """Without the hours before the oldest record: nothing is known of a time of which nothing is left."""
    hours = range(len(boundaries.times_ms) - 1)
    logs = boundaries.sample.logs
    begun = (i for i in hours if any(boundaries.at(log, i + 1) > boundaries.edge(log) for log in logs))
    first = next(begun, len(hours))
    return replace(boundaries, times_ms=boundaries.times_ms[first:], offsets=boundaries.offsets[first:])


def _weight(log: Log, written: Sequence[int | None], boundaries: Boundaries) -> float:
    """The traffic of a log, in bytes (messages, where their weight is not known) a second; at least that much."""
    known = [count for count in written if count is not None]
    if known:
        messages = sum(known) / len(known) / 3600
    else:
        # All that is known of it is younger than the newest boundary at which it stood at its edge.
        edge = boundaries.edge(log)
        at_edge = [i for i in range(len(boundaries.times_ms)) if boundaries.at(log, i) == edge]
        hours = len(boundaries.times_ms) - max(at_edge, default=0)
        messages = (log.end - log.start) / hours / 3600
    return messages * (log.bytes_a_message if log.bytes_a_message is not None else 1)


def _by_topic(logs: Sequence[Log], written: Mapping[Place, Sequence[int | None]]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for log in logs:
        known = [count for count in written[log.place] if count is not None]
        if known:
            rates[log.topic] = rates.get(log.topic, 0.0) + sum(known) / len(known) / 3600
    return rates


def _failures(failed: Mapping[Place, str]) -> Iterator[str]:
    reasons: dict[str, list[Place]] = {}
    for place, reason in sorted(failed.items()):
        reasons.setdefault(reason, []).append(place)
    for reason, places in reasons.items():
        topic, partition = places[0]
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield f"{topic}-{partition}{more}: {reason}"
