"""How far a copy is, how fast, and how long it will take: from the events of the stages "offsets" and "bytes"."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from kafka_meta.events import Progress
from kafka_meta.render import size

COPYING = ("offsets", "bytes")
SHARES = ("checking", "measuring", "source", "destination")
"""Stages of reading: what they count is offsets, so a share says more than two long numbers."""

_WINDOW_SECONDS = 10.0


class Rates:
    """Rates over the last seconds, not since the start, so that a pause shows at once and is soon over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._offsets: deque[tuple[float, int]] = deque()
        self._bytes: deque[tuple[float, int]] = deque()
        self.done = 0
        self.total: int | None = None

    def take(self, event: Progress) -> None:
        seen = self._offsets if event.stage == "offsets" else self._bytes
        now = self._clock()
        seen.append((now, event.done))
        while len(seen) > 2 and now - seen[1][0] >= _WINDOW_SECONDS:
            seen.popleft()
        if event.stage == "offsets":
            self.done, self.total = event.done, event.total

    @property
    def offsets_a_second(self) -> float:
        return _rate(self._offsets)

    @property
    def bytes_a_second(self) -> float:
        return _rate(self._bytes)

    @property
    def seconds_left(self) -> float | None:
        """None while it is not known."""
        offsets = self.offsets_a_second
        return (self.total - self.done) / offsets if offsets and self.total is not None else None

    def note(self) -> str:
        """As `pace`."""
        return pace(self.done, self.total, self.offsets_a_second, self.bytes_a_second, self.seconds_left)


def pace(
    done: int, total: int | None, offsets_a_second: float, bytes_a_second: float, seconds_left: float | None
) -> str:
    """`64 %  1.93 M/s  176.0 MB/s  0:00:41 left`; what is not known yet is left out."""
    words = [share(done, total)]
    if offsets_a_second:
        words.append(f"{_count(offsets_a_second)}/s")
    if bytes_a_second:
        words.append(f"{size(bytes_a_second)}/s")
    if seconds_left:
        words.append(f"{_duration(seconds_left)} left")
    return "  ".join(words)


def share(done: int, total: int | None) -> str:
    """Rounded down: 100 % is said when it is over."""
    if total is None:
        return "? %"
    return f"{done * 100 // total if total else 100} %"


def _rate(seen: deque[tuple[float, int]]) -> float:
    if len(seen) < 2:
        return 0.0
    (first, before), (last, after) = seen[0], seen[-1]
    return max(0, after - before) / (last - first) if last > first else 0.0


def _count(records: float) -> str:
    for unit in ("", " k", " M"):
        if records < 1000 or unit == " M":
            return f"{records:.0f}{unit}" if unit == "" else f"{records:.2f}{unit}"
        records /= 1000
    raise AssertionError


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
