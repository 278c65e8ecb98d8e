"""A partition on its way: fetched batches become batches to send, in order, each with its rank and boundary."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from kafka_meta.batches import (
    JOINED_BYTES,
    AbortedTransactions,
    Batch,
    Destination,
    Digest,
    Drop,
    Forward,
    MessageSet,
    Outgoing,
    Producer,
    Rebuild,
    decide,
    forward,
    join,
    joinable,
    joined_bytes,
    rebuild,
    scan,
)
from kafka_meta.batches.records import contents
from kafka_meta.journal import Begun, Boundary, Place, Position, Run
from kafka_meta.mirror.answers import Line
from kafka_meta.model import Broker
from kafka_meta.wire.fetch import Fetched


@dataclass(slots=True, kw_only=True)
class Held:
    """The memory of one Fetch answer; its batches lie in it, so it is free only when the last one is gone."""

    size_bytes: int
    batches: int = 0


class Ready(NamedTuple):
    """A batch to send, the rank of its first record, and where the copy stands behind it."""

    outgoing: Outgoing
    rank: int
    boundary: Boundary
    held: Held


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What came of fetched batches; nothing of it may be sent before boundaries and runs are in the journal."""

    ready: list[Ready] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def boundaries(self) -> list[Boundary]:
        return [each.boundary for each in self.ready]


