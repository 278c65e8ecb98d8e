"""What a person has of a mirror besides the records: its log, `--status` while it runs, the clock that it counts by."""

from __future__ import annotations

import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from kafka_meta.files import validate
from kafka_meta.journal import clusters_of
from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli, clean_environment, shifted
from tests.support.mirrored import Mirror, midway, small
from tests.support.shop import until
from tests.support.traffic import commit, create, produce, rows, watermarks

__all__ = ["small"]

DEAD = "127.0.0.1:1"
TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z  .*\S")


def test_the_log_of_a_copy_tells_with_times_what_was_found_and_what_happened(small: Mirror, tmp_path: Path) -> None:
    log = tmp_path / "here.log"
    done = small("--commit", "--log", str(log), "--quiet", "5s")
    assert done.returncode == 0, done.stderr
    assert log.stat().st_mode & 0o777 == 0o600 and f"log:    {log}" in done.stdout
    lines = log.read_text().splitlines()
    assert [line for line in lines if not TIMED.match(line)] == []
    text = "\n".join(lines)
    assert "Prepare to migrate" in text and "settled: the copy goes on at the end of the log on broker 1" in text
    assert f"{small.topic}-0 is complete: 60 records at offsets 0 to 60 of the destination" in text
    assert "the source is read a second time" in text
    rows = [line.split()[1:] for line in lines if line.split()[1] == small.topic]
    assert ["0", small.group, "40", "0", "40", "100", "≤", "60"] in [row[1:9] for row in rows]
    assert f"+ group {small.group}: 1 position set" in text
    assert small("--log", str(log)).returncode == 0
    assert log.read_text().splitlines()[: len(lines)] == lines


def test_a_look_shows_a_line_a_topic_and_its_log_each_partition(small: Mirror, tmp_path: Path) -> None:
    looked = small()
    (line,) = [line for line in looked.stdout.splitlines() if line.startswith(f"  {small.topic}")]
    assert line.split()[:6] == [small.topic, "2", small.group, "≤", "60", line.split()[5]]
    text = (tmp_path / "kafka-meta-mirror.log").read_text()
    assert len([line for line in text.splitlines() if line.split()[1:2] == [small.topic]]) == 3


@pytest.mark.parametrize("place", ["missing/here.log", "kafka-meta.toml", "folder"])
def test_a_log_that_cannot_be_written_is_refused_before_anything_is_asked(cli: Cli, tmp_path: Path, place: str) -> None:
    (tmp_path / "kafka-meta.toml").write_text(f'[source]\nbootstrap-servers = "{DEAD}"\n')
    (tmp_path / "folder").mkdir()
    done = cli("mirror", "--dest-bootstrap-servers", DEAD, "--log", place)
    assert done.returncode == 2 and str(place).partition("/")[0] in done.stderr, done.stderr
    assert "cannot be reached" not in done.stderr
    assert (tmp_path / "kafka-meta.toml").read_text().startswith("[source]")


