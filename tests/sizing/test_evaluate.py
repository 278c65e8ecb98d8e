"""`evaluate` as its users run it, and the page that it writes."""

from __future__ import annotations

import base64
import copy
import json
import re
import shutil
import stat
import struct
import subprocess
import tomllib
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kafka_meta import manual, report
from kafka_meta.cli.commands.evaluate import HTML_NEEDS
from kafka_meta.documents.recommendation import encode_recommendation
from kafka_meta.files.schemas import validate
from kafka_meta.render.sizing import bar, recommendation_lines, stats_lines
from kafka_meta.sizing import Needs, evaluate, shipped
from tests.support.commands import Cli, command_line

Document = dict[str, Any]

FORM = (
    *("--server-version", "2.2.0", "--idc-migration", "yes", "--peak-traffic", "20", "--public-traffic", "20"),
    *("--ssd", "yes", "--disk", "500", "--topics", "60", "--partitions", "800", "--replicas", "3"),
    *("--scenario", "business", "--latency", "normal"),
)
"""The worked example of the vendor's documentation."""


def answer(cli: Cli, *arguments: str, status: int = 0) -> Document:
    done = cli("evaluate", "--output", "json", *arguments)
    assert done.returncode == status, done.stderr
    return dict(json.loads(done.stdout))


# The vendor's own example.


def test_the_vendors_worked_example_comes_out_from_its_forms_answers_alone(cli: Cli) -> None:
    document = answer(cli, *FORM, "--provider", "alibaba", status=1)
    validate(document, "recommendation", called="evaluate")
    bought = {name: each["value"] for name, each in document["recommendation"]["quantities"].items()}
    assert document["recommendation"]["edition"] == "professional"
    assert (
        bought
        | {
            "instanceType": "public/VPC",
            "traffic": 20,
            "diskType": "SSD",
            "disk": 900,
            "topics": 50,
            "serverVersion": "2.2.0",
        }
        == bought
    )
    assert (document["binding"], document["missing"]) == ("write", [])
    used = {each["name"]: each["utilisation"] for each in document["constraints"]}
    assert used["write"] == 1
    assert used["topics"] == pytest.approx(60 / 100)
    assert used["partitions"] == pytest.approx(800 / 1100, abs=1e-5)


def test_with_the_vendors_headroom_the_next_tier_is_the_answer(cli: Cli) -> None:
    document = answer(cli, *FORM, "--provider", "alibaba", "--policy", "vendor", status=1)
    assert document["recommendation"]["quantities"]["traffic"]["value"] == 30
    (write,) = [each for each in document["constraints"] if each["name"] == "write"]
    assert write["need"] == pytest.approx(26)


def test_both_tiers_are_told_whichever_policy_is_asked_for(cli: Cli) -> None:
    """At the peak itself 20 MB/s are just enough; with the headroom that the vendor advises they are not."""
    for policy, own in (("minimal", 20), ("vendor", 30)):
        document = answer(cli, *FORM, "--provider", "alibaba", "--policy", policy, status=1)
        others = {each["policy"]: each["recommendation"] for each in document["otherPolicies"]}
        traffic = {name: each["quantities"]["traffic"]["value"] for name, each in others.items()}
        assert traffic | {policy: own} == traffic | {"minimal": 20, "vendor": 30} | {policy: own}
        assert policy not in others
    text = cli("evaluate", *FORM, "--provider", "Alibaba").stdout
    assert (
        "vendor   30 % above the peak, as vendors advise: Professional Edition (High Write), alikafka.hw.3xlarge, CNY"
        in text
    )


