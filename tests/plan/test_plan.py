"""The one comparison: what import does, what verify says, and what neither ever does."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_meta.cli.spelling import normalise
from kafka_meta.errors import UsageError
from kafka_meta.files import dumps, encode_plan, read_metadata
from kafka_meta.model import (
    Acl,
    CommittedOffset,
    Group,
    PatternType,
    Permission,
    Remark,
    Resource,
    ScramCredential,
    Security,
    Selection,
    Snapshot,
    Topic,
    User,
)
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    GroupOffsets,
    Operator,
    Passwords,
    Plan,
    Policy,
    Result,
    SetConfigs,
    Traces,
    home_of,
    needed,
    parse_renames,
    partitions_to_measure,
    recheck,
    report,
    reshape,
)
from kafka_meta.plan.access import in_order, may_alter_cluster, overlap
from kafka_meta.plan.actions import describe_acl, describe_entity
from kafka_meta.plan.compare.acls import is_super_user
from kafka_meta.plan.configs import _SINCE as CONFIG_NAMES
from kafka_meta.plan.configs import Home, fit, parse_version, same_value
from kafka_meta.plan.policy import SECTIONS
from kafka_meta.plan.scope import without
from kafka_meta.playground import jars
from kafka_meta.settings import policy_options
from tests.support.brokers import fetch
from tests.support.examples import many
from tests.support.plans import planned
from tests.support.snapshots import (
    HOSTS,
    OPERATIONS,
    PRINCIPALS,
    acl,
    carried_out,
    group,
    small_acls,
    small_snapshots,
    snapshot,
    topic,
)

CASES = Path(__file__).parents[1] / "cases" / "plan"
REWRITE = "KAFKA_META_REWRITE_CASES"

MANY = settings(max_examples=many(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def policy_of(arguments: list[str]) -> Policy:
    """Flags as they are typed → Policy, by the code that the command line uses."""
    flags: dict[str, list[str]] = {}
    words = iter(normalise(arguments))
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        flags.setdefault(name, []).append("true" if name == "pin-defaults" else value if equals else next(words))
    typed = {
        name: tuple(values) if name in ("rename", "only") else values[0] == "true" or values[0]
        for name, values in flags.items()
    }
    return policy_options(typed, {}, None).policy()


# Golden cases


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_the_plan_of_a_golden_case_is_the_expected_one(case: str) -> None:
    folder = CASES / case
    arguments = json.loads((folder / "arguments.json").read_text("utf-8"))
    plan = planned(
        read_metadata(folder / "source.json"),
        read_metadata(folder / "dest.json"),
        policy_of(arguments),
        operator=Operator(principal="User:admin"),
    )
    text = dumps(encode_plan(plan))
    expected = folder / "plan.json"
    if os.environ.get(REWRITE):
        expected.write_text(text, "utf-8")
    difference = difflib.unified_diff(
        expected.read_text("utf-8").splitlines(), text.splitlines(), f"{case}/plan.json", "computed", lineterm="", n=4
    )
    assert text == expected.read_text("utf-8"), "\n".join(["", *difference, f"({REWRITE}=1 rewrites it)"])


# Properties


NO_GROUP_G = ["--exclude-groups", "g", "--exclude-topics", "b"]


def narrow(arguments: list[str]) -> Selection:
    return policy_of(arguments).selection


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    renames = draw(
        st.sampled_from(([], [r"a=eu.a"], [r"(a.*)=eu.$1", "group:h=g"], [r"[ab]=one", r"group:[gh]=both"], ["b=a.b"]))
    )
    position = draw(st.sampled_from(("start", "end", "same")))
    return Policy(
        renames=parse_renames(renames),
        replication_factor=draw(st.sampled_from(("auto", "default", 1))),
        group_offsets=GroupOffsets(position=position, label=position),  # type: ignore[arg-type]
        on_drift=draw(st.sampled_from(("report", "set"))),  # type: ignore[arg-type]
        pin_defaults=draw(st.booleans()),
        selection=draw(st.sampled_from((Selection(), narrow(["--include-topics", "a.*|eu.*"]), narrow(NO_GROUP_G)))),
    )


ADMIN = Operator(principal="User:admin")
pairs = given(
    desired=small_snapshots(id="source", dest=False), actual=small_snapshots(id="dest", dest=True), policy=policies()
)


@MANY
@pairs
def test_after_a_plan_is_carried_out_nothing_is_left_to_do(desired: Snapshot, actual: Snapshot, policy: Policy) -> None:
    plan = planned(desired, actual, policy, operator=ADMIN)
    after = carried_out(actual, plan.actions)
    again = planned(desired, after, policy, operator=ADMIN)
    assert again.actions == ()
    assert set(again.drift) <= set(plan.drift)
    if not (plan.drift or plan.refused or plan.unread):
        assert report(again, ignore_extra=True).verdict == "equal"
        assert again.extra == plan.extra
    open_plan, broken = recheck(plan, after)
    assert (open_plan.actions, broken) == ((), ()), "a saved plan finds its own work done"


@MANY
@pairs
def test_what_exists_is_changed_only_where_a_policy_says_so(
    desired: Snapshot, actual: Snapshot, policy: Policy
) -> None:
    plan = planned(desired, actual, policy, operator=ADMIN)
    after = carried_out(actual, plan.actions)
    assert recheck(plan, actual) == (plan, ()), "every precondition holds on the destination that was compared"

    def topics(of: Snapshot) -> dict[str, Topic]:
        return {topic.name: topic for topic in of.topics or ()}

    for name, before in topics(actual).items():
        now = topics(after)[name]
        assert now.partitions[: len(before.partitions)] == before.partitions
        if policy.on_drift == "report":
            assert now.configs == before.configs
        assert (now.configs or {}).keys() >= (before.configs or {}).keys()
    groups = {group.id: group for group in after.groups or ()}
    for before_group in actual.groups or ():
        now_group = groups[before_group.id]
        assert set(now_group.offsets or ()) >= set(before_group.offsets or ())
        assert now_group == before_group or not before_group.members
    assert set(after.acls or ()) >= set(actual.acls or ())
    if actual.cluster.security.authorizer == "":
        assert after.acls == actual.acls


def named(plan: Plan) -> tuple[set[str], set[str]]:
    """The resources of a plan's remarks, which say why nothing is done, and those that are done, there, or differ."""
    remarks = {str(each.resource) for each in (*plan.skipped, *plan.refused, *plan.unread)}
    differing = {str(each.resource) for each in (*plan.drift, *plan.intended)}
    return remarks, {str(action.resource) for action in plan.actions} | set(map(str, plan.present)) | differing


def silent(kind: str, names: dict[str, str], remarks: set[str], rest: set[str]) -> set[str]:
    """Which of these (name → name on the destination) a plan does not tell of. One name there tells of one only."""
    found: set[str] = set()
    for there in set(names.values()):
        left = {name for name, new in names.items() if new == there and f"{kind} {name}" not in remarks}
        if len(left) > 1 or f"{kind} {there}" not in remarks | rest:
            found |= left
    return found


def half_there(desired: Snapshot, actual: Snapshot, policy: Policy) -> Snapshot:
    """Every other rule of the source is there already: by chance none of both sides would be equal."""
    rules = [policy.acl(rule) for rule in (desired.acls or ())[::2]]
    return actual if actual.acls is None else replace(actual, acls=tuple(dict.fromkeys((*actual.acls, *rules))))


@settings(MANY, max_examples=many(300))
@pairs
def test_nothing_of_the_source_is_passed_over_in_silence(desired: Snapshot, actual: Snapshot, policy: Policy) -> None:
    plan = planned(desired, half_there(desired, actual, policy), policy, operator=ADMIN)
    remarks, rest = named(plan)
    told = remarks | rest
    topics = {each.name: policy.topic_name(each.name) for each in desired.topics or ()}
    groups = {each.id: policy.group_name(each.id) for each in desired.groups or ()}
    if "topics" not in told:
        assert silent("topic", topics, remarks, rest) == set()
    if "groups" not in told:
        assert silent("group", groups, remarks, rest) == set()
    if "acls" not in told:
        rules = {describe_acl(each): describe_acl(policy.acl(each)) for each in desired.acls or ()}
        assert {rule for rule, there in rules.items() if not {f"acl {rule}", f"acl {there}"} & told} == set()
    if "users" not in told:
        assert {f"user {each.name}" for each in desired.users or () if each.credentials} <= told
    if "quotas" not in told:
        assert {f"quota {describe_entity(each.entity)}" for each in desired.quotas or () if each.values} <= told


def narrowed(plan: Plan, desired: Snapshot, actual: Snapshot, policy: Policy) -> list[tuple[Acl, Acl]]:
    """ALLOW rules that the plan creates, each with a DENY of the source that narrows it and is not there afterwards."""
    rules = [action.acl for action in plan.actions if isinstance(action, CreateAcl)]
    assert rules == in_order(rules)
    there = set(actual.acls or ()) | set(rules)
    denied = [policy.acl(rule) for rule in desired.acls or () if rule.permission == "DENY"]
    refused = {str(remark.resource) for remark in plan.refused}
    return [
        (allow, deny)
        for allow in rules
        for deny in denied
        if allow.permission == "ALLOW" and overlap(allow, deny) and deny not in there
        if f"acl {describe_acl(deny)}" not in refused
    ]


