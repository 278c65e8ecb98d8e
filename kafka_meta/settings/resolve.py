"""One side's settings from flags, environment, `kafka-meta.toml` and a Java `.properties` file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress

from kafka_meta.errors import UsageError
from kafka_meta.settings import login, properties
from kafka_meta.settings.connection import ClusterSettings, Origin, Role, Sasl, ZooKeeperSettings
from kafka_meta.settings.java import JavaProperties, ReadFile
from kafka_meta.settings.policy import environment_name
from kafka_meta.settings.private_files import WritePrivate, write_private
from kafka_meta.settings.renewal import Renewal, stamp
from kafka_meta.settings.tls import tls, zookeeper_tls
from kafka_meta.settings.toml import Toml

_FILE_LIMIT_BYTES = 16 * 1024 * 1024
_BROKER = re.compile(r"(?:[A-Za-z0-9_]+://)?(\[[0-9A-Za-z:.%_-]+\]|[^\s:/\[\],]+):([0-9]{1,5})")
_ZOOKEEPER = re.compile(r"(\[[0-9A-Za-z:.%_-]+\]|[^\s:/\[\],]+)(?::([0-9]{1,5}))?")


def read_limited(path: str) -> bytes:
    """The bytes of a settings file, a store or a pipe (`<(…)`), up to 16 MiB. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read(_FILE_LIMIT_BYTES + 1)
    if len(data) > _FILE_LIMIT_BYTES:
        raise OSError(0, f"it is larger than {_FILE_LIMIT_BYTES:,} bytes")
    return data


def resolve(
    role: Role,
    *,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    toml: Toml | None,
    read_file: ReadFile = read_limited,
    write: WritePrivate = write_private,
) -> ClusterSettings:
    """The settings of one side, each from the strongest place: flag, environment, `kafka-meta.toml`, `.properties`.

    `flags` has option names without dashes ("source-bootstrap-servers"), also those of the other side.
    `write` writes the PEM files made from Java stores. Raises UsageError, with the place.
    """
    given = _Given(role, flags, environ, toml)
    config = given.value("config")
    seen = stamp(_path(config, toml)) if config else None
    found, notes = _properties(config, toml, read_file)
    java = JavaProperties(found, read_file, write)
    origins: dict[str, Origin] = {}

    def stronger(option: str, key: str, field: str) -> str:
        value = given.value(option)
        below = java.text(key)
        if value is None:
            if below is not None:
                origins[field] = java.where(key)
            return below or ""
        origins[field] = value[1]
        if below is not None and below != value[0]:
            notes.append(f"{java.where(key)}: {key} is not used, because {value[1]} is stronger")
        return value[0]

    brokers = stronger("bootstrap-servers", "bootstrap.servers", "bootstrap_servers")
    connect = _connect(stronger("zk-connect", "zookeeper.connect", "zookeeper"), origins)
    protocol = java.security_protocol()
    own_login = login.sasl(java) if protocol.startswith("SASL") else None

    def login_again() -> Sasl:
        again = JavaProperties(_properties(config, toml, read_file)[0], read_file, write)
        return login.sasl(again)

    return ClusterSettings(
        role=role,
        bootstrap_servers=_bootstrap_servers(brokers, origins),
        zookeeper=_zookeeper(connect, java) if connect else None,
        security_protocol=protocol,
        tls=tls(java) if protocol.endswith("SSL") else None,
        sasl=own_login,
        renewal=Renewal(_path(config, toml), seen, own_login, login_again) if own_login and config else None,
        client_id=java.text("client.id", "client_id") or "kafka-meta",
        request_timeout_ms=_request_timeout_ms(java, notes),
        dns_lookup=java.dns_lookup() or "use_all_dns_ips",
        origins=java.origins | origins | ({"config": config[1]} if config else {}),
        notes=(*notes, *java.notes),
    )


_LONGEST_REQUEST_MS = 300_000
"""librdkafka's limit for `socket.timeout.ms`. Some of Java's own defaults are longer."""


def _request_timeout_ms(java: JavaProperties, notes: list[str]) -> int:
    given = java.milliseconds("request.timeout.ms", "request_timeout_ms") or 30_000
    if given > _LONGEST_REQUEST_MS:
        place = java.where("request.timeout.ms")
        notes.append(f"{place}: request.timeout.ms is {given}; kafka-meta waits {_LONGEST_REQUEST_MS} ms at most")
    return min(given, _LONGEST_REQUEST_MS)


