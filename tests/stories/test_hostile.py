"""Names that would deceive whoever reads a screen, and more rules than anybody would read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kazoo.client import KazooClient

from kafka_meta import playground
from kafka_meta.playground import Cluster
from tests.support.brokers import kraft_cluster, zookeeper_cluster
from tests.support.commands import clean_environment, command_line, on_terminal
from tests.support.nodes import Place, writer
from tests.support.shop import commit, until
from tests.support.traffic import admin, committed, create, produce
from tests.support.witness import CONFIGS

pytestmark = pytest.mark.guard

EVIL = "\x1b[2J\x1b]0;x\x07\n\t\r\x7f\x9b31m\u202egnp.\u2066\u200b\u2028 [bold]é"
GROUP, LIVE, CLIENT, TRANSACTION = (f"{word}{EVIL}" for word in ("group", "live", "client", "transaction"))
PRINCIPALS = (f"User:rule{EVIL}", "User:*", "User:a/b ü%2F")
NOTE = f"note{EVIL}"
PATTERN = "pattern-\u202egnp."
"""ZooKeeper has resources' names in its paths, and no control characters there."""
USERS = ("<default>", "a/b", "ü%2F", "%", "+", "sp  ace", "*", "~", f"user{EVIL}")
VICTIM = "victim"
SECRET_FILES = ("kafka-metadata-export.json", "plan.json", "new")
"""Links to somebody else's file when the journey begins."""
KEPT = "plain"
"""Whose password is given; the others' are made up."""
TOPIC = "hostile"


def furnish(source: Cluster) -> None:
    servers = source.bootstrap_servers
    create(servers, {TOPIC: 2})
    for partition in (0, 1):
        produce(servers, TOPIC, partition, (b"%d" % number for number in range(50)))
    commit(servers, GROUP, TopicPartition(TOPIC, 0, 20, NOTE))
    client = admin(servers)
    rules = [
        AclBinding(kind, name, pattern, principal, "*", AclOperation.READ, AclPermissionType.ALLOW)
        for principal in PRINCIPALS
        for kind, name, pattern in (
            (ResourceType.TOPIC, TOPIC, ResourcePatternType.LITERAL),
            (ResourceType.GROUP, PATTERN, ResourcePatternType.PREFIXED),
        )
    ]
    for asked in client.create_acls(rules).values():
        asked.result(30)
    for name in (*USERS, KEPT):
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        for asked in client.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(name, info, f"{name} pw".encode())]
        ).values():
            asked.result(30)
    for words in QUOTAS:
        source.tool(CONFIGS, "--bootstrap-server", servers, "--alter", *words, "--add-config", QUOTA)


QUOTA = "consumer_byte_rate=4096"
QUOTAS = (
    *(("--entity-type", "users", "--entity-name", name) for name in ("<default>", "a/b", "ü%2F", f"user{EVIL}")),
    ("--entity-type", "users", "--entity-default"),
    ("--entity-type", "clients", "--entity-name", CLIENT),
    ("--entity-type", "clients", "--entity-default"),
    ("--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-name", CLIENT),
    ("--entity-type", "users", "--entity-name", "* +", "--entity-type", "clients", "--entity-default"),
)


@dataclass
class Journey:
    """Every command once, with the bytes that it said."""

    source: Cluster
    dest: Cluster
    folder: Path
    said: dict[str, subprocess.CompletedProcess[bytes]] = field(default_factory=dict)

    def run(self, name: str, *words: str, status: int = 0) -> None:
        """As lines and as JSON, where the second time changes nothing."""
        for suffix, more in (("", ()), (" as JSON", ("--output", "json"))):
            done = subprocess.run(
                [sys.executable, "-m", "kafka_meta", *words, *more],
                capture_output=True,
                cwd=self.folder,
                env=self.environment,
                timeout=120,
                check=False,
                umask=0,
            )
            assert done.returncode == status, done.stderr.decode() + done.stdout.decode()
            self.said[name + suffix] = done

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "XDG_STATE_HOME": str(self.folder)}


