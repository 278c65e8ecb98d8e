"""Statistics for sizing, held against what was really written, and against what Kafka's own tools say."""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from kafka_meta import metrics
from kafka_meta.events import silent
from kafka_meta.export import export
from kafka_meta.files.schemas import validate
from kafka_meta.model import EVERYTHING, Broker, Cluster, Partition, Remark, Resource, Selection, Snapshot, Topic
from kafka_meta.playground import Cluster as Playground
from kafka_meta.playground.process import free_port
from kafka_meta.settings import ClusterSettings, resolve
from kafka_meta.stats import Wanted, collect, history, inventory, live
from kafka_meta.stats.figures import percentile
from kafka_meta.stats.history import ENOUGH, HOUR_MS, Boundaries, History, Log, Sample
from kafka_meta.stats.retained import retained_bytes
from kafka_meta.wire import Wire
from tests.support.agents import agents
from tests.support.brokers import kraft_cluster, zookeeper_cluster
from tests.support.commands import Cli, clean_environment, command_line
from tests.support.documents import METRICS, METRICS_URL
from tests.support.shop import create

Document = dict[str, Any]

ORDERS, CUSTOMERS, PAYMENTS, CLICKS = "orders", "customers", "payments", "clicks"
RATES = {ORDERS: (1, 10), CUSTOMERS: (1, 1), PAYMENTS: (0.1, 0.1)}
"""Messages a second in the hour before last, which is quiet, and in the last full hour, which is the peak."""
VALUE_BYTES = {ORDERS: 1000, CUSTOMERS: 500, PAYMENTS: 200}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return command_line(tmp_path_factory.mktemp("stats"))


# The JMX exporter's own example for Kafka has this rule.
RULES = r"""
lowercaseOutputName: true
rules:
- pattern: kafka.(\w+)<type=(.+), name=(.+)PerSec\w*><>Count
  name: kafka_$1_$2_$3_total
  type: COUNTER
- pattern: kafka.(\w+)<type=(.+), name=(.+)><>Value
  name: kafka_$1_$2_$3
  type: GAUGE
"""


class Loaded:
    def __init__(self, cluster: Playground, newest_ms: int, prometheus: str, jolokia: str) -> None:
        self.cluster, self.newest_ms, self.prometheus, self.jolokia = cluster, newest_ms, prometheus, jolokia

    def export(self, run: Cli, *arguments: str, file: Path) -> Document:
        done = run(
            "export", "--source-bootstrap-servers", self.cluster.bootstrap_servers, "--fileName", str(file), *arguments
        )
        assert done.returncode == 0, done.stderr
        return statistics(file)

    def typed(self, run: Cli, command: str, folder: Path) -> Document:
        """What a document tells people to type, with the addresses of this cluster and a sample that is shorter."""
        command = command.replace(METRICS_URL, self.prometheus).replace("--sample 60s", "--sample 20s")
        address = ("--source-bootstrap-servers", self.cluster.bootstrap_servers)
        done = run(*shlex.split(command)[1:], *address, cwd=folder)
        assert done.returncode == 0, done.stderr
        return statistics(folder / "metadata.json")


def statistics(file: Path) -> Document:
    document = json.loads(file.read_text())
    validate(document["stats"], "stats", called=str(file))
    return dict(document["stats"])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """A broker with both agents, and two hours of records whose rates are known."""
    exporter, jolokia = agents()
    rules = tmp_path_factory.mktemp("exporter") / "rules.yml"
    rules.write_text(RULES)
    ports = free_port(), free_port()
    options = (
        f"-javaagent:{exporter}={ports[0]}:{rules}",
        f"-javaagent:{jolokia}=port={ports[1]},host=127.0.0.1",
        "-Xmx512m",
    )
    # Nothing is removed here while the rates are looked at; another test has a cleaner at work.
    with kraft_cluster("4.3.1", jvm_options=options, settings={"log.cleaner.backoff.ms": "3600000"}) as cluster:
        admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
        compacted = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
        create(
            admin,
            NewTopic(ORDERS, 4, 1),
            NewTopic(CUSTOMERS, 2, 1, config=compacted),
            NewTopic(PAYMENTS, 1, 1),
            NewTopic(CLICKS, 2, 1, config={"retention.ms": "3600000"}),
        )
        newest = write_history(cluster.bootstrap_servers)
        prometheus = f"http://127.0.0.1:{ports[0]}/metrics"
        yield Loaded(cluster, newest, prometheus, f"http://127.0.0.1:{ports[1]}/jolokia/")


def last_full_hour_ms() -> int:
    """Its end."""
    return time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS


