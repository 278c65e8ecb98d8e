"""Needs, policies, formulas against published numbers, and the recommendation with every step."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from importlib.resources import files as files_of
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta import files
from kafka_meta.documents.recommendation import encode_recommendation, encode_recommendations
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.quantities import convert
from kafka_meta.sizing import (
    MINIMAL,
    POLICIES,
    Candidate,
    Figure,
    Needs,
    Policy,
    Recommendation,
    Word,
    evaluate,
    shipped,
    survey,
)
from kafka_meta.sizing.candidates import candidate
from kafka_meta.sizing.catalogues import Row, read_catalogue
from kafka_meta.sizing.conditions import serving
from kafka_meta.sizing.constraints import Constraint, msk_standard_ingress, write_equivalent
from kafka_meta.sizing.needs import version_line
from tests.support.examples import many

TODAY = date(2026, 11, 21)
CATALOGUES = {catalogue.provider: catalogue for catalogue in shipped()}
MIB = 1.048576
DOCUMENT_OF_ALIBABA = json.loads((files_of("kafka_meta.sizing") / "catalog" / "alibaba.json").read_text("utf-8"))

FORM: dict[str, Any] = {
    "server_version": "2.2.0",
    "idc_migration": True,
    "peak_traffic": 20,
    "public_traffic": 20,
    "ssd": True,
    "disk": 500,
    "topics": 60,
    "partitions": 800,
    "replicas": 3,
    "scenario": "business",
    "latency": "normal",
}
"""The answers of the vendor's own worked example (Alibaba Cloud user guide, 2022-07-06, evaluating specifications)."""


def figure(value: float, unit: str, **more: Any) -> Figure:
    return Figure(**{"value": value, "unit": unit, "method": "measured", "confidence": "high", **more})


def rates(write: float, read: float, **more: Any) -> Needs:
    """MB/s; 1 partition, unless given."""
    known = {"partitions": figure(1, "count"), **more}
    return Needs(write=figure(write, "MB/s", stat="max"), read=figure(read, "MB/s", stat="max"), **known)


def recommend(provider: str, needs: Needs, policy: str | Policy = MINIMAL) -> Recommendation:
    chosen = POLICIES[policy] if isinstance(policy, str) else policy
    return evaluate(needs, CATALOGUES[provider], chosen, today=TODAY)


def chosen(recommendation: Recommendation) -> Candidate:
    assert recommendation.choice is not None
    return recommendation.choice


def quantities(of: Candidate) -> dict[str, float | str | None]:
    return {quantity.name: quantity.value for quantity in of.quantities}


def row_of(provider: str, spec: str) -> Row:
    return next(row for row in CATALOGUES[provider].rows if row.spec == spec)


def of(provider: str, spec: str, needs: Needs, policy: str = "minimal") -> Candidate:
    return candidate(row_of(provider, spec), needs, POLICIES[policy])


def with_fast_volumes(spec: str) -> Row:
    """An MSK broker whose volumes are as fast as its line to them: the vendor's script presumes that it was bought."""
    row = row_of("aws-msk", spec)
    return replace(row, limits={**row.limits, "volume": row.limits["ebs"]})


def limit_of(found: Candidate, name: str) -> Constraint:
    return next(constraint for constraint in found.constraints if constraint.name == name)


# The worked example


def test_the_worked_example_of_the_vendor_comes_out_from_flags_alone() -> None:
    found = recommend("alibaba", Needs.from_flags(**FORM))
    choice = chosen(found)
    assert choice.row.edition.title == "Professional Edition (High Write)"
    bought = quantities(choice)
    assert bought["instanceType"] == "public/VPC"
    assert bought["traffic"] == 20
    assert bought["diskType"] == "SSD"
    assert bought["disk"] == 900
    assert bought["topics"] == 50
    assert bought["serverVersion"] == "2.2.0"
    assert (found.missing, len(found.unpriced)) == ((), 1), "public traffic is sold by another price list"


def test_the_worked_example_says_what_binds_and_what_does_not() -> None:
    found = recommend("alibaba", Needs.from_flags(**FORM))
    by_name = {constraint.name: constraint for constraint in chosen(found).constraints}
    assert found.binding is by_name["write"]
    assert (by_name["write"].need, by_name["write"].capacity, by_name["write"].utilisation) == (20, 20, 1)
    assert (by_name["topics"].need, by_name["topics"].capacity) == (60, 100)
    assert (by_name["partitions"].need, by_name["partitions"].capacity) == (800, 1100)
    assert (by_name["disk"].need, by_name["disk"].capacity) == (500, 540)
    assert by_name["version"].ok
    standard = [other for other in found.alternatives if other.candidate.row.edition.name == "normal"]
    assert standard
    assert all("version: needs 2.2.0, has 0.10.2" in other.reasons for other in standard)


def test_with_the_vendors_own_headroom_the_honest_answer_is_the_next_tier() -> None:
    found = recommend("alibaba", Needs.from_flags(**FORM), "vendor")
    choice = chosen(found)
    assert choice.row.spec == "alikafka.hw.3xlarge"
    assert quantities(choice)["traffic"] == 30
    assert quantities(choice)["disk"] == 900
    write = next(constraint for constraint in choice.constraints if constraint.name == "write")
    assert (write.need, write.capacity, write.ok) == (26, 30, True)
    assert "need × 1.3" in write.why
    cheaper = next(other for other in found.alternatives if other.role == "next cheaper")
    assert cheaper.candidate.row.spec == "alikafka.hw.2xlarge"
    assert cheaper.reasons == ("write: needs 26 MB/s, has 20 MB/s", "read: needs 26 MB/s, has 20 MB/s")


def test_the_worked_example_costs_what_the_list_says() -> None:
    """3,387 CNY for the instance and 9 × 100 for the disk (Billing, 2021-06-28); public traffic has another list."""
    found = recommend("alibaba", Needs.from_flags(**FORM))
    choice = chosen(found)
    assert {line.item: line.amount for line in choice.prices if line.amount is not None} == {
        "instance alikafka.hw.2xlarge": 3387,
        "SSD": 900,
    }
    assert choice.monthly_price == 4287
    assert not choice.price_is_complete
    assert any(str(warning.resource) == "price" and "public traffic" in warning.reason for warning in found.warnings)
    up = next(other for other in found.alternatives if other.role == "next up")
    assert (up.candidate.row.spec, up.reasons) == ("alikafka.hw.3xlarge", ("fits; costs 848.00 CNY a month more",))


def test_the_disk_policy_that_one_example_calibrates_says_so_and_can_be_changed() -> None:
    found = recommend("alibaba", Needs.from_flags(**FORM))
    assert any("calibrated on one example" in warning.reason for warning in found.warnings)
    changed = recommend("alibaba", Needs.from_flags(**FORM), replace(MINIMAL, disk_fill=0.85))
    assert quantities(chosen(changed))["disk"] == 600
    assert "fill as asked for" in next(c.why for c in chosen(changed).constraints if c.name == "disk")


# Published numbers, a test each


