"""Standard output and error as they really are: another encoding, closed, full, a pipe that nobody reads any more."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Any

import pytest

from kafka_meta.cli import commands
from kafka_meta.cli.run import run
from kafka_meta.files import validate
from tests.support.commands import Cli, clean_environment, on_terminal, unmeasured_environment
from tests.support.forks import FORKS

DEAD = ("--dest-bootstrap-servers", "127.0.0.1:1")


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> None:
    with as_file(files("kafka_meta.playground") / "shop.json") as path:
        (tmp_path / "metadata.json").write_bytes(path.read_bytes())


def test_a_character_that_the_encoding_lacks_is_shown_as_an_escape(tmp_path: Path) -> None:
    for arguments, status, said in (
        (("export", "--help"), 0, b"HOST:PORT,\\u2026\n"),
        (("import", "--file-name", "größe→.json", *DEAD), 2, b"kafka-meta: gr\xf6\xdfe\\u2192.json does not exist"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "kafka_meta", *arguments],
            env={**clean_environment(), "PYTHONIOENCODING": "latin-1"},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status
        assert said in done.stdout + done.stderr


def test_a_terminal_that_knows_only_ascii_gets_the_whole_answer(tmp_path: Path) -> None:
    status, text = on_terminal(tmp_path, "evaluate", "--provider", "all", env={"PYTHONIOENCODING": "ascii"})
    assert status in (0, 1)
    assert "defect" not in text


def test_no_line_is_wider_than_the_terminal(tmp_path: Path) -> None:
    addresses = ",".join(f"127.0.0.1:{port}" for port in range(1, 5))
    sides = ("--source-bootstrap-servers", addresses, "--dest-bootstrap-servers", addresses)
    status, text = on_terminal(tmp_path, "check", *sides, env={"COLUMNS": "80", "NO_COLOR": "1"})
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).splitlines()
    assert status == 1 and lines[-1].startswith("not ready")
    assert [line for line in lines if len(line) > 80] == []


def test_json_is_utf_8_whatever_the_terminal_is(tmp_path: Path) -> None:
    arguments = ("--output", "json", "evaluate", "--peak-traffic", "20", "--disk", "100", "--topics", "1")
    done = subprocess.run(
        [sys.executable, "-m", "kafka_meta", *arguments],
        env={**clean_environment(), "PYTHONIOENCODING": "latin-1"},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1)
    assert not done.stdout.isascii()
    json.loads(done.stdout.decode())


def printing_to(stdout: IO[bytes], *arguments: str, folder: Path, unbuffered: bool) -> subprocess.CompletedProcess[str]:
    if not unbuffered:
        return FORKS.run(arguments, env=clean_environment(), cwd=folder, stdout=stdout)
    return subprocess.run(  # which Python is told of when it starts
        [sys.executable, "-m", "kafka_meta", *arguments],
        env={**clean_environment(), "PYTHONUNBUFFERED": "1"},
        cwd=folder,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (("--help",), False),
        (("--version",), False),  # so short that it is written at the very end
        (("evaluate", "--help"), False),
        (("evaluate",), False),
        (("evaluate",), True),
        (("--output=json", "evaluate"), False),
    ],
)
def test_a_full_disk_behind_standard_output_is_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: bool
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = printing_to(full, *arguments, folder=tmp_path, unbuffered=unbuffered)
    assert done.returncode == 1
    assert "cannot write to standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_elsewhere_is_not_said_of_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(commands, "app", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # takes the traceback
    assert run(["check"]) == 70
    said = capsys.readouterr().err
    assert "standard output" not in said and "a defect of kafka-meta: OSError" in said


@pytest.mark.parametrize(
    ("arguments", "unbuffered"), [(("evaluate",), True), (("evaluate",), False), (("--output=json", "evaluate"), False)]
)
def test_whoever_reads_only_the_first_line_hears_of_no_defect(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: bool
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb", buffering=0) as pipe:
        done = printing_to(pipe, *arguments, folder=tmp_path, unbuffered=unbuffered)
    assert done.returncode == 1
    assert "the reader of the output has closed it, so the command has stopped" in done.stderr
    assert "defect" not in done.stderr


def test_closed_streams_do_not_change_the_answer(tmp_path: Path) -> None:
    for closed in (">&-", ">&- 2>&-", "2>&-"):
        line = f"{sys.executable} -m kafka_meta help --no-such {closed}"
        done = subprocess.run(["bash", "-c", line], env=clean_environment(), cwd=tmp_path, timeout=60, check=False)
        assert done.returncode == 2, closed


@pytest.mark.parametrize(
    ("number", "status", "says"), [(signal.SIGTERM, 143, "ended by SIGTERM"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_command_that_is_ended_says_so_in_one_sentence(
    tmp_path: Path, number: signal.Signals, status: int, says: str
) -> None:
    # A pipe as the metadata file: the command waits for its other end.
    os.mkfifo(tmp_path / "pipe.json")
    command = [sys.executable, "-m", "kafka_meta", "import", "--file-name", "pipe.json", *DEAD]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=unmeasured_environment(), cwd=tmp_path, stderr=pipe, stdout=pipe, text=True)
    # Opens when the command has come to read it.
    with (tmp_path / "pipe.json").open("wb"):
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (status, "", f"kafka-meta: {says}\n")


def test_the_settings_of_a_file_that_nobody_named_are_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "kafka-meta.toml").write_text('[dest]\nbootstrap-servers = "127.0.0.1:1"\n[policy]\nrename = ["a=b"]\n')
    told = "Settings from kafka-meta.toml: [dest] bootstrap-servers; [policy] rename"
    assert cli("import").stderr.splitlines()[0] == told
    named = cli("import", "--config", "kafka-meta.toml")
    assert "Settings from" not in named.stderr
    lines = [json.loads(line) for line in cli("import", "--output", "json").stderr.splitlines()]
    assert lines[0] == {"kind": "kafka-meta-event", "event": "note", "text": told}
    for line in lines:
        validate(line, "error" if line["kind"] == "kafka-meta-error" else "event", called="standard error")
