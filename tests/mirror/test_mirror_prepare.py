"""`Prepare to migrate` against real clusters: what is said, and that nothing changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kafka_meta.files import validate
from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.traffic import admin, commit, create, produce, purge


@pytest.fixture(scope="module")
def seeds(source: Cluster) -> str:
    """The vendors' own example: what two groups have not read of four topics."""
    servers = source.bootstrap_servers
    create(servers, {"prep.test1": 2, "prep.test3": 1, "prep.audit": 1})
    produce(servers, "prep.test1", 0, (b"old" for _ in range(5226)))
    purge(servers, "prep.test1", 0, 5226)
    produce(servers, "prep.test3", 0, (b"%d" % number for number in range(400)))
    produce(servers, "prep.audit", 0, [b"nobody reads this"] * 7)
    commit(servers, "prep.test123-group", {("prep.test1", 0): 3713, ("prep.test3", 0): 100})
    commit(servers, "prep.test34-group", {("prep.test3", 0): 250})
    return servers


MINE = ("--include-topics", r"prep\..*", "--include-groups", r"prep\..*")


def test_the_check_names_every_topic_and_warns_of_what_had_expired(seeds: str, cli: Cli) -> None:
    done = cli("mirror", "--source-bootstrap-servers", seeds, *MINE)
    assert done.returncode == 0, done.stderr
    assert "Prepare to migrate" in done.stdout
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  prep.")}
    assert lines["prep.test1"].split()[1:5] == ["2", "prep.test123-group", "0", "0"]
    assert lines["prep.test1"].endswith("1 expired; skip migrate")
    assert "prep.test123-group*, prep.test34-group" in lines["prep.test3"]
    assert "≤ 300" in lines["prep.test3"] and "* sets the start" in lines["prep.test3"]
    assert "committed 3713" in done.stdout and "the log starts at 5226" in done.stdout
    assert "left behind: 1 topic with ≤ 7 messages" in done.stdout and "prep.audit" in done.stdout
    assert "Nothing was copied" in done.stdout


def test_the_log_names_every_partition_with_its_offsets(seeds: str, cli: Cli, tmp_path: Path) -> None:
    assert cli("mirror", "--source-bootstrap-servers", seeds, *MINE).returncode == 0
    log = [line.partition("Z  ")[2] for line in (tmp_path / "kafka-meta-mirror.log").read_text().splitlines()]
    lines = {tuple(line.split()[:2]): line for line in log if line.startswith("  prep.")}
    expired = lines["prep.test1", "0"]
    assert expired.split()[2:7] == ["prep.test123-group", "3,713", "5,226", "5,226", "5,226"]
    assert "expired; skip migrate" in expired
    both = lines["prep.test3", "0"]
    assert "prep.test123-group*, prep.test34-group" in both
    assert both.split()[4:8] == ["100", "0", "100", "400"]
    assert "≤ 300" in both and "* sets the start" in both
    # The group has a position on the topic, and none here: it counts from the earliest, and there is nothing.
    assert "skip migrate" in lines["prep.test1", "1"]


def test_the_check_leaves_a_private_log_with_the_same_lines(seeds: str, cli: Cli, tmp_path: Path) -> None:
    done = cli("mirror", "--source-bootstrap-servers", seeds, *MINE)
    (log,) = tmp_path.glob("kafka-meta-mirror*.log")
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.name in done.stdout
    lines = {line.partition("Z  ")[2] for line in log.read_text().splitlines()}
    assert {line for line in done.stdout.splitlines() if line} <= lines


def test_of_several_looks_the_last_one_is_in_the_log(seeds: str, cli: Cli, tmp_path: Path) -> None:
    for topics in (r"prep\.test1", r"prep\.test3"):
        assert cli("mirror", "--source-bootstrap-servers", seeds, "--include-topics", topics).returncode == 0
    (log,) = tmp_path.iterdir()
    assert log.name == "kafka-meta-mirror.log"
    assert "prep.test3" in log.read_text() and "prep.test1 " not in log.read_text()


@pytest.mark.parametrize("option", ["--include-topics", "--include-groups"])
def test_an_expression_that_matches_nothing_is_refused_with_what_is_near(
    seeds: str, cli: Cli, tmp_path: Path, option: str
) -> None:
    done = cli("mirror", "--source-bootstrap-servers", seeds, option, "prep.test")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"flag {option}: 'prep.test' matches none of the " in done.stderr
    assert "Similar: prep.test1" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_document_follows_its_schema_and_holds_the_same_numbers(seeds: str, cli: Cli) -> None:
    done = cli("mirror", "--source-bootstrap-servers", seeds, *MINE, "--output", "json")
    document = json.loads(done.stdout)
    validate(document, "mirror", called="the document")
    assert document["committed"] is False
    by_place = {(each["topic"], each["partition"]): each for each in document["ranges"]}
    expired = by_place["prep.test1", 0]
    assert (expired["committedOffset"], expired["earliestOffset"], expired["end"]) == (3713, 5226, 5226)
    assert expired["note"] == "skip migrate" and expired["expired"] == 1513
    assert by_place["prep.test3", 0]["start"] == 100 and by_place["prep.test3", 0]["messages"] == 300
    assert document["totals"]["messages"] == 300
    assert [each["topic"] for each in document["leftBehind"]] == ["prep.audit"]


def test_all_data_takes_what_nobody_reads_too(seeds: str, cli: Cli) -> None:
    done = cli("mirror", "--source-bootstrap-servers", seeds, *MINE, "--all-data", "--output", "json")
    document = json.loads(done.stdout)
    assert document["leftBehind"] == []
    assert {(each["topic"], each["start"]) for each in document["ranges"]} == {
        ("prep.test1", 5226),
        ("prep.test1", 0),
        ("prep.test3", 0),
        ("prep.audit", 0),
    }


def test_looking_changes_nothing(seeds: str, source: Cluster, dest: Cluster, cli: Cli) -> None:
    def seen() -> tuple[object, ...]:
        return tuple(
            (
                sorted(client.list_topics(timeout=30).topics),
                sorted(group.group_id for group in client.list_consumer_groups().result(30).valid),
            )
            for client in (admin(source.bootstrap_servers), admin(dest.bootstrap_servers))
        )

    before = seen()
    to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers)
    done = cli("mirror", "--source-bootstrap-servers", seeds, *to_dest, *MINE)
    assert done.returncode == 0 and "× topic prep.test1: it does not exist on the destination" in done.stdout, (
        done.stderr
    )
    assert seen() == before


def test_an_open_transaction_is_named_with_its_producer(source: Cluster, cli: Cli) -> None:
    from confluent_kafka import Producer

    servers = source.bootstrap_servers
    create(servers, {"prep.open": 1})
    produce(servers, "prep.open", 0, [b"a", b"b"])
    commit(servers, "prep.open-group", {("prep.open", 0): 0})
    producer = Producer({"log_level": 0, "bootstrap.servers": servers, "transactional.id": "prep-open-tx"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("prep.open", partition=0, value=b"pending")
    producer.flush(30)
    try:
        done = cli("mirror", "--source-bootstrap-servers", servers, "--include-topics", r"prep\.open")
        assert done.returncode == 0, done.stderr
        assert "transactional id prep-open-tx" in done.stdout and "open at offset 2" in done.stdout
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("  prep.open")]
        assert line.split()[3:5] == ["≤", "2"]  # the end is the last stable offset
    finally:
        producer.abort_transaction(30)
