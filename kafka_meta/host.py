"""This machine: the brokers that run on it, their addresses, and its hardware figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from kafka_meta.errors import UsageError
from kafka_meta.model import Broker
from kafka_meta.settings import properties

KAFKA_PORT = 9092
ZOOKEEPER_PORT = 2181
HISTORY_DAYS = 7
_HISTORY_BUDGET_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The source's addresses, as found on this machine. `origin` says how they were found."""

    bootstrap_servers: str | None
    zookeeper_connect: str | None
    origin: str


def find_addresses() -> Addresses:
    """The addresses of the broker that runs on this machine. Without one: localhost, if Kafka's default ports are open.

    Raises UsageError when neither is found, or when brokers of several clusters run here.
    """
    found: dict[str | None, Addresses] = {}
    for path, settings in _running_brokers():
        bootstrap, connect = _listener(settings), settings.get("zookeeper.connect") or None
        if bootstrap or connect:
            # Brokers of one cluster have the same connect string or quorum. The address of any of them is enough.
            quorum = settings.get("controller.quorum.bootstrap.servers") or settings.get("controller.quorum.voters")
            addresses = Addresses(
                bootstrap_servers=bootstrap, zookeeper_connect=connect, origin=f"the broker running with {path}"
            )
            found.setdefault(connect or quorum or bootstrap, addresses)
    if len(found) > 1:
        several = "; ".join(f"{each.bootstrap_servers} ({each.origin})" for each in found.values())
        raise UsageError(
            f"brokers of several clusters run on this machine: {several}",
            "Name the source with --source-bootstrap-servers or --source-zk-connect.",
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
        origin="Kafka's default ports on this machine",
    )


def _running_brokers() -> list[tuple[Path, Mapping[str, str]]]:
    """The settings file of every `kafka.Kafka` process whose command line and file we may read."""
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
    """`host:port` of the first listener for clients, PLAINTEXT before others. None where there is none."""
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


def figures(brokers: Sequence[Broker], cluster_id: str | None) -> dict[str, Any] | None:
    """This machine's figures, `host` of schemas/stats.schema.json. None when no broker of this cluster runs on it."""
    here: dict[int, Mapping[str, str]] = {}
    for _, settings in _running_brokers():
        here |= {broker.id: settings for broker in brokers if _is(broker, cluster_id, settings)}
    if not here:
        return None
    paths = sorted({path for settings in here.values() for path in _log_dirs(settings)})
    return {
        "brokers": sorted(here),
        "cores": _told(psutil.cpu_count),
        "memoryBytes": _told(lambda: psutil.virtual_memory().total),
        "volumes": [volume for path in paths if (volume := _volume(path)) is not None],
        "networkMbps": _told(_network_mbps),
        "history": _history(),
    }


def _is(broker: Broker, cluster_id: str | None, settings: Mapping[str, str]) -> bool:
    """Whether a process with these settings is this broker. Ids and ports are not enough: the first broker of every
    cluster is 0 or 1, and one port may be used at several addresses. Its log directory names its cluster."""
    noted = _meta(settings)
    if cluster_id is not None and "cluster.id" in noted:
        return noted["cluster.id"] == cluster_id and str(broker.id) in (noted.get("node.id"), noted.get("broker.id"))
    listeners = f"{settings.get('listeners', '')},{settings.get('advertised.listeners', '')}"
    addresses = re.findall(r"://(\[[^]]*\]|[^:,/]*):(\d+)", listeners) or [("", str(KAFKA_PORT))]
    named = settings.get("node.id") or settings.get("broker.id")
    hosts = {host for host, port in addresses if port == str(broker.port)}
    anywhere = not hosts.isdisjoint(("", "0.0.0.0", "[::]")) and _is_here(broker.host)
    return named in (None, "-1", str(broker.id)) and (anywhere or broker.host in hosts)


def _meta(settings: Mapping[str, str]) -> Mapping[str, str]:
    """What a broker has noted in its log directory (`meta.properties`); empty where we may not read it."""
    for path in _log_dirs(settings):
        with suppress(OSError, UsageError):
            file = Path(path, "meta.properties")
            return {entry.key: entry.value for entry in properties.read(file.read_bytes(), str(file)).entries}
    return {}


def _log_dirs(settings: Mapping[str, str]) -> list[str]:
    listed = settings.get("log.dirs") or settings.get("log.dir") or ""
    return [path.strip() for path in listed.split(",") if path.strip()]


def _is_here(host: str | None) -> bool:
    """Whether a name or an address that a broker advertises is one of this machine."""
    names = {"localhost", socket.gethostname(), socket.getfqdn()}
    names |= {address.address for card in psutil.net_if_addrs().values() for address in card}
    return host in names


def _told(question: Callable[[], int | None]) -> int | None:
    """The answer; None where the system does not give one: containers may hide parts of /proc."""
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


BLOCKS = Path("/sys/dev/block")
CPUINFO = Path("/proc/cpuinfo")


