"""The catalogues that ship: by schema, with sources and dates, and without contradictions."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kafka_meta
from kafka_meta import files
from kafka_meta.errors import UsageError
from kafka_meta.sizing import Catalogue, read_catalogue, shipped

FOLDER = Path(kafka_meta.__file__).parent / "sizing" / "catalog"
DOCUMENTS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CATALOGUES = {catalogue.provider: catalogue for catalogue in shipped()}

each_document = pytest.mark.parametrize("name", DOCUMENTS)
each_catalogue = pytest.mark.parametrize("catalogue", CATALOGUES.values(), ids=CATALOGUES)


def limits(catalogue: Catalogue, edition: str, name: str) -> dict[str, float]:
    return {row.spec: row.limits[name].value for row in catalogue.rows if row.edition.name == edition}


def test_all_vendors_ship_and_a_file_is_called_like_its_provider() -> None:
    vendors = ["alibaba", "aws-msk", "byteplus", "confluent", "gcp-managed-kafka", "huawei-dms", "redpanda"]
    expected = [*vendors, "self-managed"]
    assert list(DOCUMENTS) == list(CATALOGUES) == expected
    assert [document["provider"] for document in DOCUMENTS.values()] == expected


@each_document
def test_a_catalogue_follows_the_schema(name: str) -> None:
    files.validate(DOCUMENTS[name], "catalogue", called=name)


@each_catalogue
def test_every_limit_of_every_row_has_a_source_and_a_date(catalogue: Catalogue) -> None:
    assert catalogue.rows
    for row in catalogue.rows:
        assert row.limits
        sources = [limit.source for limit in row.limits.values()] + [price.source for price in row.prices]
        for source in sources:
            assert source.url.startswith("https://")
            assert source.as_of.year >= 2019


@each_catalogue
def test_no_source_is_listed_in_vain(catalogue: Catalogue) -> None:
    mentioned = json.dumps([DOCUMENTS[catalogue.provider][part] for part in ("editions", "rows")])
    assert [name for name in catalogue.sources if f'"source": "{name}"' not in mentioned] == []


@each_catalogue
def test_a_catalogue_is_not_younger_than_its_newest_source(catalogue: Catalogue) -> None:
    assert catalogue.as_of <= max(source.as_of for source in catalogue.sources.values())


@each_catalogue
def test_a_specification_stands_once_and_its_ranges_are_not_empty(catalogue: Catalogue) -> None:
    names = [(row.edition.name, row.spec) for row in catalogue.rows]
    assert len(names) == len(set(names))
    for row in catalogue.rows:
        for least, most in (
            ("diskMin", "diskMax"),
            ("unitsMin", "unitsMax"),
            ("topicsIncluded", "topicsMax"),
            ("partitionsIncluded", "partitions"),
        ):
            if least in row.limits and most in row.limits:
                assert row.limits[least].value <= row.limits[most].value
                assert row.limits[least].unit == row.limits[most].unit


@each_catalogue
def test_prices_come_with_a_currency_and_only_then(catalogue: Catalogue) -> None:
    priced = any(price.amount is not None for row in catalogue.rows for price in row.prices)
    assert priced == (catalogue.currency is not None)


def test_alibaba_more_traffic_costs_more_and_carries_more_partitions() -> None:
    for edition in ("normal", "professional", "professionalForHighRead"):
        rows = [row for row in CATALOGUES["alibaba"].rows if row.edition.name == edition]
        base = [next(price.amount for price in row.prices if price.quantity == "units") for row in rows]
        assert base == sorted(base, key=lambda amount: amount or 0)
        assert len(set(base)) == len(rows)
        for name in ("write", "read", "partitionsIncluded"):
            values = [row.limits[name].value for row in rows]
            assert values == sorted(set(values))


def test_alibaba_topics_on_sale_are_at_most_half_as_many_again_as_those_included_from_600_mb_on() -> None:
    """Two documents, of 2019 and of 2021, that agree on every row which both have."""
    catalogue = CATALOGUES["alibaba"]
    included, most = (limits(catalogue, "professional", name) for name in ("topicsIncluded", "partitionsIncluded"))
    assert all(most[spec] == included[spec] * 10 for spec in included if included[spec] >= 250)
    large = [row for row in catalogue.rows if row.edition.name == "professional" and row.limits["write"].value >= 600]
    assert all(row.limits["topicsMax"].value == 1.5 * row.limits["topicsIncluded"].value for row in large)


def test_msk_express_sustains_twice_as_much_out_as_in() -> None:
    write, read = (limits(CATALOGUES["aws-msk"], "express", name) for name in ("write", "read"))
    assert read == {spec: pytest.approx(2 * value, rel=0.005) for spec, value in write.items()} != {}


def test_msk_express_costs_twice_a_standard_broker_of_its_size() -> None:
    hourly = {row.spec: row.prices[0].amount for row in CATALOGUES["aws-msk"].rows if row.prices}
    express = {spec: amount for spec, amount in hourly.items() if spec.startswith("express.") and amount is not None}
    assert express
    for spec, amount in express.items():
        assert amount == pytest.approx(2 * (hourly[spec.replace("express.", "kafka.")] or 0))


def test_huawei_three_brokers_carry_what_the_flavour_selection_of_the_vendor_says() -> None:
    """Specifications, "Flavor Selection", 2025-10-15: connections, consumer groups and messages of three brokers."""
    published = {
        "kafka.2u4g.cluster.small": (6_000, 45, 60_000),
        "kafka.2u4g.cluster": (6_000, 60, 90_000),
        "kafka.4u8g.cluster": (12_000, 300, 300_000),
        "kafka.8u16g.cluster": (12_000, 450, 450_000),
        "kafka.12u24g.cluster": (12_000, 600, 600_000),
        "kafka.16u32g.cluster": (12_000, 600, 750_000),
    }
    assert published == {
        row.spec: tuple(3 * row.limits[name].value for name in ("connections", "groups", "messages"))
        for row in CATALOGUES["huawei-dms"].rows
    }


def drop_the_source_of_a_limit(document: dict[str, Any]) -> None:
    del document["rows"][0]["limits"]["write"]["source"]


def name_an_unlisted_source(document: dict[str, Any]) -> None:
    document["rows"][0]["limits"]["write"]["source"] = "hearsay"


def drop_the_date_of_a_source(document: dict[str, Any]) -> None:
    del next(iter(document["sources"].values()))["asOf"]


def name_an_unlisted_edition(document: dict[str, Any]) -> None:
    document["rows"][0]["edition"] = "gold"


def drop_all_limits(document: dict[str, Any]) -> None:
    document["rows"][0]["limits"] = {}


def drop_the_source_of_a_price(document: dict[str, Any]) -> None:
    document["editions"]["byoc"]["prices"] = [{"item": "x", "amount": 1, "quantity": "units"}]


def drop_the_title(document: dict[str, Any]) -> None:
    del document["title"]


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (drop_the_source_of_a_limit, "$.rows[0].limits.write has no source"),
        (name_an_unlisted_source, "$.rows[0].limits.write has no source"),
        (drop_the_date_of_a_source, "$.sources.tiers-2026-07.asOf: None is not a day"),
        (name_an_unlisted_edition, "$.rows[0] is of edition 'gold'"),
        (drop_all_limits, "$.rows[0] has no limits"),
        (drop_the_source_of_a_price, "$.editions.byoc.prices[0] has no source"),
        (drop_the_title, "KeyError 'title'"),
    ],
)
def test_a_catalogue_with_a_hole_is_refused_by_its_place(spoil: Callable[[dict[str, Any]], None], place: str) -> None:
    document = copy.deepcopy(DOCUMENTS["redpanda"])
    spoil(document)
    with pytest.raises(UsageError) as caught:
        read_catalogue(document)
    assert place in caught.value.message
    assert caught.value.hint


def spoilt(provider: str, path: str, value: object) -> dict[str, Any]:
    """The shipped catalogue with another value at `path`: keys and numbers with dots between them."""
    document = copy.deepcopy(DOCUMENTS[provider])
    *way, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    place: Any = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("provider", "path", "value", "said"),
    [
        ("aws-msk", "currency", None, "$.currency is null, but $.rows[0].prices[0].amount is 0.21"),
        (
            "alibaba",
            "editions/normal/prices/1/when",
            "NVMe",
            "$.editions.normal.prices[1].when: 'NVMe' is no disk",
        ),
        ("redpanda", "catalogVersion", "2026-02-31", "$.catalogVersion: '2026-02-31' is not a day"),
        ("redpanda", "sources/tiers-2026-07/asOf", "2026-13-01", "$.sources.tiers-2026-07.asOf: '2026-13-01' is not a"),
        (
            "huawei-dms",
            "editions/cluster/versions/value",
            ["new"],
            "$.editions.cluster.versions.value[0]: 'new' is",
        ),
        ("alibaba", "editions/professional/features/compaction/since", "?", "features.compaction.since: '?' is not a"),
        ("aws-msk", "editions/standard/safe/of", ["writing"], "$.editions.standard.safe.of[0]: 'writing' is not known"),
        ("aws-msk", "editions/standard/limits/unitsMin/value", 61, "limits.unitsMin: 61 is more than unitsMax, 60"),
        ("redpanda", "rows/1/spec", "tier-1", "$.rows[1].spec: 'tier-1' of edition 'byoc' stands twice"),
        (
            "redpanda",
            "rows/0/prices",
            [{"item": "disk", "amount": None, "quantity": "disk", "source": "tiers-2026-07"}],
            "$.rows[0].prices[0].quantity: 'disk' is not sold by edition 'byoc'",
        ),
        ("alibaba", "editions/normal/limits/retention/unit", "fortnights", "limits.retention: the unit 'fortnights'"),
    ],
)
def test_what_the_schema_cannot_see_is_refused_by_its_place(provider: str, path: str, value: object, said: str) -> None:
    document = spoilt(provider, path, value)
    files.validate(document, "catalogue", called="own.json")
    with pytest.raises(UsageError) as caught:
        read_catalogue(document)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("rows/0/limits/write/value", 0, "$.rows[0].limits.write.value: 0 is not more than 0"),
        ("rows/0/limits/speed", {"value": 1}, "$.rows[0].limits: 'speed' is not known"),
        ("colour", "red", "$: 'colour' is not known"),
        ("currency", "dollars", "$.currency: 'dollars' is not of the form"),
        ("rows/0/prices", {}, "$.rows[0].prices: {} is not of type array"),
    ],
)
def test_what_the_schema_refuses_is_said_in_one_short_sentence(path: str, value: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        files.validate(spoilt("redpanda", path, value), "catalogue", called="own.json")
    assert caught.value.message.startswith(f"own.json: {said}")
    assert len(caught.value.message) < 200
    assert "Export again" not in (caught.value.hint or ""), "a catalogue is not exported"


@pytest.mark.parametrize(
    ("provider", "limit", "message"),
    [
        ("huawei-dms", "nic", "lacks the limit nic"),
        ("gcp-managed-kafka", "writeEquivalent", "lacks the limit writeEquivalent"),
        ("alibaba", "partitionsIncluded", "lacks the limit partitionsIncluded"),
    ],
)
def test_a_row_without_what_its_edition_reckons_with_is_refused(provider: str, limit: str, message: str) -> None:
    document = copy.deepcopy(DOCUMENTS[provider])
    del document["rows"][0]["limits"][limit]
    with pytest.raises(UsageError, match=message):
        read_catalogue(document)


def test_a_limit_in_a_unit_of_another_kind_is_refused() -> None:
    document = copy.deepcopy(DOCUMENTS["redpanda"])
    document["rows"][0]["limits"]["write"]["unit"] = "GB"
    with pytest.raises(UsageError, match=r"\$\.rows\[0\]\.limits\.write"):
        read_catalogue(document)
