"""What the guard keeps, who still needs it, and how it ends: `mirror --release`, `mirror --restart`.

`look` changes nothing. A function that changes the guard or the journal holds the lease, as a copy does, because a
copier that runs at the same time relies on both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka_meta import cluster
from kafka_meta.apply import Writer
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit
from kafka_meta.journal import Journal
from kafka_meta.mirror.claims import give_up, unclaim
from kafka_meta.mirror.guard import put_back
from kafka_meta.mirror.lease import Lease
from kafka_meta.model import EVERYTHING, Remark, Resource, Snapshot
from kafka_meta.plan import plural
from kafka_meta.settings import ClusterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A topic of the destination whose retention or compaction is off."""

    topic: str
    configs: Mapping[str, str | None]
    """The values that release sets again. None: the topic had no value of its own."""
    unread: Mapping[str, int | None]
    """Group → how many of the copied records it has not read; None when its positions could not be read."""
    unknown: str | None
    """Why nobody can tell which groups have read it."""
    incomplete: int
    """How many of its partitions are not copied to the end."""

    @property
    def needed(self) -> tuple[Remark, ...]:
        """Why retention must stay off."""
        resource = Resource("topic", self.topic)
        found = [Remark(resource=resource, reason=_why(group, count)) for group, count in self.unread.items()]
        if self.unknown is not None:
            found.append(Remark(resource=resource, reason=self.unknown))
        if self.incomplete:
            reason = f"its copy is not complete ({plural(self.incomplete, 'partition')}): finish it first"
            found.append(Remark(resource=resource, reason=reason))
        return tuple(found)


def _why(group: str, count: int | None) -> str:
    if count is None:
        return f"group {group}: its positions could not be read, so nobody knows whether it has read the copied records"
    return f"group {group} has not read {count:,} of the copied records; they could be deleted unread"


def held(journal: Journal, dest: Snapshot, topics: Collection[str]) -> tuple[Held, ...]:
    """Those of these destination topics that are guarded. `dest` has the groups of the destination with their
    offsets."""
    unread = _unread(journal, dest)
    incomplete: dict[str, int] = defaultdict(int)
    records: dict[str, int] = defaultdict(int)
    for position in journal.positions():
        incomplete[position.begun.dest_topic] += not position.done
        records[position.begun.dest_topic] += position.rank
    readers = {offset.topic for group in dest.groups or () for offset in group.offsets or ()} | unread.keys()
    hidden = sorted(group.id for group in dest.groups or () if group.offsets is None)

    def unknown(topic: str) -> str | None:
        if not records[topic]:
            return None
        if dest.groups is None:
            return "the groups of the destination could not be read, so nobody knows who has read the copied records"
        if topic not in readers and hidden:
            return f"the positions of group {hidden[0]} could not be read, and no other group has one on this topic"
        if topic not in readers:
            return f"no group has a position on it, so nobody has read its {records[topic]:,} copied records"
        return None

    return tuple(
        Held(
            topic=topic,
            configs=previous,
            unread=unread.get(topic, {}),
            unknown=unknown(topic),
            incomplete=incomplete[topic],
        )
        for topic, previous in journal.guards().items()
        if topic in topics
    )


def _unread(journal: Journal, dest: Snapshot) -> dict[str, dict[str, int | None]]:
    """Destination topic → group → records that it has not read; None when its positions could not be read. A group
    counts when it has a position on the topic now, or when the mirror has set one. If that position is missing now, the
    group would start from the beginning."""
    copies = {(each.begun.dest_topic, each.begun.partition): each for each in journal.positions()}
    names = {place[0]: position.begun.dest_topic for position in copies.values() for place in [position.begun.place]}
    groups = {group.id: group.offsets for group in dest.groups or ()}
    now = {
        (group, offset.topic, offset.partition): offset.offset
        for group, offsets in groups.items()
        for offset in offsets or ()
    }
    ours = {(each.group, names[each.topic], each.partition) for each in journal.committed() if each.topic in names}
    found: dict[str, dict[str, int | None]] = defaultdict(dict)
    for group, topic, partition in sorted(ours | now.keys()):
        copy = copies.get((topic, partition))
        if copy is None:
            continue
        if dest.groups is None or (group in groups and groups[group] is None):
            found[topic][group] = None
            continue
        offset = max(now.get((group, topic, partition), 0), copy.begun.base)
        if offset < copy.dest_end:
            found[topic][group] = (found[topic].get(group) or 0) + copy.dest_end - offset
    return found


