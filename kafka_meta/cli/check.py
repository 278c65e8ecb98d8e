"""`kafka-meta check`: can both sides be reached, as whom, which versions, which rights are missing?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from kafka_meta import cluster, zookeeper
from kafka_meta.cli import options as given
from kafka_meta.cli.sides import dest_settings_if_any, principal, source_settings
from kafka_meta.cluster.rights import Purpose
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.model import Cluster
from kafka_meta.render import access_lines
from kafka_meta.settings import ClusterSettings

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session


def check(
    ctx: typer.Context,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_zk_connect: given.SourceZk = None,
    source_config: given.SourceConfig = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
) -> int:
    """Tell whether both sides can be reached, as whom, which versions they run and which rights are missing.

    Changes nothing. Exit status 1 when a side cannot be reached or a right is missing.
    """
    flags = given.typed(ctx)
    session: Session = ctx.obj
    screen = session.screen
    toml = session.toml()
    sides: list[dict[str, Any]] = []
    source = source_settings(flags, toml, screen)
    if source.zookeeper is not None:
        zk = source.zookeeper
        sides.append(_ask("source", "zookeeper", zk.connect, lambda: _of_cluster(zookeeper.identify(zk))))
    if source.bootstrap_servers:
        sides.append(_ask("source", "brokers", source.bootstrap_servers, lambda: _of_brokers(source, "export")))
    dest = dest_settings_if_any(flags, toml, screen)
    if dest is not None:
        sides.append(_ask("dest", "brokers", dest.bootstrap_servers, lambda: _of_brokers(dest, "import")))
    else:
        screen.say("no destination given: only the source is checked")
    problem = _mixed(sides)
    failed = problem is not None or any(each["error"] or each["missing"] for each in sides)
    screen.document(
        {"kind": "kafka-meta-check", "schemaVersion": "1.0", "sides": sides, "problem": problem, "ok": not failed}
    )
    for each in sides:
        screen.result(access_lines(each))
    if problem is not None:
        screen.result(["", f"  ! {problem}"])
    screen.result(["", "not ready: see above" if failed else "ready"])
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _ask(role: str, via: str, address: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One side's answer; a failure is an answer, too, so that the other side is still asked."""
    base: dict[str, Any] = {"role": role, "via": via, "address": address}
    base |= dict.fromkeys(("clusterId", "version", "mode", "brokers", "principal", "authorizer", "operations"))
    base |= {"missing": {}, "gaps": []}
    try:
        return {**base, **ask(), "error": None, "hint": None}
    except KafkaMetaError as error:
        return {**base, "error": error.message, "hint": error.hint}


def _of_brokers(settings: ClusterSettings, purpose: Purpose) -> dict[str, Any]:
    found = cluster.access(settings, purpose)
    return {
        **_of_cluster(found.cluster),
        "principal": principal(settings),
        "operations": None if found.operations is None else sorted(found.operations),
        "missing": dict(found.missing or {}),
        "gaps": [{"resource": gap.resource, "reason": gap.reason} for gap in found.gaps],
        "authorizer": found.cluster.security.authorizer,
    }


def _of_cluster(found: Cluster) -> dict[str, Any]:
    return {"clusterId": found.id, "version": found.version, "mode": found.mode, "brokers": len(found.brokers)}


def _mixed(sides: list[dict[str, Any]]) -> str | None:
    """What is wrong with the sides together: one cluster twice, or two clusters as one source."""
    ids = {(each["role"], each["clusterId"]) for each in sides if each["clusterId"]}
    sources = {cluster_id for role, cluster_id in ids if role == "source"}
    if len(sources) > 1:
        return "ZooKeeper and the brokers of the source are two different clusters"
    if any(role == "dest" and cluster_id in sources for role, cluster_id in ids):
        return "source and destination are the same cluster"
    return None
