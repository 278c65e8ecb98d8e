"""What can be said of a copy without reading records: whether its log is the same one, and where it begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka_meta.events import Emit
from kafka_meta.journal import Place, Position
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify.checked import dest_place
from kafka_meta.wire import Unanswered, Wire
from kafka_meta.wire.partitions import Failure, Leader, Recreated, led, log_bounds
from kafka_meta.wire.patience import patiently, reconnect


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """The log's bounds on the destination; None where one is not known."""

    start: int | None
    end: int | None
    failure: Failure | None = None


def look_there(dest: ClusterSettings, positions: Sequence[Position], emit: Emit) -> dict[Place, There]:
    """By the destination's topic and partition. Waits for leaders that are being elected, for some seconds."""
    if not positions:
        return {}
    found: dict[Place, There] = {}
    with reconnect(dest, emit=emit) as connection:

        def ask() -> dict[Place, There]:
            found.update(_bounds(connection, positions))
            for there in found.values():
                if there.failure is not None and there.failure.retriable:
                    raise Unanswered(there.failure.reason, retriable=True)
            return found

        try:
            return patiently(ask, emit=emit)
        except Unanswered:
            return found


def _bounds(connection: Wire, positions: Sequence[Position]) -> dict[Place, There]:
    told = led(connection, {dest_place(each): each.begun.dest_topic_id for each in positions})
    leaders = {place: leader for place, leader in told.items() if isinstance(leader, Leader)}
    starts, ends, uncertain = log_bounds(connection, leaders)
    found: dict[Place, There] = {}
    for position in positions:
        place = dest_place(position)
        leader, start, end = told[place], starts.get(place), ends.get(place)
        failed = next((each for each in (leader, start, end) if isinstance(each, Failure)), None)
        if failed is None and isinstance(end, int) and end < position.dest_end and place in uncertain:
            failed = Failure(reason=f"its log ends at {end}, {position.dest_end} is expected", retriable=True)
        elif failed is None and (start is None or end is None):
            failed = Failure(reason="its leader did not answer", retriable=True)
        found[place] = There(
            start=start if isinstance(start, int) else None, end=end if isinstance(end, int) else None, failure=failed
        )
    return found


def recreated(there: There) -> bool:
    return isinstance(there.failure, Recreated)
