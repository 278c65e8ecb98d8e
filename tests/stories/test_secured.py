"""A secured source moves onto a secured destination, over the `.properties` files of Java users.

Source       3.9.1 with ZooKeeper that wants SASL DIGEST-MD5 and shows /config/users to the brokers alone
Destination  4.3.1, KRaft; both with a listener SASL_SSL for SCRAM users
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from kafka_meta import playground
from kafka_meta.playground import Cluster, Design
from tests.support.commands import command_line
from tests.support.stores_made_by_java import JavaStores
from tests.support.traffic import commit, produce, rows
from tests.support.witness import CONFIGS, TOPICS

pytest_plugins = ["tests.support.stores_made_by_java"]
pytestmark = pytest.mark.guard

SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
DIGEST_LOGIN = "org.apache.zookeeper.server.auth.DigestLoginModule"
ZOOKEEPER_PASSWORD = "zoo keeper pw"
MECHANISMS = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}
PASSWORDS = {
    "admin": "admin=pw",
    "reader": "reader pw",
    "writer": "writer\\pw",
    "barred": "barred pw",
    "idle": "idle pw",
}
STRANGE = ("<default>", "a/b", "sp ace", "*", "a,b=c d", "p%2Fq")
SALT = b"0123456789abcdef"
ORDERS = "orders"
UNREAD, RECORDS, READ = "unread", 200, 70
"""A topic that a group has read in part."""
GROUP = "reading-on"

ACLS = (
    # permission, user, operation, resource, name, pattern
    ("ALLOW", "reader", "READ", "TOPIC", ORDERS, "LITERAL"),
    ("ALLOW", "reader", "READ", "TOPIC", UNREAD, "LITERAL"),
    ("ALLOW", "reader", "READ", "GROUP", "reading", "PREFIXED"),
    ("ALLOW", "writer", "WRITE", "TOPIC", "ord", "PREFIXED"),
    ("ALLOW", "barred", "ALL", "TOPIC", "*", "LITERAL"),
    ("ALLOW", "barred", "ALL", "GROUP", "*", "LITERAL"),
    ("DENY", "barred", "READ", "TOPIC", ORDERS, "LITERAL"),
)
MAY = {
    ("reader", "see"): True,
    ("reader", "produce"): False,
    ("reader", "consume"): True,
    ("writer", "see"): True,
    ("writer", "produce"): True,
    ("writer", "consume"): False,
    ("barred", "see"): True,
    ("barred", "produce"): True,
    ("barred", "consume"): False,
    ("idle", "see"): False,
    ("idle", "produce"): False,
    ("idle", "consume"): False,
}


@dataclass
class Move:
    source: Cluster
    dest: Cluster
    folder: Path
    stores: JavaStores
    said: dict[str, CompletedProcess[str]] = field(default_factory=dict)

    def address(self, side: str) -> str:
        return (self.source if side == "source" else self.dest).bootstrap("LOGIN")

    def file(self, side: str, user: str, password: str, *, zookeeper: bool = False) -> Path:
        """What a Java client of this user has."""
        escaped = password.replace("\\", "\\\\\\\\")
        text = (
            f"bootstrap.servers={self.address(side)}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\n"
            f'sasl.jaas.config={SCRAM_LOGIN} required username="{user}" password="{escaped}";\n'
            f"{self.stores.properties('trust.jks', 'key.jks')}"
        )
        if zookeeper:
            text += f"zookeeper.connect={self.source.zookeeper_connect}\n"
            text += f"java.security.auth.login.config={self.folder / 'client-jaas.conf'}\n"
        path = self.folder / f"{side}-{user}{'-zk' * zookeeper}.properties"
        path.write_text(text, encoding="latin-1")
        path.chmod(0o600)
        return path

    def run(self, name: str, *words: str) -> CompletedProcess[str]:
        self.said[name] = command_line(self.folder)(*words, timeout=300)
        return self.said[name]


@pytest.fixture(scope="module")
def move(stores_made_by_java: JavaStores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    """Exported and imported once, with everything that was said."""
    folder = tmp_path_factory.mktemp("move")
    server = folder / "server-jaas.conf"
    server.write_text(f'Server {{ {DIGEST_LOGIN} required user_kafka="{ZOOKEEPER_PASSWORD}"; }};\n')
    client = folder / "client-jaas.conf"
    client.write_text(f'Client {{ {DIGEST_LOGIN} required username="kafka" password="{ZOOKEEPER_PASSWORD}"; }};\n')
    stores = {
        "ssl.keystore.location": str(stores_made_by_java.path("server.jks")),
        "ssl.keystore.password": stores_made_by_java.password,
        "ssl.truststore.location": str(stores_made_by_java.path("trust.p12")),
        "ssl.truststore.password": stores_made_by_java.password,
    }
    settings = {
        "super.users": "User:ANONYMOUS;User:admin",
        "listener.name.login.sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{f"listener.name.login.{name.lower()}.sasl.jaas.config": f"{SCRAM_LOGIN} required;" for name in MECHANISMS},
        **{f"listener.name.login.{key}": value for key, value in stores.items()},
    }
    source = Design(
        version="3.9.1",
        mode="zookeeper",
        chroot="/kafka",
        settings={**settings, "zookeeper.set.acl": "true"},
        listeners={"LOGIN": "SASL_SSL"},
        jvm_options=[f"-Djava.security.auth.login.config={client}"],
        zookeeper_settings={"authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"},
        zookeeper_jvm_options=[f"-Djava.security.auth.login.config={server}"],
    )
    dest = Design(version="4.3.1", mode="kraft", settings=settings, listeners={"LOGIN": "SASL_SSL"})
    with playground.running(source, dest) as (here, there):
        moving = Move(here, there, folder, stores_made_by_java)
        furnish(moving)
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{name}={word}\n" for name, word in PASSWORDS.items() if name != "admin"))
        passwords.chmod(0o600)
        old = str(moving.file("source", "admin", PASSWORDS["admin"], zookeeper=True))
        new = str(moving.file("dest", "admin", PASSWORDS["admin"]))
        moving.run("export", "export", "--secrets", "--source-config", old)
        moving.run("dry", "import", "--dest-config", new, "--passwords", "passwords", "--save-plan", "plan.json")
        moving.run("wrong", "import", "--dest-config", new, "--plan-file", "plan.json", "--commit")
        with_passwords = ("--passwords", "passwords", "--generate-passwords", "new-passwords")
        moving.run("import", "import", "--dest-config", new, *with_passwords, "--commit", "--output", "json")
        moving.run("again", "import", "--dest-config", new, *with_passwords, "--commit")
        moving.run("verify", "verify", "--dest-config", new)
        chosen = ("--include-topics", UNREAD, "--include-groups", GROUP, "--journal", "mirror.sqlite")
        moving.run("look", "mirror", "--source-config", old, "--dest-config", new, *chosen)
        moving.run(
            "mirror", "mirror", "--source-config", old, "--dest-config", new, *chosen, "--quiet", "1s", "--commit"
        )
        to_dest = ("--dest-config", new, "--journal", "mirror.sqlite")
        moving.run("status", "mirror", *to_dest, "--status")
        moving.run("data", "verify", "--data", *to_dest)
        moving.run("both", "verify", "--data", "--both", "--source-config", old, *to_dest)
        moving.run("guarded", "verify", *to_dest)
        moving.run("release", "mirror", *to_dest, "--release", "--allow-unread", "--commit")
        yield moving


def furnish(move: Move) -> None:
    at_source = AdminClient({"bootstrap.servers": move.source.bootstrap_servers})
    at_dest = AdminClient({"bootstrap.servers": move.dest.bootstrap_servers})
    for created in at_source.create_topics([NewTopic(ORDERS, 1, 1), NewTopic(UNREAD, 1, 1)]).values():
        created.result()
    produce(move.source.bootstrap_servers, UNREAD, 0, (b"%d" % number for number in range(RECORDS)))
    commit(move.source.bootstrap_servers, GROUP, {(UNREAD, 0): READ})
    bindings = [
        AclBinding(
            ResourceType[kind],
            name,
            ResourcePatternType[pattern],
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType[permission],
        )
        for permission, user, operation, kind, name, pattern in ACLS
    ]
    for future in at_source.create_acls(bindings).values():
        future.result()
    for admin, names in ((at_source, (*PASSWORDS, *STRANGE)), (at_dest, ("admin",))):
        for name in names:
            for mechanism in MECHANISMS.values() if name != "idle" else [ScramMechanism.SCRAM_SHA_256]:
                add_user(admin, name, PASSWORDS.get(name, f"{name} pw"), mechanism)
    for entity in (
        ("--entity-type", "users", "--entity-name", "sp ace", "--add-config", "producer_byte_rate=1048576"),
        (
            *("--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-name", "a*b"),
            *("--add-config", "request_percentage=12.5,consumer_byte_rate=1"),
        ),
        ("--entity-type", "ips", "--entity-default", "--add-config", "connection_creation_rate=1000"),
    ):
        move.source.tool(CONFIGS, "--bootstrap-server", move.source.bootstrap_servers, "--alter", *entity)


def add_user(admin: AdminClient, name: str, password: str, mechanism: ScramMechanism) -> None:
    change = UserScramCredentialUpsertion(name, ScramCredentialInfo(mechanism, 4096), password.encode(), SALT)
    for future in admin.alter_user_scram_credentials([change]).values():
        future.result()


def test_everything_of_the_secured_source_is_exported(move: Move) -> None:
    assert move.said["export"].returncode == 0, move.said["export"].stderr
    document = json.loads((move.folder / "kafka-metadata-export.json").read_text())
    assert {user["name"] for user in document["users"]} == {*PASSWORDS, *STRANGE}
    assert all(each["storedKey"] for user in document["users"] for each in user["credentials"])
    assert {str(quota["entity"]) for quota in document["quotas"]} == {
        str({"user": "sp ace"}),
        str({"clientId": "a*b", "user": None}),
        str({"ip": None}),
    }
    assert len(document["acls"]) == len(ACLS)
    assert [gap for gap in document["gaps"] if gap["resource"] in ("users", "quotas", "acls")] == []
    assert document["disagreements"] == []


def test_a_dry_run_names_who_needs_a_password(move: Move) -> None:
    plan = json.loads((move.folder / "plan.json").read_text())
    needy = {remark["resource"] for remark in plan["refused"] if "needs a password" in remark["reason"]}
    assert needy == {f"user {name}" for name in STRANGE}
    assert {action["user"] for action in plan["actions"] if action["type"] == "upsertUser"} == {*PASSWORDS} - {"admin"}


def test_a_plan_is_not_begun_without_its_passwords(move: Move) -> None:
    assert move.said["wrong"].returncode == 2
    assert "--passwords" in move.said["wrong"].stderr


def test_the_import_is_whole_and_verifies_as_equal(move: Move) -> None:
    done = json.loads(move.said["import"].stdout)
    assert [each for each in done["results"] if each["outcome"] != "done"] == []
    assert (move.said["import"].returncode, done["refused"]) == (0, [])
    assert move.said["again"].returncode == 0
    assert "done 0" in move.said["again"].stdout
    assert move.said["verify"].returncode == 0, move.said["verify"].stdout


def test_unread_records_are_copied_and_compared_over_tls_and_scram(move: Move) -> None:
    for name in ("look", "mirror", "status", "data", "both", "guarded", "release"):
        assert move.said[name].returncode == 0, (name, move.said[name].stdout, move.said[name].stderr)
    sent, arrived = (rows(cluster.bootstrap_servers, UNREAD, 0) for cluster in (move.source, move.dest))
    assert len(arrived) == RECORDS - READ
    assert [row[1:] for row in arrived] == [row[1:] for row in sent[READ:]]


def test_a_consumer_goes_on_at_the_first_record_that_it_has_not_read(move: Move) -> None:
    """Kafka's own, in its group, with the file that its user has."""
    shown = move.dest.tool(
        *("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", move.address("dest")),
        *("--consumer.config", str(move.file("dest", "reader", PASSWORDS["reader"]))),
        *("--topic", UNREAD, "--group", GROUP, "--max-messages", "1", "--timeout-ms", "40000"),
    )
    assert str(READ) in shown.split()


