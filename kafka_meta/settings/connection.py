"""The settings to reach one cluster, and their translation for each client library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from kafka_meta.model import Secret
from kafka_meta.settings.oauth import TokenProvider
from kafka_meta.settings.renewal import Renewal

Role: TypeAlias = Literal["source", "dest"]
SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SECURITY_PROTOCOLS: tuple[SecurityProtocol, ...] = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
MECHANISMS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")

Origin: TypeAlias = str
"""The place of a value, as error messages name it: "flag --source-config", "old.properties, line 7"."""


_SHORTEST_MS = 10
"""librdkafka's limit for `socket.timeout.ms`."""


class ClientArguments(dict[str, Any]):
    """Arguments of a client library. They contain passwords in clear text, so `repr` shows only their names."""

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: …' for key in self)}}}"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files that every client can read. `stores` has written the content of Java stores into them.

    `ca_file` is None for the authorities that this system trusts. `key_password` decrypts the key file.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None
    check_hostname: bool = True

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("a client certificate and its key go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """A login. OAUTHBEARER has `tokens`, the other mechanisms have `username` and `password`."""

    mechanism: Mechanism
    username: str | None = None
    password: Secret | None = None
    tokens: TokenProvider | None = None

    def __post_init__(self) -> None:
        if self.mechanism == "OAUTHBEARER":
            if self.tokens is None or self.username is not None or self.password is not None:
                raise ValueError("OAUTHBEARER takes tokens, and neither username nor password")
        elif self.tokens is not None or self.username is None or self.password is None:
            raise ValueError(f"{self.mechanism} takes username and password, and no tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeperSettings:
    """`connect` is "h1:2181,h2:2181/chroot". `username` and `password` are for SASL DIGEST-MD5."""

    connect: str
    tls: Tls | None = None
    username: str | None = None
    password: Secret | None = None
    digest: Secret | None = None
    """`user:password` for ZooKeeper's own auth scheme `digest`."""
    timeout_ms: int = 10_000

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")

    def kazoo(self) -> dict[str, Any]:
        """Keyword arguments of `kazoo.client.KazooClient`, which has no login of its own (see `zookeeper.login`)."""
        arguments = ClientArguments(hosts=self.connect, timeout=self.timeout_ms / 1000)
        if self.tls is not None:
            # Without these, kazoo uses no TLS and does not check the host name.
            arguments |= {"use_ssl": True, "verify_certs": True, "check_hostname": self.tls.check_hostname}
            arguments |= {"ca": self.tls.ca_file, "certfile": self.tls.certificate_file, "keyfile": self.tls.key_file}
            arguments["keyfile_password"] = _revealed(self.tls.key_password)
        if self.digest is not None:
            arguments["auth_data"] = [("digest", self.digest.reveal())]
        return arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """How to reach one side. `bootstrap_servers` is "" and `zookeeper` is None where they were not given.

    `origins` has the place of each field that was given ("bootstrap_servers", "zookeeper", "security_protocol",
    "mechanism", "username", "password", "truststore", "keystore", …; for ZooKeeper "zookeeper.username", …).
    `notes` are sentences for the operator about settings that are ignored or risky.
    """

    role: Role
    bootstrap_servers: str = ""
    zookeeper: ZooKeeperSettings | None = None
    security_protocol: SecurityProtocol = "PLAINTEXT"
    tls: Tls | None = None
    sasl: Sasl | None = None
    client_id: str = "kafka-meta"
    request_timeout_ms: int = 30_000
    patience_s: float = 120.0
    """For how many seconds a cluster that has answered before may be silent. No setting of users; commands set it."""
    asks_refused_logins_again: bool = False
    """For as long as it takes, where a login was accepted before: a password may be changed. Commands set it."""
    dns_lookup: Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"] = "use_all_dns_ips"
    origins: Mapping[str, Origin] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    renewal: Renewal[Sasl] | None = field(default=None, compare=False, repr=False)
    """Reads `sasl` again from a file that has changed since."""

    def __post_init__(self) -> None:
        if (self.tls is not None) != self.security_protocol.endswith("SSL"):
            raise ValueError(f"{self.security_protocol} and TLS material do not fit")
        if (self.sasl is not None) != self.security_protocol.startswith("SASL"):
            raise ValueError(f"{self.security_protocol} and a login do not fit")

    @property
    def login(self) -> Sasl | None:
        """`sasl`, as its file has it by now: ask for it at each new connection."""
        return self.sasl if self.renewal is None else self.renewal.latest()

    @property
    def mechanism(self) -> Mechanism | None:
        return self.sasl.mechanism if self.sasl else None

    @property
    def username(self) -> str | None:
        """The user that logs in by SASL. None for OAUTHBEARER: there the token names the principal."""
        return self.sasl.username if self.sasl else None

    @property
    def password(self) -> Secret | None:
        return self.sasl.password if self.sasl else None

    @property
    def principal(self) -> str | None:
        """Who we are to the brokers; None where only they know (a token, a client certificate)."""
        if self.username is not None:
            return f"User:{self.username}"
        certified = self.tls is not None and self.tls.certificate_file is not None
        return None if self.sasl is not None or certified else "User:ANONYMOUS"

    def shown_as(self) -> str | None:
        """What shows the brokers who we are, where they alone know the principal: the subject of a certificate or of a
        token. Brokers may make any name of it."""
        if self.sasl is not None and self.sasl.tokens is not None:
            subject = self.sasl.tokens.subject()
            return None if subject is None else f"the token of {subject}"
        if self.sasl is None and self.tls is not None and self.tls.certificate_file is not None:
            from kafka_meta.settings.stores import subject_of  # it takes a while to import

            return f"the certificate of {subject_of(self.tls.certificate_file)}"
        return None

    @property
    def addresses(self) -> str:
        """The brokers, and ZooKeeper where it is given, as a headline names them."""
        zookeeper = self.zookeeper.connect if self.zookeeper else None
        return "  +  ".join(filter(None, (self.bootstrap_servers, zookeeper)))

    def librdkafka(self) -> dict[str, Any]:
        """The configuration of a confluent-kafka client."""
        arguments = ClientArguments(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "client.id": self.client_id,
                "security.protocol": self.security_protocol,
                "socket.timeout.ms": max(_SHORTEST_MS, self.request_timeout_ms),
                "client.dns.lookup": self.dns_lookup,
            }
        )
        if self.tls is not None:
            arguments["ssl.endpoint.identification.algorithm"] = "https" if self.tls.check_hostname else "none"
            if self.tls.ca_file is not None:
                arguments["ssl.ca.location"] = self.tls.ca_file
            if self.tls.certificate_file is not None:
                arguments["ssl.certificate.location"] = self.tls.certificate_file
                arguments["ssl.key.location"] = self.tls.key_file
            if self.tls.key_password is not None:
                arguments["ssl.key.password"] = self.tls.key_password.reveal()
        if (login := self.login) is not None:
            arguments["sasl.mechanism"] = login.mechanism
            if login.tokens is not None:
                arguments["oauth_cb"] = login.tokens.for_librdkafka
            else:
                arguments["sasl.username"] = login.username
                arguments["sasl.password"] = _revealed(login.password)
        return arguments

    def kafka_python(self) -> dict[str, Any]:
        """The keyword arguments of kafka-python's clients and connection manager.

        `sasl_oauth_token_provider` is a `TokenProvider`. kafka-python wants a subclass of its own abstract class, so
        the caller must register ours: `AbstractTokenProvider.register(TokenProvider)`.
        """
        arguments = ClientArguments(
            bootstrap_servers=self.bootstrap_servers.split(",") if self.bootstrap_servers else [],
            client_id=self.client_id,
            security_protocol=self.security_protocol,
            request_timeout_ms=self.request_timeout_ms,
            client_dns_lookup=self.dns_lookup,
        )
        if self.tls is not None:
            arguments |= {
                "ssl_check_hostname": self.tls.check_hostname,
                "ssl_cafile": self.tls.ca_file,
                "ssl_certfile": self.tls.certificate_file,
                "ssl_keyfile": self.tls.key_file,
                "ssl_password": _revealed(self.tls.key_password),
            }
        arguments |= self.kafka_python_login()
        return arguments

    def kafka_python_login(self) -> dict[str, Any]:
        """Those of `kafka_python` that may change while a command runs."""
        arguments = ClientArguments()
        if (login := self.login) is not None:
            arguments["sasl_mechanism"] = login.mechanism
            if login.tokens is not None:
                arguments["sasl_oauth_token_provider"] = login.tokens
            else:
                assert login.username is not None
                arguments["sasl_plain_username"] = _sasl_name(login.username, login.mechanism)
                arguments["sasl_plain_password"] = _revealed(login.password)
        return arguments


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _sasl_name(username: str, mechanism: Mechanism) -> str:
    """kafka-python 3.0.12 does not encode "=" and "," in SCRAM names, as RFC 5802 (5.1) requires."""
    if mechanism.startswith("SCRAM"):
        return username.replace("=", "=3D").replace(",", "=2C")
    return username
