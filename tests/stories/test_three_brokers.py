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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from kafka_meta import wire
from kafka_meta.cluster import Writer
from kafka_meta.events import Waiting
from kafka_meta.model import Acl
from kafka_meta.plan import CreateAcl, Result
from kafka_meta.playground import Cluster
from kafka_meta.playground.cluster import Broker
from kafka_meta.settings import ClusterSettings
from tests.support.commands import Cli, clean_environment
from tests.support.mirroring import Log, assert_same, fill, read
from tests.support.shop import until
from tests.support.three import frozen, killed, leader, not_controlling, until_in_sync, until_shown
from tests.support.traffic import admin, commit, committed, config, create, watermarks
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
    name = f"{request.node.originalname[5:40]}-{request.node.callspec.id}".replace("_", "-")
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
    late = not_controlling(three_dest)
    dest = ClusterSettings(role="dest", bootstrap_servers=three_dest.bootstrap_servers)
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


SOON = "request.timeout.ms=4000\n"


@pytest.mark.parametrize("how", [frozen, killed], ids=["frozen", "killed"])
def test_a_broker_that_does_not_answer_is_named_and_nothing_waits_for_it_for_long(
    moving: Moving, how: Callable[[Broker], AbstractContextManager[None]]
) -> None:
    """Of each side, in export, check, import and verify. The bound is two request time-outs a question."""
    moving.moved()
    for side, cluster in (("source", moving.source), ("dest", moving.dest)):
        (moving.folder / f"{side}.properties").write_text(f"bootstrap.servers={cluster.bootstrap_servers}\n{SOON}")
    from_source, to_dest = ("--source-config", "source.properties"), ("--dest-config", "dest.properties")
    environment = {"XDG_STATE_HOME": str(moving.folder)}

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        done = moving.cli(*moving.command(*words), env=environment, timeout=90)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    mine = (*moving.mine, "--no-evaluate")
    # The groups that a broker coordinates are known to it alone until another one takes over.
    client = admin(moving.source.bootstrap_servers)  # what is asked of one that is gone is never answered
    coordinator = client.describe_consumer_groups([moving.group])[moving.group].result(30).coordinator.id
    away = next(broker for broker in moving.source.brokers if broker.id != coordinator)
    with how(away):
        status, document = run("export", *from_source, *mine, "--fileName", "two.json")
        assert (status, document["totals"]["topics"], document["totals"]["groups"]) == (0, 1, 1)
        named = {(each["kind"], each["name"]) for each in document["gaps"]}
        assert named & {("configs of broker", str(away.id)), ("broker", str(away.id))}, document["gaps"]
        written = json.loads((moving.folder / "two.json").read_text())
        (group,) = written["groups"]
        assert {(each["topic"], each["partition"]): each["offset"] for each in group["offsets"]} == moving.positions
        assert written["topics"][0]["configs"] == {"retention.ms": "-1"}, "another broker is asked"
    away = moving.dest.brokers[-1]
    with how(away):
        status, document = run("check", *from_source, *to_dest, "--for", "import")
        assert status == 1
        assert ("broker", str(away.id)) in {(each["kind"], each["name"]) for each in document["findings"]}
        only = ("--only", "topics,groups", *moving.mine)
        status, document = run("import", "--fileName", "two.json", *to_dest, *only)
        assert status == 0
        assert ("broker", str(away.id)) in {(each["kind"], each["name"]) for each in document["warnings"]}
        status, document = run("import", "--fileName", "two.json", *to_dest, *only, "--commit")
        assert {each["outcome"] for each in document["results"]} <= {"done"}, document
        assert (status == 0) == (document["unread"] == []), "what could not be compared is told"
        status, document = run("verify", "--fileName", "two.json", *to_dest, *only, "--ignore-extra")
        assert (status, document["verdict"]) in ((0, "equal"), (1, "inconclusive"), (3, "different")), document
        assert (status == 0) <= (document["unread"] == [])
    until(
        lambda: run("export", *from_source, *mine, "--fileName", "two.json")[1]["gaps"] == [], "the source is whole", 60
    )
    until(lambda: run("import", "--fileName", "two.json", *to_dest, *only, "--commit")[0] == 0, "all is there", 60)
    status, document = run("verify", "--fileName", "two.json", *to_dest, *only, "--ignore-extra")
    assert (status, document["verdict"]) == (0, "equal"), document
    assert committed(moving.dest.bootstrap_servers, moving.group) == dict.fromkeys(moving.positions, 0)


def test_two_exports_of_one_cluster_are_equal(moving: Moving) -> None:
    """A KRaft cluster names any broker as its controller (KIP-590)."""
    found = []
    for number in range(4):
        moving.run("export", *moving.from_source, *moving.mine, "--no-evaluate", "--fileName", f"{number}.json")
        document = json.loads((moving.folder / f"{number}.json").read_text())
        found.append({name: value for name, value in document.items() if name != "createdAt"})
    assert all(each == found[0] for each in found)
    controller = found[0]["cluster"]["controllerId"]
    assert (controller is None) == (found[0]["cluster"]["mode"] == "kraft")


def test_a_topic_does_not_get_fewer_replicas_since_a_broker_is_down_now(
    cli: Cli, three_kraft_source: Cluster, three_dest: Cluster, tmp_path: Path
) -> None:
    create(three_kraft_source.bootstrap_servers, {"fewer.t": 1}, replicas=3)
    until_in_sync(three_kraft_source, "fewer.t")
    mine = ("--include-topics", r"fewer\..*", "--only", "topics")
    to_dest = ("--dest-bootstrap-servers", three_dest.bootstrap_servers)
    source = ("--source-bootstrap-servers", three_kraft_source.bootstrap_servers)
    assert cli("export", *source, "--include-topics", r"fewer\..*", "--no-evaluate").returncode == 0
    with killed(three_dest.brokers[-1]):
        client = admin(three_dest.bootstrap_servers)
        until(lambda: 3 not in client.list_topics(timeout=30).brokers, "the cluster does not count on it any more")
        done = cli("import", *to_dest, *mine, "--commit")
        assert done.returncode == 1, done.stdout
        assert "it has 3 replicas, and 1 broker of the destination (3) cannot be reached" in done.stdout
        assert "fewer.t" not in told_by_brokers(three_dest)
        done = cli("import", *to_dest, *mine, "--replication-factor", "2", "--commit")
        assert done.returncode == 0, done.stdout
    assert three_dest.brokers[-1].id == 3
    replicas = admin(three_dest.bootstrap_servers).list_topics(timeout=30).topics["fewer.t"].partitions[0].replicas
    assert len(replicas) == 2


def told_by_brokers(cluster: Cluster) -> set[str]:
    return set(admin(cluster.bootstrap_servers).list_topics(timeout=30).topics)
