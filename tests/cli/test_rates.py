"""How far, how fast, how long: what a copy's events say of it."""

from __future__ import annotations

from kafka_meta.cli.rates import Rates, share
from kafka_meta.events import Progress


def test_rates_are_those_of_the_last_seconds() -> None:
    now = 0.0
    rates = Rates(clock=lambda: now)
    for second in range(31):
        now = float(second)
        done = (
            1_000_000 if second <= 20 else 1_000_000 + (second - 20) * 500_000
        )  # a pause, then half a million a second
        rates.take(Progress(stage="offsets", done=done, total=10_000_000))
        rates.take(Progress(stage="bytes", done=done * 100, total=None))
    assert rates.note() == "60 %  500.00 k/s  50.0 MB/s  0:00:08 left"


def test_what_is_not_known_yet_is_left_out() -> None:
    rates = Rates(clock=lambda: 0.0)
    assert rates.note() == "? %"
    rates.take(Progress(stage="offsets", done=0, total=100))
    assert rates.note() == "0 %"


def test_a_share_is_whole_only_when_everything_is_done() -> None:
    assert (share(999, 1000), share(1000, 1000), share(0, 0)) == ("99 %", "100 %", "100 %")
