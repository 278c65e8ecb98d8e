"""Counts, content and positions: what the journal says was copied, against what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from kafka_meta import wire
from kafka_meta.batches import Batch, Digest
from kafka_meta.events import Emit
from kafka_meta.journal import GroupOffset, Place, Position
from kafka_meta.model import Remark
from kafka_meta.plan import Difference, Report
from kafka_meta.plan.report import KINDS
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify.reading import Lost, Span, read
from kafka_meta.wire import Unanswered
from kafka_meta.wire.configs import effective
from kafka_meta.wire.partitions import Leader, leaders, listed_offsets

Content: TypeAlias = Literal["equal", "different", "not compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partition's copy as it was found. `arrived` are the records from its base on, None when they could not be
    read: up to the end of a copy that is complete, of another up to the end of the log. `reason` says why the content,
    as far as it has been copied, is not equal."""

    position: Position
    arrived: int | None
    content: Content
    reason: str | None = None

    @property
    def equal(self) -> bool:
        return self.arrived == self.position.rank and self.content == "equal"


def check(
    dest: ClusterSettings,
    positions: Sequence[Position],
    *,
    source: ClusterSettings | None = None,
    both: bool = False,
    emit: Emit,
) -> Iterator[Checked]:
    """Each partition's copy, as its destination has it now; with `source`, both sides are read where the digest of the
    batches cannot tell, or with `both` everywhere. Records that others have written behind a complete copy do not
    count.

    Raises KafkaMetaError when a cluster cannot be reached.
    """
    ends = _log_ends(dest, [position for position in positions if not position.done])
    for each in _compared(dest, positions, source, both, emit):
        position = each.position
        end = ends.get((position.begun.dest_topic, position.begun.partition))
        more = end is not None and end > position.dest_end and each.content != "different"
        yield replace(each, arrived=end - position.begun.base) if more and end is not None else each


def _log_ends(dest: ClusterSettings, positions: Sequence[Position]) -> dict[Place, int]:
    """Of the destination's partitions, as far as they are told."""
    places = {(each.begun.dest_topic, each.begun.partition) for each in positions}
    if not places:
        return {}
    with wire.connect(dest) as connection:
        try:
            told = leaders(connection, {topic for topic, _ in places})
        except Unanswered:
            return {}
        led = {place: leader for place, leader in told.items() if place in places and isinstance(leader, Leader)}
        return {place: end for place, end in listed_offsets(connection, led).items() if isinstance(end, int)}


def _compared(
    dest: ClusterSettings, positions: Sequence[Position], source: ClusterSettings | None, both: bool, emit: Emit
) -> Iterator[Checked]:
    configs = _configs(dest, {position.begun.dest_topic for position in positions})
    kept: list[Position] = []
    anew: list[Position] = []
    for position in positions:
        as_it_came = configs[position.begun.dest_topic].get("compression.type", "producer") == "producer"
        (kept if as_it_came and not both else anew).append(position)
    yield from _by_batches(dest, kept, emit)
    if source is None:
        for position in anew:
            reason = "the destination compresses anew: only reading both sides can tell (--both)"
            yield Checked(position=position, arrived=None, content="not compared", reason=reason)
    else:
        stamped = {name for name, each in configs.items() if each.get("message.timestamp.type") == "LogAppendTime"}
        yield from check_both(source, dest, anew, stamped=stamped, emit=emit)


