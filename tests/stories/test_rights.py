"""Who may do what, before and after a move with new names, asked of both of Kafka's authorizers."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from kafka_meta import playground, wire
from kafka_meta.cluster import Vault, Writer, read
from kafka_meta.events import silent
from kafka_meta.files import read_metadata
from kafka_meta.model import EVERYTHING, Acl, PatternType, Secret, Selection, Snapshot
from kafka_meta.plan import Action, CreateAcl, CreateTopic, Operator, Policy, Result, UpsertUser, parse_renames
from kafka_meta.plan.policy import parse_principals
from kafka_meta.playground import Cluster, Design
from kafka_meta.settings import ClusterSettings, Sasl, ZooKeeperSettings
from kafka_meta.wire.rights import topic_operations
from tests.support.commands import command_line
from tests.support.guarded import PASSWORD, PLAIN_LOGIN
from tests.support.plans import planned
from tests.support.shop import until
from tests.support.snapshots import acl

USERS = ("alice", "bob", "carol", "dave", "stranger")
"""No rule names the last one."""
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


def universe(seed: int, own: str) -> tuple[list[str], list[str], list[Acl], Policy]:
    """Topics of the source, topics that only the destination has, rules of the source, and what the operator decides:
    names that begin like others, every pattern, both permissions, renames, principals and a selection."""
    dice = random.Random(seed)
    names = ["a", "a.b", "a.bc", "ab", "b", "b.a", "c"]
    dice.shuffle(names)
    topics, theirs = names[:4], [f"{name}.theirs" for name in names[:2]] + names[5:6]

    def pattern() -> tuple[str, PatternType]:
        name = dice.choice(names)
        return (name, "LITERAL") if dice.random() < 0.5 else (name[: dice.randint(0, len(name))], "PREFIXED")

    rules = []
    for _ in range(12):
        name, kind = pattern()
        rules.append(
            acl(
                "DENY" if dice.random() < 0.3 else "ALLOW",
                dice.choice([*(f"User:{user}" for user in USERS[:-1]), "User:*"]),
                dice.choice(["READ", "WRITE", "DESCRIBE", "ALL", "ALTER_CONFIGS"]),
                f"TOPIC {own}{name}",
                pattern=kind,
            )
        )
    renames = [
        f"{own}{re.escape(old)}={own}{new}" for old, new in zip(dice.sample(names, 2), ("new", "a.new"), strict=True)
    ]
    mapping = dice.choice([[], ["User:(alice|bob)=User:carol"], ["User:dave=User:bob"]])
    selection = dice.choice(
        [
            Selection(),
            Selection(include_topics=re.compile(re.escape(own) + "a.*")),
            Selection(exclude_topics=re.compile(re.escape(own) + "b.*")),
            Selection(include_principals=re.compile("alice|dave")),
        ]
    )
    policy = Policy(
        only=frozenset({"topics", "acls"}),
        selection=selection,
        renames=parse_renames(dice.choice([[], renames])),
        principals=parse_principals(mapping),
    )
    return [own + name for name in topics], [own + name for name in theirs], list(dict.fromkeys(rules)), policy


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_decided_nobody_may_do_more_than_before_anywhere(pair: Mapping[str, Cluster], seed: int) -> None:
    source, dest = pair["zookeeper" if seed % 2 else "kraft"], pair["kraft" if seed % 2 else "zookeeper"]
    topics, theirs, rules, policy = universe(seed, f"any-{seed}-")
    carry_out(
        source,
        *(CreateTopic(topic=name, partitions=1, replication_factor=1) for name in topics),
        *(CreateAcl(acl=rule) for rule in rules),
    )
    carry_out(dest, *(CreateTopic(topic=name, partitions=1, replication_factor=1) for name in theirs))
    there_before = rights(dest, {name: name for name in theirs})
    # What both have is the source's topic as it was found there: it counts as moved.
    desired, actual = seen(source), seen(dest)
    plan = planned(desired, actual, policy, operator=Operator(principal="User:ANONYMOUS"))
    carry_out(dest, *plan.actions)
    moved = {name: policy.topic_name(name) for name in topics if policy.selection.topic(name)}
    only_theirs = {name: name for name in theirs if name not in moved.values() and name not in topics}
    before = rights(source, {name: name for name in moved})
    for (user, name), operations in rights(dest, moved).items():
        stands_for = [who for who in USERS if policy.principal(f"User:{who}") == f"User:{user}"]
        for who in stands_for:
            assert operations <= before[who, name], f"{user} may do more on {moved[name]} than {who} might on {name}"
        if not stands_for:
            assert operations <= before["stranger", name], "nobody of the source has this name there"
    after_there = rights(dest, only_theirs)
    assert {key: value - there_before[key] for key, value in after_there.items() if value - there_before[key]} == {}


SHARED_RULES = (
    acl("ALLOW", "User:alice", "READ", "TOPIC shop.", pattern="PREFIXED"),
    acl("ALLOW", "User:alice", "WRITE", "TRANSACTIONAL_ID shop", pattern="PREFIXED"),
    acl("ALLOW", "User:bob", "ALL", "TOPIC ", pattern="PREFIXED"),
    acl("DENY", "User:bob", "WRITE", "TOPIC shop.secret"),
    acl("ALLOW", "User:carol", "READ", "TOPIC bank.accounts"),
    acl("ALLOW", "User:carol", "ALTER", "CLUSTER kafka-cluster"),
    acl("ALLOW", "User:dave", "READ", "TOPIC shop", pattern="PREFIXED"),
    acl("ALLOW", "User:carol", "READ", "TOPIC sh", pattern="PREFIXED"),
    acl("DENY", "User:*", "READ", "TOPIC shop.s", pattern="PREFIXED"),
)
SHARED_TOPICS = ("shop.orders", "shop.secret", "bank.accounts", "shopping")
THEIRS = ("shopping.theirs", "theirs")


@pytest.mark.parametrize(("here", "there"), [("zookeeper", "kraft"), ("kraft", "zookeeper")])
def test_a_part_of_a_cluster_gives_nobody_more_on_a_destination_that_others_use(
    pair: Mapping[str, Cluster], here: str, there: str
) -> None:
    """One team's topics move under a selection and new principals. Everybody's rights on everything that the
    destination has are as before, or fewer."""
    source, dest = pair[here], pair[there]
    own = f"part-of-{here}."

    def named(rule: Acl) -> Acl:
        return rule if rule.resource_type == "CLUSTER" else replace(rule, resource_name=own + rule.resource_name)

    carry_out(
        source,
        *(CreateTopic(topic=own + name, partitions=1, replication_factor=1) for name in SHARED_TOPICS),
        *(CreateAcl(acl=named(rule)) for rule in SHARED_RULES),
    )
    carry_out(dest, *(CreateTopic(topic=own + name, partitions=1, replication_factor=1) for name in THEIRS))
    theirs = {own + name: own + name for name in THEIRS}
    before_there = {**rights(dest, theirs), **clustered(dest)}
    policy = Policy(
        only=frozenset({"topics", "acls"}),
        selection=Selection(include_topics=re.compile(re.escape(f"{own}shop.") + ".*")),
        principals=parse_principals(["User:(alice|bob)=User:dave"]),
    )
    desired = seen(source)
    plan = planned(desired, seen(dest), policy, operator=Operator(principal="User:ANONYMOUS"))
    carry_out(dest, *plan.actions)
    moved = {own + name: own + name for name in ("shop.orders", "shop.secret")}
    stands_for = {"alice": "dave", "bob": "dave"}
    before = rights(source, moved)
    until(lambda: bool(rights(dest, moved)["dave", f"{own}shop.orders"]), "the rules are in force")
    after = rights(dest, moved)
    for (user, name), operations in after.items():
        those = [who for who in USERS if stands_for.get(who, who) == user] or [user]
        for who in those:
            assert operations <= before[who, name], f"{user} may do more on {name} than {who} might"
    assert after["dave", f"{own}shop.orders"] == before["alice", f"{own}shop.orders"] != frozenset()
    assert {**rights(dest, theirs), **clustered(dest)} == before_there, "what others have there is as it was"
    reasons = {str(each.resource): each.reason for each in (*plan.refused, *plan.skipped) if own in str(each.resource)}
    assert "User:bob becomes User:dave" in str(plan.refused)
    assert any("which only the destination has" in reason for reason in reasons.values())


def clustered(cluster: Cluster) -> dict[tuple[str, str], frozenset[str]]:
    """What each user may do on the cluster itself."""
    found = {}
    for user in USERS:
        with wire.connect(as_user(cluster, user)) as connection:
            found[user, "the cluster"] = wire.metadata(connection, ()).cluster_operations or frozenset()
    return found


def test_what_a_caller_may_not_ask_is_a_gap(pair: Mapping[str, Cluster]) -> None:
    found = read(as_user(pair["kraft"], "bob"), EVERYTHING, emit=silent, taken_at_ms=0)
    assert {"other configs", "users", "quotas"} <= {gap.resource.kind for gap in found.gaps}


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
