"""Whose turn it is, counted in steps: no broker is needed for that."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kafka_meta.logs.turns import FEWEST, MOST, Turns
from kafka_meta.wire import Place
from kafka_meta.wire.lines import LEAST_BYTES, Pace

MB = 1 << 20
REQUEST_BYTES = 16 * MB


def places(count: int) -> list[Place]:
    return [("t", number) for number in range(count)]


class FakeLogs:
    """What a broker has of each partition, given as a broker gives it: in the order of the request, a batch of a
    partition whole or not at all, and a batch that is too large only to the first one that has any."""

    def __init__(self, left: dict[Place, int], *, batch_bytes: Callable[[Place], int] = lambda _: MB) -> None:
        self.left, self.batch_bytes = left, batch_bytes
        self.fed: Counter[Place] = Counter()

    def give(self, asked: Sequence[Place], size_bytes: int) -> list[Place]:
        given: list[Place] = []
        for place in asked:
            batch = self.batch_bytes(place)
            if self.left[place] and (not given or batch <= min(size_bytes, MB)):
                given.append(place)
                size_bytes -= batch
                self.left[place] -= 1
        self.fed.update(given)
        return given


def step(turns: Turns, logs: FakeLogs) -> list[Place]:
    """One request and its answer; who was given something wants more if there is more."""
    asked = turns.take()
    given = logs.give(asked, REQUEST_BYTES)
    turns.answered(asked, set(given))
    for place in given:
        if logs.left[place]:
            turns.add(place)
    return asked


def test_every_one_of_ten_thousand_partitions_moves_before_one_moves_twice() -> None:
    wanted = places(10_000)
    turns, logs = Turns(), FakeLogs(dict.fromkeys(wanted, 3))
    for place in wanted:
        turns.add(place)
    while len(logs.fed) < len(wanted):
        step(turns, logs)
        # Those of the first turn that is not over, and of the one request in which a round ends.
        assert max(logs.fed.values()) == 1 or len(logs.fed) == len(wanted)


def test_a_step_costs_what_was_fed_however_many_partitions_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    class Counted(OrderedDict[Any, Any]):
        def __setitem__(self, *item: Any) -> None:
            nonlocal steps
            steps += 1
            super().__setitem__(*item)

    monkeypatch.setattr("kafka_meta.logs.turns.OrderedDict", Counted)
    wanted = places(10_000)
    turns, logs = Turns(), FakeLogs(dict.fromkeys(wanted, 2))
    for place in wanted:
        turns.add(place)
    requests = asked = 0
    while turns:
        requests += 1
        asked += len(step(turns, logs))
    given = sum(logs.fed.values())
    assert given == 20_000
    assert asked <= 2.1 * given
    assert steps <= 3.2 * given


def test_many_partitions_with_little_to_give_soon_share_a_request() -> None:
    wanted = places(10_000)
    turns, logs = Turns(), FakeLogs(dict.fromkeys(wanted, 1), batch_bytes=lambda _: 100)
    for place in wanted:
        turns.add(place)
    sizes = []
    while turns:
        sizes.append(len(step(turns, logs)))
    assert sizes[0] == FEWEST
    assert max(sizes) == MOST
    assert len(sizes) < 20


def test_a_batch_that_fits_no_place_but_the_first_comes_first_next_time() -> None:
    large = ("t", 7)
    wanted = places(2 * FEWEST)
    turns = Turns()
    logs = FakeLogs(dict.fromkeys(wanted, 4), batch_bytes=lambda place: 3 * MB if place == large else MB // 2)
    for place in wanted:
        turns.add(place)
    step(turns, logs)
    assert large not in logs.fed
    while not logs.fed[large]:
        step(turns, logs)
        assert max(logs.fed.values()) == 1
    while turns:
        step(turns, logs)
    assert logs.fed[large] == 4


def test_partitions_that_have_nothing_do_not_keep_the_others_waiting() -> None:
    wanted = places(5000)
    left = {place: int(place[1] >= 4000) for place in wanted}
    turns, logs = Turns(), FakeLogs(left)
    for place in wanted:
        turns.add(place)
    requests = 0
    while any(left.values()):
        step(turns, logs)
        requests += 1
        assert requests < 100
    assert len(logs.fed) == 1000


def test_after_a_throttled_answer_the_same_partitions_ask_first() -> None:
    turns = Turns()
    wanted = places(100)
    for place in wanted:
        turns.add(place)
    asked = turns.take()
    turns.withheld(asked)
    assert turns.take() == asked


def test_what_was_too_much_is_asked_for_by_halves_and_grows_again() -> None:
    pace = Pace(REQUEST_BYTES)
    pace.faster()
    assert pace.request_bytes == REQUEST_BYTES
    pace.slower()
    assert pace.request_bytes == REQUEST_BYTES // 2
    for _ in range(20):
        pace.slower()
    assert pace.request_bytes == LEAST_BYTES
    pace.faster()
    assert pace.request_bytes > LEAST_BYTES
    for _ in range(60):
        pace.faster()
    assert pace.request_bytes == REQUEST_BYTES


def test_a_partition_that_nobody_wants_any_more_has_no_turn() -> None:
    turns = Turns()
    for place in places(3):
        turns.add(place)
    turns.discard(("t", 1))
    turns.discard(("t", 9))
    assert turns.take() == [("t", 0), ("t", 2)]
    assert not turns
