"""The reader on real brokers: what is gone, what moves, what is forgotten, and what never comes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from confluent_kafka import Producer, TopicPartition

from kafka_meta import playground
from kafka_meta.batches import scan
from kafka_meta.events import Event, Waiting, silent
from kafka_meta.logs import Lost, Piece, Span, read
from kafka_meta.logs import reader as engine
from kafka_meta.logs.history import Cut
from kafka_meta.logs.reader import Arrived, CutBack, LogReader, Purged, Refused, Short
from kafka_meta.playground import Broker, Cluster
from kafka_meta.playground.design import Design
from kafka_meta.wire import Place, connect
from kafka_meta.wire.lines import Answers
from tests.support.mirroring import create, fill, led, settings
from tests.support.readers import reader_of
from tests.support.traffic import admin, produce
from tests.support.traffic import create as create_as

SMALL = {"batch.size": 1000, "linger.ms": 0}


@pytest.fixture(scope="module")
def breakable() -> Iterator[Cluster]:
    """Two brokers that may be killed."""
    with playground.running(Design(version="3.9.1", mode="zookeeper", brokers=2)) as (cluster,):
        yield cluster


@pytest.fixture
def topic(source: Cluster, request: pytest.FixtureRequest) -> str:
    """100 records in each of ten partitions, in batches of a few."""
    name = f"reader-{request.node.name[5:40].replace('_', '-')}"
    create(source, name, partitions=10)
    fill(source, name, 1000, partitions=10, config=SMALL)
    return name


def ask(reader: LogReader, answers: Answers) -> None:
    """Until the leader of what is wanted is known, and has been asked; its answer has not been heard then."""
    reader.go_on()
    while not reader._lines._lines:
        answers.take(0.2)
        reader.go_on()


def test_what_has_been_purged_is_told_with_where_each_log_begins_after_one_look_up(
    source: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Sequence[Place]] = []
    look = engine._bounds
    monkeypatch.setattr(
        engine, "_bounds", lambda wire, wanted, *more: looked_at.append(list(wanted)) or look(wire, wanted, *more)
    )
    places = [TopicPartition(topic, number, 50 + number) for number in range(10)]
    client = admin(source.bootstrap_servers)  # what is asked of one that is gone is never answered
    for future in client.delete_records(places).values():
        future.result(30)
    with reader_of(source) as (reader, events):
        for number in range(10):
            reader.want((topic, number), 40, 100)
        found = events(10)
    assert sorted(found, key=lambda each: each.place) == [
        Purged(place=(topic, number), offset=40, log_start=50 + number) for number in range(10)
    ]
    assert len([place for places in looked_at for place in places]) == 10


def test_a_log_that_ends_before_what_is_due_is_told_with_its_end(source: Cluster, topic: str) -> None:
    with reader_of(source) as (reader, events):
        reader.want((topic, 0), 100, 120)  # nothing is there
        reader.want((topic, 1), 110, 120)  # out of range
        found = events(2)
    assert sorted(found, key=lambda each: each.place) == [
        Short(place=(topic, number), log_end=100, end=120) for number in range(2)
    ]


def test_a_log_that_ends_an_epoch_before_what_was_read_of_it_was_cut_back(source: Cluster, topic: str) -> None:
    with reader_of(source) as (reader, events):
        reader.want((topic, 0), 120, 150, epoch=0)
        reader.want((topic, 1), 100, 120, epoch=0)  # nothing that was read is missing
        reader.want((topic, 2), 50, 100, epoch=0)
        found = events(3)
    lost = sorted((each for each in found if not isinstance(each, Arrived)), key=lambda each: each.place)
    assert lost == [
        CutBack(place=(topic, 0), cut=Cut(100, 120)),
        Short(place=(topic, 1), log_end=100, end=120),
    ]
    (arrived,) = (each for each in found if isinstance(each, Arrived))
    assert [fetched.partition for fetched in arrived.fetched] == [2]


def test_a_leader_of_an_earlier_epoch_than_that_of_the_records_that_were_read_is_not_believed(
    source: Cluster, topic: str
) -> None:
    """As after an election, while a broker that has not heard of it answers (a zombie)."""
    answers = Answers()
    with reader_of(source, answers) as (reader, _):
        reader.want((topic, 0), 120, 150, epoch=7)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            reader.go_on()
            answers.take(0.1)
            assert list(reader.take()) == []
        assert reader.trouble == f"{topic}-0 on the source: epoch 0 is told of its leader, but 7 has been seen before"


def test_an_epoch_that_the_broker_does_not_know_yet_is_looked_up_again(source: Cluster, topic: str) -> None:
    place = (topic, 0)
    with reader_of(source) as (reader, events):
        reader.want(place, 0, 100)
        assert isinstance(events(1)[0], Arrived)
        log = reader._logs[place]
        assert log.leader is not None
        log.leader = replace(log.leader, epoch=5)
        reader.want(place, 50, 100, epoch=0)
        (arrived,) = events(1)
    assert isinstance(arrived, Arrived)


def test_a_topic_that_has_been_recreated_is_another_one(source: Cluster, topic: str) -> None:
    with reader_of(source) as (reader, events):
        reader.want((topic, 0), 0, 100, "AAAAAAAAAAAAAAAAAAAAAA")
        (refused,) = events(1)
    assert isinstance(refused, Refused) and refused.recreated
    assert "has been recreated" in refused.reason


def test_nothing_comes_of_what_was_asked_before_a_partition_was_forgotten(source: Cluster, topic: str) -> None:
    place = (topic, 0)
    answers = Answers()
    with reader_of(source, answers) as (reader, events):
        reader.want(place, 0, 100)
        ask(reader, answers)
        reader.forget(place)
        reader.want(place, 90, 100)
        (arrived,) = events(1)
    assert isinstance(arrived, Arrived)
    (fetched,) = arrived.fetched
    first = next(scan(fetched.records))
    assert first.next_offset > 90


def test_what_a_forgotten_partition_got_alone_says_nothing_about_the_others(source: Cluster) -> None:
    """An answer has room for one of two batches, and whose it was is not wanted any more when it arrives."""
    name = "reader-forgotten"
    create(source, name, partitions=2)
    for number in range(2):
        produce(source.bootstrap_servers, name, number, [b"x" * 300_000])
    for forgotten in range(2):  # one of them comes first in the request
        answers = Answers()
        with reader_of(source, answers, request_bytes=1 << 16) as (reader, events):
            for number in range(2):
                reader.want((name, number), 0, 1)
            ask(reader, answers)
            reader.forget((name, forgotten))
            (arrived,) = events(1)
        assert isinstance(arrived, Arrived)
        assert [(each.partition, len(each.records) > 300_000) for each in arrived.fetched] == [(1 - forgotten, True)]


class Crash:
    """An `Emit` that kills these brokers at the first event."""

    def __init__(self, *brokers: Broker) -> None:
        self.brokers = brokers

    def __call__(self, event: Event) -> None:
        for broker in self.brokers:
            broker.kill()
        self.brokers = ()


def offsets(pieces: Sequence[tuple[Place, Piece | Lost]]) -> dict[Place, list[int]]:
    """Where the batches of each partition begin; None of them is in doubt."""
    found: dict[Place, list[int]] = {}
    for place, piece in pieces:
        assert isinstance(piece, Piece), (place, piece)
        assert piece.batch.base_offset is not None
        found.setdefault(place, []).extend((piece.batch.base_offset, piece.batch.next_offset))
    return found


def test_a_log_is_read_on_from_the_broker_that_leads_it_next(breakable: Cluster) -> None:
    topic, count = "moves", 24_000
    create(breakable, topic, partitions=2)
    fill(breakable, topic, count, partitions=2, value_bytes=1000)
    spans = {(topic, number): Span(0, count // 2) for number in range(2)}
    crash = Crash(breakable.brokers[1])
    try:
        found = offsets(list(read(settings(breakable, "source"), spans, stage="reading", emit=crash)))
    finally:
        breakable.start()
    assert crash.brokers == ()
    for place in spans:
        # Each batch once, in order, the next one where the last one ends.
        assert found[place][0] == 0
        assert found[place][-1] == count // 2
        assert found[place][1:-1:2] == found[place][2:-1:2]


def test_a_reader_that_was_stopped_looks_at_what_has_arrived_before_it_gives_up(source: Cluster, topic: str) -> None:
    """As after SIGSTOP, or a suspended machine: longer than its patience."""
    spans = {(topic, number): Span(0, 100) for number in range(10)}
    pieces = read(replace(settings(source, "source"), patience_s=1.5), spans, stage="reading", emit=silent)
    found = []
    for at, piece in enumerate(pieces):
        if at in (0, 100):
            time.sleep(3)
        found.append(piece)
    assert {place: each[-1] for place, each in offsets(found).items()} == dict.fromkeys(spans, 100)


def test_what_never_comes_is_lost_and_not_said_to_be_gone(breakable: Cluster) -> None:
    topic = "stays-away"
    create_as(breakable.bootstrap_servers, {topic: 2}, replicas=1)
    fill(breakable, topic, 200, partitions=2)
    with connect(settings(breakable, "source")) as wire:
        home = {place: leader.broker.id for place, leader in led(wire, [topic]).items()}
    assert set(home.values()) == {1, 2}
    told: list[Event] = []
    breakable.brokers[1].kill()
    try:
        spans = {place: Span(0, 100) for place in home}
        impatient = replace(settings(breakable, "source"), patience_s=3)
        found = list(read(impatient, spans, stage="reading", emit=told.append))
    finally:
        breakable.start()
    (away,) = [place for place, broker in home.items() if broker == 2]
    (lost,) = [piece for place, piece in found if place == away]
    assert isinstance(lost, Lost) and not lost.gone
    assert lost.reason.startswith("nothing arrived for 3 s: ")
    assert any(isinstance(event, Waiting) and event.reason in lost.reason for event in told), (lost, told)
    there = offsets([(place, piece) for place, piece in found if place != away])
    assert [each[-1] for each in there.values()] == [100]


def test_where_many_partitions_wait_all_of_them_move_before_half_of_the_records_have_come(source: Cluster) -> None:
    name, partitions, each = "reader-fair", 64, 100
    create(source, name, partitions=partitions)
    producer = Producer(
        {"bootstrap.servers": source.bootstrap_servers, "batch.size": 16_384, "linger.ms": 50, "log_level": 0}
    )
    for number in range(partitions):
        for _ in range(each):
            producer.produce(name, b"x" * 1000, partition=number)
        producer.flush(30)
    offsets = dict.fromkeys(((name, number) for number in range(partitions)), 0)
    with reader_of(source) as (reader, events):
        for place in offsets:
            reader.want(place, 0, each)
        while sum(offsets.values()) < partitions * each / 2:
            for event in events(1):
                assert isinstance(event, Arrived)
                for fetched in event.fetched:
                    place = (fetched.topic, fetched.partition)
                    offsets[place] = max(batch.next_offset for batch in scan(fetched.records, start=offsets[place]))
                    if offsets[place] < each:
                        reader.want(place, offsets[place], each)
    assert [place for place, offset in offsets.items() if not offset] == []