def test_no_secret_is_in_any_output_and_every_file_is_private(move: Move) -> None:
    document = json.loads((move.folder / "kafka-metadata-export.json").read_text())
    secrets = {*PASSWORDS.values(), *(f"{name} pw" for name in STRANGE), ZOOKEEPER_PASSWORD}
    secrets |= {key[k] for user in document["users"] for key in user["credentials"] for k in ("storedKey", "serverKey")}
    generated = dict(line.rsplit("=", 1) for line in (move.folder / "new-passwords").read_text().splitlines())
    assert generated.keys() == {*STRANGE}
    secrets |= set(generated.values())
    texts = [done.stdout + done.stderr for done in move.said.values()] + [(move.folder / "plan.json").read_text()]
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []
    for name in ("kafka-metadata-export.json", "new-passwords", "plan.json", "mirror.sqlite"):
        assert (move.folder / name).stat().st_mode & 0o777 == 0o600


def test_a_credential_is_the_same_on_both_sides(move: Move) -> None:
    document = json.loads((move.folder / "kafka-metadata-export.json").read_text())
    log = next(move.dest.brokers[0].data_dir.glob("__cluster_metadata-0/*.log"))
    shown = move.dest.tool("org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files", str(log))
    records = {
        (data["name"], data["mechanism"]): data
        for line in shown.splitlines()
        if "USER_SCRAM_CREDENTIAL_RECORD" in line
        for data in [json.loads(line[line.index("payload: ") + 9 :])["data"]]
    }
    codes = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
    checked = 0
    for user in document["users"]:
        if user["name"] in PASSWORDS:
            for key in user["credentials"]:
                found = records[user["name"], codes[key["mechanism"]]]
                assert base64.b64decode(found["salt"]) == base64.b64decode(key["salt"])
                assert (found["storedKey"], found["serverKey"]) == (key["storedKey"], key["serverKey"])
                checked += 1
    assert checked == 9


