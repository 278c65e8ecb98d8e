"""What the documents say is so: names, options, messages, links. No broker is needed for that."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from kafka_meta.errors import EXIT_STATUSES
from kafka_meta.files.schemas import validate
from kafka_meta.manual import TOPICS, page
from kafka_meta.settings import properties, toml
from tests.support.commands import Cli, clean_environment, command_line
from tests.support.documents import (
    ELSEWHERE,
    MANUAL,
    PROJECT,
    RUN,
    TESTS,
    Block,
    blocks,
    code_words,
    commands,
    documents,
    fits,
    name,
    running_text,
)

DOCUMENTS = documents()
LANGUAGES = ("console", "json", "properties", "sh", "toml")
SCHEMAS = {"kafka-metadata": "metadata"}
COMMAND = re.compile(r"(?:\$ )?(?:\w+=\S+ )*(kafka-meta|make|pip|python3?|sh|docker|git)\b(?= [\w./-])")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """Every command with the options that its help shows, those of all commands under the empty name."""
    run = command_line(tmp_path_factory.mktemp("help"))
    whole = run("--help").stdout
    names = re.findall(r"^  ([A-Za-z]+)(?:  |$)", whole.partition("Commands")[2] or whole, re.M)
    return {"": _options(whole)} | {command: _options(run(command, "--help").stdout) for command in names}


def _options(help: str) -> frozenset[str]:
    return frozenset(_kebab(option) for option in re.findall(r"--[A-Za-z][A-Za-z-]*", help))


def _kebab(option: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"-\1", option).lower()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_block_has_a_language_that_a_test_reads(path: Path) -> None:
    assert [each.place for each in blocks(path) if each.language not in LANGUAGES] == []
    fences = re.findall(r"^ *```", path.read_text(encoding="utf-8"), re.M)
    assert len(fences) == 2 * len(list(blocks(path)))


@pytest.mark.parametrize(
    "block",
    [each for path in DOCUMENTS for each in blocks(path) if each.language not in ("sh", "console")],
    ids=lambda block: block.place,
)
def test_every_block_that_is_no_command_can_be_read_as_what_it_says(block: Block) -> None:
    match block.language:
        case "json":
            document = json.loads(block.text)
            validate(document, SCHEMAS[document["kind"]], called=block.place)
        case "toml":
            assert toml.read(block.text.encode(), block.place).source
            assert tomllib.loads(block.text)
        case "properties":
            read = properties.read(block.text.encode(), block.place)
            assert read.get("bootstrap.servers")
            assert all(re.fullmatch(r"[a-z.]+", entry.key) for entry in read.entries)


def test_a_test_runs_every_command_of_every_document() -> None:
    not_run = [
        each.place
        for path in DOCUMENTS
        for each in commands(path)
        if path not in RUN and not any(each.command in typed for typed in ELSEWHERE)
    ]
    assert not_run == []


END = "that was it"
COLLECT = f"""
import json, sys, pytest
for words in json.load(sys.stdin):
    assert pytest.main([*words, "--collect-only", "-q", "-p", "no:cacheprovider"]) == 0, words
    print({END!r})
