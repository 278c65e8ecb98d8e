"""What a copier tells `--status` while it runs: who it is, what it does, how fast, and what it waits for."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from kafka_meta.cli.rates import COPYING, Rates
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Event, Progress, Waiting
from kafka_meta.journal import Copier, Following, Journal

_TELL_SECONDS = 2.0
_WAIT_COUNTS_SECONDS = 2.0
"""Of a copy that goes on: a wait that is not told again is over."""


class Told:
    """A context manager for the time of a copy. Writes into the journal every two seconds at most."""

    def __init__(self, journal: Journal, *, since_ms: int) -> None:
        self._journal = journal
        self._copier = Copier(host=socket.gethostname(), pid=os.getpid(), since_ms=since_ms, told_ms=since_ms)
        self._rates = Rates()
        self._told_at = 0.0
        self._waited_at = 0.0

    def __enter__(self) -> Self:
        self._tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copier = replace(self._copier, ended=True, waiting_for=None)
        with suppress(KafkaMetaError):  # what has ended the copy is more important, or another copier has taken over
            self._tell()

    def emit(self, event: Event) -> None:
        before = self._copier.stage, self._copier.waiting_for
        if isinstance(event, Waiting):
            self._copier = replace(self._copier, waiting_for=event.reason)
            self._waited_at = time.monotonic()
        elif isinstance(event, Progress):
            self._copier = self._moved(event)
        begins = (self._copier.stage, self._copier.waiting_for is None) != (before[0], before[1] is None)
        if begins or time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._tell()

    def follow(self, standing: Following) -> None:
        waits = time.monotonic() - self._waited_at < _WAIT_COUNTS_SECONDS
        waiting_for = self._copier.waiting_for if waits else None
        self._copier = replace(self._copier, following=standing, waiting_for=waiting_for)
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._tell()

    def _moved(self, event: Progress) -> Copier:
        if event.stage not in COPYING:
            return replace(
                self._copier,
                stage=event.stage,
                done=event.done,
                total=event.total,
                offsets_a_second=None,
                bytes_a_second=None,
                seconds_left=None,
                waiting_for=None,
            )
        rates = self._rates
        before = rates.done
        rates.take(event)
        return replace(
            self._copier,
            stage="copying",
            done=rates.done,
            total=rates.total,
            offsets_a_second=rates.offsets_a_second,
            bytes_a_second=rates.bytes_a_second,
            seconds_left=rates.seconds_left,
            # While nothing moves, progress is still reported.
            waiting_for=self._copier.waiting_for if rates.done == before else None,
        )

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._copier = replace(self._copier, told_ms=round(time.time() * 1000))
        self._journal.tell(self._copier)
