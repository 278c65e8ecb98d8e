"""The copy between real brokers: what arrives, where it arrives, and what stops it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kafka_meta.events import Event, Progress, silent
from kafka_meta.journal import Journal
from kafka_meta.logs.history import Untold
from kafka_meta.mirror.copy import PartitionDone
from kafka_meta.mirror.log_end import LogEnd, look_at_destination
from kafka_meta.mirror.sending import Sending
from kafka_meta.playground import Cluster
from kafka_meta.verify import cut_back
from kafka_meta.wire import connect
from kafka_meta.wire.partitions import Failure, ends_epochs, numbers_producers
from kafka_meta.wire.produce import Produce
from tests.support.brokers import kraft_cluster, zookeeper_cluster
from tests.support.mirroring import assert_same, begin, create, failures, fill, led, read, run, settings
from tests.support.mirroring import begun as begun_of
from tests.support.traffic import watermarks

DAY_MS = 86_400_000


def producer(cluster: Cluster, **config: Any) -> Producer:
    return Producer({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers, "linger.ms": 2, **config})


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_of_every_codec_arrive_as_they_are(source: Cluster, dest: Cluster, tmp_path: Path, codec: str) -> None:
    topic = f"copy-{codec}"
    places = [(topic, partition) for partition in range(3)]
    for cluster in (source, dest):
        create(cluster, topic, partitions=3)
    fill(source, topic, 5000, partitions=3, config={"compression.type": codec})
    ids = begin(tmp_path / "journal", source, dest, [topic])
    outcomes = run(tmp_path / "journal", source, dest, ids)
    assert {(each.topic, each.partition) for each in outcomes} == set(places)
    assert not failures(outcomes)
    assert sum(each.records for each in outcomes if isinstance(each, PartitionDone)) == 5000
    assert_same(read(source, places), read(dest, places))


@pytest.mark.parametrize("age_ms", [0, 30 * DAY_MS], ids=["fresh", "old"])
def test_several_batches_in_flight_arrive_in_order(source: Cluster, dest: Cluster, tmp_path: Path, age_ms: int) -> None:
    topic = f"copy-in-flight-{age_ms}"
    for cluster in (source, dest):
        create(cluster, topic, partitions=2, config={"retention.ms": "-1"})
    first_ms = int(time.time() * 1000) - age_ms
    fill(source, topic, 20_000, partitions=2, timestamp_ms=first_ms, config={"batch.size": 3000})
    ids = begin(tmp_path / "journal", source, dest, [topic])
    assert not failures(run(tmp_path / "journal", source, dest, ids, in_flight=5))
    places = [(topic, 0), (topic, 1)]
    assert_same(read(source, places), read(dest, places))


def test_odd_records_arrive_as_they_are(source: Cluster, dest: Cluster, tmp_path: Path) -> None:
    topic = "copy-odd"
    for cluster in (source, dest):
        create(cluster, topic, config={"max.message.bytes": "3000000", "retention.ms": "-1"})
    now = int(time.time() * 1000)
    client = producer(source, **{"message.max.bytes": 2_900_000, "compression.type": "zstd"})
    for key in (None, b"", b"key"):
        for value in (None, b"", b"value"):
            for headers in (None, [("", None), ("same", b"1"), ("same", b""), ("same", None)]):
                for timestamp in (1, now, now - 30 * DAY_MS):
                    client.produce(topic, key=key, value=value, headers=headers, timestamp=timestamp)
    client.produce(topic, value=random.Random(3).randbytes(2_500_000))
    assert client.flush(30) == 0
    ids = begin(tmp_path / "journal", source, dest, [topic])
    assert not failures(run(tmp_path / "journal", source, dest, ids))
    before = read(source, [(topic, 0)], **{"fetch.message.max.bytes": 4_000_000})
    assert len(before[topic, 0]) == 55
    assert_same(before, read(dest, [(topic, 0)], **{"fetch.message.max.bytes": 4_000_000}))


@pytest.fixture(scope="module")
def gappy(source: Cluster) -> str:
    """A topic with a third of its transactions aborted, and the markers of all of them."""
    topic = "copy-transactions"
    create(source, topic)
    dice = random.Random(1)
    number = 0
    clients = [producer(source, **{"transactional.id": f"copy-{each}"}) for each in range(2)]
    for client in clients:
        client.init_transactions()
    for round in range(30):
        for client in clients:
            client.begin_transaction()
        for _ in range(dice.randrange(1, 60)):
            dice.choice(clients).produce(topic, key=b"%d" % number, value=b"%d" % round, partition=0)
            number += 1
        for client in clients:
            client.flush()
            if dice.random() < 0.3:
                client.abort_transaction()
            else:
                client.commit_transaction()
    return topic


def test_aborted_records_and_markers_stay_behind_and_every_rank_is_right(
    source: Cluster, dest: Cluster, tmp_path: Path, gappy: str
) -> None:
    create(dest, gappy)
    ids = begin(tmp_path / "journal", source, dest, [gappy])
    assert not failures(run(tmp_path / "journal", source, dest, ids))
    before, after = read(source, [(gappy, 0)]), read(dest, [(gappy, 0)])
    assert_same(before, after)
    # Aborted copies would still be visible to whoever reads uncommitted, which is the default of Kafka's consumers.
    assert read(dest, [(gappy, 0)], **{"isolation.level": "read_uncommitted"}) == after
    offsets = [record.offset for record in before[gappy, 0]]
    with Journal(tmp_path / "journal", source_id=ids[0], dest_id=ids[1]) as journal:
        (position,) = journal.positions()
        assert position.begun.end > len(offsets)
        assert position.epoch == 0, "of the source's leader that has written the last batch"
        for offset in range(position.begun.end + 1):
            assert journal.rank(gappy, 0, offset) == sum(each < offset for each in offsets), offset


def test_a_leader_of_an_earlier_epoch_does_not_say_how_far_the_copy_is(dest: Cluster) -> None:
    """As after an election, while a broker that has not heard of it answers (a zombie)."""
    place = ("copy-zombie", 0)
    create(dest, place[0])
    with connect(settings(dest, "dest")) as wire:
        leaders = led(wire, [place[0]])
        (begun,) = begun_of(leaders, leaders, {place: 0}, {place: 9}, {place: 0})
        epoch = leaders[place].epoch
        assert look_at_destination(wire, [begun], {place: epoch}) == {place: LogEnd(leader=leaders[place], offset=0)}
        told = look_at_destination(wire, [begun], {place: epoch + 1})[place]
    assert isinstance(told, Failure) and told.retriable
    assert told.reason == f"epoch {epoch} is told of its leader, but {epoch + 1} has been seen before"


def test_no_run_believes_a_leader_of_an_earlier_epoch_than_a_run_before_it_has_seen(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    place = ("copy-zombie-later", 0)
    for cluster in (source, dest):
        create(cluster, place[0])
    fill(source, place[0], 10, partitions=1)
    ids = begin(tmp_path / "journal", source, dest, [place[0]])
    with Journal(tmp_path / "journal", source_id=ids[0], dest_id=ids[1]) as journal:
        journal.claim()
        journal.settle({place: 0}, {place: 7})
    failed = failures(run(tmp_path / "journal", source, dest, ids, give_up_after_s=2))
    assert "epoch 0 is told of its leader, but 7 has been seen before" in failed[place]
    assert watermarks(dest.bootstrap_servers, *place) == (0, 0)


def test_a_range_that_cuts_batches_at_both_ends_brings_exactly_its_records(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    topic = "copy-cut"
    for cluster in (source, dest):
        create(cluster, topic)
    fill(source, topic, 2000, partitions=1, config={"compression.type": "lz4", "linger.ms": 200})
    fill(dest, topic, 10, partitions=1)
    ids = begin(tmp_path / "journal", source, dest, [topic], starts={(topic, 0): 313}, ends={(topic, 0): 1717})
    (done,) = run(tmp_path / "journal", source, dest, ids)
    assert isinstance(done, PartitionDone)
    assert (done.records, done.dest_start, done.dest_end) == (1404, 10, 1414)
    copied = read(dest, [(topic, 0)])[topic, 0][10:]
    assert [record.key for record in copied] == [b"%d" % number for number in range(313, 1717)]


def test_a_second_run_brings_what_has_arrived_since(source: Cluster, dest: Cluster, tmp_path: Path) -> None:
    topic = "copy-again"
    for cluster in (source, dest):
        create(cluster, topic, partitions=2)
    for round in range(3):
        fill(source, topic, 501, partitions=2, seed=round)
        ids = begin(tmp_path / "journal", source, dest, [topic])
        assert not failures(run(tmp_path / "journal", source, dest, ids))
        places = [(topic, 0), (topic, 1)]
        assert_same(read(source, places), read(dest, places))
    assert run(tmp_path / "journal", source, dest, ids) == []


@pytest.fixture
def three(source: Cluster, dest: Cluster, request: pytest.FixtureRequest) -> str:
    """A topic of three partitions on both sides, one of which something will happen to."""
    topic = f"copy-{request.node.name[5:45].replace('_', '-')}"
    for cluster in (source, dest):
        create(cluster, topic, partitions=3)
    fill(source, topic, 3000, partitions=3, config={"batch.size": 2000})
    return topic


def assert_others_arrived(source: Cluster, dest: Cluster, topic: str) -> None:
    others = [(topic, 0), (topic, 2)]
    assert_same(read(source, others), read(dest, others))


def test_somebody_who_has_written_meanwhile_stops_that_partition_only(
    source: Cluster, dest: Cluster, tmp_path: Path, three: str
) -> None:
    ids = begin(tmp_path / "journal", source, dest, [three])
    client = producer(dest)
    client.produce(three, value=b"foreign", partition=1)
    client.flush()
    failed = failures(run(tmp_path / "journal", source, dest, ids))
    assert failed == {
        (three, 1): "the destination's log ends at 1, which is not the end of a batch that was sent"
        " (acknowledged up to 0): another client writes to it; this copy cannot go on"
    }
    assert len(read(dest, [(three, 1)])[three, 1]) == 1
    assert_others_arrived(source, dest, three)


def test_somebody_who_writes_during_the_copy_stops_it_at_once(
    source: Cluster, dest: Cluster, tmp_path: Path, three: str
) -> None:
    ids = begin(tmp_path / "journal", source, dest, [three])
    client = producer(dest)
    written = False

    def emit(event: Event) -> None:
        nonlocal written
        if not written and isinstance(event, Progress) and event.stage == "bytes" and event.done:
            written = True
            client.produce(three, value=b"foreign", partition=1)
            client.flush()

    failed = failures(run(tmp_path / "journal", source, dest, ids, emit=emit, max_rate_bytes=500_000))
    assert list(failed) == [(three, 1)]
    assert "another client writes to it" in failed[three, 1]
    assert_others_arrived(source, dest, three)


def test_offsets_that_the_source_deletes_first_are_named(
    source: Cluster, dest: Cluster, tmp_path: Path, three: str
) -> None:
    ids = begin(tmp_path / "journal", source, dest, [three])
    admin = AdminClient({"log_level": 0, "bootstrap.servers": source.bootstrap_servers})
    for future in admin.delete_records([TopicPartition(three, 1, 400)]).values():
        future.result(10)
    failed = failures(run(tmp_path / "journal", source, dest, ids))
    lost = "lost offsets 0–400: the source deleted them before they were copied; this copy cannot go on"
    assert failed == {(three, 1): lost}
    assert_others_arrived(source, dest, three)
    with Journal(tmp_path / "journal", source_id=ids[0], dest_id=ids[1]) as journal:
        assert journal.position((three, 1)).failure == failed[three, 1]


@pytest.mark.parametrize("side", ["source", "dest"])
def test_a_topic_that_has_been_recreated_is_another_one(
    source: Cluster, dest: Cluster, tmp_path: Path, side: str
) -> None:
    topic = f"copy-recreated-{side}"
    for cluster in (source, dest):
        create(cluster, topic)
    fill(source, topic, 100, partitions=1)
    ids = begin(tmp_path / "journal", source, dest, [topic])
    cluster = source if side == "source" else dest
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    for future in admin.delete_topics([topic]).values():
        future.result(10)
    deadline = time.monotonic() + 30
    while True:
        try:
            create(cluster, topic)
            break
        except KafkaException:  # still marked for deletion
            assert time.monotonic() < deadline
            time.sleep(0.2)
    failed = failures(run(tmp_path / "journal", source, dest, ids))
    assert "has been recreated" in failed[topic, 0]
    assert read(dest, [(topic, 0)]) == {(topic, 0): []}


def test_batches_above_the_destinations_limit_are_split_and_a_record_above_it_stops(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    topic = "copy-large"
    create(source, topic, partitions=2)
    create(dest, topic, partitions=2, config={"max.message.bytes": "20000"})
    client = producer(source, **{"linger.ms": 300})
    noise = random.Random(1).randbytes(30_000)
    for number in range(300):
        client.produce(topic, key=b"%d" % number, value=noise[number : number + 1000], partition=0)
    client.produce(topic, value=noise, partition=1)
    client.flush()
    ids = begin(tmp_path / "journal", source, dest, [topic])
    failed = failures(run(tmp_path / "journal", source, dest, ids))
    assert list(failed) == [(topic, 1)]
    assert "the destination accepts 20000" in failed[topic, 1]
    assert_same(read(source, [(topic, 0)]), read(dest, [(topic, 0)]))


@pytest.mark.parametrize("stamps", ["source", "dest", "both"])
def test_times_that_consumers_saw_stay_unless_the_destination_stamps_its_own(
    source: Cluster, dest: Cluster, tmp_path: Path, stamps: str
) -> None:
    topic = f"copy-stamps-{stamps}"
    for cluster, side in ((source, "source"), (dest, "dest")):
        config = {"message.timestamp.type": "LogAppendTime"} if stamps in (side, "both") else {}
        create(cluster, topic, config=config)
    fill(source, topic, 500, partitions=1, timestamp_ms=int(time.time() * 1000) - DAY_MS)
    ids = begin(tmp_path / "journal", source, dest, [topic])
    assert not failures(run(tmp_path / "journal", source, dest, ids))
    before, after = read(source, [(topic, 0)])[topic, 0], read(dest, [(topic, 0)])[topic, 0]
    assert [record.content[:3] for record in before] == [record.content[:3] for record in after]
    if stamps == "source":
        assert [record.timestamp[1] for record in before] == [record.timestamp[1] for record in after]
    else:
        assert {record.timestamp[0] for record in after} == {2}


def test_the_rate_is_kept_and_made_use_of(
    source: Cluster, dest: Cluster, tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that it takes tells whether the rate is kept; the rests that it asks for, whether it could be faster."""
    rests: list[float] = []
    send = Sending._send

    def spied(self: Sending, *arguments: Any) -> bool:
        free_at = max(self._not_before, time.monotonic())
        sent = send(self, *arguments)
        rests.append(max(0.0, self._not_before - free_at))
        return sent

    monkeypatch.setattr(Sending, "_send", spied)
    ids = begin(tmp_path / "journal", source, dest, [three])
    started = time.monotonic()
    outcomes = run(tmp_path / "journal", source, dest, ids, max_rate_bytes=400_000)
    took = time.monotonic() - started
    sent = sum(each.size_bytes for each in outcomes if isinstance(each, PartitionDone))
    assert sent > 900_000, "enough for seconds"
    assert sent / took < 440_000
    assert sum(rests) == pytest.approx(sent / 400_000, rel=0.2)


