"""Tasks with names beside each other, and what `task` changes while a copy goes on."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.following import Following, following, journal_of, read_and_commit
from tests.support.mirrored import Mirror, small
from tests.support.traffic import commit, committed, config, create, produce, watermarks

__all__ = ["small"]

SOON = ("--all-data", "--quiet", "1s")


def test_tasks_copy_different_topics_side_by_side_and_a_topic_of_another_one_is_refused_by_name(
    small: Mirror, source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    one, two = small.topic, small.topic + ".two"
    for servers in (small.source, small.dest):
        create(servers, {two: 1})
    produce(small.source, two, 0, [b"two"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    commit(small.source, one, {(one, 0): 40})  # a group that each filter finds
    commit(small.source, two, {(two, 0): 0})
    other = Mirror(cli, source, dest, elsewhere, re.escape(two))
    with (
        following(Mirror(cli, source, dest, small.state, re.escape(one)), "--task", "one", *SOON) as first,
        following(other, "--task", "two", *SOON) as second,
    ):
        first.until_copied((one, 0))
        second.until_copied((two, 0))
        produce(small.source, one, 1, [b"more"])
        produce(small.source, two, 0, [b"more"])
        first.until_copied((one, 1))
        second.until_copied((two, 0))
        assert first.task("show", "--task", "one")["task"]["name"] == "one"
        third = Mirror(cli, source, dest, elsewhere, rf"{re.escape(one)}(\.two)?")
        for arguments in (("--task", "three"), ()):
            refused = third("--follow", *arguments, *SOON, "--commit")
            assert refused.returncode == 1, refused.stdout
            assert re.search(rf"{re.escape(one)}: task one, begun on \S+, copies to it", refused.stdout), refused.stdout
            assert f"{two}: task two, begun on" in refused.stdout
        # A topic that appears is the first one's that takes it.
        first.end()
        second.end()
    again = second.mirror.cli(
        *("task", "show", "--task", "two", "--dest-bootstrap-servers", small.dest),
        env={"XDG_STATE_HOME": str(elsewhere)},
    )
    assert again.returncode == 0 and "two" in again.stdout.splitlines()[0], again.stderr + again.stdout


def test_an_empty_topic_of_the_task_without_a_name_is_refused_too(small: Mirror) -> None:
    empty = small.topic + ".empty"
    for servers in (small.source, small.dest):
        create(servers, {empty: 1})
    commit(small.source, empty, {(empty, 0): 0})
    with following(small, *SOON) as running:
        running.until_copied((small.topic, 0))
        refused = small("--follow", "--task", "one", "--include-topics", re.escape(empty), *SOON, "--commit")
        assert refused.returncode == 1
        assert f"{empty}: the task without a name, begun on" in refused.stdout, refused.stdout + refused.stderr
        running.end()


@pytest.mark.parametrize("name", ["a b", "", "a.b", "x" * 65])
def test_a_task_needs_a_name_that_can_stand_in_the_name_of_a_group(small: Mirror, name: str) -> None:
    refused = small("--follow", "--task", name)
    assert refused.returncode == 2 and "is not the name of a task" in refused.stderr


def test_a_journal_keeps_the_name_of_its_task(small: Mirror) -> None:
    with following(small, "--task", "one", *SOON) as running:
        running.until_copied((small.topic, 0))
        running.end()
    journal = str(journal_of(small.state))
    refused = small("--follow", "--journal", journal, "--task", "two", *SOON, "--commit")
    assert refused.returncode == 1 and "is task one, and cannot become task two" in refused.stderr
    with following(small, "--journal", journal, *SOON) as running:
        produce(small.source, small.topic, 1, [b"goes on"])
        running.until_copied((small.topic, 1))
        running.end()


def test_a_topic_is_left_out_and_taken_up_again_and_the_rate_changes_while_the_copy_goes_on(small: Mirror) -> None:
    topic, other = small.topic, small.topic + ".other"
    for servers in (small.source, small.dest):
        create(servers, {other: 1})
    produce(small.source, other, 0, [b"one"])
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (other, 0))
        running.task("change", "--exclude-topics", re.escape(other), "--max-rate", "40KB/s")
        running.until(lambda: state(running, other) == "detached", "it is left out")
        produce(small.source, other, 0, [b"two"])
        produce(small.source, topic, 1, (b"x" * 1000 for _ in range(400)))
        running.until(lambda: watermarks(small.dest, topic, 1)[1] == 400, "the other goes on")
        produce(small.source, topic, 1, [b"next"])
        time.sleep(3)
        assert watermarks(small.dest, topic, 1)[1] == 400, "400 kB are ten seconds at the rate that was wished"
        assert watermarks(small.dest, other, 0) == (0, 1)
        running.task("change", "--max-rate", "none", "--include-topics", re.escape(other))
        running.until_copied((topic, 1), (other, 0))
        running.until(lambda: state(running, other) == "following", "it is followed again")
        told = [each["what"] for each in running.task("show", "--history")["history"]]
        assert any(each.startswith("changes --max-rate 40KB/s") for each in told), told
        running.task("change", "--exclude-topics", re.escape(other))
        running.until(lambda: state(running, other) == "detached", "it is left out")
        running.end()
    # The next run heeds it, too.
    produce(small.source, other, 0, [b"three"])
    produce(small.source, topic, 1, [b"more"])
    with following(small, *SOON) as running:
        running.until_copied((topic, 1))
        assert watermarks(small.dest, other, 0) == (0, 2)
        assert state(running, other) == "detached"
        running.end()


def test_a_group_that_has_moved_is_set_again_when_that_is_wished(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until(lambda: committed(small.dest, group).get((topic, 0)) == 40, "the position is set")
        read_and_commit(small.dest, group, topic, start=40, position=45)
        running.until(lambda: running.groups()[group, topic, 0]["state"] == "moved", "it has moved")
        commit(small.source, group, {(topic, 0): 50})
        running.task("change", "--resync-group", group)
        running.until(lambda: committed(small.dest, group)[topic, 0] == 50, "it is in step again")
        running.until(lambda: running.groups()[group, topic, 0]["state"] == "synced", "and that is said")
        running.end()


def test_while_it_is_paused_the_lag_grows_with_the_source(small: Mirror) -> None:
    with following(small, *SOON) as running:
        running.until_copied((small.topic, 0))
        running.task("pause")
        running.until(lambda: running.task("show")["task"]["state"] == "paused", "it is paused")
        for _ in range(2):
            before = running.task("show")["task"]["lagOffsets"]
            produce(small.source, small.topic, 1, (b"%d" % number for number in range(100)))
            running.until(lambda: running.task("show")["task"]["lagOffsets"] == before + 100, "it is counted")  # noqa: B023
        running.until(lambda: (running.task("show")["task"]["lagSeconds"] or 0) > 3, "and for how long")
        running.task("resume")
        running.until_copied((small.topic, 1))
        running.end()


def test_a_task_is_deleted_when_nothing_needs_it_and_its_journal_is_put_aside(small: Mirror) -> None:
    with following(small, "--task", "one", *SOON) as running:
        running.until_copied((small.topic, 0))
        refused = task(small, "delete", "--task", "one")
        assert refused.returncode == 1 and "while it runs" in refused.stderr
        running.end()
    refused = task(small, "delete", "--task", "one")
    assert refused.returncode == 1 and "retention is still off on 1 topic" in refused.stderr, refused.stderr
    before = config(small.dest, small.topic, "retention.ms")
    journal = journal_of(small.state)
    deleted = task(small, "delete", "--task", "one", "--abandon")
    assert deleted.returncode == 0, deleted.stderr
    assert f"{small.topic}: its retention stays off" in deleted.stdout
    assert not journal.exists()
    assert [each.name for each in journal.parent.iterdir() if each.name.startswith(journal.name)] == [
        each.name for each in journal.parent.glob(f"{journal.name}.deleted-*")
    ]
    assert config(small.dest, small.topic, "retention.ms") == before
    assert watermarks(small.dest, small.topic, 0) == (0, 100)
    # Nobody is refused by its name any more.
    looked = small("--follow", "--task", "two", *SOON)
    assert "task one" not in looked.stdout
    assert "it is not empty on the destination" in looked.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("change",), "changes nothing"),
        (("change", "--max-rate", "fast"), "--max-rate"),
        (("change", "--exclude-topics", "("), "is not a regular expression"),
        (("pause", "--max-rate", "1MB/s"), "only for task change"),
        (("list", "--abandon"), "only for task delete"),
    ],
)
def test_what_means_nothing_to_task_is_refused(small: Mirror, words: tuple[str, ...], reason: str) -> None:
    refused = task(small, *words)
    assert refused.returncode == 2 and reason in refused.stderr


def task(mirror: Mirror, *words: str):  # type: ignore[no-untyped-def]
    sides = ("--source-bootstrap-servers", mirror.source, "--dest-bootstrap-servers", mirror.dest)
    return mirror.cli("task", *words, *sides, env={"XDG_STATE_HOME": str(mirror.state)})


def state(running: Following, topic: str) -> str:
    return next(each["state"] for each in running.task("show")["topics"] if each["topic"] == topic)
