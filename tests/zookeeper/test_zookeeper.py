"""What `zookeeper.read` makes of a real ZooKeeper: nodes laid by hand, and nodes laid by Kafka's own tools."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from kazoo.client import KazooClient
from kazoo.security import make_acl

from kafka_meta import wire, zookeeper
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Event, Progress, silent
from kafka_meta.model import (
    EVERYTHING,
    Acl,
    Broker,
    CommittedOffset,
    Group,
    Member,
    Partition,
    Quota,
    Remark,
    Resource,
    ScramCredential,
    Secret,
    Selection,
    Snapshot,
    Topic,
    User,
)
from kafka_meta.playground import Cluster, free_port
from kafka_meta.settings import ClusterSettings, Tls, ZooKeeperSettings
from kafka_meta.zookeeper.login import log_in_with
from tests.support.brokers import fetch, zookeeper_cluster
from tests.support.commands import unmeasured_environment
from tests.support.guarded import Authority
from tests.support.nodes import ALWAYS, DIGEST, Place, read, writer
from tests.support.proxy import Proxy


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """ZooKeeper without Kafka."""
    with zookeeper_cluster(brokers=0) as cluster:
        yield cluster


NUMBERS = itertools.count(1)


@pytest.fixture
def place(bare: Cluster) -> Iterator[Place]:
    assert bare.zookeeper_connect is not None
    with writer(bare.zookeeper_connect) as client:
        root = f"/place-{next(NUMBERS)}"
        yield Place(client, bare.zookeeper_connect, root)
        client.delete(root, recursive=True)


def tree(client: KazooClient, path: str) -> dict[str, tuple[bytes, int]]:
    """Data and version of all nodes from `path` on."""
    data, stat = client.get(path)
    found = {path: (data, stat.version)}
    for child in client.get_children(path):
        found |= tree(client, f"{path}/{child}")
    return found


# The cluster


def test_an_empty_cluster_has_empty_sections_and_one_gap(place: Place) -> None:
    snapshot = place.read()
    assert snapshot.taken_at_ms == 42
    assert snapshot.cluster.id == "an-id"
    assert snapshot.cluster.mode == "zookeeper"
    assert snapshot.cluster.controller_id == 1
    assert snapshot.cluster.brokers == (Broker(id=1, host="h1", port=9092),)
    sections = (snapshot.topics, snapshot.groups, snapshot.acls, snapshot.users, snapshot.quotas)
    assert sections == ((), (), (), (), ())
    assert snapshot.defaults is None
    assert snapshot.gaps == ALWAYS
    assert (snapshot.left_out, snapshot.signs, snapshot.disagreements) == ((), (), ())


def test_reading_leaves_every_node_as_it_was(place: Place) -> None:
    place.topic("orders", partitions=2)
    before = tree(place.client, place.root)
    place.read(secrets=True)
    assert tree(place.client, place.root) == before


def test_brokers_are_ordered_by_number(place: Place) -> None:
    place.put("/brokers/ids/10", {"version": 4, "host": None, "port": -1, "endpoints": ["SSL://h10:9093"], "rack": "a"})
    place.put("/brokers/ids/2", b"")
    snapshot = place.read()
    assert snapshot.cluster.brokers == (
        Broker(id=1, host="h1", port=9092),
        Broker(id=2),
        Broker(id=10, host="h10", port=9093, rack="a"),
    )
    assert (
        Remark(resource=Resource("broker", "2"), reason=f"{place.root}/brokers/ids/2 in ZooKeeper is empty")
        in snapshot.gaps
    )


def test_a_cluster_that_kraft_owns_is_refused(place: Place) -> None:
    place.client.delete(f"{place.root}/controller")
    place.put("/controller", {"version": 2, "brokerid": 3000, "timestamp": "1", "kraftControllerEpoch": 7})
    with pytest.raises(KafkaMetaError, match="KRaft") as error:
        place.read()
    assert "bootstrap servers" in (error.value.hint or "")


def test_a_cluster_without_a_live_broker_is_refused(place: Place) -> None:
    place.client.delete(f"{place.root}/brokers/ids/1")
    with pytest.raises(KafkaMetaError, match=f"no broker is alive under {place.root}"):
        place.read()


def test_a_cluster_between_two_controllers_has_none(place: Place) -> None:
    place.client.delete(f"{place.root}/controller")
    assert place.read().cluster.controller_id is None


def test_a_chroot_that_does_not_exist_is_named_with_one_that_does(place: Place) -> None:
    hosts = place.connect.removesuffix(place.root)
    with pytest.raises(KafkaMetaError, match="the chroot /nowhere does not exist") as error:
        read(f"{hosts}/nowhere")
    assert error.value.hint == f"There are live brokers under {place.connect}."


def test_a_forgotten_chroot_is_found(place: Place) -> None:
    hosts = place.connect.removesuffix(place.root)
    with pytest.raises(KafkaMetaError, match="there is no Kafka cluster under /") as error:
        read(hosts)
    assert error.value.hint == f"There are live brokers under {place.connect}."


def test_delegation_tokens_and_dynamic_broker_configs_are_signs_without_their_values(place: Place) -> None:
    place.put("/delegation_token/tokens/one", b"secret")
    place.put("/delegation_token/tokens/two", b"secret")
    place.put("/config/brokers/<default>", {"version": 1, "config": {"log.retention.ms": "1"}})
    place.put("/config/brokers/1", {"version": 1, "config": {"ssl.keystore.password": "s3cret", "a": "b"}})
    place.put("/config/brokers/2", {"version": 1, "config": {}})
    signs = place.read().signs
    assert [(str(sign.resource), sign.reason) for sign in signs] == [
        ("broker configs", "set dynamically for all brokers, do not move: log.retention.ms"),
        ("broker configs", "set dynamically for broker 1, do not move: a, ssl.keystore.password"),
        ("delegation tokens", "2 delegation tokens: do not move; clients must request new ones on the destination"),
    ]


# Topics


def test_topics_come_with_partitions_and_overrides(place: Place) -> None:
    place.put(
        "/brokers/topics/orders.v1_a-b",
        {
            "version": 3,
            "topic_id": "f4LIvuopSIe4mPMUENdfdA",
            "partitions": {"0": [1, 2], "1": [2, 1]},
            "adding_replicas": {},
            "removing_replicas": {},
        },
    )
    state = {"version": 1, "leader": 2, "leader_epoch": 3, "controller_epoch": 1, "isr": [2]}
    place.put("/brokers/topics/orders.v1_a-b/partitions/0/state", state)
    place.put("/config/topics/orders.v1_a-b", {"version": 1, "config": {"cleanup.policy": "compact"}})
    place.topic("another")
    assert place.read().topics == (
        Topic(name="another", partitions=(Partition(partition=0, replicas=(1,)),)),
        Topic(
            name="orders.v1_a-b",
            id="f4LIvuopSIe4mPMUENdfdA",
            partitions=(
                Partition(partition=0, replicas=(1, 2), leader=2, isr=(2,)),
                Partition(partition=1, replicas=(2, 1)),
            ),
            configs={"cleanup.policy": "compact"},
        ),
    )


def test_states_of_partitions_are_not_read_when_nobody_needs_them(place: Place) -> None:
    place.topic("orders")
    place.put("/brokers/topics/orders/partitions/0/state", {"version": 1, "leader": 1, "isr": [1]})
    (topic,) = place.read(states=False).topics or ()
    assert topic.partitions == (Partition(partition=0, replicas=(1,)),)


def test_topics_pending_deletion_and_internal_ones_are_left_out_and_named(place: Place) -> None:
    for name in ("kept", "going", "__consumer_offsets", "unwanted"):
        place.topic(name)
    place.put("/admin/delete_topics/going", b"")
    place.put("/admin/delete_topics/unwanted", b"")
    snapshot = place.read(selection=Selection(exclude_topics=re.compile("unwanted")))
    assert [topic.name for topic in snapshot.topics or ()] == ["kept"]
    assert snapshot.left_out == (
        Remark(resource=Resource("topic", "__consumer_offsets"), reason="internal to Kafka"),
        Remark(resource=Resource("topic", "going"), reason="it is being deleted"),
    )


def test_internal_topics_are_marked_when_they_are_asked_for(place: Place) -> None:
    place.topic("__consumer_offsets")
    (topic,) = place.read(selection=Selection(include_internal=True)).topics or ()
    assert topic.internal


def test_a_running_reassignment_is_a_sign_and_its_old_replicas_do_not_count(place: Place) -> None:
    place.topic("still")
    place.topic("old", partitions=2)
    moving = {"adding_replicas": {"1": [3]}, "removing_replicas": {"1": [1]}}
    place.put("/brokers/topics/new", {"version": 2, "partitions": {"0": [1], "1": [3, 1]}, **moving})
    rows = [{"topic": "old", "partition": 0, "replicas": [2]}, {"topic": "gone", "partition": 0, "replicas": [2]}]
    place.put("/admin/reassign_partitions", {"version": 1, "partitions": rows})
    snapshot = place.read()
    assert snapshot.signs == (
        Remark(resource=Resource("topic", "new"), reason="partitions 1 are being reassigned: its replicas will change"),
        Remark(resource=Resource("topic", "old"), reason="partitions are being reassigned: its replicas will change"),
    )
    (new,) = (topic for topic in snapshot.topics or () if topic.name == "new")
    assert new.partitions[1].replicas == (3,)


def test_data_that_cannot_be_read_is_a_gap_that_names_its_path(place: Place) -> None:
    place.put("/brokers/topics/null", b"")
    place.put("/brokers/topics/torn", b'{"version":1,"partit')
    place.topic("fine")
    place.topic("odd")
    place.put("/config/topics/odd", b"{}")
    place.put("/brokers/topics/odd/partitions/0/state", b"")
    snapshot = place.read()
    assert [(topic.name, topic.configs) for topic in snapshot.topics or ()] == [("fine", {}), ("odd", None)]
    root = place.root
    assert set(snapshot.gaps) == {
        *ALWAYS,
        Remark(resource=Resource("topic", "null"), reason=f"{root}/brokers/topics/null in ZooKeeper is empty"),
        Remark(resource=Resource("topic", "torn"), reason=f"{root}/brokers/topics/torn in ZooKeeper is not JSON"),
        Remark(
            resource=Resource("configs of topic", "odd"),
            reason=f"{root}/config/topics/odd in ZooKeeper has no object 'config'",
        ),
        Remark(
            resource=Resource.partition("odd", 0),
            reason=f"{root}/brokers/topics/odd/partitions/0/state in ZooKeeper is empty",
        ),
    }


def test_a_topic_that_is_deleted_while_we_read_is_no_error(place: Place) -> None:
    place.topics(620)

    def delete_the_last(event: Event) -> None:
        # By now all names are listed, and no more than 500 topics are asked for.
        if event == Progress(stage="topics", done=0, total=620):
            place.client.delete(f"{place.root}/brokers/topics/t0619")

    snapshot = place.read(emit=delete_the_last)
    assert [topic.name for topic in snapshot.topics or ()] == [f"t{number:04}" for number in range(619)]
    assert snapshot.gaps == ALWAYS


def test_progress_is_reported_from_the_first_topic_to_the_last(place: Place) -> None:
    place.topics(620)
    events: list[Event] = []
    place.read(emit=events.append)
    assert [event for event in events if isinstance(event, Progress) and event.stage == "topics"] == [
        Progress(stage="topics", done=done, total=620) for done in (0, 500, 620)
    ]


# Access


def acl(type: str, name: str, principal: str, operation: str, permission: str, *, prefixed: bool = False) -> Acl:
    return Acl(
        resource_type=type,
        resource_name=name,
        pattern_type="PREFIXED" if prefixed else "LITERAL",
        principal=principal,
        host="*",
        operation=operation,
        permission="DENY" if permission == "DENY" else "ALLOW",
    )


def rules(*rules: tuple[str, str, str]) -> object:
    names = ("principal", "operation", "permissionType")
    return {"version": 1, "acls": [{**dict(zip(names, rule, strict=True)), "host": "*"} for rule in rules]}


def test_rules_are_literal_or_prefixed_allow_or_deny(place: Place) -> None:
    place.put("/kafka-acl/Topic/*", rules(("User:alice", "Read", "Allow"), ("User:bob", "All", "Deny")))
    place.put("/kafka-acl/Cluster/kafka-cluster", rules(("User:alice", "IdempotentWrite", "Allow")))
    place.put("/kafka-acl/Group/100%25 ü", rules(("User:*", "Describe", "Allow")))
    place.put("/kafka-acl-extended/prefixed/TransactionalId/tx-", rules(("User:alice", "Write", "Allow")))
    assert place.read().acls == tuple(
        sorted(
            [
                acl("TOPIC", "*", "User:alice", "READ", "ALLOW"),
                acl("TOPIC", "*", "User:bob", "ALL", "DENY"),
                acl("CLUSTER", "kafka-cluster", "User:alice", "IDEMPOTENT_WRITE", "ALLOW"),
                acl("GROUP", "100%25 ü", "User:*", "DESCRIBE", "ALLOW"),
                acl("TRANSACTIONAL_ID", "tx-", "User:alice", "WRITE", "ALLOW", prefixed=True),
            ]
        )
    )


def test_no_authorizer_is_not_an_empty_list_of_rules(place: Place) -> None:
    place.client.delete(f"{place.root}/kafka-acl")
    snapshot = place.read()
    assert snapshot.acls is None
    assert [gap.reason for gap in snapshot.gaps if str(gap.resource) == "acls"] == [
        f"{place.root}/kafka-acl does not exist: no authorizer keeps its ACLs in this ZooKeeper"
    ]


def test_a_node_without_rules_is_a_gap_beside_the_others(place: Place) -> None:
    # Kafka writes a group's name as it is: `a/b` becomes a node below `a`, which Kafka itself does not find again.
    place.put("/kafka-acl/Group/a/b", rules(("User:alice", "Read", "Allow")))
    place.put("/kafka-acl/Topic/t", rules(("User:alice", "Read", "Allow")))
    assert place.read().acls == (acl("TOPIC", "t", "User:alice", "READ", "ALLOW"),)
    assert place.gaps() == {"acls": f"{place.root}/kafka-acl/Group/a in ZooKeeper is empty"}


SCRAM = "salt=c2FsdA==,stored_key=c3RvcmVk,server_key=c2VydmVy,iterations=8192"


def test_users_and_quotas_are_told_apart_by_name_and_by_default(place: Place) -> None:
    def quota(value: int) -> object:
        return {"version": 1, "config": {"producer_byte_rate": str(value)}}

    place.put("/config/users/<default>", quota(1))
    place.put("/config/users/%3Cdefault%3E", {"version": 1, "config": {"SCRAM-SHA-256": SCRAM}})
    place.put("/config/users/a%2Fb", {"version": 1, "config": {"SCRAM-SHA-512": SCRAM, "request_percentage": "12.5"}})
    place.put("/config/users/%C3%BC%252F%20%2A/clients/<default>", quota(2))
    place.put("/config/users/<default>/clients/app", quota(3))
    place.put("/config/clients/<default>", quota(4))
    place.put("/config/clients/two%20words", quota(5))
    place.put("/config/ips/<default>", {"version": 1, "config": {"connection_creation_rate": "6"}})
    place.put("/config/ips/10.0.0.1", {"version": 1, "config": {"connection_creation_rate": "7"}})
    snapshot = place.read()
    assert snapshot.users == (
        User(name="<default>", credentials=(ScramCredential(mechanism="SCRAM-SHA-256", iterations=8192),)),
        User(name="a/b", credentials=(ScramCredential(mechanism="SCRAM-SHA-512", iterations=8192),)),
    )
    quotas = snapshot.quotas or ()
    assert len(quotas) == 8
    for expected in (
        Quota(entity={"user": None}, values={"producer_byte_rate": 1.0}),
        Quota(entity={"user": "a/b"}, values={"request_percentage": 12.5}),
        Quota(entity={"user": "ü%2F *", "clientId": None}, values={"producer_byte_rate": 2.0}),
        Quota(entity={"user": None, "clientId": "app"}, values={"producer_byte_rate": 3.0}),
        Quota(entity={"clientId": None}, values={"producer_byte_rate": 4.0}),
        Quota(entity={"clientId": "two words"}, values={"producer_byte_rate": 5.0}),
        Quota(entity={"ip": None}, values={"connection_creation_rate": 6.0}),
        Quota(entity={"ip": "10.0.0.1"}, values={"connection_creation_rate": 7.0}),
    ):
        assert expected in quotas
    assert snapshot.gaps == ALWAYS


def test_keys_come_only_with_secrets(place: Place) -> None:
    place.put("/config/users/alice", {"version": 1, "config": {"SCRAM-SHA-256": SCRAM}})
    (user,) = place.read(secrets=True).users or ()
    (credential,) = user.credentials
    assert (credential.salt, credential.stored_key, credential.server_key) == (
        "c2FsdA==",
        Secret("c3RvcmVk"),
        Secret("c2VydmVy"),
    )
    (user,) = place.read().users or ()
    (credential,) = user.credentials
    assert (credential.salt, credential.stored_key, credential.server_key) == (None, None, None)


# Rights


def test_what_zookeeper_does_not_show_is_a_gap_and_not_empty(place: Place) -> None:
    for path in ("/config/users", "/config/brokers", "/delegation_token/tokens"):
        place.put(path, b"", digest=DIGEST)
    place.put("/kafka-acl/Topic/open", rules(("User:alice", "Read", "Allow")))
    place.put("/kafka-acl/Topic/shut", rules(("User:alice", "Read", "Allow")), digest=DIGEST)
    place.put("/brokers/topics/shut", {"version": 1, "partitions": {"0": [1]}}, digest=DIGEST)
    place.put("/consumers/shut/offsets", b"", digest=DIGEST)
    place.topic("open")
    snapshot = place.read()
    assert [topic.name for topic in snapshot.topics or ()] == ["open"]
    assert snapshot.acls == (acl("TOPIC", "open", "User:alice", "READ", "ALLOW"),)
    assert snapshot.users is None
    assert snapshot.quotas is None
    assert [(group.id, group.offsets) for group in snapshot.groups or ()] == [("shut", None)]
    gaps = place.gaps()
    assert gaps.keys() == {
        "users",
        "quotas",
        "broker configs",
        "delegation tokens",
        "acls",
        "topic shut",
        "positions of group shut",
    }
    assert gaps["users"] == (
        f"ZooKeeper does not show {place.root}/config/users (NoAuth, as with zookeeper.set.acl=true): "
        "connect with the brokers' own credentials"
    )


def test_the_brokers_credentials_show_everything(place: Place) -> None:
    place.put("/config/users", b"", digest=DIGEST)
    place.put("/config/users/alice", {"version": 1, "config": {"SCRAM-SHA-256": SCRAM}}, digest=DIGEST)
    assert place.gaps(digest="operator:a wrong password").keys() == {"users", "quotas"}
    snapshot = place.read(digest=DIGEST)
    assert [user.name for user in snapshot.users or ()] == ["alice"]
    assert snapshot.gaps == ALWAYS


def test_quotas_that_can_be_read_are_given_beside_the_gap_of_the_others(place: Place) -> None:
    place.put("/config/users", b"", digest=DIGEST)
    place.put("/config/clients/app", {"version": 1, "config": {"producer_byte_rate": "1"}})
    assert place.read().quotas == (Quota(entity={"clientId": "app"}, values={"producer_byte_rate": 1.0}),)
    assert "quotas" in place.gaps()


def test_brokers_that_are_not_shown_are_an_error_about_credentials(place: Place) -> None:
    place.client.delete(f"{place.root}/brokers/ids", recursive=True)
    place.put("/brokers/ids", b"", digest=DIGEST)
    with pytest.raises(KafkaMetaError, match="NoAuth") as error:
        place.read()
    assert "credentials" in (error.value.hint or "")


# Old consumers


def test_old_consumers_groups_are_empty_or_stable(place: Place) -> None:
    place.put("/consumers/resting/offsets/orders/10", b"7")
    place.put("/consumers/resting/offsets/orders/9", b"12345678901")
    place.put("/consumers/resting/offsets/audit/0", b"0")
    place.put("/consumers/resting/ids", b"")
    place.put("/consumers/resting/owners/orders", b"")
    place.put("/consumers/busy/ids/busy_host-1-2", b"{}", ephemeral=True)
    place.put("/consumers/busy/owners/orders/0", b"busy_host-1-2-0", ephemeral=True)
    place.put("/consumers/owning/owners/orders/0", b"worker-0", ephemeral=True)
    place.put("/consumers/owning/owners/orders/1", b"worker-0", ephemeral=True)
    place.put("/consumers/console-consumer-1/offsets/orders", b"")
    place.put("/consumers/excluded/offsets/orders/0", b"1")
    snapshot = place.read(selection=Selection(exclude_groups=re.compile("exclud.*")))

    def group(id: str, state: str, members: tuple[str, ...], offsets: tuple[CommittedOffset, ...]) -> Group:
        return Group(
            id=id,
            type="zookeeper",
            source="zookeeper",
            state=state,
            members=tuple(Member(id=member) for member in members),
            offsets=offsets,
        )

    assert snapshot.groups == (
        group("busy", "Stable", ("busy_host-1-2",), ()),
        group("owning", "Stable", ("worker-0",), ()),
        group(
            "resting",
            "Empty",
            (),
            (
                CommittedOffset(topic="audit", partition=0, offset=0),
                CommittedOffset(topic="orders", partition=9, offset=12345678901),
                CommittedOffset(topic="orders", partition=10, offset=7),
            ),
        ),
    )
    assert snapshot.left_out == (
        Remark(
            resource=Resource("group", "console-consumer-1"), reason="it has no positions and no consumers in ZooKeeper"
        ),
    )


def test_an_offset_that_is_none_is_a_gap_beside_the_others(place: Place) -> None:
    place.put("/consumers/g/offsets/t/0", b"-1")
    place.put("/consumers/g/offsets/t/1", b"5")
    (group,) = place.read().groups or ()
    assert group.offsets == (CommittedOffset(topic="t", partition=1, offset=5),)
    assert place.gaps().keys() == {"positions of group g"}


# Connections


def test_a_refused_connection_is_one_sentence_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    begin = time.monotonic()
    with pytest.raises(KafkaMetaError) as error:
        read(f"127.0.0.1:{port}/kafka")
    assert time.monotonic() - begin < 15
    assert error.value.message == f"ZooKeeper at 127.0.0.1:{port} cannot be reached: Connection refused"
    assert capfd.readouterr() == ("", "")


def test_a_name_that_does_not_resolve_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KafkaMetaError, match="Cannot resolve no-such-host"):
        read("no-such-host.invalid:2181")
    assert capfd.readouterr() == ("", "")


def test_tls_on_a_plaintext_port_is_said(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    assert bare.zookeeper_connect is not None
    settings = ZooKeeperSettings(connect=bare.zookeeper_connect, tls=Tls())
    with pytest.raises(KafkaMetaError, match="cannot be reached") as error:
        zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
    assert "does not use TLS" in (error.value.hint or "")
    assert capfd.readouterr() == ("", "")


def test_its_port_as_the_address_of_a_broker_is_named_as_a_cause(bare: Cluster) -> None:
    address, _, _ = str(bare.zookeeper_connect).partition("/")
    with pytest.raises(KafkaMetaError, match="it closes the connection, as a TLS port, ZooKeeper,"):
        wire.connect(ClusterSettings(role="source", bootstrap_servers=address))


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of ZooKeeper's TLS port, and the certificate (for 127.0.0.1) that it shows."""
    directory = tmp_path_factory.mktemp("tls")
    store, certificate, port = directory / "server.p12", directory / "server.pem", free_port()
    keytool = ("keytool", "-keystore", str(store), "-storetype", "PKCS12", "-storepass", "password", "-alias", "me")
    made = ("-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1")
    subprocess.run([*keytool, *made], check=True, capture_output=True)
    subprocess.run([*keytool, "-exportcert", "-rfc", "-file", str(certificate)], check=True, capture_output=True)
    with zookeeper_cluster(
        brokers=0,
        zookeeper_settings={
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "secureClientPort": str(port),
            "secureClientPortAddress": "127.0.0.1",
            "ssl.keyStore.location": str(store),
            "ssl.keyStore.password": "password",
            "ssl.clientAuth": "none",
        },
    ) as cluster:
        assert cluster.zookeeper_connect is not None
        with writer(cluster.zookeeper_connect) as client:
            Place(client, cluster.zookeeper_connect, "/kafka")
        yield f"127.0.0.1:{port}", certificate


