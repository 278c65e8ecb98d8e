"""First contact: TCP → TLS → the Kafka protocol → SASL → Metadata, and what a failure in each step means.

The first three steps use plain sockets: client libraries try again until a timeout and then do not report the cause. An
error is one sentence with the side, the address and the likely cause; the hint says what to do.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kafka import errors
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport
from kafka.protocol.broker_version_data import BrokerVersionData
from kafka.protocol.metadata import ApiVersionsRequest

from kafka_meta.errors import KafkaMetaError
from kafka_meta.settings import ClusterSettings, TokenProvider
from kafka_meta.wire.connection import RECEIVE_MAX_BYTES, Manager, Wire, hang_up, keep_library_quiet
from kafka_meta.wire.versions import release

RECONNECT_MAX_MS = 1_000
"""Between two attempts. With kafka-python's own 30 s, a copy would wait for a broker that is back already."""

PATIENCE_SECONDS = 12.0
"""Seconds for all of first contact. A broker that answers at all does so within milliseconds."""

_API_VERSIONS_0 = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""ApiVersionsRequest v0 without client id: every broker since 0.10 answers it, before any login."""
_TLS_ALERT = 0x15

AbstractTokenProvider.register(TokenProvider)


def connect(settings: ClusterSettings) -> Wire:
    """A cluster reached through the first bootstrap address that works.

    Raises `KafkaMetaError` with the cause for the first address when none does, within 15 seconds, or sooner where the
    settings have less patience.
    """
    keep_library_quiet()
    addresses = [Address.parse(text.strip()) for text in settings.bootstrap_servers.split(",") if text.strip()]
    if not addresses:
        raise KafkaMetaError(
            f"no address of the {side_of(settings)} is given", f"Use --{settings.role}-bootstrap-servers HOST:PORT."
        )
    context = ssl_context(settings)
    failures: list[KafkaMetaError] = []
    deadline = time.monotonic() + min(PATIENCE_SECONDS, settings.patience_s)
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share = time.monotonic() + max(1.0, (deadline - time.monotonic()) / left)
        try:
            versions = _greet(settings, address, context, share)
            later = [each for each in addresses if each != address]
            return _log_in(settings, address, later, context, share, versions)
        except KafkaMetaError as failure:
            failures.append(failure)
    first = failures[0]
    others = f" (nor at {', '.join(map(str, addresses[1:]))})" if len(failures) > 1 else ""
    raise KafkaMetaError(f"{first.message}{others}", first.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """ "host:port", "[::1]:port", also behind "PLAINTEXT://" as brokers write their listeners."""
        host, _, port = text.rpartition("://")[2].rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise KafkaMetaError(f"{text!r} is not the address of a broker", "Write HOST:PORT, such as kafka1:9092.")
        return cls(host=host.strip("[]"), port=int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def side_of(settings: ClusterSettings) -> str:
    """The side in words."""
    return {"source": "source", "dest": "destination"}[settings.role]


def ssl_context(settings: ClusterSettings) -> ssl.SSLContext | None:
    """The same context as kafka-python would make. It is made once, so that a bad file is reported as such."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    wanted = settings.kafka_python()
    config = {name: wanted.get(name, default) for name, default in KafkaSSLTransport.DEFAULT_CONFIG.items()}
    try:
        context = KafkaSSLTransport._build_ssl_context(config)
    except (OSError, ssl.SSLError) as error:
        message = f"the certificates for the {side_of(settings)} cannot be used: {error}"
        raise KafkaMetaError(message, _origin(settings, "truststore", "keystore")) from error
    assert isinstance(context, ssl.SSLContext)
    return context


Versions: TypeAlias = Mapping[int, tuple[int, int]]
"""API key → the lowest and the highest version of the request that a broker supports."""


