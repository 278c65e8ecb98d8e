"""All statistics of a cluster, from its brokers, their metrics and this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka_meta import host, metrics, wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting
from kafka_meta.model import LogDirs, Remark, Resource, Snapshot, sorted_remarks
from kafka_meta.settings import ClusterSettings
from kafka_meta.stats import history, live
from kafka_meta.stats.figures import figure, interval, percentile
from kafka_meta.stats.history import ENOUGH, HOUR_MS, History, Log
from kafka_meta.stats.inventory import flags, inventory, is_tiered
from kafka_meta.stats.live import Live
from kafka_meta.stats.retained import retained_bytes
from kafka_meta.wire import Producers, Wire

DAY_OF_HOURS = 24
"""With fewer hours than that, every statistic is of low confidence."""

_DOUBTFUL = 0.1
"""When flagged topics have more than this share of the traffic, the whole figure is doubtful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`sample_s`: for how many seconds to watch what is written and read now; 0: do not watch."""

    sample_s: float = 0.0
    metrics_urls: tuple[str, ...] = ()


def collect(
    settings: ClusterSettings, snapshot: Snapshot, wanted: Wanted, *, emit: Emit, now_ms: int
) -> dict[str, Any]:
    """`Snapshot.stats` by schemas/stats.schema.json. What could not be read is a gap in it, never an error.

    Costs at most 169 requests a broker for the past, and a dozen more for a live sample.
    """
    stats = inventory(snapshot)
    gaps: list[Remark] = []
    first = [metrics.read(url) for url in wanted.metrics_urls]
    if not settings.bootstrap_servers:
        reason = "only brokers know them, and no address of a broker was given"
        gaps.append(Remark(resource=Resource("past rates"), reason=reason))
    else:
        try:
            with wire.connect(settings) as connection:
                _from_brokers(connection, snapshot, wanted, stats, gaps, emit=emit, now_ms=now_ms)
        except KafkaMetaError as error:
            gaps.append(Remark(resource=Resource("past rates"), reason=error.message))
    if first:
        _from_metrics(first, snapshot, stats, gaps, emit=emit)
    stats["host"] = host.figures(snapshot.cluster.brokers, snapshot.cluster.id)
    stats["gaps"] = [{"resource": str(gap.resource), "reason": gap.reason} for gap in sorted_remarks(gaps)]
    return stats


def _from_brokers(
    connection: Wire,
    snapshot: Snapshot,
    wanted: Wanted,
    stats: dict[str, Any],
    gaps: list[Remark],
    *,
    emit: Emit,
    now_ms: int,
) -> None:
    logs = history.logs(snapshot)
    if snapshot.log_dirs is not None:
        _sizes(snapshot.log_dirs, snapshot, stats, gaps)
    # Nobody has ever written to a log that ends at 0.
    writers = wire.producers(connection, {log.place: log.leader for log in logs if log.end})
    _writers(writers, logs, stats)
    past = history.rates(history.ask(connection, history.choose(logs), now_ms=now_ms, emit=emit))
    gaps.extend(past.gaps)
    doubts = _doubts(snapshot, writers, past)
    _messages(logs, doubts, stats)
    _past(past, doubts, stats)
    _retained(snapshot, logs, past, stats)
    gaps.extend(_compaction(past, doubts))
    _largest(snapshot, logs, past, doubts, stats)
    if tiered := [topic.name for topic in snapshot.topics or () if is_tiered(snapshot, topic)]:
        reason = "tiered segments are not in the log directories, so sizes and bytes a message do not include them"
        gaps.append(
            Remark(resource=Resource("topic", f"{', '.join(tiered[:3])}{', …' * (len(tiered) > 3)}"), reason=reason)
        )
    if wanted.sample_s:
        groups = [group.id for group in snapshot.groups or () if group.source == "broker" and group.offsets]
        now = live.watch(connection, logs, groups, seconds=wanted.sample_s, emit=emit)
        if now is None:
            gaps.append(
                Remark(resource=Resource("live sample"), reason="no partition answered twice with its end offset")
            )
        else:
            _live(now, len(logs), stats, gaps)
    else:
        reason = "not known without --sample or --metrics-url, because brokers keep no record of what was read"
        gaps.append(Remark(resource=Resource("read"), reason=reason))


def _add(stats: dict[str, Any], name: str, *figures: dict[str, Any]) -> None:
    stats["figures"].setdefault(name, []).extend(figures)


def _sizes(disk: LogDirs, snapshot: Snapshot, stats: dict[str, Any], gaps: list[Remark]) -> None:
    """Adds the sizes of all replicas, and of the disks that they are on."""
    gaps.extend(disk.gaps)
    replicas = [
        (topic.name, partition.partition, broker)
        for topic in snapshot.topics or ()
        if not topic.internal
        for partition in topic.partitions
        for broker in partition.replicas
    ]
    known = [disk.sizes[replica] for replica in replicas if replica in disk.sizes]
    if replicas and len(known) == len(replicas):
        _add(stats, "dataReplicated", figure(sum(known), "B", "total", method="measured", confidence="high"))
    elif known:
        reason = f"the sizes of {len(replicas) - len(known):,} of {len(replicas):,} replicas are not known"
        gaps.append(Remark(resource=Resource("log directories"), reason=reason))
    silent = {gap.resource for gap in disk.gaps}
    for broker in stats["brokers"]:
        if Resource("log directories of broker", str(broker["id"])) not in silent:
            sizes = [size for (_, _, id), size in disk.sizes.items() if id == broker["id"]]
            broker["sizeBytes"] = sum(sizes) if sizes else None
        broker["volumes"] = [
            {"path": volume.path, "totalBytes": volume.total_bytes, "usableBytes": volume.usable_bytes, "ssd": None}
            for volume in disk.volumes.get(broker["id"], ())
        ]
    if disk.volumes and all(broker["volumes"] for broker in stats["brokers"]):
        volumes = [volume for broker in stats["brokers"] for volume in broker["volumes"]]
        for name, key in (("volumeTotal", "totalBytes"), ("volumeUsable", "usableBytes")):
            total = sum(volume[key] for volume in volumes)
            _add(stats, name, figure(total, "B", "total", method="measured", confidence="medium"))


def _writers(writers: Producers, logs: Sequence[Log], stats: dict[str, Any]) -> None:
    """In use: a leader has seen one. Not in use: every leader answered, and none has seen one within a day, which is
    how long they remember."""
    complete = bool(logs) and writers.known >= {log.place for log in logs if log.end}
    for name, seen in (("transactions", writers.transactional), ("idempotence", writers.idempotent)):
        if seen:
            stats["features"][name] = True
        elif complete and stats["features"][name] is None:
            stats["features"][name] = False


def _doubts(snapshot: Snapshot, writers: Producers, past: History) -> dict[str, list[str]]:
    """Why a topic's figures are less certain, by topic."""
    transactional = {topic for topic, _ in writers.transactional}
    doubts: dict[str, list[str]] = {}
    for topic in snapshot.topics or ():
        found = flags(snapshot, topic)
        if topic.name in transactional:
            found.append("transactional")
        if topic.name in past.short and "short retention" not in found:
            found.append("short retention")
        doubts[topic.name] = sorted(found)
    return doubts


