"""What brokers tell about a cluster, and what a Writer does to one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition as KafkaPlace

from kafka_meta import cluster, wire
from kafka_meta.cluster.defaults import common, topic_defaults
from kafka_meta.cluster.patience import Again, Patience, Try, Verdict, verdict
from kafka_meta.cluster.signs import signs
from kafka_meta.events import Event, Progress, Waiting, silent
from kafka_meta.model import (
    EVERYTHING,
    Acl,
    CommittedOffset,
    Group,
    OtherConfigs,
    Remark,
    Resource,
    Selection,
    Snapshot,
    Topic,
)
from kafka_meta.plan import Action, AddPartitions, CommitOffsets, CreateAcl, CreateTopic, Result, SetConfigs
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from tests.support.brokers import kraft_cluster, zookeeper_cluster
from tests.support.commands import unmeasured_environment
from tests.support.guarded import Guarded
from tests.support.shop import create, live_consumer, until
from tests.support.witness import CONFIGS

pytest_plugins = ["tests.support.guarded"]


def settings_of(started: Cluster) -> ClusterSettings:
    return ClusterSettings(role="source", bootstrap_servers=started.bootstrap_servers)


def read(settings: ClusterSettings, selection: Selection = EVERYTHING, **options: object) -> Snapshot:
    return cluster.read(settings, selection, emit=silent, taken_at_ms=1, **options)  # type: ignore[arg-type]


def topic(snapshot: Snapshot, name: str) -> Topic:
    assert snapshot.topics is not None
    return next(topic for topic in snapshot.topics if topic.name == name)


def group(snapshot: Snapshot, name: str) -> Group:
    assert snapshot.groups is not None
    return next(group for group in snapshot.groups if group.id == name)


def admin(started: Cluster) -> AdminClient:
    """Kept: the futures of a client that is collected never end."""
    return _admin(started.bootstrap_servers)


@cache
def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"log_level": 0, "bootstrap.servers": bootstrap_servers, "allow.auto.create.topics": False})


def apply(settings: ClusterSettings, *actions: Action) -> list[tuple[str, str | None]]:
    """Outcome and error of each action, in the order of the actions."""
    with cluster.Writer(settings) as writer:
        results = [told for told in writer.apply(actions) if isinstance(told, Result)]
    assert len(results) == len(actions)
    return [next((r.outcome, r.error) for r in results if r.action == action) for action in actions]


def position(topic: str, partition: int, offset: int, metadata: str = "kafka-meta:start") -> CommittedOffset:
    return CommittedOffset(topic=topic, partition=partition, offset=offset, metadata=metadata)


# ---- reading


def test_a_topic_is_told_with_id_leader_overrides_offsets_and_size(source: Cluster) -> None:
    overrides = {"retention.ms": "86400000", "cleanup.policy": "compact,delete"}
    create(admin(source), NewTopic("reader.all_of-it", 2, 1, config=overrides), NewTopic("reader-plain", 1, 1))
    producer = Producer({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    for number in range(10):
        producer.produce("reader.all_of-it", partition=1, value=b"x" * 500, key=str(number))
    assert producer.flush(30) == 0
    next(iter(admin(source).delete_records([TopicPartition("reader.all_of-it", 1, 4)]).values())).result()
    snapshot = read(settings_of(source))
    told = topic(snapshot, "reader.all_of-it")
    described = source.tool(
        "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", source.bootstrap_servers, "--describe", "--topic",
        "reader.all_of-it",
    )  # fmt: skip
    assert told.id is not None and f"TopicId: {told.id}" in described
    assert told.configs == overrides
    broker = source.brokers[0].id
    assert [(p.leader, p.replicas, p.isr) for p in told.partitions] == [(broker, (broker,), (broker,))] * 2
    assert [(p.start_offset, p.end_offset) for p in told.partitions] == [(0, 0), (4, 10)]
    sizes = [p.size_bytes for p in told.partitions]
    assert sizes[0] == 0 and sizes[1] is not None and sizes[1] > 5000
    assert topic(snapshot, "reader-plain").configs == {}
    assert snapshot.gaps == ()


def test_sections_and_offsets_that_are_not_asked_for_are_unknown_and_not_empty(source: Cluster) -> None:
    create(admin(source), NewTopic("reader-sections", 1, 1))
    only_topics = read(settings_of(source), sections=frozenset({"topics"}), offsets=False)
    assert (only_topics.groups, only_topics.acls, only_topics.users, only_topics.quotas) == (None, None, None, None)
    (partition,) = topic(only_topics, "reader-sections").partitions
    assert (partition.start_offset, partition.end_offset, partition.size_bytes) == (None, None, None)
    assert only_topics.gaps == ()
    only_acls = read(settings_of(source), sections=frozenset({"acls"}))
    assert only_acls.topics is None and only_acls.acls is not None


def test_internal_topics_are_left_out_and_named_unless_wanted(source: Cluster) -> None:
    apply(settings_of(source), CreateTopic(topic="reader-internal", partitions=1, replication_factor=1))
    apply(settings_of(source), CommitOffsets(group="reader-internal", offsets=(position("reader-internal", 0, 0),)))
    without = read(settings_of(source))
    assert Remark(resource=Resource("topic", "__consumer_offsets"), reason="internal to Kafka") in without.left_out
    assert "__consumer_offsets" not in [topic.name for topic in without.topics or ()]
    within = read(settings_of(source), Selection(include_internal=True))
    assert topic(within, "__consumer_offsets").internal
    assert topic(within, "__consumer_offsets").configs is not None


def test_a_selection_holds_for_topics_and_groups(source: Cluster) -> None:
    create(admin(source), NewTopic("chosen-a", 1, 1), NewTopic("chosen-b", 1, 1))
    for name in ("chosen-a", "chosen-b"):
        apply(settings_of(source), CommitOffsets(group=name, offsets=(position("chosen-a", 0, 0),)))
    selection = Selection(
        include_topics=re.compile("chosen-.*"),
        exclude_topics=re.compile("chosen-b"),
        include_groups=re.compile("chosen-b"),
    )
    snapshot = read(settings_of(source), selection)
    assert [topic.name for topic in snapshot.topics or ()] == ["chosen-a"]
    assert [group.id for group in snapshot.groups or ()] == ["chosen-b"]


def test_groups_are_told_with_state_members_and_the_consumers_own_metadata(source: Cluster) -> None:
    create(admin(source), NewTopic("reader-groups", 2, 1))
    apply(settings_of(source), CommitOffsets(group="reader-empty", offsets=(position("reader-groups", 1, 7, "seven"),)))
    with live_consumer(source.bootstrap_servers, "reader-live", "reader-groups"):
        snapshot = read(settings_of(source))
    empty, live = group(snapshot, "reader-empty"), group(snapshot, "reader-live")
    assert (empty.type, empty.state, empty.protocol, empty.members) == ("classic", "Empty", "", ())
    assert empty.offsets == (position("reader-groups", 1, 7, "seven"),)
    assert (live.type, live.state, live.protocol) == ("classic", "Stable", "consumer")
    (member,) = live.members
    assert member.client_id == "rdkafka" and member.id.startswith("rdkafka-") and member.host == "/127.0.0.1"
    assert live.offsets == (position("reader-groups", 0, 1, ""),)


def test_groups_of_the_new_protocol_are_told_apart(dest: Cluster) -> None:
    create(admin(dest), NewTopic("reader-848", 1, 1))
    consumer = Consumer(
        {
            "log_level": 0,
            "bootstrap.servers": dest.bootstrap_servers,
            "group.id": "reader-848",
            "group.protocol": "consumer",
        }
    )
    try:
        consumer.subscribe(["reader-848"])
        until(lambda: consumer.poll(0.1) is not None or bool(consumer.assignment()), "the member has its partition")
        consumer.commit(offsets=[TopicPartition("reader-848", 0, 3)], asynchronous=False)
        told = group(read(settings_of(dest)), "reader-848")
    finally:
        consumer.close()
    assert (told.type, told.state, told.protocol) == ("consumer", "Stable", "consumer")
    assert len(told.members) == 1
    assert [(offset.partition, offset.offset) for offset in told.offsets or ()] == [(0, 3)]


def test_acls_of_every_kind_survive_a_journey(source: Cluster, dest: Cluster) -> None:
    rules = [
        Acl(
            resource_type=kind,
            resource_name="kafka-cluster" if kind == "CLUSTER" else "reader-acl",
            pattern_type="PREFIXED" if kind in ("TOPIC", "TRANSACTIONAL_ID") else "LITERAL",
            principal="User:C=DE,CN=shop",
            host="10.0.0.7",
            operation=operation,
            permission="DENY" if kind == "GROUP" else "ALLOW",
        )
        for kind, operation in (
            ("TOPIC", "DESCRIBE_CONFIGS"),
            ("GROUP", "READ"),
            ("CLUSTER", "IDEMPOTENT_WRITE"),
            ("TRANSACTIONAL_ID", "ALL"),
            ("DELEGATION_TOKEN", "DESCRIBE"),
            ("USER", "CREATE_TOKENS"),
        )
    ]
    for started in (source, dest):
        assert {outcome for outcome, _ in apply(settings_of(started), *(CreateAcl(acl=rule) for rule in rules))} == {
            "done"
        }
        snapshot = read(settings_of(started))
        assert snapshot.acls is not None and set(rules) <= set(snapshot.acls)
        assert list(snapshot.acls) == sorted(snapshot.acls)


def test_what_guards_a_cluster_is_told_as_far_as_brokers_tell_it(source: Cluster, dest: Cluster) -> None:
    """A super user is set on both; brokers hide who. `allow.everyone…` is not set: its default holds."""
    old, new = read(settings_of(source)).cluster, read(settings_of(dest)).cluster
    assert (old.mode, old.version, new.mode, new.version) == ("zookeeper", "3.9", "kraft", "4.3")
    assert old.security.authorizer == "kafka.security.authorizer.AclAuthorizer"
    assert new.security.authorizer == "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    for security in (old.security, new.security):
        assert security.super_users is None
        assert security.allow_everyone_if_no_acl_found is False
    assert old.controller_id == source.brokers[0].id


def test_reading_creates_nothing(source: Cluster, dest: Cluster) -> None:
    for started in (source, dest):
        before = started.tool(
            "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", started.bootstrap_servers, "--list"
        )
        events: list[Event] = []
        cluster.read(settings_of(started), EVERYTHING, emit=events.append, taken_at_ms=1)
        cluster.access(settings_of(started), "export")
        assert before == started.tool(
            "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", started.bootstrap_servers, "--list"
        )
        done = {event.stage: (event.done, event.total) for event in events if isinstance(event, Progress)}
        assert all(done == total for done, total in done.values())


@pytest.fixture(scope="module")
def two_brokers() -> Iterator[Cluster]:
    """Without an authorizer; the brokers have different defaults, and tokens could be issued."""
    with zookeeper_cluster(
        brokers=2, authorizer=False, settings={"delegation.token.secret.key": "whatever", "num.partitions": "3"}
    ) as started:
        started.tool(
            CONFIGS, "--bootstrap-server", started.bootstrap_servers, "--alter", "--entity-type", "brokers",
            "--entity-name", str(started.brokers[0].id), "--add-config", "log.retention.ms=12345",
        )  # fmt: skip
        yield started


def test_no_authorizer_is_something_else_than_no_acls(two_brokers: Cluster) -> None:
    snapshot = read(settings_of(two_brokers))
    assert snapshot.acls is None
    assert Remark(resource=Resource("acls"), reason=wire.NO_AUTHORIZER) in snapshot.gaps
    assert snapshot.cluster.security.authorizer == ""
    rule = Acl(
        resource_type="TOPIC",
        resource_name="t",
        pattern_type="LITERAL",
        principal="User:a",
        host="*",
        operation="READ",
        permission="ALLOW",
    )
    ((outcome, error),) = apply(settings_of(two_brokers), CreateAcl(acl=rule))
    assert outcome == "failed" and error is not None and "SECURITY_DISABLED" in error


def test_brokers_that_have_different_defaults_disagree(two_brokers: Cluster) -> None:
    snapshot = read(settings_of(two_brokers))
    one, other = (broker.id for broker in two_brokers.brokers)
    assert snapshot.disagreements == (
        Remark(
            resource=Resource("default", "retention.ms"), reason=f"12345 on broker {one}, 604800000 on broker {other}"
        ),
    )
    assert snapshot.defaults is not None
    assert snapshot.defaults["retention.ms"] == "12345"
    assert snapshot.defaults["num.partitions"] == "3"


def test_delegation_tokens_that_may_exist_are_a_sign(two_brokers: Cluster) -> None:
    assert "delegation tokens" in [str(sign.resource) for sign in read(settings_of(two_brokers)).signs]


def test_configs_that_were_set_at_run_time_are_a_sign(two_brokers: Cluster) -> None:
    reason = f"set dynamically for broker {two_brokers.brokers[0].id}, do not move: log.retention.ms"
    assert Remark(resource=Resource("broker configs"), reason=reason) in read(settings_of(two_brokers)).signs


def test_share_groups_are_signs_and_their_configs_are_read(dest: Cluster) -> None:
    """Nobody can ask for a share group's members with our libraries; that is a gap while it has some."""
    create(admin(dest), NewTopic("reader-share", 1, 1))
    dest.tool(
        CONFIGS, "--bootstrap-server", dest.bootstrap_servers, "--alter", "--entity-type", "groups", "--entity-name",
        "reader-share", "--add-config", "share.auto.offset.reset=earliest",
    )  # fmt: skip
    dest.tool(
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer", "--bootstrap-server", dest.bootstrap_servers,
        "--topic", "reader-share", "--group", "reader-share", "--timeout-ms", "3000",
    )  # fmt: skip
    snapshot = read(settings_of(dest))
    told = group(snapshot, "reader-share")
    assert (told.type, told.offsets) == ("share", ())
    reasons = [sign.reason for sign in snapshot.signs if str(sign.resource) == "group reader-share"]
    assert reasons == ["share group: its positions are not committed offsets and do not move"]
    own = OtherConfigs(resource_type="GROUP", name="reader-share", configs={"share.auto.offset.reset": "earliest"})
    assert own in (snapshot.other_configs or ())


