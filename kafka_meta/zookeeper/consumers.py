"""Groups of old consumers, which keep their positions in ZooKeeper (`/consumers`)."""

from __future__ import annotations

from collections.abc import Iterable

from kafka_meta.model import CommittedOffset, Group, Member, Remark, Resource
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.reading import Reading, nested


def groups(reading: Reading) -> tuple[Group, ...] | None:
    """The selected groups, ordered by id, of type and source "zookeeper". None when they could not be read.

    A group is "Stable" while consumers are registered (ephemeral nodes in `ids` or `owners`), else "Empty". Groups
    with neither consumers nor positions are left out and reported: ZooKeeper never removes their nodes.
    """
    names = reading.listed("/consumers", Resource("groups"))
    if names is None:
        return None
    reading.unmatched += reading.selection.unmatched(groups=names)
    chosen = list(filter(reading.selection.group, names))
    members = _members(reading, chosen)
    offsets = _offsets(reading, chosen)
    unreadable = {gap.resource for gap in reading.gaps}
    found = []
    for name in chosen:
        if members[name] == () and offsets[name] == () and not {_positions(name), _membership(name)} & unreadable:
            reason = "it has no positions and no consumers in ZooKeeper"
            reading.left_out.append(Remark(resource=Resource("group", name), reason=reason))
            continue
        found.append(
            Group(
                id=name,
                type="zookeeper",
                state=_state(members[name]),
                members=members[name] or (),
                source="zookeeper",
                offsets=offsets[name],
            )
        )
    return tuple(found)


def _offsets(reading: Reading, groups: Iterable[str]) -> dict[str, tuple[CommittedOffset, ...] | None]:
    """By group, ordered. None where they could not be read."""
    topics = reading.listings({group: f"/consumers/{group}/offsets" for group in groups}, _positions)
    partitions = reading.listings(
        {(group, topic): f"/consumers/{group}/offsets/{topic}" for group, topic in nested(topics)},
        lambda key: _positions(key[0]),
    )
    offsets = reading.values(
        {
            (group, topic, number): f"/consumers/{group}/offsets/{topic}/{number}"
            for (group, topic), number in nested(partitions)
        },
        lambda key, data: payloads.committed_offset(key[1], key[2], data),
        lambda key: _positions(key[0]),
        stage="offsets in ZooKeeper",
    )
    found: dict[str, list[CommittedOffset]] = {group: [] for group in groups}
    for (group, _, _), offset in offsets.items():
        if offset is not None:
            found[group].append(offset)
    return {group: None if topics.get(group, []) is None else tuple(sorted(found[group])) for group in groups}


def _members(reading: Reading, groups: Iterable[str]) -> dict[str, tuple[Member, ...] | None]:
    """By group. None where they could not be read."""
    ids = reading.listings({group: f"/consumers/{group}/ids" for group in groups}, _membership)
    owners = _owners(reading, [group for group in groups if not ids.get(group)])
    found: dict[str, tuple[Member, ...] | None] = {}
    for group in groups:
        names = ids.get(group, []) or owners.get(group) or ids.get(group, [])
        found[group] = None if names is None else tuple(Member(id=name) for name in sorted(names))
    return found


def _owners(reading: Reading, groups: Iterable[str]) -> dict[str, set[str]]:
    """The consumer threads that own a partition, by group. Clients that are not Kafka's own may register no id."""
    topics = reading.listings({group: f"/consumers/{group}/owners" for group in groups}, _membership)
    partitions = reading.listings(
        {(group, topic): f"/consumers/{group}/owners/{topic}" for group, topic in nested(topics)},
        lambda key: _membership(key[0]),
    )
    owners = reading.values(
        {
            (group, topic, number): f"/consumers/{group}/owners/{topic}/{number}"
            for (group, topic), number in nested(partitions)
        },
        lambda _, data: payloads.owner(data),
        lambda key: _membership(key[0]),
    )
    found: dict[str, set[str]] = {}
    for (group, _, _), thread in owners.items():
        if thread is not None:
            found.setdefault(group, set()).add(thread)
    return found


def _state(members: tuple[Member, ...] | None) -> str | None:
    if members is None:
        return None
    return "Stable" if members else "Empty"


def _positions(group: str) -> Resource:
    return Resource("positions of group", group)


def _membership(group: str) -> Resource:
    return Resource("members of group", group)
