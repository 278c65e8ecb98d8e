"""`verify --data`: what was copied, held against the destination at any later time."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from confluent_kafka import Consumer

from kafka_meta.files import validate
from tests.support.mirrored import Mirror, small
from tests.support.shop import until
from tests.support.traffic import admin, commit, create, produce, purge, set_config

__all__ = ["small"]


def run(mirror: Mirror, *arguments: str) -> subprocess.CompletedProcess[str]:
    to_dest = ("--dest-bootstrap-servers", mirror.dest, "--output", "json")
    return mirror.cli("verify", "--data", *to_dest, *arguments, env={"XDG_STATE_HOME": str(mirror.state)})


def verify(mirror: Mirror, *arguments: str, status: int) -> dict[str, Any]:
    done = run(mirror, *arguments)
    assert done.returncode == status, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    validate(document, "verify", called="the document")
    return document


def test_what_has_arrived_is_equal_without_the_source(small: Mirror) -> None:
    small.document("--commit")
    purge(small.source, small.topic, 0, 100)  # as retention would do it
    document = verify(small, status=0)
    assert document["verdict"] == "equal"
    assert (document["counts"]["partitions"]["equal"], document["counts"]["positions"]["equal"]) == (2, 1)
    # Reading both sides cannot tell any more, and says so.
    both = verify(small, "--both", "--source-bootstrap-servers", small.source, status=1)
    assert both["verdict"] == "inconclusive"
    assert "offset 40 is not there" in both["unread"][0]["reason"]


@pytest.mark.guard
def test_both_sides_are_equal_record_by_record(small: Mirror) -> None:
    small.document("--commit")
    assert verify(small, "--both", "--source-bootstrap-servers", small.source, status=0)["verdict"] == "equal"


def test_records_that_are_gone_there_are_a_difference(small: Mirror) -> None:
    small.document("--commit")
    purge(small.dest, small.topic, 0, 10)
    document = verify(small, status=3)
    (difference,) = document["differences"]
    assert difference["resource"] == f"partition {small.topic}-0"
    assert difference["reason"] == "offset 0 is not there: the log begins at 10"


@pytest.mark.guard
def test_other_records_in_the_same_number_are_a_difference(small: Mirror) -> None:
    small.document("--commit")
    client = admin(small.dest)
    client.delete_topics([small.topic])[small.topic].result(30)
    until(lambda: small.topic not in client.list_topics(timeout=10).topics, "the topic is gone")
    create(small.dest, {small.topic: 2})
    produce(small.dest, small.topic, 0, (b"%d" % (number + 1) for number in range(40, 100)))
    document = verify(small, status=3)
    reasons = [each["reason"] for each in document["differences"] if each["resource"] == f"partition {small.topic}-0"]
    assert reasons == ["the digest of what is there is not that of what was copied"]


def test_new_records_behind_the_copy_and_consumers_that_read_on_are_as_it_should_be(small: Mirror) -> None:
    small.document("--commit")
    produce(small.dest, small.topic, 0, [b"the new life"] * 3)
    consumer = Consumer(
        {"log_level": 0, "bootstrap.servers": small.dest, "group.id": small.group, "enable.auto.commit": False}
    )
    consumer.subscribe([small.topic])
    message = None
    while message is None:
        message = consumer.poll(10)
    assert (message.offset(), message.value()) == (0, b"40")  # the first record that was not read on the source
    consumer.commit(message, asynchronous=False)
    consumer.close()
    document = verify(small, status=0)
    assert document["counts"]["positions"]["intended"] == 1
    assert document["intended"][0]["reason"] == "it has read on since"


@pytest.mark.guard
def test_a_position_that_was_set_back_is_a_difference(small: Mirror) -> None:
    commit(small.source, small.group, {(small.topic, 0): 70})
    produce(small.source, small.topic, 1, [b"x"] * 3)
    commit(small.source, f"{small.group}.other", {(small.topic, 0): 40})
    small.document("--commit")
    commit(small.dest, small.group, {(small.topic, 0): 5})
    document = verify(small, status=3)
    assert [each["reason"] for each in document["differences"]] == ["it was set back since"]


@pytest.mark.guard
def test_a_destination_that_compresses_anew_needs_both_sides(small: Mirror) -> None:
    set_config(small.dest, small.topic, "compression.type", "gzip")
    small.document("--commit")
    # The check after the copy has read both sides.
    assert verify(small, status=0)["messages"] == {"verifiedEarlier": 60, "verifiedNow": 0}
    alone = verify(small, "--from-start", status=1)
    assert alone["verdict"] == "inconclusive" and "--both" in alone["unread"][0]["reason"]
    assert verify(small, "--both", "--source-bootstrap-servers", small.source, status=0)["verdict"] == "equal"


def test_without_a_migration_there_is_nothing_to_compare(small: Mirror) -> None:
    done = run(small)
    assert done.returncode == 1
    assert "no migration to this destination" in done.stderr
