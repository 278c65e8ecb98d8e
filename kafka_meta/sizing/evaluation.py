"""The cheapest of a catalogue that carries the needs, with every step shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Remark, Resource, camel, sorted_remarks
from kafka_meta.sizing.candidates import DEFAULT_MAX_MAP_COUNT, Candidate, candidates, price_difference, rank
from kafka_meta.sizing.catalogues import Catalogue
from kafka_meta.sizing.conditions import is_older
from kafka_meta.sizing.constraints import DEFAULT_REPLICATION_FACTOR, Constraint
from kafka_meta.sizing.needs import NEED_UNITS, PEAK_STATS, Figure, Needs
from kafka_meta.sizing.policies import MINIMAL, Policy

STALE_DAYS = 365
GROWTH = 1.2
"""Above this ratio of what retention comes to, to what was declared, the disks are said to be still filling."""

ESSENTIAL = ("write", "read", "write equivalent", "storage", "network", "partitions", "disk")
"""Where one of these could not be compared the recommendation is incomplete; others are said to be unchecked."""

_WITH_FILE = "or give --peak-traffic beside --file-name"
_EMPTY = "the topics are empty now, which says nothing of what they will hold"
_SEE_SIZES = "Export with the right to see the log directories (DESCRIBE on the cluster)"


def _to_add(name: str, needs: Needs) -> str:
    """What makes an incomplete recommendation complete."""
    refused = any(gap.resource.kind.startswith("log directories") for gap in needs.gaps)
    look = _SEE_SIZES if refused else "Export from the brokers with statistics"
    match name:
        case "write":
            return f"{look} once there are records of a full hour, or with --metrics-url, {_WITH_FILE}"
        case "read":
            return f"Export with --sample 60s while consumers are at work, or with --metrics-url, {_WITH_FILE}"
        case "data" if needs.data is not None:
            return "The topics are empty now. Export again once they hold what they usually do, or give --disk"
        case "data":
            return f"{look}, or give --disk"
        case "average_write":
            return f"{look} once there are records of a full hour, or give --average-traffic"
        case "partitions":
            return "Export with the right to see all topics, or give --partitions"
        case _:  # retention
            return "Some topics keep everything. Give --disk with how much the destination shall hold"


Role: TypeAlias = Literal["next cheaper", "next smaller", "next up", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What else there is. "next cheaper" costs less for certain and does not fit; "next smaller" is the same where
    there are no prices; "next up" is the next that fits."""

    candidate: Candidate
    role: Role
    reasons: tuple[str, ...]
    may_cost_less: bool
    """It fits, and what is not known of the two prices could make it the cheaper one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """`choice` is None when nothing of the catalogue fits; `nearest` is then what comes closest. `missing` names the
    needs that are not known, and on which the size or the price of the choice depends; `unpriced` what the needs call
    for and the catalogue has no price of, although it has some of the choice's price. Where a catalogue has no prices
    at all, size decides, and the answer tells of no price."""

    catalogue: Catalogue
    policy: Policy
    needs: Needs
    choice: Candidate | None
    nearest: Candidate | None
    alternatives: tuple[Alternative, ...]
    missing: tuple[str, ...]
    warnings: tuple[Remark, ...]
    catalogue_is_old: bool

    @property
    def complete(self) -> bool:
        return not self.missing and not self.unpriced

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Items of the price, in its order."""
        if self.chosen_by != "price" or self.choice is None:
            return ()
        return tuple(line.item for line in self.choice.prices if line.unit_price is None)

    @property
    def binding(self) -> Constraint | None:
        return None if self.choice is None else self.choice.binding

    @property
    def chosen_by(self) -> Literal["price", "size"] | None:
        """None where nothing was chosen."""
        if self.choice is None:
            return None
        return "size" if self.choice.monthly_price is None else "price"