def look(dest: ClusterSettings, journal: Journal, topics: Collection[str], *, emit: Emit) -> tuple[Held, ...]:
    """As `held`, with the groups of the destination as they are now. Raises KafkaMetaError when it does not answer."""
    actual = cluster.read(dest, EVERYTHING, emit=emit, taken_at_ms=0, sections=frozenset({"groups"}), offsets=False)
    return held(journal, actual, topics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The result for the guarded topics."""

    topics: tuple[str, ...]
    """Topics whose earlier values are set again."""
    needed: tuple[Remark, ...]
    """Why others were left as they are."""
    allowed: tuple[Remark, ...]
    """Why released topics were still needed: `allow_unread` has permitted to release them."""
    remarks: tuple[Remark, ...]
    """Configs that could not be set again, and those that somebody else has changed since."""


def release(
    dest: ClusterSettings,
    writer: Writer,
    journal: Journal,
    topics: Collection[str],
    *,
    allow_unread: bool,
    emit: Emit,
) -> Released:
    """Sets retention and compaction of these topics again, under the lease. A topic that is still needed stays as it is
    unless `allow_unread`. Raises KafkaMetaError when somebody copies."""
    with Lease(dest, journal.source_id, journal.task, emit=emit) as lease:
        looked = look(dest, journal, topics, emit=emit)
        free = [each.topic for each in looked if allow_unread or not each.needed]
        _require(lease)
        remarks = tuple(put_back(dest, writer, journal, free, emit=emit))
        unclaim(dest, journal.source_id, journal.task, set(topics) - journal.guards().keys())
    guarded = journal.guards()
    return Released(
        topics=tuple(topic for topic in free if topic not in guarded),
        needed=tuple(remark for each in looked if each.topic not in free for remark in each.needed),
        allowed=tuple(remark for each in looked if each.topic in free for remark in each.needed),
        remarks=remarks,
    )


def _require(lease: Lease) -> None:
    """Raises KafkaMetaError when the lease is not held: somebody else may be copying by now."""
    if not lease.check():
        raise KafkaMetaError("the lease on the destination has run out", "Run the same command again.")


def require_nothing_copied(dest: ClusterSettings, journal: Journal, *, emit: Emit) -> None:
    """Raises KafkaMetaError as long as something of the copy, or of its guard, is left on the destination."""
    if guards := journal.guards():
        raise KafkaMetaError(
            f"retention is still off on {plural(len(guards), 'topic')} of the destination, "
            "and only the journal knows the old values",
            "Put it back first: kafka-meta mirror --release --commit",
        )
    actual = cluster.read(dest, EVERYTHING, emit=emit, taken_at_ms=0, sections=frozenset({"topics"}))
    if actual.topics is None:
        raise KafkaMetaError("the topics of the destination could not be read, so what was copied may still be there")
    there = {(topic.name, each.partition): each for topic in actual.topics for each in topic.partitions}
    hidden = {gap.resource: gap.reason for gap in actual.gaps}
    for begun in (position.begun for position in journal.positions()):
        partition = there.get((begun.dest_topic, begun.partition))
        unread = partition is not None and None in (partition.start_offset, partition.end_offset)
        if unread or (partition is None and Resource("topic", begun.dest_topic) in hidden):
            raise KafkaMetaError(
                f"{begun.dest_topic}-{begun.partition} on the destination could not be read, so what was copied may "
                f"still be there: {hidden.get(Resource('topic', begun.dest_topic), 'its offsets are unknown')}",
                "A journal is removed only when nothing of the copy is left.",
            )
        if partition is not None and partition.start_offset != partition.end_offset:
            raise KafkaMetaError(
                f"{begun.dest_topic}-{begun.partition} is not empty on the destination (offsets "
                f"{partition.start_offset} to {partition.end_offset}): what was copied would be copied again",
                "To begin anew, delete the topic or its records on the destination first.",
            )


def forget(dest: ClusterSettings, journal: Journal, *, emit: Emit) -> Path:
    """Removes the journal, under the lease. Returns its path. Raises KafkaMetaError as `require_nothing_copied` does,
    and when somebody copies."""
    with Lease(dest, journal.source_id, journal.task, emit=emit) as lease:
        require_nothing_copied(dest, journal, emit=emit)
        _require(lease)
        give_up(dest, journal.source_id, journal.task, set(journal.topic_names().values()))
        journal.close()
        for suffix in ("", "-wal", "-shm"):
            journal.path.with_name(journal.path.name + suffix).unlink(missing_ok=True)
    return journal.path
