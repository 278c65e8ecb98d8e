"""Consumer groups. To create a group on the destination is to commit its positions there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from kafka_meta.model import CommittedOffset, Group, Resource, Snapshot
from kafka_meta.plan.actions import Action, AddPartitions, CommitOffsets, CreateTopic
from kafka_meta.plan.compare.topics import UNSEEN, unseen_topics
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.draft import Draft, PartitionKey, plural
from kafka_meta.plan.policy import COMMIT_METADATA_PREFIX, GroupOffsets
from kafka_meta.plan.traces import Traces

Bounds = Mapping[PartitionKey, tuple[int | None, int | None]]
"""Start and end offset of every partition that the destination has or will have; None where not known."""


def compare_groups(
    desired: Desired, actual: Snapshot, positions_at: Mapping[PartitionKey, int], traces: Traces, draft: Draft
) -> None:
    """Adds the positions to commit, and all remarks about groups, to the draft.

    `positions_at` has the offset of each destination partition at the time of `--group-offsets time:…`.
    """
    if desired.groups is None:
        return
    if actual.groups is None or actual.topics is None:
        draft.cannot_compare(
            Resource("groups"), "the destination's groups or topics could not be read: no positions are set"
        )
        return
    there = {group.id: group for group in actual.groups if group.source == "broker"}
    bounds = _bounds(actual, (*draft.topics, *draft.partitions))
    hidden = unseen_topics(actual)
    for group in desired.groups:
        draft.differs_as_intended(Resource("group", group.id))
        _compare_group(group, there.get(group.id), desired.group_offsets, bounds, hidden, positions_at, traces, draft)
    for name in sorted(there.keys() - {group.id for group in desired.groups}):
        if not desired.keeps_out(Resource("group", name)):
            draft.only_there(Resource("group", name), there[name].state)


def partitions_to_measure(desired: Desired, actual: Snapshot) -> frozenset[PartitionKey]:
    """The destination's partitions whose start and end offsets `compare` needs.

    A second run needs few: a position that an import set under the same policy is right wherever the log starts.
    """
    there = {
        (group.id, offset.topic, offset.partition): offset
        for group in actual.groups or ()
        for offset in group.offsets or ()
    }
    exists = {(topic.name, partition.partition) for topic in actual.topics or () for partition in topic.partitions}
    wanted: set[PartitionKey] = set()
    for group in desired.groups or () if actual.groups is not None else ():
        for position in group.offsets or ():
            key = (position.topic, position.partition)
            found = there.get((group.id, *key))
            settled = _settled(position, desired.group_offsets)
            if key in exists and (found is None or not _as_wanted(found, settled, desired.group_offsets)):
                wanted.add(key)
    return frozenset(wanted)


def _settled(position: CommittedOffset, decided: GroupOffsets) -> int | None:
    """The position on the destination where the policy alone decides it; None where the log's offsets are needed."""
    return position.offset if decided.position == "same" else None


def liveness(group: Group | None) -> str | None:
    """What shows that consumers of the group are running, in words; None where nothing shows it.

    The state counts as well: the members of share and streams groups, and of groups that we may not describe, cannot
    be read.
    """
    if group is not None and group.members:
        return plural(len(group.members), "live member")
    if group is not None and group.state not in (None, "Empty", "Dead"):
        return f"state {group.state}"
    return None


def _bounds(actual: Snapshot, planned: Iterable[Action]) -> Bounds:
    bounds: dict[PartitionKey, tuple[int | None, int | None]] = {
        (topic.name, partition.partition): (partition.start_offset, partition.end_offset)
        for topic in actual.topics or ()
        for partition in topic.partitions
    }
    for action in planned:
        if isinstance(action, CreateTopic):
            bounds.update(((action.topic, number), (0, 0)) for number in range(action.partitions))
        elif isinstance(action, AddPartitions):
            bounds.update(((action.topic, number), (0, 0)) for number in range(action.existing, action.total))
    return bounds