def test_alibaba_ten_extra_topics_bring_160_partitions() -> None:
    """Billing, 2021-06-28: 50 topics, 20 MB/s, 400 partitions; ten topics more make it 560 partitions."""
    needs = Needs.from_flags(server_version="0.10.2", peak_traffic=20, topics=60, partitions=560)
    found = of("alibaba", "alikafka.hw.2xlarge", needs)
    assert found.row.edition.name == "normal"
    assert quantities(found)["extraTopics"] == 10
    assert next(c.capacity for c in found.constraints if c.name == "partitions") == 560


def test_alibaba_300_gb_hold_100_gb_in_the_standard_and_300_gb_in_the_professional_edition() -> None:
    """Billing, 2021-06-28: three copies are billed in the standard edition, one in the professional."""
    needs = Needs.from_flags(server_version="0.10.2", peak_traffic=1, disk=300)
    full = replace(MINIMAL, disk_fill=1.0)
    rows = {row.edition.name: row for row in CATALOGUES["alibaba"].rows if row.spec == "alikafka.hw.6xlarge"}
    for edition, data in (("normal", 500), ("professional", 1500)):
        found = candidate(rows[edition], Needs.from_flags(peak_traffic=1, disk=data), full)
        assert quantities(found)["disk"] == 1500, "three times 500 GB, or once 1,500 GB"
    assert next(c.need for c in candidate(rows["normal"], needs, full).constraints if c.name == "disk") == 900
    assert next(c.need for c in candidate(rows["professional"], needs, full).constraints if c.name == "disk") == 300


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"topics": 901}, "topics: needs 901 topics, has 900 topics"),
        ({"partitions": 7501}, "partitions: needs 7,501 partitions, has 7,500 partitions"),
        ({"disk": 3661}, "disk: needs 3,661 GB, has 3,660 GB"),
    ],
)
def test_alibaba_no_more_is_bought_than_is_sold(flags: dict[str, Any], reason: str) -> None:
    """Allowed combinations, 2024-04-09: 20 MB/s come with 50 to 450 topics and 500 to 6,100 GB; so at most 900 topics,
    1,100 + 400 × 16 partitions, and 60 % of 6,100 GB."""
    found = recommend("alibaba", Needs.from_flags(**{**FORM, **flags}))
    small = next(
        other
        for other in found.alternatives
        if other.candidate.row.spec == "alikafka.hw.2xlarge" and other.candidate.row.edition.name == "professional"
    )
    assert small.reasons == (reason,)


def test_alibaba_disk_is_average_rate_times_retention_times_copies() -> None:
    """Three copies for topics that need the storage engine Local (Comparison of storage engines, 2021-06-28)."""
    needs = rates(10, 10, average_write=figure(2, "MB/s", stat="mean"), retention=figure(72, "h"))
    assert needs.stored is not None
    assert needs.stored.value == pytest.approx(2 * 72 * 3.6)
    row = next(row for row in CATALOGUES["alibaba"].rows if row.edition.name == "professional")
    once = candidate(row, needs, MINIMAL)
    compacted = candidate(row, replace(needs, features={"compaction": True}), MINIMAL)
    assert next(c.need for c in once.constraints if c.name == "disk") == pytest.approx(518.4)
    assert next(c.need for c in compacted.constraints if c.name == "disk") == pytest.approx(3 * 518.4)


@pytest.mark.parametrize(
    ("spec", "brokers"), [("kafka.m5.large", 93), ("kafka.m7g.2xlarge", 21), ("kafka.m7g.4xlarge", 12)]
)
def test_msk_standard_takes_the_brokers_that_the_vendors_script_prints(spec: str, brokers: int) -> None:
    """msk_sizing.py, 2026-08-20, peak 500 MiB/s in and 1,000 out, 1,000 replicas, utilisation 0.5."""
    needs = rates(500 * MIB, 1000 * MIB, partitions=figure(1000, "count"), replicas=figure(1000, "count"))
    found = candidate(with_fast_volumes(spec), needs, POLICIES["safe"])
    assert (found.units if brokers <= 60 else next(c.need for c in found.constraints if c.name == "brokers")) == brokers


@pytest.mark.parametrize(("ebs", "nic", "printed"), [(81, 96, 5.52), (312.5, 469, 24.04), (625, 937, 48.08)])
def test_msk_standard_ingress_of_a_broker_is_what_the_vendors_script_prints(
    ebs: float, nic: float, printed: float
) -> None:
    """msk_sizing.py, 2026-08-20, kafka.m5.large, m7g.2xlarge and m7g.4xlarge in MiB/s: fan-out 2, utilisation 0.5."""
    assert msk_standard_ingress(ebs, nic, 2) * 0.5 == pytest.approx(printed, abs=0.005)


def test_msk_standard_disk_and_price_are_what_the_vendors_script_prints() -> None:
    """msk_sizing.py, 2026-08-20: 100 MiB/s on average for a day are 50,625 GiB of EBS; twelve kafka.m7g.4xlarge
    cost 14,296.32 USD a month and their disks 5,062.50."""
    needs = rates(
        500 * MIB,
        1000 * MIB,
        average_write=figure(100 * MIB, "MB/s", stat="mean"),
        retention=figure(24, "h"),
        replication_factor=figure(3, "count"),
    )
    found = candidate(with_fast_volumes("kafka.m7g.4xlarge"), needs, POLICIES["safe"])
    assert quantities(found)["disk"] == 50_625
    assert [line.amount for line in found.prices] == [14296.32, 5062.50]


def test_msk_express_price_is_what_the_vendors_script_prints() -> None:
    """msk_sizing.py, 2026-08-20, three express.m7g.8xlarge at 100 MiB/s on average, one day: storage 843.75,
    data in 2,566.41, brokers 14,296.32 USD a month; storage is bought in whole GiB here."""
    needs = rates(500, 1000, average_write=figure(100 * MIB, "MB/s", stat="mean"), retention=figure(24, "h"), data=None)
    found = of("aws-msk", "express.m7g.8xlarge", needs, "safe")
    assert found.units == 3
    assert [line.amount for line in found.prices] == pytest.approx([14296.32, 843.75, 2566.41], abs=0.1)


def test_msk_express_45_mb_in_and_90_out_take_three_of_the_smallest() -> None:
    """Amazon MSK developer guide, Best practices for Express brokers."""
    found = of("aws-msk", "express.m7g.large", rates(45, 90))
    assert (found.units, found.fits) == (3, True)


def test_msk_express_five_consumer_groups_at_100_mb_take_six_2xlarge() -> None:
    """Size and choose an MSK cluster, 2026-08-20: 500 out ÷ 125 = 4, and brokers come in threes."""
    assert of("aws-msk", "express.m7g.2xlarge", rates(100, 500)).units == 6


@pytest.mark.parametrize(
    ("write", "read", "partitions", "units"), [(88.7, 994.8, 2058, 8), (1, 1, 100_000, 44), (0.1, 0.1, 10, 1)]
)
def test_confluent_units_are_those_of_the_vendors_own_tests(
    write: float, read: float, partitions: int, units: int
) -> None:
    """kcp, internal/services/plan/sizing_test.go, 2026-08-21: ceil(max(in/60, out/180, partitions/3000) × 1.3)."""
    found = of(
        "confluent",
        "eCKU over private network interfaces",
        rates(write, read, partitions=figure(partitions, "count")),
        "safe",
    )
    limit = next(constraint for constraint in found.constraints if constraint.name == "eCKU")
    assert limit.need == units
    assert limit.ok == (units <= 32)


