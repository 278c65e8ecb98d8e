"""Counts, content and positions: what was copied by the journal, compared with what exists."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from kafka_meta import wire
from kafka_meta.batches import Batch, Digest
from kafka_meta.events import Emit
from kafka_meta.journal import GroupOffset, Journal, Place, Position, Verified
from kafka_meta.logs import MEMORY_BYTES, Lost, Span, read
from kafka_meta.logs.history import Cut
from kafka_meta.model import Remark, Resource
from kafka_meta.plan import Difference, Report
from kafka_meta.plan.report import KINDS
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify.checked import Checked, dest_place
from kafka_meta.verify.history import cut_back
from kafka_meta.verify.records import by_records, lost
from kafka_meta.verify.there import There, look_there, recreated
from kafka_meta.wire import Unanswered
from kafka_meta.wire.configs import effective
from kafka_meta.wire.patience import patiently, reconnect

_ANOTHER_DIGEST = "the digest of what is there is not that of what was copied"
_KEEP_SECONDS = 1.0


def check(
    dest: ClusterSettings,
    positions: Sequence[Position],
    *,
    source: ClusterSettings | None = None,
    both: bool = False,
    from_start: bool = False,
    journal: Journal | None = None,
    memory_bytes: int = MEMORY_BYTES,
    emit: Emit,
) -> Iterator[Checked]:
    """Compares each partition's copy as it is on the destination now. With `source`, both sides are read where the
    digest of the batches cannot decide; with `both`, everywhere. Records of other clients behind a complete copy do not
    count.

    What a position has as verified is not read again, unless `from_start` or `both`: of it, only the log's bounds are
    looked at. A journal keeps how far everything is compared, so that an interrupted check continues.

    Raises KafkaMetaError when a cluster cannot be reached.
    """
    cut: dict[Place, Cut] = {}
    if source is not None and both:
        # Nobody may have reached it before: a wrong address is reported at once.
        with wire.connect(source) as connection:
            history = cut_back(connection, positions, emit=emit)
        cut = {place: told for place, told in history.items() if isinstance(told, Cut)}
    bounds = look_there(dest, positions, emit)

    def whole(each: Checked) -> Checked:
        told = cut.get(each.position.begun.place)
        if told is not None:
            return replace(each, content="different", reason=told.reason)
        return _with_more(each, bounds[dest_place(each.position)])

    to_read: list[Position] = []
    for position in positions:
        anew = from_start or both or recreated(bounds[dest_place(position)])
        answer = _without_reading(position, bounds[dest_place(position)], anew=anew)
        if answer is None:
            to_read.append(replace(position, verified=Verified(source=position.begun.start)) if anew else position)
        else:
            yield whole(answer)
    kept = None if from_start or both else journal
    for some in _compared(dest, to_read, source, both, kept, memory_bytes, emit):
        if journal is not None:
            journal.keep_verified(
                {each.position.begun.place: _judged_verified(each) for each in some if each.content != "not compared"}
            )
        yield from map(whole, some)


def _with_more(each: Checked, there: There) -> Checked:
    """What lies behind an unfinished copy has arrived, too."""
    position = each.position
    if position.done or there.end is None or there.end <= position.dest_end or each.content == "different":
        return each
    return replace(each, arrived=there.end - position.begun.base)


def _judged_verified(each: Checked) -> Verified:
    position, before = each.position, each.position.verified
    if each.content == "equal":
        return Verified(source=position.source, rank=position.rank, digest=position.digest, read=position.digest)
    return replace(before, read=before.digest or Digest())


def _without_reading(position: Position, there: There, *, anew: bool) -> Checked | None:
    """What the log's bounds decide; None where records have to be read. `anew`: nothing counts as verified."""
    base, verified = position.begun.base, position.verified
    known = 0 if anew else max(verified.rank, verified.read.records)
    gone = 0 if there.start is None else min(there.start, position.dest_end) - base
    if gone > position.released:
        reason = f"offset {base} is not there: the log begins at {there.start}"
        return Checked(position=position, arrived=position.rank - gone, content="different", reason=reason)
    if gone > known:
        earlier = f"; {verified.rank:,} records were found equal earlier" * bool(verified.rank)
        reason = (
            f"it cannot be read from its start any more: the log begins at {there.start}, the copy at {base}{earlier}"
        )
        return Checked(position=position, arrived=None, content="not compared", reason=reason, earlier=verified.rank)
    if anew or verified.rank < position.rank:
        return None
    if there.end is None:
        reason = there.failure.reason if there.failure else "the end of its log is not known"
        return Checked(position=position, arrived=None, content="not compared", reason=reason, earlier=verified.rank)
    if there.end < position.dest_end:
        reason = f"the log ends at {there.end}, {position.dest_end} was expected"
        return Checked(position=position, arrived=there.end - base, content="different", reason=reason)
    return Checked(position=position, arrived=position.rank, content="equal", earlier=position.rank)


