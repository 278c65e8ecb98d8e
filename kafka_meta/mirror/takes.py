"""Records that a destination topic would not take: it would refuse them in the midst of the copy.

Most of it the clusters tell without a record being read: the topics' limits on both sides, and the first record at or
after a time. Only where that leaves a doubt the range is read, once, before the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kafka_meta import wire
from kafka_meta.batches import Batch, Destination, MessageSet, Producer, RecordTooLarge, rebuild
from kafka_meta.batches.records import contents
from kafka_meta.events import Emit
from kafka_meta.journal import Place
from kafka_meta.model import Remark
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Lost, Span, read
from kafka_meta.wire import Wire

NO_LIMIT = 2**63 - 1
NO_TIMESTAMP = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of a destination topic. Times are milliseconds before and after now; `NO_LIMIT` where any will do."""

    topic: str
    max_message_bytes: int | None
    before_ms: int
    after_ms: int


def limits(topic: str, configs: Mapping[str, str]) -> Limits:
    """From its effective configs. A topic that stamps records itself takes any time."""
    both = _number(configs, "message.timestamp.difference.max.ms")
    stamps = configs.get("message.timestamp.type") == "LogAppendTime"
    size = configs.get("max.message.bytes")
    return Limits(
        topic=topic,
        max_message_bytes=None if size is None else int(size),
        before_ms=NO_LIMIT if stamps else min(both, _number(configs, "message.timestamp.before.max.ms")),
        after_ms=NO_LIMIT if stamps else min(both, _number(configs, "message.timestamp.after.max.ms")),
    )


def _number(configs: Mapping[str, str], name: str) -> int:
    return int(configs.get(name, NO_LIMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is left to copy of a partition, and what it goes into. `source_max_bytes` None: not known."""

    span: Span
    limits: Limits
    leader: int
    source_max_bytes: int | None

    @property
    def may_be_too_large(self) -> bool:
        limit = self.limits.max_message_bytes
        return limit is not None and (self.source_max_bytes is None or self.source_max_bytes > limit)


def refused_records(
    source: ClusterSettings, from_source: Wire, candidates: Mapping[Place, Candidate], *, now_ms: int, emit: Emit
) -> Iterator[Remark]:
    """One remark for each partition that holds such a record, naming the first one that is found."""
    found: dict[Place, Remark] = {}
    doubtful: dict[Place, Span] = {}
    for place, offset in _first_at(from_source, candidates, now_ms, after=True).items():
        span = candidates[place].span
        if offset is not None and span.start <= offset < span.end:
            found[place] = _too_young(place, offset, candidates[place].limits)
        elif offset is not None and offset < span.start:
            doubtful[place] = span
    for place, offset in _first_at(from_source, candidates, now_ms, after=False).items():
        span = candidates[place].span
        if offset is None or offset > span.start:
            found.setdefault(place, _too_old(place, span.start, candidates[place].limits))
        else:
            # Times need not ascend: a later record may be older.
            doubtful[place] = span
    doubtful |= {place: each.span for place, each in candidates.items() if each.may_be_too_large}
    doubtful = {place: span for place, span in doubtful.items() if place not in found}
    for place, piece in read(source, doubtful, stage="measuring", emit=emit) if doubtful else ():
        if place in found or isinstance(piece, Lost) or piece.aborted:
            continue
        remark = _look_into(place, piece.batch, candidates[place], now_ms)
        if remark is not None:
            found[place] = remark
    yield from (found[place] for place in sorted(found))


def _first_at(
    from_source: Wire, candidates: Mapping[Place, Candidate], now_ms: int, *, after: bool
) -> dict[Place, int | None]:
    """The first record at or after the limit's time, of the partitions whose topic has such a limit."""
    by_time: dict[int, dict[Place, int]] = {}
    for place, each in candidates.items():
        if after and each.limits.after_ms < NO_LIMIT - now_ms:
            by_time.setdefault(now_ms + each.limits.after_ms + 1, {})[place] = each.leader
        elif not after and each.limits.before_ms <= now_ms:
            by_time.setdefault(now_ms - each.limits.before_ms, {})[place] = each.leader
    found: dict[Place, int | None] = {}
    for time_ms, leaders in by_time.items():
        found |= wire.offsets(from_source, leaders, time_ms)[0]
    return found


def _look_into(place: Place, batch: Batch | MessageSet, candidate: Candidate, now_ms: int) -> Remark | None:
    if isinstance(batch, Batch) and batch.header.control:
        return None
    limits, span = candidate.limits, candidate.span
    size = batch.header.size_bytes if isinstance(batch, Batch) else len(batch.data)
    if limits.max_message_bytes is not None and size > limits.max_message_bytes:
        into = Destination(max_message_bytes=limits.max_message_bytes)
        try:
            for _ in rebuild(batch, start=span.start, end=span.end, destination=into, producer=Producer(), rank=0):
                pass
        except RecordTooLarge as error:
            return Remark(
                resource=f"{place[0]}-{place[1]}",
                reason=f"{error.message}: raise max.message.bytes of topic {limits.topic} there to {error.size_bytes}",
            )
    if limits.before_ms > now_ms and limits.after_ms > NO_LIMIT - now_ms:
        return None
    within = contents(batch).within(span.start, span.end)
    for offset, timestamp in zip(within.offsets, within.timestamps, strict=True):
        if timestamp != NO_TIMESTAMP and now_ms - timestamp > limits.before_ms:
            return _too_old(place, offset, limits)
        if timestamp - now_ms > limits.after_ms:
            return _too_young(place, offset, limits)
    return None


def _too_old(place: Place, offset: int, limits: Limits) -> Remark:
    return Remark(
        resource=f"{place[0]}-{place[1]}",
        reason=f"the record at offset {offset} is older than the destination takes: message.timestamp.before.max.ms is "
        f"{limits.before_ms} there; raise it on topic {limits.topic}",
    )


def _too_young(place: Place, offset: int, limits: Limits) -> Remark:
    return Remark(
        resource=f"{place[0]}-{place[1]}",
        reason=f"the record at offset {offset} lies further in the future than the destination takes: "
        f"message.timestamp.after.max.ms is {limits.after_ms} there; raise it on topic {limits.topic}",
    )