@contextmanager
def open_transaction(servers: str) -> Iterator[None]:
    producer = Producer({"log_level": 0, "bootstrap.servers": servers, "transactional.id": TRANSACTION})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(TOPIC, b"pending", partition=1)
    producer.flush(30)
    yield
    producer.commit_transaction(30)


@contextmanager
def member(servers: str, group: str) -> Iterator[None]:
    settings = {"log_level": 0, "bootstrap.servers": servers, "group.id": group, "client.id": CLIENT}
    with closing(Consumer({**settings, "enable.auto.commit": False})) as consumer:
        consumer.subscribe([TOPIC])
        until(lambda: consumer.poll(0.1) is not None or bool(consumer.assignment()), "the consumer has its partitions")
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
        yield


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch, playground.pair() as (source, dest):
        patch.setenv("LC_ALL", "C.UTF-8")  # else Java's tools take and print nothing but ASCII
        furnish(source)
        at_source = ("--source-bootstrap-servers", source.bootstrap_servers)
        both = (*at_source, "--source-zk-connect", str(source.zookeeper_connect))
        to_dest = ("--dest-bootstrap-servers", dest.bootstrap_servers)
        for name, text in (("passwords", f"{KEPT}={KEPT} pw\n"), ("strangers", f"{GROUP.replace(chr(10), '')}=x\n")):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
        (folder / VICTIM).touch(mode=0o600)
        for name in SECRET_FILES:
            (folder / name).symlink_to(VICTIM)
        new = ("--passwords", "passwords", "--generate-passwords", "new")
        through = Journey(source, dest, folder)
        run = through.run
        with member(source.bootstrap_servers, LIVE):
            run("check", "check", *both, *to_dest)
            run("export", "export", *both, "--sample", "1s")
            with open_transaction(source.bootstrap_servers):
                run("look at what is in use", "mirror", *at_source)
        run("export at rest", "export", *both, "--secrets")
        run("verify nothing", "verify", *to_dest, status=3)
        run("dry", "import", *to_dest, "--passwords", "strangers", "--save-plan", "plan.json")
        run("plan", "import", *to_dest, "--plan-file", "plan.json")
        run("import", "import", *to_dest, *new, "--commit", status=1)
        run("verify", "verify", *to_dest, status=3)
        run("look", "mirror", *at_source, *to_dest)
        run("mirror", "mirror", *at_source, *to_dest, "--quiet", "1s", "--commit")
        run("status", "mirror", *to_dest, "--status")
        run("verify data", "verify", "--data", *to_dest)
        run("release", "mirror", *to_dest, "--release", "--allow-unread", "--commit")
        run("no such file", "import", *to_dest, "--fileName", f"{EVIL}.json", status=2)
        run("no such rule", "import", *to_dest, "--include-groups", f"({EVIL}", status=2)
        run("no such option", "import", f"--{EVIL}", status=2)
        yield through


def harmless(text: str) -> bool:
    return all(character == "\n" or character.isprintable() for character in text)


def test_no_screen_gets_a_control_character_or_a_bidi_mark(journey: Journey) -> None:
    bad = {name for name, done in journey.said.items() if not harmless((done.stdout + done.stderr).decode())}
    assert bad == set()


def test_every_name_is_shown_on_some_screen_as_what_it_is(journey: Journey) -> None:
    """Else nothing was tried here."""
    shown = {name: done.stdout.decode() for name, done in journey.said.items()}
    escaped = r"\x1b[2J\x1b]0;x\x07\x0a\x09\x0d\x7f\x9b31m\u202egnp.\u2066\u200b\u2028 [bold]é"
    assert f"group{escaped}" in shown["dry"] and f"group{escaped}" in shown["status"]
    assert f"rule{escaped}" in shown["dry"] and f"user{escaped}" in shown["dry"] and f"client{escaped}" in shown["dry"]
    assert f"transaction{escaped}" in shown["look at what is in use"]
    assert json.loads(shown["status as JSON"])["groups"][0]["group"] in (GROUP, LIVE)