@pytest.fixture(scope="module")
def compacted(source: Cluster) -> Iterator[str]:
    """A log in which most keys have been replaced, and the cleaner has been at work."""
    topic = "copy-compacted"
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "200",
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": "0",
        "delete.retention.ms": "86400000",
    }
    create(source, topic, config=config)
    dice = random.Random(2)
    client = producer(source, **{"compression.type": "lz4"})
    for round in range(6):
        for number in range(400):
            key = b"%d" % dice.randrange(300)
            client.produce(topic, key=key, value=None if dice.random() < 0.1 else b"%d-%d" % (round, number))
        client.flush()
        time.sleep(0.3)  # a segment of its own
    yield topic


def test_a_compacted_log_arrives_without_its_gaps_and_every_rank_is_right(
    source: Cluster, dest: Cluster, tmp_path: Path, compacted: str
) -> None:
    deadline = time.monotonic() + 60
    seen = -1
    while (count := len(read(source, [(compacted, 0)])[compacted, 0])) > 1500 or count != seen:
        assert time.monotonic() < deadline, "the cleaner did not come, or does not end"
        seen = count
        time.sleep(1)  # some rounds of the cleaner
    create(dest, compacted)
    ids = begin(tmp_path / "journal", source, dest, [compacted])
    assert not failures(run(tmp_path / "journal", source, dest, ids))
    before = read(source, [(compacted, 0)])
    assert_same(before, read(dest, [(compacted, 0)]))
    offsets = [record.offset for record in before[compacted, 0]]
    with Journal(tmp_path / "journal", source_id=ids[0], dest_id=ids[1]) as journal:
        for offset in range(journal.positions()[0].begun.end + 1):
            assert journal.rank(compacted, 0, offset) == sum(each < offset for each in offsets), offset