def test_partitions_on_two_brokers_are_read_from_their_leaders(two_brokers: Cluster) -> None:
    settings = settings_of(two_brokers)
    assert apply(settings, CreateTopic(topic="spread", partitions=6, replication_factor=1)) == [("done", None)]
    producer = Producer({"log_level": 0, "bootstrap.servers": two_brokers.bootstrap_servers})
    for number in range(6):
        producer.produce("spread", partition=number, value=b"x" * (number + 1))
    assert producer.flush(30) == 0
    partitions = topic(read(settings), "spread").partitions
    assert {partition.leader for partition in partitions} == {broker.id for broker in two_brokers.brokers}
    assert [partition.end_offset for partition in partitions] == [1] * 6
    assert all(partition.size_bytes for partition in partitions)


def replicas(connection: wire.Wire, name: str) -> tuple[int, ...]:
    return wire.metadata(connection, [name]).topics[name].partitions[0].replicas


def test_replicas_that_a_reassignment_removes_do_not_count(two_brokers: Cluster) -> None:
    """The reassignment cannot end soon: the throttle counts after a fetch, of a megabyte, and there are eight."""
    one, other = (broker.id for broker in two_brokers.brokers)
    created = admin(two_brokers).create_topics([NewTopic("moving", num_partitions=1, replica_assignment=[[one]])])
    next(iter(created.values())).result()
    producer = Producer({"log_level": 0, "bootstrap.servers": two_brokers.bootstrap_servers})
    for _ in range(16):
        producer.produce("moving", value=b"x" * 500_000)
    assert producer.flush(30) == 0
    for name in ("leader", "follower"):
        two_brokers.tool(
            CONFIGS, "--bootstrap-server", two_brokers.bootstrap_servers, "--alter", "--entity-type", "topics",
            "--entity-name", "moving", "--add-config", f"{name}.replication.throttled.replicas=*",
        )  # fmt: skip
    for broker in (one, other):
        two_brokers.tool(
            CONFIGS, "--bootstrap-server", two_brokers.bootstrap_servers, "--alter", "--entity-type", "brokers",
            "--entity-name", str(broker),
            "--add-config", "leader.replication.throttled.rate=1,follower.replication.throttled.rate=1",
        )  # fmt: skip
    mover = KafkaAdminClient(bootstrap_servers=two_brokers.bootstrap_servers)
    try:
        mover.alter_partition_reassignments({KafkaPlace("moving", 0): [other]})
        with wire.connect(settings_of(two_brokers)) as connection:
            controller = wire.metadata(connection, ()).controller_id
            until(lambda: ("moving", 0) in wire.reassignments(connection, controller), "the reassignment")
            assert wire.reassignments(connection, controller)["moving", 0] == (other,)
            until(lambda: set(replicas(connection, "moving")) == {one, other}, "both in the metadata")
        assert topic(read(settings_of(two_brokers)), "moving").partitions[0].replicas == (other,)
    finally:
        mover.close()


