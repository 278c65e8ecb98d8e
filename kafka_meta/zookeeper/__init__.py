"""What ZooKeeper has of a cluster. The only room that imports kazoo.

    session   kazoo: a connection that reads many nodes at a time
    login     logs in to ZooKeeper (SASL DIGEST-MD5)
    payloads  a node's bytes → values                                    pure
    reading   nodes → values, with gaps for what could not be read
    cluster   live brokers, controller, cluster id; what does not move
    topics    topics, partitions, overrides
    access    ACLs, SCRAM users, quotas
    consumers groups and positions of old consumers (before 0.9)
    credentials  writes users' keys; the other modules only read

The paths and payloads are Kafka's own (`kafka.zk.ZkData` in 3.9), under the chroot of `zookeeper.connect`.
"""

from __future__ import annotations

from kafka_meta.events import Emit, silent
from kafka_meta.model import EVERYTHING, Cluster, Remark, Resource, Selection, Snapshot, sorted_remarks
from kafka_meta.settings import ZooKeeperSettings
from kafka_meta.zookeeper.access import acls, users_and_quotas
from kafka_meta.zookeeper.cluster import cluster, find, note_what_stays
from kafka_meta.zookeeper.consumers import groups
from kafka_meta.zookeeper.credentials import require_cluster, write_credentials
from kafka_meta.zookeeper.reading import Reading
from kafka_meta.zookeeper.session import connected
from kafka_meta.zookeeper.topics import topics

__all__ = [
    "DEFAULTS_GAP",
    "GROUPS_GAP",
    "identify",
    "read",
    "read_users_and_quotas",
    "require_cluster",
    "write_credentials",
]

DEFAULTS_GAP = Remark(resource=Resource("defaults"), reason="broker-level defaults are not in ZooKeeper")
GROUPS_GAP = Remark(
    resource=Resource("groups"), reason="groups that keep their positions in the brokers are not in ZooKeeper"
)


def identify(settings: ZooKeeperSettings) -> Cluster:
    """The cluster under the chroot. Raises `KafkaMetaError` as `read` does."""
    with connected(settings) as session:
        return cluster(Reading(session, EVERYTHING, silent), find(session, settings.connect))


def read_users_and_quotas(settings: ZooKeeperSettings, *, emit: Emit) -> Snapshot:
    """Only users and quotas, for a destination whose brokers are too old to return them. Raises as `read` does."""
    with connected(settings) as session:
        reading = Reading(session, EVERYTHING, emit)
        described = cluster(reading, find(session, settings.connect))
        users, quotas = users_and_quotas(reading, secrets=False)
    return Snapshot(taken_at_ms=0, cluster=described, users=users, quotas=quotas, gaps=sorted_remarks(reading.gaps))


def read(
    settings: ZooKeeperSettings,
    selection: Selection,
    *,
    emit: Emit,
    secrets: bool = False,
    states: bool = True,
    taken_at_ms: int,
) -> Snapshot:
    """Everything that ZooKeeper has of the cluster under the chroot.

    `secrets` adds salt and keys to SCRAM credentials. `states` reads each partition's leader and in-sync replicas.
    These are two thirds of all nodes, and not needed where the brokers are read as well. ZooKeeper has no offsets and
    sizes of logs (None), no defaults of brokers (`DEFAULTS_GAP`) and only old groups (`GROUPS_GAP`). Running
    reassignments, delegation tokens and dynamic broker configs are `signs`.

    Raises `KafkaMetaError` when ZooKeeper cannot be reached or refuses the credentials, when there is no cluster under
    the chroot, and when the data is stale: no broker is alive, or a KRaft quorum owns the cluster.
    """
    with connected(settings) as session:
        broker_ids = find(session, settings.connect)
        reading = Reading(session, selection, emit)
        described = cluster(reading, broker_ids)
        found_groups = groups(reading)
        found_topics = topics(reading, states=states)
        found_acls = acls(reading)
        users, quotas = users_and_quotas(reading, secrets=secrets)
        note_what_stays(reading)
    return Snapshot(
        taken_at_ms=taken_at_ms,
        cluster=described,
        topics=found_topics,
        groups=found_groups,
        acls=found_acls,
        users=users,
        quotas=quotas,
        gaps=sorted_remarks([*reading.gaps, DEFAULTS_GAP, GROUPS_GAP]),
        left_out=sorted_remarks(reading.left_out),
        signs=sorted_remarks(reading.signs),
        unmatched=tuple(reading.unmatched),
    )