def test_quotas_are_the_same_to_kafkas_own_tool(move: Move) -> None:
    def told(cluster: Cluster) -> list[str]:
        lines = [
            line
            for kinds in (("users",), ("clients",), ("users", "clients"), ("ips",))
            for line in cluster.tool(
                *(CONFIGS, "--bootstrap-server", cluster.bootstrap_servers, "--describe"),
                *(word for kind in kinds for word in ("--entity-type", kind)),
            ).splitlines()
        ]
        return sorted(",".join(sorted(re.split("[, ]", line))) for line in lines if "Quota" in line)

    with ThreadPoolExecutor() as both:
        here, there = both.map(told, (move.source, move.dest))
    assert here == there
    assert len(here) >= 3


def test_everybody_may_do_exactly_what_they_could_before(move: Move) -> None:
    """Kafka's own console tools, logged in as each user, on both sides."""
    with ThreadPoolExecutor(max_workers=2) as some:
        for what in ("see", "produce", "consume"):
            users = [user for user, ability in MAY if ability == what]
            each = [(side, user, what) for side in ("source", "dest") for user in users]
            found = dict(zip(each, some.map(lambda attempt: may(move, *attempt), each), strict=True))
            assert found == {attempt: MAY[attempt[1:]] for attempt in each}


def may(move: Move, side: str, user: str, what: str) -> bool:
    cluster = move.source if side == "source" else move.dest
    config = str(move.file(side, user, PASSWORDS[user]))
    address = ("--bootstrap-server", move.address(side))
    words: Mapping[str, tuple[str, ...]] = {
        "see": (TOPICS, *address, "--command-config", config, "--list"),
        "produce": (
            *(
                f"{'kafka' if side == 'source' else 'org.apache.kafka'}.tools.ConsoleProducer",
                *address,
                "--producer.config",
                config,
            ),
            *("--topic", ORDERS, "--producer-property", "enable.idempotence=false"),
        ),
        "consume": (
            *("org.apache.kafka.tools.consumer.ConsoleConsumer", *address, "--consumer.config", config),
            *("--topic", ORDERS, "--group", f"reading-{side}", "--from-beginning", "--max-messages", "1"),
            *("--timeout-ms", "40000"),
        ),
    }
    done = subprocess.run(
        cluster.tool_command(*words[what]), input=f"{user}\n", capture_output=True, text=True, timeout=120, check=False
    )
    said = done.stdout + done.stderr
    assert not any(word in said for word in ("SaslAuthenticationException", "ClassNotFoundException")), said
    refused = "AuthorizationException" in said
    if what == "produce":
        return user in written(cluster)
    # Among what it reads the consumer of 4.3 prints advice about its own options.
    done_it = not {*done.stdout.split()}.isdisjoint({ORDERS} if what == "see" else {"writer", "barred"})
    return done_it and not refused