@settings(MANY, max_examples=many(300))
@pairs
def test_an_allow_follows_every_deny_that_narrows_it_under_renames_too(
    desired: Snapshot, actual: Snapshot, policy: Policy
) -> None:
    plan = planned(desired, actual, policy, operator=ADMIN)
    assert narrowed(plan, desired, actual, policy) == []


# Which rules overlap

_NAMES = ("a", "ab", "b", "*")


def _applies(rule: Acl, principal: str, host: str, operation: str, name: str) -> bool:
    """As AclAuthorizer.matchingAclExists and StandardAuthorizerData.findResult decide it, case by case."""
    if rule.principal not in (principal, "User:*") or rule.host not in (host, "*"):
        return False
    covered = {rule.operation}
    if rule.operation == "ALL":
        covered = {operation}
    elif rule.permission == "ALLOW" and rule.operation in ("READ", "WRITE", "DELETE", "ALTER"):
        covered.add("DESCRIBE")
    elif rule.permission == "ALLOW" and rule.operation == "ALTER_CONFIGS":
        covered.add("DESCRIBE_CONFIGS")
    if operation not in covered:
        return False
    if rule.pattern_type == "PREFIXED":
        return name.startswith(rule.resource_name)
    return rule.resource_name in ("*", name)


def _rules(permissions: tuple[Permission, ...]) -> st.SearchStrategy[Acl]:
    patterns: tuple[PatternType, ...] = ("LITERAL", "PREFIXED")
    return st.builds(
        Acl,
        resource_type=st.sampled_from(("TOPIC", "TOPIC", "GROUP")),
        resource_name=st.sampled_from(_NAMES),
        pattern_type=st.sampled_from(patterns),
        principal=st.sampled_from(PRINCIPALS),
        host=st.sampled_from(HOSTS),
        operation=st.sampled_from(OPERATIONS),
        permission=st.sampled_from(permissions),
    )


def _allowed(rules: Iterable[Acl], topic: str, principal: str, operation: str) -> bool:
    about = [
        rule for rule in rules if rule.resource_type == "TOPIC" and _applies(rule, principal, "h", operation, topic)
    ]
    return {rule.permission for rule in about} == {"ALLOW"}


@settings(max_examples=many(1000), deadline=None)
@given(
    rules=st.lists(_rules(("ALLOW", "DENY")), max_size=3),
    renames=st.sampled_from(([], ["b=a.b"], ["a=b.a"], ["(a.*)=eu.$1"])),
)
def test_nobody_gets_a_right_on_a_topic_that_the_source_did_not_give(rules: list[Acl], renames: list[str]) -> None:
    policy = Policy(renames=parse_renames(renames))
    plan = planned(snapshot(topics=[topic(name) for name in ("a", "ab", "b")], acls=rules), dest(), policy)
    after = [action.acl for action in plan.actions if isinstance(action, CreateAcl)]
    for name, principal, operation in product(("a", "ab", "b"), (*PRINCIPALS, "User:bob"), OPERATIONS):
        if _allowed(after, policy.topic_name(name), principal, operation):
            assert _allowed(rules, name, principal, operation), (name, principal, operation)


@settings(max_examples=many(800), deadline=None)
@given(one=_rules(("ALLOW", "DENY")), other=_rules(("ALLOW", "DENY")))
def test_rules_overlap_when_some_request_is_about_both(one: Acl, other: Acl) -> None:
    requests = product(
        (*PRINCIPALS, "User:bob"),
        (*HOSTS, "10.9.9.9"),
        set(OPERATIONS) - {"ALL"} | {"WRITE"},
        # Names that the prefixes of this universe can and cannot be extended to; "*…" is a name like any other here.
        ("a", "ab", "abc", "b", "bc", "c", "*", "*x"),
    )
    expected = one.resource_type == other.resource_type and any(
        _applies(one, *request) and _applies(other, *request) for request in requests
    )
    assert overlap(one, other) == overlap(other, one) == expected


@MANY
@given(rules=st.lists(small_acls, max_size=6), without_rules=st.booleans())
def test_who_may_alter_the_cluster_is_decided_as_the_brokers_do(rules: list[Acl], without_rules: bool) -> None:
    rules = [replace(rule, resource_name="kafka-cluster", pattern_type="LITERAL", host="*") for rule in rules]
    cluster = [rule for rule in rules if rule.resource_type == "CLUSTER"]
    applying = [rule for rule in cluster if _applies(rule, "User:alice", "h", "ALTER", "kafka-cluster")]
    expected = without_rules if not cluster else {rule.permission for rule in applying} == {"ALLOW"}
    assert may_alter_cluster("User:alice", rules, without_rules=without_rules) == expected


# Topics


def plan_of(desired: Snapshot, actual: Snapshot, *arguments: str, operator: Operator = ADMIN) -> Plan:
    return planned(desired, actual, policy_of(list(arguments)), operator=operator)


def dest(**sections: object) -> Snapshot:
    return snapshot(**{"id": "dest", "version": "4.3", "brokers": 3, **sections})  # type: ignore[arg-type]


def reasons(remarks: tuple[Remark, ...]) -> dict[str, str]:
    return {str(remark.resource): remark.reason for remark in remarks}


def test_a_topic_that_is_missing_is_created_with_partitions_factor_and_overrides() -> None:
    plan = plan_of(snapshot(topics=[topic("orders", 4, factor=2, configs={"retention.ms": "5"})]), dest())
    assert plan.actions == (
        CreateTopic(topic="orders", partitions=4, replication_factor=2, configs={"retention.ms": "5"}),
    )
    assert report(plan).verdict == "different"


def test_a_topic_is_called_compacted_by_its_effective_policy() -> None:
    by_default = dest(defaults={"cleanup.policy": "compact"})
    plan = plan_of(snapshot(topics=[topic("a"), topic("b", configs={"cleanup.policy": "delete"})]), by_default)
    assert [action.compacted for action in plan.actions if isinstance(action, CreateTopic)] == [True, False]


def test_partitions_are_added_and_never_removed() -> None:
    desired = snapshot(topics=[topic("few", 1), topic("many", 5)])
    plan = plan_of(desired, dest(topics=[topic("few", 3), topic("many", 2)]))
    assert plan.actions == (AddPartitions(topic="many", existing=2, total=5),)
    assert [(str(each.resource), each.aspect, each.source, each.dest) for each in plan.drift] == [
        ("topic few", "partitions", 1, 3)
    ]


def test_configs_that_differ_are_reported_and_set_only_when_told() -> None:
    desired = snapshot(topics=[topic("t", configs={"retention.ms": "5", "segment.ms": "7"})])
    actual = dest(topics=[topic("t", configs={"retention.ms": "6", "flush.ms": "1"})])
    plan = plan_of(desired, actual)
    assert plan.actions == ()
    assert {(each.aspect, each.source, each.dest) for each in plan.drift} == {
        ("retention.ms", "5", "6"),
        ("segment.ms", "7", None),
        ("flush.ms", None, "1"),
    }
    plan = plan_of(desired, actual, "--on-drift", "set")
    assert plan.actions == (
        SetConfigs(
            topic="t",
            configs={"retention.ms": "5", "segment.ms": "7"},
            previous={"retention.ms": "6", "segment.ms": None},
        ),
    )
    assert [each.aspect for each in plan.drift] == ["flush.ms"], "nothing is deleted, not even then"


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        ("cleanup.policy", "compact,delete", "delete, compact", True),
        ("cleanup.policy", "compact", "compact,delete", False),
        ("min.cleanable.dirty.ratio", "0.50", "0.5", True),
        ("min.cleanable.dirty.ratio", "0.5", "0.51", False),
        ("preallocate", "TRUE", "true", True),
        ("retention.ms", " 5", "5", True),
        ("retention.ms", "9223372036854775807", "9223372036854775806", False),
        ("retention.ms", "9" * 5000, "5", False),
        ("compression.type", "LZ4", "lz4", False),
        ("retention.ms", None, "5", False),
        ("retention.ms", None, None, True),
    ],
)
def test_values_are_the_same_when_brokers_make_the_same_of_them(
    name: str, one: str | None, other: str | None, same: bool
) -> None:
    assert same_value(name, one, other) is same is same_value(name, other, one)


def test_internal_and_unselected_topics_stay_and_are_named() -> None:
    desired = snapshot(topics=[topic("__consumer_offsets", internal=True), topic("a"), topic("b")])
    plan = plan_of(desired, dest(), "--exclude-topics", "b")
    assert [action.topic for action in plan.actions if isinstance(action, CreateTopic)] == ["a"]
    assert reasons(plan.skipped) == {
        "topic __consumer_offsets": "internal: every cluster has its own",
        "topic b": "not selected",
    }