@pytest.mark.parametrize(("write", "read"), [(20, 0), (0, 80)])
def test_gcp_one_vcpu_carries_20_mb_of_writing_or_80_of_reading(write: float, read: float) -> None:
    """Google Cloud, pricing page: a vCPU handles 20 MiB/s published or 80 MiB/s consumed."""
    assert write_equivalent(write, read, 1) == 20


def test_gcp_vcpus_follow_the_published_steps() -> None:
    """Plan the size of your cluster: 3 × 100 + (100 + 2 × 100) ÷ 4 = 375, ÷ 20 ÷ 0.5 → 38, 4 GiB each; at least 3."""
    found = of("gcp-managed-kafka", "vCPU", rates(100, 100), "safe")
    assert (found.units, quantities(found)["memory"]) == (38, 152)
    assert of("gcp-managed-kafka", "vCPU", rates(0.1, 0.1), "safe").units == 3


def test_huawei_three_brokers_of_100_mb_carry_50_mb_each_way() -> None:
    """Specifications, traffic calculation, 2025-10-15: 100 MB/s × 3 ÷ 3 ÷ 2 = 50 MB/s; 750 partitions."""
    found = of("huawei-dms", "kafka.2u4g.cluster", rates(50, 50))
    capacity = {constraint.name: constraint.capacity for constraint in found.constraints}
    assert found.units == 3
    assert [capacity[name] for name in ("write", "read", "partitions")] == pytest.approx([50, 50, 750])
    assert of("huawei-dms", "kafka.2u4g.cluster", rates(50.1, 50)).units == 4


def test_huawei_100_gb_with_two_replicas_on_three_brokers_take_299_gb() -> None:
    """Specifications, storage space selection, 2025-10-15: 100 × 2 + 33 × 3; the least on sale is 300."""
    needs = rates(1, 1, data=figure(100, "GB"), replication_factor=figure(2, "count"))
    found = of("huawei-dms", "kafka.2u4g.cluster", needs)
    assert quantities(found)["disk"] == 300
    more = of("huawei-dms", "kafka.2u4g.cluster", replace(needs, data=figure(200, "GB")))
    assert quantities(more)["disk"] == 2 * 200 + 33 * 3


def test_self_managed_a_250_mb_disk_is_full_at_83_mb_with_three_replicas() -> None:
    """Size and choose an MSK cluster, 2026-08-20: 83 MiB/s × 3 = 249 of 250 MiB/s, a broker."""
    found = of("self-managed", "m7g.2xlarge", rates(3 * 83 * MIB, 3 * 83 * MIB))
    storage = next(constraint for constraint in found.constraints if constraint.name == "storage")
    assert found.units == 3
    assert storage.utilisation == pytest.approx(249 / 250)
    assert of("self-managed", "m7g.2xlarge", rates(3 * 84 * MIB, 3 * 84 * MIB)).units == 4


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_self_managed_brokers_are_the_least_that_the_published_formula_allows(groups: int) -> None:
    """max throughput ≤ min(storage·B/r, EBS·B/r, network·B/(groups + r − 1)), Best practices for right-sizing, 2022."""
    throughput, r = 300 * MIB, 3

    def allows(brokers: int) -> bool:
        return throughput <= min(156.25 * brokers / r, 250 * brokers / r, 234 * brokers / (groups + r - 1)) * MIB

    expected = next(brokers for brokers in range(3, 99) if allows(brokers))
    needs = Needs(
        write=figure(throughput, "MB/s"),
        partitions=figure(1, "count"),
        groups=figure(groups, "count"),
        replication_factor=figure(r, "count"),
    )
    assert of("self-managed", "m7g.xlarge", needs).units == expected


def test_self_managed_brokers_hold_at_most_4000_replicas() -> None:
    """KIP-578."""
    needs = rates(1, 1, partitions=figure(8000, "count"), replication_factor=figure(3, "count"))
    assert of("self-managed", "m7g.large", needs).units == 6


def test_self_managed_names_the_memory_maps_and_when_linux_allows_fewer() -> None:
    """Kafka documentation, Hardware and OS: two maps a segment; 65,530 is the kernel's default."""
    needs = rates(
        1,
        1,
        partitions=figure(1000, "count"),
        data=figure(1000 * 1.073741824, "GB"),
        replication_factor=figure(3, "count"),
    )
    found = recommend("self-managed", needs)
    assert quantities(chosen(found))["memoryMapsPerBroker"] == 2 * (3 * 1000 + 3 * 1000) / 3
    catalogue = CATALOGUES["self-managed"]
    large_disks = tuple(
        replace(row, limits={**row.limits, "diskPerUnit": replace(row.limits["diskPerUnit"], value=1e6)})
        for row in catalogue.rows
    )
    large = evaluate(replace(needs, data=figure(60_000, "GB")), replace(catalogue, rows=large_disks), today=TODAY)
    assert any(str(warning.resource) == "memory maps" for warning in large.warnings)
    assert not any(str(warning.resource) == "memory maps" for warning in found.warnings)


@pytest.mark.parametrize(("write", "tier"), [(20, "tier-1"), (20.1, "tier-2"), (2000, "tier-9")])
def test_redpanda_without_prices_takes_the_smallest_tier_that_carries(write: float, tier: str) -> None:
    """BYOC tiers and regions, 2026-07-21."""
    found = recommend("redpanda", rates(write, write))
    assert chosen(found).row.spec == tier
    assert chosen(found).monthly_price is None


def test_byteplus_partitions_beyond_the_free_ones_are_counted() -> None:
    """Specifications: kafka.20xrate.hw has 350 partitions free and at most 1,000."""
    found = recommend("byteplus", rates(20, 20, partitions=figure(1000, "count")))
    assert chosen(found).row.spec == "kafka.20xrate.hw"
    assert quantities(chosen(found))["extraPartitions"] == 650
    more = recommend("byteplus", rates(20, 20, partitions=figure(1001, "count")))
    assert chosen(more).row.spec == "kafka.100xrate.hw"


# Prices that are not complete


MONEY = Needs.from_flags(peak_traffic=20, disk=1300, topics=60, partitions=800)
"""Nobody knows the average, and Express brokers bill what is written."""


def test_an_incomplete_price_counts_with_the_most_that_it_can_come_to() -> None:
    """1,014.62 are known of Express; at 20 MB/s all month, 489.50 more are billed. Standard is 1,173.26 for certain."""
    found = recommend("aws-msk", MONEY)
    assert chosen(found).row.spec == "kafka.m7g.large"
    assert (chosen(found).monthly_price, chosen(found).price_is_complete) == (1173.26, True)
    express = next(each for each in found.alternatives if each.candidate.row.spec == "express.m7g.large")
    assert express.candidate.monthly_price == 1014.62
    assert express.candidate.monthly_price_at_most == pytest.approx(1504.12, abs=0.1)
    assert express.may_cost_less
    assert found.missing == ("average_write",), "whether something else costs less depends on it"
    assert "something else may cost less" in recommend_reason(found, "averageWrite")
    known = recommend("aws-msk", Needs.from_flags(average_traffic=10).over(MONEY))
    assert (chosen(known).row.spec, known.complete) == ("kafka.m7g.large", True)


