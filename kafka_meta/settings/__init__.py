"""How to reach the clusters, and what the operator decided.

    flags ───────────┐
    environment ─────┼─ resolve(role, …) ──▶ ClusterSettings ──▶ librdkafka() · kafka_python() · zookeeper.kazoo()
    kafka-meta.toml ─┤      every value with its origin; a note for what is ignored or risky
    old.properties ──┘      properties, jaas, jks: formats · keys, java, login, tls: what a Java client's keys mean

`renewal` reads a login again whose file has changed, at each new connection.

Only `private_files` writes files: PEM files for the clients, removed at the end. Only `oauth` uses the network: it
asks a token endpoint when a client logs in. Nothing from a file is evaluated, loaded or run.
"""

from kafka_meta.settings.connection import (
    ClusterSettings,
    Mechanism,
    Origin,
    Role,
    Sasl,
    SecurityProtocol,
    Tls,
    ZooKeeperSettings,
)
from kafka_meta.settings.oauth import TokenProvider
from kafka_meta.settings.policy import PolicyOptions, policy_options
from kafka_meta.settings.resolve import resolve
from kafka_meta.settings.toml import Toml
from kafka_meta.settings.toml import find as find_toml

__all__ = [
    "ClusterSettings",
    "Mechanism",
    "Origin",
    "PolicyOptions",
    "Role",
    "Sasl",
    "SecurityProtocol",
    "Tls",
    "TokenProvider",
    "Toml",
    "ZooKeeperSettings",
    "find_toml",
    "policy_options",
    "resolve",
]