def test_what_only_the_destination_has_is_extra_and_can_be_ignored() -> None:
    actual = dest(
        topics=[topic("mine"), topic("__consumer_offsets", internal=True)],
        groups=[group("g")],
        acls=[acl("ALLOW", "User:x", "READ", "TOPIC mine")],
    )
    plan = plan_of(snapshot(), actual)
    assert [str(each.resource) for each in plan.extra] == [
        "topic mine",
        "group g",
        "acl ALLOW User:x READ on TOPIC mine from *",
    ]
    assert report(plan).verdict == "different"
    assert report(plan, ignore_extra=True).verdict == "equal"


def test_the_guard_of_a_copy_hides_nothing_that_its_release_will_bring_back() -> None:
    desired = snapshot(topics=[topic("t", configs={"retention.ms": "600000"})])
    actual = dest(topics=[topic("t", configs={"retention.ms": "-1"})])

    def compared(before: str | None) -> Plan:
        traces = Traces(guarded={"t": {"retention.ms": ("-1", before)}})
        return planned(desired, actual, Policy(on_drift="set"), traces=traces)

    (intended,) = compared("600000").intended
    assert (intended.aspect, intended.source, intended.dest) == ("retention.ms", "600000", "-1")
    (drift,) = compared("777").drift
    assert drift.reason == "set by mirror, keeps the copied data; mirror --release sets 777 again"
    assert not compared("600000").actions and not compared("777").actions


def test_what_both_sides_have_is_not_extra_because_it_is_skipped() -> None:
    sides = [topic("a"), topic("b")], [Group(id="connect-x", protocol="connect", offsets=()), group("g", ("a", 0, 0))]
    rules = [acl("ALLOW", "User:x", "READ", "TOPIC b"), acl("ALLOW", "User:x", "READ", "GROUP g")]
    desired = snapshot(topics=sides[0], groups=sides[1], acls=rules)
    actual = dest(topics=sides[0], groups=sides[1], acls=rules)
    plan = plan_of(desired, actual, "--include-topics", "a", "--exclude-groups", "g")
    assert plan.extra == ()
    assert report(plan).verdict == "equal"


def test_renamed_topics_take_positions_and_rules_with_them() -> None:
    desired = snapshot(
        topics=[topic("prod.orders"), topic("other")],
        groups=[group("g", ("prod.orders", 0, 3)), group("prod-h", ("other", 0, 1))],
        acls=[
            acl("ALLOW", "User:x", "READ", "TOPIC prod.orders"),
            acl("ALLOW", "User:x", "READ", "TOPIC prod.", pattern="PREFIXED"),
            acl("ALLOW", "User:x", "READ", "GROUP prod-h"),
            acl("ALLOW", "User:x", "READ", "TRANSACTIONAL_ID prod.orders"),
            acl("ALLOW", "User:x", "READ", "TOPIC *"),
        ],
    )
    arguments = ["--rename", r"prod\.(.*)=eu.\1", "--rename=group:prod-(.*)=eu-$1", "--group-offsets", "same"]
    plan = plan_of(desired, dest(), *arguments)
    assert [action.topic for action in plan.actions if isinstance(action, CreateTopic)] == ["eu.orders", "other"]
    positions = {action.group: action.offsets for action in plan.actions if isinstance(action, CommitOffsets)}
    assert [(offset.topic, offset.offset) for offset in positions["g"]] == [("eu.orders", 3)]
    assert "eu-h" in positions
    assert {action.acl.resource_name for action in plan.actions if isinstance(action, CreateAcl)} == {
        "eu.orders",
        "eu.",
        "eu-h",
        "prod.orders",
        "*",
    }
    after = carried_out(dest(), plan.actions)
    answer = report(plan_of(desired, after, *arguments))
    assert answer.verdict == "equal"
    for section in ("topics", "groups"):
        assert (answer.counts[section]["equal"], answer.counts[section]["intended"]) == (1, 1), section
    assert (answer.counts["acls"]["equal"], answer.counts["acls"]["intended"]) == (2, 3)


def test_two_topics_of_one_new_name_are_not_mixed() -> None:
    desired = snapshot(
        topics=[topic("a", 2), topic("b", 2)], groups=[group("g", ("a", 0, 3), ("b", 0, 4), ("b", 1, 4))]
    )
    plan = plan_of(desired, dest(), "--rename", "[ab]=one", "--group-offsets", "same")
    assert [action.topic for action in plan.actions if isinstance(action, CreateTopic)] == ["one"]
    assert reasons(plan.refused) == {"topic b": "--rename gives it the name one, which another topic has already"}
    committed = next(action for action in plan.actions if isinstance(action, CommitOffsets))
    assert committed.offsets == (CommittedOffset(topic="one", partition=0, offset=3),)


def test_a_group_whose_new_name_another_group_has_is_refused_by_both_names() -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 1)), group("h", ("t", 0, 2))])
    plan = plan_of(desired, dest(), "--rename", "group:[gh]=one", "--group-offsets", "same")
    assert {action.group: action.offsets[0].offset for action in plan.actions if isinstance(action, CommitOffsets)} == {
        "one": 1
    }
    assert reasons(plan.refused) == {"group h": "--rename gives it the name one, which group g has already"}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (["--rename", "a=sp ace"], "gives topic 'a' the name 'sp ace', which Kafka does not allow"),
        (["--rename", "a=.."], "gives topic 'a' the name '..'"),
        (["--rename", "a=" + "x" * 250], "which Kafka does not allow"),
        (["--rename", "group:g(x?)=\\1"], "gives group 'g' an empty name"),
        (["--only", "acls", "--rename", "a=*"], "makes an ACL about topic 'a' cover '*'"),
        (["--only", "acls", "--rename", "a(x?)=\\1"], "makes an ACL about topic 'a' cover ''"),
    ],
)
def test_a_rename_to_what_cannot_be_is_refused_before_anything(rules: list[str], says: str) -> None:
    desired = snapshot(
        topics=[topic("a")], groups=[group("g", ("a", 0, 0))], acls=[acl("ALLOW", "User:x", "READ", "TOPIC a")]
    )
    with pytest.raises(UsageError) as refused:
        plan_of(desired, dest(), *rules)
    assert says in refused.value.message


@pytest.mark.parametrize("rule", ["a", "=b", "a=", "group:a", "(=b", "a=\\1", "a=\\x", "(a)=\\2"])
def test_a_rename_that_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_renames([rule])
    assert "--rename" in refused.value.message


def test_the_first_rename_that_matches_counts() -> None:
    policy = Policy(renames=parse_renames(["a=first", "a.*=second", "topic:b=third", "group:b=fourth"]))
    assert [policy.topic_name(name) for name in ("a", "ab", "b", "xa")] == ["first", "second", "third", "xa"]
    assert [policy.group_name(name) for name in ("a", "b")] == ["a", "fourth"]


# Replication factor and min.insync.replicas


@pytest.mark.parametrize(
    ("flag", "brokers", "factor", "expected", "min_insync"),
    [
        ("auto", 3, 3, 3, "2"),
        ("auto", 1, 3, 1, "1"),
        ("auto", 5, 3, 3, "2"),
        ("default", 3, 3, -1, "1"),
        ("2", 3, 3, 2, "2"),
        ("1", 3, 3, 1, "1"),
    ],
)
def test_min_insync_replicas_never_exceeds_the_factor(
    flag: str, brokers: int, factor: int, expected: int, min_insync: str
) -> None:
    desired = snapshot(brokers=3, topics=[topic("t", factor=factor, configs={"min.insync.replicas": "2"})])
    actual = dest(brokers=brokers, defaults={"default.replication.factor": "1"})
    plan = plan_of(desired, actual, "--replication-factor", flag)
    action = plan.actions[0]
    assert isinstance(action, CreateTopic)
    assert (action.replication_factor, action.configs["min.insync.replicas"]) == (expected, min_insync)
    again = plan_of(desired, carried_out(actual, plan.actions), "--replication-factor", flag)
    assert report(again).verdict == "equal"


def test_a_default_above_the_fitted_factor_is_overridden() -> None:
    actual = dest(brokers=1, defaults={"min.insync.replicas": "2", "default.replication.factor": "1"})
    plan = plan_of(snapshot(topics=[topic("t", factor=3)]), actual)
    action = plan.actions[0]
    assert isinstance(action, CreateTopic)
    assert action.configs == {"min.insync.replicas": "1"}
    assert {each.aspect for each in plan.intended} == {"replicationFactor", "min.insync.replicas"}


def test_an_unknown_factor_becomes_the_destinations_default_and_is_named() -> None:
    plan = plan_of(snapshot(topics=[topic("t", factor=0)]), dest())
    assert isinstance(plan.actions[0], CreateTopic)
    assert plan.actions[0].replication_factor == -1
    assert "its replication factor is not known" in reasons(plan.warnings)["topic t"]


def test_a_factor_that_differs_on_an_existing_topic_is_drift() -> None:
    plan = plan_of(snapshot(topics=[topic("t", factor=3)]), dest(topics=[topic("t", factor=2)]))
    assert plan.actions == ()
    assert [(each.aspect, each.source, each.dest) for each in plan.drift] == [("replicationFactor", 3, 2)]