def exported_at(bootstrap: str, now_ms: int, selection: Selection) -> tuple[ClusterSettings, Snapshot]:
    settings = resolve("source", flags={"source-bootstrap-servers": bootstrap}, environ={}, toml=None)
    return settings, export(settings, selection, emit=silent, taken_at_ms=now_ms)


def statistics_at(bootstrap: str, now_ms: int) -> Document:
    """As `export` puts them into its file at `now_ms`, however late it is: another hour may have passed meanwhile."""
    settings, snapshot = exported_at(bootstrap, now_ms, EVERYTHING)
    document = collect(settings, snapshot, Wanted(), emit=silent, now_ms=now_ms)
    validate(document, "stats", called="it")
    return document


def write_history(bootstrap: str) -> int:
    """Two full hours up to the last hour that has passed; returns its end."""
    newest = last_full_hour_ms()
    settings = {"log_level": 0, "bootstrap.servers": bootstrap, "linger.ms": 20}
    # One request at a time: a repeated one would come after its successor, and records would not be in time's order.
    plain = Producer({**settings, "max.in.flight": 1})
    careful = Producer({**settings, "transactional.id": "payments"})
    careful.init_transactions(30)
    for hour in (0, 1):
        begin = newest - (2 - hour) * HOUR_MS
        for topic in (ORDERS, CUSTOMERS):
            count = round(RATES[topic][hour] * 3600)
            partitions = {ORDERS: 4, CUSTOMERS: 2}[topic]
            for number in range(count):
                plain.produce(
                    topic,
                    key=str(number % 50),
                    value=random.randbytes(VALUE_BYTES[topic]),
                    partition=number % partitions,
                    timestamp=begin + number * HOUR_MS // count,
                )
                plain.poll(0)
        careful.begin_transaction()
        for number in range(360):
            careful.produce(
                PAYMENTS, random.randbytes(VALUE_BYTES[PAYMENTS]), partition=0, timestamp=begin + number * 10_000
            )
        careful.commit_transaction(30)
    assert plain.flush(30) == 0
    return newest


@pytest.fixture(scope="module")
def stats(loaded: Loaded) -> Document:
    return statistics_at(loaded.cluster.bootstrap_servers, loaded.newest_ms + 1)


def told(stats: Document, name: str, stat: str, method: str = "derived") -> float:
    (value,) = [f["value"] for f in stats["figures"][name] if f["stat"] == stat and f["method"] == method]
    return float(value)


def topic(stats: Document, name: str) -> Document:
    (found,) = [each for each in stats["largestTopics"] if each["topic"] == name]
    return dict(found)


# Past rates.


def test_messages_of_each_past_hour_are_those_that_were_written(stats: Document) -> None:
    quiet, peak = (sum(rates[hour] for rates in RATES.values()) for hour in (0, 1))
    hours = [hour["messages"] for hour in stats["hours"]]
    # Markers of transactions have offsets, too: two hours, two commits.
    assert hours == pytest.approx([quiet, peak], rel=0.01)
    assert told(stats, "messages", "hourly max") == pytest.approx(peak, rel=0.05)
    assert told(stats, "messages", "p95") == pytest.approx(peak, rel=0.05)
    assert told(stats, "messages", "p50") == pytest.approx(quiet, rel=0.05)
    assert told(stats, "messages", "mean") == pytest.approx((quiet + peak) / 2, rel=0.05)


def test_bytes_of_each_past_hour_are_those_that_were_written(stats: Document) -> None:
    """Values alone; keys and headers of records and batches are some per cent more."""

    def megabytes(hour: int) -> float:
        return sum(rates[hour] * VALUE_BYTES[name] for name, rates in RATES.items()) / 1e6

    assert told(stats, "write", "hourly max") == pytest.approx(megabytes(1), rel=0.05)
    assert told(stats, "write", "p95") == pytest.approx(megabytes(1), rel=0.05)
    assert told(stats, "write", "p50") == pytest.approx(megabytes(0), rel=0.05)


def test_rates_say_of_which_hours_they_are_and_that_two_hours_are_few(stats: Document, loaded: Loaded) -> None:
    (figure,) = [f for f in stats["figures"]["write"] if f["stat"] == "hourly max"]
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((loaded.newest_ms - 2 * HOUR_MS) / 1000))
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(loaded.newest_ms / 1000))
    assert (figure["window"], figure["confidence"]) == (f"{begin}/{end}", "low")


