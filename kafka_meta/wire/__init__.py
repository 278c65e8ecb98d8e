"""The one room that imports kafka-python: what is asked of brokers in the raw protocol.

    contact      TCP → TLS → SASL → Metadata, and what a failure on that way means
    connection   `Wire`: requests to chosen brokers, over one connection each
    versions     which version the brokers are, from what they say they speak
    topics       metadata, offsets, sizes on disk, running reassignments
    configs      of topics and brokers
    groups       every group of every type; open transactions
    coordinators members and positions of groups
    acls         of every resource type
    users        SCRAM users and client quotas
    producers    which partitions idempotent and transactional producers write to

    channel      bulk: one connection, requests sent from where their parts lie, answers taken as they come
    fetch        batches as they are stored
    produce      batches that are ready
    partitions   leaders with their epochs, log ends; what a topic takes
    membership   of a group, as a lease

librdkafka asks and decides much by itself: it lists groups of consumers only, knows no log directories, and makes an
object of each synonym of each config. Here each answer is seen whole, with the broker and the error it came with.
`create_acls`, `upsert_users`, `set_quotas`, `commit`, `wake` and `produce` are the only ones in this room that change
what is on a cluster; `membership` changes who is in a group.
"""

from kafka_meta.wire.acls import NO_AUTHORIZER, acls, create_acls
from kafka_meta.wire.configs import Config, broker_configs, other_configs, overrides
from kafka_meta.wire.connection import OPERATIONS, Unanswered, Wire
from kafka_meta.wire.contact import connect
from kafka_meta.wire.coordinators import Described, Positions, commit, described, positions, wake
from kafka_meta.wire.groups import Listing, groups, transactional_ids
from kafka_meta.wire.producers import Producers, producers
from kafka_meta.wire.topics import (
    EARLIEST,
    LATEST,
    Metadata,
    Place,
    log_dirs,
    metadata,
    offsets,
    reassignments,
)
from kafka_meta.wire.users import Upsertion, quotas, set_quotas, upsert_users, users

__all__ = [
    "EARLIEST",
    "LATEST",
    "NO_AUTHORIZER",
    "OPERATIONS",
    "Config",
    "Described",
    "Listing",
    "Metadata",
    "Place",
    "Positions",
    "Producers",
    "Unanswered",
    "Upsertion",
    "Wire",
    "acls",
    "broker_configs",
    "commit",
    "connect",
    "create_acls",
    "described",
    "groups",
    "log_dirs",
    "metadata",
    "offsets",
    "other_configs",
    "overrides",
    "positions",
    "producers",
    "quotas",
    "reassignments",
    "set_quotas",
    "transactional_ids",
    "upsert_users",
    "users",
    "wake",
]
