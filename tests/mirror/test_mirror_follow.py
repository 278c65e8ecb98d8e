"""`mirror --follow --commit` against real clusters: what arrives while clients go on, and where their groups stand."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import NewPartitions

from kafka_meta.files import validate
from kafka_meta.journal import Journal
from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.following import contents, following, journal_of, read_and_commit
from tests.support.mirrored import Mirror, small
from tests.support.shop import until
from tests.support.traffic import admin, commit, committed, config, create, produce, rows, watermarks

__all__ = ["small"]

SOON = ("--all-data", "--quiet", "1s")


def test_records_and_positions_follow_and_the_same_command_goes_on_after_a_signal(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (topic, 1))
        produce(small.source, topic, 0, (b"more %d" % number for number in range(1000)))
        commit(small.source, group, {(topic, 0): 700}, "mine")
        running.until_copied((topic, 0))
        running.until(lambda: committed(small.dest, group) == {(topic, 0): 700, (topic, 1): 0}, "the position follows")
        commit(small.source, group, {(topic, 0): 10})
        running.until(lambda: committed(small.dest, group)[topic, 0] == 10, "a position that goes back is followed")
        running.until(lambda: running.task("show")["task"]["lagOffsets"] == 0, "nothing is left")
        shown = running.task("show", "--history")
        assert shown["task"]["state"] == "running" and shown["task"]["running"]
        assert {each["state"] for each in shown["topics"]} == {"following"}
        assert [each["what"] for each in shown["history"]] == ["follows"]
        status, out, err = running.end()
        assert status == 143, err
        assert "the same command goes on" in out
    assert running.task("show", "--history")["history"][-1]["what"] == "has ended"
    assert running.task("list")["tasks"][0]["state"] == "stopped"
    produce(small.source, topic, 1, (b"late %d" % number for number in range(10)))
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (topic, 1))
        assert running.end(signal.SIGINT)[0] == 130
    assert rows(small.dest, topic, 1) == rows(small.source, topic, 1)


def test_a_source_that_ends_in_markers_and_aborted_records_is_copied_to_its_end(small: Mirror) -> None:
    topic = small.topic
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        producer = Producer({"bootstrap.servers": small.source, "transactional.id": f"{topic}.tx", "log_level": 0})
        producer.init_transactions(30)
        for ends in ("commit_transaction", "abort_transaction"):
            producer.begin_transaction()
            for number in range(50):
                producer.produce(topic, b"%s %d" % (ends.encode(), number), partition=1)
            producer.flush(30)
            if ends == "abort_transaction":
                # The records before it arrive; those of an open transaction do not.
                running.until_copied((topic, 1))
                assert watermarks(small.dest, topic, 1)[1] == 50
            getattr(producer, ends)(30)

        def lag() -> tuple[int, int]:
            (shown,) = running.task("show")["topics"]
            return shown["lagOffsets"], shown["records"]

        running.until(lambda: lag() == (0, 150), "everything is copied")
        commit(small.source, small.group, {(topic, 1): watermarks(small.source, topic, 1)[1]})
        running.until(lambda: committed(small.dest, small.group).get((topic, 1)) == 50, "the group stands at the end")
        running.end()
    assert contents(small.dest, topic, 1) == contents(small.source, topic, 1)


def test_topics_and_partitions_that_appear_are_copied_from_their_first_record(small: Mirror) -> None:
    topic, new = small.topic, small.topic + ".new"
    commit(small.dest, small.group, {(topic, 0): 0}, "kafka-meta:start")
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        create(small.source, {new: 3}, {"retention.ms": "86400000"})
        produce(small.source, new, 2, (b"new %d" % number for number in range(1000)))
        client = admin(small.source)
        client.create_partitions([NewPartitions(topic, 4)])[topic].result(30)
        produce(small.source, topic, 3, (b"grown %d" % number for number in range(1000)))
        running.until(lambda: new in admin(small.dest).list_topics(timeout=30).topics, "the topic is there")
        running.until_copied((new, 0), (new, 2))
        assert config(small.dest, new, "retention.ms") == "-1"  # the guard, too
        running.until(
            lambda: len(admin(small.dest).list_topics(topic, timeout=30).topics[topic].partitions) == 4, "as many"
        )
        running.until_copied((topic, 3))
        running.until(lambda: committed(small.dest, small.group).get((topic, 3)) == 0, "a group starts at its start")
        running.end()


def test_what_is_followed_is_followed_again_and_what_appeared_meanwhile_too(small: Mirror) -> None:
    """No group reads these topics: without --all-data only what has appeared is copied, and that goes on."""
    unread, new, late = (f"{small.topic}.{word}" for word in ("unread", "new", "late"))
    create(small.source, {unread: 1})
    produce(small.source, unread, 0, [b"left out"])
    with following(small, "--quiet", "1s") as running:
        running.until(lambda: watermarks(small.dest, small.topic, 0) == (0, 60), "what is unread is copied")
        create(small.source, {new: 1})
        produce(small.source, new, 0, [b"first"])
        running.until(lambda: new in admin(small.dest).list_topics(timeout=30).topics, "the topic is there")
        running.until_copied((new, 0))
        running.end()
    create(small.source, {late: 3})
    produce(small.source, late, 2, [b"late"])
    produce(small.source, new, 0, [b"second"])
    client = admin(small.source)
    client.create_partitions([NewPartitions(new, 2)])[new].result(30)
    produce(small.source, new, 1, [b"grown"])
    with following(small, "--quiet", "1s") as running:
        running.until_copied((new, 0))
        running.until(lambda: late in admin(small.dest).list_topics(timeout=30).topics, "the topic is there")
        running.until_copied((late, 2))
        running.until(
            lambda: len(admin(small.dest).list_topics(new, timeout=30).topics[new].partitions) == 2, "as many"
        )
        running.until_copied((new, 1))
        running.end()
    assert unread not in admin(small.dest).list_topics(timeout=30).topics


def test_a_topic_that_was_recreated_stays_out_and_the_others_go_on(small: Mirror) -> None:
    topic, other = small.topic, small.topic + ".other"
    create(small.source, {other: 1})
    create(small.dest, {other: 1})
    produce(small.source, other, 0, (b"%d" % number for number in range(100)))
    commit(small.source, small.group, {(topic, 0): 40, (other, 0): 90})
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (other, 0))
        running.until(lambda: committed(small.dest, small.group).get((other, 0)) == 90, "the position is set")
        running.end()
    client = admin(small.source)
    client.delete_topics([other])[other].result(30)
    until(lambda: created_again(small.source, other), "it is deleted, and there is another one")
    produce(small.source, other, 0, [b"another"] * 10)
    commit(small.source, small.group, {(topic, 0): 41, (other, 0): 5})
    with following(small, *SOON) as running:
        produce(small.source, topic, 1, [b"goes on"])
        running.until_copied((topic, 1))
        running.until(lambda: committed(small.dest, small.group)[topic, 0] == 41, "positions go on")
        (stopped,) = [each for each in running.task("show", status=1)["topics"] if each["stopped"]]
        assert stopped["topic"] == other and "has been recreated on the source" in stopped["stopped"][0]["reason"]
        assert committed(small.dest, small.group)[other, 0] == 90
        running.end()
    assert len(contents(small.dest, other, 0)) == 100


def test_a_topic_that_is_deleted_on_the_source_stays_on_the_destination(small: Mirror) -> None:
    topic, other = small.topic, small.topic + ".other"
    create(small.source, {other: 1})
    create(small.dest, {other: 1})
    produce(small.source, other, 0, (b"%d" % number for number in range(100)))
    with following(small, *SOON) as running:
        running.until_copied((topic, 0), (other, 0))
        client = admin(small.source)
        client.delete_topics([other])[other].result(30)
        running.until(lambda: f"topic {other}: it was deleted on the source" in log_of(small.state), "it is said")
        produce(small.source, topic, 1, [b"goes on"])
        running.until_copied((topic, 1))
        running.end()
    assert len(contents(small.dest, other, 0)) == 100


def test_a_topic_that_appears_and_has_records_on_the_destination_is_in_the_way_and_the_others_go_on(
    small: Mirror,
) -> None:
    other = small.topic + ".other"
    create(small.dest, {other: 1})
    produce(small.dest, other, 0, [b"theirs"])
    with following(small, *SOON) as running:
        running.until_copied((small.topic, 0))
        create(small.source, {other: 1})
        produce(small.source, other, 0, [b"ours"])
        running.until(lambda: f"{other}: it has appeared" in log_of(small.state), "it is said")
        produce(small.source, small.topic, 1, [b"goes on"])
        running.until_copied((small.topic, 1))
        running.end()
    assert contents(small.dest, other, 0)[0][1] == b"theirs"


def test_a_group_that_has_read_on_the_destination_is_never_set_again(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        running.until(lambda: committed(small.dest, group).get((topic, 0)) == 40, "the position is set")
        read_and_commit(small.dest, group, topic, start=40, position=45)
        running.until(lambda: running.groups()[group, topic, 0]["state"] == "moved", "it has moved")
        assert "45" in running.groups()[group, topic, 0]["reason"]
        commit(small.source, group, {(topic, 0): 90, (topic, 1): 0})
        running.until(lambda: running.groups()[group, topic, 0]["sourceOffset"] == 90, "a round has seen it")
        assert committed(small.dest, group)[topic, 0] == 45
        running.end(signal.SIGKILL)
    with following(small, *SOON) as running:
        running.until(
            lambda: running.task("show")["task"]["state"] == "running",
            "it runs again",
        )
        commit(small.source, group, {(topic, 0): 91})
        running.until(lambda: running.groups()[group, topic, 0]["sourceOffset"] == 91, "a round has seen it")
        assert committed(small.dest, group)[topic, 0] == 45
        running.end()


def test_paused_it_sends_nothing_and_resumed_it_sends_everything(small: Mirror) -> None:
    topic = small.topic
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        assert running.task("pause")["task"]["state"] == "paused"
        running.until(lambda: "paused: nothing is sent" in log_of(small.state), "the copier has seen it")
        produce(small.source, topic, 1, (b"%d" % number for number in range(100)))
        commit(small.source, small.group, {(topic, 0): 50})
        running.until(lambda: committed(small.dest, small.group).get((topic, 0)) == 50, "positions are kept in step")
        assert watermarks(small.dest, topic, 1) == (0, 0)
        assert running.task("show")["task"]["state"] == "paused"
        running.task("resume")
        running.until_copied((topic, 1))
        history = [each["what"] for each in running.task("show", "--history")["history"]]
        assert history == ["follows", "pauses", "resumes"]
        running.end()


def test_a_look_changes_nothing_and_a_second_copier_is_refused(small: Mirror) -> None:
    looked = small("--follow", "--all-data")
    assert looked.returncode == 0, looked.stderr
    assert "the same command with --commit" in looked.stdout
    assert watermarks(small.dest, small.topic, 0) == (0, 0)
    with following(small, *SOON) as running:
        running.until_copied((small.topic, 0))
        second = small("--follow", "--all-data", "--commit")
        assert second.returncode == 1
        assert "another kafka-meta is copying from this source" in second.stderr
        produce(small.source, small.topic, 1, [b"goes on"])
        running.until_copied((small.topic, 1))
        running.end()


def test_the_journal_goes_to_another_place_and_the_copy_goes_on(
    small: Mirror, source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    topic = small.topic
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        running.end(signal.SIGKILL)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / "moved.sqlite"
    for suffix in ("", "-wal"):
        old = Path(f"{journal_of(small.state)}{suffix}")
        if old.exists():
            Path(f"{moved}{suffix}").write_bytes(old.read_bytes())
    produce(small.source, topic, 0, (b"later %d" % number for number in range(100)))
    there = Mirror(cli, source, dest, elsewhere, small.mine[1], small.topic.removesuffix(".t"))
    with following(there, *SOON, "--journal", str(moved)) as running:
        running.until_copied((topic, 0), (topic, 1))
        running.end()


def created_again(servers: str, topic: str) -> bool:
    """The old one is marked for deletion for a while."""
    try:
        create(servers, {topic: 1})
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
        return False
    return True


def log_of(state: Path) -> str:
    return "".join(each.read_text() for each in state.glob("kafka-meta-mirror*.log"))


@pytest.mark.parametrize("words", [("task", "show", "--history"), ("task", "list", "--history")])
def test_task_says_what_is_missing(cli: Cli, words: tuple[str, ...], tmp_path: Path) -> None:
    done = cli(*words, "--journal", "none.sqlite", env={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "does not exist" in done.stderr or "--history is only for task show" in done.stderr


def test_task_list_shows_the_others_beside_a_journal_that_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "kafka-meta"
    folder.mkdir()
    Journal(folder / "a--b.sqlite", source_id="a", dest_id="b").close()
    (folder / "b--c.sqlite").write_bytes(b"no database at all, but long enough to have a header of one" * 10)
    (folder / "c--d.sqlite").touch()
    done = cli("--output", "json", "task", "list", env={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 1
    document = json.loads(done.stdout)
    validate(document, "task", called="the document")
    assert [each["source"] for each in document["tasks"]] == ["a"]
    assert [Path(each["journal"]).name for each in document["unread"]] == ["b--c.sqlite", "c--d.sqlite"]
    assert "is not the journal" in document["unread"][0]["reason"] and "is empty" in document["unread"][1]["reason"]