def evaluate(needs: Needs, catalogue: Catalogue, policy: Policy = MINIMAL, *, today: date) -> Recommendation:
    """What to buy of `catalogue`; `today` tells how old it is.

    Raises KafkaMetaError when there is nothing to size: no figure at all, or an empty cluster.
    """
    _refuse_nothing(needs)
    ranked = candidates(catalogue, needs, policy)
    choice = ranked[0] if ranked[0].fits else None
    best = choice or min(ranked, key=_distance)
    alternatives = _alternatives(choice, ranked, catalogue.currency)
    missing = _missing(best, [each.candidate for each in alternatives if each.may_cost_less], needs)
    return Recommendation(
        catalogue=catalogue,
        policy=policy,
        needs=needs,
        choice=choice,
        nearest=best if choice is None else None,
        alternatives=alternatives,
        missing=missing,
        warnings=sorted_remarks([*needs.gaps, *_warnings(needs, choice, best, missing)]),
        catalogue_is_old=(today - catalogue.as_of).days > STALE_DAYS,
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


def _missing(candidate: Candidate, maybe_cheaper: Sequence[Candidate], needs: Needs) -> tuple[str, ...]:
    """Names of needs, in their own order: those on which the size, the price or the choice depends. MSK's brokers carry
    less the more is read, so reading matters there, too.
    What is kept for ever fits no disk: how much shall be kept must be declared."""
    unknown: set[str] = set()
    for constraint in candidate.constraints:
        if constraint.name in ESSENTIAL and constraint.ok is None:
            wants = _WANTS.get(constraint.name, (constraint.name,))
            unknown |= {name.replace("stored", "data") for name in wants if getattr(needs, name) is None}
    edition = candidate.row.edition
    if any(_bills_unknown_writes(each) for each in (candidate, *maybe_cheaper)):
        unknown.add("average_write")
    if edition.model == "msk-standard" and needs.read is None:
        unknown.add("read")
    if edition.disk is not None and needs.retention_is_unlimited and not needs.data_is_declared:
        unknown.add("retention")
    return tuple(name for name in NEED_UNITS if name in unknown)


def _bills_unknown_writes(candidate: Candidate) -> bool:
    return any(line.quantity is None and line.sold_by == "dataIn" for line in candidate.prices)


_FEATURE_WORDS = {"acls": "ACLs", "scram": "SCRAM users"}


def describe(constraint: Constraint) -> str:
    """Why a constraint fails."""
    if constraint.need == "in use":
        name = _FEATURE_WORDS.get(constraint.name, constraint.name)
        return f"{name}: in use on the source, and not offered"
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
    below = next_up = None
    if choice is not None:
        lesser = [candidate for candidate in others if not candidate.fits and _is_less(candidate, choice)]
        below = max(lesser, key=lambda each: (each.row.edition is choice.row.edition, rank(each)), default=None)
        next_up = next((candidate for candidate in others if candidate.fits), None)
    found = []
    for candidate in others:
        role: Role = "other"
        if candidate is below and choice is not None:
            role = "next smaller" if choice.monthly_price is None else "next cheaper"
        elif candidate is next_up:
            role = "next up"
        reasons = tuple(describe(constraint) for constraint in candidate.failures)
        found.append(
            Alternative(
                candidate=candidate,
                role=role,
                reasons=reasons or (_price_beside(candidate, choice, currency),),
                may_cost_less=not reasons and _may_cost_less(candidate, choice),
            )
        )
    return tuple(found)


def _is_less(candidate: Candidate, choice: Candidate) -> bool:
    """Costs less for certain; where nothing has a price, is smaller."""
    if choice.monthly_price is None:
        return candidate.monthly_price is None and candidate.size < choice.size
    between = price_difference(candidate, choice)
    return between is not None and between.most < 0


def _may_cost_less(candidate: Candidate, choice: Candidate | None) -> bool:
    between = None if choice is None else price_difference(candidate, choice)
    return between is not None and between.least < 0


def _price_beside(candidate: Candidate, choice: Candidate | None, currency: str | None) -> str:
    """A difference is told only where it is certain; otherwise what is known of the price itself."""
    between = None if choice is None else price_difference(candidate, choice)
    if between is None:
        return "fits; no price to compare"
    if between.is_exact:
        more = between.least
        return f"fits; costs {more:,.2f} {currency} a month more" if more else "fits; costs the same"
    unknown = ", ".join(line.item for line in candidate.prices if line.amount is None)
    return f"fits; not all of its price is known: {unknown}" if unknown else "fits; not all of the other price is known"


def _warnings(needs: Needs, choice: Candidate | None, best: Candidate, missing: tuple[str, ...]) -> Iterator[Remark]:
    for name in missing:
        reason = "not known, but the size depends on it: the answer is the least that the known figures come to"
        if name == "average_write" and _bills_unknown_writes(best):
            reason = "not known, but it is billed: the price is the least and the most that the known figures come to"
        elif name == "average_write":
            reason = "not known, and something else may cost less, depending on it"
        yield Remark(resource=Resource(camel(name)), reason=f"{reason}. {_to_add(name, needs)}")
    unchecked = [c.name for c in best.constraints if c.ok is None and c.name not in ESSENTIAL]
    if choice is not None and unchecked:
        yield Remark(
            resource=Resource("not checked"),
            reason=f"{', '.join(unchecked)}: there is a limit, but the need is not known",
        )
    yield from _figure_warnings(needs, missing)
    if choice is not None:
        yield from _choice_warnings(needs, choice)


def _figure_warnings(needs: Needs, missing: tuple[str, ...]) -> Iterator[Remark]:
    for name in NEED_UNITS:
        figure: Figure | None = getattr(needs, name)
        if figure is None:
            continue
        if figure.confidence == "low":
            yield Remark(resource=Resource(camel(name)), reason=f"{figure} is {figure.method} and of low confidence")
        if figure.stat == "hourly max":
            yield Remark(
                resource=Resource(camel(name)),
                reason=f"{figure} is the highest hour; the peak within that hour may be higher",
            )
        if figure.method != "declared" and figure.value == 0 and figure.stat in PEAK_STATS:
            yield Remark(resource=Resource(camel(name)), reason="nothing was seen while it was measured")
    if needs.write is not None and needs.write.method == "declared" and needs.write is needs.read:
        yield Remark(
            resource=Resource("read"),
            reason="one peak was given, the larger of writing and reading, so it counts for both",
        )
    if needs.retention_is_unlimited:
        yield Remark(
            resource=Resource("data"), reason="some topics keep everything, so what they need grows without end"
        )
    elif needs.stored is None and needs.data is not None and "data" not in missing:
        yield Remark(resource=Resource("data"), reason=_EMPTY)
    else:
        yield from _growth(needs)


def _growth(needs: Needs) -> Iterator[Remark]:
    """Both figures, where what is there now is less than what will be there."""
    held, later = needs.held, needs.retained
    if held is None or later is None or later.value <= held.value:
        return
    both = f"{held} now, and {later} once retention has passed at the average rate"
    if not needs.data_is_declared:
        yield Remark(
            resource=Resource("data"), reason=f"{both}: the larger figure counts, because the disks still fill"
        )
    elif later.value > held.value * GROWTH:
        both = f"{held} was declared, but {later} are there once retention has passed at the average rate"
        yield Remark(resource=Resource("data"), reason=f"{both}: the disks may still fill")


def _choice_warnings(needs: Needs, choice: Candidate) -> Iterator[Remark]:
    edition = choice.row.edition
    if edition.replication_factor is None and needs.replication_factor is None:
        yield Remark(
            resource=Resource("replication factor"), reason=f"not known, so {DEFAULT_REPLICATION_FACTOR} is assumed"
        )
    for constraint in choice.constraints:
        older = constraint.name == "version" and constraint.ok and needs.server_version is not None
        if (
            older
            and needs.server_version is not None
            and is_older(str(constraint.capacity), needs.server_version.value)
        ):
            reason = (
                f"the destination runs {constraint.capacity}, older than {constraint.need}: it lacks what came later"
            )
            yield Remark(resource=Resource("version"), reason=reason)
    if edition.versions is None and edition.model != "self-managed" and needs.server_version is not None:
        reason = "which versions are offered is not in this catalogue"
        reason += f": ask whether {needs.server_version.value} can be served"
        yield Remark(resource=Resource("version"), reason=reason)
    without = [line.item for line in choice.prices if line.amount is None]
    if without:
        yield Remark(resource=Resource("price"), reason=f"it does not include {', '.join(without)}")
    maps = next((q.value for q in choice.quantities if q.name == "memoryMapsPerBroker"), None)
    if isinstance(maps, int) and maps > DEFAULT_MAX_MAP_COUNT:
        reason = f"{maps:,} memory maps a broker are more than Linux' {DEFAULT_MAX_MAP_COUNT:,}: raise vm.max_map_count"
        yield Remark(resource=Resource("memory maps"), reason=reason)
    if edition.disk is not None and edition.disk.fill.note is not None and needs.stored is not None:
        yield Remark(resource=Resource("disk"), reason=edition.disk.fill.note)
