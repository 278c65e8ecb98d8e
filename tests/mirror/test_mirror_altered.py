"""Configs and ACLs that are altered on the source while it is followed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kafka_meta.mirror.altered import Decided, decide
from tests.support.following import Following, following
from tests.support.mirrored import Mirror, small
from tests.support.traffic import alter, binding, config, create, produce, rule, rules, unrule

__all__ = ["small"]

SOON = ("--all-data", "--quiet", "1s")


@pytest.mark.parametrize(
    ("wanted", "there", "agreed", "found"),
    [
        pytest.param({}, {}, None, Decided(), id="nothing of its own"),
        pytest.param({"a": "1"}, {"a": "1"}, None, Decided(agreed={"a": "1"}), id="the same at the first look"),
        pytest.param({"a": "1"}, {"a": "1"}, {"a": "1"}, Decided(), id="the same as before"),
        pytest.param({"a": "2"}, {"a": "1"}, {"a": "1"}, Decided(to_set={"a": "2"}), id="altered on the source"),
        pytest.param({}, {"a": "1"}, {"a": "1"}, Decided(to_set={"a": None}), id="given up on the source"),
        pytest.param({"a": "1"}, {}, {}, Decided(to_set={"a": "1"}), id="new on the source"),
        pytest.param({"a": "2"}, {"a": "2"}, {"a": "1"}, Decided(agreed={"a": "2"}), id="altered on both in one way"),
        pytest.param({}, {}, {"a": "1"}, Decided(agreed={"a": None}), id="given up on both"),
        pytest.param(
            {"a": "1"},
            {"a": "2"},
            {"a": "1"},
            Decided(alone=["a is 2 there and 1 on the source: left alone"]),
            id="altered there",
        ),
        pytest.param(
            {"a": "3"},
            {"a": "2"},
            {"a": "1"},
            Decided(alone=["a is 2 there and 3 on the source: left alone"]),
            id="altered on both",
        ),
        pytest.param(
            {"a": "1"},
            {"a": "2"},
            None,
            Decided(agreed={"a": "1"}, alone=["a is 2 there and 1 on the source: left alone"]),
            id="different at the first look",
        ),
        pytest.param(
            {},
            {"a": "2"},
            {},
            Decided(alone=["a is 2 there and the default on the source: left alone"]),
            id="only there",
        ),
    ],
)
def test_a_config_follows_the_source_unless_somebody_has_set_it_there(
    wanted: Mapping[str, str], there: Mapping[str, str | None], agreed: Mapping[str, str | None] | None, found: Decided
) -> None:
    assert decide(wanted, there, agreed) == found


def test_configs_follow_and_what_somebody_has_set_on_the_destination_stays(small: Mirror) -> None:
    topic, other = small.topic, small.topic + ".other"
    create(small.source, {other: 1}, {"retention.ms": "3600000", "max.message.bytes": "2000000"})
    create(small.dest, {other: 1}, {"retention.ms": "3600000", "max.message.bytes": "2000000"})
    produce(small.source, other, 0, [b"one"])
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (other, 0))
        running.until(lambda: running.task("show")["task"]["groupSyncAgeSeconds"] is not None, "it goes round")
        until_looked_at(running, other, {"max.message.bytes": "3000000"})
        assert config(small.dest, other, "retention.ms") == "-1"
        # Under the guard, the new value waits for the release.
        alter(small.source, other, {"retention.ms": "7200000", "cleanup.policy": "compact"})
        alter(small.dest, other, {"segment.ms": "777777"})
        alter(small.source, topic, {"min.insync.replicas": "1"})
        running.until(lambda: config(small.dest, topic, "min.insync.replicas") == "1", "a new config is set")
        running.until(lambda: running.notice(f"topic {other}") is not None, "what somebody has set is told")
        assert (
            running.notice(f"topic {other}") == "segment.ms is 777777 there and the default on the source: left alone"
        )
        assert config(small.dest, other, "retention.ms") == "-1"
        assert config(small.dest, other, "cleanup.policy") == "delete"
        running.end()
    # What is altered while no copier runs is noticed by the next one.
    alter(small.source, other, {"max.message.bytes": "4000000"})
    alter(small.source, topic, {"min.insync.replicas": None})
    with following(small, *SOON) as running:
        running.until(lambda: config(small.dest, other, "max.message.bytes") == "4000000", "it is set")
        running.until(lambda: config(small.dest, topic, "min.insync.replicas") is None, "the default again")
        assert config(small.dest, other, "segment.ms") == "777777"
        running.end()
    released = small("--release", "--allow-unread", "--commit")
    assert released.returncode == 0, released.stderr
    assert config(small.dest, other, "retention.ms") == "7200000"
    assert config(small.dest, other, "cleanup.policy") == "compact"


def test_acls_follow_without_those_that_allow_to_write_and_none_comes_back(small: Mirror) -> None:
    topic = small.topic
    read, late = (binding(topic, user, "READ", "ALLOW") for user in ("User:reader", "User:late"))
    write, everything = binding(topic, "User:writer", "WRITE", "ALLOW"), binding(topic, "User:writer", "ALL", "ALLOW")
    deny = binding(topic, "User:nobody", "WRITE", "DENY")
    rule(small.source, read, write, everything)
    with following(small, *SOON) as running:
        running.until(
            lambda: rules(small.dest, topic) == {("User:reader", "READ", "ALLOW")}, "the right to read is there"
        )
        assert running.notice("acls") == "2 ACLs that allow to write to topics are withheld until the switch"
        rule(small.source, late, deny)
        expected = {("User:reader", "READ", "ALLOW"), ("User:late", "READ", "ALLOW"), ("User:nobody", "WRITE", "DENY")}
        running.until(lambda: rules(small.dest, topic) == expected, "new ACLs follow")
        # Somebody takes one away on each side.
        unrule(small.dest, read)
        unrule(small.source, late)
        gone = f"acl ALLOW User:late READ on TOPIC {topic} from *"
        running.until(lambda: running.notice(gone) is not None, "it is told that one has gone")
        assert running.notice(gone) == "it has gone on the source, and stays on the destination"
        kept_away = f"acl ALLOW User:reader READ on TOPIC {topic} from *"
        running.until(lambda: running.notice(kept_away) is not None, "and the other")
        assert running.notice(kept_away) == "somebody has deleted it on the destination: it stays away"
        assert rules(small.dest, topic) == {("User:late", "READ", "ALLOW"), ("User:nobody", "WRITE", "DENY")}
        # A DENY comes back: without it, an ALLOW would allow more than on the source.
        unrule(small.dest, deny)
        running.until(lambda: ("User:nobody", "WRITE", "DENY") in rules(small.dest, topic), "it is there again")
        # Somebody lets a writer in.
        rule(small.dest, write)
        early = f"acl ALLOW User:writer WRITE on TOPIC {topic} from *"
        running.until(lambda: running.notice(early) is not None, "that is told, too")
        running.end()


def until_looked_at(running: Following, topic: str, configs: Mapping[str, str]) -> None:
    """Alters the configs on the source again and again until they follow: the first look may come after an alteration,
    and takes it for a difference that was there before."""
    running.until(lambda: running.task("show")["task"]["state"] == "running", "it runs")
    (name, value), *_ = configs.items()

    def follows() -> bool:
        alter(running.mirror.source, topic, {name: value})
        return config(running.mirror.dest, topic, name) == value

    running.until(follows, "a config follows")