def _greet(settings: ClusterSettings, address: Address, context: ssl.SSLContext | None, deadline: float) -> Versions:
    """TCP, TLS, and one request that every Kafka broker answers, with what it supports."""
    plain = dial(settings, address, deadline)
    with plain:
        if context is None:
            return _ask_versions(settings, address, plain, deadline)
        with shake_hands(settings, address, plain, context, deadline) as secured:
            return _ask_versions(settings, address, secured, deadline)


def dial(settings: ClusterSettings, address: Address, deadline: float) -> socket.socket:
    where = f"cannot reach the {side_of(settings)} at {address}"
    hint = _origin(settings, "bootstrap_servers") or f"Check --{settings.role}-bootstrap-servers."
    try:
        return socket.create_connection((address.host, address.port), timeout=_left(deadline))
    except socket.gaierror as error:
        raise KafkaMetaError(f"{where}: the name {address.host} cannot be resolved", hint) from error
    except TimeoutError as error:
        message = f"{where}: no answer; a firewall or a wrong address may be the cause"
        raise KafkaMetaError(message, hint) from error
    except ConnectionRefusedError as error:
        raise KafkaMetaError(f"{where}: connection refused; no broker listens on that port", hint) from error
    except OSError as error:
        raise KafkaMetaError(f"{where}: {error.strerror or error}", hint) from error


def shake_hands(
    settings: ClusterSettings, address: Address, plain: socket.socket, context: ssl.SSLContext, deadline: float
) -> ssl.SSLSocket:
    where = f"no TLS with the {side_of(settings)} at {address}"
    plain.settimeout(_left(deadline))
    try:
        return context.wrap_socket(plain, server_hostname=address.host.rstrip("."))
    except ssl.SSLCertVerificationError as error:
        raise _distrust(settings, address, where, error) from error
    except TimeoutError as error:
        message = f"{where}: no answer to the handshake; the port may not use TLS"
        raise KafkaMetaError(message, _protocol_hint(settings)) from error
    except (ssl.SSLError, ConnectionError, OSError) as error:
        if _is_certificate_alert(error):
            raise _unknown_client(settings, where) from error
        if isinstance(error, ssl.SSLEOFError | ConnectionError) or "WRONG_VERSION" in str(error):
            message = (
                f"{where}: the broker closed the connection during the handshake; the port probably does not use TLS"
            )
            raise KafkaMetaError(message, _protocol_hint(settings)) from error
        raise KafkaMetaError(f"{where}: {error}", _protocol_hint(settings)) from error


def _distrust(
    settings: ClusterSettings, address: Address, where: str, error: ssl.SSLCertVerificationError
) -> KafkaMetaError:
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        return KafkaMetaError(
            f"{where}: the broker's certificate is not for {address.host}",
            "Use a name that is in the certificate, or turn off the check with an empty "
            "ssl.endpoint.identification.algorithm.",
        )
    return KafkaMetaError(
        f"{where}: the broker's certificate is not trusted ({error.verify_message})",
        _origin(settings, "truststore") or "Set ssl.truststore.location to a truststore with the broker's authority.",
    )


def _is_certificate_alert(error: OSError) -> bool:
    text = str(error)
    return "ALERT" in text and any(word in text for word in ("CERTIFICATE", "UNKNOWN_CA"))


def _unknown_client(settings: ClusterSettings, where: str) -> KafkaMetaError:
    has_certificate = settings.tls is not None and settings.tls.certificate_file is not None
    said = "does not accept our certificate" if has_certificate else "requires a client certificate, and none is set"
    return KafkaMetaError(
        f"{where}: the broker {said}",
        _origin(settings, "keystore") or "Set ssl.keystore.location to a keystore with this client's key.",
    )