def test_all_vendors_are_the_default_and_who_carries_none_of_it_is_an_answer(cli: Cli) -> None:
    """The price list of the form's vendor is of 2021, and ends with Kafka 2.2."""
    newer = tuple("3.9.1" if word == "2.2.0" else word for word in FORM)
    document = answer(cli, *newer)
    validate(document, "recommendations", called="evaluate")
    assert document == answer(cli, *newer, "--provider", "all")
    assert [each["provider"] for each in document["recommendations"]] == [each.provider for each in shipped()]
    assert document["recommendations"][0]["nearest"]["reasons"] == ["version: needs 3.9.1, has 2.2.0"]
    text = cli("evaluate", *newer).stdout
    said = "Nearest is alikafka.hw.2xlarge: version: needs 3.9.1, has 2.2.0"
    assert re.search(rf"^  ×  alibaba +nothing carries the needs +{said}$", text, re.MULTILINE)
    assert all(re.search(rf"^  \+  {each.provider} ", text, re.MULTILINE) for each in shipped()[1:])
    assert "In USD: aws-msk, 3 × kafka.m7g.large" in text
    named = answer(cli, *newer, "--provider", "alibaba", status=1)
    assert (named["provider"], named["recommendation"]) == ("alibaba", None)


def test_help_names_every_vendor(cli: Cli) -> None:
    text = " ".join(cli("evaluate", "--help").stdout.split())
    assert ", ".join(catalogue.provider for catalogue in shipped()) in text


def test_vendors_are_named_in_any_case_and_several_with_commas(cli: Cli) -> None:
    document = answer(cli, *FORM, "--provider", "Redpanda, AWS-MSK")
    assert [each["provider"] for each in document["recommendations"]] == ["aws-msk", "redpanda"]
    assert answer(cli, *FORM, "--provider", "ALIBABA", status=1)["provider"] == "alibaba"


def test_what_no_vendor_sells_has_to_be_built_and_every_refusal_is_told(cli: Cli) -> None:
    asked = ("--server-version", "9.0", "--peak-traffic", "9000000", "--partitions", "10", "--disk", "10")
    documents = answer(cli, *asked)["recommendations"]
    carried = {each["provider"] for each in documents if each["recommendation"] is not None}
    assert "self-managed" in carried
    text = cli("evaluate", *asked).stdout
    for provider in ("alibaba", "aws-msk", "byteplus", "confluent", "huawei-dms", "redpanda"):
        assert re.search(rf"^  ×  {provider} +nothing carries the needs +Nearest is ", text, re.MULTILINE)
    assert "Nearest is tier-9: write: needs 9,000,000 MB/s, has 2,000 MB/s" in text
    assert cli("evaluate", *asked, "--provider", "redpanda").returncode == 1


MONEY = ("--peak-traffic", "20", "--disk", "1300", "--topics", "60", "--partitions", "800")


def test_an_incomplete_price_is_not_called_the_cheapest(cli: Cli) -> None:
    """Express brokers bill what is written, and nobody said how much that is."""
    done = cli("evaluate", *MONEY, "--provider", "aws-msk")
    assert "Buy 3 × kafka.m7g.large (Standard brokers)" in done.stdout
    assert "3 × express.m7g.large may cost less or more" in done.stdout
    assert "INCOMPLETE: not known: average write (give --average-traffic)\n" in done.stdout
    assert "costs less." not in done.stdout
    assert done.returncode == 1
    assert not re.search(r"express.*(?:costs [0-9.,]+ USD a month (?:more|less)|costs the same)", done.stdout)
    known = cli("evaluate", *MONEY, "--average-traffic", "10", "--provider", "aws-msk")
    assert known.returncode == 0
    assert "None of the other 21 that carry the needs and have a price costs less." in known.stdout
    assert "Not compared, because this catalogue has no price of it: serverless." in known.stdout


def test_what_is_asked_for_and_has_no_price_beside_other_prices_makes_the_answer_incomplete(
    cli: Cli, tmp_path: Path
) -> None:
    item = "public traffic (billed by the price list of elastic IP addresses)"
    asked = (*MONEY, "--provider", "alibaba")
    document = answer(cli, *asked, "--public-traffic", "20", status=1)
    assert (document["complete"], document["missing"], document["unpriced"]) == (False, [], [item])
    done = cli("evaluate", *asked, "--public-traffic", "20", "--html", "page.html")
    told = f"not known: price of {item} (give --catalog)"
    assert f"INCOMPLETE: {told}\n" in done.stdout
    assert f"incomplete, {told}" in " ".join(Page((tmp_path / "page.html").read_text()).words)
    several = cli("evaluate", *MONEY, "--public-traffic", "20", "--provider", "alibaba,redpanda")
    assert several.returncode == 1
    assert re.search(r"^  \?  alibaba ", several.stdout, re.MULTILINE)
    assert f"  ! price: it does not include {item}\n" in several.stdout
    assert answer(cli, *asked)["unpriced"] == [], "nobody has asked for public traffic"