@pytest.mark.long
@pytest.mark.parametrize("version", ["0.10.2.2", "0.11.0.3", "1.1.1", "2.8.2"])
def test_old_sources_are_read(dest: Cluster, tmp_path: Path, version: str) -> None:
    topic = f"copy-from-{version}"
    old = {"api.version.request": "false", "broker.version.fallback": "0.10.2"} if version < "0.11" else {}
    with zookeeper_cluster(version, jvm_options=("-Xmx384m",)) as source:
        for cluster in (source, dest):
            create(cluster, topic, partitions=3)
        for seed, codec in enumerate(("none", "gzip", "snappy", "lz4")):
            client_config = {"compression.type": codec, **old}
            client = producer(source, **client_config)
            for number in range(500):
                client.produce(topic, key=b"%d" % number, value=b"%d" % seed * 50, partition=number % 3)
            assert client.flush(30) == 0
        with connect(settings(source, "source")) as wire:
            assert numbers_producers(wire) == (version != "0.10.2.2")
        ids = begin(tmp_path / "journal", source, dest, [topic])
        assert not failures(run(tmp_path / "journal", source, dest, ids))
        places = [(topic, partition) for partition in range(3)]
        before = read(source, places)
        assert sum(map(len, before.values())) == 2000
        assert_same(before, read(dest, places))
        with (
            connect(settings(source, "source")) as wire,
            Journal(tmp_path / "journal", source_id=ids[0], dest_id=ids[1]) as journal,
        ):
            told = cut_back(wire, journal.positions(), emit=silent)
            without_epochs = version == "0.10.2.2"
            assert [each.epoch for each in journal.positions()] == [None if without_epochs else 0] * 3
            assert [type(each) for each in told.values()] == [Untold] * (3 * without_epochs)
            assert ends_epochs(wire) == (not without_epochs)


