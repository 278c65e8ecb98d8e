"""Files: what is written is read again as it was, and nothing doubtful gets in."""

from __future__ import annotations

import json
import os
import random
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kafka_meta.cli.run import run
from kafka_meta.documents.result import encode_results
from kafka_meta.documents.verify import encode_verify
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.files import (
    decode_metadata,
    dumps,
    encode_metadata,
    encode_plan,
    read_metadata,
    read_plan,
    schema,
    validate,
    write_private,
)
from kafka_meta.files.metadata import iso_time
from kafka_meta.files.text import load, loads
from kafka_meta.files.writing import require_writable
from kafka_meta.model import Secret, Snapshot
from kafka_meta.plan import (
    CreateTopic,
    Plan,
    Result,
    report,
)
from tests.support.examples import many
from tests.support.plans import actions, plans
from tests.support.snapshots import any_snapshots, snapshot, words

BAD = Path(__file__).parents[1] / "cases" / "files"
REWRITE = "KAFKA_META_REWRITE_CASES"

MANY = settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])


# There and back again


@MANY
@given(snapshot=any_snapshots())
def test_a_snapshot_comes_back_from_its_file_as_it_was(snapshot: Snapshot) -> None:
    document = encode_metadata(snapshot, created_by="test")
    validate(document, "metadata", called="it")
    again = decode_metadata(loads(dumps(document), name="it"), called="it")
    assert again == snapshot
    for before, after in zip(snapshot.users or (), again.users or (), strict=True):
        for one, other in zip(before.credentials, after.credentials, strict=True):
            # Secrets are left out of comparisons.
            assert (one.stored_key, one.server_key) == (other.stored_key, other.server_key)


@MANY
@given(snapshot=any_snapshots(), seed=st.integers(0, 2**32))
def test_the_order_in_which_things_were_found_does_not_show(snapshot: Snapshot, seed: int) -> None:
    chance = random.Random(seed)

    def shuffled(items: Any) -> Any:
        if items is None:
            return None
        items = list(items)
        chance.shuffle(items)
        return tuple(items)

    other = replace(
        snapshot,
        cluster=replace(
            snapshot.cluster,
            brokers=shuffled(snapshot.cluster.brokers),
            security=replace(snapshot.cluster.security, super_users=shuffled(snapshot.cluster.security.super_users)),
        ),
        topics=shuffled(snapshot.topics),
        groups=shuffled(
            None
            if snapshot.groups is None
            else [
                replace(group, members=shuffled(group.members), offsets=shuffled(group.offsets))
                for group in snapshot.groups
            ]
        ),
        acls=shuffled(snapshot.acls),
        users=shuffled(
            None
            if snapshot.users is None
            else [replace(user, credentials=shuffled(user.credentials)) for user in snapshot.users]
        ),
        quotas=shuffled(snapshot.quotas),
        gaps=shuffled(snapshot.gaps),
        left_out=shuffled(snapshot.left_out),
        disagreements=shuffled(snapshot.disagreements),
        signs=shuffled(snapshot.signs),
    )
    texts = [dumps(encode_metadata(each, created_by="test")) for each in (snapshot, other)]
    assert texts[0] == texts[1]


@MANY
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_in_a_document_reaches_a_terminal_as_a_command(text: str) -> None:
    document = {text: [text]}
    for written in (dumps(document), dumps(document, in_one_line=True)):
        assert all(character == "\n" or character.isprintable() for character in written)
        assert json.loads(written) == document


