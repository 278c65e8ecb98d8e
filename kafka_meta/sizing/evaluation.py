"""The cheapest of a catalogue that carries the needs, with every step shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Remark, sorted_remarks
from kafka_meta.sizing.candidates import DEFAULT_MAX_MAP_COUNT, Candidate, candidates, rank
from kafka_meta.sizing.catalogues import Catalogue
from kafka_meta.sizing.conditions import OLDER_SERVER
from kafka_meta.sizing.constraints import DEFAULT_REPLICATION_FACTOR, Constraint
from kafka_meta.sizing.needs import NEED_UNITS, PEAK_STATS, Figure, Needs, camel
from kafka_meta.sizing.policies import MINIMAL, Policy

STALE_DAYS = 365
GROWTH = 1.2
"""Above this ratio of average rate × retention to data the disks are said to be still filling."""

ESSENTIAL = ("write", "read", "write equivalent", "storage", "network", "partitions", "disk")
"""Where one of these could not be compared the recommendation is incomplete; others are said to be unchecked."""

_WITH_FILE = "or give --peak-traffic beside --fileName"
_EMPTY = "the topics are empty now, which says nothing of what they will hold"
_SEE_SIZES = "export with the right to see the log directories (DESCRIBE on the cluster)"


def _to_add(name: str, needs: Needs) -> str:
    """What makes an incomplete recommendation complete."""
    refused = any(gap.resource.startswith("log directories") for gap in needs.gaps)
    look = _SEE_SIZES if refused else "export from the brokers with statistics"
    match name:
        case "write":
            return f"{look} once there are records of a full hour, or with --metrics-url; {_WITH_FILE}"
        case "read":
            return f"export with --sample 60s while consumers are at work, or with --metrics-url; {_WITH_FILE}"
        case "data" if needs.data is not None:
            return f"{_EMPTY}: export again once they hold what they usually do; or give --disk"
        case "data":
            return f"{look}; or give --disk"
        case "partitions":
            return "export with the right to see all topics; or give --partitions"
        case _:  # retention
            return "some topics keep everything; give --disk with how much the destination shall hold"


Role: TypeAlias = Literal["next cheaper", "next up", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What else there is: `next cheaper` failed and costs less, `next up` fits and costs more."""

    candidate: Candidate
    role: Role
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """`choice` is None when nothing of the catalogue fits; `missing` names the needs that are not known and matter."""

    catalogue: Catalogue
    policy: Policy
    needs: Needs
    choice: Candidate | None
    alternatives: tuple[Alternative, ...]
    missing: tuple[str, ...]
    warnings: tuple[Remark, ...]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def binding(self) -> Constraint | None:
        return None if self.choice is None else self.choice.binding


def evaluate(needs: Needs, catalogue: Catalogue, policy: Policy = MINIMAL, *, today: date) -> Recommendation:
    """What to buy of `catalogue`; `today` tells how old it is.

    Raises KafkaMetaError when there is nothing to size: no figure at all, or an empty cluster.
    """
    _refuse_nothing(needs)
    ranked = candidates(catalogue, needs, policy)
    choice = ranked[0] if ranked[0].fits else None
    best = choice or min(ranked, key=_distance)
    missing = _missing(best, needs)
    return Recommendation(
        catalogue=catalogue,
        policy=policy,
        needs=needs,
        choice=choice,
        alternatives=_alternatives(choice, ranked, catalogue.currency),
        missing=missing,
        warnings=sorted_remarks([*needs.gaps, *_warnings(needs, catalogue, choice, best, missing, today)]),
    )


def _distance(candidate: Candidate) -> tuple[int, float]:
    """From what is needed: how many limits are passed, and how far the worst of them is."""
    return len(candidate.failures), max((failure.utilisation or 0 for failure in candidate.failures), default=0)


