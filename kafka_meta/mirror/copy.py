"""The copy: batches from the source's leaders to the destination's, each sent once.

    settle ──▶ fetch ──▶ prepare ──▶ journal ──▶ send ──▶ acknowledged ──▶ done
       ▲                                          │
       └────── anything but an acknowledgement ───┘

One thread decides, in the order in which answers arrive; channels move the bytes meanwhile, two further threads ask
where partitions are led and end. Nothing is ever sent again because no answer came: whatever is not acknowledged at
its own offset makes the partition unsettled, and the copy goes on from where the destination's log says it ends.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from kafka_meta.batches import Destination, MalformedBatch, Producer, RecordTooLarge
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Progress, Waiting, silent
from kafka_meta.journal import Boundary, Journal, Place, Position, Round
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.settle import LogEnd, look_at_destination, look_at_source
from kafka_meta.mirror.track import Held, Ready, Track
from kafka_meta.model import Broker
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.connection import Unanswered, error_text, is_retriable
from kafka_meta.wire.fetch import Fetch, Fetched, Wanted
from kafka_meta.wire.partitions import Failure, Leader, Taking, listed_offsets, new_producer, taking
from kafka_meta.wire.produce import Produce, Produced, Sent
from kafka_meta.wire.topics import EARLIEST

T = TypeVar("T")

MEMORY_BYTES = 128 << 20
GIVE_UP_AFTER_SECONDS = 600.0

_FETCH_BYTES = 8 << 20
_FETCH_PARTITION_BYTES = 1 << 20
_FETCH_PARTITIONS = 1000
_SEND_BYTES = 8 << 20
_LINES = 2
"""Channels to a destination broker: while it works on one request, the next one is on its way."""
_PAUSE_SECONDS = 0.2
_AFTER_LOSS_SECONDS = 0.5
"""Before the position is read anew: what is still in the broker's hands shall be in its log by then."""
_PATIENCE_WITH_REFUSALS = 10
_TELL_SECONDS = 0.2
_SILENCE_SECONDS = 2.0

_OFFSET_OUT_OF_RANGE = 1
_SEQUENCE_CODES = frozenset({45, 46, 47, 59})
"""OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID: something of
ours has landed that we do not know of, so the position is read anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDone:
    """Everything up to the range's end has been acknowledged, and the journal says so."""

    topic: str
    partition: int
    records: int
    """Of the whole migration, as are the bytes and offsets."""
    size_bytes: int
    dest_start: int
    dest_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFailed:
    """The others go on. What has been copied of it stays, and so does its position in the journal."""

    topic: str
    partition: int
    reason: str


Outcome: TypeAlias = PartitionDone | PartitionFailed


def copy(
    source: ClusterSettings,
    dest: ClusterSettings,
    journal: Journal,
    *,
    lease: Lease,
    emit: Emit = silent,
    max_rate_bytes: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
    give_up_after_s: float = GIVE_UP_AFTER_SECONDS,
) -> Iterator[Outcome]:
    """Copies what the journal says has begun and is not finished; resumes by itself.

    Emits `Progress` of the stages "offsets" (of the ranges' source offsets) and "bytes" (sent by this run, no total),
    and `Waiting` when nothing moves. Raises `KafkaMetaError` when a cluster cannot be reached at all, when the lease is
    taken by somebody else, or when another copier has claimed the journal. `max_rate_bytes` is a second's.
    """
    with ExitStack() as stack:
        engine = _Engine(source, dest, journal, lease, emit, max_rate_bytes, memory_bytes, give_up_after_s, stack=stack)
        yield from engine.run()


@dataclass(slots=True, kw_only=True)
class _Line:
    channel: Channel
    busy: bool = False