def test_bytes_a_message_are_told_by_topic_with_what_makes_them_doubtful(stats: Document) -> None:
    assert topic(stats, ORDERS)["bytesPerMessage"] == pytest.approx(VALUE_BYTES[ORDERS], rel=0.05)
    assert topic(stats, ORDERS)["messagesPerSecond"] == pytest.approx(sum(RATES[ORDERS]) / 2, rel=0.05)
    flags = {name: topic(stats, name)["flags"] for name in (ORDERS, CUSTOMERS, PAYMENTS, CLICKS)}
    assert flags == {
        ORDERS: [],
        CUSTOMERS: ["compacted"],
        PAYMENTS: ["transactional"],
        CLICKS: ["short retention"],
    }
    assert stats["features"] == {
        "compaction": True,
        "transactions": True,
        "idempotence": True,
        "acls": False,
        "scram": False,
    }


def test_what_compaction_has_removed_makes_no_hour_of_zeros() -> None:
    """The oldest record that is left may be younger than the log, which still begins at 0."""
    counts = {"plain": (3600, 7200), "latest": (72, 72)}
    with kraft_cluster("4.3.1", settings={"log.cleaner.backoff.ms": "100"}) as cluster:
        bootstrap = cluster.bootstrap_servers
        admin = AdminClient({"log_level": 0, "bootstrap.servers": bootstrap})
        cleaned = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
        create(admin, NewTopic("plain", 2, 1), NewTopic("latest", 1, 1, config=cleaned))
        producer = Producer({"log_level": 0, "bootstrap.servers": bootstrap, "max.in.flight": 1, "linger.ms": 5})
        newest = last_full_hour_ms()
        for hour in (0, 1):
            for name, count in counts.items():
                for number in range(count[hour]):
                    at = newest - (2 - hour) * HOUR_MS + number * HOUR_MS // count[hour]
                    place = number % (2 if name == "plain" else 1)
                    producer.produce(name, random.randbytes(500), key="one", partition=place, timestamp=at)
                assert producer.flush(30) == 0
        deadline = time.monotonic() + 60
        while not first_offset_left(bootstrap, "latest"):
            assert time.monotonic() < deadline, "the cleaner removes what has a successor"
            time.sleep(0.2)
        stats = statistics_at(bootstrap, newest + 1)
    told_by_hour = [hour["messages"] for hour in stats["hours"]]
    assert told_by_hour == pytest.approx([1.02, 2.02], rel=0.05), "two hours, not a week of zeros before them"
    assert [hour["write"] for hour in stats["hours"]] == pytest.approx([500 * 1.02e-6, 500 * 2.02e-6], rel=0.05)
    assert topic(stats, "latest")["flags"] == ["compacted"]