@pytest.mark.parametrize("needs", [MONEY, Needs.from_flags(peak_traffic=2000, disk=1000, partitions=800)])
def test_no_difference_is_told_of_a_price_that_is_not_complete(needs: Needs) -> None:
    found = recommend("aws-msk", needs).alternatives
    open_prices = [each for each in found if each.candidate.fits and not each.candidate.price_is_complete]
    assert open_prices
    for each in open_prices:
        assert not any(word in each.reasons[0] for word in (" more", " less", "the same")), each.reasons


def test_with_the_average_known_the_cheaper_one_is_chosen() -> None:
    low = recommend("aws-msk", replace(MONEY, average_write=figure(1, "MB/s", stat="mean")))
    assert chosen(low).row.spec == "express.m7g.large"
    high = recommend("aws-msk", replace(MONEY, average_write=figure(19, "MB/s", stat="mean")))
    assert chosen(high).row.spec == "kafka.m7g.large"


def test_a_choice_whose_price_depends_on_an_unknown_need_is_incomplete() -> None:
    catalogue = CATALOGUES["aws-msk"]
    only_express = replace(catalogue, rows=tuple(row for row in catalogue.rows if row.edition.name == "express"))
    found = evaluate(MONEY, only_express, today=TODAY)
    assert (found.missing, found.unpriced) == (("average_write",), ())
    assert "--average-traffic" in recommend_reason(found, "averageWrite")


def test_an_unknown_price_without_a_bound_ranks_behind_every_bounded_one() -> None:
    catalogue = CATALOGUES["aws-msk"]
    rows = tuple(
        replace(row, prices=(*row.prices, replace(row.prices[0], item="support", amount=None)))
        if row.spec == "kafka.m7g.large"
        else row
        for row in catalogue.rows
    )
    found = evaluate(MONEY, replace(catalogue, rows=rows), today=TODAY)
    assert chosen(found).row.spec == "kafka.m5.large"
    small = next(each for each in found.alternatives if each.candidate.row.spec == "kafka.m7g.large")
    assert small.reasons == ("fits; not all of its price is known: support",)
    assert small.may_cost_less


def test_a_complete_price_beside_an_incomplete_one_is_not_blamed() -> None:
    """All data in is billed, and only one of the two rows bills it."""
    catalogue = CATALOGUES["aws-msk"]
    rows = tuple(row for row in catalogue.rows if row.spec in ("express.m7g.large", "kafka.m7g.4xlarge"))
    found = evaluate(replace(MONEY, data=figure(400, "GB")), replace(catalogue, rows=rows), today=TODAY)
    assert chosen(found).row.spec == "express.m7g.large"
    assert [each.reasons for each in found.alternatives] == [("fits; not all of the other price is known",)]
    assert found.missing == ("average_write",)


def test_what_costs_every_row_the_same_does_not_blur_the_difference() -> None:
    """The price of public traffic is in another list; both tiers would pay it."""
    up = next(each for each in recommend("alibaba", Needs.from_flags(**FORM)).alternatives if each.role == "next up")
    assert (up.reasons, up.may_cost_less) == (("fits; costs 848.00 CNY a month more",), False)


@pytest.mark.parametrize("provider", CATALOGUES)
@pytest.mark.parametrize("write", [3, 20, 200])
def test_what_is_called_cheaper_costs_less_and_without_prices_it_is_called_smaller(provider: str, write: float) -> None:
    needs = Needs.from_flags(peak_traffic=write, disk=1300, topics=60, partitions=800)
    found = recommend(provider, needs)
    for each in found.alternatives:
        if each.role == "next cheaper":
            assert (each.candidate.monthly_price_at_most or 0) < (chosen(found).monthly_price or 0)
        if each.role == "next smaller":
            assert chosen(found).monthly_price is None
            assert each.candidate.size < chosen(found).size


def test_some_vendors_have_something_cheaper_and_some_something_smaller() -> None:
    needs = Needs.from_flags(peak_traffic=200, disk=1300, topics=60, partitions=800)
    roles = {each.role for provider in CATALOGUES for each in recommend(provider, needs).alternatives}
    assert {"next cheaper", "next smaller"} <= roles


def test_four_brokers_are_recommended_where_eight_of_the_same_processors_would_be_needed_otherwise() -> None:
    """800 partitions: eight kafka.2u4g.cluster.small of 100 each, or four kafka.2u4g.cluster of 250 each."""
    found = chosen(recommend("huawei-dms", MONEY))
    assert (found.row.spec, found.units) == ("kafka.2u4g.cluster", 4)


# Throughput of volumes, traffic with replication, compacted partitions


@pytest.mark.parametrize("spec", ["kafka.m5.4xlarge", "kafka.m7g.2xlarge", "kafka.m7g.4xlarge", "kafka.m7g.16xlarge"])
def test_msk_volumes_carry_250_mib_and_what_goes_beyond_is_not_reckoned_with(spec: str) -> None:
    """Size and choose an MSK cluster, 2026-08-20: volumes carry 250 MiB/s unless throughput is bought for them."""
    found = of("aws-msk", spec, rates(2000, 2000))
    assert limit_of(found, "write").capacity == pytest.approx(found.units * 250 / 6.5 * MIB)
    assert "without throughput bought" in limit_of(found, "write").why
    small = of("aws-msk", "kafka.m7g.xlarge", rates(20, 20))
    assert limit_of(small, "write").capacity == pytest.approx(small.units * 156.25 / 6.5 * MIB)


def test_msk_at_2000_mb_is_told_what_its_volumes_carry() -> None:
    found = recommend("aws-msk", Needs.from_flags(peak_traffic=2000, disk=1000, partitions=800))
    assert (chosen(found).row.spec, chosen(found).units) == ("kafka.m7g.2xlarge", 51)
    assert 51 * 250 * MIB / 6.5 > 2000 > 48 * 250 * MIB / 6.5, "brokers come in threes"
    assert any("250 MiB/s" in note for note in CATALOGUES["aws-msk"].notes)


def test_limits_that_count_replication_are_compared_with_the_traffic_of_replication() -> None:
    """Written once a replica; read by consumers and by the followers."""
    client = CATALOGUES["redpanda"]
    rows = tuple(replace(row, edition=replace(row.edition, traffic_basis="network")) for row in client.rows)
    needs = rates(20, 20, replication_factor=figure(3, "count"))
    assert chosen(evaluate(needs, client, today=TODAY)).row.spec == "tier-1"
    found = chosen(evaluate(needs, replace(client, rows=rows), today=TODAY))
    assert (limit_of(found, "write").need, limit_of(found, "read").need) == (60, 20 + 2 * 20)
    assert found.row.spec == "tier-3"
    assert "3 replicas" in limit_of(found, "write").why


@pytest.mark.parametrize(("counted", "fits"), [(120, True), (121, False), (None, False)])
def test_msk_serverless_takes_120_compacted_partitions(counted: int | None, fits: bool) -> None:
    """Amazon MSK quota. Where nobody counted them, any of the 800 may be one."""
    needs = rates(20, 20, partitions=figure(800, "count"))
    needs = replace(
        needs,
        features={"compaction": True},
        compacted_partitions=None if counted is None else figure(counted, "count"),
    )
    assert of("aws-msk", "serverless", needs).fits is fits


