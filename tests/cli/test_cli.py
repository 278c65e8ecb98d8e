"""The command line as people and scripts meet it, on the real pair of clusters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from kafka_meta.cli.run import run as run_here
from kafka_meta.files.schemas import validate
from kafka_meta.playground import Cluster
from tests.support.commands import Cli, clean_environment, command_line, on_terminal
from tests.support.shop import commit, create

ORDERS = "cli.orders"
LONG = "cli.long-" + "x" * 220
GROUP = "cli-\x1b[31mred\u202e"
ONLY_OURS = ("--include-topics", r"cli\..*", "--include-groups", "(?s)cli-.*")
DEAD = "127.0.0.1:1"


@pytest.fixture(scope="module")
def from_source(source: Cluster) -> tuple[str, ...]:
    """The source's address, with our topics and a group of a dangerous name on it."""
    create(
        AdminClient({"log_level": 0, "bootstrap.servers": source.bootstrap_servers}),
        NewTopic(ORDERS, 2, 1, config={"cleanup.policy": "compact"}),
        NewTopic(LONG, 1, 1),
    )
    commit(source.bootstrap_servers, GROUP, TopicPartition(ORDERS, 0, 0), TopicPartition(ORDERS, 1, 0))
    return ("--source-bootstrap-servers", source.bootstrap_servers)


@pytest.fixture
def to_dest(dest: Cluster) -> tuple[str, ...]:
    return ("--dest-bootstrap-servers", dest.bootstrap_servers)


@pytest.fixture(scope="module")
def file(from_source: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    done = command_line(folder)("export", *from_source, *ONLY_OURS, "--fileName", "ours.json")
    assert done.returncode == 0, done.stderr
    return folder / "ours.json"


def topics(cluster: Cluster) -> set[str]:
    return set(
        AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers}).list_topics(timeout=10).topics
    )


def groups(cluster: Cluster) -> set[str]:
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    found = admin.list_consumer_groups().result()
    assert not found.errors
    return {group.group_id for group in found.valid}


def rules(cluster: Cluster) -> set[str]:
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    return {str(acl) for acl in admin.describe_acls(everything).result()}


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def one_error(text: str) -> dict[str, Any]:
    (error,) = [line for line in json_lines(text) if line.get("kind") == "kafka-meta-error"]
    validate(error, "error", called="the error")
    return error


# Where the source is.


def only(folder: Path, *processes: int) -> dict[str, str]:
    """An environment for `ALONE`: a machine on which these are the only processes."""
    folder.mkdir()
    for name in ("stat", *map(str, processes)):
        (folder / name).symlink_to(f"/proc/{name}")
    return {"PROCFS": str(folder)}


ALONE = """
import os, sys, psutil
from kafka_meta import cli, host
psutil.PROCFS_PATH = os.environ["PROCFS"]
host.KAFKA_PORT = host.ZOOKEEPER_PORT = 1
cli.main()
"""


def alone(environment: Mapping[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE, *arguments],
        env={**clean_environment(), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pid(cluster: Cluster) -> int:
    running = cluster.brokers[0].pid
    assert running is not None
    return running


def test_without_any_address_the_broker_that_runs_on_this_machine_is_exported(
    source: Cluster, from_source: tuple[str, ...], tmp_path: Path
) -> None:
    done = alone(only(tmp_path / "proc", pid(source)), tmp_path, "export", "--include-topics", ORDERS)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "kafka-metadata-export.json").read_text())
    assert [topic["name"] for topic in document["topics"]] == [ORDERS]
    assert f"found {source.bootstrap_servers} and {source.zookeeper_connect}" in done.stderr
    assert "server.properties" in done.stderr
    assert document["users"] == [], "ZooKeeper was asked, too"


