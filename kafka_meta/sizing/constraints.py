"""What one row carries of what is needed: each comparison as a value, with the figure, its source and its date."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from kafka_meta.quantities import convert
from kafka_meta.sizing.catalogues import REPLICATION_FACTOR, Limit, Row, Source
from kafka_meta.sizing.needs import Figure, Needs
from kafka_meta.sizing.policies import OWN_SAFE_UTILISATION, Policy

DEFAULT_REPLICATION_FACTOR = 3

Kind: TypeAlias = Literal["limit", "purchase", "preference"]

_TOLERANCE = 1e-9  # 0.1 + 0.2 must not buy another broker


def ceil(value: float) -> int:
    return math.ceil(value * (1 - _TOLERANCE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`ok` is None when the need is not known. A "limit" is the vendor's, a "purchase" rises with what is bought,
    a "preference" is asked for by the policy and by no vendor."""

    name: str
    need: float | str | None
    capacity: float | str | None
    unit: str | None
    ok: bool | None
    why: str
    kind: Kind = "limit"
    source: Source | None = None

    @property
    def utilisation(self) -> float | None:
        if isinstance(self.need, float | int) and isinstance(self.capacity, float | int) and self.capacity > 0:
            return self.need / self.capacity
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A need against what one unit carries, both in `unit`."""

    name: str
    need: float | None
    per_unit: float
    unit: str
    why: str
    source: Source
    scales: bool = True

    @property
    def units(self) -> int:
        """How many units carry the need; 0 when it is not known."""
        return 0 if self.need is None or self.per_unit <= 0 else ceil(self.need / self.per_unit)

    def constraint(self, units: int) -> Constraint:
        capacity = self.per_unit * units if self.scales else self.per_unit
        ok = None if self.need is None else self.need <= capacity * (1 + _TOLERANCE)
        return Constraint(
            name=self.name, need=self.need, capacity=capacity, unit=self.unit, ok=ok, why=self.why, source=self.source
        )


def replication_factor(row: Row, needs: Needs) -> int:
    """Of the destination's topics: fixed by the edition, else as on the source, else Kafka's usual three."""
    if row.edition.replication_factor is not None:
        return int(row.edition.replication_factor.value)
    return DEFAULT_REPLICATION_FACTOR if needs.replication_factor is None else int(needs.replication_factor.value)


def loads(row: Row, needs: Needs, policy: Policy) -> tuple[Load, ...]:
    """Everything that decides how many units are bought."""
    return tuple(_with_policy(load, row, policy) for load in _traffic(row, needs)) + tuple(
        _with_policy(load, row, policy, traffic=False) for load in _counts(row, needs, policy)
    )


def _with_policy(load: Load, row: Row, policy: Policy, *, traffic: bool = True) -> Load:
    why, need, per_unit = load.why, load.need, load.per_unit
    if traffic and policy.traffic_headroom > 1:
        need = None if need is None else need * policy.traffic_headroom
        why += f"; policy {policy.name}: need × {policy.traffic_headroom:g}"
    if policy.safe_utilisation:
        safe = row.edition.safe
        if safe is not None and load.name in safe.of:
            per_unit *= safe.value
            why += f"; policy safe: {safe.value:.0%} of the limit ({safe.source.title}, {safe.source.as_of})"
        elif safe is None and traffic:
            per_unit *= OWN_SAFE_UTILISATION
            why += f"; policy safe: {OWN_SAFE_UTILISATION:.0%} of the limit (kafka-meta's own share)"
    return Load(
        name=load.name, need=need, per_unit=per_unit, unit=load.unit, why=why, source=load.source, scales=load.scales
    )


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value


def _rate(limit: Limit) -> float:
    return convert(limit.value, limit.unit, "MB/s")


def _traffic(row: Row, needs: Needs) -> Iterator[Load]:
    limits, write, read = row.limits, _value(needs.write), _value(needs.read)
    factor = replication_factor(row, needs)
    match row.edition.model:
        case "published":
            basis = {"write": "as clients see it", "read": "as clients see it"}
            needed = {"write": write, "read": read}
            if row.edition.traffic_basis == "network":
                basis = {"write": f"× {factor} replicas", "read": f"+ peak write × {factor - 1} followers"}
                needed = {
                    "write": None if write is None else write * factor,
                    "read": None if write is None or read is None else read + write * (factor - 1),
                }
            for name, need in needed.items():
                if name in limits:
                    why = f"peak {name}{', ' if row.edition.traffic_basis == 'client' else ' '}{basis[name]}"
                    yield Load(
                        name=name,
                        need=need,
                        per_unit=_rate(limits[name]),
                        unit="MB/s",
                        why=why,
                        source=limits[name].source,
                    )
        case "msk-standard":
            yield _msk_standard(row, needs)
        case "huawei-network":
            nic = limits["nic"]
            for name, need in (("write", write), ("read", read)):
                why = f"peak {name}; network of a broker ÷ {factor} replicas ÷ 2"
                yield Load(
                    name=name, need=need, per_unit=_rate(nic) / factor / 2, unit="MB/s", why=why, source=nic.source
                )
        case "gcp-write-equivalent":
            limit = limits["writeEquivalent"]
            need = None if write is None or read is None else write_equivalent(write, read, factor)
            why = f"write × {factor} + (read + write × {factor - 1}) ÷ 4"
            yield Load(
                name="write equivalent", need=need, per_unit=_rate(limit), unit="MB/s", why=why, source=limit.source
            )
        case "self-managed":
            yield from _self_managed(row, write, read, needs, factor)
        case unknown:
            assert_never(unknown)
    if "messages" in limits:
        why = "messages of 1 KB"
        yield Load(
            name="messages",
            need=_value(needs.messages),
            per_unit=limits["messages"].value,
            unit="1/s",
            why=why,
            source=limits["messages"].source,
        )


def msk_standard_ingress(disk: float, nic: float, fan_out: float | None) -> float:
    """What clients may write to a broker, in the unit of both: min(disk ÷ 6.5, NIC ÷ (1.5 × fan-out + 5.7)).
    Replication, lagging consumers and rebalancing after the loss of a zone are in the factors. Without a known
    fan-out only the disks count. Source: AWS, msk_sizing.py, 2026-08-20 (its 0.5 is the policy `safe`)."""
    by_disk = disk / 6.5
    return by_disk if fan_out is None else min(by_disk, nic / (1.5 * fan_out + 5.7))


def write_equivalent(write: float, read: float, factor: int) -> float:
    """MB/s: write × RF + (read + write × (RF − 1)) ÷ 4. Source: Google, Plan the size of your cluster."""
    return write * factor + (read + write * (factor - 1)) / 4


def _msk_standard(row: Row, needs: Needs) -> Load:
    """A volume carries its default throughput, however fast the machine's line to it is: what goes beyond is bought."""
    ebs, volume, nic = row.limits["ebs"], row.limits["volume"], row.limits["nic"]
    disk = min((ebs, volume), key=_rate)
    fan_out = needs.fan_out
    why = f"peak write; min(disk {disk.value:g} {disk.unit} ÷ 6.5, network ÷ (1.5 × fan-out + 5.7))"
    why += f", fan-out {fan_out:.2f}" if fan_out is not None else ", disks only: the fan-out is not known"
    if disk is volume and _rate(ebs) > _rate(volume):
        why += "; without throughput bought for the volumes"
    ingress = msk_standard_ingress(_rate(disk), _rate(nic), fan_out)
    return Load(name="write", need=_value(needs.write), per_unit=ingress, unit="MB/s", why=why, source=disk.source)


