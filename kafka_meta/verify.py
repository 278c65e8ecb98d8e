"""Whether what was copied is on the destination: how many records, their content, and the groups' positions.

The copy has kept a digest of the batches that it sent. A destination that keeps batches as they come is read alone,
so the answer holds when the source has been compacted or purged since; otherwise, or on demand, both sides are read
and compared record by record: key, value, headers in order, timestamp.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, NamedTuple, TypeAlias

from kafka_meta import wire
from kafka_meta.batches import AbortedTransactions, Batch, Digest, MalformedBatch, MessageSet, scan
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Progress, Waiting
from kafka_meta.journal import GroupOffset, Place, Position
from kafka_meta.model import Remark
from kafka_meta.plan import Difference, Report
from kafka_meta.plan.report import KINDS
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.configs import effective
from kafka_meta.wire.connection import error_text, is_retriable
from kafka_meta.wire.fetch import Fetch, Fetched, Wanted
from kafka_meta.wire.partitions import Failure, leaders

Content: TypeAlias = Literal["equal", "different", "not compared"]

_FETCH_BYTES = 8 << 20
_FETCH_PARTITION_BYTES = 2 << 20
_FETCH_PARTITIONS = 500
_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 120.0
_OFFSET_OUT_OF_RANGE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partition's copy as it was found; `arrived` are the records from its base on, None when they could not be
    read. `reason` says why the content is not equal."""

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
    batches cannot tell, or with `both` everywhere. Records that others have written behind the copy do not count.

    Raises KafkaMetaError when a cluster cannot be reached.
    """
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
    counts = {section: dict.fromkeys(KINDS, 0) for section in ("partitions", "positions")}
    for each in checked:
        begun = each.position.begun
        resource = f"partition {begun.dest_topic}-{begun.partition}"
        if not each.position.done:
            reason = f"its copy stands at offset {each.position.source} of {begun.end}"
            differences.append(_differs(resource, "records", begun.end, each.position.source, reason))
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
        return Checked(position=position, arrived=found.count, content="different", reason=failure)
    if found == position.digest:
        return Checked(position=position, arrived=found.count, content="equal")
    if found.count != position.rank:
        reason = f"{position.rank} records were copied, {found.count} are there"
    else:
        reason = "the digest of what is there is not that of what was copied"
    return Checked(position=position, arrived=found.count, content="different", reason=reason)


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
            yield Checked(position=position, arrived=arrived.count, content="different", reason=lost_there[dest_place])
        elif place in lost_here or sent[place].count != position.rank:
            reason = lost_here.get(place, f"the source has {sent[place].count} of {position.rank} records left")
            yield Checked(position=position, arrived=arrived.count, content="not compared", reason=reason)
        elif arrived == sent[place]:
            yield Checked(position=position, arrived=arrived.count, content="equal")
        else:
            reason = f"{arrived.count} records are there, {sent[place].count} on the source; they differ"
            yield Checked(position=position, arrived=arrived.count, content="different", reason=reason)


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


class Span(NamedTuple):
    """Offsets, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A batch of a log; `aborted` when it belongs to an aborted transaction."""

    batch: Batch | MessageSet
    aborted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nothing more comes of the partition."""

    reason: str