# ---- who may not see


def test_what_a_caller_may_not_see_is_a_gap_and_never_an_empty_list(guarded: Guarded) -> None:
    everything = settings_of(guarded.cluster)
    apply(everything, CreateTopic(topic="hidden", partitions=1, replication_factor=1))
    snapshot = read(guarded.as_user("reader"))
    assert "hidden" in {each.name for each in read(everything).topics or ()}
    assert "hidden" not in {each.name for each in snapshot.topics or ()}
    assert snapshot.acls is None
    reasons = {str(gap.resource): gap.reason for gap in snapshot.gaps}
    assert "CLUSTER_AUTHORIZATION_FAILED" in reasons["acls"]
    assert reasons["cluster"].startswith("no right to DESCRIBE the cluster")
    assert "CLUSTER_AUTHORIZATION_FAILED" in reasons[f"configs of broker {guarded.cluster.brokers[0].id}"]
    assert snapshot.defaults is None and "defaults" in reasons
    assert snapshot.cluster.security.authorizer is None


def test_a_topic_that_log_directories_name_and_metadata_hides_is_a_gap(guarded: Guarded) -> None:
    everything = settings_of(guarded.cluster)
    apply(everything, CreateTopic(topic="known-by-its-log", partitions=1, replication_factor=1))
    rule = Acl(
        resource_type="CLUSTER",
        resource_name="kafka-cluster",
        pattern_type="LITERAL",
        principal="User:reader",
        host="*",
        operation="DESCRIBE",
        permission="ALLOW",
    )
    apply(everything, CreateAcl(acl=rule))
    try:
        with wire.connect(guarded.as_user("reader")) as connection:
            until(lambda: ("known-by-its-log", 0, 1) in wire.log_dirs(connection).sizes, "the right")
        snapshot = read(guarded.as_user("reader"))
        as_dest = read(guarded.as_user("reader"), offsets=False)
        found = cluster.access(guarded.as_user("reader"), "export")
    finally:
        taken = AclBindingFilter(
            *(ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL, "User:reader", None),
            *(AclOperation.ANY, AclPermissionType.ANY),
        )
        client = AdminClient({"log_level": 0, "bootstrap.servers": guarded.cluster.bootstrap_servers})
        client.delete_acls([taken])[taken].result(30)
    hidden = Resource("topic", "known-by-its-log")
    assert hidden in {gap.resource for gap in snapshot.gaps}
    assert hidden in {gap.resource for gap in as_dest.gaps}, "a destination that is read without offsets"
    assert found.missing is not None and "known-by-its-log" in found.missing["DESCRIBE on topics"]


