"""Configs of groups, client metrics and all brokers."""

from __future__ import annotations

import re
from dataclasses import replace

from kafka_meta.model import OtherConfigs, ResourceType, Selection
from kafka_meta.plan import Policy, SetOtherConfigs, parse_renames, recheck, report
from tests.support.plans import planned
from tests.support.snapshots import snapshot


def other(resource_type: ResourceType, name: str, **configs: str) -> OtherConfigs:
    return OtherConfigs(
        resource_type=resource_type, name=name, configs={key.replace("_", "."): value for key, value in configs.items()}
    )


SOURCE = snapshot(
    other_configs=[
        other("GROUP", "g", consumer_session_timeout_ms="50000"),
        other("GROUP", "h", consumer_session_timeout_ms="60000"),
        other("CLIENT_METRICS", "latency", interval_ms="1000"),
        other("BROKER", "", log_retention_ms="5", leader_replication_throttled_rate="9"),
        other("BROKER", "2", num_io_threads="16"),
    ]
)
EMPTY = snapshot(id="dest")


def test_those_of_groups_and_client_metrics_move_and_those_of_brokers_where_they_are_named() -> None:
    plan = planned(SOURCE, EMPTY, Policy(renames=parse_renames(["group:g=eu.g"])))
    assert plan.actions == (
        SetOtherConfigs(
            resource_type="GROUP",
            name="eu.g",
            configs={"consumer.session.timeout.ms": "50000"},
            previous={"consumer.session.timeout.ms": None},
        ),
        SetOtherConfigs(
            resource_type="GROUP",
            name="h",
            configs={"consumer.session.timeout.ms": "60000"},
            previous={"consumer.session.timeout.ms": None},
        ),
        SetOtherConfigs(
            resource_type="CLIENT_METRICS",
            name="latency",
            configs={"interval.ms": "1000"},
            previous={"interval.ms": None},
        ),
    )
    assert {str(each.resource): each.reason for each in plan.skipped} == {
        "configs of all brokers": "they would change all topics of the destination (--only other-configs sets them)",
        "configs of broker 2": "they are of one broker of the source",
    }
    named = planned(SOURCE, EMPTY, Policy(broker_configs=True, only=frozenset({"other-configs"})))
    assert (
        SetOtherConfigs(
            resource_type="BROKER", name="", configs={"log.retention.ms": "5"}, previous={"log.retention.ms": None}
        )
        in named.actions
    )
    assert [each.reason for each in named.skipped] == [
        "config leader.replication.throttled.rate: it throttles a reassignment on the source",
        "they are of one broker of the source",
    ]


def test_a_selection_takes_the_groups_that_it_selects() -> None:
    policy = Policy(selection=Selection(include_groups=re.compile("h")), broker_configs=True)
    plan = planned(SOURCE, EMPTY, policy)
    assert [str(action.resource) for action in plan.actions] == ["configs of group h"]
    assert {str(each.resource): each.reason for each in plan.skipped} == {
        "configs of group g": "not selected",
        "client metrics latency": "they are about more than what is selected",
        "configs of all brokers": "they are about more than what is selected",
        "configs of broker 2": "they are of one broker of the source",
    }


def test_what_is_there_is_left_alone_unless_drift_is_to_be_set() -> None:
    there = snapshot(
        id="dest",
        other_configs=[
            other("GROUP", "g", consumer_session_timeout_ms="45000", consumer_heartbeat_interval_ms="5000"),
            other("GROUP", "h", consumer_session_timeout_ms="60000"),
            other("GROUP", "theirs", consumer_session_timeout_ms="60000"),
            other("CLIENT_METRICS", "latency", interval_ms="1000"),
            other("BROKER", "", num_io_threads="8"),
        ],
    )
    plan = planned(SOURCE, there, Policy())
    assert plan.actions == ()
    assert [(str(each.resource), each.aspect, each.source, each.dest) for each in plan.drift] == [
        ("configs of group g", "consumer.session.timeout.ms", "50000", "45000")
    ]
    assert [(str(each.resource), each.aspect, each.dest) for each in plan.extra] == [
        ("configs of group g", "consumer.heartbeat.interval.ms", "5000"),
        ("configs of group theirs", "consumer.session.timeout.ms", "60000"),
    ]
    counts = report(plan).counts["otherConfigs"]
    assert {kind: count for kind, count in counts.items() if count} == {"equal": 2, "different": 1, "extra": 2}
    (action,) = planned(SOURCE, there, Policy(on_drift="set")).actions
    assert isinstance(action, SetOtherConfigs)
    assert action.previous == {"consumer.session.timeout.ms": "45000"}


def test_what_is_there_as_it_should_be_is_present_and_what_differs_on_purpose_is_intended() -> None:
    same = other("GROUP", "eu.g", consumer_session_timeout_ms="50000")
    there = snapshot(id="dest", other_configs=[same, other("BROKER", "", log_retention_ms="5", num_io_threads="8")])
    policy = Policy(renames=parse_renames(["group:g=eu.g"]), broker_configs=True)
    plan = planned(SOURCE, there, policy)
    assert {str(each) for each in plan.present} == {"configs of group eu.g", "configs of all brokers"}
    assert [(str(each.resource), each.aspect, each.source, each.dest) for each in plan.intended] == [
        ("configs of group eu.g", "name", "g", "eu.g")
    ]
    assert [(str(each.resource), each.aspect) for each in plan.extra] == [("configs of all brokers", "num.io.threads")]
    assert "configs of group h" not in {str(each) for each in plan.present}


def test_a_side_that_could_not_be_read_is_not_compared() -> None:
    hidden = snapshot(id="dest", other_configs=None)
    assert [str(each.resource) for each in planned(SOURCE, hidden, Policy()).unread] == ["other configs"]
    assert planned(snapshot(), hidden, Policy()).unread == ()


def test_a_saved_plan_is_checked_again() -> None:
    plan = planned(SOURCE, EMPTY, Policy())
    left, broken = recheck(plan, EMPTY)
    assert (left.actions, broken) == (plan.actions, ())
    done, broken = recheck(plan, replace(EMPTY, other_configs=SOURCE.other_configs))
    assert (done.actions, broken) == ((), ())
    changed = snapshot(id="dest", other_configs=[other("GROUP", "g", consumer_session_timeout_ms="1")])
    _, broken = recheck(plan, changed)
    assert [(str(each.resource), each.reason) for each in broken] == [
        ("configs of group g", "consumer.session.timeout.ms was not set, now it is 1")
    ]
    _, broken = recheck(plan, snapshot(id="dest", other_configs=None))
    assert {each.reason for each in broken} == {"the destination's could not be read"}
