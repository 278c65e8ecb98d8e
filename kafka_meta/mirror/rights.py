"""Our rights on both sides, as far as the brokers report them."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.lease import group_of
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import Resource, Snapshot, Topic
from kafka_meta.plan import Policy
from kafka_meta.wire import Wire
from kafka_meta.wire.rights import group_operations, topic_operations

_TOPIC_RIGHTS = {
    "WRITE": "to write the records",
    "DESCRIBE": "to read its end offsets",
    "READ": "to compare the copied records, and to set positions",
}
_GUARD_RIGHTS = {
    "DESCRIBE_CONFIGS": "to read its limits",
    "ALTER_CONFIGS": "to turn its retention off",
}


def look_at_rights(
    from_source: Wire,
    to_dest: Wire,
    prepared: Preparation,
    decided: Policy,
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    actual: Snapshot,
    task: str | None,
    allowed: Allowed,
    found: Findings,
) -> None:
    """Checks the operations that brokers report for us. Where they report none (before 2.3), the copy itself finds
    out."""
    for topic, may in topic_operations(from_source, names).items():
        for right, use in (("READ", "to copy it"), ("DESCRIBE", "to read its end offsets")):
            if right not in may:
                found.find(Resource("topic", topic), f"no right to {right} it on the source: needed {use}")
    dest_topics = {name for name in names.values() if name in topics}
    told = topic_operations(to_dest, dest_topics) if dest_topics else {}
    needed = _TOPIC_RIGHTS if allowed.no_guard else {**_TOPIC_RIGHTS, **_GUARD_RIGHTS}
    for topic, may in told.items():
        for right, use in needed.items():
            if right not in may:
                found.find(Resource("topic", topic), f"no right to {right} it on the destination: needed {use}")
    if dest_topics - told.keys():
        found.warn(
            Resource("destination"),
            "its brokers do not report our rights on topics: a missing right will stop the copy",
        )
    groups = {decided.group_name(group) for each in prepared.unconsumed.ranges for group in each.groups}
    lease = group_of(str(prepared.source.cluster.id), task)
    for group, may in group_operations(to_dest, {*groups, lease}).items():
        if "READ" not in may:
            use = "to prevent a second copy at the same time" if group == lease else "to set its positions"
            found.find(Resource("group", group), f"no right to READ it on the destination: needed {use}")
