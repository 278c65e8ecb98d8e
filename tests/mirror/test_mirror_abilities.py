"""Clusters that do not support every request: works, or is found before the first write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kafka_meta.playground import Cluster
from tests.support.commands import Cli
from tests.support.mirrored import Mirror
from tests.support.proxy import Hiding, pair_behind
from tests.support.traffic import commit, committed, config, create, produce, rows, watermarks

pytestmark = [pytest.mark.brokers, pytest.mark.guard]

PRODUCE, FETCH, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH, DESCRIBE_CONFIGS = 0, 1, 22, 23, 32
INCREMENTAL_ALTER_CONFIGS, DESCRIBE_PRODUCERS = 44, 61
HIDDEN = -1


class Side:
    """A cluster that is reached by its proxy only: `bootstrap_servers` is the proxy's address."""

    def __init__(self, cluster: Cluster, proxy: Hiding) -> None:
        self.cluster, self.proxy = cluster, proxy
        self.bootstrap_servers = f"127.0.0.1:{proxy.port}"

    @contextmanager
    def without(self, highest: dict[int, int]) -> Iterator[None]:
        self.proxy.highest = highest
        try:
            yield
        finally:
            self.proxy.highest = {}


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        proxies = [stack.enter_context(Hiding()) for _ in range(2)]
        clusters = stack.enter_context(pair_behind(proxies))
        source, dest = (Side(cluster, proxy) for cluster, proxy in zip(clusters, proxies, strict=True))
        yield source, dest