def _is_doubtful(found: Sequence[str]) -> bool:
    """Whether the topic's offsets count more than records: removed records of a compacted topic, or transaction
    markers."""
    return "compacted" in found or "transactional" in found


def _messages(logs: Sequence[Log], doubts: Mapping[str, list[str]], stats: dict[str, Any]) -> None:
    """Bytes a message, over all topics whose bytes a message are known."""
    held = [log for log in logs if log.bytes_a_message is not None and log.end > log.start]
    plain = [log for log in held if not _is_doubtful(doubts[log.topic])]
    chosen = plain or held
    if chosen:
        count = sum(log.end - log.start for log in chosen)
        weight = sum((log.end - log.start) * (log.bytes_a_message or 0) for log in chosen) / count
        _add(
            stats,
            "messageSize",
            figure(weight, "B", "mean", method="derived", confidence="high" if plain else "low"),
        )


def _past(past: History, doubts: Mapping[str, list[str]], stats: dict[str, Any]) -> None:
    hours = past.hours
    if not hours:
        return
    window = interval(hours[0].start_ms, hours[-1].start_ms + HOUR_MS)
    few, part = len(hours) < DAY_OF_HOURS, past.share < ENOUGH
    total = sum(past.by_topic.values())
    doubtful = sum(rate for topic, rate in past.by_topic.items() if _is_doubtful(doubts.get(topic, ())))
    weak = few or part or doubtful > _DOUBTFUL * total
    for name, unit, values in (
        ("messages", "1/s", [hour.messages for hour in hours]),
        ("write", "MB/s", [hour.megabytes for hour in hours if hour.megabytes is not None]),
    ):
        if len(values) < len(hours):
            continue
        for stat, value in (
            ("hourly max", max(values)),
            ("p99", percentile(values, 0.99)),
            ("p95", percentile(values, 0.95)),
            ("p50", percentile(values, 0.5)),
            ("mean", sum(values) / len(values)),
        ):
            confidence: Any = "low" if weak else "medium"
            _add(stats, name, figure(value, unit, stat, window=window, method="derived", confidence=confidence))
    stats["hours"] = [
        {
            "start": interval(hour.start_ms, hour.start_ms).partition("/")[0],
            "messages": round(hour.messages, 3),
            "write": None if hour.megabytes is None else round(hour.megabytes, 6),
        }
        for hour in hours
    ]