def test_compacted_partitions_are_none_where_compaction_is_not_in_use_and_unknown_where_nobody_knows() -> None:
    needs = rates(20, 20, partitions=figure(800, "count"))
    without = of("aws-msk", "serverless", replace(needs, features={"compaction": False}))
    assert limit_of(without, "compacted partitions").need == 0
    assert limit_of(of("aws-msk", "serverless", needs), "compacted partitions").ok is None


# Policies


@pytest.mark.parametrize("provider", CATALOGUES)
def test_a_policy_never_recommends_less_than_minimal(provider: str) -> None:
    needs = rates(
        200, 600, data=figure(2000, "GB"), replication_factor=figure(3, "count"), average_write=figure(50, "MB/s")
    )
    least = chosen(recommend(provider, needs))
    for name in ("vendor", "safe"):
        other = chosen(recommend(provider, needs, name))
        assert candidate(other.row, needs, MINIMAL).units <= other.units
        if least.monthly_price is not None and other.monthly_price is not None:
            assert other.monthly_price >= least.monthly_price


def test_a_share_that_no_vendor_publishes_is_called_our_own() -> None:
    write = next(c for c in chosen(recommend("redpanda", rates(35, 35), "safe")).constraints if c.name == "write")
    assert write.capacity == pytest.approx(35)
    assert "kafka-meta's own" in write.why


def test_preferences_are_asked_for_by_safe_only_and_are_never_called_limits() -> None:
    needs = Needs.from_flags(**{**FORM, "server_version": "0.10.2", "partitions": 100, "topics": 10, "disk": 10})
    assert chosen(recommend("alibaba", needs)).row.edition.name == "normal"
    found = recommend("alibaba", needs, "safe")
    assert chosen(found).row.edition.name == "professional"
    asked = [constraint for constraint in chosen(found).constraints if constraint.kind == "preference"]
    assert [constraint.name for constraint in asked] == ["machines", "zones"]
    assert all("no vendor's rule" in constraint.why for constraint in asked)


def test_a_policy_that_asks_for_less_than_the_need_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="below 1"):
        Policy(name="wishful", traffic_headroom=0.5)
    with pytest.raises(ValueError, match="at most 1"):
        Policy(name="wishful", disk_fill=1.5)


# Versions and features


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("2.4.1", (2, 0)),
        ("2.x.x", (2, 0)),
        ("3.9.1-IV4", (3, 0)),
        ("4", (4, 0)),
        ("0.10.2.1", (0, 10)),
        ("0.10.x", (0, 10)),
        ("<0.10", (0, 9)),
        ("0.x", None),
        ("new", None),
        ("", None),
    ],
)
def test_release_lines_are_kafkas(version: str, line: tuple[int, int] | None) -> None:
    assert version_line(version) == line


@pytest.mark.parametrize(
    ("wanted", "server"),
    [
        ("0.9.0", "0.10.2"),
        ("0.10.2", "0.10.2"),
        ("0.11.0", "2.2.0"),
        ("1.1.0", "2.2.0"),
        ("2.4.1", "2.2.0"),
        ("3.0.0", None),
    ],
)
def test_a_source_gets_the_oldest_server_that_serves_its_release_line(wanted: str, server: str | None) -> None:
    assert serving(wanted, ["0.10.2", "2.2.0"]) == server


def test_a_whole_line_on_offer_serves_every_release_of_it() -> None:
    assert serving("3.9.1", ["2.7", "3.x"]) == "3.x"
    assert serving("2.x.x", ["2.3.0", "2.7"]) == "2.3.0"


def test_an_older_server_of_the_same_line_is_recommended_with_a_warning() -> None:
    found = recommend("alibaba", Needs.from_flags(**{**FORM, "server_version": "2.4.1"}))
    assert quantities(chosen(found))["serverVersion"] == "2.2.0"
    assert any(
        str(warning.resource) == "version" and "older than 2.4.1" in warning.reason for warning in found.warnings
    )


def test_a_version_that_nobody_sells_leaves_no_choice_and_says_why() -> None:
    found = recommend("alibaba", Needs.from_flags(**{**FORM, "server_version": "3.9.1"}))
    assert found.choice is None
    assert found.binding is None
    assert all("version: needs 3.9.1, has" in " ".join(other.reasons) for other in found.alternatives)
    assert found.nearest is not None
    assert found.chosen_by is None


def test_a_feature_in_use_rules_out_what_does_not_offer_it() -> None:
    needs = replace(Needs.from_flags(peak_traffic=20, disk=10, partitions=10), features={"acls": True, "scram": False})
    found = recommend("aws-msk", needs)
    serverless = next(other for other in found.alternatives if other.candidate.row.spec == "serverless")
    assert serverless.reasons == ("ACLs: in use on the source, and not offered",)


@pytest.mark.parametrize("feature", ["compaction", "transactions", "idempotence"])
def test_a_feature_in_use_takes_a_server_that_has_it(feature: str) -> None:
    """Comparison of storage engines, 2021-06-28: what needs the storage engine Local needs server 2.2.0."""
    form = Needs.from_flags(**{**FORM, "server_version": "0.10.2"})
    plain = of("alibaba", "alikafka.hw.2xlarge", form)
    assert quantities(plain)["serverVersion"] == "0.10.2"
    found = chosen(recommend("alibaba", replace(form, features={feature: True})))
    assert quantities(found)["serverVersion"] == "2.2.0"
    assert feature in limit_of(found, "version").why


def test_a_feature_that_no_server_on_offer_has_rules_the_edition_out() -> None:
    document = json.loads(json.dumps(DOCUMENT_OF_ALIBABA))
    document["editions"]["professional"]["features"]["compaction"]["since"] = "3.0"
    needs = replace(Needs.from_flags(**FORM), features={"compaction": True})
    found = evaluate(needs, read_catalogue(document), today=TODAY)
    fits = {each.candidate.fits for each in found.alternatives if each.candidate.row.edition.name == "professional"}
    assert fits == {False}


def test_unlimited_retention_does_not_fit_seven_days() -> None:
    forever = replace(
        Needs.from_flags(**{**FORM, "server_version": "0.10.2", "partitions": 100}),
        unlimited_retention_topics=figure(2, "count"),
    )
    found = recommend("alibaba", forever)
    assert chosen(found).row.edition.name == "professional"
    assert any("keep everything" in warning.reason for warning in found.warnings)


@pytest.mark.parametrize(("hours", "edition"), [(168, "normal"), (169, "professional")])
def test_alibabas_standard_edition_keeps_messages_for_at_most_seven_days(hours: float, edition: str) -> None:
    """Billing, 2021-06-28."""
    few = Needs.from_flags(**{**FORM, "server_version": "0.10.2", "partitions": 100, "topics": 10, "disk": 10})
    assert chosen(recommend("alibaba", replace(few, retention=figure(hours, "h")))).row.edition.name == edition


