"""The cluster itself: whether ZooKeeper's data is current, its brokers, and what does not move."""

from __future__ import annotations

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Broker, Cluster, Remark, Resource
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.multiread import Absence
from kafka_meta.zookeeper.reading import Reading
from kafka_meta.zookeeper.session import Session


def find(session: Session, connect: str) -> list[str]:
    """The ids of the live brokers under the session's root.

    Raises `KafkaMetaError` when no cluster is there, or when it has left ZooKeeper. The hint names chroots of the same
    ZooKeeper that have live brokers.
    """
    place = session.root or "/"
    hosts = connect.partition("/")[0]
    (ids,) = session.children(["/brokers/ids"])
    if isinstance(ids, list) and ids:
        return ids
    if ids is Absence.FORBIDDEN:
        raise KafkaMetaError(
            f"ZooKeeper at {hosts} does not show the brokers under {place} (NoAuth)",
            "Connect with the brokers' own credentials (JAAS section `Client`).",
        )
    elsewhere = [f"{hosts}{root}" for root in _roots_of_clusters(session.at(""))]
    hint = f"There are live brokers under {' and '.join(elsewhere)}." if elsewhere else None
    if isinstance(ids, list):
        raise KafkaMetaError(
            f"no broker is alive under {place} in ZooKeeper at {hosts}: its data may be stale",
            hint or "Start the brokers. If the cluster has moved to KRaft, export from the brokers only.",
        )
    (exists,) = session.at("").children([place])
    if exists is Absence.GONE:
        message = f"the chroot {place} does not exist in ZooKeeper at {hosts}"
    else:
        message = f"there is no Kafka cluster under {place} in ZooKeeper at {hosts}: it has no /brokers/ids"
    raise KafkaMetaError(
        message, hint or "Check the chroot: it is in zookeeper.connect of a broker's server.properties."
    )


def _roots_of_clusters(session: Session) -> list[str]:
    (names,) = session.children(["/"])
    roots = ["", *(f"/{name}" for name in names)] if isinstance(names, list) else [""]
    found = session.children(f"{root}/brokers/ids" for root in roots)
    return [root or "/" for root, ids in zip(roots, found, strict=True) if isinstance(ids, list) and ids]


def cluster(reading: Reading, broker_ids: list[str]) -> Cluster:
    """Id, controller and brokers. Raises `KafkaMetaError` when a KRaft quorum owns the cluster."""
    controller = reading.value("/controller", payloads.controller, Resource("cluster"))
    if controller is not None and controller.kraft_epoch > 0:
        raise KafkaMetaError(
            "a KRaft quorum owns this cluster (kraftControllerEpoch "
            f"{controller.kraft_epoch} in {reading.session.root}/controller): ZooKeeper's data is stale",
            "Export from the brokers only: give bootstrap servers, but no ZooKeeper.",
        )
    ids = [int(broker_id) for broker_id in broker_ids if broker_id.isdecimal()]
    brokers = reading.values(
        {broker_id: f"/brokers/ids/{broker_id}" for broker_id in ids},
        payloads.broker,
        lambda broker_id: Resource("broker", str(broker_id)),
    )
    return Cluster(
        id=reading.value("/cluster/id", payloads.cluster_id, Resource("cluster")),
        mode="zookeeper",
        controller_id=controller.broker_id if controller is not None else None,
        brokers=tuple(brokers[broker_id] or Broker(id=broker_id) for broker_id in sorted(brokers)),
    )


def note_what_stays(reading: Reading) -> None:
    """Adds signs of delegation tokens and of dynamic broker configs. Configs only by name: values may be passwords."""
    if tokens := reading.listed("/delegation_token/tokens", Resource("delegation tokens")):
        count = f"{len(tokens)} delegation token{'s' * (len(tokens) > 1)}"
        reason = f"{count}: do not move; clients must request new ones on the destination"
        reading.signs.append(Remark(resource=Resource("delegation tokens"), reason=reason))
    nodes = reading.listed("/config/brokers", Resource("broker configs")) or ()
    configs = reading.values(
        {node: f"/config/brokers/{node}" for node in nodes},
        lambda _, data: payloads.entity_config(data),
        lambda _: Resource("broker configs"),
    )
    for node, config in configs.items():
        if config:
            whose = "all brokers" if node == payloads.DEFAULT_ENTITY_NODE else f"broker {node}"
            reason = f"set dynamically for {whose}, do not move: {', '.join(sorted(config))}"
            reading.signs.append(Remark(resource=Resource("broker configs"), reason=reason))