def first_offset_left(bootstrap: str, topic: str) -> int:
    """Offset of the first record that is left."""
    settings = {"group.id": "none", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    with closing(Consumer({"log_level": 0, "bootstrap.servers": bootstrap, **settings})) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        return int(message.offset())


def test_sizes_are_those_that_the_log_dirs_command_prints(stats: Document, loaded: Loaded) -> None:
    bootstrap = loaded.cluster.bootstrap_servers
    said = loaded.cluster.tool("org.apache.kafka.tools.LogDirsCommand", "--bootstrap-server", bootstrap, "--describe")
    sizes: dict[str, int] = {}
    for broker in json.loads(said[said.index('{"') :])["brokers"]:
        for directory in broker["logDirs"]:
            for partition in directory["partitions"]:
                name = partition["partition"].rpartition("-")[0]
                sizes[name] = sizes.get(name, 0) + partition["size"]
    # The cleaner may have been at work on the compacted topic in between.
    mine = {name: topic(stats, name)["sizeBytes"] for name in (ORDERS, PAYMENTS, CLICKS)}
    assert mine == {name: sizes[name] for name in mine}
    assert mine[ORDERS] > 36_000 * VALUE_BYTES[ORDERS]
    assert told(stats, "dataReplicated", "total", "measured") == told(stats, "data", "total", "measured")


def test_counts_of_the_cluster_are_measured_and_reading_is_a_gap(stats: Document) -> None:
    counts = {name: stats["figures"][name][0]["value"] for name in ("topics", "partitions", "replicas", "acls")}
    assert counts == {"topics": 4, "partitions": 9, "replicas": 9, "acls": 0}
    assert "read" not in stats["figures"], "nobody knows what was read, and that is no zero"
    assert "read" in {gap["resource"] for gap in stats["gaps"]}


def test_figures_of_this_machine_are_there_when_a_broker_of_the_cluster_runs_on_it(stats: Document) -> None:
    host = stats["host"]
    assert host["brokers"] == [1]
    assert host["cores"] > 0
    assert host["memoryBytes"] > 2**30
    assert [volume["totalBytes"] > 0 for volume in host["volumes"]] == [True]


def test_a_week_costs_one_request_a_broker_and_hour_and_no_partition_is_asked_alone(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = loaded.cluster.bootstrap_servers
    create(AdminClient({"log_level": 0, "bootstrap.servers": bootstrap}), NewTopic("week", 3, 1))
    producer = Producer({"log_level": 0, "bootstrap.servers": bootstrap, "max.in.flight": 1})
    for hour in range(9 * 24, 0, -1):
        for number in range(3):
            producer.produce("week", b"x" * 100, partition=number, timestamp=loaded.newest_ms - hour * HOUR_MS + 1000)
    assert producer.flush(60) == 0
    asked: list[tuple[object, int]] = []
    original = Wire.ask_each

    def counting(self: Wire, requests: Sequence[tuple[Any, Any]]) -> Iterator[tuple[int, Any]]:
        for _, request in requests:
            kind = type(request).__name__
            asked.append((kind, sum(len(topic.partitions) for topic in request.topics) if "ListOff" in kind else 0))
        return original(self, requests)

    now_ms = loaded.newest_ms + 1
    settings, snapshot = exported_at(bootstrap, now_ms, Selection(include_topics=re.compile("week")))
    monkeypatch.setattr(Wire, "ask_each", counting)
    stats = collect(settings, snapshot, Wanted(), emit=silent, now_ms=now_ms)
    assert len(asked) <= 200
    past = [partitions for kind, partitions in asked if partitions]
    assert past == [3] * (history.MOST_HOURS + 1), "a week, although there is more"
    assert [hour["messages"] for hour in stats["hours"]] == [round(3 / 3600, 3)] * history.MOST_HOURS
    assert {f["confidence"] for f in stats["figures"]["write"]} == {"medium"}


# What is written and read now.


@pytest.fixture(scope="module")
def busy(loaded: Loaded, run: Cli, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An export while Kafka's own load generator writes and one group reads."""
    cluster = loaded.cluster
    create(AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers}), NewTopic("load", 2, 1))
    command = cluster.tool_command(
        "org.apache.kafka.tools.ProducerPerformance",
        # Large records, so that what batches add to them is little.
        *("--topic", "load", "--num-records", "100000", "--record-size", "10000", "--throughput", "200"),
        *("--producer-props", f"bootstrap.servers={cluster.bootstrap_servers}", "linger.ms=20"),
    )
    generator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment())
    stop, settled = threading.Event(), threading.Event()
    reports: list[tuple[float, float, float]] = []

    def report() -> None:
        """Each tells of the five seconds before it: when, messages a second, bytes a second."""
        assert generator.stdout is not None
        for line in generator.stdout:
            if match := re.search(r"([\d.]+) records/sec \(([\d.]+) MB/sec\)", line):
                reports.append((time.monotonic(), float(match[1]), float(match[2]) * 2**20))

    def read() -> None:
        settings = {"group.id": "readers", "auto.offset.reset": "earliest", "auto.commit.interval.ms": 200}
        with closing(
            Consumer({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers, **settings})
        ) as consumer:
            consumer.subscribe(["load"])
            seen = 0
            while not stop.is_set():
                message = consumer.poll(0.2)
                seen += message is not None and not message.error()
                # The generator makes up for its slow start first.
                if seen > 2000:
                    settled.set()

    threads = [threading.Thread(target=read), threading.Thread(target=report)]
    for thread in threads:
        thread.start()
    try:
        assert settled.wait(90), "the reader reads what is written"
        begin = time.monotonic()
        before = metrics.read(loaded.jolokia)
        stats = loaded.typed(run, METRICS, tmp_path_factory.mktemp("busy"))
        after = metrics.read(loaded.jolokia)
        assert generator.poll() is None, "the generator was at work all the time"
    finally:
        stop.set()
        generator.kill()
        for thread in threads:
            thread.join()
    own = [(messages, volume) for when, messages, volume in reports if when > begin + 4]
    assert len(own) > 3
    assert isinstance(before, metrics.Scrape)
    assert isinstance(after, metrics.Scrape)
    return {
        "stats": stats,
        "jolokia": metrics.rates(before, after),
        "messages": sum(messages for messages, _ in own) / len(own),
        "write": sum(volume for _, volume in own) / len(own) / 1e6,
    }


def scraped(stats: Document, name: str) -> float:
    """The measured mean that came after the sample's."""
    means = [f["value"] for f in stats["figures"][name] if f["stat"] == "mean" and f["method"] == "measured"]
    assert len(means) == 2, "one of the sample, one of the metrics"
    return float(means[1])


