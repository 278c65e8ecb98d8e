"""What the destination can take: every batch of a topic fetched into memory first, then sent as the copy sends it.

With "joined" in the settings small uncompressed ones are joined first, as the copy joins them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from kafka_meta.batches import Batch, Destination, Neighbours, Outgoing, Producer, joinable, scan
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.fetch import Fetch, Wanted
from kafka_meta.wire.partitions import Failure, Leader, leaders, listed_offsets, new_producer
from kafka_meta.wire.produce import Produce, Sent

LINES = 2


def main(path: str) -> None:
    given = json.loads(Path(path).read_text())
    source = ClusterSettings(role="source", bootstrap_servers=given["source"])
    dest = ClusterSettings(role="dest", bootstrap_servers=given["dest"])
    waiting = ready_batches(source, dest, given["topic"], joined=given.get("joined", False))
    with connect(dest) as wire:
        (leader, *_) = [each for each in leaders(wire, [given["topic"]]).values() if isinstance(each, Leader)]
    answers: SimpleQueue[tuple[Channel, list[int], Any]] = SimpleQueue()
    idle = [Channel(dest, leader.broker) for _ in range(LINES)]
    free = set(waiting)
    busy = 0
    while waiting or busy:
        while idle and free:
            taken = sorted(free)[: (len(free) + 1) // 2 if busy == 0 else len(free)]
            free -= set(taken)
            channel = idle.pop()
            batches = []
            for partition in taken:
                outgoing = waiting[partition].pop()
                batches.append(Sent(topic=given["topic"], partition=partition, head=outgoing.head, body=outgoing.body))
            busy += 1
            channel.ask(
                Produce(batches=batches, timeout_ms=20_000),
                lambda answer, channel=channel, taken=taken: answers.put((channel, taken, answer)),  # type: ignore[misc]
            )
        channel, taken, answer = answers.get()
        assert all(each.error_code == 0 for each in answer), answer
        busy -= 1
        idle.append(channel)
        for partition in taken:
            if waiting[partition]:
                free.add(partition)
            else:
                del waiting[partition]
    time.sleep(60)  # ended from outside when everything has been seen to arrive


def ready_batches(
    source: ClusterSettings, dest: ClusterSettings, topic: str, *, joined: bool
) -> dict[int, list[Outgoing]]:
    """By partition, the first one last."""
    with connect(dest) as wire:
        while isinstance(told := new_producer(wire), Failure):
            time.sleep(0.1)  # the cluster has just started
        producer = Producer(id=told[0], epoch=told[1])
    with connect(source) as wire:
        led = {place: each for place, each in leaders(wire, [topic]).items() if isinstance(each, Leader)}
        ends = listed_offsets(wire, led)
    found: dict[int, list[Outgoing]] = {}
    for place, leader in led.items():
        channel = Channel(source, leader.broker)
        answers: SimpleQueue[Any] = SimpleQueue()
        at, end, ready, rank = 0, ends[place], list[Outgoing](), 0
        joining = Neighbours(Destination())
        assert isinstance(end, int)
        while at < end:
            wanted = [Wanted(topic=topic, partition=place[1], offset=at, max_bytes=8 << 20)]
            channel.ask(Fetch(wanted=wanted, max_bytes=8 << 20), answers.put)
            for batch in scan(answers.get()[0].records):
                assert isinstance(batch, Batch)
                if joining.batches and not (joined and joinable(batch) and joining.add(batch)):
                    ready.append(joining.take(producer=producer, rank=rank))
                    rank = at
                if not joining.batches:
                    joining.add(batch)
                at = batch.next_offset
        channel.close()
        if joining.batches:
            ready.append(joining.take(producer=producer, rank=rank))
            found[place[1]] = ready[::-1]
    return found


if __name__ == "__main__":
    main(sys.argv[1])
