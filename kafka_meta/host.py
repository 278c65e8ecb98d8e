"""This machine: brokers that run on it, and how they say they can be reached."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from kafka_meta.errors import UsageError
from kafka_meta.settings import properties

KAFKA_PORT = 9092
ZOOKEEPER_PORT = 2181


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the source is, as far as this machine tells, and how that was found out."""

    bootstrap_servers: str | None
    zookeeper_connect: str | None
    origin: str


def find_addresses() -> Addresses:
    """Of the broker that runs on this machine, else of what listens on Kafka's own ports here.

    Raises UsageError when there is neither, or when brokers of several clusters run here.
    """
    found: dict[str | None, Addresses] = {}
    for path, settings in _running_brokers():
        bootstrap, connect = _listener(settings), settings.get("zookeeper.connect") or None
        if bootstrap or connect:
            # Brokers of one cluster share their connect string or their quorum; any of them will do.
            quorum = settings.get("controller.quorum.bootstrap.servers") or settings.get("controller.quorum.voters")
            addresses = Addresses(
                bootstrap_servers=bootstrap, zookeeper_connect=connect, origin=f"the broker running with {path}"
            )
            found.setdefault(connect or quorum or bootstrap, addresses)
    if len(found) > 1:
        several = "; ".join(f"{each.bootstrap_servers} ({each.origin})" for each in found.values())
        raise UsageError(
            f"several brokers run on this machine: {several}",
            "Say which one is the source: --source-bootstrap-servers, --source-zk-connect.",
        )
    if found:
        return next(iter(found.values()))
    kafka, zookeeper = _listens(KAFKA_PORT), _listens(ZOOKEEPER_PORT)
    if not kafka and not zookeeper:
        raise UsageError(
            "no address of the source is given, no broker runs on this machine, "
            f"and nothing listens on localhost:{KAFKA_PORT} or localhost:{ZOOKEEPER_PORT}",
            "Use --source-bootstrap-servers, --source-zk-connect or --source-config.",
        )
    return Addresses(
        bootstrap_servers=f"localhost:{KAFKA_PORT}" if kafka else None,
        zookeeper_connect=f"localhost:{ZOOKEEPER_PORT}" if zookeeper else None,
        origin="Kafka's own ports on this machine",
    )


def _running_brokers() -> list[tuple[Path, Mapping[str, str]]]:
    """The settings file of every `kafka.Kafka` process that lets us look at it."""
    brokers: list[tuple[Path, Mapping[str, str]]] = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if "kafka.Kafka" not in command:
                continue
            arguments = command[command.index("kafka.Kafka") + 1 :]
            path = Path(process.cwd(), next(word for word in arguments if not word.startswith("-")))
            parsed = properties.read(path.read_bytes(), str(path))
        except (psutil.Error, OSError, StopIteration, UsageError):
            continue
        # kafka-server-start.sh FILE --override NAME=VALUE
        overrides = (arguments[i + 1].split("=", 1) for i, word in enumerate(arguments[:-1]) if word == "--override")
        settings = {entry.key: entry.value for entry in parsed.entries}
        brokers.append((path, settings | {pair[0]: pair[1] for pair in overrides if len(pair) == 2}))
    return brokers


def _listener(settings: Mapping[str, str]) -> str | None:
    """The first client listener, a plaintext one if there is any: `host:port`."""
    listeners = settings.get("advertised.listeners") or settings.get("listeners") or ""
    controllers = settings.get("controller.listener.names", "").split(",")
    addresses = []
    for listener in filter(None, map(str.strip, listeners.split(","))):
        name, _, address = listener.partition("://")
        if name not in controllers and address:
            host, _, port = address.rpartition(":")
            here = host in ("", "0.0.0.0", "[::]")
            addresses.append((name != "PLAINTEXT", f"{'localhost' if here else host}:{port}"))
    if not addresses:
        return None if settings.get("process.roles") == "controller" else f"localhost:{KAFKA_PORT}"
    return min(addresses, key=lambda address: address[0])[1]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("localhost", port), timeout=1):
            return True
    except OSError:
        return False
