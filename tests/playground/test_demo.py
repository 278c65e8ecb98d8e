"""`kafka-meta demo`: the whole journey, and the pair that stays for a newcomer to type at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kafka_meta import playground
from kafka_meta.cli.demo import _settings
from tests.support.commands import Cli, clean_environment, command_line

PRODUCTION = '[source]\nbootstrap-servers = "production:9092"\n[dest]\nbootstrap-servers = "production:9092"\n'


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo has its clusters, so that what is left of them can be seen."""
    return tmp_path_factory.mktemp("demo")


def left_running(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.mark.brokers
@pytest.mark.guard
def test_the_demo_shows_the_whole_journey_and_leaves_nothing_behind(cli: Cli, temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "kafka-meta.toml").write_text(PRODUCTION)
    foreign = {"KAFKA_META_DEST_BOOTSTRAP_SERVERS": "production:9092", "KAFKA_META_RENAME": "orders=stolen"}
    done = cli("demo", env={"TMPDIR": str(temporary), **foreign}, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    titles = re.findall(r"^# (.*)$", done.stdout, re.M)
    assert len(titles) == 9
    typed = re.findall(r"^\$ kafka-meta (\w+)", done.stdout, re.M)
    assert typed == ["check", "export", "import", "import", "import", "verify", "mirror", "mirror", "verify"]
    for said in (
        "ready",
        "Nothing was changed",
        "TopicCreate success",
        "\nequal\n",
        "Prepare to migrate",
        "Topic: orders",
    ):
        assert said in done.stdout
    assert done.stdout.index("Nothing was changed") < done.stdout.index("TopicCreate success")
    assert "Traceback" not in done.stderr
    assert left_running(temporary) == []
    assert list(temporary.iterdir()) == []
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kafka-meta.toml", PRODUCTION)]


@pytest.fixture
def kept(temporary: Path, tmp_path: Path) -> Iterator[Cli]:
    run = command_line(tmp_path)
    started = run("demo", "--keep", env={"TMPDIR": str(temporary)}, timeout=180)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield run
    finally:
        if (tmp_path / "kafka-meta-demo.json").exists():
            playground.stop_detached(tmp_path / "kafka-meta-demo.json")


@pytest.mark.brokers
def test_after_demo_keep_the_two_commands_work_as_typed_and_stop_ends_everything(
    kept: Cli, temporary: Path, tmp_path: Path
) -> None:
    assert len(left_running(temporary)) >= 3
    again = kept("demo", "--keep")
    assert again.returncode == 1
    assert "kafka-meta demo --stop in this folder ends them" in again.stderr
    exported = kept("export")
    assert exported.returncode == 0, exported.stderr
    imported = kept("import", "--commit")
    assert imported.returncode == 0, imported.stdout + imported.stderr
    document = json.loads((tmp_path / "kafka-metadata-export.json").read_text())
    for topic in document["topics"]:
        assert f"TopicCreate success, topic={topic['name']}," in imported.stdout
    pair = playground.detached_pair(tmp_path / "kafka-meta-demo.json")
    assert pair.dest_bootstrap_servers in (tmp_path / "kafka-meta.toml").read_text()
    assert kept("verify").returncode == 0
    stopped = kept("demo", "--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert left_running(temporary) == []
    assert list(temporary.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["kafka-metadata-export.json"]


def test_stopping_what_was_not_kept_is_an_error_that_says_so(cli: Cli) -> None:
    done = cli("demo", "--stop")
    assert done.returncode == 1
    assert "no pair was left running from here" in done.stderr


STOPPED = {
    "source_bootstrap_servers": "127.0.0.1:1",
    "source_zookeeper_connect": "127.0.0.1:2/kafka",
    "dest_bootstrap_servers": "127.0.0.1:3",
    "directories": [],
}
"""The note of a pair that has nothing left to end."""


def test_stop_removes_settings_as_keep_wrote_them_and_no_others(cli: Cli, tmp_path: Path) -> None:
    settings, note = tmp_path / "kafka-meta.toml", tmp_path / "kafka-meta-demo.json"
    note.write_text(json.dumps(STOPPED))
    written = _settings("127.0.0.1:1", "127.0.0.1:2/kafka", "127.0.0.1:3")
    for content, stays in ((written, False), (written + "# mine\n", True), (PRODUCTION, True)):
        settings.write_text(content)
        note.write_text(json.dumps(STOPPED))
        done = cli("demo", "--stop")
        assert done.returncode == 0, done.stderr
        assert not note.exists()
        assert ("it stays" in done.stderr) == stays
        assert (settings.read_text() if settings.exists() else None) == (content if stays else None)


def test_settings_in_the_environment_that_would_beat_those_of_keep_are_refused_before_anything_starts(
    cli: Cli, tmp_path: Path
) -> None:
    done = cli("demo", "--keep", env={"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": "production:9092"})
    assert done.returncode == 1
    assert "KAFKA_META_SOURCE_BOOTSTRAP_SERVERS" in done.stderr and "unset" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.brokers
@pytest.mark.guard
def test_settings_that_come_while_keep_starts_stay_and_its_clusters_end(temporary: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kafka_meta", "demo", "--keep"]
    environment = {**clean_environment(), "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "Starting two clusters" not in process.stderr.readline():
            assert process.poll() is None
        (tmp_path / "kafka-meta.toml").write_text(PRODUCTION)
        said = process.stderr.read()
    assert process.returncode == 1
    assert "cannot write kafka-meta.toml: File exists; the clusters have ended" in said
    assert left_running(temporary) == []
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kafka-meta.toml", PRODUCTION)]


def test_keep_does_not_write_over_settings(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "kafka-meta.toml").write_text(PRODUCTION)
    done = cli("demo", "--keep")
    assert done.returncode == 1 and "exists in this folder already" in done.stderr
    assert (tmp_path / "kafka-meta.toml").read_text() == PRODUCTION
