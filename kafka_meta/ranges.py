"""What no group has read yet, by partition.

All ranges are half-open. The difference of two offsets is the largest possible number of records between them:
compaction and transaction markers leave gaps. So every count of messages is an upper bound until they are copied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta.model import EVERYTHING, Group, Partition, Remark, Resource, Selection, Snapshot, Topic, sorted_remarks

UncommittedPolicy: TypeAlias = Literal["earliest", "latest", "skip"]
Note: TypeAlias = Literal["expired", "skip migrate"]

ALL_DATA = "all data"
COMPACTED = "compacted: copied whole"
"""Why a range starts at the beginning of the log although no group stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A group that reads the partition. `committed` is None when it has positions on the topic, but none here."""

    group: str
    committed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Source offsets `start` … `end` of a partition. `earliest` is the first offset that its log still has."""

    topic: str
    partition: int
    start: int
    end: int
    earliest: int
    readers: tuple[Reader, ...] = ()
    """Ordered by group."""
    set_by: tuple[str, ...] = ()
    """The groups whose position is the start: those furthest behind. Empty when everything is copied."""
    reason: str
    """Why it starts there."""
    size_bytes: int | None = None
    """Its part of the partition's size on disk, if all records had the same size."""

    def __post_init__(self) -> None:
        if not self.earliest <= self.start <= self.end:
            raise ValueError(f"range {self.start} … {self.end} of a log that begins at {self.earliest}")

    @property
    def messages(self) -> int:
        """At most."""
        return self.end - self.start

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(reader.group for reader in self.readers)

    @property
    def committed(self) -> int | None:
        """The smallest position of the groups; None where no group has one here."""
        return min((reader.committed for reader in self.readers if reader.committed is not None), default=None)

    @property
    def expired(self) -> int:
        """Messages that were deleted before the slowest group had read them, at most."""
        return max(0, self.earliest - self.committed) if self.committed is not None else 0

    @property
    def note(self) -> Note | None:
        """An expired partition with nothing left to copy is "skip migrate", not "expired"."""
        if self.start == self.end:
            return "skip migrate"
        return "expired" if self.expired else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """Partitions of a topic that have data and are not copied. They have at most `messages` messages together."""

    topic: str
    partitions: tuple[int, ...]
    messages: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconsumed:
    """What a mirror copies, and what it does not copy."""

    ranges: tuple[Range, ...] = ()
    """Ordered by topic and partition. Ranges with nothing left to copy are included."""
    left_behind: tuple[LeftBehind, ...] = ()
    warnings: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()
    """Positions that cannot be right. Nothing is copied until they are corrected."""
    unreadable: tuple[Remark, ...] = ()
    """Groups whose positions could not be read, and partitions whose offsets could not be read."""
    skipped: tuple[Remark, ...] = ()
    """Groups that have no positions to move, and positions on topics and partitions that do not exist."""

    @property
    def messages(self) -> int:
        """At most."""
        return sum(each.messages for each in self.ranges)


def unconsumed(
    source: Snapshot,
    *,
    selection: Selection = EVERYTHING,
    uncommitted: UncommittedPolicy = "earliest",
    all_data: bool = False,
    whole: Collection[str] = (),
    high_watermarks: Mapping[tuple[str, int], int] | None = None,
) -> Unconsumed:
    """The ranges of the selected topics that a selected group has not read; the whole topics with `all_data`.

    A range ends at the partition's `end_offset`. Before a copy that must be the last stable offset. A group that reads
    uncommitted records may stand above it, up to the partition's high watermark (without `high_watermarks`: its end).
    Topics in `whole`, which are compacted, are copied from their beginning if a group reads them: a table is the sum of
    its records. Where a group has positions on a topic but none on one of its partitions, `uncommitted` is its position
    there; with "skip" the group is ignored there.
    """
    found = _Findings()
    if source.topics is None:
        return Unconsumed(unreadable=(Remark(resource=Resource("topics"), reason="the topics could not be read"),))
    topics = [topic for topic in source.topics if selection.topic(topic.name)]
    topics = [topic for topic in topics if selection.include_internal or not topic.internal]
    positions = _positions(source, selection, found)
    _remark_commits_on_nothing(positions, source.topics, selection, found)
    for topic in sorted(topics, key=lambda topic: topic.name):
        entire = all_data or (topic.name in whole and topic.name in positions)
        why = ALL_DATA if all_data else COMPACTED
        _look_at(topic, positions, uncommitted, why if entire else None, high_watermarks or {}, found)
    return Unconsumed(
        ranges=tuple(found.ranges),
        left_behind=tuple(found.left_behind),
        warnings=tuple(found.warnings),
        refused=tuple(found.refused),
        unreadable=sorted_remarks(found.unreadable),
        skipped=sorted_remarks(found.skipped),
    )