def test_a_topic_whose_configs_may_not_be_read_has_unknown_configs(guarded: Guarded) -> None:
    everything = settings_of(guarded.cluster)
    rules = [
        Acl(
            resource_type="TOPIC",
            resource_name=name,
            pattern_type="LITERAL",
            principal="User:reader",
            host="*",
            operation=operation,
            permission="ALLOW",
        )
        for name, operation in (("half-seen", "DESCRIBE"), ("seen", "DESCRIBE"), ("seen", "DESCRIBE_CONFIGS"))
    ]
    for name in ("half-seen", "seen"):
        apply(everything, CreateTopic(topic=name, partitions=1, replication_factor=1, configs={"retention.ms": "9"}))
    apply(everything, *(CreateAcl(acl=rule) for rule in rules))
    until(lambda: {t.name for t in read(guarded.as_user("reader")).topics or ()} == {"half-seen", "seen"}, "the rights")
    snapshot = read(guarded.as_user("reader"))
    assert topic(snapshot, "seen").configs == {"retention.ms": "9"}
    assert topic(snapshot, "half-seen").configs is None
    assert topic(snapshot, "half-seen").partitions[0].end_offset == 0
    assert [gap.resource for gap in snapshot.gaps if gap.resource.name == "half-seen"] == [
        Resource("configs of topic", "half-seen")
    ]


