"""Whether the clock of this machine is right. Limits and dates of a copy are counted by the brokers' clock."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.mirror.findings import Findings
from kafka_meta.model import Resource
from kafka_meta.quantities import duration
from kafka_meta.wire import Wire
from kafka_meta.wire.clock import TOLERATED_MS, clock_ahead_ms, in_words

_MACHINE = Resource("this machine")


def look_at_clock(
    to_dest: Wire, from_source: Wire, youngest_ms: Mapping[str, int], now_ms: int, found: Findings
) -> int:
    """By how many milliseconds the brokers' clock is ahead of this machine's: the destination's, or else the source's;
    0 where neither tells. `youngest_ms`: topic → the largest timestamp of its records; `now_ms` is this machine's."""
    ahead_ms = clock_ahead_ms(to_dest)
    side = "destination"
    if ahead_ms is None:
        ahead_ms, side = clock_ahead_ms(from_source), "source"
    if ahead_ms is not None:
        if abs(ahead_ms) > TOLERATED_MS:
            found.warn(_MACHINE, in_words(ahead_ms, f"the {side}"))
        return ahead_ms
    ahead = {topic: at_ms - now_ms for topic, at_ms in youngest_ms.items() if at_ms - now_ms > TOLERATED_MS}
    if ahead:
        topic = max(ahead, key=lambda name: ahead[name])
        found.warn(
            _MACHINE,
            f"its clock and the records disagree by {duration(ahead[topic] / 1000)} (the youngest record of "
            f"{topic}), and the brokers do not tell their time: one of both is wrong",
        )
    return 0
