"""Logs with gaps: compaction, transaction markers, aborted transactions, batches cut at both ends, old formats.

Each time many groups stand at many offsets, and for each the first unread record on both sides is the same record.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kafka_meta.playground import Cluster
from tests.support.brokers import zookeeper_cluster
from tests.support.commands import Cli
from tests.support.mirrored import Mirror
from tests.support.shop import until
from tests.support.traffic import Row, commit, committed, config, create, produce, rows, set_config, watermarks


def stand(mirror: Mirror, partition: int, start: int, end: int, dice: random.Random) -> dict[str, int]:
    """Groups at random offsets of the partition, and at both ends; by name."""
    places = [start, end, *(dice.randint(start, end) for _ in range(18))]
    groups = {f"{mirror.group}{number}": offset for number, offset in enumerate(places)}
    for group, offset in groups.items():
        commit(mirror.source, group, {(mirror.topic, partition): offset})
    return groups


def agree(mirror: Mirror, partition: int, groups: dict[str, int], sent: list[Row], arrived: list[Row]) -> None:
    """The same records from each group's position on."""
    for group, offset in groups.items():
        there = committed(mirror.dest, group)[mirror.topic, partition]
        unread_here = [row[1:] for row in sent if row[0] >= offset]
        unread_there = [row[1:] for row in arrived if row[0] >= there]
        assert unread_there == unread_here, f"{group} at {offset}, there at {there}"


@pytest.mark.guard
def test_a_compacted_topic(source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"compacted\..*", "compacted")
    compacting = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "500"}
    create(mirror.source, {mirror.topic: 1}, {**compacting, "delete.retention.ms": "600000"})
    create(mirror.dest, {mirror.topic: 1}, {"cleanup.policy": "compact"})
    dice = random.Random(1)
    for _ in range(4):
        records = [
            {"key": b"%d" % dice.randrange(150), "value": None if dice.random() < 0.1 else b"%d" % number}
            for number in range(500)
        ]
        produce(mirror.source, mirror.topic, 0, records, {"compression.type": dice.choice(["none", "lz4", "zstd"])})
        time.sleep(0.6)  # a segment's time; nothing tells when it is over but the clock
    produce(mirror.source, mirror.topic, 0, [{"key": b"rolls", "value": b"the segment"}])
    until(lambda: len(rows(mirror.source, mirror.topic, 0)) < 600, "the log is thinned", seconds=90)
    # Thinned enough; from here on the log stays as it is, once the cleaner has finished its round.
    set_config(mirror.source, mirror.topic, "retention.ms", "-1")
    set_config(mirror.source, mirror.topic, "cleanup.policy", "delete")
    until(lambda: stays(lambda: len(rows(mirror.source, mirror.topic, 0))), "the cleaner is at rest", seconds=90)
    _, end = watermarks(mirror.source, mirror.topic, 0)
    groups = stand(mirror, 0, 700, end, dice)
    document = mirror.document("--commit")
    sent = rows(mirror.source, mirror.topic, 0, 700)
    (copied,) = document["copied"]
    assert copied["content"] == "equal"
    assert copied["messages"] == len(sent) < end - 700
    assert config(mirror.dest, mirror.topic, "cleanup.policy") == "delete"  # the guard
    agree(mirror, 0, groups, sent, rows(mirror.dest, mirror.topic, 0))
    assert mirror("--release", "--allow-unread", "--commit").returncode == 0
    assert config(mirror.dest, mirror.topic, "cleanup.policy") == "compact"


@pytest.mark.guard
def test_transactions_of_which_a_third_is_aborted(source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"aborted\..*", "aborted")
    for servers in (mirror.source, mirror.dest):
        create(servers, {mirror.topic: 1})
    dice = random.Random(2)
    writers = [
        Producer(
            {
                "log_level": 0,
                "bootstrap.servers": mirror.source,
                "transactional.id": f"aborted-{number}",
                "linger.ms": 0,
            }
        )
        for number in range(2)
    ]
    for writer in writers:
        writer.init_transactions(30)
    for number in range(30):
        both = writers if number % 3 == 0 else [writers[number % 2]]
        for writer in both:  # two at a time interleave
            writer.begin_transaction()
        for record in range(dice.randint(1, 30)):
            writer = both[record % len(both)]
            writer.produce(mirror.topic, partition=0, key=b"%d" % number, value=b"%d/%d" % (number, record))
            if record % 5 == 0:
                writer.flush(30)
        for writer in both:
            (writer.abort_transaction if dice.random() < 0.3 else writer.commit_transaction)(30)
        produce(mirror.source, mirror.topic, 0, [b"outside %d" % number])
    _, end = watermarks(mirror.source, mirror.topic, 0)
    sent = rows(mirror.source, mirror.topic, 0)
    uncommitted = rows(mirror.source, mirror.topic, 0, committed=False)
    assert len(sent) < len(uncommitted) < end
    # From the first record on, in the midst of the log, and at its very end, behind the last marker.
    groups = stand(mirror, 0, 5, end, dice)
    document = mirror.document("--commit")
    sent = [row for row in sent if row[0] >= 5]
    assert [each["messages"] for each in document["copied"]] == [len(sent)]
    arrived = rows(mirror.dest, mirror.topic, 0, committed=False)
    assert [row[1:] for row in arrived] == [row[1:] for row in sent]
    agree(mirror, 0, groups, sent, arrived)


