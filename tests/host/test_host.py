"""Where the source is, found out on this machine: from processes that look like brokers, and from ports."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from kafka_meta import host
from kafka_meta.errors import UsageError
from kafka_meta.files import validate
from kafka_meta.model import Broker as KafkaBroker

# A process that is called as a broker is; `ready` when it waits.
_PROGRAM = "import sys; print('ready', flush=True); sys.stdin.read()"

Broker = Callable[..., Path]


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Starts one with these settings; only processes of this test are seen."""
    started: list[psutil.Process] = []
    monkeypatch.setattr(psutil, "process_iter", lambda: iter(started))
    with ExitStack() as running:

        def start(*lines: str, arguments: tuple[str, ...] = (), name: str = "server.properties") -> Path:
            folder = tmp_path / str(len(started))
            folder.mkdir()
            (folder / name).write_text("\n".join(lines), "utf-8")
            process = running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, "kafka.Kafka", name, *arguments],
                    cwd=folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            running.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            started.append(psutil.Process(process.pid))
            return folder / name

        yield start


def test_a_running_broker_tells_its_addresses(broker: Broker) -> None:
    path = broker("listeners=PLAINTEXT://10.1.2.3:9093", "zookeeper.connect=zk1:2181,zk2:2181/kafka")
    found = host.find_addresses()
    assert found.bootstrap_servers == "10.1.2.3:9093"
    assert found.zookeeper_connect == "zk1:2181,zk2:2181/kafka"
    assert found.origin == f"the broker running with {path}"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["listeners=PLAINTEXT://:9093"], "localhost:9093"),
        (["listeners=PLAINTEXT://0.0.0.0:9093"], "localhost:9093"),
        (["listeners=PLAINTEXT://[::]:9093"], "localhost:9093"),
        (["listeners=PLAINTEXT://10.0.0.0:9093"], "10.0.0.0:9093"),
        (["listeners=PLAINTEXT://[::1]:9093"], "[::1]:9093"),
        (["listeners=SSL://a:1 , PLAINTEXT://b:2"], "b:2"),
        (["listeners=SSL://a:1,SASL_SSL://b:2"], "a:1"),
        (["listeners=PLAINTEXT://a:1", "advertised.listeners=PLAINTEXT://b:2"], "b:2"),
        (["listeners=PLAINTEXT://a:1", "listeners=PLAINTEXT://b:2"], "b:2"),
        (["listeners=CONTROLLER://a:1,PLAINTEXT://b:2", "controller.listener.names=CONTROLLER"], "b:2"),
        (["broker.id=1"], "localhost:9092"),
    ],
)
def test_the_listener_for_clients_is_taken(broker: Broker, lines: list[str], address: str) -> None:
    broker(*lines)
    assert host.find_addresses().bootstrap_servers == address


def test_overrides_of_the_command_line_count(broker: Broker) -> None:
    broker(
        "listeners=PLAINTEXT://a:1",
        "zookeeper.connect=zk:1",
        arguments=("--override", "listeners=PLAINTEXT://b:2", "--override", "zookeeper.connect=zk:2/x=y"),
    )
    found = host.find_addresses()
    assert (found.bootstrap_servers, found.zookeeper_connect) == ("b:2", "zk:2/x=y")


def test_brokers_of_one_cluster_are_one_source(broker: Broker) -> None:
    for port in (1, 2):
        broker(f"listeners=PLAINTEXT://a:{port}", "zookeeper.connect=zk:2181")
    assert host.find_addresses().bootstrap_servers == "a:1"