def written(cluster: Cluster) -> set[str]:
    """Whose records are in the topic, to a super user."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "witness"})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(ORDERS, 0), timeout=20)
        consumer.assign([TopicPartition(ORDERS, 0, low)])
        values = []
        while len(values) < high - low:
            message = consumer.poll(20)
            assert message is not None and message.error() is None
            values.append(message.value())
        return {value.decode() for value in values if value is not None}
    finally:
        consumer.close()


def test_new_passwords_let_their_users_in(move: Move) -> None:
    generated = dict(line.rsplit("=", 1) for line in (move.folder / "new-passwords").read_text().splitlines())
    assert logs_in(move, "dest", "a,b=c d", generated["a,b=c d"])
    assert not logs_in(move, "dest", "a,b=c d", "a,b=c d pw")


def logs_in(move: Move, side: str, user: str, password: str) -> bool:
    done = command_line(move.folder)("check", "--source-config", str(move.file(side, user, password)))
    assert done.returncode in (0, 1)
    return f"as User:{user}" in done.stdout


def test_a_destination_with_zookeeper_takes_the_keys_as_they_are(move: Move) -> None:
    """Under another name, into the source's ZooKeeper: as a destination it is one of ZooKeeper mode."""
    document = json.loads((move.folder / "kafka-metadata-export.json").read_text())
    (reader,) = (user for user in document["users"] if user["name"] == "reader")
    document["cluster"]["id"] = "another"
    document["users"] = [{**reader, "name": "moved"}, {**reader, "name": "sp  ace"}]
    document |= {"topics": [], "groups": [], "acls": [], "gaps": [], "quotas": []}
    (move.folder / "moved.json").write_text(json.dumps(document))
    config = str(move.file("source", "admin", PASSWORDS["admin"], zookeeper=True))
    done = move.run(
        "keys", "import", "--fileName", "moved.json", "--dest-config", config, "--only", "users", "--commit"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deadline = 20
    while not logs_in(move, "source", "moved", PASSWORDS["reader"]) and deadline:
        deadline -= 1
    assert deadline, "the brokers have heard of the new user"
    stranger = KazooClient(move.source.zookeeper_connect, timeout=30)
    stranger.start(timeout=30)
    try:
        for path in ("/config/users/moved", "/config/users/sp%20%20ace"):
            with pytest.raises(NoAuthError):
                stranger.get(path)
    finally:
        stranger.stop()
        stranger.close()


def test_too_few_rights_are_gaps_and_said_again_at_the_import(move: Move, tmp_path: Path) -> None:
    old = move.file("source", "reader", PASSWORDS["reader"])
    plain = ("--source-zk-connect", move.source.zookeeper_connect)
    done = command_line(tmp_path)("export", "--source-config", str(old), *plain)
    assert done.returncode == 0, done.stderr
    assert "not read" in done.stdout
    document = json.loads((tmp_path / "kafka-metadata-export.json").read_text())
    gaps = {gap["resource"] for gap in document["gaps"]}
    assert {"users", "quotas", "cluster"} <= gaps
    assert document["users"] is None
    new = str(move.file("dest", "admin", PASSWORDS["admin"]))
    again = command_line(tmp_path)("import", "--dest-config", new)
    assert again.returncode == 0, again.stderr
    assert "users: not read on the source" in again.stdout.replace("users, quotas", "users")
    assert os.listdir(tmp_path) == ["kafka-metadata-export.json"]
