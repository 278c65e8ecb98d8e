"""What nobody has read yet, partition by partition, and where a source offset ends up.

All ranges are half-open. Between two offsets lie at most as many records as their difference: compaction and
transaction markers leave gaps, so counts of messages are upper bounds until they have been copied.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from kafka_meta.model import EVERYTHING, Group, Partition, Remark, Selection, Snapshot, Topic, sorted_remarks

UncommittedPolicy: TypeAlias = Literal["earliest", "latest", "skip"]
Note: TypeAlias = Literal["expired", "skip migrate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A group that reads the partition. `committed` is None when it has commits on the topic, but none here."""

    group: str
    committed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Source offsets `start` … `end` of a partition, of which the log still has everything from `earliest` on."""

    topic: str
    partition: int
    start: int
    end: int
    earliest: int
    readers: tuple[Reader, ...] = ()
    """Ordered by group."""
    set_by: tuple[str, ...] = ()
    """The groups that are furthest behind and so set the start; none when everything is copied."""
    reason: str
    """Why it starts there."""
    size_bytes: int | None = None
    """Its share of the partition's size on disk, were all records alike."""

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
        """The smallest over the groups; None where none has a commit here."""
        return min((reader.committed for reader in self.readers if reader.committed is not None), default=None)

    @property
    def expired(self) -> int:
        """How many messages at most were deleted from the log before the last group had read them."""
        return max(0, self.earliest - self.committed) if self.committed is not None else 0

    @property
    def note(self) -> Note | None:
        """What matters most: an expired partition with nothing left is skipped."""
        if self.start == self.end:
            return "skip migrate"
        return "expired" if self.expired else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """Partitions of a topic that have data and are not copied; at most `messages` of them."""

    topic: str
    partitions: tuple[int, ...]
    messages: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconsumed:
    """What a mirror would copy, and everything that it would not."""

    ranges: tuple[Range, ...] = ()
    """Ordered by topic and partition; those with nothing left to copy included."""
    left_behind: tuple[LeftBehind, ...] = ()
    warnings: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()
    """Positions that cannot be right: nothing is copied before they are."""
    unreadable: tuple[Remark, ...] = ()
    """Groups whose positions and partitions whose offsets could not be read: what they would add is not known."""
    skipped: tuple[Remark, ...] = ()
    """Groups that have no positions to move, and positions on what is not there."""

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
) -> Unconsumed:
    """The unread ranges of the selected topics over the selected groups, or with `all_data` the topics as a whole.

    A partition's `end_offset` is taken as its end: the last stable offset, if a copy is to follow. A group with commits
    on a topic, but none on one of its partitions, has `uncommitted` as its position there: "skip" leaves it out.
    """
    found = _Findings()
    if source.topics is None:
        return Unconsumed(unreadable=(Remark(resource="topics", reason="they could not be read"),))
    topics = [topic for topic in source.topics if selection.topic(topic.name)]
    topics = [topic for topic in topics if selection.include_internal or not topic.internal]
    positions = _positions(source, selection, found)
    _remark_commits_on_nothing(positions, source.topics, selection, found)
    for topic in sorted(topics, key=lambda topic: topic.name):
        _look_at(topic, positions, uncommitted, all_data, found)
    return Unconsumed(
        ranges=tuple(found.ranges),
        left_behind=tuple(found.left_behind),
        warnings=tuple(found.warnings),
        refused=tuple(found.refused),
        unreadable=sorted_remarks(found.unreadable),
        skipped=sorted_remarks(found.skipped),
    )


class _Findings:
    """What fills up while topics are looked at."""

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
        found.unreadable.append(Remark(resource="groups", reason="they could not be read"))
    taken: set[str] = set()
    # A broker group goes before an old ZooKeeper consumer of the same name, as in `import`.
    for group in sorted(source.groups or (), key=lambda group: (group.source != "broker", group.id)):
        resource = f"group {group.id}"
        if not selection.group(group.id):
            continue
        if reason := _why_without_positions(group):
            found.skipped.append(Remark(resource=resource, reason=reason))
        elif group.offsets is None:
            found.unreadable.append(Remark(resource=resource, reason="its committed offsets could not be read"))
        elif group.id in taken:
            reason = "a group of that name keeps its positions in the brokers: those count"
            found.skipped.append(Remark(resource=f"{resource} in ZooKeeper", reason=reason))
        else:
            for commit in group.offsets:
                positions[commit.topic].setdefault(group.id, {})[commit.partition] = commit.offset
        taken.add(group.id)
    return positions


def _why_without_positions(group: Group) -> str | None:
    if group.type == "share":
        return "a share group: its positions are broker state of their own kind, not committed offsets"
    if group.protocol in ("connect", "sr"):  # Connect's workers, schema registries
        return f"coordination only (protocol type {group.protocol}): it has no positions that anybody reads"
    return None


