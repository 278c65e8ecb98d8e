from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta.model import CommittedOffset, Group, Partition, Remark, Resource, Selection, Snapshot, Topic
from kafka_meta.ranges import LeftBehind, Range, Reader, UncommittedPolicy, unconsumed


def topic(name: str, *spans: tuple[int | None, int | None], internal: bool = False, size: int | None = None) -> Topic:
    partitions = (
        Partition(partition=number, start_offset=start, end_offset=end, size_bytes=size)
        for number, (start, end) in enumerate(spans)
    )
    return Topic(name=name, internal=internal, partitions=tuple(partitions))


def group(name: str, commits: dict[tuple[str, int], int] | None, **fields: str) -> Group:
    offsets = (
        None
        if commits is None
        else tuple(
            CommittedOffset(topic=topic, partition=partition, offset=offset)
            for (topic, partition), offset in sorted(commits.items())
        )
    )
    return Group(id=name, offsets=offsets, **fields)  # type: ignore[arg-type]


def source(topics: list[Topic] | None, *groups: Group) -> Snapshot:
    return Snapshot(taken_at_ms=0, topics=None if topics is None else tuple(topics), groups=groups)


def starts(found_in: Snapshot, **options: object) -> dict[str, tuple[int, int]]:
    found = unconsumed(found_in, **options)  # type: ignore[arg-type]
    return {f"{each.topic}-{each.partition}": (each.start, each.end) for each in found.ranges}


def test_the_seeds_example_starts_at_the_smallest_commit_of_all_groups_and_skips_what_had_expired() -> None:
    found = unconsumed(
        source(
            [
                topic("test1", (5226, 5226)),
                topic("test2", (0, 40_000)),
                topic("test3", (0, 212_440)),
                topic("test4", (0, 17_242)),
            ],
            group("test123-group", {("test1", 0): 3713, ("test2", 0): 5_360, ("test3", 0): 187_800}),
            group("test34-group", {("test3", 0): 200_000, ("test4", 0): 0}),
        )
    )
    expired, second, third, fourth = found.ranges
    assert (expired.start, expired.end, expired.committed, expired.earliest) == (5226, 5226, 3713, 5226)
    assert (expired.note, expired.expired, expired.messages) == ("skip migrate", 1513, 0)
    assert found.warnings == (
        Remark(
            resource=Resource.partition("test1", 0),
            reason="expired: group test123-group has committed 3713, the log starts at 5226; nothing is left to copy",
        ),
    )
    assert (third.start, third.committed, third.groups) == (187_800, 187_800, ("test123-group", "test34-group"))
    assert third.set_by == ("test123-group",)
    assert [each.messages for each in (second, third, fourth)] == [34_640, 24_640, 17_242]
    assert found.messages == 76_522
    assert [each.note for each in (second, third, fourth)] == [None, None, None]
    assert not found.left_behind
    assert not found.refused


def test_an_expired_commit_starts_at_the_earliest_offset_and_says_both_numbers() -> None:
    (each,) = (found := unconsumed(source([topic("t", (50, 90))], group("g", {("t", 0): 20})))).ranges
    assert (each.start, each.end, each.note, each.expired) == (50, 90, "expired", 30)
    assert each.reason == "expired: committed 20, earliest 50"
    assert [warning.reason for warning in found.warnings] == [
        "expired: group g has committed 20, the log starts at 50; the copy starts at 50"
    ]


def test_a_commit_at_the_log_start_or_at_the_end_is_neither_expired_nor_refused() -> None:
    found = unconsumed(source([topic("t", (50, 90), (50, 90))], group("g", {("t", 0): 50, ("t", 1): 90})))
    assert [(each.start, each.note, each.expired) for each in found.ranges] == [(50, None, 0), (90, "skip migrate", 0)]
    assert not found.warnings
    assert not found.refused


@pytest.mark.parametrize(
    ("policy", "span", "left"),
    [("earliest", (10, 90), ()), ("latest", (90, 90), ()), ("skip", None, (1,))],
)
def test_a_group_without_a_commit_on_one_partition_of_its_topic_follows_the_policy(
    policy: UncommittedPolicy, span: tuple[int, int] | None, left: tuple[int, ...]
) -> None:
    snapshot = source([topic("t", (10, 90), (10, 90))], group("g", {("t", 0): 50}))
    found = unconsumed(snapshot, uncommitted=policy)
    assert starts(snapshot, uncommitted=policy) == {"t-0": (50, 90)} | ({"t-1": span} if span else {})
    assert [each.partitions for each in found.left_behind] == ([left] if left else [])
    if span:
        assert found.ranges[1].readers == (Reader(group="g", committed=None),)
        assert found.ranges[1].reason == f"no position here: {policy}"
        assert (found.ranges[1].committed, found.ranges[1].expired) == (None, 0)


