"""Readers of metadata and plan files on input that nobody meant: only our own errors, and what is read can be used."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_meta.documents.verify import encode_verify
from kafka_meta.errors import UsageError
from kafka_meta.files import (
    decode_metadata,
    dumps,
    encode_metadata,
    encode_plan,
    explain,
    read_metadata,
    read_plan,
    schemas,
    validate,
)
from kafka_meta.files.text import loads
from kafka_meta.model import Snapshot
from kafka_meta.plan import Passwords, Plan, Policy, recheck, report
from kafka_meta.render import plan_lines, report_lines, snapshot_lines
from tests.support.examples import many
from tests.support.plans import planned, plans
from tests.support.snapshots import any_snapshots, small_snapshots, snapshot, topic

MANY = settings(
    max_examples=many(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

ODD = st.sampled_from(
    (
        *(
            None,
            True,
            False,
            -1,
            0,
            1,
            1.0,
            1.5,
            -0.0,
            1e300,
            2**31,
            2**63,
            2**64,
            10**19,
            "",
            " ",
            "²",
            "a/b",
            "\x1b[2J",
        ),
        *("\ud800\udc00", "..", "__consumer_offsets", "User:", "TOPIC", "LITERAL", "0000-01-01T00:00:00Z"),
        *("9999-12-31T23:59:60Z", "2026-02-30T00:00:00.000Z", "1" * 300, [], {}, [[]], [{}], {"": ""}),
    )
)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    found: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            found.append((node, key))
            collect(child)

    collect(document)
    return found


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A document in which up to four things are others, gone, twice, or somewhere else."""
    document = json.loads(dumps(draw(documents)))
    for _ in range(draw(st.integers(1, 4))):
        node, key = draw(st.sampled_from(places(document)))
        match draw(st.sampled_from(("other", "gone", "twice", "elsewhere"))):
            case "other":
                node[key] = draw(ODD)
            case "gone":
                del node[key]
            case "twice" if isinstance(node, list):
                node.append(copy.deepcopy(node[key]))
            case "twice":
                node[draw(st.sampled_from(("x", "name", "id", "partition", "")))] = copy.deepcopy(node[key])
            case "elsewhere":
                other, there = draw(st.sampled_from(places(document)))
                node[key] = copy.deepcopy(other[there])
        if not places(document):
            break
    return document


metadata_documents = any_snapshots().map(lambda snapshot: encode_metadata(snapshot, created_by="test"))
plan_documents = plans.map(encode_plan)


@MANY
@given(document=damaged(st.one_of(metadata_documents, plan_documents)), name=st.sampled_from(("metadata", "plan")))
def test_a_damaged_document_is_refused_as_jsonschema_refuses_it(document: dict[str, Any], name: str) -> None:
    """jsonschema-rs says yes or no, jsonschema explains the no: they must be of one mind."""
    assert schemas.is_valid(document, name) == explain._Validator(schemas.schema(name)).is_valid(document)


@pytest.mark.parametrize("value", [5.0, 5.5, float("nan"), float("inf"), True, "5", None, 10**40, -1])
def test_a_number_that_is_no_offset_is_refused_with_its_place(value: object) -> None:
    document = encode_metadata(snapshot(topics=[topic("t")]), created_by="test")
    document["topics"][0]["partitions"][0]["partition"] = value
    with pytest.raises(UsageError, match=r"x: \$\.topics\[0\]\.partitions\[0\]\.partition: "):
        schemas.validate(document, "metadata", called="x")


@MANY
@given(
    data=st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=40).map(lambda some: b'{"kind": "kafka-metadata", "schemaVersion": "1.0", ' + some),
        st.binary(max_size=40).map(
            lambda some: b'{"kind": "kafka-meta-plan", "schemaVersion": "1.0", "actions": [' + some
        ),
    )
)
@pytest.mark.parametrize("read", [read_metadata, read_plan])
def test_any_bytes_are_refused(tmp_path: Path, read: Callable[[Path], object], data: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert refused.value.message.startswith(str(path))


@MANY
@given(
    document=st.one_of(metadata_documents, plan_documents),
    at=st.floats(0, 1),
    length=st.integers(0, 40),
    instead=st.binary(max_size=6),
)
def test_a_file_with_a_hole_in_it_is_read_or_refused(
    tmp_path: Path, document: dict[str, Any], at: float, length: int, instead: bytes
) -> None:
    whole = dumps(document).encode()
    start = int(at * len(whole))
    path = tmp_path / "file.json"
    path.write_bytes(whole[:start] + instead + whole[start + length :])
    read: Callable[[Path], object] = read_plan if document["kind"] == "kafka-meta-plan" else read_metadata
    try:
        read(path)
    except UsageError as error:
        assert error.message.startswith(str(path))


@MANY
@given(document=damaged(metadata_documents), other=small_snapshots(id="other", dest=True), generate=st.booleans())
def test_a_damaged_metadata_file_is_refused_or_can_be_imported(
    document: dict[str, Any], other: Snapshot, generate: bool
) -> None:
    try:
        snapshot = decode_metadata(loads(dumps(document), name="it"), called="it")
    except UsageError as error:
        assert error.message.startswith("it: $")
        return
    written = encode_metadata(snapshot, created_by="test")
    again = decode_metadata(loads(dumps(written), name="it"), called="it")
    assert encode_metadata(again, created_by="test") == written
    assert snapshot_lines(snapshot, verbose=True)
    for desired, actual in ((snapshot, other), (other, snapshot)):
        plan = planned(desired, actual, Policy(), passwords=Passwords(generate=generate))
        validate(json.loads(dumps(encode_plan(plan))), "plan", called="the plan")
        validate(json.loads(dumps(encode_verify(report(plan)))), "verify", called="the report")
        assert plan_lines(plan, verbose=True) is not None
        assert report_lines(report(plan), verbose=True) is not None


@MANY
@given(document=damaged(plan_documents), dest=small_snapshots(id="other", dest=True))
def test_a_damaged_plan_is_refused_or_can_be_looked_at(
    tmp_path: Path, document: dict[str, Any], dest: Snapshot
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(dumps(document))
    try:
        plan = read_plan(path)
    except UsageError as error:
        assert error.message.startswith(f"{path}: $")
        return
    assert isinstance(plan, Plan)
    still_open, _ = recheck(plan, dest)
    assert plan_lines(still_open, verbose=True) is not None
    written = encode_plan(plan)
    path.write_text(dumps(written))
    assert encode_plan(read_plan(path)) == written