def test_a_group_whose_positions_may_not_be_read_has_unknown_positions(guarded: Guarded) -> None:
    everything = settings_of(guarded.cluster)
    apply(everything, CreateTopic(topic="unseen-positions", partitions=1, replication_factor=1))
    apply(everything, CommitOffsets(group="unseen-positions", offsets=(position("unseen-positions", 0, 1),)))
    rule = Acl(
        resource_type="CLUSTER",
        resource_name="kafka-cluster",
        pattern_type="LITERAL",
        principal="User:reader",
        host="*",
        operation="DESCRIBE",
        permission="ALLOW",
    )
    apply(everything, CreateAcl(acl=rule))
    try:
        until(lambda: bool(read(guarded.as_user("reader")).groups), "the right to list groups")
        snapshot = read(guarded.as_user("reader"))
    finally:
        guarded.cluster.tool(
            "org.apache.kafka.tools.AclCommand", "--bootstrap-server", guarded.cluster.bootstrap_servers, "--remove",
            "--force", "--allow-principal", "User:reader", "--operation", "Describe", "--cluster",
        )  # fmt: skip
    assert group(snapshot, "unseen-positions").offsets is None
    gap = next(gap for gap in snapshot.gaps if str(gap.resource) == "positions of group unseen-positions")
    assert gap.reason.startswith("GROUP_AUTHORIZATION_FAILED")


def test_missing_rights_are_named_with_what_they_are_for(guarded: Guarded) -> None:
    access = cluster.access(guarded.as_user("reader"), "import")
    assert access.missing is not None
    assert set(access.missing) == {"DESCRIBE", "DESCRIBE_CONFIGS", "CREATE", "ALTER", "ALTER_CONFIGS"}
    assert cluster.access(guarded.as_user("admin"), "import").missing == {}


# ---- writing


def test_topics_are_created_found_or_refused_each_by_itself(dest: Cluster) -> None:
    settings = settings_of(dest)
    good = CreateTopic(topic="writer-good", partitions=2, replication_factor=-1, configs={"retention.ms": "77"})
    bad = CreateTopic(topic="writer-bad", partitions=1, replication_factor=7)
    odd = CreateTopic(topic="writer-odd", partitions=1, replication_factor=1, configs={"retention.ms": "soon"})
    first, second, third = apply(settings, good, bad, odd)
    assert first == ("done", None)
    assert second[0] == "failed" and second[1] is not None and second[1].startswith("INVALID_REPLICATION_FACTOR: ")
    assert third[0] == "failed" and third[1] is not None and third[1].startswith("INVALID_CONFIG: ")
    assert apply(settings, good) == [("present", "the topic exists")]
    told = topic(read(settings), "writer-good")
    assert (len(told.partitions), told.replication_factor, told.configs) == (2, 1, {"retention.ms": "77"})


def test_validation_creates_nothing(dest: Cluster) -> None:
    good = CreateTopic(topic="validated", partitions=1, replication_factor=-1)
    bad = CreateTopic(topic="vali/dated", partitions=1, replication_factor=-1)
    (first, second) = cluster.validate(settings_of(dest), [good, bad])
    assert (first.action, first.outcome) == (good, "done")
    assert second.outcome == "failed" and second.error is not None and "Topic name is invalid" in second.error
    assert "validated" not in [topic.name for topic in read(settings_of(dest)).topics or ()]


def test_partitions_are_added_only_to_what_the_plan_knew(dest: Cluster) -> None:
    settings = settings_of(dest)
    apply(settings, *(CreateTopic(topic=f"grow-{n}", partitions=n, replication_factor=1) for n in (2, 4, 6)))
    assert apply(
        settings,
        AddPartitions(topic="grow-2", existing=2, total=4),
        AddPartitions(topic="grow-4", existing=2, total=4),
        AddPartitions(topic="grow-6", existing=2, total=4),
        AddPartitions(topic="grow-none", existing=2, total=4),
    ) == [
        ("done", None),
        ("present", "the topic has 4 partitions"),
        ("failed", "the topic has 6 partitions now, expected 2"),
        ("failed", "the topic does not exist or cannot be seen, expected 2"),
    ]
    until(lambda: len(topic(read(settings), "grow-2").partitions) == 4, "the brokers know of the new partitions")
    assert len(topic(read(settings), "grow-6").partitions) == 6


def test_configs_are_set_only_over_the_values_that_the_plan_knew(dest: Cluster) -> None:
    settings = settings_of(dest)
    before = {"retention.ms": "1", "segment.ms": "5"}
    apply(settings, CreateTopic(topic="set-me", partitions=1, replication_factor=1, configs=before))
    change = SetConfigs(
        topic="set-me",
        configs={"retention.ms": "2", "max.message.bytes": "3000"},
        previous={"retention.ms": "1", "max.message.bytes": None},
    )
    assert apply(settings, change) == [("done", None)]
    until(lambda: (topic(read(settings), "set-me").configs or {}).get("retention.ms") == "2", "the change")
    assert topic(read(settings), "set-me").configs == {**before, "retention.ms": "2", "max.message.bytes": "3000"}
    assert apply(settings, change) == [("present", "the configs have these values")]
    late = SetConfigs(topic="set-me", configs={"retention.ms": "3"}, previous={"retention.ms": "1"})
    assert apply(settings, late) == [("failed", "retention.ms is 2, expected 1")]


