"""Channels to every broker of a cluster, and one queue for all answers that arrive on them.

The owner decides on its own thread. There it gets answers and the results of look-ups, one after the other.
"""

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
from kafka_meta.wire.contact import side_of
from kafka_meta.wire.logins import Logins


class Answers:
    """A queue of calls that are to be made on the owner's thread."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def to(self, heard: Callable[..., None], *context: Any) -> Callable[[Any], None]:
        """A function that accepts an answer on any thread. Then `take` calls `heard(answer, *context)` on its own
        thread."""
        return lambda answer: self._waiting.put(lambda: heard(answer, *context))

    def meanwhile(self, ask: Callable[[], Any], heard: Callable[[Any], None]) -> None:
        """Calls `ask` on a new thread, and `heard` with its result in `take`. An error of `ask` is raised there,
        too."""

        def work() -> None:
            future: Future[Any] = Future()
            try:
                future.set_result(ask())
            except Exception as error:
                future.set_exception(error)
            self._waiting.put(lambda: heard(future.result()))

        threading.Thread(target=work, name="look-up", daemon=True).start()

    def take(self, wait_seconds: float) -> None:
        """Waits `wait_seconds` at most for the first call, and then makes all calls that are in the queue."""
        try:
            self._waiting.get(timeout=wait_seconds)()
            while True:
                self._waiting.get_nowait()()
        except Empty:
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A broker throttles us for so many seconds, because a quota is used up (KIP-219)."""

    side: str
    broker: int
    seconds: float

    @property
    def reason(self) -> str:
        return f"broker {self.broker} of the {self.side} makes us wait {self.seconds:.1f} s: our quota there is used up"


LEAST_BYTES = 1 << 16
_LONG_REST_SECONDS = 1.0


class Pace:
    """How many bytes a request to a broker, or its answer, may have.

    Half of it after a request was too large: it exceeded a quota, or the connection did not live long enough. A quarter
    more after any other request.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self.request_bytes = most_bytes

    def slower(self) -> None:
        self.request_bytes = max(LEAST_BYTES, self.request_bytes // 2)

    def faster(self) -> None:
        self.request_bytes = min(self._most_bytes, self.request_bytes * 5 // 4)


@dataclass(slots=True, kw_only=True)
class Line:
    """A channel, how many requests are under way on it, and the pace of its broker."""

    channel: Channel
    pace: Pace
    under_way: int = 0

    def answered(self, *, lost: bool) -> None:
        """A broker also accepts a request that exceeds a quota, and then throttles us for as long as it was too large.
        So smaller requests have shorter throttle times."""
        self.under_way -= 1
        if lost or self.channel.rest_seconds > _LONG_REST_SECONDS:
            self.pace.slower()
        else:
            self.pace.faster()


class Lines:
    """`count` channels of a depth to each broker of a cluster, made when they are needed."""

    def __init__(self, settings: ClusterSettings, *, count: int, depth: int, most_bytes: int) -> None:
        self._settings = settings
        self._count, self._depth, self._most_bytes = count, depth, most_bytes
        self._logins = Logins(for_ever=settings.asks_refused_logins_again)
        self._paces: dict[int, Pace] = {}
        self._lines: dict[int, list[Line]] = {}

    def free(self, broker: Broker) -> list[Line]:
        """Lines that can take another request, the least busy one first."""
        lines = self._lines.setdefault(broker.id, [])
        for line in list(lines):
            if not line.under_way and not self._usable(line, broker):
                line.channel.close()
                lines.remove(line)
        while len(lines) < self._count:
            pace = self._paces.setdefault(broker.id, Pace(self._most_bytes))
            channel = Channel(self._settings, broker, depth=self._depth, logins=self._logins)
            lines.append(Line(channel=channel, pace=pace))
        found = [line for line in lines if line.under_way < self._depth and self._usable(line, broker)]
        return sorted(found, key=lambda line: line.under_way)

    def _usable(self, line: Line, broker: Broker) -> bool:
        """Whether the line still serves. A broker that has moved to another address needs a new one."""
        return not line.channel.dead and line.channel.broker == broker

    def resting(self) -> Rest | None:
        """The broker with the longest throttle time that is left; None when no broker throttles us."""
        longest: Rest | None = None
        for lines in self._lines.values():
            for line in lines:
                seconds = line.channel.rest_seconds
                if seconds > (longest.seconds if longest else 0.0):
                    longest = Rest(side=side_of(self._settings), broker=line.channel.broker.id, seconds=seconds)
        return longest

    def quiet(self, broker: Broker) -> bool:
        """Whether no request to it is under way."""
        return not any(line.under_way for line in self._lines.get(broker.id, ()))

    def close(self) -> None:
        close_all(line.channel for lines in self._lines.values() for line in lines)
        self._lines.clear()