def _retained(snapshot: Snapshot, logs: Sequence[Log], past: History, stats: dict[str, Any]) -> None:
    amount = retained_bytes(snapshot, logs, past)
    if amount is not None:
        window = interval(past.hours[0].start_ms, past.hours[-1].start_ms + HOUR_MS)
        confidence: Any = "low" if len(past.hours) < DAY_OF_HOURS or past.share < ENOUGH else "medium"
        how: dict[str, Any] = {"window": window, "method": "derived", "confidence": confidence}
        _add(stats, "dataRetained", figure(round(amount), "B", "total", **how))


def _compaction(past: History, doubts: Mapping[str, list[str]]) -> Iterator[Remark]:
    total = sum(past.by_topic.values())
    rates = {topic: rate for topic, rate in past.by_topic.items() if "compacted" in doubts.get(topic, ())}
    share = sum(rates.values()) / total if total else 0.0
    if share > _DOUBTFUL:
        most = max(rates, key=lambda topic: rates[topic])
        reason = f"{share:.0%} of the messages are of compacted topics, most of them of {most}"
        yield Remark(
            resource=Resource("past rates"), reason=f"{reason}: compaction has removed records, so MB/s may be too low"
        )


def _largest(
    snapshot: Snapshot, logs: Sequence[Log], past: History, doubts: Mapping[str, list[str]], stats: dict[str, Any]
) -> None:
    weights = {log.topic: log.bytes_a_message for log in logs}
    for topic in stats["largestTopics"]:
        name = topic["topic"]
        weight, rate = weights.get(name), past.by_topic.get(name)
        topic["messagesPerSecond"] = None if rate is None else round(rate, 3)
        topic["bytesPerMessage"] = None if weight is None else round(weight, 1)
        topic["flags"] = doubts.get(name, [])


