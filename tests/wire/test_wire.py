"""First contact, and what brokers tell in the raw protocol."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka.net.selector import NetworkSelector
from kafka.protocol.admin import ListGroupsRequest

from kafka_meta import playground, wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Secret
from kafka_meta.playground import Cluster, Design
from kafka_meta.settings import ClusterSettings, Sasl
from kafka_meta.wire import connection as wires
from kafka_meta.wire.versions import release
from tests.support.brokers import kraft_cluster
from tests.support.guarded import Guarded, by_tls
from tests.support.proxy import Abrupt, known_as
from tests.support.three import killed

pytest_plugins = ["tests.support.guarded"]


def plain(address: str) -> ClusterSettings:
    return ClusterSettings(role="source", bootstrap_servers=address)


def failure(settings: ClusterSettings) -> KafkaMetaError:
    started = time.monotonic()
    with pytest.raises(KafkaMetaError) as caught:
        wire.connect(settings)
    assert time.monotonic() - started < 15
    return caught.value


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def listener(says: bytes | None) -> Iterator[str]:
    """Something that listens and is no broker; None: it says nothing and keeps the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if says is not None:
                    connection.recv(100)
                    connection.sendall(says)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_port_without_a_broker_is_refused(free_port: int) -> None:
    error = failure(plain(f"127.0.0.1:{free_port}"))
    assert error.message == (
        f"cannot reach the source at 127.0.0.1:{free_port}: connection refused; no broker listens on that port"
    )
    assert error.hint == "Check --source-bootstrap-servers."


def test_a_name_that_nobody_knows_is_said_to_be_that() -> None:
    error = failure(replace(plain("broker.invalid:9092"), role="dest", origins={"bootstrap_servers": "old.properties"}))
    assert error.message == (
        "cannot reach the destination at broker.invalid:9092: the name broker.invalid cannot be resolved"
    )
    assert error.hint == "Check the value from old.properties."


@pytest.mark.parametrize("text", ["kafka1", ":9092", "kafka1:0", "kafka1:70000", "kafka1:port"])
def test_an_address_without_host_or_port_is_refused_by_itself(text: str) -> None:
    assert failure(plain(text)).message == f"{text!r} is not the address of a broker"


def test_no_address_at_all_asks_for_one() -> None:
    assert failure(plain(" , ")).hint == "Use --source-bootstrap-servers HOST:PORT."


def test_the_second_address_is_taken_where_the_first_one_fails(source: Cluster, free_port: int) -> None:
    with wire.connect(plain(f"127.0.0.1:{free_port},{source.bootstrap_servers}")) as connection:
        assert connection.version == "3.9"


def test_all_addresses_are_named_when_none_of_them_works(free_port: int) -> None:
    error = failure(plain(f"127.0.0.1:{free_port},broker.invalid:9092"))
    assert error.message.endswith("no broker listens on that port (nor at broker.invalid:9092)")


def test_a_web_server_is_not_taken_for_a_broker() -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert failure(plain(address)).message.endswith("it is not a broker")


def test_a_port_that_hangs_up_may_be_no_broker() -> None:
    with listener(b"") as address:
        assert "it closes the connection" in failure(plain(address)).message


@pytest.mark.guard
def test_a_port_that_says_nothing_is_given_up_in_time() -> None:
    with listener(None) as address:
        assert "it accepts the connection but does not answer" in failure(plain(address)).message


def test_zookeeper_is_not_taken_for_a_broker(source: Cluster) -> None:
    assert source.zookeeper_connect is not None
    assert "no Kafka broker answers" in failure(plain(source.zookeeper_connect.partition("/")[0])).message


def test_tls_spoken_to_a_plaintext_port_is_named(guarded: Guarded) -> None:
    error = failure(by_tls(guarded.cluster.bootstrap_servers, guarded.trust))
    assert error.message.endswith(
        "the broker closed the connection during the handshake; the port probably does not use TLS"
    )
    assert error.hint == "security.protocol is SSL: compare it with the broker's listeners."