def _configs(dest: ClusterSettings, topics: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """What decides how a topic keeps batches; empty where the broker does not tell."""
    found: dict[str, Mapping[str, str]] = {}
    with wire.connect(dest) as connection:
        for topic, told in effective(connection, sorted(topics), ("compression.type", "message.timestamp.type")):
            found[topic] = {} if isinstance(told, Unanswered) else told
    return found


def report(dest: ClusterSettings, checked: Sequence[Checked], positions: Sequence[GroupOffset]) -> Report:
    """Partitions and groups' positions as an answer. `positions` are those that the mirror has set.

    A group that has read on since is as it should be. Raises KafkaMetaError when the destination cannot be reached.
    """
    differences: list[Difference] = []
    intended: list[Difference] = []
    unread: list[Remark] = []
    if not checked:
        unread.append(Remark(resource="data", reason="nothing has been copied yet: there is nothing to compare"))
    counts = {section: dict.fromkeys(KINDS, 0) for section in ("partitions", "positions")}
    for each in checked:
        begun = each.position.begun
        resource = f"partition {begun.dest_topic}-{begun.partition}"
        if not each.position.done:
            aspect = "source offset of the copy"
            differences.append(_differs(resource, aspect, begun.end, each.position.source, _unfinished(each)))
        elif each.content == "not compared":
            unread.append(Remark(resource=resource, reason=each.reason or "not compared"))
        elif not each.equal:
            differences.append(_differs(resource, "records", each.position.rank, each.arrived, each.reason))
        else:
            counts["partitions"]["equal"] += 1
    counts["partitions"]["different"] = len(differences)
    names = {each.position.begun.place: each.position.begun.dest_topic for each in checked}
    for set_by_us, found in _positions(dest, positions, names):
        resource = f"group {set_by_us.group}"
        aspect = f"offset {names[set_by_us.topic, set_by_us.partition]}-{set_by_us.partition}"
        if isinstance(found, str):
            unread.append(Remark(resource=resource, reason=found))
        elif found is None:
            counts["positions"]["missing"] += 1
            differences.append(
                Difference(resource=resource, difference="missing", aspect=aspect, source=set_by_us.offset)
            )
        elif found == set_by_us.offset:
            counts["positions"]["equal"] += 1
        elif found > set_by_us.offset:
            counts["positions"]["intended"] += 1
            intended.append(_differs(resource, aspect, set_by_us.offset, found, "it has read on since"))
        else:
            counts["positions"]["different"] += 1
            differences.append(_differs(resource, aspect, set_by_us.offset, found, "it was set back since"))
    return Report(
        verdict="different" if differences else "inconclusive" if unread else "equal",
        counts=counts,
        differences=tuple(differences),
        intended=tuple(intended),
        unread=tuple(unread),
    )


def _unfinished(each: Checked) -> str:
    position = each.position
    said = [each.reason or position.failure or "its copy is not complete"]
    if each.arrived is not None and each.arrived > position.rank:
        said.append(
            f"{each.arrived - position.rank:,} more records lie behind the {position.rank:,} that are known to be its "
            "own: sent without an answer, or somebody else's"
        )
    return "; ".join(said)


def _differs(resource: str, aspect: str, ought: int, found: int | None, reason: str | None) -> Difference:
    return Difference(resource=resource, difference="different", aspect=aspect, source=ought, dest=found, reason=reason)


def _positions(
    dest: ClusterSettings, positions: Sequence[GroupOffset], names: Mapping[Place, str]
) -> Iterator[tuple[GroupOffset, int | str | None]]:
    """Each position with the one that is there now: None when there is none, a reason when it is not known."""
    groups = sorted({each.group for each in positions})
    if not groups:
        return
    with wire.connect(dest) as connection:
        told = wire.positions(connection, groups)
    for each in positions:
        place = (each.topic, each.partition)
        there = told[each.group]
        if place not in names:
            continue
        if isinstance(there, Unanswered):
            yield each, f"its positions could not be read: {there.reason}"
            continue
        found = {(offset.topic, offset.partition): offset.offset for offset in there.offsets}
        yield each, found.get((names[place], each.partition))


def _by_batches(dest: ClusterSettings, positions: Sequence[Position], emit: Emit) -> Iterator[Checked]:
    by_place = {(each.begun.dest_topic, each.begun.partition): each for each in positions}
    spans = {place: Span(each.begun.base, each.dest_end) for place, each in by_place.items()}
    digests = dict.fromkeys(by_place, Digest())
    failures: dict[Place, str] = {}
    for place, piece in read(dest, spans, stage="checking", emit=emit):
        if isinstance(piece, Lost):
            failures[place] = piece.reason
        elif isinstance(piece.batch, Batch) and piece.batch.next_offset <= spans[place].end:
            digests[place] = digests[place].with_batch(piece.batch)
        else:
            failures[place] = "its batches are not the ones that were sent"
    for place, position in by_place.items():
        yield _judged(position, digests[place], failures.get(place))


def _judged(position: Position, found: Digest, failure: str | None) -> Checked:
    if failure is not None:
        return Checked(position=position, arrived=found.records, content="different", reason=failure)
    if found == position.digest:
        return Checked(position=position, arrived=found.records, content="equal")
    if found.records != position.rank:
        reason = f"{position.rank} records were copied, {found.records} are there"
    else:
        reason = "the digest of what is there is not that of what was copied"
    return Checked(position=position, arrived=found.records, content="different", reason=reason)


def check_both(
    source: ClusterSettings,
    dest: ClusterSettings,
    positions: Sequence[Position],
    *,
    stamped: set[str],
    emit: Emit,
) -> Iterator[Checked]:
    """Record by record. `stamped` are the destination topics that stamp records themselves: times do not count there.

    "not compared" where the source no longer has what was copied.
    """
    timed = {each.begun.place: each.begun.dest_topic not in stamped for each in positions}
    here = {each.begun.place: Span(each.begun.start, each.source) for each in positions}
    there = {(each.begun.dest_topic, each.begun.partition): Span(each.begun.base, each.dest_end) for each in positions}
    timed_there = {(each.begun.dest_topic, each.begun.partition): timed[each.begun.place] for each in positions}
    sent, lost_here = _by_records(source, here, timed, "source", emit)
    found, lost_there = _by_records(dest, there, timed_there, "destination", emit)
    for position in positions:
        place, dest_place = position.begun.place, (position.begun.dest_topic, position.begun.partition)
        arrived = found[dest_place]
        if dest_place in lost_there:
            yield Checked(
                position=position, arrived=arrived.records, content="different", reason=lost_there[dest_place]
            )
        elif place in lost_here or sent[place].records != position.rank:
            reason = lost_here.get(place, f"the source has {sent[place].records} of {position.rank} records left")
            yield Checked(position=position, arrived=arrived.records, content="not compared", reason=reason)
        elif arrived == sent[place]:
            yield Checked(position=position, arrived=arrived.records, content="equal")
        else:
            reason = f"{arrived.records} records are there, {sent[place].records} on the source; they differ"
            yield Checked(position=position, arrived=arrived.records, content="different", reason=reason)


def _by_records(
    settings: ClusterSettings, spans: Mapping[Place, Span], timed: Mapping[Place, bool], stage: str, emit: Emit
) -> tuple[dict[Place, Digest], dict[Place, str]]:
    digests = dict.fromkeys(spans, Digest())
    lost: dict[Place, str] = {}
    for place, piece in read(settings, spans, stage=stage, emit=emit):
        if isinstance(piece, Lost):
            lost[place] = piece.reason
        elif not piece.aborted and not (isinstance(piece.batch, Batch) and piece.batch.header.control):
            digests[place] = digests[place].with_records(
                piece.batch, start=spans[place].start, end=spans[place].end, timestamps=timed[place]
            )
    return digests, lost