def read(
    settings: ClusterSettings, spans: Mapping[Place, Span], *, stage: str, emit: Emit
) -> Iterator[tuple[Place, Piece | Lost]]:
    """The batches of each span, in order within a partition; the first and the last one may reach beyond it.

    Brokers work on the next answer while one is looked at. Raises KafkaMetaError when nothing moves for two minutes.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(wire.connect(settings))
        yield from _Reading(settings, connection, spans, stage, emit, stack).run()


class _Reading:
    def __init__(
        self,
        settings: ClusterSettings,
        connection: Wire,
        spans: Mapping[Place, Span],
        stage: str,
        emit: Emit,
        stack: ExitStack,
    ) -> None:
        self._settings, self._connection = settings, connection
        self._spans, self._stage, self._emit, self._stack = spans, stage, emit, stack
        self._at = {place: span.start for place, span in spans.items() if span.start < span.end}
        """Where each partition that is not finished goes on."""
        self._unled = set(self._at)
        self._waiting: dict[int, deque[Place]] = {}
        self._channels: dict[int, Channel] = {}
        self._busy: dict[int, list[Place]] = {}
        self._answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._total = sum(span.end - span.start for span in spans.values())
        self._moved = time.monotonic()

    def run(self) -> Iterator[tuple[Place, Piece | Lost]]:
        while self._at:
            yield from self._find_leaders()
            self._ask()
            if self._busy:
                yield from self._take()
            elif self._at:
                self._pause("the leaders of some partitions are moving")

    def _find_leaders(self) -> Iterator[tuple[Place, Lost]]:
        if not self._unled:
            return
        try:
            found = leaders(self._connection, {topic for topic, _ in self._unled})
        except Unanswered:
            return
        for place in sorted(self._unled):
            leader = found.get(place) or found.get((place[0], -1))
            if isinstance(leader, Failure) and leader.retriable:
                continue
            self._unled.discard(place)
            if leader is None or isinstance(leader, Failure):
                reason = "the partition is not there" if leader is None else leader.reason
                self._at.pop(place)
                yield place, Lost(reason=reason)
                continue
            broker = leader.broker
            if broker.id not in self._channels:
                channel = Channel(self._settings, broker)
                self._stack.callback(channel.close)
                self._channels[broker.id] = channel
            self._waiting.setdefault(broker.id, deque()).append(place)

    def _ask(self) -> None:
        for broker, places in self._waiting.items():
            if broker in self._busy or not places:
                continue
            taken = [places.popleft() for _ in range(min(len(places), _FETCH_PARTITIONS))]
            self._busy[broker] = taken
            wanted = [
                Wanted(topic=topic, partition=number, offset=self._at[topic, number], max_bytes=_FETCH_PARTITION_BYTES)
                for topic, number in taken
            ]
            request = Fetch(wanted=wanted, max_bytes=_FETCH_BYTES)
            self._channels[broker].ask(request, partial(self._heard, broker))

    def _heard(self, broker: int, answer: Any) -> None:
        """On the channel's thread."""
        self._answers.put((broker, answer))

    def _take(self) -> Iterator[tuple[Place, Piece | Lost]]:
        broker, answer = self._answers.get()
        asked = self._busy.pop(broker)
        if isinstance(answer, Unanswered):
            self._unled.update(asked)
            self._pause(answer.reason)
            return
        pieces: list[tuple[Place, Piece | Lost]] = []
        # A broker fills its answer in the order of the request: empty behind something says nothing.
        silent = not any(len(fetched.records) for fetched in answer)
        for fetched in answer:
            pieces += self._understood(broker, (fetched.topic, fetched.partition), fetched, silent)
        if pieces:
            self._moved = time.monotonic()
        # The broker is asked on before what it has brought is looked at.
        self._ask()
        yield from pieces
        left = sum(self._spans[place].end - at for place, at in self._at.items())
        self._emit(Progress(stage=self._stage, done=self._total - left, total=self._total))

    def _understood(
        self, broker: int, place: Place, fetched: Fetched, silent: bool
    ) -> list[tuple[Place, Piece | Lost]]:
        if fetched.error_code == _OFFSET_OUT_OF_RANGE:
            at = self._at.pop(place)
            return [(place, Lost(reason=f"offset {at} is no longer there: the log begins at {fetched.log_start}"))]
        if fetched.error_code and not is_retriable(fetched.error_code):
            self._at.pop(place)
            return [(place, Lost(reason=error_text(fetched.error_code)))]
        if fetched.error_code:
            self._unled.add(place)
            return []
        end = self._spans[place].end
        aborted = AbortedTransactions(fetched.aborted)
        found: list[tuple[Place, Piece | Lost]] = []
        try:
            for batch in scan(fetched.records):
                covered = aborted.covers(batch)
                self._at[place] = batch.next_offset
                if batch.base_offset is None or batch.base_offset < end:
                    found.append((place, Piece(batch=batch, aborted=covered)))
                if batch.next_offset >= end:
                    break
        except MalformedBatch as error:
            self._at.pop(place)
            return [*found, (place, Lost(reason=str(error)))]
        if self._at[place] >= end or (silent and fetched.high_watermark >= end):
            # The last offsets of a log may have been emptied by compaction.
            self._at.pop(place)
        elif silent and fetched.high_watermark <= self._at[place]:
            at = self._at.pop(place)
            found.append((place, Lost(reason=f"the log ends at {at}, {end} was expected")))
        else:
            self._waiting[broker].append(place)
        return found

    def _pause(self, reason: str) -> None:
        silent = time.monotonic() - self._moved
        if silent > _PATIENCE_SECONDS:
            raise KafkaMetaError(f"reading the {self._settings.role} does not go on for {silent:.0f} s: {reason}")
        self._emit(Waiting(reason=reason, seconds=_PAUSE_SECONDS))
        time.sleep(_PAUSE_SECONDS)
