"""Hard cases of a copy that goes on, each with its expected answer."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from kafka_meta.events import silent
from kafka_meta.journal import Begun, GroupOffset, Journal, Notice, Wishes, clusters_of
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.headroom import Headroom, _longest, full_in_s
from kafka_meta.mirror.partitions import Lag
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli
from tests.support.following import Following, contents, following, journal_of
from tests.support.mirrored import Mirror, small
from tests.support.traffic import admin, alter, commit, committed, config, create, produce, watermarks

__all__ = ["small"]
pytestmark = pytest.mark.guard

SOON = ("--all-data", "--quiet", "1s")


def test_an_idle_source_is_no_failure_however_long_it_lasts(small: Mirror) -> None:
    with following(small, *SOON, "--give-up-after", "3s") as running:
        running.until_copied((small.topic, 0))
        time.sleep(10)
        shown = running.task("show")
        assert shown["task"]["lagOffsets"] == 0 and shown["task"]["state"] == "running"
        produce(small.source, small.topic, 1, [b"at last"])
        running.until_copied((small.topic, 1))
        running.end()


def test_a_group_that_reads_uncommitted_records_is_ahead_until_their_transaction_ends(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        producer = Producer({"bootstrap.servers": small.source, "transactional.id": f"{topic}.tx", "log_level": 0})
        producer.init_transactions(30)
        producer.begin_transaction()
        for number in range(50):
            producer.produce(topic, b"%d" % number, partition=1)
        producer.flush(30)
        commit(small.source, group, {(topic, 1): 30})
        running.until(lambda: state(running, group, topic, 1) == "ahead", "it is ahead")
        assert committed(small.dest, group).get((topic, 1)) == 0, "at the end of what is there"
        producer.commit_transaction(30)
        running.until(lambda: state(running, group, topic, 1) == "synced", "it is exact")
        running.until(lambda: committed(small.dest, group)[topic, 1] == 30, "at its record")
        running.end()


def test_a_position_that_we_were_about_to_set_when_we_were_killed_is_recognised_as_ours(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until(lambda: committed(small.dest, group).get((topic, 0)) == 40, "the position is set")
        running.end()
    path = journal_of(small.state)
    source_id, dest_id = clusters_of(path)
    with Journal(path, source_id=source_id, dest_id=dest_id) as journal:
        journal.intend([GroupOffset(group=group, topic=topic, partition=0, offset=60)])
    commit(small.dest, group, {(topic, 0): 60})
    commit(small.source, group, {(topic, 0): 80})
    with following(small, *SOON) as running:
        running.until(lambda: committed(small.dest, group)[topic, 0] == 80, "it goes on")
        assert state(running, group, topic, 0) == "synced"
        running.end()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_consumers_that_run_on_the_destination_move_their_group(small: Mirror, protocol: str) -> None:
    """Also those of KIP-848."""
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until(lambda: committed(small.dest, group).get((topic, 0)) == 40, "the position is set")
        consumer = Consumer(
            {
                "bootstrap.servers": small.dest,
                "group.id": group,
                "group.protocol": protocol,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])

        def moved() -> bool:
            consumer.poll(0.1)
            return state(running, group, topic, 0) == "moved"

        running.until(moved, "it has moved")
        assert "consumers are running on the destination" in running.groups()[group, topic, 0]["reason"]
        consumer.close()
        commit(small.source, group, {(topic, 0): 70})
        running.until(lambda: running.groups()[group, topic, 0]["sourceOffset"] == 70, "a round has seen it")
        assert committed(small.dest, group)[topic, 0] == 40
        running.end()


def test_a_static_member_counts_as_alive_until_its_session_ends(small: Mirror) -> None:
    topic, group = small.topic, small.group
    with following(small, *SOON) as running:
        running.until(lambda: committed(small.dest, group).get((topic, 0)) == 40, "the position is set")
        consumer = Consumer(
            {
                "bootstrap.servers": small.dest,
                "group.id": group,
                "group.instance.id": "one",
                "session.timeout.ms": 20_000,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])
        until = time.monotonic() + 20
        while not consumer.assignment() and time.monotonic() < until:
            consumer.poll(0.2)
        consumer.close()  # it does not leave
        running.until(lambda: state(running, group, topic, 0) == "moved", "it has moved")
        running.end()


def test_what_the_source_deletes_while_the_copy_is_paused_is_lost_with_its_offsets_and_the_others_go_on(
    small: Mirror,
) -> None:
    topic = small.topic
    with following(small, *SOON, "--memory", "1MB") as running:
        running.until_copied((topic, 0))
        running.task("pause")
        running.until(lambda: running.task("show")["task"]["state"] == "paused", "it is paused")
        # More than it reads ahead.
        produce(small.source, topic, 1, (b"%06d" % number * 1000 for number in range(1500)), {"linger.ms": 0})
        time.sleep(2)
        client = admin(small.source)
        client.delete_records([TopicPartition(topic, 1, 1490)])[TopicPartition(topic, 1)].result(30)
        running.task("resume")

        def stopped() -> list[str]:
            (shown,) = json.loads(_show(running))["topics"]
            return [each["reason"] for each in shown["stopped"]]

        running.until(lambda: bool(stopped()), "it stops")
        (reason,) = stopped()
        lost = re.match(r"lost offsets (\d+)–1490: the source deleted them before they were copied", reason)
        assert lost is not None, reason
        assert watermarks(small.dest, topic, 1)[1] == int(lost[1]), "what was read before is there"
        produce(small.source, topic, 0, [b"goes on"])
        running.until_copied((topic, 0))
        running.end()


def _show(running: Following) -> str:
    sides = ("--source-bootstrap-servers", running.mirror.source, "--dest-bootstrap-servers", running.mirror.dest)
    env = {"XDG_STATE_HOME": str(running.mirror.state)}
    return running.mirror.cli("--output", "json", "task", "show", *sides, env=env).stdout


@pytest.mark.parametrize("task", [(), ("--task", "there")], ids=["without-a-name", "named"])
def test_the_copy_in_the_other_direction_is_refused_with_the_host_that_runs_the_first(
    small: Mirror, source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path, task: tuple[str, ...]
) -> None:
    (tmp_path / "back").mkdir()
    back = Mirror(cli, dest, source, tmp_path / "back", re.escape(small.topic))
    commit(small.dest, small.topic, {(small.topic, 0): 0})  # a group that the filter finds
    with following(small, *SOON, *task) as running:
        running.until_copied((small.topic, 0))
        refused = back("--follow", *SOON, "--commit")
        assert refused.returncode == 1
        assert re.search(r"process \d+ on \S+ copies from the destination to the source", refused.stdout), refused
        running.end()


def test_a_topic_that_appears_with_fewer_partitions_than_the_destination_has_is_in_the_way_with_both_numbers(
    small: Mirror,
) -> None:
    other = small.topic + ".other"
    create(small.dest, {other: 4})
    with following(small, *SOON) as running:
        running.until_copied((small.topic, 0))
        create(small.source, {other: 2})

        def told() -> str:
            topics = json.loads(_show(running))["topics"]
            return next((each["reason"] or "" for each in topics if each["topic"] == other), "")

        running.until(lambda: "with 2 partitions, and exists on the destination with 4" in told(), "it is said")
        assert running.task("show", status=1)["topics"][1]["state"] == "in-the-way"
        running.end()
    produce(small.source, small.topic, 1, [b"goes on"])
    with following(small, *SOON) as running:  # also after a restart
        running.until_copied((small.topic, 1))
        running.until(lambda: "with 4" in told(), "it is said again")
        running.end()


def test_a_partition_that_has_appeared_and_stops_does_not_end_the_others(small: Mirror) -> None:
    topic, new = small.topic, small.topic + ".new"
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        create(small.source, {new: 1})
        running.until(lambda: new in admin(small.dest).list_topics(timeout=30).topics, "the topic is there")
        produce(small.source, new, 0, [b"ours"])
        running.until_copied((new, 0))
        produce(small.dest, new, 0, [b"theirs"])
        produce(small.source, new, 0, [b"ours again"])
        running.until(lambda: _stopped(running, new) != [], "it stops")
        time.sleep(3)
        produce(small.source, topic, 1, [b"goes on"])
        running.until_copied((topic, 1))
        assert "another client" in _stopped(running, new)[0]
        running.end()


def _stopped(running: Following, topic: str) -> list[str]:
    shown = json.loads(_show(running))["topics"]
    return [stopped["reason"] for each in shown if each["topic"] == topic for stopped in each["stopped"]]


def test_a_retention_that_somebody_sets_under_the_guard_is_what_the_release_sets(small: Mirror) -> None:
    topic = small.topic
    with following(small, *SOON) as running:
        running.until_copied((topic, 0))
        running.until(lambda: config(small.dest, topic, "retention.ms") == "-1", "the guard is on")
        alter(small.dest, topic, {"retention.ms": "172800000"})
        running.until(lambda: "172800000 there" in str(running.notice(f"topic {topic}")), "it is told")
        running.end()
    with following(small, *SOON) as running:
        running.until(lambda: config(small.dest, topic, "retention.ms") == "-1", "the guard is on again")
        running.end()
    released = small("--release", "--allow-unread", "--commit")
    assert released.returncode == 0, released.stderr + released.stdout
    assert config(small.dest, topic, "retention.ms") == "172800000"


def test_a_partition_that_is_left_out_does_not_count_as_stopped_when_another_one_stops() -> None:
    out, other = ("out", 0), ("other", 0)
    follow = Follow([out, other], stopped_before=[out])
    follow.tell({}, {}, set())
    assert follow.failed == {out}
    follow.heed(Wishes(detached=frozenset({"out"})))
    follow.tell({}, {}, {other})
    assert follow.failed == {other} and follow.standing().stopped == 1


# How long there is time.


def test_the_longest_certain_horizon_is_the_headroom() -> None:
    # Of partition 0 the source keeps everything for a day; of 1 for 10 minutes; of 2 it may delete now.
    first = {0.0: (0, 0, 9), 600.0: (0, 5, 9), 3600.0: (0, 8, 9), 86_400.0: (5, 9, None)}
    copied = {("t", 0): 5, ("t", 1): 5, ("t", 2): 5}

    def first_kept(horizon_s: float) -> dict[tuple[str, int], int | None]:
        return {("t", number): offset for number, offset in enumerate(first[horizon_s])}

    found = _longest(copied, copied, list(first), first_kept)
    assert found == {("t", 0): 86_400.0, ("t", 1): 600.0, ("t", 2): 0.0}


def test_a_disk_is_full_when_its_free_bytes_are_used_up_at_the_pace_so_far() -> None:
    one, two = (1, "a"), (1, "b")
    assert full_in_s([(0.0, {one: 1000, two: 1000}), (100.0, {one: 900, two: 1000})]) == {one: 900.0}
    assert full_in_s([(0.0, {one: 1000}), (10.0, {one: 900})]) == {}, "too short to tell"
    assert full_in_s([(0.0, {one: 1000})]) == {}


def test_headroom_and_held_records_are_told_by_real_brokers(small: Mirror, tmp_path: Path) -> None:
    topic = small.topic + ".short"
    create(small.source, {topic: 2}, {"retention.ms": "1300000"})
    old_ms = round(time.time() * 1000) - 800_000
    client = Producer({"bootstrap.servers": small.source, "log_level": 0})
    client.produce(topic, b"old", partition=0, timestamp=old_ms)
    client.flush(30)
    producer = Producer({"bootstrap.servers": small.source, "transactional.id": f"{topic}.tx", "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"held", partition=1)
    producer.flush(30)
    here, there = (
        ClusterSettings(role=role, bootstrap_servers=servers)
        for role, servers in (("source", small.source), ("dest", small.dest))
    )
    with Journal(tmp_path / "journal", source_id="S", dest_id="D") as journal:
        journal.begin(
            Begun(
                topic=topic,
                partition=partition,
                dest_topic=topic,
                source_topic_id=None,
                dest_topic_id=None,
                base=0,
                start=0,
                end=1 - partition,
            )
            for partition in range(2)
        )
        follow = Follow([(topic, 0), (topic, 1)])
        follow.tell({(topic, 0): Lag(1, 100.0)}, {(topic, 1): Lag(1, 100.0)}, set())
        looking = threading.Thread(
            target=Headroom(here, there, journal, emit=silent, every_s=0.5).run, args=[follow], daemon=True
        )
        looking.start()
        notices: tuple[Notice, ...] = ()
        until = time.monotonic() + 30
        while len(notices) < 2 and time.monotonic() < until:
            time.sleep(0.2)
            notices = journal.notices()
        follow.ends.set()
        looking.join()
    # Eight minutes of twenty-two are left: five are certain.
    assert follow.headroom_s == {(topic, 0): 300.0}
    told = {str(each.remark.resource): each.remark.reason for each in notices}
    assert "in 5 min or a bit later" in told[f"partition {topic}-0"]
    assert f"transactional id {topic}.tx" in told[f"partition {topic}-1"]
    producer.abort_transaction(30)


# Logins.

USER = "carol"
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


@pytest.fixture(scope="module")
def demanding() -> Iterator[Cluster]:
    """A source that demands a login, and that each connection logs in again every five seconds."""
    settings = {
        "super.users": f"User:ANONYMOUS;User:{USER}",
        "listener.name.login.sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.login.scram-sha-256.sasl.jaas.config": f"{MODULE} required;",
        "listener.name.login.scram-sha-256.connections.max.reauth.ms": "5000",
    }
    with kraft_cluster(settings=settings, listeners={"LOGIN": "SASL_PLAINTEXT"}) as started:
        yield started


def set_password(cluster: Cluster, password: str) -> None:
    client = AdminClient({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0})
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    for future in client.alter_user_scram_credentials(
        [UserScramCredentialUpsertion(USER, credential, password.encode())]
    ).values():
        future.result(30)


def write_login(path: Path, cluster: Cluster, password: str) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(
        f"bootstrap.servers={cluster.bootstrap('LOGIN')}\nsecurity.protocol=SASL_PLAINTEXT\n"
        f'sasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config={MODULE} required username="{USER}" password="{password}";\n'
    )
    os.replace(new, path)


def test_a_password_that_changes_while_the_copy_goes_on_is_waited_for_and_taken_from_the_file(
    demanding: Cluster, dest: Cluster, cli: Cli, tmp_path: Path
) -> None:
    name = "password-changes"
    topic, group = f"{name}.t", f"{name}.g"
    for servers in (demanding.bootstrap_servers, dest.bootstrap_servers):
        create(servers, {topic: 1})
    produce(demanding.bootstrap_servers, topic, 0, [b"one"])
    commit(demanding.bootstrap_servers, group, {(topic, 0): 0})
    set_password(demanding, "first")
    login = tmp_path / "source.properties"
    write_login(login, demanding, "first")
    mirror = Mirror(cli, demanding, dest, tmp_path, rf"{name}\..*", name)
    with following(mirror, *SOON, "--source-config", str(login), source="") as running:
        running.until(lambda: watermarks(dest.bootstrap_servers, topic, 0)[1] == 1, "it copies")
        time.sleep(12)  # each connection has logged in again, twice
        produce(demanding.bootstrap_servers, topic, 0, [b"two"])
        running.until(lambda: watermarks(dest.bootstrap_servers, topic, 0)[1] == 2, "it copies on")
        set_password(demanding, "second")
        produce_until_waiting(running, demanding, topic)
        write_login(login, demanding, "second")
        running.until(
            lambda: contents(dest.bootstrap_servers, topic, 0) == contents(demanding.bootstrap_servers, topic, 0),
            "all is there",
        )
        commit(demanding.bootstrap_servers, group, {(topic, 0): 2})
        running.until(lambda: committed(dest.bootstrap_servers, group).get((topic, 0)) == 2, "positions, too")
        status, out, err = running.end()
        assert status == 143
    for text in (out, err, *(each.read_text() for each in tmp_path.glob("*.log"))):
        assert "second" not in text and 'first"' not in text


def produce_until_waiting(running: Following, source: Cluster, topic: str) -> None:
    """The broker ends connections whose login it refuses, one after the other."""

    def waits() -> bool:
        produce(source.bootstrap_servers, topic, 0, [b"more"])
        told = running.task("show")["task"]
        return told["state"] == "waiting" and "SASL" in str(told["copier"]["waitingFor"]).upper()

    running.until(waits, "it waits, and says for what")


def state(running: Following, group: str, topic: str, partition: int) -> str | None:
    found = running.groups().get((group, topic, partition))
    return None if found is None else str(found["state"])
