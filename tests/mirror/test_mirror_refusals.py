"""What stops a copy before its first byte, or in its midst: each with its sentence, and nothing written."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from kafka_meta.mirror.findings import Findings
from kafka_meta.mirror.room import look_at_room
from kafka_meta.model import LogDirs, Partition, Remark, Resource, Topic, Volume
from kafka_meta.playground import Cluster
from kafka_meta.ranges import Range
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli, command_line
from tests.support.disks import SmallDisk, can_mount
from tests.support.mirrored import Mirror, midway, small
from tests.support.shop import until
from tests.support.traffic import admin, commit, committed, config, create, produce, purge, rows, set_config, watermarks

__all__ = ["small"]

DAY_MS = 86_400_000


class Refused:
    """One `--commit` of eleven topics, each with something in its way; nothing on the destination has changed by it."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.document = mirror.document("--commit", "--rename", r"(.*\.missing)=\1.there", status=1)

    def __getitem__(self, topic: str) -> str:
        """What was found about a topic or one of its partitions."""
        about = (f"topic {self.mirror.topic}.{topic}", f"partition {self.mirror.topic}.{topic}-")
        return "\n".join(
            f"{each['resource']}: {each['reason']}".replace(f"{self.mirror.topic}.", "")
            for each in self.document["findings"]
            if each["resource"].startswith(about)
        )


