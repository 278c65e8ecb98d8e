"""Each range bound to its place on the destination, and what speaks against it there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from kafka_meta.journal import Begun, Place, Position
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import Topic
from kafka_meta.plan import plural
from kafka_meta.ranges import Range

COPY_ANEW = (
    "leave it out (--exclude-topics), or empty the topic on the destination and copy it anew with a journal of its own "
    "(--include-topics TOPIC --journal FILE)"
)
"""What can be done about a copy that cannot go on."""

CANNOT_GO_ON = f"this copy cannot go on: {COPY_ANEW}"


def bind(
    prepared: Preparation,
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    strange: Collection[str],
    hidden: Mapping[str, str],
    allowed: Allowed,
    found: Findings,
) -> tuple[Begun, ...]:
    """What the journal shall hold; a partition that has begun keeps its start and base.

    `names`: source topic → destination topic. `topics` are the destination's; `strange` are those of them that a mirror
    has guarded whose journal is not this one; `hidden` says why others are not shown.
    """
    begun: list[Begun] = []
    ranges: dict[str, list[Range]] = defaultdict(list)
    for each in prepared.unconsumed.ranges:
        ranges[each.topic].append(each)
    begun_there = {position.begun.dest_topic for position in known.values()}
    for topic, dest_topic in names.items():
        here, there = prepared.topics[topic], topics.get(dest_topic)
        if there is None:
            _of_missing(dest_topic, hidden, found)
            continue
        if len(here.partitions) != len(there.partitions):
            found.find(
                f"topic {dest_topic}",
                f"{plural(len(there.partitions), 'partition')} on the destination, {len(here.partitions)} on the "
                "source: every record goes into its own partition, so the counts must be the same",
            )
            continue
        unknown = dest_topic not in begun_there
        if unknown and dest_topic in strange and _is_of_a_lost_journal(there, found):
            continue
        if unknown and allowed.append and (count := _records(there)):
            found.warn(
                f"topic {dest_topic}",
                f"--append: ≤ {count:,} records are there and stay before the copy; if an earlier copy has brought "
                "them, they will be there twice",
            )
        for each in ranges[topic]:
            begun += _bound(each, here, there, known.get((topic, each.partition)), allowed, found)
    return tuple(begun)


def _of_missing(dest_topic: str, hidden: Mapping[str, str], found: Findings) -> None:
    reason = hidden.get(f"topic {dest_topic}", "")
    if reason and not reason.startswith("UNKNOWN_TOPIC"):
        found.find(f"topic {dest_topic}", f"the destination does not show it to us: {reason}")
    else:
        found.find(f"topic {dest_topic}", "it is not on the destination: run kafka-meta import first")


def _is_of_a_lost_journal(there: Topic, found: Findings) -> bool:
    """Whether what a mirror has brought is still there."""
    off = "its retention is off there, as mirror leaves it, and the journal that is used here knows nothing of it"
    count = _records(there)
    if not count:
        found.warn(f"topic {there.name}", f"{off}: --release will not put it back")
        return False
    found.find(
        f"topic {there.name}",
        f"a mirror has been here, and its journal is not: {off}. Copying would double what it has brought "
        f"(≤ {count:,} records are there). Name its journal with --journal FILE; if that is lost, empty the topic "
        "there to copy it anew; if the records are no copy, set its retention.ms, and --append goes behind them",
    )
    return True


def _records(there: Topic) -> int:
    """At most."""
    return sum((each.end_offset or 0) - (each.start_offset or 0) for each in there.partitions)


def _bound(
    each: Range, here: Topic, there: Topic, position: Position | None, allowed: Allowed, found: Findings
) -> Iterator[Begun]:
    place = f"{there.name}-{each.partition}"
    if position is not None:
        old = position.begun
        if _another(old.source_topic_id, here.id):
            found.find(
                f"topic {here.name}",
                f"it has been recreated on the source: its id was {old.source_topic_id} when its copy began, now it is "
                f"{here.id}; {CANNOT_GO_ON}",
            )
        elif _another(old.dest_topic_id, there.id):
            found.find(
                f"topic {there.name}",
                f"it has been recreated on the destination: its id was {old.dest_topic_id} when the copy began, now it "
                f"is {there.id}; {CANNOT_GO_ON}",
            )
        elif old.dest_topic != there.name:
            found.find(
                f"topic {here.name}", f"its copy went to {old.dest_topic} so far: give the same --rename as then"
            )
        elif why := _cannot_go_on(each, there.partitions[each.partition].end_offset, position):
            found.find(place, f"{why}; {CANNOT_GO_ON}")
        else:
            yield _as_begun(each, here, there, base=old.base, start=old.start)
        return
    partition = there.partitions[each.partition]
    start, end = partition.start_offset, partition.end_offset
    if start is None or end is None:
        found.find(place, "its first and last offset on the destination could not be read")
    elif end > start and not allowed.append:
        found.find(
            place,
            f"it is not empty on the destination: offsets {start} to {end}; --append copies behind what is there "
            "(what an earlier copy has brought is continued by its own --journal)",
        )
    else:
        yield _as_begun(each, here, there, base=end, start=each.start)


def _cannot_go_on(each: Range, dest_end: int | None, position: Position) -> str | None:
    """What has happened to either log since, where there is more to bring."""
    if each.end <= position.source:
        return None
    if each.earliest > position.source:
        return f"lost offsets {position.source}–{each.earliest}: the source deleted them before they were copied"
    # What lies behind an unfinished copy may be its own, sent without an answer: the copy itself will know.
    if dest_end is None or dest_end == position.dest_end or (dest_end > position.dest_end and not position.done):
        return None
    return (
        f"its log on the destination ends at {dest_end}, what was copied at {position.dest_end}: "
        f"{'somebody else has written there' if dest_end > position.dest_end else 'it was truncated'}"
    )


def _another(then: str | None, now: str | None) -> bool:
    return then is not None and now is not None and then != now


def _as_begun(each: Range, here: Topic, there: Topic, *, base: int, start: int) -> Begun:
    return Begun(
        topic=here.name,
        partition=each.partition,
        dest_topic=there.name,
        source_topic_id=here.id,
        dest_topic_id=there.id,
        base=base,
        start=start,
        end=max(start, each.end),
    )