def _compare_group(
    group: Group,
    there: Group | None,
    decided: GroupOffsets,
    bounds: Bounds,
    hidden: Set[str],
    positions_at: Mapping[PartitionKey, int],
    traces: Traces,
    draft: Draft,
) -> None:
    resource = Resource("group", group.id)
    if there is not None and there.offsets is None:
        draft.cannot_compare(resource, "its positions on the destination could not be read: no positions are set")
        return
    live = liveness(there)
    found = {(offset.topic, offset.partition): offset for offset in (there.offsets or () if there else ())}
    to_commit: list[CommittedOffset] = []
    not_there: list[str] = []
    unseen: set[str] = set()
    beyond: list[str] = []
    differs = False
    for position in group.offsets or ():
        key = (position.topic, position.partition)
        if key[0] in hidden:
            unseen.add(key[0])
            continue
        if key not in bounds:
            not_there.append(f"{key[0]}-{key[1]}")
            continue
        wanted = _wanted(position, key, decided, bounds, positions_at)
        if key in found and _as_wanted(found[key], wanted, decided):
            draft.equal["positions"] += 1
        elif key in found and found[key].offset == traces.positions.get((group.id, *key)):
            reason = "set by mirror: the group's first unread record"
            draft.intend(resource, f"offset {key[0]}-{key[1]}", wanted, found[key].offset, reason)
        elif wanted is None:
            differs = True
            draft.cannot_compare(
                Resource(f"{resource} on {key[0]}-{key[1]}"),
                "the partition's offsets on the destination could not be read",
            )
        elif key in found:
            differs = True
            why = _why_elsewhere(found[key], traces.positions.get((group.id, *key)), live=bool(live))
            note = draft.drifts if why is None else draft.intend
            note(resource, f"offset {key[0]}-{key[1]}", wanted, found[key].offset, why or _who_set(found[key]))
        else:
            same = decided.position == "same"
            end = bounds[key][1]
            if same and end is not None and wanted > end:
                beyond.append(f"{key[0]}-{key[1]}")
            metadata = position.metadata if same else decided.metadata
            to_commit.append(CommittedOffset(topic=key[0], partition=key[1], offset=wanted, metadata=metadata))
    for topic in sorted(unseen):
        draft.cannot_compare(resource, f"its positions on topic {topic}: {UNSEEN}")
    if not_there:
        draft.refuse(resource, f"the destination has no partition {_some(not_there)}: import the topics first")
    if beyond:
        draft.warn(
            resource,
            f"its positions on {_some(beyond)} are above the end offsets on the destination: a consumer that starts "
            "before the data has arrived starts where its auto.offset.reset says",
        )
    if to_commit and live:
        draft.skip(resource, f"{live} on the destination: its positions are not changed")
    elif to_commit:
        draft.positions.append(CommitOffsets(group=group.id, offsets=tuple(sorted(to_commit))))
    elif group.offsets and not (differs or not_there or unseen):
        draft.present.append(resource)
        draft.equal["groups"] += 1


def _wanted(
    position: CommittedOffset,
    key: PartitionKey,
    decided: GroupOffsets,
    bounds: Bounds,
    positions_at: Mapping[PartitionKey, int],
) -> int | None:
    start, end = bounds[key]
    match decided.position:
        case "start":
            return start
        case "end":
            return end
        case "same":
            return position.offset
        case "time":
            # No record is at or after that time: the position is the end.
            return positions_at.get(key, end)


def _as_wanted(found: CommittedOffset, wanted: int | None, decided: GroupOffsets) -> bool:
    """A position that an import set under the same policy stays right when the log's start or end has moved since."""
    if found.offset == wanted:
        return True
    return decided.position != "same" and found.metadata == decided.metadata


def _why_elsewhere(found: CommittedOffset, mirrored: int | None, *, live: bool) -> str | None:
    """Why a group may stand elsewhere than where it ought to be set: consumers work there, or have worked there. None
    where nobody knows. `mirrored`: where a mirror has set it."""
    if live:
        return "its consumers are running on the destination"
    if mirrored is not None and found.offset > mirrored:
        return f"its consumers have moved on: mirror had set it to {mirrored}"
    return None


def _who_set(found: CommittedOffset) -> str:
    if found.metadata.startswith(COMMIT_METADATA_PREFIX):
        policy = found.metadata.removeprefix(COMMIT_METADATA_PREFIX)
        return f"set by an import with --group-offsets {policy}; left alone"
    return "set by a consumer or by mirror; left alone"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