def _self_managed(row: Row, write: float | None, read: float | None, needs: Needs, factor: int) -> Iterator[Load]:
    """max throughput ≤ min(storage·B/r, EBS network·B/r, instance network·B/(groups + r − 1)), multiplied out.
    Where it is known what consumers read, that counts instead of groups × write.
    Source: AWS, Best practices for right-sizing."""
    ebs, volume, nic = row.limits["ebs"], row.limits["volume"], row.limits["nic"]
    disk = min((ebs, volume), key=_rate)
    stored = None if write is None else write * factor
    yield Load(
        name="storage",
        need=stored,
        per_unit=_rate(disk),
        unit="MB/s",
        why=f"peak write × {factor} replicas",
        source=disk.source,
    )
    reading = "what consumers read"
    # No group is not no reader: who assigns partitions to itself needs none.
    if read is None and write is not None and needs.groups is not None and needs.groups.value > 0:
        read, reading = write * needs.groups.value, f"all of it to each of {needs.groups.value:,.0f} groups"
    sent = None if write is None or read is None else read + write * (factor - 1)
    why = f"{reading} + peak write × {factor - 1} followers"
    yield Load(name="network", need=sent, per_unit=_rate(nic), unit="MB/s", why=why, source=nic.source)


def _counts(row: Row, needs: Needs, policy: Policy) -> Iterator[Load]:
    limits = row.limits
    if "partitions" in limits:
        limit = limits["partitions"]
        yield Load(
            name="partitions",
            need=partition_need(row, needs),
            per_unit=limit.value,
            unit="replicas" if row.edition.partition_basis == "replicas" else "partitions",
            why="every copy counts" if row.edition.partition_basis == "replicas" else "before replication",
            source=limit.source,
        )
    if "compactedPartitions" in limits:
        limit = limits["compactedPartitions"]
        yield Load(
            name="compacted partitions",
            need=compacted_partitions(needs),
            per_unit=limit.value,
            unit="partitions",
            why="of compacted topics" + ("" if needs.compacted_partitions else "; not counted: all partitions, if any"),
            source=limit.source,
            scales=False,
        )
    for name, figure, scales in (
        ("groups", needs.groups, True),
        ("connections", needs.connections, True),
        ("acls", needs.acls, False),
    ):
        if name in limits:
            limit = limits[name]
            yield Load(
                name=name,
                need=_value(figure),
                per_unit=limit.value,
                unit=name,
                why=limit.unit,
                source=limit.source,
                scales=scales,
            )
    if "diskPerUnit" in limits and row.edition.disk is not None:
        limit = limits["diskPerUnit"]
        why = f"of a {row.edition.unit}"
        yield Load(
            name="disk size",
            need=disk_to_buy(row, needs, policy, limit.unit),
            per_unit=limit.value,
            unit=limit.unit,
            why=why,
            source=limit.source,
        )
    if "publicTraffic" in limits:
        limit = limits["publicTraffic"]
        need = _value(needs.public_traffic)
        yield Load(
            name="public traffic",
            need=need,
            per_unit=_rate(limit),
            unit="MB/s",
            why="from the internet",
            source=limit.source,
            scales=False,
        )
    if "messageSize" in limits:
        limit = limits["messageSize"]
        size = convert(limit.value, limit.unit, "MB")
        need = _value(needs.largest_message)
        yield Load(
            name="message size",
            need=need,
            per_unit=size,
            unit="MB",
            why="largest message",
            source=limit.source,
            scales=False,
        )