# Configs on a new home


@pytest.mark.parametrize(
    ("configs", "version", "fitted"),
    [
        ({"leader.replication.throttled.replicas": "*"}, (3, 9), {}),
        ({"follower.replication.throttled.replicas": "0:1"}, (3, 9), {}),
        ({"remote.storage.enable": "true", "local.retention.ms": "5"}, (4, 3), {}),
        ({"segment.bytes": "512"}, (4, 0), {"segment.bytes": "1048576"}),
        ({"segment.bytes": "512"}, (3, 9), {"segment.bytes": "512"}),
        ({"segment.bytes": "²"}, (4, 0), {"segment.bytes": "²"}),
        ({"segment.bytes": "9" * 5000}, (4, 0), {"segment.bytes": "9" * 5000}),
        ({"message.format.version": "2.8"}, (4, 0), {}),
        ({"message.format.version": "2.8"}, (3, 9), {"message.format.version": "2.8"}),
        ({"message.downconversion.enable": "false"}, (4, 0), {}),
        ({"message.timestamp.difference.max.ms": "5"}, (3, 9), {"message.timestamp.difference.max.ms": "5"}),
        (
            {"message.timestamp.difference.max.ms": "5"},
            (4, 0),
            {"message.timestamp.before.max.ms": "5", "message.timestamp.after.max.ms": "5"},
        ),
        (
            {"message.timestamp.difference.max.ms": "5", "message.timestamp.after.max.ms": "7"},
            (4, 0),
            {"message.timestamp.before.max.ms": "5", "message.timestamp.after.max.ms": "7"},
        ),
        ({"message.timestamp.after.max.ms": "7"}, (3, 5), {}),
        ({"compression.zstd.level": "7"}, (3, 7), {}),
        ({"confluent.tier.enable": "true"}, (4, 3), {}),
        ({"confluent.tier.enable": "true"}, None, {"confluent.tier.enable": "true"}),
    ],
)
def test_configs_are_dropped_mapped_or_raised_for_the_destinations_version(
    configs: dict[str, str], version: tuple[int, int] | None, fitted: dict[str, str]
) -> None:
    found, adjustments = fit(configs, Home(version=version, brokers=1), replication_factor=1)
    assert found == fitted
    assert all(adjustment.reason for adjustment in adjustments)
    dropped = configs.keys() - fitted.keys()
    assert dropped - {"message.timestamp.difference.max.ms"} == {
        adjustment.name for adjustment in adjustments if adjustment.value is None
    }


def test_tiered_configs_stay_where_the_destination_is_tiered() -> None:
    configs = {"remote.storage.enable": "true", "local.retention.ms": "5"}
    assert fit(configs, Home(version=(4, 3), tiered=True), replication_factor=1)[0] == configs


# Kafka itself, asked for its topic configs: the names, then what it makes of each NAME=VALUE.
LOG_CONFIG = """
import java.util.*;
public class Ask {
    public static void main(String[] values) throws Exception {
        Class<?> config;
        try { config = Class.forName("org.apache.kafka.storage.internals.log.LogConfig"); }
        catch (ClassNotFoundException older) { config = Class.forName("kafka.log.LogConfig"); }
        System.out.println("names " + config.getMethod("configNames").invoke(null));
        for (String value : values) {
            String[] pair = value.split("=", 2);
            Object meaning;
            try {
                Object made = config.getConstructor(Map.class).newInstance(Map.of(pair[0], pair[1]));
                meaning = ((Map<?, ?>) config.getMethod("values").invoke(made)).get(pair[0]);
            } catch (java.lang.reflect.InvocationTargetException refused) { meaning = "refused"; }
            System.out.println("value " + meaning);
        }
    }
}
"""


def ask_kafka(folder: Path, version: str, *values: str) -> tuple[set[str], list[str]]:
    program = folder / "Ask.java"
    program.write_text(LOG_CONFIG, "ascii")
    command = [jars.java(), "-XX:TieredStopAtLevel=1", "-cp", f"{fetch(version)}/*", str(program), *values]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    names = re.search(r"^names \W*\w*[(\[](.*)[)\]]$", said, re.MULTILINE)
    assert names is not None
    return set(names[1].split(", ")), re.findall(r"^value (.*)$", said, re.MULTILINE)


@pytest.mark.parametrize(
    "version",
    [
        "4.3.1",
        "3.9.1",
        *(pytest.param(old, marks=pytest.mark.long) for old in ("2.8.2", "1.1.1", "0.11.0.3", "0.10.2.2")),
    ],
)
def test_the_table_of_topic_configs_is_that_of_the_brokers(tmp_path: Path, version: str) -> None:
    names, _ = ask_kafka(tmp_path, version)
    home = Home(version=parse_version(version), tiered=True)
    # Its own tests' name, and the mapped one is no longer there under its name.
    assert {
        name for name in (*CONFIG_NAMES, "nonsense") if name in fit({name: "1"}, home, replication_factor=None)[0]
    } == {name for name in names if name != "internal.segment.bytes" and "throttled.replicas" not in name}


def test_values_mean_the_same_here_and_in_kafka(tmp_path: Path) -> None:
    values = {
        "min.cleanable.dirty.ratio": ("0.5", "0.50", ".5", "+0.5", "0.51", " 0.5 ", "0", "1"),
        "preallocate": ("true", "TRUE", " True", "false"),
        "retention.ms": ("5", " 5", "+5", "05", "6", "-1", "9223372036854775807", "9223372036854775806"),
        "compression.type": ("lz4", " lz4", "zstd"),
        "message.timestamp.type": ("CreateTime", "LogAppendTime"),
    }
    asked = [(name, value) for name, several in values.items() for value in several]
    _, meanings = ask_kafka(tmp_path, "4.3.1", *(f"{name}={value}" for name, value in asked))
    assert len(meanings) == len(asked)
    assert "refused" not in meanings
    for (name, one), here in zip(asked, meanings, strict=True):
        for (other_name, other), there in zip(asked, meanings, strict=True):
            if name == other_name:
                assert same_value(name, one, other) is (here == there), (name, one, other)


def test_4_x_refuses_what_is_fitted_for_it(tmp_path: Path) -> None:
    asked = ("segment.bytes=1048575", "segment.bytes=1048576")
    assert ask_kafka(tmp_path, "4.3.1", *asked)[1] == ["refused", "1048576"]
    assert ask_kafka(tmp_path, "3.9.1", *asked)[1] == ["1048575", "1048576"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.9.1", (3, 9)),
        ("4.3", (4, 3)),
        ("3.9-IV0", (3, 9)),
        ("10.11.12", (10, 11)),
        ("4", None),
        ("x.y", None),
        ("²." + "3", None),
        ("", None),
        (None, None),
    ],
)
def test_versions_are_read_from_what_brokers_and_files_say(text: str | None, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


def test_a_default_that_differs_is_named_with_the_topics_that_rely_on_it() -> None:
    desired = snapshot(
        topics=[topic("a"), topic("b"), topic("c", configs={"retention.ms": "9"})],
        defaults={"retention.ms": "5", "segment.ms": "1", "num.partitions": "1"},
    )
    actual = dest(defaults={"retention.ms": "6", "segment.ms": "1", "num.partitions": "2"})
    plan = plan_of(desired, actual)
    assert [(str(each.resource), each.source, each.dest, each.reason) for each in plan.drift] == [
        ("default retention.ms", "5", "6", "2 topics without an override (--pin-defaults)")
    ]
    plan = plan_of(desired, actual, "--pin-defaults")
    assert (plan.warnings, plan.drift) == ((), ())
    assert [action.configs for action in plan.actions if isinstance(action, CreateTopic)] == [
        {"retention.ms": "5"},
        {"retention.ms": "5"},
        {"retention.ms": "9"},
    ]
    assert report(plan_of(desired, carried_out(actual, plan.actions), "--pin-defaults")).verdict == "equal"


def test_the_one_hour_limit_of_4_x_is_named_for_sources_that_had_none() -> None:
    forever = str(2**63 - 1)
    actual = dest(
        defaults={"message.timestamp.before.max.ms": forever, "message.timestamp.after.max.ms": "3600000"},
    )
    older = snapshot(version="2.8", topics=[topic("t")], defaults={"message.timestamp.difference.max.ms": forever})
    newer = snapshot(
        topics=[topic("t")],
        defaults={
            "message.timestamp.difference.max.ms": forever,
            "message.timestamp.before.max.ms": forever,
            "message.timestamp.after.max.ms": forever,
        },
    )
    for desired in (older, newer):
        assert "default message.timestamp.after.max.ms" in reasons(plan_of(desired, actual).warnings)
        pinned = plan_of(desired, actual, "--pin-defaults").actions[0]
        assert isinstance(pinned, CreateTopic)
        assert pinned.configs == {"message.timestamp.after.max.ms": forever}


def test_defaults_that_cannot_be_compared_are_not_taken_as_equal() -> None:
    desired = snapshot(topics=[topic("t")], defaults={"retention.ms": "5"})
    plan = planned(desired, replace(dest(), defaults=None), Policy())
    assert "could not be read" in reasons(plan.warnings)["defaults"]
    plan = planned(replace(desired, defaults=None), dest(), Policy(pin_defaults=True))
    assert "has no effect" in reasons(plan.warnings)["defaults"]


# Groups


def test_positions_are_set_by_policy() -> None:
    desired = snapshot(topics=[topic("t", 2)], groups=[group("g", ("t", 0, 7), ("t", 1, 8))])
    actual = dest(topics=[topic("t", 2, start=3, end=9)])
    for arguments, expected in (
        ((), [3, 3]),
        (("--group-offsets", "end"), [9, 9]),
        (("--group-offsets", "same"), [7, 8]),
    ):
        plan = plan_of(desired, actual, *arguments)
        action = plan.actions[0]
        assert isinstance(action, CommitOffsets)
        assert [offset.offset for offset in action.offsets] == expected
    plan = planned(
        desired,
        actual,
        policy_of(["--group-offsets", "time:2026-11-21T03:50:00Z"]),
        positions_at={("t", 0): 5},
    )
    action = plan.actions[0]
    assert isinstance(action, CommitOffsets)
    assert [(offset.offset, offset.metadata) for offset in action.offsets] == [
        (5, "kafka-meta:time:2026-11-21T03:50:00Z"),
        (9, "kafka-meta:time:2026-11-21T03:50:00Z"),
    ]


def test_an_existing_position_is_never_changed() -> None:
    desired = snapshot(topics=[topic("t", 2)], groups=[group("g", ("t", 0, 7), ("t", 1, 8))])
    actual = dest(topics=[topic("t", 2, end=9)], groups=[group("g", ("t", 0, 5))])
    plan = plan_of(desired, actual, "--group-offsets", "same", "--on-drift", "set")
    missing = CommittedOffset(topic="t", partition=1, offset=8)
    assert plan.actions == (CommitOffsets(group="g", offsets=(missing,)),)
    assert [(each.aspect, each.source, each.dest, each.reason) for each in plan.drift] == [
        ("offset t-0", 7, 5, "set by a consumer or by mirror; left alone")
    ]


def test_a_position_that_import_set_stays_right_when_the_start_moves_on() -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 7))])
    plan = plan_of(desired, dest(topics=[topic("t", start=0)]))
    after = replace(carried_out(dest(topics=[topic("t")]), plan.actions), topics=(topic("t", start=4, end=9),))
    assert report(plan_of(desired, after)).verdict == "equal"
    drift = plan_of(desired, after, "--group-offsets", "end").drift
    assert [each.reason for each in drift] == ["set by an import with --group-offsets start; left alone"]


