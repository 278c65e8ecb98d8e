"""The list of groups while their coordinators move."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kafka_meta import wire
from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.groups import _java_hash, keys_of
from tests.support.three import elect_preferred, until_in_sync
from tests.support.traffic import commit, create

GROUPS = frozenset(f"moving-{number}" for number in range(60))


def test_keys_belong_to_their_partitions_by_javas_hash() -> None:
    # Java: 1752658142, 1752658143, 1752658144 for 0 to 2, -1502172367 for 10.
    assert keys_of(1) == ["kafka-meta-asks-0"]
    assert keys_of(3) == ["kafka-meta-asks-1", "kafka-meta-asks-2", "kafka-meta-asks-0"]
    assert [_java_hash(f"kafka-meta-asks-{number}") for number in (0, 10)] == [1752658142, -1502172367]
    assert len(set(keys_of(50))) == 50


@contextmanager
def listing(cluster: Cluster) -> Iterator[tuple[list[str], list[int]]]:
    """Lists groups again and again: what was missing without a gap, and how often all were there. What else goes wrong
    meanwhile is raised at the end."""
    missing: list[str] = []
    whole: list[int] = [0]
    ends = threading.Event()

    def run() -> None:
        settings = ClusterSettings(role="source", bootstrap_servers=cluster.bootstrap_servers)
        while not ends.is_set():
            try:
                with wire.connect(settings) as connection:
                    listings, gaps = wire.groups(connection)
            except KafkaMetaError:  # the first contact was with a broker that is about to end
                continue
            left_out = GROUPS - {each.id for each in listings or ()}
            if left_out and not gaps:
                missing.append(f"{len(left_out)} of {len(GROUPS)}")
            whole[0] += not left_out

    running = background(run)
    try:
        yield missing, whole
    finally:
        ends.set()
    running.result(timeout=120)


@pytest.mark.guard
@pytest.mark.brokers
@pytest.mark.parametrize("source", ["three_source", "three_dest"])
def test_a_list_of_groups_is_whole_or_has_a_gap_while_coordinators_move(
    source: str, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(source)
    create(cluster.bootstrap_servers, {"moving.t": 1}, replicas=3)
    for group in GROUPS:
        commit(cluster.bootstrap_servers, group, {("moving.t", 0): 0})
    with listing(cluster) as (missing, whole):
        for broker in cluster.brokers[:2]:
            broker.stop()
            broker.start()
            until_in_sync(cluster)
            elect_preferred(cluster, ["__consumer_offsets"])
    assert missing == []
    assert whole[0] > 0
