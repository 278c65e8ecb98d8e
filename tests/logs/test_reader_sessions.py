"""Partitions at the ends of their logs, on real brokers: what is asked for them, as it passes a proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from kafka_meta import playground
from kafka_meta.batches import scan
from kafka_meta.logs.reader import Arrived, LogReader, Short
from kafka_meta.playground import Cluster
from kafka_meta.playground.design import Design
from kafka_meta.wire import Place, connect
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.fetch import SessionFetch
from tests.support.mirroring import create, fill, led, settings
from tests.support.proxy import Asked, Noting, known_as
from tests.support.readers import reader_of
from tests.support.traffic import produce

PARTITIONS = 10
FETCH = 1


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[tuple[Cluster, Noting], ...]]:
    """A broker with much room for sessions, and one with room for a single session; each behind its proxy."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(Noting()) for _ in range(2)]
        designs = [
            Design(version=version, mode="kraft", settings={**known_as(proxy), **more})
            for version, proxy, more in zip(
                ("4.3.1", "3.9.1"), proxies, ({}, {"max.incremental.fetch.session.cache.slots": "1"}), strict=True
            )
        ]
        clusters = stack.enter_context(playground.running(*designs))
        for cluster, proxy in zip(clusters, proxies, strict=True):
            proxy.target = cluster.brokers[0].port
        yield tuple(zip(clusters, proxies, strict=True))


@pytest.fixture
def roomy(two: tuple[tuple[Cluster, Noting], ...]) -> tuple[Cluster, Noting]:
    two[0][1].asked.clear()
    return two[0]


@pytest.fixture
def crowded(two: tuple[tuple[Cluster, Noting], ...]) -> tuple[Cluster, Noting]:
    two[1][1].asked.clear()
    return two[1]


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return f"sessions-{request.node.name[5:50].replace('_', '-')}"


def places(topic: str) -> list[Place]:
    return [(topic, number) for number in range(PARTITIONS)]


def filled(cluster: Cluster, topic: str) -> None:
    """A topic with one record in each partition."""
    create(cluster, topic, partitions=PARTITIONS)
    fill(cluster, topic, PARTITIONS, partitions=PARTITIONS)


class Follower:
    """Wants every partition again behind what has arrived of it. `found` are the offsets that arrived, by
    partition."""

    def __init__(self, reader: LogReader, events: Callable[[int], list[Any]], topic: str, start: int = 1) -> None:
        self.reader, self.events = reader, events
        self.found: dict[Place, list[int]] = {place: [] for place in places(topic)}
        for place in self.found:
            reader.want(place, start, 1)

    def until(self, records: int) -> None:
        """So many have arrived, each one once and in order."""
        while sum(map(len, self.found.values())) < records:
            (event,) = self.events(1)
            assert isinstance(event, Arrived), event
            for fetched in event.fetched:
                place = fetched.topic, fetched.partition
                for batch in scan(fetched.records):
                    assert batch.base_offset is not None
                    self.found[place] += range(batch.base_offset, batch.next_offset)
                at = self.found[place][-1] + 1
                assert fetched.stable is not None
                self.reader.want(place, at, max(at, fetched.stable))
        for offsets in self.found.values():
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets))) if offsets else True

    def idle(self, proxy: Noting, more: int = 2) -> list[Asked]:
        """The requests of this time, until `more` have passed."""
        before = len(proxy.asked)
        while len(proxy.asked) < before + more:
            assert self.events_in_a_moment() == []
        return proxy.asked[before:]

    def events_in_a_moment(self) -> list[Any]:
        self.reader.go_on()
        self.reader._answers.take(0.2)
        return list(self.reader.take())


@contextmanager
def following(cluster: Cluster, topic: str, start: int = 1) -> Iterator[Follower]:
    """Of a new topic with one record in each partition."""
    filled(cluster, topic)
    with reader_of(cluster) as (reader, events):
        yield Follower(reader, events, topic, start)


def test_a_partition_without_records_is_named_in_the_first_request_only(
    roomy: tuple[Cluster, Noting], topic: str
) -> None:
    cluster, proxy = roomy
    with following(cluster, topic) as follower:
        first, *later = follower.idle(proxy, 4)
        produce(cluster.bootstrap_servers, topic, 3, [b"second"])
        follower.until(1)
        after = follower.idle(proxy, 3)
        assert follower.reader.silent_seconds < 0.5, "nothing is due"
    assert (first.version, first.session, sorted(first.named)) == (11, (0, 0), places(topic))
    assert [each.named for each in later] == [()] * 3
    assert [each.session and each.session[1] for each in later] == [1, 2, 3]
    assert follower.found[topic, 3] == [1]
    assert {place for each in (*later, *after) for place in each.named} == {(topic, 3)}
    assert not any(each.forgotten for each in (*later, *after))


