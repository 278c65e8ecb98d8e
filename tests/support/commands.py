"""The real command line, run as its users run it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.support.forks import FORKS


class Cli(Protocol):
    """Runs `kafka-meta` as its users do; `cwd` is the test's own empty directory unless given."""

    def __call__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str = "",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]: ...


def command_line(folder: Path) -> Cli:
    """For fixtures that live longer than a test."""

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str = "",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        # A crash of a C library shall say where it happened.
        whole = {**clean_environment(), "PYTHONFAULTHANDLER": "1", **(env or {})}
        if not any(name.startswith("PYTHON") for name in env or ()):  # which are for Python's start
            return FORKS.run(arguments, env=whole, cwd=cwd or folder, input=input, timeout=timeout)
        return subprocess.run(
            [sys.executable, "-m", "kafka_meta", *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd or folder,
            env=whole,
            check=False,
        )

    return run


_SHIFT = """
import sys, time
real, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + ahead
from kafka_meta.cli.run import main
main()
"""


def shifted(
    ahead_s: float, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command on a machine whose clock is so many seconds ahead of ours."""
    return subprocess.run(
        [sys.executable, "-c", _SHIFT, str(ahead_s), *arguments],
        cwd=cwd,
        env={**clean_environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Ours without what would reach into a test: settings of kafka-meta, and colours."""
    unwanted = ("KAFKA_META_", "FORCE_COLOR", "NO_COLOR", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def unmeasured_environment() -> dict[str, str]:
    """As `clean_environment`, and without coverage: for a process that gets ^C or SIGTERM, or whose time counts.

    Coverage holds a lock while it notes a new file. An exception that a signal raises there leaves the lock held, and
    the process waits for it for ever.
    """
    return {name: value for name, value in clean_environment().items() if not name.startswith("COVERAGE_")}


def on_terminal(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status, and what a terminal of 100 columns would get."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kafka_meta", *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean_environment(), "TERM": "xterm-256color", "COLUMNS": "100", **(env or {})},
        close_fds=True,
    )
    os.close(theirs)
    received = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            received += part
    finally:
        os.close(ours)
        process.kill() if process.poll() is None and not received else None
        status = process.wait(30)
    return status, received.decode()
