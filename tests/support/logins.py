"""A cluster that demands TLS and a login, and the `.properties` lines of everybody who may log in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster
from tests.support.stores_made_by_java import JavaStores

MODULES = "org.apache.kafka.common.security"
PASSWORD = 'p"w\\;1 ü'
MECHANISMS = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}
SCRAM_USERS = ("alice", "a,b=c d")
"""Kafka takes no letters beyond ASCII in a SCRAM name (ScramMessages), in a password it does."""


@pytest.fixture(scope="module")
def cluster(stores_made_by_java: JavaStores) -> Iterator[Cluster]:
    """Kafka 4.3.1 with a listener SASL_SSL of every mechanism and a listener SSL that wants a client's certificate."""
    stores = {
        "ssl.keystore.location": str(stores_made_by_java.path("server.jks")),
        "ssl.keystore.password": stores_made_by_java.password,
        "ssl.truststore.location": str(stores_made_by_java.path("trust.p12")),
        "ssl.truststore.password": stores_made_by_java.password,
    }
    logins = {
        "scram-sha-256": f"{MODULES}.scram.ScramLoginModule required;",
        "scram-sha-512": f"{MODULES}.scram.ScramLoginModule required;",
        "plain": f'{MODULES}.plain.PlainLoginModule required user_bob="plain pw";',
        "oauthbearer": f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="b";',
    }
    settings = {
        "super.users": "User:ANONYMOUS;User:alice;User:a,b=c d;User:bob;User:tina;User:CN=client",
        "listener.name.login.sasl.enabled.mechanisms": ",".join(logins).upper(),
        "listener.name.certificate.ssl.client.auth": "required",
        **{f"listener.name.login.{name}.sasl.jaas.config": module for name, module in logins.items()},
        **{f"listener.name.{name}.{key}": value for name in ("login", "certificate") for key, value in stores.items()},
    }
    with kraft_cluster(settings=settings, listeners={"LOGIN": "SASL_SSL", "CERTIFICATE": "SSL"}) as started:
        admin = AdminClient({"log_level": 0, "bootstrap.servers": started.bootstrap_servers})
        for user in SCRAM_USERS:
            for mechanism in MECHANISMS.values():
                credential = ScramCredentialInfo(mechanism, 4096)
                change = UserScramCredentialUpsertion(user, credential, PASSWORD.encode())
                for future in admin.alter_user_scram_credentials([change]).values():
                    future.result()
        yield started


def scram(user: str, mechanism: str) -> str:
    password = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    entry = f'{MODULES}.scram.ScramLoginModule required username="{user}" password="{password}";'
    escaped = entry.replace("\\", "\\\\").replace("ü", "\\u00fc")
    return f"security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nsasl.jaas.config={escaped}\n"


LOGINS: Mapping[str, str] = {
    **{f"{user} by {mechanism}": scram(user, mechanism) for user in SCRAM_USERS for mechanism in MECHANISMS},
    "bob by PLAIN": "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config="
    f'{MODULES}.plain.PlainLoginModule required username="bob" password="plain pw";\n',
    "tina by OAUTHBEARER": "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.jaas.config="
    f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="tina";\n',
    "a certificate": "security.protocol=SSL\n",
}
