"""Spans of logs, batch by batch. The brokers prepare the next answer while one is looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kafka_meta.batches import AbortedTransactions, Batch, MalformedBatch, MessageSet, scan
from kafka_meta.events import Emit, Progress, Waiting
from kafka_meta.logs.reader import Arrived, Damaged, LogReader, Memory, Refused
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Place
from kafka_meta.wire.fetch import Fetched
from kafka_meta.wire.lines import Answers
from kafka_meta.wire.patience import reconnect

MEMORY_BYTES = 64 << 20
_REQUEST_BYTES = 8 << 20
_WAIT_SECONDS = 0.2
_SILENCE_SECONDS = 2.0
_TELL_SECONDS = 1.0


class Span(NamedTuple):
    """A half-open range of offsets."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A batch of a log; `aborted` when it is part of an aborted transaction."""

    batch: Batch | MessageSet
    aborted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No more records of the partition follow."""

    reason: str
    gone: bool
    """Whether the rest is known to be missing or damaged. Else it could not be read, and may exist."""
    damaged: bool = False


def read(
    settings: ClusterSettings,
    spans: Mapping[Place, Span],
    *,
    stage: str,
    emit: Emit,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[tuple[Place, Piece | Lost]]:
    """The batches of each span, in order within a partition. The first and the last batch may be larger than the span.

    Emits `Progress` of the stage in offsets, and `Waiting` while nothing arrives. When nothing has arrived for as long
    as the patience of the settings, the rest is lost; the time for which a broker throttles us does not count. Raises
    KafkaMetaError when the cluster, which has been reached before, cannot be reached for as long.
    """
    left = {place: span for place, span in spans.items() if span.start < span.end}
    if not left:
        return
    with reconnect(settings, emit=emit) as wire:
        answers, memory = Answers(), Memory(total_bytes=memory_bytes, free_bytes=memory_bytes)
        reader = LogReader(settings, wire, answers, memory, request_bytes=_REQUEST_BYTES, emit=emit)
        try:
            yield from _Reading(reader, memory, answers, left, stage, emit).run(settings.patience_s)
        finally:
            reader.close()


class _Reading:
    """`left` are the spans that are not finished, each from the offset where it continues."""

    def __init__(
        self,
        reader: LogReader,
        memory: Memory,
        answers: Answers,
        left: dict[Place, Span],
        stage: str,
        emit: Emit,
    ) -> None:
        self._reader, self._memory, self._answers = reader, memory, answers
        self._left, self._stage, self._emit = left, stage, emit
        self._doubts: dict[Place, int] = {}
        """The offset at which a partition's batch was damaged. It is fetched once more, since it may have been damaged
        on the way."""
        self._total = self._offsets_left = sum(span.end - span.start for span in left.values())
        self._told_at = 0.0

    def run(self, give_up_after_s: float) -> Iterator[tuple[Place, Piece | Lost]]:
        for place, span in self._left.items():
            self._reader.want(place, span.start, span.end)
        while self._left:
            self._reader.go_on()
            self._answers.take(_WAIT_SECONDS)
            for event in self._reader.take():
                if isinstance(event, Arrived):
                    yield from self._look_at(event)
                else:
                    self._goes_on_at(event.place, None)
                    gone = not isinstance(event, Refused)
                    yield event.place, Lost(reason=event.reason, gone=gone, damaged=isinstance(event, Damaged))
                self._emit(Progress(stage=self._stage, done=self._total - self._offsets_left, total=self._total))
            silent = self._tell_of_silence()
            if silent > give_up_after_s:
                reason = f"nothing arrived for {silent:.0f} s: {self._reader.trouble or 'no answer'}"
                yield from ((place, Lost(reason=reason, gone=False)) for place in self._left)
                return

    def _tell_of_silence(self) -> float:
        silent, now = self._reader.silent_seconds, time.monotonic()
        if now - self._told_at > _TELL_SECONDS and (self._reader.resting or silent > _SILENCE_SECONDS):
            self._told_at = now
            self._emit(Waiting(reason=self._reader.trouble or "no answer yet", seconds=silent))
        return silent

    def _look_at(self, arrived: Arrived) -> Iterator[tuple[Place, Piece | Lost]]:
        pieces = [piece for fetched in arrived.fetched for piece in self._understood(fetched)]
        self._memory.free_bytes -= arrived.size_bytes
        # The broker gets the next request before the records of this answer are looked at.
        self._reader.go_on()
        yield from pieces
        self._memory.free_bytes += arrived.size_bytes

    def _understood(self, fetched: Fetched) -> list[tuple[Place, Piece | Lost]]:
        place = fetched.topic, fetched.partition
        at, end = self._left[place]
        aborted = AbortedTransactions(fetched.aborted)
        found: list[tuple[Place, Piece | Lost]] = []
        try:
            for batch in scan(fetched.records, start=at, high_watermark=fetched.high_watermark):
                covered = aborted.covers(batch)
                at = batch.next_offset
                if batch.base_offset is None or batch.base_offset < end:
                    found.append((place, Piece(batch=batch, aborted=covered)))
                if at >= end:
                    break
        except MalformedBatch as error:
            if self._doubts.get(place) == at:
                self._goes_on_at(place, None)
                return [*found, (place, Lost(reason=error.message, gone=True, damaged=True))]
            self._doubts[place] = at
        self._goes_on_at(place, at)
        return found

    def _goes_on_at(self, place: Place, offset: int | None) -> None:
        """None: no more records of it follow."""
        before = self._left[place]
        at = before.end if offset is None else min(offset, before.end)
        self._offsets_left -= at - before.start
        if at >= before.end:
            del self._left[place]
            self._reader.forget(place)
        else:
            self._left[place] = Span(at, before.end)
            self._reader.want(place, at, before.end)
