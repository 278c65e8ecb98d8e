"""What vendors sell: editions and rows with limits and prices, each figure with its source and date.

The format is schemas/catalogue.schema.json. Reading a catalogue refuses, by its place, what the schema cannot see:
a figure whose source is not listed, a day that no calendar has, a price without a currency, for a disk type that does
not exist, or of something that the edition does not sell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any, Literal, TypeAlias, cast, get_args

from kafka_meta.errors import UsageError
from kafka_meta.quantities import convert
from kafka_meta.sizing.needs import version_line

Model: TypeAlias = Literal["published", "msk-standard", "huawei-network", "gcp-write-equivalent", "self-managed"]
PartitionBasis: TypeAlias = Literal["logical", "replicas"]
TrafficBasis: TypeAlias = Literal["client", "network"]

REPLICATION_FACTOR = "replicationFactor"
"""In the place of a number of copies: as many as the destination's topics have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    id: str
    title: str
    url: str
    as_of: date
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    value: float
    unit: str
    source: Source
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A published property that is not a quantity."""

    value: Any
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """`since`: the oldest server on offer that has it; None: all of them have."""

    offered: bool
    since: str | None
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceItem:
    """`amount` for each `per` of a bought quantity; None: billed, but not in this catalogue.
    With `when` only for that disk type."""

    item: str
    amount: float | None
    quantity: str
    per: float
    when: str | None
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Disk to buy = data × copies ÷ fill + reserve for each unit."""

    copies: Fact
    copies_with: Mapping[str, Fact]
    """Copies billed once a feature is in use, where that changes them."""
    fill: Limit
    reserve_per_unit: Limit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskType:
    name: str
    ssd: bool
    write: Limit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Safe:
    """The share of the named limits that the vendor advises to use."""

    value: float
    of: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    name: str
    title: str
    model: Model
    unit: str
    traffic_basis: TrafficBasis
    partition_basis: PartitionBasis
    replication_factor: Fact | None
    versions: Fact | None
    dedicated: Fact | None
    zones: Fact | None
    public_access: tuple[str, str] | None
    """Instance type with and without access from the internet."""
    features: Mapping[str, Feature]
    disk: Disk | None
    disk_types: tuple[DiskType, ...]
    safe: Safe | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something one can buy; `limits` and `prices` are the edition's and its own."""

    spec: str
    edition: Edition
    limits: Mapping[str, Limit]
    prices: tuple[PriceItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    provider: str
    title: str
    as_of: date
    """Its version: the day of its prices, or of its limits where it has no prices."""
    currency: str | None
    region: str | None
    notes: tuple[str, ...]
    sources: Mapping[str, Source]
    rows: tuple[Row, ...]


def shipped() -> tuple[Catalogue, ...]:
    """The catalogues that come with kafka-meta, by provider's name."""
    folder = files("kafka_meta.sizing") / "catalog"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".json"))
    return tuple(read_catalogue(json.loads((folder / name).read_text("utf-8"))) for name in names)


def read_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """A catalogue of a document that the schema accepts. Raises UsageError naming the place by JSON path."""
    try:
        return _catalogue(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the catalogue cannot be read: {type(error).__name__} {error}",
            "Compare it with schemas/catalogue.schema.json.",
        ) from error


def _catalogue(document: Mapping[str, Any]) -> Catalogue:
    sources = {name: _read_source(name, entry) for name, entry in document["sources"].items()}
    readers = {name: _Reader(f"$.editions.{name}", sources, entry) for name, entry in document["editions"].items()}
    editions = {name: reader.edition(name) for name, reader in readers.items()}
    rows: list[Row] = []
    for number, entry in enumerate(document["rows"]):
        place, name = f"$.rows[{number}]", entry["edition"]
        if name not in editions:
            raise UsageError(f"{place} is of edition {name!r}, which is not listed", "Add it under $.editions.")
        row, shared = _Reader(place, sources, entry), readers[name]
        limits = {**shared.limits(), **row.limits()}
        if not limits:
            raise UsageError(f"{place} has no limits", "A row without limits cannot be compared with anything.")
        edition = editions[name]
        _check(place, edition, limits)
        for reader, prices in ((row, row.prices()), (shared, shared.prices())):
            _check_prices(reader.place, prices, edition, limits, document.get("currency"))
        if any((edition, entry["spec"]) == (other.edition, other.spec) for other in rows):
            raise UsageError(f"{place}.spec: {entry['spec']!r} of edition {name!r} stands twice", "Remove one of them.")
        rows.append(Row(spec=entry["spec"], edition=edition, limits=limits, prices=row.prices() + shared.prices()))
    return Catalogue(
        provider=document["provider"],
        title=document["title"],
        as_of=_day("$.catalogVersion", document["catalogVersion"]),
        currency=document.get("currency"),
        region=document.get("region"),
        notes=tuple(document.get("notes") or ()),
        sources=sources,
        rows=tuple(rows),
    )


