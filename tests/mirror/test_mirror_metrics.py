"""`mirror --follow --metrics`, and the files of `examples/` that watch it or start it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import promql_parser
import pytest
import yaml
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from tests.support.commands import Cli
from tests.support.following import following
from tests.support.mirrored import Mirror, small
from tests.support.traffic import produce

__all__ = ["small"]

EXAMPLES = Path("examples")
SOON = ("--all-data", "--quiet", "1s")
NOT_ALWAYS = {"source_headroom_seconds", "dest_full_seconds", "group_sync_age_seconds"}
"""Metrics that are there only while there is something to tell."""
PREFIX = "kafka_meta_mirror_"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def scraped(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    """By sample and the values of its labels, as Prometheus's own parser reads them."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[labels(sample)] = sample.value
    return found


def labels(sample: Any) -> tuple[str, ...]:
    return tuple(sample.labels[name] for name in ("topic", "partition", "state", "code") if name in sample.labels)


def test_a_scrape_tells_what_a_task_does_and_the_examples_ask_for_nothing_else(small: Mirror) -> None:
    topic, port = small.topic, free_port()
    with following(small, *SOON, "--metrics", str(port)) as running:
        running.until_copied((topic, 0))
        running.until(lambda: PREFIX + "group_sync_age_seconds" in scraped(port), "groups are set")
        running.until(lambda: scraped(port)[PREFIX + "records_total"] == {(): 100}, "the journal knows it")
        told = scraped(port)
        assert told[PREFIX + "lag_offsets"] == {(topic, "0"): 0, (topic, "1"): 0}
        assert told[PREFIX + "lag_offsets_sum"] == told[PREFIX + "lag_seconds_max"] == {(): 0}
        assert told[PREFIX + "topics"] == {("following",): 1}
        assert told[PREFIX + "groups"] == {("synced",): 1}
        assert told[PREFIX + "partitions"] == {("following",): 2, ("stopped",): 0}
        assert told[PREFIX + "lease_held"] == {(): 1}
        assert told[PREFIX + "settlements_total"][()] >= 2
        assert told[PREFIX + "journal_round_seconds_count"][()] >= 1
        assert told[PREFIX + "bytes_total"][()] > 100
        assert told[PREFIX + "lost_offsets_total"] == {(): 0}
        running.until(lambda: scraped(port)[PREFIX + "records_unverified"] == {(): 0}, "all is compared")
        producer = Producer({"bootstrap.servers": small.source, "transactional.id": f"{topic}.tx", "log_level": 0})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, b"held", partition=1)
        producer.flush(30)
        running.until(lambda: scraped(port).get(PREFIX + "held_offsets") == {(topic, "1"): 1}, "it is held")
        assert scraped(port)[PREFIX + "lag_offsets_sum"] == {(): 0}, "what nobody may read yet is no lag"
        producer.commit_transaction(30)
        running.until(lambda: PREFIX + "held_offsets" not in scraped(port), "it is not held any more")
        running.task("pause")
        running.until(lambda: scraped(port)[PREFIX + "paused"] == {(): 1}, "it is paused")
        produce(small.source, topic, 0, [b"later"])
        running.until(lambda: scraped(port)[PREFIX + "lag_offsets"][topic, "0"] == 1, "it is behind")
        running.until(lambda: scraped(port)[PREFIX + "lag_seconds"][topic, "0"] > 1, "for a while")
        always = set(scraped(port)) | set(told)
        running.end()
    known = always | {PREFIX + each for each in (*NOT_ALWAYS, "held_offsets", "held_seconds", "refusals_total")}
    for expression in expressions():
        names = set(re.findall(rf"{PREFIX}\w+", expression))
        assert names <= known, expression


def expressions() -> Iterator[str]:
    for group in yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert (
                {"alert", "expr", "labels", "annotations"}
                <= rule.keys()
                <= {
                    *("alert", "expr", "for", "labels", "annotations"),
                }
            )
            yield rule["expr"]
    for panel in json.loads((EXAMPLES / "grafana-board.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_every_expression_of_the_alarms_and_of_the_board_is_promql() -> None:
    found = list(expressions())
    assert len(found) > 20
    for expression in found:
        assert promql_parser.parse(expression) is not None, expression
    with pytest.raises(ValueError):
        promql_parser.parse("topk(10, ")


def test_the_unit_and_the_manifest_start_a_command_that_there_is(cli: Cli) -> None:
    offered = set(re.findall(r"--[a-z][a-z-]*", cli("mirror", "--help").stdout))
    unit = (EXAMPLES / "kafka-meta-mirror.service").read_text()
    (start,) = re.findall(r"^ExecStart=\S+ kafka-meta mirror (.*)$", unit, re.M)
    assert set(re.findall(r"--[a-z-]+", start)) <= offered
    documents: list[Any] = list(yaml.safe_load_all((EXAMPLES / "kubernetes.yml").read_text()))
    assert [each["kind"] for each in documents] == ["PersistentVolumeClaim", "StatefulSet"]
    (container,) = documents[1]["spec"]["template"]["spec"]["containers"]
    program, verb, *options = container["command"]
    assert (program, verb) == ("kafka-meta", "mirror")
    assert {each for each in options if each.startswith("--")} <= offered
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in documents[1]["spec"]["template"]["spec"]["volumes"]}


def test_an_address_that_is_none_or_is_taken_is_said(small: Mirror) -> None:
    wrong = small("--follow", "--metrics", "here:", "--all-data")
    assert wrong.returncode == 2 and "is not HOST:PORT" in wrong.stderr
    without = small("--metrics", "9404", "--all-data")
    assert without.returncode == 2 and "only for --follow" in without.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = small("--follow", "--metrics", f"127.0.0.1:{port}", *SOON, "--commit")
        assert refused.returncode == 1
        assert f"--metrics 127.0.0.1:{port}: Address already in use" in refused.stderr