def _ask_versions(settings: ClusterSettings, address: Address, connection: socket.socket, deadline: float) -> Versions:
    where = f"no Kafka broker answers for the {side_of(settings)} at {address}"
    connection.settimeout(_left(deadline))
    try:
        connection.sendall(_API_VERSIONS_0)
        answer = _received(connection, 8)
    except TimeoutError as error:
        message = f"{where}: it accepts the connection but does not answer; is it a broker's port?"
        raise KafkaMetaError(message, _protocol_hint(settings)) from error
    except OSError as error:
        if _is_certificate_alert(error):  # with TLS 1.3 the client sees this only after the handshake
            raise _unknown_client(settings, where) from error
        answer = b""
    speaks_tls = not isinstance(connection, ssl.SSLSocket) and answer[:1] == bytes([_TLS_ALERT])
    if speaks_tls:
        message = f"the {side_of(settings)} at {address} uses TLS, but security.protocol does not"
        raise KafkaMetaError(message, _protocol_hint(settings))
    if not answer:
        cause = "it closes the connection, as a TLS port, ZooKeeper, a controller or a broker before 0.10 does"
        raise KafkaMetaError(f"{where}: {cause}", _protocol_hint(settings))
    if len(answer) == 8 and struct.unpack_from(">i", answer, 4) != (1,):
        raise KafkaMetaError(f"{where}: it is not a broker", _protocol_hint(settings))
    try:
        # Its length, its correlation id; then an error, and each request with its versions.
        body = _received(connection, min(struct.unpack_from(">i", answer)[0] - 4, _LONGEST_GREETING))
        (code,) = struct.unpack_from(">h", body)
        return {} if code else {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", body[6:])}
    except (OSError, struct.error):
        return {}  # then the client library asks again


_LONGEST_GREETING = 64 * 1024


def _received(connection: socket.socket, size: int) -> bytes:
    """Bytes as they come, until there are as many, or no more. Raises OSError."""
    found = b""
    while len(found) < size and (part := connection.recv(size - len(found))):
        found += part
    return found


def _log_in(
    settings: ClusterSettings,
    address: Address,
    others: Sequence[Address],
    context: ssl.SSLContext | None,
    deadline: float,
    supported: Versions,
) -> Wire:
    """`others` are tried later, when the brokers that are known by then cannot be reached. `supported` is what the
    broker has said; empty: nothing."""
    configs: dict[str, Any] = {
        **settings.kafka_python(),
        "bootstrap_servers": [str(each) for each in (address, *others)],
        "receive_message_max_bytes": RECEIVE_MAX_BYTES,
        "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
        "ssl_context": context,
    }
    net = NetworkSelector(**configs)
    manager = Manager(net, login=settings.kafka_python_login, **configs)
    if supported:
        # kafka-python asks for the versions in the newest way first, as KIP-511 allows. Some services that are not
        # Apache Kafka close the connection then.
        manager.broker_version_data = BrokerVersionData(api_versions=dict(supported))
    met = _node_of(manager, address)

    async def meet() -> tuple[dict[int, tuple[int, int]], Any]:
        # Not with the manager's own bootstrap(): it reports every cause as a timeout.
        connection = manager.get_connection(met, timeout_ms=_left(deadline) * 1000, refresh_metadata_on_err=False)
        await connection
        versions = connection.broker_version_data
        features = None
        if ApiVersionsRequest.API_KEY in versions.api_versions:
            request = ApiVersionsRequest(
                client_software_name=settings.client_id, client_software_version="0", max_version=3
            )
            features = await connection.send_request(request)
        await manager.wait_for(manager.call_soon(manager.cluster.refresh_metadata, met), _left(deadline) * 1000)
        await _meet_any(manager, settings, address, deadline)
        return versions.api_versions, features

    net.start()
    try:
        api_versions, features = manager.run(meet)
    except BaseException as error:
        hang_up(net, manager)
        if isinstance(error, errors.KafkaError):
            raise _no_login(settings, address, error) from error
        raise
    metadata_version = _metadata_version(features)
    finalized = {each.name: int(each.max_version_level) for each in getattr(features, "finalized_features", None) or ()}
    version = release(api_versions, metadata_version)
    return Wire(
        net,
        manager,
        version=version,
        kraft=metadata_version is not None,
        features=finalized,
        asks_refused_logins_again=settings.asks_refused_logins_again,
    )


def _node_of(manager: Manager, address: Address) -> str:
    """The name that kafka-python has for it. It numbers the addresses in an order of its own (`collect_hosts`)."""
    nodes = manager.cluster.bootstrap_brokers()
    return next(str(each.node_id) for each in nodes if (each.host, each.port) == (address.host, address.port))


async def _meet_any(manager: Manager, settings: ClusterSettings, address: Address, deadline: float) -> None:
    """Connects to one of the brokers at its advertised address: the bootstrap address may be another one. The one that
    answers goes first, and one that is silent leaves time for the others."""
    brokers = sorted(manager.cluster.brokers(), key=lambda each: (each.host, each.port) != (address.host, address.port))
    for left, broker in zip(range(len(brokers), 0, -1), brokers, strict=True):
        try:
            await manager.get_connection(broker.node_id, timeout_ms=_left(deadline) / left * 1000)
        except (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.NodeNotReadyError):
            continue
        return
    named = ", ".join(f"{broker.host}:{broker.port}" for broker in brokers)
    raise KafkaMetaError(
        f"the {side_of(settings)} at {address} answers, but none of its brokers can be reached "
        f"at its advertised address: {named}",
        "Run kafka-meta where these addresses can be reached, or check advertised.listeners of the brokers.",
    )


def _metadata_version(answer: Any) -> int | None:
    """The highest metadata version that a KRaft broker supports; None in ZooKeeper mode."""
    for feature in getattr(answer, "supported_features", None) or ():
        if feature.name == "metadata.version":
            return int(feature.max_version)
    return None


def _no_login(settings: ClusterSettings, address: Address, error: errors.KafkaError) -> KafkaMetaError:
    side = side_of(settings)
    who = f' as "{settings.username}"' if settings.username is not None else ""
    where = f"cannot log in to the {side} at {address}{who}"
    mechanism = settings.mechanism
    match error:
        case errors.SaslAuthenticationFailedError():
            return KafkaMetaError(
                f"{where}: the broker refused the login ({mechanism}); the username or password may be wrong",
                _origin(settings, "password", "username") or "Check username and password in sasl.jaas.config.",
            )
        case errors.UnsupportedSaslMechanismError():
            return KafkaMetaError(
                f"{where}: the broker does not offer {mechanism}", "Set sasl.mechanism to one that the listener offers."
            )
        case errors.IllegalSaslStateError():
            message = f"{where}: the listener does not support logins"
            return KafkaMetaError(message, _protocol_hint(settings))
        case errors.IncompatibleBrokerVersion():
            return KafkaMetaError(
                f"the {side} at {address} is a KRaft controller, not a broker",
                "Give the address of a broker's listener.",
            )
        case errors.KafkaTimeoutError() | errors.RequestTimedOutError():
            return KafkaMetaError(f"the {side} at {address} accepts the connection but does not answer in time", None)
        case _ if mechanism is not None:
            # Before 1.0 (KIP-152) a broker just closed the connection on a wrong password.
            return KafkaMetaError(
                f"{where}: the broker closed the connection during the login ({mechanism})",
                _origin(settings, "password", "username") or "Check username and password in sasl.jaas.config.",
            )
        case errors.KafkaConnectionError():
            return KafkaMetaError(
                f"the {side} at {address} closed the connection at the first request; it probably requires a login",
                _protocol_hint(settings),
            )
        case _:
            return KafkaMetaError(f"the {side} at {address} cannot be used: {error}", None)


def _protocol_hint(settings: ClusterSettings) -> str:
    origin = settings.origins.get("security_protocol")
    said = f" (from {origin})" if origin else ""
    return f"security.protocol is {settings.security_protocol}{said}: compare it with the broker's listeners."


def _origin(settings: ClusterSettings, *fields: str) -> str | None:
    """A hint with the origin of the first of these settings that has a value."""
    origin = next((settings.origins[name] for name in fields if name in settings.origins), None)
    return f"Check the value from {origin}." if origin else None


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
