"""Batches of one record, as producers without linger.ms write them: joined, whatever their codec, and exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from kafka_meta.batches import Batch, scan
from kafka_meta.playground import Cluster
from tests.support.mirroring import assert_same, begin, create, failures, fill, read, run

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
ONE_BY_ONE = {"batch.num.messages": 1, "linger.ms": 0}


def batches_of(cluster: Cluster, topic: str) -> list[Batch]:
    """As they lie in the log of partition 0; without transaction markers."""
    folder = cluster.brokers[0].data_dir / f"{topic}-0"
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))
    return [batch for batch in scan(data) if isinstance(batch, Batch) and not batch.header.control]


@pytest.mark.parametrize("codec", CODECS)
def test_batches_of_one_record_arrive_joined_in_their_codec(
    source: Cluster, dest: Cluster, tmp_path: Path, codec: str
) -> None:
    topic = f"one-by-one-{codec}"
    for cluster in (source, dest):
        create(cluster, topic)
    fill(source, topic, 3_000, partitions=1, value_bytes=60, config={**ONE_BY_ONE, "compression.type": codec})
    ids = begin(tmp_path / "journal.sqlite", source, dest, [topic])
    assert failures(run(tmp_path / "journal.sqlite", source, dest, ids)) == {}
    assert_same(read(source, [(topic, 0)]), read(dest, [(topic, 0)]))
    sent, arrived = batches_of(source, topic), batches_of(dest, topic)
    assert len(sent) == 3_000
    assert len(arrived) < 100
    assert {batch.header.codec for batch in arrived} == {batch.header.codec for batch in sent}


def test_transactions_of_one_record_arrive_joined_without_those_that_were_aborted(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    topic = "one-a-transaction"
    for cluster in (source, dest):
        create(cluster, topic)
    producer = Producer(
        {"log_level": 0, "bootstrap.servers": source.bootstrap_servers, "transactional.id": topic, "linger.ms": 0}
    )
    producer.init_transactions(30)
    for number in range(300):
        producer.begin_transaction()
        producer.produce(topic, partition=0, value=b"%d" % number)
        producer.flush(30)
        producer.commit_transaction(30) if number % 3 else producer.abort_transaction(30)
    ids = begin(tmp_path / "journal.sqlite", source, dest, [topic])
    assert failures(run(tmp_path / "journal.sqlite", source, dest, ids)) == {}
    arrived = read(dest, [(topic, 0)])[topic, 0]
    assert [record.value for record in arrived] == [b"%d" % number for number in range(300) if number % 3]
    assert [record.offset for record in arrived] == list(range(200))
    assert len(batches_of(dest, topic)) < 10
