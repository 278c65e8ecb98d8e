"""Bulk requests under a quota: the broker names a time for which it leaves the connection alone (KIP-219)."""

from __future__ import annotations

from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest

from kafka_meta.batches import Batch, Producer, forward, scan
from kafka_meta.playground import Cluster
from kafka_meta.wire import connect
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.connection import Unanswered
from kafka_meta.wire.fetch import Fetch, Wanted
from kafka_meta.wire.produce import Produce, Sent
from tests.support.mirroring import create, fill, led, settings
from tests.support.quotas import slowed
from tests.support.traffic import produce

pytestmark = pytest.mark.guard

RATE = 100_000
PATIENCE_MS = 2_000


def channel_to(cluster: Cluster, topic: str, depth: int) -> Channel:
    """One that waits for an answer for two seconds."""
    with connect(settings(cluster, "dest")) as wire:
        broker = led(wire, [topic])[topic, 0].broker
    return Channel(replace(settings(cluster, "dest"), request_timeout_ms=PATIENCE_MS), broker, depth=depth)


def test_a_request_behind_one_that_was_throttled_has_its_time_from_the_end_of_the_rest(dest: Cluster) -> None:
    topic = "quota-behind"
    create(dest, topic, config={"max.message.bytes": "4000000"})
    produce(dest.bootstrap_servers, topic, 0, [bytes(20 * RATE)], {"message.max.bytes": 4_000_000})
    channel = channel_to(dest, topic, depth=2)
    answers: SimpleQueue[Any] = SimpleQueue()
    wanted = [Wanted(topic=topic, partition=0, offset=0, max_bytes=4_000_000)]
    channel.ask(Fetch(wanted=wanted, max_bytes=4_000_000), answers.put)
    batch = next(scan(answers.get(timeout=60)[0].records))
    assert isinstance(batch, Batch)
    out = forward(batch, producer=Producer(), rank=0)
    again = Produce(batches=[Sent(topic=topic, partition=0, head=out.head, body=out.body)], timeout_ms=1000)
    with slowed(dest, "producer_byte_rate", RATE):  # ten seconds' worth of it are half of the batch
        channel.ask(again, answers.put)
        channel.ask(again, answers.put)
        first = answers.get(timeout=60)
        rest_seconds = channel.rest_seconds
        second = answers.get(timeout=60)
    channel.close()
    assert not isinstance(first, Unanswered), first.reason
    assert rest_seconds > PATIENCE_MS / 1000
    assert not isinstance(second, Unanswered), second.reason


def test_an_answer_that_a_quota_withholds_is_empty_and_the_rest_is_told(dest: Cluster) -> None:
    topic = "quota-empty"
    create(dest, topic)
    fill(dest, topic, 3000, partitions=1, value_bytes=1000)
    channel = channel_to(dest, topic, depth=1)
    answers: SimpleQueue[Any] = SimpleQueue()
    request = Fetch(wanted=[Wanted(topic=topic, partition=0, offset=0, max_bytes=1 << 22)], max_bytes=1 << 22)
    with slowed(dest, "consumer_byte_rate", RATE):
        full = 0
        while True:
            channel.ask(request, answers.put)
            if not (answer := answers.get(timeout=60)) and full:
                break
            full += len(answer)
        channel.close()  # does not wait for the end of the rest
    assert channel.rest_seconds > 0
