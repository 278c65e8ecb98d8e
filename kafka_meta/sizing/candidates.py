"""A row with the quantities to buy of it, what that carries and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_meta.quantities import convert
from kafka_meta.sizing.catalogues import Catalogue, DiskType, Row, Source
from kafka_meta.sizing.conditions import conditions
from kafka_meta.sizing.constraints import Constraint, Load, ceil, disk_copies, disk_fill, disk_to_buy, loads
from kafka_meta.sizing.needs import Needs
from kafka_meta.sizing.policies import Policy
from kafka_meta.sizing.prices import PriceDifference, PriceLine, difference, price_lines

SEGMENT_GIB = 1
"""log.segment.bytes, Kafka's default."""
DEFAULT_MAX_MAP_COUNT = 65_530
"""Linux' vm.max_map_count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something to choose or buy; None: it follows from a need that is not known."""

    name: str
    value: float | str | None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    row: Row
    units: int
    quantities: tuple[Quantity, ...]
    constraints: tuple[Constraint, ...]
    prices: tuple[PriceLine, ...]
    capacity: float
    """Write traffic that all of it carries, MB/s."""

    @property
    def fits(self) -> bool:
        return all(constraint.ok is not False for constraint in self.constraints)

    @property
    def monthly_price(self) -> float | None:
        """The sum of the lines that are known, which is the least it costs; None when none is known."""
        known = [line.amount for line in self.prices if line.amount is not None]
        return round(sum(known), 2) if known else None

    @property
    def monthly_price_at_most(self) -> float | None:
        """The most it can cost; None when some line has no bound, or there is no price at all."""
        most = [line.at_most for line in self.prices]
        known = [amount for amount in most if amount is not None]
        return round(sum(known), 2) if known and len(known) == len(most) else None

    @property
    def price_is_complete(self) -> bool:
        return bool(self.prices) and all(line.amount is not None for line in self.prices)

    @property
    def size(self) -> float:
        """What ranks rows without prices: processors of all units where the catalogue has them, else what they carry.
        Twice as many small units are not smaller than units of twice the size."""
        processors = self.row.limits.get("vcpu")
        return self.capacity if processors is None else self.units * processors.value

    @property
    def binding(self) -> Constraint | None:
        """The vendor's limit that is used most."""
        limits = [c for c in self.constraints if c.kind == "limit" and c.ok is not None and c.utilisation is not None]
        return max(limits, key=lambda constraint: constraint.utilisation or 0, default=None)

    @property
    def failures(self) -> tuple[Constraint, ...]:
        return tuple(constraint for constraint in self.constraints if constraint.ok is False)

    @property
    def sources(self) -> tuple[Source, ...]:
        found = {c.source.id: c.source for c in self.constraints if c.source is not None}
        found |= {line.source.id: line.source for line in self.prices}
        return tuple(sorted(found.values(), key=lambda source: source.id))


def candidate(row: Row, needs: Needs, policy: Policy) -> Candidate:
    """The least of `row` that carries the needs; the most that is sold of it when even that does not."""
    wanted = loads(row, needs, policy)
    units, units_constraint = _units(row, wanted)
    constraints = [load.constraint(units) for load in wanted]
    if units_constraint is not None:
        constraints.append(units_constraint)
    quantities = [Quantity(name=row.edition.unit, value=units)]
    topics = _topics(row, needs)
    constraints += topics.constraints
    quantities += topics.quantities
    kind = _disk_type(row, needs)
    if kind is not None:
        quantities.append(Quantity(name="diskType", value=kind.name))
    disk = _disk(row, needs, policy, units)
    constraints += disk.constraints
    quantities += disk.quantities
    constraints += conditions(row, needs, policy)
    quantities += _others(row, needs, units, constraints)
    return Candidate(
        row=row,
        units=units,
        quantities=tuple(quantities),
        constraints=tuple(constraints),
        prices=price_lines(row, needs, units, kind, {q.name: (q.value, q.unit) for q in quantities}),
        capacity=next((load.per_unit * units for load in wanted if load.unit == "MB/s" and load.scales), 0.0),
    )


