"""Records of somebody else behind a complete copy, looked for before positions are set."""

from __future__ import annotations

from collections.abc import Iterable

from kafka_meta import wire
from kafka_meta.journal import Place, Position
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.partitions import Failure, Leader, led, log_ends


def foreign_records(dest: ClusterSettings, positions: Iterable[Position]) -> dict[Place, str]:
    """By source partition, for complete copies whose log does not end at base + rank: which offsets somebody else has
    written, or why this is not known.

    Raises KafkaMetaError when the destination does not answer.
    """
    complete = {(each.begun.dest_topic, each.begun.partition): each for each in positions if each.done}
    if not complete:
        return {}
    with wire.connect(dest) as connection:
        epochs = {place: each.dest_epoch for place, each in complete.items() if each.dest_epoch is not None}
        told = led(connection, dict.fromkeys(complete), epochs)
        ends = log_ends(connection, {place: leader for place, leader in told.items() if isinstance(leader, Leader)})
    found: dict[Place, str] = {}
    for place, position in complete.items():
        end = ends.get(place, told[place])
        if isinstance(end, int):
            if end != position.dest_end:
                found[position.begun.place] = _difference(position.dest_end, end)
        else:
            reason = end.reason if isinstance(end, Failure) else "its leader did not answer"
            found[position.begun.place] = f"its log end on the destination could not be read: {reason}"
    return found


def _difference(expected: int, end: int) -> str:
    if end < expected:
        return f"its log on the destination ends at {end}, and the copy at {expected}: it was truncated"
    offsets = f"offset {expected} is" if end == expected + 1 else f"offsets {expected} to {end - 1} are"
    return f"{offsets} on the destination and not of this copy: somebody else has written there"