def test_a_look_goes_on_without_its_log_when_the_disk_is_full_and_on_any_terminal(
    small: Mirror, tmp_path: Path
) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    sides = ("--source-bootstrap-servers", small.source, "--dest-bootstrap-servers", small.dest)
    done = subprocess.run(
        [sys.executable, "-m", "kafka_meta", "mirror", *sides, *small.mine],
        cwd=tmp_path,
        # Python does not notice that what it has compiled is cut off, and would load it the next time.
        env={
            **clean_environment(),
            "XDG_STATE_HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "ascii",
        },
        preexec_fn=little_room,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing was copied. To do it: the same command with --commit" in done.stdout
    assert "1 topic, 2 partitions, \\u2264 60 messages" in done.stdout, "an ASCII terminal gets escapes"
    assert "kafka-meta-mirror.log ends here: File too large. The run goes on without it" in done.stderr


def test_a_destination_that_cannot_be_reached_is_told_before_the_source_is_read(source: Cluster, cli: Cli) -> None:
    sides = ("--source-bootstrap-servers", source.bootstrap_servers, "--dest-bootstrap-servers", DEAD)
    for given in ((), ("--commit",)):
        done = cli("mirror", *sides, *given, "--output", "json")
        assert done.returncode == 1
        told = [json.loads(line) for line in done.stderr.splitlines()]
        assert [each["kind"] for each in told] == ["kafka-meta-error"], done.stderr


def status(mirror: Mirror, *arguments: str) -> dict[str, Any]:
    done = mirror.cli("mirror", "--status", *arguments, "--output", "json", env={"XDG_STATE_HOME": str(mirror.state)})
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    validate(document, "mirror", called="the document")
    return document


def test_status_shows_the_copier_at_work_how_fast_it_is_and_what_is_left(small: Mirror) -> None:
    there = ("--dest-bootstrap-servers", small.dest)
    seen: list[dict[str, Any]] = []
    lines: list[str] = []

    def look(running: subprocess.Popen[str]) -> None:
        def at_work() -> bool:
            seen.append(status(small, *there))
            return bool(seen[-1]["copier"]["bytesPerSecond"])

        until(at_work, "the copier tells its rate")
        lines.extend(small("--status").stdout.splitlines())
        assert seen[-1]["copier"]["pid"] == running.pid

    code, out, err = midway(small, look)
    assert code == 0, out + err
    at_work = seen[-1]["copier"]
    assert seen[-1]["running"] is True and at_work["ended"] is False
    assert at_work["stage"] == "copying" and 0 < at_work["done"] < at_work["total"]
    assert at_work["secondsLeft"] > 0
    assert any(line.startswith(f"copying now: process {at_work['pid']} on {at_work['host']}, since ") for line in lines)
    assert any(" left " in line and "/s" in line for line in lines)
    after = status(small, *there)
    assert after["running"] is False and after["copier"]["ended"] is True
    assert "no copier runs now" in small("--status").stdout


def test_status_reads_a_journal_that_is_locked_and_needs_no_cluster(small: Mirror) -> None:
    journal = small.state / "mine.sqlite"
    small.document("--commit", "--journal", str(journal))
    with closing(sqlite3.connect(journal, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        told = status(small, "--journal", str(journal))
        writer.execute("ROLLBACK")
    assert told["running"] is None and told["copier"]["ended"] is True
    assert told["source"]["clusterId"] == clusters_of(journal)[0]
    assert [each["messages"] for each in told["copied"]] == [60, 0]


@pytest.mark.guard
def test_a_copier_that_died_is_not_shown_as_running(small: Mirror) -> None:
    code, _, _ = midway(small, lambda running: running.kill())
    assert code != 0
    there = ("--dest-bootstrap-servers", small.dest)
    until(lambda: not status(small, *there)["running"], "its lease has ended", 60)
    assert status(small, *there)["copier"]["ended"] is False
    assert ", was last heard of at " in small("--status").stdout


def test_a_wrong_clock_here_is_told_and_the_brokers_clock_is_used(small: Mirror) -> None:
    sides = ("--source-bootstrap-servers", small.source, "--dest-bootstrap-servers", small.dest)
    for hours, where in ((-3, "3 h behind"), (200, "8 d 8 h ahead of")):
        done = shifted(
            hours * 3600,
            *("mirror", *sides, *small.mine, *small.quiet, "--commit", "--output", "json"),
            cwd=small.state,
            env={"XDG_STATE_HOME": str(small.state)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        document = json.loads(done.stdout)
        (warning,) = [each for each in document["warnings"] if each["resource"] == "this machine"]
        assert f"its clock is {where} the clock of the destination" in warning["reason"]
        assert document["findings"] == []
        week_ms = 7 * 86_400_000
        assert abs(document["startBeforeMs"] - week_ms - time.time() * 1000) < 120_000


def test_past_hours_are_counted_by_the_brokers_clock(dest: Cluster, tmp_path: Path) -> None:
    create(dest.bootstrap_servers, {"hours.by.brokers": 1})
    produce(dest.bootstrap_servers, "hours.by.brokers", 0, (b"%d" % number for number in range(100)))
    only = ("--include-topics", "hours.by.brokers", "--source-bootstrap-servers", dest.bootstrap_servers)
    done = shifted(5 * 86_400, "export", *only, "--file-name", "metadata.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "this machine: its clock is 5 d ahead of the clock of the source, which is used here: set it" in done.stderr
    created = json.loads((tmp_path / "metadata.json").read_text())["createdAt"]
    assert created[:10] in {time.strftime("%Y-%m-%d", time.gmtime(time.time() + each)) for each in (-60, 0)}
    assert os.listdir(tmp_path) == ["metadata.json"]


def there(cluster: Cluster, topic: str) -> bool:
    with suppress(KafkaException):
        return watermarks(cluster.bootstrap_servers, topic, 0) == (0, 0)
    return False


@pytest.mark.guard
def test_a_full_disk_of_the_destination_is_a_pause_until_there_is_room(source: Cluster, tmp_path: Path) -> None:
    """The broker may write no file beyond 16 MB. It takes that for a broken disk, and ends, as on a full one."""
    topic = "disk.is.full"
    create(source.bootstrap_servers, {topic: 1}, {"retention.ms": "-1"})
    produce(source.bootstrap_servers, topic, 0, (os.urandom(10_000) for _ in range(3000)))
    commit(source.bootstrap_servers, topic, {(topic, 0): 0})
    with kraft_cluster() as dest:
        create(dest.bootstrap_servers, {topic: 1})
        until(lambda: there(dest, topic), "the topic is there")
        (broker,) = dest.brokers
        assert broker.pid is not None
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (16 << 20, resource.RLIM_INFINITY))
        sides = ("--source-bootstrap-servers", source.bootstrap_servers, "--dest-bootstrap-servers")
        mine = ("--include-topics", re.escape(topic), "--include-groups", re.escape(topic), "--quiet", "1s")
        running = subprocess.Popen(
            [sys.executable, "-m", "kafka_meta", "mirror", *sides, dest.bootstrap_servers, *mine, "--commit"],
            cwd=tmp_path,
            env={**clean_environment(), "XDG_STATE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until(lambda: broker.pid is None, "the broker has given up", 60)
            broker.start()
            out, err = running.communicate(timeout=120)
        finally:
            running.kill()
        assert running.returncode == 0, out + err
        assert "defect" not in err
        assert rows(dest.bootstrap_servers, topic, 0) == rows(source.bootstrap_servers, topic, 0)
        (log,) = tmp_path.glob("*.log")
        assert f"{topic}-0: to be settled again: " in log.read_text()
