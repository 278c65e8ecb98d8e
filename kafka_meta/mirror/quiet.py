"""Whether the source is quiet: nobody writes to what is copied, and nobody reads it.

A *look* asks each partition's leader for everything that changes when somebody writes: the end of its own log
(ListOffsets returns only the high watermark, which lags behind it), the high watermark, the last stable offset, and
what it remembers of each producer (KIP-664). `movements` compares two looks. The first look is taken before the copy.
The last one comes after the copy, at least `--quiet` later and right before positions are set. A producer that pauses
for longer than that is not noticed, so a look also has the age of each topic's youngest record.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kafka_meta import cluster, wire, zookeeper
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.export import merge
from kafka_meta.journal import Place
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import Group, Remark, Resource, Selection, sorted_remarks
from kafka_meta.plan.compare.groups import liveness
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Wire
from kafka_meta.wire.partitions import Failure, Leader, led, listed_offsets, log_ends, youngest_records
from kafka_meta.wire.producers import ProducerState, producer_states
from kafka_meta.wire.transactions import stable_offsets

QUIET_SECONDS = 10.0
"""The default of `--quiet`."""
GLANCE_SECONDS = 0.5
"""Between the first two looks: they find clients that write or commit without a pause, before the copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A partition at a moment. None: its leader does not return it (an old broker, a missing right)."""

    log_end: int | None
    high_watermark: int
    stable: int
    producers: frozenset[ProducerState] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    taken_at: float
    """Seconds, by `time.monotonic`."""
    partitions: Mapping[Place, Pulse | str]
    """A text says why a partition could not be looked at."""
    groups: tuple[Group, ...] | None
    youngest_ms: Mapping[str, int]
    """Topic → the largest timestamp of its records in milliseconds; only topics whose brokers return it (since 3.0)."""


def look(source: ClusterSettings, prepared: Preparation, selection: Selection, *, emit: Emit) -> Look:
    """Looks at everything that is copied. Raises KafkaMetaError when the source does not answer."""
    places = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
    taken_at = time.monotonic()
    with wire.connect(source) as connection:
        partitions, youngest = _partitions(connection, places)
    return Look(
        taken_at=taken_at,
        partitions=partitions,
        groups=_groups(source, selection, prepared.source.taken_at_ms),
        youngest_ms=youngest,
    )


def _partitions(connection: Wire, places: Collection[Place]) -> tuple[dict[Place, Pulse | str], dict[str, int]]:
    told = led(connection, dict.fromkeys(places)) if places else {}
    leaders = {place: leader for place, leader in told.items() if isinstance(leader, Leader)}
    by_id = {place: leader.broker.id for place, leader in leaders.items()}
    # The order matters: a record that arrives meanwhile makes a later answer larger, never an earlier one.
    stable, unstable = stable_offsets(connection, by_id)
    replicated = listed_offsets(connection, leaders)
    ends = log_ends(connection, {place: leader for place, leader in leaders.items() if leader.epoch >= 0})
    producers = producer_states(connection, by_id)
    found: dict[Place, Pulse | str] = {}
    for place in places:
        high_watermark, end = replicated.get(place), ends.get(place)
        if isinstance(failure := told[place], Failure):
            found[place] = failure.reason
        elif place in unstable or place not in stable:
            found[place] = unstable.get(place, "its last stable offset was not told")
        elif isinstance(high_watermark, Failure) or high_watermark is None:
            found[place] = high_watermark.reason if high_watermark is not None else "its high watermark was not told"
        elif isinstance(end, Failure) and end.retriable:
            found[place] = end.reason
        else:
            found[place] = Pulse(
                log_end=end if isinstance(end, int) else None,
                high_watermark=high_watermark,
                stable=stable[place],
                producers=producers.get(place),
            )
    youngest: dict[str, int] = {}
    for (topic, _), timestamp_ms in youngest_records(connection, leaders).items():
        youngest[topic] = max(timestamp_ms, youngest.get(topic, timestamp_ms))
    return found, youngest


def _groups(source: ClusterSettings, selection: Selection, taken_at_ms: int) -> tuple[Group, ...] | None:
    sections = frozenset({"groups"})
    found = cluster.read(source, selection, emit=silent, taken_at_ms=taken_at_ms, sections=sections, offsets=False)
    if source.zookeeper is not None:
        old = zookeeper.read(source.zookeeper, selection, emit=silent, states=False, taken_at_ms=taken_at_ms)
        found = merge(old, found)
    return found.groups


def wait_until(taken_at: float, seconds: float, *, emit: Emit) -> None:
    """Waits until `seconds` have passed since the look that was taken at `taken_at` (of `time.monotonic`)."""
    pause = taken_at + seconds - time.monotonic()
    if pause > 0:
        emit(Waiting(reason="the source is read a second time to see whether clients write or read", seconds=pause))
        time.sleep(pause)


def movements(
    prepared: Preparation, first: Look, last: Look, *, until_lso: bool, cut: Collection[Place] = ()
) -> tuple[Remark, ...]:
    """One remark for each client that has written to, or read from, what is copied: between the two looks, or since the
    ranges were read. Also for each transaction that is still open, and for what could not be seen. `until_lso`: a
    transaction may stay open, as long as nothing is added to it. `cut`: partitions whose log was cut back; that is no
    sign of a client."""
    ends = {(each.topic, each.partition): each.end for each in prepared.unconsumed.ranges}
    held = {(each.topic, each.partition) for each in prepared.open_transactions}
    found: list[Remark] = []
    for place in sorted(ends.keys() - set(cut)):
        end, then, now = ends[place], first.partitions[place], last.partitions[place]
        reason = _written(then, now, end, held=place in held, until_lso=until_lso)
        if reason is not None:
            found.append(Remark(resource=Resource.partition(*place), reason=reason))
    # Positions are translated as they were when the ranges were read: before the first look.
    before = prepared.source.groups if prepared.source.groups is not None else first.groups
    found += _read(before, last.groups, ends.keys())
    return sorted_remarks(found)


def _written(then: Pulse | str, now: Pulse | str, end: int, *, held: bool, until_lso: bool) -> str | None:
    """`held`: a transaction was open when the ranges were read, and they end at its first record."""
    for each in (then, now):
        if isinstance(each, str):
            return f"it is not known whether clients write to it: {each}"
    assert isinstance(then, Pulse) and isinstance(now, Pulse)
    last = now.high_watermark if now.log_end is None else now.log_end
    before = then.high_watermark if then.log_end is None else then.log_end
    if not held and then.stable > end:
        before = end  # the client has written before the first look
    if last != before:
        return f"a client writes to it on the source: its log ended at {before}, now it ends at {last}"
    if now.high_watermark < last:
        return f"its log on the source ends at {last}, and its replicas have only those up to {now.high_watermark}"
    if now.stable != then.stable or now.stable != end:
        return f"a transaction has ended on it: its last stable offset was {end}, now it is {now.stable}"
    if now.stable < now.high_watermark and not until_lso:
        return f"a transaction is open on it: offsets {now.stable} to {now.high_watermark} wait for its end"
    # A producer that is only missing is no sign of writing: the broker has removed it (producer.id.expiration.ms).
    known = then.producers is not None and now.producers is not None
    changed = sorted({each.id for each in (now.producers or set()) - (then.producers or set())}) if known else []
    return f"producer {changed[0]} is active on it on the source: its state has changed" if changed else None


def _read(then: tuple[Group, ...] | None, now: tuple[Group, ...] | None, copied: Collection[Place]) -> Iterator[Remark]:
    if then is None or now is None:
        yield Remark(
            resource=Resource("groups"), reason="they could not be read: it is not known whether one of them reads"
        )
        return
    before = {(group.id, group.source): _positions(group) for group in then}
    for group in now:
        positions = {place: offset for place, offset in _positions(group).items() if place in copied}
        if not positions:
            continue
        if (alive := liveness(group)) is not None:
            yield Remark(
                resource=Resource("group", group.id), reason=f"its consumers are running on the source: {alive}"
            )
        old = before.get((group.id, group.source), {})
        if moved := [place for place, offset in positions.items() if old.get(place) != offset]:
            topic, number = min(moved)
            yield Remark(
                resource=Resource("group", group.id),
                reason=f"it reads on the source: its position on {topic}-{number} was {old.get((topic, number))}, "
                f"now it is {positions[topic, number]}",
            )
    there = {(group.id, group.source) for group in now}
    for (group_id, source), positions in before.items():
        if (group_id, source) not in there and positions.keys() & copied:
            yield Remark(resource=Resource("group", group_id), reason="it has been deleted on the source meanwhile")


def _positions(group: Group) -> dict[Place, int]:
    return {(each.topic, each.partition): each.offset for each in group.offsets or ()}
