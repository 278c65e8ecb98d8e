"""One partition in one run: fetched batches become batches to send, in order, each with its rank and boundary."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

from kafka_meta.batches import (
    AbortedTransactions,
    Batch,
    Destination,
    Digest,
    Drop,
    Forward,
    MalformedBatch,
    MessageSet,
    Neighbours,
    Outgoing,
    Producer,
    Rebuild,
    RecordTooLarge,
    decide,
    encoded,
    joinable,
    scan,
)
from kafka_meta.batches.records import contents
from kafka_meta.journal import Begun, Boundary, Place, Position, Run
from kafka_meta.model import Broker
from kafka_meta.wire.fetch import Fetched
from kafka_meta.wire.lines import Line

_ACCEPTED_BEFORE_LARGER = 64
"""Batches that the destination accepts before twice as many records are tried again in one. A refusal costs about as
much as so many batches."""
_MANY_A_FLIGHT = 2
_SMALL_BYTES = 8 << 10
_SAMPLE_SECONDS = 0.1
"""Between two last stable offsets whose time is kept, at least."""
_SAMPLES = 100


@dataclass(slots=True, kw_only=True)
class Held:
    """The memory of one Fetch answer. Its batches are parts of it, so it is free only when the last one is gone."""

    size_bytes: int
    batches: int = 0


class Ready(NamedTuple):
    """A batch to send, the rank of its first record, and the boundary that the copy has behind it."""

    outgoing: Outgoing
    rank: int
    boundary: Boundary
    held: Held


@dataclass(slots=True, kw_only=True)
class Prepared:
    """The result for fetched batches. None of them may be sent before its boundaries and runs are in the journal."""

    ready: list[Ready] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    obstacle: MalformedBatch | RecordTooLarge | None = None
    """Why the next batch cannot be copied. What was prepared ends before it."""

    @property
    def boundaries(self) -> list[Boundary]:
        return [each.boundary for each in self.ready]


class State(Enum):
    """What a partition waits for.

    UNSETTLED ⇄ SETTLED ──▶ COMPLETE
        └─────────┴───────▶ FAILED
    """

    UNSETTLED = auto()
    """The end of the destination's log has to be read."""
    SETTLED = auto()
    """Records move."""
    COMPLETE = auto()
    """Everything up to the range's end has been acknowledged."""
    FAILED = auto()


_BEFORE = {
    State.SETTLED: (State.UNSETTLED,),
    State.UNSETTLED: (State.UNSETTLED, State.SETTLED),
    State.COMPLETE: (State.SETTLED,),
    State.FAILED: (State.UNSETTLED, State.SETTLED),
}


