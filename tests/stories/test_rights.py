"""Who may do what, before and after a move with new names, asked of both of Kafka's authorizers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from kafka_meta import playground, wire
from kafka_meta.cluster import Vault, Writer, read
from kafka_meta.events import silent
from kafka_meta.files import read_metadata
from kafka_meta.model import EVERYTHING, Acl, Secret, Snapshot
from kafka_meta.plan import Action, CreateAcl, CreateTopic, Operator, Policy, Result, UpsertUser, parse_renames
from kafka_meta.playground import Cluster, Design
from kafka_meta.settings import ClusterSettings, Sasl, ZooKeeperSettings
from kafka_meta.wire.rights import topic_operations
from tests.support.commands import command_line
from tests.support.guarded import PASSWORD, PLAIN_LOGIN
from tests.support.plans import planned
from tests.support.shop import until
from tests.support.snapshots import acl

USERS = ("alice", "bob", "carol", "dave")
TOPICS = ("a.x", "ab", "b", "c", "d", "e", "open", "secret")
RENAMES = ("b=a.b", "d=c", "e=new", "secret=hidden")
RULES = (
    # Its prefix would cover the new name of b.
    acl("ALLOW", "User:alice", "READ", "TOPIC a.", pattern="PREFIXED"),
    # d is refused, since c has its new name: the rule would be about c.
    acl("ALLOW", "User:alice", "WRITE", "TOPIC d"),
    # There is no such topic yet: the rule would be about e.
    acl("ALLOW", "User:bob", "READ", "TOPIC new"),
    # The DENY would no longer cover its topic.
    acl("ALLOW", "User:carol", "READ", "TOPIC ", pattern="PREFIXED"),
    acl("DENY", "User:carol", "READ", "TOPIC s", pattern="PREFIXED"),
    # Nothing is wrong with these.
    acl("ALLOW", "User:dave", "ALL", "TOPIC b"),
    acl("ALLOW", "User:dave", "READ", "TOPIC o", pattern="PREFIXED"),
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Mapping[str, Cluster]]:
    """AclAuthorizer with its rules in ZooKeeper, and StandardAuthorizer with its rules in the log of KRaft."""
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in USERS)
    settings = {
        "super.users": "User:ANONYMOUS",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f"{PLAIN_LOGIN} required {users};",
    }
    listeners = {"LOGIN": "SASL_PLAINTEXT"}
    old = Design(version="3.9.1", mode="zookeeper", settings=settings, listeners=listeners)
    new = Design(version="4.3.1", mode="kraft", settings=settings, listeners=listeners)
    with playground.running(old, new) as (in_zookeeper, in_kraft):
        yield {"zookeeper": in_zookeeper, "kraft": in_kraft}


def as_admin(cluster: Cluster) -> ClusterSettings:
    return ClusterSettings(role="dest", bootstrap_servers=cluster.bootstrap_servers)


def as_user(cluster: Cluster, name: str) -> ClusterSettings:
    return ClusterSettings(
        role="source",
        bootstrap_servers=cluster.bootstrap("LOGIN"),
        security_protocol="SASL_PLAINTEXT",
        sasl=Sasl(mechanism="PLAIN", username=name, password=Secret(PASSWORD)),
    )


def carry_out(cluster: Cluster, *actions: Action) -> None:
    with Writer(as_admin(cluster)) as writer:
        for kind in (CreateTopic, CreateAcl):
            batch = [action for action in actions if isinstance(action, kind)]
            for result in writer.apply(batch) if batch else ():
                assert not isinstance(result, Result) or result.outcome != "failed", result
        for _ in writer.settle():
            pass


def seen(cluster: Cluster) -> Snapshot:
    return read(as_admin(cluster), EVERYTHING, emit=silent, taken_at_ms=0)


def rights(cluster: Cluster, topics: Mapping[str, str]) -> dict[tuple[str, str], frozenset[str]]:
    """What each user may do: user and name of the topic on the source → operations. `topics`: that name → name here."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for user in USERS:
        with wire.connect(as_user(cluster, user)) as connection:
            told = topic_operations(connection, topics.values())
        found |= {(user, name): told.get(there, frozenset()) for name, there in topics.items()}
    return found


