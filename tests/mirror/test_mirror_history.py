"""A source whose log is cut back: by an unclean election between two runs, and during one (KIP-320).

Partition 1 is on brokers 1 and 2, and loses what only broker 1 had. Partition 0 is on brokers 2 and 3: its leader
changes cleanly, and nothing of it is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.mirrored import Mirror, midway
from tests.support.shop import until
from tests.support.three import alone, create_on, until_in_sync
from tests.support.traffic import commit, committed, create, produce, rows, watermarks

pytestmark = pytest.mark.guard

REPLICAS = [[2, 3], [1, 2]]
ALONE = {"min.insync.replicas": "1", "retention.ms": "-1"}


class Cut(Mirror):
    """A topic with 100 records in each of two partitions, and a group at 40 in both."""

    def __init__(self, cli: Cli, source: Cluster, dest: Cluster, state: Path, name: str) -> None:
        super().__init__(cli, source, dest, state, rf"{name}\..*", name)
        create_on(source, self.topic, REPLICAS, ALONE)
        create(self.dest, {self.topic: 2}, replicas=3)
        until_in_sync(dest, self.topic)
        for partition in (0, 1):
            self.write(partition, 100)
        self.read_up_to(40)

    def write(self, partition: int, count: int, what: bytes = b"old") -> None:
        values = (b"%b %d" % (what, number) for number in range(count))
        produce(self.source, self.topic, partition, values, {"linger.ms": 0})

    def read_up_to(self, offset: int) -> None:
        commit(self.source, self.group, {(self.topic, partition): offset for partition in (0, 1)})

    def positions(self) -> list[int]:
        """Of the group on the destination, by partition."""
        found = committed(self.dest, self.group)
        return [found[self.topic, partition] for partition in (0, 1)]

    def arrived(self, partition: int) -> list[bytes | None]:
        return [value for _, _, value, _, _ in rows(self.dest, self.topic, partition)]


def results(document: dict[str, Any]) -> list[tuple[str, int]]:
    """Outcome and records of each partition."""
    return [(each["outcome"], each["messages"]) for each in document["copied"]]


def test_a_log_that_was_cut_back_between_two_runs_stops_its_partition_with_both_offsets(
    three_source: Cluster, three_dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror = Cut(cli, three_source, three_dest, tmp_path, "cut-between")
    with alone(three_source, mirror.topic, 1) as elect:
        mirror.write(1, 50, b"lost")
        assert results(mirror.document("--commit")) == [("done", 60), ("done", 110)]
        elect()
    assert watermarks(mirror.source, mirror.topic, 1) == (0, 100)
    for partition in (0, 1):
        mirror.write(partition, 80, b"new")
    mirror.read_up_to(60)

    cut = f"{mirror.topic}-1: the source's log was cut back to offset 100, offsets 100–150 had been copied"
    look = mirror()
    assert look.returncode == 0 and f"! partition {cut}" in look.stdout, look.stdout
    assert f"! group {mirror.group}: 1 position will not be set" in look.stdout

    second = mirror("--commit")
    assert second.returncode == 1 and f"× {cut}" in second.stdout, second.stdout
    assert "would stop at the same place again" in second.stdout
    assert "empty the topic on the destination and copy it from the start" in second.stdout
    assert mirror.arrived(1) == [b"old %d" % number for number in range(40, 100)] + [
        b"lost %d" % number for number in range(50)
    ]
    assert mirror.arrived(0)[60:] == [b"new %d" % number for number in range(80)]
    assert mirror.positions() == [20, 0], "on partition 1 as the first run has set it"

    status = mirror("--status")
    assert status.returncode == 1 and f"× {cut}" in status.stdout
    for both in ((), ("--both",)):
        to_dest = ("--dest-bootstrap-servers", mirror.dest, "--source-bootstrap-servers", mirror.source)
        verified = cli("verify", "--data", *both, *to_dest, env={"XDG_STATE_HOME": str(mirror.state)})
        assert verified.returncode == 3 and cut.partition(": ")[2] in verified.stdout, verified.stdout


def test_a_log_that_is_cut_back_during_a_copy_stops_its_partition_with_both_offsets(
    three_kraft_source: Cluster, three_dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror = Cut(cli, three_kraft_source, three_dest, tmp_path, "cut-during")
    with alone(three_kraft_source, mirror.topic, 1) as elect:

        def lose(_: object) -> None:
            until(lambda: watermarks(mirror.dest, mirror.topic, 1)[1] > 150, "what will be lost is being copied")
            elect()

        status, out, err = midway(mirror, lose)
    assert status == 1, out + err
    copied = watermarks(mirror.dest, mirror.topic, 1)[1]
    cut = f"the source's log was cut back to offset 100, offsets 100–{copied} had been copied"
    assert f"× {mirror.topic}-1: {cut}" in out, out
    assert watermarks(mirror.dest, mirror.topic, 0)[1] == 60
    assert committed(mirror.dest, mirror.group)[mirror.topic, 0] == 0
    assert (mirror.topic, 1) not in committed(mirror.dest, mirror.group)
