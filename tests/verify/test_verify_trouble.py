"""Quotas and restarted brokers while logs are read: by `verify --data`, by the check after a copy, by the look."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kafka_meta import playground
from kafka_meta.events import Event, Progress, Waiting, silent
from kafka_meta.journal import Journal, Position
from kafka_meta.logs import Span
from kafka_meta.mirror.limits import NO_LIMIT, Candidate, Limits, refused_records
from kafka_meta.model import Resource
from kafka_meta.playground import Broker, Cluster
from kafka_meta.playground.design import Design
from kafka_meta.verify import check
from kafka_meta.wire import connect
from kafka_meta.wire.partitions import Leader
from tests.support.guarded import Guarded, guarded
from tests.support.mirroring import begin, create, failures, fill, led, run, settings
from tests.support.quotas import slowed
from tests.support.witness import acl_tool

__all__ = ["guarded"]
pytestmark = pytest.mark.guard

RATE = 300_000
PARTITIONS = 4


@pytest.fixture(scope="module")
def breakable() -> Iterator[tuple[Cluster, Cluster]]:
    """A source of two brokers and a destination of one, whose brokers may be restarted."""
    with playground.running(
        Design(version="3.9.1", mode="zookeeper", brokers=2), Design(version="4.3.1", mode="kraft")
    ) as (source, dest):
        yield source, dest


class Restart:
    """An `Emit` that crashes these brokers once, and starts them again, as soon as a stage is on its way."""

    def __init__(self, stage: str, brokers: Sequence[Broker]) -> None:
        self.stage, self.brokers = stage, brokers
        self.done = False

    def __call__(self, event: Event) -> None:
        if self.done or not isinstance(event, Progress) or event.stage != self.stage:
            return
        assert event.total is not None and event.done < event.total, "it was over before it was disturbed"
        self.done = True
        for broker in self.brokers:
            broker.kill()
            broker.start()


def copied(source: Cluster, dest: Cluster, topic: str, folder: Path, records: int) -> list[Position]:
    """The positions of a copy of so many records of a kilobyte."""
    for cluster in (source, dest):
        create(cluster, topic, partitions=PARTITIONS)
    fill(source, topic, records, partitions=PARTITIONS, value_bytes=1000)
    journal = folder / "journal"
    ids = begin(journal, source, dest, [topic])
    assert failures(run(journal, source, dest, ids)) == {}
    with Journal(journal, source_id=ids[0], dest_id=ids[1]) as opened:
        return list(opened.positions())


@pytest.mark.parametrize("side", ["source", "dest"])
def test_a_quota_slows_a_check_and_it_ends_well(source: Cluster, dest: Cluster, tmp_path: Path, side: str) -> None:
    positions = copied(source, dest, f"slow-check-{side}", tmp_path, 5000)
    told: list[Event] = []
    with slowed(source if side == "source" else dest, "consumer_byte_rate", RATE):
        to, of = settings(dest, "dest"), settings(source, "source")
        found = list(check(to, positions, source=of, both=side == "source", emit=told.append))
    assert [(each.content, each.reason) for each in found] == [("equal", None)] * PARTITIONS
    reasons = {each.reason for each in told if isinstance(each, Waiting)}
    assert any("quota" in reason for reason in reasons), reasons


def test_a_destination_that_is_restarted_during_a_check_is_a_pause(
    breakable: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    source, dest = breakable
    positions = copied(source, dest, "restart-check", tmp_path, 24_000)
    restart = Restart("checking", dest.brokers)
    found = list(check(settings(dest, "dest"), positions, emit=restart))
    assert restart.done
    assert [(each.content, each.reason) for each in found] == [("equal", None)] * PARTITIONS


def test_brokers_that_are_restarted_one_after_the_other_during_the_look_are_a_pause(
    breakable: tuple[Cluster, Cluster],
) -> None:
    source, _ = breakable
    topic = "restart-look"
    create(source, topic, partitions=PARTITIONS)
    fill(source, topic, 24_000, partitions=PARTITIONS, value_bytes=1000)
    limits = Limits(topic=topic, max_message_bytes=900, before_ms=NO_LIMIT, after_ms=NO_LIMIT)
    restart = Restart("measuring", source.brokers)
    with connect(settings(source, "source")) as wire:
        leaders = led(wire, [topic])
        candidates = {
            place: Candidate(span=Span(0, 6000), limits=limits, leader=leader.broker.id, source_max_bytes=None)
            for place, leader in leaders.items()
            if isinstance(leader, Leader)
        }
        refused, damaged = refused_records(
            settings(source, "source"),
            wire,
            candidates,
            now_ms=int(time.time() * 1000),
            until_ms=int(time.time() * 1000),
            emit=restart,
        )
        too_large = [each.resource for each in refused]
    assert restart.done and not damaged
    assert too_large == [Resource.partition(topic, number) for number in range(PARTITIONS)]


def test_batches_are_not_called_different_while_nobody_knows_whether_the_destination_compresses_anew(
    source: Cluster,
    guarded: Guarded,
    tmp_path: Path,
) -> None:
    topics = {"as-sent": "producer", "anew": "gzip"}
    for topic, codec in topics.items():
        create(source, topic)
        create(guarded.cluster, topic, config={"compression.type": codec})
        fill(source, topic, 100, partitions=1)
    journal = tmp_path / "journal"
    ids = begin(journal, source, guarded.cluster, list(topics))
    assert failures(run(journal, source, guarded.cluster, ids)) == {}
    with Journal(journal, source_id=ids[0], dest_id=ids[1]) as opened:
        positions = list(opened.positions())
    # It may read the topics, and not their configs.
    guarded.cluster.tool(
        acl_tool(guarded.cluster),
        *("--bootstrap-server", guarded.cluster.bootstrap_servers, "--add", "--allow-principal", "User:reader"),
        *("--operation", "Read", "--operation", "Describe", "--topic", "*"),
    )
    reader = replace(guarded.as_user("reader"), role="dest")
    found = {each.position.begun.topic: each for each in check(reader, positions, emit=silent)}
    assert found["as-sent"].content == "equal"
    assert found["anew"].content == "not compared"
    assert "does not tell its compression.type" in (found["anew"].reason or "")
    both = check(reader, positions, source=settings(source, "source"), emit=silent)
    assert {each.position.begun.topic: each.content for each in both} == dict.fromkeys(topics, "equal")