@pytest.mark.parametrize(
    ("there", "shows"),
    [
        (group("g", members=2), "2 live members"),
        (group("g", state="Stable"), "state Stable"),
        (group("g", state="PreparingRebalance"), "state PreparingRebalance"),
    ],
)
def test_a_group_that_runs_on_the_destination_is_not_touched(there: Group, shows: str) -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 7))])
    plan = plan_of(desired, dest(topics=[topic("t")], groups=[there]))
    assert plan.actions == ()
    assert reasons(plan.skipped) == {"group g": f"{shows} on the destination: its positions are not changed"}
    moved_on = replace(there, offsets=(CommittedOffset(topic="t", partition=0, offset=5),))
    plan = plan_of(desired, dest(topics=[topic("t")], groups=[moved_on]))
    assert (plan.drift, plan.actions) == ((), ())
    assert report(plan).verdict == "equal"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Group(id="g", protocol="connect", offsets=()), "it only coordinates Connect workers"),
        (Group(id="g", protocol="connect", offsets=None), "it only coordinates Connect workers"),
        (Group(id="g", protocol="sr", offsets=()), "it only coordinates schema registries"),
        (Group(id="g", type="share", offsets=()), "share group"),
        (Group(id="g", type="share", offsets=None), "share group"),
        (Group(id="g", protocol="consumer", offsets=()), "it has no positions"),
    ],
)
def test_groups_without_positions_to_move_are_skipped_by_name(found: Group, why: str) -> None:
    plan = plan_of(snapshot(topics=[topic("t")], groups=[found]), dest())
    assert reasons(plan.skipped)["group g"].startswith(why)
    assert [action for action in plan.actions if isinstance(action, CommitOffsets)] == []
    assert plan.unread == ()


def test_old_zookeeper_consumers_move_unless_the_brokers_know_the_group() -> None:
    old = [replace(group(name, ("t", 0, 3)), source="zookeeper", type="zookeeper") for name in ("g", "h", "unread")]
    unread = Group(id="unread", protocol="consumer", offsets=None)
    desired = snapshot(topics=[topic("t")], groups=[*old, group("g", ("t", 0, 5)), unread])
    plan = plan_of(desired, dest(topics=[topic("t", end=9)]), "--group-offsets", "same")
    committed = {action.group: action.offsets[0].offset for action in plan.actions if isinstance(action, CommitOffsets)}
    assert committed == {"g": 5, "h": 3}
    assert reasons(plan.skipped).keys() == {"group g", "group unread"}
    assert reasons(plan.unread) == {"group unread": "its positions could not be read on the source"}


def test_positions_on_topics_that_do_not_move_are_named() -> None:
    desired = snapshot(topics=[topic("t"), topic("u")], groups=[group("g", ("t", 0, 1), ("u", 0, 1), ("gone", 0, 1))])
    plan = plan_of(desired, dest(), "--exclude-topics", "u")
    assert [(str(each.resource), each.reason) for each in plan.skipped] == [
        ("group g", "on topic gone: its topic does not move"),
        ("group g", "on topic u: its topic does not move"),
        ("topic u", "not selected"),
    ]
    committed = next(action for action in plan.actions if isinstance(action, CommitOffsets))
    assert [offset.topic for offset in committed.offsets] == ["t"]


def test_positions_without_a_partition_to_be_on_are_refused() -> None:
    desired = snapshot(topics=[topic("t", 2)], groups=[group("g", ("t", 0, 1), ("t", 1, 1))])
    plan = plan_of(desired, dest(topics=[topic("t", 1)]), "--only", "groups")
    assert reasons(plan.refused) == {"group g": "the destination has no partition t-1: import the topics first"}
    assert report(plan).verdict == "different"


def test_positions_beyond_the_end_are_named() -> None:
    desired = snapshot(topics=[topic("t", 2)], groups=[group("g", ("t", 0, 7), ("t", 1, 2))])
    plan = plan_of(desired, dest(topics=[topic("t", 2, end=5)]), "--group-offsets", "same")
    assert "its positions on t-0 are above the end offsets on the destination" in reasons(plan.warnings)["group g"]
    plan = plan_of(desired, dest(topics=[topic("t", 2, start=None, end=None)]), "--group-offsets", "same")
    assert plan.warnings == (), "an end that is not known is not 0"


def test_a_partition_whose_offsets_are_not_known_gets_no_position() -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 7)), group("h", ("t", 0, 7))])
    actual = dest(topics=[topic("t", start=None, end=None)], groups=[group("h", ("t", 0, 5))])
    plan = plan_of(desired, actual)
    assert (plan.actions, plan.drift) == ((), ())
    assert {str(remark.resource) for remark in plan.unread} == {"group g on t-0", "group h on t-0"}
    assert report(plan).verdict == "inconclusive"


# Access rules


def test_deny_rules_are_created_first() -> None:
    rules = [
        acl("ALLOW", "User:x", "READ", "TOPIC t"),
        acl("ALLOW", "User:admin", "ALL", "CLUSTER kafka-cluster"),
        acl("DENY", "User:y", "READ", "TOPIC t"),
        acl("DENY", "User:y", "ALTER", "CLUSTER kafka-cluster"),
    ]
    plan = plan_of(snapshot(acls=rules), dest())
    assert [action.acl for action in plan.actions if isinstance(action, CreateAcl)] == [
        rules[2],
        rules[3],
        rules[0],
        rules[1],
    ]


def test_without_an_authorizer_on_either_side_no_rule_is_created() -> None:
    rule = acl("ALLOW", "User:x", "READ", "TOPIC t")
    nothing = Security(authorizer="")
    plan = plan_of(snapshot(acls=None, security=nothing), dest())
    assert reasons(plan.skipped) == {"acls": "the source has no authorizer, so it has no ACLs"}
    plan = plan_of(snapshot(acls=[rule]), dest(acls=None, security=nothing))
    assert reasons(plan.refused) == {"acls": "the destination has no authorizer: 1 ACL cannot be created"}
    assert report(plan).verdict == "different"
    both = plan_of(snapshot(acls=None, security=nothing), dest(acls=None, security=nothing))
    assert report(both).verdict == "equal"


