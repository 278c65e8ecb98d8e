"""A damaged log of the source: that partition stops with a sentence, and everything else goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kafka_meta.playground import Cluster
from tests.support import damage
from tests.support.commands import Cli
from tests.support.damage import Damage, damaged
from tests.support.mirrored import Mirror
from tests.support.traffic import commit, committed, create, produce, rows, set_config

RECORDS, START, DAMAGED_AT = 300, 10, 200
VALUES = [random.Random(number).randbytes(400) for number in range(RECORDS)]
SEEN = {
    damage.flipped_byte: "its CRC-32C is ",
    damage.damaged_record: "a number of more than 10 bytes",
    damage.garbage: "its magic is 90, expected 0, 1 or 2",
    damage.too_short: "the source itself cannot read it (CORRUPT_MESSAGE)",
    damage.far_away: "but the next batch begins at ",
}


def broken(
    source: Cluster, dest: Cluster, cli: Cli, state: Path, name: str, kinds: Sequence[Damage]
) -> tuple[Mirror, dict[int, int]]:
    """A topic of which partition 0 is whole, and each other one damaged in another way. With the offset of each
    damaged batch."""
    mirror = Mirror(cli, source, dest, state, rf"{name}\..*", name)
    partitions = range(len(kinds) + 1)
    for side in (mirror.source, mirror.dest):
        create(side, {mirror.topic: len(partitions)})
    for number in partitions:
        produce(mirror.source, mirror.topic, number, VALUES, {"batch.size": 3000})
    commit(mirror.source, mirror.group, {(mirror.topic, number): START for number in partitions})
    return mirror, {
        number: damaged(source, mirror.topic, number, DAMAGED_AT, kind) for number, kind in enumerate(kinds, 1)
    }


def arrived(mirror: Mirror, partition: int) -> list[Any]:
    return [row[2] for row in rows(mirror.dest, mirror.topic, partition)]


def test_a_damaged_batch_stops_its_partition_with_a_sentence_and_the_others_go_on(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror, at = broken(source, dest, cli, tmp_path, "damaged", tuple(SEEN))
    document = mirror.document("--commit", status=1)
    whole, *stopped = document["copied"]
    assert (whole["messages"], whole["outcome"]) == (RECORDS - START, "done")
    assert arrived(mirror, 0) == VALUES[START:]
    for each, seen in zip(stopped, SEEN.values(), strict=True):
        number = each["partition"]
        assert "the source's log is damaged: record batch at offset " in each["error"], each
        assert seen in each["error"] and f"before offset {at[number]} is copied" in each["error"], each
        # Nothing before the damage is missing.
        assert each["messages"] == at[number] - START
        assert arrived(mirror, number) == VALUES[START : at[number]]
    # Only the group's position on what is complete is set.
    assert committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 0}


def test_a_batch_that_claims_more_than_there_is_stops_its_partition(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror, at = broken(source, dest, cli, tmp_path, "claims", [damage.too_long])
    whole, stopped = mirror.document("--commit", "--give-up-after", "3s", status=1)["copied"]
    assert whole["outcome"] == "done"
    assert f"offset {at[1]} does not arrive, but the log goes from 0 to {RECORDS}" in stopped["error"]
    assert stopped["messages"] == at[1] - START
    assert committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 0}


def test_a_look_that_reads_the_records_warns_of_the_damage_and_holds_back_nothing(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    mirror, at = broken(source, dest, cli, tmp_path, "looked-at", [damage.flipped_byte, damage.damaged_record])
    # A limit of the destination that is lower than the source's: the look reads every record.
    set_config(mirror.dest, mirror.topic, "max.message.bytes", "2000")
    document = mirror.document()
    assert document["findings"] == []
    reasons = {each["resource"]: each["reason"] for each in document["warnings"]}
    for number, seen in ((1, "its CRC-32C is "), (2, "a number of more than 10 bytes")):
        reason = reasons[f"partition {mirror.topic}-{number}"]
        assert reason.startswith(f"damaged on the source: record batch at offset {at[number]}: {seen}"), reason
    copied = mirror.document("--commit", status=1)["copied"]
    assert [each["messages"] for each in copied] == [RECORDS - START, at[1] - START, at[2] - START]


@pytest.mark.guard
@pytest.mark.parametrize("side", ["source", "dest"])
def test_damage_after_the_copy_is_told_by_a_check_of_both_sides(
    source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path, side: str
) -> None:
    mirror, _ = broken(source, dest, cli, tmp_path, f"checked-{side}", [])
    create(mirror.source, {f"{mirror.topic}2": 1})
    create(mirror.dest, {f"{mirror.topic}2": 1})
    produce(mirror.source, f"{mirror.topic}2", 0, [b"whole"] * 10)
    mirror.document("--commit", "--all-data", "--append")
    damaged(source if side == "source" else dest, mirror.topic, 0, DAMAGED_AT, damage.damaged_record)
    to = ("--source-bootstrap-servers", mirror.source, "--dest-bootstrap-servers", mirror.dest)
    done = cli("verify", "--data", "--both", *to, "--output", "json", env={"XDG_STATE_HOME": str(mirror.state)})
    document = json.loads(done.stdout)
    assert document["counts"]["partitions"]["equal"] == 1
    told = document["unread"] if side == "source" else document["differences"]
    assert [each["resource"] for each in told] == [f"partition {mirror.topic}-0"]
    assert "a number of more than 10 bytes" in told[0]["reason"]
    assert done.returncode == (1 if side == "source" else 3)
