"""The whole journey between clusters of three brokers (three replicas, two must have a record), also while some die.

What arrives is judged by librdkafka and by Kafka's own tools.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kafka_meta import wire
from kafka_meta.cluster import Writer
from kafka_meta.events import Waiting
from kafka_meta.model import Acl
from kafka_meta.plan import CreateAcl, Result
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from tests.support.commands import Cli, clean_environment
from tests.support.mirroring import Log, assert_same, fill, read
from tests.support.shop import until
from tests.support.three import frozen, killed, leader, until_in_sync, until_shown
from tests.support.traffic import commit, committed, config, create, watermarks
from tests.support.witness import acl_tool, told_by

pytestmark = pytest.mark.guard

PARTITIONS = 6
RECORDS = 12_000
EACH = RECORDS // PARTITIONS
VALUE_BYTES = 2_500
SLOWLY = ("--max-rate", "1.5MB/s")
"""Half a minute for all of it: enough to kill in."""


def bob_reads(topic: str) -> Acl:
    return Acl(
        resource_type="TOPIC",
        resource_name=topic,
        pattern_type="LITERAL",
        principal="User:bob",
        host="*",
        operation="READ",
        permission="ALLOW",
    )


class Moving:
    """A topic `<name>.t` of three replicas on the source, with records and a group `<name>.g`; and the command."""

    def __init__(self, cli: Cli, source: Cluster, dest: Cluster, folder: Path, name: str) -> None:
        self.cli, self.source, self.dest, self.folder = cli, source, dest, folder
        self.topic, self.group = f"{name}.t", f"{name}.g"
        self.places = [(self.topic, partition) for partition in range(PARTITIONS)]
        self.positions = {(self.topic, 0): 400, (self.topic, 1): EACH, (self.topic, 2): 0}
        self.mine = ("--include-topics", rf"{name}\..*", "--include-groups", rf"{name}\..*")
        self.from_source = ("--source-bootstrap-servers", source.bootstrap_servers)
        self.to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers)
        create(source.bootstrap_servers, {self.topic: PARTITIONS}, {"retention.ms": "-1"}, replicas=3)
        fill(source, self.topic, RECORDS, partitions=PARTITIONS, value_bytes=VALUE_BYTES, config={"acks": "all"})
        commit(source.bootstrap_servers, self.group, self.positions)

    def command(self, *arguments: str) -> list[str]:
        return [*arguments, "--output", "json"]

    def run(self, *arguments: str) -> dict[str, Any]:
        done = self.cli(*self.command(*arguments), env={"XDG_STATE_HOME": str(self.folder)})
        assert done.returncode == 0, done.stderr + done.stdout
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def moved(self) -> None:
        """The topic, by the file."""
        self.run("export", *self.from_source, *self.mine, "--fileName", "three.json")
        self.run("import", "--fileName", "three.json", *self.to_dest, "--only", "topics", "--commit")
        until_in_sync(self.dest, self.topic)

    @contextmanager
    def copying(self) -> Iterator[subprocess.Popen[str]]:
        """A slow copy of everything, which has begun."""
        options = (*self.from_source, *self.to_dest, *self.mine, "--all-data", "--commit", *SLOWLY)
        with (self.folder / "said").open("w") as said, (self.folder / "complained").open("w") as complained:
            process = subprocess.Popen(
                [sys.executable, "-m", "kafka_meta", *self.command("mirror", *options)],
                cwd=self.folder,
                env={**clean_environment(), "XDG_STATE_HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                text=True,
            )
        try:
            until(lambda: self.arrived() > 0 or process.poll() is not None, "the first records have arrived", 60)
            yield process
        finally:
            process.kill()
            process.wait()

    def arrived(self) -> int:
        return sum(watermarks(self.dest.bootstrap_servers, *place)[1] for place in self.places)

    def assert_arrived(self) -> Log:
        source, dest = read(self.source, self.places), read(self.dest, self.places)
        assert [len(records) for records in source.values()] == [EACH] * PARTITIONS
        assert_same(source, dest)
        return dest


@pytest.fixture(params=["three_source", "three_kraft_source"])
def moving(cli: Cli, three_dest: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Moving:
    source: Cluster = request.getfixturevalue(request.param)
    name = f"{request.node.originalname[5:40]}-{request.param}".replace("_", "-")
    return Moving(cli, source, three_dest, tmp_path, name)


def test_everything_moves_and_has_its_three_replicas_there(moving: Moving) -> None:
    source, dest, topic = moving.source, moving.dest, moving.topic
    rule = ("--add", "--allow-principal", "User:bob", "--operation", "Read", "--topic", topic)
    source.tool(acl_tool(source), "--bootstrap-server", source.bootstrap_servers, *rule)
    until_shown(source, bob_reads(topic))
    by_zookeeper = ("--source-zk-connect", source.zookeeper_connect) if source.zookeeper_connect else ()

    exported = moving.run("export", *moving.from_source, *by_zookeeper, *moving.mine, "--fileName", "three.json")
    assert exported["gaps"] == [] and exported["disagreements"] == []
    only = ("--only", "topics,groups,acls", *moving.mine)
    imported = moving.run("import", "--fileName", "three.json", *moving.to_dest, *only, "--commit")
    assert {each["outcome"] for each in imported["results"]} == {"done"}
    until_in_sync(dest, topic)
    mirrored = moving.run("mirror", *moving.from_source, *moving.to_dest, *moving.mine, "--commit")
    assert [(each["arrived"], each["content"]) for each in mirrored["copied"]] == [
        (EACH - moving.positions.get(place, 0), "equal") for place in moving.places
    ]
    for words in (("--fileName", "three.json", *only, "--ignore-extra"), ("--data", "--both", *moving.from_source)):
        verified = moving.run("verify", *words, *moving.to_dest)
        assert (verified["verdict"], verified["differences"]) == ("equal", [])

    told = told_by(dest)
    assert [told.ends[place] for place in moving.places] == [each["arrived"] for each in mirrored["copied"]]
    for place in moving.places:
        _, replicas, isr = told.partitions[place]
        assert len(replicas) == 3 and isr == sorted(replicas)
    assert len({told.partitions[place][0] for place in moving.places}) == 3, "each broker leads some"
    assert ("TOPIC", topic, "LITERAL", "User:bob", "*", "READ", "ALLOW") in told.acls
    assert config(dest.bootstrap_servers, topic, "retention.ms") == "-1"
    assert committed(dest.bootstrap_servers, moving.group) == dict.fromkeys(moving.places, 0)
    unread, there = read(source, moving.places), read(dest, moving.places)
    for place in moving.places:
        left = [record.content for record in unread[place][moving.positions.get(place, 0) :]]
        assert [record.content for record in there[place]] == left


def test_acls_are_known_to_every_broker_before_what_comes_after_them(three_dest: Cluster) -> None:
    rules = [bob_reads(f"known-to-every-broker.{number}") for number in range(10)]
    late, dest = three_dest.brokers[-1], ClusterSettings(role="dest", bootstrap_servers=three_dest.bootstrap_servers)
    woken = threading.Event()

    def wake() -> None:
        woken.set()
        os.kill(late.pid or 0, signal.SIGCONT)

    with wire.connect(dest) as brokers, Writer(dest) as writer:
        told: list[Result | Waiting] = []
        with frozen(late):
            for each in writer.apply([CreateAcl(acl=rule) for rule in rules]):
                told.append(each)
                if len(told) == len(rules):
                    threading.Timer(2, wake).start()
            in_time = woken.is_set()
        shown = wire.acls(brokers, late.id)[0] or ()
    assert {each.outcome for each in told if isinstance(each, Result)} == {"done"}
    assert in_time, "it waits for a broker that does not answer yet"
    assert set(rules) <= set(shown)


def test_a_broker_of_each_side_that_dies_in_the_midst_of_the_copy_costs_time_only(moving: Moving) -> None:
    moving.moved()
    clusters = (moving.source, moving.dest)
    leaders = [leader(cluster, moving.topic, 0) for cluster in clusters]
    with moving.copying() as copy:
        with killed(leaders[0]), killed(leaders[1]):
            assert copy.poll() is None, "the copy is still under way"
            for cluster, first in zip(clusters, leaders, strict=True):
                until(lambda: leader(cluster, moving.topic, 0) != first, "another one leads", 60)  # noqa: B023
        assert moving.arrived() > 0
        assert copy.wait(240) == 0, (moving.folder / "complained").read_text()[-2000:]
    document = json.loads((moving.folder / "said").read_text())
    assert {(each["arrived"], each["content"]) for each in document["copied"]} == {(EACH, "equal")}
    moving.assert_arrived()
    assert committed(moving.dest.bootstrap_servers, moving.group) == {
        place: moving.positions.get(place, 0) for place in moving.places
    }
    ends = moving.dest.tool(
        "org.apache.kafka.tools.GetOffsetShell", *("--bootstrap-server", moving.dest.bootstrap_servers),
        *("--topic", moving.topic, "--time", "latest"),
    )  # fmt: skip
    assert sorted(ends.split()) == [f"{moving.topic}:{partition}:{EACH}" for partition in range(PARTITIONS)]
