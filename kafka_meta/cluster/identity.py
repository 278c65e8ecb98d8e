"""Whether two addresses with one cluster id lead to one cluster. Changes nothing."""

from __future__ import annotations

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.plan.identity import Identity, addresses, identity, topic_ids
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered


def compare_identity(source: ClusterSettings, dest: ClusterSettings) -> Identity:
    """For sides with the same cluster id. Raises KafkaMetaError when one does not answer."""
    with wire.connect(source) as from_source, wire.connect(dest) as to_dest:
        try:
            before, there, after = (wire.metadata(each) for each in (from_source, to_dest, from_source))
        except Unanswered as silence:
            raise KafkaMetaError(f"the topics of one side could not be read: {silence.reason}") from silence
    # A topic that is created again between two answers of one cluster does not count: its id would differ.
    still = topic_ids(after.topics.values())
    return identity(
        {name: id for name, id in topic_ids(before.topics.values()).items() if still.get(name) == id},
        topic_ids(there.topics.values()),
        source_addresses=addresses(after.brokers),
        dest_addresses=addresses(there.brokers),
        at_one_time=True,
    )
