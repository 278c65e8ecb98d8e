"""What is copied is what was there, record by record, and what cannot be the same is said before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder

from kafka_meta import wire
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.partitions import Leader, leaders
from kafka_meta.wire.produce import Produce, Sent
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli
from tests.support.mirrored import Mirror, small
from tests.support.shop import until
from tests.support.traffic import Row, commit, create, produce, rows, set_config, watermarks

__all__ = ["small"]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
DAY_MS = 86_400_000

ODD: Sequence[dict[str, Any]] = (
    {"key": None, "value": None},
    {"key": b"", "value": b""},
    {"key": None, "value": b"no key"},
    {"key": b"tombstone", "value": None},
    {"key": b"k" * 300, "value": b"v" * 70_000},
    {"value": b"headers", "headers": [("a", b"1"), ("a", b"2"), ("b", None), ("c", b""), ("", b"no name")]},
    {"value": "ü\u202e\x1b[31m".encode(), "headers": [("ключ", b"\x00\xff")]},
)


def contents(found: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Without offsets: those are the destination's own."""
    return [row[1:] for row in found]


@pytest.mark.guard
def test_odd_records_of_every_codec_arrive_as_they_were(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"odd\..*", "odd")
    for servers in (mirror.source, mirror.dest):
        create(servers, {mirror.topic: len(CODECS)})
    now = round(time.time() * 1000)
    times = [now, now - 5_000, now + 60_000, now - 5_000, now, now - 1, now]
    for number, codec in enumerate(CODECS):
        records = [{**odd, "timestamp": at} for odd, at in zip(ODD, times, strict=True)]
        for _ in range(3):  # several batches
            produce(mirror.source, mirror.topic, number, records * 20, {"compression.type": codec, "linger.ms": 50})
    # In the midst of a batch, so that the first one is cut.
    commit(mirror.source, mirror.group, {(mirror.topic, number): 33 for number in range(len(CODECS))})
    document = mirror.document("--commit")
    assert {each["content"] for each in document["copied"]} == {"equal"}
    for number in range(len(CODECS)):
        sent = rows(mirror.source, mirror.topic, number, 33)
        assert len(sent) == 3 * 20 * len(ODD) - 33
        assert contents(rows(mirror.dest, mirror.topic, number)) == contents(sent)


@pytest.mark.guard
def test_a_record_of_more_than_a_mebibyte_arrives(small: Mirror) -> None:
    for servers in (small.source, small.dest):
        set_config(servers, small.topic, "max.message.bytes", "6000000")
    large = bytes(range(256)) * 20_000  # 5.1 MB
    produce(small.source, small.topic, 1, [b"before", large, b"behind"], {"message.max.bytes": 6_000_000})
    commit(small.source, small.group, {(small.topic, 1): 0})
    document = small.document("--commit")
    assert [each["content"] for each in document["copied"]] == ["equal", "equal"]
    assert [row[2] for row in rows(small.dest, small.topic, 1)] == [b"before", large, b"behind"]


@pytest.mark.guard
def test_larger_batches_are_split_for_a_topic_that_takes_smaller_ones(small: Mirror) -> None:
    produce(small.source, small.topic, 1, [b"%d" % number * 100 for number in range(300)], {"linger.ms": 100})
    commit(small.source, small.group, {(small.topic, 1): 0})
    set_config(small.dest, small.topic, "max.message.bytes", "5000")
    document = small.document("--commit")
    assert [each["messages"] for each in document["copied"]] == [60, 300]
    assert {each["content"] for each in document["copied"]} == {"equal"}
    assert contents(rows(small.dest, small.topic, 1)) == contents(rows(small.source, small.topic, 1))


def test_times_of_zero_and_none_stay_what_they_are(small: Mirror) -> None:
    times = [0, -1, 1, 0]
    send_raw(small.source, small.topic, 1, times)
    commit(small.source, small.group, {(small.topic, 1): 0})
    sent = rows(small.source, small.topic, 1)
    assert [row[4][1] for row in sent] == times
    document = small.document("--commit")
    assert {each["content"] for each in document["copied"]} == {"equal"}
    assert contents(rows(small.dest, small.topic, 1)) == contents(sent)


