"""ZooKeeper's view and the brokers' become one; where they contradict each other, that is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from kafka_meta.errors import KafkaMetaError
from kafka_meta.export import merge
from kafka_meta.model import (
    Acl,
    Cluster,
    Quota,
    Remark,
    Resource,
    ScramCredential,
    Secret,
    Snapshot,
    Topic,
    Unmatched,
    User,
)
from tests.support.examples import many
from tests.support.snapshots import acl, any_snapshots, group, snapshot, topic


def in_zookeeper(**sections: object) -> Snapshot:
    """As `zookeeper.read` gives it: no defaults, no version."""
    found = replace(snapshot(**{"id": "c", "version": None, **sections}), defaults=None)  # type: ignore[arg-type]
    return replace(found, gaps=(*found.gaps, Remark(resource=Resource("defaults"), reason="not in ZooKeeper")))


def in_brokers(**sections: object) -> Snapshot:
    """As `cluster.read` gives it of brokers before 2.6: no users, no quotas."""
    later = tuple(Remark(resource=Resource(section), reason="not told by brokers") for section in ("users", "quotas"))
    found = snapshot(**{"id": "c", "users": None, "quotas": None, **sections})  # type: ignore[arg-type]
    return replace(found, gaps=(*found.gaps, *later))


def reasons(remarks: tuple[Remark, ...]) -> Mapping[str, str]:
    assert len({str(remark.resource) for remark in remarks}) == len(remarks)
    return {str(remark.resource): remark.reason for remark in remarks}


def test_what_both_say_is_no_disagreement() -> None:
    topics = [topic("a", 2, factor=2, configs={"retention.ms": "5"})]
    rules = [acl("ALLOW", "User:x", "READ", "TOPIC a")]
    merged = merge(in_zookeeper(topics=topics, acls=rules, brokers=2), in_brokers(topics=topics, acls=rules, brokers=2))
    assert merged.disagreements == ()
    assert (merged.topics, merged.acls) == (tuple(topics), tuple(rules))


def test_brokers_count_where_both_know_and_zookeeper_fills_the_rest() -> None:
    here = replace(
        in_zookeeper(topics=[replace(topic("a", start=None, end=None), id="id-a")]),
        cluster=Cluster(id="c", mode="zookeeper", controller_id=7),
        users=(User(name="alice"),),
        quotas=(Quota(entity={"user": None}, values={"producer_byte_rate": 1.0}),),
    )
    there = in_brokers(topics=[topic("a", start=3, end=9)], defaults={"retention.ms": "5"})
    merged = merge(here, there)
    found = (merged.topics or ())[0]
    assert (found.id, found.partitions[0].end_offset) == ("id-a", 9)
    assert (merged.cluster.controller_id, merged.cluster.version, merged.cluster.mode) == (7, "3.9", "zookeeper")
    assert merged.cluster.security == there.cluster.security
    assert (merged.users, merged.quotas, merged.defaults) == (here.users, here.quotas, there.defaults)
    assert merged.gaps == ()


def test_two_clusters_are_not_merged() -> None:
    with pytest.raises(
        KafkaMetaError, match="two different clusters: the cluster id is c in ZooKeeper and d in the brokers"
    ):
        merge(in_zookeeper(), in_brokers(id="d"))
    assert merge(in_zookeeper(), in_brokers(id=None)).cluster.id == "c"
    assert merge(in_zookeeper(id=None), in_brokers()).cluster.id == "c"


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        (topic("t", 3), topic("t", 2), "partitions: 3 in ZooKeeper, 2 in the brokers"),
        (
            topic("t", factor=2),
            topic("t", factor=1),
            "replicas of partition 0: [0, 1] in ZooKeeper, [0] in the brokers",
        ),
        (replace(topic("t"), id="x"), replace(topic("t"), id="y"), "topic id: x in ZooKeeper, y in the brokers"),
        (
            topic("t", configs={"retention.ms": "5"}),
            topic("t", configs={"retention.ms": "6"}),
            "retention.ms: 5 in ZooKeeper, 6 in the brokers",
        ),
        (topic("t", configs={"flush.ms": "5"}), topic("t"), "flush.ms: 5 in ZooKeeper, None in the brokers"),
    ],
)
def test_a_disagreement_is_recorded_and_the_brokers_count(here: Topic, there: Topic, says: str) -> None:
    merged = merge(in_zookeeper(topics=[here]), in_brokers(topics=[there]))
    assert reasons(merged.disagreements) == {"topic t": says}
    assert (merged.topics or ())[0] == there


def test_the_same_value_in_other_words_is_no_disagreement() -> None:
    here = topic("t", configs={"preallocate": "TRUE", "cleanup.policy": "compact, delete"})
    there = topic("t", configs={"preallocate": "true", "cleanup.policy": "compact,delete"})
    assert merge(in_zookeeper(topics=[here]), in_brokers(topics=[there])).disagreements == ()


def test_a_topic_that_only_one_knows_is_kept_and_named() -> None:
    merged = merge(in_zookeeper(topics=[topic("z")]), in_brokers(topics=[topic("b")]))
    assert [found.name for found in merged.topics or ()] == ["b", "z"]
    assert reasons(merged.disagreements) == {
        "topic b": "only the brokers have it",
        "topic z": "only ZooKeeper has it",
    }


def test_a_topic_that_is_being_deleted_is_left_out_although_the_brokers_list_it() -> None:
    doomed = Remark(resource=Resource("topic", "t"), reason="it is being deleted")
    here = replace(in_zookeeper(), left_out=(doomed,))
    there = replace(
        in_brokers(topics=[topic("t")]), left_out=(Remark(resource=Resource("topic", "u"), reason="internal to Kafka"),)
    )
    merged = merge(here, there)
    assert (merged.topics, merged.disagreements) == ((), ())
    assert reasons(merged.left_out) == {"topic t": doomed.reason, "topic u": "internal to Kafka"}


def test_groups_of_both_are_kept_side_by_side() -> None:
    old = replace(group("g", ("t", 0, 1)), source="zookeeper")
    merged = merge(in_zookeeper(groups=[old]), in_brokers(groups=[group("g", ("t", 0, 2))]))
    assert [(found.id, found.source) for found in merged.groups or ()] == [("g", "broker"), ("g", "zookeeper")]


def test_old_consumers_do_not_hide_that_the_brokers_groups_could_not_be_read() -> None:
    old = replace(group("g", ("t", 0, 1)), source="zookeeper")
    gap = Remark(resource=Resource("groups"), reason="no right to DESCRIBE the cluster")
    merged = merge(in_zookeeper(groups=[old]), in_brokers(groups=None, gaps=(gap,)))
    assert merged.groups == (old,)
    assert gap in merged.gaps


RULE = acl("ALLOW", "User:x", "READ", "TOPIC t")
OTHER = acl("DENY", "User:x", "READ", "TOPIC t")


@pytest.mark.parametrize(
    ("here", "there", "merged", "disagree"),
    [
        ([RULE], [OTHER], [OTHER], True),
        ([RULE], None, [RULE], False),
        (None, [OTHER], [OTHER], False),
        (None, None, None, False),
        ([RULE, OTHER], [OTHER, RULE], [OTHER, RULE], False),
    ],
)
def test_rules_come_from_the_brokers_else_from_zookeeper(
    here: list[Acl] | None, there: list[Acl] | None, merged: list[Acl] | None, disagree: bool
) -> None:
    found = merge(in_zookeeper(acls=here), in_brokers(acls=there))
    assert found.acls == (None if merged is None else tuple(merged))
    assert bool(found.disagreements) is disagree


def test_a_gap_stays_until_the_other_side_has_filled_it() -> None:
    unread = Remark(resource=Resource("configs of topic", "t"), reason="no right")
    acls = Remark(resource=Resource("acls"), reason="no right")
    old = Remark(resource=Resource("configs of topics"), reason="the brokers do not support this request")
    partly = Remark(resource=Resource("offsets of topic", "t"), reason="partition 0: time-out")
    there = in_brokers(topics=[replace(topic("t"), configs=None)], acls=None, gaps=(unread, acls, old, partly))
    merged = merge(in_zookeeper(topics=[topic("t", configs={"flush.ms": "1"})], acls=[RULE]), there)
    assert (merged.topics or ())[0].configs == {"flush.ms": "1"}
    assert set(merged.gaps) & {unread, acls, old, partly} == {partly}
    merged = merge(in_zookeeper(topics=[replace(topic("t"), configs=None)], acls=None), there)
    assert set(merged.gaps) >= {unread, acls, old, partly}


def test_live_brokers_are_compared() -> None:
    merged = merge(in_zookeeper(brokers=3), in_brokers(brokers=2))
    assert reasons(merged.disagreements)["cluster"].startswith("live brokers: [0, 1, 2] in ZooKeeper, [0, 1]")


@settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(here=any_snapshots(), there=any_snapshots())
def test_nothing_that_one_side_knows_is_lost(here: Snapshot, there: Snapshot) -> None:
    here = replace(here, cluster=replace(here.cluster, id="c"))
    there = replace(there, cluster=replace(there.cluster, id="c"), taken_at_ms=here.taken_at_ms)
    merged = merge(here, there)
    left_out = {str(remark.resource) for remark in (*here.left_out, *there.left_out)}
    for section in ("topics", "groups", "acls", "users", "quotas", "defaults"):
        both = (getattr(here, section), getattr(there, section))
        assert (getattr(merged, section) is None) is (both == (None, None))
    known = {found.name for side in (here, there) for found in side.topics or ()}
    assert {found.name for found in merged.topics or ()} == {name for name in known if f"topic {name}" not in left_out}
    for side in (here, there):
        assert set(side.signs) <= set(merged.signs)
        assert set(side.disagreements) <= set(merged.disagreements)
    assert merge(here, here).disagreements == tuple(
        sorted(set(here.disagreements), key=lambda r: (str(r.resource), r.reason))
    )


def test_keys_come_from_zookeeper_and_contradictions_about_users_and_quotas_are_named() -> None:
    key = ScramCredential(mechanism="SCRAM-SHA-256", iterations=4096, salt="c2FsdA==", stored_key=Secret("k"))
    bare = replace(key, salt=None, stored_key=None)
    rate = Quota(entity={"user": "a"}, values={"consumer_byte_rate": 5.0})
    here = in_zookeeper(users=[User(name="a", credentials=(key,))], quotas=[rate])
    there = replace(in_brokers(users=[User(name="a", credentials=(bare,))], quotas=[rate]), gaps=())
    merged = merge(here, there)
    assert merged.users is not None
    assert merged.users[0].credentials[0].stored_key == Secret("k")
    assert merged.disagreements == ()
    other = replace(there, users=(), quotas=(replace(rate, values={"consumer_byte_rate": 6.0}),))
    assert reasons(merge(here, other).disagreements) == {
        "users": "1 only in ZooKeeper, 0 only in the brokers",
        "quotas": "1 only in ZooKeeper, 1 only in the brokers",
    }


def test_an_expression_matches_nothing_when_neither_has_a_name_for_it() -> None:
    topics, groups = (Unmatched(option=f"include_{section}", names=3) for section in ("topics", "groups"))
    here = replace(in_zookeeper(topics=[], groups=[]), unmatched=(topics, replace(groups, names=5)))
    there = replace(in_brokers(topics=[], groups=[]), unmatched=(groups,))
    assert merge(here, there).unmatched == (replace(groups, names=5),)


def test_a_side_that_could_not_tell_its_names_has_no_word_in_what_matches_nothing() -> None:
    groups = Unmatched(option="include_groups", names=3)
    there = replace(in_brokers(groups=[]), unmatched=(groups,))
    assert merge(in_zookeeper(groups=None), there).unmatched == (groups,)


def test_users_that_only_the_brokers_told_are_kept_where_a_node_of_zookeeper_could_not_be_read() -> None:
    def user(name: str, *mechanisms: str, key: str | None = None) -> User:
        stored = None if key is None else Secret(key)
        return User(
            name=name,
            credentials=tuple(
                ScramCredential(mechanism=each, iterations=4096, stored_key=stored) for each in sorted(mechanisms)
            ),
        )

    gap = Remark(resource=Resource("users"), reason="/config/users/hidden in ZooKeeper is not shown")
    here = replace(in_zookeeper(users=[user("alice", "SCRAM-SHA-256", key="k")]), gaps=(gap,))
    there = in_brokers(users=[user("alice", "SCRAM-SHA-256", "SCRAM-SHA-512"), user("hidden", "SCRAM-SHA-256")])
    merged = merge(here, there)
    assert [(each.name, [one.mechanism for one in each.credentials]) for each in merged.users or ()] == [
        ("alice", ["SCRAM-SHA-256", "SCRAM-SHA-512"]),
        ("hidden", ["SCRAM-SHA-256"]),
    ]
    (alice, _) = merged.users or ()
    assert alice.credentials[0].stored_key == Secret("k")