def test_a_deny_moves_with_the_allow_that_it_narrows_even_when_its_topic_is_not_selected() -> None:
    deny = acl("DENY", "User:x", "READ", "TOPIC secret")
    broad = acl("ALLOW", "User:x", "READ", "TOPIC sec", pattern="PREFIXED")
    other = acl("DENY", "User:z", "READ", "TOPIC secret")
    own = acl("ALLOW", "User:x", "READ", "TOPIC secret")
    plan = plan_of(snapshot(acls=[deny, broad, other, own]), dest(), "--exclude-topics", "secret")
    assert [action.acl for action in plan.actions if isinstance(action, CreateAcl)] == [deny, broad]
    assert set(reasons(plan.skipped).values()) == {"its topic is not selected"}
    assert len(plan.skipped) == 2


def test_such_a_deny_follows_its_topic_to_a_new_name() -> None:
    deny, everything = acl("DENY", "User:x", "READ", "TOPIC secret"), acl("ALLOW", "User:x", "READ", "TOPIC *")
    plan = plan_of(snapshot(acls=[deny, everything]), dest(), "--exclude-topics", "secret", "--rename", "secret=hidden")
    created = [action.acl for action in plan.actions if isinstance(action, CreateAcl)]
    assert created == [replace(deny, resource_name="hidden"), everything]


@pytest.mark.parametrize(
    ("prefix", "rename", "warned"),
    [
        ("prod.", r"prod\.(.*)=eu.\1", False),
        ("prod", r"prod\.(.*)=eu.\1", True),
        ("prod.a", r"prod\.a=b", True),
        ("other", r"prod\.(.*)=eu.\1", False),
    ],
)
def test_a_prefix_that_no_longer_covers_its_topics_is_named(prefix: str, rename: str, warned: bool) -> None:
    desired = snapshot(
        topics=[topic("prod.a"), topic("prod.ab")],
        acls=[acl("DENY", "User:x", "READ", f"TOPIC {prefix}", pattern="PREFIXED")],
    )
    plan = plan_of(desired, dest(), "--rename", rename)
    assert any("does not cover" in remark.reason for remark in plan.warnings) is warned


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        (False, False, None),
        (True, True, None),
        (False, True, "resources without an ACL are open on the destination"),
        (True, False, "resources without an ACL are closed on the destination"),
        (None, False, None),
        (None, True, "could not be read on the source"),
        (True, None, "could not be read on the destination"),
        (None, None, "could not be read on both sides"),
    ],
)
def test_openness_without_rules_is_compared(here: bool | None, there: bool | None, says: str | None) -> None:
    def guarded(open_to_all: bool | None) -> Security:
        return Security(authorizer="x", allow_everyone_if_no_acl_found=open_to_all, super_users=("User:admin",))

    rule = acl("ALLOW", "User:x", "READ", "TOPIC t")
    plan = plan_of(snapshot(acls=[rule], security=guarded(here)), dest(security=guarded(there)))
    told = [each.reason or "" for each in plan.drift]
    told += [each.reason for each in plan.warnings if each.resource.kind == "allow.everyone.if.no.acl.found"]
    assert told == [] if says is None else says in told[0]


CLUSTER_RULES = [
    acl("ALLOW", "User:ops", "ALTER", "CLUSTER kafka-cluster"),
    acl("DENY", "User:guest", "ALTER", "CLUSTER kafka-cluster"),
]
TOPIC_RULE = acl("ALLOW", "User:x", "READ", "TOPIC t")


@pytest.mark.parametrize(
    ("operator", "security", "there", "outcome"),
    [
        ("User:admin", Security(authorizer="x", super_users=("User:admin",)), [], "created"),
        # ops would be allowed in the end, but not between the DENY and its ALLOW.
        ("User:ops", Security(authorizer="x", allow_everyone_if_no_acl_found=True, super_users=()), [], "refused"),
        ("User:ops", Security(authorizer="x", super_users=()), [CLUSTER_RULES[0]], "created"),
        ("User:me", Security(authorizer="x", allow_everyone_if_no_acl_found=True, super_users=()), [], "refused"),
        ("User:me", Security(authorizer="x", allow_everyone_if_no_acl_found=True), [], "warned"),
        ("User:guest", Security(authorizer="x", super_users=("User:admin",)), [], "refused"),
        (None, Security(authorizer="x", super_users=()), [], "warned"),
    ],
)
def test_the_operators_own_rights_are_kept(
    operator: str | None, security: Security, there: list[Acl], outcome: str
) -> None:
    plan = plan_of(
        snapshot(acls=[TOPIC_RULE, *CLUSTER_RULES]),
        dest(acls=there, security=security),
        operator=Operator(principal=operator),
    )
    created = [action.acl for action in plan.actions if isinstance(action, CreateAcl)]
    assert TOPIC_RULE in created, "rules about anything else are created in any case"
    assert (set(CLUSTER_RULES) <= {*created, *there}) is (outcome != "refused")
    assert bool(plan.refused) is (outcome == "refused")
    assert any(str(remark.resource) == "acls" for remark in plan.warnings) is (outcome == "warned")


def test_who_may_alter_the_cluster_without_a_rule_is_taken_for_a_super_user() -> None:
    hidden = Security(authorizer="x", allow_everyone_if_no_acl_found=False, super_users=None)
    plan = plan_of(
        snapshot(acls=CLUSTER_RULES),
        dest(security=hidden),
        operator=Operator(principal="User:root", cluster_operations=frozenset({"ALTER"})),
    )
    assert (len(plan.actions), plan.refused) == (2, ())


# What could not be read


@pytest.mark.parametrize(
    ("desired", "actual"),
    [
        (snapshot(topics=None), dest()),
        (snapshot(groups=None), dest()),
        (snapshot(acls=None), dest()),
        (snapshot(topics=[topic("t")]), dest(topics=None)),
        (snapshot(groups=[group("g", ("t", 0, 0))], topics=[topic("t")]), dest(topics=[topic("t")], groups=None)),
        (snapshot(acls=[TOPIC_RULE]), dest(acls=None)),
        (snapshot(topics=[replace(topic("t"), configs=None)]), dest(topics=[topic("t")])),
        (snapshot(topics=[topic("t")]), dest(topics=[replace(topic("t"), configs=None)])),
        (snapshot(topics=[replace(topic("t"), partitions=())]), dest()),
        (
            snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 0))]),
            dest(topics=[topic("t")], groups=[Group(id="g", offsets=None)]),
        ),
    ],
)
def test_what_could_not_be_read_makes_the_answer_inconclusive_and_nothing_is_done(
    desired: Snapshot, actual: Snapshot
) -> None:
    plan = plan_of(desired, actual)
    assert plan.actions == ()
    assert plan.unread != ()
    assert report(plan).verdict == "inconclusive"


def test_differences_outweigh_what_could_not_be_read() -> None:
    plan = plan_of(snapshot(topics=[topic("t")], acls=None), dest())
    assert report(plan).verdict == "different"


def test_gaps_of_the_source_are_named() -> None:
    desired = snapshot(gaps=(Remark(resource=Resource("keys of users"), reason="no right"),))
    assert reasons(plan_of(desired, dest()).warnings)["keys of users"] == "not read on the source: no right"
    assert plan_of(desired, dest()).skipped == ()


def test_only_the_chosen_sections_are_compared() -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 0))], acls=[TOPIC_RULE])
    kinds: list[tuple[str, type[Action]]] = [("topics", CreateTopic), ("acls", CreateAcl)]
    for section, kind in kinds:
        assert [type(action) for action in plan_of(desired, dest(), "--only", section).actions] == [kind]
    plan = plan_of(desired, dest(topics=[topic("t")]), "--only", "groups,acls")
    assert {type(action) for action in plan.actions} == {CommitOffsets, CreateAcl}


# Reports


def test_a_report_counts_every_kind_in_its_section() -> None:
    desired = snapshot(
        brokers=3,
        topics=[
            topic("same", 2, factor=3, configs={"retention.ms": "5"}),
            topic("missing"),
            topic("grows", 3),
            topic("drifts", configs={"retention.ms": "5"}),
        ],
        groups=[group("g", ("same", 0, 0), ("same", 1, 0)), group("h", ("same", 0, 4))],
        acls=[TOPIC_RULE, acl("DENY", "User:x", "READ", "TOPIC u")],
    )
    actual = dest(
        topics=[
            topic("same", 2, factor=3, configs={"retention.ms": "5"}),
            topic("grows"),
            topic("drifts"),
            topic("extra"),
        ],
        groups=[group("g", ("same", 0, 0)), group("h", ("same", 0, 5))],
        acls=[TOPIC_RULE],
    )
    answer = report(plan_of(desired, actual))
    counts = {section: {k: n for k, n in found.items() if n} for section, found in answer.counts.items()}
    assert counts == {
        "topics": {"equal": 1, "missing": 1, "extra": 1},
        "partitions": {"equal": 4, "different": 1},
        "configs": {"equal": 1, "different": 1},
        "groups": {},
        "positions": {"equal": 1, "missing": 1, "different": 1},
        "acls": {"equal": 1, "missing": 1},
        "users": {},
        "quotas": {},
        "otherConfigs": {},
    }


