"""Consumer groups for the destination: their names there, and the topics that their positions are on."""

from __future__ import annotations

from dataclasses import replace

from kafka_meta.model import Group, Resource, Snapshot
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy
from kafka_meta.plan.reshape.topics import destined

_COORDINATION_ONLY = {
    "connect": "it only coordinates Connect workers: they create it again, their state is in topics",
    "sr": "it only coordinates schema registries: they create it again",
}


def reshape_groups(source: Snapshot, policy: Policy, notes: Notes) -> tuple[Group, ...] | None:
    """The groups that move, each with the positions whose topics move. Raises UsageError."""
    if source.groups is None:
        notes.cannot_compare(Resource("groups"), "not in the file")
        return None
    moving = destined(source, policy)
    taken: dict[str, str] = {}
    wanted: list[Group] = []
    # Where a broker group and an old ZooKeeper consumer have the same name, the broker group counts.
    for group in sorted(source.groups, key=lambda group: (group.source != "broker", group.id)):
        resource = Resource("group", group.id)
        if not policy.selection.group(group.id):
            notes.skip(resource, "not selected")
        elif (reason := _why_not_moved(group)) is not None:
            notes.skip(resource, reason)
        elif group.offsets is None:
            notes.cannot_compare(resource, "its positions could not be read on the source")
            # The positions of an old ZooKeeper consumer of the same name must not be used instead.
            taken.setdefault(policy.group_name(group.id), group.id)
        elif (name := policy.group_name(group.id)) not in taken:
            taken[name] = group.id
            if name != group.id:
                notes.intend(Resource("group", name), "name", group.id, name, "--rename")
            for topic in sorted({position.topic for position in group.offsets if position.topic not in moving}):
                notes.skip(Resource("group", name), f"on topic {topic}: its topic does not move")
            positions = (each for each in group.offsets if each.topic in moving)
            moved = sorted(replace(each, topic=moving[each.topic]) for each in positions)
            wanted.append(Group(id=name, offsets=tuple(moved)))
        elif taken[name] == group.id:
            notes.skip(resource, "in ZooKeeper: the brokers have a group of the same name: its positions are used")
        else:
            notes.refuse(resource, f"--rename gives it the name {name}, which group {taken[name]} has already")
    return tuple(wanted)


def _why_not_moved(group: Group) -> str | None:
    if group.type == "share":
        return "share group: the brokers keep its positions in a state of their own, not as committed offsets"
    if group.protocol in _COORDINATION_ONLY:
        return _COORDINATION_ONLY[group.protocol]
    if group.offsets == ():
        return "it has no positions: its consumers start where their auto.offset.reset says"
    return None
