"""What cluster to start, and the settings that its brokers get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Mode
from kafka_meta.playground.jars import POM, versions

PLAINTEXT = "PLAINTEXT"


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def modes(version: str) -> tuple[Mode, ...]:
    """KRaft was declared ready in 3.3; 4.0 dropped ZooKeeper."""
    zookeeper: tuple[Mode, ...] = ("zookeeper",) if release(version) < (4,) else ()
    return (*zookeeper, "kraft") if release(version) >= (3, 3) else zookeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What cluster to start. Settings are Kafka's and ZooKeeper's own and win over the playground's."""

    version: str
    mode: Mode
    brokers: int = 1
    chroot: str = ""
    authorizer: bool = True
    """With `super.users=User:ANONYMOUS`: whoever connects to the PLAINTEXT listener may do everything."""
    as_shipped: bool = False
    """With Kafka's own defaults (those of the code, not of its sample files), as operators have them. Else with small
    and quick ones: few internal partitions, no delay before a group's first rebalance, sessions that end soon."""
    settings: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)
    """Further listeners beside PLAINTEXT: name → security protocol; their settings go into `settings`."""
    jvm_options: Sequence[str] = ()
    zookeeper_settings: Mapping[str, str] = field(default_factory=dict)
    zookeeper_jvm_options: Sequence[str] = ()
    cluster_id: str | None = None
    """KRaft only: a random one, unless told."""
    pom: Path = POM
    """Where this version's jars are named."""

    def __post_init__(self) -> None:
        there = versions(self.pom)
        if self.version not in there or self.mode not in modes(self.version):
            raise KafkaMetaError(
                f"The playground has no Kafka {self.version} in {self.mode} mode.",
                "It has " + ", ".join(f"{version} ({', '.join(modes(version))})" for version in there) + ".",
            )


def broker_settings(
    design: Design, id: int, ports: Mapping[str, int], controllers: Mapping[int, int], zookeeper_connect: str | None
) -> dict[str, str]:
    """A broker's properties. `ports` by listener name, `controllers` (KRaft only) by node id."""
    if zookeeper_connect is not None:
        settings = _zookeeper_settings(design, id, ports, zookeeper_connect)
    else:
        settings = _kraft_settings(design, id, ports, controllers)
    return {**_common_settings(design), **settings, **design.settings}


def _common_settings(design: Design) -> dict[str, str]:
    quick = {
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.dedupe.buffer.size": "16777216",  # a quarter of our heap by default
    }
    return {
        **({} if design.as_shipped else quick),
        **_replicated(design, "offsets.topic.replication.factor"),
        **_replicated(design, "transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
        **({"super.users": "User:ANONYMOUS"} if design.authorizer else {}),
    }


def _replicated(design: Design, factor: str, min_isr: str | None = None) -> dict[str, str]:
    """An internal topic's replication, where there are fewer brokers than the three that Kafka's defaults ask for."""
    if design.brokers >= 3:
        return {}
    return {factor: str(design.brokers), **({min_isr: "1"} if min_isr else {})}


def _zookeeper_settings(design: Design, id: int, ports: Mapping[str, int], zookeeper_connect: str) -> dict[str, str]:
    return {
        "broker.id": str(id),
        "zookeeper.connect": zookeeper_connect,
        "zookeeper.connection.timeout.ms": "30000",  # patience of ours, not of a running broker
        **({} if design.as_shipped else {"zookeeper.session.timeout.ms": "6000"}),
        "listeners": _addresses(ports),
        "listener.security.protocol.map": _protocols(design.listeners),
        "inter.broker.listener.name": PLAINTEXT,
        **({"authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"} if design.authorizer else {}),
    }


def _kraft_settings(
    design: Design, id: int, ports: Mapping[str, int], controllers: Mapping[int, int]
) -> dict[str, str]:
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    quick = {
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": "1000",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
    }
    return {
        **({} if design.as_shipped else quick),
        "process.roles": "broker,controller",
        "node.id": str(id),
        "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "listeners": _addresses({**ports, "CONTROLLER": controllers[id]}),
        "listener.security.protocol.map": _protocols({**design.listeners, "CONTROLLER": PLAINTEXT}),
        "inter.broker.listener.name": PLAINTEXT,
        **_replicated(
            design, "share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"
        ),
        **({"authorizer.class.name": authorizer} if design.authorizer else {}),
    }


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def _protocols(listeners: Mapping[str, str]) -> str:
    return ",".join(f"{name}:{protocol}" for name, protocol in {PLAINTEXT: PLAINTEXT, **listeners}.items())


SOURCE = Design(version="3.9.1", mode="zookeeper", chroot="/kafka")
DEST = Design(version="4.3.1", mode="kraft")