@pytest.fixture(scope="module")
def refused(source: Cluster, dest: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    folder = tmp_path_factory.mktemp("refused")
    mirror = Mirror(command_line(folder), source, dest, folder, r"refused\..*", "refused")
    topics = ("full", "missing", "three", "large", "old", "soon", "behind", "young", "open", "beyond", "fine")
    create(mirror.source, {f"{mirror.topic}.{name}": 1 for name in topics}, {"retention.ms": "-1"})
    there = {f"{mirror.topic}.{name}": 3 if name == "three" else 1 for name in topics if name != "missing"}
    create(mirror.dest, there)
    now = round(time.time() * 1000)
    month_ago, tomorrow = now - 30 * DAY_MS, now + DAY_MS
    for name in topics:
        values: list[Any] = {
            "large": [b"small", b"x" * 5_000],
            "old": [{"value": b"old", "timestamp": month_ago}],
            "soon": [{"value": b"soon", "timestamp": now - 7 * DAY_MS + 300_000}],
            "behind": [{"value": b"x", "timestamp": each} for each in (now, month_ago, now)],
            "young": [b"now", {"value": b"later", "timestamp": tomorrow}],
        }.get(name, [b"x"] * 5)
        produce(mirror.source, f"{mirror.topic}.{name}", 0, values)
    produce(mirror.dest, f"{mirror.topic}.full", 0, [b"there before"] * 3)
    set_config(mirror.dest, f"{mirror.topic}.large", "max.message.bytes", "4000")
    for name in ("old", "soon", "behind"):
        set_config(mirror.dest, f"{mirror.topic}.{name}", "message.timestamp.before.max.ms", str(7 * DAY_MS))
    positions = {(f"{mirror.topic}.{name}", 0): 12 if name == "beyond" else 0 for name in topics}
    commit(mirror.source, mirror.group, positions)
    producer = Producer(
        # Longer than these tests may take: brokers abort what is older.
        {
            "log_level": 0,
            "bootstrap.servers": mirror.source,
            "transactional.id": "refused-open",
            "transaction.timeout.ms": 600_000,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{mirror.topic}.open", partition=0, value=b"pending")
    producer.flush(30)
    try:
        yield Refused(mirror)
    finally:
        producer.abort_transaction(30)


def test_nothing_is_written_when_anything_is_in_the_way(refused: Refused) -> None:
    assert refused.document["committed"] is False and refused.document["copied"] == []
    mirror = refused.mirror
    assert watermarks(mirror.dest, f"{mirror.topic}.fine", 0) == (0, 0)
    assert watermarks(mirror.dest, f"{mirror.topic}.full", 0) == (0, 3)
    assert config(mirror.dest, f"{mirror.topic}.fine", "retention.ms") is None
    assert committed(mirror.dest, mirror.group) == {}
    assert list(mirror.state.rglob("*.sqlite")) == []
    assert refused["fine"] == ""


def test_the_check_tells_the_same_findings(refused: Refused) -> None:
    checked = refused.mirror.document("--rename", r"(.*\.missing)=\1.there")
    assert checked["findings"] == refused.document["findings"]


def test_a_destination_that_is_not_empty(refused: Refused) -> None:
    assert (
        "full-0: it is not empty on the destination: it has offsets 0 to 3. --append copies behind" in refused["full"]
    )


def test_a_topic_that_is_missing_there(refused: Refused) -> None:
    assert (
        refused["missing"] == "topic missing.there: it does not exist on the destination: run kafka-meta import first"
    )


def test_another_partition_count(refused: Refused) -> None:
    assert "topic three: 3 partitions on the destination, 1 on the source" in refused["three"]


def test_a_single_record_that_is_too_large_for_the_topic_there(refused: Refused) -> None:
    assert "large-0: the record at offset 1 needs a batch of 50" in refused["large"]
    assert "the destination accepts 4000: raise max.message.bytes" in refused["large"]


def test_records_older_than_the_topic_there_takes(refused: Refused) -> None:
    assert "old-0: the record at offset 0 is too old for the destination" in refused["old"]
    assert f"message.timestamp.before.max.ms is {7 * DAY_MS} there" in refused["old"]


def test_records_that_become_too_old_while_the_copy_may_still_run(refused: Refused) -> None:
    assert "soon-0: the record at offset 0 is too old for the destination, or may be when the copy" in refused["soon"]
    assert "(within 10 min): message.timestamp.before.max.ms is" in refused["soon"]


def test_an_old_record_behind_a_new_one_is_found_too(refused: Refused) -> None:
    assert "behind-0: the record at offset 1 is too old for" in refused["behind"]


def test_records_further_in_the_future_than_the_topic_there_takes(refused: Refused) -> None:
    assert "young-0: the record at offset 1 is too far in the future for the destination" in refused["young"]
    assert "message.timestamp.after.max.ms is 3600000 there" in refused["young"]  # the default of 4.x


def test_an_open_transaction(refused: Refused) -> None:
    assert "open-0: a transaction of producer " in refused["open"]
    assert "(transactional id refused-open) is open: the records from offset 5 to 6 wait for its end" in refused["open"]


def test_two_topics_or_groups_into_one(refused: Refused) -> None:
    together = ("--rename", r"refused\.t\.(old|young)=refused.t.fine", "--rename", "group:.*=one")
    commit(refused.mirror.source, f"{refused.mirror.group}.other", {(f"{refused.mirror.topic}.fine", 0): 0})
    document = refused.mirror.document("--commit", *together, status=1)
    said = {each["resource"]: each["reason"] for each in document["findings"]}
    assert said["topic refused.t.fine"].startswith(
        "--rename gives this name to refused.t.fine, refused.t.old, refused.t.young"
    )
    assert said["group one"] == "--rename gives this name to refused.g, refused.g.other: change it"


def test_a_position_behind_the_end_of_the_log(refused: Refused) -> None:
    assert f"group {refused.mirror.group} has committed 12, the partition ends at 5" in refused["beyond"]


def found(mirror: Mirror) -> str:
    """What `--commit` finds in the way; nothing has been copied."""
    document = mirror.document("--commit", status=1)
    assert document["committed"] is False and watermarks(mirror.dest, mirror.topic, 0) == (0, 0)
    return "\n".join(f"{each['resource']}: {each['reason']}" for each in document["findings"])


@pytest.mark.guard
def test_a_source_that_somebody_writes_to(small: Mirror) -> None:
    producer = Producer({"log_level": 0, "bootstrap.servers": small.source, "linger.ms": 0})
    stop = False

    def write() -> None:
        while not stop:
            producer.produce(small.topic, partition=1, value=b"more")
            producer.flush()

    thread = Thread(target=write)
    thread.start()
    try:
        said = found(small)
        assert f"{small.topic}-1: a client writes to it on the source: its log ended at" in said
        assert "--allow-live-source" in said
        live = small.document("--commit", "--allow-live-source", status=1)
        assert {each["outcome"] for each in live["groups"]} == {"later"}
        assert committed(small.dest, small.group) == {}
    finally:
        stop = True
        thread.join()
    quiet = small.document("--commit")
    assert {each["outcome"] for each in quiet["groups"]} == {"set"}
    assert watermarks(small.dest, small.topic, 1)[1] == watermarks(small.source, small.topic, 1)[1]


@pytest.mark.guard
def test_a_source_that_somebody_reads_from(small: Mirror) -> None:
    consumer = Consumer(
        {"log_level": 0, "bootstrap.servers": small.source, "group.id": small.group, "enable.auto.commit": False}
    )
    consumer.subscribe([small.topic])
    try:
        deadline = time.monotonic() + 30
        while not consumer.assignment() and time.monotonic() < deadline:
            consumer.poll(0.2)
        assert consumer.assignment()
        said = found(small)
        assert f"group {small.group}: its consumers are running on the source: 1 live member" in said
    finally:
        consumer.close()


@pytest.mark.guard
def test_a_finished_copy_that_somebody_has_written_behind_is_not_continued(small: Mirror) -> None:
    small.document("--commit")
    produce(small.dest, small.topic, 0, [b"not ours"])
    assert "another client has written to it" not in small().stdout
    produce(small.source, small.topic, 0, [b"more"])
    commit(small.source, small.group, {(small.topic, 0): 101})
    assert "ends at 61, but the copy at 60: another client has written to it" in small().stdout
    assert small("--commit").returncode == 1
    assert watermarks(small.dest, small.topic, 0) == (0, 61)


@pytest.mark.guard
def test_a_source_topic_that_has_been_recreated_since(small: Mirror) -> None:
    small.document("--commit")
    client = admin(small.source)
    client.delete_topics([small.topic])[small.topic].result(30)
    until(lambda: created(small), "the topic is there again")
    produce(small.source, small.topic, 0, [b"another"] * 100)
    commit(small.source, small.group, {(small.topic, 0): 40})
    document = small.document("--commit", status=1)
    (finding,) = document["findings"]
    assert "it has been recreated on the source: its id was" in finding["reason"]
    assert watermarks(small.dest, small.topic, 0) == (0, 60)


def test_the_source_itself_as_the_destination(small: Mirror) -> None:
    small.dest = small.source
    done = small("--commit")
    assert done.returncode == 1
    assert "the destination is the source itself" in done.stderr


def test_a_mirror_whose_journal_is_lost_is_not_copied_again(small: Mirror) -> None:
    for servers in (small.source, small.dest):
        set_config(servers, small.topic, "retention.ms", "86400000000")
    small.document("--commit")
    document = small.document("--commit", "--append", "--journal", "another.sqlite", status=1)
    (finding,) = document["findings"]
    assert finding["resource"] == f"topic {small.topic}"
    assert finding["reason"].startswith("another mirror may have filled it")
    assert watermarks(small.dest, small.topic, 0) == (0, 60)
    assert not (small.state / "another.sqlite").exists()


@pytest.mark.parametrize("word", ["--append", "--restart", "--commit"])
def test_what_only_a_person_may_say_is_not_taken_from_a_file(cli: Cli, tmp_path: Path, word: str) -> None:
    (tmp_path / "kafka-meta.toml").write_text(f"[policy]\n{word.removeprefix('--')} = true\n")
    done = cli("mirror", "--source-bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 2 and "command line only" in done.stderr


def test_too_little_room_is_counted_with_every_replica() -> None:
    each = Range(topic="t", partition=0, start=50, end=100, earliest=0, reason="", size_bytes=500)
    there = Topic(name="t", partitions=(Partition(partition=0, replicas=(1, 2, 3, 4)),))
    volumes = {
        1: (
            Volume(path="/a", total_bytes=1000, usable_bytes=499),
            Volume(path="/b", total_bytes=1000, usable_bytes=499),
        ),
        2: (Volume(path="/a", total_bytes=1000, usable_bytes=500),),
    }
    offline = Remark(resource=Resource("log directories of broker", "4"), reason="/a: KAFKA_STORAGE_ERROR")
    found = Findings()
    look_at_room([each], {}, {"t": "t"}, {"t": there}, LogDirs(sizes={}, volumes=volumes, gaps=(offline,)), found)
    (finding,) = found.findings
    assert str(finding.resource) == "broker 1 of the destination"
    assert finding.reason == "too little space: the copy needs 500 bytes, 499 are free"
    old, broken = found.warnings
    assert str(old.resource) == "broker 3 of the destination" and "brokers report it since 3.3" in old.reason
    assert str(broken.resource) == "broker 4 of the destination" and "KAFKA_STORAGE_ERROR" in broken.reason


@pytest.mark.skipif(not can_mount(), reason="nothing can be mounted in a namespace of its own here")
@pytest.mark.guard
def test_a_disk_too_small_for_what_would_arrive(
    source: Cluster, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SmallDisk(tmp_path, "16m")) as disk:
        monkeypatch.setenv("JAVA_HOME", str(disk.java_home()))
        with kraft_cluster(settings={"log.dirs": f"{disk.folder}/data"}) as tight:
            mirror = Mirror(cli, source, tight, tmp_path, r"room\..*", "room")
            for servers in (mirror.source, mirror.dest):
                create(servers, {mirror.topic: 1})
            produce(mirror.source, mirror.topic, 0, (os.urandom(100_000) for _ in range(200)))
            commit(mirror.source, mirror.group, {(mirror.topic, 0): 0})

            document = mirror.document("--commit", status=1)
            (finding,) = document["findings"]
            assert finding["resource"] == "broker 1 of the destination"
            said = re.fullmatch(r"too little space: the copy needs (.+) bytes, (.+) are free", finding["reason"])
            assert said is not None
            arriving_bytes, free_bytes = (int(number.replace(",", "")) for number in said.groups())
            assert 20_000_000 < arriving_bytes < 20_100_000
            assert 15 << 20 < free_bytes < 16 << 20
            assert document["committed"] is False and document["copied"] == []
            assert watermarks(mirror.dest, mirror.topic, 0) == (0, 0)
            assert config(mirror.dest, mirror.topic, "retention.ms") is None
            assert committed(mirror.dest, mirror.group) == {}
            assert list(mirror.state.rglob("*.sqlite")) == []

            disk.resize("64m")
            mirror.document("--commit")
            assert rows(mirror.dest, mirror.topic, 0) == rows(mirror.source, mirror.topic, 0)
            assert committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 0}


def created(mirror: Mirror) -> bool:
    """Not as long as the topic of that name is being deleted."""
    try:
        create(mirror.source, {mirror.topic: 2})
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS"
        return False
    return True


ACL_COMMAND = "org.apache.kafka.tools.AclCommand"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@contextmanager
def strict_cluster(folder: Path) -> Iterator[Cluster]:
    """With `limited.properties` in the folder, for a user who has no rights yet."""
    with kraft_cluster(
        listeners={"SASL": "SASL_PLAINTEXT"},
        settings={
            "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{LOGIN} user_limited="limited-secret";',
        },
    ) as cluster:
        (folder / "limited.properties").write_text(
            f"bootstrap.servers={cluster.bootstrap('SASL')}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
            f'sasl.jaas.config={LOGIN} username="limited" password="limited-secret";\n'
        )
        yield cluster


READING = ("--operation", "Describe", "--operation", "Read", "--operation", "DescribeConfigs")


def allow(cluster: Cluster, *rule: str) -> None:
    """To the limited user."""
    who = ("--bootstrap-server", cluster.bootstrap_servers, "--add", "--allow-principal", "User:limited")
    cluster.tool(ACL_COMMAND, *who, *rule)


@pytest.mark.guard
def test_missing_rights_are_named_one_by_one(source: Cluster, cli: Cli, tmp_path: Path) -> None:
    with strict_cluster(tmp_path) as strict:
        mirror = Mirror(cli, source, strict, tmp_path, r"rights\..*", "rights")
        for servers in (mirror.source, mirror.dest):
            create(servers, {"rights.t": 1, "rights.hidden": 1})
        for topic in ("rights.t", "rights.hidden"):
            produce(mirror.source, topic, 0, [b"x"] * 5)
        commit(mirror.source, "rights.g", {("rights.t", 0): 0, ("rights.hidden", 0): 0})
        # So that the topic of the groups is there: asking for a coordinator would create it.
        commit(mirror.dest, "somebody", {("rights.t", 0): 0})
        allow(strict, *READING, "--topic", "rights.t")
        done = cli(
            "mirror",
            *("--source-bootstrap-servers", mirror.source, "--dest-config", "limited.properties", *mirror.mine),
            *("--commit", "--output", "json"),
            env={"XDG_STATE_HOME": str(tmp_path)},
        )
        assert done.returncode == 1, done.stderr
        said = {(each["resource"], each["reason"]) for each in json.loads(done.stdout)["findings"]}
        assert ("topic rights.t", "no right to WRITE it on the destination: needed to write the records") in said
        keeps = "no right to ALTER_CONFIGS it on the destination: needed to turn its retention off"
        assert ("topic rights.t", keeps) in said
        hidden = [reason for resource, reason in said if resource == "topic rights.hidden"]
        assert hidden == ["the destination does not show it: TOPIC_AUTHORIZATION_FAILED"]
        assert ("group rights.g", "no right to READ it on the destination: needed to set its positions") in said
        assert watermarks(mirror.dest, "rights.t", 0) == (0, 0)


@pytest.mark.guard
def test_a_group_whose_positions_are_hidden_from_us(dest: Cluster, cli: Cli, tmp_path: Path) -> None:
    with strict_cluster(tmp_path) as source:
        mirror = Mirror(cli, source, dest, tmp_path, r"hidden\..*", "hidden")
        for servers in (mirror.source, mirror.dest):
            create(servers, {mirror.topic: 1})
        produce(mirror.source, mirror.topic, 0, [b"x"] * 5)
        commit(mirror.source, mirror.group, {(mirror.topic, 0): 2})
        commit(mirror.source, "hidden.secret", {(mirror.topic, 0): 0})
        allow(source, "--cluster", "--operation", "Describe", "--operation", "DescribeConfigs")
        allow(
            source, "--topic", "*", "--operation", "Describe", "--operation", "Read", "--operation", "DescribeConfigs"
        )
        allow(source, "--group", mirror.group, "--operation", "Describe")
        sides = ("--source-config", "limited.properties", "--dest-bootstrap-servers", mirror.dest)
        run = ("mirror", *sides, *mirror.mine, "--commit")
        done = cli(*run, env={"XDG_STATE_HOME": str(tmp_path)})
        assert done.returncode == 1
        assert "× group hidden.secret: its committed offsets could not be read" in done.stdout, done.stdout
        assert "leave it out with --exclude-groups" in done.stdout
        assert watermarks(mirror.dest, mirror.topic, 0) == (0, 0)
        without = cli(*run, "--exclude-groups", ".*secret", env={"XDG_STATE_HOME": str(tmp_path)})
        assert without.returncode == 0, without.stdout + without.stderr
        assert watermarks(mirror.dest, mirror.topic, 0) == (0, 3)


# In the midst of the copy.


@pytest.mark.guard
def test_somebody_else_who_produces_there_stops_the_partition(small: Mirror) -> None:
    status, out, _ = midway(small, lambda _: produce(small.dest, small.topic, 1, [b"not ours"]))
    assert status == 1
    assert f"{small.topic}-1: " in out and "another client writes to it" in out
    # The other partition is complete; the group's position on this one waits.
    assert "1 position set" in out and "1 position not set yet" in out
    assert (small.topic, 1) not in committed(small.dest, small.group)
    stands = small("--status")
    assert stands.returncode == 1
    assert "1 of 2 partitions complete" in stands.stdout and "another client writes to it" in stands.stdout


@pytest.mark.guard
def test_a_source_that_is_purged_ahead_of_the_copy_is_told_with_the_offsets(small: Mirror) -> None:
    status, out, _ = midway(small, lambda _: purge(small.source, small.topic, 1, 700))
    assert status == 1
    assert f"{small.topic}-1: lost offsets " in out and "–700" in out
    assert "this copy cannot go on" in out and "would stop at the same place again" in out
    again = small()
    assert f"× partition {small.topic}-1: lost offsets " in again.stdout


@pytest.mark.guard
def test_a_copy_that_is_ended_says_where_it_stands_and_goes_on_next_time(small: Mirror) -> None:
    status, out, err = midway(small, lambda running: running.terminate())
    assert status == 143
    assert "stopped; what was copied stays" in out and " of 2 partitions complete, " in out
    assert "ended by SIGTERM" in err
    assert 0 < watermarks(small.dest, small.topic, 1)[1] < 700
    document = small.document("--commit")
    assert [each["arrived"] for each in document["copied"]] == [60, 700]
    assert [row[2] for row in rows(small.dest, small.topic, 1)] == [
        row[2] for row in rows(small.source, small.topic, 1)
    ]


@pytest.mark.guard
def test_a_second_copier_is_refused_and_told_where_the_first_one_runs(small: Mirror) -> None:
    seconds: list[subprocess.CompletedProcess[str]] = []
    status, out, _ = midway(small, lambda _: seconds.append(small("--commit")))
    assert status == 0 and f"group {small.group}: 2 positions set" in out
    (second,) = seconds
    assert second.returncode == 1
    assert "set" not in re.findall(r"\w+", second.stdout) and "equal" not in second.stdout
    assert socket.gethostname() in second.stderr
    assert "has the lease on the destination; if it has died, its lease ends within 10 s" in second.stderr
    assert len(rows(small.dest, small.topic, 1)) == 700
