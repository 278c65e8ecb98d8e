"""The copy that goes on: guard, copy, check and positions, each on a thread of its own, until somebody ends it.

    copy         the engine, with open ends
    positions    every five seconds: where each group stands
    appearing    every ten seconds: new topics and partitions of the source
    altered      every ten seconds: its configs and ACLs
    headroom     every minute: how long the source keeps what is not copied, and when the destination is full
    rolling      every twenty seconds: what has arrived is compared

What the threads report is emitted by the thread that called `follow`. It also heeds the wishes in the journal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from kafka_meta import cluster
from kafka_meta.cluster.clients import background
from kafka_meta.events import Emit, Event, Happened
from kafka_meta.journal import Begun, Journal, Place
from kafka_meta.mirror.altered import Altered
from kafka_meta.mirror.appearing import Appearing
from kafka_meta.mirror.copy import copy
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.guard import guard_topics
from kafka_meta.mirror.headroom import Headroom
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.migrate import Pace
from kafka_meta.mirror.positions import Positions
from kafka_meta.mirror.preflight import Preflight
from kafka_meta.mirror.prepare import Preparation
from kafka_meta.mirror.rolling import memory_for_check, rolling_check
from kafka_meta.mirror.states import States
from kafka_meta.plan import Policy
from kafka_meta.settings import ClusterSettings
from kafka_meta.verify import Checked

_LOOK_S = 0.5
_TURN_S = 0.0005
_END_S = 6.0
"""How long the copy and the commits have to end. A supervisor kills after ten seconds, and the lease is given back
before."""


def follow(
    source: ClusterSettings,
    dest: ClusterSettings,
    prepared: Preparation,
    checked: Preflight,
    journal: Journal,
    *,
    lease: Lease,
    decided: Policy,
    pace: Pace,
    guard: bool,
    emit: Emit,
    each_look: Callable[[Follow], None],
) -> None:
    """Copies until it is interrupted, and calls `each_look` twice a second on this thread, after the wishes in the
    journal have been heeded.

    An exception, such as that of a signal, ends the copy first: what is under way is waited for, some seconds. Raises
    KafkaMetaError when the guard is refused, or somebody else has the lease.
    """
    begun, gone = _begun(journal, checked, decided, emit)
    if guard:
        with cluster.Writer(dest) as writer:
            guard_topics(dest, writer, journal, {each.dest_topic for each in begun}, emit=emit)
    journal.begin(begun)
    with journal.again() as stopping:
        stopping.claim()
        stopped = gone | dict(checked.stopped)
        for place in stopped.keys() & {position.begun.place for position in stopping.positions()}:
            stopping.fail(place, stopped[place])
    shared = Follow(
        (each.place for each in begun),
        wishes=journal.wishes(),
        max_rate_bytes=pace.max_rate_bytes,
        stopped_before=stopped,
    )
    events: SimpleQueue[Event] = SimpleQueue()
    positions = Positions(
        source,
        dest,
        journal,
        lease=lease,
        decided=decided,
        uncommitted=prepared.uncommitted,
        emit=events.put,
    )
    appearing = Appearing(source, dest, journal, prepared=prepared, decided=decided, guard=guard, emit=events.put)
    altered = Altered(source, dest, journal, decided=decided, guard=guard, emit=events.put)
    headroom = Headroom(source, dest, journal, emit=events.put)
    states = States(journal)
    for_check = memory_for_check(pace.memory_bytes)

    def run_copy() -> None:
        with journal.again() as ours:
            for outcome in copy(
                source,
                dest,
                ours,
                lease=lease,
                places=shared.places,
                emit=events.put,
                max_rate_bytes=pace.max_rate_bytes,
                memory_bytes=pace.memory_bytes - for_check,
                in_flight=pace.in_flight,
                follow=shared,
            ):
                events.put(Happened(text=outcome.in_words))

    def differs(each: Checked) -> None:
        begun = each.position.begun
        events.put(Happened(text=f"{begun.topic}-{begun.partition}: {each.content}: {each.reason}"))

    with _short_turns(), rolling_check(dest, journal, lambda: shared.places, memory_bytes=for_check, tell=differs):
        workers = [
            background(run_copy),
            background(lambda: positions.run(shared)),
            background(lambda: appearing.run(shared)),
            background(lambda: altered.run(shared)),
            background(lambda: headroom.run(shared)),
        ]
        with _ended(shared, workers, events, emit):
            while not shared.ends.wait(_LOOK_S):
                _pass_on(events, emit)
                lease.check()
                _heed(shared, journal, emit)
                states.look(shared)
                each_look(shared)
                for worker in workers:
                    if worker.done():
                        worker.result()
                        shared.ends.set()


@contextmanager
def _short_turns() -> Iterator[None]:
    """Python's threads take turns more often. With its five milliseconds the copy waits for that long behind the check
    and the looks, several times for each batch: the slowest hundredth of the records takes three times as long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _heed(shared: Follow, journal: Journal, emit: Emit) -> None:
    """What the operator wishes, and what that changes, in words."""
    before, now = shared.wishes, journal.wishes()
    if now == before:
        return
    back = before.detached - now.detached
    shared.heed(now)
    if now.paused != before.paused:
        emit(Happened(text="paused: nothing is sent" if now.paused else "resumed"))
    if now.max_rate != before.max_rate:
        emit(Happened(text=f"the rate is {now.max_rate or 'what it was at the start'} from now on"))
    if now.memory != before.memory:
        emit(Happened(text=f"the memory is {now.memory or 'what it was at the start'} from now on"))
    for topic in sorted(now.detached - before.detached):
        emit(Happened(text=f"topic {topic}: it is not followed any more (task change)"))
    for topic in sorted(back):
        emit(Happened(text=f"topic {topic}: it will be followed again (task change)"))
    shared.want_back(back, but_not=now.detached)


def _begun(
    journal: Journal, checked: Preflight, decided: Policy, emit: Emit
) -> tuple[tuple[Begun, ...], dict[Place, str]]:
    """What was prepared, and what is followed already, whether a group reads it now or not. Then what is not on the
    destination any more. What was released is the destination's own."""
    begun = {each.place: each for each in checked.begun}
    there = {topic.name for topic in checked.dest.topics or ()}
    guarded = journal.guards().keys()
    detached = journal.wishes().detached
    gone: dict[Place, str] = {}
    for position in journal.positions():
        place = position.begun.place
        chosen = decided.selection.topic(place[0]) and place[0] not in detached
        if place in begun or place in checked.stopped or not chosen:
            continue
        if position.begun.dest_topic not in there:
            gone[place] = "its topic is not on the destination any more"
        elif position.given_back and position.begun.dest_topic not in guarded:
            emit(Happened(text=f"{place[0]}-{place[1]} is not followed: it was released, and no group reads it"))
        else:
            begun[place] = position.begun
    return tuple(begun.values()), gone


@contextmanager
def _ended(shared: Follow, workers: list[Future[None]], events: SimpleQueue[Event], emit: Emit) -> Iterator[None]:
    """In the end, also after a signal, the others end before this thread goes on and gives the lease back."""
    try:
        yield
    finally:
        shared.ends.set()
        wait(workers[:2], timeout=_END_S)  # the others send nothing under the lease
        _pass_on(events, emit)


def _pass_on(events: SimpleQueue[Event], emit: Emit) -> None:
    with suppress(Empty):
        while True:
            emit(events.get_nowait())
