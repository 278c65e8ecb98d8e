"""How long a mirror waits for clusters that do not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from kafka_meta.playground import Cluster
from tests.support.mirrored import Mirror, midway, small
from tests.support.traffic import rows

__all__ = ["small"]

pytestmark = [pytest.mark.brokers, pytest.mark.guard]

GIVE_UP_SECONDS = 10
LITTLE_SECONDS = 12
"""For a last look at what is complete, and to close connections that nobody answers on."""


@pytest.mark.parametrize("side", ["source", "dest"])
def test_a_broker_that_hangs_ends_the_run_soon_after_give_up_after(
    small: Mirror, source: Cluster, dest: Cluster, side: str
) -> None:
    cluster = source if side == "source" else dest
    broker = cluster.brokers[0]
    assert broker.pid is not None
    began: list[float] = []

    def freeze(running: subprocess.Popen[str]) -> None:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        began.append(time.monotonic())

    try:
        status, out, err = midway(small, freeze, "--give-up-after", f"{GIVE_UP_SECONDS}s")
        took = time.monotonic() - began[0]
    finally:
        os.kill(broker.pid, signal.SIGCONT)
        cluster.wait_until_ready()  # its session with ZooKeeper has ended
    assert status == 1
    assert "nothing moved for 1" in out, err
    assert GIVE_UP_SECONDS < took < GIVE_UP_SECONDS + LITTLE_SECONDS
    small.document("--commit")
    assert [row[2] for row in rows(small.dest, small.topic, 1)] == [
        row[2] for row in rows(small.source, small.topic, 1)
    ]
