"""One run from the first byte to the last position: guard, copy, check, groups."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kafka_meta import cluster
from kafka_meta.apply import apply
from kafka_meta.events import Emit, Waiting
from kafka_meta.journal import GroupOffset, Journal, Place
from kafka_meta.mirror.copy import GIVE_UP_AFTER_SECONDS, IN_FLIGHT, MEMORY_BYTES, PartitionFailed, copy
from kafka_meta.mirror.document import Copied, GroupPosition, Mirrored
from kafka_meta.mirror.groups import settled, translate
from kafka_meta.mirror.guard import GUARD, set_guard
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.preflight import Preflight
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.mirror.quiet import movements
from kafka_meta.model import Remark
from kafka_meta.plan import CommitOffsets, Policy, Traces
from kafka_meta.ranges import Unconsumed
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Checked, check


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    max_rate_bytes: int | None = None
    """A second's."""
    memory_bytes: int = MEMORY_BYTES
    in_flight: int = IN_FLIGHT
    """Batches of a partition under way at a time, 1 to 5."""
    give_up_after_s: float = GIVE_UP_AFTER_SECONDS


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
    emit: Emit,
) -> Mirrored:
    """Everything that a preflight without findings has left to do. What failed is in the result; the rest is done.
    What the journal knows besides, and is not selected, stays as it is.

    Raises KafkaMetaError when somebody else copies, when a cluster cannot be reached, or when the guard is refused.
    """
    overrides = {topic.name: topic.configs for topic in checked.dest.topics or ()}
    places = {each.place for each in checked.begun}
    so_far = {position.begun.place: position.source for position in journal.positions()}
    with cluster.Writer(dest) as writer:
        set_guard(
            writer,
            journal,
            {each.dest_topic for each in checked.begun if so_far.get(each.place, each.start) < each.end},
            overrides=overrides,
            effective=checked.dest_configs,
            emit=emit,
        )
        journal.begin(checked.begun)
        failures = {
            (outcome.topic, outcome.partition): outcome
            for outcome in copy(
                source,
                dest,
                journal,
                lease=lease,
                places=places,
                emit=emit,
                max_rate_bytes=pace.max_rate_bytes,
                memory_bytes=pace.memory_bytes,
                in_flight=pace.in_flight,
                give_up_after_s=pace.give_up_after_s,
            )
            if isinstance(outcome, PartitionFailed)
        }
        positions = [each for each in journal.positions() if each.begun.place in places]
        found = {each.position.begun.place: each for each in check(dest, positions, source=source, emit=emit)}
        quiet, moved = checked.quiet, tuple[Remark, ...]()
        if quiet:
            moved = tuple(movements(source, prepared, decided, emit))
            quiet = not moved
        groups = _set_positions(writer, prepared, journal, decided, checked, _exact(found, failures), quiet, emit)
    copied = tuple(copied_of(each, failures.get(place)) for place, each in sorted(found.items()))
    retention_ms = checked.offsets_retention_ms
    return Mirrored(
        committed=True,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        unread=prepared.unconsumed,
        open_transactions=prepared.open_transactions,
        warnings=(*checked.warnings, *moved),
        copied=copied,
        groups=groups,
        guarded=tuple(journal.guards()),
        start_before_ms=None if retention_ms is None else round(time.time() * 1000) + retention_ms,
    )


def _exact(found: Mapping[Place, Checked], failures: Collection[Place]) -> set[Place]:
    return {place for place, each in found.items() if each.equal and each.position.done and place not in failures}


def copied_of(each: Checked, failure: PartitionFailed | None = None) -> Copied:
    """What is there and is not what was sent will not become it by another run."""
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
        done=position.done,
        error=failure.reason if failure else each.reason,
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


def stands(journal: Journal) -> Mirrored:
    """A migration as its journal knows it, without a look at the clusters."""
    return Mirrored(
        committed=True,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        unread=Unconsumed(),
        copied=tuple(
            copied_of(Checked(position=each, arrived=None, content="not compared", reason=each.failure))
            for each in journal.positions()
        ),
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
        ),
        guarded=tuple(journal.guards()),
    )


def traces(journal: Journal) -> Traces:
    """What `compare` must not take for drift on the destination."""
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
    )
