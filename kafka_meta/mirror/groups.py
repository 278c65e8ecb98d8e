"""Positions of groups on the destination: dest(c) = base + rank(c), exactly the first record that is not read yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from kafka_meta.journal import Journal, Place, Position
from kafka_meta.mirror.outcome import GroupOutcome, GroupPosition
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import CommittedOffset, Group, Snapshot
from kafka_meta.plan import CommitOffsets, Outcome, Policy, Result
from kafka_meta.plan.compare.groups import liveness
from kafka_meta.plan.policy import COMMIT_METADATA_PREFIX
from kafka_meta.ranges import Range, Reader, UncommittedPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What is to be set, and where every group stands on both sides."""

    actions: tuple[CommitOffsets, ...]
    positions: tuple[GroupPosition, ...]
    """With the outcome `later` for those that the actions set."""


def translate(
    prepared: Preparation,
    journal: Journal,
    decided: Policy,
    dest: Snapshot,
    *,
    exact: Collection[Place],
    quiet: bool,
) -> Translation:
    """The positions of the groups on the destination. `exact` are the partitions whose copy is complete and checked;
    on a source that is not `quiet` nothing is set yet.

    A position there is replaced only if import or an earlier run has set it; anything else is a consumer's.
    """
    known = {position.begun.place: position for position in journal.positions()}
    ours = ours_by_place(journal)
    there = {group.id: group for group in dest.groups or () if group.source == "broker"}
    metadata = _metadata(prepared.source)
    found: list[GroupPosition] = []
    wanted: dict[str, list[CommittedOffset]] = defaultdict(list)
    replaces: dict[str, list[CommittedOffset]] = defaultdict(list)
    for each in prepared.unconsumed.ranges:
        place = (each.topic, each.partition)
        position = known.get(place)
        for reader in each.readers:
            if not _concerned(reader, each, prepared.uncommitted):
                continue
            group = decided.group_name(reader.group)
            beyond = (reader.committed or 0) > each.end
            target = None if beyond else _target(journal, each, position, reader.committed)
            at = GroupPosition(
                group=group,
                topic=each.topic,
                partition=each.partition,
                source_offset=reader.committed,
                dest_offset=target if isinstance(target, int) else None,
                outcome="later",
            )
            if beyond:
                # The group reads uncommitted records. Those between the last stable offset and its position are not
                # copied.
                reason = (
                    f"its position {reader.committed} lies above offset {each.end}, where an open transaction begins"
                )
                found.append(replace(at, reason=f"{reason}: run the same command again when the transaction has ended"))
                continue
            if isinstance(target, str):
                found.append(replace(at, outcome="refused", reason=target))
                continue
            if position is None or target is None or place not in exact:
                found.append(replace(at, reason="the copy of the partition is not complete, or not checked"))
                continue
            offset = CommittedOffset(
                topic=position.begun.dest_topic,
                partition=each.partition,
                offset=target,
                metadata=SET_TO_START if reader.committed is None else metadata.get((reader.group, *place), ""),
            )
            mine = ours.get((group, *place), ())
            occupied = _occupied(there.get(group), offset, mine)
            if not quiet:
                found.append(
                    replace(
                        at,
                        reason="clients are writing or reading on the source: stop them and run the same command again",
                    )
                )
            elif isinstance(occupied, str):
                found.append(replace(at, outcome="left alone", reason=occupied))
            else:
                found.append(at)
                wanted[group].append(offset)
                replaces[group] += [occupied] if occupied is not None else []
    return Translation(
        actions=tuple(
            CommitOffsets(group=group, offsets=tuple(sorted(offsets)), replaces=tuple(sorted(replaces[group])))
            for group, offsets in sorted(wanted.items())
        ),
        positions=tuple(found),
    )


def ours_by_place(journal: Journal) -> Mapping[tuple[str, str, int], Collection[int]]:
    """(group, source topic, partition) → the positions on the destination that this migration has set, or was about to
    set."""
    found: dict[tuple[str, str, int], set[int]] = {}
    for each in (*journal.committed(), *journal.intended()):
        found.setdefault((each.group, each.topic, each.partition), set()).add(each.offset)
    return found


def present(translation: Translation, dest: Snapshot) -> set[tuple[str, str, int]]:
    """(group, destination topic, partition) of each position that the actions would set and that is set already."""
    there = {(group.id, offset) for group in dest.groups or () for offset in group.offsets or ()}
    return {
        (action.group, offset.topic, offset.partition)
        for action in translation.actions
        for offset in action.offsets
        if (action.group, offset) in there
    }


