"""What brokers say of topics while they start."""

from __future__ import annotations

import threading

import pytest

from kafka_meta import wire
from kafka_meta.cluster.clients import background
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered
from tests.support.three import until_in_sync
from tests.support.traffic import create


@pytest.mark.guard
@pytest.mark.brokers
def test_a_broker_that_has_just_started_beside_zookeeper_is_not_believed_to_have_no_topics(
    three_source: Cluster,
) -> None:
    """It answers before the controller has told it anything: no brokers, no topics, no error."""
    names = {f"starting.{number}" for number in range(20)}
    create(three_source.bootstrap_servers, dict.fromkeys(names, 3), replicas=3)
    until_in_sync(three_source, *names)
    broker, ends = three_source.brokers[0], threading.Event()
    missing: list[int] = []
    told = [0]

    def look() -> None:
        settings = ClusterSettings(role="source", bootstrap_servers=three_source.bootstrap_servers)
        while not ends.is_set():
            with wire.connect(settings) as connection:
                try:
                    found = wire.metadata(connection, broker=broker.id).topics.keys()
                except Unanswered:
                    continue
                told[0] += 1
                missing.extend([len(names - found)] if names - found else [])

    looking = background(look)
    for _ in range(2):
        broker.kill()
        broker.start()
        until_in_sync(three_source)
    ends.set()
    looking.result(timeout=60)
    assert missing == []
    assert told[0] > 0
