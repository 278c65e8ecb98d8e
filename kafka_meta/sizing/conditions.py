"""What is not a matter of quantity: version, retention, features, and the policy's preferences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kafka_meta.quantities import convert
from kafka_meta.sizing.catalogues import Edition, Fact, Row
from kafka_meta.sizing.constraints import Constraint
from kafka_meta.sizing.needs import Needs, version_line
from kafka_meta.sizing.policies import Policy


def conditions(row: Row, needs: Needs, policy: Policy) -> Iterator[Constraint]:
    edition = row.edition
    if edition.versions is not None:
        yield _version(edition, edition.versions, needs)
    if "retention" in row.limits:
        limit = row.limits["retention"]
        longest = convert(limit.value, limit.unit, "h")
        hours = None if needs.retention is None else needs.retention.value
        need = "unlimited" if needs.retention_is_unlimited else hours
        ok = False if needs.retention_is_unlimited else None if hours is None else hours <= longest
        yield Constraint(
            name="retention",
            need=need,
            capacity=longest,
            unit="h",
            ok=ok,
            why="longest of any topic",
            source=limit.source,
        )
    for name, feature in edition.features.items():
        used = None if needs.features is None else needs.features.get(name)
        if used is False or (used is None and feature.offered):
            continue
        yield Constraint(
            name=name,
            need="in use" if used else None,
            capacity="offered" if feature.offered else "not offered",
            unit=None,
            ok=None if used is None else feature.offered,
            why="feature" if feature.since is None else f"feature, from server {feature.since} on",
            source=feature.source,
        )
    if policy.preferences:
        yield from _preferences(row, needs)


def _version(edition: Edition, versions: Fact, needs: Needs) -> Constraint:
    """The oldest server on offer that is as new as the source and has the features in use."""
    servers, after = _with_features(edition, versions.value, needs)
    wanted = needs.server_version
    known = wanted is not None and version_line(wanted.value) is not None
    server = serving(wanted.value, servers) if wanted is not None and known else None
    why = f"version of the source{after}"
    if known and server is None:
        why = f"{', '.join(versions.value)} on offer: nothing as new as the source{after}"
    elif known and server is not None and wanted is not None:
        why = (
            f"{'same release line, older server' if is_older(server, wanted.value) else 'as new as the source'}{after}"
        )
    return Constraint(
        name="version",
        need=wanted.value if wanted is not None and known else None,
        capacity=server or (servers or versions.value)[-1],
        unit=None,
        ok=False if not servers else server is not None if known else None,
        why=why,
        source=versions.source,
    )


def _with_features(edition: Edition, servers: list[str], needs: Needs) -> tuple[list[str], str]:
    """The servers that have every feature in use, and in words which features rule out the others."""
    asking = {
        name: feature.since
        for name, feature in edition.features.items()
        if feature.offered and feature.since is not None and needs.features is not None and needs.features.get(name)
    }
    enough = [server for server in servers if all(_newest(server) >= _oldest(since) for since in asking.values())]
    if len(enough) == len(servers):
        return servers, ""
    return enough, f", and for {', '.join(asking)}"


def is_older(server: str, wanted: str) -> bool:
    return _newest(server) < _oldest(wanted)


def serving(wanted: str, servers: list[str]) -> str | None:
    """The oldest server that is as new as the source, else the newest of the same release line, else None."""
    line = version_line(wanted)
    lines = {server: version_line(server) for server in servers}
    usable = [server for server, own in lines.items() if line is not None and own is not None and own >= line]
    new_enough = [server for server in usable if _newest(server) >= _oldest(wanted)]
    return min(new_enough, key=_newest) if new_enough else max(usable, key=_newest, default=None)


def _oldest(version: str) -> tuple[int, ...]:
    """(2, 4, 1) of "2.4.1", (2,) of "2.x.x"."""
    return tuple(int(part) for part in version.lstrip("<").split(".") if part.isdigit())


def _newest(version: str) -> tuple[float, ...]:
    """As `_oldest`, but "3.x" offers every 3, however new."""
    return (*_oldest(version), math.inf) if "x" in version else _oldest(version)


def _preferences(row: Row, needs: Needs) -> Iterator[Constraint]:
    business = needs.scenario is not None and needs.scenario.value == "business"
    low = needs.latency is not None and needs.latency.value == "low"
    edition = row.edition
    if (business or low) and edition.dedicated is not None:
        why = "policy safe: business messages or low latency; no vendor's rule"
        yield Constraint(
            name="machines",
            need="dedicated",
            capacity="dedicated" if edition.dedicated.value else "shared",
            unit=None,
            ok=bool(edition.dedicated.value),
            why=why,
            kind="preference",
            source=edition.dedicated.source,
        )
    if business and edition.zones is not None:
        why = "policy safe: business messages; no vendor's rule"
        ok = edition.zones.value == "several"
        yield Constraint(
            name="zones",
            need="several",
            capacity=edition.zones.value,
            unit=None,
            ok=ok,
            why=why,
            kind="preference",
            source=edition.zones.source,
        )