def test_another_group_s_missing_commit_counts_beside_a_commit() -> None:
    snapshot = source([topic("t", (10, 90), (10, 90))], group("a", {("t", 0): 50}), group("b", {("t", 1): 60}))
    assert starts(snapshot) == {"t-0": (10, 90), "t-1": (10, 90)}
    assert starts(snapshot, uncommitted="latest") == {"t-0": (50, 90), "t-1": (60, 90)}
    assert starts(snapshot, uncommitted="skip") == {"t-0": (50, 90), "t-1": (60, 90)}
    assert unconsumed(snapshot).ranges[0].set_by == ("b",)


def test_a_commit_behind_the_end_is_refused_with_both_numbers() -> None:
    found = unconsumed(source([topic("t", (0, 90))], group("a", {("t", 0): 10}), group("b", {("t", 0): 91})))
    assert found.refused == (
        Remark(resource=Resource.partition("t", 0), reason="group b has committed 91, the partition ends at 90"),
    )
    assert not found.ranges


def test_data_that_no_group_reads_is_left_behind_with_its_size() -> None:
    found = unconsumed(source([topic("empty", (7, 7)), topic("t", (0, 90), (5, 5), (80, 90))], group("g", {})))
    (left,) = found.left_behind
    assert left == LeftBehind(topic="t", partitions=(0, 2), messages=100, reason=left.reason)
    assert left.reason.startswith("no selected group has a position on it")
    assert not found.ranges


def test_a_streams_changelog_is_left_behind_by_the_name_of_its_application() -> None:
    snapshot = source([topic("in", (0, 9)), topic("app-store-changelog", (0, 9))], group("app", {("in", 0): 3}))
    (left,) = unconsumed(snapshot).left_behind
    assert left.reason == "state of the Streams application app: copy all of it (--all-data)"


def test_all_data_copies_every_selected_topic_from_its_start_and_still_knows_the_readers() -> None:
    snapshot = source([topic("read", (5, 90)), topic("unread", (0, 9), (3, 3))], group("g", {("read", 0): 50}))
    found = unconsumed(snapshot, all_data=True)
    assert starts(snapshot, all_data=True) == {"read-0": (5, 90), "unread-0": (0, 9), "unread-1": (3, 3)}
    assert found.ranges[0].readers == (Reader(group="g", committed=50),)
    assert {each.reason for each in found.ranges} == {"all data"}
    assert not found.left_behind
    assert not any(each.set_by for each in found.ranges)


def test_only_selected_topics_and_groups_count() -> None:
    snapshot = source(
        [topic("a", (0, 9)), topic("b", (0, 9))],
        group("slow", {("a", 0): 1, ("b", 0): 1}),
        group("fast", {("a", 0): 8}),
    )
    assert starts(snapshot, selection=Selection(include_topics=re.compile("a"))) == {"a-0": (1, 9)}
    only_fast = Selection(include_groups=re.compile("fast"))
    assert starts(snapshot, selection=only_fast) == {"a-0": (8, 9)}
    assert [left.topic for left in unconsumed(snapshot, selection=only_fast).left_behind] == ["b"]


def test_internal_topics_are_left_alone_unless_they_are_asked_for() -> None:
    snapshot = source([topic("__state", (0, 9), internal=True)], group("g", {("__state", 0): 4}))
    assert starts(snapshot) == {}
    assert not unconsumed(snapshot).left_behind
    assert starts(snapshot, selection=Selection(include_internal=True)) == {"__state-0": (4, 9)}


def test_what_could_not_be_read_is_named_and_never_taken_for_nothing() -> None:
    found = unconsumed(source([topic("t", (0, 9), (None, 9), (0, None))], group("g", {("t", 0): 3}), group("h", None)))
    assert [each.partition for each in found.ranges] == [0]
    assert [str(remark.resource) for remark in found.unreadable] == ["group h", "partition t-1", "partition t-2"]
    unread = Snapshot(taken_at_ms=0, topics=(topic("t", (0, 9)),), groups=None)
    assert [str(remark.resource) for remark in unconsumed(unread).unreadable] == ["groups"]
    assert starts(unread, all_data=True) == {"t-0": (0, 9)}
    assert [str(remark.resource) for remark in unconsumed(source(None)).unreadable] == ["topics"]


