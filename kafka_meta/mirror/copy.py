"""The copy: batches from the source's leaders to the destination's, each sent once.

    settle ──▶ fetch ──▶ prepare ──▶ journal ──▶ send ──▶ acknowledged ──▶ done
       ▲                                          │
       └────── anything but an acknowledgement ───┘

settling   finds the leaders of the destination's partitions and the ends of their logs (`log_end` asks for them)
fetching   takes records from the source (`logs.reader` reads them) and prepares them to be sent
sending    requests that carry a batch for each of many partitions, under the lease
partitions all of them: their next steps, the memory, the rounds of the journal
track      one partition: fetched batches → batches to send, each with its rank and boundary
lease      one copier at a time

One thread decides, in the order in which answers arrive (`wire.lines`); channels move the bytes meanwhile. A missing
answer is never a reason to send a batch again. When a batch is not acknowledged at its own offset, the partition
becomes unsettled. Then the copy continues from the end of the destination's log.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from kafka_meta.batches import Destination, Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Happened, Progress, Waiting, silent
from kafka_meta.journal import Journal, Place, Position
from kafka_meta.logs.reader import LogReader, Memory
from kafka_meta.mirror.fetching import FETCH_BYTES, Fetching
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.partitions import Outcome, PartitionDone, PartitionFailed, Partitions
from kafka_meta.mirror.paused import PausedEnds
from kafka_meta.mirror.sending import PRODUCE_BYTES, Sending
from kafka_meta.mirror.settling import Settling
from kafka_meta.mirror.track import Track
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import broker_configs, connect
from kafka_meta.wire.clock import clock_ahead_ms
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.fetch import Fetched
from kafka_meta.wire.lines import Answers, Lines
from kafka_meta.wire.partitions import (
    Failure,
    TopicLimits,
    new_producer,
    numbers_producers,
    producer_memory_ms,
    topic_limits,
)
from kafka_meta.wire.patience import Silence, patiently

__all__ = ["GIVE_UP_AFTER_SECONDS", "IN_FLIGHT", "MEMORY_BYTES", "Outcome", "PartitionDone", "PartitionFailed", "copy"]

T = TypeVar("T")

MEMORY_BYTES = 128 << 20
GIVE_UP_AFTER_SECONDS = 600.0
IN_FLIGHT = 5
"""As many as Kafka's own idempotent producer: a broker remembers the sequence numbers of the last five batches."""

_WAIT_SECONDS = 0.2
_TELL_SECONDS = 0.2
_SILENCE_SECONDS = 2.0
_TOLD_REST_SECONDS = 0.5
_REST_TELL_SECONDS = 60.0
_ASK_TIMEOUT_MS = 10_000
_PATIENCE_SECONDS = 10.0
_DRAIN_SECONDS = 5.0
_OBJECTS_A_COLLECTION = 100_000
"""Python's default is 700."""
_ACKNOWLEDGE_MARGIN_MS = 5000
"""A broker waits so much less for its replicas than we wait for the broker."""


