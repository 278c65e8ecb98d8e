"""`mirror --release` and `--restart`: a look first, under the lease, of the selected topics, and never too early."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kafka_meta import cluster
from kafka_meta.batches import Digest
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import silent
from kafka_meta.journal import Begun, Boundary, Journal, Round, clusters_of
from kafka_meta.mirror.guard import set_guard
from kafka_meta.mirror.release import held
from kafka_meta.model import CommittedOffset, Group, Snapshot
from kafka_meta.playground import Cluster
from tests.support.mirrored import Mirror, midway, small
from tests.support.mirroring import settings
from tests.support.traffic import admin, commit, config, create, produce, purge, set_config, watermarks

__all__ = ["small"]


def read_to_the_end(mirror: Mirror) -> None:
    commit(mirror.dest, mirror.group, {(mirror.topic, 0): 60})


def test_release_without_commit_changes_nothing_and_tells_what_it_would_do(small: Mirror) -> None:
    small.document("--commit")
    read_to_the_end(small)
    looked = small("--release")
    assert looked.returncode == 0, looked.stderr
    assert f"Will put back topic:{small.topic}, retention.ms:the broker's default" in looked.stdout
    assert "Nothing was changed. To do it: the same command with --commit" in looked.stdout
    assert config(small.dest, small.topic, "retention.ms") == "-1"
    document = small.document("--release")
    assert (document["committed"], document["guarded"], document["released"]) == (False, [small.topic], [])
    assert small.document("--release", "--commit")["released"] == [small.topic]
    assert config(small.dest, small.topic, "retention.ms") is None


def test_release_waits_for_groups_that_have_not_read_what_was_copied(small: Mirror) -> None:
    small.document("--commit")
    looked = small("--release")
    assert f"× topic {small.topic}: group {small.group} has not read 60 of the copied records" in looked.stdout
    refused = small.document("--release", "--commit", status=1)
    assert (refused["guarded"], refused["released"]) == ([small.topic], [])
    assert [each["resource"] for each in refused["findings"]] == [f"topic {small.topic}"]
    assert config(small.dest, small.topic, "retention.ms") == "-1"
    named = small.document("--release", "--allow-unread", "--commit")
    assert (named["guarded"], named["released"]) == ([], [small.topic])
    assert config(small.dest, small.topic, "retention.ms") is None


def test_a_position_that_is_gone_counts_as_not_read(small: Mirror) -> None:
    small.document("--commit")
    client = admin(small.dest)
    client.delete_consumer_groups([small.group])[small.group].result(30)
    refused = small.document("--release", "--commit", status=1)
    (finding,) = refused["findings"]
    assert f"group {small.group} has not read 60 of the copied records" in finding["reason"]


def test_release_and_status_take_only_the_selected_topics(small: Mirror) -> None:
    other = f"{small.topic}.other"
    for servers in (small.source, small.dest):
        create(servers, {other: 1})
    produce(small.source, other, 0, [b"x"] * 5)
    commit(small.source, small.group, {(other, 0): 0})
    small.document("--commit")
    read_to_the_end(small)
    commit(small.dest, small.group, {(other, 0): 5})
    only = ("--include-topics", other.replace(".", r"\."))
    assert [each["topic"] for each in small.document("--status", *only)["copied"]] == [other]
    data = small.cli(
        *("verify", "--data", "--dest-bootstrap-servers", small.dest, *only, "--output", "json"),
        env={"XDG_STATE_HOME": str(small.state)},
    )
    assert json.loads(data.stdout)["counts"]["partitions"]["equal"] == 1, data.stderr
    released = small.document("--release", *only, "--commit")
    assert (released["guarded"], released["released"]) == ([small.topic], [other])
    assert config(small.dest, small.topic, "retention.ms") == "-1"
    assert config(small.dest, other, "retention.ms") is None


def test_an_expression_that_matches_no_copied_topic_is_refused(small: Mirror) -> None:
    small.document("--commit")
    for word in ("--status", "--release"):
        refused = small(word, "--include-topics", "nothing.of.that.name")
        assert refused.returncode == 2
        assert "--include-topics: 'nothing.of.that.name' matches none of the 1 topics" in refused.stderr


@pytest.mark.guard
def test_release_during_a_copy_is_refused_and_every_record_arrives(small: Mirror) -> None:
    """The records are old: without the guard, the destination would delete them at once."""
    said: list[subprocess.CompletedProcess[str]] = []
    set_config(small.dest, small.topic, "retention.ms", "1000")

    def interfere(_: subprocess.Popen[str]) -> None:
        said.append(small("--release", "--allow-unread", "--commit"))
        said.append(small("--restart", "--commit"))

    status, out, err = midway(small, interfere)
    assert status == 0, out + err
    for refused in said:
        assert refused.returncode == 1
        assert "another kafka-meta is copying from this source: process " in refused.stderr
        assert socket.gethostname() in refused.stderr
    assert watermarks(small.dest, small.topic, 1) == (0, 700)
    assert config(small.dest, small.topic, "retention.ms") == "-1"


@pytest.mark.guard
def test_a_look_of_release_works_during_a_copy(small: Mirror) -> None:
    said: list[subprocess.CompletedProcess[str]] = []

    def look(_: subprocess.Popen[str]) -> None:
        said.extend(small(word) for word in ("--release", "--status"))

    status, out, err = midway(small, look)
    assert status == 0, out + err
    released, stands = said
    assert released.returncode == 0, released.stderr
    assert "its copy is not complete" in released.stdout
    assert stands.returncode == 0 and " left\n" in stands.stdout


def test_restart_without_commit_forgets_nothing(small: Mirror, tmp_path: Path) -> None:
    small.document("--commit", "--journal", "here.sqlite")
    small.document("--release", "--allow-unread", "--commit", "--journal", "here.sqlite")
    purge(small.dest, small.topic, 0, 60)
    looked = small("--restart", "--journal", "here.sqlite")
    assert looked.returncode == 0, looked.stderr
    assert "Nothing was changed" in looked.stdout
    assert (tmp_path / "here.sqlite").exists()


def test_a_guard_that_the_destination_has_refused_is_not_remembered(small: Mirror, dest: Cluster) -> None:
    """Of two topics, one no longer exists: the other one is guarded, and only that one is put back later."""
    gone = f"{small.topic}.gone"
    nothing_set: dict[str, dict[str, str]] = {small.topic: {}, gone: {}}
    to = settings(dest, "dest")
    with Journal(small.state / "guard.sqlite", source_id="s", dest_id="d") as journal, cluster.Writer(to) as writer:
        with pytest.raises(KafkaMetaError, match=f"refuses to turn off retention on topic {gone}: "):
            set_guard(writer, journal, {small.topic, gone}, overrides=nothing_set, effective=nothing_set, emit=silent)
        assert journal.guards().keys() == {small.topic}
        assert config(small.dest, small.topic, "retention.ms") == "-1"


def test_a_topic_whose_readers_nobody_knows_is_still_needed(tmp_path: Path) -> None:
    begun = Begun(
        topic="t", partition=0, dest_topic="t", source_topic_id=None, dest_topic_id=None, base=0, start=0, end=10
    )
    snapshot = Snapshot(taken_at_ms=0, groups=())
    hidden = Group(id="hidden", source="broker", offsets=None)
    read = Group(id="g", source="broker", offsets=(CommittedOffset(topic="t", partition=0, offset=10),))
    with Journal(tmp_path / "journal.sqlite", source_id="s", dest_id="d") as journal:
        journal.remember_guard("t", {"retention.ms": "1000"})
        journal.begin([begun])
        journal.claim()
        journal.settle({begun.place: 0})
        journal.record(Round(acknowledged={begun.place: (Boundary(10, 10, Digest(records=10)), 100)}))
        for groups, said in (
            ((), "no group has a position on it"),
            (None, "the groups of the destination could not be read"),
            ((hidden,), "the positions of group hidden could not be read"),
        ):
            (needed,) = held(journal, replace(snapshot, groups=groups), {"t"})[0].needed
            assert said in needed.reason
        assert held(journal, replace(snapshot, groups=(read, hidden)), {"t"})[0].needed == ()


def test_a_guard_without_a_copy_can_be_released(small: Mirror, dest: Cluster) -> None:
    """A run that was refused or ended between the guard and its first byte."""
    to = settings(dest, "dest")
    small.document("--commit")
    lone = f"{small.topic}.lone"
    create(small.dest, {lone: 1})
    (path,) = small.state.rglob("*.sqlite")
    source_id, dest_id = clusters_of(path)
    with Journal(path, source_id=source_id, dest_id=dest_id) as journal, cluster.Writer(to) as writer:
        nothing_set: dict[str, dict[str, str]] = {lone: {}}
        set_guard(writer, journal, {lone}, overrides=nothing_set, effective=nothing_set, emit=silent)
    assert config(small.dest, lone, "retention.ms") == "-1"
    only = ("--include-topics", lone.replace(".", r"\."))
    assert small.document("--release", *only, "--commit")["released"] == [lone]
    assert config(small.dest, lone, "retention.ms") is None
