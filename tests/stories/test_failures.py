"""What goes wrong in the middle of the night, on real clusters: refusals, dead brokers, signals, changed minds."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from kafka_meta import playground
from kafka_meta.files.schemas import validate
from kafka_meta.playground import Cluster
from kafka_meta.playground.jars import fetch, java
from tests.support.brokers import kraft_cluster
from tests.support.commands import Cli, unmeasured_environment
from tests.support.shop import commit, create, live_consumer, until

POLICY = """
import java.util.Map;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

public class Policy implements CreateTopicPolicy {
    public static void premain(String arguments) { }  // an agent's jar is on the class path
    public void configure(Map<String, ?> configs) { }
    public void close() { }
    public void validate(RequestMetadata request) {
        if (!request.topic().endsWith("-forbidden")) return;
        throw new PolicyViolationException("no topic is called forbidden here");
    }
}
"""
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A destination with a policy for topics, and a listener where `limited` logs in, who may create `ok.…` only."""
    folder = tmp_path_factory.mktemp("policy")
    (folder / "Policy.java").write_text(POLICY)
    javac = Path(java()).resolve().with_name("javac")
    subprocess.run([javac, "-cp", f"{fetch('4.3.1')}/*", "Policy.java"], cwd=folder, check=True)
    with zipfile.ZipFile(folder / "policy.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nPremain-Class: Policy\n\n")
        jar.write(folder / "Policy.class", "Policy.class")
    with kraft_cluster(
        listeners={"SASL": "SASL_PLAINTEXT"},
        settings={
            "create.topic.policy.class.name": "Policy",
            "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{PLAIN} user_limited="limited-secret";',
        },
        jvm_options=(f"-javaagent:{folder}/policy.jar",),
    ) as cluster:
        yield cluster


@pytest.fixture
def to_strict(strict: Cluster) -> tuple[str, ...]:
    return ("--dest-bootstrap-servers", strict.bootstrap_servers)


INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("kafka_meta", run_name="__main__", alter_sys=True)
"""
"""What a shell runs in the background, these tests perhaps, ignores ^C from birth on."""

TYPED = (sys.executable, "-c", INTERRUPTIBLE)


def admin(cluster: Cluster) -> AdminClient:
    return AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})


def topics(cluster: Cluster, prefix: str) -> set[str]:
    return {name for name in admin(cluster).list_topics(timeout=10).topics if name.startswith(prefix)}


def positions(cluster: Cluster, group: str) -> dict[tuple[str, int], int]:
    client = admin(cluster)
    found = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
    return {(at.topic, at.partition): at.offset for at in found.topic_partitions}


def write(path: Path, topics: Sequence[str], *, partitions: int = 1, groups: int = 0, rules: int = 0) -> Path:
    """A file with these topics; each group has a position on the first of them, each rule is about one."""
    first = topics[0]
    document: dict[str, Any] = {
        "kind": "kafka-metadata",
        "schemaVersion": "1.0",
        "createdAt": "2026-01-01T00:00:00Z",
        "cluster": {"id": None, "mode": None, "version": None, "controllerId": None, "brokers": []},
        "gaps": [],
        "topics": [
            {
                "name": name,
                "partitions": [{"partition": number, "replicas": [1]} for number in range(partitions)],
                "configs": {"retention.ms": "86400000"},
            }
            for name in topics
        ],
        "groups": [
            {"id": f"{first}-group-{number}", "offsets": [{"topic": first, "partition": 0, "offset": 0}]}
            for number in range(groups)
        ],
        "acls": [
            {
                "resourceType": "TOPIC",
                "resourceName": topics[number % len(topics)],
                "patternType": "LITERAL",
                "principal": f"User:{number}",
                "host": "*",
                "operation": "READ",
                "permission": "ALLOW",
            }
            for number in range(rules)
        ],
    }
    path.write_text(json.dumps(document))
    return path


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}.{number:04}" for number in range(count)]


# Single items fail.


def test_a_topic_that_the_destination_s_policy_refuses_is_named_and_the_others_exist(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    file = write(tmp_path / "m.json", ["policy.a", "policy.b-forbidden", "policy.c"], groups=1, rules=3)
    dry = cli("import", "--fileName", str(file), *to_strict)
    assert dry.returncode == 0
    assert "no topic is called forbidden here" in dry.stdout, "the broker is asked before anything is created"
    assert topics(strict, "policy.") == set()
    done = cli("import", "--fileName", str(file), *to_strict, "--commit", "--output", "json")
    assert done.returncode == 1
    assert topics(strict, "policy.") == {"policy.a", "policy.c"}
    document = json.loads(done.stdout)
    assert (document["totals"]["done"], document["totals"]["failed"]) == (6, 1)
    (failed,) = [result for result in document["results"] if result["outcome"] == "failed"]
    assert failed["action"]["topic"] == "policy.b-forbidden"
    assert "no topic is called forbidden here" in failed["error"]
    again = cli("import", "--fileName", str(file), *to_strict, "--commit")
    assert again.returncode == 1
    assert "TopicCreate failed, topic=policy.b-forbidden" in again.stdout
    verified = cli("verify", "--fileName", str(file), *to_strict, "--include-topics", r"policy\..*", "--ignore-extra")
    assert verified.returncode == 3
    assert "policy.b-forbidden" in verified.stdout


def test_what_our_rights_do_not_allow_is_named_and_the_rest_is_done(cli: Cli, strict: Cluster, tmp_path: Path) -> None:
    (tmp_path / "limited.properties").write_text(
        f"bootstrap.servers={strict.bootstrap('SASL')}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={PLAIN} username="limited" password="limited-secret";\n'
    )
    as_limited = ("--dest-config", "limited.properties")
    tool = ("org.apache.kafka.tools.AclCommand", "--bootstrap-server", strict.bootstrap_servers, "--add", "--force")
    who = ("--allow-principal", "User:limited")
    strict.tool(*tool, *who, "--operation", "Describe", "--operation", "DescribeConfigs", "--topic", "*", "--cluster")
    strict.tool(
        *(*tool, *who, "--operation", "Create", "--topic", "rights.ok", "--resource-pattern-type", "prefixed"),
    )
    file = write(tmp_path / "m.json", ["rights.ok-1", "rights.no", "rights.ok-2"], rules=1)
    done = cli("import", "--fileName", str(file), *as_limited, "--commit")
    assert done.returncode == 1, done.stdout + done.stderr
    assert topics(strict, "rights.") == {"rights.ok-1", "rights.ok-2"}
    (no,) = [line for line in done.stdout.splitlines() if "failed, topic=rights.no" in line]
    assert "authori" in no.lower()
    assert "AclCreate failed" in done.stdout, "limited may not create rules"
    check = cli("check", "--source-bootstrap-servers", strict.bootstrap_servers, *as_limited)
    assert check.returncode == 1
    assert "right missing: ALTER" in check.stdout
    assert "User:limited" in check.stdout
    assert "limited-secret" not in "".join((done.stdout, done.stderr, check.stdout, check.stderr))


def test_a_group_with_live_members_on_the_destination_is_not_touched(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    create(admin(strict), NewTopic("live.t", 2, 1), NewTopic("live.u", 1, 1))
    file = write(tmp_path / "m.json", ["live.t", "live.u"], groups=2)
    document = json.loads(file.read_text())
    document["topics"][0]["partitions"].append({"partition": 1, "replicas": [1]})
    live, quiet = document["groups"]
    live["offsets"].append({"topic": "live.u", "partition": 0, "offset": 0})
    file.write_text(json.dumps(document))
    with live_consumer(strict.bootstrap_servers, live["id"], "live.t"):
        before = positions(strict, live["id"])
        done = cli("import", "--fileName", str(file), *to_strict, "--only", "groups", "--commit", "--output", "json")
        assert positions(strict, live["id"]) == before
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [each["action"]["group"] for each in result["results"]] == [quiet["id"]]
    assert [(each["resource"], "1 live member" in each["reason"]) for each in result["skipped"]] == [
        (f"group {live['id']}", True)
    ]


# A side is down.


def nobody() -> str:
    return f"127.0.0.1:{playground.free_port()}"


def test_a_source_that_is_down_is_an_error_within_15_seconds_and_leaves_the_old_file_alone(
    cli: Cli, tmp_path: Path
) -> None:
    old = '{"kind": "kafka-metadata", "createdAt": "yesterday"}'
    (tmp_path / "kafka-metadata-export.json").write_text(old)
    for option in ("--source-bootstrap-servers", "--source-zk-connect"):
        address = nobody()
        started = time.monotonic()
        done = cli("export", option, address)
        assert time.monotonic() - started < 15
        assert done.returncode == 1
        assert done.stdout == ""
        assert address in done.stderr
        assert "refused" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["kafka-metadata-export.json"]
        assert (tmp_path / "kafka-metadata-export.json").read_text() == old


def test_a_destination_that_is_down_is_an_error_within_15_seconds(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "m.json", ["down.a"])
    address = nobody()
    for command in (("import", "--commit"), ("import", "--save-plan", "plan.json"), ("verify",)):
        started = time.monotonic()
        done = cli(*command, "--fileName", str(file), "--dest-bootstrap-servers", address)
        assert time.monotonic() - started < 15
        assert done.returncode == 1
        assert done.stdout == ""
        assert address in done.stderr
        assert "refused" in done.stderr
        assert len(done.stderr.splitlines()) <= 4, "no library speaks for itself"
        assert not (tmp_path / "plan.json").exists()


def test_check_tells_of_the_side_that_is_down_and_still_asks_the_other(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...]
) -> None:
    address = nobody()
    done = cli("check", "--source-bootstrap-servers", address, *to_strict, "--output", "json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    validate(document, "check", called="check")
    source, dest = document["sides"]
    assert address in source["error"]
    assert dest["error"] is None
    assert dest["brokers"] == 1


@contextmanager
def black_hole() -> Iterator[tuple[str, socket.socket]]:
    """An address where somebody listens and never answers, and who that is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield f"127.0.0.1:{listener.getsockname()[1]}", listener