def copy(
    source: ClusterSettings,
    dest: ClusterSettings,
    journal: Journal,
    *,
    lease: Lease,
    places: Collection[Place] | None = None,
    emit: Emit = silent,
    max_rate_bytes: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
    in_flight: int = IN_FLIGHT,
    give_up_after_s: float = GIVE_UP_AFTER_SECONDS,
    follow: Follow | None = None,
) -> Iterator[Outcome]:
    """Copies what the journal says has begun and is not finished, of these places or of all. It continues by itself
    after errors that pass. With `follow`, the ends stay open, and it goes on until it is told to end.

    Emits `Progress` of the stages "offsets" (of the ranges' source offsets) and "bytes" (sent by this run, no total),
    and `Waiting` when nothing moves. `max_rate_bytes` is bytes a second. A partition is given up when nothing at all
    has moved for `give_up_after_s` seconds. `in_flight`, up to 5, is how many batches of a partition may be under way
    while its records are fresh; small compressed batches then arrive 1.4 times as fast. Of old records, one batch at a
    time is under way. With `follow`, nothing is given up because of silence: a cluster that is away is waited for.

    Raises `KafkaMetaError` when a cluster cannot be reached at all, when somebody else has the lease, or when another
    copier has claimed the journal.
    """
    journal.claim()
    positions = [each for each in journal.positions() if places is None or each.begun.place in places]
    if follow is None and all(position.done for position in positions):
        return
    with ExitStack() as stack:
        stack.enter_context(_rare_collections())
        source_wire, dest_wire = (stack.enter_context(connect(_impatient(settings))) for settings in (source, dest))
        answers = Answers()
        memory = Memory(total_bytes=memory_bytes, free_bytes=memory_bytes)

        def note(told: Fetched) -> None:
            partitions.note(told)

        reader = LogReader(
            source,
            source_wire,
            answers,
            memory,
            request_bytes=FETCH_BYTES,
            note=note,
            emit=emit,
        )
        # Two connections: a broker reads nothing from a connection while a request on it waits for the replicas.
        dest_lines = Lines(dest, count=2, depth=in_flight, most_bytes=PRODUCE_BYTES)
        partitions = Partitions(journal, positions, memory, reader, emit)
        fetching = Fetching(partitions, reader)
        settling = Settling(partitions, dest_wire, answers)
        timeout_ms = max(1000, dest.request_timeout_ms - _ACKNOWLEDGE_MARGIN_MS)
        sending = Sending(
            partitions, dest_lines, lease, settling, answers, timeout_ms=timeout_ms, max_rate_bytes=max_rate_bytes
        )
        told = _Told(partitions, reader, dest_lines, emit, follow)
        if follow is None:
            positions = [position for position in positions if not position.done]
        tracks = _Tracks(journal, dest_wire, in_flight, follows=follow is not None)
        partitions.open_all(tracks.of(positions))
        if follow is not None:
            follow.tally = partitions.tally
        paused_ends = PausedEnds(partitions, source_wire, answers)
        stack.callback(partitions.write_down)
        stack.callback(reader.close)
        stack.callback(dest_lines.close)
        while partitions.open or follow is not None:
            if follow is not None and _heed(follow, partitions, tracks, sending, memory_bytes):
                _drain(sending, answers)
                break
            settling.go_on()
            fetching.go_on()
            if follow is None or not follow.paused:
                sending.go_on()
            else:
                paused_ends.go_on()
            answers.take(min(_WAIT_SECONDS, sending.rest_seconds or _WAIT_SECONDS))
            partitions.conclude()
            partitions.keep_ends()
            if follow is None:
                _give_up(partitions, told, give_up_after_s)
            told.go_on()
            while partitions.outcomes:
                yield partitions.outcomes.popleft()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Makes Python's garbage collection rare. Thousands of tuples wait to be sent, and none of them is in a cycle. To
    search them for cycles again and again costs an eighth of our processor time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _impatient(settings: ClusterSettings) -> ClusterSettings:
    """Settings for short questions: while we wait for a broker that is down, partitions that have moved away wait as
    well."""
    return replace(settings, request_timeout_ms=min(settings.request_timeout_ms, _ASK_TIMEOUT_MS))


class _Tracks:
    """Makes the tracks of one run."""

    def __init__(self, journal: Journal, dest: Wire, in_flight: int, *, follows: bool) -> None:
        self._dest, self._in_flight, self._follows = dest, in_flight, follows
        producer = journal.producer()
        if producer is None:
            producer = _ask_patiently(lambda: _new_producer(dest))
            journal.remember_producer(producer)
        self._producer = producer
        # Half of it: clocks differ a bit, and brokers remove old producers only from time to time.
        self._fresh_ms = 0
        if in_flight > 1:
            self._fresh_ms = (producer_memory_ms(broker_configs(dest).values()) or 0) // 2 - (clock_ahead_ms(dest) or 0)

    def of(self, positions: Sequence[Position]) -> Iterator[Track]:
        topics = {position.begun.dest_topic for position in positions}
        # Where the broker does not return a config, Kafka's default is assumed. The topic may be missing: settling
        # reports that.
        limits = dict.fromkeys(topics, TopicLimits(stamps=False, max_message_bytes=None))
        limits |= _ask_patiently(lambda: topic_limits(self._dest, topics))
        for position in positions:
            topic = limits[position.begun.dest_topic]
            yield Track(
                begun=position.begun,
                destination=Destination(
                    timestamp_type="LogAppendTime" if topic.stamps else "CreateTime",
                    max_message_bytes=topic.max_message_bytes,
                ),
                producer=self._producer,
                in_flight=self._in_flight,
                fresh_ms=self._fresh_ms,
                acknowledged=position.boundary,
                dest_epoch=position.dest_epoch,
                follows=self._follows,
            )