def _compared(
    dest: ClusterSettings,
    positions: Sequence[Position],
    source: ClusterSettings | None,
    both: bool,
    journal: Journal | None,
    memory_bytes: int,
    emit: Emit,
) -> Iterator[Sequence[Checked]]:
    if not positions:
        return
    configs = _configs(dest, emit, {position.begun.dest_topic for position in positions})
    kept: list[Position] = []
    anew: list[Position] = []
    for position in positions:
        as_it_came = configs[position.begun.dest_topic].get("compression.type", "producer") == "producer"
        # Where records were compared up to the midst of a batch, no digest of batches can go on.
        by_batches = as_it_came and not both and position.verified.digest is not None
        (kept if by_batches else anew).append(position)
    by_digest: list[Checked] = []
    for each in _by_batches(dest, kept, journal, memory_bytes, emit):
        if each.reason == _ANOTHER_DIGEST and "compression.type" not in configs[each.position.begun.dest_topic]:
            anew.append(each.position)
        else:
            by_digest.append(each)
    yield by_digest
    if source is None:
        yield [_undecided(each, told="compression.type" in configs[each.begun.dest_topic]) for each in anew]
    else:
        stamped = {name for name, each in configs.items() if each.get("message.timestamp.type") == "LogAppendTime"}
        yield list(by_records(source, dest, anew, stamped=stamped, journal=journal, emit=emit))


def _undecided(position: Position, *, told: bool) -> Checked:
    """`told`: whether the destination tells its compression.type."""
    reason = "the destination compresses anew: only reading both sides can tell (--both)"
    if not told:
        reason = (
            "the destination does not tell its compression.type, and its batches are not those that were sent: "
            "only reading both sides can tell (--both)"
        )
    return Checked(
        position=position, arrived=None, content="not compared", reason=reason, earlier=position.verified.rank
    )


