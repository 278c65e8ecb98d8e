"""The place of each range on the destination, and what prevents a copy to it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from kafka_meta.journal import Begun, Place, Position
from kafka_meta.logs.history import Cut
from kafka_meta.mirror.findings import Allowed, Findings
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import Resource, Topic
from kafka_meta.plan import plural
from kafka_meta.ranges import ALL_DATA, Range

COPY_ANEW = (
    "leave it out (--exclude-topics), or empty the topic on the destination and copy it from the start with a new "
    "journal (--include-topics TOPIC --journal FILE)"
)
"""The end of a reason: what an operator can do when a copy cannot continue."""

CANNOT_GO_ON = f"this copy cannot go on: {COPY_ANEW}"


def bind(
    prepared: Preparation,
    known: Mapping[Place, Position],
    names: Mapping[str, str],
    topics: Mapping[str, Topic],
    strange: Collection[str],
    hidden: Mapping[Resource, str],
    cut: Mapping[Place, Cut],
    claimed: Mapping[str, str],
    allowed: Allowed,
    found: Findings,
) -> tuple[Begun, ...]:
    """What the journal shall hold. A partition whose copy has begun keeps its start and its base.

    `names`: source topic → destination topic. `topics` are the destination's. `strange` names the topics of the
    destination that a mirror with another journal has guarded. `hidden`: resource → why the destination does not show
    it. `cut`: partitions whose log on the source was cut back since they were copied; they do not stop the others.
    `claimed`: topics of the destination to which another task copies, and the reason that says so.
    """
    begun: list[Begun] = []
    ranges: dict[str, list[Range]] = defaultdict(list)
    for each in prepared.unconsumed.ranges:
        ranges[each.topic].append(each)
    begun_there = {position.begun.dest_topic for position in known.values()}
    # What has appeared and is in the way does not keep the others from going on after a restart. At the first start it
    # is a mistake of the command line.
    goes_on = allowed.follow and bool(known)
    for topic, dest_topic in names.items():
        here, there = prepared.topics[topic], topics.get(dest_topic)
        if there is None and allowed.follow and dest_topic in begun_there:
            why = hidden.get(Resource("topic", dest_topic), "")
            deleted = not why or why.startswith("UNKNOWN_TOPIC")
            reason = f"it is not on the destination any more; {CANNOT_GO_ON}"
            for place in (place for place in known if place[0] == topic):
                shown = reason if deleted else f"the destination does not show it: {why}"
                found.stop(place, Resource("topic", dest_topic), shown)
            continue
        if dest_topic in claimed and goes_on:
            found.warn(Resource("topic", dest_topic), f"left out: {claimed[dest_topic]}")
            for place in (place for place in known if place[0] == topic):
                found.stop(place, Resource("topic", dest_topic), claimed[dest_topic])
            continue
        if there is None:
            _of_missing(dest_topic, hidden, allowed, found)
            continue
        more = len(here.partitions) - len(there.partitions)
        if more > 0 and allowed.follow:
            found.warn(Resource("topic", dest_topic), f"{plural(more, 'partition')} will be added to it")
        elif more:
            (found.warn if goes_on else found.find)(
                Resource("topic", dest_topic),
                f"{plural(len(there.partitions), 'partition')} on the destination, {len(here.partitions)} on the "
                "source: the numbers must be equal, because every record keeps its partition",
            )
            if not goes_on or dest_topic not in begun_there:
                continue
        unknown = dest_topic not in begun_there
        if unknown and dest_topic in strange and _is_of_a_lost_journal(there, goes_on, found):
            continue
        if unknown and allowed.append and (count := _records(there)):
            found.warn(
                Resource("topic", dest_topic),
                f"--append: ≤ {count:,} records exist there and stay before the copy; if they are of an earlier "
                "copy, they will be there twice",
            )
        for each in ranges[topic]:
            if each.partition >= len(there.partitions):
                continue
            place = (topic, each.partition)
            begun += _bound(each, here, there, known.get(place), cut.get(place), allowed, found)
    return tuple(begun)


def _of_missing(dest_topic: str, hidden: Mapping[Resource, str], allowed: Allowed, found: Findings) -> None:
    reason = hidden.get(Resource("topic", dest_topic), "")
    if reason and not reason.startswith("UNKNOWN_TOPIC"):
        found.find(Resource("topic", dest_topic), f"the destination does not show it: {reason}")
    elif allowed.follow:
        found.warn(Resource("topic", dest_topic), "it will be created on the destination, and copied from its start")
    else:
        found.find(Resource("topic", dest_topic), "it does not exist on the destination: run kafka-meta import first")


def _is_of_a_lost_journal(there: Topic, goes_on: bool, found: Findings) -> bool:
    """Whether records that a mirror has copied are still there."""
    off = "its retention is off on the destination, as mirror sets it, but this journal has no copy to it"
    count = _records(there)
    if not count:
        found.warn(Resource("topic", there.name), f"{off}: --release will not set its retention again")
        return False
    (found.warn if goes_on else found.find)(
        Resource("topic", there.name),
        f"another mirror may have filled it: {off}. A new copy would double its ≤ {count:,} records. Name the other "
        "mirror's journal with --journal FILE. If it is lost, empty the topic on the destination and copy it from the "
        "start. If the records are not a copy, set the topic's retention.ms and use --append",
    )
    return True


def _records(there: Topic) -> int:
    """The number of records at most: the offsets of all partitions."""
    return sum((each.end_offset or 0) - (each.start_offset or 0) for each in there.partitions)


def _bound(
    each: Range,
    here: Topic,
    there: Topic,
    position: Position | None,
    cut: Cut | None,
    allowed: Allowed,
    found: Findings,
) -> Iterator[Begun]:
    place = Resource.partition(there.name, each.partition)
    if position is not None:
        old = position.begun
        if another(old.source_topic_id, here.id):
            _cannot(
                old.place,
                Resource("topic", here.name),
                f"it has been recreated on the source: its id was {old.source_topic_id} when its copy began, now it is "
                f"{here.id}; {CANNOT_GO_ON}",
                allowed,
                found,
            )
        elif another(old.dest_topic_id, there.id):
            _cannot(
                old.place,
                Resource("topic", there.name),
                f"it has been recreated on the destination: its id was {old.dest_topic_id} when the copy began, now it "
                f"is {there.id}; {CANNOT_GO_ON}",
                allowed,
                found,
            )
        elif old.dest_topic != there.name:
            found.find(
                Resource("topic", here.name), f"its copy began as {old.dest_topic}: use the same --rename as before"
            )
        elif cut is not None and allowed.follow:
            reason = f"{cut.reason}; {CANNOT_GO_ON}"
            found.stop(old.place, Resource.partition(here.name, each.partition), reason)
        elif cut is not None:
            found.warn(Resource.partition(here.name, each.partition), f"{cut.reason}; {CANNOT_GO_ON}")
            yield old
        elif each.start < old.start and not each.set_by:
            # The position of a group before the start is reported with its groups. It does not stop the copy for the
            # others.
            found.find(place, _begun_too_late(each, old.start))
        elif why := _cannot_go_on(each, there.partitions[each.partition].end_offset, position):
            _cannot(old.place, place, f"{why}; {CANNOT_GO_ON}", allowed, found)
        else:
            yield begun_of(here, there, each.partition, base=old.base, start=old.start, end=each.end)
        return
    partition = there.partitions[each.partition]
    start, end = partition.start_offset, partition.end_offset
    if start is None or end is None:
        found.find(place, "its start and end offset on the destination could not be read")
    elif end > start and not allowed.append:
        # A copy that goes on leaves it out alone, as it does with one that appears later.
        (found.warn if allowed.follow else found.find)(
            place,
            f"it is not empty on the destination: it has offsets {start} to {end}. --append copies behind these "
            "records. To continue an earlier copy, use its --journal",
        )
    else:
        yield begun_of(here, there, each.partition, base=end, start=each.start, end=each.end)


def _cannot(at: Place, resource: Resource, reason: str, allowed: Allowed, found: Findings) -> None:
    """A copy that goes on leaves such a partition out, and the others go on."""
    if allowed.follow:
        found.stop(at, resource, reason)
    else:
        found.find(resource, reason)


def _begun_too_late(each: Range, start: int) -> str:
    """A copy grows only at its end: offsets before its start cannot be copied to their place any more."""
    topic = f"--include-topics '{re.escape(each.topic)}'"
    if each.reason == ALL_DATA:
        asked, how = "--all-data asks for everything", f"--all-data {topic}"
    else:
        asked, how = "a compacted topic is copied whole", topic
    without = "" if each.reason == ALL_DATA else " (or --unread-only, to bring only what is unread)"
    return (
        f"{asked} from offset {each.start} on, and its copy began at offset {start}: {start - each.start} offsets were "
        "not copied, and cannot be put before it. Copy this topic anew: empty it on the destination, then "
        f"{how} --journal FILE with a journal of its own{without}"
    )


def _cannot_go_on(each: Range, dest_end: int | None, position: Position) -> str | None:
    """Why a copy with more to bring cannot continue: what has happened to either log since. None when it can."""
    if each.end <= position.source:
        return None
    if each.earliest > position.source:
        return f"lost offsets {position.source}–{each.earliest}: the source deleted them before they were copied"
    if dest_end is None or dest_end == position.dest_end:
        return None
    # Records behind the copy may be its own, sent without an answer. The copy itself finds that out.
    sent = position.intended > position.rank or not position.done
    if dest_end > position.dest_end and sent:
        return None
    return (
        f"its log on the destination ends at {dest_end}, but the copy at {position.dest_end}: "
        f"{'another client has written to it' if dest_end > position.dest_end else 'it was truncated or recreated'}"
    )


def another(then: str | None, now: str | None) -> bool:
    return then is not None and now is not None and then != now


def begun_of(here: Topic, there: Topic, partition: int, *, base: int, start: int, end: int) -> Begun:
    """A partition of these topics; `end` may lie before a `start` that the copy had before."""
    return Begun(
        topic=here.name,
        partition=partition,
        dest_topic=there.name,
        source_topic_id=here.id,
        dest_topic_id=there.id,
        base=base,
        start=start,
        end=max(start, end),
    )