@dataclass(slots=True, kw_only=True)
class Track:
    """A partition in this run, and its state. No state is left or entered but by `settle`, `unsettle`, `complete` and
    `fail`."""

    begun: Begun
    destination: Destination
    producer: Producer
    in_flight: int = 1
    """How many batches may be under way at a time, while the broker surely remembers their producer."""
    fresh_ms: int = 0
    """The broker surely remembers the producer of records that are younger than this."""
    state: State = State.UNSETTLED
    era: int = 0
    """Goes up when the partition becomes unsettled. Answers to batches of an earlier era no longer count as
    acknowledged."""
    next: int = 0
    """The source offset to fetch from."""
    epoch: int | None = None
    """The epoch of the source's leader in the batch before `next`; None where it is not known."""
    rank: int = 0
    """The rank of the next record that will be prepared."""
    digest: Digest = field(default_factory=Digest)
    acknowledged: Boundary | None = None
    size_bytes: int = 0
    """Of the acknowledged batches, of all runs."""
    run_end: int | None = None
    ready: deque[Ready] = field(default_factory=deque)
    ready_bytes: int = 0
    sending: deque[Ready] = field(default_factory=deque)
    """Batches that are under way, in order."""
    fresh_until_ms: float = 0
    """The time, since 1970, at which the first of them is no longer fresh."""
    line: Line | None = None
    """The line on which they were sent."""
    remembered: bool = False
    """Whether the last acknowledged batch was fresh, in this era."""
    fetching: bool = False
    """Whether the reader has been asked for the records that follow."""
    dest_leader: Broker | None = None
    dest_epoch: int | None = None
    """The highest epoch that was seen of the destination's leaders."""
    doubt: int | None = None
    """The source offset from which the next batch could not be prepared. It is fetched once more, since it may have
    been damaged on the way."""
    obstacle: str = ""
    """Why nothing can be copied from `next` on. The copy fails when everything before has been acknowledged."""
    led_by: int | None = None
    """The last leader on the destination that is known, also while it may have changed."""
    refusals: int = 0
    """Refusals in a row, without an acknowledgement in between."""
    accepted: int = 0
    """Acknowledged batches since the limit of records in a batch has changed."""
    follows: bool = False
    """The end stays open: what is written on the source from now on is copied, too."""
    end: int = field(init=False)
    """The source offset up to which records are copied: the range's end. Of a partition that is followed it grows with
    the last stable offset that the source returns."""
    seen: deque[tuple[int, float]] = field(default_factory=deque)
    """Last stable offsets that are not copied yet, and when the source returned them first (`time.monotonic`)."""
    held: int = 0
    """Offsets behind the last stable offset: an open transaction holds them back."""
    held_from: int = -1
    """The last stable offset that does not move any more."""
    held_since: float = 0.0
    """Since when it does not (`time.monotonic`)."""
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place, self.end = self.begun.place, self.begun.end

    @property
    def name(self) -> str:
        return f"{self.begun.topic}-{self.begun.partition}"

    @property
    def open(self) -> bool:
        return self.state in (State.UNSETTLED, State.SETTLED)

    @property
    def at_end(self) -> bool:
        """Whether everything has been acknowledged."""
        return self.next >= self.end and not self.ready and not self.sending

    @property
    def copied(self) -> int:
        """Everything before this source offset has been acknowledged, or is no record."""
        if self.at_end:
            return self.next
        return self.begun.start if self.acknowledged is None else self.acknowledged.source

    def grow(self, stable: int | None) -> int:
        """Notes the last stable offset of a followed partition; by how much the end has grown."""
        if not self.follows or stable is None or stable <= self.end:
            return 0
        grown, self.end = stable - self.end, stable
        now = time.monotonic()
        # The longer the lag, the fewer samples: their number stays small.
        if not self.seen or now - self.seen[-1][1] >= max(_SAMPLE_SECONDS, (now - self.seen[0][1]) / _SAMPLES):
            self.seen.append((stable, now))
        else:
            # The sample before stands for it: the lag is rather said too large.
            self.seen[-1] = stable, self.seen[-1][1]
        return grown

    @property
    def has_small_ones(self) -> bool:
        """Whether many small batches wait to be sent. What is read meanwhile would make more of them. Read later, it
        is joined: over a long link a batch of one record takes as long as one of thousands."""
        waiting = len(self.ready)
        return waiting >= _MANY_A_FLIGHT * self.in_flight and self.ready_bytes < waiting * _SMALL_BYTES

    def hold(self, high_watermark: int | None, stable: int | None) -> None:
        """Notes what an open transaction holds back."""
        if high_watermark is None or stable is None:
            return
        if not self.held or stable > self.held_from:
            self.held_since, self.held_from = time.monotonic(), stable
        self.held = max(0, high_watermark - stable)

    def count_from_now(self) -> None:
        """What is not copied yet when the partition is taken up counts as there since now."""
        if self.follows and self.end > self.copied:
            self.seen.append((self.end, time.monotonic()))

    def lag_seconds(self) -> float:
        """For how long something has been there that is not copied; 0 when everything is. It needs no timestamps of
        records."""
        copied = self.copied
        while self.seen and self.seen[0][0] <= copied:
            self.seen.popleft()
        return time.monotonic() - self.seen[0][1] if self.seen else 0.0

    def _become(self, state: State) -> None:
        assert self.state in _BEFORE[state], (self.name, self.state, state)
        self.state = state

    def complete(self) -> None:
        self._become(State.COMPLETE)

    def fail(self) -> list[Ready]:
        """As `unsettle`, and nothing of the partition moves any more."""
        dropped = self.unsettle()
        self._become(State.FAILED)
        return dropped

    def settle(self, position: Position) -> None:
        self._become(State.SETTLED)
        self.next, self.rank, self.digest = position.source, position.rank, position.digest
        self.epoch, self.dest_epoch = position.epoch, position.dest_epoch
        self.acknowledged, self.size_bytes = position.boundary, position.size_bytes
        self.run_end = None
        self.remembered = False
        self.obstacle = ""

    def unsettle(self) -> list[Ready]:
        """Returns the batches that are dropped. Fetching starts again at the position that the destination's
        log end shows."""
        dropped = [*self.sending, *self.ready]
        self._become(State.UNSETTLED)
        self.dest_leader, self.fetching = None, False
        self.era += 1
        self.sending.clear()
        self.ready.clear()
        self.ready_bytes = 0
        return dropped

    def put(self, prepared: Prepared) -> None:
        self.ready.extend(prepared.ready)
        self.ready_bytes += sum(each.outgoing.size_bytes for each in prepared.ready)

    def may_send(self) -> bool:
        """Whether the next batch may be sent. Normally one batch is under way, since the next one depends on where it
        arrives.

        More batches are under way only while the destination surely refuses a batch that arrives without the one before
        it. A broker forgets a producer `producer.id.expiration.ms` after the timestamp of its last record, and then
        accepts any sequence number.
        """
        if not self.ready or not self.sending:
            return bool(self.ready)
        return len(self.sending) < self.in_flight and self.remembered and time.time() * 1000 < self.fresh_until_ms

    def take(self) -> Ready:
        """Removes the next batch from those that wait. It is then under way."""
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
        self.size_bytes += ready.outgoing.size_bytes
        self.remembered = self.producer.id >= 0 and time.time() * 1000 < self._fresh_until_ms(ready)
        self.refusals = 0
        if self.destination.max_records is not None:
            self.accepted += 1
            if self.accepted == _ACCEPTED_BEFORE_LARGER:
                self._limit_records(2 * self.destination.max_records)

    def halve(self, refused: Ready) -> bool:
        """Makes the next batches smaller than this one. False where it has one record only."""
        count = refused.outgoing.header.record_count
        if count > 1:
            self._limit_records(count // 2)
        return count > 1

    def _limit_records(self, count: int) -> None:
        self.destination = replace(self.destination, max_records=count)
        self.accepted = 0

    def _fresh_until_ms(self, ready: Ready) -> int:
        return ready.outgoing.header.max_timestamp + self.fresh_ms

    def prepare(self, fetched: Fetched, held: Held) -> Prepared:
        """Prepares the batches up to the first one that cannot be copied."""
        prepared = Prepared()
        joining = Neighbours(self.destination)
        start = self.next, self.epoch
        try:
            self._prepare(fetched, joining, held, prepared)
        except (MalformedBatch, RecordTooLarge) as error:
            prepared.obstacle = error
        self._forward(joining, held, prepared)
        if prepared.obstacle is not None:
            last = prepared.ready[-1].boundary if prepared.ready else None
            self.next, self.epoch = start if last is None else (last.source, last.epoch)
        return prepared

    def _prepare(self, fetched: Fetched, joining: Neighbours, held: Held, prepared: Prepared) -> None:
        aborted = AbortedTransactions(fetched.aborted)
        for batch in scan(fetched.records, start=self.next, high_watermark=fetched.high_watermark):
            covered = aborted.covers(batch)
            match decide(batch, start=self.next, end=self.end, aborted=covered, destination=self.destination):
                case Forward():
                    assert isinstance(batch, Batch)
                    if not joinable(batch):
                        self._forward(joining, held, prepared)
                        joining.add(batch)
                        self._forward(joining, held, prepared)
                    elif not joining.add(batch):
                        self._forward(joining, held, prepared)
                        joining.add(batch)
                case Rebuild():
                    self._forward(joining, held, prepared)
                    self._rebuild(batch, held, prepared)
                case Drop():
                    pass
            if batch.next_offset > self.next:
                self.next, self.epoch = min(batch.next_offset, self.end), batch.leader_epoch
            if self.next >= self.end:
                break

    def _forward(self, joining: Neighbours, held: Held, prepared: Prepared) -> None:
        """Adds these neighbours as one batch, if there are any."""
        batches = joining.batches
        if not batches:
            return
        rank = self.rank
        for batch in batches:
            self._note_run(batch.base_offset, batch.next_offset, rank, prepared)
            rank += batch.header.record_count
        outgoing = joining.take(producer=self.producer, rank=self.rank)
        if len(batches) > 1:
            held.size_bytes += outgoing.size_bytes
        self._add(outgoing, batches[-1].leader_epoch, held, prepared)

    def _rebuild(self, batch: Batch | MessageSet, held: Held, prepared: Prepared) -> None:
        rank, end = self.rank, self.end
        kept = contents(batch).within(self.next, end)
        made = encoded(batch, kept, end=end, destination=self.destination, producer=self.producer, rank=rank)
        for outgoing in list(made):  # all of it, or an error
            held.size_bytes += outgoing.size_bytes
            self._add(outgoing, batch.leader_epoch, held, prepared)
        offsets = kept.offsets
        if offsets and offsets[-1] - offsets[0] == len(offsets) - 1:
            self._note_run(offsets[0], offsets[-1] + 1, rank, prepared)
            return
        for offset in offsets:
            self._note_run(offset, offset + 1, rank, prepared)
            rank += 1

    def _note_run(self, start: int, end: int, rank: int, prepared: Prepared) -> None:
        if start != self.run_end:
            prepared.runs.append(Run(start, rank))
        self.run_end = end

    def _add(self, outgoing: Outgoing, epoch: int | None, held: Held, prepared: Prepared) -> None:
        first = self.rank
        self.rank += outgoing.header.record_count
        self.digest = self.digest.with_batch(outgoing)
        boundary = Boundary(outgoing.source_end, self.rank, self.digest, epoch)
        prepared.ready.append(Ready(outgoing=outgoing, rank=first, boundary=boundary, held=held))
        held.batches += 1


def damaged(seen: str, copied: int) -> str:
    """The reason why the copy ends before a damaged batch."""
    return f"the source's log is damaged: {seen}. Everything before offset {copied} is copied"