def _units(row: Row, wanted: tuple[Load, ...]) -> tuple[int, Constraint | None]:
    least = row.limits.get("unitsMin")
    most = row.limits.get("unitsMax")
    if least is None and most is None:
        return 1, None
    multiple = int(row.limits["unitsMultiple"].value) if "unitsMultiple" in row.limits else 1
    needed = max([int(least.value) if least else 1, *(load.units for load in wanted if load.scales)])
    needed = ceil(needed / multiple) * multiple
    if most is None:
        return needed, None
    why = "the most that a cluster may have" + (f", in steps of {multiple}" if multiple > 1 else "")
    constraint = Constraint(
        name=most.unit,
        need=needed,
        capacity=most.value,
        unit=None,
        ok=needed <= most.value,
        why=why,
        kind="purchase",
        source=most.source,
    )
    return min(needed, int(most.value)), constraint


@dataclass(frozen=True, slots=True)
class _Bought:
    constraints: tuple[Constraint, ...] = ()
    quantities: tuple[Quantity, ...] = ()


def _topics(row: Row, needs: Needs) -> _Bought:
    """Editions that sell topics (Alibaba) or partitions beyond the ones included (BytePlus)."""
    limits, included = row.limits, row.limits.get("partitionsIncluded")
    if included is None:
        return _Bought()
    topics, partitions, groups = (
        None if f is None else f.value for f in (needs.topics, needs.partitions, needs.groups)
    )
    if "topicsIncluded" not in limits:
        extra = None if partitions is None else max(0, ceil(partitions - included.value))
        return _Bought(quantities=(Quantity(name="extraPartitions", value=extra, unit="partitions"),))
    free, usable = limits["topicsIncluded"], limits["topicsUsable"]
    each, groups_each = limits["partitionsPerExtraTopic"], limits["groupsPerTopic"]
    bought = max(
        int(free.value),
        ceil((topics or 0) / usable.value),
        ceil((groups or 0) / groups_each.value),
        int(free.value) + ceil(max(0, (partitions or 0) - included.value) / each.value),
    )
    if "topicsMax" in limits:
        bought = min(bought, int(limits["topicsMax"].value))
    extra = bought - int(free.value)
    counts = (
        ("topics", topics, bought * usable.value, f"{usable.value:g} for each of {bought} bought", usable.source),
        (
            "partitions",
            partitions,
            included.value + extra * each.value,
            f"{included.value:g} included, {each.value:g} with each extra topic",
            included.source,
        ),
        (
            "groups",
            groups,
            bought * groups_each.value,
            f"{groups_each.value:g} for each topic bought",
            groups_each.source,
        ),
    )
    constraints = tuple(
        Constraint(
            name=name,
            need=need,
            capacity=capacity,
            unit=name,
            ok=None if need is None else need <= capacity,
            why=why,
            source=source,
        )
        for name, need, capacity, why, source in counts
    )
    return _Bought(constraints, (Quantity(name="topics", value=bought), Quantity(name="extraTopics", value=extra)))


def _disk_type(row: Row, needs: Needs) -> DiskType | None:
    """SSD unless the source does without and the other type carries what the row does: vendors advise it."""
    kinds = row.edition.disk_types
    if not kinds:
        return None
    ssd = next(kind for kind in kinds if kind.ssd)
    if needs.ssd is None or needs.ssd.value == "yes":
        return ssd
    other = next((kind for kind in kinds if not kind.ssd), ssd)
    write = row.limits.get("write")
    return ssd if other.write is not None and write is not None and write.value > other.write.value else other


