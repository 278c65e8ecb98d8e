"""`kafka-meta check`: can both sides be reached, as whom, which versions, which rights are missing?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka_meta import cluster, wire, zookeeper
from kafka_meta.cli.session import Session
from kafka_meta.cluster.identity import compare_identity
from kafka_meta.cluster.rights import Purpose
from kafka_meta.documents.check import encode_check
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.files.metadata import encode_remarks
from kafka_meta.mirror.abilities import lacks
from kafka_meta.model import Cluster, Remark, Resource
from kafka_meta.plan.identity import Identity
from kafka_meta.render import access_lines
from kafka_meta.settings import ClusterSettings


def check(session: Session) -> int:
    screen = session.screen
    source = session.source()
    sides = _of_side(source, "export")
    dest = session.dest_as_given()
    if not dest.addresses:
        screen.say("no address of the destination is given: only the source is checked")
    sides += _of_side(dest, "import")
    problem = _mixed(sides) or _one_cluster(sides, source, dest)
    failed = problem is not None or any(each["error"] or each["missing"] for each in sides)
    screen.document(encode_check(sides, problem, ok=not failed))
    for each in sides:
        screen.result(access_lines(each))
    if problem is not None:
        screen.result(["", f"  ! {problem}"])
    screen.result(["", "not ready: see the lines with × and ! above" if failed else "ready"])
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _of_side(settings: ClusterSettings, purpose: Purpose) -> list[dict[str, Any]]:
    """The answers of its ZooKeeper and of its brokers, as far as their addresses are given."""
    sides = []
    if settings.zookeeper is not None:
        zk = settings.zookeeper
        sides.append(_ask(settings.role, "zookeeper", zk.connect, lambda: _of_cluster(zookeeper.identify(zk))))
    if settings.bootstrap_servers:
        brokers = settings.bootstrap_servers
        sides.append(_ask(settings.role, "brokers", brokers, lambda: _of_brokers(settings, purpose)))
    return sides


def _ask(role: str, via: str, address: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of one side. A failure is an answer too, so that the other sides are still asked."""
    base: dict[str, Any] = {"role": role, "via": via, "address": address}
    base |= dict.fromkeys(("clusterId", "version", "mode", "brokers", "principal", "authorizer", "operations"))
    base |= {"missing": {}, "gaps": []}
    try:
        return {**base, **ask(), "error": None, "hint": None}
    except KafkaMetaError as error:
        return {**base, "error": error.message, "hint": error.hint}


def _of_brokers(settings: ClusterSettings, purpose: Purpose) -> dict[str, Any]:
    found = cluster.access(settings, purpose)
    with wire.connect(settings) as connection:
        lacking = [
            Remark(resource=Resource("mirror"), reason=each) for each in lacks(connection, settings.role, guard=True)
        ]
    return {
        **_of_cluster(found.cluster),
        "principal": settings.principal,
        "operations": None if found.operations is None else sorted(found.operations),
        "missing": dict(found.missing or {}),
        "gaps": encode_remarks((*found.gaps, *lacking)),
        "authorizer": found.cluster.security.authorizer,
    }


def _of_cluster(found: Cluster) -> dict[str, Any]:
    return {"clusterId": found.id, "version": found.version, "mode": found.mode, "brokers": len(found.brokers)}


def _mixed(sides: list[dict[str, Any]]) -> str | None:
    """What is wrong where a side has two addresses: they are of two clusters."""
    found = {
        role: {each["clusterId"] for each in sides if each["role"] == role and each["clusterId"]}
        for role in ("source", "dest")
    }
    for role, name in (("source", "source"), ("dest", "destination")):
        if len(found[role]) > 1:
            return f"ZooKeeper and the brokers of the {name} are two different clusters"
    return None


def _one_cluster(sides: list[dict[str, Any]], source: ClusterSettings, dest: ClusterSettings) -> str | None:
    """What is wrong where both sides have the same cluster id, unless they are two clusters all the same."""
    ids = [{each["clusterId"] for each in sides if each["role"] == role} - {None} for role in ("source", "dest")]
    if not ids[0] & ids[1]:
        return None
    found: Identity = "one cluster"
    if source.bootstrap_servers:
        found = compare_identity(source, dest)
    return {
        "one cluster": "source and destination are the same cluster",
        "two clusters": None,
        "not known": "source and destination have the same cluster id, and may be the same cluster; if they are two, "
        "import and mirror want --allow-same-cluster-id",
    }[found]
