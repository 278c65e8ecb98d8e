"""The lease on brokers that let an empty group wait before its first member is in it: 3 s as shipped, and longer here,
so that a slow machine sees it, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from kafka_meta import playground, wire
from kafka_meta.cli.mirror.journal import cluster_of
from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.mirror.lease import Lease, group_of, holder
from kafka_meta.playground import Cluster, Design
from kafka_meta.wire.coordinators import coordinators
from tests.support.commands import Cli
from tests.support.mirroring import settings
from tests.support.shop import until
from tests.support.three import broker_of, killed
from tests.support.traffic import commit, create, produce


@pytest.fixture(scope="module")
def slow() -> Iterator[Cluster]:
    delay = {"group.initial.rebalance.delay.ms": "5000"}
    with playground.running(Design(version="4.3.1", mode="kraft", as_shipped=True, settings=delay)) as (cluster,):
        yield cluster


def preparing(cluster: Cluster, name: str) -> bool:
    """Whether the group of the lease has a member, and has not begun yet."""
    with wire.connect(settings(cluster, "dest")) as connection:
        (found,) = (each for each in wire.groups(connection)[0] or () if each.id == group_of(name))
    return found.state == "PreparingRebalance"


def until_begun(cluster: Cluster, name: str, *leases: Lease) -> None:
    """Returns when the group of the lease is stable, with a member that has told its process. Until then, the first of
    these leases holds, and no other."""

    def begun() -> bool:
        assert [lease.holds() for lease in leases] == [True, *(False for _ in leases[1:])]
        found = holder(settings(cluster, "dest"), name)
        return found is not None and found.pid is not None

    until(begun, "the group of the lease has begun")


def test_who_comes_first_has_the_lease_before_its_group_begins_and_keeps_it_then(slow: Cluster) -> None:
    with Lease(settings(slow, "dest"), "first") as lease:
        assert lease.holds() and preparing(slow, "first")
        until_begun(slow, "first", lease)
        assert lease.term == 1
    assert holder(settings(slow, "dest"), "first") is None


def test_who_comes_second_is_refused_whether_the_group_has_begun_or_not(slow: Cluster) -> None:
    dest = settings(slow, "dest")
    with Lease(dest, "second") as lease:
        for begun in (False, True):
            if begun:
                until_begun(slow, "second", lease)
            assert begun or preparing(slow, "second")
            with closing(Lease(dest, "second")) as second:
                second.join()
                with pytest.raises(KafkaMetaError, match=rf"another kafka-meta is copying .* process {os.getpid()} on"):
                    second.__enter__()
                assert not second.holds() and lease.holds() and lease.term == 1


def test_of_two_that_want_the_lease_at_the_same_time_one_gets_it(slow: Cluster) -> None:
    dest = settings(slow, "dest")
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


def test_who_gives_the_lease_up_before_it_is_there_leaves_nobody_behind(slow: Cluster) -> None:
    """The next copier would have to wait for the session of a member that is gone."""
    dest = settings(slow, "dest")
    wanted = Lease(dest, "given up")
    wanted.join()
    wanted.close()
    assert not wanted.holds()
    assert holder(dest, "given up") is None
    with Lease(dest, "given up") as lease:
        assert lease.holds()


def test_a_look_that_refuses_gives_the_lease_back(source: Cluster, slow: Cluster, cli: Cli) -> None:
    create(source.bootstrap_servers, {"lease.refused": 1})
    produce(source.bootstrap_servers, "lease.refused", 0, [b"one"])
    commit(source.bootstrap_servers, "lease.refused", {("lease.refused", 0): 0})
    sides = (
        "--source-bootstrap-servers",
        source.bootstrap_servers,
        "--dest-bootstrap-servers",
        slow.bootstrap_servers,
    )
    done = cli("mirror", *sides, "--include-topics", "lease.refused", "--include-groups", "lease.refused", "--commit")
    assert done.returncode == 1 and "run kafka-meta import first" in done.stdout, done.stderr
    assert holder(settings(slow, "dest"), str(cluster_of(settings(source, "source")).id)) is None


@pytest.mark.guard
@pytest.mark.brokers
def test_a_coordinator_that_dies_before_the_group_begins_ends_the_lease_and_nobody_has_it_twice(
    three_dest: Cluster,
) -> None:
    """The next coordinator has never heard of the group."""
    dest = settings(three_dest, "dest")
    with wire.connect(dest) as connection:
        wire.wake(connection)
        until(lambda: coordinators(connection, [group_of("dies")], {}), "the group has a coordinator")
        (coordinator,) = coordinators(connection, [group_of("dies")], {})
    with closing(Lease(dest, "dies")) as one, closing(Lease(dest, "dies")) as other:
        one.__enter__()
        assert one.holds() and preparing(three_dest, "dies")
        with killed(broker_of(three_dest, coordinator)):
            entering = background(other.__enter__)
            until(lambda: not one.holds(), "the lease ends")
            terms = one.term, other.term

            def held_again() -> bool:
                held = [lease.holds() for lease in (one, other)]
                assert held.count(True) < 2
                return any(held) and entering.done()

            until(held_again, "somebody has the lease", 60)
        assert (one.term, other.term) != terms
        with suppress(KafkaMetaError):
            entering.result()
