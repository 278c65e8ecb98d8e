"""The copy over TLS with every login: its channels make their own connections, beside kafka-python's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kafka_meta.journal import Begun, Journal
from kafka_meta.mirror.copy import PartitionDone, copy
from kafka_meta.mirror.lease import Lease
from kafka_meta.playground import Cluster
from kafka_meta.wire import connect
from kafka_meta.wire.partitions import listed_offsets
from tests.support.logins import LOGINS
from tests.support.mirroring import create, fill, led, read
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.stores_made_by_java", "tests.support.logins"]
pytestmark = pytest.mark.guard


@pytest.mark.parametrize("login", LOGINS)
def test_a_copy_goes_through_every_login(
    cluster: Cluster,
    stores_made_by_java: JavaStores,
    tmp_path: Path,
    login: str,
) -> None:
    number = list(LOGINS).index(login)
    here, there = f"secured-{number}", f"secured-{number}-copied"
    create(cluster, here, there, partitions=2)
    fill(cluster, here, 20_000, partitions=2)
    address = cluster.bootstrap("CERTIFICATE" if login == "a certificate" else "LOGIN")
    text = f"bootstrap.servers={address}\n{LOGINS[login]}"
    settings = stores_made_by_java.settings(text, "trust.p12", "key.p12")
    with connect(settings) as wire:
        id = str(wire.cluster_id)
        places = led(wire, [here, there])
        ends = listed_offsets(wire, places)
    # The source's id only names the lease and the journal: two of the same cluster would share them.
    with (
        Lease(settings, f"{id}-{number}-{time.monotonic_ns()}") as lease,
        Journal(tmp_path / "journal", source_id=id, dest_id=id) as journal,
    ):
        journal.begin(
            Begun(
                topic=here,
                partition=partition,
                dest_topic=there,
                source_topic_id=places[here, partition].topic_id,
                dest_topic_id=places[there, partition].topic_id,
                base=0,
                start=0,
                end=int(str(ends[here, partition])),
            )
            for partition in range(2)
        )
        outcomes = list(copy(settings, settings, journal, lease=lease))
    assert [type(each) for each in outcomes] == [PartitionDone, PartitionDone], outcomes
    for partition in range(2):
        assert (
            read(cluster, [(here, partition)])[here, partition] == read(cluster, [(there, partition)])[there, partition]
        )