def _refuse_nothing(needs: Needs) -> None:
    empty = [
        name for name in ("topics", "partitions") if (figure := getattr(needs, name)) is not None and figure.value == 0
    ]
    if empty:
        raise KafkaMetaError(
            f"the cluster is empty: it has no {' and no '.join(empty)}, so there is nothing to size",
            "Give what it is to carry: --peak-traffic, --disk, --topics, --partitions.",
        )
    if all(figure is None for figure in (needs.write, needs.read, needs.stored, needs.partitions, needs.replicas)):
        raise KafkaMetaError(
            "neither traffic, nor data, nor partitions are known, so there is nothing to size",
            "Export with --evaluate, or give --peak-traffic, --disk and --partitions.",
        )


_WANTS = {
    "disk": ("stored",),
    "write equivalent": ("write", "read"),
    "storage": ("write",),
    "network": ("write", "read"),
}


def _missing(candidate: Candidate, needs: Needs) -> tuple[str, ...]:
    """Names of needs, in their own order. MSK's brokers carry less the more is read, so reading matters there, too.
    What is kept for ever fits no disk: how much shall be kept must be declared."""
    unknown: set[str] = set()
    for constraint in candidate.constraints:
        if constraint.name in ESSENTIAL and constraint.ok is None:
            wants = _WANTS.get(constraint.name, (constraint.name,))
            unknown |= {name.replace("stored", "data") for name in wants if getattr(needs, name) is None}
    edition = candidate.row.edition
    if edition.model == "msk-standard" and needs.read is None:
        unknown.add("read")
    if edition.disk is not None and needs.retention_is_unlimited and not needs.data_is_declared:
        unknown.add("retention")
    return tuple(name for name in NEED_UNITS if name in unknown)


def describe(constraint: Constraint) -> str:
    """Why a constraint fails."""
    unit = f" {constraint.unit}" if constraint.unit else ""
    need, capacity = (_number(each, unit) for each in (constraint.need, constraint.capacity))
    return f"{constraint.name}: needs {need}, has {capacity}"


def _number(value: float | str | None, unit: str) -> str:
    if not isinstance(value, float | int):
        return str(value)
    return f"{value:,.6g}{unit}" if abs(value) < 1e6 else f"{value:,.0f}{unit}"


def _alternatives(
    choice: Candidate | None, ranked: tuple[Candidate, ...], currency: str | None
) -> tuple[Alternative, ...]:
    others = [candidate for candidate in ranked if candidate is not choice]
    cheaper = next_up = None
    if choice is not None:
        below = [candidate for candidate in others if not candidate.fits and _at_most(candidate, choice)]
        cheaper = max(below, key=lambda candidate: _nearness(candidate, choice), default=None)
        next_up = next((candidate for candidate in others if candidate.fits), None)
    found = []
    for candidate in others:
        role: Role = "next cheaper" if candidate is cheaper else "next up" if candidate is next_up else "other"
        reasons = tuple(describe(constraint) for constraint in candidate.failures) or (
            _dearer(candidate, choice, currency),
        )
        found.append(Alternative(candidate=candidate, role=role, reasons=reasons))
    return tuple(found)


def _at_most(candidate: Candidate, choice: Candidate) -> bool:
    """Costs no more; without prices carries no more."""
    if choice.monthly_price is None or candidate.monthly_price is None:
        return choice.monthly_price is candidate.monthly_price and candidate.capacity <= choice.capacity
    return candidate.monthly_price <= choice.monthly_price


def _nearness(candidate: Candidate, choice: Candidate) -> tuple[object, ...]:
    """Really cheaper before equally dear, the same edition before another, then the dearest."""
    return not _at_most(choice, candidate), candidate.row.edition is choice.row.edition, rank(candidate)


def _dearer(candidate: Candidate, choice: Candidate | None, currency: str | None) -> str:
    if choice is None or choice.monthly_price is None or candidate.monthly_price is None:
        return "fits; no price to compare"
    more = candidate.monthly_price - choice.monthly_price
    return f"fits; costs {more:,.2f} {currency} a month more" if more else "fits; costs the same"