def partition_need(row: Row, needs: Needs) -> float | None:
    """As the vendor counts: partitions, or each of their copies on the destination."""
    if row.edition.partition_basis == "logical":
        return _value(needs.partitions)
    if needs.partitions is not None:
        fixed = row.edition.replication_factor is not None or needs.replicas is None
        return needs.partitions.value * replication_factor(row, needs) if fixed else _value(needs.replicas)
    return _value(needs.replicas)


def compacted_partitions(needs: Needs) -> float | None:
    """How many there are. Where compaction is in use and nobody has counted, any partition may be one: all of them.
    None: not known."""
    if needs.compacted_partitions is not None:
        return needs.compacted_partitions.value
    compaction = None if needs.features is None else needs.features.get("compaction")
    if compaction is False:
        return 0
    return _value(needs.partitions) if compaction else None


def disk_copies(row: Row, needs: Needs) -> int:
    """How often the data counts in the disk that is billed, under the features in use."""
    disk = row.edition.disk
    assert disk is not None
    counts = [disk.copies.value] + [
        copies.value
        for feature, copies in disk.copies_with.items()
        if needs.features is not None and needs.features.get(feature)
    ]
    return max(replication_factor(row, needs) if count == REPLICATION_FACTOR else int(count) for count in counts)


def disk_fill(row: Row, policy: Policy) -> float:
    disk = row.edition.disk
    assert disk is not None
    return disk.fill.value if policy.disk_fill is None else policy.disk_fill


def disk_to_buy(row: Row, needs: Needs, policy: Policy, unit: str) -> float | None:
    """Data × copies ÷ fill, without any reserve, in `unit`; None when the amount of data is not known."""
    disk, stored = row.edition.disk, needs.stored
    if disk is None or stored is None:
        return None
    return convert(stored.value, "GB", unit) * disk_copies(row, needs) / disk_fill(row, policy)