def awaited(
    prepared: Preparation, journal: Journal | None, decided: Policy, dest: Snapshot, cut: Collection[Place]
) -> tuple[GroupPosition, ...]:
    """What a run would do with the positions if everything were copied by then: it has to set those with the outcome
    `later`; those with `present` are set already. `cut`: partitions whose log on the source was cut back."""
    if journal is None:
        return tuple(
            GroupPosition(
                group=decided.group_name(reader.group),
                topic=each.topic,
                partition=each.partition,
                source_offset=reader.committed,
                dest_offset=None,
                outcome="later",
            )
            for each in prepared.unconsumed.ranges
            for reader in each.readers
            if _concerned(reader, each, prepared.uncommitted)
        )
    known = {position.begun.place: position for position in journal.positions()}
    ends = {(each.topic, each.partition): each.end for each in prepared.unconsumed.ranges}
    translation = translate(prepared, journal, decided, dest, exact=known.keys(), quiet=True)
    there = present(translation, dest)
    found: list[GroupPosition] = []
    for each in translation.positions:
        place = (each.topic, each.partition)
        begun = known[place].begun if place in known else None
        if place in cut:
            each = replace(each, outcome="refused", reason="the source's log of the partition was cut back")
        elif begun is not None and begun.end < (each.source_offset or 0) <= ends[place]:
            # The copy will be extended up to the position.
            each = replace(each, outcome="later", reason=None)
        elif begun is not None and (each.group, begun.dest_topic, each.partition) in there:
            each = replace(each, outcome="present")
        found.append(each)
    return tuple(found)


def _concerned(reader: Reader, each: Range, uncommitted: UncommittedPolicy) -> bool:
    """Whether a group gets a position. A group without a position counts from the earliest record. On a partition
    without records it gets none: its own auto.offset.reset decides on the destination as on the source."""
    return reader.committed is not None or (uncommitted == "earliest" and each.end > each.earliest)


SET_TO_START = f"{COMMIT_METADATA_PREFIX}start"
"""The metadata of a position that the source does not have. It shows that kafka-meta has set the position."""


def _target(journal: Journal, each: Range, position: Position | None, committed: int | None) -> int | str | None:
    """The destination offset, or why there is none; None where nothing has been copied yet. A group without a position
    has not read any of the copied records."""
    if position is None:
        return None
    begun = position.begun
    if committed is None:
        if each.earliest < begun.start:
            return f"it has no position, and offset {each.earliest} lies before {begun.start}, where the copy began"
        return begun.base
    if committed < begun.start and each.earliest < begun.start:
        return f"its position {committed} is below offset {begun.start}, where the copy began"
    if committed > begun.end:
        return f"its position {committed} is above offset {begun.end}, where the copy ends"
    rank = journal.rank(*begun.place, committed)
    return None if rank is None else begun.base + rank


def _occupied(group: Group | None, wanted: CommittedOffset, mine: Collection[int]) -> CommittedOffset | str | None:
    """The position that exists there: None, one that we have set, or the reason why it is left alone."""
    if group is None:
        return None
    if (alive := liveness(group)) is not None:
        return f"its consumers are running on the destination: {alive}"
    if group.offsets is None:
        return "its positions on the destination could not be read"
    place = (wanted.topic, wanted.partition)
    found = next((offset for offset in group.offsets if (offset.topic, offset.partition) == place), None)
    if found is None or found == wanted:
        return None
    if found.metadata.startswith(COMMIT_METADATA_PREFIX) or found.offset in (*mine, wanted.offset):
        return found
    return f"its position on the destination is {found.offset}, set neither by import nor by this migration"


def _metadata(source: Snapshot) -> Mapping[tuple[str, str, int], str]:
    return {
        (group.id, offset.topic, offset.partition): offset.metadata
        for group in sorted(source.groups or (), key=lambda group: group.source == "broker")
        for offset in group.offsets or ()
    }


_OUTCOMES: Mapping[Outcome, GroupOutcome] = {"done": "set", "present": "present", "failed": "failed"}


def settled(positions: Collection[GroupPosition], result: Result, names: Mapping[str, str]) -> list[GroupPosition]:
    """The positions that `result` is about, with its outcome. `names`: source topic → destination topic."""
    action = result.action
    assert isinstance(action, CommitOffsets)
    places = {(offset.topic, offset.partition) for offset in action.offsets}
    return [
        replace(each, outcome=_OUTCOMES[result.outcome], reason=result.error if result.outcome == "failed" else None)
        for each in positions
        if each.group == action.group and (names[each.topic], each.partition) in places and each.outcome == "later"
    ]
