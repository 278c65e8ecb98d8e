"""Which expressions of a selection have nothing to choose."""

from __future__ import annotations

import re

from kafka_meta.model import EVERYTHING, Selection

NAMES = ("orders", "orders.eu", "Billing", "audit")


def unmatched(**expressions: str) -> dict[str, tuple[str, ...]]:
    selection = Selection(**{name: re.compile(text) for name, text in expressions.items()})  # type: ignore[arg-type]
    return {each.option: each.near for each in selection.unmatched(topics=NAMES, groups=())}


def test_an_expression_that_matches_a_whole_name_has_something_to_choose() -> None:
    assert unmatched(include_topics=r"orders\..*", exclude_topics="audit") == {}
    assert EVERYTHING.unmatched(topics=(), groups=()) == ()


def test_an_expression_that_matches_a_part_of_a_name_is_told_with_these_names() -> None:
    assert unmatched(include_topics="order") == {"include_topics": ("orders", "orders.eu")}


def test_an_expression_that_is_misspelt_is_told_with_names_spelt_much_like_it() -> None:
    assert unmatched(include_topics="biling") == {"include_topics": ("Billing",)}
    assert unmatched(include_topics="zzz") == {"include_topics": ()}


def test_where_there_is_no_name_every_expression_matches_nothing() -> None:
    assert unmatched(include_groups=".*", exclude_groups=".*") == {"include_groups": (), "exclude_groups": ()}


def test_what_another_expression_excludes_counts_as_matched() -> None:
    assert unmatched(include_topics="audit", exclude_topics="a.*") == {}


def test_nothing_is_said_of_names_that_are_not_known() -> None:
    selection = Selection(include_topics=re.compile("a"), include_groups=re.compile("b"))
    assert [each.option for each in selection.unmatched(topics=["c"])] == ["include_topics"]