def test_plain_text_spoken_to_a_tls_port_is_named(guarded: Guarded) -> None:
    message = failure(plain(guarded.address("SECRET"))).message
    assert "uses TLS, but security.protocol does not" in message


def test_an_authority_that_we_do_not_trust_is_named(guarded: Guarded) -> None:
    error = failure(by_tls(guarded.address("SECRET"), guarded.stranger))
    assert "the broker's certificate is not trusted" in error.message


def test_a_certificate_for_another_host_is_named(guarded: Guarded) -> None:
    error = failure(by_tls(guarded.address("SECRET", host="localhost"), guarded.trust))
    assert error.message.endswith("the broker's certificate is not for localhost")
    assert error.hint is not None and "ssl.endpoint.identification.algorithm" in error.hint


def test_a_missing_client_certificate_is_named(guarded: Guarded) -> None:
    error = failure(by_tls(guarded.address("MUTUAL"), guarded.trust))
    assert error.message.endswith("the broker requires a client certificate, and none is set")


def test_tls_with_a_client_certificate_gets_in(guarded: Guarded) -> None:
    for settings in (
        by_tls(guarded.address("SECRET"), guarded.trust),
        by_tls(guarded.address("MUTUAL"), guarded.trust, guarded.certificate),
    ):
        with wire.connect(settings) as connection:
            assert connection.cluster_id


def test_certificates_that_cannot_be_read_are_named(guarded: Guarded) -> None:
    nothing = guarded.trust.with_name("nothing.pem")
    assert (
        "the certificates for the destination cannot be used"
        in failure(by_tls(guarded.address("SECRET"), nothing)).message
    )


def test_a_wrong_password_is_named_with_the_user_and_never_shown(guarded: Guarded) -> None:
    settings = replace(guarded.as_user("admin", "guessed wrongly"), origins={"password": "old.properties, line 7"})
    error = failure(settings)
    assert error.message == (
        f'cannot log in to the source at {guarded.address("LOGIN")} as "admin": '
        "the broker refused the login (PLAIN); the username or password may be wrong"
    )
    assert error.hint == "Check the value from old.properties, line 7."


def test_a_mechanism_that_the_listener_does_not_have_is_named(guarded: Guarded) -> None:
    error = failure(guarded.as_user("admin", mechanism="SCRAM-SHA-256"))
    assert error.message.endswith('as "admin": the broker does not offer SCRAM-SHA-256')
    assert error.hint == "Set sasl.mechanism to one that the listener offers."


def test_a_login_where_none_is_taken_is_named(guarded: Guarded) -> None:
    settings = replace(guarded.as_user("admin"), bootstrap_servers=guarded.cluster.bootstrap_servers)
    assert "the listener does not support logins" in failure(settings).message


def test_no_login_where_one_is_wanted_is_named(guarded: Guarded) -> None:
    assert failure(plain(guarded.address("LOGIN"))).message.endswith("it probably requires a login")


@pytest.mark.guard
def test_brokers_that_name_an_address_which_nobody_reaches_are_told_from_those_that_are_down() -> None:
    with kraft_cluster(settings={"advertised.listeners": "PLAINTEXT://127.0.0.1:1"}) as away:
        error = failure(plain(away.bootstrap_servers))
    assert error.message.endswith("can be reached at its advertised address: 127.0.0.1:1")
    assert error.hint is not None and "advertised.listeners" in error.hint


def test_a_login_gets_in(guarded: Guarded) -> None:
    with wire.connect(guarded.as_user("admin")) as connection:
        assert connection.cluster_id


