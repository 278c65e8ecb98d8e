"""This machine: brokers that run on it, how they say they can be reached, and what it has."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kafka_meta.errors import UsageError
from kafka_meta.model import Broker
from kafka_meta.settings import properties

KAFKA_PORT = 9092
ZOOKEEPER_PORT = 2181
_HISTORY_TIMEOUT_S = 5.0


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


def figures(brokers: Sequence[Broker]) -> dict[str, Any] | None:
    """What this machine is, when brokers of the cluster run on it: `host` of schemas/stats.schema.json; else None."""
    here: dict[int | None, Mapping[str, str]] = {}
    for _, settings in _running_brokers():
        ports = set(
            re.findall(r":(\d+)", f"{settings.get('listeners', '')},{settings.get('advertised.listeners', '')}")
        )
        named = settings.get("node.id") or settings.get("broker.id")
        for broker in brokers:
            # An id alone says little: every first broker is called 0 or 1.
            if str(broker.port) in (ports or {str(KAFKA_PORT)}) and named in (None, "-1", str(broker.id)):
                here[broker.id] = settings
    if not here:
        return None
    paths = sorted(
        {
            path.strip()
            for settings in here.values()
            for path in (settings.get("log.dirs") or settings.get("log.dir") or "").split(",")
            if path.strip()
        }
    )
    return {
        "brokers": sorted(id for id in here if id is not None),
        "cores": _told(psutil.cpu_count),
        "memoryBytes": _told(lambda: psutil.virtual_memory().total),
        "volumes": [volume for path in paths if (volume := _volume(path)) is not None],
        "networkMbps": _told(_network_mbps),
        "history": _history(),
    }


def _told(question: Callable[[], int | None]) -> int | None:
    """None where the system does not say: containers may hide parts of /proc."""
    try:
        return question()
    except (OSError, psutil.Error):
        return None


def _volume(path: str) -> dict[str, Any] | None:
    try:
        usage = psutil.disk_usage(path)
        device = os.stat(path).st_dev
    except OSError:
        return None
    return {"path": path, "totalBytes": usage.total, "usableBytes": usage.free, "ssd": _is_ssd(device)}


def _is_ssd(device: int) -> bool | None:
    """By what Linux says of the disk below; None for what has no disk of its own (overlays, network file systems)."""
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    # A partition's queue is that of its disk, one folder up.
    for folder in (block, block / ".."):
        try:
            return (folder / "queue" / "rotational").read_text().strip() == "0"
        except OSError:
            continue
    return None


def _network_mbps() -> int | None:
    """The fastest card that is up and tells its speed."""
    cards = psutil.net_if_stats()
    return max((card.speed for name, card in cards.items() if card.isup and card.speed and name != "lo"), default=None)


def _history() -> dict[str, Any] | None:
    """Today's, as sysstat wrote it down: the network with everything that goes over it, replication included."""
    command = shutil.which("sadf")
    if command is None:
        return None
    try:
        done = subprocess.run(
            [command, "-j", "--", "-u", "-n", "DEV"], capture_output=True, timeout=_HISTORY_TIMEOUT_S, check=False
        )
        told = json.loads(done.stdout)["sysstat"]["hosts"][0]["statistics"]
        return _history_of(told)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, subprocess.TimeoutExpired):
        return None


def _history_of(statistics: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """From `sadf -j`: kB/s of each card, idle time of all processors."""
    received: list[float] = []
    sent: list[float] = []
    busy: list[float] = []
    times: list[str] = []
    for each in statistics:
        cards = [card for card in each.get("network", {}).get("net-dev", ()) if card["iface"] != "lo"]
        if not cards:
            continue
        times.append(f"{each['timestamp']['date']}T{each['timestamp']['time']}")
        received.append(sum(card["rxkB"] for card in cards) * 1024 / 1e6)
        sent.append(sum(card["txkB"] for card in cards) * 1024 / 1e6)
        busy += [100 - cpu["idle"] for cpu in each.get("cpu-load", ()) if cpu["cpu"] == "all"]
    if not times:
        return None
    return {
        "tool": "sadf",
        "from": times[0],
        "to": times[-1],
        "receivedMaxMBps": round(max(received), 6),
        "sentMaxMBps": round(max(sent), 6),
        "cpuBusyMaxPercent": round(max(busy), 2) if busy else None,
    }