@pytest.mark.parametrize("provider", ["confluent", "byteplus"])
def test_a_catalogue_without_any_price_gives_a_complete_answer_by_size(provider: str, cli: Cli) -> None:
    document = answer(cli, *MONEY, "--partitions", "3000", "--provider", provider)
    assert (document["chosenBy"], document["complete"], document["unpriced"]) == ("size", True, [])


def test_a_size_that_is_not_known_is_said_to_be_the_least(cli: Cli) -> None:
    done = cli("evaluate", "--peak-traffic", "20", "--partitions", "800", "--provider", "aws-msk")
    assert done.returncode == 1
    assert "  Buy at least 3 × kafka.m7g.large (Standard brokers): USD 446.76 and more a month." in done.stdout
    assert "  Which one costs least depends on what is not known." in done.stdout
    assert "standard," not in done.stdout, "editions have titles"


def test_side_by_side_one_incomplete_answer_makes_the_whole_incomplete(cli: Cli) -> None:
    """Only Redpanda does not bill by the disk."""
    asked = ("--peak-traffic", "20", "--partitions", "800", "--average-traffic", "10")
    assert answer(cli, *asked, "--provider", "redpanda")["complete"] is True
    document = answer(cli, *asked, "--provider", "redpanda,byteplus", status=1)
    assert document["complete"] is False
    text = cli("evaluate", *asked, "--provider", "redpanda,byteplus").stdout
    assert re.search(r"^  \?  byteplus ", text, re.MULTILINE)
    assert re.search(r"^  ! data: not known, but the size depends on it.*give --disk$", text, re.MULTILINE)


def test_the_screen_explains_every_step_with_bars_sources_and_dates(cli: Cli) -> None:
    done = cli("evaluate", *FORM, "--provider", "alibaba")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    (write,) = [line for line in lines if re.search(r"^  \+ write ", line)]
    assert "█" * 20 in write
    assert "100%  20 of 20 MB/s   ← used most" in write
    (buy,) = [line for line in lines if line.startswith("  Buy ")]
    assert "alikafka.hw.2xlarge (Professional Edition (High Write)) with 900 GB of SSD, 50 topics and server" in buy
    assert any("900 GB × 100 for each 100 GB" in line for line in lines), "9 × 100, and not 900 × 100"
    assert any("disk " in line and "900 GB" in line for line in lines)
    assert any("calibrated on one example" in line for line in lines if line.startswith("  !"))
    assert any("version: needs 2.2.0, has 0.10.2" in line for line in lines), "why the other edition is out"
    assert any("it is of 2021-06-28, more than a year old" in line for line in lines)
    assert any(
        "next up: Professional Edition (High Write), alikafka.hw.3xlarge" in line and "848.00 CNY a month more" in line
        for line in lines
    )
    assert any("are no longer sold" in line for line in lines), "what the catalogue says of itself"
    assert "\x1b" not in done.stdout


def test_all_vendors_stand_side_by_side_and_each_document_is_whole(cli: Cli) -> None:
    document = answer(cli, *FORM, "--provider", "all", status=1)
    validate(document, "recommendations", called="evaluate")
    for each in document["recommendations"]:
        validate(each, "recommendation", called=each["provider"])
    found = [each["provider"] for each in document["recommendations"]]
    assert found == [catalogue.provider for catalogue in shipped()]
    done = cli("evaluate", *FORM, "--provider", "all")
    marks = {name: "?" if name == "alibaba" else "+" for name in found}  # which does not price public traffic
    assert {name: mark for mark, name in re.findall(r"^  ([+?])  (\S+) ", done.stdout, re.MULTILINE)} == marks