def test_records_that_are_due_are_asked_for_outside_the_session(roomy: tuple[Cluster, Noting], topic: str) -> None:
    cluster, proxy = roomy
    with following(cluster, topic, start=0) as follower:
        follower.until(PARTITIONS)
        follower.idle(proxy)
        produce(cluster.bootstrap_servers, topic, 0, [b"x" * 700_000] * 6)  # more than an answer of the session holds
        follower.until(PARTITIONS + 6)
        follower.idle(proxy)
    outside = [each for each in proxy.asked if each.without_session]
    assert sorted(outside[0].named) == places(topic)
    assert {place for each in outside[1:] for place in each.named} == {(topic, 0)}
    assert follower.found[topic, 0] == list(range(7))


def test_what_is_not_wanted_any_more_is_forgotten(roomy: tuple[Cluster, Noting], topic: str) -> None:
    cluster, proxy = roomy
    with following(cluster, topic) as follower:
        follower.idle(proxy)
        follower.reader.forget((topic, 4))
        asked = follower.idle(proxy)
        produce(cluster.bootstrap_servers, topic, 4, [b"second"])
        produce(cluster.bootstrap_servers, topic, 5, [b"second"])
        follower.until(1)
        follower.idle(proxy)
    assert [place for each in asked for place in each.forgotten] == [(topic, 4)]
    assert follower.found[topic, 4] == [] and follower.found[topic, 5] == [1]


@pytest.mark.guard
def test_a_restarted_broker_gets_a_new_session(roomy: tuple[Cluster, Noting], topic: str) -> None:
    cluster, proxy = roomy
    with following(cluster, topic) as follower:
        follower.idle(proxy)
        cluster.brokers[0].kill()
        cluster.start()
        proxy.asked.clear()
        produce(cluster.bootstrap_servers, topic, 6, [b"second"])
        follower.until(1)
        follower.idle(proxy)
    again = [each for each in proxy.asked if each.session and each.session[1] == 0]
    assert again and set(again[-1].named) <= set(places(topic))
    assert {place for each in proxy.asked for place in each.named} == set(places(topic))
    assert proxy.asked[-1].named == ()
    assert follower.found[topic, 6] == [1]


def test_a_session_that_the_broker_has_dropped_is_replaced_by_another_one(
    roomy: tuple[Cluster, Noting], topic: str
) -> None:
    """As when the broker needs the room for somebody else. Here, another client ends the session."""
    cluster, proxy = roomy
    with following(cluster, topic) as follower, connect(settings(cluster, "source")) as wire:
        session = follower.idle(proxy)[-1].session
        assert session is not None
        channel = Channel(settings(cluster, "source"), led(wire, [topic])[topic, 0].broker)
        ended: SimpleQueue[Any] = SimpleQueue()
        channel.ask(
            SessionFetch(session_id=session[0], epoch=-1, wanted=(), forgotten=(), max_bytes=1, max_wait_ms=0),
            ended.put,
        )
        assert ended.get(timeout=10).error_code == 0
        channel.close()
        proxy.asked.clear()
        follower.idle(proxy, 3)
        produce(cluster.bootstrap_servers, topic, 7, [b"second"])
        follower.until(1)
    full = [each for each in proxy.asked if each.session == (0, 0)]
    assert [sorted(each.named) for each in full] == [places(topic)]
    assert follower.found[topic, 7] == [1]


@pytest.mark.parametrize("version", [11, 6], ids=["no-room", "before-sessions"])
def test_a_broker_without_a_session_for_us_is_asked_for_all_of_them_each_time(
    crowded: tuple[Cluster, Noting], topic: str, version: int
) -> None:
    cluster, proxy = crowded
    topic = f"{topic}-{version}"
    filled(cluster, topic)
    proxy.highest = {FETCH: version}
    try:
        with reader_of(cluster) as (reader, events), reader_of(cluster) as (other, others):
            Follower(other, others, topic).idle(proxy)  # has the only session that there is room for
            follower = Follower(reader, events, topic)
            proxy.asked.clear()
            asked = follower.idle(proxy, 3)
            produce(cluster.bootstrap_servers, topic, 8, [b"second"])
            follower.until(1)
            follower.idle(proxy)
    finally:
        proxy.highest = {}
    assert [sorted(each.named) for each in asked] == [places(topic)] * 3
    assert {each.version for each in asked} == {version}
    assert follower.found[topic, 8] == [1]


def test_a_log_that_ends_before_the_offset_that_is_waited_for_is_told_with_its_end(
    roomy: tuple[Cluster, Noting], topic: str
) -> None:
    cluster, _ = roomy
    filled(cluster, topic)
    with reader_of(cluster) as (reader, events):
        reader.want((topic, 0), 5, 5)
        assert events(1) == [Short(place=(topic, 0), log_end=1, end=5)]