def test_an_open_transaction_at_the_end_is_left_there(source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"openend\..*", "openend")
    for servers in (mirror.source, mirror.dest):
        create(servers, {mirror.topic: 1})
    produce(mirror.source, mirror.topic, 0, [b"%d" % number for number in range(50)])
    writer = Producer({"log_level": 0, "bootstrap.servers": mirror.source, "transactional.id": "openend"})
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(mirror.topic, partition=0, value=b"pending")
    writer.flush(30)
    produce(mirror.source, mirror.topic, 0, [b"behind it"])
    commit(mirror.source, mirror.group, {(mirror.topic, 0): 20})
    document = mirror.document("--commit", "--until-lso")
    assert [each["messages"] for each in document["copied"]] == [30]
    writer.commit_transaction(30)
    again = mirror.document("--commit")
    assert [each["messages"] for each in again["copied"]] == [32]
    assert [row[2] for row in rows(mirror.dest, mirror.topic, 0)][-3:] == [b"49", b"pending", b"behind it"]


@pytest.mark.guard
def test_batches_cut_at_both_ends(source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"cut\..*", "cut")
    for servers in (mirror.source, mirror.dest):
        create(servers, {mirror.topic: 1})
    large = {"linger.ms": 500, "compression.type": "lz4"}
    produce(mirror.source, mirror.topic, 0, [b"%d" % number for number in range(1_000)], large)
    dice = random.Random(3)
    groups = stand(mirror, 0, 123, 1_000, dice)
    document = mirror.document("--commit")
    assert [each["messages"] for each in document["copied"]] == [877]
    agree(mirror, 0, groups, rows(mirror.source, mirror.topic, 0), rows(mirror.dest, mirror.topic, 0))
    # Positions that move on afterwards have exact ranks as well.
    moved = {group: min(1_000, offset + 11) for group, offset in groups.items()}
    for group, offset in moved.items():
        commit(mirror.source, group, {(mirror.topic, 0): offset})
    assert {each["outcome"] for each in mirror.document("--commit")["groups"]} <= {"set", "present"}
    agree(mirror, 0, moved, rows(mirror.source, mirror.topic, 0), rows(mirror.dest, mirror.topic, 0))


@pytest.mark.long
@pytest.mark.parametrize("version", ["0.10.2.2", "0.11.0.3", "1.1.1", "2.8.2"])
def test_a_source_of_an_older_version_and_its_message_formats(
    version: str, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    name = "old" + version.replace(".", "")
    formats = {"0.10.2.2": ("0.9.0", "0.10.2"), "0.11.0.3": ("0.9.0", "0.10.2", "0.11.0")}.get(version, (version[:3],))
    with zookeeper_cluster(version) as source:
        mirror = Mirror(cli, source, dest, tmp_path, rf"{name}\..*", name)
        for number, message_format in enumerate(formats):
            topic = f"{name}.{number}"
            create(mirror.source, {topic: 2}, {"message.format.version": message_format})
            create(mirror.dest, {topic: 2})
            for partition, codec in enumerate(("none", "gzip")):
                records = [
                    {"key": b"%d" % (each % 7), "value": b"%d" % each if each % 9 else None} for each in range(300)
                ]
                settings = {"compression.type": codec, "enable.idempotence": False, "linger.ms": 100}
                produce(mirror.source, topic, partition, records, settings)
        commits = {(f"{name}.{number}", part): 100 + part for number in range(len(formats)) for part in (0, 1)}
        commit_as_a_consumer(mirror.source, mirror.group, commits)
        document = mirror.document("--commit")
        assert {each["content"] for each in document["copied"]} == {"equal"}
        assert {each["outcome"] for each in document["groups"]} == {"set"}
        there = committed(mirror.dest, mirror.group)
        for (topic, partition), offset in commits.items():
            sent = rows(mirror.source, topic, partition, offset)
            arrived = rows(mirror.dest, topic, partition, there[topic, partition])
            assert len(sent) == 300 - offset
            assert [row[1:3] for row in arrived] == [row[1:3] for row in sent]
            if message_has_time := sent[0][4][1] > 0:
                assert message_has_time and [row[4][1] for row in arrived] == [row[4][1] for row in sent]


@pytest.mark.long
@pytest.mark.parametrize("version", ["2.8.2", "3.9.1"])
def test_a_destination_of_an_older_version(version: str, source: Cluster, cli: Cli, tmp_path: Path) -> None:
    name = "to" + version.replace(".", "")
    with zookeeper_cluster(version) as dest:
        mirror = Mirror(cli, source, dest, tmp_path, rf"{name}\..*", name)
        for servers in (mirror.source, mirror.dest):
            create(servers, {mirror.topic: 1})
        produce(mirror.source, mirror.topic, 0, [b"%d" % each for each in range(500)], {"compression.type": "zstd"})
        groups = stand(mirror, 0, 50, 500, random.Random(4))
        document = mirror.document("--commit")
        assert [(each["messages"], each["content"]) for each in document["copied"]] == [(450, "equal")]
        agree(mirror, 0, groups, rows(mirror.source, mirror.topic, 0), rows(mirror.dest, mirror.topic, 0))
        assert config(mirror.dest, mirror.topic, "retention.ms") == "-1"
        assert mirror("--release", "--allow-unread", "--commit").returncode == 0
        assert config(mirror.dest, mirror.topic, "retention.ms") is None


def commit_as_a_consumer(servers: str, group: str, positions: dict[tuple[str, int], int]) -> None:
    """Brokers before 1.1 have no request by which an administrator could."""
    consumer = Consumer({"log_level": 0, "bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()]
    consumer.assign(places)
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def stays(count: Callable[[], int]) -> bool:
    before = count()
    time.sleep(1)
    return count() == before
