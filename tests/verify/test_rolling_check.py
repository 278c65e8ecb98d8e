"""What was found equal is not read again: extensions of a copy, interrupted checks, and what retention has deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kafka_meta.batches import Digest
from kafka_meta.events import Event, Progress
from kafka_meta.journal import Boundary, Journal, Place, Position, Round, Verified
from kafka_meta.mirror.copy import copy
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.rolling import rolling_check
from kafka_meta.playground import Cluster
from kafka_meta.verify import Checked, check
from tests.support.mirrored import Mirror, midway, small
from tests.support.mirroring import begin, create, failures, fill, run, settings
from tests.support.traffic import committed, produce, purge, set_config
from tests.verify.test_verify_data import verify

__all__ = ["small"]

PARTITIONS = 4


class Migrated:
    """A copy within this process, of a topic of four partitions."""

    def __init__(self, source: Cluster, dest: Cluster, folder: Path, topic: str, **config: str) -> None:
        self.source, self.dest, self.topic, self.path = source, dest, topic, folder / "journal"
        create(source, topic, partitions=PARTITIONS)
        create(dest, topic, partitions=PARTITIONS, config=config)

    def copy(self, records: int, *, seed: int = 0) -> None:
        """So many records more, of 1 KB."""
        self.fill(records, seed=seed)
        assert failures(run(self.path, self.source, self.dest, self.ids)) == {}

    def fill(self, records: int, *, seed: int = 0) -> None:
        """So many records more on the source, which a copy has to bring."""
        config = {"linger.ms": 1, "batch.size": 20_000}
        fill(self.source, self.topic, records, partitions=PARTITIONS, value_bytes=1000, seed=seed, config=config)
        self.ids = begin(self.path, self.source, self.dest, [self.topic])

    @property
    def places(self) -> list[Place]:
        return [(self.topic, partition) for partition in range(PARTITIONS)]

    def check(self, *, with_source: bool = False, emit: Callable[[Event], None] | None = None, **how: Any) -> Read:
        told = Read()
        with Journal(self.path, source_id=self.ids[0], dest_id=self.ids[1]) as journal:
            how["source"] = settings(self.source, "source") if with_source else None
            found = check(
                settings(self.dest, "dest"), journal.positions(), journal=journal, emit=emit or told.emit, **how
            )
            told.found = list(found)
        return told

    def positions(self) -> Sequence[Position]:
        with Journal(self.path, source_id=self.ids[0], dest_id=self.ids[1]) as journal:
            return journal.positions()

    def keep(self, change: Callable[[Position], Verified]) -> None:
        with Journal(self.path, source_id=self.ids[0], dest_id=self.ids[1]) as journal:
            journal.keep_verified({each.begun.place: change(each) for each in journal.positions()})


class Read:
    """What a check has found, and how many offsets it has read in each stage."""

    def __init__(self) -> None:
        self.found: list[Checked] = []
        self.offsets: dict[str, int] = {}

    def emit(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total is not None:
            self.offsets[event.stage] = event.total

    @property
    def contents(self) -> set[tuple[str, str | None]]:
        return {(each.content, each.reason) for each in self.found}

    @property
    def earlier_and_now(self) -> tuple[int, int]:
        return sum(each.earlier for each in self.found), sum(each.now for each in self.found)


def test_an_extension_reads_only_its_tail(small: Mirror) -> None:
    first = small.document("--commit")
    assert counts(first) == (0, 60)
    produce(small.source, small.topic, 0, [b"%d" % number for number in range(100, 112)])
    done = small("--commit", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert counts(json.loads(done.stdout)) == (60, 12)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {each["total"] for each in events if each.get("stage") == "checking"} == {12}
    document = verify(small, status=0)
    assert document["messages"] == {"verifiedEarlier": 72, "verifiedNow": 0}
    assert "found equal: 0 messages now, 72 earlier and not read again" in said(small)


def counts(document: dict[str, Any]) -> tuple[int, int]:
    copied = document["copied"]
    return sum(each["verifiedEarlier"] for each in copied), sum(each["verifiedNow"] for each in copied)


def said(mirror: Mirror, *arguments: str) -> str:
    to_dest = ("--dest-bootstrap-servers", mirror.dest)
    return mirror.cli("verify", "--data", *to_dest, *arguments, env={"XDG_STATE_HOME": str(mirror.state)}).stdout


@pytest.mark.guard
def test_what_retention_has_deleted_after_a_release_stays_verified(small: Mirror) -> None:
    small.document("--commit")
    small.document("--release", "--allow-unread", "--commit")
    purge(small.dest, small.topic, 0, 60)  # as retention would do it
    assert verify(small, status=0)["messages"] == {"verifiedEarlier": 60, "verifiedNow": 0}
    produce(small.source, small.topic, 0, [b"%d" % number for number in range(100, 112)])
    extended = small.document("--commit")
    assert counts(extended) == (60, 12)
    assert {each["content"] for each in extended["copied"]} == {"equal"}
    assert {each["outcome"] for each in extended["groups"]} <= {"set", "present"}
    assert committed(small.dest, small.group)[small.topic, 0] == 0
    assert verify(small, status=0)["verdict"] == "equal"
    document = verify(small, "--from-start", status=1)
    (unread,) = document["unread"]
    assert unread["reason"].startswith("it cannot be read from its start any more: the log begins at 60, the copy at 0")
    assert "72 records were found equal earlier" in unread["reason"]
    # That question has changed nothing.
    assert verify(small, status=0)["messages"] == {"verifiedEarlier": 72, "verifiedNow": 0}


@pytest.mark.parametrize("config", [{}, {"compression.type": "zstd"}], ids=["as it came", "compressed anew"])
def test_what_arrives_is_compared_beside_the_copy_and_only_the_tail_behind_it(
    source: Cluster, dest: Cluster, tmp_path: Path, config: dict[str, str]
) -> None:
    made = Migrated(source, dest, tmp_path, f"beside-{len(config)}", **config)
    made.fill(8000)
    to = settings(dest, "dest")
    with (
        Lease(to, made.ids[0]) as lease,
        Journal(made.path, source_id=made.ids[0], dest_id=made.ids[1]) as journal,
        rolling_check(to, journal, lambda: made.places, memory_bytes=1 << 20, every_s=0.2),
    ):
        pace = {
            "max_rate_bytes": 2_000_000,
            "memory_bytes": 1 << 20,
        }  # the journal gets what has arrived round by round
        assert failures(copy(settings(source, "source"), to, journal, lease=lease, **pace)) == {}
    if config:
        assert made.check().earlier_and_now == (0, 0)
        assert made.check(with_source=True).earlier_and_now == (0, 8000)
        return
    before = sum(each.verified.rank for each in made.positions())
    assert 2000 < before <= 8000
    read = made.check()
    assert read.contents == {("equal", None)}
    assert read.earlier_and_now == (before, 8000 - before)


@pytest.mark.long
def test_what_a_command_has_compared_beside_its_copy_counts_as_compared_by_it(small: Mirror) -> None:
    status, out, err = midway(small, lambda running: None, "--output", "json", "--memory", "3MB", rate="110kB/s")
    assert status == 0, err
    assert counts(json.loads(out)) == (0, 760)
    behind = [json.loads(line) for line in err.splitlines() if '"checking"' in line]
    assert behind and all(each["total"] < 500 for each in behind), "most of it was compared beside the copy"


def test_what_differs_beside_the_copy_is_told_by_the_check_behind_it(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    made = Migrated(source, dest, tmp_path, "beside-other")
    made.copy(400)
    made.keep(lambda each: Verified(source=each.begun.start, read=each.digest._replace(crc32c=1)))
    places = made.places
    with (
        Journal(made.path, source_id=made.ids[0], dest_id=made.ids[1]) as journal,
        rolling_check(settings(dest, "dest"), journal, lambda: places, memory_bytes=1 << 20, every_s=0.1),
    ):
        time.sleep(2)
        assert all(each.verified.rank == 0 for each in journal.positions())
    assert made.check().contents == {("equal", None)}, "it begins anew where something was other"


def test_a_destination_that_is_gone_beside_the_copy_is_not_waited_for(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    made = Migrated(source, dest, tmp_path, "beside-gone")
    made.copy(40)
    nowhere = replace(settings(dest, "dest"), bootstrap_servers="127.0.0.1:1")
    with (
        Journal(made.path, source_id=made.ids[0], dest_id=made.ids[1]) as journal,
        rolling_check(nowhere, journal, lambda: made.places, memory_bytes=1 << 20, every_s=0.1),
    ):
        time.sleep(1)


def test_from_start_reads_all_again(small: Mirror) -> None:
    small.document("--commit")
    assert verify(small, "--from-start", status=0)["messages"] == {"verifiedEarlier": 0, "verifiedNow": 60}
    assert small.cli("verify", "--from-start").returncode == 2


def test_records_that_somebody_deleted_while_retention_is_off_are_told_though_they_were_verified(small: Mirror) -> None:
    small.document("--commit")
    small.document("--release", "--allow-unread", "--commit")
    produce(small.source, small.topic, 0, [b"%d" % number for number in range(100, 112)])
    small.document("--commit")
    purge(small.dest, small.topic, 0, 61)  # one record more than the release may have cost
    (difference,) = verify(small, status=3)["differences"]
    assert difference["reason"] == "offset 0 is not there: the log begins at 61"


@pytest.mark.guard
def test_an_interrupted_check_continues_where_it_stopped(
    source: Cluster, dest: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kafka_meta.verify.data._KEEP_SECONDS", 0)
    migrated = Migrated(source, dest, tmp_path, "interrupted-check")
    migrated.copy(48_000)

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.total is not None and event.done > event.total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrated.check(emit=interrupt)
    before = sum(each.verified.read.records for each in migrated.positions())
    assert 0 < before < 48_000
    assert {each.verified.rank for each in migrated.positions()} == {0}
    told = migrated.check()
    assert told.contents == {("equal", None)}
    assert told.offsets == {"checking": 48_000 - before}
    assert told.earlier_and_now == (before, 48_000 - before)
    assert migrated.check().offsets == {}


def test_a_journal_without_what_was_verified_is_read_from_the_start_once(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    migrated = Migrated(source, dest, tmp_path, "unknown-check")
    migrated.copy(400)
    assert migrated.check().earlier_and_now == (0, 400)
    migrated.keep(lambda each: Verified(source=each.begun.start))  # as of a journal of version 1
    assert migrated.check().earlier_and_now == (0, 400)
    assert migrated.check().earlier_and_now == (400, 0)


def test_other_records_in_the_tail_are_found_and_stay_a_difference(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    migrated = Migrated(source, dest, tmp_path, "tail-check")
    migrated.copy(400)
    assert migrated.check().contents == {("equal", None)}
    place, servers = ("tail-check", 0), dest.bootstrap_servers
    produce(servers, "tail-check", 0, [b"not what was sent"] * 12)
    pretend(migrated, place, 12)
    for _ in range(2):
        told = migrated.check()
        assert told.offsets == {"checking": 12}
        different = [each.reason for each in told.found if each.content == "different"]
        assert different == ["the digest of what is there is not that of what was copied"]
        assert told.earlier_and_now == (400, 0)


def pretend(migrated: Migrated, place: Place, records: int) -> None:
    """Makes the journal believe that so many records more were sent."""
    source_id, dest_id = migrated.ids
    with Journal(migrated.path, source_id=source_id, dest_id=dest_id) as journal:
        position = journal.position(place)
        end, rank = position.source + records, position.rank + records
        journal.begin([replace(position.begun, end=end)])
        journal.claim()
        journal.settle({place: position.rank})
        boundary = Boundary(end, rank, Digest(records=rank, crc32c=1, crc32=2))
        journal.record(Round(intents={place: [boundary]}))
        journal.record(Round(acknowledged={place: (boundary, 1000)}))


@pytest.mark.guard
def test_a_destination_that_compresses_anew_is_compared_in_steps_that_are_kept(
    source: Cluster, dest: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kafka_meta.verify.records.STEP_BYTES", 300_000)
    migrated = Migrated(source, dest, tmp_path, "anew-check", **{"compression.type": "gzip"})
    migrated.copy(4000)

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "destination" and event.done > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrated.check(with_source=True, emit=interrupt)
    before = {each.begun.partition: each.verified for each in migrated.positions()}
    verified = sum(each.rank for each in before.values())
    assert 1000 < verified < 4000
    assert any(each.digest is None for each in before.values()), "no step has ended in the midst of a partition"
    for partition, each in before.items():  # neither side has them any more
        purge(source.bootstrap_servers, "anew-check", partition, each.source)
        purge(dest.bootstrap_servers, "anew-check", partition, each.rank)
    told = migrated.check(with_source=True)
    assert told.contents == {("equal", None)}
    assert told.earlier_and_now == (verified, 4000 - verified)
    assert told.offsets["source"] == told.offsets["destination"] == 4000 - verified
    # What follows the last batch of all can be told by batches again.
    set_config(dest.bootstrap_servers, "anew-check", "compression.type", "producer")
    migrated.copy(400, seed=1)
    told = migrated.check()
    assert told.contents == {("equal", None)}
    assert told.earlier_and_now == (4000, 400)


@pytest.mark.guard
def test_an_extension_onto_a_topic_that_compresses_anew_since_is_compared_by_records(
    source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    migrated = Migrated(source, dest, tmp_path, "since-check")
    migrated.copy(400)
    assert migrated.check().earlier_and_now == (0, 400)
    set_config(dest.bootstrap_servers, "since-check", "compression.type", "gzip")
    migrated.copy(400, seed=1)
    alone = migrated.check()
    assert {each.content for each in alone.found} == {"not compared"}
    assert alone.earlier_and_now == (400, 0)
    told = migrated.check(with_source=True)
    assert told.contents == {("equal", None)}
    assert told.earlier_and_now == (400, 400)
    assert told.offsets["source"] == 400
