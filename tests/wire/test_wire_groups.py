"""The list of groups while their coordinators move."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kafka_meta import playground, wire
from kafka_meta.cluster import read
from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import silent
from kafka_meta.model import EVERYTHING
from kafka_meta.playground import Cluster
from kafka_meta.playground.design import Design
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.elections import OF_GROUPS, keys_of, partition_of
from tests.support.three import another, elect_preferred, until_in_sync
from tests.support.traffic import admin, commit, create

GROUPS = frozenset(f"moving-{number}" for number in range(60))


def test_keys_belong_to_their_partitions_by_javas_hash() -> None:
    # Java: 1752658142, 1752658143, 1752658144 for 0 to 2, -1502172367 for 10, 1772899 and -2147483648 for the last two.
    assert keys_of(1) == ["kafka-meta-asks-0"]
    assert keys_of(3) == ["kafka-meta-asks-1", "kafka-meta-asks-2", "kafka-meta-asks-0"]
    assert partition_of("kafka-meta-asks-10", 1000) == 367
    assert partition_of("\N{GRINNING FACE}", 1000) == 899
    assert partition_of("polygenelubricants", 7) == 0  # its hash is the smallest number, which has no positive one
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


@pytest.mark.guard
@pytest.mark.brokers
@pytest.mark.parametrize("source", ["three_source", "three_kraft_source", "three_dest"])
def test_what_was_committed_right_before_an_election_is_read_or_has_a_gap_or_an_error(
    source: str, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(source)
    create(cluster.bootstrap_servers, {"elected.t": 1}, replicas=3)
    commit(cluster.bootstrap_servers, "elected-first", {("elected.t", 0): 0})  # now there is the topic of positions
    wrong: list[str] = []
    read = 0
    with wire.connect(ClusterSettings(role="source", bootstrap_servers=cluster.bootstrap_servers)) as connection:
        for number in range(20):
            group = f"elected-{number % 10}"
            elect = another(connection, OF_GROUPS, partition_of(group, 50))
            commit(cluster.bootstrap_servers, group, {("elected.t", 0): number})
            elect()
            listings, gaps = wire.groups(connection)
            if group not in {each.id for each in listings or ()} and not gaps:
                wrong.append(f"{group} is not listed")
            told = wire.positions(connection, [group])[group]
            if isinstance(told, wire.Positions) and [each.offset for each in told.offsets] != [number]:
                wrong.append(f"{group}: {told.offsets}, committed was {number}")
            read += isinstance(told, wire.Positions)
    assert wrong == []
    assert read > 15


@pytest.mark.brokers
def test_reading_a_cluster_that_has_never_had_a_group_or_a_transaction_creates_no_topic() -> None:
    with playground.running(Design(version="4.3.1", mode="kraft")) as (cluster,):
        create(cluster.bootstrap_servers, {"only": 1})
        settings = ClusterSettings(role="source", bootstrap_servers=cluster.bootstrap_servers)
        found = read(settings, EVERYTHING, emit=silent, taken_at_ms=0)
        assert (found.groups, found.gaps) == ((), ())
        assert set(admin(cluster.bootstrap_servers).list_topics(timeout=30).topics) == {"only"}
