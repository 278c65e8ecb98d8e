"""What we may do on both sides, as far as the brokers say."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.mirror.findings import Findings
from kafka_meta.mirror.lease import group_of
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import Snapshot, Topic
from kafka_meta.plan import Policy
from kafka_meta.wire import Wire
from kafka_meta.wire.rights import group_operations, topic_operations

_TOPIC_RIGHTS = {
    "WRITE": "to write the records",
    "DESCRIBE": "to see where its logs end",
    "READ": "to compare what has arrived, and to set positions",
    "DESCRIBE_CONFIGS": "to see what it takes",
    "ALTER_CONFIGS": "to keep what arrives from expiring",
}


def look_at_rights(
    from_source: Wire,
    to_dest: Wire,
    prepared: Preparation,
    decided: Policy,
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    actual: Snapshot,
    found: Findings,
) -> None:
    """What brokers say that we may do; where they do not say (before 2.3), the copy itself finds out."""
    for topic, may in topic_operations(from_source, names).items():
        for right, use in (("READ", "to copy it"), ("DESCRIBE", "to see where its logs end")):
            if right not in may:
                found.find(f"topic {topic}", f"no right to {right} it on the source, {use}")
    dest_topics = {name for name in names.values() if name in topics}
    told = topic_operations(to_dest, dest_topics) if dest_topics else {}
    for topic, may in told.items():
        for right, use in _TOPIC_RIGHTS.items():
            if right not in may:
                found.find(f"topic {topic}", f"no right to {right} it on the destination, {use}")
    if dest_topics - told.keys():
        found.warn("destination", "its brokers do not say what we may do with the topics: the copy will find out")
    groups = {decided.group_name(group) for each in prepared.unconsumed.ranges for group in each.groups}
    lease = group_of(str(prepared.source.cluster.id))
    for group, may in group_operations(to_dest, {*groups, lease}).items():
        if "READ" not in may:
            use = "that keeps a second copier away" if group == lease else "to set its positions"
            found.find(f"group {group}", f"no right to READ it on the destination, {use}")
