"""Quotas of Kafka's own, for every client of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from kafka_meta.playground import Cluster


@contextmanager
def slowed(cluster: Cluster, quota: Literal["consumer_byte_rate", "producer_byte_rate"], rate: int) -> Iterator[None]:
    """Each client id may move `rate` bytes a second meanwhile; a burst of ten seconds' worth is free (Kafka's window
    is that long)."""
    _alter(cluster, "--add-config", f"{quota}={rate}")
    try:
        yield
    finally:
        _alter(cluster, "--delete-config", quota)


def _alter(cluster: Cluster, *change: str) -> None:
    to = ("--bootstrap-server", cluster.bootstrap_servers)
    which = ("--entity-type", "clients", "--entity-default")
    cluster.tool("kafka.admin.ConfigCommand", *to, "--alter", *which, *change)
