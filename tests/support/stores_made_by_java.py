"""Key and trust stores as users have them: made by the JDK's keytool and by OpenSSL's formats."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from kafka_meta.model import Secret
from kafka_meta.settings import ClusterSettings, resolve
from kafka_meta.settings.stores import Store


class JavaStores:
    """A root, an intermediate authority, a client's and a server's key (for 127.0.0.1), in stores of every kind.

    trust.{jks,p12,pem}, trust-legacy.p12: the root. key.{jks,p12,pem}, key-legacy.p12, key.jceks: the client's key; in
    key.jks and key.pem it has a password of its own. server.jks: a broker's. leaf.pem: the client's certificate alone.
    """

    password = "store password"
    jks_password = "störe password"
    """Of trust.jks: of all kinds, JKS alone takes letters beyond ASCII."""
    key_password = "key-password"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        root, root_key = _certificate("root", authority=True)
        middle, middle_key = _certificate("middle", (root, root_key), authority=True)
        client, self.client_key = _certificate("client", (middle, middle_key))
        server, server_key = _certificate("server", (middle, middle_key))
        self.client_chain = _pem(client, middle, root)
        self.path("trust.pem").write_bytes(_pem(root))
        self.path("leaf.pem").write_bytes(_pem(client))
        own = BestAvailableEncryption(self.key_password.encode())
        self.path("key.pem").write_bytes(
            self.client_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, own) + self.client_chain
        )
        everything = BestAvailableEncryption(self.password.encode())
        for name, key, certificate in (("seed", self.client_key, client), ("server", server_key, server)):
            # The chain in the wrong order: PKCS#12 promises none.
            self.path(f"{name}.p12").write_bytes(
                pkcs12.serialize_key_and_certificates(b"me", key, certificate, [root, middle], everything)
            )
        # keytool reads a password file up to the end of its first line, in the default charset.
        self._password_file = self.path("password")
        self._password_file.write_text(self.password, encoding="utf-8")
        self._jks_password_file = self.path("jks-password")
        self._jks_password_file.write_text(self.jks_password, encoding="utf-8")
        self._key_password_file = self.path("key-password")
        self._key_password_file.write_text(self.key_password, encoding="utf-8")
        self._import("trust.jks", "JKS")
        self._import("trust.p12", "PKCS12")
        self._import("trust-legacy.p12", "PKCS12", "-J-Dkeystore.pkcs12.legacy")
        self._convert("key.jks", "JKS", "-srcalias", "me", "-destkeypass:file", str(self._key_password_file))
        self._convert("key.p12", "PKCS12")
        self._convert("key-legacy.p12", "PKCS12", "-J-Dkeystore.pkcs12.legacy")
        self._convert("key.jceks", "JCEKS")
        self._convert("server.jks", "JKS", source="server.p12")

    def path(self, name: str) -> Path:
        return self.directory / name

    def store(self, name: str) -> Store:
        own = name in ("key.jks", "key.pem")
        return Store(
            data=self.path(name).read_bytes(),
            name=name,
            password=Secret(self.jks_password if name == "trust.jks" else self.password),
            key_password=Secret(self.key_password) if own else None,
        )

    def properties(self, trust: str = "trust.jks", key: str = "key.jks") -> str:
        """Lines of a `.properties` file for these stores."""
        trusted = "st\\u00f6re password" if trust == "trust.jks" else self.password
        passwords = "" if trust.endswith(".pem") else f"ssl.truststore.password={trusted}\n"
        passwords += "" if key.endswith(".pem") else f"ssl.keystore.password={self.password}\n"
        passwords += f"ssl.key.password={self.key_password}\n" if key in ("key.jks", "key.pem") else ""
        types = "".join(
            f"ssl.{kind}store.type={Path(name).suffix[1:].upper().replace('P12', 'PKCS12')}\n"
            for kind, name in (("trust", trust), ("key", key))
        )
        return f"ssl.truststore.location={self.path(trust)}\nssl.keystore.location={self.path(key)}\n{types}{passwords}"

    def settings(self, text: str, trust: str = "trust.jks", key: str = "key.jks") -> ClusterSettings:
        """Settings from a file with this text and these stores."""
        return self.resolve(f"{text}\n{self.properties(trust, key)}")

    def resolve(self, text: str) -> ClusterSettings:
        config = self.path("client.properties")
        config.write_text(text, encoding="latin-1")
        return resolve("source", flags={"source-config": str(config)}, environ={}, toml=None)

    def _import(self, name: str, kind: str, *options: str) -> None:
        self._keytool(
            *options, "-importcert", "-noprompt", "-alias", "root", "-file", str(self.path("trust.pem")),
            "-storetype", kind, "-keystore", str(self.path(name)), "-storepass:file",
            str(self._jks_password_file if kind == "JKS" else self._password_file),
        )  # fmt: skip

    def _convert(self, name: str, kind: str, *options: str, source: str = "seed.p12") -> None:
        self._keytool(
            *options, "-importkeystore", "-noprompt",
            "-srckeystore", str(self.path(source)), "-srcstoretype", "PKCS12",
            "-srcstorepass:file", str(self._password_file),
            "-destkeystore", str(self.path(name)), "-deststoretype", kind,
            "-deststorepass:file", str(self._password_file),
        )  # fmt: skip

    def _keytool(self, *arguments: str) -> None:
        first = [argument for argument in arguments if argument.startswith("-J")]
        rest = [argument for argument in arguments if not argument.startswith("-J")]
        done = subprocess.run(
            ["keytool", "-J-Dfile.encoding=UTF-8", "-J-XX:TieredStopAtLevel=1", *first, *rest],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def stores_made_by_java(tmp_path_factory: pytest.TempPathFactory) -> JavaStores:
    return JavaStores(tmp_path_factory.mktemp("stores"))


def _certificate(
    name: str, issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None = None, *, authority: bool = False
) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: Sequence[x509.GeneralName] = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
