"""Both sides record by record, where the destination does not keep the batches that were sent.

In steps, all that is in a step on both sides: what is equal then is kept, and never read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka_meta.batches import Batch, Digest, MalformedBatch
from kafka_meta.events import Emit, Event, Progress
from kafka_meta.journal import Journal, Place, Position, Verified
from kafka_meta.logs import Lost, Span, read
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify.checked import Checked, dest_place

STEP_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """The records from what is verified up to source offset `source`, which has `rank`."""

    position: Position
    source: int
    rank: int

    @property
    def here(self) -> Span:
        return Span(self.position.verified.source, self.source)

    @property
    def there(self) -> Span:
        base = self.position.begun.base
        return Span(base + self.position.verified.rank, base + self.rank)

    @property
    def complete(self) -> bool:
        return self.source == self.position.source


def by_records(
    source: ClusterSettings,
    dest: ClusterSettings,
    positions: Sequence[Position],
    *,
    stamped: set[str],
    journal: Journal | None,
    emit: Emit,
) -> Iterator[Checked]:
    """Compares what is not verified yet. `stamped` are the destination topics that set the timestamps of their records:
    timestamps are not compared there.

    The content is "not compared" where the source no longer has what was copied. With a journal it keeps there what is
    equal; without one there is a single step.
    """
    begun = {each.begun.place: each.verified for each in positions}
    left = {each.begun.place: each for each in positions}
    meter = _Meter(positions, emit)
    while left:
        steps = {each.position.begun.place: each for each in _next_steps(left.values(), journal)}
        timed = {each.begun.place: each.begun.dest_topic not in stamped for each in left.values()}
        here = {place: step.here for place, step in steps.items()}
        there = {dest_place(step.position): step.there for step in steps.values()}
        timed_there = {dest_place(step.position): timed[place] for place, step in steps.items()}
        sent, lost_here = _digests(source, here, timed, "source", meter.emit)
        found, lost_there = _digests(dest, there, timed_there, "destination", meter.emit)
        meter.passed(steps.values())
        equal: dict[Place, Verified] = {}
        for place, step in steps.items():
            there_place = dest_place(step.position)
            arrived = found[there_place]
            wrong = _wrong(step, sent[place], arrived, lost_here.get(place), lost_there.get(there_place))
            earlier, before = begun[place].rank, step.position.verified.rank
            if wrong is not None:
                del left[place]
                counted = arrived.records + before if wrong.arrived is not None else None
                yield replace(wrong, arrived=counted, earlier=earlier, now=before - earlier)
                continue
            equal[place] = _verified(step)
            if step.complete:
                del left[place]
                now = step.rank - earlier
                yield Checked(position=step.position, arrived=step.rank, content="equal", earlier=earlier, now=now)
            else:
                left[place] = replace(step.position, verified=equal[place])
        if journal is not None:
            journal.keep_verified(equal)


def _next_steps(left: Iterable[Position], journal: Journal | None) -> Iterator[_Step]:
    """Of as many partitions as make up a step's bytes."""
    budget = STEP_BYTES
    for position in left:
        at, copied = position.verified.source, position.source - position.begun.start
        size_bytes = position.size_bytes * (position.source - at) // max(1, copied)
        end = position.source
        if journal is not None and size_bytes > budget:
            end = at + max(1, (position.source - at) * budget // size_bytes)
        rank = position.rank if journal is None or end == position.source else journal.rank(*position.begun.place, end)
        assert rank is not None  # the copy has passed it
        yield _Step(position=position, source=end, rank=rank)
        budget -= size_bytes
        if budget <= 0:
            return


def _wrong(
    step: _Step, sent: Digest, arrived: Digest, lost_here: Lost | None, lost_there: Lost | None
) -> Checked | None:
    """Why this step is not equal; None when it is. Records of the step alone are counted."""
    position, due = step.position, step.rank - step.position.verified.rank
    if lost_there is not None:
        return lost(position, arrived, lost_there)
    if lost_here is not None or sent.records != due:
        reason = f"the source has {sent.records} of {due} records left" if lost_here is None else lost_here.reason
        return Checked(position=position, arrived=arrived.records, content="not compared", reason=reason)
    if arrived == sent:
        return None
    reason = f"{arrived.records} records are there, {sent.records} on the source; they differ"
    return Checked(position=position, arrived=arrived.records, content="different", reason=reason)


def _verified(step: _Step) -> Verified:
    if not step.complete:
        return Verified(source=step.source, rank=step.rank, digest=None)
    digest = step.position.digest
    return Verified(source=step.source, rank=step.rank, digest=digest, read=digest)


def lost(position: Position, found: Digest, lost: Lost) -> Checked:
    """Missing records are a difference. Records that could not be read are unknown."""
    if lost.gone:
        return Checked(position=position, arrived=found.records, content="different", reason=lost.reason)
    return Checked(position=position, arrived=None, content="not compared", reason=lost.reason)


def _digests(
    settings: ClusterSettings, spans: Mapping[Place, Span], timed: Mapping[Place, bool], stage: str, emit: Emit
) -> tuple[dict[Place, Digest], dict[Place, Lost]]:
    digests = dict.fromkeys(spans, Digest())
    lost: dict[Place, Lost] = {}
    for place, piece in read(settings, spans, stage=stage, emit=emit):
        if isinstance(piece, Lost):
            lost.setdefault(place, piece)
        elif place in lost or piece.aborted or (isinstance(piece.batch, Batch) and piece.batch.header.control):
            pass
        else:
            span = spans[place]
            try:
                digests[place] = digests[place].with_records(
                    piece.batch, start=span.start, end=span.end, timestamps=timed[place]
                )
            except MalformedBatch as error:
                lost[place] = Lost(reason=error.message, gone=True, damaged=True)
    return digests, lost


class _Meter:
    """The progress of all steps together: each one would begin at zero again."""

    def __init__(self, positions: Sequence[Position], emit: Emit) -> None:
        self._emit = emit
        self._total = {
            "source": sum(each.source - each.verified.source for each in positions),
            "destination": sum(each.rank - each.verified.rank for each in positions),
        }
        self._done = dict.fromkeys(self._total, 0)

    def emit(self, event: Event) -> None:
        if isinstance(event, Progress):
            event = replace(event, done=self._done[event.stage] + event.done, total=self._total[event.stage])
        self._emit(event)

    def passed(self, steps: Iterable[_Step]) -> None:
        for step in steps:
            self._done["source"] += step.here.end - step.here.start
            self._done["destination"] += step.there.end - step.there.start
