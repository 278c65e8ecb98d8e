"""What arrives while a copy decides: answers of channels and of look-ups, one after the other on the copy's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from kafka_meta.model import Broker
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.channel import Channel, close_all


class Answers:
    """A queue of what to do now."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def to(self, heard: Callable[..., None], *context: Any) -> Callable[[Any], None]:
        """Takes an answer on any thread; `heard(answer, *context)` follows on the copy's own."""
        return lambda answer: self._waiting.put(lambda: heard(answer, *context))

    def meanwhile(self, ask: Callable[[], Any], heard: Callable[[Any], None]) -> None:
        """Asks on a thread of its own. An error is raised where the answer would have been heard."""

        def work() -> None:
            future: Future[Any] = Future()
            try:
                future.set_result(ask())
            except Exception as error:
                future.set_exception(error)
            self._waiting.put(lambda: heard(future.result()))

        threading.Thread(target=work, name="look-up", daemon=True).start()

    def take(self, wait_seconds: float) -> None:
        """Waits for something to happen, so long at most, and takes whatever else has happened."""
        try:
            self._waiting.get(timeout=wait_seconds)()
            while True:
                self._waiting.get_nowait()()
        except Empty:
            pass


@dataclass(slots=True, kw_only=True)
class Line:
    """A channel, and how many requests are under way on it."""

    channel: Channel
    under_way: int = 0


class Lines:
    """So many channels of a depth to each broker of a cluster, made when they are needed."""

    def __init__(self, settings: ClusterSettings, *, count: int, depth: int) -> None:
        self._settings = settings
        self._count, self._depth = count, depth
        self._lines: dict[int, list[Line]] = {}

    def free(self, broker: Broker) -> list[Line]:
        """Those that can take another request, the least busy one first."""
        lines = self._lines.setdefault(broker.id, [])
        for line in list(lines):
            if not line.under_way and not self._usable(line, broker):
                line.channel.close()
                lines.remove(line)
        while len(lines) < self._count:
            lines.append(Line(channel=Channel(self._settings, broker, depth=self._depth)))
        found = [line for line in lines if line.under_way < self._depth and self._usable(line, broker)]
        return sorted(found, key=lambda line: line.under_way)

    def _usable(self, line: Line, broker: Broker) -> bool:
        """A broker that has moved to another address needs new ones."""
        return not line.channel.dead and line.channel.broker == broker

    def quiet(self, broker: Broker) -> bool:
        """Whether nothing is under way to it."""
        return not any(line.under_way for line in self._lines.get(broker.id, ()))

    def close(self) -> None:
        close_all(line.channel for lines in self._lines.values() for line in lines)
        self._lines.clear()