def watched(command: list[str], folder: Path) -> tuple[str, float]:
    """What a process says, and the most memory it was seen with, in MB. The kernel's own maximum begins with what the
    process that forked had."""
    with (folder / "said").open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)
        peak_bytes = 0
        while process.poll() is None:
            with suppress(psutil.Error):
                peak_bytes = max(peak_bytes, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.01)  # how often it is looked at
    assert process.returncode == 0
    return (folder / "said").read_text(), peak_bytes / 1e6


@pytest.mark.long
def test_two_thousand_partitions_and_one_with_all_of_it_finish_within_the_memory_bound(tmp_path: Path) -> None:
    jvm = ("-Xmx768m",)
    with (
        kraft_cluster("3.9.1", jvm_options=jvm) as source,
        kraft_cluster("4.3.1", jvm_options=jvm) as dest,
    ):
        for cluster in (source, dest):
            create(cluster, "copy-many", partitions=2000)
            create(cluster, "copy-one")
        fill(source, "copy-many", 20_000, partitions=2000)
        fill(source, "copy-one", 200_000, partitions=1, value_bytes=500)
        ids = begin(tmp_path / "journal", source, dest, ["copy-many", "copy-one"])
        given = {
            **{"source": source.bootstrap_servers, "dest": dest.bootstrap_servers, "source_id": ids[0]},
            **{"dest_id": ids[1], "journal": str(tmp_path / "journal"), "session_seconds": 10},
            "memory_bytes": 32 << 20,
        }
        (tmp_path / "settings.json").write_text(json.dumps(given))
        said, peak_mb = watched(
            [sys.executable, "-m", "tests.support.mirror_copier", str(tmp_path / "settings.json")], tmp_path
        )
        assert said.count("PartitionDone(") == 2001 and "PartitionFailed(" not in said
        assert said.endswith("end\n")
        assert peak_mb < 300
        places = [("copy-one", 0), *(("copy-many", partition) for partition in range(2000))]
        assert_same(read(source, places), read(dest, places))


