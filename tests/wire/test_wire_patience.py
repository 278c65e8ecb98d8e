"""Silence, as whoever looks again and again sees it."""

from __future__ import annotations

import pytest

from kafka_meta.wire import patience
from kafka_meta.wire.patience import Silence


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def test_silence_is_as_long_as_it_was_looked_at(clock: Clock) -> None:
    silence = Silence()
    for _ in range(10):
        clock.now += 0.2
        silence.look()
    assert silence.seconds == pytest.approx(2)
    silence.broken()
    assert silence.seconds == 0


def test_the_time_for_which_the_process_was_stopped_is_no_silence(clock: Clock) -> None:
    silence = Silence()
    clock.now += 3600
    silence.look()
    assert silence.seconds <= 1
