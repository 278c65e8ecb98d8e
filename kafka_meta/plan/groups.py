"""Consumer groups: on a Kafka destination a group exists through its positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kafka_meta.model import CommittedOffset, Group, Snapshot
from kafka_meta.plan.actions import Action, AddPartitions, CommitOffsets, CreateTopic
from kafka_meta.plan.draft import Draft, PartitionKey, plural
from kafka_meta.plan.policy import COMMIT_METADATA_PREFIX, LEASE_PROTOCOL, Policy
from kafka_meta.plan.topics import destined

Bounds = Mapping[PartitionKey, tuple[int | None, int | None]]
"""Start and end offset of every partition that the destination has, or will have."""

_COORDINATION_ONLY = {
    "connect": "a Connect cluster's coordination: its workers form it anew, its state is in topics",
    "sr": "a schema registry's coordination: it forms anew",
    LEASE_PROTOCOL: "the lease of a copy by kafka-meta mirror",
}


def compare_groups(
    desired: Snapshot, actual: Snapshot, policy: Policy, positions_at: Mapping[PartitionKey, int], draft: Draft
) -> None:
    if desired.groups is None:
        draft.cannot_compare("groups", "not in the file")
        return
    if actual.groups is None or actual.topics is None:
        draft.cannot_compare("groups", "the destination's groups or topics could not be read: no position is set")
        return
    there = {group.id: group for group in actual.groups if group.source == "broker"}
    bounds = _bounds(actual, (*draft.topics, *draft.partitions))
    moving = destined(desired, policy)
    taken: dict[str, str] = {}
    # A broker group goes before an old ZooKeeper consumer of the same name.
    for group in sorted(desired.groups, key=lambda group: (group.source != "broker", group.id)):
        resource = f"group {group.id}"
        if not policy.selection.group(group.id):
            draft.skip(resource, "not selected")
        elif (reason := _why_not_moved(group)) is not None:
            draft.skip(resource, reason)
        elif group.offsets is None:
            draft.cannot_compare(resource, "its positions could not be read on the source")
            # An old ZooKeeper consumer of the same name must not speak for it.
            taken.setdefault(policy.group_name(group.id), group.id)
        elif (name := policy.group_name(group.id)) not in taken:
            taken[name] = group.id
            if name != group.id:
                draft.intend(f"group {name}", "name", group.id, name, "--rename")
            _compare_group(group, name, there.get(name), policy, bounds, moving, positions_at, draft)
        elif taken[name] == group.id:
            draft.skip(
                f"{resource} in ZooKeeper", "a group of that name keeps its positions in the brokers: those count"
            )
        else:
            draft.refuse(resource, f"would be called {name}, as {taken[name]} already is")
    known = {policy.renamed("group", group.id) for group in desired.groups}
    for name in sorted(there.keys() - known):
        if policy.selection.group(name) and there[name].protocol != LEASE_PROTOCOL:
            draft.only_there(f"group {name}", there[name].state)


def partitions_to_measure(desired: Snapshot, actual: Snapshot, policy: Policy) -> frozenset[PartitionKey]:
    """The destination's partitions whose start and end offsets `compare` will look at.

    Few on a second run: a position that an import set under the same policy is right wherever the log begins.
    """
    if "groups" not in policy.only or desired.groups is None or actual.groups is None:
        return frozenset()
    there = {
        (group.id, offset.topic, offset.partition): offset for group in actual.groups for offset in group.offsets or ()
    }
    exists = {(topic.name, partition.partition) for topic in actual.topics or () for partition in topic.partitions}
    moving = destined(desired, policy)
    wanted: set[PartitionKey] = set()
    for group in desired.groups:
        if not policy.selection.group(group.id):
            continue
        name = policy.group_name(group.id)
        for position in group.offsets or ():
            key = (moving.get(position.topic, ""), position.partition)
            found = there.get((name, *key))
            if key in exists and (found is None or not _as_wanted(found, _settled(position, policy), policy)):
                wanted.add(key)
    return frozenset(wanted)


def _settled(position: CommittedOffset, policy: Policy) -> int | None:
    """Where the position goes by the policy alone, without a look at the log."""
    return position.offset if policy.group_offsets.position == "same" else None


def _why_not_moved(group: Group) -> str | None:
    if group.type == "share":
        return "a share group: its positions are broker state of their own kind, not committed offsets"
    if group.protocol in _COORDINATION_ONLY:
        return _COORDINATION_ONLY[group.protocol]
    if group.offsets == ():
        return "it has no committed offsets: it starts by its own auto.offset.reset"
    return None


def coordination_only(group: Group) -> bool:
    """Whether the group only gathers workers: it has no positions that anybody reads."""
    return group.protocol in _COORDINATION_ONLY


def liveness(group: Group | None) -> str | None:
    """What shows that consumers run in the group, in words; None for one that rests.

    Its state counts, too: members of share and streams groups cannot be read, nor those that we may not describe.
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
    name: str,
    there: Group | None,
    policy: Policy,
    bounds: Bounds,
    moving: Mapping[str, str],
    positions_at: Mapping[PartitionKey, int],
    draft: Draft,
) -> None:
    resource = f"group {name}"
    if there is not None and there.offsets is None:
        draft.cannot_compare(resource, "its positions on the destination could not be read: none is set")
        return
    live = liveness(there)
    found = {(offset.topic, offset.partition): offset for offset in (there.offsets or () if there else ())}
    to_commit: list[CommittedOffset] = []
    not_moving: set[str] = set()
    not_there: list[str] = []
    beyond: list[str] = []
    differs = False
    for position in group.offsets or ():
        if position.topic not in moving:
            not_moving.add(position.topic)
            continue
        key = (moving[position.topic], position.partition)
        if key not in bounds:
            not_there.append(f"{key[0]}-{key[1]}")
            continue
        wanted = _wanted(position, key, policy, bounds, positions_at)
        if key in found and _as_wanted(found[key], wanted, policy):
            draft.equal["positions"] += 1
        elif wanted is None:
            differs = True
            draft.cannot_compare(f"{resource} on {key[0]}-{key[1]}", "the partition's offsets there could not be read")
        elif key in found:
            differs = True
            note = draft.intend if live else draft.drifts
            reason = "its consumers run on the destination" if live else _who_set(found[key])
            note(resource, f"offset {key[0]}-{key[1]}", wanted, found[key].offset, reason)
        else:
            same = policy.group_offsets.position == "same"
            end = bounds[key][1]
            if same and end is not None and wanted > end:
                beyond.append(f"{key[0]}-{key[1]}")
            metadata = policy.group_offsets.metadata
            to_commit.append(CommittedOffset(topic=key[0], partition=key[1], offset=wanted, metadata=metadata))
    for topic in sorted(not_moving):
        draft.skip(f"{resource} on topic {topic}", "the topic is not among the ones that move")
    if not_there:
        draft.refuse(resource, f"the destination has no partition {_some(not_there)}: import the topics first")
    if beyond:
        draft.warn(
            resource,
            f"its positions on {_some(beyond)} are beyond the ends there: a consumer that starts before the data "
            "has arrived falls back to its auto.offset.reset",
        )
    if to_commit and live:
        draft.skip(resource, f"{live} on the destination: its positions are not touched")
    elif to_commit:
        draft.positions.append(CommitOffsets(group=name, offsets=tuple(sorted(to_commit))))
    elif not differs and not not_there and len(not_moving) < len({offset.topic for offset in group.offsets or ()}):
        draft.present.append(resource)
        draft.equal["groups"] += 1


def _wanted(
    position: CommittedOffset,
    key: PartitionKey,
    policy: Policy,
    bounds: Bounds,
    positions_at: Mapping[PartitionKey, int],
) -> int | None:
    start, end = bounds[key]
    match policy.group_offsets.position:
        case "start":
            return start
        case "end":
            return end
        case "same":
            return position.offset
        case "time":
            # No record at or after the time: the position is the end.
            return positions_at.get(key, end)


def _as_wanted(found: CommittedOffset, wanted: int | None, policy: Policy) -> bool:
    """A position that an import set under the same policy stays right when start or end move on."""
    if found.offset == wanted:
        return True
    return policy.group_offsets.position != "same" and found.metadata == policy.group_offsets.metadata


def _who_set(found: CommittedOffset) -> str:
    if found.metadata.startswith(COMMIT_METADATA_PREFIX):
        policy = found.metadata.removeprefix(COMMIT_METADATA_PREFIX)
        return f"set by an import with --group-offsets {policy}; left alone"
    return "set by a consumer or a mirror; left alone"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