class _Given:
    def __init__(
        self, role: Role, flags: Mapping[str, str | None], environ: Mapping[str, str], toml: Toml | None
    ) -> None:
        self._role = role
        self._flags = flags
        self._environ = environ
        self._toml = toml

    def value(self, option: str) -> tuple[str, Origin] | None:
        name = f"{self._role}-{option}"
        flag = self._flags.get(name)
        if flag is not None:
            if not flag.strip():
                raise UsageError(f"flag --{name} is empty", "Give it a value or leave it out.")
            return flag.strip(), f"flag --{name}"
        variable = environment_name(name)
        if text := self._environ.get(variable, "").strip():
            return text, f"environment {variable}"
        if self._toml is not None:
            table = self._toml.source if self._role == "source" else self._toml.dest
            if option in table:
                return table[option].strip(), f"{self._toml.path} [{self._role}] {option}"
        return None


def _properties(
    config: tuple[str, Origin] | None, toml: Toml | None, read_file: ReadFile
) -> tuple[properties.Properties, list[str]]:
    """With notes. Java's tools take a file that others may read, so it is not refused."""
    if config is None:
        return properties.Properties(path=""), []
    path, origin = _path(config, toml), config[1]
    try:
        data = read_file(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise UsageError(f"{origin} names {path!r}, which cannot be read: {reason}") from None
    found = properties.read(data, path)
    if any(map(_is_secret, found.entries)) and (mode := _file_mode(path)) & 0o077:
        return found, [f"{path} holds a password, and other users may read it (mode {mode:04o}): chmod 600 {path}"]
    return found, []


def _path(config: tuple[str, Origin], toml: Toml | None) -> str:
    """A path in `kafka-meta.toml` begins beside that file."""
    path, origin = config
    beside = toml is not None and origin.startswith(f"{toml.path} [")
    return os.path.join(os.path.dirname(toml.path), path) if toml is not None and beside else path


def _file_mode(path: str) -> int:
    """Who may read a file; 0 for a pipe (`<(…)`)."""
    with suppress(OSError):
        mode = os.stat(path).st_mode
        return stat.S_IMODE(mode) if stat.S_ISREG(mode) else 0
    return 0


def _is_secret(entry: properties.Entry) -> bool:
    where = entry.value if entry.key == "sasl.jaas.config" else entry.key
    return (
        bool(entry.value) and re.search(r"password|passphrase|secret|keystore\.key$|\.digest$", where, re.I) is not None
    )


def _zookeeper(connect: str, java: JavaProperties) -> ZooKeeperSettings:
    user = login.zookeeper_login(java)
    timeout_ms = java.milliseconds("zookeeper.session.timeout.ms", "zookeeper.timeout_ms")
    timeout_ms = java.milliseconds("zookeeper.connection.timeout.ms", "zookeeper.timeout_ms") or timeout_ms
    return ZooKeeperSettings(
        connect=connect,
        tls=zookeeper_tls(java),
        username=user[0] if user else None,
        password=user[1] if user else None,
        digest=login.zookeeper_digest(java),
        timeout_ms=timeout_ms or 10_000,
    )


def _bootstrap_servers(text: str, origins: Mapping[str, Origin]) -> str:
    """host:port, … A protocol in front is removed, as in org.apache.kafka.clients.ClientUtils."""
    addresses = []
    for part in filter(None, map(str.strip, text.split(","))):
        match = _BROKER.fullmatch(part)
        if match is None or not 0 < int(match[2]) < 65536:
            raise UsageError(
                f"{origins['bootstrap_servers']}: {part!r} is not an address of a broker",
                "Expected host:port, several separated by commas: broker1:9092,broker2:9092",
            )
        addresses.append(f"{match[1]}:{match[2]}")
    if text and not addresses:
        raise UsageError(f"{origins['bootstrap_servers']}: it has no address")
    return ",".join(addresses)


def _connect(text: str, origins: Mapping[str, Origin]) -> str:
    """host:port,…/chroot with one chroot at the end, as in org.apache.zookeeper.client.ConnectStringParser."""
    if not text:
        return ""
    hosts, _, chroot = text.partition("/")
    addresses = []
    for part in filter(None, map(str.strip, hosts.split(","))):
        match = _ZOOKEEPER.fullmatch(part)
        if match is None or not 0 < int(match[2] or 2181) < 65536:
            raise UsageError(
                f"{origins['zookeeper']}: {part!r} is not an address of a ZooKeeper server",
                "Expected host:port, several separated by commas, then an optional chroot: zk1:2181,zk2:2181/kafka",
            )
        addresses.append(f"{match[1]}:{match[2] or 2181}")
    path = f"/{chroot}".rstrip("/")
    if not addresses or "," in path or "//" in path or any(ord(char) < 32 for char in path):
        raise UsageError(
            f"{origins['zookeeper']}: {text!r} is not a ZooKeeper connect string",
            "Expected host:port, several separated by commas, then one optional chroot: zk1:2181,zk2:2181/kafka",
        )
    return ",".join(addresses) + path