def test_groups_without_positions_are_skipped_with_the_reason() -> None:
    found = unconsumed(
        source(
            [topic("t", (0, 9))],
            group("workers", None, protocol="connect"),
            group("registry", {}, protocol="sr"),
            group("shared", {("t", 0): 1}, type="share"),
        )
    )
    assert [str(remark.resource) for remark in found.skipped] == ["group registry", "group shared", "group workers"]
    assert not found.unreadable
    assert not found.ranges


def test_a_broker_group_goes_before_an_old_zookeeper_consumer_of_the_same_name() -> None:
    found = unconsumed(
        source(
            [topic("t", (0, 9))],
            group("g", {("t", 0): 2}, source="zookeeper"),
            group("g", {("t", 0): 5}),
            group("old", {("t", 0): 7}, source="zookeeper"),
        )
    )
    assert found.ranges[0].readers == (Reader(group="g", committed=5), Reader(group="old", committed=7))
    assert [str(remark.resource) for remark in found.skipped] == ["group g"]


def test_commits_on_what_is_not_there_are_named() -> None:
    found = unconsumed(source([topic("t", (0, 9))], group("g", {("t", 0): 2, ("t", 1): 3, ("gone", 0): 4})))
    assert [remark.reason for remark in found.skipped] == [
        "has a position on t-1, but the topic has 1 partitions",
        "has positions on topic gone, which does not exist",
    ]


def test_a_range_has_its_share_of_the_partition_s_size() -> None:
    snapshot = source([topic("t", (0, 100), size=5_000), topic("u", (3, 3), size=77)], group("g", {("t", 0): 75}))
    snapshot = source(list(snapshot.topics or ()), group("g", {("t", 0): 75, ("u", 0): 3}))
    assert [each.size_bytes for each in unconsumed(snapshot).ranges] == [1_250, 0]
    unknown = source([topic("t", (0, 100))], group("g", {("t", 0): 75}))
    assert unconsumed(unknown).ranges[0].size_bytes is None


@pytest.mark.parametrize("span", [(4, 9, 5), (9, 8, 0)])
def test_a_range_outside_its_log_cannot_be_made(span: tuple[int, int, int]) -> None:
    start, end, earliest = span
    with pytest.raises(ValueError, match="of a log that begins at"):
        Range(topic="t", partition=0, start=start, end=end, earliest=earliest, reason="")


offsets = st.integers(0, 60)
spans = st.tuples(offsets, offsets).map(lambda span: (min(span), max(span)))
names = st.sampled_from(["a", "b", "c"])
commits = st.dictionaries(st.tuples(names, st.integers(0, 2)), offsets, max_size=6)


@settings(deadline=None)
@given(
    topics=st.dictionaries(names, st.lists(spans, min_size=1, max_size=3)),
    groups=st.dictionaries(st.sampled_from("ghi"), commits),
    uncommitted=st.sampled_from(["earliest", "latest", "skip"]),
)
def test_everything_unread_is_in_a_range_or_named_and_no_range_is_wider_than_a_group_needs(
    topics: dict[str, list[tuple[int, int]]],
    groups: dict[str, dict[tuple[str, int], int]],
    uncommitted: UncommittedPolicy,
) -> None:
    snapshot = source(
        [topic(name, *spans) for name, spans in topics.items()], *(group(name, c) for name, c in groups.items())
    )
    found = unconsumed(snapshot, uncommitted=uncommitted)
    ranges = {(each.topic, each.partition): each for each in found.ranges}
    left = {(each.topic, partition) for each in found.left_behind for partition in each.partitions}
    refused = {remark.resource for remark in found.refused}
    for name, spans in topics.items():
        for partition, (earliest, end) in enumerate(spans):
            here = [c[name, partition] for c in groups.values() if (name, partition) in c]
            without = [c for c in groups.values() if (name, partition) not in c and any(key[0] == name for key in c)]
            positions = here + {"earliest": [earliest], "latest": [end], "skip": []}[uncommitted] * bool(without)
            if any(offset > end for offset in here):
                assert Resource.partition(name, partition) in refused
                assert (name, partition) not in ranges
            elif positions:
                wanted = [offset for offset in range(earliest, end) if offset >= min(positions)]
                assert list(range(ranges[name, partition].start, ranges[name, partition].end)) == wanted
                assert ((name, partition) in left) is False
            else:
                assert (name, partition) not in ranges
                assert ((name, partition) in left) is (end > earliest)
    assert [(each.topic, each.partition) for each in found.ranges] == sorted(ranges)