def test_a_report_counts_what_differs_as_intended_once_and_not_as_equal_too() -> None:
    configs = {"min.insync.replicas": "3", "retention.ms": "5"}
    desired = snapshot(
        brokers=3,
        topics=[topic("old.there", factor=3, configs=configs), topic("old.drifts", factor=3), topic("old.missing")],
    )
    actual = dest(
        brokers=1,
        topics=[topic("new.there", configs={**configs, "min.insync.replicas": "1"}), topic("new.drifts", 2)],
    )
    answer = report(plan_of(desired, actual, "--rename", r"old\.(.*)=new.\1"))
    counts = {section: {k: n for k, n in found.items() if n} for section, found in answer.counts.items()}
    # new.drifts is a topic of another name as intended; its partitions are another row.
    assert counts["topics"] == {"intended": 2, "missing": 1}
    assert counts["partitions"] == {"equal": 2, "different": 1}
    assert counts["configs"] == {"equal": 1, "intended": 1}
    assert {each.aspect for each in answer.intended} == {"name", "replicationFactor", "min.insync.replicas"}


def test_rules_that_rename_nothing_are_known() -> None:
    source = snapshot(
        topics=[topic("a"), topic("b")],
        groups=[group("g", ("a", 0, 0))],
        acls=[acl("ALLOW", "User:x", "READ", "TOPIC later.", pattern="PREFIXED")],
    )
    texts = ["a=x", "a|b=y", "a=z", "c=x", r"later\.=then.", "group:g=h", "group:a=b"]
    idle = Policy(renames=parse_renames(texts)).idle_renames(source)
    assert [str(rule) for rule in idle] == ["a=z", "c=x", "group:a=b"]
    unknown = replace(source, groups=(), gaps=(Remark(resource=Resource("groups"), reason="not in ZooKeeper"),))
    assert Policy(renames=parse_renames(["group:g=h"])).idle_renames(unknown) == ()


# Refusals by the destination's own validation


def test_what_the_brokers_refuse_takes_its_positions_along() -> None:
    desired = snapshot(
        topics=[topic("bad"), topic("good")],
        groups=[group("g", ("bad", 0, 0), ("good", 0, 0)), group("only", ("bad", 0, 0))],
    )
    plan = plan_of(desired, dest())
    rejected = [Result(action=action, outcome="failed", error="policy") for action in plan.actions[:1]]
    left = plan.without(rejected)
    assert [type(action) for action in left.actions] == [CreateTopic, CommitOffsets]
    assert reasons(left.refused) == {
        "topic bad": "policy",
        "group g": "on topic bad: its topic is refused",
        "group only": "on topic bad: its topic is refused",
    }
    after = carried_out(dest(), left.actions)
    assert {topic.name for topic in after.topics or ()} == {"good"}


# A saved plan


SAVED = (
    CreateTopic(topic="new", partitions=2, replication_factor=1, configs={"cleanup.policy": "compact,delete"}),
    AddPartitions(topic="old", existing=1, total=3),
    SetConfigs(topic="old", configs={"retention.ms": "5"}, previous={"retention.ms": None}),
    CommitOffsets(group="g", offsets=(CommittedOffset(topic="old", partition=0, offset=4, metadata="kafka-meta:end"),)),
    CreateAcl(acl=TOPIC_RULE),
)


def saved(**changes: object) -> Plan:
    return replace(Plan(source_id="source", dest_id="dest", actions=SAVED), **changes)  # type: ignore[arg-type]


TODAY = dest(topics=[topic("old")])


def test_a_saved_plan_is_whole_where_nothing_has_changed() -> None:
    assert recheck(saved(), TODAY) == (saved(), ())


def test_an_interrupted_commit_of_a_saved_plan_completes() -> None:
    for done in range(len(SAVED) + 1):
        left, broken = recheck(saved(), carried_out(TODAY, SAVED[:done]))
        assert (left.actions, broken) == (SAVED[done:], ())
        assert len(left.present) == done


def test_a_half_committed_group_completes() -> None:
    offsets = tuple(CommittedOffset(topic="old", partition=number, offset=4) for number in range(3))
    action = CommitOffsets(group="g", offsets=offsets)
    half = carried_out(dest(topics=[topic("old", 3)]), [CommitOffsets(group="g", offsets=offsets[:1])])
    assert recheck(saved(actions=(action,)), half) == (saved(actions=(action,)), ())


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (dest(id="other", topics=[topic("old")]), "destination: the plan is for cluster dest, this is cluster other"),
        (dest(topics=[topic("old"), topic("new", 3)]), "topic new: it exists now, and differs"),
        (dest(topics=[topic("old", 2)]), "topic old: it had 1 partition, now it has 2"),
        (
            dest(topics=[topic("old", configs={"retention.ms": "6"})]),
            "topic old: retention.ms was not overridden, now it is 6",
        ),
        (dest(topics=[replace(topic("old"), configs=None)]), "topic old: its configs can no longer be read"),
        (
            dest(topics=[topic("old")], groups=[group("g", ("old", 0, 3))]),
            "group g: it has position 3 on old-0 now",
        ),
        (
            dest(topics=[topic("old")], groups=[group("g", members=1)]),
            "group g: its consumers are running now: 1 live member",
        ),
        (
            dest(topics=[topic("old")], groups=[group("g", state="Stable")]),
            "group g: its consumers are running now: state",
        ),
        (
            dest(topics=[topic("old")], groups=[Group(id="g", offsets=None)]),
            "group g: its positions can no longer be read",
        ),
        (dest(topics=[topic("old")], groups=None), "group g: the destination's groups could not be read"),
    ],
)
def test_a_broken_precondition_is_named(now: Snapshot, says: str) -> None:
    _, broken = recheck(saved(), now)
    assert len(broken) == 1
    assert f"{broken[0].resource!s}: {broken[0].reason}".startswith(says)


def test_nothing_of_a_saved_plan_is_carried_out_blindly() -> None:
    _, broken = recheck(saved(), dest(topics=None, groups=None))
    assert {str(remark.resource) for remark in broken} == {"topic new", "topic old", "group g"}


@pytest.mark.parametrize(
    ("principal", "operations", "rules", "is_one"),
    [
        ("User:admin", None, [], True),
        ("User:ops", {"ALTER"}, [], True),
        ("User:ops", {"ALL"}, [], True),
        ("User:ops", {"DESCRIBE"}, [], False),
        ("User:ops", None, [], False),
        ("User:ops", {"ALTER"}, [acl("ALLOW", "User:ops", "ALTER", "CLUSTER kafka-cluster")], False),
        (None, {"ALTER"}, [], False),
    ],
)
def test_only_who_may_alter_the_cluster_without_an_acl_is_taken_for_a_super_user(
    principal: str | None, operations: set[str] | None, rules: list[Acl], is_one: bool
) -> None:
    operator = Operator(principal=principal, cluster_operations=None if operations is None else frozenset(operations))
    hidden = Security(authorizer="x", allow_everyone_if_no_acl_found=False, super_users=("User:admin",))
    assert is_super_user(operator, dest(acls=rules, security=hidden)) is is_one
    unknown = replace(hidden, allow_everyone_if_no_acl_found=None, super_users=None)
    assert not is_super_user(operator, dest(acls=rules, security=unknown))


def test_rules_go_first_when_they_cannot_end_the_rights_of_the_operator() -> None:
    desired = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 0))], acls=[TOPIC_RULE])
    known = Security(authorizer="StandardAuthorizer", allow_everyone_if_no_acl_found=False)
    actual = dest(security=known)
    super_user = Operator(principal="User:ANONYMOUS", cluster_operations=frozenset({"ALTER"}))
    plan = planned(desired, actual, policy_of([]), operator=super_user)
    assert [type(action) for action in plan.actions] == [CreateAcl, CreateTopic, CommitOffsets]
    somebody = Operator(principal="User:ANONYMOUS", cluster_operations=frozenset({"DESCRIBE"}))
    plan = planned(desired, actual, policy_of([]), operator=somebody)
    assert [type(action) for action in plan.actions] == [CreateAcl, CreateTopic, CommitOffsets]
    for more, others in (
        ([acl("DENY", "User:*", "WRITE", "TOPIC t")], known),
        ([], replace(known, allow_everyone_if_no_acl_found=None)),
        ([], replace(known, allow_everyone_if_no_acl_found=True)),
    ):
        harmful = replace(desired, acls=(TOPIC_RULE, *more))
        plan = planned(harmful, dest(security=others), policy_of([]), operator=somebody)
        assert [type(action) for action in plan.actions][:2] == [CreateTopic, CommitOffsets]
    plan = planned(desired, actual, policy_of([]), operator=Operator())
    assert [type(action) for action in plan.actions] == [CreateTopic, CommitOffsets, CreateAcl]