def _is_ssd(device: int) -> bool | None:
    """Whether Linux reports the disk of this device as an SSD. None where it is not known: overlays, network file
    systems, disks of virtual machines."""
    block = (BLOCKS / f"{os.major(device)}:{os.minor(device)}").resolve()
    # A partition has no queue of its own. Its disk is one folder above.
    for folder in (block, block.parent):
        try:
            rotates = (folder / "queue" / "rotational").read_text().strip() != "0"
        except OSError:
            continue
        return None if rotates and _is_virtual(block.name) else not rotates
    return None


def _is_virtual(disk: str) -> bool:
    """Whether it is the disk of a virtual machine. These report "rotational" even where they are SSDs."""
    try:
        return disk.startswith(("vd", "xvd")) or " hypervisor" in CPUINFO.read_text()
    except OSError:
        return False


def _network_mbps() -> int | None:
    """The speed of the fastest network card that is up, in Mbit/s. None where no card reports it."""
    cards = psutil.net_if_stats()
    return max((card.speed for name, card in cards.items() if card.isup and card.speed and name != "lo"), default=None)


def _history() -> dict[str, Any] | None:
    """Figures of the last week as recorded by sysstat, else by tsar. None where neither has any."""
    by = time.monotonic() + _HISTORY_BUDGET_S
    for tool, words, told in (("sadf", "sysstat", _sadf), ("tsar", "tsar", _tsar)):
        command = shutil.which(tool)
        moments = [] if command is None else list(told(command, by))
        if moments:
            return _summary(words, moments)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One interval of a tool's history: bytes a second of the network card, and how busy the processors were, 0 to 100
    (None where not recorded)."""

    at: datetime
    received: float
    sent: float
    busy_percent: float | None


def _sadf(command: str, by: float) -> Iterator[Moment]:
    """sysstat writes one file a day. Days without a file give nothing."""
    for day in range(HISTORY_DAYS):
        days_ago = [f"-{day}"] if day else []
        yield from sadf_moments(_output([command, "-j", *days_ago, "--", "-u", "-n", "DEV"], by))


def _tsar(command: str, by: float) -> Iterator[Moment]:
    days, fields = str(HISTORY_DAYS), "util,bytin,bytout"
    yield from tsar_moments(_output([command, "-n", days, "-i", "1", "-D", "--cpu", "--traffic", "-s", fields], by))


def _output(command: Sequence[str], by: float) -> bytes:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=max(0.1, by - time.monotonic()),
            env={**os.environ, "LC_ALL": "C"},  # numbers with a decimal comma would not be JSON
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout


def sadf_moments(output: bytes) -> Iterator[Moment]:
    """The output of `sadf -j -- -u -n DEV` (sysstat): UTC times, kB/s of each card, idle time of all processors.

    Of several cards the busiest is taken: a bond or a bridge carries the same bytes as the cards below it.
    """
    try:
        for each in json.loads(output)["sysstat"]["hosts"][0]["statistics"]:
            cards = [card for card in each.get("network", {}).get("net-dev", ()) if card["iface"] != "lo"]
            idle = [cpu["idle"] for cpu in each.get("cpu-load", ()) if cpu["cpu"] == "all"]
            if cards:
                yield Moment(
                    at=datetime.fromisoformat(f"{each['timestamp']['date']}T{each['timestamp']['time']}+00:00"),
                    received=max(card["rxkB"] for card in cards) * 1024,
                    sent=max(card["txkB"] for card in cards) * 1024,
                    busy_percent=100 - idle[0] if idle else None,
                )
    except (ValueError, LookupError, TypeError, AttributeError):
        return


def tsar_moments(output: bytes) -> Iterator[Moment]:
    """The output of `tsar -D --cpu --traffic`: two header lines, repeated from time to time, then a line for each local
    minute with the bytes a second of all cards (`bytin`, `bytout`) and the processors' `util`. `------`: not known."""
    names: list[str] = []
    for words in map(str.split, output.decode("utf-8", "replace").splitlines()):
        if words[:1] == ["Time"]:
            names = words[1:]
            continue
        try:
            at = datetime.strptime(words[0], "%d/%m/%y-%H:%M").astimezone(UTC)
            row = {name: float(word) for name, word in zip(names, words[1:], strict=True) if word != "------"}
            yield Moment(at=at, received=row["bytin"], sent=row["bytout"], busy_percent=row.get("util"))
        except (ValueError, LookupError):
            continue


def _summary(tool: str, moments: Sequence[Moment]) -> dict[str, Any]:
    busy = [each.busy_percent for each in moments if each.busy_percent is not None]
    times = [each.at for each in moments]
    return {
        "tool": tool,
        "from": f"{min(times):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{max(times):%Y-%m-%dT%H:%M:%SZ}",
        "receivedMaxMBps": round(max(each.received for each in moments) / 1e6, 6),
        "sentMaxMBps": round(max(each.sent for each in moments) / 1e6, 6),
        "cpuBusyMaxPercent": round(max(busy), 2) if busy else None,
    }
