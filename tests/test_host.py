"""Where the source is, found out on this machine: from processes that look like brokers, and from ports."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from kafka_meta import host
from kafka_meta.errors import UsageError

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
    with pytest.raises(UsageError, match=r"several brokers run on this machine: a:1 .*; a:2 ") as refused:
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