def test_ones_own_prices_count(cli: Cli, tmp_path: Path) -> None:
    own = json.loads((Path(report.__file__).parent / "sizing" / "catalog" / "redpanda.json").read_text())
    own["provider"], own["title"] = "ours", "Our own cloud"
    (tmp_path / "ours.json").write_text(json.dumps(own))
    assert answer(cli, *FORM, "--catalog", "ours.json")["provider"] == "ours"
    broken = copy.deepcopy(own)
    del broken["sources"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    done = cli("evaluate", *FORM, "--catalog", "broken.json")
    assert (done.returncode, "sources missing" in done.stderr) == (2, True)
    own["rows"][0]["prices"] = [{"item": "x", "amount": 1, "quantity": "units", "source": "tiers-2026-07"}]
    (tmp_path / "priced.json").write_text(json.dumps(own))
    done = cli("evaluate", *FORM, "--catalog", "priced.json")
    assert done.returncode == 2
    assert "priced.json: $.currency is null, but $.rows[0].prices[0].amount is 1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--peak-traffic", "20", "--provider", "nobody"), "--provider 'nobody' is not known"),
        (("--provider", " , "), "--provider ' , ' names no vendor"),
        (("--peak-traffic", "fast"), "--peak-traffic 'fast': expected bytes a second, such as 500kB/s, 50MB/s"),
        (("--peak-traffic", "-1"), "--peak-traffic '-1': expected bytes a second"),
        (("--disk", "9 hours"), "--disk '9 hours': expected a size, such as 500000, 128MB, 2TB"),
        (("--peak-traffic", "20", "--html", "nowhere/page.html"), "the folder nowhere does not exist"),
        (("--disk", "20 GB/s"), "--disk '20 GB/s': expected a size"),
        (("--partitions", "0"), "--partitions 0 cannot be used: expected more than 0"),
        (("--partitions", "many"), "--partitions 'many': expected a whole number, such as 800 or 1e3"),
        (("--topics", "1.5"), "--topics '1.5': expected a whole number"),
        (("--policy", "wishful"), "--policy 'wishful' is not known"),
        (("--peak-traffic", "5", "--average-traffic", "6"), "--average-traffic 6 MB/s is more than --peak-traffic 5"),
        (("--scenario", "poetry"), "--scenario 'poetry' is not known"),
        (("--fileName", "nowhere.json"), "nowhere.json"),
        ((), "no metadata file is here"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_reckoned(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    done = cli("evaluate", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("typed", "write", "data"),
    [
        (("--peak-traffic", "20MB", "--disk", "2TB"), 20, 2000),
        (("--peak-traffic", "160Mbit/s", "--disk", ".5tb"), 20, 500),
        (("--peak-traffic", "2e1", "--disk", "1e3"), 20, 1000),
    ],
)
def test_amounts_are_taken_as_people_write_them(cli: Cli, typed: tuple[str, ...], write: float, data: float) -> None:
    document = answer(cli, *typed, "--partitions", "800", "--provider", "redpanda")
    assert document["needs"]["write"]["value"] == pytest.approx(write)
    assert document["needs"]["data"]["value"] == pytest.approx(data)


def test_units_of_the_form_are_converted(cli: Cli) -> None:
    document = answer(
        cli, "--peak-traffic", "20MiB/s", "--disk", "500GiB", "--partitions", "800", "--provider", "redpanda"
    )
    assert document["needs"]["write"]["value"] == pytest.approx(20.971520)
    assert document["needs"]["data"]["value"] == pytest.approx(536.870912)


# From a file.


def metadata(stats: Document | None) -> Document:
    return {
        "kind": "kafka-metadata",
        "schemaVersion": "1.0",
        "createdAt": "2026-11-21T00:00:00Z",
        "cluster": {"id": "c", "version": "3.9"},
        "topics": [
            {
                "name": "orders",
                "partitions": [
                    {"partition": n, "leader": 1, "replicas": [1, 2, 3], "sizeBytes": 10**9} for n in range(12)
                ],
                "configs": {},
            }
        ],
        "groups": [],
        "gaps": [],
        "stats": stats,
    }


def figure(value: float, unit: str, stat_: str, **how: Any) -> Document:
    told = {"value": value, "unit": unit, "stat": stat_, "window": None, "method": "measured", "confidence": "medium"}
    return told | how


def statistics() -> Document:
    """Of a week: days and nights, a weekend, a burst."""
    hours = []
    for number in range(168):
        day, hour = divmod(number, 24)
        rate = 4 + 9 * max(0.0, 1 - abs(hour - 14) / 8) * (0.4 if day in (2, 3) else 1) + (6 if number == 110 else 0)
        start = f"2026-11-{14 + day}T{hour:02}:00:00Z"
        hours.append({"start": start, "write": round(rate, 3), "messages": round(rate * 900)})
    names = ["orders", "payments.settled", "clicks", "customers", "audit-log", "telemetry.devices.v2", "<b>bold</b>$x$"]
    week = "2026-11-14T00:00:00Z/2026-11-21T00:00:00Z"
    return {
        "collectedAt": "2026-11-21T00:00:00Z",
        "figures": {
            "write": [
                figure(18.2, "MB/s", "hourly max", window=week, method="derived"),
                figure(6.5, "MB/s", "mean", window=week, method="derived"),
                figure(6.0, "MB/s", "mean", window="PT60S"),
            ],
            "read": [
                figure(9.0, "MB/s", "mean", window="PT60S"),
                figure(27.3, "MB/s", "hourly max", window=week, method="derived", confidence="low"),
            ],
            "data": [figure(12 * 10**9, "B", "total", confidence="high")],
            "topics": [figure(7, "count", "last")],
            "partitions": [figure(120, "count", "last")],
            "replicas": [figure(360, "count", "last")],
            "replicationFactor": [figure(3, "count", "last")],
            "retention": [figure(604_800_000, "ms", "max")],
        },
        "serverVersion": "3.9",
        "features": {"compaction": True, "transactions": False},
        "hours": hours,
        "largestTopics": [
            {
                "topic": name,
                "partitions": 12,
                "sizeBytes": 12 * 10**9 // 2**place,
                "flags": ["compacted"] if place == 3 else [],
            }
            for place, name in enumerate(names)
        ],
        "brokers": [{"id": id, "leaders": 40, "replicas": 120} for id in (1, 2, 3)],
        "gaps": [{"resource": "quotas", "reason": "not asked"}],
    }


def write_file(folder: Path, stats: Document | None) -> str:
    (folder / "metadata.json").write_text(json.dumps(metadata(stats)))
    return "metadata.json"


def test_statistics_of_the_file_are_the_needs_and_flags_count_more(cli: Cli, tmp_path: Path) -> None:
    write_file(tmp_path, statistics())
    measured = answer(cli, "--provider", "aws-msk")
    assert measured["needs"]["write"] | {"value": 18.2, "method": "derived"} == measured["needs"]["write"]
    assert measured["needs"]["features"]["compaction"] is True
    declared = answer(cli, "--provider", "aws-msk", "--partitions", "900", "--fileName", "metadata.json")
    assert declared["needs"]["partitions"] | {"value": 900, "method": "declared"} == declared["needs"]["partitions"]
    assert declared["needs"]["write"] == measured["needs"]["write"]


def test_what_could_not_be_measured_is_no_gap_where_it_is_declared(cli: Cli, tmp_path: Path) -> None:
    stats = statistics()
    del stats["figures"]["read"]
    stats["gaps"] = [{"resource": "read", "reason": "nobody knows"}]
    write_file(tmp_path, stats)
    measured = answer(cli, "--provider", "redpanda", status=1)
    assert "nobody knows" in json.dumps(measured["warnings"])
    declared = answer(cli, "--provider", "redpanda", "--fileName", "metadata.json", "--peak-traffic", "30")
    assert "nobody knows" not in json.dumps(declared["warnings"])


def test_answers_alone_are_not_mixed_with_a_file_that_happens_to_be_here(cli: Cli, tmp_path: Path) -> None:
    write_file(tmp_path, statistics())
    done = cli("evaluate", *FORM)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("the answers given\n")
    assert "metadata.json is not read" in done.stderr


def test_a_file_without_statistics_is_sized_by_what_it_holds_and_marked_incomplete(cli: Cli, tmp_path: Path) -> None:
    write_file(tmp_path, None)
    document = answer(cli, "--provider", "redpanda", status=1)
    assert document["needs"]["partitions"]["value"] == 12
    assert document["needs"]["data"]["value"] == 12
    assert document["needs"]["write"] is None
    assert (document["complete"], set(document["missing"])) == (False, {"write", "read"})
    done = cli("evaluate", "--provider", "redpanda")
    assert "INCOMPLETE: not known: write (give --peak-traffic); read (give --peak-traffic)\n" in done.stdout
    for words in (
        "write: not known.*with statistics once there are",
        "read: not known.*--metrics-url",
        "read: .*--peak-traffic",
    ):
        assert re.search(rf"^  ! {words}", done.stdout, re.MULTILINE), words
    compared = cli("evaluate", "--provider", "all")
    assert compared.returncode == 1
    assert re.search(r"^  ! read: not known.*--sample 60s", compared.stdout, re.MULTILINE)


def test_statistics_that_do_not_follow_their_schema_are_refused_by_place(cli: Cli, tmp_path: Path) -> None:
    stats = statistics()
    stats["figures"]["write"][0]["value"] = -1
    write_file(tmp_path, stats)
    done = cli("evaluate")
    assert done.returncode == 2
    assert "stats: $.figures.write[0].value: -1 is less than 0" in done.stderr


# The page.


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def pictures(self) -> list[str]:
        sources = [str(attributes["src"]) for tag, attributes in self.tags if tag == "img"]
        assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
        return [base64.b64decode(source.partition(",")[2]).decode() for source in sources]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_file(folder, statistics())
    done = command_line(folder)("evaluate", "--provider", "aws-msk", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


def test_the_page_is_private_and_needs_nothing_from_anywhere(page: Path) -> None:
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    text = page.read_text()
    parsed = Page(text)
    loaded = [(t, a) for t, a in parsed.tags if t in ("script", "link", "iframe", "object", "a") or "onload" in a]
    assert loaded == []
    assert not re.search(r"url\(|@import", text)
    for picture in parsed.pictures():
        links = re.findall(r'(?:href|src)="([^"]*)"', picture)
        assert all(link.startswith("#") for link in links), "pictures point into themselves only"
        assert "<script" not in picture


def test_the_page_has_a_picture_of_rates_topics_and_brokers_and_a_bar_for_every_limit(page: Path) -> None:
    parsed = Page(page.read_text())
    said = [str(attributes["alt"]) for tag, attributes in parsed.tags if tag == "img"]
    for words in ("Write rate by hour", "The largest topics", "Partitions over brokers"):
        assert sum(words in each for each in said) == 1, words
    assert any("read rate derived from it: 1.50 ×" in each for each in said)
    shares = [attributes["style"] for tag, attributes in parsed.tags if tag == "i"]
    assert len(shares) >= 4
    assert all(re.fullmatch(r"width:[0-9.]+%", str(share)) for share in shares)
    pictures = "".join(parsed.pictures())
    assert ">payments.settled<" in pictures
    # Behind the comment in which matplotlib repeats each text.
    assert re.search(r"<text [^>]*>&lt;b&gt;bold&lt;/b&gt;\$x\$</text>", pictures), "neither markup nor formulas"
    words = " ".join(parsed.words)
    assert "USD" in words
    assert "Under other policies" in words
    assert ">hour, UTC<" in pictures
    assert ">MB/s<" in pictures
    assert "quotas" in words


def test_the_page_of_a_source_that_the_forms_vendor_does_not_carry_shows_all_vendors(cli: Cli, tmp_path: Path) -> None:
    stats = statistics()
    stats["host"] = {
        "cores": 16,
        "memoryBytes": 64 * 2**30,
        "volumes": [{"path": "/data", "totalBytes": 2 * 10**12, "usableBytes": 10**12, "ssd": True}],
        "networkMbps": None,
        "history": {
            "tool": "sysstat",
            "from": "2026-11-14T00:00:00Z",
            "to": "2026-11-21T00:00:00Z",
            "receivedMaxMBps": 61.2,
            "sentMaxMBps": 88.4,
            "cpuBusyMaxPercent": None,
        },
    }
    write_file(tmp_path, stats)
    done = cli("evaluate", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    words = " ".join(Page((tmp_path / "page.html").read_text()).words)
    for catalogue in shipped():
        assert catalogue.title in words
    assert "nothing carries the needs" in words
    assert words.count("version: needs 3.9, has 2.2.0") > 1, "in the table and below"
    assert "which versions are offered is not in this catalogue: ask whether 3.9 can be served" in words
    for told in ("SSD 2.0 TB, 1.0 TB free", "61.2 MB/s received, 88.4 MB/s sent", "16"):
        assert told in words
    assert "None" not in words.replace("None of the other", "")
    assert "Mbit/s" not in words, "what is not known is not there"


def drawn_read_line(picture: str) -> list[str]:
    """The strokes of the line for reading; each M begins a new one."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*stroke: #d9822b', picture)
    path = max(paths, key=len)  # the legend has a short one
    return [stroke for stroke in re.split(r"(?=M)", path.strip()) if stroke.strip()]


@pytest.mark.parametrize(("unknown", "strokes"), [((), 1), ((50,), 2), ((50, 51, 52, 90), 3)])
def test_no_line_is_drawn_over_hours_that_nobody_knows(unknown: tuple[int, ...], strokes: int) -> None:
    stats = statistics()
    stats["hours"] = [hour for number, hour in enumerate(stats["hours"]) if number not in unknown]
    stats |= {"largestTopics": [], "brokers": []}  # one picture, and not three
    text = report.page([], [], stats, subject="s", created="c")
    (picture,) = [each for each in Page(text).pictures() if ">hour, UTC<" in each]
    assert len(drawn_read_line(picture)) == strokes
    assert (f"{len(unknown)} hour" in text) is bool(unknown)


def test_the_page_says_in_words_what_the_screen_says(cli: Cli, tmp_path: Path) -> None:
    done = cli("evaluate", *FORM, "--provider", "alibaba", "--policy", "vendor", "--html", "page.html")
    assert done.returncode == 1, done.stderr
    words = " ".join(Page((tmp_path / "page.html").read_text()).words)
    assert "Buy alikafka.hw.3xlarge (Professional Edition (High Write)) with 900 GB of SSD" in words
    assert "900 GB × 100 for each 100 GB" in words
    assert "The next cheaper one, alikafka.hw.2xlarge, is not enough: write: needs 26 MB/s, has 20 MB/s" in words
    for key in ("serverVersion", "publicTraffic", "instanceType", "diskType", "extraTopics", "idcMigration"):
        assert key not in words
    sentences = [
        line.strip() for line in done.stdout.splitlines() if re.match("  (Buy|Not in|None of|The|This) ", line)
    ]
    assert len(sentences) == 6
    assert all(sentence in words for sentence in sentences)


def test_a_catalogue_that_cannot_be_compared_is_on_the_page_with_its_reason() -> None:
    text = report.page([], [{"provider": "ours", "message": "$.rows[0]: no <good>"}], None, subject="s", created="c")
    assert "ours" in text
    assert "$.rows[0]: no &lt;good&gt;" in text


@pytest.mark.parametrize("how", ["metadata.json", "./metadata.json", "../{folder}/metadata.json", "soft", "hard"])
def test_a_page_is_never_written_over_its_input(cli: Cli, tmp_path: Path, how: str) -> None:
    name = write_file(tmp_path, statistics())
    before = (tmp_path / name).read_bytes()
    (tmp_path / "soft").symlink_to(tmp_path / name)
    (tmp_path / "hard").hardlink_to(tmp_path / name)
    for named in (("--fileName", name), ()):
        done = cli("evaluate", *named, "--html", how.format(folder=tmp_path.name))
        assert (done.returncode, done.stdout) == (2, "")
        assert "is the metadata file" in done.stderr
    assert (tmp_path / name).read_bytes() == before


def test_a_page_is_never_written_over_ones_own_catalogue(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "ours.json").write_text("not read, because it is looked at first")
    done = cli("evaluate", *FORM, "--catalog", "ours.json", "--html", "ours.json")
    assert (done.returncode, "ours.json is the file of --catalog" in done.stderr) == (2, True)


def test_a_name_from_a_cluster_cannot_become_markup(cli: Cli, tmp_path: Path) -> None:
    stats = statistics()
    stats["gaps"] = [{"resource": "<img src=x onerror=alert(1)>", "reason": "\x1b[31m\u202eevil"}]
    stats |= {"hours": [], "brokers": []}
    stats["largestTopics"][0]["topic"] = "<img src=x onerror=alert(2)>"
    write_file(tmp_path, stats)
    assert cli("evaluate", "--provider", "aws-msk", "--html", "page.html").returncode == 0
    text = (tmp_path / "page.html").read_text()
    assert "onerror=alert(1)" in text and "evil" in text, "it is told"
    parsed = Page(text)
    assert all("alert" not in str(attributes) or tag == "img" for tag, attributes in parsed.tags)
    assert len(parsed.pictures()) == 1 and "onerror=alert(2)" in parsed.pictures()[0]
    for each in (text, *parsed.pictures()):
        assert "<img src=x" not in each
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_without_the_pictures_library_the_way_to_install_it_is_said_before_the_work(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    done = cli("evaluate", *FORM, "--html", "page.html", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == f"kafka-meta: {HTML_NEEDS}\n"
    assert not (tmp_path / "page.html").exists()


def test_what_pages_need_is_said_in_one_sentence_everywhere(cli: Cli) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (needed,) = project["optional-dependencies"]["html"]
    assert f'--html needs matplotlib: pip install "{needed}"' == HTML_NEEDS
    for text in (cli("evaluate", "--help").stdout, manual.page("sizing").text.replace("`", "")):
        assert HTML_NEEDS in " ".join(text.split())


def browser() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pixels(png: Path) -> tuple[int, int]:
    """Width and height, from the header."""
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return int(width), int(height)


@pytest.mark.long
@pytest.mark.skipif(browser() is None, reason="NOT CHECKED: no chromium on the PATH, so the page was never looked at")
def test_a_real_browser_shows_the_page_and_prints_it(page: Path, tmp_path: Path) -> None:
    """What it drew is compared with what it draws without the pictures: they must be seen, not only be there."""
    command = [
        str(browser()),
        *(
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}",
        ),
    ]

    def shoot(source: Path, name: str) -> Path:
        target = tmp_path / name
        subprocess.run(
            [*command, "--window-size=1000,3600", f"--screenshot={target}", source.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return target

    shown = shoot(page, "page.png")
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r'src="data:[^"]*"', 'src="data:,"', page.read_text()))
    assert pixels(shown) == (1000, 3600)
    assert shown.stat().st_size > shoot(bare, "bare.png").stat().st_size + 20_000
    measured = tmp_path / "measured.html"
    script = "<script>document.title = 'wide ' + document.documentElement.scrollWidth</script></body>"
    measured.write_text(re.sub(r"<meta http-equiv[^>]*>", "", page.read_text()).replace("</body>", script))
    dumped = subprocess.run(
        [*command, "--window-size=500,900", "--dump-dom", measured.as_uri()],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    (width,) = re.findall(r"<title>wide (\d+)</title>", dumped.stdout)
    assert int(width) <= 500, "nothing is cut off on a narrow screen"
    printed = tmp_path / "page.pdf"
    subprocess.run([*command, f"--print-to-pdf={printed}", page.as_uri()], check=True, capture_output=True, timeout=120)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 2 <= pages <= 8


# Lines.


def test_a_bar_is_as_full_as_its_share() -> None:
    assert bar(0) == " " * 20
    assert bar(0.5) == "█" * 10 + " " * 10
    assert bar(1) == bar(7.3) == "█" * 20
    assert bar(0.53, width=10) == "█████▎    "
    assert bar(None) == "·" * 20


def test_lines_of_a_recommendation_show_control_characters_of_names() -> None:
    (catalogue,) = [each for each in shipped() if each.provider == "redpanda"]
    needs = Needs.from_flags(peak_traffic=20, disk=500, partitions=800)
    document = encode_recommendation(evaluate(needs, catalogue, today=date(2026, 11, 21)))
    document["warnings"] = [{"resource": "x\x1b[31m", "reason": "y\u202e"}]
    text = "\n".join(recommendation_lines(document, verbose=False))
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


def test_export_says_what_rates_it_found_and_what_is_missing() -> None:
    lines = stats_lines(statistics())
    assert "write 18.2 MB/s (hourly max)" in lines[0]
    assert "168 hours" in lines[0]
    assert any("quotas: not asked" in line for line in lines)
