"""A check of what has arrived, beside the copy: when the copy ends, only its tail is left to be read."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from threading import Event as Signal

from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Event
from kafka_meta.journal import Journal, Place
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import check

EVERY_S = 20.0
"""A copy that is over by then is checked afterwards alone."""
_RESTS = 3
"""For so many times as long as it has worked it rests: the copy keeps its speed."""


class _Ended(Exception):
    """The copy is over."""


@contextmanager
def rolling_check(
    dest: ClusterSettings, journal: Journal, places: Collection[Place], *, memory_bytes: int, every_s: float = EVERY_S
) -> Iterator[None]:
    """While the block runs, what has arrived of these partitions is compared with the digests of what was sent, every
    `every_s` seconds; the journal keeps how far. Only the destination is read.

    What cannot be told by digests, what differs, and what cannot be read is left to the check after the copy, which
    tells it.
    """
    over = Signal()
    working = background(lambda: _roll(dest, journal, set(places), memory_bytes, every_s, over))
    try:
        yield
    finally:
        over.set()
    # Not after ^C: it may wait for an answer.
    working.result()


def _roll(
    dest: ClusterSettings, journal: Journal, places: set[Place], memory_bytes: int, every_s: float, over: Signal
) -> None:
    def emit(event: Event) -> None:
        if over.is_set():
            raise _Ended

    pause_s = every_s
    with suppress(_Ended):
        while not over.wait(pause_s):
            began = time.monotonic()
            with Journal(journal.path, source_id=journal.source_id, dest_id=journal.dest_id) as ours:
                _check_what_is_new(dest, ours, places, memory_bytes, emit)
            pause_s = max(every_s, _RESTS * (time.monotonic() - began))


def _check_what_is_new(
    dest: ClusterSettings, journal: Journal, places: set[Place], memory_bytes: int, emit: Emit
) -> None:
    """What is not found equal leaves `places`."""
    new = [each for each in journal.positions() if each.begun.place in places and each.verified.rank < each.rank]
    if not new:
        return
    # What a destination that is down for a while does not tell is asked for the next time.
    with suppress(KafkaMetaError):
        for each in check(dest, new, journal=journal, memory_bytes=memory_bytes, emit=emit):
            if not each.equal:
                places.discard(each.position.begun.place)
