"""Bulk requests over connections of their own: what is broken off does not arrive, and nothing follows it."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from typing import Any

import pytest

from kafka_meta.batches import Batch, Producer, forward, scan
from kafka_meta.model import Broker
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import channel as channels
from kafka_meta.wire import connect
from kafka_meta.wire.channel import Channel, close_all
from kafka_meta.wire.connection import Unanswered
from kafka_meta.wire.fetch import Fetch, Fetched, Wanted
from kafka_meta.wire.partitions import listed_offsets
from kafka_meta.wire.produce import Produce, Sent
from tests.support.mirroring import create, fill, led, settings
from tests.support.traffic import produce


def fetch(topic: str, offset: int = 0) -> Fetch:
    return Fetch(wanted=[Wanted(topic=topic, partition=0, offset=offset, max_bytes=1 << 20)], max_bytes=1 << 20)


@pytest.fixture
def topic(dest: Cluster, request: pytest.FixtureRequest) -> str:
    name = f"channel-{request.node.name[5:60].replace('_', '-')}"
    create(dest, name, config={"max.message.bytes": "60000000"})
    fill(dest, name, 100, partitions=1)
    return name


def channel_to(dest: Cluster, topic: str, depth: int = 1) -> Channel:
    with connect(settings(dest, "dest")) as wire:
        return Channel(settings(dest, "dest"), led(wire, [topic])[topic, 0].broker, depth=depth)


def asked(channel: Channel, request: Any, permit: Callable[[], bool] = lambda: True) -> Any:
    answers: SimpleQueue[Any] = SimpleQueue()
    channel.ask(request, answers.put, permit)
    return answers.get(timeout=20)


def end(dest: Cluster, topic: str) -> Any:
    with connect(settings(dest, "dest")) as wire:
        return listed_offsets(wire, led(wire, [topic]))[topic, 0]


LARGE_BYTES = 40 << 20
"""More than the buffers between us and the broker hold."""


def large_batch(dest: Cluster, topic: str) -> Sent:
    """One that the broker takes; the topic ends with it already."""
    noise = random.Random(1).randbytes(LARGE_BYTES)
    produce(dest.bootstrap_servers, topic, 0, [noise], {"message.max.bytes": 60_000_000})
    channel = channel_to(dest, topic)
    (fetched,) = asked(channel, fetch(topic, 100))
    channel.close()
    batch = next(scan(fetched.records))
    assert isinstance(batch, Batch)
    out = forward(batch, producer=Producer(), rank=0)
    assert len(out.body) > LARGE_BYTES
    return Sent(topic=topic, partition=0, head=out.head, body=out.body)


def test_a_request_whose_permit_ends_in_the_middle_never_arrives(dest: Cluster, topic: str) -> None:
    sent = large_batch(dest, topic)
    channel = channel_to(dest, topic)
    asked_times = 0

    def permit() -> bool:
        nonlocal asked_times
        asked_times += 1
        return asked_times < 3

    answer = asked(channel, Produce(batches=[sent], timeout_ms=5000), permit)
    assert isinstance(answer, Unanswered)
    assert "the lease has expired" in answer.reason
    assert asked_times == 3
    channel.close()
    # The same request with a permit arrives: had the first one, it would be there by then, too.
    channel = channel_to(dest, topic)
    (produced,) = asked(channel, Produce(batches=[sent], timeout_ms=5000))
    assert (produced.error_code, produced.base_offset) == (0, 101)
    assert end(dest, topic) == 102
    channel.close()


def test_what_was_asked_behind_a_broken_request_is_not_sent(dest: Cluster, topic: str) -> None:
    channel = channel_to(dest, topic, depth=3)
    answers: SimpleQueue[Any] = SimpleQueue()
    channel.ask(fetch(topic), answers.put, lambda: False)
    channel.ask(fetch(topic), answers.put)
    channel.ask(fetch(topic), answers.put)
    assert [type(answers.get(timeout=20)) for _ in range(3)] == [Unanswered] * 3
    assert channel.dead
    channel.close()


def test_answers_come_in_the_order_of_the_requests(dest: Cluster, topic: str) -> None:
    channel = channel_to(dest, topic, depth=5)
    answers: SimpleQueue[Any] = SimpleQueue()
    for offset in range(20):
        channel.ask(fetch(topic, offset), answers.put)
    for offset in range(20):
        (fetched,) = answers.get(timeout=20)
        assert isinstance(fetched, Fetched)
        assert fetched.error_code == 0
        assert next(scan(fetched.records)).next_offset > offset
    channel.close()


def test_a_closed_channel_ends_a_request_that_waits_for_data(dest: Cluster, topic: str) -> None:
    channel = channel_to(dest, topic)
    answers: SimpleQueue[Any] = SimpleQueue()
    wanted = [Wanted(topic=topic, partition=0, offset=100, max_bytes=1 << 20)]
    channel.ask(Fetch(wanted=wanted, max_bytes=1 << 20, max_wait_ms=60_000), answers.put)
    asked_meanwhile = channel_to(dest, topic)
    asked(asked_meanwhile, fetch(topic))
    channel.close()
    assert isinstance(answers.get(timeout=5), Unanswered)
    asked_meanwhile.close()


def test_errors_of_a_partition_are_told_with_it(dest: Cluster, topic: str) -> None:
    channel = channel_to(dest, topic)
    (fetched,) = asked(channel, fetch(topic, 1000))
    assert (fetched.error_code, len(fetched.records)) == (1, 0)
    (fetched,) = asked(channel, fetch("channel-not-there"))
    assert fetched.error_code == 3
    (produced,) = asked(
        channel, Produce(batches=[Sent(topic=topic, partition=0, head=b"\0" * 61, body=b"")], timeout_ms=5000)
    )
    assert produced.error_code != 0
    assert end(dest, topic) == 100
    channel.close()


def test_channels_to_a_host_that_takes_no_connection_are_left_alone_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_CLOSING_SECONDS", 0.5)
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(8):  # the kernel takes one or two, and is silent to all others
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(deaf.getsockname())
        host, port = deaf.getsockname()
        to_host = ClusterSettings(role="dest", bootstrap_servers=f"{host}:{port}", request_timeout_ms=5_000)
        many = [Channel(to_host, Broker(id=number, host=host, port=port)) for number in range(10)]
        for channel in many:
            channel.ask(fetch("any"), lambda _: None)
        time.sleep(0.2)  # into connecting, which nothing tells
        started = time.monotonic()
        close_all(many)
        assert 0.4 < time.monotonic() - started < 2
