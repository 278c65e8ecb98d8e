"""What cluster to start, and the settings that its brokers get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Mode
from kafka_meta.playground.jars import VERSIONS

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
    settings: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)
    """Further listeners beside PLAINTEXT: name → security protocol; their settings go into `settings`."""
    jvm_options: Sequence[str] = ()
    zookeeper_settings: Mapping[str, str] = field(default_factory=dict)
    zookeeper_jvm_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        known = modes(self.version) if self.version in VERSIONS else ()
        if self.mode not in known:
            raise KafkaMetaError(
                f"The playground has no Kafka {self.version} in {self.mode} mode.",
                "It has " + ", ".join(f"{version} ({', '.join(modes(version))})" for version in VERSIONS) + ".",
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
    copies = str(min(3, design.brokers))
    return {
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.dedupe.buffer.size": "16777216",  # a quarter of our heap by default
        **({"super.users": "User:ANONYMOUS"} if design.authorizer else {}),
    }


def _zookeeper_settings(design: Design, id: int, ports: Mapping[str, int], zookeeper_connect: str) -> dict[str, str]:
    authorizer = (
        "kafka.security.authorizer.AclAuthorizer"
        if release(design.version) >= (2, 4)
        else "kafka.security.auth.SimpleAclAuthorizer"
    )
    return {
        "broker.id": str(id),
        "zookeeper.connect": zookeeper_connect,
        "zookeeper.connection.timeout.ms": "30000",
        "zookeeper.session.timeout.ms": "6000",
        "listeners": _addresses(ports),
        "listener.security.protocol.map": _protocols(design.listeners),
        "inter.broker.listener.name": PLAINTEXT,
        **({"authorizer.class.name": authorizer} if design.authorizer else {}),
    }


def _kraft_settings(
    design: Design, id: int, ports: Mapping[str, int], controllers: Mapping[int, int]
) -> dict[str, str]:
    copies = str(min(3, design.brokers))
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    return {
        "process.roles": "broker,controller",
        "node.id": str(id),
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": "1000",
        "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "listeners": _addresses({**ports, "CONTROLLER": controllers[id]}),
        "listener.security.protocol.map": _protocols({**design.listeners, "CONTROLLER": PLAINTEXT}),
        "inter.broker.listener.name": PLAINTEXT,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
        **({"authorizer.class.name": authorizer} if design.authorizer else {}),
    }


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def _protocols(listeners: Mapping[str, str]) -> str:
    return ",".join(f"{name}:{protocol}" for name, protocol in {PLAINTEXT: PLAINTEXT, **listeners}.items())


SOURCE = Design(version="3.9.1", mode="zookeeper", chroot="/kafka")
DEST = Design(version="4.3.1", mode="kraft")
