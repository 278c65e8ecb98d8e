"""One run of the mirror, from the first byte to the last position: guard, copy, check, groups."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka_meta import cluster
from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Happened, Waiting
from kafka_meta.journal import GroupOffset, Journal, Place, Position
from kafka_meta.logs.history import Cut, Untold
from kafka_meta.mirror.abilities import NO_IDEMPOTENCE
from kafka_meta.mirror.copy import GIVE_UP_AFTER_SECONDS, IN_FLIGHT, MEMORY_BYTES, PartitionFailed, copy
from kafka_meta.mirror.foreign import foreign_records
from kafka_meta.mirror.groups import Translation, present, settled, translate
from kafka_meta.mirror.guard import GUARD, guard_topics
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.outcome import Copied, GroupPosition, Mirrored
from kafka_meta.mirror.preflight import Preflight
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.mirror.quiet import QUIET_SECONDS, Look, look, movements, wait_until
from kafka_meta.mirror.rolling import memory_for_check, rolling_check
from kafka_meta.model import EVERYTHING, Remark, Resource, Selection, Snapshot
from kafka_meta.plan import CommitOffsets, Policy, Traces
from kafka_meta.ranges import Unconsumed
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Checked, check, cut_back, unknown
from kafka_meta.wire.partitions import Failure
from kafka_meta.wire.patience import reconnect

_AFTER_SILENCE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    max_rate_bytes: int | None = None
    """Bytes a second."""
    memory_bytes: int = MEMORY_BYTES
    in_flight: int = IN_FLIGHT
    """How many batches of a partition may be under way at a time, 1 to 5."""
    give_up_after_s: float = GIVE_UP_AFTER_SECONDS
    quiet_s: float = QUIET_SECONDS
    """How many seconds the source must have been quiet when positions are set."""


def migrate(
    source: ClusterSettings,
    dest: ClusterSettings,
    prepared: Preparation,
    checked: Preflight,
    journal: Journal,
    *,
    lease: Lease,
    decided: Policy,
    pace: Pace,
    until_lso: bool = False,
    guard: bool = True,
    emit: Emit,
) -> Mirrored:
    """Does everything that a preflight without findings has left to do. What failed is in the result; the rest is done.
    Without `guard`, retention stays as it is. Partitions that are in the journal but not selected stay as they are.

    Raises KafkaMetaError when somebody else copies, when a cluster cannot be reached, or when the guard is refused.
    """
    places = {each.place for each in checked.begun}
    so_far = {position.begun.place: position for position in journal.positions()}
    with cluster.Writer(dest) as writer:
        topics = {
            each.dest_topic
            for each in checked.begun
            if (so_far[each.place].source if each.place in so_far else each.start) < each.end
        }
        if guard:
            # Read under the lease: a release may have come between the look and now.
            guard_topics(dest, writer, journal, topics, emit=emit)
        journal.begin(checked.begun)
        # What a copy that went on has said of them before is over.
        journal.keep_topics((), gone={each.topic for each in checked.begun})
        failures: dict[Place, PartitionFailed] = {}
        for_check = memory_for_check(pace.memory_bytes)
        with rolling_check(dest, journal, lambda: places, memory_bytes=for_check):
            for outcome in copy(
                source,
                dest,
                journal,
                lease=lease,
                places=places,
                emit=emit,
                max_rate_bytes=pace.max_rate_bytes,
                memory_bytes=pace.memory_bytes - for_check,
                in_flight=pace.in_flight,
                give_up_after_s=pace.give_up_after_s,
            ):
                emit(Happened(text=outcome.in_words))
                if isinstance(outcome, PartitionFailed):
                    failures[outcome.topic, outcome.partition] = outcome
        positions = [each for each in journal.positions() if each.begun.place in places]
        silent = any(failure.silent for failure in failures.values())
        if silent:
            source, dest = (
                replace(each, patience_s=_AFTER_SILENCE_S, request_timeout_ms=round(1000 * _AFTER_SILENCE_S))
                for each in (source, dest)
            )
        found = {
            each.position.begun.place: _by_this_run(each, so_far.get(each.position.begun.place))
            for each in _checked(source, dest, positions, journal, silent, emit)
        }
        exact = _exact(found, failures)
        moved: tuple[Remark, ...] = ()
        last: Look | None = None
        to_set = _to_set(translate(prepared, journal, decided, checked.dest, exact=exact, quiet=True), checked.dest)
        try:
            if checked.quiet and to_set:
                wait_until(checked.first_look.taken_at, pace.quiet_s, emit=emit)
                last = look(source, prepared, decided.selection, emit=emit)
            with reconnect(source, emit=emit) as connection:
                history = cut_back(connection, positions, emit=emit)
        except KafkaMetaError as error:
            if not silent:
                raise
            history = {each.begun.place: Failure(reason=error.message, retriable=True) for each in positions}
        cut = {place: told for place, told in history.items() if isinstance(told, Cut)}
        if last is not None:
            moved = movements(prepared, checked.first_look, last, until_lso=until_lso, cut=cut)
        quiet = checked.quiet and not moved
        strange = foreign_records(
            dest, [each for each in positions if (each.begun.dest_topic, each.begun.partition) in to_set]
        )
        failures |= {
            place: PartitionFailed(topic=place[0], partition=place[1], reason=reason)
            for place, reason in strange.items()
            if place not in failures
        }
        untold = {
            place: told for place, told in history.items() if isinstance(told, Untold) and place not in checked.history
        }
        failures |= _stopped(journal, history, failures)
        exact -= failures.keys()
        groups = _set_positions(writer, prepared, journal, decided, checked, exact, quiet, emit)
    copied = tuple(copied_of(each, failures.get(place)) for place, each in sorted(found.items()))
    retention_ms = checked.offsets_retention_ms
    now_ms = round(time.time() * 1000) + checked.clock_ahead_ms
    return Mirrored(
        committed=True,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        unread=prepared.unconsumed,
        open_transactions=prepared.open_transactions,
        warnings=(*checked.warnings, *_without_numbers(journal, checked), *moved, *unknown(untold)),
        copied=copied,
        groups=groups,
        guarded=tuple(journal.guards()),
        start_before_ms=None if retention_ms is None else now_ms + retention_ms,
    )


def _stopped(
    journal: Journal, history: Mapping[Place, Cut | Failure], failures: Collection[Place]
) -> dict[Place, PartitionFailed]:
    """The partitions that are not in `failures` yet, and whose log on the source was cut back since, or may have
    been. For what no broker can tell, no partition is stopped."""
    found: dict[Place, PartitionFailed] = {}
    for place, told in history.items():
        if place in failures or isinstance(told, Untold):
            continue
        final = isinstance(told, Cut)
        reason = told.reason if final else f"whether the source's log was cut back is not known: {told.reason}"
        if final:
            journal.fail(place, reason)
        found[place] = PartitionFailed(topic=place[0], partition=place[1], reason=reason, final=final)
    return found


def _checked(
    source: ClusterSettings,
    dest: ClusterSettings,
    positions: Sequence[Position],
    journal: Journal,
    silent: bool,
    emit: Emit,
) -> Iterator[Checked]:
    """Compares what was copied; when a side has been `silent` until the copy was given up, only what is complete."""
    if not silent:
        yield from check(dest, positions, source=source, journal=journal, emit=emit)
        return
    complete = [position for position in positions if position.done]
    try:
        yield from list(check(dest, complete, source=source, journal=journal, emit=emit))
    except KafkaMetaError as error:
        yield from (_not_compared(position, error.message) for position in complete)
    yield from (_not_compared(position, position.failure) for position in positions if not position.done)


def _by_this_run(each: Checked, before: Position | None) -> Checked:
    """`before`: the position when this run began; None for a new one. What the run has compared beside the copy is its
    own."""
    earlier = 0 if before is None else before.verified.rank
    return replace(each, earlier=min(each.earlier, earlier), now=each.now + max(0, each.earlier - earlier))


def _not_compared(position: Position, reason: str | None) -> Checked:
    earlier = position.verified.rank
    return Checked(position=position, arrived=None, content="not compared", reason=reason, earlier=earlier)


def _without_numbers(journal: Journal, checked: Preflight) -> Iterator[Remark]:
    producer = journal.producer()
    if producer is not None and producer.id < 0 and NO_IDEMPOTENCE not in checked.warnings:
        reason = "it refused idempotence (before 2.8 that needs IDEMPOTENT_WRITE): batches were sent one at a time"
        yield Remark(resource=Resource("destination"), reason=reason)


def _to_set(wanted: Translation, dest: Snapshot) -> set[Place]:
    """Partitions of the destination on which a position is still to be set."""
    there = present(wanted, dest)
    return {
        (offset.topic, offset.partition)
        for action in wanted.actions
        for offset in action.offsets
        if (action.group, offset.topic, offset.partition) not in there
    }


def _exact(found: Mapping[Place, Checked], failures: Collection[Place]) -> set[Place]:
    return {place for place, each in found.items() if each.equal and each.position.done and place not in failures}


def copied_of(each: Checked, failure: PartitionFailed | None = None) -> Copied:
    """The result for one partition. It is final when the content differs: another run would not make it equal."""
    position = each.position
    begun = position.begun
    return Copied(
        topic=begun.topic,
        partition=begun.partition,
        dest_topic=begun.dest_topic,
        planned=position.rank + max(0, begun.end - position.source),
        messages=position.rank,
        source_offset=position.source,
        size_bytes=position.size_bytes,
        dest_start=begun.base,
        dest_end=position.dest_end,
        arrived=each.arrived,
        content=each.content,
        verified_earlier=each.earlier,
        verified_now=each.now,
        done=position.done,
        error=failure.reason if failure else each.reason or position.failure,
        final=failure.final if failure else each.content == "different",
    )


def _set_positions(
    writer: cluster.Writer,
    prepared: Preparation,
    journal: Journal,
    decided: Policy,
    checked: Preflight,
    exact: Collection[Place],
    quiet: bool,
    emit: Emit,
) -> tuple[GroupPosition, ...]:
    translation = translate(prepared, journal, decided, checked.dest, exact=exact, quiet=quiet)
    names = {each.topic: each.dest_topic for each in checked.begun}
    done: dict[tuple[str, str, int], GroupPosition] = {
        (each.group, each.topic, each.partition): each for each in translation.positions
    }
    for told in apply(translation.actions, writer):
        if isinstance(told, Waiting):
            emit(told)
            continue
        assert isinstance(told.action, CommitOffsets)
        settled_now = settled(translation.positions, told, names)
        journal.set_committed(
            GroupOffset(group=each.group, topic=each.topic, partition=each.partition, offset=each.dest_offset)
            for each in settled_now
            if each.outcome in ("set", "present") and each.dest_offset is not None
        )
        done |= {(each.group, each.topic, each.partition): each for each in settled_now}
    return tuple(done.values())


def stands(journal: Journal, selection: Selection = EVERYTHING) -> Mirrored:
    """A migration as its journal has it, without requests to the clusters. `selection` selects topics by their names on
    the source, and groups by their names on the destination."""
    positions = [each for each in journal.positions() if selection.topic(each.begun.topic)]
    chosen = {each.begun.dest_topic for each in positions}
    return Mirrored(
        committed=True,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        unread=Unconsumed(),
        copied=tuple(copied_of(_not_compared(each, each.failure)) for each in positions),
        groups=tuple(
            GroupPosition(
                group=each.group,
                topic=each.topic,
                partition=each.partition,
                source_offset=None,
                dest_offset=each.offset,
                outcome="set",
            )
            for each in journal.committed()
            if selection.topic(each.topic) and selection.group(each.group)
        ),
        guarded=tuple(topic for topic in journal.guards() if topic in chosen),
    )


def traces(journal: Journal) -> Traces:
    """What `compare` must not report as drift on the destination."""
    names = {each.begun.topic: each.begun.dest_topic for each in journal.positions()}
    return Traces(
        guarded={
            topic: {name: (GUARD[name], before) for name, before in previous.items()}
            for topic, previous in journal.guards().items()
        },
        positions={
            (each.group, names[each.topic], each.partition): each.offset
            for each in journal.committed()
            if each.topic in names
        },
        copied=frozenset(names.values()),
    )
