"""Two clusters with one cluster id: what tells them apart, and what does not."""

from __future__ import annotations

import pytest

from kafka_meta.errors import KafkaMetaError
from kafka_meta.plan.identity import Identity, identity, require_two_clusters

HERE, THERE = frozenset({("kafka", 9092)}), frozenset({("kafka", 9093)})


@pytest.mark.parametrize(
    ("source", "dest", "at_one_time", "found"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}, True, "one cluster"),
        ({"a": "1"}, {"renamed": "1"}, True, "one cluster"),
        ({"a": "1"}, {"a": "1"}, False, "one cluster"),
        ({"a": "1"}, {"a": "2"}, True, "two clusters"),
        # The topic may have been created again since the export.
        ({"a": "1"}, {"a": "2"}, False, "not known"),
        # Two users of one cluster may see different topics.
        ({"a": "1"}, {"b": "2"}, True, "not known"),
        ({}, {}, True, "not known"),
    ],
)
def test_ids_of_topics_tell_clusters_apart(
    source: dict[str, str], dest: dict[str, str], at_one_time: bool, found: Identity
) -> None:
    told = identity(source, dest, source_addresses=HERE, dest_addresses=THERE, at_one_time=at_one_time)
    assert told == found


def test_an_address_on_both_sides_is_one_broker_unless_it_is_from_a_file() -> None:
    both = {"source_addresses": HERE, "dest_addresses": HERE | THERE}
    assert identity({}, {}, **both, at_one_time=True) == "one cluster"
    assert identity({}, {}, **both, at_one_time=False) == "not known"


def test_no_option_allows_one_cluster_on_both_sides() -> None:
    require_two_clusters("two clusters", "id", allowed=False)
    require_two_clusters("not known", "id", allowed=True)
    with pytest.raises(KafkaMetaError, match="may be the source itself") as refused:
        require_two_clusters("not known", "id", allowed=False)
    assert "--allow-same-cluster-id" in str(refused.value.hint)
    with pytest.raises(KafkaMetaError, match="is the source itself"):
        require_two_clusters("one cluster", "id", allowed=True)
