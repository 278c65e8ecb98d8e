"""The copy: batches from the source's leaders to the destination's, each sent once.

    settle ──▶ fetch ──▶ prepare ──▶ journal ──▶ send ──▶ acknowledged ──▶ done
       ▲                                          │
       └────── anything but an acknowledgement ───┘

settling   where partitions are led, and where the destination's logs end (`settle` asks it)
fetching   one stream of requests to every source broker
sending    requests that carry a batch for every partition, under the lease
tracks     which partition waits for what, memory, the journal's rounds
track      one partition: fetched batches → batches to send, with rank and boundary
answers    the queue that all of them hear from, and the channels
lease      one copier at a time

One thread decides, in the order in which answers arrive; channels move the bytes meanwhile. Nothing is ever sent again
because no answer came: whatever is not acknowledged at its own offset makes the partition unsettled, and the copy goes
on from where the destination's log says it ends.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from kafka_meta.batches import Destination, Producer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Progress, Waiting, silent
from kafka_meta.journal import Boundary, Journal, Place, Position
from kafka_meta.mirror.answers import Answers, Lines
from kafka_meta.mirror.fetching import Fetching
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.sending import Sending
from kafka_meta.mirror.settling import Settling
from kafka_meta.mirror.track import Track
from kafka_meta.mirror.tracks import Outcome, PartitionDone, PartitionFailed, Tracks
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.partitions import Failure, Taking, new_producer, numbers_producers, producer_memory_ms, taking

__all__ = ["GIVE_UP_AFTER_SECONDS", "IN_FLIGHT", "MEMORY_BYTES", "Outcome", "PartitionDone", "PartitionFailed", "copy"]

T = TypeVar("T")

MEMORY_BYTES = 128 << 20
GIVE_UP_AFTER_SECONDS = 600.0
IN_FLIGHT = 5
"""As many as Kafka's own idempotent producer: of so many batches a broker remembers the sequence numbers."""

_WAIT_SECONDS = 0.2
_TELL_SECONDS = 0.2
_SILENCE_SECONDS = 2.0
_ASK_TIMEOUT_MS = 10_000
_OBJECTS_A_COLLECTION = 100_000
"""Python's own is 700."""
_ACKNOWLEDGE_MARGIN_MS = 5000
"""By which a broker's own patience with its replicas ends before ours with the broker."""


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
) -> Iterator[Outcome]:
    """Copies what the journal says has begun and is not finished, of these places or all; resumes by itself.

    Emits `Progress` of the stages "offsets" (of the ranges' source offsets) and "bytes" (sent by this run, no total),
    and `Waiting` when nothing moves. Raises `KafkaMetaError` when a cluster cannot be reached at all, when the lease is
    taken by somebody else, or when another copier has claimed the journal. `max_rate_bytes` is a second's; a partition
    is given up when nothing at all has moved for `give_up_after_s`. `in_flight`, up to 5, is how many batches of a
    partition may be under way while its records are fresh (small compressed ones then arrive 1.4 times as fast); of old
    ones it is one.
    """
    journal.claim()
    positions = [each for each in journal.positions() if places is None or each.begun.place in places]
    tracks = Tracks(journal, positions, memory_bytes)
    if all(position.done for position in positions):
        return
    with ExitStack() as stack:
        stack.enter_context(_rare_collections())
        source_wire, dest_wire = (stack.enter_context(connect(_impatient(settings))) for settings in (source, dest))
        source_lines = Lines(source, count=1, depth=1)
        # Two: a broker leaves a connection alone while it waits for the replicas of a request that came on it.
        dest_lines = Lines(dest, count=2, depth=in_flight)
        answers = Answers()
        fetching = Fetching(tracks, source_lines, source_wire, answers)
        settling = Settling(tracks, source_wire, dest_wire, answers)
        timeout_ms = max(1000, dest.request_timeout_ms - _ACKNOWLEDGE_MARGIN_MS)
        sending = Sending(
            tracks, dest_lines, lease, settling, answers, timeout_ms=timeout_ms, max_rate_bytes=max_rate_bytes
        )
        told = _Told(tracks, emit)
        tracks.open_all(_unfinished(journal, positions, dest_wire, in_flight))
        stack.callback(tracks.write_down)
        stack.callback(source_lines.close)
        stack.callback(dest_lines.close)
        while tracks.open:
            settling.go_on()
            fetching.go_on()
            sending.go_on()
            answers.take(min(_WAIT_SECONDS, sending.rest_seconds or _WAIT_SECONDS))
            tracks.feed_again()
            tracks.conclude()
            _give_up(tracks, give_up_after_s)
            told.go_on()
            while tracks.outcomes:
                yield tracks.outcomes.popleft()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What waits to be sent are thousands of tuples, none of them in a cycle: to look through them for cycles again and
    again costs an eighth of our processor time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _impatient(settings: ClusterSettings) -> ClusterSettings:
    """For short questions: while one waits for a broker that is down, partitions that have moved from it wait, too."""
    return replace(settings, request_timeout_ms=min(settings.request_timeout_ms, _ASK_TIMEOUT_MS))