class _Engine:
    def __init__(
        self,
        source: ClusterSettings,
        dest: ClusterSettings,
        journal: Journal,
        lease: Lease,
        emit: Emit,
        max_rate_bytes: int | None,
        memory_bytes: int,
        give_up_after_s: float,
        *,
        stack: ExitStack,
    ) -> None:
        self._source, self._dest = source, dest
        self._journal, self._lease, self._emit = journal, lease, emit
        self._max_rate_bytes = max_rate_bytes
        self._memory_bytes = self._free_bytes = memory_bytes
        self._give_up_after_s = give_up_after_s
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._source_wire = stack.enter_context(connect(source))
        self._dest_wire = stack.enter_context(connect(dest))
        self._lines: dict[tuple[str, int], list[_Line]] = {}
        stack.callback(self._close_lines)

        self._tracks: dict[Place, Track] = {}
        self._open = 0
        self._unled: set[Place] = set()
        self._unsettled: set[Place] = set()
        self._hungry: dict[int, dict[Place, Track]] = {}
        """Source broker → partitions to fetch from, the one that has waited longest first."""
        self._sendable: dict[int, dict[Place, Track]] = {}
        """Destination broker → partitions with a batch to send."""
        self._sated: dict[Place, Track] = {}
        """Partitions that have enough in memory for the moment."""
        self._looking = {"source": False, "dest": False}
        self._look_again = {"source": 0.0, "dest": 0.0}
        self._round = Round()
        self._outcomes: deque[Outcome] = deque()
        self._complete: list[Track] = []

        self._term = lease.term
        self._moved = time.monotonic()
        self._told = 0.0
        self._may_send = 0.0
        self._trouble = ""
        self._done_offsets = self._total_offsets = self._sent_bytes = 0

    # The steps.

    def run(self) -> Iterator[Outcome]:
        self._begin()
        try:
            while self._open:
                self._look_up()
                self._fetch()
                self._send()
                self._take_events()
                self._conclude()
                yield from self._pop_outcomes()
                self._tell()
                self._give_up()
        finally:
            self._close_lines()
            self._write_down()
        yield from self._pop_outcomes()

    def _begin(self) -> None:
        """Makes a track of every partition that is not finished."""
        self._journal.claim()
        positions = self._journal.positions()
        self._total_offsets = sum(each.begun.end - each.begun.start for each in positions)
        self._done_offsets = sum(min(each.source, each.begun.end) - each.begun.start for each in positions)
        unfinished = [each for each in positions if not each.done]
        if not unfinished:
            return
        producer = self._producer()
        takes = self._takes({each.begun.dest_topic for each in unfinished})
        for position in unfinished:
            topic = takes[position.begun.dest_topic]
            track = Track(
                begun=position.begun,
                destination=Destination(
                    timestamp_type="LogAppendTime" if topic.stamps else "CreateTime",
                    max_message_bytes=topic.max_message_bytes,
                ),
                producer=producer,
                acknowledged=Boundary(position.source, position.rank, position.digest),
            )
            self._tracks[track.place] = track
        self._open = len(self._tracks)
        self._unled, self._unsettled = set(self._tracks), set(self._tracks)

    def _takes(self, topics: set[str]) -> dict[str, Taking]:
        """A topic whose configs are not told is taken as Kafka's defaults have it: it may be missing, which its
        partitions will hear of; and a broker refuses what does not fit."""
        told = _patiently(lambda: taking(self._dest_wire, topics))
        return {topic: told.get(topic) or Taking(stamps=False, max_message_bytes=None) for topic in topics}

    def _producer(self) -> Producer:
        """Of this migration; -1 where the destination refuses idempotence: then the position rule stands alone."""
        if (known := self._journal.producer()) is not None:
            return known

        def ask() -> Producer:
            told = new_producer(self._dest_wire)
            if isinstance(told, Failure):
                if told.retriable:
                    raise Unanswered(told.reason, retriable=True)
                return Producer()
            return Producer(id=told[0], epoch=told[1])

        producer = _patiently(ask)
        self._journal.remember_producer(producer)
        return producer

    def _look_up(self) -> None:
        """Asks where partitions are led and, on the destination, where their logs end; answers arrive as events."""
        now = time.monotonic()
        for side, places, look, heard in (
            ("source", self._unled, look_at_source, self._heard_leaders),
            ("dest", self._unsettled, look_at_destination, self._heard_ends),
        ):
            if places and not self._looking[side] and now >= self._look_again[side]:
                self._looking[side] = True
                wire = self._source_wire if side == "source" else self._dest_wire
                asked = [self._tracks[place].begun for place in places]
                self._meanwhile(partial(look, wire, asked), heard)

    def _meanwhile(self, ask: Callable[[], Any], heard: Callable[[Any], None]) -> None:
        """Asks on a thread of its own; what it hears, an error too, becomes an event."""

        def work() -> None:
            future: Future[Any] = Future()
            try:
                future.set_result(ask())
            except Exception as error:
                future.set_exception(error)
            self._events.put(lambda: heard(future.result()))

        threading.Thread(target=work, name="look-up", daemon=True).start()

    def _heard_leaders(self, found: dict[Place, Leader | Failure]) -> None:
        self._looking["source"] = False
        self._look_again["source"] = time.monotonic() + _PAUSE_SECONDS
        for place, told in found.items():
            track = self._tracks[place]
            if track.closed or place not in self._unled:
                continue
            if isinstance(told, Leader):
                self._unled.discard(place)
                track.source_leader = told.broker
                self._enlist(track)
            elif told.retriable:
                self._trouble = f"{_name(track)} on the source: {told.reason}"
            else:
                self._fail(track, told.reason)

    def _heard_ends(self, found: dict[Place, LogEnd | Failure]) -> None:
        self._looking["dest"] = False
        self._look_again["dest"] = max(self._look_again["dest"], time.monotonic() + _PAUSE_SECONDS)
        ends: dict[Place, LogEnd] = {}
        for place, told in found.items():
            track = self._tracks[place]
            if track.closed or place not in self._unsettled:
                continue
            if isinstance(told, LogEnd):
                ends[place] = told
            elif told.retriable:
                self._trouble = f"{_name(track)} on the destination: {told.reason}"
            else:
                self._fail(track, told.reason)
        if not ends:
            return
        self._write_down()
        positions = self._journal.settle(
            {place: told.offset - self._tracks[place].begun.base for place, told in ends.items()}
        )
        for place, position in positions.items():
            track = self._tracks[place]
            if position is None:
                self._fail(track, self._disagreement(place, ends[place].offset))
                continue
            assert track.acknowledged is not None
            before = track.acknowledged.source
            track.settle(position)
            track.dest_leader = ends[place].leader.broker
            self._unsettled.discard(place)
            self._progress(track, max(0, position.source - before))
            self._enlist(track)

    def _disagreement(self, place: Place, log_end: int) -> str:
        position = self._journal.position(place)
        expected = position.dest_end
        if log_end < expected:
            return (
                f"the destination's log ends at {log_end}, and everything up to {expected} had been acknowledged:"
                " it was truncated or recreated"
            )
        return (
            f"the destination's log ends at {log_end}, which is not the end of a batch that was sent"
            f" (acknowledged up to {expected}): someone else writes there"
        )

    # Fetching.

    def _enlist(self, track: Track) -> None:
        """Puts a partition where its next step will find it."""
        if track.closed or not track.settled:
            return
        if track.complete:
            self._complete.append(track)
            track.closed = True
            return
        if track.source_leader is not None and not track.fetching and track.next < track.begun.end:
            if track.ready_bytes < self._share():
                self._hungry.setdefault(track.source_leader.id, {}).setdefault(track.place, track)
            else:
                self._sated[track.place] = track
        if track.dest_leader is not None and track.ready and track.sending is None:
            self._sendable.setdefault(track.dest_leader.id, {}).setdefault(track.place, track)

    def _share(self) -> int:
        """How much of a partition may wait in memory, so that none fills it alone."""
        return max(1, self._memory_bytes // (2 * self._open))

    def _fetch(self) -> None:
        for hungry in self._hungry.values():
            if not hungry or self._free_bytes < min(_FETCH_BYTES, self._memory_bytes // 4):
                continue
            tracks = [track for _, track in zip(range(_FETCH_PARTITIONS), hungry.values(), strict=False)]
            leader = tracks[0].source_leader
            assert leader is not None
            line = self._idle_line("source", leader, 1)
            if line is None:
                continue
            size = min(_FETCH_BYTES, self._free_bytes)
            request = Fetch(
                wanted=[
                    Wanted(
                        topic=track.begun.topic,
                        partition=track.begun.partition,
                        offset=track.next,
                        max_bytes=max(_FETCH_PARTITION_BYTES, size // len(tracks)),
                    )
                    for track in tracks
                ],
                max_bytes=size,
            )
            eras = {track.place: track.era for track in tracks}
            for track in tracks:
                track.fetching = True
                del hungry[track.place]
            self._free_bytes -= size
            line.busy = True
            line.channel.ask(request, self._deliver(self._heard_fetch, line, eras, size))

    def _deliver(self, heard: Callable[..., None], *context: Any) -> Callable[[Any], None]:
        return lambda answer: self._events.put(lambda: heard(answer, *context))

    def _heard_fetch(
        self, answer: list[Fetched] | Unanswered, line: _Line, eras: dict[Place, int], reserved: int
    ) -> None:
        line.busy = False
        self._free_bytes += reserved
        asked = [self._tracks[place] for place in eras]
        for track in asked:
            track.fetching = False
        if isinstance(answer, Unanswered):
            self._trouble = f"the source: {answer.reason}"
            for track in asked:
                self._seek_leader(track)
            return
        held = Held(size_bytes=sum(len(each.records) for each in answer))
        prepared = {}
        starved: list[Track] = []
        for fetched in answer:
            track = self._tracks[fetched.topic, fetched.partition]
            if track.closed or not track.settled or track.era != eras[track.place]:
                continue
            if fetched.error_code:
                self._fetch_refused(track, fetched)
                continue
            before, batches = track.next, held.batches
            try:
                made = track.prepare(fetched, held)
            except (MalformedBatch, RecordTooLarge) as error:
                held.batches = batches
                self._reject(track, error)
                continue
            if made.ready:
                prepared[track.place] = made
            if track.next == before:
                starved.append(track)
        for place, made in prepared.items():
            self._round.intents[place] = made.boundaries
            if made.runs:
                self._round.runs[place] = made.runs
        if held.batches:
            self._free_bytes -= held.size_bytes
        if prepared:
            self._write_down()
        for place, made in prepared.items():
            self._tracks[place].put(made)
        for track in asked:
            self._enlist(track)
        for track in starved:
            self._first_next_time(track)

    def _first_next_time(self, track: Track) -> None:
        """Only the first partition of a request gets a batch that is larger than it asked for (KIP-74)."""
        if track.source_leader is not None and track.place in (hungry := self._hungry.get(track.source_leader.id, {})):
            others = {place: other for place, other in hungry.items() if place != track.place}
            hungry.clear()
            hungry[track.place] = track
            hungry.update(others)

    def _fetch_refused(self, track: Track, fetched: Fetched) -> None:
        reason = error_text(fetched.error_code)
        if fetched.error_code == _OFFSET_OUT_OF_RANGE:
            self._meanwhile(lambda: self._earliest(track), lambda told: self._heard_earliest(track, told))
        elif is_retriable(fetched.error_code):
            self._trouble = f"{_name(track)} on the source: {reason}"
            self._seek_leader(track)
        else:
            self._fail(track, f"the source refuses to be read: {reason}")

    def _seek_leader(self, track: Track) -> None:
        if not track.closed:
            track.source_leader = None
            self._unled.add(track.place)
            self._drop_from_lists(track)
            if track.ready:
                self._enlist(track)

    def _earliest(self, track: Track) -> int | Failure:
        told = look_at_source(self._source_wire, [track.begun])[track.place]
        if isinstance(told, Failure):
            return told
        return listed_offsets(self._source_wire, {track.place: told}, EARLIEST)[track.place]

    def _heard_earliest(self, track: Track, told: int | Failure) -> None:
        if track.closed:
            return
        if isinstance(told, Failure) and not told.retriable:
            self._fail(track, told.reason)
        elif isinstance(told, int) and told > track.next:
            self._fail(track, f"lost offsets {track.next}–{told}: the source deleted them before they were copied")
        elif self._refused(track, "the source says that the offset to go on from is out of its range"):
            self._seek_leader(track)

    def _reject(self, track: Track, error: KafkaMetaError) -> None:
        """A second look tells damage on the way from damage in the log."""
        if isinstance(error, RecordTooLarge) or track.refusals:
            self._fail(track, error.message)
        else:
            track.refusals += 1
            self._unsettle(track, error.message)

    # Sending.

    def _send(self) -> None:
        if not any(self._sendable.values()):
            return
        now = time.monotonic()
        if now < self._may_send:
            return
        if not self._lease.check():
            self._trouble = "the lease on the destination has run out; its group's coordinator does not answer"
            return
        if self._lease.term != self._term:
            self._start_term()
            return
        for sendable in self._sendable.values():
            while sendable:
                leader = next(iter(sendable.values())).dest_leader
                assert leader is not None
                line = self._idle_line("dest", leader, _LINES)
                if line is None:
                    break
                self._send_some(line, sendable)
                if now < self._may_send:
                    return

    def _start_term(self) -> None:
        """The lease was lost and has been taken anew: somebody else may have copied in between."""
        self._journal.check_claim()
        self._term = self._lease.term
        for track in self._tracks.values():
            if track.settled:
                self._unsettle(track, "the lease on the destination had run out")

    def _send_some(self, line: _Line, sendable: dict[Place, Track]) -> None:
        tracks: list[Track] = []
        size = 0
        # Half of what is there: the other half goes while this one is being acknowledged.
        most = (len(sendable) + 1) // 2 if not self._busy_beside(line) else len(sendable)
        for track in sendable.values():
            size += track.ready[0].outgoing.size_bytes
            tracks.append(track)
            if size >= _SEND_BYTES or len(tracks) >= most:
                break
        batches = []
        for track in tracks:
            del sendable[track.place]
            outgoing = track.take().outgoing
            batches.append(
                Sent(
                    topic=track.begun.dest_topic,
                    partition=track.begun.partition,
                    head=outgoing.head,
                    body=outgoing.body,
                )
            )
        for track in tracks:
            self._enlist(track)
        if self._max_rate_bytes is not None:
            self._may_send = max(self._may_send, time.monotonic()) + size / self._max_rate_bytes
        timeout_ms = max(1000, self._dest.request_timeout_ms - 5000)
        eras = {(track.begun.dest_topic, track.begun.partition): (track, track.era) for track in tracks}
        line.busy = True
        line.channel.ask(
            Produce(batches=batches, timeout_ms=timeout_ms),
            self._deliver(self._heard_produce, line, eras),
            self._lease.permit(self._term),
        )

    def _busy_beside(self, line: _Line) -> bool:
        lines = self._lines["dest", line.channel.broker.id]
        return any(each.busy for each in lines if each is not line)

    def _heard_produce(
        self, answer: list[Produced] | Unanswered, line: _Line, asked: dict[Place, tuple[Track, int]]
    ) -> None:
        line.busy = False
        if isinstance(answer, Unanswered):
            self._look_again["dest"] = time.monotonic() + _AFTER_LOSS_SECONDS
            for track, era in asked.values():
                if track.era == era:
                    self._unsettle(track, f"the destination: {answer.reason}")
            return
        for produced in answer:
            track, era = asked[produced.topic, produced.partition]
            if track.closed or track.era != era:
                continue
            assert track.sending is not None
            if produced.error_code:
                self._send_refused(track, produced)
            elif produced.base_offset != track.begun.base + track.sending.rank:
                expected = track.begun.base + track.sending.rank
                self._fail(
                    track,
                    f"a batch that belongs at offset {expected} of the destination arrived at {produced.base_offset}:"
                    " someone else writes there",
                )
            else:
                self._acknowledge(track, track.sending)

    def _acknowledge(self, track: Track, ready: Ready) -> None:
        track.sending = None
        track.refusals = 0
        before = track.acknowledged
        assert before is not None
        track.acknowledged = ready.boundary
        size_bytes = ready.outgoing.size_bytes
        _, so_far = self._round.acknowledged.get(track.place, (None, 0))
        self._round.acknowledged[track.place] = (ready.boundary, so_far + size_bytes)
        self._sent_bytes += size_bytes
        self._progress(track, ready.boundary.source - before.source)
        self._release(ready)
        self._enlist(track)

    def _send_refused(self, track: Track, produced: Produced) -> None:
        reason = error_text(produced.error_code, produced.error_message)
        if produced.error_code in _SEQUENCE_CODES:
            if self._refused(track, f"the destination refuses the next batch: {reason}"):
                self._unsettle(track, reason)
        elif is_retriable(produced.error_code):
            self._look_again["dest"] = time.monotonic() + _AFTER_LOSS_SECONDS
            self._unsettle(track, f"{_name(track)} on the destination: {reason}")
        else:
            self._fail(track, f"the destination refuses the batch from source offset {track.acknowledged}: {reason}")

    def _refused(self, track: Track, reason: str) -> bool:
        """Whether to try again."""
        track.refusals += 1
        self._trouble = f"{_name(track)}: {reason}"
        if track.refusals > _PATIENCE_WITH_REFUSALS:
            self._fail(track, reason)
            return False
        return True

    # Keeping.

    def _idle_line(self, side: str, broker: Broker, most: int) -> _Line | None:
        lines = self._lines.setdefault((side, broker.id), [])
        if lines and lines[0].channel.broker != broker:  # it has moved to another address
            if any(line.busy for line in lines):
                return None
            for line in lines:
                line.channel.close()
            lines.clear()
        for line in lines:
            if not line.busy:
                return line
        if len(lines) < most:
            settings = self._source if side == "source" else self._dest
            lines.append(_Line(channel=Channel(settings, broker)))
            return lines[-1]
        return None

    def _close_lines(self) -> None:
        for lines in self._lines.values():
            for line in lines:
                line.channel.close()
        self._lines.clear()

    def _unsettle(self, track: Track, reason: str) -> None:
        if track.closed:
            return
        self._trouble = reason
        self._drop_from_lists(track)
        for ready in track.unsettle():
            self._release(ready)
        self._unsettled.add(track.place)

    def _drop_from_lists(self, track: Track) -> None:
        for waiting in (*self._hungry.values(), *self._sendable.values(), self._sated):
            waiting.pop(track.place, None)

    def _release(self, ready: Ready) -> None:
        ready.held.batches -= 1
        if not ready.held.batches:
            self._free_bytes += ready.held.size_bytes

    def _fail(self, track: Track, reason: str) -> None:
        self._unsettle(track, reason)
        track.closed = True
        self._unled.discard(track.place)
        self._unsettled.discard(track.place)
        self._open -= 1
        self._write_down()
        self._journal.fail(track.place, reason)
        self._outcomes.append(PartitionFailed(topic=track.begun.topic, partition=track.begun.partition, reason=reason))

    def _progress(self, track: Track, offsets: int) -> None:
        self._done_offsets += offsets
        self._moved = time.monotonic()
        self._trouble = ""

    def _take_events(self) -> None:
        """Waits for something to happen, a moment at most, and then takes whatever else has happened."""
        wait = _PAUSE_SECONDS
        if self._may_send:
            wait = min(wait, max(0.0, self._may_send - time.monotonic()))
        try:
            self._events.get(timeout=wait)()
            while True:
                self._events.get_nowait()()
        except Empty:
            pass
        if self._sated:
            share = self._share()
            for track in [each for each in self._sated.values() if each.ready_bytes < share]:
                del self._sated[track.place]
                self._enlist(track)

    def _conclude(self) -> None:
        """Writes down which partitions are complete, many in one transaction."""
        if not self._complete:
            return
        for track in self._complete:
            assert track.acknowledged is not None
            _, size_bytes = self._round.acknowledged.get(track.place, (None, 0))
            end = Boundary(track.begun.end, track.rank, track.digest)
            self._round.acknowledged[track.place] = (end, size_bytes)
            self._progress(track, end.source - track.acknowledged.source)
        self._write_down()
        for track in self._complete:
            self._open -= 1
            self._outcomes.append(_done(self._journal.position(track.place)))
        self._complete.clear()

    def _write_down(self) -> None:
        work = self._round
        if work.intents or work.acknowledged or work.runs:
            self._round = Round()
            self._journal.record(work)

    def _pop_outcomes(self) -> Iterator[Outcome]:
        while self._outcomes:
            yield self._outcomes.popleft()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and self._open:
            return
        self._told = now
        self._emit(Progress(stage="offsets", done=self._done_offsets, total=self._total_offsets))
        self._emit(Progress(stage="bytes", done=self._sent_bytes, total=None))
        if now - self._moved > _SILENCE_SECONDS:
            self._emit(Waiting(reason=self._trouble or "no answer yet", seconds=now - self._moved))

    def _give_up(self) -> None:
        silence = time.monotonic() - self._moved
        if silence > self._give_up_after_s:
            for track in self._tracks.values():
                if not track.closed:
                    self._fail(track, f"nothing moved for {silence:.0f} s: {self._trouble or 'no answer'}")


def _patiently(ask: Callable[[], T], tries: int = 50) -> T:
    """A cluster that has just started, or is electing, answers within seconds."""
    for attempt in range(tries):
        try:
            return ask()
        except Unanswered as silence:
            if not silence.retriable or attempt == tries - 1:
                raise KafkaMetaError(f"the destination does not tell what is needed: {silence.reason}") from silence
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError


def _name(track: Track) -> str:
    return f"{track.begun.topic}-{track.begun.partition}"


def _done(position: Position) -> PartitionDone:
    begun = position.begun
    return PartitionDone(
        topic=begun.topic,
        partition=begun.partition,
        records=position.rank,
        size_bytes=position.size_bytes,
        dest_start=begun.base,
        dest_end=position.dest_end,
    )
