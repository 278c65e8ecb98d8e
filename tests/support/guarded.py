"""A cluster that asks who is there: a listener with a login, one with TLS, one that wants a client's certificate."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kafka_meta.model import Secret
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings, Sasl, Tls
from tests.support.brokers import kraft_cluster

PASSWORD = "open sesame"
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Guarded:
    """`admin` may do everything, `reader` nothing but what a test allows. `trust` is the server's own authority."""

    cluster: Cluster
    trust: Path
    stranger: Path
    """An authority that has signed nothing here."""
    certificate: Path
    key: Path

    def address(self, listener: str, host: str = "127.0.0.1") -> str:
        return self.cluster.bootstrap(listener).replace("127.0.0.1", host)

    def as_user(self, name: str, password: str = PASSWORD, mechanism: str = "PLAIN") -> ClusterSettings:
        return ClusterSettings(
            role="source",
            bootstrap_servers=self.address("LOGIN"),
            security_protocol="SASL_PLAINTEXT",
            sasl=Sasl(mechanism=mechanism, username=name, password=Secret(password)),  # type: ignore[arg-type]
        )


@dataclass
class Authority:
    directory: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> Path:
        path = self.directory / f"{self.name}.pem"
        path.write_bytes(self._signed(self.name, self.key, authority=True).public_bytes(Encoding.PEM))
        return path

    def keystore(self, name: str) -> Path:
        """Key and certificate for 127.0.0.1, not for localhost, as Kafka's PEM stores want them."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = self.directory / f"{name}-store.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + self._signed(name, key, authority=False).public_bytes(Encoding.PEM)
        )
        return path

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Kafka 4.3.1, KRaft."""
    directory = tmp_path_factory.mktemp("guarded")
    authority = Authority(directory, "authority")
    client = authority.keystore("client")
    stores = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.keystore("server")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.pem),
    }
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in ("admin", "reader"))
    settings = {
        "super.users": "User:ANONYMOUS;User:admin",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f"{PLAIN_LOGIN} required {users};",
        "listener.name.mutual.ssl.client.auth": "required",
        **{f"listener.name.{name}.{key}": value for name in ("secret", "mutual") for key, value in stores.items()},
    }
    listeners = {"LOGIN": "SASL_PLAINTEXT", "SECRET": "SSL", "MUTUAL": "SSL"}
    with kraft_cluster(settings=settings, listeners=listeners) as cluster:
        yield Guarded(
            cluster=cluster,
            trust=authority.pem,
            stranger=Authority(directory, "stranger").pem,
            certificate=client,
            key=client,
        )


def by_tls(address: str, trust: Path, certificate: Path | None = None) -> ClusterSettings:
    file = None if certificate is None else str(certificate)
    return ClusterSettings(
        role="dest",
        bootstrap_servers=address,
        security_protocol="SSL",
        tls=Tls(ca_file=str(trust), certificate_file=file, key_file=file),
    )
