"""How much the topics hold when their retention has passed, each with its own rate and its own retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka_meta.model import Snapshot, Topic
from kafka_meta.stats.history import History, Log
from kafka_meta.stats.inventory import number, setting, size_bytes


def retained_bytes(snapshot: Snapshot, logs: Sequence[Log], past: History) -> float | None:
    """Bytes of one replica of all topics; None when it is not known of a topic, or when a topic keeps everything."""
    if snapshot.topics is None or not past.hours:
        return None
    weights = {log.topic: log.bytes_a_message for log in logs}
    total = 0.0
    for topic in snapshot.topics:
        if topic.internal:
            continue
        amount = _of(snapshot, topic, weights, past.by_topic)
        if amount is None:
            return None
        total += amount
    return total


def _of(
    snapshot: Snapshot, topic: Topic, weights: Mapping[str, float | None], rates: Mapping[str, float]
) -> float | None:
    """At least what the topic holds now. Exactly that for a topic that only compacts, or whose rate is not known."""
    held = size_bytes(topic)
    rate, weight = rates.get(topic.name), weights.get(topic.name)
    policy = setting(snapshot, topic, "cleanup.policy")
    if policy is None or "delete" not in policy or rate is None or weight is None:
        return None if policy is None else held
    time_ms, most = (number(setting(snapshot, topic, name)) for name in ("retention.ms", "retention.bytes"))
    if time_ms is None or most is None or (time_ms < 0 and most < 0):
        return None
    # retention.bytes counts for each partition.
    by_size = most * len(topic.partitions) if most >= 0 else None
    by_time = rate * weight * time_ms / 1000 if time_ms >= 0 else None
    later = min(amount for amount in (by_size if rate else 0, by_time) if amount is not None)
    return max(later, held or 0)