@pytest.fixture
def small(sides: tuple[Side, Side], cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> Mirror:
    """100 records in `<name>.t-0`, of which the group `<name>.g` has read 40; the destination has the topic."""
    name = request.node.name.replace("_", "-").removeprefix("test-")[:60].split("[")[0]
    name += request.node.name.partition("[")[2].rstrip("]").replace(" ", "-")
    source, dest = sides
    mirror = Mirror(cli, source, dest, tmp_path, rf"{name}\..*", name)  # type: ignore[arg-type]
    create(mirror.source, {mirror.topic: 1})
    create(mirror.dest, {mirror.topic: 1}, {"retention.ms": "3600000"})
    produce(mirror.source, mirror.topic, 0, (b"%d" % number for number in range(100)))
    commit(mirror.source, mirror.group, {(mirror.topic, 0): 40})
    return mirror


def assert_untouched(mirror: Mirror) -> None:
    assert watermarks(mirror.dest, mirror.topic, 0) == (0, 0)
    assert config(mirror.dest, mirror.topic, "retention.ms") == "3600000"
    assert config(mirror.dest, mirror.topic, "retention.bytes") is None
    assert committed(mirror.dest, mirror.group) == {}
    assert list(mirror.state.rglob("*.sqlite")) == []


def assert_copied(mirror: Mirror) -> None:
    assert [row[2] for row in rows(mirror.dest, mirror.topic, 0)] == [b"%d" % number for number in range(40, 100)]
    assert committed(mirror.dest, mirror.group) == {(mirror.topic, 0): 0}


@pytest.mark.parametrize(
    "highest",
    [
        pytest.param({PRODUCE: 7, FETCH: 10}, id="old versions"),
        pytest.param({INIT_PRODUCER_ID: HIDDEN}, id="no idempotence"),
        pytest.param({DESCRIBE_PRODUCERS: HIDDEN}, id="no producers"),
    ],
)
def test_a_destination_that_supports_what_is_needed_gets_everything(
    sides: tuple[Side, Side], small: Mirror, highest: dict[int, int]
) -> None:
    with sides[1].without(highest):
        document = small.document("--commit")
    assert document["copied"][0]["content"] == "equal"
    assert_copied(small)
    said = [each["reason"] for each in document["warnings"] if each["resource"] == "destination"]
    assert any("idempotent producers" in reason for reason in said) == (INIT_PRODUCER_ID in highest)


@pytest.mark.parametrize(
    ("highest", "said"),
    [
        pytest.param({PRODUCE: 2}, "Produce (version 3 or higher)", id="produce"),
        pytest.param({FETCH: 2}, "Fetch (version 3 or higher)", id="fetch"),
        pytest.param({OFFSET_FOR_LEADER_EPOCH: HIDDEN}, "OffsetForLeaderEpoch (version 1 or higher)", id="epochs"),
        pytest.param({DESCRIBE_CONFIGS: HIDDEN}, "DescribeConfigs", id="configs"),
        pytest.param({INCREMENTAL_ALTER_CONFIGS: HIDDEN}, "IncrementalAlterConfigs", id="alter"),
    ],
)
def test_what_the_copy_needs_and_the_destination_lacks_is_found_before_the_first_write(
    sides: tuple[Side, Side], small: Mirror, highest: dict[int, int], said: str
) -> None:
    with sides[1].without(highest):
        looked = small.document()
        document = small.document("--commit", status=1)
    assert document["findings"] == looked["findings"]
    (reason,) = [each["reason"] for each in document["findings"] if each["resource"] == "destination"]
    assert f"its brokers do not support {said}, which is needed " in reason
    assert ("--no-guard" in reason) == (highest.keys() <= {DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS})
    assert document["copied"] == []
    assert_untouched(small)


@pytest.mark.parametrize(
    "highest",
    [
        pytest.param({}, id="all"),
        pytest.param({INCREMENTAL_ALTER_CONFIGS: HIDDEN}, id="alter"),
        pytest.param({INCREMENTAL_ALTER_CONFIGS: HIDDEN, DESCRIBE_CONFIGS: HIDDEN}, id="configs"),
    ],
)
def test_without_the_guard_retention_stays_as_it_is_and_what_may_vanish_is_said(
    sides: tuple[Side, Side], small: Mirror, highest: dict[int, int]
) -> None:
    with sides[1].without(highest):
        document = small.document("--commit", "--no-guard")
    assert document["guarded"] == [] and document["copied"][0]["content"] == "equal"
    assert config(small.dest, small.topic, "retention.ms") == "3600000"
    assert_copied(small)
    (said,) = [each["reason"] for each in document["warnings"] if "--no-guard" in each["reason"]]
    if DESCRIBE_CONFIGS in highest:
        assert "its retention on the destination could not be read" in said
    else:
        assert "deletes records by their own timestamps, read or unread (retention.ms is 3600000)" in said


def test_without_the_guard_the_records_that_are_too_old_already_are_counted(
    sides: tuple[Side, Side], small: Mirror
) -> None:
    topic = f"{small.topic}.old"
    create(small.source, {topic: 1}, {"retention.ms": "-1"})
    create(small.dest, {topic: 1}, {"retention.ms": "3600000"})
    produce(small.source, topic, 0, [{"value": b"old", "timestamp": 1_600_000_000_000}] * 5)
    produce(small.source, topic, 0, [b"new"] * 5)
    commit(small.source, small.group, {(topic, 0): 0})
    looked = small.document("--no-guard")
    said = {each["resource"]: each["reason"] for each in looked["warnings"] if "--no-guard" in each["reason"]}
    assert "of the 10 records to copy, at least 5 are too old already" in said[f"topic {topic}"]
    assert "of the 60 records to copy, at least 0 are too old already" in said[f"topic {small.topic}"]
    assert_untouched(small)


@pytest.mark.parametrize(
    "highest",
    [
        pytest.param({DESCRIBE_CONFIGS: HIDDEN, DESCRIBE_PRODUCERS: HIDDEN}, id="configs"),
        pytest.param({FETCH: 4}, id="old fetch"),
    ],
)
def test_a_source_may_lack_what_is_not_needed(sides: tuple[Side, Side], small: Mirror, highest: dict[int, int]) -> None:
    with sides[0].without(highest):
        document = small.document("--commit")
    assert document["copied"][0]["content"] == "equal"
    assert_copied(small)


def test_a_source_that_does_not_tell_where_epochs_end_is_copied_and_that_is_said(
    sides: tuple[Side, Side], small: Mirror
) -> None:
    with sides[0].without({OFFSET_FOR_LEADER_EPOCH: HIDDEN}):
        documents = [small.document(), small.document("--commit"), small.document("--commit")]
    said = f"nobody can tell whether the log of topic {small.topic} is cut back after it was copied: "
    said += "the brokers do not support OffsetForLeaderEpoch"
    for document in documents:
        assert [each["reason"] for each in document["warnings"] if each["resource"] == "source"] == [said]
    assert_copied(small)


def test_a_source_without_the_request_that_reads_records_is_found(sides: tuple[Side, Side], small: Mirror) -> None:
    with sides[0].without({FETCH: 2}):
        document = small.document("--commit", status=1)
    (reason,) = [each["reason"] for each in document["findings"] if each["resource"] == "source"]
    assert reason.startswith("its brokers do not support Fetch (version 3 or higher), which is needed to read records")
    assert_untouched(small)


def test_check_says_what_a_mirror_would_need(sides: tuple[Side, Side], cli: Cli) -> None:
    source, dest = sides
    both = ("--source-bootstrap-servers", source.bootstrap_servers, "--dest-bootstrap-servers", dest.bootstrap_servers)
    with dest.without({INCREMENTAL_ALTER_CONFIGS: HIDDEN, PRODUCE: 2}):
        told = cli("check", *both, "--output", "json")
        shown = cli("check", *both)
    gaps = {each["reason"] for side in json.loads(told.stdout)["sides"] for each in side["gaps"]}
    assert any("do not support Produce (version 3 or higher)" in reason for reason in gaps), gaps
    assert any("do not support IncrementalAlterConfigs" in reason for reason in gaps)
    assert "  ! mirror: its brokers do not support Produce" in shown.stdout