def _disk(row: Row, needs: Needs, policy: Policy, units: int) -> _Bought:
    disk, limits = row.edition.disk, row.limits
    if disk is None:
        return _Bought()
    sized = next((limits[name] for name in ("diskMax", "diskMin", "diskPerUnit", "diskStep") if name in limits), None)
    unit = "GB" if sized is None else sized.unit
    reserve = (
        0.0
        if disk.reserve_per_unit is None
        else convert(disk.reserve_per_unit.value, disk.reserve_per_unit.unit, unit) * units
    )
    step = limits["diskStep"].value if "diskStep" in limits else 1
    least = limits["diskMin"].value if "diskMin" in limits else 0
    needed = disk_to_buy(row, needs, policy, unit)
    bought = None if needed is None else max(least, ceil((needed + reserve) / step) * step)
    if bought is not None and "diskMax" in limits:
        bought = min(bought, limits["diskMax"].value)
    copies, fill = disk_copies(row, needs), disk_fill(row, policy)
    stored = None if needs.stored is None else convert(needs.stored.value, "GB", unit) * copies
    usable = None if bought is None else (bought - reserve) * fill
    constraint = Constraint(
        name="disk",
        need=stored,
        capacity=usable,
        unit=unit,
        ok=None if stored is None or usable is None else stored <= usable * (1 + 1e-9),
        why=_disk_why(row, policy, copies, fill, bought, unit, reserve),
        kind="purchase",
        source=disk.fill.source,
    )
    return _Bought((constraint,), (Quantity(name="disk", value=bought, unit=unit),))


def _disk_why(
    row: Row, policy: Policy, copies: int, fill: float, bought: float | None, unit: str, reserve: float
) -> str:
    parts = [f"data × {copies} billed {'copy' if copies == 1 else 'copies'}"]
    if bought is not None:
        parts.append(f"{bought:,.0f} {unit} bought, {fill:.0%} of it for data")
    if reserve:
        parts.append(f"{reserve:,.0f} {unit} reserved by the service")
    disk = row.edition.disk
    if policy.disk_fill is not None:
        parts.append("fill as asked for")
    elif disk is not None and disk.fill.note:
        parts.append(disk.fill.note)
    return "; ".join(parts)


def _others(row: Row, needs: Needs, units: int, constraints: list[Constraint]) -> list[Quantity]:
    found: list[Quantity] = []
    if "write" in row.limits and "unitsMin" not in row.limits:
        found.append(Quantity(name="traffic", value=row.limits["write"].value, unit=row.limits["write"].unit))
    if row.edition.public_access is not None and needs.public_traffic is not None:
        with_public, without = row.edition.public_access
        found.append(Quantity(name="instanceType", value=with_public if needs.public_traffic.value > 0 else without))
        if needs.public_traffic.value > 0:
            found.append(Quantity(name="publicTraffic", value=needs.public_traffic.value, unit="MB/s"))
    found += [Quantity(name="serverVersion", value=c.capacity) for c in constraints if c.name == "version" and c.ok]
    if "memoryPerUnit" in row.limits:
        memory = row.limits["memoryPerUnit"]
        found.append(Quantity(name="memory", value=units * memory.value, unit=memory.unit))
    if row.edition.model == "self-managed":
        found.append(Quantity(name="memoryMapsPerBroker", value=_memory_maps(row, needs, units)))
    return found


def _memory_maps(row: Row, needs: Needs, units: int) -> int | None:
    """Two a segment (offset index and time index), full segments of 1 GiB and one active segment a replica.
    Source: Kafka documentation, 6.6 Hardware and OS, vm.max_map_count."""
    replicas = next((load.need for load in loads(row, needs, Policy(name="")) if load.name == "partitions"), None)
    if needs.stored is None or replicas is None:
        return None
    segments = convert(needs.stored.value, "GB", "GiB") * disk_copies(row, needs) / SEGMENT_GIB + replicas
    return ceil(2 * segments / units)


def candidates(catalogue: Catalogue, needs: Needs, policy: Policy) -> tuple[Candidate, ...]:
    """Of every row, the best first: what fits, then by `rank`, then in the catalogue's order."""
    found = [candidate(row, needs, policy) for row in catalogue.rows]
    return tuple(sorted(found, key=lambda c: (not c.fits, *rank(c))))


def rank(candidate: Candidate) -> tuple[int, float, float, int]:
    """A price counts with the most that it can come to. Prices without such a bound come after those, by what is known
    of them; rows without a price come last, by their size."""
    most, least = candidate.monthly_price_at_most, candidate.monthly_price
    price = most if most is not None else least
    return 0 if most is not None else 1 if least is not None else 2, price or 0, candidate.size, candidate.units


def price_difference(one: Candidate, other: Candidate) -> PriceDifference | None:
    """`one` minus `other`; None where one of them has no price at all."""
    if one.monthly_price is None or other.monthly_price is None:
        return None
    return difference(one.prices, other.prices)