def test_the_library_stays_silent_and_never_prints_requests(
    source: Cluster, free_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    failure(plain(f"127.0.0.1:{free_port}"))
    secret = Secret("whispered")
    failure(
        ClusterSettings(
            role="source",
            bootstrap_servers=source.bootstrap_servers,
            security_protocol="SASL_PLAINTEXT",
            sasl=Sasl(mechanism="PLAIN", username="alice", password=secret),
        )
    )
    logging.getLogger("kafka").setLevel(logging.DEBUG)
    with wire.connect(plain(source.bootstrap_servers)):
        assert logging.getLogger("kafka.net.connection").getEffectiveLevel() >= logging.INFO
    assert capfd.readouterr() == ("", "")


def test_cluster_and_version_are_told(source: Cluster, dest: Cluster) -> None:
    told = {}
    for cluster in (source, dest):
        with wire.connect(plain(cluster.bootstrap_servers)) as connection:
            told[connection.version] = (connection.kraft, connection.cluster_id)
            metadata = wire.metadata(connection)
            assert metadata.cluster_id == connection.cluster_id
            assert [broker.port for broker in metadata.brokers] == [cluster.brokers[0].port]
            assert metadata.cluster_operations is not None and "ALTER" in metadata.cluster_operations
    assert {version: kraft for version, (kraft, _) in told.items()} == {"3.9": False, "4.3": True}


@pytest.mark.parametrize(
    ("metadata_version", "version"), [(7, "3.3"), (9, "3.5"), (21, "3.9"), (25, "4.0"), (30, "4.3"), (31, None)]
)
def test_a_version_is_told_by_the_metadata_versions_and_never_guessed_beyond_them(
    metadata_version: int, version: str | None
) -> None:
    assert release({}, metadata_version) == version


@pytest.mark.brokers
def test_a_service_that_ends_connections_at_new_requests_is_asked_in_the_old_way() -> None:
    with (
        Abrupt() as proxy,
        playground.running(Design(version="3.9.1", mode="kraft", settings=known_as(proxy))) as (cluster,),
    ):
        proxy.target = cluster.brokers[0].port
        with wire.connect(plain(f"127.0.0.1:{proxy.port}")) as connection:
            assert wire.metadata(connection).topics == {}
            assert connection.broker_ids == (1,)
        assert proxy.closed == 0


def test_asking_for_a_topic_does_not_create_it(source: Cluster) -> None:
    with wire.connect(plain(source.bootstrap_servers)) as connection:
        asked = wire.metadata(connection, ["wire-is-not-there"])
        assert asked.topics == {}
        assert [(str(gap.resource), gap.reason) for gap in asked.gaps] == [
            ("topic wire-is-not-there", "UNKNOWN_TOPIC_OR_PARTITION")
        ]
        time.sleep(1)  # what is created late shows late
        assert "wire-is-not-there" not in wire.metadata(connection).topics


def test_sizes_and_offsets_are_those_of_the_leaders(source: Cluster) -> None:
    admin = AdminClient({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    for future in admin.create_topics([NewTopic("wire-sizes", 2, 1)]).values():
        future.result()
    producer = Producer({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    for number in range(5):
        producer.produce("wire-sizes", partition=1, value=b"x" * 1000, timestamp=1_700_000_000_000 + number)
    assert producer.flush(30) == 0
    leaders = {("wire-sizes", 0): source.brokers[0].id, ("wire-sizes", 1): source.brokers[0].id}
    with wire.connect(plain(source.bootstrap_servers)) as connection:
        assert wire.offsets(connection, leaders, wire.EARLIEST) == (dict.fromkeys(leaders, 0), {})
        ends = {("wire-sizes", 0): 0, ("wire-sizes", 1): 5}
        assert wire.offsets(connection, leaders, wire.LATEST) == (ends, {})
        at_third = {("wire-sizes", 0): None, ("wire-sizes", 1): 2}
        assert wire.offsets(connection, leaders, 1_700_000_000_002) == (at_third, {})
        disk = wire.log_dirs(connection)
    assert disk.sizes["wire-sizes", 0, source.brokers[0].id] == 0
    assert disk.sizes["wire-sizes", 1, source.brokers[0].id] > 5000
    ((volume,),) = disk.volumes.values()
    assert volume.path.startswith(str(source.brokers[0].data_dir))
    assert 0 < volume.usable_bytes < volume.total_bytes
    assert disk.gaps == ()


def test_an_offset_that_is_not_told_has_a_reason(source: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_meta.wire.topics._PAUSE_SECONDS", 0.01)
    place = ("wire-unknown", 0)
    with wire.connect(plain(source.bootstrap_servers)) as connection:
        found, failed = wire.offsets(connection, {place: source.brokers[0].id}, wire.LATEST)
    assert found == {}
    assert failed == {place: "UNKNOWN_TOPIC_OR_PARTITION"}


def test_log_directories_that_may_not_be_seen_are_a_gap_and_not_zero(guarded: Guarded) -> None:
    with wire.connect(guarded.as_user("reader")) as connection:
        disk = wire.log_dirs(connection)
    assert disk.sizes == {}
    (gap,) = disk.gaps
    assert str(gap.resource).startswith("log directories of broker") and "CLUSTER_AUTHORIZATION_FAILED" in gap.reason


def test_more_requests_than_a_connection_takes_are_all_answered(source: Cluster) -> None:
    with wire.connect(plain(source.bootstrap_servers)) as connection:
        answers = connection.ask_all([(source.brokers[0].id, ListGroupsRequest()) for _ in range(50)])
    assert [answer.error_code for answer in answers] == [0] * 50


def test_a_broker_that_nobody_knows_is_a_reason_and_not_a_crash(dest: Cluster) -> None:
    with wire.connect(plain(dest.bootstrap_servers)) as connection:
        with pytest.raises(wire.Unanswered, match="the broker is not known yet"):
            connection.ask(ListGroupsRequest(), broker=999)
        assert connection.ask(ListGroupsRequest()).error_code == 0


@pytest.mark.guard
def test_a_broker_that_dies_is_a_reason_and_answers_again_when_it_is_back(three_dest: Cluster) -> None:
    dead, *others = three_dest.brokers
    with wire.connect(replace(plain(three_dest.bootstrap_servers), request_timeout_ms=5_000)) as connection:
        ids = (dead.id, *(broker.id for broker in others))
        assert [answer.error_code for answer in connection.ask_all([(id, ListGroupsRequest()) for id in ids])] == [
            0
        ] * 3
        with killed(dead):
            first, *rest = connection.ask_all([(id, ListGroupsRequest()) for id in ids])
            assert isinstance(first, wire.Unanswered) and first.retriable
            assert [answer.error_code for answer in rest] == [0, 0]
        assert connection.ask(ListGroupsRequest(), broker=dead.id).error_code == 0


@contextmanager
def looping(address: str, **configs: object) -> Iterator[wire.Wire]:
    """Nobody was met at that address yet."""
    net = NetworkSelector()
    manager = wires.Manager(net, login=dict, bootstrap_servers=[address], **configs)
    net.start()
    with wire.Wire(net, manager, version=None, kraft=True) as connection:
        yield connection


def test_a_broker_that_takes_the_connection_and_hangs_before_tls_is_given_up_in_time() -> None:
    tls = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context()}
    setup = {"socket_connection_setup_timeout_ms": 300, "socket_connection_setup_timeout_max_ms": 300}
    with listener(says=None) as address, looping(address, **tls, **setup, request_timeout_ms=60_000) as connection:
        started = time.monotonic()
        with pytest.raises(wire.Unanswered, match="did not answer in time") as silence:
            connection.ask(ListGroupsRequest(), "bootstrap-0")
        assert silence.value.retriable
        assert time.monotonic() - started < 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_for_an_answer_hears_that_the_loop_has_died() -> None:
    with listener(says=None) as address, looping(address) as connection:

        def die(*_: object) -> None:
            raise OSError("no more files")

        connection._net._selector.select = die
        with pytest.raises(OSError, match="no more files"):
            connection.ask(ListGroupsRequest(), "bootstrap-0")


def test_closing_does_not_wait_for_a_loop_that_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "_CLOSING_SECONDS", 0.3)
    answer = threading.Event()
    with listener(says=None) as address:
        with looping(address) as connection:
            connection._net.call_soon_threadsafe(answer.wait)  # as a resolver may be
            started = time.monotonic()
        assert time.monotonic() - started < 3
        answer.set()
