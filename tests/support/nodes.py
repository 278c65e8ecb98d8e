"""ZooKeeper's nodes as a cluster lays them, laid by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from kafka_meta import zookeeper
from kafka_meta.events import Emit, silent
from kafka_meta.model import EVERYTHING, Secret, Selection, Snapshot
from kafka_meta.settings import ZooKeeperSettings

DIGEST = "operator:secret of the brokers"

ALWAYS = (zookeeper.DEFAULTS_GAP, zookeeper.GROUPS_GAP)
"""What ZooKeeper never knows."""


class Place:
    """A chroot of its own, laid out like a cluster with one live broker; tests add to it."""

    def __init__(self, client: KazooClient, hosts: str, root: str) -> None:
        self.client = client
        self.connect = f"{hosts}{root}"
        self.root = root
        self.put("/brokers/ids/1", {"version": 5, "host": "h1", "port": 9092, "endpoints": ["PLAINTEXT://h1:9092"]})
        self.put("/cluster/id", {"version": "1", "id": "an-id"})
        self.put("/controller", {"version": 2, "brokerid": 1, "timestamp": "1", "kraftControllerEpoch": -1})
        for path in ("/brokers/topics", "/kafka-acl", "/kafka-acl-extended", "/consumers"):
            self.put(path, b"")

    def put(self, path: str, data: object, *, digest: str | None = None, ephemeral: bool = False) -> None:
        """Sets a node; with `digest` (user:password) nobody else may read it or list its children."""
        user, _, password = (digest or "").partition(":")
        self.client.ensure_path((self.root + path).rpartition("/")[0])
        self.client.create(
            self.root + path,
            data if isinstance(data, bytes) else json.dumps(data).encode(),
            acl=[make_digest_acl(user, password, all=True)] if digest else None,
            ephemeral=ephemeral,
        )

    def topic(self, name: str, *, partitions: int = 1, **more: object) -> None:
        assigned = {str(number): [1] for number in range(partitions)}
        self.put(f"/brokers/topics/{name}", {"version": 3, "partitions": assigned, **more})

    def topics(self, count: int) -> None:
        """Topics t0000, t0001, … of one partition, made at once."""
        transaction = self.client.transaction()
        for number in range(count):
            transaction.create(f"{self.root}/brokers/topics/t{number:04}", b'{"version":1,"partitions":{"0":[1]}}')
        transaction.commit()

    def read(
        self,
        *,
        selection: Selection = EVERYTHING,
        emit: Emit = silent,
        secrets: bool = False,
        states: bool = True,
        digest: str | None = None,
    ) -> Snapshot:
        return read(self.connect, selection=selection, emit=emit, secrets=secrets, states=states, digest=digest)

    def gaps(self, *, digest: str | None = None) -> dict[str, str]:
        """By resource, without the one about defaults that every snapshot from ZooKeeper has."""
        return {str(gap.resource): gap.reason for gap in self.read(digest=digest).gaps if gap not in ALWAYS}


def read(
    connect: str,
    *,
    selection: Selection = EVERYTHING,
    emit: Emit = silent,
    secrets: bool = False,
    states: bool = True,
    digest: str | None = None,
) -> Snapshot:
    settings = ZooKeeperSettings(connect=connect, digest=Secret(digest) if digest else None)
    return zookeeper.read(settings, selection, emit=emit, secrets=secrets, states=states, taken_at_ms=42)


@contextmanager
def writer(hosts: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts, auth_data=[("digest", DIGEST)])
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()