def test_brokers_of_several_clusters_are_not_guessed_between(broker: Broker) -> None:
    broker("listeners=PLAINTEXT://a:1", "zookeeper.connect=zk:2181/one")
    broker("listeners=PLAINTEXT://a:2", "controller.quorum.voters=1@a:3", "process.roles=broker")
    with pytest.raises(UsageError, match=r"brokers of several clusters run on this machine: a:1 .*; a:2 ") as refused:
        host.find_addresses()
    assert refused.value.hint is not None
    assert "--source-bootstrap-servers" in refused.value.hint


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Kafka's and ZooKeeper's own ports, moved to free ones; the sockets do not listen yet."""
    with socket.socket() as kafka, socket.socket() as zookeeper:
        for name, each in (("KAFKA_PORT", kafka), ("ZOOKEEPER_PORT", zookeeper)):
            each.bind(("127.0.0.1", 0))
            monkeypatch.setattr(host, name, each.getsockname()[1])
        yield kafka, zookeeper


def test_a_controller_is_no_address_for_clients(broker: Broker, ports: tuple[socket.socket, socket.socket]) -> None:
    broker("process.roles=controller", "listeners=CONTROLLER://a:1", "controller.listener.names=CONTROLLER")
    with pytest.raises(UsageError, match="no broker runs on this machine"):
        host.find_addresses()


def test_without_a_broker_kafkas_own_ports_are_tried(ports: tuple[socket.socket, socket.socket]) -> None:
    kafka, zookeeper = ports
    with pytest.raises(UsageError, match="no address of the source is given") as refused:
        host.find_addresses()
    assert refused.value.hint is not None
    zookeeper.listen()
    found = host.find_addresses()
    assert (found.bootstrap_servers, found.zookeeper_connect) == (None, f"localhost:{zookeeper.getsockname()[1]}")
    kafka.listen()
    assert host.find_addresses().bootstrap_servers == f"localhost:{kafka.getsockname()[1]}"


def test_a_broker_whose_settings_cannot_be_read_is_passed_over(
    broker: Broker, ports: tuple[socket.socket, socket.socket]
) -> None:
    broker("listeners=PLAINTEXT://a:1").unlink()
    with pytest.raises(UsageError, match="no broker runs on this machine"):
        host.find_addresses()


# What the machine has and had.

CASES = Path(__file__).parents[1] / "cases" / "host"
SADC = next((path for path in map(Path, ("/usr/lib/sysstat/sadc", "/usr/lib64/sa/sadc")) if path.is_file()), None)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts programs of these names on the path, which write down how they were called."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: which(name, path=str(folder)))

    def write(name: str, script: str) -> Path:
        program, calls = folder / name, folder / f"{name}.calls"
        program.write_text(f'#!/bin/sh\necho "$LC_ALL $*" >> {calls}\n{script}\n')
        program.chmod(0o755)
        return calls

    return write


def history(broker: Broker) -> dict[str, object] | None:
    broker("broker.id=1", "listeners=PLAINTEXT://localhost:9093")
    figures = host.figures([KafkaBroker(id=1, host="localhost", port=9093)], "a-cluster")
    assert figures is not None
    validate({"collectedAt": "2026-11-21T00:00:00Z", "figures": {}, "host": figures}, "stats", called="host")
    told = figures["history"]
    assert told is None or isinstance(told, dict)
    return told


def test_figures_are_of_the_broker_that_is_meant(broker: Broker, tmp_path: Path) -> None:
    """Two clusters at one port, each at an address of its own, and with the same id of a broker."""
    for cluster, address in (("one", "127.0.0.2"), ("two", "127.0.0.3")):
        logs = tmp_path / cluster
        logs.mkdir()
        (logs / "meta.properties").write_text(f"version=0\nbroker.id=1\ncluster.id={cluster}\n")
        broker("broker.id=1", f"listeners=PLAINTEXT://{address}:9093", f"log.dirs={logs}")

    def volumes(cluster: str, address: str) -> list[str] | None:
        told = host.figures([KafkaBroker(id=1, host=address, port=9093)], cluster)
        return None if told is None else [each["path"] for each in told["volumes"]]

    assert volumes("one", "127.0.0.2") == [str(tmp_path / "one")]
    assert volumes("two", "elsewhere") == [str(tmp_path / "two")], "its clients may know it by another name"
    assert volumes("three", "127.0.0.2") is None


def test_without_a_log_directory_that_can_be_read_the_address_counts(broker: Broker, tmp_path: Path) -> None:
    broker("broker.id=1", "listeners=PLAINTEXT://127.0.0.2:9093", f"log.dirs={tmp_path / 'hidden'}")
    broker("broker.id=2", "listeners=PLAINTEXT://:9094")

    def told(id: int, address: str, port: int) -> list[int] | None:
        found = host.figures([KafkaBroker(id=id, host=address, port=port)], "a-cluster")
        return None if found is None else found["brokers"]

    assert told(1, "127.0.0.2", 9093) == [1]
    assert told(1, "127.0.0.3", 9093) is None
    assert told(2, "localhost", 9094) == [2]
    assert told(2, "far.away", 9094) is None


def test_the_week_that_sysstat_wrote_down_is_told_with_its_busiest_moment(
    broker: Broker, tools: Callable[[str, str], Path]
) -> None:
    calls = tools("sadf", f'case "$*" in "-j -- "*|"-j -3 "*) cat {CASES / "sysstat.json"};; *) exit 2;; esac')
    assert history(broker) == {
        "tool": "sysstat",
        "from": "2026-11-21T07:59:27Z",
        "to": "2026-11-21T07:59:28Z",
        "receivedMaxMBps": pytest.approx(50, rel=1e-4),
        "sentMaxMBps": pytest.approx(20.48),
        "cpuBusyMaxPercent": pytest.approx(43.43),
    }
    days = ["", *(f"-{day} " for day in range(1, 7))]
    assert calls.read_text().splitlines() == [f"C -j {day}-- -u -n DEV" for day in days]


def test_the_week_that_tsar_wrote_down_is_told_in_utc(
    broker: Broker, tools: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("sadf", "exit 1")
    tools("tsar", f"cat {CASES / 'tsar.txt'}")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert history(broker) == {
            "tool": "tsar",
            "from": "2026-11-20T00:02:00Z",
            "to": "2026-11-20T23:59:00Z",
            "receivedMaxMBps": 50,
            "sentMaxMBps": 2,
            "cpuBusyMaxPercent": 25,
        }
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_minute_that_tsar_does_not_know_is_not_zero() -> None:
    text = (CASES / "tsar.txt").read_bytes()
    known = list(host.tsar_moments(text))
    row = b"21/11/26-06:19  25.00   50000000.00  2000000.00   "
    assert row in text
    without = list(host.tsar_moments(text.replace(row, b"21/11/26-06:19 ------   ------   ------   ")))
    assert len(without) == len(known) - 1
    idle = list(host.tsar_moments(text.replace(row, row.replace(b" 25.00", b"------"))))
    assert [each.busy_percent for each in idle if each.received == 50e6] == [None]


@pytest.mark.parametrize(
    "output", [b"", b"{", b"[]", b'{"sysstat": {"hosts": []}}', b"Time  util\n21/11/26-06:19  1.0", b"\xff"]
)
def test_what_is_no_history_is_none(output: bytes) -> None:
    assert list(host.sadf_moments(output)) == list(host.tsar_moments(output)) == []


def test_a_tool_that_hangs_or_fails_is_no_history(
    broker: Broker, tools: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_HISTORY_BUDGET_S", 0.3)
    tools("sadf", "exec sleep 60")
    tools("tsar", "echo no such file >&2; exit 1")
    began = time.monotonic()
    assert history(broker) is None
    assert time.monotonic() - began < 60, "it does not wait for the tool"


@pytest.mark.skipif(SADC is None or shutil.which("sadf") is None, reason="NOT CHECKED: no sysstat on this machine")
def test_what_the_real_sysstat_writes_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "sa"
    subprocess.run([str(SADC), "-S", "DISK", "1", "3", str(file)], check=True)
    told = subprocess.run(["sadf", "-j", str(file), "--", "-u", "-n", "DEV"], check=True, capture_output=True).stdout
    if not any(
        card["iface"] != "lo" for card in json.loads(told)["sysstat"]["hosts"][0]["statistics"][0]["network"]["net-dev"]
    ):
        pytest.skip("NOT CHECKED: this machine has no network card")
    moments = list(host.sadf_moments(told))
    assert len(moments) == 2
    for moment in moments:
        assert abs((datetime.now(UTC) - moment.at).total_seconds()) < 60
        assert moment.received >= 0
        assert moment.busy_percent is not None
        assert 0 <= moment.busy_percent <= 100


@pytest.mark.parametrize(
    ("name", "rotates", "flags", "ssd"),
    [
        ("sda", "0", "fpu vme", True),
        ("sda", "1", "fpu vme", False),
        ("sda", "1", "fpu hypervisor", None),
        ("sda", "0", "fpu hypervisor", True),
        ("vda", "1", "fpu vme", None),
    ],
)
def test_a_virtual_disk_that_says_that_it_rotates_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rotates: str, flags: str, ssd: bool | None
) -> None:
    disk = tmp_path / name
    for folder in (disk / "queue", disk / f"{name}1", tmp_path / "block"):
        folder.mkdir(parents=True)
    (disk / "queue" / "rotational").write_text(f"{rotates}\n")
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags} lm\n")
    monkeypatch.setattr(host, "BLOCKS", tmp_path / "block")
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "cpuinfo")
    for minor, target in ((0, disk), (1, disk / f"{name}1")):
        (tmp_path / "block" / f"8:{minor}").symlink_to(target)
        assert host._is_ssd(os.makedev(8, minor)) is ssd
