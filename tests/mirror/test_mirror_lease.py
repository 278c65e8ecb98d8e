"""How a lease is given back. Who gets it, and who loses it, is in the tests of copiers that are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kafka_meta.mirror.lease import Lease
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from tests.support.brokers import kraft_cluster
from tests.support.three import frozen


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A broker that nobody else misses while it is stopped."""
    with kraft_cluster() as cluster:
        yield cluster


@pytest.mark.guard
def test_a_lease_that_was_given_back_is_taken_at_once(alone: Cluster) -> None:
    settings = ClusterSettings(role="dest", bootstrap_servers=alone.bootstrap_servers)
    with Lease(settings, "given-back"):
        pass
    began = time.monotonic()
    with Lease(settings, "given-back") as lease:
        assert lease.holds()
        assert time.monotonic() - began < 8


@pytest.mark.guard
@pytest.mark.parametrize("silent_for_seconds", [0.0, 3.0], ids=["just now", "since the last heartbeat"])
def test_a_coordinator_that_does_not_answer_does_not_keep_a_copier_from_ending(
    alone: Cluster, silent_for_seconds: float
) -> None:
    settings = ClusterSettings(role="dest", bootstrap_servers=alone.bootstrap_servers)
    lease = Lease(settings, f"silent-{silent_for_seconds}")
    lease.__enter__()
    with frozen(alone.brokers[0]):
        time.sleep(silent_for_seconds)
        began = time.monotonic()
        lease.__exit__(None, None, None)
        assert time.monotonic() - began < 5
    alone.wait_until_ready()
