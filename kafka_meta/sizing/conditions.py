"""What is not a matter of quantity: version, retention, features, and the policy's preferences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kafka_meta.sizing.catalogues import Row, Source
from kafka_meta.sizing.constraints import Constraint
from kafka_meta.sizing.needs import Needs, version_line
from kafka_meta.sizing.policies import Policy

OLDER_SERVER = "same release line, older server"


def conditions(row: Row, needs: Needs, policy: Policy) -> Iterator[Constraint]:
    edition = row.edition
    if edition.versions is not None:
        yield _version(edition.versions.value, edition.versions.source, needs)
    if "retention" in row.limits:
        limit = row.limits["retention"]
        hours = None if needs.retention is None else needs.retention.value
        need = "unlimited" if needs.retention_is_unlimited else hours
        ok = False if needs.retention_is_unlimited else None if hours is None else hours <= limit.value
        yield Constraint(
            name="retention",
            need=need,
            capacity=limit.value,
            unit="h",
            ok=ok,
            why="longest of any topic",
            source=limit.source,
        )
    for feature, fact in edition.features.items():
        used = None if needs.features is None else needs.features.get(feature)
        if used is False or (used is None and fact.value):
            continue
        offered = "offered" if fact.value else "not offered"
        ok = None if used is None else bool(fact.value)
        yield Constraint(
            name=feature,
            need="in use" if used else None,
            capacity=offered,
            unit=None,
            ok=ok,
            why="feature",
            source=fact.source,
        )
    if policy.preferences:
        yield from _preferences(row, needs)


def _version(servers: list[str], source: Source, needs: Needs) -> Constraint:
    wanted = needs.server_version
    if wanted is None or version_line(wanted.value) is None:
        return Constraint(
            name="version",
            need=None,
            capacity=servers[-1],
            unit=None,
            ok=None,
            why="version of the source",
            source=source,
        )
    server = serving(wanted.value, servers)
    if server is None:
        why = f"offers {', '.join(servers)}, nothing as new as the source"
        return Constraint(
            name="version", need=wanted.value, capacity=servers[-1], unit=None, ok=False, why=why, source=source
        )
    why = OLDER_SERVER if _newest(server) < _oldest(wanted.value) else "as new as the source"
    return Constraint(name="version", need=wanted.value, capacity=server, unit=None, ok=True, why=why, source=source)


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
