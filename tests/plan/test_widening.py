"""Which rules would allow more under new names: neither too few of them, nor too many, and each once."""

from __future__ import annotations

from dataclasses import replace

from kafka_meta.model import Acl
from kafka_meta.plan.reshape.widening import Moved, wider
from tests.support.snapshots import acl


def allow(name: str, principal: str = "User:a", operation: str = "READ", **rest: str) -> Acl:
    return acl("ALLOW", principal, operation, f"TOPIC {name}", **rest)  # type: ignore[arg-type]


def deny(name: str, principal: str = "User:a", operation: str = "READ", **rest: str) -> Acl:
    return acl("DENY", principal, operation, f"TOPIC {name}", **rest)  # type: ignore[arg-type]


def moved(rule: Acl, there: str | None = None) -> Moved:
    return Moved(here=rule, there=rule if there is None else replace(rule, resource_name=there))


def told(rules: list[Moved], **stands_for: str) -> list[tuple[Acl, str, bool]]:
    """Of each rule that would allow more: itself, the first such name, and whether a DENY is why. `stands_for`: name on
    the destination → name on the source."""
    return [(each.rule.there, each.name, each.deny is not None) for each in wider(rules, stands_for)]


def test_a_prefix_that_gets_a_new_name_is_told_with_the_name() -> None:
    rule = allow("x", pattern="PREFIXED")
    assert told([moved(rule)], xa="a", y="y") == [(rule, "xa", False)]
    assert told([moved(rule)], xa="xa", y="y") == []


def test_a_prefix_that_denies_more_is_safe_and_a_literal_deny_of_another_name_is_not() -> None:
    assert told([moved(deny("x", pattern="PREFIXED"))], xa="a") == []
    literal = deny("b")
    assert told([moved(literal, "c")], c="c") == [(replace(literal, resource_name="c"), "c", False)]


def test_a_name_that_another_rule_allows_anyway_is_nothing_new() -> None:
    rule, other = allow("x", pattern="PREFIXED"), allow("a")
    assert told([moved(rule), moved(other, "xa")], xa="a") == []
    assert told([moved(rule), moved(allow("a", operation="WRITE"), "xa")], xa="a") == [(rule, "xa", False)]
    assert told([moved(rule), moved(allow("a", principal="User:b"), "xa")], xa="a") == [(rule, "xa", False)]
    assert told([moved(rule), moved(deny("a"), "xa")], xa="a")[0] == (rule, "xa", False), "a DENY allows nothing"


def test_two_rules_that_become_one_are_told_once() -> None:
    one, two = moved(allow("x"), "new"), moved(allow("y"), "new")
    assert told([one, two], new="z") == [(one.there, "new", False)]


def test_an_allow_whose_deny_stays_behind_is_told_once() -> None:
    everything, denied = allow("", pattern="PREFIXED"), deny("s", pattern="PREFIXED")
    names = {"hidden": "secret", "other": "second", "open": "open"}
    assert told([moved(everything), moved(denied)], **names) == [(everything, "other", True)]


def test_a_deny_that_another_one_replaces_is_not_missed() -> None:
    everything, denied = allow("", pattern="PREFIXED"), deny("s", pattern="PREFIXED")
    assert told([moved(everything), moved(denied), moved(deny("secret"), "hidden")], hidden="secret") == []
    weaker = moved(deny("secret", operation="WRITE"), "hidden")
    assert told([moved(everything), moved(denied), weaker], hidden="secret") == [(everything, "hidden", True)]


def test_a_deny_takes_nothing_from_rules_that_it_does_not_meet() -> None:
    denied = deny("s", pattern="PREFIXED")
    others = [allow("", principal="User:b", pattern="PREFIXED"), allow("", operation="WRITE", pattern="PREFIXED")]
    assert told([*map(moved, others), moved(denied)], hidden="secret") == []


def test_a_deny_that_stays_behind_is_missed_by_whoever_becomes_the_one_it_is_for() -> None:
    given = moved(allow("secret", principal="User:b"), "secret")
    given = replace(given, there=replace(given.there, principal="User:a"))
    denied = moved(deny("se", pattern="PREFIXED"), "new")
    assert told([given, denied], secret="secret") == [(given.there, "secret", True)]


def test_a_deny_that_is_refused_itself_denies_nothing_there() -> None:
    """The literal DENY would be about another topic, so it is not created: what it denied on its own is open."""
    everything, denied = allow("", pattern="PREFIXED"), deny("b")
    found = told([moved(everything), moved(denied, "c")], c="c", d="b")
    assert found == [(replace(denied, resource_name="c"), "c", False), (everything, "d", True)]
    # Its own topic has its new name, and a rule of the source was about that name: still it is not created.
    same = told([moved(everything), moved(denied, "c"), moved(deny("q"), "c")], c="b", q="q")
    assert (everything, "q", True) in same