def test_positions_are_set_once_and_never_over_another(dest: Cluster) -> None:
    settings = settings_of(dest)
    apply(settings, CreateTopic(topic="positions", partitions=3, replication_factor=1))
    one = CommitOffsets(group="writer-one", offsets=(position("positions", 0, 4), position("positions", 1, 5)))
    assert apply(settings, one) == [("done", None)]
    assert group(read(settings), "writer-one").offsets == one.offsets
    assert apply(settings, one) == [("present", "the group has these positions")]
    moved = replace(one, offsets=(position("positions", 0, 9), position("positions", 2, 9)))
    assert apply(settings, moved) == [("failed", "the group has position 4 on positions-0 already")]
    assert group(read(settings), "writer-one").offsets == one.offsets
    more = replace(one, offsets=(*one.offsets, position("positions", 2, 6)))
    assert apply(settings, more) == [("done", None)]
    assert group(read(settings), "writer-one").offsets == more.offsets


def test_a_position_is_committed_without_a_leader_epoch(dest: Cluster) -> None:
    settings = settings_of(dest)
    apply(settings, CreateTopic(topic="epochless", partitions=1, replication_factor=1))
    apply(settings, CommitOffsets(group="epochless", offsets=(position("epochless", 0, 0),)))
    # librdkafka reads metadata past its end: of its answer only the numbers count.
    asked = [ConsumerGroupTopicPartitions("epochless")]
    (told,) = admin(dest).list_consumer_group_offsets(asked)["epochless"].result().topic_partitions
    assert (told.offset, told.leader_epoch) == (0, None)
    (offset,) = group(read(settings), "epochless").offsets or ()
    assert offset.metadata == "kafka-meta:start"


def test_a_group_that_is_in_use_is_not_touched(dest: Cluster) -> None:
    settings = settings_of(dest)
    create(admin(dest), NewTopic("in-use", 2, 1))
    with live_consumer(dest.bootstrap_servers, "in-use", "in-use"):
        ((outcome, error),) = apply(settings, CommitOffsets(group="in-use", offsets=(position("in-use", 1, 0),)))
    assert (outcome, error) == ("failed", "consumers of the group are running on the destination (Stable)")
    assert [offset.partition for offset in group(read(settings), "in-use").offsets or ()] == [0]


def test_a_position_on_a_topic_that_is_not_there_fails(dest: Cluster) -> None:
    ((outcome, error),) = apply(
        settings_of(dest), CommitOffsets(group="nowhere", offsets=(position("writer-nowhere", 0, 0),))
    )
    assert (outcome, error) == ("failed", "writer-nowhere-0: UNKNOWN_TOPIC_OR_PARTITION")


def test_positions_follow_their_new_topics_at_once(dest: Cluster) -> None:
    topics = [CreateTopic(topic=f"fresh-{n}", partitions=5, replication_factor=1) for n in range(60)]
    commits = [CommitOffsets(group=f"fresh-{n}", offsets=(position(f"fresh-{n}", 4, 0),)) for n in range(60)]
    with cluster.Writer(settings_of(dest)) as writer:
        writer.announce([*topics, *commits])
        for batch in (topics, commits):
            results = [told for told in writer.apply(batch) if isinstance(told, Result)]
            assert {(result.outcome, result.error) for result in results} == {("done", None)}


def test_an_allow_rule_that_is_there_is_present(dest: Cluster) -> None:
    rule = CreateAcl(
        acl=Acl(
            resource_type="TOPIC",
            resource_name="twice",
            pattern_type="PREFIXED",
            principal="User:twice",
            host="*",
            operation="READ",
            permission="ALLOW",
        )
    )
    assert apply(settings_of(dest), rule) == [("done", None)]
    until(lambda: rule.acl in (read(settings_of(dest)).acls or ()), "the rule")
    assert apply(settings_of(dest), rule) == [("present", "the ACL exists")]
    unknown = replace(rule, acl=replace(rule.acl, operation="SING"))
    ((outcome, error),) = apply(settings_of(dest), unknown)
    assert (outcome, error) == ("failed", "this kafka-meta does not know SING in an ACL")


def test_a_batch_is_of_one_type(dest: Cluster) -> None:
    with cluster.Writer(settings_of(dest)) as writer:
        assert list(writer.apply([])) == []
        with pytest.raises(ValueError, match="one type"):
            list(
                writer.apply(
                    [
                        CreateTopic(topic="mixed", partitions=1, replication_factor=1),
                        AddPartitions(topic="mixed", existing=1, total=2),
                    ]
                )
            )


def test_what_is_too_much_for_one_operation_goes_in_several(dest: Cluster) -> None:
    """4,000 topics of one partition are 8,000 records and more than 2,000 topics; validation creates none of them."""
    topics = [CreateTopic(topic=f"many-{n}", partitions=4, replication_factor=-1) for n in range(4000)]
    results = cluster.validate(settings_of(dest), topics)
    assert {(result.outcome, result.error) for result in results} == {("done", None)}
    assert len(results) == 4000


@pytest.mark.guard
def test_a_throttled_controller_is_waited_for() -> None:
    """librdkafka speaks a version in which the broker delays its answers, and refuses nothing (KIP-599)."""
    with kraft_cluster() as started:
        started.tool(
            CONFIGS, "--bootstrap-server", started.bootstrap_servers, "--alter", "--entity-type", "users",
            "--entity-default", "--add-config", "controller_mutation_rate=5",
        )  # fmt: skip
        actions = [CreateTopic(topic=f"slow-{n}", partitions=10, replication_factor=1) for n in range(30)]
        settings = replace(settings_of(started), request_timeout_ms=5_000)
        begun = time.monotonic()
        with cluster.Writer(settings) as writer:
            for batch in (actions[:10], actions[10:20], actions[20:]):
                told = [told for told in writer.apply(batch) if isinstance(told, Result)]
                assert [result.outcome for result in told] == ["done"] * 10
        assert time.monotonic() - begun > 10, "the brokers did throttle: 300 partitions at 5 a second, some at once"
        assert len(read(settings_of(started)).topics or ()) == 30


