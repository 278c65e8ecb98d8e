"""Exactly once, whatever is killed, stopped or run twice, between clusters of three brokers: with fresh records, and
with old ones, of which brokers forget within a second who produced them (`producer.id.expiration.ms` goes by the
records' timestamps)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from kafka_meta import playground
from kafka_meta.journal import Journal
from kafka_meta.mirror.copy import IN_FLIGHT
from kafka_meta.playground import Cluster
from tests.support.commands import clean_environment
from tests.support.mirroring import Record, assert_same, begin, create, fill, read
from tests.support.three import elect_preferred, frozen, three, until_in_sync
from tests.support.traffic import set_config

pytestmark = pytest.mark.guard

PARTITIONS = 6
RECORDS = 90_000
SESSION_SECONDS = 2.0
MONTH_MS = 30 * 86_400_000

FORGETFUL = {
    "producer.id.expiration.ms": "3600000",
    "producer.id.expiration.check.interval.ms": "300",
    "group.min.session.timeout.ms": "500",
    "group.initial.rebalance.delay.ms": "0",  # 25 copiers would wait for three seconds each
    "log.retention.ms": "-1",
}


@pytest.fixture(scope="module")
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    """Of their own: their brokers forget, and are killed."""
    # A killed broker comes back when its session has ended.
    patient = {"log.retention.ms": "-1", "zookeeper.session.timeout.ms": "4000"}
    with playground.running(
        three("3.9.1", "zookeeper", settings=patient), three("4.3.1", "kraft", settings=FORGETFUL)
    ) as (source, dest):
        yield source, dest


class Migration:
    """Topics with records of one age on both clusters, and copiers that work on them."""

    def __init__(self, source: Cluster, dest: Cluster, directory: Path, name: str, first_ms: int) -> None:
        self.source, self.dest = source, dest
        self.topics = (f"{name}-plain", f"{name}-lz4")
        for cluster in (source, dest):
            create(cluster, *self.topics, partitions=PARTITIONS, config={"retention.ms": "-1"})
        for topic, codec in zip(self.topics, ("none", "lz4"), strict=True):
            config = {"compression.type": codec, "batch.size": 8000}
            fill(source, topic, RECORDS, partitions=PARTITIONS, timestamp_ms=first_ms, config=config)
        self.journal = directory / "journal.sqlite"
        self.source_id, self.dest_id = begin(self.journal, source, dest, self.topics)
        self.settings = directory / "copier.json"
        self.directory = directory
        self._copiers: list[subprocess.Popen[str]] = []

    def copier(self, max_rate_bytes: int | None = None, in_flight: int = IN_FLIGHT) -> subprocess.Popen[str]:
        self.settings.write_text(
            json.dumps(
                {
                    "source": self.source.bootstrap_servers,
                    "dest": self.dest.bootstrap_servers,
                    "source_id": self.source_id,
                    "dest_id": self.dest_id,
                    "journal": str(self.journal),
                    "session_seconds": SESSION_SECONDS,
                    "max_rate_bytes": max_rate_bytes,
                    "in_flight": in_flight,
                }
            )
        )
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.support.mirror_copier", str(self.settings)],
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        self._copiers.append(started)
        return started

    def finish(self) -> str:
        """Lets a copier run to its end; returns what it said."""
        said, _ = self.copier().communicate(timeout=300)
        assert said.endswith("end\n"), said
        assert "PartitionFailed" not in said
        return said

    def assert_exact(self) -> None:
        places = [(topic, partition) for topic in self.topics for partition in range(PARTITIONS)]
        source, dest = read(self.source, places), read(self.dest, places)
        assert sum(map(len, source.values())) == 2 * RECORDS
        assert_same(source, dest)
        with Journal(self.journal, source_id=self.source_id, dest_id=self.dest_id) as journal:
            assert all(position.done for position in journal.positions())
            for position in journal.positions():
                assert position.rank == len(dest[position.begun.place])
        printed = self.dest.tool(
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            *("--bootstrap-server", self.dest.bootstrap_servers, "--topic", self.topics[0], "--from-beginning"),
            *(
                "--timeout-ms",
                "8000",
                "--formatter-property",
                "print.key=true",
                "--formatter-property",
                "print.value=false",
            ),
            timeout=120,
        )
        keys = printed.split()
        assert len(keys) == RECORDS
        assert len(set(keys)) == RECORDS

    def close(self) -> None:
        for copier in self._copiers:
            if copier.poll() is None:
                copier.kill()
            copier.communicate()


@contextmanager
def migration(clusters: tuple[Cluster, Cluster], directory: Path, name: str, old: bool) -> Iterator[Migration]:
    first_ms = int(time.time() * 1000) - MONTH_MS if old else 0
    made = Migration(*clusters, directory, f"{name}-{'old' if old else 'fresh'}", first_ms)
    try:
        yield made
    finally:
        made.close()


def wait_for(copier: subprocess.Popen[str], word: str) -> bool:
    assert copier.stdout is not None
    return any(line.startswith(word) for line in copier.stdout)


@pytest.mark.parametrize(("old", "in_flight"), [(False, 1), (False, 5), (True, 5)], ids=["fresh-1", "fresh-5", "old-5"])
def test_a_copier_that_is_killed_25_times_loses_nothing_and_doubles_nothing(
    clusters: tuple[Cluster, Cluster], tmp_path: Path, old: bool, in_flight: int
) -> None:
    dice = random.Random(25)
    with migration(clusters, tmp_path, f"kill-{in_flight}", old) as made:
        killed = 0
        for _ in range(25):
            copier = made.copier(max_rate_bytes=3_000_000, in_flight=in_flight)
            if not wait_for(copier, "copying"):
                break
            time.sleep(dice.uniform(0, 0.5))  # the moment is what is tried
            copier.kill()
            killed += copier.wait() == -signal.SIGKILL
        assert killed >= 15
        made.finish()
        made.assert_exact()


@pytest.mark.parametrize("old", [False, True], ids=["fresh", "old"])
def test_brokers_that_are_killed_on_both_sides_cost_time_only(
    clusters: tuple[Cluster, Cluster], tmp_path: Path, old: bool
) -> None:
    dice = random.Random(7)
    with migration(clusters, tmp_path, "brokers", old) as made:
        copier = made.copier(max_rate_bytes=1_000_000)
        assert wait_for(copier, "copying")
        kills = 0
        while copier.poll() is None and kills < 8:
            broker = clusters[kills % 2].brokers[kills // 2 % 3]
            time.sleep(dice.uniform(0.2, 1.5))  # the moment is what is tried
            broker.kill()
            time.sleep(dice.uniform(0, 2))
            broker.start()
            kills += 1
        said, _ = copier.communicate(timeout=300)
        assert kills >= 4
        assert said.endswith("end\n"), said
        assert "PartitionFailed" not in said
        made.assert_exact()


def test_rolling_restarts_of_both_sides_elections_and_a_slow_follower_cost_time_only(
    clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    # Old records: their new leaders know nothing of our producer.
    with migration(clusters, tmp_path, "rolling", True) as made:
        copier = made.copier(max_rate_bytes=1_000_000)
        assert wait_for(copier, "copying")
        restarted = 0
        for cluster in clusters:
            for broker in cluster.brokers:
                broker.stop()
                broker.start()
                until_in_sync(cluster, *made.topics)
                restarted += copier.poll() is None
            elect_preferred(cluster, made.topics)
        # It follows slowly where it does not lead, and answers late where it leads.
        with frozen(made.dest.brokers[restarted % 3]):
            time.sleep(3)
        said, _ = copier.communicate(timeout=300)
        assert restarted >= 4, "the copy was over before its clusters were restarted"
        assert said.endswith("end\n"), said
        assert "PartitionFailed" not in said
        made.assert_exact()


@pytest.mark.parametrize("old", [False, True], ids=["fresh", "old"])
def test_a_stopped_copier_that_wakes_up_after_another_has_finished_adds_nothing(
    clusters: tuple[Cluster, Cluster], tmp_path: Path, old: bool
) -> None:
    with migration(clusters, tmp_path, "stopped", old) as made:
        first = made.copier(max_rate_bytes=6_000_000)
        assert wait_for(first, "copying")
        first.send_signal(signal.SIGSTOP)
        made.finish()
        made.assert_exact()
        first.send_signal(signal.SIGCONT)
        said, _ = first.communicate(timeout=60)
        assert first.returncode == 1
        assert "refused: another kafka-meta has taken over this migration" in said
        made.assert_exact()


def test_a_second_copier_refuses_while_the_first_one_works(clusters: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    with migration(clusters, tmp_path, "twice", False) as made:
        first = made.copier(max_rate_bytes=6_000_000)
        assert wait_for(first, "copying")
        second, _ = made.copier().communicate(timeout=60)
        assert f"another kafka-meta is copying from this source: process {first.pid} on {os.uname().nodename}" in second
        said, _ = first.communicate(timeout=120)
        assert said.endswith("end\n"), said
        made.assert_exact()


def test_a_source_that_is_compacted_between_crash_and_resume_is_copied_to_its_end(
    clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    source, dest = clusters
    with migration(clusters, tmp_path, "compacted", False) as made:
        topic, places = made.topics[0], [(made.topics[0], partition) for partition in range(PARTITIONS)]
        before = read(source, places)
        copier = made.copier(max_rate_bytes=6_000_000)
        assert wait_for(copier, "copying")
        time.sleep(1)
        copier.kill()
        copier.wait()
        thin_out(source, topic)
        after = read(source, places)
        left = [each for place in places for each in after[place] if each.offset <= before[place][-1].offset]
        assert len(left) < RECORDS * 3 // 4
        made.finish()
        assert read(source, places) == after, "the cleaner has not stopped, or another replica leads"
        copied = read(dest, places)
        with Journal(made.journal, source_id=made.source_id, dest_id=made.dest_id) as journal:
            for place in places:
                offsets = origin(before[place], after[place], [record.content for record in copied[place]])
                assert [record.offset for record in copied[place]] == list(range(len(offsets)))
                for offset in range(0, journal.position(place).begun.end + 1, 7):
                    assert journal.rank(*place, offset) == sum(each < offset for each in offsets)


def thin_out(source: Cluster, topic: str) -> None:
    """Tombstones for half of the keys, and the cleaner let loose on them for a while.

    Each replica has a cleaner of its own, and each goes as far as it comes.
    """
    producer = Producer({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    for number in range(0, RECORDS, 2):
        producer.produce(topic, key=b"%d" % number, value=None, partition=number % PARTITIONS)
        producer.poll(0)
    assert producer.flush(60) == 0
    cleaned = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "cleanup.policy": "compact"}
    for name, value in cleaned.items():
        set_config(source.bootstrap_servers, topic, name, value)
    places = [(topic, partition) for partition in range(PARTITIONS)]
    deadline = time.monotonic() + 300
    while sum(map(len, read(source, places).values())) > RECORDS + RECORDS // 4:
        assert time.monotonic() < deadline, "the cleaner did not come"
        # Only a record that arrives rolls a segment, and the active one is never cleaned.
        for partition in range(PARTITIONS):
            producer.produce(topic, key=b"last", value=b"", partition=partition)
        producer.flush(10)
        time.sleep(1)
    set_config(source.bootstrap_servers, topic, "cleanup.policy", "delete")
    time.sleep(2)  # a segment that is being swapped


def origin(before: list[Record], after: list[Record], copied: list[tuple[object, ...]]) -> list[int]:
    """Source offsets of what was copied: up to some point from the log as it was, behind it from the thinned one."""
    same = [left == right for left, right in zip(contents(before), copied, strict=False)]
    for split in range(same.index(False) if False in same else len(same), -1, -1):
        at = before[split - 1].offset + 1 if split else 0
        rest = [record for record in after if at <= record.offset <= before[-1].offset]
        if contents(rest) == copied[split:]:
            return [record.offset for record in (*before[:split], *rest)]
    raise AssertionError("neither the log as it was nor as it is now")


def contents(records: list[Record]) -> list[tuple[object, ...]]:
    return [record.content for record in records]
