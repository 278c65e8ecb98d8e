"""Which broker config is the default of which topic config.

From org.apache.kafka.server.config.ServerTopicConfigSynonyms (3.9). Versions 0.10 to 4.3 differ only in which configs
exist.
"""

from __future__ import annotations

from collections.abc import Mapping

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000

_SYNONYMS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "cleanup.policy": (("log.cleanup.policy", 1),),
    "compression.gzip.level": (("compression.gzip.level", 1),),
    "compression.lz4.level": (("compression.lz4.level", 1),),
    "compression.type": (("compression.type", 1),),
    "compression.zstd.level": (("compression.zstd.level", 1),),
    "delete.retention.ms": (("log.cleaner.delete.retention.ms", 1),),
    "file.delete.delay.ms": (("log.segment.delete.delay.ms", 1),),
    "flush.messages": (("log.flush.interval.messages", 1),),
    "flush.ms": (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)),
    "index.interval.bytes": (("log.index.interval.bytes", 1),),
    "local.retention.bytes": (("log.local.retention.bytes", 1),),
    "local.retention.ms": (("log.local.retention.ms", 1),),
    "max.compaction.lag.ms": (("log.cleaner.max.compaction.lag.ms", 1),),
    "max.message.bytes": (("message.max.bytes", 1),),
    "message.downconversion.enable": (("log.message.downconversion.enable", 1),),
    "message.format.version": (("log.message.format.version", 1),),
    "message.timestamp.after.max.ms": (("log.message.timestamp.after.max.ms", 1),),
    "message.timestamp.before.max.ms": (("log.message.timestamp.before.max.ms", 1),),
    "message.timestamp.difference.max.ms": (("log.message.timestamp.difference.max.ms", 1),),
    "message.timestamp.type": (("log.message.timestamp.type", 1),),
    "min.cleanable.dirty.ratio": (("log.cleaner.min.cleanable.ratio", 1),),
    "min.compaction.lag.ms": (("log.cleaner.min.compaction.lag.ms", 1),),
    "min.insync.replicas": (("min.insync.replicas", 1),),
    "preallocate": (("log.preallocate", 1),),
    "retention.bytes": (("log.retention.bytes", 1),),
    "retention.ms": (("log.retention.ms", 1), ("log.retention.minutes", _MINUTE_MS), ("log.retention.hours", _HOUR_MS)),
    "segment.bytes": (("log.segment.bytes", 1),),
    "segment.index.bytes": (("log.index.size.max.bytes", 1),),
    "segment.jitter.ms": (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", _HOUR_MS)),
    "segment.ms": (("log.roll.ms", 1), ("log.roll.hours", _HOUR_MS)),
    "unclean.leader.election.enable": (("unclean.leader.election.enable", 1),),
}
"""Topic config → its broker configs with their factor to the topic config's unit. Kafka uses the first that is set."""

_OF_THE_BROKER = (
    "auto.create.topics.enable",
    "default.replication.factor",
    "num.partitions",
    "offsets.retention.minutes",
    "remote.log.storage.system.enable",
)
"""Kept under their own names: they matter for new topics and groups. No topic config has one of these names."""


def topic_defaults(configs: Mapping[str, str | None]) -> dict[str, str]:
    """One broker's defaults by topic config; also those of `_OF_THE_BROKER`, by their own names."""
    found: dict[str, str] = {}
    for name, synonyms in _SYNONYMS.items():
        value = next((_scaled(value, unit) for key, unit in synonyms if (value := configs.get(key)) is not None), None)
        if value is not None:
            found[name] = value
    found |= {name: value for name in _OF_THE_BROKER if (value := configs.get(name)) is not None}
    return dict(sorted(found.items()))


def _scaled(value: str, unit: int) -> str:
    """The value in the topic config's unit. A negative time means "for ever" and is -1 in every unit."""
    if unit == 1:
        return value
    return str(int(value) * unit) if int(value) >= 0 else "-1"


def common(by_broker: Mapping[int, Mapping[str, str]]) -> tuple[dict[str, str], dict[str, dict[int, str | None]]]:
    """By config: the value of most brokers (on a tie, of the lowest id); and the values by broker where they differ."""
    merged: dict[str, str] = {}
    differing: dict[str, dict[int, str | None]] = {}
    for name in sorted({name for configs in by_broker.values() for name in configs}):
        values = {broker: by_broker[broker].get(name) for broker in sorted(by_broker)}
        told = list(values.values())
        if len(set(told)) > 1:
            differing[name] = values
        winner = max(dict.fromkeys(told), key=told.count)
        if winner is not None:
            merged[name] = winner
    return merged, differing
