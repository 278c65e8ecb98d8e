"""Topic configs for the destination: what it allows, what it has renamed, what it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kafka_meta.model import Snapshot

Version = tuple[int, int]

MIN_SEGMENT_BYTES_4 = 1024 * 1024
"""Kafka 4.x refuses a smaller `segment.bytes` (KIP-1030)."""

_NO_LIMIT = str(2**63 - 1)

_SINCE: Mapping[str, Version] = {
    "message.timestamp.before.max.ms": (3, 6),  # KIP-937
    "message.timestamp.after.max.ms": (3, 6),
    "remote.storage.enable": (3, 6),  # KIP-405
    "local.retention.ms": (3, 6),
    "local.retention.bytes": (3, 6),
    "remote.log.copy.disable": (3, 9),  # KIP-950
    "remote.log.delete.on.disable": (3, 9),
    "compression.gzip.level": (3, 8),  # KIP-390
    "compression.lz4.level": (3, 8),
    "compression.zstd.level": (3, 8),
    "max.compaction.lag.ms": (2, 3),  # KIP-354
    "message.downconversion.enable": (2, 0),  # KIP-283
    "message.timestamp.type": (0, 10),
    "cleanup.policy": (0, 8),
    "compression.type": (0, 9),
    "delete.retention.ms": (0, 8),
    "file.delete.delay.ms": (0, 8),
    "flush.messages": (0, 8),
    "flush.ms": (0, 8),
    "index.interval.bytes": (0, 8),
    "max.message.bytes": (0, 8),
    "message.format.version": (0, 10),
    "message.timestamp.difference.max.ms": (0, 10),
    "min.cleanable.dirty.ratio": (0, 8),
    "min.compaction.lag.ms": (0, 10),
    "min.insync.replicas": (0, 8),
    "preallocate": (0, 9),
    "retention.bytes": (0, 8),
    "retention.ms": (0, 8),
    "segment.bytes": (0, 8),
    "segment.index.bytes": (0, 8),
    "segment.jitter.ms": (0, 8),
    "segment.ms": (0, 8),
    "unclean.leader.election.enable": (0, 8),
    "leader.replication.throttled.replicas": (0, 10),
    "follower.replication.throttled.replicas": (0, 10),
}
"""Apache Kafka's topic configs and the first version of each (LogConfig.configNames of 0.10.2 … 4.3)."""

_UNTIL: Mapping[str, Version] = {
    "message.format.version": (4, 0),  # KIP-724
    "message.timestamp.difference.max.ms": (4, 0),  # KIP-937
    "message.downconversion.enable": (4, 0),  # TopicConfig still has the name, LogConfig refuses it
}

_TIERED = (
    "remote.storage.enable",
    "local.retention.ms",
    "local.retention.bytes",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
)

_THROTTLES = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")

NOT_PINNED = frozenset((*_TIERED, *_THROTTLES, "message.format.version", "message.downconversion.enable"))
"""Defaults that matter to the brokers, not to a topic's clients: `--pin-defaults` leaves them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What the destination allows. `version` is None when it is not known: then the broker's own validation decides.
    `tiered`: it can keep segments in remote storage."""

    version: Version | None = None
    brokers: int | None = None
    """With those that are not there."""
    absent: tuple[int, ...] = ()
    """Those that are not there."""
    tiered: bool = False
    defaults: Mapping[str, str] | None = None
    factors: Mapping[str, int | None] = field(default_factory=dict)
    """The replication factors of the topics that are there: kafka-meta does not change them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A config that changes on the way. `value` is None when it is left out."""

    name: str
    was: str | None
    value: str | None
    reason: str


