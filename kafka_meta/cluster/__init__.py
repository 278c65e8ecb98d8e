"""Reads and changes a cluster through its brokers. The only room that imports confluent-kafka.

    clients    admin clients, and what their errors mean
    reader     `read`: a Snapshot of a cluster, with a gap for whatever could not be read
    brokers    mode, defaults and security, from the brokers' own configs
    defaults   which broker config is the default of which topic config
    groups     members and positions
    watch      the same, again and again
    signs      signs of what does not move by itself
    positions  the start and end offsets of logs, and the offset at a time
    rights     what we may do
    identity   whether two addresses with one cluster id lead to one cluster
    vault      the secrets of new users
    attempts   one attempt at a batch of actions
    patience   repeats attempts until each action has a result
    writer     `Writer`: the only way to change a cluster; `validate`: the broker checks topics without creating them

Reading never creates anything. Large answers come through `wire`, which has each item's own error.
"""

from kafka_meta.cluster.positions import offsets_at, with_offsets
from kafka_meta.cluster.reader import read
from kafka_meta.cluster.rights import Access, access
from kafka_meta.cluster.vault import Vault
from kafka_meta.cluster.watch import GroupWatch
from kafka_meta.cluster.writer import Writer, validate

__all__ = ["Access", "GroupWatch", "Vault", "Writer", "access", "offsets_at", "read", "validate", "with_offsets"]
