"""Real clusters and the real command line, for every test that asks for them.

The usual pair starts when the first test wants it and serves the whole session: a test names its topics, groups and
users after itself, and asks `playground` for a cluster of its own when it needs other settings or breaks something.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from forks import FORKS
from shop import shop_source as shop_source  # here, so that all modules share it

from kafka_meta import playground
from kafka_meta.playground import Cluster
from kafka_meta.playground.design import DEST, SOURCE

MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 << 30


def pytest_configure() -> None:
    """What the tests' processes inherit.

    Logs of thousands of partitions are made in memory where there is room: a disk's fsync would take minutes. A shell
    starts what runs in its background deaf to ^C, and the tests' children would be, too. What is compiled is kept, or
    each child compiles it anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


@pytest.fixture(scope="session")
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """Source and destination, started at the same time. What can be compacted on the source soon is."""
    source = replace(SOURCE, settings={"log.cleaner.backoff.ms": "200"})
    with playground.running(source, DEST) as (first, second):
        yield first, second


@pytest.fixture(scope="session")
def source(pair: tuple[Cluster, Cluster]) -> Cluster:
    """Kafka 3.9.1 with ZooKeeper, chroot `/kafka`, AclAuthorizer."""
    return pair[0]


@pytest.fixture(scope="session")
def dest(pair: tuple[Cluster, Cluster]) -> Cluster:
    """Kafka 4.3.1 KRaft, StandardAuthorizer."""
    return pair[1]


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


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return command_line(tmp_path)


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


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    """Ends before coverage counts."""
    yield
    FORKS.close()


def clean_environment() -> dict[str, str]:
    """Ours without what would reach into a test: settings of kafka-meta, and colours."""
    unwanted = ("KAFKA_META_", "FORCE_COLOR", "NO_COLOR", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
