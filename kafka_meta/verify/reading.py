"""Logs read as batches: every span of every partition, with the broker at work while an answer is looked at."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from kafka_meta import wire
from kafka_meta.batches import AbortedTransactions, Batch, MalformedBatch, MessageSet, scan
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Progress, Waiting
from kafka_meta.journal import Place
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import EARLIEST, Unanswered, Wire
from kafka_meta.wire.channel import Channel, close_all
from kafka_meta.wire.connection import error_text, is_retriable
from kafka_meta.wire.fetch import Fetch, Fetched, Wanted
from kafka_meta.wire.partitions import Failure, leaders

_FETCH_BYTES = 8 << 20
_FETCH_PARTITION_BYTES = 2 << 20
_FETCH_PARTITIONS = 500
_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 120.0
_OFFSET_OUT_OF_RANGE = 1


class Span(NamedTuple):
    """Offsets, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A batch of a log; `aborted` when it belongs to an aborted transaction."""

    batch: Batch | MessageSet
    aborted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nothing more comes of the partition."""

    reason: str


def read(
    settings: ClusterSettings, spans: Mapping[Place, Span], *, stage: str, emit: Emit
) -> Iterator[tuple[Place, Piece | Lost]]:
    """The batches of each span, in order within a partition; the first and the last one may reach beyond it.

    Brokers work on the next answer while one is looked at. Raises KafkaMetaError when nothing moves for two minutes.
    """
    with wire.connect(settings) as connection:
        reading = _Reading(settings, connection, spans, stage, emit)
        try:
            yield from reading.run()
        finally:
            reading.close()


class _Reading:
    def __init__(
        self,
        settings: ClusterSettings,
        connection: Wire,
        spans: Mapping[Place, Span],
        stage: str,
        emit: Emit,
    ) -> None:
        self._settings, self._connection = settings, connection
        self._spans, self._stage, self._emit = spans, stage, emit
        self._at = {place: span.start for place, span in spans.items() if span.start < span.end}
        """Where each partition that is not finished goes on."""
        self._unled = set(self._at)
        self._waiting: dict[int, deque[Place]] = {}
        self._channels: dict[int, Channel] = {}
        self._busy: dict[int, list[Place]] = {}
        self._answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._total = sum(span.end - span.start for span in spans.values())
        self._moved = time.monotonic()

    def run(self) -> Iterator[tuple[Place, Piece | Lost]]:
        while self._at:
            yield from self._find_leaders()
            self._ask()
            if self._busy:
                yield from self._take()
            elif self._at:
                self._pause("the leaders of some partitions are moving")

    def close(self) -> None:
        close_all(self._channels.values())

    def _find_leaders(self) -> Iterator[tuple[Place, Lost]]:
        if not self._unled:
            return
        try:
            found = leaders(self._connection, {topic for topic, _ in self._unled})
        except Unanswered:
            return
        for place in sorted(self._unled):
            leader = found.get(place) or found.get((place[0], -1))
            if isinstance(leader, Failure) and leader.retriable:
                continue
            self._unled.discard(place)
            if leader is None or isinstance(leader, Failure):
                reason = "the partition is not there" if leader is None else leader.reason
                self._at.pop(place)
                yield place, Lost(reason=reason)
                continue
            broker = leader.broker
            if broker.id not in self._channels:
                self._channels[broker.id] = Channel(self._settings, broker)
            self._waiting.setdefault(broker.id, deque()).append(place)

    def _ask(self) -> None:
        for broker, places in self._waiting.items():
            if broker in self._busy or not places:
                continue
            taken = [places.popleft() for _ in range(min(len(places), _FETCH_PARTITIONS))]
            self._busy[broker] = taken
            wanted = [
                Wanted(topic=topic, partition=number, offset=self._at[topic, number], max_bytes=_FETCH_PARTITION_BYTES)
                for topic, number in taken
            ]
            request = Fetch(wanted=wanted, max_bytes=_FETCH_BYTES)
            self._channels[broker].ask(request, partial(self._heard, broker))

    def _heard(self, broker: int, answer: Any) -> None:
        """On the channel's thread."""
        self._answers.put((broker, answer))

    def _take(self) -> Iterator[tuple[Place, Piece | Lost]]:
        broker, answer = self._answers.get()
        asked = self._busy.pop(broker)
        if isinstance(answer, Unanswered):
            self._unled.update(asked)
            self._pause(answer.reason)
            return
        pieces: list[tuple[Place, Piece | Lost]] = []
        # A broker fills its answer in the order of the request: empty behind something says nothing.
        silent = not any(len(fetched.records) for fetched in answer)
        for fetched in answer:
            pieces += self._understood(broker, (fetched.topic, fetched.partition), fetched, silent)
        if pieces:
            self._moved = time.monotonic()
        # The broker is asked on before what it has brought is looked at.
        self._ask()
        yield from pieces
        left = sum(self._spans[place].end - at for place, at in self._at.items())
        self._emit(Progress(stage=self._stage, done=self._total - left, total=self._total))

    def _understood(
        self, broker: int, place: Place, fetched: Fetched, silent: bool
    ) -> list[tuple[Place, Piece | Lost]]:
        if fetched.error_code == _OFFSET_OUT_OF_RANGE:
            at = self._at.pop(place)
            earliest = wire.offsets(self._connection, {place: broker}, EARLIEST)[0].get(place)
            begins = "" if earliest is None else f": the log begins at {earliest}"
            return [(place, Lost(reason=f"offset {at} is not there{begins}"))]
        if fetched.error_code and not is_retriable(fetched.error_code):
            self._at.pop(place)
            return [(place, Lost(reason=error_text(fetched.error_code)))]
        if fetched.error_code:
            self._unled.add(place)
            return []
        end = self._spans[place].end
        aborted = AbortedTransactions(fetched.aborted)
        found: list[tuple[Place, Piece | Lost]] = []
        try:
            for batch in scan(fetched.records):
                covered = aborted.covers(batch)
                self._at[place] = batch.next_offset
                if batch.base_offset is None or batch.base_offset < end:
                    found.append((place, Piece(batch=batch, aborted=covered)))
                if batch.next_offset >= end:
                    break
        except MalformedBatch as error:
            self._at.pop(place)
            return [*found, (place, Lost(reason=str(error)))]
        if self._at[place] >= end or (silent and fetched.high_watermark >= end):
            # The last offsets of a log may have been emptied by compaction.
            self._at.pop(place)
        elif silent and fetched.high_watermark <= self._at[place]:
            at = self._at.pop(place)
            found.append((place, Lost(reason=f"the log ends at {at}, {end} was expected")))
        else:
            self._waiting[broker].append(place)
        return found

    def _pause(self, reason: str) -> None:
        silent = time.monotonic() - self._moved
        if silent > _PATIENCE_SECONDS:
            raise KafkaMetaError(f"reading the {self._settings.role} does not go on for {silent:.0f} s: {reason}")
        self._emit(Waiting(reason=reason, seconds=_PAUSE_SECONDS))
        time.sleep(_PAUSE_SECONDS)
