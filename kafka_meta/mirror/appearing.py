"""Topics and partitions that appear on the source while it is followed: created on the destination, then copied from
their first record on.

A topic that exists on the destination already, and is not ours, is in the way. The others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from kafka_meta import cluster, wire
from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.events import Emit, Happened, Waiting, silent
from kafka_meta.journal import Begun, Journal, Place
from kafka_meta.mirror.bind import another, begun_of
from kafka_meta.mirror.claims import Claim, claim, claims_of_others
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.guard import guard_topics
from kafka_meta.mirror.positions import renewal_s
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.model import EVERYTHING, Remark, Resource, Snapshot, Topic
from kafka_meta.plan import Action, AddPartitions, CreateTopic, Policy, Section, compare, home_of, plural, reshape
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire
from kafka_meta.wire.partitions import Failure, leaders

EVERY_S = 10.0
_AGAIN_S = 60.0
"""Until a topic that could not be made ready is tried again."""
_TOPICS: frozenset[Section] = frozenset({"topics"})


class Appearing:
    """What was `prepared` is copied, whether it exists on the destination or not; and what has appeared since.
    Everything happens on the thread that calls `run`."""

    def __init__(
        self,
        source: ClusterSettings,
        dest: ClusterSettings,
        journal: Journal,
        *,
        prepared: Preparation,
        decided: Policy,
        guard: bool,
        emit: Emit,
        every_s: float = EVERY_S,
    ) -> None:
        self._source, self._dest = source, dest
        self._journal = journal
        self._decided = replace(decided, only=_TOPICS)
        self._wanted = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
        self._counts = {topic.name: len(topic.partitions) for topic in prepared.source.topics or ()}
        self._not_before: dict[str, float] = {}
        """Topics that could not be made ready, and when they are tried again."""
        self._guard, self._emit, self._every_s = guard, emit, every_s
        self._told: set[Remark] = set()
        self._put_off_now: dict[str, Remark] = {}
        """What could not be made ready, until it is."""
        self._hidden: tuple[Remark, ...] = ()
        self._marked_at = float("-inf")
        self._mark_again_s: float | None = None
        self._absent: set[str] = set()
        """Topics that are followed and were not there at the last round."""
        self._deleted: set[str] = set()
        self._passed_over: frozenset[str] | None = None
        """Topics that no group read in the beginning. That they are not copied has been said then."""

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What goes wrong in a round is reported once, and tried again in the next one."""
        with self._journal.again() as journal:
            while not follow.ends.is_set():
                try:
                    with wire.connect(self._source) as connection, wire.connect(self._dest) as there:
                        while not follow.ends.is_set():
                            self._round(connection, journal, follow)
                            self._take_up_again(journal, follow)
                            self._mark_again(there, journal, follow)
                            remarks = (*self._hidden, *self._put_off_now.values())
                            journal.keep_notices(_ROOM, remarks, round(time.time() * 1000))
                            follow.ends.wait(self._every_s)
                except (KafkaMetaError, Unanswered) as error:
                    self._tell(Remark(resource=Resource("topics"), reason=str(error)))
                    follow.ends.wait(self._every_s)

    def _take_up_again(self, journal: Journal, follow: Follow) -> None:
        """Topics that were left out by `task change`, and shall be followed again: guarded first."""
        if not follow.back:
            return
        now = time.monotonic()
        guarded = journal.guards().keys()
        released = {
            each.begun.topic
            for each in journal.positions(follow.back)
            if each.given_back and each.begun.dest_topic not in guarded
        }
        for name in sorted(follow.back):
            if name in released or not self._decided.selection.topic(name):
                why = "it was released" if name in released else "the filters of this run leave it out"
                self._tell(Remark(resource=Resource("topic", name), reason=f"it is not followed again: {why}"))
                follow.is_back({name})
        topics = {topic for topic in follow.back if self._not_before.get(topic, now) <= now}
        if not topics:
            return
        refused = dict(self._guarded(journal, sorted(topics)))
        for name, reason in refused.items():
            self._put_off(name, f"it is not followed again yet: {reason}")
        ready = topics - refused.keys()
        follow.add(each for each in journal.begun().values() if each.topic in ready)
        follow.is_back(ready)
        for name in ready:
            self._put_off_now.pop(name, None)

    def _mark_again(self, there: Wire, journal: Journal, follow: Follow) -> None:
        """Marks without members do not stay for ever."""
        if self._mark_again_s is None:
            self._mark_again_s = renewal_s(there)
        if time.monotonic() - self._marked_at >= self._mark_again_s:
            followed = {topic for topic, _ in follow.places}
            topics = {name for topic, name in journal.topic_names().items() if topic in followed}
            try:
                for topic, reason in claim(self._dest, journal.source_id, journal.task, topics).items():
                    self._tell(Remark(resource=Resource("topic", topic), reason=reason))
                self._marked_at = time.monotonic()
            except KafkaMetaError as error:
                self._tell(Remark(resource=Resource("topics"), reason=error.message))

    def _tell(self, remark: Remark) -> None:
        if remark not in self._told:
            self._told.add(remark)
            self._emit(Happened(text=f"{remark.resource}: {remark.reason}"))

    def _round(self, connection: Wire, journal: Journal, follow: Follow) -> None:
        """Names and numbers of partitions are looked at each time, everything else only when something is new."""
        there = wire.metadata(connection).topics
        topics = {
            name: topic
            for name, topic in there.items()
            if self._decided.selection.topic(name) and (self._decided.selection.include_internal or not topic.internal)
        }
        known = journal.begun()
        known |= {each.place: each for each in follow.waiting()}
        followed = {topic for topic, _ in follow.places}
        wanted = {topic for topic, _ in self._wanted}
        if self._passed_over is None:
            # Also those that the filters leave out: with others, a later run would take them for new.
            old = self._counts.keys() | (there.keys() - topics.keys())
            self._passed_over = journal.passed_over(old - wanted - {topic for topic, _ in known})
        self._look_for_deleted(connection, followed - topics.keys(), follow)
        now = time.monotonic()
        later = {topic for topic, at in self._not_before.items() if at > now}
        new = topics.keys() - (self._passed_over - wanted) - {topic for topic, _ in known} - later
        grown = {
            name
            for name in (followed & topics.keys()) - later
            if any(self._is_new((name, partition.partition), known) for partition in topics[name].partitions)
        }
        if new or grown:
            for name in new | grown:
                self._put_off_now.pop(name, None)
            follow.add(self._begun(journal, new, grown, known))
        for name in self._put_off_now.keys() - topics.keys():
            del self._put_off_now[name]  # it has gone
        # A topic that is followed goes on, whatever is wrong with its new partitions.
        in_the_way = {name: each.reason for name, each in self._put_off_now.items() if name not in followed}
        deleted = dict.fromkeys(self._deleted, _DELETED)
        ids = {name: begun.source_topic_id for (name, _), begun in known.items()}
        recreated = {name: _RECREATED for name in ids.keys() & topics.keys() if another(ids[name], topics[name].id)}
        follow.aside = {
            **{name: ("in-the-way", reason) for name, reason in in_the_way.items()},
            **{name: ("source-gone", reason) for name, reason in deleted.items()},
            **{name: ("recreated", reason) for name, reason in recreated.items()},
        }

    def _is_new(self, place: Place, known: Mapping[Place, Begun]) -> bool:
        """Of a topic that was looked at in the beginning, only those partitions are copied that were chosen then, and
        what was added since."""
        topic, partition = place
        if place in known or place in self._wanted:
            return place not in known
        last = max((each for name, each in known if name == topic), default=-1)
        if last >= 0:
            return partition > last
        chosen = any(name == topic for name, _ in self._wanted)
        return not chosen or partition >= self._counts[topic]

    def _look_for_deleted(self, connection: Wire, absent: set[str], follow: Follow) -> None:
        """A topic counts as deleted when a broker, asked by name, knows no such topic, two rounds in a row: one that
        has just started may not know it yet. One that we may not see any more is none of these."""
        told = leaders(connection, absent) if absent else {}
        unknown = {topic for topic in absent if isinstance(found := told.get((topic, -1)), Failure) and found.unknown}
        hidden = "the source does not show it any more: is the right to DESCRIBE it gone?"
        self._hidden = tuple(
            Remark(resource=Resource("topic", topic), reason=hidden) for topic in sorted(absent - unknown)
        )
        for remark in self._hidden:
            self._tell(remark)
        gone = (unknown & self._absent) - self._deleted
        for topic in sorted(gone):
            self._tell(Remark(resource=Resource("topic", topic), reason=_DELETED))
        self._absent = unknown
        if gone:
            self._deleted |= gone
            follow.gone = frozenset(gone)

    def _read(self, settings: ClusterSettings) -> Snapshot:
        selection = self._decided.selection if settings.role == "source" else EVERYTHING
        now_ms = round(time.time() * 1000)
        return cluster.read(settings, selection, emit=silent, taken_at_ms=now_ms, sections=_TOPICS, sizes=False)

    def _begun(
        self, journal: Journal, new_names: Set[str], grown: Set[str], known: Mapping[Place, Begun]
    ) -> Iterator[Begun]:
        here = self._read(self._source)
        topics = {topic.name: topic for topic in here.topics or ()}
        new = {name: topics[name] for name in new_names if name in topics}
        there = self._read(self._dest)
        occupied = {topic.name: topic for topic in there.topics or ()}
        with wire.connect(self._dest) as connection:
            others = self._claims(connection, journal)
        taken = {begun.dest_topic for begun in known.values()}
        for name in sorted(new):
            try:
                dest_topic = self._decided.topic_name(name)
            except UsageError as error:  # --rename gives it no legal name
                self._put_off(name, error.message)
                del new[name]
                continue
            if dest_topic in taken:
                self._put_off(name, "--rename gives it the name of another topic: it is not copied")
                del new[name]
            elif dest_topic in others:
                self._put_off(name, others[dest_topic].reason)
                del new[name]
            elif dest_topic in occupied and _records(occupied[dest_topic]):
                self._put_off(name, _IN_THE_WAY)
                del new[name]
            elif dest_topic in occupied and len(occupied[dest_topic].partitions) > len(new[name].partitions):
                more, fewer = len(occupied[dest_topic].partitions), len(new[name].partitions)
                self._put_off(
                    name,
                    f"it has appeared on the source with {plural(fewer, 'partition')}, and exists on the destination "
                    f"with {more}: every record keeps its partition, so it is not copied",
                )
                del new[name]
            else:
                taken.add(dest_topic)
        wanted = new | {name: topics[name] for name in grown if name in topics}
        desired = reshape(replace(here, topics=tuple(wanted.values())), self._decided, home_of(there))
        plan = compare(desired, there)
        names = {self._decided.topic_name(name): name for name in wanted}
        failed: set[str] = set()
        for remark in plan.refused:
            refused = str(remark.resource.name)
            for name in {refused, names.get(refused, refused)} & wanted.keys():
                self._put_off(name, remark.reason)
                failed.add(name)
        actions = [
            action
            for action in plan.actions
            if isinstance(action, CreateTopic | AddPartitions) and names.get(str(action.resource.name)) not in failed
        ]
        for dest_topic, reason in self._apply(actions):
            self._put_off(names[dest_topic], reason)
            failed.add(names[dest_topic])
        # What is altered on the source from now on is an alteration, however soon it comes.
        journal.keep_agreed(
            {
                action.topic: action.configs
                for action in actions
                if isinstance(action, CreateTopic) and names[action.topic] not in failed
            }
        )
        marks = {self._decided.topic_name(name) for name in new.keys() - failed}
        for dest_topic, reason in claim(self._dest, journal.source_id, journal.task, marks).items():
            self._put_off(names[dest_topic], reason)
            failed.add(names[dest_topic])
        for name, reason in self._guarded(journal, sorted(new.keys() - failed)):
            self._put_off(name, reason)
            failed.add(name)
        after = {topic.name: topic for topic in self._read(self._dest).topics or ()}
        for name, topic in wanted.items():
            found = after.get(self._decided.topic_name(name))
            if found is not None and name not in failed:
                yield from self._added(topic, found, known)

    def _claims(self, connection: Wire, journal: Journal) -> Mapping[str, Claim]:
        try:
            return claims_of_others(connection, journal.source_id, journal.task)
        except KafkaMetaError:
            if journal.task is not None:
                raise
            return {}

    def _put_off(self, topic: str, reason: str) -> None:
        remark = Remark(resource=Resource("topic", topic), reason=reason)
        self._tell(remark)
        self._put_off_now[topic] = remark
        self._not_before[topic] = time.monotonic() + _AGAIN_S

    def _added(self, topic: Topic, there: Topic, known: Mapping[Place, Begun]) -> Iterator[Begun]:
        """The partitions that are not copied yet; none of a topic that has been recreated on either side."""
        old = next((begun for (name, _), begun in known.items() if name == topic.name), None)
        if old is not None and (another(old.source_topic_id, topic.id) or another(old.dest_topic_id, there.id)):
            self._put_off(topic.name, "it has been recreated: what has appeared of it is not copied")
            return
        for partition in topic.partitions[: len(there.partitions)]:
            place = (topic.name, partition.partition)
            start, at = partition.start_offset, there.partitions[partition.partition]
            if not self._is_new(place, known) or start is None or at.end_offset is None:
                continue
            if at.end_offset != at.start_offset:
                self._put_off(topic.name, f"partition {partition.partition} is not empty there: it is not copied")
                continue
            self._emit(Happened(text=f"{topic.name}-{partition.partition} has appeared: copied from offset {start}"))
            yield begun_of(topic, there, partition.partition, base=at.end_offset, start=start, end=start)

    def _apply(self, actions: Iterable[Action]) -> Iterator[tuple[str, str]]:
        """Yields the topics of the destination that could not be made ready, and why."""
        with cluster.Writer(self._dest) as writer:
            for told in apply(list(actions), writer):
                if not isinstance(told, Waiting) and told.outcome == "failed":
                    yield str(told.action.resource.name), told.error or "it failed"
            for _ in writer.settle():
                pass

    def _guarded(self, journal: Journal, topics: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Turns retention off for all, and where that fails, one by one. Yields the topics of the source that are not
        guarded, and why."""
        if not self._guard or not topics:
            return
        names = {self._decided.topic_name(name): name for name in topics}
        with cluster.Writer(self._dest) as writer:
            try:
                guard_topics(self._dest, writer, journal, names, emit=silent)
            except KafkaMetaError as error:
                if len(topics) == 1:
                    yield topics[0], error.message
                    return
            else:
                return
        for name in topics:
            yield from self._guarded(journal, [name])


_ROOM = "appearing"
_DELETED = "it was deleted on the source; its copy stays"
_RECREATED = "it is another topic on the source now; what was copied of the old one stays"
_IN_THE_WAY = (
    "it has appeared on the source, but it exists on the destination and is not empty: it is not copied. Empty it "
    "there, or leave it out with --exclude-topics"
)


def _records(topic: Topic) -> int:
    return sum((each.end_offset or 0) - (each.start_offset or 0) for each in topic.partitions)