@pytest.mark.guard
def test_groups_are_read_while_their_coordinator_restarts() -> None:
    """librdkafka's own request for a group's positions kills the process here."""
    with kraft_cluster() as started:
        settings = settings_of(started)
        apply(settings, CreateTopic(topic="restart", partitions=1, replication_factor=1))
        names = [f"restart-{n}" for n in range(50)]
        commits = [CommitOffsets(group=name, offsets=(position("restart", 0, 1),)) for name in names]
        assert set(apply(settings, *commits)) == {("done", None)}
        with wire.connect(settings) as connection, ThreadPoolExecutor(1) as other:
            started.brokers[0].kill()
            restarted = other.submit(started.brokers[0].start)
            positions = wire.positions(connection, names)
            restarted.result()
            if any(isinstance(told, wire.Unanswered) for told in positions.values()):
                positions = wire.positions(connection, names)
    told = {name: each.offsets if isinstance(each, wire.Positions) else each for name, each in positions.items()}
    assert told == dict.fromkeys(names, (position("restart", 0, 1),))


@pytest.mark.long
@pytest.mark.parametrize(
    ("version", "unknown", "refused"),
    [
        ("0.10.2.2", {"acls", "configs", "defaults", "sizes", "id"}, {"PREFIXED", "USER", "LITERAL", "SetConfigs"}),
        ("0.11.0.3", {"sizes", "id"}, {"PREFIXED", "USER", "SetConfigs"}),
        ("1.1.1", {"id"}, {"PREFIXED", "USER", "SetConfigs"}),
        ("2.8.2", set(), {"USER"}),
    ],
)
def test_old_brokers_tell_and_take_what_they_know(version: str, unknown: set[str], refused: set[str]) -> None:
    rule = Acl(
        resource_type="TOPIC",
        resource_name="old",
        pattern_type="LITERAL",
        principal="User:old",
        host="*",
        operation="READ",
        permission="ALLOW",
    )
    rules = {
        "LITERAL": rule,
        "PREFIXED": replace(rule, pattern_type="PREFIXED", permission="DENY"),
        "USER": replace(rule, resource_type="USER", operation="DESCRIBE_TOKENS"),
    }
    with zookeeper_cluster(version) as started:
        settings = settings_of(started)
        made = CreateTopic(topic="old", partitions=2, replication_factor=1, configs={"retention.ms": "99"})
        assert [result.outcome for result in cluster.validate(settings, [made])] == ["done"]
        assert apply(settings, made) == [("done", None)]
        commit = CommitOffsets(group="old", offsets=(position("old", 1, 3),))
        assert apply(settings, commit) == [("done", None)]
        failed = {
            name
            for name, (outcome, _) in zip(
                rules, apply(settings, *(CreateAcl(acl=rule) for rule in rules.values())), strict=True
            )
            if outcome == "failed"
        }
        change = SetConfigs(topic="old", configs={"retention.ms": "100"}, previous={"retention.ms": "99"})
        if apply(settings, change)[0][0] == "failed":
            failed.add("SetConfigs")
        assert failed == refused
        taken = {rule for name, rule in rules.items() if name not in refused}
        if taken:
            until(lambda: taken == set(read(settings).acls or ()), "the rules")
        snapshot = read(settings)
    told = topic(snapshot, "old")
    assert group(snapshot, "old").offsets == commit.offsets
    assert (group(snapshot, "old").type, group(snapshot, "old").state) == ("classic", "Empty")
    assert (snapshot.cluster.mode, version.startswith(snapshot.cluster.version or "?")) == ("zookeeper", True)
    assert [(p.start_offset, p.end_offset) for p in told.partitions] == [(0, 0)] * 2
    retention = "99" if "SetConfigs" in refused else "100"
    assert {
        "acls": snapshot.acls is None,
        "configs": told.configs != {"retention.ms": retention},
        "defaults": snapshot.defaults is None,
        "sizes": told.partitions[0].size_bytes is None,
        "id": told.id is None,
    } == {name: name in unknown for name in ("acls", "configs", "defaults", "sizes", "id")}
    gaps = " ".join(str(gap.resource) for gap in snapshot.gaps)
    for name, word in (("acls", "acls"), ("configs", "topics"), ("defaults", "defaults"), ("sizes", "log directories")):
        assert (word in gaps) == (name in unknown)


# ---- without brokers


def test_a_broker_default_gets_the_topic_configs_name_and_unit() -> None:
    assert topic_defaults(
        {
            "log.retention.ms": None,
            "log.retention.minutes": "10",
            "log.retention.hours": "168",
            "log.roll.ms": None,
            "log.roll.hours": "2",
            "message.max.bytes": "1000",
            "log.cleanup.policy": "compact",
            "log.dirs": "/data",
            "num.partitions": "3",
        }
    ) == {
        "cleanup.policy": "compact",
        "max.message.bytes": "1000",
        "num.partitions": "3",
        "retention.ms": "600000",
        "segment.ms": "7200000",
    }