def _unfinished(journal: Journal, positions: Iterable[Position], dest: Wire, in_flight: int) -> Iterator[Track]:
    positions = [position for position in positions if not position.done]
    producer = journal.producer()
    if producer is None:
        producer = _patiently(lambda: _new_producer(dest))
        journal.remember_producer(producer)
    topics = {position.begun.dest_topic for position in positions}
    # What the broker does not tell is taken to be Kafka's default: a topic may be missing, as its partitions will hear.
    takes = dict.fromkeys(topics, Taking(stamps=False, max_message_bytes=None))
    takes |= _patiently(lambda: taking(dest, topics))
    # Half of it: clocks differ, and brokers look only now and then.
    fresh_ms = (producer_memory_ms(dest) or 0) // 2 if in_flight > 1 else 0
    for position in positions:
        topic = takes[position.begun.dest_topic]
        yield Track(
            begun=position.begun,
            destination=Destination(
                timestamp_type="LogAppendTime" if topic.stamps else "CreateTime",
                max_message_bytes=topic.max_message_bytes,
            ),
            producer=producer,
            in_flight=in_flight,
            fresh_ms=fresh_ms,
            acknowledged=Boundary(position.source, position.rank, position.digest),
        )


def _new_producer(dest: Wire) -> Producer:
    """-1 where the destination refuses idempotence: then the position rule stands alone."""
    if not numbers_producers(dest):
        return Producer()
    told = new_producer(dest)
    if not isinstance(told, Failure):
        return Producer(id=told[0], epoch=told[1])
    if told.retriable:
        raise Unanswered(told.reason, retriable=True)
    return Producer()


class _Told:
    """Says how far it is, a few times a second at most, and why nothing moves."""

    def __init__(self, tracks: Tracks, emit: Emit) -> None:
        self._tracks, self._emit = tracks, emit
        self._at = 0.0

    def go_on(self) -> None:
        now, tracks = time.monotonic(), self._tracks
        if now - self._at < _TELL_SECONDS and tracks.open:
            return
        self._at = now
        self._emit(Progress(stage="offsets", done=tracks.done_offsets, total=tracks.total_offsets))
        self._emit(Progress(stage="bytes", done=tracks.sent_bytes, total=None))
        if now - tracks.moved_at > _SILENCE_SECONDS:
            self._emit(Waiting(reason=tracks.trouble or "no answer yet", seconds=now - tracks.moved_at))


def _give_up(tracks: Tracks, after_seconds: float) -> None:
    silence = time.monotonic() - tracks.moved_at
    if silence > after_seconds:
        reason = f"nothing moved for {silence:.0f} s: {tracks.trouble or 'no answer'}"
        for track in tracks.by_place.values():
            if not track.closed:
                tracks.fail(track, reason)


def _patiently(ask: Callable[[], T], tries: int = 50) -> T:
    """A cluster that has just started, or is electing, answers within seconds."""
    for left in reversed(range(tries)):
        try:
            return ask()
        except Unanswered as silence:
            if not silence.retriable or not left:
                raise KafkaMetaError(f"the destination does not tell what is needed: {silence.reason}") from silence
            time.sleep(_WAIT_SECONDS)
    raise AssertionError
