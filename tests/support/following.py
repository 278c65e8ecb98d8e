"""A copy that goes on, as its users start it, watch it and end it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from kafka_meta.files import validate
from tests.support.commands import unmeasured_environment
from tests.support.mirrored import Mirror
from tests.support.shop import until
from tests.support.traffic import rows

PATIENCE_S = 90


class Following:
    """`kafka-meta mirror --follow --commit`, while it runs, and `task` beside it."""

    def __init__(self, mirror: Mirror, *arguments: str, source: str | None = None) -> None:
        """`source`: its address; empty where the arguments have it."""
        self.mirror = mirror
        here = mirror.source if source is None else source
        sides = (*(("--source-bootstrap-servers", here) if here else ()), "--dest-bootstrap-servers", mirror.dest)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kafka_meta", "mirror", "--follow", "--commit", *sides, *mirror.mine, *arguments],
            cwd=mirror.state,
            env={**unmeasured_environment(), "XDG_STATE_HOME": str(mirror.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def task(self, *verb: str, status: int = 0) -> dict[str, Any]:
        done = self.mirror.cli(
            *("--output", "json", "task", *verb),
            *("--source-bootstrap-servers", self.mirror.source, "--dest-bootstrap-servers", self.mirror.dest),
            env={"XDG_STATE_HOME": str(self.mirror.state)},
        )
        assert done.returncode == status, done.stderr + done.stdout
        document: dict[str, Any] = json.loads(done.stdout)
        validate(document, "task", called="the document")
        return document

    def groups(self) -> Mapping[tuple[str, str, int], dict[str, Any]]:
        return {(each["group"], each["topic"], each["partition"]): each for each in self.task("show")["groups"]}

    def notice(self, resource: str) -> str | None:
        """What `task show` has to say about it."""
        found = {
            " ".join(filter(None, each["resource"].values())): each["reason"] for each in self.task("show")["notices"]
        }
        return found.get(resource)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Fails at once when the copy has ended."""

        def holds() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return condition()

        until(holds, what, PATIENCE_S)

    def until_copied(self, *places: tuple[str, int]) -> None:
        """Everything that a consumer of committed records reads on the source is on the destination."""
        for topic, partition in places:
            self.until(
                lambda: contents(self.mirror.dest, topic, partition) == contents(self.mirror.source, topic, partition),  # noqa: B023
                f"{topic}-{partition} is copied",
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextmanager
def following(mirror: Mirror, *arguments: str, source: str | None = None) -> Iterator[Following]:
    """Until the end of the block at most."""
    running = Following(mirror, *arguments, source=source)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def journal_of(state: Path) -> Path:
    (found,) = (state / "kafka-meta").glob("*.sqlite")
    return found


def contents(servers: str, topic: str, partition: int) -> list[Any]:
    """What a consumer of committed records reads, without its offsets."""
    return [row[1:] for row in rows(servers, topic, partition)]


def read_and_commit(servers: str, group: str, topic: str, *, start: int, position: int) -> None:
    """As a consumer of its own partition 0 does that reads from `start` on, and ends at `position`."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, start)])
    assert consumer.poll(30) is not None
    consumer.commit(offsets=[TopicPartition(topic, 0, position)], asynchronous=False)
    consumer.close()
