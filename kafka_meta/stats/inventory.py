"""What a snapshot itself has for sizing: counts, sizes, retention, features in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from kafka_meta.model import Snapshot, Topic
from kafka_meta.stats.figures import Figure, figure, moment

SHORT_RETENTION_MS = 24 * 3_600_000
"""A topic with a shorter retention has less than a day of history."""

LARGEST_TOPICS = 20


def inventory(snapshot: Snapshot) -> dict[str, Any]:
    """A document by schemas/stats.schema.json, from what every metadata file has."""
    return {
        "collectedAt": moment(snapshot.taken_at_ms),
        "figures": _figures(snapshot),
        "serverVersion": snapshot.cluster.version,
        "features": _features(snapshot),
        "hours": [],
        "largestTopics": [_topic(topic) for topic in largest(snapshot.topics or ())],
        "brokers": _brokers(snapshot),
        "gaps": [],
    }


def setting(snapshot: Snapshot, topic: Topic, name: str) -> str | None:
    """A topic's config, else the broker's default for it; None where neither could be read."""
    if topic.configs is None:
        return None
    return topic.configs.get(name, (snapshot.defaults or {}).get(name))


def number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def flags(snapshot: Snapshot, topic: Topic) -> list[str]:
    """Why figures of this topic are less certain."""
    policy = setting(snapshot, topic, "cleanup.policy") or ""
    time_ms, size = (number(setting(snapshot, topic, name)) for name in ("retention.ms", "retention.bytes"))
    found = ["compacted"] if "compact" in policy else []
    if "delete" in policy:
        if time_ms is not None and 0 <= time_ms < SHORT_RETENTION_MS:
            found.append("short retention")
        if time_ms == -1 and size == -1:
            found.append("unlimited retention")
    return found


def is_tiered(snapshot: Snapshot, topic: Topic) -> bool:
    return setting(snapshot, topic, "remote.storage.enable") == "true"


def size_bytes(topic: Topic) -> int | None:
    """The bytes of the leaders' replicas; None unless all are known."""
    sizes = [partition.size_bytes for partition in topic.partitions]
    return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)


def largest(topics: Iterable[Topic]) -> list[Topic]:
    known = [topic for topic in topics if size_bytes(topic) is not None]
    return sorted(known, key=lambda topic: (-(size_bytes(topic) or 0), topic.name))[:LARGEST_TOPICS]


def _topic(topic: Topic) -> dict[str, Any]:
    return {"topic": topic.name, "partitions": len(topic.partitions), "sizeBytes": size_bytes(topic), "flags": []}


def _figures(snapshot: Snapshot) -> dict[str, list[Figure]]:
    figures: dict[str, list[Figure]] = {}

    def add(name: str, value: float | None, unit: str, **how: Any) -> None:
        if value is not None:
            figures.setdefault(name, []).append(
                figure(value, unit, **{"method": "measured", "confidence": "high", **how})
            )

    topics = None if snapshot.topics is None else [topic for topic in snapshot.topics if not topic.internal]
    # If we see no topic, there may still be topics that we may not see.
    if topics or (topics is not None and not _may_be_partial(snapshot)):
        partitions = [partition for topic in topics for partition in topic.partitions]
        copies = [len(partition.replicas) for partition in partitions]
        policies = [setting(snapshot, topic, "cleanup.policy") for topic in topics]
        # Without these rights brokers leave out topics without an error. The gaps of the file say so.
        how = {"confidence": "medium" if _may_be_partial(snapshot) else "high"}
        add("topics", len(topics), "count", **how)
        add("partitions", len(partitions), "count", **how)
        if None not in policies:
            compacted = [topic for topic, policy in zip(topics, policies, strict=True) if "compact" in (policy or "")]
            add("compactedPartitions", sum(len(topic.partitions) for topic in compacted), "count", **how)
        if copies and all(copies):
            add("replicas", sum(copies), "count", **how)
            add("replicationFactor", Counter(copies).most_common(1)[0][0], "count", **how)
        sizes = [size_bytes(topic) for topic in topics if topic.partitions]
        if sizes and None not in sizes:
            add("data", sum(size for size in sizes if size is not None), "B", stat="total", **how)
        _retention(snapshot, topics, add)
        largest_message = [number(setting(snapshot, topic, "max.message.bytes")) for topic in topics]
        if largest_message and None not in largest_message:
            # This is what is permitted. What is really sent may be far smaller.
            most = max(value for value in largest_message if value is not None)
            add("largestMessage", most, "B", method="derived", confidence="low")
    # If we see no group, there may still be groups that we may not see.
    if snapshot.groups or (snapshot.groups is not None and not _may_be_partial(snapshot)):
        confidence = "medium" if _may_be_partial(snapshot) else "high"
        add("groups", len(snapshot.groups), "count", confidence=confidence)
    if snapshot.acls is not None:
        add("acls", len(snapshot.acls), "count")
    elif snapshot.cluster.security.authorizer == "":
        add("acls", 0, "count")
    return figures


def _retention(snapshot: Snapshot, topics: list[Topic], add: Any) -> None:
    deleting = [topic for topic in topics if "delete" in (setting(snapshot, topic, "cleanup.policy") or "delete")]
    times = [number(setting(snapshot, topic, "retention.ms")) for topic in deleting]
    limited = [time for time in times if time is not None and time >= 0]
    if limited:
        known = None not in times
        add("retention", max(limited), "ms", stat="max", confidence="high" if known else "medium")
    if topics and all(setting(snapshot, topic, "retention.ms") is not None for topic in topics):
        unlimited = [topic for topic in topics if "unlimited retention" in flags(snapshot, topic)]
        add("unlimitedRetentionTopics", len(unlimited), "count", stat="total")


def _may_be_partial(snapshot: Snapshot) -> bool:
    return any(gap.resource.kind in ("cluster", "topics") for gap in snapshot.gaps)


def _features(snapshot: Snapshot) -> dict[str, bool | None]:
    policies = [setting(snapshot, topic, "cleanup.policy") for topic in snapshot.topics or ()]
    compaction: bool | None = any("compact" in policy for policy in policies if policy is not None)
    if not compaction and (snapshot.topics is None or None in policies):
        compaction = None
    acls: bool | None = None if snapshot.acls is None else bool(snapshot.acls)
    if snapshot.cluster.security.authorizer == "":
        acls = False
    transactions = any(sign.resource.kind == "transactional producers" for sign in snapshot.signs)
    return {
        "compaction": compaction,
        "transactions": True if transactions else None,
        "idempotence": True if transactions else None,
        "acls": acls,
        "scram": None if snapshot.users is None else any(user.credentials for user in snapshot.users),
    }


def _brokers(snapshot: Snapshot) -> list[dict[str, Any]]:
    if snapshot.topics is None:
        return [{"id": broker.id} for broker in snapshot.cluster.brokers]
    leaders: Counter[int] = Counter()
    replicas: Counter[int] = Counter()
    for topic in snapshot.topics:
        for partition in topic.partitions:
            replicas.update(partition.replicas)
            if partition.leader is not None:
                leaders[partition.leader] += 1
    ids = sorted({broker.id for broker in snapshot.cluster.brokers} | replicas.keys())
    return [{"id": id, "leaders": leaders[id] if leaders else None, "replicas": replicas[id]} for id in ids]
