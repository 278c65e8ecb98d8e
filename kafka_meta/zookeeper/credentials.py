"""Writes users' keys into a destination's ZooKeeper. Only this module of the room changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kazoo.exceptions import BadVersionError, KazooException, NoAuthError, NodeExistsError, NoNodeError

from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import silent
from kafka_meta.model import EVERYTHING, ScramCredential
from kafka_meta.settings import ZooKeeperSettings
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.cluster import cluster, find
from kafka_meta.zookeeper.payloads import Unreadable
from kafka_meta.zookeeper.reading import Reading
from kafka_meta.zookeeper.session import Session, connected

_TRIES = 5


def write_credentials(
    settings: ZooKeeperSettings, credentials: Mapping[tuple[str, str], ScramCredential], *, cluster_id: str | None
) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Yields each (user, mechanism) with None, or with the reason why it was not written.

    A credential that exists is never replaced. As in `kafka.zk.AdminZkClient.changeConfigs`, a credential is added to
    `/config/users/<u>`, then a change notice is created. Raises `KafkaMetaError`, before anything is written, when
    ZooKeeper cannot be reached, has no live cluster in ZooKeeper mode, or is not that of the cluster `cluster_id`.
    """
    with connected(settings) as session:
        _require(session, settings, cluster_id)
        for key, credential in credentials.items():
            yield key, _write(session.client, session.root, key[0], credential)


def require_cluster(settings: ZooKeeperSettings, cluster_id: str | None) -> None:
    """Raises `KafkaMetaError` where the ZooKeeper is not that of the destination's cluster `cluster_id`."""
    with connected(settings) as session:
        _require(session, settings, cluster_id)


def _require(session: Session, settings: ZooKeeperSettings, cluster_id: str | None) -> None:
    found = cluster(Reading(session, EVERYTHING, silent), find(session, settings.connect)).id
    if cluster_id is None or found != cluster_id:
        raise KafkaMetaError(
            f"the destination's ZooKeeper is of cluster {found}, its brokers are of cluster {cluster_id}",
            "Check --dest-zk-connect, or zookeeper.connect in the file of --dest-config.",
        )


def _write(client: Any, root: str, user: str, credential: ScramCredential) -> str | None:
    node = payloads.entity_node(user)
    path = f"{root}/config/users/{node}"
    try:
        for _ in range(_TRIES):
            try:
                if said := _merge(client, path, credential):
                    return said
                break
            except (BadVersionError, NodeExistsError, NoNodeError):
                continue  # another client has changed it meanwhile
        else:
            return f"another client changed {path} during each of {_TRIES} attempts"
        changes = f"{root}/config/changes"
        notice = payloads.config_change(f"users/{node}")
        acl = client.get_acls(changes)[0]
        client.create(f"{changes}/config_change_", notice, acl=acl, sequence=True)
    except NoAuthError:
        return f"no right to write {path}: log in to ZooKeeper as the brokers do (java.security.auth.login.config)"
    except Unreadable as error:
        return f"{path} {error}"
    except KazooException as error:
        return f"{path}: {type(error).__name__}"
    return None


def _merge(client: Any, path: str, credential: ScramCredential) -> str | None:
    if client.exists(path) is None:
        # With zookeeper.set.acl only the brokers may read the parent. The new node must have the same ACL.
        acl = client.get_acls(path.rpartition("/")[0])[0]
        client.create(path, payloads.with_credential(b"", credential), acl=acl)
        return None
    data, stat = client.get(path)
    if credential.mechanism in payloads.entity_config(data or b""):
        return f"the user has a credential of {credential.mechanism} now"
    client.set(path, payloads.with_credential(data or b"", credential), version=stat.version)
    return None