_REQUIRED: Mapping[Model, tuple[str, ...]] = {
    "published": (),
    "msk-standard": ("ebs", "volume", "nic"),
    "huawei-network": ("nic",),
    "gcp-write-equivalent": ("writeEquivalent",),
    "self-managed": ("ebs", "volume", "nic"),
}
_WITH_TOPICS = ("partitionsIncluded", "topicsUsable", "partitionsPerExtraTopic", "groupsPerTopic")
_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("write", "read", "writeEquivalent", "ebs", "volume", "nic", "publicTraffic"), "MB/s"),
    **dict.fromkeys(("messageSize", "diskMin", "diskMax", "diskStep", "diskPerUnit"), "GB"),
    "retention": "h",
}
_RANGES = (("unitsMin", "unitsMax"), ("diskMin", "diskMax"), ("topicsIncluded", "topicsMax"))
_SAFE_OF = ("write", "read", "write equivalent", "storage", "network", "messages", "partitions")
_SOLD_BY: Mapping[str, str] = {
    "disk": "a disk",
    "extraTopics": "the limit topicsIncluded",
    "extraPartitions": "the limit partitionsIncluded",
}
"""Quantities of a price → what the edition has to have, or nothing of it is ever bought."""


def _check(place: str, edition: Edition, limits: Mapping[str, Limit]) -> None:
    """What the model of an edition calculates with is there, in units that can be turned into each other."""
    wanted = _REQUIRED[edition.model] + (_WITH_TOPICS if "topicsIncluded" in limits else ())
    for name in wanted:
        if name not in limits:
            raise UsageError(f"{place} lacks the limit {name}", f"The model {edition.model} needs {', '.join(wanted)}.")
    for name, unit in _UNITS.items():
        if name in limits:
            try:
                convert(limits[name].value, limits[name].unit, unit)
            except UsageError as error:
                raise UsageError(f"{place}.limits.{name}: {error.message}", error.hint) from error
    if edition.disk_types and not any(kind.ssd for kind in edition.disk_types):
        raise UsageError(f"{place}: its edition has disk types, but no SSD", "List the SSD among diskTypes.")
    for least, most in _RANGES:
        if least in limits and most in limits and limits[least].value > limits[most].value:
            reason = f"{limits[least].value:,g} is more than {most}, {limits[most].value:,g}"
            raise UsageError(f"{place}.limits.{least}: {reason}", "Correct one of the two.")


def _check_prices(
    place: str, prices: tuple[PriceItem, ...], edition: Edition, limits: Mapping[str, Limit], currency: str | None
) -> None:
    kinds = [kind.name for kind in edition.disk_types]
    has = {
        "disk": edition.disk is not None,
        "extraTopics": "topicsIncluded" in limits,
        "extraPartitions": "partitionsIncluded" in limits,
    }
    for number, price in enumerate(prices):
        where = f"{place}.prices[{number}]"
        if price.amount is not None and currency is None:
            raise UsageError(
                f"$.currency is null, but {where}.amount is {price.amount:g}", 'Name the currency, such as "USD".'
            )
        if price.when is not None and price.when not in kinds:
            known = f"Its disk types are {', '.join(kinds)}." if kinds else "It lists no diskTypes."
            raise UsageError(f"{where}.when: {price.when!r} is no disk type of edition {edition.name!r}", known)
        if not has.get(price.quantity, True):
            raise UsageError(
                f"{where}.quantity: {price.quantity!r} is not sold by edition {edition.name!r}",
                f"Such a price needs {_SOLD_BY[price.quantity]}.",
            )


