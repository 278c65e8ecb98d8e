"""Which rules, users and quotas belong to a selection of topics, groups and principals."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kafka_meta.model import Acl, Cluster, Quota, ScramCredential, Security, Selection, Snapshot, User
from kafka_meta.plan import Policy, describe_acl, describe_entity
from kafka_meta.plan.access import overlap
from kafka_meta.plan.narrow import narrowed, principals_of
from kafka_meta.plan.pattern import Pattern
from kafka_meta.plan.rules import Rules
from tests.support.plans import planned
from tests.support.snapshots import acl, group, snapshot, topic

SHOP = acl("ALLOW", "User:shop", "READ", "TOPIC shop.", pattern="PREFIXED")
SHOP_GROUP = acl("ALLOW", "User:shop", "READ", "GROUP shop.", pattern="PREFIXED")
SHOP_ID = acl("ALLOW", "User:shop", "WRITE", "TRANSACTIONAL_ID shop", pattern="PREFIXED")
SHOP_IDEMPOTENT = acl("ALLOW", "User:shop", "IDEMPOTENT_WRITE", "CLUSTER kafka-cluster")
SHOP_ALTERS = acl("ALLOW", "User:shop", "ALTER", "CLUSTER kafka-cluster")
BANK = acl("ALLOW", "User:bank", "ALL", "TOPIC bank.", pattern="PREFIXED")
BANK_GROUP = acl("ALLOW", "User:bank", "READ", "GROUP *")
BANK_ID = acl("ALLOW", "User:bank", "WRITE", "TRANSACTIONAL_ID *")
WHOEVER = acl("ALLOW", "User:*", "WRITE", "TRANSACTIONAL_ID open")
NOBODY = acl("DENY", "User:*", "READ", "TOPIC sh", pattern="PREFIXED")
NOT_BANK = acl("DENY", "User:bank", "READ", "TOPIC secret")
AUDIT = acl("ALLOW", "User:audit", "READ", "TOPIC *")
RULES = [SHOP, SHOP_GROUP, SHOP_ID, SHOP_IDEMPOTENT, SHOP_ALTERS, BANK, BANK_GROUP, BANK_ID, WHOEVER, NOBODY, NOT_BANK]


def source(*more: Acl, rules: list[Acl] | None = None) -> Snapshot:
    return snapshot(
        topics=[topic("shop.orders"), topic("bank.accounts"), topic("secret")],
        groups=[group("shop.g", ("shop.orders", 0, 1)), group("bank.g", ("bank.accounts", 0, 1))],
        acls=[*(RULES if rules is None else rules), *more],
        users=[User(name=name, credentials=(ScramCredential(mechanism="SCRAM-SHA-256", iterations=4096),))
               for name in ("shop", "bank", "idle")],
        quotas=[Quota(entity=entity, values={"producer_byte_rate": 1.0}) for entity in QUOTAS],
    )  # fmt: skip


QUOTAS = ({"user": "shop"}, {"user": "bank", "clientId": "c"}, {"user": None}, {"clientId": "c"}, {"ip": "10.0.0.1"})


def select(**expressions: str) -> Selection:
    return Selection(**{name: re.compile(text) for name, text in expressions.items()})


def left(selection: Selection, snapshot: Snapshot) -> dict[str, str]:
    chosen, remarks = narrowed(snapshot, selection)
    kept = {*(describe_acl(acl) for acl in chosen.acls or ()), *(user.name for user in chosen.users or ())}
    kept |= {describe_entity(quota.entity) for quota in chosen.quotas or ()}
    told = {each.resource.name or "": each.reason for each in remarks}
    everything = {*(describe_acl(acl) for acl in snapshot.acls or ()), *(user.name for user in snapshot.users or ())}
    everything |= {describe_entity(quota.entity) for quota in snapshot.quotas or ()}
    assert kept | told.keys() == everything, "each is kept, or left out with a reason"
    assert not kept & told.keys()
    return told


def test_a_selection_of_everything_leaves_nothing_out() -> None:
    assert narrowed(source(), Selection()) == (source(), ())


def test_topics_take_along_the_rules_users_and_quotas_of_those_who_use_them() -> None:
    nothing = "no ACL allows its principal anything on a selected topic (--include-principals takes it)"
    assert left(select(include_topics=r"shop\..*"), source(AUDIT)) == {
        describe_acl(SHOP_ALTERS): "it is about more than the selected topics (--include-principals takes it)",
        describe_acl(BANK): "it covers no selected topic",
        describe_acl(BANK_GROUP): nothing,
        describe_acl(BANK_ID): nothing,
        describe_acl(WHOEVER): nothing,
        describe_acl(NOT_BANK): "its topic is not selected",
        "bank": nothing,
        "idle": nothing,
        "user 'bank', clientId 'c'": nothing,
        "default user": "it is not of one user who is selected",
        "clientId 'c'": "it is not of one user who is selected",
        "ip '10.0.0.1'": "it is not of one user who is selected",
    }


def test_topics_that_are_left_out_take_nobody_with_them() -> None:
    assert left(select(exclude_topics=r"bank\..*"), source()) == {
        describe_acl(BANK): "it covers no selected topic",
    }


def test_groups_take_along_the_rules_that_cover_them() -> None:
    assert left(select(include_groups=r"bank\..*"), source()) == {
        describe_acl(SHOP_GROUP): "it covers no selected group",
    }


def test_principals_by_name_bring_all_that_is_theirs() -> None:
    assert left(select(include_topics=r"shop\..*", include_principals="shop"), source(AUDIT)) == {
        describe_acl(BANK): "it covers no selected topic",
        describe_acl(AUDIT): "its principal is not selected",
        describe_acl(NOT_BANK): "its topic is not selected",
        **{describe_acl(each): "its principal is not selected" for each in (BANK_GROUP, BANK_ID, WHOEVER)},
        **dict.fromkeys(("bank", "idle", "user 'bank', clientId 'c'"), "its principal is not selected"),
        **dict.fromkeys(("default user", "clientId 'c'", "ip '10.0.0.1'"), "it is not of one user who is selected"),
    }


def test_principals_are_left_out_by_name_with_or_without_their_type() -> None:
    for expression in ("bank", "User:bank"):
        told = left(select(exclude_principals=expression), source())
        assert told.keys() == {
            *map(describe_acl, (BANK, BANK_GROUP, BANK_ID, NOT_BANK)),
            "bank",
            "user 'bank', clientId 'c'",
        }
        assert set(told.values()) == {"its principal is not selected"}


def test_a_deny_that_a_rule_of_the_selection_needs_is_kept_whoever_it_is_for() -> None:
    denied = acl("DENY", "User:*", "DESCRIBE", "TOPIC shop.secret")
    told = left(select(include_principals="shop"), source(denied))
    assert describe_acl(denied) not in told
    assert describe_acl(NOBODY) not in told
    assert describe_acl(NOT_BANK) in told, "no rule of shop allows what it denies"


def test_a_deny_that_narrows_only_what_is_left_out_is_left_out_too() -> None:
    denied = acl("DENY", "User:bank", "READ", "TOPIC bank.accounts")
    assert left(select(include_topics=r"shop\..*"), source(denied))[describe_acl(denied)] == "its topic is not selected"


def test_a_prefix_that_is_no_selected_name_itself_covers_those_that_are() -> None:
    wide = acl("ALLOW", "User:wide", "READ", "TOPIC sho", pattern="PREFIXED")
    assert describe_acl(wide) not in left(select(include_topics=r"shop\..*"), source(wide))
    nothing_there = replace(source(wide), topics=None)
    assert left(select(include_topics=r"shop\..*"), nothing_there)[describe_acl(wide)] == "it covers no selected topic"


def test_without_rules_nobody_knows_who_uses_a_topic() -> None:
    told = left(select(include_topics=r"shop\..*"), source(rules=[]))
    assert told["shop"] == "no ACLs tell whether it uses a selected topic (--include-principals takes it)"


def test_rules_on_topics_that_are_not_there_yet_follow_the_expression() -> None:
    soon = acl("ALLOW", "User:shop", "WRITE", "TOPIC shop.soon")
    later = acl("ALLOW", "User:shop", "WRITE", "TOPIC bank.later")
    told = left(select(include_topics=r"shop\..*"), source(soon, later))
    assert describe_acl(soon) not in told
    assert told[describe_acl(later)] == "its topic is not selected"


def test_what_does_not_belong_to_a_selection_is_named_in_the_plan_and_not_created() -> None:
    policy = Policy(selection=select(include_topics=r"shop\..*"))
    plan = planned(source(), snapshot(id="dest"), policy)
    created = {str(action.resource) for action in plan.actions}
    assert {f"acl {describe_acl(each)}" for each in (SHOP, SHOP_GROUP, SHOP_ID, SHOP_IDEMPOTENT, NOBODY)} <= created
    assert not any("bank" in each for each in created)
    assert {"user bank", "user idle", f"acl {describe_acl(BANK)}"} <= {str(each.resource) for each in plan.skipped}


def test_what_others_have_on_a_shared_destination_is_no_difference_of_a_selection() -> None:
    policy = Policy(selection=select(include_topics=r"shop\..*"))
    theirs = acl("ALLOW", "User:theirs", "ALL", "TOPIC theirs")
    on_ours = acl("ALLOW", "User:theirs", "READ", "TOPIC shop.orders")
    there = snapshot(
        id="dest",
        topics=[topic("theirs")],
        acls=[theirs, on_ours],
        users=[User(name="theirs", credentials=(ScramCredential(mechanism="SCRAM-SHA-256", iterations=4096),))],
        quotas=[Quota(entity={"user": "theirs"}, values={"producer_byte_rate": 1.0})],
    )
    extra = [str(each.resource) for each in planned(source(), there, policy).extra]
    assert extra == [f"acl {describe_acl(on_ours)}"]


def test_principals_are_known_where_all_that_names_them_could_be_read() -> None:
    named = {f"User:{name}" for name in ("shop", "bank", "idle", "*")}
    assert principals_of(source()) == named
    quotas = replace(source(rules=[]), users=(), acls=None, cluster=Cluster(security=Security(authorizer="")))
    assert principals_of(quotas) == {"User:shop", "User:bank"}, "without an authorizer there are no ACLs"
    assert principals_of(replace(source(), acls=None)) is None
    assert principals_of(replace(source(), users=None)) is None


# -- rules and names --------------------------------------------------------------------------------------------------

_names = st.sampled_from(("*", "a", "ab", "abc", "b", "a.b"))
_rules = st.builds(
    lambda permission, principal, operation, name, pattern: acl(
        permission, principal, operation, f"TOPIC {name}", pattern=pattern
    ),
    st.sampled_from(("ALLOW", "DENY")),
    st.sampled_from(("User:a", "User:b", "User:*")),
    st.sampled_from(("READ", "WRITE", "DESCRIBE", "ALL")),
    _names,
    st.sampled_from(("LITERAL", "PREFIXED")),
)


@given(st.lists(_rules, max_size=8), _rules)
def test_rules_that_overlap_are_found_as_one_by_one(rules: list[Acl], one: Acl) -> None:
    found = list(Rules(rules, lambda rule: rule).overlapping(one))
    assert sorted(found) == sorted(rule for rule in rules if overlap(rule, one))


@given(st.lists(_rules, max_size=8), _names)
def test_rules_that_cover_a_name_are_found_as_one_by_one(rules: list[Acl], name: str) -> None:
    found = list(Rules(rules, lambda rule: rule).covering(name))
    assert sorted(found) == sorted(rule for rule in rules if Pattern.of(rule).covers(name))


@given(_rules, _rules)
def test_a_pattern_includes_another_when_it_covers_each_of_its_names(one: Acl, other: Acl) -> None:
    names = ("a", "ab", "abc", "abcd", "b", "a.b", "zz", "*", "*x")
    mine, its = Pattern.of(one), Pattern.of(other)
    if mine.includes(its):
        assert all(mine.covers(name) for name in names if its.covers(name))
    elif not its.is_prefix and not its.is_all:
        assert not mine.covers(its.name)
    assert mine.meets(its) == its.meets(mine)
    assert list(mine.among(sorted(names))) == [name for name in sorted(names) if mine.covers(name)]


@given(st.lists(_rules, max_size=8), st.sampled_from(("a.*", "b", "ab|abc", "zz")))
def test_no_rule_of_a_selection_allows_what_the_source_denies(rules: list[Acl], expression: str) -> None:
    given_rules = list(dict.fromkeys(rules))
    chosen, _ = narrowed(source(rules=given_rules), select(include_topics=expression, include_principals="a"))
    kept = chosen.acls or ()
    for rule in given_rules:
        if rule.permission == "DENY" and rule not in kept:
            assert not any(overlap(rule, allow) for allow in kept if allow.permission == "ALLOW")
