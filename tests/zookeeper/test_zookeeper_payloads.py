"""What Kafka's versions wrote into ZooKeeper's nodes, byte by byte, and what comes of bytes that they did not write."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_meta.model import Acl, Broker, CommittedOffset, ScramCredential, Secret
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.multiread import Absence, MultiRead, Operation
from kafka_meta.zookeeper.payloads import Assignment, Controller, PartitionState, QuotaEntity, Unreadable


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            b'{"version":1,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"2233345666"}',
            Broker(id=7, host="localhost", port=9092),
            id="v1",
        ),
        pytest.param(
            b'{"version":2,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"2233345666",'
            b'"endpoints":["PLAINTEXT://host1:9092","SSL://host1:9093"]}',
            Broker(id=7, host="localhost", port=9092),
            id="v2",
        ),
        pytest.param(
            b'{"version":3,"host":null,"port":-1,"jmx_port":-1,"timestamp":"1","endpoints":["SSL://host1:9093"],"rack":"b"}',
            Broker(id=7, host="host1", port=9093, rack="b"),
            id="v3 without a plaintext listener",
        ),
        pytest.param(
            b'{"version":4,"host":null,"port":-1,"jmx_port":9999,"timestamp":"2233345666",'
            b'"endpoints":["CLIENT://[fe80::1]:9092","REPLICATION://host1:9093"],'
            b'"listener_security_protocol_map":{"CLIENT":"SSL","REPLICATION":"PLAINTEXT"},"rack":"dc1"}',
            Broker(id=7, host="fe80::1", port=9092, rack="dc1"),
            id="v4 with an IPv6 address",
        ),
        pytest.param(
            b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},'
            b'"endpoints":["PLAINTEXT://127.0.0.1:35663"],"jmx_port":-1,"port":35663,"host":"127.0.0.1","version":5,'
            b'"timestamp":"1795236920147"}',
            Broker(id=7, host="127.0.0.1", port=35663),
            id="v5",
        ),
    ],
)
def test_a_broker_is_read_from_every_version(data: bytes, expected: Broker) -> None:
    assert payloads.broker(7, data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"version":1,"brokerid":3,"timestamp":"1"}', Controller(broker_id=3, kraft_epoch=-1)),
        (
            b'{"version":2,"brokerid":3,"timestamp":"1","kraftControllerEpoch":-1}',
            Controller(broker_id=3, kraft_epoch=-1),
        ),
        (
            b'{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":12}',
            Controller(broker_id=3000, kraft_epoch=12),
        ),
    ],
)
def test_a_controller_is_read_from_every_version(data: bytes, expected: Controller) -> None:
    assert payloads.controller(data) == expected


def test_a_cluster_id_is_read_from_a_document_whose_version_is_text() -> None:
    assert payloads.cluster_id(b'{"version":"1","id":"2YxbRg7vT_CDFDuVHwDGUg"}') == "2YxbRg7vT_CDFDuVHwDGUg"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            b'{"version":1,"partitions":{"1":[2,1],"0":[1,2]}}',
            Assignment(topic_id=None, replicas={0: (1, 2), 1: (2, 1)}, moving=()),
            id="v1",
        ),
        pytest.param(
            b'{"version":2,"partitions":{"0":[1,2,3],"1":[2,3]},"adding_replicas":{"0":[3]},"removing_replicas":{"0":[1]}}',
            Assignment(topic_id=None, replicas={0: (2, 3), 1: (2, 3)}, moving=(0,)),
            id="v2 under reassignment",
        ),
        pytest.param(
            b'{"removing_replicas":{},"partitions":{"0":[1]},"topic_id":"f4LIvuopSIe4mPMUENdfdA","adding_replicas":{},"version":3}',
            Assignment(topic_id="f4LIvuopSIe4mPMUENdfdA", replicas={0: (1,)}, moving=()),
            id="v3",
        ),
        pytest.param(
            b'{"version":3,"partitions":{"0":[1]},"adding_replicas":{"0":[]},"removing_replicas":{"0":[]}}',
            Assignment(topic_id=None, replicas={0: (1,)}, moving=()),
            id="v3 without an id, nothing moving",
        ),
    ],
)
def test_a_topic_is_read_from_every_version(data: bytes, expected: Assignment) -> None:
    assignment = payloads.assignment(data)
    assert assignment == expected
    assert list(assignment.replicas) == sorted(assignment.replicas)


def test_eleven_partitions_are_in_order_of_numbers_not_of_text() -> None:
    data = json.dumps({"version": 1, "partitions": {str(n): [1] for n in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)}}).encode()
    assert list(payloads.assignment(data).replicas) == list(range(11))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[2,1]}',
            PartitionState(leader=1, isr=(2, 1)),
        ),
        (
            b'{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":0,"isr":[],"leader_recovery_state":1}',
            PartitionState(leader=None, isr=()),
        ),
    ],
)
def test_a_partition_without_leader_has_none(data: bytes, expected: PartitionState) -> None:
    assert payloads.partition_state(data) == expected


def test_topics_of_a_reassignment_are_named_once() -> None:
    data = (
        b'{"version":1,"partitions":[{"topic":"b","partition":0,"replicas":[1]},{"topic":"a","partition":0,"replicas":[1]},'
        b'{"topic":"b","partition":1,"replicas":[2]}]}'
    )
    assert payloads.reassigned_topics(data) == ("a", "b")


@pytest.mark.parametrize("data", [b"", b'{"version":1,"config":{}}'])
def test_an_entity_without_config_has_an_empty_one(data: bytes) -> None:
    assert payloads.entity_config(data) == {}


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("<default>", None),
        ("%3Cdefault%3E", "<default>"),
        ("a%2Fb", "a/b"),
        ("%C3%BC%252F", "ü%2F"),
        ("two%20words%2A", "two words*"),
        ("plus%2Bplus", "plus+plus"),
        ("CN%3Dalice%2COU%3DIT", "CN=alice,OU=IT"),
        ("192.168.0.1", "192.168.0.1"),
    ],
)
def test_the_default_entity_is_told_from_a_user_of_that_name(node: str, name: str | None) -> None:
    assert payloads.entity_name(node) == name


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("~*+ /<default>")
def test_every_name_survives_kafkas_encoding(name: str) -> None:
    as_java_encodes_it = quote(name, safe="").replace("~", "%7E")
    assert payloads.entity_name(as_java_encodes_it) == name


CREDENTIAL = "salt=MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E=,stored_key=mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=,server_key=Z2lobw==,iterations=8192"  # noqa: E501


def test_a_user_keeps_credentials_and_quotas_in_one_node() -> None:
    data = json.dumps({"version": 1, "config": {"SCRAM-SHA-256": CREDENTIAL, "producer_byte_rate": "1024"}}).encode()
    entity = payloads.quota_entity((("user", "a%2Fb"),), data, secrets=False)
    assert entity == QuotaEntity(
        names=(("user", "a/b"),),
        quotas={"producer_byte_rate": 1024.0},
        credentials=(ScramCredential(mechanism="SCRAM-SHA-256", iterations=8192),),
    )


def test_keys_of_a_credential_come_only_with_secrets() -> None:
    data = json.dumps({"version": 1, "config": {"SCRAM-SHA-512": CREDENTIAL}}).encode()
    (credential,) = payloads.quota_entity((("user", "alice"),), data, secrets=True).credentials
    assert credential.salt == "MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E="
    assert credential.stored_key == Secret("mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=")
    assert credential.server_key == Secret("Z2lobw==")


def test_rules_come_out_in_the_words_of_the_api() -> None:
    data = (
        b'{"version":1,"acls":[{"principal":"User:alice","permissionType":"Allow","operation":"DescribeConfigs","host":"*"},'
        b'{"principal":"User:CN=bob,O=\xc3\xbc","permissionType":"DENY","operation":"idempotentwrite","host":"10.0.0.1"}]}'
    )
    assert payloads.acls("TransactionalId", "tx-", "prefixed", data) == (
        Acl(
            resource_type="TRANSACTIONAL_ID",
            resource_name="tx-",
            pattern_type="PREFIXED",
            principal="User:CN=bob,O=ü",
            host="10.0.0.1",
            operation="IDEMPOTENT_WRITE",
            permission="DENY",
        ),
        Acl(
            resource_type="TRANSACTIONAL_ID",
            resource_name="tx-",
            pattern_type="PREFIXED",
            principal="User:alice",
            host="*",
            operation="DESCRIBE_CONFIGS",
            permission="ALLOW",
        ),
    )


def test_an_old_consumers_offset_is_decimal_text() -> None:
    assert payloads.committed_offset("t", "3", b"12345678901") == CommittedOffset(
        topic="t", partition=3, offset=12345678901
    )


DECODERS: dict[str, Callable[[bytes], object]] = {
    "broker": lambda data: payloads.broker(1, data),
    "controller": payloads.controller,
    "cluster id": payloads.cluster_id,
    "topic": payloads.assignment,
    "partition": payloads.partition_state,
    "reassignment": payloads.reassigned_topics,
    "config": payloads.entity_config,
    "user": lambda data: payloads.quota_entity((("user", "alice"),), data, secrets=True),
    "acls": lambda data: payloads.acls("Topic", "t", "literal", data),
    "offset": lambda data: payloads.committed_offset("t", "0", data),
}


@pytest.mark.parametrize(
    ("decoder", "data"),
    [
        ("broker", b'{"version":4,"host":null,"port":-1,"endpoints":[]}'),
        ("broker", b'{"version":4,"host":null,"port":-1,"endpoints":[null]}'),
        ("broker", b'{"version":4,"host":null,"port":-1,"endpoints":"SSL://h:1"}'),
        ("controller", b'{"version":2,"brokerid":null}'),
        ("controller", b'{"version":2,"brokerid":1,"kraftControllerEpoch":"5"}'),
        ("cluster id", b"[]"),
        ("topic", b""),
        ("topic", b"null"),
        ("topic", b'{"version":1,"partitions":{}}'),
        ("topic", b'{"version":1,"partitions":{"0":[1],"2":[1]}}'),
        ("topic", b'{"version":1,"partitions":{"zero":[1]}}'),
        ("topic", b'{"version":1,"partitions":{"0":["1"]}}'),
        ("topic", b'{"version":1,"partitions":{"0":1}}'),
        ("topic", b'{"version":1,"partitions":{"0":[1]},"topic_id":5}'),
        ("topic", b"[" * 100_000),
        ("partition", b'{"leader":true,"isr":[1]}'),
        ("reassignment", b'{"version":1,"partitions":{}}'),
        ("config", b'{"version":1}'),
        ("config", b'{"version":1,"config":{"retention.ms":1000}}'),
        ("user", b'{"version":1,"config":{"producer_byte_rate":"much"}}'),
        ("user", b'{"version":1,"config":{"producer_byte_rate":"NaN"}}'),
        ("user", b'{"version":1,"config":{"SCRAM-SHA-256":"salt=,stored_key=eA==,server_key=eA==,iterations=1"}}'),
        ("user", b'{"version":1,"config":{"SCRAM-SHA-256":"salt=eA==,stored_key=eA==,server_key=eA=="}}'),
        ("acls", b""),
        ("acls", b'{"version":1,"acls":[7]}'),
        (
            "acls",
            b'{"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","operation":"Fly","host":"*"}]}',
        ),
        ("acls", b'{"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","operation":"Read"}]}'),
        ("offset", b"-1"),
        ("offset", b"12.5"),
        ("offset", b"\xff"),
        ("offset", b""),
    ],
)
def test_data_that_does_not_say_what_it_should_is_unreadable(decoder: str, data: bytes) -> None:
    with pytest.raises(Unreadable):
        DECODERS[decoder](data)


def test_what_is_wrong_with_a_credential_is_said_without_it() -> None:
    data = json.dumps({"version": 1, "config": {"SCRAM-SHA-256": "salt=c2FsdA==,stored_key=c3RvcmVk"}}).encode()
    with pytest.raises(Unreadable) as error:
        payloads.quota_entity((("user", "alice"),), data, secrets=True)
    assert "c2FsdA" not in str(error.value)
    assert "c3RvcmVk" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["version", "partitions", "0", "config", "acls", "endpoints", "isr", "leader", "host", "port"]
            ),
            inner,
        )
    ),
)


@given(data=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_value_or_are_unreadable(data: bytes) -> None:
    for decode in DECODERS.values():
        with contextlib.suppress(Unreadable):
            decode(data)


STAT = bytes(68)


def header(kind: int, *, done: bool = False, error: int = 0) -> bytes:
    return struct.pack("!i?i", kind, done, error)


def test_a_request_for_many_nodes_is_laid_out_as_zookeeper_reads_it() -> None:
    request = MultiRead(Operation.GET_DATA, ["/a", "/ü"])
    assert request.serialize() == (
        header(4, error=-1)
        + b"\0\0\0\2/a\0"
        + header(4, error=-1)
        + b"\0\0\0\3/\xc3\xbc\0"
        + header(-1, done=True, error=-1)
    )


def test_answers_for_many_nodes_come_one_by_one_with_absences_among_them() -> None:
    answer = b"".join(
        [
            header(4) + b"\0\0\0\3abc" + STAT,
            header(-1, error=-101) + struct.pack("!i", -101),
            header(4) + struct.pack("!i", -1) + STAT,
            header(-1, error=-102) + struct.pack("!i", -102),
            header(8) + b"\0\0\0\2" + b"\0\0\0\1x" + b"\0\0\0\2\xc3\xbc",
            header(-1, done=True, error=-1),
        ]
    )
    assert MultiRead.deserialize(b"before" + answer, 6) == [b"abc", Absence.GONE, b"", Absence.FORBIDDEN, ["x", "ü"]]


def test_an_answer_that_is_no_absence_is_an_error() -> None:
    with pytest.raises(ValueError, match="-5"):
        MultiRead.deserialize(header(-1, error=-5) + struct.pack("!i", -5), 0)


def test_a_salt_may_end_in_equal_signs() -> None:
    salt = base64.b64encode(b"x").decode()
    assert salt.endswith("==")
    data = json.dumps(
        {"config": {"SCRAM-SHA-256": f"iterations=4096,server_key={salt},stored_key={salt},salt={salt}"}}
    ).encode()
    (credential,) = payloads.quota_entity((("user", "a"),), data, secrets=True).credentials
    assert credential.salt == salt