def parse_version(text: str | None) -> Version | None:
    """ "3.9.1", "3.9" and "3.9-IV0" → (3, 9). None for text that does not start with two numbers."""
    if text is None:
        return None
    numbers = re.match(r"([0-9]{1,9})\.([0-9]{1,9})(?![0-9])", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def fit(
    configs: Mapping[str, str], home: Home, *, replication_factor: int | None
) -> tuple[dict[str, str], tuple[Adjustment, ...]]:
    """The overrides that a topic gets on the destination, and every config that changed on the way.

    `replication_factor` is the topic's factor on the destination; None where the destination chooses it.
    """
    fitted: dict[str, str] = {}
    adjustments: list[Adjustment] = []

    def adjust(name: str, value: str | None, reason: str) -> None:
        adjustments.append(Adjustment(name=name, was=configs.get(name), value=value, reason=reason))

    for name, value in sorted(configs.items()):
        if name in _THROTTLES:
            adjust(name, None, "it throttles a reassignment on the source")
        elif name in _TIERED and not home.tiered:
            adjust(name, None, "the destination has no tiered storage")
        elif name == "message.timestamp.difference.max.ms" and _gone(name, home):
            for successor in ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms"):
                # As LogConfig did while it had all three: a successor counts only when it sets a limit.
                if configs.get(successor, _NO_LIMIT) == _NO_LIMIT:
                    fitted[successor] = value
                    adjust(successor, value, f"replaces {name}, which does not exist in 4.x")
        elif _gone(name, home):
            adjust(name, None, "does not exist in 4.x")
        elif (reason := _unknown(name, home)) is not None:
            adjust(name, None, reason)
        elif name == "segment.bytes" and _at_least_4(home) and _below(value, MIN_SEGMENT_BYTES_4):
            fitted[name] = str(MIN_SEGMENT_BYTES_4)
            adjust(name, fitted[name], f"{MIN_SEGMENT_BYTES_4} is the smallest value in 4.x")
        else:
            fitted[name] = value
    _fit_min_insync(fitted, home, replication_factor, adjust)
    return fitted, tuple(adjustments)


def home_of(actual: Snapshot) -> Home:
    """What a destination allows, as far as its snapshot shows."""
    defaults = actual.defaults
    return Home(
        version=parse_version(actual.cluster.version),
        brokers=len(actual.cluster.brokers) + len(actual.cluster.absent) or None,
        absent=actual.cluster.absent,
        tiered=(defaults or {}).get("remote.log.storage.system.enable") == "true",
        defaults=defaults,
        factors={topic.name: topic.replication_factor for topic in actual.topics or ()},
    )


def fitted_defaults(source: Mapping[str, str], home: Home) -> dict[str, str]:
    """The source's defaults that a topic's clients notice, fitted to the destination and ordered by name."""
    shaping = {name: value for name, value in source.items() if name in _SINCE and name not in NOT_PINNED}
    return dict(sorted(fit(shaping, home, replication_factor=None)[0].items()))


def differing_defaults(fitted: Mapping[str, str], dest: Mapping[str, str] | None) -> dict[str, str]:
    """Those of the fitted defaults that the destination's defaults do not equal."""
    return {name: value for name, value in fitted.items() if not same_value(name, value, (dest or {}).get(name))}


def same_value(name: str, one: str | None, other: str | None) -> bool:
    """Whether two values of a topic config mean the same. ZooKeeper keeps them as they were typed ("0.50", "TRUE",
    "compact, delete"), brokers return them as they were parsed (ConfigDef.parseType)."""
    if one is None or other is None or one == other:
        return one == other
    return _meaning(name, one) == _meaning(name, other)


def _meaning(name: str, value: str) -> object:
    text = value.strip()
    if name == "cleanup.policy":
        return frozenset(word.strip() for word in text.split(","))
    if text.lower() in ("true", "false"):
        return text.lower()
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[+-]?[0-9]{0,19}\.?[0-9]{1,19}", text) else text


def is_compacted(configs: Mapping[str, str], defaults: Mapping[str, str] | None) -> bool:
    """Whether the effective cleanup policy compacts: the override, else the broker's default."""
    return "compact" in configs.get("cleanup.policy", (defaults or {}).get("cleanup.policy", ""))


def _fit_min_insync(
    fitted: dict[str, str], home: Home, replication_factor: int | None, adjust: Callable[[str, str | None, str], None]
) -> None:
    """Producers with acks=all cannot write to a topic whose replication factor is below its `min.insync.replicas`."""
    if replication_factor is None:
        return
    name = "min.insync.replicas"
    wanted = fitted.get(name, (home.defaults or {}).get(name))
    if wanted is not None and (_integer(wanted) or 0) > replication_factor:
        origin = "" if name in fitted else f"the destination's default of {wanted} is larger: "
        fitted[name] = str(replication_factor)
        adjust(name, fitted[name], f"{origin}the replication factor on the destination is {replication_factor}")


def _integer(text: str) -> int | None:
    """None for text that is not an integer."""
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text.strip()) else None


def _below(text: str, limit: int) -> bool:
    number = _integer(text)
    return number is not None and number < limit


def _at_least_4(home: Home) -> bool:
    return home.version is not None and home.version >= (4, 0)


def _gone(name: str, home: Home) -> bool:
    return home.version is not None and name in _UNTIL and home.version >= _UNTIL[name]


def _unknown(name: str, home: Home) -> str | None:
    if home.version is None:
        return None
    if name not in _SINCE:
        return "not a topic config of Apache Kafka"
    if home.version < _SINCE[name]:
        since = ".".join(map(str, _SINCE[name]))
        return f"new in {since}, the destination is older"
    return None