def _heed(follow: Follow, partitions: Partitions, tracks: _Tracks, sending: Sending, memory_bytes: int) -> bool:
    """Takes the partitions that have appeared, and leaves those that shall not be followed. Returns whether the copy
    shall end. `memory_bytes`: unless another amount is wished."""
    if follow.ends.is_set():
        return True
    if follow.wishes is not partitions.heeded:
        partitions.heeded = follow.wishes
        sending.change_rate(follow.max_rate_bytes)
        partitions.resize_memory(follow.memory_bytes or memory_bytes)
        for track in [each for each in partitions.by_place.values() if each.begun.topic in follow.detached]:
            partitions.leave(track)
    if follow.gone:
        gone, follow.gone = follow.gone, frozenset()
        for track in partitions.by_place.values():
            if track.begun.topic in gone:
                partitions.fail(track, "its topic was deleted on the source; what was copied stays", final=True)
    new = list({each.place: each for each in follow.take() if each.place not in partitions.by_place}.values())
    if new:
        journal = partitions.journal
        journal.begin(new)
        positions = [journal.position(begun.place) for begun in new]
        try:
            found = list(tracks.of(positions))
        except KafkaMetaError as error:  # the destination is away: later
            partitions.trouble = error.message
            follow.put_back(new, for_seconds=_PATIENCE_SECONDS)
            return False
        partitions.open_all(found)
        partitions.total_offsets += sum(each.begun.end - each.source for each in positions)
    return False


def _drain(sending: Sending, answers: Answers) -> None:
    """Waits a moment for what is under way: what is acknowledged needs not be settled by the next run."""
    until = time.monotonic() + _DRAIN_SECONDS
    while sending.under_way and time.monotonic() < until:
        answers.take(_WAIT_SECONDS)


def _new_producer(dest: Wire) -> Producer:
    """A new producer. Its id is -1 where the destination refuses idempotence: then only the position rule protects."""
    if not numbers_producers(dest):
        return Producer()
    told = new_producer(dest)
    if not isinstance(told, Failure):
        return Producer(id=told[0], epoch=told[1])
    if told.retriable:
        raise Unanswered(told.reason, retriable=True)
    return Producer()


class _Told:
    """Reports progress, a few times a second at most, and why nothing moves."""

    def __init__(
        self, partitions: Partitions, reader: LogReader, dest_lines: Lines, emit: Emit, follow: Follow | None
    ) -> None:
        self._follow = follow
        self._partitions, self._reader, self._dest_lines, self._emit = partitions, reader, dest_lines, emit
        self._at = 0.0
        self._silence = Silence()
        self._moved_at = partitions.moved_at
        self._rest_told_at = -_REST_TELL_SECONDS

    def go_on(self) -> None:
        now, partitions = time.monotonic(), self._partitions
        if now - self._at < _TELL_SECONDS and partitions.open:
            return
        self._at = now
        partitions.tell()
        if self._follow is not None:
            # While it is paused nobody reads what is held.
            held = {} if self._follow.paused else partitions.held()
            self._follow.tell(partitions.lags(), held, partitions.failed)
        rest = self._dest_lines.resting() or self._reader.rest
        if rest is not None and rest.seconds >= _TOLD_REST_SECONDS and now - self._rest_told_at > _REST_TELL_SECONDS:
            # Something moves all the same, so that this is not a wait.
            self._rest_told_at = now
            self._emit(Happened(text=rest.reason))
        self._emit(Progress(stage="offsets", done=partitions.done_offsets, total=partitions.total_offsets))
        self._emit(Progress(stage="bytes", done=partitions.sent_bytes, total=None))
        if self._follow is not None and self._follow.paused:
            partitions.moved_at = now
        if not partitions.behind and not self._reader.trouble:
            partitions.moved_at = now
        if now - partitions.moved_at > _SILENCE_SECONDS:
            self._emit(Waiting(reason=self.trouble or "no answer yet", seconds=now - partitions.moved_at))

    @property
    def trouble(self) -> str:
        rest = self._dest_lines.resting()
        if rest is not None:
            return rest.reason
        return self._reader.trouble if self._reader.resting else self._partitions.trouble or self._reader.trouble

    @property
    def silent_seconds(self) -> float:
        """For how many seconds nothing has moved, as whoever asks again and again sees it. The time for which a broker
        throttles us does not count."""
        self._silence.look()
        moved_at, self._moved_at = self._moved_at, self._partitions.moved_at
        if moved_at != self._moved_at or self._reader.resting or self._dest_lines.resting() is not None:
            self._silence.broken()
        return self._silence.seconds


def _give_up(partitions: Partitions, told: _Told, after_seconds: float) -> None:
    silence = told.silent_seconds
    if silence > after_seconds:
        reason = f"nothing moved for {silence:.0f} s: {told.trouble or 'no answer'}"
        for track in partitions.by_place.values():
            partitions.fail(track, reason, silent=True)


def _ask_patiently(ask: Callable[[], T]) -> T:
    """Asks again for some seconds: a cluster that has just started, or elects leaders, answers within seconds."""
    try:
        return patiently(ask, seconds=_PATIENCE_SECONDS)
    except Unanswered as silence:
        raise KafkaMetaError(f"the destination could not be read: {silence.reason}") from silence
