"""`kafka-meta check`: can both sides be reached, as whom, which versions, which rights are missing?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kafka_meta import cluster, wire, zookeeper
from kafka_meta.cli.session import Session
from kafka_meta.cluster.identity import compare_identity
from kafka_meta.cluster.rights import Purpose
from kafka_meta.documents.check import encode_check
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.events import silent
from kafka_meta.files.metadata import encode_remarks
from kafka_meta.mirror.abilities import lacks
from kafka_meta.model import EVERYTHING, Cluster, Remark, Resource, Snapshot
from kafka_meta.plan import other_defaults, preflight
from kafka_meta.plan.identity import Identity
from kafka_meta.render import access_lines, visible
from kafka_meta.settings import ClusterSettings


def check(session: Session, step: str | None) -> int:
    screen = session.screen
    if step not in (None, "import"):
        raise UsageError(f"--for {step!r}: expected import")
    source = session.source()
    sides = _of_side(source, "export")
    dest = session.dest_as_given()
    if not dest.addresses:
        screen.say("no address of the destination is given: only the source is checked")
    sides += _of_side(dest, "import")
    problem = _mixed(sides) or _one_cluster(sides, source, dest)
    failed = problem is not None or any(each["error"] or each["missing"] for each in sides)
    findings: tuple[Remark, ...] | None = None
    if step == "import":
        if not dest.bootstrap_servers:
            raise UsageError("--for import needs the destination's brokers", "Give --dest-bootstrap-servers.")
        if not any(each["error"] for each in sides):
            findings = _before_import(source, dest)
            failed = failed or any(each.resource.kind == "broker" for each in findings)
    screen.document(lambda: encode_check(sides, problem, findings, ok=not failed))
    for each in sides:
        screen.result(access_lines(each))
    if findings:
        screen.result(["", "  before the first write:"])
        screen.result(f"  ! {visible(str(each.resource))}: {visible(each.reason)}" for each in findings)
    if problem is not None:
        screen.result(["", f"  ! {problem}"])
    screen.result(["", "not ready: see the lines with × and ! above" if failed else "ready"])
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _before_import(source: ClusterSettings, dest: ClusterSettings) -> tuple[Remark, ...]:
    now_ms = round(time.time() * 1000)

    def facts(side: ClusterSettings) -> Snapshot:
        return cluster.read(
            side, EVERYTHING, emit=silent, taken_at_ms=now_ms, sections=frozenset(), offsets=False, sizes=False
        )

    actual = facts(dest)
    defaults = other_defaults(facts(source), actual) if source.bootstrap_servers else ()
    return (*preflight(actual), *defaults)


def _of_side(settings: ClusterSettings, purpose: Purpose) -> list[dict[str, Any]]:
    """The answers of its ZooKeeper and of its brokers, as far as their addresses are given."""
    sides = []
    if settings.zookeeper is not None:
        zk = settings.zookeeper
        sides.append(
            _ask(settings.role, "zookeeper", zk.connect, lambda: {**_of_cluster(zookeeper.identify(zk)), "missing": {}})
        )
    if settings.bootstrap_servers:
        brokers = settings.bootstrap_servers
        sides.append(_ask(settings.role, "brokers", brokers, lambda: _of_brokers(settings, purpose)))
    return sides


def _ask(role: str, via: str, address: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of one side. A failure is an answer too, so that the other sides are still asked."""
    base: dict[str, Any] = {"role": role, "via": via, "address": address}
    base |= dict.fromkeys(
        ("clusterId", "version", "mode", "brokers", "principal", "shownAs", "authorizer", "operations")
    )
    base |= {"missing": None if via == "brokers" else {}, "gaps": []}
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
        "shownAs": settings.shown_as(),
        "operations": None if found.operations is None else sorted(found.operations),
        "missing": None if found.missing is None else dict(found.missing),
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