def test_a_source_without_ssd_gets_the_cheaper_disk_where_it_is_fast_enough() -> None:
    """Billing, 2019-09-05: ultra disks up to 120 MB/s; 2021-06-28: 35 CNY for 100 GB."""
    slow = chosen(recommend("alibaba", Needs.from_flags(**{**FORM, "ssd": False})))
    assert quantities(slow)["diskType"] == "ultra disk"
    assert next(line.amount for line in slow.prices if line.item == "ultra disk") == 9 * 35
    fast = chosen(recommend("alibaba", Needs.from_flags(**{**FORM, "ssd": False, "peak_traffic": 160})))
    assert quantities(fast)["diskType"] == "SSD"


# What is not known


def test_without_traffic_the_recommendation_is_incomplete_and_says_what_is_missing() -> None:
    found = recommend("alibaba", Needs.from_flags(disk=500, partitions=800, topics=60))
    assert not found.complete
    assert found.missing == ("write", "read")
    assert chosen(found).row.spec.endswith("2xlarge")
    write = next(constraint for constraint in chosen(found).constraints if constraint.name == "write")
    assert (write.need, write.ok, write.utilisation) == (None, None, None)


def test_without_data_or_retention_the_disk_to_buy_is_unknown_and_not_zero() -> None:
    found = recommend("alibaba", Needs.from_flags(peak_traffic=20, partitions=800))
    assert "data" in found.missing
    assert quantities(chosen(found))["disk"] is None
    document = encode_recommendation(found)
    assert document["recommendation"]["quantities"]["disk"]["value"] is None
    line = next(line for line in document["recommendation"]["prices"] if line["item"] == "SSD")
    assert (line["quantity"], line["amount"]) == (None, None)


def test_msk_without_reading_sizes_by_disks_and_says_that_reading_is_missing() -> None:
    needs = Needs(write=figure(20, "MB/s"), partitions=figure(10, "count"), data=figure(10, "GB"))
    found = recommend("aws-msk", needs)
    assert found.missing == ("read",)


def test_empty_topics_say_nothing_of_what_they_will_hold() -> None:
    needs = Needs.from_stats({"figures": {"partitions": [entry(12, "count")], "data": [entry(0, "B", "total")]}})
    for provider in ("alibaba", "aws-msk", "self-managed"):
        found = recommend(provider, needs)
        assert "data" in found.missing
        assert quantities(chosen(found))["disk"] is None
        assert "empty now" in recommend_reason(found, "data")


def test_what_is_kept_for_ever_is_incomplete_until_somebody_says_how_much() -> None:
    stats = {**STATS, "figures": {**STATS["figures"], "unlimitedRetentionTopics": [entry(2, "count", "total")]}}
    measured = Needs.from_stats(stats)
    found = recommend("aws-msk", measured)
    assert found.missing == ("retention",)
    assert "--disk" in recommend_reason(found, "retention")
    assert recommend("aws-msk", Needs.from_flags(disk=2000).over(measured)).complete


def test_no_group_is_not_no_reader() -> None:
    """Consumers that assign partitions to themselves have none; the published formula counts groups."""
    needs = Needs(write=figure(20, "MB/s"), partitions=figure(1, "count"), data=figure(10, "GB"))
    found = recommend("self-managed", replace(needs, groups=figure(0, "count")))
    assert found.missing == ("read",)
    some = recommend("self-managed", replace(needs, groups=figure(2, "count")))
    assert some.complete
    (network,) = [each for each in chosen(some).constraints if each.name == "network"]
    assert (network.need, "all of it to each of 2 groups" in network.why) == (20 * (2 + 2), True)


def test_the_nearest_of_what_does_not_fit_passes_the_fewest_limits() -> None:
    newer = encode_recommendation(recommend("alibaba", Needs.from_flags(**{**FORM, "server_version": "3.9.1"})))[
        "nearest"
    ]
    assert (newer["spec"], newer["reasons"]) == ("alikafka.hw.2xlarge", ["version: needs 3.9.1, has 2.2.0"])
    large = encode_recommendation(recommend("redpanda", rates(5000, 100)))["nearest"]
    assert (large["spec"], large["reasons"]) == ("tier-9", ["write: needs 5,000 MB/s, has 2,000 MB/s"])


def test_an_empty_cluster_is_refused() -> None:
    stats = {
        "collectedAt": "2026-11-21T00:00:00Z",
        "figures": {"topics": [entry(0, "count")], "partitions": [entry(0, "count")]},
    }
    with pytest.raises(KafkaMetaError, match="no topics and no partitions") as caught:
        recommend("alibaba", Needs.from_stats(stats))
    assert "--peak-traffic" in (caught.value.hint or "")


def test_nothing_known_is_refused() -> None:
    with pytest.raises(KafkaMetaError, match="nothing to size"):
        recommend("alibaba", Needs.from_flags(server_version="2.2.0"))


def test_limits_whose_need_is_not_known_are_named_and_do_not_spoil_the_rest() -> None:
    found = recommend("alibaba", Needs.from_flags(**FORM))
    assert found.missing == ()
    unchecked = next(warning.reason for warning in found.warnings if str(warning.resource) == "not checked")
    assert "groups" in unchecked
    assert "message size" in unchecked


def test_warnings_name_low_confidence_hourly_peaks_and_silence() -> None:
    needs = rates(5, 0, data=figure(10, "GB", confidence="low"))
    needs = replace(needs, write=figure(5, "MB/s", stat="hourly max"))
    reasons = {str(warning.resource): warning.reason for warning in recommend("redpanda", needs).warnings}
    assert "low confidence" in recommend_reason(recommend("alibaba", needs), "data")
    assert "the peak within that hour may be higher" in reasons["write"]
    assert "nothing was seen" in reasons["read"]


def recommend_reason(found: Recommendation, resource: str) -> str:
    return " ".join(warning.reason for warning in found.warnings if str(warning.resource) == resource)


def test_disks_that_still_fill_are_sized_by_what_they_will_hold_and_both_figures_are_told() -> None:
    """1 GB is there after half an hour; a week of it at the same rate is 297 GB."""
    needs = rates(
        1,
        1,
        data=figure(1, "GB"),
        average_write=figure(297 / 604.8, "MB/s", stat="mean"),
        retention=figure(168, "h"),
        replication_factor=figure(3, "count"),
    )
    assert needs.stored is not None
    assert needs.stored.value == pytest.approx(297)
    for provider, bought in (("aws-msk", 297 * 3 / 0.5), ("huawei-dms", 297 * 3 + 3 * 33)):
        disk = next(q for q in chosen(recommend(provider, needs)).quantities if q.name == "disk")
        assert convert(float(disk.value or 0), str(disk.unit), "GB") == pytest.approx(bought, rel=0.01)
    assert "1 GB now, and 297 GB once retention" in recommend_reason(recommend("aws-msk", needs), "data")


def test_a_cluster_that_holds_more_than_its_rate_explains_is_sized_by_what_it_holds() -> None:
    needs = rates(
        1, 1, data=figure(500, "GB"), average_write=figure(0.1, "MB/s", stat="mean"), retention=figure(168, "h")
    )
    assert needs.stored == needs.data
    assert "once retention" not in recommend_reason(recommend("aws-msk", needs), "data")


