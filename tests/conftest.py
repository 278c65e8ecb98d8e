"""Real clusters and the real command line, for every test that asks for them.

The usual pair starts when the first test wants it and serves the whole session: a test names its topics, groups and
users after itself, and asks `playground` for a cluster of its own when it needs other settings or breaks something.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

from kafka_meta import playground
from kafka_meta.playground import DEST, SOURCE, Cluster
from tests.support import needs, three
from tests.support.commands import Cli, command_line
from tests.support.forks import FORKS
from tests.support.shop import shop_source as shop_source  # here, so that all modules share it

MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 << 30


# A slow machine is no defect of what is tested.
hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("ours"), max_examples=20)
hypothesis.settings.load_profile("ours")


def pytest_configure() -> None:
    """What the tests' processes inherit.

    Logs of thousands of partitions are made in memory where there is room: a disk's fsync would take minutes. A shell
    starts what runs in its background deaf to ^C, and the tests' children would be, too. What is compiled is kept, or
    each child compiles it anew.
    """
    needs.watch()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


LONGEST = ("test_mirror_fire.py", "test_failures.py", "test_hostile.py", "test_three_brokers.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs.mark(items)
    # Where several files run at a time, one that is long and begins last would run alone.
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    needs.running(item)
    try:
        return (yield)
    finally:
        needs.running(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whoever cannot run a test skips it and says why; a machine that judges changes must have everything."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


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


@pytest.fixture(scope="session")
def _three_source() -> Iterator[Cluster]:
    with three.started(three.THREE_SOURCE) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _three_kraft_source() -> Iterator[Cluster]:
    with three.started(three.THREE_KRAFT_SOURCE) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _three_dest() -> Iterator[Cluster]:
    with three.started(three.THREE_DEST) as cluster:
        yield cluster


@pytest.fixture
def three_source(_three_source: Cluster) -> Iterator[Cluster]:
    """Three brokers as shipped, RF 3 and min ISR 2 by default, whole again after each test: 3.9.1 with ZooKeeper."""
    yield _three_source
    three.mend(_three_source)


@pytest.fixture
def three_kraft_source(_three_kraft_source: Cluster) -> Iterator[Cluster]:
    """As `three_source`: 3.9.1 KRaft."""
    yield _three_kraft_source
    three.mend(_three_kraft_source)


@pytest.fixture
def three_dest(_three_dest: Cluster) -> Iterator[Cluster]:
    """As `three_source`: 4.3.1 KRaft."""
    yield _three_dest
    three.mend(_three_dest)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return command_line(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    """Ends before coverage counts."""
    yield
    FORKS.close()