@pytest.mark.parametrize(("here", "there"), [("zookeeper", "kraft"), ("kraft", "zookeeper")])
def test_nobody_may_do_more_under_new_names_than_the_source_allowed(
    pair: Mapping[str, Cluster], here: str, there: str
) -> None:
    source, dest = pair[here], pair[there]
    # Both directions in the same clusters: each with names of its own.
    own = f"from-{here}."

    def named(rule: Acl) -> Acl:
        return replace(rule, resource_name=own + rule.resource_name)

    carry_out(
        source,
        *(CreateTopic(topic=own + name, partitions=1, replication_factor=1) for name in TOPICS),
        *(CreateAcl(acl=named(rule)) for rule in RULES),
    )
    policy = Policy(
        renames=parse_renames([f"{own}{old}={own}{new}" for old, new in (rule.split("=") for rule in RENAMES)])
    )
    desired = seen(source)
    plan = planned(desired, seen(dest), policy, operator=Operator(principal="User:ANONYMOUS"))
    carry_out(dest, *plan.actions)
    moved = {own + name: policy.topic_name(own + name) for name in TOPICS if name != "d"}
    before = rights(source, {name: name for name in moved})
    assert before["dave", f"{own}b"], "the question is answered"
    until(lambda: bool(rights(dest, moved)["dave", f"{own}b"]), "the rules are in force")
    after = rights(dest, moved)
    assert {key: after[key] - before[key] for key in after if after[key] - before[key]} == {}
    for key in (("dave", f"{own}b"), ("dave", f"{own}open")):
        assert after[key] == before[key]
    refused = [each for each in plan.refused if each.resource.kind == "acl" and own in str(each.resource)]
    assert len(refused) == 4, refused


@pytest.mark.parametrize("saved", [False, True], ids=["a plan of today", "a saved plan"])
def test_keys_are_not_written_into_the_zookeeper_of_another_cluster(
    pair: Mapping[str, Cluster], tmp_path: Path, saved: bool
) -> None:
    dest = pair["zookeeper"]
    other = f"other-{saved}".lower()
    zookeeper = KazooClient(str(dest.zookeeper_connect))
    zookeeper.start(timeout=30)
    try:
        # All that tells two clusters in one ZooKeeper apart: the chroot, and the id in it.
        for path, data in (
            ("brokers/ids/1", b'{"version":5,"host":"127.0.0.1","port":1,"endpoints":[],"timestamp":"1"}'),
            ("cluster/id", b'{"version":"1","id":"another-cluster"}'),
            ("config/users", b""),
            ("config/changes", b""),
        ):
            zookeeper.create(f"/{other}/{path}", data, makepath=True)
        snapshot = {
            "kind": "kafka-metadata", "schemaVersion": "1.0", "createdAt": "2026-11-28T00:00:00Z",
            "cluster": {"id": "source", "mode": "zookeeper", "brokers": []},
            "topics": [], "groups": [], "acls": [], "quotas": [], "gaps": [],
            "users": [{"name": "moved", "credentials": [{
                "mechanism": "SCRAM-SHA-256", "iterations": 4096, "salt": "c2FsdA==",
                "storedKey": "a2V5", "serverKey": "a2V5",
            }]}],
        }  # fmt: skip
        (tmp_path / "moved.json").write_text(json.dumps(snapshot))
        cli = command_line(tmp_path)
        to_dest = ("--fileName", "moved.json", "--dest-bootstrap-servers", dest.bootstrap_servers)
        own = ("--dest-zk-connect", str(dest.zookeeper_connect))
        wrong = ("--dest-zk-connect", f"{dest.zookeeper_connect}/{other}")
        if saved:
            made = cli("import", *to_dest, *own, "--only", "users", "--save-plan", "plan.json")
            assert made.returncode == 0, made.stderr
            done = cli("import", *to_dest, *wrong, "--plan-file", "plan.json", "--commit")
        else:
            done = cli("import", *to_dest, *wrong, "--only", "users", "--commit")
        assert done.returncode == 1
        assert "the destination's ZooKeeper is of cluster another-cluster" in done.stderr
        (user,) = read_metadata(tmp_path / "moved.json").users or ()
        elsewhere = ZooKeeperSettings(connect=f"{dest.zookeeper_connect}/{other}")
        action = UpsertUser(user="moved", mechanism="SCRAM-SHA-256", iterations=4096, secret="key")
        (result,) = Vault(exported=[user], zookeeper=elsewhere).write_keys([action], "the brokers' own")
        assert (result.outcome, "another-cluster" in (result.error or "")) == ("failed", True), "the writer itself asks"
        for root in (f"/{other}", ""):
            assert zookeeper.exists(f"{root}/config/users/moved") is None
    finally:
        zookeeper.stop()
        zookeeper.close()
