"""Where a copy stands, from the one place that knows: the destination's log end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka_meta.journal import Begun, Place
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.partitions import Failure, Leader, leaders, listed_offsets, log_ends


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """Everything below `offset` is on all replicas that count."""

    leader: Leader
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recreated(Failure):
    """The topic has the name of the one that is being copied, and is another."""


def look_at_destination(wire: Wire, begun: Iterable[Begun]) -> dict[Place, LogEnd | Failure]:
    """By source topic and partition. A log end above the high watermark is a failure that passes: what lies between
    could still be lost with its leader."""
    places = {(each.dest_topic, each.partition): each for each in begun}
    found = _leaders(wire, places, {place: each.dest_topic_id for place, each in places.items()})
    led = {place: leader for place, leader in found.items() if isinstance(leader, Leader)}
    ends = log_ends(wire, led)
    replicated = listed_offsets(wire, {place: led[place] for place, end in ends.items() if isinstance(end, int)})
    result: dict[Place, LogEnd | Failure] = {}
    for place, each in places.items():
        leader, end, high_watermark = found[place], ends.get(place), replicated.get(place)
        if isinstance(leader, Failure):
            result[each.place] = leader
        elif isinstance(end, int) and isinstance(high_watermark, int):
            if high_watermark >= end:
                result[each.place] = LogEnd(leader=leader, offset=end)
            else:
                reason = f"its log ends at {end}, and replicas have it up to {high_watermark}"
                result[each.place] = Failure(reason=reason, retriable=True)
        else:
            failed = [told for told in (end, high_watermark) if isinstance(told, Failure)]
            result[each.place] = failed[0] if failed else Failure(reason="not told by the broker", retriable=True)
    return result


def look_at_source(wire: Wire, begun: Iterable[Begun]) -> dict[Place, Leader | Failure]:
    """The leaders to fetch from."""
    return _leaders(wire, {each.place: each for each in begun}, {each.place: each.source_topic_id for each in begun})


def _leaders(
    wire: Wire, places: Mapping[Place, Begun], ids: Mapping[Place, str | None]
) -> dict[Place, Leader | Failure]:
    try:
        told = leaders(wire, (topic for topic, _ in places))
    except Unanswered as silence:
        return dict.fromkeys(places, Failure(reason=silence.reason, retriable=silence.retriable))
    found: dict[Place, Leader | Failure] = {}
    for topic, partition in places:
        place = (topic, partition)
        missing = Failure(reason=f"topic {topic} has no such partition", retriable=False)
        leader = told.get(place) or told.get((topic, -1)) or missing
        expected = ids[place]
        if isinstance(leader, Leader) and None not in (expected, leader.topic_id) and leader.topic_id != expected:
            reason = f"topic {topic} has been recreated: its id was {expected}, now it is {leader.topic_id}"
            leader = Recreated(reason=reason, retriable=False)
        found[place] = leader
    return found
