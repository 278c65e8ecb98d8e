"""For clusters that have answered before: their brokers restart or elect leaders, and answer again after a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.contact import connect

PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.2
_LOOK_SECONDS = 1.0

T = TypeVar("T")


class Silence:
    """For how many seconds nothing has moved, as somebody sees it who looks again and again.

    Each look counts for what has passed since the last one, but for little at most. So the time for which the process
    was stopped (SIGSTOP, a suspended machine) or busy itself does not count: answers may have arrived meanwhile, and
    lost connections have not been replaced yet.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._looked_at = time.monotonic()

    def look(self) -> None:
        now = time.monotonic()
        self.seconds += min(now - self._looked_at, _LOOK_SECONDS)
        self._looked_at = now

    def broken(self) -> None:
        """Something has moved."""
        self.seconds = 0.0


def reconnect(settings: ClusterSettings, *, emit: Emit = silent) -> Wire:
    """As `connect`, for a cluster that has been reached before. Raises `KafkaMetaError` when the patience of the
    settings has ended."""
    until = time.monotonic() + settings.patience_s
    while True:
        try:
            return connect(settings)
        except KafkaMetaError as error:
            _wait(error, error.message, until, emit)


def patiently(ask: Callable[[], T], *, emit: Emit = silent, seconds: float = PATIENCE_SECONDS) -> T:
    """Repeats `ask` until it has an answer, and returns it. Raises `Unanswered` after `seconds`, or at once where
    asking again does not help."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Unanswered as silence:
            if not silence.retriable:
                raise
            _wait(silence, silence.reason, until, emit)


def _wait(error: Exception, reason: str, until: float, emit: Emit) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise error
    emit(Waiting(reason=reason, seconds=_PAUSE_SECONDS))
    time.sleep(min(left, _PAUSE_SECONDS))