@dataclass(slots=True, kw_only=True)
class Track:
    """Where a partition stands in this run. Unsettled: its position has to be read from the destination first."""

    begun: Begun
    destination: Destination
    producer: Producer
    in_flight: int = 1
    """How many batches may be under way at a time, if the broker is sure to remember who sends them."""
    fresh_ms: int = 0
    """Records that are younger are sure to be remembered."""
    settled: bool = False
    era: int = 0
    """Goes up when what is under way has become void."""
    next: int = 0
    """The source offset to fetch from."""
    rank: int = 0
    """Of the next record that will be prepared."""
    digest: Digest = field(default_factory=Digest)
    acknowledged: Boundary | None = None
    run_end: int | None = None
    ready: deque[Ready] = field(default_factory=deque)
    ready_bytes: int = 0
    sending: deque[Ready] = field(default_factory=deque)
    """Batches that are under way, in order."""
    fresh_until_ms: float = 0
    """When the first of them is no longer fresh."""
    line: Line | None = None
    """On which they are."""
    remembered: bool = False
    """Whether the last acknowledged batch was fresh, in this era."""
    fetching: bool = False
    source_leader: Broker | None = None
    dest_leader: Broker | None = None
    refusals: int = 0
    """Answers without progress in a row."""
    closed: bool = False
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.begun.place

    @property
    def name(self) -> str:
        return f"{self.begun.topic}-{self.begun.partition}"

    @property
    def complete(self) -> bool:
        return self.settled and self.next >= self.begun.end and not self.ready and not self.sending

    def settle(self, position: Position) -> None:
        self.settled = True
        self.next, self.rank, self.digest = position.source, position.rank, position.digest
        self.acknowledged = Boundary(position.source, position.rank, position.digest)
        self.run_end = None
        self.remembered = False

    def unsettle(self) -> list[Ready]:
        """Returns what is dropped: it will be fetched again behind the position that the destination tells."""
        dropped = [*self.sending, *self.ready]
        self.settled, self.dest_leader = False, None
        self.era += 1
        self.sending.clear()
        self.ready.clear()
        self.ready_bytes = 0
        return dropped

    def put(self, prepared: Prepared) -> None:
        self.ready.extend(prepared.ready)
        self.ready_bytes += sum(each.outgoing.size_bytes for each in prepared.ready)

    def may_send(self) -> bool:
        """One batch at a time, since what follows depends on where it lands.

        More of them only while the destination is sure to refuse a batch that arrives without the one before: a broker
        forgets a producer `producer.id.expiration.ms` after its last record's timestamp, and then takes any sequence.
        """
        if not self.ready or not self.sending:
            return bool(self.ready)
        return len(self.sending) < self.in_flight and self.remembered and time.time() * 1000 < self.fresh_until_ms

    def take(self) -> Ready:
        """The next batch, which is then under way."""
        ready = self.ready.popleft()
        self.ready_bytes -= ready.outgoing.size_bytes
        until_ms = self._fresh_until_ms(ready)
        self.fresh_until_ms = min(self.fresh_until_ms, until_ms) if self.sending else until_ms
        self.sending.append(ready)
        return ready

    def acknowledge(self, ready: Ready) -> None:
        first = self.sending.popleft()
        assert first is ready
        self.acknowledged = ready.boundary
        self.remembered = self.producer.id >= 0 and time.time() * 1000 < self._fresh_until_ms(ready)
        self.refusals = 0

    def _fresh_until_ms(self, ready: Ready) -> int:
        return ready.outgoing.header.max_timestamp + self.fresh_ms

    def prepare(self, fetched: Fetched, held: Held) -> Prepared:
        """Raises MalformedBatch and RecordTooLarge."""
        prepared = Prepared()
        aborted = AbortedTransactions(fetched.aborted)
        joining: list[Batch] = []
        room_bytes = 0
        for batch in scan(fetched.records):
            covered = aborted.covers(batch)
            if self.next >= self.begun.end:
                break
            match decide(batch, start=self.next, end=self.begun.end, aborted=covered, destination=self.destination):
                case Forward():
                    assert isinstance(batch, Batch)
                    if not joinable(batch):
                        self._forward(joining, held, prepared)
                        self._forward([batch], held, prepared)
                    else:
                        size_bytes = joined_bytes(batch)
                        if not joining or size_bytes > room_bytes:
                            self._forward(joining, held, prepared)
                            room_bytes = min(JOINED_BYTES, self.destination.max_message_bytes or JOINED_BYTES)
                        joining.append(batch)
                        room_bytes -= size_bytes
                case Rebuild():
                    self._forward(joining, held, prepared)
                    self._rebuild(batch, held, prepared)
                case Drop():
                    pass
            self.next = max(self.next, min(batch.next_offset, self.begun.end))
        self._forward(joining, held, prepared)
        return prepared

    def _forward(self, batches: list[Batch], held: Held, prepared: Prepared) -> None:
        """Sends these as one, and empties the list."""
        if not batches:
            return
        rank = self.rank
        for batch in batches:
            self._note_run(batch.base_offset, batch.next_offset, rank, prepared)
            rank += batch.header.record_count
        if len(batches) == 1:
            outgoing = forward(batches[0], producer=self.producer, rank=self.rank)
        else:
            outgoing = join(batches, producer=self.producer, rank=self.rank)
            held.size_bytes += outgoing.size_bytes
        self._add(outgoing, held, prepared)
        batches.clear()

    def _rebuild(self, batch: Batch | MessageSet, held: Held, prepared: Prepared) -> None:
        rank = self.rank
        for outgoing in rebuild(
            batch,
            start=self.next,
            end=self.begun.end,
            destination=self.destination,
            producer=self.producer,
            rank=rank,
        ):
            held.size_bytes += outgoing.size_bytes
            self._add(outgoing, held, prepared)
        if isinstance(batch, Batch) and batch.header.gapless:
            start, end = max(self.next, batch.base_offset), min(batch.next_offset, self.begun.end)
            self._note_run(start, end, rank, prepared)
            return
        for offset in contents(batch).within(self.next, self.begun.end).offsets:
            self._note_run(offset, offset + 1, rank, prepared)
            rank += 1

    def _note_run(self, start: int, end: int, rank: int, prepared: Prepared) -> None:
        if start != self.run_end:
            prepared.runs.append(Run(start, rank))
        self.run_end = end

    def _add(self, outgoing: Outgoing, held: Held, prepared: Prepared) -> None:
        first = self.rank
        self.rank += outgoing.header.record_count
        self.digest = self.digest.with_batch(outgoing)
        boundary = Boundary(outgoing.source_end, self.rank, self.digest)
        prepared.ready.append(Ready(outgoing=outgoing, rank=first, boundary=boundary, held=held))
        held.batches += 1
