"""A cluster that is named by several addresses, of which the first one does not answer, or no longer does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kafka_meta.events import Event, Progress
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect, metadata
from kafka_meta.wire.patience import patiently
from tests.support import three
from tests.support.mirroring import assert_same, begin, create, failures, fill, read, run, settings
from tests.support.shop import until

pytestmark = [pytest.mark.brokers, pytest.mark.guard]

NOBODY = "127.0.0.1:1"


def listed(known: ClusterSettings) -> tuple[int, ...]:
    with connect(known) as wire:
        return wire.broker_ids


def test_another_address_leads_to_brokers_that_come_later(three_kraft_source: Cluster) -> None:
    first, _, last = three_kraft_source.brokers
    known = settings(three_kraft_source, "source")
    last.kill()
    until(lambda: last.id not in listed(known), "the others have noticed")
    with connect(replace(known, bootstrap_servers=f"{NOBODY},{known.bootstrap_servers}")) as wire:
        assert last.id not in wire.broker_ids
        three_kraft_source.start()
        three.until_in_sync(three_kraft_source)
        with three.killed(first):
            assert patiently(lambda: metadata(wire, (), last.id), seconds=30).brokers


def test_a_copy_goes_on_when_the_broker_of_the_first_address_stops(
    three_kraft_source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    topic = "first-address"
    create(three_kraft_source, topic, partitions=3)
    create(dest, topic, partitions=3)
    fill(three_kraft_source, topic, 6_000, partitions=3)
    ids = begin(tmp_path / "journal", three_kraft_source, dest, [topic])
    stopped: list[bool] = []

    def stop_the_first(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "bytes" and event.done > 200_000 and not stopped:
            three_kraft_source.brokers[0].kill()
            stopped.append(True)

    outcomes = run(tmp_path / "journal", three_kraft_source, dest, ids, max_rate_bytes=500_000, emit=stop_the_first)
    assert stopped and failures(outcomes) == {}
    three_kraft_source.start()
    places = [(topic, number) for number in range(3)]
    assert_same(read(three_kraft_source, places), read(dest, places))