@pytest.mark.parametrize(
    ("configs", "retention_ms"),
    [
        ({"log.retention.ms": "5", "log.retention.minutes": "10", "log.retention.hours": "1"}, "5"),
        ({"log.retention.ms": "-1", "log.retention.hours": "1"}, "-1"),
        ({"log.retention.hours": "-1"}, "-1"),
        ({"log.retention.minutes": "-5"}, "-1"),
        ({"log.retention.hours": "1"}, "3600000"),
    ],
)
def test_retention_is_taken_from_ms_then_minutes_then_hours(configs: dict[str, str], retention_ms: str) -> None:
    assert topic_defaults(configs) == {"retention.ms": retention_ms}


def test_most_brokers_make_a_default_and_the_lowest_id_decides_a_tie() -> None:
    merged, differing = common({3: {"a": "1", "b": "x"}, 1: {"a": "2", "b": "x"}, 2: {"a": "1"}})
    assert merged == {"a": "1", "b": "x"}
    assert differing == {"a": {1: "2", 2: "1", 3: "1"}, "b": {1: "x", 2: None, 3: "x"}}
    assert common({2: {"a": "2"}, 1: {"a": "1"}})[0] == {"a": "1"}


def test_signs_name_what_does_not_move_by_itself() -> None:
    topics = [
        "_schemas",
        "connect-configs",
        "prod-connect-offsets",
        "connection-status-of-users",
        "orders",
        "app-store-changelog",
        "app-by-key-repartition",
        "apple-changelog",
    ]
    groups = [
        Group(id="connect-prod", protocol="connect"),
        Group(id="registry", protocol="sr"),
        Group(id="shared", type="share"),
        Group(id="app", protocol="consumer"),
        Group(id="orders-reader", protocol="consumer"),
    ]
    transactional_ids = ("tx-1", "tx-2", "tx-3", "tx-4")
    found = signs(topics, groups, transactional_ids, delegation_tokens=True)
    assert [str(sign.resource) for sign in found] == [
        "topic _schemas",
        "topic connect-configs",
        "topic prod-connect-offsets",
        "group connect-prod",
        "group registry",
        "group shared",
        "group app",
        "transactional producers",
        "delegation tokens",
    ]
    assert "2 changelog and repartition topics" in found[6].reason
    assert found[7].reason.startswith("4 known (tx-1, tx-2, tx-3, …)")


A_TOPIC = CreateTopic(topic="a", partitions=1, replication_factor=1)


def done(attempt: Try[CreateTopic]) -> Verdict:
    return Result(action=attempt.action, outcome="done")


@contextmanager
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    slept: list[float] = []
    with monkeypatch.context() as patched:
        patched.setattr("kafka_meta.cluster.patience.time.sleep", slept.append)
        yield slept


def test_patience_tries_again_what_is_unsure_and_says_so_to_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[tuple[str, bool]]] = []

    def attempt(tries: Sequence[Try[CreateTopic]]) -> list[Verdict]:
        seen.append([(one.action.topic, one.unsure) for one in tries])
        first = len(seen) == 1
        return [Again(reason="lost", unsure=True) if one.action.topic == "a" and first else done(one) for one in tries]

    other = replace(A_TOPIC, topic="b")
    with no_pauses(monkeypatch) as slept:
        told = list(Patience().results([A_TOPIC, other], attempt))
    assert told == [
        Result(action=other, outcome="done"),
        Waiting(reason="lost", seconds=0.5),
        Result(action=A_TOPIC, outcome="done"),
    ]
    assert seen == [[("a", False), ("b", False)], [("a", True)]]
    assert slept == [0.5]


@pytest.mark.parametrize(
    ("number", "unsure"), [(KafkaError.THROTTLING_QUOTA_EXCEEDED, False), (KafkaError.REQUEST_TIMED_OUT, True)]
)
def test_a_refusal_that_passes_is_no_result_yet(number: int, unsure: bool) -> None:
    """No broker gives librdkafka the first one: what it speaks is delayed, not refused (KIP-599)."""
    again = verdict(A_TOPIC, KafkaException(KafkaError(number)))
    assert isinstance(again, Again) and again.unsure is unsure


def test_patience_ends_and_then_gives_each_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def attempt(tries: Sequence[Try[CreateTopic]]) -> list[Verdict]:
        attempts.append(len(tries))
        return [Again(reason="throttled") for _ in tries]

    with no_pauses(monkeypatch):
        patience = Patience(seconds=0.05)
        failed = Result(action=A_TOPIC, outcome="failed", error="throttled")
        assert list(patience.results([A_TOPIC], attempt))[-1] == failed
        attempts.clear()
        assert list(patience.results([A_TOPIC], attempt)) == [failed]
        assert attempts == [1]


def test_reading_can_be_interrupted_at_once(source: Cluster) -> None:
    """A signal reaches the main thread while it waits for the brokers, and no thread keeps the process alive."""
    script = f"""
import sys
from kafka_meta import cluster
from kafka_meta.cli.signals import raise_signals
from kafka_meta.model import EVERYTHING
from kafka_meta.settings import ClusterSettings
settings = ClusterSettings(role="source", bootstrap_servers={source.bootstrap_servers!r})
raise_signals()
print("ready", flush=True)
try:
    while True:
        cluster.read(settings, EVERYTHING, emit=lambda event: None, taken_at_ms=1)
except KeyboardInterrupt:
    sys.exit(130)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=unmeasured_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, b"")