def test_data_that_was_declared_counts_and_what_retention_comes_to_is_told_beside_it() -> None:
    measured = rates(1, 1, average_write=figure(1, "MB/s", stat="mean"), retention=figure(168, "h"))
    needs = Needs.from_flags(disk=100).over(measured)
    assert needs.stored == needs.data
    said = recommend_reason(recommend("aws-msk", needs), "data")
    assert "100 GB was declared, but 604.8 GB are there once retention has passed" in said


def test_what_each_topic_keeps_counts_rather_than_the_longest_retention_of_any() -> None:
    """One small topic that keeps ten years must not make all traffic be kept for ten years."""
    needs = rates(
        1,
        1,
        data=figure(1, "GB"),
        average_write=figure(1, "MB/s", stat="mean"),
        retention=figure(87_600, "h"),
        data_retained=figure(40, "GB"),
    )
    assert needs.stored == needs.data_retained


def test_a_catalogue_older_than_a_year_is_flagged_on_the_day_after() -> None:
    needs = Needs.from_flags(**FORM)
    for today, flagged in ((date(2022, 6, 28), False), (date(2022, 6, 29), True)):
        found = evaluate(needs, CATALOGUES["alibaba"], today=today)
        assert encode_recommendation(found)["catalogIsOld"] is flagged


# Needs