def _day(place: str, text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{place}: {text!r} is not a day", "Expected YYYY-MM-DD, of the calendar.") from error


def _read_source(name: str, entry: Mapping[str, Any]) -> Source:
    as_of = _day(f"$.sources.{name}.asOf", entry.get("asOf"))
    return Source(id=name, title=entry["title"], url=entry["url"], as_of=as_of, note=entry.get("note"))


@dataclass(frozen=True, slots=True)
class _Reader:
    place: str
    sources: Mapping[str, Source]
    entry: Mapping[str, Any]

    def source(self, what: str, entry: Mapping[str, Any]) -> Source:
        source = self.sources.get(entry.get("source", ""))
        if source is None:
            raise UsageError(
                f"{self.place}.{what} has no source", "Every figure of a catalogue names one of $.sources."
            )
        return source

    def limit(self, what: str, entry: Mapping[str, Any], unit: str = "") -> Limit:
        return Limit(
            value=float(entry["value"]),
            unit=entry.get("unit", unit),
            source=self.source(what, entry),
            note=entry.get("note"),
        )

    def fact(self, name: str) -> Fact | None:
        entry = self.entry.get(name)
        return None if entry is None else Fact(value=entry["value"], source=self.source(name, entry))

    def limits(self) -> dict[str, Limit]:
        return {name: self.limit(f"limits.{name}", entry) for name, entry in self.entry["limits"].items()}

    def prices(self) -> tuple[PriceItem, ...]:
        return tuple(
            PriceItem(
                item=entry["item"],
                amount=entry["amount"],
                quantity=entry["quantity"],
                per=float(entry.get("per", 1)),
                when=entry.get("when"),
                source=self.source(f"prices[{number}]", entry),
            )
            for number, entry in enumerate(self.entry["prices"])
        )

    def edition(self, name: str) -> Edition:
        entry = self.entry
        if entry["model"] not in get_args(Model):
            raise UsageError(
                f"{self.place}.model: {entry['model']!r} is not known", f"Expected one of {', '.join(get_args(Model))}."
            )
        for number, version in enumerate((entry.get("versions") or {}).get("value", ())):
            self._version(f"versions.value[{number}]", version)
        public = entry.get("publicAccess")
        if public:
            self.source("publicAccess", public)
        safe = entry.get("safe")
        for number, load in enumerate(safe["of"] if safe else ()):
            if load not in _SAFE_OF:
                raise UsageError(
                    f"{self.place}.safe.of[{number}]: {load!r} is not known", f"Expected one of {', '.join(_SAFE_OF)}."
                )
        return Edition(
            name=name,
            title=entry["title"],
            model=cast(Model, entry["model"]),
            unit=entry["unit"],
            traffic_basis=entry["trafficBasis"],
            partition_basis=entry["partitionBasis"],
            replication_factor=self.fact("replicationFactor"),
            versions=self.fact("versions"),
            dedicated=self.fact("dedicated"),
            zones=self.fact("zones"),
            public_access=(public["with"], public["without"]) if public else None,
            features={
                feature: self._feature(feature, value) for feature, value in (entry.get("features") or {}).items()
            },
            disk=self._disk(entry.get("disk")),
            disk_types=tuple(
                DiskType(
                    name=kind["name"],
                    ssd=kind["ssd"],
                    write=self.limit(f"diskTypes.{kind['name']}", kind["write"]) if "write" in kind else None,
                )
                for kind in entry.get("diskTypes") or ()
            ),
            safe=Safe(value=safe["value"], of=tuple(safe["of"]), source=self.source("safe", safe)) if safe else None,
        )

    def _feature(self, name: str, entry: Mapping[str, Any]) -> Feature:
        since = entry.get("since")
        if since is not None:
            self._version(f"features.{name}.since", since)
        return Feature(offered=entry["value"], since=since, source=self.source(f"features.{name}", entry))

    def _version(self, what: str, version: str) -> None:
        if version_line(version) is None:
            raise UsageError(
                f"{self.place}.{what}: {version!r} is not a version", "Expected 2.2.0 or 3.x, for example."
            )

    def _disk(self, entry: Mapping[str, Any] | None) -> Disk | None:
        if entry is None:
            return None
        reserve = entry.get("reservePerUnit")
        return Disk(
            copies=Fact(value=entry["copies"]["value"], source=self.source("disk.copies", entry["copies"])),
            copies_with={
                feature: Fact(value=copies["value"], source=self.source(f"disk.copiesWith.{feature}", copies))
                for feature, copies in (entry.get("copiesWith") or {}).items()
            },
            fill=self.limit("disk.fill", entry["fill"]),
            reserve_per_unit=self.limit("disk.reservePerUnit", reserve) if reserve else None,
        )
