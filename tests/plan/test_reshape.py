"""What the destination ought to be: what a policy and the destination's limits make of a source."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kafka_meta.errors import UsageError
from kafka_meta.model import Broker, Quota, Remark, Resource, Selection, Snapshot, User, internal_to
from kafka_meta.plan import (
    CreateAcl,
    Difference,
    Policy,
    Traces,
    compare,
    describe_acl,
    existing_partitions,
    home_of,
    occupied,
    parse_renames,
    preflight,
    recheck,
    report,
    reshape,
)
from kafka_meta.plan.configs import Home
from kafka_meta.plan.policy import parse_configs, parse_principals
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


def test_principals_get_their_new_names_in_rules_users_and_quotas() -> None:
    rules = [
        acl("ALLOW", "User:CN=shop,O=Acme", "READ", "TOPIC a"),
        acl("ALLOW", "User:*", "READ", "TOPIC b"),
        acl("DENY", "User:bob", "READ", "TOPIC a"),
    ]
    source = snapshot(
        topics=[topic("a"), topic("b")],
        acls=rules,
        users=[User(name="bob"), User(name="CN=shop,O=Acme")],
        quotas=[Quota(entity={"user": "bob", "clientId": "c"}, values={"request_percentage": 1.0})],
    )
    mapping = parse_principals([r"User:CN=(.*),O=Acme=User:\1", "User:(.*)=User:eu-$1"])
    desired = reshape(source, Policy(principals=mapping), SMALL)
    assert {each.principal for each in desired.acls or ()} == {"User:shop", "User:*", "User:eu-bob"}
    assert {(user.was, user.name) for user in desired.users or ()} == {("bob", "eu-bob"), ("CN=shop,O=Acme", "shop")}
    assert [quota.entity for quota in desired.quotas or ()] == [{"user": "eu-bob", "clientId": "c"}]
    told = {(each.resource.kind, each.aspect, each.source, each.dest) for each in desired.intended}
    assert {
        ("acl", "principal", "User:bob", "User:eu-bob"),
        ("user", "name", "bob", "eu-bob"),
        ("quota", "entity", "user 'bob', clientId 'c'", "user 'eu-bob', clientId 'c'"),
    } <= told


def test_principals_that_become_one_get_only_what_each_of_them_had() -> None:
    shared = [acl("ALLOW", f"User:{name}", "READ", "TOPIC a") for name in ("one", "two")]
    more = acl("ALLOW", "User:one", "WRITE", "TOPIC a")
    wide = acl("ALLOW", "User:two", "ALL", "TOPIC ", pattern="PREFIXED")
    mapping = parse_principals(["User:(one|two)=User:both"])
    source = snapshot(topics=[topic("a")], acls=[*shared, more])
    desired = reshape(source, Policy(principals=mapping), SMALL)
    assert desired.acls == (acl("ALLOW", "User:both", "READ", "TOPIC a"),)
    words = "ALLOW User:both WRITE on TOPIC a from *"
    assert {str(each.resource): each.reason for each in desired.refused} == {
        f"acl {words}": "it would allow more than on the source: User:two becomes User:both, too, and ALLOW User:one "
        "WRITE on TOPIC a from * does not allow it to User:two. To allow it, name it: --allow-wider-rights"
    }
    allowed = reshape(source, Policy(principals=mapping, wider_rights=frozenset({words})), SMALL)
    assert len(allowed.acls or ()) == 2 and allowed.refused == ()
    covered = reshape(snapshot(topics=[topic("a")], acls=[*shared, more, wide]), Policy(principals=mapping), SMALL)
    assert [str(each.resource) for each in covered.refused] == ["acl ALLOW User:both ALL on TOPIC … from *"]


def test_a_principal_whose_new_name_another_one_has_does_not_get_its_rights() -> None:
    """The other one is not mapped: it keeps its name."""
    source = snapshot(
        topics=[topic("a")],
        acls=[acl("ALLOW", "User:old", "READ", "TOPIC a"), acl("ALLOW", "User:new", "WRITE", "TOPIC a")],
        users=[User(name="new"), User(name="old")],
        quotas=[Quota(entity={"user": name}, values={"request_percentage": 1.0}) for name in ("new", "old")],
    )
    desired = reshape(source, Policy(principals=parse_principals(["User:old=User:new"])), SMALL)
    assert desired.acls == ()
    assert [user.was for user in desired.users or ()] == ["new"]
    reasons = {str(each.resource): each.reason for each in desired.refused}
    assert reasons["user old"] == "--map-principal gives it the name new, which user new has already"
    assert reasons["quota user 'old'"] == "it would be that of user 'new' on the destination, as that of user 'new' is"
    assert len(reasons) == 4


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("User:bob", "is not OLD=NEW, both with their type"),
        ("bob=alice", "is not OLD=NEW, both with their type"),
        ("User:(=User:x", r"--map-principal 'User:\(=User:x': missing \)"),
        (r"User:bob=User:\2", "invalid group reference"),
        (r"User:(.*)=User:*", "which is not the principal of one user"),
        (r"User:bob=Group:x", "a user needs the type User"),
    ],
)
def test_a_principal_that_cannot_be_is_refused_before_anything(rule: str, says: str) -> None:
    source = snapshot(acls=[acl("ALLOW", "User:bob", "READ", "TOPIC a")], users=[User(name="bob")])
    with pytest.raises(UsageError, match=says):
        reshape(source, Policy(principals=parse_principals([rule])), SMALL)


def test_hosts_are_mapped_in_quotas_too() -> None:
    quotas = [Quota(entity={"ip": ip}, values={"connection_creation_rate": 1.0}) for ip in ("10.0.0.7", "10.0.0.8")]
    desired = reshape(snapshot(quotas=quotas), Policy(hosts={"10.0.0.7": "10.1.0.7"}), SMALL)
    assert [quota.entity for quota in desired.quotas or ()] == [{"ip": "10.1.0.7"}, {"ip": "10.0.0.8"}]
    assert [(str(each.resource), each.reason) for each in desired.intended] == [("quota ip '10.1.0.7'", "--map-host")]


def test_configs_are_given_and_dropped_by_topic() -> None:
    source = snapshot(
        topics=[
            topic("a", configs={"retention.ms": "1", "flush.ms": "5"}),
            topic("b", configs={"retention.ms": "1"}),
        ]
    )
    configs = parse_configs(["a:retention.ms=2", "compression.type=lz4", "x:y:cleanup.policy=a=b:c"], ["a|z:flush.ms"])
    desired = reshape(source, Policy(configs=configs), SMALL)
    assert {each.name: each.configs for each in desired.topics or ()} == {
        "a": {"retention.ms": "2", "compression.type": "lz4"},
        "b": {"retention.ms": "1", "compression.type": "lz4"},
    }
    assert {(str(each.resource), each.aspect, each.source, each.dest, each.reason) for each in desired.intended} == {
        ("topic a", "retention.ms", "1", "2", "--config"),
        ("topic a", "compression.type", None, "lz4", "--config"),
        ("topic a", "flush.ms", "5", None, "--drop-config"),
        ("topic b", "compression.type", None, "lz4", "--config"),
    }
    assert [(each.topics and each.topics.pattern, each.name, each.value) for each in configs] == [
        ("a", "retention.ms", "2"),
        (None, "compression.type", "lz4"),
        ("x:y", "cleanup.policy", "a=b:c"),
        ("a|z", "flush.ms", None),
    ]
    there = snapshot(id="dest", topics=[topic("a", configs={"retention.ms": "2", "compression.type": "lz4"})])
    assert report(compare(reshape(source, Policy(configs=configs), home_of(there)), there)).differences == (
        Difference(resource=Resource("topic", "b"), difference="missing"),
    )


@pytest.mark.parametrize(
    ("given", "dropped", "says"),
    [
        (["retention.ms"], [], "--config 'retention.ms' is not NAME=VALUE"),
        (["(:retention.ms=1"], [], r"--config '\(:retention.ms=1': missing \)"),
        (["=1"], [], "is not NAME=VALUE"),
        ([], ["retention.ms=1"], "--drop-config 'retention.ms=1' is not NAME or TOPICS:NAME"),
        ([], ["(:retention.ms"], r"--drop-config '\(:retention.ms': missing \)"),
    ],
)
def test_a_config_that_is_none_is_refused(given: list[str], dropped: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_configs(given, dropped)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("__consumer_offsets", "Kafka"),
        ("__remote_log_metadata", "Kafka"),
        ("_confluent-license", "Confluent's products"),
        ("__confluent.support.metrics", "Confluent's products"),
        ("__amazon_msk_canary", "Amazon MSK"),
        ("__CruiseControlMetrics", "Cruise Control"),
        ("__strimzi_canary", "Strimzi"),
        ("_redpanda.audit_log", "Redpanda"),
        ("_schemas", None),
        ("_confluentially", None),
        ("connect-offsets", None),
    ],
)
def test_topics_in_which_software_keeps_its_own_state_do_not_move(name: str, owner: str | None) -> None:
    assert internal_to(name) == owner
    source = snapshot(topics=[topic(name)], groups=[group("g", (name, 0, 1))])
    desired = reshape(source, Policy(), SMALL)
    assert [each.name for each in desired.topics or ()] == ([name] if owner is None else [])
    assert [str(each.resource) for each in desired.skipped if each.resource.kind == "topic"] == (
        [] if owner is None else [f"topic {name}"]
    )
    asked = reshape(source, Policy(selection=Selection(include_internal=True)), SMALL)
    assert bool(asked.topics) == (name != "__consumer_offsets")


def test_a_topic_whose_replicas_have_no_broker_now_is_refused_unless_fewer_are_asked_for() -> None:
    source = snapshot(topics=[topic("three", factor=3), topic("two", factor=2), topic("there", factor=3)])
    brokers = tuple(Broker(id=number) for number in (1, 2))
    there = snapshot(id="dest", topics=[topic("there", factor=3)])
    there = replace(there, cluster=replace(there.cluster, brokers=brokers, absent=(3,)))
    home = home_of(there)
    assert home.brokers == 3
    desired = reshape(source, Policy(), home)
    assert {each.name: each.replication_factor for each in desired.topics or ()} == {"two": 2, "there": 3}
    assert [(str(each.resource), each.reason) for each in desired.refused] == [
        (
            "topic three",
            "it has 3 replicas, and 1 broker of the destination (3) cannot be reached: start it and run the same "
            "command again, or say --replication-factor 2",
        )
    ]
    asked = reshape(source, Policy(replication_factor=2), home)
    assert {each.name: each.replication_factor for each in asked.topics or ()}["three"] == 2


def test_a_rule_that_covers_what_only_the_destination_has_is_refused_unless_it_is_named() -> None:
    rules = [
        acl("ALLOW", "User:a", "READ", "TOPIC *"),
        acl("ALLOW", "User:b", "READ", "TOPIC the", pattern="PREFIXED"),
        acl("ALLOW", "User:c", "READ", "TOPIC *"),
        acl("ALLOW", "User:d", "READ", "GROUP *"),
        acl("ALLOW", "User:e", "READ", "TOPIC mine", pattern="PREFIXED"),
        acl("DENY", "User:f", "READ", "TOPIC *"),
    ]
    source = snapshot(topics=[topic("mine"), topic("mine.left")], acls=rules, groups=[group("g", ("mine", 0, 1))])
    there = snapshot(
        id="dest",
        topics=[topic("theirs"), topic("mine.left")],
        groups=[group("their.g", ("theirs", 0, 1))],
        acls=[acl("ALLOW", "User:c", "ALL", "TOPIC th", pattern="PREFIXED")],
    )
    policy = Policy(selection=Selection(exclude_topics=re.compile("mine.left")))
    plan = compare(reshape(source, policy, home_of(there)), there)
    refused = {str(each.resource): each.reason for each in plan.refused}
    assert refused.keys() == {
        "acl ALLOW User:a READ on TOPIC * from *",
        "acl ALLOW User:b READ on TOPIC the… from *",
        "acl ALLOW User:d READ on GROUP * from *",
    }
    assert refused["acl ALLOW User:d READ on GROUP * from *"] == (
        "it would allow more than on the source: it covers their.g, which only the destination has. To allow it, name "
        "it: --allow-wider-rights"
    )
    present = replace(there, acls=(*(there.acls or ()), rules[0]))
    again = compare(reshape(source, policy, home_of(present)), present)
    assert "acl ALLOW User:a READ on TOPIC * from *" not in {str(each.resource) for each in again.refused}, (
        "it is there"
    )
    named = replace(policy, wider_rights=frozenset(key.removeprefix("acl ") for key in refused))
    plan = compare(reshape(source, named, home_of(there)), there)
    assert plan.refused == ()
    assert len([action for action in plan.actions if isinstance(action, CreateAcl)]) == len(rules)


def test_a_saved_plan_gives_nobody_a_right_on_what_has_come_since() -> None:
    rules = [acl("ALLOW", "User:a", "READ", "TOPIC my", pattern="PREFIXED"), acl("DENY", "User:b", "READ", "TOPIC *")]
    source = snapshot(topics=[topic("mine")], groups=[group("g", ("mine", 0, 1))], acls=rules)
    there = snapshot(id="dest", topics=[topic("other")])
    plan = compare(reshape(source, Policy(), home_of(there)), there)
    assert plan.there == {Resource("topic", "other")}
    assert recheck(plan, there) == (plan, ())
    half = replace(there, topics=(topic("mine"), topic("other")))
    assert recheck(plan, half)[1] == (), "the plan itself has made it"
    theirs = replace(there, topics=(*(there.topics or ()), topic("my.theirs")))
    assert [(str(each.resource), each.reason) for each in recheck(plan, theirs)[1]] == [
        (
            "acl ALLOW User:a READ on TOPIC my… from *",
            "it would cover my.theirs, which was not there when the plan was made",
        )
    ]
    assert [each.reason for each in recheck(plan, replace(there, topics=None))[1]] == [
        "the destination's topics could not be read",
        "the destination's topics could not be read",
        "the destination's topics could not be read",
    ]
    narrow = replace(source, acls=(replace(rules[0], pattern_type="LITERAL"),))
    assert compare(reshape(narrow, Policy(), home_of(there)), there).there == frozenset()


PREFIX = acl("ALLOW", "User:b", "READ", "GROUP my", pattern="PREFIXED")


@pytest.mark.parametrize(
    ("source", "there", "why"),
    [
        (snapshot(acls=[PREFIX]), snapshot(id="dest", groups=None), "the destination's groups could not all be read"),
        (
            snapshot(acls=[PREFIX]),
            snapshot(id="dest", gaps=(Remark(resource=Resource("groups"), reason="broker 2: silent"),)),
            "the destination's groups could not all be read",
        ),
        (snapshot(acls=[PREFIX], groups=None), snapshot(id="dest"), "the source's groups are not known"),
    ],
)
def test_where_names_are_not_known_a_rule_on_many_of_them_is_refused(
    source: Snapshot, there: Snapshot, why: str
) -> None:
    for only in (frozenset({"acls"}), frozenset(Policy().only)):
        plan = compare(reshape(source, Policy(only=only), home_of(there)), there)
        assert [each.reason for each in plan.refused if each.resource.kind == "acl"] == [
            f"it may allow more than on the source: it covers more than one name, and {why}. To allow it, name it: "
            "--allow-wider-rights"
        ]
        assert not any(isinstance(action, CreateAcl) for action in plan.actions)
    literal = replace(PREFIX, pattern_type="LITERAL")
    plan = compare(reshape(replace(source, acls=(literal,)), Policy(), home_of(there)), there)
    assert CreateAcl(acl=literal) in plan.actions


def test_a_rule_that_only_the_destination_has_is_extra_in_whatever_sections() -> None:
    mallory = acl("ALLOW", "User:mallory", "ALL", "TOPIC orders")
    alices = [acl("ALLOW", "User:alice", "READ", "TOPIC orders"), acl("ALLOW", "User:alice", "READ", "GROUP ga")]
    bobs = [acl("ALLOW", "User:bob", "READ", "TOPIC orders")]
    source = snapshot(topics=[topic("orders"), topic("x")], groups=[group("ga", ("x", 0, 0))], acls=[*alices, *bobs])
    same = replace(source, cluster=replace(source.cluster, id="dest"))
    more = replace(same, acls=(*alices, *bobs, mallory))
    selections = (
        Selection(include_topics=re.compile("orders")),
        Selection(include_principals=re.compile("bob")),
        Selection(include_topics=re.compile("orders"), include_principals=re.compile("bob")),
    )
    for selection in selections:
        for only in (frozenset({"acls"}), frozenset({"topics", "groups", "acls"})):
            desired = reshape(source, Policy(only=only, selection=selection), SMALL)
            assert compare(desired, same).extra == (), "what the source has, too, is nothing new"
            assert [str(each.resource) for each in compare(desired, more).extra] == [f"acl {describe_acl(mallory)}"]


def test_a_user_without_any_right_counts_where_several_become_one() -> None:
    rules = [acl("ALLOW", "User:one", "WRITE", "TOPIC a")]
    source = snapshot(topics=[topic("a")], acls=rules, users=[User(name="two")])
    desired = reshape(source, Policy(principals=parse_principals(["User:(one|two)=User:both"])), SMALL)
    assert desired.acls == ()
    assert [str(each.resource) for each in desired.refused] == ["acl ALLOW User:both WRITE on TOPIC a from *"]


@pytest.mark.parametrize("kind", ["TOPIC", "GROUP"])
def test_a_new_name_that_only_rules_have_is_looked_at_as_well(kind: str) -> None:
    """Nothing of these names is there yet."""
    rules = [acl("ALLOW", "User:alice", "READ", f"{kind} x"), acl("ALLOW", "User:bob", "READ", f"{kind} new")]
    policy = Policy(renames=parse_renames([f"{kind.lower()}:x=new"]))
    desired = reshape(snapshot(acls=rules), policy, SMALL)
    assert [str(each.resource) for each in desired.refused] == [f"acl ALLOW User:bob READ on {kind} new from *"]
    everything = acl("ALLOW", "User:carol", "READ", f"{kind} *")
    assert everything in (reshape(snapshot(acls=[*rules, everything]), policy, SMALL).acls or ())


def test_principals_outside_a_selection_count_where_several_become_one() -> None:
    rules = [acl("ALLOW", "User:bob", "WRITE", "TOPIC a"), acl("ALLOW", "User:alice", "READ", "TOPIC a")]
    mapping = parse_principals(["User:.*=User:team"])
    policy = Policy(principals=mapping, selection=Selection(include_principals=re.compile("bob")))
    desired = reshape(snapshot(topics=[topic("a")], acls=rules), policy, SMALL)
    assert desired.acls == ()
    assert [str(each.resource) for each in desired.refused] == ["acl ALLOW User:team WRITE on TOPIC a from *"]


def test_consumers_that_have_moved_on_since_a_mirror_are_no_difference() -> None:
    source = snapshot(topics=[topic("t", end=9)], groups=[group("g", ("t", 0, 3))])
    desired = reshape(source, Policy(), SMALL)
    for position, verdict in ((2, "different"), (0, "equal"), (5, "equal"), (1, "different")):
        there = snapshot(id="dest", topics=[topic("t", end=9)], groups=[group("g", ("t", 0, position))])
        traces = Traces(positions={("g", "t", 0): 2 if position == 5 else 3})
        found = report(compare(desired, there, traces=traces))
        assert found.verdict == verdict, position
    assert not report(compare(desired, there)).intended


def test_what_to_know_of_a_destination_before_the_first_write_is_said() -> None:
    there = snapshot(id="dest")
    known = replace(there.cluster, offsets_retention_minutes=1500, absent=(3,))
    gap = Remark(resource=Resource("configs of broker", "2"), reason="the broker did not answer in time")
    limited = replace(
        there, taken_at_ms=1_000, cluster=known, operations=frozenset({"DESCRIBE", "ALTER_CONFIGS"}), gaps=(gap,)
    )
    assert [(str(each.resource), each.reason) for each in preflight(limited)] == [
        ("topics", "no right to CREATE on the cluster: topics are created only where an ACL allows it by their name"),
        ("acls", "no right to ALTER on the cluster: ACLs cannot be created"),
        ("users", "no right to ALTER on the cluster: users cannot be created"),
        ("broker 3", "it belongs to the destination and is not there"),
        ("broker 2", "its configs could not be read: the broker did not answer in time"),
        (
            "groups",
            "consumers that do not start until 1970-01-02 01:00 UTC lose the positions that are set now "
            "(offsets.retention.minutes=1500 on the destination)",
        ),
    ]
    assert [str(each.resource) for each in preflight(limited, {"quotas"})] == ["broker 3", "broker 2"]
    assert preflight(replace(there, operations=None)) == ()


def test_more_partitions_of_a_topic_that_is_there_are_a_warning() -> None:
    desired = reshape(snapshot(topics=[topic("t", 3)]), Policy(), SMALL)
    plan = compare(desired, snapshot(id="dest", topics=[topic("t", 2)]))
    assert [(str(each.resource), each.reason) for each in plan.warnings] == [
        ("topic t", "it gets more partitions: from then on, records of many keys go to another partition than before")
    ]


def test_topics_that_are_there_and_hold_records_may_be_somebody_elses() -> None:
    desired = reshape(snapshot(topics=[topic(name) for name in "abcde"]), Policy(), SMALL)
    there = snapshot(
        id="dest",
        topics=[topic("a", start=0, end=5), topic("b", start=5, end=5), topic("c", start=0, end=1), topic("d"),
                topic("theirs", start=0, end=1)],
    )  # fmt: skip
    assert [str(each.resource) for each in occupied(desired, there, Traces(copied=frozenset("c")))] == ["topic a"]
    assert existing_partitions(desired, there) == {(name, 0) for name in "abcd"}


def test_what_could_not_be_read_counts_as_far_as_it_is_selected() -> None:
    source = snapshot(topics=[topic("shop.a")], acls=[acl("ALLOW", "User:shop", "READ", "TOPIC shop.a")])
    policy = Policy(selection=Selection(include_topics=re.compile("shop.*"), include_principals=re.compile("shop")))
    gaps = [Resource("users"), Resource("user", "shop"), Resource("user", "bank"), Resource("topic", "bank.a")]
    there = snapshot(id="dest", gaps=tuple(Remark(resource=each, reason="hidden") for each in gaps))
    plan = compare(reshape(source, policy, home_of(there)), there)
    assert {str(each.resource) for each in plan.unread} == {"users", "user shop"}


def test_a_quota_of_a_kind_that_is_not_known_is_refused_by_name() -> None:
    odd = Quota(entity={"group": "g"}, values={"producer_byte_rate": 1.0})
    desired = reshape(snapshot(quotas=[odd]), Policy(), SMALL)
    assert desired.quotas == ()
    assert [each.reason for each in desired.refused] == ["this kafka-meta does not know this kind of quota"]


def test_a_rule_that_is_refused_is_extra_where_the_destination_has_it() -> None:
    rules = [acl("ALLOW", "User:one", "WRITE", "TOPIC a"), acl("ALLOW", "User:two", "READ", "TOPIC a")]
    both = acl("ALLOW", "User:both", "WRITE", "TOPIC a")
    mapping = parse_principals(["User:(one|two)=User:both"])
    desired = reshape(snapshot(topics=[topic("a")], acls=rules), Policy(principals=mapping), SMALL)
    there = snapshot(id="dest", topics=[topic("a")], acls=[both])
    assert [str(each.resource) for each in compare(desired, there).extra] == [f"acl {describe_acl(both)}"]