@pytest.mark.guard
def test_a_cluster_is_read_over_tls(with_tls: tuple[str, Path]) -> None:
    address, certificate = with_tls
    settings = ZooKeeperSettings(connect=f"{address}/kafka", tls=Tls(ca_file=str(certificate)))
    assert zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0).cluster.id == "an-id"


@pytest.mark.guard
def test_a_certificate_that_nobody_vouches_for_is_said(
    with_tls: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ZooKeeperSettings(connect=with_tls[0], tls=Tls())
    with pytest.raises(KafkaMetaError, match="self-signed certificate") as error:
        zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
    assert "zookeeper.ssl.truststore.location" in (error.value.hint or "")
    assert capfd.readouterr() == ("", "")


@pytest.mark.guard
def test_where_a_truststore_is_given_the_authorities_of_this_machine_are_not_trusted(
    with_tls: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, certificate = with_tls
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    settings = ZooKeeperSettings(connect=f"{address}/kafka", tls=Tls(ca_file=str(Authority(tmp_path, "another").pem)))
    with pytest.raises(KafkaMetaError, match="certificate"):
        zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
    by_system = ZooKeeperSettings(connect=f"{address}/kafka", tls=Tls())
    assert zookeeper.read(by_system, EVERYTHING, emit=silent, taken_at_ms=0).cluster.id == "an-id"


@pytest.mark.guard
def test_plaintext_on_a_tls_port_is_said(with_tls: tuple[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    with pytest.raises(KafkaMetaError, match="cannot be reached") as error:
        read(with_tls[0])
    assert time.monotonic() - begin < 16
    assert "zookeeper.ssl.client.enable=true" in (error.value.hint or "")
    assert capfd.readouterr() == ("", "")


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.guard
def test_a_server_that_says_nothing_is_given_up_within_fifteen_seconds() -> None:
    with silent_server() as connect:
        begin = time.monotonic()
        with pytest.raises(KafkaMetaError, match="cannot be reached"):
            read(connect)
        assert time.monotonic() - begin < 17


def test_an_interrupt_ends_a_wait_at_once() -> None:
    program = (
        "import sys; from kafka_meta import zookeeper; from kafka_meta.settings import ZooKeeperSettings\n"
        "from kafka_meta.model import EVERYTHING; from kafka_meta.events import silent\n"
        "print('reading', flush=True)\n"
        "zookeeper.read(ZooKeeperSettings(connect=sys.argv[1]), EVERYTHING, emit=silent, taken_at_ms=0)\n"
    )
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        connect = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", program, connect]
        pipe = subprocess.PIPE
        child = stack.enter_context(subprocess.Popen(command, env=unmeasured_environment(), stdout=pipe, stderr=pipe))
        stack.callback(child.kill)
        stack.enter_context(server.accept()[0])  # it is waiting for our answer now
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=15)
        assert time.monotonic() - begin < 3
    assert child.returncode == -signal.SIGINT
    assert errors.endswith(b"KeyboardInterrupt\n")


ODD_LOGINS = [("käfka", r"ri\"ght ü"), ("k€", r"€\\")]
"""Names and passwords, as a JAAS file has them, within ISO-8859-1 and beyond."""


@pytest.fixture(scope="module")
def with_sasl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ZooKeeper whose users log in with SASL DIGEST-MD5."""
    jaas = tmp_path_factory.mktemp("jaas") / "server.jaas"
    users = "".join(f'user_{name}="{escaped}" ' for name, escaped in (("kafka", "right"), *ODD_LOGINS))
    jaas.write_text(f"Server {{ org.apache.zookeeper.server.auth.DigestLoginModule required {users};}};\n", "utf-8")
    with zookeeper_cluster(
        brokers=0,
        zookeeper_settings={"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"},
        zookeeper_jvm_options=[f"-Djava.security.auth.login.config={jaas}"],
    ) as cluster:
        yield cluster


@pytest.mark.guard
def test_a_wrong_sasl_password_is_an_error_about_credentials(
    with_sasl: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    assert with_sasl.zookeeper_connect is not None
    settings = ZooKeeperSettings(connect=with_sasl.zookeeper_connect, username="kafka", password=Secret("wr0ng"))
    begin = time.monotonic()
    with pytest.raises(KafkaMetaError, match="refused the credentials") as error:
        zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
    assert time.monotonic() - begin < 15
    assert "wr0ng" not in error.value.message + (error.value.hint or "")
    assert capfd.readouterr() == ("", "")


HANDSHAKE_BYTES = 90
"""What opens a session, request and answer. The first message of the login follows."""


class CutsOnce(Proxy):
    """Counts the bytes of the newest connection."""

    def _take(self) -> None:
        self._passed = 0
        super()._take()

    def _cut(self) -> None:
        self.cut_after_bytes = None
        super()._cut()


@pytest.mark.guard
def test_a_connection_that_is_lost_before_the_password_is_sent_is_no_refused_login(with_sasl: Cluster) -> None:
    address, _, _ = str(with_sasl.zookeeper_connect).partition("/")
    with CutsOnce(HANDSHAKE_BYTES + 1) as proxy:
        proxy.target = int(address.rpartition(":")[2])
        proxy.start_cutting()
        settings = ZooKeeperSettings(connect=f"127.0.0.1:{proxy.port}", username="kafka", password=Secret("right"))
        with pytest.raises(KafkaMetaError, match="there is no Kafka cluster under"):
            zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
        assert proxy.cuts == 1


@pytest.mark.guard
@pytest.mark.parametrize(("username", "password"), [("kafka", "right"), ("käfka", 'ri"ght ü'), ("k€", "€\\")])
def test_the_right_sasl_password_shows_what_is_guarded(with_sasl: Cluster, username: str, password: str) -> None:
    hosts = with_sasl.zookeeper_connect
    assert hosts is not None
    client = KazooClient(hosts)
    log_in_with(client, username, Secret(password))
    client.start()
    try:
        place = Place(client, hosts, f"/guarded-{username}")
        guarded = f"{place.root}/config/users"
        client.ensure_path(f"{place.root}/config")
        client.create(guarded, b"", acl=[make_acl("sasl", username, all=True)])
    finally:
        client.stop()
        client.close()
    assert read(place.connect).users is None
    settings = ZooKeeperSettings(connect=place.connect, username=username, password=Secret(password))
    assert zookeeper.read(settings, EVERYTHING, emit=silent, taken_at_ms=0).users == ()


def test_a_restart_of_zookeeper_in_the_middle_is_outlasted() -> None:
    with zookeeper_cluster(brokers=0) as cluster:
        hosts = cluster.zookeeper_connect
        assert hosts is not None
        with writer(hosts) as client:
            place = Place(client, hosts, "/kafka")
            place.topics(1500)

        def restart(event: Event) -> None:
            if event == Progress(stage="topics", done=500, total=1500):
                cluster.zookeeper.kill()
                cluster.zookeeper.start()

        assert len(read(place.connect, emit=restart).topics or ()) == 1500


def test_a_zookeeper_without_multiread_is_read_node_by_node(tmp_path: Path) -> None:
    """ZooKeeper 3.5.9, from the dependencies of Kafka 2.8.2."""
    port = free_port()
    (tmp_path / "zoo.cfg").write_text(
        f"dataDir={tmp_path}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
    )
    jars = fetch("2.8.2")
    command = ["java", "-Xmx256m", "-cp", f"{jars}/*", "-Dzookeeper.forceSync=no"]
    server = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, server, str(tmp_path / "zoo.cfg")], stdout=log, stderr=log)
    try:
        with writer(f"127.0.0.1:{port}") as client:
            place = Place(client, f"127.0.0.1:{port}", "")
            place.topics(450)
            place.put("/config/users", b"", digest=DIGEST)
            place.put("/consumers/g/offsets/t0001/0", b"5")
            snapshot = place.read()
    finally:
        process.kill()
        process.wait()
    assert [topic.name for topic in snapshot.topics or ()] == [f"t{number:04}" for number in range(450)]
    assert [group.offsets for group in snapshot.groups or ()] == [
        (CommittedOffset(topic="t0001", partition=0, offset=5),)
    ]
    assert snapshot.users is None


# What Kafka's own tools lay down

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
ACLS = "kafka.admin.AclCommand"
NAMES = ("zk <default>", "zk a/b", "zk ü%2F", "zk two words *", "zk CN=x,O=y+z~")
OURS = Selection(include_topics=re.compile("zk[._-].*"))


@pytest.fixture(scope="module")
def laid(source: Cluster) -> Snapshot:
    """Read after Kafka's tools have made topics, rules and quotas, and a client users."""
    to = ("--bootstrap-server", source.bootstrap_servers)
    compacted = ("--config", "cleanup.policy=compact", "--config", "min.cleanable.dirty.ratio=0.25")
    source.tool(TOPICS, *to, "--create", "--topic", "zk.orders_a-b", "--partitions", "12", *compacted)
    source.tool(ACLS, *to, "--add", "--allow-principal", "User:zk alice", "--producer", "--topic", "zk.orders_a-b")
    deny = ("--deny-principal", "User:zk bob", "--deny-host", "10.0.0.7", "--operation", "DescribeConfigs")
    source.tool(ACLS, *to, "--add", *deny, "--topic", "zk.", "--resource-pattern-type", "prefixed")
    allow = ("--allow-principal", "User:zk carol", "--operation", "All")
    source.tool(ACLS, *to, "--add", *allow, "--transactional-id", "zk-tx", "--resource-pattern-type", "prefixed")
    admin = AdminClient({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    sha256 = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4097)
    changes = [UserScramCredentialUpsertion(name, sha256, b"pass word") for name in NAMES]
    for change in admin.alter_user_scram_credentials(changes).values():
        change.result()
    both = ("--entity-type", "users", "--entity-name", "zk ü/2", "--entity-type", "clients", "--entity-default")
    source.tool(CONFIGS, *to, "--alter", *both, "--add-config", "request_percentage=50.5")
    assert source.zookeeper_connect is not None
    return read(source.zookeeper_connect, selection=OURS, secrets=True)


def test_topics_of_kafkas_tool_come_out_as_it_describes_them(source: Cluster, laid: Snapshot) -> None:
    described = source.tool(TOPICS, "--bootstrap-server", source.bootstrap_servers, "--describe")
    ids = dict(re.findall(r"^Topic: (\S+)\s+TopicId: (\S+)", described, re.MULTILINE))
    topics = {topic.name: topic for topic in laid.topics or ()}
    assert topics.keys() == {name for name in ids if OURS.topic(name)} >= {"zk.orders_a-b"}
    for topic in topics.values():
        assert topic.id == ids[topic.name]
        for partition in topic.partitions:
            assert (partition.leader, partition.replicas, partition.isr) == (1, (1,), (1,))
    assert len(topics["zk.orders_a-b"].partitions) == 12
    assert topics["zk.orders_a-b"].configs == {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.25"}


def test_rules_of_kafkas_tool_come_out_exactly(laid: Snapshot) -> None:
    assert {rule for rule in laid.acls or () if rule.principal.startswith("User:zk ")} == {
        acl("TOPIC", "zk.orders_a-b", "User:zk alice", "WRITE", "ALLOW"),
        acl("TOPIC", "zk.orders_a-b", "User:zk alice", "CREATE", "ALLOW"),
        acl("TOPIC", "zk.orders_a-b", "User:zk alice", "DESCRIBE", "ALLOW"),
        Acl(
            resource_type="TOPIC",
            resource_name="zk.",
            pattern_type="PREFIXED",
            principal="User:zk bob",
            host="10.0.0.7",
            operation="DESCRIBE_CONFIGS",
            permission="DENY",
        ),
        acl("TRANSACTIONAL_ID", "zk-tx", "User:zk carol", "ALL", "ALLOW", prefixed=True),
    }


def test_credentials_come_out_as_they_follow_from_the_password(laid: Snapshot) -> None:
    """RFC 5802: StoredKey = H(HMAC(SaltedPassword, "Client Key"))."""
    users = {user.name: user for user in laid.users or () if user.name.startswith("zk ")}
    assert users.keys() == set(NAMES)
    for user in users.values():
        (credential,) = user.credentials
        assert (credential.mechanism, credential.iterations) == ("SCRAM-SHA-256", 4097)
        salted = hashlib.pbkdf2_hmac("sha256", b"pass word", base64.b64decode(credential.salt or ""), 4097)
        stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
        assert credential.stored_key == Secret(base64.b64encode(stored).decode())
        server = hmac.digest(salted, b"Server Key", "sha256")
        assert credential.server_key == Secret(base64.b64encode(server).decode())


def test_quotas_of_kafkas_tool_come_out_exactly(laid: Snapshot) -> None:
    assert [quota for quota in laid.quotas or () if (quota.entity.get("user") or "").startswith("zk ")] == [
        Quota(entity={"user": "zk ü/2", "clientId": None}, values={"request_percentage": 50.5})
    ]


def test_a_real_cluster_is_read_whole(source: Cluster, laid: Snapshot) -> None:
    (broker,) = source.brokers
    assert laid.cluster.mode == "zookeeper"
    assert laid.cluster.controller_id == 1
    assert laid.cluster.brokers == (Broker(id=1, host="127.0.0.1", port=broker.port),)
    assert re.fullmatch(r"[\w-]{22}", laid.cluster.id or "")
    assert laid.gaps == ALWAYS