def test_no_file_holds_a_raw_control_character_but_the_passwords(journey: Journey) -> None:
    looked_at = [path for path in journey.folder.iterdir() if path.suffix in (".json", ".log")]
    assert len(looked_at) >= 5
    assert [path.name for path in looked_at if not harmless(path.read_text())] == []


def test_links_in_the_way_are_replaced_and_every_file_is_private_under_any_umask(journey: Journey) -> None:
    assert (journey.folder / VICTIM).read_text() == ""
    for name in SECRET_FILES:
        path = journey.folder / name
        assert not path.is_symlink() and path.stat().st_size > 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in journey.folder.rglob("*") if path.is_file()}
    assert {name for name, mode in modes.items() if mode != 0o600} == set()
    assert any(name.endswith(".sqlite") for name in modes)
    for cluster in (journey.source, journey.dest):
        assert [path.stat().st_mode & 0o777 for path in cluster.data_dir.glob("*/*.properties")] != []
        assert {path.stat().st_mode & 0o777 for path in cluster.data_dir.glob("*/*.properties")} == {0o600}


def test_a_terminal_gets_colours_and_nothing_else(journey: Journey) -> None:
    to_dest = ("--dest-bootstrap-servers", journey.dest.bootstrap_servers)
    for words in (("import",), ("verify", "--verbose")):
        _, text = on_terminal(journey.folder, *words, *to_dest, env={"XDG_STATE_HOME": str(journey.folder)})
        # What colours, and what redraws a bar.
        rest = re.sub(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[12]K|1A)|\r", "", text)
        assert harmless(rest), [found for found in rest.split("\n") if not harmless(found)][:3]
        assert r"\x9b31m\u202egnp" in text.replace("\r\n", "")


