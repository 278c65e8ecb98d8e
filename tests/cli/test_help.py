"""Help, examples and completion: what an operator reads before anything else, and at once."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kafka_meta.cli.commands import COMMANDS, app, examples
from kafka_meta.cli.run import run
from kafka_meta.cli.spelling import BOTH_WAYS, GLOBAL_SWITCHES, SWITCHES, normalise
from kafka_meta.errors import EXIT_STATUSES
from tests.support.commands import clean_environment, on_terminal

NAMES = [str(command.name) for command in COMMANDS]
HEAVY = {"confluent_kafka", "kafka", "kazoo", "jsonschema", "psutil", "cryptography", "cramjam", "rich"}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments, "--help"]) == 0
    text = capsys.readouterr()
    assert text.err == ""
    return text.out


def options(name: str) -> dict[str, bool]:
    """Every option of a command by its names, and whether it takes a value."""
    (command,) = (command for command in COMMANDS if command.name == name)
    command.load()
    return {
        option: not parameter.is_flag  # type: ignore[attr-defined]
        for parameter in (*command.params, *app.params)
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_fits_80_columns_and_shows_its_options_in_groups(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, name)
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("Options:") < len(text)
    if "--source-bootstrap-servers" in text:
        assert "\nSource:\n" in text
    if "--dest-bootstrap-servers HOST" in text:
        assert text.index("\nDestination:\n") < text.index("\nOptions:\n")
    assert not re.search(r"--[a-z]+[A-Z]", text), "camelCase is understood, and not shown"
    assert "Exit status: see kafka-meta --help" in text
    assert "ended by SIGTERM" not in text


def test_the_first_help_shows_every_command_with_a_line_and_the_exit_statuses_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert (
        re.findall(r"^  ([A-Za-z]+)(?:  |$)", text[text.index("Commands:") : text.index("\nOptions:")], re.M) == NAMES
    )
    for status, meaning in EXIT_STATUSES:
        assert text.count(f" {status.value}  {meaning}\n") == 1


def test_help_is_the_same_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = on_terminal(tmp_path, "export", "--help")
    assert status == 0
    assert text.replace("\r\n", "\n") == shown(capsys, "export")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_command_line_that_the_command_understands(name: str) -> None:
    known = options(name)
    assert examples()[name], "a command has an example"
    for example in examples()[name]:
        program, *words = normalise(shlex.split(example))
        assert program == "kafka-meta"
        words.remove(name)
        if name == "help":
            assert words[:1] in ([], ["mirror"])
            words = words[1:]
        if name == "task":
            assert words.pop(0) in ("list", "show", "pause", "resume", "change", "delete")
        while words:
            word = words.pop(0)
            assert word in known, f"{example}: {word}"
            if known[word]:
                value = words.pop(0)
                assert value
                assert not value.startswith("--")


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_can_be_copied_from_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, name)
    block = text[text.index("\nExamples:\n") + len("\nExamples:\n") : text.index("\nExit status")]
    lines = [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    assert [shlex.split(line) for line in lines] == [shlex.split(example) for example in examples()[name]]


def test_every_switch_may_be_given_a_value() -> None:
    """What `spelling` knows as switches are the switches of the commands, no more and no less."""
    declared = {
        option
        for name in NAMES
        for option, takes_value in options(name).items()
        if not takes_value and not option.startswith("-h") and option not in ("--help", "--version")
    }
    declared -= {"--install-completion", "--show-completion"}
    other_way = {f"--no-{option.removeprefix('--')}" for option in BOTH_WAYS}
    assert declared == set(SWITCHES) | set(GLOBAL_SWITCHES) | other_way


COMPLETED = """
import contextlib, io, json, os, sys
from kafka_meta.cli.run import run
for words in json.load(sys.stdin):
    line = " ".join(["kafka-meta", *words])
    os.environ.update(COMP_WORDS=line, COMP_CWORD=str(len(words)), _TYPER_COMPLETE_ARGS=line)
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        raise AssertionError(run([]))
    print(json.dumps([said.getvalue().splitlines(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def completed(*lines: tuple[str, ...], shell: str = "bash") -> list[tuple[list[str], set[str]]]:
    """What a TAB behind the words of each line offers, and the third-party packages that were there afterwards. All in
    one process: what one line has taken is there after each later one, too."""
    asked = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_KAFKA_META_COMPLETE": f"complete_{shell}"}
    done = subprocess.run(
        [sys.executable, "-c", COMPLETED],
        input=json.dumps(lines),
        env={**clean_environment(), **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [(offered, set(loaded) & HEAVY) for offered, loaded in found]


def test_a_tab_completes_commands_options_and_values() -> None:
    expected = {
        ("ex",): ["export"],
        ("import", "--save-p"): ["--save-plan"],
        ("mirror", "--uncommitted", "l"): ["latest"],
        ("evaluate", "--policy", "s"): ["safe"],
        ("evaluate", "--provider", "a"): ["alibaba", "aws-msk", "all"],
        ("evaluate", "--provider", "alibaba,a"): ["alibaba,aws-msk", "alibaba,all"],
        ("import", "--on-drift", "r"): ["report"],
        ("help", "mi"): ["mirror"],
    }
    found = completed(*expected)
    assert dict(zip(expected, (offered for offered, _ in found), strict=True)) == expected
    assert [heavy for _, heavy in found] == [set()] * len(expected)
    ((offered, _),) = completed(("export", "--source"))
    assert "--source-bootstrap-servers" in offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_as_well(shell: str) -> None:
    ((lines, _),) = completed(("ver",), shell=shell)
    offered = "\n".join(lines)
    assert "verify" in offered
    assert "export" not in offered


def test_a_tab_loads_no_client_of_kafka_or_zookeeper() -> None:
    lines = [("e",), *((name, "--") for name in NAMES)]
    found = completed(*lines)
    assert [line for line, (offered, _) in zip(lines, found, strict=True) if not offered] == []
    assert {line: heavy for line, (_, heavy) in zip(lines, found, strict=True) if heavy} == {}


SHOWN = """
import contextlib, io, json, sys
from kafka_meta.cli.run import run
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run(arguments) == 0
    print(json.dumps([said.getvalue(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_help_and_version_load_no_client_of_kafka_or_zookeeper() -> None:
    lines = [("--help",), ("--version",), *((name, "--help") for name in NAMES)]
    done = subprocess.run(
        [sys.executable, "-c", SHOWN],
        input=json.dumps(lines),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for arguments, (said, loaded) in zip(lines, found, strict=True):
        assert said.startswith("kafka-meta " if arguments == ("--version",) else "Usage: kafka-meta"), arguments
        assert "typer" in loaded
        assert set(loaded) & HEAVY == set(), arguments


def test_completion_is_offered_for_the_shell_at_hand() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kafka_meta", "--show-completion", "bash"],
        env={**clean_environment(), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "complete_bash" in done.stdout
    assert os.environ.get("_KAFKA_META_COMPLETE") is None