"""


def test_what_the_text_about_tests_runs_are_tests() -> None:
    lines = [each.command.split() for each in commands(TESTS)]
    assert {tuple(words[:3]) for words in lines} == {(".venv/bin/python", "-m", "pytest")}
    collected = subprocess.run(
        [sys.executable, "-c", COLLECT],
        input=json.dumps([words[3:] for words in lines]),
        cwd=PROJECT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stdout
    *found, nothing = collected.stdout.split(END)
    assert len(found) == len(lines) and nothing == "\n"
    assert all("tests/plan/test_plan.py::test_" in each for each in found)


def test_what_is_run_elsewhere_stands_in_a_document_and_in_that_test() -> None:
    everything = {each.command for path in DOCUMENTS for each in commands(path)}
    for typed, (file, words) in ELSEWHERE.items():
        assert typed in everything
        assert words in (PROJECT / file).read_text(encoding="utf-8"), f"{file} does not run {typed}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_command_stands_outside_of_a_block_that_runs(path: Path) -> None:
    lines = running_text(path).splitlines()
    # A line in a list or a table begins with its mark, one in running text is part of a sentence: it has backticks.
    assert [line for line in lines if COMMAND.match(line.strip()) and line.startswith(("    ", "\t", "$"))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_command_and_option_that_is_named_exists(path: Path, declared: Mapping[str, frozenset[str]]) -> None:
    assert {"check", "export", "import", "mirror", "verify", "evaluate", "demo", "help"} <= declared.keys()
    everywhere = frozenset[str]().union(*declared.values())
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.M)
    wrong = []
    for words in [*code_words(path), *(each.command for each in commands(path))]:
        options = [_kebab(option) for option in re.findall(r"(?<![\w-])--[A-Za-z][A-Za-z-]*", words)]
        match = re.search(r"(?:^|[ ;|])kafka-meta (\w+)(?: (\w+))?", words)
        if match is not None and match[1] != "COMMAND":
            known = declared.get(match[1])
            if known is None or (match[1] == "help" and match[2] not in (None, "TOPIC", *TOPICS)):
                wrong.append(words)
            elif " | " not in words:
                wrong += [f"{words}: {option}" for option in options if option not in known | declared[""]]
        elif words.startswith("--"):
            wrong += [f"{words}: {option}" for option in options if option not in everywhere]
        if (made := re.fullmatch(r"make ([a-z-]+)", words)) and made[1] not in targets:
            wrong.append(words)
    assert wrong == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_into_the_project_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", running_text(path)):
        assert target.startswith("http") or (path.parent / target).exists(), target


def _messages() -> list[str]:
    """Every text of the package; what a text takes in is `…`."""

    def whole(node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr():
                return "".join(map(whole, node.values))
            case ast.BinOp(left=left, right=right):
                return whole(left) + whole(right)
            case _:
                return "…"

    found = []
    for path in (PROJECT / "kafka_meta").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp):
                found.append(whole(node))
    return found


def test_every_message_that_troubleshooting_explains_is_one_that_we_write() -> None:
    texts = _messages()
    quoted = [
        " ".join(each.split())
        for block in re.findall(r"^(?!: |  |#)([^\n].*?)\n: ", (MANUAL / "troubleshooting.md").read_text(), re.M | re.S)
        for each in re.findall(r'"([^"]+)"', block.rpartition("\n\n")[2])
    ]
    assert len(quoted) > 40
    assert [each for each in quoted if not any(each in text for text in texts)] == []


def test_the_readme_is_short_and_tells_every_exit_status() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    for text, form in ((readme, "| {} | "), (page("files").text, "- {}: ")):
        for status, meaning in EXIT_STATUSES:
            assert f"\n{form.format(status.value)}" in text, meaning


def test_the_readme_names_every_command(declared: Mapping[str, frozenset[str]]) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Commands")[2].partition("##")[0]
    assert [each for each in declared if each and not re.search(rf"`(kafka-meta )?{each}`", table)] == []


def test_the_manual_reads_well_on_a_terminal_of_80_columns() -> None:
    for topic in TOPICS:
        wide = [line for line in page(topic).text.splitlines() if len(line) > 80]
        assert wide == []
        assert "\n|" not in page(topic).text, "a table cannot be read as it stands"
    assert {path.stem for path in MANUAL.glob("*.md")} == set(TOPICS)


def test_every_script_of_the_cookbook_stands_in_its_table() -> None:
    cookbook = (PROJECT / "examples" / "README.md").read_text(encoding="utf-8")
    for path in (PROJECT / "examples").iterdir():
        assert path.name == "README.md" or f"[{path.name}]({path.name})" in cookbook


def test_every_schema_is_in_the_list_of_schemas() -> None:
    listed = (PROJECT / "schemas" / "README.md").read_text(encoding="utf-8")
    for path in (PROJECT / "schemas").glob("*.schema.json"):
        assert f"[{path.name.removesuffix('.schema.json')}]({path.name})" in listed


def test_help_lists_the_topics_and_shows_each_page_as_it_is(cli: Cli) -> None:
    listed = cli("help")
    assert listed.returncode == 0
    for topic in TOPICS:
        assert re.search(rf"^  {topic} +\S", listed.stdout, re.M)
        shown = cli("help", topic)
        assert (shown.returncode, shown.stdout, shown.stderr) == (0, page(topic).text, "")
    assert max(map(len, listed.stdout.splitlines())) <= 80


def test_help_as_json_has_the_pages(cli: Cli) -> None:
    for arguments, expected in (((), TOPICS), (("mirror",), ("mirror",))):
        document = json.loads(cli("help", *arguments, "--output", "json").stdout)
        validate(document, "help", called="it")
        assert tuple(each["topic"] for each in document["topics"]) == expected
        assert all(each["title"] and each["text"] == page(each["topic"]).text for each in document["topics"])


def test_an_unknown_topic_is_a_usage_error_that_names_what_is_near(cli: Cli) -> None:
    misspelt = cli("help", "miror")
    assert (misspelt.returncode, misspelt.stdout) == (2, "")
    assert "Near: mirror." in misspelt.stderr
    command = cli("help", "import")
    assert command.returncode == 2
    assert "kafka-meta import --help" in command.stderr
    assert all(topic in command.stderr for topic in TOPICS)


def test_a_block_shows_what_was_printed_or_it_does_not() -> None:
    printed = "a\n  b  12.3 kB at 127.0.0.1:4711\nc\n"
    assert fits(["a", "b 1 bytes at 127.0.0.1:1", "c"], printed)
    assert fits(["…", "c"], printed)
    assert fits(["a", "…"], printed)
    assert not fits(["a", "c"], printed)
    assert not fits(["a"], printed)
    assert not fits(["…", "d", "…"], printed)
    assert not fits(["…", "c", "a"], printed)