def test_small_uncompressed_batches_arrive_as_large_ones(source: Cluster, dest: Cluster, tmp_path: Path) -> None:
    topic = "copy-joined"
    for cluster in (source, dest):
        create(cluster, topic)
    now = int(time.time() * 1000)
    fill(source, topic, 4000, partitions=1, value_bytes=900, timestamp_ms=now - DAY_MS, config={"batch.size": 4000})
    ids = begin(tmp_path / "journal", source, dest, [topic])
    assert not failures(run(tmp_path / "journal", source, dest, ids))
    assert_same(read(source, [(topic, 0)]), read(dest, [(topic, 0)]))
    log = dest.brokers[0].data_dir / f"{topic}-0" / "00000000000000000000.log"
    dumped = dest.tool("org.apache.kafka.tools.DumpLogSegments", "--files", str(log))
    counts = [int(line.split(" count: ")[1].split()[0]) for line in dumped.splitlines() if " count: " in line]
    assert sum(counts) == 4000
    assert len(counts) < 40


@pytest.mark.parametrize("version", range(3, 8))
def test_destinations_that_do_not_speak_the_newest_produce_request_get_the_same_records(
    source: Cluster, dest: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Redpanda and Event Hubs end at version 7."""
    monkeypatch.setattr(Produce, "VERSIONS", (3, version))
    topic = f"produce-v{version}"
    for cluster in (source, dest):
        create(cluster, topic, partitions=2)
    fill(source, topic, 500, partitions=2)
    ids = begin(tmp_path / "journal.sqlite", source, dest, [topic])
    assert failures(run(tmp_path / "journal.sqlite", source, dest, ids)) == {}
    places = [(topic, 0), (topic, 1)]
    assert_same(read(source, places), read(dest, places))