def test_only_the_partitions_whose_positions_are_open_are_measured() -> None:
    desired = snapshot(topics=[topic("t", 3)], groups=[group("g", ("t", 0, 7), ("t", 1, 8), ("t", 2, 9))])
    ours = CommittedOffset(topic="t", partition=0, offset=2, metadata="kafka-meta:start")
    theirs = CommittedOffset(topic="t", partition=1, offset=8)
    actual = dest(topics=[topic("t", 3)], groups=[Group(id="g", offsets=(ours, theirs))])

    def measured(*arguments: str) -> frozenset[tuple[str, int]]:
        return partitions_to_measure(reshape(desired, policy_of(list(arguments)), home_of(actual)), actual)

    assert measured() == {("t", 1), ("t", 2)}
    assert measured("--group-offsets", "same") == {("t", 0), ("t", 2)}
    assert measured("--only", "topics") == frozenset()


def test_a_section_that_was_read_in_part_has_not_been_compared() -> None:
    same = snapshot(topics=[topic("t")], gaps=[Remark(resource=Resource("acls"), reason="TOPIC rules: time-out")])
    answer = report(planned(same, dest(topics=[topic("t")]), policy_of([])))
    assert answer.verdict == "inconclusive"
    assert report(planned(same, dest(topics=[topic("t")]), policy_of(["--only", "topics"]))).verdict == "equal"


GAP_OF = {
    "topic": Remark(resource=Resource("topic", "t"), reason="time-out"),
    "configs": Remark(resource=Resource("configs of topic", "t"), reason="time-out"),
    "group": Remark(resource=Resource("group", "g"), reason="time-out"),
    "positions": Remark(resource=Resource("positions of group", "g"), reason="t-1: time-out"),
    "user": Remark(resource=Resource("user", "u"), reason="time-out"),
    "cluster": Remark(resource=Resource("cluster"), reason="no right to DESCRIBE"),
}


@pytest.mark.parametrize("of", GAP_OF)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_item_that_either_side_could_not_read_is_not_compared(of: str, side: str) -> None:
    gap = GAP_OF[of]
    same = snapshot(topics=[topic("t")], groups=[group("g", ("t", 0, 0))])
    there = dest(topics=[topic("t")], groups=[group("g", ("t", 0, 0))])
    assert report(plan_of(same, there)).verdict == "equal"
    gaps = {"source": (replace(same, gaps=(gap,)), there), "destination": (same, replace(there, gaps=(gap,)))}
    answer = report(plan_of(*gaps[side]))
    assert answer.verdict == "inconclusive"
    assert Remark(resource=gap.resource, reason=f"not read on the {side}: {gap.reason}") in answer.unread
    assert report(plan_of(*gaps[side], "--only", "quotas")).verdict == "equal"


def test_what_the_destination_does_not_show_is_neither_created_nor_taken_for_absent() -> None:
    desired = snapshot(
        topics=[topic("t"), topic("seen")],
        groups=[group("g", ("t", 0, 0), ("seen", 0, 0))],
        users=[User(name="u", credentials=(ScramCredential(mechanism="SCRAM-SHA-256", iterations=4096),))],
    )
    actual = replace(dest(users=[]), gaps=(GAP_OF["topic"], GAP_OF["user"]))
    plan = planned(desired, actual, policy_of([]), operator=ADMIN, passwords=Passwords(generate=True))
    assert [str(action.resource) for action in plan.actions] == ["topic seen", "group g"]
    assert {str(each.resource) for each in plan.unread} == {"topic t", "group g", "user u"}
    (positions,) = [action for action in plan.actions if isinstance(action, CommitOffsets)]
    assert [offset.topic for offset in positions.offsets] == ["seen"]
    assert plan.refused == ()


def test_a_gap_of_what_is_not_selected_leaves_the_answer_as_it_is() -> None:
    same = snapshot(topics=[topic("t"), topic("u")], gaps=(GAP_OF["configs"],))
    answer = report(plan_of(same, dest(topics=[topic("u")]), "--exclude-topics", "t"))
    assert answer.verdict == "equal"


def test_another_default_retention_is_a_difference_and_a_default_of_another_version_is_a_note() -> None:
    ours = {"retention.ms": "604800000", "max.message.bytes": "1000012"}
    theirs = {"retention.ms": "3600000", "max.message.bytes": "1048588"}
    same = [topic("t")]
    answer = report(plan_of(snapshot(topics=same, defaults=ours), dest(topics=same, defaults=theirs)))
    assert answer.verdict == "different"
    (found,) = answer.differences
    assert (found.resource, found.source, found.dest) == (Resource("default", "retention.ms"), "604800000", "3600000")
    assert [str(each.resource) for each in answer.warnings] == ["default max.message.bytes"]


@pytest.mark.parametrize(
    ("aspect", "here", "there"),
    [
        ("allow.everyone.if.no.acl.found", {}, {"allow_everyone_if_no_acl_found": True}),
        ("super.users", {}, {"super_users": ("User:admin", "User:eve")}),
        ("authorizer.class.name", {}, {"authorizer": ""}),
        ("authorizer.class.name", {"authorizer": ""}, {}),
    ],
)
def test_another_security_of_the_cluster_is_a_difference(
    aspect: str, here: dict[str, Any], there: dict[str, Any]
) -> None:
    known = Security(authorizer="x", allow_everyone_if_no_acl_found=False, super_users=("User:admin",))
    answer = report(plan_of(snapshot(security=replace(known, **here)), dest(security=replace(known, **there))))
    assert answer.verdict == "different"
    assert [(each.resource, each.aspect) for each in answer.differences] == [(Resource("cluster"), aspect)]


def refusals(plan: Plan) -> dict[str, str]:
    return {each.resource.name or "": each.reason for each in plan.refused if each.resource.kind == "acl"}


@pytest.mark.parametrize(
    ("rename", "rules", "refused", "because"),
    [
        (
            "b=a.b",
            [acl("ALLOW", "User:x", "READ", "TOPIC a", pattern="PREFIXED")],
            "ALLOW User:x READ on TOPIC a… from *",
            "it covers a.b, the new name of b, which ALLOW User:x READ on TOPIC a… from * does not cover",
        ),
        (
            "b=a",
            [acl("ALLOW", "User:x", "READ", "TOPIC b")],
            "ALLOW User:x READ on TOPIC a from *",
            "it covers a, the new name of a, which ALLOW User:x READ on TOPIC b from * does not cover",
        ),
        (
            "b=later",
            [acl("ALLOW", "User:x", "READ", "TOPIC later")],
            "ALLOW User:x READ on TOPIC later from *",
            "it covers later, the new name of b, which ALLOW User:x READ on TOPIC later from * does not cover",
        ),
        (
            "bb=cb b=d",
            [
                acl("ALLOW", "User:x", "READ", "TOPIC *"),
                acl("DENY", "User:*", "DESCRIBE", "TOPIC b", pattern="PREFIXED"),
            ],
            "ALLOW User:x READ on TOPIC * from *",
            "DENY User:* DESCRIBE on TOPIC b… from * denies it on bb, whose new name cb "
            "DENY User:* DESCRIBE on TOPIC d… from * does not cover",
        ),
        (
            "group:g=h.g",
            [acl("ALLOW", "User:x", "READ", "GROUP h", pattern="PREFIXED")],
            "ALLOW User:x READ on GROUP h… from *",
            "it covers h.g, the new name of g, which ALLOW User:x READ on GROUP h… from * does not cover",
        ),
    ],
)
def test_a_rule_that_would_allow_more_under_new_names_is_refused_unless_it_is_named(
    rename: str, rules: list[Acl], refused: str, because: str
) -> None:
    desired = snapshot(topics=[topic("a"), topic("b"), topic("bb")], groups=[group("g", ("a", 0, 0))], acls=rules)
    renames = parse_renames(rename.split())
    plan = planned(desired, dest(), Policy(renames=renames), operator=ADMIN)
    assert refused in refusals(plan)
    allowed = Policy(renames=renames, wider_rights=frozenset({refused}))
    plan = planned(desired, dest(), allowed, operator=ADMIN)
    assert refused not in refusals(plan)
    assert refused in {describe_acl(action.acl) for action in plan.actions if isinstance(action, CreateAcl)}
    assert because in reasons(plan.warnings)[f"acl {refused}"]


@pytest.mark.parametrize(
    ("only", "read"),
    [
        ("topics", {"topics"}),
        ("groups", {"topics", "groups"}),
        ("acls", {"topics", "groups", "acls"}),
        ("users,quotas", {"users", "quotas"}),
        ("other-configs", {"other-configs"}),
    ],
)
def test_of_a_destination_only_what_a_comparison_needs_is_read(only: str, read: set[str]) -> None:
    """A rule may cover topics and groups that only the destination has."""
    assert needed(policy_of(["--only", only]).only) == read


def test_the_sections_that_can_be_compared_are_offered_where_others_could_not_be_read() -> None:
    sections = policy_of([]).only
    assert without([Resource("users"), Resource("quotas")], sections) == ("topics", "groups", "acls", "other-configs")
    assert without([Resource("user", "alice")], sections) == SECTIONS, "one user is no section"
    assert without([Resource("cluster")], sections) == ("acls", "users", "quotas", "other-configs")
