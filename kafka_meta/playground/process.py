"""One process of a playground: started in a session of its own, with its output in a file."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kafka_meta.errors import KafkaMetaError
from kafka_meta.playground.guard import MARK

READY_WITHIN_S = 120.0
STOPPED_WITHIN_S = 30.0
POLL_S = 0.05
LAST_LINES = 25


class PortTaken(KafkaMetaError):
    """Somebody took the port between our choice and the server's start."""


class Process:
    """A server of the playground. `start` returns when it answers."""

    def __init__(
        self, *, name: str, directory: Path, prepare: Sequence[str], command: Sequence[str], ready: Callable[[], bool]
    ) -> None:
        self.name = name
        self.directory = directory
        self.log_file = directory / "server.log"
        self._prepare = prepare
        self._command = command
        self._ready = ready
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self) -> None:
        """Starts it (again) with the data and the ports it has; returns when it answers."""
        if self.pid is None:
            self.launch()
        self.wait_until_ready()

    def stop(self) -> None:
        """Ends it properly (SIGTERM), or by force when it takes longer than half a minute."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def launch(self) -> None:
        command = list(self._command)
        if self._prepare:
            # One child for both steps: launching does not wait, and the id stays that of the server.
            command = ["/bin/sh", "-c", f"{shlex.join(self._prepare)} && exec {shlex.join(command)}"]
            self._prepare = ()
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=marked_environment(self.directory.parent),
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._ready():
            if self.pid is None:
                status = self._child.returncode if self._child else None
                raise self._failure(f"ended with status {status} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {READY_WITHIN_S:.0f} s")
            time.sleep(POLL_S)

    def reap(self) -> None:
        """Collects the status of a child that somebody else has ended."""
        if self._child is not None:
            self._child.wait()

    def release(self) -> None:
        """Forgets the child without ending it."""
        if self._child is not None:
            self._child.returncode = 0  # else Popen complains that it is still running
            self._child = None

    def _end(self, how: signal.Signals) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(how)
        try:
            self._child.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _failure(self, what: str) -> KafkaMetaError:
        log = self.log_file.read_text(errors="replace")
        kind = PortTaken if "Address already in use" in log else KafkaMetaError
        last = "\n".join(log.splitlines()[-LAST_LINES:])
        return kind(f"{self.name} {what}; its log ends with:\n{last}", "The log's last lines tell the cause.")


def marked_environment(directory: Path) -> dict[str, str]:
    """Our environment with the mark by which `guard` knows the processes of a playground."""
    return {**os.environ, MARK: str(directory)}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Returns when the condition holds; raises when it still does not after two minutes."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise KafkaMetaError(f"Waited {READY_WITHIN_S:.0f} s in vain until {what}.")
        time.sleep(POLL_S)


_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process has not given before.

    Taken from below the range of ports that systems give to outgoing connections, so that a broker that is down for a
    while finds its own port free again.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
