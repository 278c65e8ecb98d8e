"""The `.properties` files of Java users, tried by all clients where brokers and ZooKeeper demand TLS and a login."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_acl, make_digest_acl

from kafka_meta import playground
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings, TokenProvider
from kafka_meta.zookeeper.login import log_in_with
from tests.support.brokers import zookeeper_cluster
from tests.support.logins import LOGINS
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.stores_made_by_java", "tests.support.logins"]
pytestmark = pytest.mark.guard


def cluster_ids(settings: ClusterSettings) -> tuple[str, str]:
    """What librdkafka and kafka-python hear from the cluster; raises when either cannot log in."""
    AbstractTokenProvider.register(TokenProvider)
    theirs = (
        AdminClient(settings.librdkafka(), logger=logging.getLogger("librdkafka")).list_topics(timeout=10).cluster_id
    )
    client = KafkaAdminClient(**settings.kafka_python(), bootstrap_timeout_ms=10_000)
    try:
        return theirs, client.describe_cluster()["cluster_id"]
    finally:
        client.close()


@pytest.mark.parametrize("kind", ["jks", "p12", "pem"])
@pytest.mark.parametrize("login", LOGINS)
def test_one_file_logs_java_and_both_clients_in(
    cluster: Cluster, stores_made_by_java: JavaStores, login: str, kind: str
) -> None:
    address = cluster.bootstrap("CERTIFICATE" if login == "a certificate" else "LOGIN")
    text = f"bootstrap.servers={address}\n{LOGINS[login]}"
    settings = stores_made_by_java.settings(text, f"trust.{kind}", f"key.{kind}")
    theirs, ours = cluster_ids(settings)
    assert theirs == ours
    if kind != "pem":  # Kafka on Java 17 opens no PEM key enciphered by PBES2, what everyone else writes
        file = str(stores_made_by_java.path("client.properties"))
        arguments = ("cluster-id", "--bootstrap-server", address, "--config", file)
        assert f"Cluster ID: {ours}" in cluster.tool("org.apache.kafka.tools.ClusterTool", *arguments)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("127.0.0.1", "localhost"),  # not a name in the certificate
        ("trust.p12", "leaf.pem"),  # an authority that did not sign it
        ('password="plain pw"', 'password="wrong"'),
        ("SASL_SSL", "SASL_PLAINTEXT"),
    ],
)
def test_no_client_gets_in_with_one_thing_wrong(
    cluster: Cluster, stores_made_by_java: JavaStores, old: str, new: str
) -> None:
    good = f"bootstrap.servers={cluster.bootstrap('LOGIN')}\n{LOGINS['bob by PLAIN']}" + stores_made_by_java.properties(
        "trust.p12", "key.p12"
    )
    assert old in good
    settings = stores_made_by_java.resolve(good.replace(old, new))
    with pytest.raises(KafkaException):
        AdminClient(settings.librdkafka(), logger=logging.getLogger("librdkafka")).list_topics(timeout=3)
    with pytest.raises(KafkaError):
        KafkaAdminClient(**settings.kafka_python(), bootstrap_timeout_ms=3_000)


def test_a_host_name_is_not_checked_where_the_file_says_so(cluster: Cluster, stores_made_by_java: JavaStores) -> None:
    address = cluster.bootstrap("LOGIN").replace("127.0.0.1", "localhost")
    text = f"bootstrap.servers={address}\nssl.endpoint.identification.algorithm=\n{LOGINS['bob by PLAIN']}"
    assert len(set(cluster_ids(stores_made_by_java.settings(text)))) == 1


@pytest.fixture(scope="module")
def zookeeper_port(stores_made_by_java: JavaStores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """ZooKeeper 3.8 with a TLS port that wants a client's certificate and knows user `zk`."""
    jaas = tmp_path_factory.mktemp("zookeeper") / "jaas.conf"
    jaas.write_text(
        'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_zk="zk \\"pü"; };\n',
        encoding="utf-8",
    )
    port = playground.free_port()
    settings = {
        "secureClientPort": str(port),
        "secureClientPortAddress": "127.0.0.1",
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "ssl.keyStore.location": str(stores_made_by_java.path("server.jks")),
        "ssl.keyStore.password": stores_made_by_java.password,
        "ssl.trustStore.location": str(stores_made_by_java.path("trust.p12")),
        "ssl.trustStore.password": stores_made_by_java.password,
    }
    options = [f"-Djava.security.auth.login.config={jaas}"]
    with zookeeper_cluster(zookeeper_settings=settings, zookeeper_jvm_options=options):
        yield port


def zookeeper_file(port: int, stores: JavaStores, more: str) -> str:
    own = stores.properties("trust.p12", "key.p12").replace("ssl.", "zookeeper.ssl.")
    return f"zookeeper.connect=127.0.0.1:{port}\nzookeeper.ssl.client.enable=true\n{own}{more}"


def connected(settings: ClusterSettings) -> KazooClient:
    assert settings.zookeeper
    client = KazooClient(**settings.zookeeper.kazoo())
    if settings.zookeeper.username and settings.zookeeper.password:
        log_in_with(client, settings.zookeeper.username, settings.zookeeper.password)
    client.start(timeout=10)
    return client


@pytest.mark.parametrize("scheme", ["sasl", "digest"])
def test_zookeeper_is_logged_in_to_over_tls(
    zookeeper_port: int, stores_made_by_java: JavaStores, tmp_path: Path, scheme: str
) -> None:
    jaas = tmp_path / "jaas.conf"
    jaas.write_text(
        'Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="zk" password="zk \\"pü"; };\n',
        encoding="utf-8",
    )
    login = f"java.security.auth.login.config={jaas}\n" if scheme == "sasl" else "zookeeper.digest=me:my pw\n"
    settings = stores_made_by_java.resolve(zookeeper_file(zookeeper_port, stores_made_by_java, login))
    anonymous = stores_made_by_java.resolve(zookeeper_file(zookeeper_port, stores_made_by_java, ""))
    client = connected(settings)
    stranger = connected(anonymous)
    try:
        acl = make_acl("sasl", "zk", all=True) if scheme == "sasl" else make_digest_acl("me", "my pw", all=True)
        client.create(f"/of-{scheme}", b"kept", acl=[acl])
        assert client.get(f"/of-{scheme}")[0] == b"kept"
        with pytest.raises(NoAuthError):
            stranger.get(f"/of-{scheme}")
    finally:
        for each in (client, stranger):
            each.stop()
            each.close()


def test_a_zookeeper_with_another_host_name_or_authority_is_refused(
    zookeeper_port: int, stores_made_by_java: JavaStores
) -> None:
    file = zookeeper_file(zookeeper_port, stores_made_by_java, "")
    elsewhere = file.replace("127.0.0.1", "localhost")
    unchecked = connected(stores_made_by_java.resolve(elsewhere + "zookeeper.ssl.endpoint.identification.algorithm=\n"))
    unchecked.stop()
    unchecked.close()
    for refused in (elsewhere, file.replace("trust.p12", "leaf.pem")):
        settings = stores_made_by_java.resolve(refused)
        assert settings.zookeeper
        client = KazooClient(**settings.zookeeper.kazoo())
        with pytest.raises(KazooTimeoutError):
            client.start(timeout=3)
        client.close()