FROM, INTO = "--source-bootstrap-servers", "--dest-bootstrap-servers"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("export", (FROM,)),
        ("export", ("--source-zk-connect",)),
        ("check", (FROM, "--source-zk-connect", INTO)),
        ("import", (INTO,)),
        ("verify", (INTO,)),
        ("mirror", (FROM, INTO)),
    ],
)
def test_control_c_ends_a_command_that_waits_for_an_answer(
    command: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path / "metadata.json", ["one"])
    before = list(tmp_path.iterdir())
    with black_hole() as (address, listener):
        process = subprocess.Popen(
            [*TYPED, command, *(word for option in options for word in (option, address))],
            cwd=tmp_path,
            env=unmeasured_environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        with listener.accept()[0]:
            time.sleep(0.5)  # into the wait, which nothing announces
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            _, said = process.communicate(timeout=30)
        assert time.monotonic() - started < 5
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert list(tmp_path.iterdir()) == before


# Stopped in the middle.


@contextmanager
def stopped_in_the_middle(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A commit that has told of its first topic, and cannot go on telling until somebody reads more."""
    ours, theirs = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*TYPED, *arguments, "--commit"],
        cwd=folder,
        env=unmeasured_environment(),
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb", buffering=0) as process.stdout:
            seen = b""
            while b"TopicCreate success" not in seen:
                part = process.stdout.read(64)
                assert part, (seen, process.communicate()[1])
                seen += part
            yield process
    finally:
        process.kill()
        process.wait()


def end_by(process: subprocess.Popen[bytes], number: int) -> tuple[str, str]:
    """What it still says."""
    process.send_signal(number)
    time.sleep(0.5)  # it is blocked in a write, which the signal ends
    said, complained = process.communicate(timeout=60)
    return said.decode(), complained.decode()


@pytest.mark.guard
@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_signal_in_the_middle_of_a_commit_says_what_was_done_and_what_was_not(
    number: int, status: int, word: str, cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    prefix = f"signal{number}"
    file = write(tmp_path / "m.json", numbered(prefix, 100), groups=20, rules=20)
    arguments = ("--fileName", str(file), *to_strict)
    with stopped_in_the_middle(tmp_path, "import", *arguments) as process:
        said, complained = end_by(process, number)
    assert process.returncode == status
    assert word in complained
    assert "Traceback" not in complained
    assert "of 140 actions got no answer;" in said
    assert "run the same command again" in said
    narrow = ("--include-topics", rf"{prefix}\..*", "--include-groups", rf"{prefix}\..*", "--ignore-extra")
    assert cli("verify", *arguments, *narrow).returncode == 3, "it was in the middle"
    done = cli("import", *arguments, "--commit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cli("verify", *arguments, *narrow).returncode == 0


@pytest.mark.guard
def test_killed_in_the_middle_of_a_commit_the_same_command_completes(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    names = numbered("killed", 2100)  # two requests
    file = write(tmp_path / "m.json", names, groups=40, rules=40)
    arguments = ("--fileName", str(file), *to_strict)
    with stopped_in_the_middle(tmp_path, "import", *arguments) as process:
        process.kill()
    assert 0 < len(topics(strict, "killed.")) < 2100
    done = cli("import", *arguments, "--commit")
    assert done.returncode == 0, done.stderr
    assert topics(strict, "killed.") == set(names)
    narrow = ("--include-topics", r"killed\..*", "--include-groups", r"killed\..*", "--ignore-extra")
    verified = cli("verify", *arguments, *narrow, "--output", "json")
    assert verified.returncode == 0, verified.stdout
    counts = json.loads(verified.stdout)["counts"]
    assert (counts["topics"]["equal"], counts["groups"]["equal"], counts["acls"]["equal"]) == (2100, 40, 40)


@pytest.mark.guard
def test_a_destination_that_dies_during_the_commit_is_told_and_the_next_run_completes(cli: Cli, tmp_path: Path) -> None:
    with kraft_cluster() as dest:
        file = write(tmp_path / "m.json", numbered("dies", 300), groups=20, rules=20)
        arguments = ("--fileName", str(file), "--dest-bootstrap-servers", dest.bootstrap_servers)
        with stopped_in_the_middle(tmp_path, "import", *arguments) as process:
            dest.brokers[0].kill()
            # Two minutes of it are patience with the destination.
            said, complained = (text.decode() for text in process.communicate(timeout=230))
        assert process.returncode == 1, complained
        assert "Traceback" not in complained
        assert "failed" in said or "got no answer" in said
        dest.brokers[0].start()
        done = cli("import", *arguments, "--commit")
        assert done.returncode == 0, done.stdout + done.stderr
        assert cli("verify", *arguments).returncode == 0


# A plan that was reviewed.


def test_a_plan_is_refused_as_a_whole_before_the_first_write_when_something_is_in_its_way(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    names = numbered("reviewed", 5)
    file = write(tmp_path / "m.json", names, groups=1)
    create(admin(strict), NewTopic(names[0], 1, 1, config={"retention.ms": "86400000"}))
    document = json.loads(file.read_text())
    document["topics"][0]["partitions"] = [{"partition": number, "replicas": [1]} for number in range(3)]
    file.write_text(json.dumps(document))
    planned = cli("import", "--fileName", str(file), *to_strict, "--save-plan", "plan.json")
    assert planned.returncode == 0, planned.stderr
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    client = admin(strict)
    client.create_partitions([NewPartitions(names[0], 2)])[names[0]].result()
    until(lambda: len(client.list_topics(timeout=10).topics[names[0]].partitions) == 2, "2 partitions")
    group = document["groups"][0]["id"]
    commit(strict.bootstrap_servers, group, TopicPartition(names[0], 0, 0))
    refused = cli("import", *to_strict, "--plan-file", "plan.json", "--commit")
    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
    assert f"topic {names[0]}" in refused.stderr
    assert f"group {group}" in refused.stderr, "everything that is in the way is named at once"
    assert topics(strict, "reviewed.") == {names[0]}
    anew = cli("import", "--fileName", str(file), *to_strict, "--save-plan", "plan.json")
    assert anew.returncode == 0
    done = cli("import", *to_strict, "--plan-file", "plan.json", "--commit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert topics(strict, "reviewed.") == set(names)


def test_a_plan_made_for_one_cluster_is_not_carried_out_on_another(
    cli: Cli, to_strict: tuple[str, ...], dest: Cluster, tmp_path: Path
) -> None:
    file = write(tmp_path / "m.json", ["elsewhere.a"])
    assert cli("import", "--fileName", str(file), *to_strict, "--save-plan", "plan.json").returncode == 0
    refused = cli("import", "--dest-bootstrap-servers", dest.bootstrap_servers, "--plan-file", "plan.json", "--commit")
    assert refused.returncode == 1
    assert "the plan is for cluster" in refused.stderr
    assert topics(dest, "elsewhere.") == set()


def test_a_plan_whose_commit_was_killed_is_carried_on_where_it_stopped(
    cli: Cli, strict: Cluster, to_strict: tuple[str, ...], tmp_path: Path
) -> None:
    file = write(tmp_path / "m.json", numbered("carried", 100), groups=10, rules=10)
    assert cli("import", "--fileName", str(file), *to_strict, "--save-plan", "plan.json").returncode == 0
    carry_out = ("import", *to_strict, "--plan-file", str(tmp_path / "plan.json"))
    with stopped_in_the_middle(tmp_path, *carry_out) as process:
        process.kill()
    done = cli(*carry_out, "--commit", "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    totals = json.loads(done.stdout)["totals"]
    assert totals["done"] + totals["present"] == 120
    assert totals["present"] >= 100
    narrow = ("--include-topics", r"carried\..*", "--include-groups", r"carried\..*", "--ignore-extra")
    assert cli("verify", "--fileName", str(file), *to_strict, *narrow).returncode == 0


@contextmanager
def closed_to_us(address: str, path: str) -> Iterator[None]:
    """A node of ZooKeeper that somebody else alone may read, until the end of the block."""
    client = KazooClient(hosts=address)
    client.start()
    try:
        client.add_auth("digest", "somebody:else")
        client.set_acls(path, [make_digest_acl("somebody", "else", all=True)])
        try:
            yield
        finally:
            client.set_acls(path, OPEN_ACL_UNSAFE)
    finally:
        client.stop()
        client.close()


@pytest.mark.parametrize("lost", ["configs", "ACLs"])
def test_a_node_of_zookeeper_that_may_not_be_read_is_a_gap_and_nothing_is_called_equal(
    cli: Cli, source: Cluster, dest: Cluster, tmp_path: Path, lost: str
) -> None:
    """The rest is imported."""
    name = f"closed.{lost}"
    to_source = {"bootstrap.servers": source.bootstrap_servers}
    create(AdminClient(to_source), NewTopic(name, 1, 1, config={"retention.ms": "7200000"}))
    address, _, chroot = str(source.zookeeper_connect).partition("/")
    path = {"configs": f"/config/topics/{name}", "ACLs": "/kafka-acl/Topic"}[lost]
    only = ("--include-topics", name)
    with closed_to_us(address, f"/{chroot}{path}" if chroot else path):
        told = cli("export", "--source-zk-connect", str(source.zookeeper_connect), *only, "--fileName", "zk.json")
        gaps = json.loads((tmp_path / "zk.json").read_text())["gaps"]
        both = cli(
            *("export", "--source-zk-connect", str(source.zookeeper_connect), *only, "--fileName", "both.json"),
            *("--source-bootstrap-servers", source.bootstrap_servers),
        )
    assert told.returncode == both.returncode == 0, told.stderr + both.stderr
    assert any("NoAuth" in gap["reason"] for gap in gaps), gaps
    to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers, *only, "--fileName", "zk.json")
    done = cli("import", *to_dest, "--commit")
    assert done.returncode == 1, done.stdout
    verified = cli("verify", *to_dest, "--output", "json")
    assert verified.returncode == 1, verified.stdout
    document = json.loads(verified.stdout)
    assert document["verdict"] == "inconclusive", document
    merged = json.loads((tmp_path / "both.json").read_text())
    (topic,) = merged["topics"]
    kinds = {gap["resource"].split()[0] for gap in merged["gaps"]}
    if lost == "configs":
        assert topic["configs"] is None and any(name in gap["resource"] for gap in merged["gaps"])
    else:  # the brokers know their ACLs by heart
        assert merged["acls"] is not None and "acls" not in kinds