@pytest.mark.long
def test_rates_from_prometheus_agree_with_the_producers_own_report(busy: dict[str, Any]) -> None:
    assert scraped(busy["stats"], "messages") == pytest.approx(busy["messages"], rel=0.1)
    assert scraped(busy["stats"], "write") == pytest.approx(busy["write"], rel=0.1)
    assert scraped(busy["stats"], "read") == pytest.approx(busy["write"], rel=0.1)


@pytest.mark.long
def test_rates_from_jolokia_agree_with_the_producers_own_report(busy: dict[str, Any]) -> None:
    assert busy["jolokia"]["messages"] == pytest.approx(busy["messages"], rel=0.1)
    assert busy["jolokia"]["write"] == pytest.approx(busy["write"] * 1e6, rel=0.1)


@pytest.mark.long
def test_a_live_sample_sees_what_is_written_and_what_each_group_reads(busy: dict[str, Any]) -> None:
    stats = busy["stats"]
    seconds = stats["sample"]["seconds"]
    mine = [f for f in stats["figures"]["write"] if f["window"] == f"PT{seconds:.0f}S"]
    rates = {f["stat"]: f["value"] for f in mine}
    assert rates["mean"] == pytest.approx(busy["write"], rel=0.1)
    assert rates["max"] >= rates["mean"]
    assert stats["sample"]["burstRatio"] >= 1
    (group,) = stats["sample"]["groups"]
    assert group["group"] == "readers"
    assert group["read"] == pytest.approx(busy["write"], rel=0.15)
    derived = [f for f in stats["figures"]["read"] if f["method"] == "derived"]
    assert derived, "the peak of reading follows that of writing, by the sample's proportion"
    assert {f["confidence"] for f in derived} == {"low"}


# What cannot be known.


def test_an_endpoint_that_is_down_is_a_gap_and_the_export_goes_on(loaded: Loaded, run: Cli, tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}/metrics"
    stats = loaded.export(run, "--metrics-url", down, "--include-topics", ORDERS, file=tmp_path / "down.json")
    assert [hour["messages"] for hour in stats["hours"]][:2] == pytest.approx(RATES[ORDERS], rel=0.01)
    (gap,) = [gap for gap in stats["gaps"] if gap["resource"] == f"metrics of {down}"]
    assert "refused" in gap["reason"]
    assert "read" not in stats["figures"]


def test_an_address_of_metrics_with_a_password_is_refused_without_repeating_it(cli: Cli) -> None:
    done = cli(
        "export", "--source-bootstrap-servers", "127.0.0.1:1", "--metrics-url", "http://me:hunter2@broker/metrics"
    )
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_without_statistics_there_are_none_in_the_file(loaded: Loaded, cli: Cli, tmp_path: Path) -> None:
    bootstrap = loaded.cluster.bootstrap_servers
    done = cli("export", "--source-bootstrap-servers", bootstrap, "--fileName", "plain.json", "--no-evaluate")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "plain.json").read_text())["stats"] is None


def evaluated(cli: Cli, file: Path, *arguments: str) -> tuple[int, Document]:
    done = cli("evaluate", "--fileName", str(file), "--provider", "self-managed", "--output", "json", *arguments)
    return done.returncode, json.loads(done.stdout or done.stderr.strip().splitlines()[-1])


def test_an_empty_cluster_is_refused_in_words_not_sized_as_zero(cli: Cli, tmp_path: Path) -> None:
    with kraft_cluster("4.3.1") as cluster:
        done = cli("export", "--source-bootstrap-servers", cluster.bootstrap_servers, "--fileName", "empty.json")
        assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "empty.json").read_text())["stats"]
    assert not {"write", "read", "messages", "data"} & stats["figures"].keys()
    status, answer = evaluated(cli, tmp_path / "empty.json")
    assert (status, answer["kind"]) == (1, "kafka-meta-error")
    assert "empty" in answer["message"]


