"""How far a copy is, from the only place that knows: the end of the destination's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka_meta.journal import Begun, Place
from kafka_meta.wire.connection import Wire
from kafka_meta.wire.partitions import Failure, Leader, led, listed_offsets, log_ends


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """Every record below `offset` is on all in-sync replicas."""

    leader: Leader
    offset: int


def look_at_destination(
    wire: Wire, begun: Iterable[Begun], epochs: Mapping[Place, int]
) -> dict[Place, LogEnd | Failure]:
    """By source topic and partition. A log end above the high watermark is a retriable failure: the records in between
    could still be lost with the leader. `epochs` are the highest that were seen of the destination's leaders. A leader
    of an earlier epoch is a retriable failure: it has been replaced, and its log may lack what was acknowledged."""
    places = {(each.dest_topic, each.partition): each for each in begun}
    seen = {place: epochs[each.place] for place, each in places.items() if each.place in epochs}
    found = led(wire, {place: each.dest_topic_id for place, each in places.items()}, seen)
    known = {place: leader for place, leader in found.items() if isinstance(leader, Leader)}
    ends = log_ends(wire, known)
    replicated = listed_offsets(wire, {place: known[place] for place, end in ends.items() if isinstance(end, int)})
    result: dict[Place, LogEnd | Failure] = {}
    for place, each in places.items():
        leader, end, high_watermark = found[place], ends.get(place), replicated.get(place)
        if isinstance(leader, Failure):
            result[each.place] = leader
        elif isinstance(end, int) and isinstance(high_watermark, int):
            if high_watermark >= end:
                result[each.place] = LogEnd(leader=leader, offset=end)
            else:
                reason = f"its log ends at {end}, but the replicas have it up to {high_watermark}"
                result[each.place] = Failure(reason=reason, retriable=True)
        else:
            failed = [told for told in (end, high_watermark) if isinstance(told, Failure)]
            result[each.place] = failed[0] if failed else Failure(reason="the broker did not return it", retriable=True)
    return result
