"""What the brokers tell and take; the one room that imports confluent-kafka.

    clients    admin clients, and what their failures mean
    reader     `read`: a Snapshot of a cluster, with a gap for whatever was not told
    brokers    mode, defaults, security, from the brokers' own configs
    defaults   which broker config stands in for which topic config
    groups     members and committed offsets
    signs      traces of what does not move by itself
    positions  where logs begin and end, and where a point in time lies
    rights     who we are, what we may do
    vault      what new users' credentials are made of
    writer     `Writer`: the only way to change a cluster; `validate`: the broker's opinion without a change

Reading never creates anything. Bulk answers come through `wire`, which sees their errors one by one; librdkafka does
what needs a coordinator or a controller that may move meanwhile, and all writing.
"""

from kafka_meta.cluster.positions import offsets_at, with_offsets
from kafka_meta.cluster.reader import SECTIONS, read
from kafka_meta.cluster.rights import Access, access
from kafka_meta.cluster.vault import Vault
from kafka_meta.cluster.writer import Writer, validate

__all__ = ["SECTIONS", "Access", "Vault", "Writer", "access", "offsets_at", "read", "validate", "with_offsets"]