@settings(parent=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plan=plans)
def test_a_plan_comes_back_from_its_file_as_it_was(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "plan.json"
    document = encode_plan(plan)
    validate(document, "plan", called="it")
    path.write_text(dumps(document), "utf-8")
    assert read_plan(path) == plan
    assert document["totals"]["actions"] == len(plan.actions)


@MANY
@given(
    plan=plans,
    results=st.lists(
        st.builds(
            Result, action=actions, outcome=st.sampled_from(("done", "present", "failed")), error=st.none() | words
        ),
        max_size=4,
    ),
)
def test_results_and_reports_follow_their_schemas(plan: Plan, results: list[Result]) -> None:
    document = encode_results(results, plan, interrupted=False)
    validate(document, "result", called="it")
    assert document["totals"]["failed"] == sum(1 for result in results if result.outcome == "failed")
    validate(encode_verify(report(plan)), "verify", called="it")


FOLDER = Path(__file__).parents[2] / "schemas"
SCHEMAS = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert "$ref" not in json.dumps(schema(name))


@settings(deadline=None)
@given(time_ms=st.integers(0, 253402300799999))
def test_times_are_exact_to_the_millisecond(time_ms: int) -> None:
    document = encode_metadata(Snapshot(taken_at_ms=time_ms), created_by="test")
    assert decode_metadata(document, called="it").taken_at_ms == time_ms
    assert iso_time(time_ms).endswith("Z")


def test_secrets_are_written_only_where_there_are_any() -> None:
    text = dumps(encode_metadata(Snapshot(taken_at_ms=0), created_by="test"))
    assert "***" not in text
    assert "storedKey" not in text
    assert str(Secret("x")) == "Secret(***)"


# Bad files


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.json")))
def test_a_bad_file_is_refused_and_its_message_names_the_place(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(UsageError) as refused:
        read_metadata(Path(f"{name}.json"))
    text = f"{refused.value.message}\n{refused.value.hint}\n"
    expected = BAD / f"{name}.txt"
    if os.environ.get(REWRITE):
        expected.write_text(text, "utf-8")
    assert text == expected.read_text("utf-8")
    assert text.replace("\n", "").isprintable()
    assert len(text) < 600
    # And the command says the same, before it talks to anybody: nobody listens there.
    status = run(["import", "--fileName", f"{name}.json", "--dest-bootstrap-servers", "127.0.0.1:1", "--commit"])
    assert status == ExitStatus.USAGE
    assert refused.value.message in capfd.readouterr().err


def test_every_bad_file_has_its_message() -> None:
    assert {path.stem for path in BAD.glob("*.json")} == {path.stem for path in BAD.glob("*.txt")}
    assert len(list(BAD.glob("*.json"))) > 30


def good(**changes: object) -> dict[str, Any]:
    return {**encode_metadata(Snapshot(taken_at_ms=0), created_by="test"), **changes}


def test_a_newer_minor_version_is_read_and_what_is_unknown_is_passed_over() -> None:
    document = good(schemaVersion="1.7", novelty=[1], topics=[{"name": "t", "partitions": [{"partition": 0, "x": 1}]}])
    assert [topic.name for topic in decode_metadata(document, called="it").topics or ()] == ["t"]


def test_what_is_absent_is_not_known() -> None:
    document = {"kind": "kafka-metadata", "schemaVersion": "1.0", "createdAt": iso_time(0), "cluster": {}, "gaps": []}
    assert decode_metadata(document, called="it") == Snapshot(taken_at_ms=0)
    with_topic = {**document, "topics": [{"name": "t", "partitions": [{"partition": 0}], "configs": None}]}
    topics = decode_metadata(with_topic, called="it").topics or ()
    assert topics[0].configs is None
    assert topics[0].replication_factor is None
    without_configs = {**document, "topics": [{"name": "t", "partitions": [{"partition": 0}]}]}
    assert (decode_metadata(without_configs, called="it").topics or ())[0].configs is None
    without_offsets = {**document, "groups": [{"id": "g"}]}
    assert (decode_metadata(without_offsets, called="it").groups or ())[0].offsets is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plan: plan["actions"][0].update(partitions=0), "$.actions[0].partitions: 0 is less than 1"),
        (lambda plan: plan["actions"][0].update(partitions=10**12), "$.actions[0].partitions: 1000000000000 is more"),
        (lambda plan: plan["actions"][0].update(topic="../x"), "$.actions[0].topic: '../x' is not of the form"),
        (lambda plan: plan["actions"][0].update(type="deleteTopic"), "$.actions[0].type: 'deleteTopic' is none of"),
        (lambda plan: plan["actions"][0].pop("partitions"), "$.actions[0]: partitions missing"),
        (lambda plan: plan.update(kind="kafka-metadata"), "$.kind: 'kafka-metadata' is not \"kafka-meta-plan\""),
        (lambda plan: plan.update(schemaVersion="2.0"), "$.schemaVersion: version '2.0' is newer than 1.0"),
        (lambda plan: plan.pop("actions"), "$: actions missing"),
    ],
)
def test_a_plan_that_is_none_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    document = encode_plan(
        Plan(source_id="a", dest_id="b", actions=(CreateTopic(topic="t", partitions=1, replication_factor=1),))
    )
    change(document)
    path = tmp_path / "plan.json"
    path.write_text(dumps(document), "utf-8")
    with pytest.raises(UsageError) as refused:
        read_plan(path)
    assert refused.value.message.startswith(f"{path}: {says}")


@settings(max_examples=many(400), deadline=None)
@given(text=st.text(max_size=30) | st.text(st.sampled_from('{}[]",:0-e.9tnN \\u\x00'), max_size=30))
def test_any_text_is_json_or_refused(text: str) -> None:
    try:
        tree = loads(text, name="it")
    except UsageError as error:
        assert error.message.startswith("it")
    else:
        assert json.loads(text) == tree


def test_two_credentials_of_one_mechanism_are_refused_with_their_place(tmp_path: Path) -> None:
    credentials = [{"mechanism": "SCRAM-SHA-256", "iterations": number} for number in (4096, 8192)]
    document = encode_metadata(snapshot(), created_by="test")
    document["users"] = [{"name": "alice", "credentials": credentials}]
    path = tmp_path / "m.json"
    path.write_text(dumps(document))
    place = re.escape("$.users[0].credentials[1]: a second credential of SCRAM-SHA-256")
    with pytest.raises(UsageError, match=place):
        read_metadata(path)


