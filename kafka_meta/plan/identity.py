"""Whether source and destination are one cluster, though both have the same cluster id.

A cluster id is meant to be unique, but it is not always: each container of the image `apache/kafka` is formatted with
the same one, unless it is told another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Broker, Topic

Identity: TypeAlias = Literal["one cluster", "two clusters", "not known"]


def topic_ids(topics: Iterable[Topic] | None) -> dict[str, str]:
    """By name. Brokers return ids since 2.8; they are random, and a topic that is created again has another one."""
    return {topic.name: topic.id for topic in topics or () if topic.id is not None}


def addresses(brokers: Iterable[Broker]) -> frozenset[tuple[str, int]]:
    return frozenset((each.host, each.port) for each in brokers if each.host is not None and each.port is not None)


def identity(
    source_ids: Mapping[str, str],
    dest_ids: Mapping[str, str],
    *,
    source_addresses: frozenset[tuple[str, int]] = frozenset(),
    dest_addresses: frozenset[tuple[str, int]] = frozenset(),
    at_one_time: bool,
) -> Identity:
    """Compares clusters with the same cluster id by the ids of their topics and the addresses of their brokers.

    `at_one_time`: both sides were read from here, at one time. Then an address leads to one broker, and a name to one
    topic of a cluster. Of an exported file that does not hold: its topics may have been created again since, and its
    addresses may be those of another network.
    """
    if set(source_ids.values()) & set(dest_ids.values()):
        return "one cluster"
    if not at_one_time:
        return "not known"
    if source_addresses & dest_addresses:
        return "one cluster"
    return "two clusters" if source_ids.keys() & dest_ids.keys() else "not known"


def require_two_clusters(found: Identity, cluster_id: str | None, *, allowed: bool) -> None:
    """Raises KafkaMetaError where both sides are one cluster, and where that is not known unless `allowed`."""
    if found == "one cluster":
        raise KafkaMetaError(
            f"the destination is the source itself: both have the cluster id {cluster_id}",
            "Nothing on the source is ever changed. Check --dest-bootstrap-servers.",
        )
    if found == "not known" and not allowed:
        raise KafkaMetaError(
            f"the destination may be the source itself: both have the cluster id {cluster_id}",
            "Nothing on the source is ever changed. If they are two clusters that were given one id, as containers of "
            "the image apache/kafka are, say so with --allow-same-cluster-id.",
        )
