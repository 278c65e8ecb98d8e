"""Messages and bytes of past hours, from the offsets at the boundaries of each hour.

One ListOffsets request to a leader for each boundary returns the offset at that moment in each of its partitions (a
partition may be in a request only once). The difference of two such offsets is what was written in between. This cannot
show peaks within an hour, records that were deleted since, and when a record was really written, where producers set
timestamps of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from kafka_meta import wire
from kafka_meta.events import Emit, Progress
from kafka_meta.model import Remark, Resource, Snapshot
from kafka_meta.stats.inventory import is_tiered, setting
from kafka_meta.wire import Place, Wire

HOUR_MS = 3_600_000
MOST_HOURS = 7 * 24
"""Also where everything is kept for ever: a week has each weekday and each night once."""

MOST_PARTITIONS = 500
ENOUGH = 0.95
"""The partitions to look at hold this share of the bytes. An hour is reported if so much traffic is known."""

BUDGET_S = 4.0
"""Seconds for all boundaries together, with the pauses. Where brokers are slow, fewer partitions are looked at."""

_REST = 0.5
"""Pause after each boundary, as a share of the time that the brokers needed for it: they have other clients."""

_CHECKS = (5, 30)
"""After so many boundaries the remaining time is estimated. The first ones alone are not enough for an estimate."""

_FEWEST = 50
"""Partitions that are looked at even when the brokers are slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A partition with records, and the bytes of its messages."""

    topic: str
    partition: int
    leader: int
    start: int
    end: int
    size_bytes: int | None
    bytes_a_message: float | None
    """The mean of its topic, as stored: compressed as the producers did. None where sizes are not known, or only in
    part."""
    compacted: bool = False

    @property
    def place(self) -> Place:
        return self.topic, self.partition


def logs(snapshot: Snapshot) -> list[Log]:
    """The logs whose leader and offsets are known."""
    found: list[Log] = []
    for topic in snapshot.topics or ():
        held = [p for p in topic.partitions if p.start_offset is not None and p.end_offset is not None]
        messages = sum((p.end_offset or 0) - (p.start_offset or 0) for p in held)
        sizes = [p.size_bytes for p in held]
        weight = None
        # The log directories do not hold the remote tier, but the offsets count its records as well.
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
    """The logs to look at, and their share of the bytes (of the messages, where no sizes are known)."""

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
    """Bytes; messages where the bytes of some logs are not known."""
    by_size = all(log.size_bytes is not None for log in logs) and any(log.size_bytes for log in logs)
    return {log.place: (log.size_bytes or 0) if by_size else log.end - log.start for log in logs}


def _share(part: Sequence[Log], whole: Sequence[Log]) -> float:
    weights = _weights(whole)
    return sum(weights[log.place] for log in part) / sum(weights.values()) if weights else 1.0


def _without(sample: Sample, left_out: Callable[[Log], bool]) -> Sample:
    """The rest of a sample, and its share."""
    rest = tuple(log for log in sample.logs if not left_out(log))
    return Sample(logs=rest, share=sample.share * _share(rest, sample.logs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """The offset at each moment in each log: `offsets[i]` for `times_ms[i]`, oldest first, all an hour apart.

    A log is absent from a moment at which its offset was still the same as at the oldest moment, which is in `floors`.
    """

    sample: Sample
    """The logs that were really looked at: fewer than were asked for, where brokers are slow or did not answer."""
    times_ms: tuple[int, ...]
    offsets: tuple[Mapping[Place, int], ...]
    floors: Mapping[Place, int] = field(default_factory=dict)
    """The offsets at the oldest moment. A log that is absent has its start offset."""
    failed: Mapping[Place, str] = field(default_factory=dict)

    def at(self, log: Log, i: int) -> int:
        return self.offsets[i].get(log.place, self.floors.get(log.place, log.start))

    def edge(self, log: Log) -> int:
        """Up to this offset it is not known when the records were written. If it is 0, there were none before it.

        A compacted log may not start with the record that was written first: before its oldest record that is left, any
        number of records may have been removed.
        """
        return self.floors.get(log.place, log.start) if log.compacted else log.start


def ask(connection: Wire, sample: Sample, *, now_ms: int, emit: Emit) -> Boundaries:
    """Asks for the oldest moment, and then backwards from the last full hour, until all logs have the offsets of the
    oldest moment, at most seven days. Raises nothing: see `failed`."""
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
        # Only one try: a partition whose leader moves meanwhile is left out, not waited for.
        found, wrong = wire.offsets(connection, leaders, newest - back * HOUR_MS, tries=1)
        failed |= wrong
        # No record is as young as the moment, so the moment is at the log's end.
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
    """The share of the partitions for which the rest of the budget is enough, when `done` boundaries took `seconds`."""
    rest = seconds / done * (MOST_HOURS + 1 - done)
    return (BUDGET_S - seconds) / rest if rest else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """`messages` a second; MB/s where the bytes of all messages are known."""

    start_ms: int
    messages: float
    megabytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    hours: tuple[Hour, ...]
    """Oldest first. An hour of which too little is left is absent."""
    by_topic: Mapping[str, float]
    """Messages a second of each topic that was looked at, over the hours for which they are known."""
    short: frozenset[str]
    """Topics that have deleted records of these hours."""
    share: float
    gaps: tuple[Remark, ...] = ()


def rates(boundaries: Boundaries) -> History:
    """Pure. The traffic of logs that were not looked at is estimated by their share of the bytes, and added."""
    sample = boundaries.sample
    logs = sample.logs
    gaps = [Remark(resource=Resource("past rates"), reason=text) for text in _failures(boundaries.failed)]
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
        reason = f"{dropped} hours are not known: some of their records have been deleted, so nobody can count them"
        gaps.append(Remark(resource=Resource("past rates"), reason=reason))
    if sample.share < ENOUGH:
        looked = f"{len(sample.logs):,} partitions were looked at, which hold {sample.share:.0%}"
        reason = f"{looked}; the traffic of the others is estimated by their size"
        gaps.append(Remark(resource=Resource("past rates"), reason=reason))
    if len(boundaries.times_ms) < 2 and logs:
        reason = "all records are younger than the last full hour"
        gaps.append(Remark(resource=Resource("past rates"), reason=reason))
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
    """Without the hours before the oldest record: nothing is known of an hour of which no record is left."""
    hours = range(len(boundaries.times_ms) - 1)
    logs = boundaries.sample.logs
    begun = (i for i in hours if any(boundaries.at(log, i + 1) > boundaries.edge(log) for log in logs))
    first = next(begun, len(hours))
    return replace(boundaries, times_ms=boundaries.times_ms[first:], offsets=boundaries.offsets[first:])


def _weight(log: Log, written: Sequence[int | None], boundaries: Boundaries) -> float:
    """The traffic of a log in bytes a second (messages a second where their bytes are not known); at least that
    much."""
    known = [count for count in written if count is not None]
    if known:
        messages = sum(known) / len(known) / 3600
    else:
        # All its known records are younger than the newest boundary at which its offset was at its edge.
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
