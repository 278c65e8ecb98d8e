"""Users' keys into the ZooKeeper of a destination: the only code of this room that changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kazoo.exceptions import BadVersionError, KazooException, NoAuthError, NodeExistsError, NoNodeError

from kafka_meta.model import ScramCredential
from kafka_meta.settings import ZooKeeperSettings
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.cluster import find
from kafka_meta.zookeeper.payloads import Unreadable
from kafka_meta.zookeeper.session import connected

_TRIES = 5


def write_credentials(
    settings: ZooKeeperSettings, credentials: Mapping[tuple[str, str], ScramCredential]
) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Each (user, mechanism) with None, or with why it was not written. A credential that exists is never replaced.

    As `kafka.zk.AdminZkClient.changeConfigs` does it: merged into `/config/users/<u>`, then a change notice. Raises
    `KafkaMetaError` when ZooKeeper cannot be reached, or no live cluster of ZooKeeper mode is there.
    """
    with connected(settings) as session:
        find(session, settings.connect)
        for key, credential in credentials.items():
            yield key, _write(session.client, session.root, key[0], credential)


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
                continue  # somebody else was faster
        else:
            return f"{path} changed under our hands {_TRIES} times"
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
        # With zookeeper.set.acl the parent is readable by the brokers alone, and so must be what is in it.
        acl = client.get_acls(path.rpartition("/")[0])[0]
        client.create(path, payloads.with_credential(b"", credential), acl=acl)
        return None
    data, stat = client.get(path)
    if credential.mechanism in payloads.entity_config(data or b""):
        return f"the user has a credential of {credential.mechanism} now"
    client.set(path, payloads.with_credential(data or b"", credential), version=stat.version)
    return None
