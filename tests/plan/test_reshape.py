"""What the destination ought to be: what a policy and the destination's limits make of a source."""

from __future__ import annotations

from kafka_meta.model import Resource
from kafka_meta.plan import Policy, compare, parse_renames, report, reshape
from kafka_meta.plan.configs import Home
from tests.support.snapshots import acl, group, snapshot, topic

SMALL = Home(version=(4, 3), brokers=1, defaults={"default.replication.factor": "1"})


def test_names_factors_and_configs_are_those_of_the_destination() -> None:
    source = snapshot(
        brokers=3,
        topics=[topic("a", 2, factor=3, configs={"min.insync.replicas": "2", "segment.bytes": "512"}), topic("b")],
        groups=[group("g", ("a", 0, 7), ("b", 0, 1))],
        acls=[acl("ALLOW", "User:x", "READ", "TOPIC a")],
    )
    policy = Policy(renames=parse_renames(["a=eu.a", "b=eu.a", "group:g=eu.g"]))
    desired = reshape(source, policy, SMALL)
    assert desired.topics is not None and desired.groups is not None
    (only,) = desired.topics
    assert (only.name, only.partitions, only.replication_factor) == ("eu.a", 2, 1)
    assert only.configs == {"min.insync.replicas": "1", "segment.bytes": "1048576"}
    assert [(each.id, [(at.topic, at.offset) for at in each.offsets or ()]) for each in desired.groups] == [
        ("eu.g", [("eu.a", 7)])
    ]
    assert desired.acls == (acl("ALLOW", "User:x", "READ", "TOPIC eu.a"),)
    assert {(str(each.resource), each.aspect) for each in desired.intended} == {
        ("topic eu.a", "name"),
        ("topic eu.a", "replicationFactor"),
        ("topic eu.a", "min.insync.replicas"),
        ("topic eu.a", "segment.bytes"),
        ("group eu.g", "name"),
        ("acl ALLOW User:x READ on TOPIC eu.a from *", "resourceName"),
    }
    assert [str(each.resource) for each in desired.refused] == ["topic b"]
    assert [each.reason for each in desired.skipped] == ["on topic b: its topic does not move"]


def test_a_config_follows_the_factor_of_the_topic_that_is_there() -> None:
    source = snapshot(topics=[topic("a", factor=3, configs={"min.insync.replicas": "2"})])
    desired = reshape(source, Policy(), Home(brokers=3, factors={"a": 1}))
    assert desired.topics is not None
    assert (desired.topics[0].replication_factor, desired.topics[0].configs) == (3, {"min.insync.replicas": "1"})


def test_what_does_not_move_is_not_extra_where_it_is_already() -> None:
    source = snapshot(topics=[topic("a"), topic("b")])
    desired = reshape(source, Policy(renames=parse_renames(["[ab]=one"])), SMALL)
    assert desired.left_behind == frozenset()
    desired = reshape(source, Policy(renames=parse_renames(["b=c"]), only=frozenset({"groups"})), SMALL)
    assert desired.left_behind == {Resource("topic", "a"), Resource("topic", "c")}
    assert desired.topics is None


def test_a_comparison_says_what_is_intended_only_of_what_it_compares() -> None:
    desired = reshape(snapshot(topics=[topic("a")]), Policy(renames=parse_renames(["a=b"])), SMALL)
    there = snapshot(id="dest", topics=[topic("b")])
    assert [each.aspect for each in report(compare(desired, there)).intended] == ["name"]
    assert report(compare(desired, snapshot(id="dest", topics=None))).intended == ()