@pytest.mark.guard
def test_without_rights_figures_are_absent_and_the_recommendation_is_incomplete(cli: Cli, tmp_path: Path) -> None:
    """READ on one topic, and nothing else: no cluster, no log directories, no broker configs."""
    listeners = {"USERS": "SASL_PLAINTEXT"}
    jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="a" user_guest="g";'
    settings = {
        "super.users": "User:ANONYMOUS",
        "listener.name.users.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.users.plain.sasl.jaas.config": jaas,
    }
    with zookeeper_cluster("3.9.1", settings=settings, listeners=listeners) as cluster:
        admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
        create(admin, NewTopic("seen", 3, 1), NewTopic("unseen", 3, 1))
        rule = AclBinding(
            ResourceType.TOPIC,
            "seen",
            ResourcePatternType.LITERAL,
            "User:guest",
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )
        for future in admin.create_acls([rule]).values():
            future.result()
        producer = Producer({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
        for _ in range(1000):
            producer.produce("seen", b"x" * 100, timestamp=time.time_ns() // 1_000_000 - 2 * HOUR_MS)
        assert producer.flush(30) == 0
        properties = tmp_path / "guest.properties"
        properties.write_text(
            f"bootstrap.servers={cluster.bootstrap('USERS')}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
            "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
            'username="guest" password="g";\n'
        )
        done = cli("export", "--source-config", str(properties), "--fileName", "guest.json")
        assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "guest.json").read_text())["stats"]
    assert not {"write", "read", "data", "dataReplicated", "volumeTotal"} & stats["figures"].keys()
    assert stats["figures"]["messages"], "offsets can be read without DESCRIBE on the cluster"
    assert "groups" not in stats["figures"], "that none may be seen is not that there are none"
    status, answer = evaluated(cli, tmp_path / "guest.json")
    assert (status, answer["complete"]) == (1, False)
    assert {"write", "read", "data"} <= set(answer["missing"])


@pytest.mark.guard
def test_a_broker_without_log_directories_gives_an_incomplete_recommendation(cli: Cli, tmp_path: Path) -> None:
    with zookeeper_cluster("0.11.0.3") as cluster:
        producer = Producer(
            {"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers, "allow.auto.create.topics": True}
        )
        for _ in range(1000):
            producer.produce("old", b"x" * 100, timestamp=time.time_ns() // 1_000_000 - 2 * HOUR_MS)
        assert producer.flush(60) == 0
        done = cli("export", "--source-bootstrap-servers", cluster.bootstrap_servers, "--fileName", "old.json")
        assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "old.json").read_text())["stats"]
    validate(stats, "stats", called="old.json")
    assert not {"write", "data"} & stats["figures"].keys()
    status, answer = evaluated(cli, tmp_path / "old.json")
    assert (status, answer["complete"]) == (1, False)


def test_zookeeper_alone_gives_counts_and_says_that_brokers_know_the_rest(
    cli: Cli, source: Playground, tmp_path: Path
) -> None:
    done = cli("export", "--source-zk-connect", str(source.zookeeper_connect), "--fileName", "zookeeper.json")
    assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "zookeeper.json").read_text())["stats"]
    validate(stats, "stats", called="zookeeper.json")
    assert not {"write", "read", "messages", "data"} & stats["figures"].keys()
    assert any("only brokers know" in gap["reason"] for gap in stats["gaps"])


def test_a_cluster_without_retention_gives_an_incomplete_recommendation_until_the_disk_is_given(
    loaded: Loaded, cli: Cli, tmp_path: Path
) -> None:
    bootstrap = loaded.cluster.bootstrap_servers
    admin = AdminClient({"log_level": 0, "bootstrap.servers": bootstrap})
    create(admin, NewTopic("ever", 2, 1, config={"retention.ms": "-1"}))
    producer = Producer({"log_level": 0, "bootstrap.servers": bootstrap})
    producer.produce("ever", b"x" * 1000, timestamp=loaded.newest_ms - HOUR_MS)
    assert producer.flush(30) == 0
    # Of groups, those of other tests, reading would be derived.
    loaded.export(cli, "--include-topics", "ever", "--exclude-groups", ".*", file=tmp_path / "ever.json")
    status, answer = evaluated(cli, tmp_path / "ever.json")
    assert (status, answer["complete"]) == (1, False)
    assert {"read", "retention"} <= set(answer["missing"])
    assert any(each["resource"] == "retention" and "--disk" in each["reason"] for each in answer["warnings"])
    status, answer = evaluated(cli, tmp_path / "ever.json", "--disk", "100", "--peak-traffic", "1")
    assert (status, answer["complete"], answer["missing"]) == (0, True, [])


def test_topics_that_keep_everything_are_counted_and_warned_of() -> None:
    snapshot = Snapshot(
        taken_at_ms=0,
        topics=(
            Topic(name="ever", partitions=(partition(),), configs={"retention.ms": "-1"}),
            Topic(
                name="compacted", partitions=(partition(),), configs={"retention.ms": "-1", "cleanup.policy": "compact"}
            ),
            Topic(name="week", partitions=(partition(),)),
        ),
        defaults={"retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete"},
    )
    figures = inventory(snapshot)["figures"]
    assert figures["unlimitedRetentionTopics"][0]["value"] == 1
    assert figures["compactedPartitions"][0]["value"] == 1
    assert figures["retention"][0]["value"] == 604_800_000