def entry(value: float, unit: str, stat: str = "last", **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": unit, "stat": stat, "method": "measured", "confidence": "high", **more}


STATS: dict[str, Any] = {
    "collectedAt": "2026-11-21T03:00:00Z",
    "figures": {
        "write": [
            entry(12_000_000, "B/s", "hourly max", confidence="medium", window="P7D"),
            entry(18_000_000, "B/s", "max", window="PT60S"),
            entry(4_000_000, "B/s", "mean", window="P7D"),
            entry(3_000_000, "B/s", "p50", window="P7D"),
        ],
        "read": [entry(50, "MB/s", "max")],
        "data": [entry(200 * 2**30, "B")],
        "dataReplicated": [entry(600 * 2**30, "B")],
        "topics": [entry(60, "count")],
        "partitions": [entry(800, "count")],
        "replicas": [entry(2400, "count")],
        "replicationFactor": [entry(3, "count")],
        "retention": [entry(604_800_000, "ms", "max")],
        "connections": [],
    },
    "serverVersion": "2.4.1",
    "features": {"compaction": True, "acls": None},
    "gaps": [{"resource": "log directories of broker 3", "reason": "not authorised"}],
}


def test_statistics_of_a_file_become_needs_in_one_unit_each() -> None:
    files.validate(STATS, "stats", called="stats")
    needs = Needs.from_stats(STATS)
    assert needs.write == figure(18, "MB/s", stat="max", window="PT60S")
    assert needs.average_write == figure(4, "MB/s", stat="mean", window="P7D")
    assert needs.data is not None
    assert needs.data.value == pytest.approx(214.748, abs=0.001)
    assert needs.retention is not None
    assert needs.retention.value == 168
    assert needs.connections is None
    assert needs.groups is None
    assert needs.features == {
        "compaction": True,
        "transactions": None,
        "idempotence": None,
        "acls": None,
        "scram": None,
    }
    assert needs.server_version == Word(value="2.4.1", method="measured")


@pytest.mark.parametrize(
    ("disks", "ssd"),
    [([True, True], "yes"), ([False], "no"), ([True, False], None), ([True, None], None), ([None], None), ([], None)],
)
def test_the_kind_of_the_brokers_disks_is_known_where_all_are_of_one(disks: list[bool | None], ssd: str | None) -> None:
    host = {"volumes": [{"path": f"d{i}", "ssd": disk} for i, disk in enumerate(disks)]}
    files.validate({**STATS, "host": host}, "stats", called="stats")
    known = Needs.from_stats({**STATS, "host": host}).ssd
    assert known == (None if ssd is None else Word(value=ssd, method="measured"))


def test_what_could_not_be_read_reaches_the_recommendation() -> None:
    assert (
        recommend_reason(recommend("alibaba", Needs.from_stats(STATS)), "log directories of broker 3")
        == "not authorised"
    )


def test_what_to_add_names_the_right_to_see_sizes_only_where_it_is_missing() -> None:
    figures = {name: STATS["figures"][name] for name in ("topics", "partitions", "replicas", "replicationFactor")}
    statistics = "Export from the brokers with statistics"
    for data, gaps, of_write, of_data in (
        ([], STATS["gaps"], "the right to see the log directories", "the right to see the log directories"),
        ([entry(0, "B")], [], f"{statistics} once there are records", "The topics are empty now"),
        ([], [], statistics, statistics),  # export --no-evaluate
    ):
        needs = Needs.from_stats({**STATS, "figures": {**figures, "data": data}, "gaps": gaps})
        found = recommend("alibaba", needs)
        assert {"write", "data"} <= {*found.missing}
        assert of_write in recommend_reason(found, "write")
        assert of_data in recommend_reason(found, "data")


def test_a_flag_overrides_the_file_and_is_marked_declared() -> None:
    needs = Needs.from_flags(peak_traffic=20, partitions=900).over(Needs.from_stats(STATS))
    assert needs.write is not None
    assert (needs.write.value, needs.write.method) == (20, "declared")
    assert needs.partitions is not None
    assert (needs.partitions.value, needs.partitions.method) == (900, "declared")
    assert needs.topics is not None
    assert needs.topics.method == "measured"
    assert needs.gaps


def test_a_figure_that_a_flag_makes_untrue_is_dropped() -> None:
    measured = Needs.from_stats(STATS)
    needs = Needs.from_flags(replicas=2, disk=100).over(measured)
    assert needs.replicas is None
    assert needs.data_replicated is None
    retained = replace(measured, data_retained=figure(900, "GB"))
    assert Needs.from_flags(average_traffic=1).over(retained).data_retained is None
    assert Needs.from_flags(topics=1).over(retained).data_retained == retained.data_retained
    fewer = Needs.from_flags(replicas=2).over(replace(measured, data=None))
    assert fewer.held is not None
    assert fewer.held.value == pytest.approx(214.748, abs=0.001)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"peak_traffic": 0}, "--peak-traffic"),
        ({"peak_traffic": -1}, "--peak-traffic"),
        ({"peak_traffic": float("nan")}, "--peak-traffic"),
        ({"disk": float("inf")}, "--disk"),
        ({"partitions": 0}, "--partitions"),
        ({"server_version": "latest"}, "--server-version"),
        ({"scenario": "fun"}, "--scenario"),
        ({"latency": "none"}, "--latency"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_the_flags_name(flags: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        Needs.from_flags(**flags)
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("stats", [{"figures": [1]}, {"figures": {"write": {}}}, {"gaps": [{"resource": "x"}]}])
def test_statistics_that_are_none_are_refused_by_their_place(stats: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^\$\.stats\."):
        Needs.from_stats(stats)


def test_copies_and_their_factor_tell_the_data_where_leaders_were_not_measured() -> None:
    needs = Needs(data_replicated=figure(600, "GB"), replication_factor=figure(3, "count"))
    assert needs.stored is not None
    assert (needs.stored.value, needs.stored.method) == (200, "derived")


def test_no_public_traffic_is_an_answer_and_takes_the_private_instance() -> None:
    found = recommend("alibaba", Needs.from_flags(**{**FORM, "public_traffic": 0}))
    assert quantities(chosen(found))["instanceType"] == "VPC"
    assert chosen(found).price_is_complete
    unknown = recommend("alibaba", Needs.from_flags(**{**FORM, "public_traffic": None}))
    assert "instanceType" not in quantities(chosen(unknown))


@pytest.mark.parametrize(
    "broken",
    [
        {"value": 1, "unit": "MB/s", "stat": "max", "method": "measured"},
        {"value": "much", "unit": "MB/s", "stat": "max", "method": "measured", "confidence": "high"},
        {"value": 1, "unit": "GB", "stat": "max", "method": "measured", "confidence": "high"},
        {"value": 1, "unit": "furlong", "stat": "max", "method": "measured", "confidence": "high"},
        {"value": -1, "unit": "MB/s", "stat": "max", "method": "measured", "confidence": "high"},
        {"value": 1, "unit": "MB/s", "stat": "max", "method": "guessed", "confidence": "high"},
    ],
)
def test_a_figure_that_is_none_is_refused_by_its_place(broken: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"\$\.stats\.figures\.write\[0\]"):
        Needs.from_stats({"figures": {"write": [broken]}})


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIGURE_LIKE = st.fixed_dictionaries(
    {
        "value": st.floats() | st.integers() | st.text(max_size=3),
        "unit": st.sampled_from(["MB/s", "GB", "count", "h", "B", ""]) | ANY_JSON,
        "stat": st.sampled_from(["max", "mean", "last"]) | ANY_JSON,
        "method": st.just("measured") | ANY_JSON,
        "confidence": st.just("high") | ANY_JSON,
    }
)


@settings(deadline=None, max_examples=many(200))
@given(
    name=st.sampled_from(["write", "read", "data", "partitions", "topics", "retention", "replicationFactor"]),
    entries=st.lists(FIGURE_LIKE, min_size=1, max_size=3) | ANY_JSON,
    rest=st.dictionaries(st.sampled_from(["features", "serverVersion", "gaps", "host"]), ANY_JSON),
)
def test_statistics_of_any_shape_give_a_recommendation_or_an_error_for_users(
    name: str, entries: Any, rest: dict[str, Any]
) -> None:
    try:
        needs = Needs.from_stats({"figures": {name: entries}, **rest})
        for provider in CATALOGUES:
            document = encode_recommendation(recommend(provider, needs))
            json.dumps(document, allow_nan=False)
    except KafkaMetaError as error:
        assert error.hint


# Several catalogues


def test_a_catalogue_that_cannot_be_compared_spoils_nobody_elses_answer_and_is_told() -> None:
    good, bad = CATALOGUES["redpanda"], CATALOGUES["self-managed"]
    broken = replace(bad.rows[0].limits["diskPerUnit"], unit="furlong")
    bad = replace(bad, rows=tuple(replace(row, limits={**row.limits, "diskPerUnit": broken}) for row in bad.rows))
    needs = Needs.from_flags(peak_traffic=20, disk=500, partitions=800)
    assert survey(needs, [good], "minimal", today=TODAY).complete
    found = survey(needs, [bad, good], "minimal", today=TODAY)
    assert [each.chosen.catalogue.provider for each in found.assessments] == ["redpanda"]
    assert [(each.provider, "furlong" in each.message) for each in found.refused] == [("self-managed", True)]
    assert not found.complete
    document = encode_recommendations(found)
    files.validate(document, "recommendations", called="recommendations")
    assert document["refused"][0]["provider"] == "self-managed"
    with pytest.raises(UsageError, match="furlong"):
        survey(needs, [bad], "minimal", today=TODAY)


def test_a_vendor_who_carries_none_of_it_is_an_answer_and_nobody_at_all_is_none() -> None:
    needs = Needs.from_flags(**{**FORM, "server_version": "3.9.1"})
    assert survey(needs, [CATALOGUES["alibaba"], CATALOGUES["redpanda"]], "minimal", today=TODAY).complete
    assert not survey(needs, [CATALOGUES["alibaba"]], "minimal", today=TODAY).complete


# The document


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("provider", CATALOGUES)
@pytest.mark.parametrize(
    "needs",
    [
        Needs.from_flags(**FORM),
        Needs.from_stats(STATS),
        Needs.from_flags(peak_traffic=0.5),
        Needs.from_flags(peak_traffic=1e6, disk=1e9, partitions=10**7, topics=10**6),
    ],
    ids=["form", "stats", "little", "enormous"],
)
def test_every_recommendation_follows_its_schema_and_survives_json(provider: str, policy: str, needs: Needs) -> None:
    document = encode_recommendation(recommend(provider, needs, policy))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    files.validate(document, "recommendation", called="recommendation")
    used = {constraint["source"] for constraint in document["constraints"]} - {None}
    assert used <= document["sources"].keys()


def test_every_price_line_has_its_date() -> None:
    document = encode_recommendation(recommend("alibaba", Needs.from_flags(**FORM)))
    assert document["currency"] == "CNY"
    assert {line["asOf"] for line in document["recommendation"]["prices"]} == {"2021-06-28"}


# Properties


@settings(deadline=None, max_examples=many(60))
@given(
    provider=st.sampled_from(sorted(CATALOGUES)),
    write=st.floats(0.01, 3000),
    read=st.floats(0.01, 6000),
    data=st.floats(1, 100_000),
    partitions=st.integers(1, 20_000),
    more=st.floats(1, 3),
)
def test_what_is_chosen_carries_everything_and_more_need_never_costs_less(
    provider: str, write: float, read: float, data: float, partitions: int, more: float
) -> None:
    def needs(factor: float) -> Needs:
        return rates(
            write * factor,
            read * factor,
            data=figure(data * factor, "GB"),
            partitions=figure(int(partitions * factor), "count"),
            topics=figure(1, "count"),
            replication_factor=figure(3, "count"),
            average_write=figure(write * factor / 2, "MB/s", stat="mean"),
        )

    found, larger = recommend(provider, needs(1)), recommend(provider, needs(more))
    if found.choice is None:
        assert larger.choice is None
        return
    assert all(constraint.ok is not False for constraint in found.choice.constraints)
    assert all(
        constraint.utilisation is None or constraint.utilisation <= 1 + 1e-6 for constraint in found.choice.constraints
    )
    if larger.choice is not None and found.choice.monthly_price is not None and larger.choice.monthly_price is not None:
        assert larger.choice.monthly_price >= found.choice.monthly_price - 0.01


@settings(deadline=None, max_examples=many(60))
@given(write=st.floats(0.1, 2000), partitions=st.integers(1, 12_000), data=st.floats(1, 100_000))
def test_nothing_that_fits_is_cheaper_than_the_choice(write: float, partitions: int, data: float) -> None:
    needs = rates(write, write, partitions=figure(partitions, "count"), data=figure(data, "GB"))
    found = recommend("alibaba", needs)
    if found.choice is not None:
        price = found.choice.monthly_price
        assert price is not None
        assert all(
            (other.candidate.monthly_price or 0) >= price for other in found.alternatives if other.candidate.fits
        )
