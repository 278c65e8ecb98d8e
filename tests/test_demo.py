"""`kafka-meta demo`: the whole journey, and the pair that stays for a newcomer to type at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Cli, command_line

from kafka_meta import playground


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


@pytest.mark.long
def test_the_demo_shows_the_whole_journey_and_leaves_nothing_behind(cli: Cli, temporary: Path, tmp_path: Path) -> None:
    done = cli("demo", env={"TMPDIR": str(temporary)}, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    titles = re.findall(r"^# (.*)$", done.stdout, re.M)
    assert len(titles) == 6
    typed = re.findall(r"^\$ kafka-meta (\w+)", done.stdout, re.M)
    assert typed == ["check", "export", "import", "import", "import", "verify"]
    for said in ("ready", "Nothing was changed", "TopicCreate success", "\nequal\n", "Topic: orders"):
        assert said in done.stdout
    assert done.stdout.index("Nothing was changed") < done.stdout.index("TopicCreate success")
    assert "Traceback" not in done.stderr
    assert left_running(temporary) == []
    assert list(temporary.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


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


def test_after_demo_keep_the_two_commands_work_as_typed_and_stop_ends_everything(
    kept: Cli, temporary: Path, tmp_path: Path
) -> None:
    assert len(left_running(temporary)) >= 3
    again = kept("demo", "--keep")
    assert again.returncode == 1
    assert "kafka-meta.toml" in again.stderr
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