class _Findings:
    """The parts of an `Unconsumed`, while topics are looked at."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.left_behind: list[LeftBehind] = []
        self.warnings: list[Remark] = []
        self.refused: list[Remark] = []
        self.unreadable: list[Remark] = []
        self.skipped: list[Remark] = []


_Positions: TypeAlias = Mapping[str, Mapping[str, Mapping[int, int]]]
"""Topic → group → partition → committed offset."""


def _positions(source: Snapshot, selection: Selection, found: _Findings) -> _Positions:
    positions: dict[str, dict[str, dict[int, int]]] = defaultdict(dict)
    if source.groups is None:
        found.unreadable.append(Remark(resource=Resource("groups"), reason="the groups could not be read"))
    taken: set[str] = set()
    # Where a broker group and an old ZooKeeper consumer have the same name, the broker group counts, as in `import`.
    for group in sorted(source.groups or (), key=lambda group: (group.source != "broker", group.id)):
        resource = Resource("group", group.id)
        if not selection.group(group.id):
            continue
        if reason := _why_without_positions(group):
            found.skipped.append(Remark(resource=resource, reason=reason))
        elif group.offsets is None:
            found.unreadable.append(Remark(resource=resource, reason="its committed offsets could not be read"))
        elif group.id in taken:
            reason = "the brokers have a group of the same name: its positions are used"
            found.skipped.append(Remark(resource=resource, reason=f"in ZooKeeper: {reason}"))
        else:
            for commit in group.offsets:
                positions[commit.topic].setdefault(group.id, {})[commit.partition] = commit.offset
        taken.add(group.id)
    return positions


def _why_without_positions(group: Group) -> str | None:
    if group.type == "share":
        return "share group: the brokers keep its positions in a state of their own, not as committed offsets"
    if group.protocol in ("connect", "sr"):  # Connect's workers, schema registries
        return f"it only coordinates workers (protocol type {group.protocol}): it has no positions to move"
    return None


def _remark_commits_on_nothing(
    positions: _Positions, topics: Iterable[Topic], selection: Selection, found: _Findings
) -> None:
    sizes = {topic.name: len(topic.partitions) for topic in topics}
    for topic, groups in positions.items():
        for group, commits in groups.items():
            resource = Resource("group", group)
            if topic not in sizes and selection.topic(topic):
                found.skipped.append(
                    Remark(resource=resource, reason=f"has positions on topic {topic}, which does not exist")
                )
            for partition in commits if topic in sizes and selection.topic(topic) else ():
                if partition >= sizes[topic]:
                    reason = f"has a position on {topic}-{partition}, but the topic has {sizes[topic]} partitions"
                    found.skipped.append(Remark(resource=resource, reason=reason))


def _look_at(
    topic: Topic,
    positions: _Positions,
    uncommitted: UncommittedPolicy,
    whole: str | None,
    high_watermarks: Mapping[tuple[str, int], int],
    found: _Findings,
) -> None:
    commits = positions.get(topic.name, {})
    behind: dict[int, int] = {}
    for partition in topic.partitions:
        resource = Resource.partition(topic.name, partition.partition)
        earliest, end = partition.start_offset, partition.end_offset
        if earliest is None or end is None:
            found.unreadable.append(Remark(resource=resource, reason="its start and end offset could not be read"))
            continue
        readers = tuple(
            Reader(group=group, committed=offsets.get(partition.partition))
            for group, offsets in sorted(commits.items())
            if partition.partition in offsets or uncommitted != "skip"
        )
        last = max(end, high_watermarks.get((topic.name, partition.partition), end))
        if ahead := [reader for reader in readers if reader.committed is not None and reader.committed > last]:
            for reader in ahead:
                reason = f"group {reader.group} has committed {reader.committed}, the partition ends at {last}"
                found.refused.append(Remark(resource=resource, reason=reason))
        elif readers or whole:
            each = _range(topic.name, partition, earliest, end, readers, uncommitted, whole)
            found.ranges.append(each)
            if each.expired:
                found.warnings.append(Remark(resource=resource, reason=_expiry(each)))
        elif end > earliest:
            behind[partition.partition] = end - earliest
    if behind:
        left = LeftBehind(
            topic=topic.name,
            partitions=tuple(behind),
            messages=sum(behind.values()),
            reason=_why_left(topic.name, commits, positions),
        )
        found.left_behind.append(left)


def _range(
    topic: str,
    partition: Partition,
    earliest: int,
    end: int,
    readers: tuple[Reader, ...],
    uncommitted: UncommittedPolicy,
    whole: str | None,
) -> Range:
    without_commit = end if uncommitted == "latest" else earliest
    starts = {
        reader.group: without_commit if reader.committed is None else min(max(reader.committed, earliest), end)
        for reader in readers
    }
    start, set_by, reason = earliest, tuple[str, ...](), whole or ""
    if whole is None:
        start = min(starts.values())
        set_by = tuple(group for group, position in starts.items() if position == start)
        reason = _why_there(start, earliest, [reader for reader in readers if reader.group in set_by], uncommitted)
    return Range(
        topic=topic,
        partition=partition.partition,
        start=start,
        end=end,
        earliest=earliest,
        readers=readers,
        set_by=set_by,
        reason=reason,
        size_bytes=_share(partition.size_bytes, end - start, end - earliest),
    )


def _why_there(start: int, earliest: int, behind: Sequence[Reader], uncommitted: UncommittedPolicy) -> str:
    committed = [reader.committed for reader in behind if reader.committed is not None]
    if not committed:
        return f"no position here: {uncommitted}"
    if min(committed) < earliest:
        return f"expired: committed {min(committed)}, earliest {earliest}"
    return f"committed {start}"


def _expiry(each: Range) -> str:
    left = "nothing is left to copy" if each.start == each.end else f"the copy starts at {each.start}"
    late = [reader for reader in each.readers if reader.committed is not None and reader.committed < each.earliest]
    who = ", ".join(f"group {reader.group} has committed {reader.committed}" for reader in late)
    return f"expired: {who}, the log starts at {each.earliest}; {left}"


def _share(size_bytes: int | None, part: int, whole: int) -> int | None:
    if size_bytes is None:
        return None
    return size_bytes * part // whole if whole else 0


def _why_left(topic: str, commits: Mapping[str, Mapping[int, int]], positions: _Positions) -> str:
    if commits:
        return "no group has a position on these partitions (--uncommitted skip)"
    if topic.endswith("-changelog"):
        for groups in positions.values():
            for group in groups:
                if topic.startswith(f"{group}-"):
                    return f"state of the Streams application {group}: copy all of it (--all-data)"
    return "no selected group has a position on it: no group reads it, or its readers keep their offsets elsewhere"