def test_a_saved_plan_that_asks_for_no_replica_is_refused(tmp_path: Path) -> None:
    action = CreateTopic(topic="t", partitions=1, replication_factor=0, configs={}, compacted=False)
    path = tmp_path / "plan.json"
    path.write_text(dumps(encode_plan(Plan(source_id=None, dest_id=None, actions=(action,)))))
    with pytest.raises(UsageError, match=re.escape("$.actions[0].replicationFactor: 0 does not follow not")):
        read_plan(path)


@settings(max_examples=many(100), deadline=None)
@given(data=st.data(), snapshot=any_snapshots())
def test_a_file_with_something_else_at_some_place_is_read_or_refused(data: st.DataObject, snapshot: Snapshot) -> None:
    document = json.loads(dumps(encode_metadata(snapshot, created_by="test")))
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            places.append((node, key))
            collect(child)

    collect(document)
    node, key = data.draw(st.sampled_from(places))
    node[key] = data.draw(
        st.sampled_from((None, True, -1, 0, 1.0, 1.5, 2**63, 2**70, "", "²", "x" * 300, [], {}, [[]]))
    )
    try:
        decode_metadata(document, called="it")
    except UsageError as error:
        assert error.message.startswith("it: $")


# Bounds


def bounded(tmp_path: Path, path: str) -> tuple[str, int]:
    """The message of reading `path` in a process of its own, and its peak memory in bytes."""
    program = (
        "import re, sys\nfrom pathlib import Path\nfrom kafka_meta.errors import UsageError\n"
        "from kafka_meta.files import read_metadata\n"
        "try:\n    read_metadata(Path(sys.argv[1]))\n"
        "except UsageError as error:\n    print(error.message)\n"
        # Not ru_maxrss: that is never less than what the process was that started this one.
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())\n"
        "print(int(peak[1]) * 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=300, check=True, cwd=tmp_path
    )
    message, peak = done.stdout.splitlines()
    return message, int(peak)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@on_linux
@pytest.mark.parametrize(("opening", "column"), [("[", 65), ('{"a":', 321)])
def test_200_megabytes_of_nesting_are_refused_in_bounded_memory(tmp_path: Path, opening: str, column: int) -> None:
    path = tmp_path / "nested.json"
    path.write_text(opening * (200_000_000 // len(opening)), "ascii")
    message, peak = bounded(tmp_path, str(path))
    assert message == f"{path} is nested more than 64 levels deep at line 1, column {column}"
    assert peak < 600_000_000


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text("[1]", "ascii")
    assert load(path, max_bytes=3) == [1]
    with pytest.raises(UsageError, match=r"is larger than 2 bytes"):
        load(path, max_bytes=2)


@on_linux
def test_an_endless_device_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    message, peak = bounded(tmp_path, "/dev/zero")
    assert message == "/dev/zero is larger than 536,870,912 bytes"
    assert peak < 800_000_000


def calls_to_read(path: Path, topics: int) -> int:
    """How many functions are called to read a file of so many topics, each with three partitions."""
    partitions = [{"partition": number, "leader": 1, "replicas": [1, 2, 3], "isr": [1, 2, 3]} for number in range(3)]
    document = good(
        topics=[{"name": f"t{number}", "partitions": partitions, "configs": {}} for number in range(topics)]
    )
    path.write_text(dumps(document), "utf-8")
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        snapshot = read_metadata(path)
    finally:
        sys.setprofile(None)
    assert len(snapshot.topics or ()) == topics
    return calls


def test_reading_costs_what_grows_with_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    calls_to_read(path, 1)  # what is done only once
    few, many = calls_to_read(path, 50), calls_to_read(path, 400)
    assert many < 8.5 * few


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.json", "does not exist"), (".", "is a directory")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_metadata(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "marked.json"
    path.write_bytes(b"\xef\xbb\xbf" + dumps(good()).encode())
    assert read_metadata(path) == Snapshot(taken_at_ms=0)


# Writing


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "néw\n")
    assert path.read_bytes() == "néw\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"


def test_a_file_is_0600_from_its_first_byte_under_any_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    fdopen = os.fdopen

    def looking(descriptor: int, *rest: Any, **named: Any) -> Any:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        return fdopen(descriptor, *rest, **named)

    monkeypatch.setattr(os, "fdopen", looking)
    before = os.umask(0)
    try:
        write_private(tmp_path / "it.json", "new")
    finally:
        os.umask(before)
    assert seen == [(0o600, 0)]
    assert stat.S_IMODE((tmp_path / "it.json").stat().st_mode) == 0o600


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    link.symlink_to(target)
    write_private(link, "new")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("kept", "new", False)


def test_what_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_devices_pipes_and_directories_are_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, says in (
        (tmp_path, "is a directory"),
        (pipe, "is a device or a pipe"),
        (tmp_path / "no" / "such", "does not exist"),
    ):
        for write in (require_writable, lambda path: write_private(path, "x")):
            with pytest.raises(KafkaMetaError, match=says):
                write(path)
    assert pipe.is_fifo()
    with pytest.raises(KafkaMetaError, match="is a device or a pipe"):
        require_writable(Path("/dev/null"))
