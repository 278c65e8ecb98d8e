"""Records that a destination topic would refuse during the copy: too large, too old, or too far in the future.

A record that is young enough now may be too old when its turn comes. So the time that the copy may take counts in.

Often two things are enough to know this: the topics' limits on both sides, and the first record at or after a time.
Where they are not enough, the range is read once before the copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_meta import wire
from kafka_meta.batches import Batch, Destination, MalformedBatch, MessageSet, Producer, RecordTooLarge, rebuild
from kafka_meta.batches.records import contents
from kafka_meta.events import Emit
from kafka_meta.journal import Place
from kafka_meta.logs import Lost, Span, read
from kafka_meta.model import Remark, Resource
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Wire

NO_LIMIT = 2**63 - 1
NO_TIMESTAMP = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a destination topic. Times are milliseconds before and after now; `NO_LIMIT` where any time is
    accepted."""

    topic: str
    max_message_bytes: int | None
    before_ms: int
    after_ms: int


def limits(topic: str, configs: Mapping[str, str]) -> Limits:
    """From the topic's effective configs. A topic that sets the timestamps itself accepts any time."""
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


_SLOW_BYTES_A_SECOND = 5 << 20
"""As a copy over a slow network. A record that would only be refused by a slower one is not looked for."""
_MARGIN_MS = 600_000


def longest_copy_ms(size_bytes: int, max_rate_bytes: int | None) -> int:
    """How long a copy of so many bytes may take, with ten minutes of margin."""
    rate = min(_SLOW_BYTES_A_SECOND, max_rate_bytes or _SLOW_BYTES_A_SECOND)
    return _MARGIN_MS + 1000 * size_bytes // rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The records of a partition that are left to copy, and the limits of their destination topic. `source_max_bytes`
    None: not known."""

    span: Span
    limits: Limits
    leader: int
    source_max_bytes: int | None

    @property
    def may_be_too_large(self) -> bool:
        limit = self.limits.max_message_bytes
        return limit is not None and (self.source_max_bytes is None or self.source_max_bytes > limit)


def refused_records(
    source: ClusterSettings,
    from_source: Wire,
    candidates: Mapping[Place, Candidate],
    *,
    now_ms: int,
    until_ms: int,
    emit: Emit,
) -> tuple[list[Remark], list[Remark]]:
    """One remark for each partition with such a record. It names the first one that is found. `until_ms`: when the copy
    will have ended at the latest.

    Then one for each partition with a damaged batch: its copy will end there, and no other partition has to wait for
    it.
    """
    found: dict[Place, Remark] = {}
    doubtful: dict[Place, Span] = {}
    for place, offset in _first_at(from_source, candidates, now_ms, after=True).items():
        span = candidates[place].span
        if offset is not None and span.start <= offset < span.end:
            found[place] = _too_young(place, offset, candidates[place].limits)
        elif offset is not None and offset < span.start:
            doubtful[place] = span
    for place, offset in _first_at(from_source, candidates, until_ms, after=False).items():
        span = candidates[place].span
        if offset is None or offset > span.start:
            found.setdefault(place, _too_old(place, span.start, candidates[place].limits, until_ms - now_ms))
        else:
            # Timestamps need not ascend: a later record may be older.
            doubtful[place] = span
    doubtful |= {place: each.span for place, each in candidates.items() if each.may_be_too_large}
    doubtful = {place: span for place, span in doubtful.items() if place not in found}
    damaged: dict[Place, Remark] = {}
    for place, piece in read(source, doubtful, stage="measuring", emit=emit) if doubtful else ():
        if place in found or place in damaged:
            continue
        if isinstance(piece, Lost):
            if piece.damaged:
                damaged[place] = _damaged(place, piece.reason)
            else:
                reason = f"whether the destination takes its records is not known: {piece.reason}"
                found[place] = Remark(resource=Resource.partition(*place), reason=reason)
            continue
        try:
            remark = None if piece.aborted else _look_into(place, piece.batch, candidates[place], now_ms, until_ms)
        except MalformedBatch as error:
            damaged[place] = _damaged(place, error.message)
            continue
        if remark is not None:
            found[place] = remark
    return [found[place] for place in sorted(found)], [damaged[place] for place in sorted(damaged)]


def _damaged(place: Place, seen: str) -> Remark:
    reason = f"damaged on the source: {seen}. The copy will end before it"
    return Remark(resource=Resource.partition(*place), reason=reason)


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


def _look_into(
    place: Place, batch: Batch | MessageSet, candidate: Candidate, now_ms: int, until_ms: int
) -> Remark | None:
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
                resource=Resource.partition(*place),
                reason=f"{error.message}: raise max.message.bytes of topic {limits.topic} to {error.size_bytes}",
            )
    if limits.before_ms > until_ms and limits.after_ms > NO_LIMIT - now_ms:
        return None
    within = contents(batch).within(span.start, span.end)
    for offset, timestamp in zip(within.offsets, within.timestamps, strict=True):
        if timestamp != NO_TIMESTAMP and until_ms - timestamp > limits.before_ms:
            return _too_old(place, offset, limits, until_ms - now_ms)
        if timestamp - now_ms > limits.after_ms:
            return _too_young(place, offset, limits)
    return None


def _too_old(place: Place, offset: int, limits: Limits, copy_ms: int) -> Remark:
    return Remark(
        resource=Resource.partition(*place),
        reason=f"the record at offset {offset} is too old for the destination, or may be when the copy comes to it "
        f"(within {copy_ms // 60_000} min): message.timestamp.before.max.ms is {limits.before_ms} there. "
        f"Raise it on topic {limits.topic}",
    )


def _too_young(place: Place, offset: int, limits: Limits) -> Remark:
    return Remark(
        resource=Resource.partition(*place),
        reason=f"the record at offset {offset} is too far in the future for the destination: "
        f"message.timestamp.after.max.ms is {limits.after_ms} there. Raise it on topic {limits.topic}",
    )
