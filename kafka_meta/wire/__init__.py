"""Requests in the raw Kafka protocol. The only room that imports kafka-python.

    contact      TCP → TLS → SASL → Metadata, and what a failure in each step means
    logins       how long refused logins may pass by themselves
    connection   `Wire`: requests to chosen brokers, over one connection each
    patience     asks again: for clusters that have answered before
    versions     the brokers' version, from the requests that they support
    topics       metadata, offsets, sizes on disk, running reassignments
    configs      of topics and brokers
    groups       every group of every type; open transactions
    coordinators members and positions of groups
    elections    whether coordinators have confirmed what they answer with
    acls         of every resource type
    users        SCRAM users and client quotas
    producers    which partitions idempotent and transactional producers write to

    channel      one connection for much data: requests and answers are not copied
    lines        channels to every broker, and the queue of what arrives on them
    fetch        batches as they are stored
    produce      batches that are ready to be stored
    partitions   leaders with their epochs, where logs and epochs end, limits of topics
    membership   membership of a group, used as a lease
    abilities    which of these requests the brokers support

    library      kafka-python without its clients

librdkafka hides much: it lists only groups of consumers, has no log directories, and makes an object of each synonym of
each config. Here an answer is complete, with its broker and its errors. Only `create_acls`, `upsert_users`,
`set_quotas`, `set_configs`, `commit`, `wake` and `produce` change what is on a cluster. `membership` changes the
members of a group.
"""

from kafka_meta.wire import library as library  # before anything of kafka-python  # isort: split
from kafka_meta.wire.acls import NO_AUTHORIZER, acls, create_acls
from kafka_meta.wire.configs import Config, broker_configs, other_configs, overrides, set_configs
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
    absent_brokers,
    log_dirs,
    metadata,
    offsets,
    reassignments,
    unseen,
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
    "absent_brokers",
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
    "set_configs",
    "set_quotas",
    "transactional_ids",
    "unseen",
    "upsert_users",
    "users",
    "wake",
]
