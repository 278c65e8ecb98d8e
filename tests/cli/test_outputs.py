"""No command writes over what it reads, nor over a file of another kind."""

from __future__ import annotations

import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from kafka_meta.cli.run import run
from kafka_meta.errors import UsageError
from kafka_meta.files.writing import require_output

DEAD = ("--dest-bootstrap-servers", "127.0.0.1:1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with as_file(files("kafka_meta.playground") / "shop.json") as shop:
        shutil.copy(shop, tmp_path / "metadata.json")
    (tmp_path / "same.json").hardlink_to(tmp_path / "metadata.json")
    (tmp_path / "link.json").symlink_to("metadata.json")
    (tmp_path / "notes.txt").write_text("what we talked about\n")
    (tmp_path / "plan.json").write_text(json.dumps({"actions": [], "kind": "kafka-meta-plan"}))
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    passwords.write_text("alice=secret\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", *DEAD, "--save-plan", "metadata.json"), "metadata.json is the metadata file"),
        (("import", *DEAD, "--save-plan", "./metadata.json"), "metadata.json is the metadata file"),
        (("import", *DEAD, "--save-plan", "same.json"), "same.json is the metadata file"),
        (("import", *DEAD, "--save-plan", "link.json"), "link.json is the metadata file"),
        (
            ("import", *DEAD, "--file-name", "metadata.json", "--save-plan", "notes.txt"),
            "notes.txt exists and is not a plan",
        ),
        (
            ("import", *DEAD, "--passwords", "passwords", "--save-plan", "passwords"),
            "passwords is the file of --passwords",
        ),
        (("import", *DEAD, "--generate-passwords", "metadata.json"), "metadata.json is the metadata file"),
        (
            ("import", *DEAD, "--save-plan", "plan.json", "--generate-passwords", "plan.json"),
            "plan.json is the file of --save-plan",
        ),
        (("import", *DEAD, "--save-plan", "new", "--generate-passwords", "new"), "new is the file of --save-plan"),
        (
            ("import", *DEAD, "--passwords", "passwords", "--generate-passwords", "passwords"),
            "passwords is the file of --passwords",
        ),
        *(
            (("import", *DEAD, "--plan-file", "plan.json", *more, "--generate-passwords", file), says)
            for more, file, says in (
                (("--passwords", "passwords"), "passwords", "passwords is the file of --passwords"),
                (("--file-name", "metadata.json"), "same.json", "same.json is the metadata file"),
                ((), "plan.json", "plan.json is the plan"),
            )
        ),
        (("export", "--source-bootstrap-servers", "127.0.0.1:1", "--file-name", "plan.json"), "is not a metadata file"),
        (("export", "--source-bootstrap-servers", "127.0.0.1:1", "--file-name", "notes.txt"), "is not a metadata file"),
    ],
)
def test_an_input_and_a_file_of_another_kind_are_not_overwritten(
    folder: Path, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(list(arguments)) == 2
    assert says in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_earlier_file_of_the_same_kind_and_an_empty_one_are_replaced(folder: Path) -> None:
    inputs = {"the metadata file": folder / "metadata.json"}
    require_output(folder / "plan.json", "a plan", option="--save-plan", inputs=inputs)
    (folder / "empty").touch()
    require_output(folder / "empty", "a plan", option="--save-plan", inputs=inputs)
    (folder / "page.html").write_text("\n<!DOCTYPE html>\n<title>x</title>\n")
    require_output(folder / "page.html", "an HTML page", option="--html", inputs=inputs)
    with pytest.raises(UsageError, match="exists and is not an HTML page"):
        require_output(folder / "plan.json", "an HTML page", option="--html", inputs=inputs)


def test_the_kind_is_found_however_large_the_file_is(folder: Path) -> None:
    head = '{\n "acls": ["' + "x" * 3_000_000 + '"],\n "kind": "kafka-metadata"\n}\n'
    (folder / "large.json").write_text(head)
    require_output(folder / "large.json", "a metadata file", option="--file-name")
    with pytest.raises(UsageError, match="is not a plan"):
        require_output(folder / "large.json", "a plan", option="--save-plan")
