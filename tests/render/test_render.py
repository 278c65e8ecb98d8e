"""What a person sees: every name made visible, nothing that can rearrange a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_meta import render
from kafka_meta.model import (
    Acl,
    Cluster,
    CommittedOffset,
    Group,
    Partition,
    Remark,
    Resource,
    Security,
    Snapshot,
    Topic,
)
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Difference,
    Plan,
    Result,
    SetConfigs,
    SetQuota,
    UpsertUser,
    report,
)
from kafka_meta.render import plan_lines, report_lines, result_line, size, snapshot_lines, unread_records, visible
from tests.support.examples import many
from tests.support.snapshots import group, snapshot, topic

MANY = settings(max_examples=many(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("orders", "orders"),
        ("größe-注文-заказы", "größe-注文-заказы"),
        ("a b", "a b"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x9b31m", "\\x9b31m"),
        ("in\u202enrut", "in\\u202enrut"),
        ("a\u200bb\u2060c\ufeff", "a\\u200bb\\u2060c\\ufeff"),
        ("a\u00a0b\u3000c", "a\\xa0b\\u3000c"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\u115f\u3164\uffa0\u2800\u034f", "\\u115f\\u3164\\uffa0\\u2800\\u034f"),
        ("a\ufe0f\U000e0100", "a\\ufe0f\\U000e0100"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def is_plain(line: str) -> bool:
    return not any(
        unicodedata.category(character) in HIDDEN or unicodedata.bidirectional(character) in _BIDI for character in line
    )


_BIDI = {"LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}


@settings(max_examples=many(300), deadline=None)
@given(text=st.text())
def test_nothing_visible_hides_or_rearranges_text(text: str) -> None:
    shown = visible(text)
    assert is_plain(shown)
    assert visible(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


# Names as an attacker would write them, wherever a file or a cluster can hold one.
hostile = st.text(st.sampled_from("ab \x1b[]m\n\u202e\u200b\x07"), min_size=1, max_size=8)
small = st.integers(0, 9)
acls = st.builds(
    Acl,
    resource_type=st.just("TOPIC"),
    resource_name=hostile,
    pattern_type=st.sampled_from(("LITERAL", "PREFIXED")),
    principal=hostile,
    host=hostile,
    operation=st.just("READ"),
    permission=st.sampled_from(("ALLOW", "DENY")),
)
configs = st.dictionaries(hostile, hostile, max_size=2)
offsets = st.lists(
    st.builds(CommittedOffset, topic=hostile, partition=small, offset=small, metadata=hostile), min_size=1, max_size=2
).map(tuple)
actions = st.one_of(
    st.builds(
        CreateTopic, topic=hostile, partitions=small, replication_factor=small, configs=configs, compacted=st.booleans()
    ),
    st.builds(AddPartitions, topic=hostile, existing=small, total=small),
    st.builds(SetConfigs, topic=hostile, configs=configs, previous=configs),
    st.builds(CommitOffsets, group=hostile, offsets=offsets),
    st.builds(CreateAcl, acl=acls),
)
resources = st.builds(Resource, st.sampled_from(("topic", "group", "config")) | hostile, st.none() | hostile)
remarks = st.lists(st.builds(Remark, resource=resources, reason=hostile | st.just("same")), max_size=4).map(tuple)
differences = st.lists(
    st.builds(
        Difference,
        resource=resources,
        difference=st.sampled_from(("missing", "different", "extra")),
        aspect=st.none() | hostile,
        source=st.none() | hostile | small,
        dest=st.none() | hostile | small,
        reason=st.none() | hostile | st.just("--rename"),
    ),
    max_size=3,
).map(tuple)
plans = st.builds(
    Plan,
    source_id=hostile,
    dest_id=hostile,
    actions=st.lists(actions, max_size=6).map(lambda found: tuple(sorted(found, key=lambda each: str(type(each))))),
    present=st.lists(resources, max_size=2).map(tuple),
    drift=differences,
    intended=differences,
    extra=differences,
    skipped=remarks,
    refused=remarks,
    unread=remarks,
    warnings=remarks,
)
snapshots = st.builds(
    Snapshot,
    taken_at_ms=st.just(0),
    cluster=st.builds(
        Cluster,
        id=hostile,
        version=hostile,
        security=st.builds(Security, authorizer=st.none() | st.just("") | hostile),
    ),
    topics=st.none() | st.lists(st.builds(Topic, name=hostile, configs=configs), max_size=2).map(tuple),
    groups=st.none()
    | st.lists(
        st.builds(Group, id=hostile, state=st.none() | hostile, type=hostile, protocol=hostile, offsets=offsets),
        max_size=2,
    ).map(tuple),
    acls=st.none() | st.lists(acls, max_size=2).map(tuple),
    gaps=remarks,
    left_out=remarks,
    disagreements=remarks,
    signs=remarks,
)


def assert_plain(lines: Iterable[str]) -> None:
    for line in lines:
        assert is_plain(line), repr(line)


@MANY
@given(plan=plans, verbose=st.booleans())
def test_no_line_of_a_plan_lets_a_name_reach_the_terminal(plan: Plan, verbose: bool) -> None:
    assert_plain(plan_lines(plan, verbose=verbose))
    assert_plain(report_lines(report(plan), verbose=verbose))
    for action in plan.actions:
        assert_plain([result_line(Result(action=action, outcome="failed", error="\x1b[31m\n"))])


@MANY
@given(snapshot=snapshots, verbose=st.booleans())
def test_no_line_of_an_export_lets_a_name_reach_the_terminal(snapshot: Snapshot, verbose: bool) -> None:
    assert_plain(snapshot_lines(snapshot, verbose=verbose))
    assert_plain([render.cluster_words(snapshot.cluster), render.names(["\x1b[0m"], verbose=True)])


@MANY
@given(word=hostile, remarks=remarks)
def test_no_line_of_a_check_lets_a_name_reach_the_terminal(word: str, remarks: tuple[Remark, ...]) -> None:
    side = {
        "role": "source",
        "address": word,
        "error": None,
        "hint": None,
        "version": word,
        "via": "brokers",
        "mode": word,
        "brokers": 1,
        "clusterId": word,
        "principal": word,
        "operations": ["ALTER"],
        "authorizer": word,
        "missing": {"ALTER": "to create ACLs"},
        "gaps": [{"resource": str(remark.resource), "reason": remark.reason} for remark in remarks],
    }
    assert_plain(render.access_lines(side))
    assert_plain(render.access_lines({**side, "error": word, "hint": f"{word}\n{word}"}))


def test_the_lines_that_users_of_the_old_tools_know_are_there() -> None:
    actions = (
        CreateTopic(topic="test", partitions=1, replication_factor=1),
        CreateTopic(topic="compact", partitions=12, replication_factor=1, compacted=True),
        CommitOffsets(group="g1", offsets=(CommittedOffset(topic="test", partition=0, offset=0),)),
        CommitOffsets(group="g2", offsets=(CommittedOffset(topic="test", partition=0, offset=0),)),
    )
    lines = plan_lines(Plan(source_id=None, dest_id=None, actions=actions), verbose=False)
    assert [line for line in lines if not line.startswith(" ") and line] == [
        "Begin to migrate topics:[test, compact]",
        "Total topic number:2",
        "Will create topic:test, isCompactTopic:false, partition number:1",
        "Will create topic:compact, isCompactTopic:true, partition number:12",
        "Will create consumer groups:[g1, g2]",
    ]
    assert result_line(Result(action=actions[0], outcome="done")) == (
        "TopicCreate success, topic=test, partition number=1, isCompactTopic=false"
    )
    assert result_line(Result(action=actions[2], outcome="failed", error="no right")) == (
        "ConsumerCreate failed, consumer group=g1: no right"
    )


def test_a_screen_shows_ten_and_says_how_many_more_there_are() -> None:
    actions = tuple(CreateTopic(topic=f"t{number}", partitions=1, replication_factor=1) for number in range(25))
    plan = Plan(source_id=None, dest_id=None, actions=actions)
    brief, full = plan_lines(plan, verbose=False), plan_lines(plan, verbose=True)
    assert sum(1 for line in brief if line.startswith("Will create topic")) == 10
    assert any("15 more" in line for line in brief)
    assert sum(1 for line in full if line.startswith("Will create topic")) == 25
    assert not any("more" in line for line in full)


def test_every_list_of_a_plan_and_of_a_report_is_shortened_on_a_screen() -> None:
    names = [f"t{number}" for number in range(2000)]
    remarks = tuple(Remark(resource=Resource("topic", name), reason=f"reason of {name}") for name in names)
    differences = tuple(Difference(resource=Resource("topic", name), difference="extra") for name in names)
    rule = Acl(
        resource_type="TOPIC",
        resource_name="t",
        pattern_type="LITERAL",
        principal="User:x",
        host="*",
        operation="READ",
        permission="ALLOW",
    )
    actions: list[Action] = []
    for name in names:
        actions += (
            CreateTopic(topic=name, partitions=1, replication_factor=1),
            AddPartitions(topic=name, existing=1, total=2),
            SetConfigs(topic=name, configs={"retention.ms": "5"}, previous={}),
            CommitOffsets(group=name, offsets=(CommittedOffset(topic="t", partition=0, offset=0),)),
            CreateAcl(acl=replace(rule, resource_name=name)),
            UpsertUser(user=name, mechanism="SCRAM-SHA-256", iterations=4096, secret="generated"),
            SetQuota(entity={"user": name}, values={"producer_byte_rate": 1.0}, previous={}),
        )
    plan = Plan(
        source_id=None,
        dest_id=None,
        actions=tuple(actions),
        drift=differences,
        intended=differences,
        extra=differences,
        skipped=remarks,
        refused=remarks,
        unread=remarks,
        warnings=remarks,
    )
    assert len(plan_lines(plan, verbose=False)) < 200
    assert len(report_lines(report(plan), verbose=False)) < 60
    assert max(len(line) for line in plan_lines(plan, verbose=False)) < 200


def test_an_export_counts_what_was_read_and_says_what_was_not() -> None:
    found = snapshot(
        topics=[topic("a", 2, factor=3, end=5)],
        groups=[group("g", ("a", 0, 2), ("a", 1, 9)), replace(group("h"), source="zookeeper")],
        acls=None,
    )
    text = "\n".join(snapshot_lines(found, verbose=False))
    assert "1 topic   2 partitions, 6 replicas" in text
    assert "1 empty" in text
    assert "1 in ZooKeeper (old consumers)" in text
    assert "? ACLs    not read" in text
    assert unread_records(found) == 3, "a position beyond the end is no negative number of records"
    assert unread_records(snapshot(topics=[topic("a", end=None)], groups=[group("g", ("a", 0, 2))])) is None
    no_authorizer = snapshot(acls=None, topics=None, groups=None, security=Security(authorizer=""))
    assert "no authorizer" in "\n".join(snapshot_lines(no_authorizer, verbose=False))


def test_sizes_that_are_not_known_are_not_counted_as_nothing() -> None:
    partitions = tuple(Partition(partition=n, size_bytes=s) for n, s in enumerate((1500, None)))
    found = snapshot(topics=[Topic(name="t", partitions=partitions)])
    assert "1.5 kB without replicas (1 partition not known)" in "\n".join(snapshot_lines(found, verbose=False))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_960_000, "1.0 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes_are_written_in_decimal_units(count: int, text: str) -> None:
    assert size(count) == text


def test_an_import_and_a_verify_have_the_same_signs() -> None:
    each = Difference(
        resource=Resource("topic", "a"), difference="different", aspect="retention.ms", source="1", dest="2"
    )
    plan = Plan(source_id=None, dest_id=None, actions=(), drift=(each,), intended=(replace(each, aspect="x"),))
    for lines in (plan_lines(plan, verbose=True), report_lines(report(plan, ignore_extra=False), verbose=True)):
        signs = [line[2] for line in lines if line.startswith(("  ~", "  ="))]
        assert signs == ["~", "="], lines
