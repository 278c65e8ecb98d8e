"""Topics and partitions that appear on the source while it is followed: created on the destination, then copied from
their first record on.

A topic that exists on the destination already, and is not ours, is in the way. The others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace

from kafka_meta import cluster, wire
from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Happened, Waiting, silent
from kafka_meta.journal import Begun, Journal, Place
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.guard import configs_now, set_guard
from kafka_meta.model import EVERYTHING, Remark, Resource, Snapshot, Topic
from kafka_meta.plan import Action, AddPartitions, CreateTopic, Policy, Section, compare, home_of, reshape
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire

EVERY_S = 10.0
_TOPICS: frozenset[Section] = frozenset({"topics"})


class Appearing:
    """`wanted` are the topics of the source that shall be copied, whether they exist on the destination or not.
    Everything happens on the thread that calls `run`."""

    def __init__(
        self,
        source: ClusterSettings,
        dest: ClusterSettings,
        journal: Journal,
        *,
        decided: Policy,
        wanted: Set[str],
        guard: bool,
        emit: Emit,
        every_s: float = EVERY_S,
    ) -> None:
        self._source, self._dest = source, dest
        self._path, self._ids = journal.path, (journal.source_id, journal.dest_id)
        self._decided = replace(decided, only=_TOPICS)
        self._wanted = wanted
        self._guard, self._emit, self._every_s = guard, emit, every_s
        self._told: set[Remark] = set()
        self._absent: set[str] = set()
        """Topics that are followed and were not there at the last round."""
        self._passed_over: frozenset[str] | None = None
        """Topics that no group read in the beginning. That they are not copied has been said then."""

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What goes wrong in a round is reported once, and tried again in the next one."""
        source_id, dest_id = self._ids
        with Journal(self._path, source_id=source_id, dest_id=dest_id) as journal:
            while not follow.ends.is_set():
                try:
                    with wire.connect(self._source) as connection:
                        while not follow.ends.is_set():
                            self._round(connection, journal, follow)
                            follow.ends.wait(self._every_s)
                except (KafkaMetaError, Unanswered) as error:
                    self._tell(Remark(resource=Resource("topics"), reason=str(error)))
                    follow.ends.wait(self._every_s)

    def _tell(self, remark: Remark) -> None:
        if remark not in self._told:
            self._told.add(remark)
            self._emit(Happened(text=f"{remark.resource}: {remark.reason}"))

    def _round(self, connection: Wire, journal: Journal, follow: Follow) -> None:
        """Names and numbers of partitions are looked at each time, everything else only when something is new."""
        topics = {
            name: topic
            for name, topic in wire.metadata(connection).topics.items()
            if self._decided.selection.topic(name) and (self._decided.selection.include_internal or not topic.internal)
        }
        known = {position.begun.place: position.begun for position in journal.positions()}
        followed = {topic for topic, _ in known}
        if self._passed_over is None:
            self._passed_over = journal.passed_over(topics.keys() - followed - self._wanted)
        self._look_for_deleted(followed - topics.keys(), follow)
        new = topics.keys() - self._passed_over - followed
        grown = {
            name
            for name in followed & topics.keys()
            if any((name, partition.partition) not in known for partition in topics[name].partitions)
        }
        if new or grown:
            follow.add(self._begun(journal, new, grown, known))

    def _look_for_deleted(self, absent: set[str], follow: Follow) -> None:
        """A topic counts as deleted when two rounds in a row lack it: a broker that has just started may lack some."""
        for topic in sorted(absent & self._absent):
            self._tell(Remark(resource=Resource("topic", topic), reason="it was deleted on the source; its copy stays"))
        follow.gone = frozenset(absent & self._absent)
        self._absent = absent

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
        for name in list(new):
            dest_topic = self._decided.topic_name(name)
            if dest_topic in occupied and _records(occupied[dest_topic]):
                self._tell(Remark(resource=Resource("topic", dest_topic), reason=_IN_THE_WAY))
                del new[name]
        wanted = new | {name: topics[name] for name in grown if name in topics}
        desired = reshape(replace(here, topics=tuple(wanted.values())), self._decided, home_of(there))
        plan = compare(desired, there)
        refused = {remark.resource.name for remark in plan.refused}
        for remark in plan.refused:
            self._tell(remark)
        actions = [action for action in plan.actions if isinstance(action, CreateTopic | AddPartitions)]
        failed = set(self._apply(actions, journal, {self._decided.topic_name(name) for name in new}))
        after = {topic.name: topic for topic in self._read(self._dest).topics or ()}
        for name, topic in wanted.items():
            dest_topic = self._decided.topic_name(name)
            found = after.get(dest_topic)
            if found is None or dest_topic in refused | failed:
                continue
            for partition in topic.partitions:
                place = (name, partition.partition)
                if place in known or partition.start_offset is None or partition.partition >= len(found.partitions):
                    continue
                base = found.partitions[partition.partition].end_offset
                if base is not None:
                    start = partition.start_offset
                    yield Begun(
                        topic=name,
                        partition=partition.partition,
                        dest_topic=dest_topic,
                        source_topic_id=topic.id,
                        dest_topic_id=found.id,
                        base=base,
                        start=start,
                        end=start,
                    )
            if name in new:
                self._emit(Happened(text=f"topic {name} has appeared on the source: it is copied from its start"))
            else:
                self._emit(Happened(text=f"topic {name} has {len(topic.partitions)} partitions now"))

    def _apply(self, actions: Iterable[Action], journal: Journal, new: set[str]) -> Iterator[str]:
        """Yields the topics of the destination that could not be made ready."""
        with cluster.Writer(self._dest) as writer:
            for told in apply(list(actions), writer):
                if isinstance(told, Waiting):
                    continue
                resource = told.action.resource
                if told.outcome == "failed":
                    self._tell(Remark(resource=resource, reason=told.error or "it failed"))
                    new.discard(str(resource.name))
                    yield str(resource.name)
            for _ in writer.settle():
                pass
            if self._guard and new:
                overrides, works = configs_now(self._dest, new)
                set_guard(writer, journal, new, overrides=overrides, effective=works, emit=silent)


_IN_THE_WAY = (
    "it has appeared on the source, but it exists on the destination and is not empty: it is not copied. Empty it "
    "there, or leave it out with --exclude-topics"
)


def _records(topic: Topic) -> int:
    return sum((each.end_offset or 0) - (each.start_offset or 0) for each in topic.partitions)