def test_brokers_of_several_clusters_on_this_machine_are_a_question_to_the_operator(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    done = alone(only(tmp_path / "proc", pid(source), pid(dest)), tmp_path, "export")
    assert done.returncode == 2
    assert source.bootstrap_servers in done.stderr
    assert dest.bootstrap_servers in done.stderr
    assert "--source-bootstrap-servers" in done.stderr
    assert not (tmp_path / "kafka-metadata-export.json").exists()


def test_where_nothing_runs_the_error_says_what_was_looked_for_and_what_to_give(tmp_path: Path) -> None:
    done = alone(only(tmp_path / "proc", os.getpid()), tmp_path, "export")
    assert done.returncode == 2
    assert "no broker runs on this machine" in done.stderr
    assert "--source-bootstrap-servers" in done.stderr


def test_the_destination_is_never_guessed(file: Path, source: Cluster, tmp_path: Path) -> None:
    environment = only(tmp_path / "proc", pid(source))
    done = alone(environment, tmp_path, "import", "--fileName", str(file), "--commit")
    assert done.returncode == 2
    assert "--dest-bootstrap-servers" in done.stderr


def test_the_environment_is_stronger_than_toml_and_a_flag_stronger_than_both(
    cli: Cli, source: Cluster, from_source: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "kafka-meta.toml").write_text(
        f'[source]\nbootstrap-servers = "{DEAD}"\n[policy]\ninclude-topics = "{ORDERS}"\n'
    )
    environment = {"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": source.bootstrap_servers}
    from_environment = cli("export", "--output", "json", env=environment)
    assert json.loads(from_environment.stdout)["totals"]["topics"] == 1
    assert cli("export", *from_source, env={"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": DEAD}).returncode == 0


def test_toml_names_both_sides_and_policies(
    cli: Cli, source: Cluster, dest: Cluster, from_source: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        f'[source]\nbootstrap-servers = "{source.bootstrap_servers}"\n[dest]\nbootstrap-servers = '
        f'"{dest.bootstrap_servers}"\n[policy]\ninclude-topics = \'cli\\.orders\'\nonly = ["topics"]\n'
        "rename = ['cli\\.(.*)=new.\\1']\n"
    )
    assert cli("export", "--config", "mine.toml").returncode == 0
    shown = cli("--config", "mine.toml", "import")
    assert shown.returncode == 0, shown.stderr
    assert "Will create topic:new.orders, isCompactTopic:true, partition number:2" in shown.stdout
    assert "Total topic number:1" in shown.stdout


def test_neither_environment_nor_toml_can_commit(
    cli: Cli, file: Path, to_dest: tuple[str, ...], dest: Cluster, tmp_path: Path
) -> None:
    rename = ("--rename", r"cli\.(.*)=uncommitted.\1", "--only", "topics")
    done = cli("import", "--fileName", str(file), *to_dest, *rename, env={"KAFKA_META_COMMIT": "true"})
    assert "Nothing was changed" in done.stdout
    (tmp_path / "kafka-meta.toml").write_text("[policy]\ncommit = true\n")
    refused = cli("import", "--fileName", str(file), *to_dest, *rename)
    assert refused.returncode == 2
    assert "command line only" in refused.stderr
    assert not any(name.startswith("uncommitted.") for name in topics(dest))


# Spellings, and where options stand.


def test_the_seeds_camel_case_spellings_and_switches_with_values_are_understood(
    cli: Cli, source: Cluster, from_source: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    done = cli(
        *("export", "--sourceZkConnect", str(source.zookeeper_connect)),
        *("--sourceBootstrapServers", source.bootstrap_servers, "--targetDirectory", "out"),
        *("--fileName", "metadata.json", "--evaluate", "false", "--installTsar", "--includeTopics", ORDERS),
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "out") == ["metadata.json"]
    assert (tmp_path / "out" / "metadata.json").stat().st_mode & 0o777 == 0o600


def test_evaluate_false_asks_for_no_sizes(cli: Cli, from_source: tuple[str, ...], tmp_path: Path) -> None:
    assert cli("export", *from_source, "--include-topics", ORDERS, "--evaluate", "false").returncode == 0
    (topic,) = json.loads((tmp_path / "kafka-metadata-export.json").read_text())["topics"]
    assert {partition["sizeBytes"] for partition in topic["partitions"]} == {None}
    assert {partition["endOffset"] for partition in topic["partitions"]} == {0}


def test_global_options_stand_before_or_after_the_command(cli: Cli, from_source: tuple[str, ...]) -> None:
    before = cli("--output", "json", "export", *from_source, *ONLY_OURS)
    after = cli("export", *from_source, *ONLY_OURS, "--output=json")
    assert json.loads(before.stdout) == json.loads(after.stdout)


def test_commit_false_does_not_commit(cli: Cli, file: Path, to_dest: tuple[str, ...], dest: Cluster) -> None:
    rename = ("--rename", r"cli\.(.*)=false.\1", "--only", "topics")
    for spelling in (("--commit", "false"), ("--commit=false",)):
        done = cli("import", "--fileName", str(file), *to_dest, *rename, *spelling)
        assert done.returncode == 0, done.stderr
        assert "Nothing was changed" in done.stdout
    assert not any(name.startswith("false.") for name in topics(dest))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exprot"], "exprot"),
        (["export", "--sourceBootstrap", "x"], "--source-bootstrap"),
        (["import", "--commit=perhaps"], "true or false"),
        (["export", "--output", "yaml"], "yaml"),
        (["export", "--output"], "--output"),
        (["import", "--only", "topics,colours", "--dest-bootstrap-servers", DEAD], "colours"),
        (["import", "--replication-factor", "0", "--dest-bootstrap-servers", DEAD], "--replication-factor"),
        (["import", "--group-offsets", "time:yesterday", "--dest-bootstrap-servers", DEAD], "--group-offsets"),
        (["import", "--on-drift", "delete", "--dest-bootstrap-servers", DEAD], "--on-drift"),
        (["import", "--include-topics", "(", "--dest-bootstrap-servers", DEAD], "include-topics"),
        (["import", "--rename", "orders", "--dest-bootstrap-servers", DEAD], "rename"),
        (["import", "--plan-file", "p.json", "--rename", "a=b", "--dest-bootstrap-servers", DEAD], "--rename"),
        (["import", "--fileName", "no-such.json", "--dest-bootstrap-servers", DEAD], "no-such.json"),
        (
            ["verify", "--fileName", "a.json", "--source-bootstrap-servers", DEAD, "--dest-bootstrap-servers", DEAD],
            "both",
        ),
        (["demo", "--keep", "--stop"], "--stop"),
        (["exprot"], "there is no command exprot; did you mean 'export'?"),
        ([""], "an empty word stands where a command is expected"),
        (["import", "--comit"], "there is no option --comit; did you mean --commit, --config?"),
        (["import", "--file-name", "", "--dest-bootstrap-servers", DEAD], "--file-name is empty"),
        (["import", "--dest-bootstrap-servers", ""], "--dest-bootstrap-servers is empty"),
        (["export", "--source-bootstrap-servers"], "--source-bootstrap-servers needs a value"),
        (["export", "orders"], "this is not an option: orders"),
        (["mirror", "--uncommitted", "no"], "--uncommitted: 'no' is not one of 'earliest', 'latest', 'skip'"),
        (["mirror", "--in-flight", "9"], "--in-flight: the limit is 5"),
        (["mirror", "--in-flight", "many"], "--in-flight: a whole number is expected"),
        (["mirror", "--commit", "--status"], "--status and --commit cannot be given together"),
        (["import", "--file-name", ".", "--dest-bootstrap-servers", DEAD], ". is a directory"),
        (["import", "--plan-file", ".", "--dest-bootstrap-servers", DEAD], ". is a directory"),
        (["import", "--journal", ".", "--dest-bootstrap-servers", DEAD], "the journal . is a directory"),
        (["verify", "--journal", ".", "--dest-bootstrap-servers", DEAD], "the journal . is a directory"),
        (["mirror", "--journal", ".", "--source-bootstrap-servers", DEAD], "the journal . is a directory"),
        (["export", "--source-config", "."], "Is a directory"),
        (["--config", ".", "export"], "Is a directory"),
    ],
)
def test_what_the_command_line_does_not_understand_is_status_2_and_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_here(arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert run_here(["--output", "json", *arguments] if "--output" not in arguments else arguments) == 2
    if "--output" not in arguments:
        assert one_error(capsys.readouterr().err)["message"]
    assert list(tmp_path.iterdir()) == []


def test_help_and_version_are_there_for_whoever_asks(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["import", "--help"], ["export", "-h"]):
        assert run_here(arguments) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        assert shown.out.startswith("Usage: kafka-meta")
    assert run_here(["--version"]) == 0
    assert re.fullmatch(r"kafka-meta \d+\.\d+\.\d+\n", capsys.readouterr().out)


# Files.


def test_two_files_under_default_names_are_a_question(
    cli: Cli, file: Path, to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("metadata.json", "kafka-metadata-export.json"):
        (tmp_path / name).write_bytes(file.read_bytes())
    for command in ("import", "verify"):
        done = cli(command, *to_dest)
        assert done.returncode == 2
        assert "there are two metadata files: kafka-metadata-export.json (written " in done.stderr
        assert ") and metadata.json (written " in done.stderr
        assert "The newer one: --file-name kafka-metadata-export.json" in done.stderr
    assert cli("import", *to_dest, "--file-name", "metadata.json").returncode == 0
    (tmp_path / "kafka-metadata-export.json").unlink()
    assert cli("import", *to_dest).returncode == 0


def test_a_file_can_go_through_a_pipe(cli: Cli, from_source: tuple[str, ...]) -> None:
    done = cli("export", *from_source, *ONLY_OURS, "--fileName", "-", "--output", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    validate(document, "metadata", called="standard output")
    assert [topic["name"] for topic in document["topics"]] == [LONG, ORDERS]


def bad_files() -> Iterator[tuple[str, bytes, str]]:
    """What is wrong, the file, and the place that the message names."""
    head = {"kind": "kafka-metadata", "schemaVersion": "1.0", "createdAt": "2026-01-01T00:00:00Z", "gaps": []}
    head |= {"cluster": {"id": None, "mode": None, "version": None, "controllerId": None, "brokers": []}}

    def partitions(*offsets: dict[str, Any], name: str = "bad.topic") -> bytes:
        topic = {"name": name, "partitions": list(offsets), "configs": {}}
        return json.dumps({**head, "topics": [topic]}).encode()

    yield "not JSON", b"hello", "line 1"
    yield "empty", b"", "empty"
    yield "truncated", partitions({"partition": 0})[:-20], "line 1"
    yield "duplicate keys", b'{"kind": "kafka-metadata", "kind": "kafka-metadata"}', "kind"
    yield "NaN", b'{"kind": "kafka-metadata", "schemaVersion": "1.0", "topics": [NaN]}', "NaN"
    yield "wrong kind", b'{"kind": "kafka-meta-plan", "schemaVersion": "1.0"}', "kafka-meta-plan"
    yield "newer", b'{"kind": "kafka-metadata", "schemaVersion": "2.0"}', "2.0"
    yield "partition twice", partitions({"partition": 0}, {"partition": 0}), "topics[0]"
    yield "path as a name", partitions({"partition": 0}, name="../x"), "topics[0].name"
    yield "escape in a name", partitions({"partition": 0}, name="\x1b[2Jx"), "topics[0].name"
    yield "negative offset", partitions({"partition": 0, "endOffset": -5}), "topics[0].partitions[0].endOffset"


def test_bad_files_name_the_place_and_create_nothing(
    dest: Cluster, to_dest: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = topics(dest), groups(dest), rules(dest)
    path = tmp_path / "bad.json"
    for what, content, place in bad_files():
        path.write_bytes(content)
        assert run_here(["import", "--fileName", str(path), *to_dest, "--commit"]) == 2, what
        shown = capsys.readouterr()
        assert place in shown.err, what
        assert str(path) in shown.err, what
        assert "\x1b" not in shown.err
        assert shown.out == ""
    assert (topics(dest), groups(dest), rules(dest)) == before


def test_a_file_of_200_MB_of_brackets_is_refused_at_once(cli: Cli, to_dest: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(b"[" * 200_000_000)
    done = cli("import", "--fileName", str(path), *to_dest, "--commit", timeout=30)
    path.unlink()
    assert done.returncode == 2
    assert "deep" in done.stderr
    assert len(done.stderr) < 1000


def test_what_no_file_can_be_written_to_or_read_from_is_a_matter_of_the_command_line(
    cli: Cli, file: Path, from_source: tuple[str, ...], to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    into_nowhere = ("import", "--fileName", str(file), *to_dest)
    for command, said in (
        (("export", *from_source, "--fileName", "nowhere/x.json"), "the folder nowhere does not exist"),
        (("export", *from_source, "--targetDirectory", "nowhere"), "the folder nowhere does not exist"),
        (("export", *from_source, "--fileName", "."), "is a directory"),
        (("export", *from_source, "--fileName", "/dev/null"), "is a device"),
        ((*into_nowhere, "--save-plan", "nowhere/plan.json"), "the folder nowhere does not exist"),
        ((*into_nowhere, "--generate-passwords", "nowhere/new.txt"), "the folder nowhere does not exist"),
        ((*into_nowhere, "--passwords", "nowhere.txt"), "cannot read nowhere.txt"),
        (("import", *to_dest, "--plan-file", "nowhere.json"), "--save-plan writes it"),
        ((*into_nowhere, "--journal", "nowhere.sqlite"), "the journal nowhere.sqlite does not exist"),
        (("verify", "--data", *to_dest, "--journal", "nowhere.sqlite"), "the journal nowhere.sqlite does not exist"),
        (("mirror", "--status", *to_dest, "--journal", "nowhere.sqlite"), "the journal nowhere.sqlite does not exist"),
        (("export", "--source-bootstrap-servers", "nowhere"), "'nowhere' is not an address of a broker"),
        (("export", *from_source, "--sample", "-1"), "--sample '-1': expected a time"),
    ):
        done = cli(*command)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


# What is shown.


@pytest.fixture(scope="module")
def shown_as_json(
    from_source: tuple[str, ...], source: Cluster, dest: Cluster, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, subprocess.CompletedProcess[str]]:
    run = command_line(tmp_path_factory.mktemp("json"))
    to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers)
    policies = ("--fileName", str(file), *to_dest, "--rename", r"cli\.(.*)=json.\1", "--only", "topics,groups")
    policies += ("--rename", r"group:(?s)cli-(.*)=json-\1")
    zookeeper = ("--source-zk-connect", str(source.zookeeper_connect))
    return {
        "check": run("check", *from_source, *zookeeper, *to_dest, "--output", "json"),
        "export": run("export", *from_source, *ONLY_OURS, "--output", "json"),
        "plan": run("import", *policies, "--output", "json"),
        "result": run("import", *policies, "--commit", "--output", "json"),
        "verify": run("verify", *policies, *ONLY_OURS, "--ignore-extra", "--output", "json"),
    }


def test_under_output_json_standard_output_is_one_document_and_standard_error_lines_of_json(
    shown_as_json: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    for command, done in shown_as_json.items():
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        document = json.loads(done.stdout)
        validate(document, command, called=command)
        assert document["kind"] == f"kafka-meta-{command}"
        for line in json_lines(done.stderr):
            validate(line, "event", called=command)
    done_actions = json.loads(shown_as_json["result"].stdout)["results"]
    assert {result["outcome"] for result in done_actions} == {"done"}
    assert len(done_actions) == 3


def test_an_import_that_could_not_compare_everything_ends_with_1_and_names_it(
    cli: Cli, file: Path, to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    document = json.loads(file.read_text())
    document["quotas"] = None
    gap = {"resource": f"topic {LONG}", "kind": "topic", "name": LONG, "reason": "TOPIC_AUTHORIZATION_FAILED"}
    document["gaps"] += [gap, {"resource": "quotas", "kind": "quotas", "name": None, "reason": "time-out"}]
    document["topics"] = [each for each in document["topics"] if each["name"] == ORDERS]
    (tmp_path / "half.json").write_text(json.dumps(document))
    words = ("--fileName", "half.json", *to_dest, "--rename", rf"{ORDERS}=half.orders", "--only")
    assert cli("import", *words, "topics,quotas").returncode == 0, "a dry run has nothing to fail"
    done = cli("import", *words, "topics,quotas", "--commit")
    assert done.returncode == 1, done.stdout
    assert f"Not compared: quotas, topic {LONG}: exit status 1" in done.stdout
    told = json.loads(cli("import", *words, "topics,quotas", "--commit", "--output", "json").stdout)
    assert told["totals"]["unread"] == len(told["unread"]) == 2
    verified = cli("verify", *words, "topics,quotas", "--ignore-extra", "--output", "json")
    assert (verified.returncode, json.loads(verified.stdout)["verdict"]) == (1, "inconclusive")
    assert cli("import", *words, "acls", "--commit").returncode == 0


def test_an_error_under_output_json_is_a_document_on_standard_error(
    cli: Cli, file: Path, to_dest: tuple[str, ...]
) -> None:
    done = cli("export", "--source-bootstrap-servers", DEAD, "--output", "json")
    assert done.returncode == 1
    assert done.stdout == ""
    error = one_error(done.stderr)
    assert DEAD in error["message"]
    assert error["hint"]


def test_names_that_could_deceive_are_shown_harmlessly(cli: Cli, file: Path, to_dest: tuple[str, ...]) -> None:
    done = cli("import", "--fileName", str(file), *to_dest, "--rename", r"cli\.(.*)=harmless.\1")
    assert done.returncode == 0, done.stderr
    assert r"cli-\x1b[31mred\u202e" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)
    error = cli("import", "--fileName", "\x1b[2J.json", *to_dest)
    assert r"\x1b[2J.json" in error.stderr
    assert "\x1b" not in error.stderr


def test_off_a_terminal_nothing_is_wrapped_shortened_or_coloured(
    cli: Cli, file: Path, to_dest: tuple[str, ...]
) -> None:
    done = cli(
        *("import", "--fileName", str(file), *to_dest, "--rename", r"cli\.(.*)=wide.\1", "--only", "topics"),
        env={"COLUMNS": "40", "TERM": "xterm-256color"},
    )
    name = LONG.replace("cli.", "wide.")
    assert f"Will create topic:{name}, isCompactTopic:false, partition number:1" in done.stdout.splitlines()
    assert "\x1b" not in done.stdout + done.stderr
    assert "…" not in done.stdout


COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")


def test_a_terminal_gets_colours_and_a_progress_bar(file: Path, to_dest: tuple[str, ...], tmp_path: Path) -> None:
    policies = ("--rename", r"cli\.(.*)=colour.\1", "--only", "topics")
    status, text = on_terminal(tmp_path, "import", "--fileName", str(file), *to_dest, *policies)
    assert status == 0, text
    assert COLOURS.search(text)
    assert "━" in text
    assert LONG.replace("cli.", "colour.") in text.replace("\r\n", ""), "a name stays whole, to be copied"
    status, text = on_terminal(tmp_path, "import", "--fileName", str(file), *to_dest, *policies, env={"NO_COLOR": "1"})
    assert status == 0
    assert not COLOURS.search(text)
    assert "━" in text


def test_on_a_terminal_a_commit_shows_a_few_results_above_its_bar(
    file: Path, to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    document = json.loads(file.read_text())
    topic = document["topics"][1]
    document["topics"] = [{**topic, "name": f"cli.many-{number}"} for number in range(15)]
    document["groups"] = []
    (tmp_path / "many.json").write_text(json.dumps(document))
    status, text = on_terminal(tmp_path, "import", "--fileName", "many.json", *to_dest, "--only", "topics", "--commit")
    assert status == 0, text
    assert text.count("TopicCreate success") == 10
    assert "… 5 more (--verbose, or --output json)" in text
    assert not re.search(r"━[^\r\n]*TopicCreate", text), "the bar is wiped before a line is written"
    assert text.rstrip().endswith("done 15")


def test_whoever_stops_reading_gets_no_traceback(file: Path, to_dest: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m kafka_meta verify --verbose --fileName {file} {' '.join(to_dest)} | head -n 1 >/dev/null",
        shell=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


# What is refused.


def test_a_cluster_is_not_imported_into_itself(
    cli: Cli, file: Path, source: Cluster, from_source: tuple[str, ...]
) -> None:
    to_itself = ("--dest-bootstrap-servers", source.bootstrap_servers)
    before = topics(source)
    for arguments in (
        ("import", "--fileName", str(file), *to_itself, "--rename", r"cli\.(.*)=self.\1", "--commit"),
        ("verify", "--fileName", str(file), *to_itself),
        ("TopicMigrationFromZk", *from_source, *to_itself, "--rename", r"cli\.(.*)=self.\1", "--commit"),
    ):
        done = cli(*arguments)
        assert done.returncode == 1, arguments
        assert "is the source itself" in done.stderr
    check = cli("check", *from_source, *to_itself)
    assert check.returncode == 1
    assert "same cluster" in check.stdout
    told = json.loads(cli("check", *from_source, *to_itself, "--output", "json").stdout)
    validate(told, "check", called="check")
    assert "same cluster" in told["problem"]
    assert topics(source) == before


def test_check_asks_the_zookeeper_of_the_destination_too(
    cli: Cli, source: Cluster, from_source: tuple[str, ...], to_dest: tuple[str, ...]
) -> None:
    zookeeper = ("--dest-zk-connect", str(source.zookeeper_connect))
    done = cli("check", *from_source, *to_dest, *zookeeper, "--output", "json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    validate(told, "check", called="check")
    assert [(each["role"], each["via"]) for each in told["sides"]] == [
        ("source", "brokers"),
        ("dest", "zookeeper"),
        ("dest", "brokers"),
    ]
    assert told["problem"] == "ZooKeeper and the brokers of the destination are two different clusters"


@pytest.mark.parametrize(
    ("option", "expression", "near"), [("--include-topics", "cli.order", "cli.orders"), ("--include-groups", "no", "")]
)
def test_an_expression_that_chooses_nothing_is_refused_with_names_that_are_near(
    option: str,
    expression: str,
    near: str,
    cli: Cli,
    file: Path,
    from_source: tuple[str, ...],
    to_dest: tuple[str, ...],
    tmp_path: Path,
) -> None:
    plan = ("import", "--fileName", str(file), *to_dest)
    for command, where in (
        (plan, str(file)),
        ((*plan, "--commit"), str(file)),
        (("verify", "--fileName", str(file), *to_dest), str(file)),
        (("verify", *from_source, *to_dest), from_source[1]),
        (("export", *from_source), from_source[1]),
    ):
        done = cli(*command, option, expression)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert f"flag {option}: '{expression}' matches none of the " in done.stderr
        assert where in done.stderr
        assert near in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_expression_from_a_settings_file_is_refused_with_the_place_where_it_stands(
    cli: Cli, file: Path, to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "kafka-meta.toml").write_text("[policy]\ninclude-topics = 'ours'\n")
    done = cli("import", "--fileName", str(file), *to_dest)
    assert done.returncode == 2
    assert "kafka-meta.toml [policy] include-topics: 'ours' matches none" in done.stderr


def test_an_exclusion_that_is_idle_is_said_and_no_reason_to_stop(
    cli: Cli, file: Path, to_dest: tuple[str, ...]
) -> None:
    done = cli("import", "--fileName", str(file), *to_dest, "--exclude-topics", ".*-tmp")
    assert done.returncode == 0, done.stderr
    assert "'.*-tmp' matches none of the 2 topics of" in done.stderr


def test_groups_that_zookeeper_cannot_know_are_not_missed(cli: Cli, source: Cluster) -> None:
    assert source.zookeeper_connect is not None
    done = cli("export", "--source-zk-connect", source.zookeeper_connect, "--include-groups", "cli-.*")
    assert done.returncode == 0, done.stderr


def test_a_dry_run_is_done_whatever_it_has_found(cli: Cli, file: Path, to_dest: tuple[str, ...]) -> None:
    arguments = ("import", "--fileName", str(file), *to_dest, "--only", "topics", "--rename", r"cli\..*=cli.one")
    shown = cli(*arguments, "--save-plan", "plan.json")
    assert shown.returncode == 0
    assert "--rename gives it the name cli.one, which another topic has already" in shown.stdout
    reviewed = cli("import", *to_dest, "--plan-file", "plan.json", "--output", "json")
    assert reviewed.returncode == 0
    assert json.loads(reviewed.stdout)["totals"]["refused"] == 1


# Under the names of other tools.

CLOUD = (
    "--destAk",
    "LTAI-secret-key",
    "--destSk=very-secret",
    "--destRegionId",
    "eu-central-1",
    "--destInstanceId",
    "i-1",
)


def test_the_seeds_migration_from_zk_shows_first_and_writes_with_commit(
    cli: Cli, source: Cluster, from_source: tuple[str, ...], tmp_path: Path
) -> None:
    command = ("MigrationFromZk", "--sourceZkConnect", str(source.zookeeper_connect), *from_source)
    shown = cli(*command, "--targetDirectory", ".", "--fileName", "m.json")
    assert shown.returncode == 0, shown.stderr
    assert "Nothing was written" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    written = cli(*command, "--targetDirectory", ".", "--fileName", "m.json", "--commit")
    assert written.returncode == 0, written.stderr
    assert {topic["name"] for topic in json.loads((tmp_path / "m.json").read_text())["topics"]} >= {ORDERS, LONG}


def test_the_seeds_topic_and_group_migrations_do_the_same_and_never_echo_a_key(
    cli: Cli, source: Cluster, dest: Cluster, from_source: tuple[str, ...], to_dest: tuple[str, ...], tmp_path: Path
) -> None:
    properties = tmp_path / "source.properties"
    properties.write_text(f"bootstrap.servers={source.bootstrap_servers}\ngroup.id=never-joined\n")
    rename = ("--rename", r"cli\.(.*)=seeds.\1")
    topic = ("TopicMigrationFromZk", "--sourceZkConnect", str(source.zookeeper_connect), *to_dest, *CLOUD, *rename)
    topic += ("--include-topics", r"cli\.orders")
    group = ("ConsumerGroupMigrationFromTopic", "--propertiesPath", str(properties), *to_dest, *CLOUD, *rename)
    group += ("--include-groups", "(?s)cli-.*", "--rename", r"group:(?s)cli-(.*)=seeds-\1")
    said = []
    for command, dry, done in (
        (
            topic,
            "Will create topic:seeds.orders, isCompactTopic:true, partition number:2",
            "TopicCreate success, topic=seeds.orders",
        ),
        (
            group,
            r"Will create consumer groups:[seeds-\x1b[31mred\u202e]",
            "ConsumerCreate success, consumer group=seeds-",
        ),
    ):
        shown = cli(*command)
        assert shown.returncode == 0, shown.stderr
        assert dry in shown.stdout
        committed = cli(*command, "--commit")
        assert committed.returncode == 0, committed.stdout + committed.stderr
        assert done in committed.stdout
        said += [shown.stdout, shown.stderr, committed.stdout, committed.stderr]
        assert "--dest-bootstrap-servers" in shown.stderr, "what to use instead"
    assert not any(secret in text for text in said for secret in ("LTAI", "very-secret"))
    assert "seeds.orders" in topics(dest)
    assert GROUP.replace("cli-", "seeds-") in groups(dest)
    assert "never-joined" not in groups(source) | groups(dest)


def test_a_key_is_not_echoed_by_a_command_that_does_not_take_it_either(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["import", *CLOUD], ["export", "--password=very-secret"], ["verify", "--destSk", "very-secret"]):
        assert run_here(arguments) == 2
        shown = capsys.readouterr()
        assert "very-secret" not in shown.out + shown.err
