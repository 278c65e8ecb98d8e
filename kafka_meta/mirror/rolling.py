"""A check of what has arrived, beside the copy: when the copy ends, only its tail is left to be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from threading import Event as Signal

from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Event
from kafka_meta.journal import Journal, Place
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Checked, check
from kafka_meta.wire import Unanswered

EVERY_S = 20.0
"""A copy that is over by then is checked afterwards alone."""
_RESTS = 3
"""For so many times as long as it has worked it rests: the copy keeps its speed."""
_CHECK_SHARE = 8
"""The check has this part of the memory."""
_ENOUGH_FOR_BOTH_BYTES = 2 << 20


def memory_for_check(memory_bytes: int) -> int:
    """How much of this the check has; 0 where all of it is for the copy, which is then checked afterwards alone."""
    return memory_bytes // _CHECK_SHARE if memory_bytes >= _ENOUGH_FOR_BOTH_BYTES else 0


def _nobody(each: Checked) -> None:
    """Hears nothing."""


class _Ended(Exception):
    """The copy is over."""


@contextmanager
def rolling_check(
    dest: ClusterSettings,
    journal: Journal,
    places: Callable[[], Collection[Place]],
    *,
    memory_bytes: int,
    every_s: float = EVERY_S,
    tell: Callable[[Checked], None] = _nobody,
) -> Iterator[None]:
    """While the block runs, what has arrived of these partitions is compared with the digests of what was sent, every
    `every_s` seconds; the journal keeps how far. Only the destination is read. Without memory nothing is done. Which
    partitions they are is asked for each time.

    What cannot be told by digests, what differs, and what cannot be read is told, and not looked at again: the check
    after the copy does that.
    """
    if not memory_bytes:
        yield
        return
    over = Signal()
    roll = _Roll(dest, journal, places, memory_bytes, tell)
    working = background(lambda: roll.run(every_s, over))
    try:
        yield
    finally:
        over.set()
    # Not after ^C: it may wait for an answer.
    working.result()


class _Roll:
    """Everything happens on the thread that calls `run`."""

    def __init__(
        self,
        dest: ClusterSettings,
        journal: Journal,
        places: Callable[[], Collection[Place]],
        memory_bytes: int,
        tell: Callable[[Checked], None],
    ) -> None:
        self._dest, self._memory_bytes, self._tell = dest, memory_bytes, tell
        self._journal = journal
        self._places = places
        self._left_out: set[Place] = set()
        """What was not found equal."""

    def run(self, every_s: float, over: Signal) -> None:
        def emit(event: Event) -> None:
            if over.is_set():
                raise _Ended

        pause_s = every_s
        with suppress(_Ended):
            while not over.wait(pause_s):
                began = time.monotonic()
                # What a destination that is down for a while does not tell is asked for the next time.
                with suppress(KafkaMetaError, Unanswered), self._journal.again() as ours:
                    self._check_what_is_new(ours, emit)
                pause_s = max(every_s, _RESTS * (time.monotonic() - began))

    def _check_what_is_new(self, journal: Journal, emit: Emit) -> None:
        places = self._places()
        new = [
            each
            for each in journal.positions()
            if each.begun.place in places and each.begun.place not in self._left_out and each.verified.rank < each.rank
        ]
        if not new:
            return
        for each in check(self._dest, new, journal=journal, memory_bytes=self._memory_bytes, emit=emit):
            if each.content != "equal":
                self._left_out.add(each.position.begun.place)
                self._tell(each)