def _configs(dest: ClusterSettings, emit: Emit, topics: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """The configs that decide how a topic keeps batches; empty where the broker does not return them."""
    with reconnect(dest, emit=emit) as connection:

        def ask() -> dict[str, Mapping[str, str]]:
            found: dict[str, Mapping[str, str]] = {}
            for topic, told in effective(connection, sorted(topics), ("compression.type", "message.timestamp.type")):
                if isinstance(told, Unanswered) and told.retriable:
                    raise told
                found[topic] = {} if isinstance(told, Unanswered) else told
            return found

        return patiently(ask, emit=emit, seconds=dest.patience_s)


def report(dest: ClusterSettings, checked: Sequence[Checked], positions: Sequence[GroupOffset]) -> Report:
    """Partitions and groups' positions as a report. `positions` are those that the mirror has set.

    A group that has read further since is right. Raises KafkaMetaError when the destination cannot be reached.
    """
    differences: list[Difference] = []
    intended: list[Difference] = []
    unread: list[Remark] = []
    if not checked:
        unread.append(
            Remark(resource=Resource("data"), reason="nothing has been copied yet: there is nothing to compare")
        )
    counts = {section: dict.fromkeys(KINDS, 0) for section in ("partitions", "positions")}
    for each in checked:
        begun = each.position.begun
        resource = Resource.partition(begun.dest_topic, begun.partition)
        if not each.position.done:
            aspect = "source offset of the copy"
            differences.append(_differs(resource, aspect, begun.end, each.position.source, _unfinished(each)))
        elif each.position.failure is not None:
            differences.append(_differs(resource, "records", each.position.rank, each.arrived, each.position.failure))
        elif each.content == "not compared":
            unread.append(Remark(resource=resource, reason=each.reason or "not compared"))
        elif not each.equal:
            differences.append(_differs(resource, "records", each.position.rank, each.arrived, each.reason))
        else:
            counts["partitions"]["equal"] += 1
    counts["partitions"]["different"] = len(differences)
    names = {each.position.begun.place: each.position.begun.dest_topic for each in checked}
    for set_by_us, found in _positions(dest, positions, names):
        resource = Resource("group", set_by_us.group)
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


def _differs(resource: Resource, aspect: str, ought: int, found: int | None, reason: str | None) -> Difference:
    return Difference(resource=resource, difference="different", aspect=aspect, source=ought, dest=found, reason=reason)


def _positions(
    dest: ClusterSettings, positions: Sequence[GroupOffset], names: Mapping[Place, str]
) -> Iterator[tuple[GroupOffset, int | str | None]]:
    """Each position with the present one: None when there is none, a reason when it is not known."""
    groups = sorted({each.group for each in positions})
    if not groups:
        return
    with reconnect(dest) as connection:
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


def _by_batches(
    dest: ClusterSettings, positions: Sequence[Position], journal: Journal | None, memory_bytes: int, emit: Emit
) -> Iterator[Checked]:
    """Reads what was not read before. The journal keeps every second how far that is."""
    by_place = {dest_place(each): each for each in positions}
    read_before = {place: _read_before(each) for place, each in by_place.items()}
    spans = {
        place: Span(each.begun.base + read_before[place].records, each.dest_end) for place, each in by_place.items()
    }
    digests = dict(read_before)
    failures: dict[Place, Lost] = {}
    fresh: set[Place] = set()
    keep_at = time.monotonic() + _KEEP_SECONDS
    for place, piece in read(dest, spans, stage="checking", memory_bytes=memory_bytes, emit=emit):
        if isinstance(piece, Lost):
            failures.setdefault(place, piece)
        elif isinstance(piece.batch, Batch) and piece.batch.next_offset <= spans[place].end:
            digests[place] = digests[place].with_batch(piece.batch)
            fresh.add(place)
        else:
            failures[place] = Lost(reason="its batches are not the ones that were sent", gone=True)
        if journal is not None and time.monotonic() >= keep_at:
            _keep_read(journal, by_place, digests, fresh - failures.keys())
            fresh.clear()
            keep_at = time.monotonic() + _KEEP_SECONDS
    if journal is not None:
        _keep_read(journal, by_place, digests, fresh - failures.keys())
    for place, position in by_place.items():
        yield _judged(position, read_before[place].records, digests[place], failures.get(place))


def _keep_read(
    journal: Journal, positions: Mapping[Place, Position], digests: Mapping[Place, Digest], fresh: Iterable[Place]
) -> None:
    journal.keep_verified(
        {positions[place].begun.place: replace(positions[place].verified, read=digests[place]) for place in fresh}
    )


def _read_before(position: Position) -> Digest:
    """What an earlier check has read: it may have been interrupted before the end of what was sent, which decides."""
    verified = position.verified
    assert verified.digest is not None
    return verified.read if verified.rank <= verified.read.records <= position.rank else verified.digest


def _judged(position: Position, earlier: int, found: Digest, failure: Lost | None) -> Checked:
    if failure is not None:
        return replace(lost(position, found, failure), earlier=position.verified.rank)
    if found == position.digest:
        now = position.rank - earlier
        return Checked(position=position, arrived=found.records, content="equal", earlier=earlier, now=now)
    if found.records != position.rank:
        reason = f"{position.rank} records were copied, {found.records} are there"
    else:
        reason = _ANOTHER_DIGEST
    return Checked(
        position=position,
        arrived=found.records,
        content="different",
        reason=reason,
        earlier=position.verified.rank,
    )