def _warnings(
    needs: Needs, catalogue: Catalogue, choice: Candidate | None, best: Candidate, missing: tuple[str, ...], today: date
) -> Iterator[Remark]:
    for name in missing:
        reason = "not known: the recommendation is the least that the known figures need"
        yield Remark(resource=name, reason=f"{reason}; {_to_add(name, needs)}")
    if choice is None:
        reasons = "; ".join(describe(constraint) for constraint in best.failures)
        yield Remark(
            resource=catalogue.provider, reason=f"nothing here carries the needs; nearest is {best.row.spec}: {reasons}"
        )
    unchecked = [c.name for c in best.constraints if c.ok is None and c.name not in ESSENTIAL]
    if choice is not None and unchecked:
        yield Remark(
            resource="not checked", reason=f"{', '.join(unchecked)}: there is a limit, but the need is not known"
        )
    yield from _figure_warnings(needs, missing)
    if choice is not None:
        yield from _choice_warnings(needs, choice)
    if (today - catalogue.as_of).days > STALE_DAYS:
        reason = (
            f"the catalogue is of {catalogue.as_of}, more than a year old: check its figures and prices before buying"
        )
        yield Remark(resource=catalogue.provider, reason=reason)


def _figure_warnings(needs: Needs, missing: tuple[str, ...]) -> Iterator[Remark]:
    for name in NEED_UNITS:
        figure: Figure | None = getattr(needs, name)
        if figure is None:
            continue
        if figure.confidence == "low":
            yield Remark(resource=camel(name), reason=f"{figure} is of low confidence ({figure.method}, {figure.stat})")
        if figure.stat == "hourly max":
            yield Remark(
                resource=camel(name), reason=f"{figure} is the highest hour, which understates the peak within it"
            )
        if figure.method != "declared" and figure.value == 0 and figure.stat in PEAK_STATS:
            yield Remark(resource=camel(name), reason="nothing was seen while it was measured")
    if needs.write is not None and needs.write.method == "declared" and needs.write is needs.read:
        yield Remark(
            resource="read", reason="one peak was declared, the larger of writing and reading; it stands for both"
        )
    if needs.retention_is_unlimited:
        yield Remark(resource="data", reason="some topics keep everything: what they need grows without end")
    elif needs.stored is None and needs.data is not None and "data" not in missing:
        yield Remark(resource="data", reason=_EMPTY)
    elif needs.data is not None and needs.retained is not None and needs.retained.value > needs.data.value * GROWTH:
        yield Remark(
            resource="data",
            reason=f"{needs.data} now, but average rate × retention is {needs.retained}: the disks still fill",
        )


def _choice_warnings(needs: Needs, choice: Candidate) -> Iterator[Remark]:
    edition = choice.row.edition
    if edition.replication_factor is None and needs.replication_factor is None:
        yield Remark(resource="replication factor", reason=f"not known: {DEFAULT_REPLICATION_FACTOR} assumed")
    for constraint in choice.constraints:
        if constraint.name == "version" and constraint.ok and constraint.why == OLDER_SERVER:
            reason = (
                f"the destination runs {constraint.capacity}, older than {constraint.need}: what came since is missing"
            )
            yield Remark(resource="version", reason=reason)
    if edition.versions is None and edition.model != "self-managed" and needs.server_version is not None:
        reason = (
            f"which ones are offered is not in this catalogue: ask whether {needs.server_version.value} can be served"
        )
        yield Remark(resource="version", reason=reason)
    unpriced = [line.item for line in choice.prices if line.amount is None]
    if unpriced:
        yield Remark(resource="price", reason=f"without {', '.join(unpriced)}")
    maps = next((q.value for q in choice.quantities if q.name == "memoryMapsPerBroker"), None)
    if isinstance(maps, int) and maps > DEFAULT_MAX_MAP_COUNT:
        reason = f"{maps:,} memory maps a broker are more than Linux' {DEFAULT_MAX_MAP_COUNT:,}: raise vm.max_map_count"
        yield Remark(resource="memory maps", reason=reason)
    if edition.disk is not None and edition.disk.fill.note is not None and needs.stored is not None:
        yield Remark(resource="disk", reason=edition.disk.fill.note)
