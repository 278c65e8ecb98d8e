"""A plan is carried out in its order; a failure stops nobody but who depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta.apply import apply
from kafka_meta.events import Waiting
from kafka_meta.model import Acl, CommittedOffset
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Result,
    SetConfigs,
)
from kafka_meta.plan.access import in_order, overlap
from tests.support.examples import many
from tests.support.snapshots import acl, small_acls


class Memory:
    """A writer that remembers its batches, and fails what it is told to fail."""

    def __init__(self, fails: Callable[[Action], bool] = lambda action: False, *, waits: bool = False) -> None:
        self.batches: list[tuple[Action, ...]] = []
        self.fails, self.waits = fails, waits

    def apply(self, actions: Sequence[Action]) -> Iterator[Result | Waiting]:
        assert actions, "no empty batch"
        assert len({type(action) for action in actions}) == 1, "actions of one type"
        self.batches.append(tuple(actions))
        if self.waits:
            yield Waiting(reason="throttled", seconds=1)
        for action in reversed(actions):
            failed = self.fails(action)
            yield Result(action=action, outcome="failed" if failed else "done", error="refused" if failed else None)


def results(steps: Iterator[Result | Waiting]) -> dict[str, Result]:
    return {str(step.action): step for step in steps if isinstance(step, Result)}


def outcomes(actions: Sequence[Action], writer: Memory) -> list[str]:
    found = results(apply(actions, writer))
    assert len(found) == len(actions), "one result for every action"
    return [found[str(action)].outcome for action in actions]


def create(name: str) -> CreateTopic:
    return CreateTopic(topic=name, partitions=1, replication_factor=1)


def commit(group: str, *places: tuple[str, int]) -> CommitOffsets:
    return CommitOffsets(
        group=group, offsets=tuple(CommittedOffset(topic=topic, partition=number, offset=0) for topic, number in places)
    )


def named(*names: str) -> Callable[[Action], bool]:
    return lambda action: getattr(action, "topic", getattr(action, "group", None)) in names


def test_actions_go_out_by_type_in_the_order_of_the_plan() -> None:
    plan: list[Action] = [
        create("a"),
        create("b"),
        AddPartitions(topic="c", existing=1, total=2),
        SetConfigs(topic="c", configs={}, previous={}),
        commit("g", ("a", 0)),
        commit("h", ("b", 0)),
        CreateAcl(acl=acl("DENY", "User:x", "READ", "TOPIC a")),
        CreateAcl(acl=acl("ALLOW", "User:x", "READ", "TOPIC b")),
        CreateAcl(acl=acl("ALLOW", "User:x", "READ", "TOPIC c")),
    ]
    writer = Memory()
    assert set(outcomes(plan, writer)) == {"done"}
    assert [action for batch in writer.batches for action in batch] == plan
    assert [len(batch) for batch in writer.batches] == [2, 1, 1, 2, 1, 2]


def test_positions_on_a_topic_that_failed_are_not_set_and_others_are() -> None:
    plan = [create("bad"), create("good"), commit("g", ("bad", 0), ("good", 0)), commit("h", ("good", 0))]
    writer = Memory(named("bad"))
    assert outcomes(plan, writer) == ["failed", "done", "failed", "done"]
    sent = [action for batch in writer.batches for action in batch if isinstance(action, CommitOffsets)]
    assert sent == [commit("g", ("good", 0)), commit("h", ("good", 0))]
    found = results(apply(plan, Memory(named("bad"))))
    assert found[str(plan[2])].error == "no position set on bad: the topic failed"


def test_a_group_with_positions_on_failed_topics_only_is_not_sent() -> None:
    plan = [create("bad"), commit("g", ("bad", 0))]
    writer = Memory(named("bad"))
    assert outcomes(plan, writer) == ["failed", "failed"]
    assert writer.batches == [(plan[0],)]


def test_where_adding_partitions_failed_the_positions_on_the_old_ones_are_set() -> None:
    plan = [AddPartitions(topic="t", existing=2, total=4), commit("g", ("t", 0), ("t", 1), ("t", 2), ("t", 3))]
    writer = Memory(named("t"))
    assert outcomes(plan, writer) == ["failed", "failed"]
    assert writer.batches[1] == (commit("g", ("t", 0), ("t", 1)),)
    old = [AddPartitions(topic="t", existing=2, total=4), commit("g", ("t", 1))]
    assert outcomes(old, Memory(named("t"))) == ["failed", "done"]


def test_both_reasons_are_told_when_the_rest_of_a_group_fails_too() -> None:
    plan = [create("bad"), create("good"), commit("g", ("bad", 0), ("good", 0))]
    found = results(apply(plan, Memory(named("bad", "g"))))
    assert found[str(plan[2])].error == "no position set on bad: the topic failed; refused"


def test_an_allow_is_not_created_when_an_overlapping_deny_failed() -> None:
    deny = acl("DENY", "User:x", "READ", "TOPIC secret")
    plan = [
        CreateAcl(acl=deny),
        CreateAcl(acl=acl("DENY", "User:y", "READ", "TOPIC secret")),
        CreateAcl(acl=acl("ALLOW", "User:*", "READ", "TOPIC sec", pattern="PREFIXED")),
        CreateAcl(acl=acl("ALLOW", "User:x", "READ", "GROUP secret")),
        CreateAcl(acl=acl("ALLOW", "User:y", "READ", "TOPIC secret")),
    ]
    writer = Memory(lambda action: isinstance(action, CreateAcl) and action.acl == deny)
    assert outcomes(plan, writer) == ["failed", "done", "failed", "done", "done"]
    sent = [action for batch in writer.batches for action in batch]
    assert sent == [plan[0], plan[1], plan[3], plan[4]]
    refused = results(apply(plan, writer))[str(plan[2])]
    assert refused.error is not None
    assert "DENY User:x READ on TOPIC secret from *" in refused.error


def test_waiting_is_passed_on() -> None:
    plan = [create("bad"), create("good"), commit("g", ("bad", 0), ("good", 0))]
    steps = list(apply(plan, Memory(named("bad"), waits=True)))
    assert sum(1 for step in steps if isinstance(step, Waiting)) == 2


def test_nothing_to_do_asks_for_nothing() -> None:
    writer = Memory()
    assert list(apply([], writer)) == []
    assert writer.batches == []


rules = st.lists(small_acls, unique=True, max_size=8)


@settings(max_examples=many(100), deadline=None)
@given(rules=rules, failing=rules)
def test_no_right_is_ever_wider_than_when_all_went_well(rules: list[Acl], failing: list[Acl]) -> None:
    plan = [CreateAcl(acl=rule) for rule in in_order(rules)]
    writer = Memory(lambda action: isinstance(action, CreateAcl) and action.acl in failing)
    found = results(apply(plan, writer))
    created = {rule for rule in rules if found[str(CreateAcl(acl=rule))].outcome == "done"}
    for allow in created:
        for deny in rules:
            if allow.permission == "ALLOW" and deny.permission == "DENY" and overlap(allow, deny):
                assert deny in created
    assert [key for key, _ in groupby(writer.batches, key=lambda batch: batch[0].acl.permission)] in (  # type: ignore[union-attr]
        [],
        ["DENY"],
        ["ALLOW"],
        ["DENY", "ALLOW"],
    )
