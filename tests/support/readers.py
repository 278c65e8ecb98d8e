"""A `LogReader` on a real cluster, for tests of what it asks for and of what comes of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka_meta.logs.reader import LogReader, Memory
from kafka_meta.playground import Cluster
from kafka_meta.wire import connect
from kafka_meta.wire.lines import Answers
from tests.support.mirroring import settings

PATIENCE_SECONDS = 60.0


@contextmanager
def reader_of(
    cluster: Cluster, answers: Answers | None = None, request_bytes: int = 1 << 20
) -> Iterator[tuple[LogReader, Callable[[int], list[Any]]]]:
    """A reader, and what works on until so many events have come."""
    side = settings(cluster, "source")
    hears = answers or Answers()
    with connect(side) as wire:
        memory = Memory(total_bytes=1 << 24, free_bytes=1 << 24)
        reader = LogReader(side, wire, hears, memory, request_bytes=request_bytes)

        def events(count: int) -> list[Any]:
            found: list[Any] = []
            until = time.monotonic() + PATIENCE_SECONDS
            while len(found) < count and reader.silent_seconds < 30 and time.monotonic() < until:
                reader.go_on()
                hears.take(0.2)
                found += reader.take()
            return found

        try:
            yield reader, events
        finally:
            reader.close()
