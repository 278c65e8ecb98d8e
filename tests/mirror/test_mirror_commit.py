"""`mirror --commit` against real clusters: what arrives, where the groups stand, and what a second run does."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from kazoo.client import KazooClient

from kafka_meta.files import validate
from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.mirrored import Mirror, small
from tests.support.traffic import commit, committed, config, create, produce, purge, rows, set_config, watermarks

__all__ = ["small"]


def test_the_vendors_example_arrives_counted_and_compared(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror = Mirror(cli, source, dest, tmp_path, r"test(\d|123-group|34-group)")
    for servers in (mirror.source, mirror.dest):
        create(servers, {"test1": 1, "test2": 1, "test3": 1, "test4": 1})
    produce(mirror.source, "test1", 0, (b"old" for _ in range(5226)))
    purge(mirror.source, "test1", 0, 5226)
    produce(mirror.source, "test2", 0, (b"two %d" % number for number in range(500)))
    produce(mirror.source, "test3", 0, (b"three %d" % number for number in range(264_322)))
    produce(mirror.source, "test4", 0, (b"four %d" % number for number in range(300)))
    commit(mirror.source, "test123-group", {("test1", 0): 3713, ("test2", 0): 500, ("test3", 0): 187_800}, "mine")
    commit(mirror.source, "test34-group", {("test3", 0): 200_000, ("test4", 0): 120})

    checked = mirror()
    assert checked.returncode == 0, checked.stderr
    assert "committed 3713" in checked.stdout and "skip migrate" in checked.stdout
    assert watermarks(mirror.dest, "test3", 0) == (0, 0)

    document = mirror.document("--commit")
    (test3,) = [each for each in document["ranges"] if each["topic"] == "test3"]
    assert (test3["start"], test3["messages"]) == (187_800, 76_522)
    assert [each["group"] for each in test3["groups"] if each["setsStart"]] == ["test123-group"]
    copied = {each["topic"]: each for each in document["copied"]}
    assert (copied["test3"]["messages"], copied["test3"]["arrived"], copied["test3"]["content"]) == (
        76_522,
        76_522,
        "equal",
    )
    assert copied["test1"]["messages"] == 0 and copied["test4"]["messages"] == 180

    arrived = rows(mirror.dest, "test3", 0)
    sent = rows(mirror.source, "test3", 0, 187_800)
    assert len(arrived) == 76_522
    assert [row[1:] for row in arrived] == [row[1:] for row in sent]
    assert committed(mirror.dest, "test123-group") == {("test1", 0): 0, ("test2", 0): 0, ("test3", 0): 0}
    assert committed(mirror.dest, "test34-group") == {("test3", 0): 12_200, ("test4", 0): 0}


def test_the_summary_names_counts_positions_guard_and_deadline(small: Mirror) -> None:
    done = small("--commit")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.split()[-1:] == ["equal"]]
    assert line.split() == [small.topic, "60", "60", "60", "equal"]
    assert f"group {small.group}: 1 position set" in done.stdout
    assert "retention is off on 1 topic" in done.stdout
    assert "start the consumers on the destination before " in done.stdout


def test_the_same_command_again_copies_only_what_arrived_since(small: Mirror) -> None:
    small.document("--commit")
    looked = small()
    assert looked.returncode == 0
    assert "0 messages left; copied already: 60 messages, 2 of 2 partitions complete" in looked.stdout
    assert "Nothing is left to do" in looked.stdout and "--commit" not in looked.stdout
    again = small.document("--commit")
    assert [each["arrived"] for each in again["copied"]] == [60, 0]
    assert {each["outcome"] for each in again["groups"]} == {"present"}
    produce(small.source, small.topic, 0, [b"late %d" % number for number in range(7)])
    commit(small.source, small.group, {(small.topic, 0): 103})
    ahead = small.document()
    assert (ahead["totals"]["left"], ahead["totals"]["copied"]) == (7, 60)
    assert [(each["left"], each["messages"]) for each in ahead["ranges"]] == [(7, 4), (0, 0)]
    more = small.document("--commit")
    assert [each["arrived"] for each in more["copied"]] == [67, 0]
    assert [each["outcome"] for each in more["groups"]] == ["set"]
    assert [row[2] for row in rows(small.dest, small.topic, 0)] == [
        row[2] for row in rows(small.source, small.topic, 0, 40)
    ]
    assert committed(small.dest, small.group) == {(small.topic, 0): 63}


def test_the_guard_is_put_back_exactly_by_release(small: Mirror) -> None:
    topic = small.topic
    set_config(small.dest, topic, "retention.ms", "600000")
    assert small.document("--commit")["guarded"] == [topic]
    assert config(small.dest, topic, "retention.ms") == "-1"
    released = small("--release", "--allow-unread", "--commit")
    assert released.returncode == 0, released.stderr
    assert f"! topic {topic}: group {small.group} has not read 60 of the copied records" in released.stdout
    assert config(small.dest, topic, "retention.ms") == "600000"
    assert config(small.dest, topic, "retention.bytes") is None
    assert "Nothing is guarded" in small("--release", "--allow-unread", "--commit").stdout


def test_metadata_verify_takes_what_mirror_has_left_as_intended(small: Mirror) -> None:
    topic, ahead = small.topic, f"{small.group}2"
    for side in (small.source, small.dest):
        set_config(side, topic, "retention.ms", "86400000000")
    commit(small.source, ahead, {(topic, 0): 60})
    journal = ("--journal", str(small.state / "here.sqlite"))
    small.document("--commit", *journal)

    def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        sides = ("--source-bootstrap-servers", small.source) if command == "verify" else ("--fileName", "here.json")
        mine = ("--include-topics", topic, "--include-groups", f"{small.group}2?", "--only", "topics,groups")
        return small.cli(
            command,
            *(*sides, "--dest-bootstrap-servers", small.dest, *mine, *journal, *options),
        )

    verified = run("verify", "--output", "json")
    assert verified.returncode == 0, verified.stdout
    counts = json.loads(verified.stdout)["counts"]
    assert counts["configs"]["intended"] == counts["positions"]["intended"] == 1
    there = small.cli("export", "--source-bootstrap-servers", small.dest, "--fileName", "-", "--output", "json")
    assert "a lease of kafka-meta mirror" in {each["reason"] for each in json.loads(there.stdout)["leftOut"]}
    exported = small.cli("export", "--source-bootstrap-servers", small.source, "--fileName", "here.json")
    assert exported.returncode == 0, exported.stderr
    assert run("import", "--on-drift", "set", "--commit").returncode == 0
    assert config(small.dest, topic, "retention.ms") == "-1"
    assert committed(small.dest, ahead) == {(topic, 0): 20}
    assert small("--release", "--allow-unread", "--commit", *journal).returncode == 0
    assert run("verify").returncode == 0
    assert "does not exist" in run("verify", "--journal", "another.sqlite").stderr


@pytest.mark.guard
def test_a_guarded_destination_verifies_as_equal_before_and_after_its_release(small: Mirror) -> None:
    for servers in (small.source, small.dest):
        set_config(servers, small.topic, "retention.ms", "600000")
    small.document("--commit")

    def verify() -> dict[str, Any]:
        sides = ("--source-bootstrap-servers", small.source, "--dest-bootstrap-servers", small.dest)
        only = ("--only", "topics,groups", *small.mine, "--ignore-extra", "--output", "json")
        done = small.cli("verify", *sides, *only, env={"XDG_STATE_HOME": str(small.state)})
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["verdict"] == "equal", document
        return document

    (guarded,) = (each for each in verify()["intended"] if each["aspect"] == "retention.ms")
    assert (guarded["resource"], guarded["source"], guarded["dest"]) == (f"topic {small.topic}", "600000", "-1")
    assert "--release" in guarded["reason"]
    assert small("--release", "--allow-unread", "--commit").returncode == 0
    assert [each for each in verify()["intended"] if each["aspect"] == "retention.ms"] == []


@pytest.mark.guard
def test_a_config_that_somebody_has_changed_meanwhile_is_left_alone_by_release(small: Mirror) -> None:
    topic = small.topic
    small.document("--commit")
    set_config(small.dest, topic, "retention.ms", "1234567")
    released = small("--release", "--allow-unread", "--commit")
    assert "retention.ms is 1234567 now, which mirror has not set" in released.stdout
    assert config(small.dest, topic, "retention.ms") == "1234567"


def test_status_tells_where_a_migration_stands_without_its_source(small: Mirror) -> None:
    small.document("--commit")
    done = small.cli(
        "mirror",
        *("--dest-bootstrap-servers", small.dest, "--status", "--output", "json"),
        env={"XDG_STATE_HOME": str(small.state)},
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    validate(document, "mirror", called="the document")
    assert [(each["messages"], each["outcome"]) for each in document["copied"]] == [(60, "done"), (0, "done")]
    assert [(each["group"], each["destOffset"]) for each in document["groups"]] == [(small.group, 0)]


@pytest.mark.guard
def test_restart_forgets_only_what_is_no_longer_there(small: Mirror) -> None:
    small.document("--commit")
    assert "--release" in small("--restart", "--commit").stderr
    assert small("--release", "--allow-unread", "--commit").returncode == 0
    refused = small("--restart", "--commit")
    assert refused.returncode == 1 and "is not empty" in refused.stderr
    purge(small.dest, small.topic, 0, 60)
    forgotten = small("--restart", "--commit", "--output", "json")
    assert forgotten.returncode == 0, forgotten.stderr
    told = json.loads(forgotten.stdout)
    validate(told, "mirror-restart", called="--restart")
    assert not Path(told["journal"]).exists()
    again = small.document("--commit", status=1)
    assert [(each["destStart"], each["arrived"]) for each in again["copied"]] == [(60, 60), (0, 0)]
    # Its position there is one of a journal that is forgotten: nobody knows any more whose it is.
    assert [each["outcome"] for each in again["groups"]] == ["left alone"]


def test_a_position_that_a_consumer_has_set_there_is_left_alone(small: Mirror) -> None:
    commit(small.dest, small.group, {(small.topic, 1): 0}, "a consumer's")
    commit(small.source, small.group, {(small.topic, 1): 0}, "")
    commit(small.dest, small.group, {(small.topic, 0): 17}, "a consumer's")
    document = small.document("--commit", status=1)
    outcomes = {each["partition"]: each for each in document["groups"]}
    assert outcomes[0]["outcome"] == "left alone" and "17" in outcomes[0]["reason"]
    assert outcomes[1]["outcome"] == "set", "it stands where it belongs; only its note is the consumer's"
    assert committed(small.dest, small.group) == {(small.topic, 0): 17, (small.topic, 1): 0}


def test_a_group_whose_consumers_run_there_is_left_alone_and_that_is_said_before(small: Mirror) -> None:
    consumer = Consumer(
        {"log_level": 0, "bootstrap.servers": small.dest, "group.id": small.group, "enable.auto.commit": False}
    )
    consumer.subscribe([small.topic])
    deadline = time.monotonic() + 30
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.2)
    assert consumer.assignment()
    done = small("--commit")
    consumer.close()
    assert done.returncode == 1
    said = f"! group {small.group}: its consumers are running on the destination (1 live member): its positions"
    assert said in done.stdout
    assert f"group {small.group}: 1 position left alone: its consumers are running on the destination" in done.stdout
    assert len(rows(small.dest, small.topic, 0)) == 60
    assert committed(small.dest, small.group) == {}


@pytest.mark.guard
def test_a_position_that_import_has_set_there_is_replaced(small: Mirror) -> None:
    commit(small.dest, small.group, {(small.topic, 0): 99}, "kafka-meta:end")
    document = small.document("--commit")
    assert [each["outcome"] for each in document["groups"]] == ["set"]
    assert committed(small.dest, small.group) == {(small.topic, 0): 0}


@pytest.mark.guard
def test_renamed_topics_and_groups_go_under_their_new_names(small: Mirror) -> None:
    new = f"{small.topic}.new"
    create(small.dest, {new: 2})
    document = small.document("--commit", "--rename", r"(.*\.t)=\1.new", "--rename", r"group:(.*)=\1.new")
    assert {each["destTopic"] for each in document["copied"]} == {new}
    assert len(rows(small.dest, new, 0)) == 60
    assert committed(small.dest, f"{small.group}.new") == {(new, 0): 0}
    assert watermarks(small.dest, small.topic, 0) == (0, 0)


@pytest.mark.guard
def test_append_copies_behind_what_is_there(small: Mirror) -> None:
    produce(small.dest, small.topic, 0, [b"there before"] * 5)
    document = small.document("--commit", "--append")
    assert [(each["destStart"], each["destEnd"]) for each in document["copied"]] == [(5, 65), (0, 0)]
    assert committed(small.dest, small.group) == {(small.topic, 0): 5}


@pytest.mark.guard
def test_a_journal_in_another_place_is_found_by_its_name(small: Mirror, tmp_path: Path) -> None:
    small.document("--commit", "--journal", "mine.sqlite")
    assert (tmp_path / "mine.sqlite").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "kafka-meta").exists()
    done = small.cli("mirror", "--dest-bootstrap-servers", small.dest, "--status", "--journal", "mine.sqlite")
    assert done.returncode == 0 and "60 messages copied" in done.stdout
    (tmp_path / "other.sqlite").write_text("not a journal")
    done = small.cli("mirror", "--dest-bootstrap-servers", small.dest, "--status", "--journal", "other.sqlite")
    assert done.returncode == 1 and "is not the journal of a migration" in done.stderr


def test_an_old_consumer_that_keeps_its_offsets_in_zookeeper_goes_on_as_a_group(small: Mirror, source: Cluster) -> None:
    client = KazooClient(hosts=source.zookeeper_connect)
    client.start(timeout=20)
    client.create(f"/consumers/{small.group}.zk/offsets/{small.topic}/0", b"25", makepath=True)
    client.stop()
    document = small.document("--commit", "--source-zk-connect", str(source.zookeeper_connect))
    assert [each["messages"] for each in document["copied"]] == [75, 0]
    assert committed(small.dest, f"{small.group}.zk") == {(small.topic, 0): 0}
    assert committed(small.dest, small.group) == {(small.topic, 0): 15}


def test_the_log_of_a_copy_ends_with_its_summary(small: Mirror, tmp_path: Path) -> None:
    done = small("--commit")
    (log,) = tmp_path.glob("kafka-meta-mirror-*.log")
    text = log.read_text()
    assert "Prepare to migrate" in text
    assert [line.split()[2:] for line in text.splitlines() if line.endswith("  equal")] == [["60", "60", "60", "equal"]]
    lines = {line.partition("Z  ")[2] for line in text.splitlines()}
    assert {line for line in done.stdout.splitlines() if line} <= lines


def test_all_data_behind_a_copy_that_began_later_is_refused_with_the_way_out(small: Mirror) -> None:
    small.document("--commit")
    looked = small.document("--all-data")
    (finding,) = looked["findings"]
    assert finding["resource"] == f"partition {small.topic}-0"
    assert "--all-data asks for everything from offset 0 on, and its copy began at offset 40" in finding["reason"]
    assert small.document("--all-data", "--commit", status=1)["findings"] == looked["findings"]
    assert watermarks(small.dest, small.topic, 0) == (0, 60)


def test_a_group_above_an_open_transaction_waits_for_its_end(small: Mirror) -> None:
    """It reads uncommitted records, as consumers do by default."""
    producer = Producer({"log_level": 0, "bootstrap.servers": small.source, "transactional.id": small.topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(5):
        producer.produce(small.topic, partition=0, value=b"open %d" % number)
    producer.flush(30)
    commit(small.source, small.group, {(small.topic, 0): 103})
    earlier = f"{small.group}.earlier"
    commit(small.source, earlier, {(small.topic, 0): 90})

    refused = small.document("--commit", status=1)
    assert "is open: the records from offset 100 to 105 wait for its end" in refused["findings"][0]["reason"]
    live = small.document("--commit", "--until-lso", "--allow-live-source", status=1)
    assert live["copied"][0]["messages"] == 10
    outcomes = {each["group"]: each for each in live["groups"]}
    assert outcomes[small.group]["outcome"] == "later"
    assert "above offset 100, where an open transaction begins" in outcomes[small.group]["reason"]

    producer.commit_transaction(30)
    done = small.document("--commit")
    assert done["copied"][0]["arrived"] == 15
    assert {each["group"]: each["destOffset"] for each in done["groups"]} == {small.group: 13, earlier: 0}
    assert committed(small.dest, small.group) == {(small.topic, 0): 13}


def test_a_live_source_with_an_open_transaction_is_copied_up_to_it(small: Mirror) -> None:
    """--allow-live-source alone: transactions come and go on a live source, and nobody can time a run by them."""
    producer = Producer({"log_level": 0, "bootstrap.servers": small.source, "transactional.id": small.topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(small.topic, partition=0, value=b"open")
    producer.flush(30)
    try:
        done = small("--commit", "--allow-live-source")
        assert done.returncode == 1, done.stderr
        assert "not finished: 1 position of groups not set yet" in done.stdout
        assert watermarks(small.dest, small.topic, 0) == (0, 60)
    finally:
        producer.abort_transaction(30)
