"""Batches that a destination refuses because it compresses them anew."""

from __future__ import annotations

import pytest

from tests.support.mirrored import Mirror, small
from tests.support.traffic import commit, committed, create, produce, rows, set_config, watermarks

__all__ = ["small"]

pytestmark = pytest.mark.brokers

COMPRESSED = {"linger.ms": 500, "compression.type": "lz4", "batch.num.messages": 1000}


def test_a_batch_that_is_too_large_when_it_is_compressed_anew_is_split(small: Mirror) -> None:
    topic = f"{small.topic}.anew"
    create(small.source, {topic: 1}, {"retention.ms": "-1"})
    create(small.dest, {topic: 1}, {"compression.type": "uncompressed", "max.message.bytes": "20000"})
    values = [b"%d " % number + b"x" * 1_000 for number in range(400)]
    produce(small.source, topic, 0, values, COMPRESSED)
    commit(small.source, small.group, {(topic, 0): 0})
    document = small.document("--commit")
    copied = next(each for each in document["copied"] if each["topic"] == topic)
    assert (copied["arrived"], copied["content"], copied["error"]) == (400, "equal", None)
    assert [row[2] for row in rows(small.dest, topic, 0)] == values


def test_a_single_record_that_is_too_large_ends_its_partition_with_its_offset(small: Mirror) -> None:
    topic = f"{small.topic}.one"
    create(small.source, {topic: 1}, {"retention.ms": "-1"})
    create(small.dest, {topic: 1}, {"compression.type": "uncompressed", "max.message.bytes": "20000"})
    values = [b"%d " % number + b"x" * (30_000 if number == 30 else 1_000) for number in range(60)]
    produce(small.source, topic, 0, values, COMPRESSED)
    commit(small.source, small.group, {(topic, 0): 0})
    document = small.document("--commit", status=1)
    copied = next(each for each in document["copied"] if each["topic"] == topic)
    assert "the destination refuses the last record before source offset 31, compressed anew" in copied["error"]
    assert f"Raise max.message.bytes of topic {topic}" in copied["error"]
    assert watermarks(small.dest, topic, 0) == (0, 30)
    assert (topic, 0) not in committed(small.dest, small.group)

    set_config(small.dest, topic, "max.message.bytes", "40000")
    small.document("--commit")
    assert [row[2] for row in rows(small.dest, topic, 0)] == values
    assert committed(small.dest, small.group)[topic, 0] == 0
