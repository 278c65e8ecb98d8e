"""The lease on brokers as shipped, which let an empty group wait for 3 s before its first member is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from kafka_meta import playground
from kafka_meta.cli.mirror.journal import cluster_of
from kafka_meta.errors import KafkaMetaError
from kafka_meta.mirror.lease import Lease, holder
from kafka_meta.playground import Cluster, Design
from tests.support.commands import Cli
from tests.support.mirroring import settings
from tests.support.shop import until
from tests.support.traffic import commit, create, produce


@pytest.fixture(scope="module")
def shipped() -> Iterator[Cluster]:
    with playground.running(Design(version="4.3.1", mode="kraft", as_shipped=True)) as (cluster,):
        yield cluster


def test_the_lease_is_wanted_early_and_held_only_when_the_group_says_so(shipped: Cluster) -> None:
    dest = settings(shipped, "dest")
    with closing(Lease(dest, "early")) as wanted:
        wanted.join()
        assert not wanted.holds(), "the coordinator still waits for other members"
        until(lambda: holder(dest, "early") is not None, "the wish can be seen")
        assert not wanted.holds()
        with wanted as lease:
            assert lease.holds() and lease.term == 1
            found = holder(dest, "early")
            assert found is not None and found.pid is not None
            second = Lease(dest, "early")
            second.join()
            with pytest.raises(KafkaMetaError, match=f"another kafka-meta is copying .* process {found.pid}"), second:
                raise AssertionError
            assert not second.holds() and lease.holds()
    assert not wanted.holds()
    assert holder(dest, "early") is None


def test_of_two_that_want_the_lease_at_the_same_time_one_gets_it(shipped: Cluster) -> None:
    dest = settings(shipped, "dest")
    with closing(Lease(dest, "both")) as one, closing(Lease(dest, "both")) as other:
        one.join()
        other.join()
        got = []
        for each in (one, other):
            try:
                got.append(each.__enter__())
            except KafkaMetaError as error:
                assert "another kafka-meta is copying" in error.message
        assert len(got) == 1 and got[0].holds()
        assert [each.holds() for each in (one, other)].count(True) == 1


def test_who_gives_the_lease_up_before_it_is_there_leaves_nobody_behind(shipped: Cluster) -> None:
    """The next copier would have to wait for the session of a member that is gone."""
    dest = settings(shipped, "dest")
    wanted = Lease(dest, "given up")
    wanted.join()
    wanted.close()
    assert not wanted.holds()
    assert holder(dest, "given up") is None
    with Lease(dest, "given up") as lease:
        assert lease.holds()


def test_a_look_that_refuses_gives_the_lease_back(source: Cluster, shipped: Cluster, cli: Cli) -> None:
    create(source.bootstrap_servers, {"lease.refused": 1})
    produce(source.bootstrap_servers, "lease.refused", 0, [b"one"])
    commit(source.bootstrap_servers, "lease.refused", {("lease.refused", 0): 0})
    sides = (
        "--source-bootstrap-servers",
        source.bootstrap_servers,
        "--dest-bootstrap-servers",
        shipped.bootstrap_servers,
    )
    done = cli("mirror", *sides, "--include-topics", "lease.refused", "--include-groups", "lease.refused", "--commit")
    assert done.returncode == 1 and "run kafka-meta import first" in done.stdout, done.stderr
    assert holder(settings(shipped, "dest"), str(cluster_of(settings(source, "source")).id)) is None