# Arithmetic.


def partition(number: int = 0, **known: Any) -> Partition:
    return Partition(partition=number, leader=1, replicas=(1,), **known)


def log(topic: str = "t", number: int = 0, start: int = 0, end: int = 100, size: int | None = 1000) -> Log:
    weight = None if size is None or end == start else size / (end - start)
    return Log(topic=topic, partition=number, leader=1, start=start, end=end, size_bytes=size, bytes_a_message=weight)


def past_of(logs: Sequence[Log], *offsets: dict[tuple[str, int], int], share: float = 1.0) -> History:
    times = tuple(i * HOUR_MS for i in range(len(offsets)))
    return history.rates(Boundaries(sample=Sample(logs=tuple(logs), share=share), times_ms=times, offsets=offsets))


T = ("t", 0)


DEFAULTS = {"retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete"}
HOURS_A_WEEK = 168


def retained_of(**topics: dict[str, str]) -> float | None:
    """Each holds 1,000 bytes in 100 messages, all of the last hour, in one partition."""
    known = {name: partition(start_offset=0, end_offset=100, size_bytes=1000) for name in topics}
    snapshot = Snapshot(
        taken_at_ms=0,
        topics=tuple(Topic(name=name, partitions=(known[name],), configs=configs) for name, configs in topics.items()),
        defaults=DEFAULTS,
    )
    logs = [log(name) for name in topics]
    past = past_of(logs, {}, {(name, 0): 0 for name in topics}, {(name, 0): 100 for name in topics})
    return retained_bytes(snapshot, logs, past)


@pytest.mark.parametrize(
    ("configs", "held"),
    [
        ({}, 1000 * HOURS_A_WEEK),
        ({"retention.ms": "7200000"}, 1000 * 2),
        ({"retention.ms": "-1", "retention.bytes": "5000"}, 5000),
        ({"retention.bytes": "5000"}, 5000),
        ({"retention.ms": "60000"}, 1000),
        ({"cleanup.policy": "compact", "retention.ms": "-1"}, 1000),
        ({"cleanup.policy": "compact,delete"}, 1000 * HOURS_A_WEEK),
        ({"retention.ms": "-1"}, None),
    ],
    ids=["time", "short", "size", "time and size", "less than it holds now", "compacted", "both", "for ever"],
)
def test_a_topic_holds_what_its_own_retention_lets_it(configs: dict[str, str], held: int | None) -> None:
    assert retained_of(t=configs) == (None if held is None else pytest.approx(held))


def test_topics_are_added_each_with_its_own_retention() -> None:
    assert retained_of(long={}, short={"retention.ms": "7200000"}) == pytest.approx(1000 * (HOURS_A_WEEK + 2))


def test_a_percentile_is_a_value_that_occurred() -> None:
    assert [percentile(list(range(1, 101)), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7], 0.5) == 7


def test_hours_before_the_oldest_record_are_not_zeros() -> None:
    past = past_of([log()], {}, {}, {T: 36}, {T: 100})
    assert [(hour.start_ms, hour.messages * 3600) for hour in past.hours] == [(HOUR_MS, 36), (2 * HOUR_MS, 64)]


def test_an_hour_whose_records_may_be_deleted_is_not_told() -> None:
    """The log starts at 50: what was written before its first boundary is not known, not even the rest of that hour."""
    past = past_of([log(start=50)], {T: 50}, {T: 60}, {T: 100})
    assert [hour.messages * 3600 for hour in past.hours] == [40]
    assert past.short == {"t"}


def test_what_may_have_been_removed_from_a_compacted_log_is_unknown_rather_than_zero() -> None:
    """Its oldest record that is left, at 60, is of the second hour: what was written in the first one, nobody knows."""
    compacted = replace(log(), compacted=True)
    offsets = ({T: 60}, {T: 60}, {T: 80}, {T: 100})
    times = tuple(i * HOUR_MS for i in range(len(offsets)))
    sample = Sample(logs=(compacted,), share=1.0)
    past = history.rates(Boundaries(sample=sample, times_ms=times, offsets=offsets, floors={T: 60}))
    assert [(hour.start_ms, hour.messages * 3600) for hour in past.hours] == [(2 * HOUR_MS, 20)]
    assert past.short == frozenset()