def test_groups_rules_and_users_are_there_under_their_exact_names(journey: Journey) -> None:
    client = admin(journey.dest.bootstrap_servers)
    groups = {each.group_id for each in client.list_consumer_groups().result(30).valid}
    assert {GROUP, LIVE} <= groups
    assert committed(journey.dest.bootstrap_servers, GROUP) == {(TOPIC, 0): 19, (TOPIC, 1): 0}
    everything = AclBindingFilter(
        *(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    )
    rules = {(each.name, each.principal) for each in client.describe_acls(everything).result(30)}
    assert rules == {(name, principal) for name in (TOPIC, PATTERN) for principal in PRINCIPALS}
    told = client.describe_user_scram_credentials([*USERS, KEPT])
    missing = {name for name, asked in told.items() if asked.exception(30) is not None}
    assert missing == {f"user{EVIL}"}, "no file of passwords can hold its name, and that was said"


def test_quotas_are_the_same_to_kafkas_own_tool(journey: Journey) -> None:
    def told(cluster: Cluster) -> str:
        kinds = (("users",), ("clients",), ("users", "clients"), ("ips",))
        runs = [
            cluster.tool(
                *(CONFIGS, "--bootstrap-server", cluster.bootstrap_servers, "--describe"),
                *(word for kind in each for word in ("--entity-type", kind)),
            )
            for each in kinds
        ]
        # Beside quotas the tool describes credentials of users.
        parts = re.split("(?=Quota configs for |SCRAM credential configs for )", "".join(runs))
        return "\n".join(sorted(part.strip() for part in parts if part.startswith("Quota")))

    here = told(journey.source)
    assert here == told(journey.dest)
    assert here.count(QUOTA) == len(QUOTAS)


# Sixty thousand rules.

RULES = 60_000


@pytest.fixture
def bare() -> Iterator[Cluster]:
    """ZooKeeper without Kafka, and with 256 MB of memory."""
    with zookeeper_cluster(brokers=0) as cluster:
        yield cluster


def lay(client: KazooClient, hosts: str, root: str, nodes: int, name_length: int) -> tuple[str, set[tuple[str, ...]]]:
    """`RULES` rules in so many nodes, as `AclAuthorizer` writes them. Returns the place, and the rules as in a file."""
    place = Place(client, hosts, root)
    folders = {"LITERAL": "/kafka-acl/Topic", "PREFIXED": "/kafka-acl-extended/prefixed/Topic"}
    for folder in folders.values():
        client.ensure_path(root + folder)
    laid: set[tuple[str, ...]] = set()
    transaction, size_bytes = client.transaction(), 0
    for node in range(nodes):
        pattern = ("LITERAL", "PREFIXED")[node % 2]
        rules = []
        for number in range(node, RULES, nodes):
            principal = f"User:CN=service-{number},OU=payments".ljust(name_length, "-")
            host = "*" if number % 5 else f"10.0.0.{number % 250}"
            operation, permission = ("Read", "Write", "Describe")[number % 3], ("Allow", "Deny")[number % 7 == 0]
            rules.append({"principal": principal, "permissionType": permission, "operation": operation, "host": host})
            laid.add(
                (*("TOPIC", f"topic-{node}", pattern, principal, host), operation.upper(), permission.upper()),
            )
        data = json.dumps({"version": 1, "acls": rules}, separators=(",", ":")).encode()
        if size_bytes + len(data) > 900_000 or len(transaction.operations) == 1000:  # a request has at most 1 MB
            assert all(isinstance(made, str) for made in transaction.commit())
            transaction, size_bytes = client.transaction(), 0
        transaction.create(f"{root}{folders[pattern]}/topic-{node}", data)
        size_bytes += len(data)
    assert all(isinstance(made, str) for made in transaction.commit())
    return place.connect, laid


@pytest.mark.parametrize(
    ("nodes", "name_length"),
    [
        pytest.param(300, 0, id="200 a resource"),
        pytest.param(RULES, 0, id="one a resource"),
        # A hundred such nodes in one answer, and this ZooKeeper is gone.
        pytest.param(60, 800, id="nodes of 0.9 MB"),
    ],
)
def test_sixty_thousand_rules_are_read_exactly(bare: Cluster, tmp_path: Path, nodes: int, name_length: int) -> None:
    with writer(str(bare.zookeeper_connect)) as client:
        place, laid = lay(client, str(bare.zookeeper_connect), f"/rules-{nodes}", nodes, name_length)
        done = command_line(tmp_path)("export", "--source-zk-connect", place, "--output", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["totals"]["acls"] == RULES
        document = json.loads((tmp_path / "kafka-metadata-export.json").read_text())
        assert sorted(map(as_laid, document["acls"])) == sorted(laid)
        assert [gap for gap in document["gaps"] if gap["resource"] == "acls"] == []


def as_laid(rule: dict[str, Any]) -> tuple[str, ...]:
    fields = ("resourceType", "resourceName", "patternType", "principal", "host", "operation", "permission")
    return tuple(rule[name] for name in fields)


def test_sixty_thousand_rules_are_imported(bare: Cluster, tmp_path: Path) -> None:
    run = command_line(tmp_path)
    with writer(str(bare.zookeeper_connect)) as client, kraft_cluster() as dest:
        place, laid = lay(client, str(bare.zookeeper_connect), "/rules", 300, 0)
        assert run("export", "--source-zk-connect", place).returncode == 0
        arguments = ("--dest-bootstrap-servers", dest.bootstrap_servers, "--only", "acls", "--output", "json")
        dry = json.loads(run("import", *arguments).stdout)
        assert sorted(as_laid(action["acl"]) for action in dry["actions"]) == sorted(laid)
        done = json.loads(run("import", *arguments, "--commit").stdout)
        assert done["totals"]["done"] == RULES
        again = json.loads(run("verify", *arguments).stdout)
        assert (again["verdict"], again["counts"]["acls"]["equal"]) == ("equal", RULES)
        log = next(dest.brokers[0].data_dir.glob("__cluster_metadata-0/*.log"))
        kept = dest.tool("org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files", str(log))
        assert kept.count("ACCESS_CONTROL_ENTRY_RECORD") == RULES