def _remark_commits_on_nothing(
    positions: _Positions, topics: Iterable[Topic], selection: Selection, found: _Findings
) -> None:
    sizes = {topic.name: len(topic.partitions) for topic in topics}
    for topic, groups in positions.items():
        for group, commits in groups.items():
            resource = f"group {group}"
            if topic not in sizes and selection.topic(topic):
                found.skipped.append(
                    Remark(resource=resource, reason=f"has commits on topic {topic}, which is not there")
                )
            for partition in commits if topic in sizes and selection.topic(topic) else ():
                if partition >= sizes[topic]:
                    reason = f"has a commit on {topic}-{partition}, a topic of {sizes[topic]} partitions"
                    found.skipped.append(Remark(resource=resource, reason=reason))


def _look_at(
    topic: Topic, positions: _Positions, uncommitted: UncommittedPolicy, all_data: bool, found: _Findings
) -> None:
    commits = positions.get(topic.name, {})
    behind: dict[int, int] = {}
    for partition in topic.partitions:
        resource = f"{topic.name}-{partition.partition}"
        earliest, end = partition.start_offset, partition.end_offset
        if earliest is None or end is None:
            found.unreadable.append(Remark(resource=resource, reason="its first and last offset could not be read"))
            continue
        readers = tuple(
            Reader(group=group, committed=offsets.get(partition.partition))
            for group, offsets in sorted(commits.items())
            if partition.partition in offsets or uncommitted != "skip"
        )
        if ahead := [reader for reader in readers if reader.committed is not None and reader.committed > end]:
            for reader in ahead:
                reason = f"group {reader.group} has committed {reader.committed}, the partition ends at {end}"
                found.refused.append(Remark(resource=resource, reason=reason))
        elif readers or all_data:
            each = _range(topic.name, partition, earliest, end, readers, uncommitted, all_data)
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
    all_data: bool,
) -> Range:
    without_commit = end if uncommitted == "latest" else earliest
    starts = {
        reader.group: without_commit if reader.committed is None else max(reader.committed, earliest)
        for reader in readers
    }
    start, set_by, reason = earliest, tuple[str, ...](), "all data"
    if not all_data:
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
        return f"no commit here: {uncommitted}"
    if min(committed) < earliest:
        return f"expired: committed {min(committed)}, earliest {earliest}"
    return f"committed {start}"


def _expiry(each: Range) -> str:
    left = "nothing is left to copy" if each.start == each.end else f"starts at {each.start}"
    late = [reader for reader in each.readers if reader.committed is not None and reader.committed < each.earliest]
    who = ", ".join(f"group {reader.group} has committed {reader.committed}" for reader in late)
    return f"expired: {who}, the log's earliest offset is {each.earliest}: {left}"


def _share(size_bytes: int | None, part: int, whole: int) -> int | None:
    if size_bytes is None:
        return None
    return size_bytes * part // whole if whole else 0


def _why_left(topic: str, commits: Mapping[str, Mapping[int, int]], positions: _Positions) -> str:
    if commits:
        return "no group has a commit on these partitions (--uncommitted skip)"
    if topic.endswith("-changelog"):
        for groups in positions.values():
            for group in groups:
                if topic.startswith(f"{group}-"):
                    return f"state of the Streams application {group}: it needs all of it (--all-data)"
    return "no selected group has commits on it: nobody reads it, or who does keeps the offsets elsewhere"


class Boundary(NamedTuple):
    """Up to source offset `source` (exclusive), `rank` records have been mirrored."""

    source: int
    rank: int


def rank_of(offset: int, boundaries: Sequence[Boundary]) -> int | None:
    """How many mirrored records lie before source offset `offset`: rank(c) of

        dest(c) = base + rank(c)        base = the destination's end before the copy

    `boundaries` ascend; the first one is the range's start with rank 0. None where they do not tell: behind the last
    one, and between two that have a gap between them, where only the batch itself knows.
    """
    after = bisect_left(boundaries, offset, key=lambda boundary: boundary.source)
    if after == len(boundaries):
        return None
    if after == 0 or boundaries[after].source == offset:
        # Boundaries at the same source offset have the same rank; before the start nothing was mirrored.
        return boundaries[after].rank
    before, behind = boundaries[after - 1], boundaries[after]
    if behind.rank == before.rank:
        return before.rank
    if behind.rank - before.rank == behind.source - before.source:
        return before.rank + offset - before.source
    return None


def source_of(rank: int, boundaries: Sequence[Boundary]) -> int | None:
    """From which source offset a copy goes on that has arrived up to `rank`; None when that is no boundary.

    Behind the last boundary of that rank, since what lies between those of one rank is not mirrored.
    """
    after = bisect_right(boundaries, rank, key=lambda boundary: boundary.rank)
    if after == 0 or boundaries[after - 1].rank != rank:
        return None
    return boundaries[after - 1].source
