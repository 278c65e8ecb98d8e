"""Whether the source is quiet: two looks at its ends, positions and members."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kafka_meta.events import Emit, Waiting
from kafka_meta.journal import Place
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.prepare import Preparation, read_source
from kafka_meta.model import Remark, sorted_remarks
from kafka_meta.plan import Policy
from kafka_meta.plan.groups import liveness
from kafka_meta.settings import ClusterSettings

_QUIET_SECONDS = 1.0
"""Between the two: whoever writes or commits without a pause is seen, and who is a member of a group in any case.
A third look follows the copy, before positions are set."""


def is_quiet(
    source: ClusterSettings,
    prepared: Preparation,
    decided: Policy,
    emit: Emit,
    allowed: Allowed,
    found: Findings,
) -> bool:
    """A second look at ends, positions and members, some time after the first one."""
    pause = prepared.source.taken_at_ms / 1000 + _QUIET_SECONDS - time.time()
    if pause > 0:
        emit(Waiting(reason="a second look at the source will show whether it is quiet", seconds=pause))
        time.sleep(pause)
    moves = sorted_remarks(movements(source, prepared, decided, emit))
    for move in moves:
        if allowed.live_source:
            found.warn(move.resource, f"{move.reason}: the groups' positions will not be set yet")
        else:
            found.find(move.resource, f"{move.reason}; stop it, or copy meanwhile with --allow-live-source")
    return not moves


def movements(source: ClusterSettings, prepared: Preparation, decided: Policy, emit: Emit) -> Iterator[Remark]:
    """Who has written to, or read from, what is copied since the first look; and who is about to."""
    now = read_source(source, decided.selection, emit=emit, taken_at_ms=prepared.source.taken_at_ms)
    copied = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
    ends = _high_watermarks(prepared)
    for topic in now.topics or ():
        for partition in topic.partitions:
            place = (topic.name, partition.partition)
            then = ends.get(place)
            if place in copied and then is not None and partition.end_offset not in (None, then):
                yield Remark(
                    resource=f"{topic.name}-{partition.partition}",
                    reason=f"somebody writes to it on the source: its end was {then}, now it is {partition.end_offset}",
                )
    before = {(group.id, group.source): group for group in prepared.source.groups or ()}
    for group in now.groups or ():
        offsets = {(each.topic, each.partition): each.offset for each in group.offsets or ()}
        if not offsets.keys() & copied:
            continue
        if (alive := liveness(group)) is not None:
            yield Remark(resource=f"group {group.id}", reason=f"its consumers run on the source: {alive}")
        old = before.get((group.id, group.source))
        positions = {(each.topic, each.partition): each.offset for each in (old.offsets if old else None) or ()}
        moved = [place for place in offsets.keys() & copied if positions.get(place) != offsets[place]]
        if moved:
            topic_name, number = min(moved)
            yield Remark(
                resource=f"group {group.id}",
                reason=f"it reads on the source: its position on {topic_name}-{number} was "
                f"{positions.get((topic_name, number))}, now it is {offsets[topic_name, number]}",
            )


def _high_watermarks(prepared: Preparation) -> dict[Place, int]:
    """The ends of the first look, as the second one reads them."""
    ends = {
        (topic.name, partition.partition): partition.end_offset
        for topic in prepared.source.topics or ()
        for partition in topic.partitions
        if partition.end_offset is not None
    }
    held = {(each.topic, each.partition): each.high_watermark for each in prepared.open_transactions}
    return {**ends, **held}