def test_hours_of_a_log_that_stood_still_are_zeros_and_need_not_be_asked_for() -> None:
    """It holds older records, so that nothing is missing: nothing was written."""
    past = history.rates(
        Boundaries(
            sample=Sample(logs=(log(),), share=1.0),
            times_ms=tuple(i * HOUR_MS for i in range(4)),
            offsets=({}, {}, {T: 40}, {T: 100}),
            floors={T: 40},
        )
    )
    assert [hour.messages * 3600 for hour in past.hours] == [0, 0, 60]


def test_a_small_topic_of_short_retention_does_not_hide_the_hours_of_the_others() -> None:
    small = log("small", start=10, end=11, size=10)
    offsets = ({T: 0}, {T: 50}, {T: 100, ("small", 0): 11})
    past = past_of([log(size=100_000), small], *offsets)
    assert [hour.messages * 3600 for hour in past.hours] == [50, 50]


def test_a_busy_topic_of_short_retention_makes_hours_unknown_rather_than_small() -> None:
    busy = log("busy", start=10_000, end=20_000, size=10_000_000)
    past = past_of([log(), busy], {T: 0}, {T: 50}, {T: 100})
    assert past.hours == ()
    assert any("deleted" in gap.reason for gap in past.gaps)


def test_traffic_of_partitions_that_were_not_looked_at_is_added_by_size_and_said_so() -> None:
    past = past_of([log()], {}, {T: 100}, share=0.1)
    assert past.hours[0].messages * 3600 == pytest.approx(1000)
    assert any("10%" in gap.reason for gap in past.gaps)


def test_all_partitions_of_a_small_cluster_are_looked_at_and_the_largest_of_a_large_one() -> None:
    small = [log(number=i, size=i + 1) for i in range(history.MOST_PARTITIONS)]
    assert len(history.choose(small).logs) == history.MOST_PARTITIONS
    even = history.choose([log(number=i) for i in range(6000)])
    assert len(even.logs) == history.MOST_PARTITIONS
    assert even.share == pytest.approx(500 / 6000)
    skewed = history.choose([log(number=i, size=10**9 if i < 20 else 1) for i in range(6000)])
    assert len(skewed.logs) == 20
    assert skewed.share >= ENOUGH


def test_slow_brokers_are_asked_about_fewer_partitions_within_the_same_time() -> None:
    boundaries = history.MOST_HOURS + 1
    assert history._affordable(5, history.BUDGET_S * 5 / boundaries) == pytest.approx(1)
    assert history._affordable(5, history.BUDGET_S * 10 / boundaries) == pytest.approx(0.5, abs=0.02)
    assert history._affordable(30, history.BUDGET_S * 2) < 0, "too late for all but the fewest"


def test_partitions_without_known_sizes_are_chosen_by_messages_and_have_no_rate_in_bytes() -> None:
    unknown = log(size=None)
    past = past_of(history.choose([unknown]).logs, {}, {T: 100})
    assert past.hours[0].messages * 3600 == 100
    assert past.hours[0].megabytes is None


def test_a_sample_tells_the_highest_step_and_the_mean() -> None:
    looks = [live.Look(at_s=at, ends={T: end}) for at, end in ((0, 0), (1, 10), (2, 100))]
    seen = live.measure([log()], looks, {"g": {T: 0}}, {"g": {T: 50}}, read_s=2)
    assert seen is not None
    assert (seen.messages_mean, seen.messages_max) == (50, 90)
    assert seen.write_mean == pytest.approx(50 * 10 / 1e6)
    assert seen.read_by_group == {"g": pytest.approx(25 * 10 / 1e6)}


def test_reading_of_records_whose_weight_is_not_known_is_not_known() -> None:
    looks = [live.Look(at_s=at, ends={T: end}) for at, end in ((0, 0), (1, 10))]
    seen = live.measure([log(size=None)], looks, {"g": {T: 0}}, {"g": {T: 5}}, read_s=1)
    assert seen is not None
    assert (seen.write_mean, seen.read_mean) == (None, None)


def test_no_right_to_see_topics_or_groups_is_not_zero_of_them() -> None:
    gaps = (Remark(resource=Resource("cluster"), reason="no right to DESCRIBE"),)
    blind = Snapshot(taken_at_ms=0, topics=(), groups=(), gaps=gaps)
    assert not {"topics", "groups"} & inventory(blind)["figures"].keys()
    seeing = Snapshot(taken_at_ms=0, topics=(), groups=(), cluster=Cluster(brokers=(Broker(id=1),)))
    assert [inventory(seeing)["figures"][name][0]["value"] for name in ("topics", "groups")] == [0, 0]