def send_raw(servers: str, topic: str, partition: int, times: Sequence[int]) -> None:
    """Records with these times; librdkafka would make "now" of 0."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1_000_000,
    )  # fmt: skip
    for offset, at in enumerate(times):
        assert builder.append(offset, at, b"key", b"at %d" % at, [])
    batch = bytes(builder.build())
    settings = ClusterSettings(role="source", bootstrap_servers=servers)
    with wire.connect(settings) as connection:
        leader = leaders(connection, [topic])[topic, partition]
    assert isinstance(leader, Leader)
    channel = Channel(settings, leader.broker)
    answers: SimpleQueue[Any] = SimpleQueue()
    sent = Sent(topic=topic, partition=partition, head=batch[:61], body=batch[61:])
    channel.ask(Produce(batches=[sent], timeout_ms=10_000), answers.put)
    (produced,) = answers.get(timeout=20)
    channel.close()
    assert produced.error_code == 0, produced


@pytest.mark.guard
def test_times_that_the_sources_log_has_stamped_arrive(small: Mirror) -> None:
    set_config(small.source, small.topic, "message.timestamp.type", "LogAppendTime")
    produce(small.source, small.topic, 1, [{"value": b"x", "timestamp": 1_000} for _ in range(50)])
    commit(small.source, small.group, {(small.topic, 1): 7})
    document = small.document("--commit")
    assert {each["content"] for each in document["copied"]} == {"equal"}
    sent = rows(small.source, small.topic, 1, 7)
    arrived = rows(small.dest, small.topic, 1)
    assert sent[0][4][1] > 1_000_000_000_000  # stamped
    assert [row[4][1] for row in arrived] == [row[4][1] for row in sent]


def test_a_destination_that_stamps_itself_is_announced_before_the_copy(small: Mirror) -> None:
    set_config(small.dest, small.topic, "message.timestamp.type", "LogAppendTime")
    checked = small()
    assert "records will have the time of the copy" in checked.stdout
    assert watermarks(small.dest, small.topic, 0) == (0, 0)
    document = small.document("--commit")
    assert {each["content"] for each in document["copied"]} == {"equal"}
    sent, arrived = rows(small.source, small.topic, 0, 40), rows(small.dest, small.topic, 0)
    assert [row[1:4] for row in arrived] == [row[1:4] for row in sent]
    assert all(mine[4][1] > theirs[4][1] for mine, theirs in zip(arrived, sent, strict=True))


@pytest.mark.guard
def test_a_destination_that_compresses_anew_is_compared_record_by_record(small: Mirror) -> None:
    set_config(small.dest, small.topic, "compression.type", "zstd")
    assert "it compresses the batches again" in small().stdout
    document = small.document("--commit")
    assert {each["content"] for each in document["copied"]} == {"equal"}
    assert contents(rows(small.dest, small.topic, 0)) == contents(rows(small.source, small.topic, 0, 40))


@pytest.mark.guard
def test_old_records_outlive_the_destinations_retention_until_released(
    source: Cluster, cli: Cli, tmp_path: Path
) -> None:
    hasty = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500", "log.roll.ms": "1000"}
    with kraft_cluster(settings=hasty) as dest:
        mirror = Mirror(cli, source, dest, tmp_path, r"month\..*", "month")
        create(mirror.source, {mirror.topic: 1}, {"retention.ms": "-1"})
        create(mirror.dest, {mirror.topic: 1, "month.unguarded": 1})
        old = round(time.time() * 1000) - 30 * DAY_MS
        records = [{"value": b"%d" % number, "timestamp": old + number} for number in range(1_000)]
        produce(mirror.source, mirror.topic, 0, records)
        commit(mirror.source, mirror.group, {(mirror.topic, 0): 0})
        assert mirror.document("--commit")["totals"]["arrived"] == 1_000
        # The same records without a guard: the broker deletes them at once.
        produce(mirror.dest, "month.unguarded", 0, records)
        until(lambda: watermarks(mirror.dest, "month.unguarded", 0)[0] == 1_000, "the broker deletes", seconds=60)
        assert watermarks(mirror.dest, mirror.topic, 0) == (0, 1_000)
        assert contents(rows(mirror.dest, mirror.topic, 0)) == contents(rows(mirror.source, mirror.topic, 0))
        assert mirror("--release", "--allow-unread", "--commit").returncode == 0
        until(lambda: watermarks(mirror.dest, mirror.topic, 0)[0] == 1_000, "the broker deletes", seconds=60)