def _live(now: Live, partitions: int, stats: dict[str, Any], gaps: list[Remark]) -> None:
    window = f"PT{now.seconds:.0f}S"
    how: dict[str, Any] = {
        "window": window,
        "method": "measured",
        "confidence": "low" if now.seconds < 60 else "medium",
    }
    for name, unit, mean, most in (
        ("messages", "1/s", now.messages_mean, now.messages_max),
        ("write", "MB/s", now.write_mean, now.write_max),
    ):
        if mean is not None and most is not None:
            _add(stats, name, figure(most, unit, "max", **how), figure(mean, unit, "mean", **how))
    read = now.read_mean
    stats["sample"] = {
        "seconds": round(now.seconds, 1),
        "burstRatio": round(now.messages_max / now.messages_mean, 2) if now.messages_mean else None,
        "groups": [
            {"group": group, "read": None if rate is None else round(rate, 6)}
            for group, rate in now.read_by_group.items()
        ],
    }
    if now.unanswered:
        gaps.append(
            Remark(
                resource=Resource("live sample"),
                reason=f"{now.unanswered:,} of {partitions:,} partitions did not answer and are left out",
            )
        )
    if read is None:
        reason = "no group has committed a position, or the size of the messages they read is not known"
        gaps.append(Remark(resource=Resource("read"), reason=reason))
        return
    _add(stats, "read", figure(read, "MB/s", "mean", **how))
    # The present ratio of read to written bytes, times what was written in the busiest hour or moment.
    peaks = [each for each in stats["figures"].get("write", []) if each["stat"] in ("hourly max", "max")]
    if now.write_mean and peaks:
        peak = max(peaks, key=lambda each: float(each["value"]))
        value = peak["value"] * read / now.write_mean
        derived: dict[str, Any] = {"window": peak["window"], "method": "derived", "confidence": "low"}
        _add(stats, "read", figure(value, "MB/s", peak["stat"], **derived))
    else:
        reason = (
            "nothing was written during the sample, so the peak of reading cannot be derived from the peak of writing"
        )
        gaps.append(Remark(resource=Resource("read"), reason=reason))


def _from_metrics(
    first: Sequence[metrics.Scrape | metrics.Unread],
    snapshot: Snapshot,
    stats: dict[str, Any],
    gaps: list[Remark],
    *,
    emit: Emit,
) -> None:
    began = max((each.at_s for each in first if isinstance(each, metrics.Scrape)), default=None)
    if began is not None and (rest := began + metrics.SHORTEST_S - time.monotonic()) > 0:
        emit(Waiting(reason="the metrics have to be read a second time", seconds=rest))
        time.sleep(rest)
    pairs: list[tuple[metrics.Scrape, metrics.Scrape]] = []
    for before in first:
        after = metrics.read(before.url) if isinstance(before, metrics.Scrape) else before
        if isinstance(after, metrics.Unread):
            gaps.append(Remark(resource=Resource("metrics of", after.url), reason=after.reason))
        elif isinstance(before, metrics.Scrape):
            pairs.append((before, after))
    brokers = len(snapshot.cluster.brokers)
    if len(pairs) < max(brokers, 1):
        if pairs:
            reason = (
                f"only {len(pairs)} of {brokers} brokers were read, so the rates of the whole cluster are not known"
            )
            gaps.append(Remark(resource=Resource("metrics"), reason=reason))
        return
    rates = [metrics.rates(before, after) for before, after in pairs]
    window = f"PT{max(after.at_s - before.at_s for before, after in pairs):.0f}S"
    for name, unit, scale in (("write", "MB/s", 1e6), ("read", "MB/s", 1e6), ("messages", "1/s", 1)):
        values = [rate[name] for rate in rates]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            gaps.append(Remark(resource=Resource("metrics"), reason=f"they hold no counter for {name}"))
            continue
        value = sum(known) / scale
        # Two readings of a counter give a mean. The peak is at least that.
        how: dict[str, Any] = {"window": window, "method": "measured"}
        _add(stats, name, figure(value, unit, "max", confidence="low", **how))
        _add(stats, name, figure(value, unit, "mean", confidence="medium", **how))
    replicas = [after.partition_count for _, after in pairs]
    if replicas and None not in replicas:
        total = sum(count for count in replicas if count is not None)
        _add(stats, "replicas", figure(total, "count", method="measured", confidence="medium"))
