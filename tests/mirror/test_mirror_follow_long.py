"""Cases of a copy that goes on which take minutes: a long link, and positions that expire."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from confluent_kafka import Producer

from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli
from tests.support.following import contents, following
from tests.support.mirrored import Mirror
from tests.support.proxy import Distant, Proxy, pair_behind
from tests.support.shop import until
from tests.support.traffic import commit, committed, create, produce

pytestmark = [pytest.mark.brokers, pytest.mark.long]

SOON = ("--all-data", "--quiet", "1s")


@contextmanager
def single_records(servers: str, topic: str, *, a_second: int) -> Iterator[None]:
    """Each a batch of its own, compressed with lz4, to one partition."""
    over = Event()

    def write() -> None:
        producer = Producer(
            {
                "bootstrap.servers": servers,
                "compression.type": "lz4",
                "batch.num.messages": 1,
                "linger.ms": 0,
                "queue.buffering.max.messages": 100_000,
                "log_level": 0,
            }
        )
        began, sent = time.monotonic(), 0
        while not over.is_set():
            while sent < (time.monotonic() - began) * a_second:
                producer.produce(topic, b"%09d" % sent * 20, partition=0)
                sent += 1
            producer.poll(0)
            time.sleep(0.01)
        assert producer.flush(60) == 0

    writing = Thread(target=write, daemon=True)
    writing.start()
    try:
        yield
    finally:
        over.set()
        writing.join()


def test_single_records_over_a_long_link_arrive_within_two_seconds(cli: Cli, tmp_path: Path) -> None:
    """2,000 a second, with 50 ms there and back to the destination."""
    with ExitStack() as stack:
        near, far = stack.enter_context(Proxy()), stack.enter_context(Distant(0.025))
        source, dest = stack.enter_context(pair_behind([near, far]))
        mirror = Mirror(cli, source, dest, tmp_path, r"long\..*", "long")
        for servers in (mirror.source, mirror.dest):
            create(servers, {mirror.topic: 1})
        produce(mirror.source, mirror.topic, 0, [b"first"])
        commit(mirror.source, mirror.group, {(mirror.topic, 0): 0})
        running = stack.enter_context(following(mirror, *SOON))
        running.until_copied((mirror.topic, 0))
        lags: list[float] = []
        with single_records(mirror.source, mirror.topic, a_second=2_000):
            time.sleep(5)
            for _ in range(20):
                time.sleep(1)
                lags.append(running.task("show")["task"]["lagSeconds"])
        assert max(lags) < 2, lags
        running.until_copied((mirror.topic, 0))
        assert len(contents(mirror.dest, mirror.topic, 0)) > 30_000
        running.end()


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Cluster]:
    """It forgets the positions of a group without members after a minute, and looks every second."""
    settings = {"offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "1000"}
    with kraft_cluster(settings=settings) as started:
        yield started


def test_positions_of_a_group_without_members_stay_for_as_long_as_the_copy_goes_on(
    source: Cluster, forgetful: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror = Mirror(cli, source, forgetful, tmp_path, re.escape("stays") + r"\..*", "stays")
    for servers in (mirror.source, mirror.dest):
        create(servers, {mirror.topic: 1})
    produce(mirror.source, mirror.topic, 0, (b"%d" % number for number in range(10)))
    commit(mirror.source, mirror.group, {(mirror.topic, 0): 4})
    with following(mirror, *SOON, "--task", "stays") as running:
        running.until(lambda: committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 4}, "it is set")
        time.sleep(130)
        assert committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 4}
        refused = mirror("--follow", "--task", "other", *SOON)
        assert "task stays, begun on" in refused.stdout, "its marks have stayed, too"
        running.end()
    # Else this would show nothing.
    until(lambda: committed(mirror.dest, mirror.group) == {}, "it is forgotten when nobody sets it again", 150)
