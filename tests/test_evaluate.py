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
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from kafka_meta import report
from kafka_meta.files.schemas import validate
from kafka_meta.render.sizing import bar, recommendation_lines, stats_lines
from kafka_meta.sizing import Needs, as_document, evaluate, shipped

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
    document = answer(cli, *FORM)
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
    assert (document["binding"], document["complete"]) == ("write", True)
    used = {each["name"]: each["utilisation"] for each in document["constraints"]}
    assert used["write"] == 1
    assert used["topics"] == pytest.approx(60 / 100)
    assert used["partitions"] == pytest.approx(800 / 1100, abs=1e-5)


def test_with_the_vendors_headroom_the_next_tier_is_the_answer(cli: Cli) -> None:
    document = answer(cli, *FORM, "--policy", "vendor")
    assert document["recommendation"]["quantities"]["traffic"]["value"] == 30
    (write,) = [each for each in document["constraints"] if each["name"] == "write"]
    assert write["need"] == pytest.approx(26)


def test_both_tiers_are_told_whichever_policy_is_asked_for(cli: Cli) -> None:
    """At the peak itself 20 MB/s are just enough; with the headroom that the vendor advises they are not."""
    for policy, own in (("minimal", 20), ("vendor", 30)):
        document = answer(cli, *FORM, "--policy", policy)
        others = {each["policy"]: each["recommendation"] for each in document["otherPolicies"]}
        traffic = {name: each["quantities"]["traffic"]["value"] for name, each in others.items()}
        assert traffic | {policy: own} == traffic | {"minimal": 20, "vendor": 30} | {policy: own}
        assert policy not in others
    text = cli("evaluate", *FORM).stdout
    assert "vendor   30 % above the peak, as vendors advise: professional, alikafka.hw.3xlarge, CNY 5,135.00" in text


def test_a_source_that_the_forms_vendor_does_not_carry_is_answered_all_the_same(cli: Cli) -> None:
    """Its list of 2021 ends with Kafka 2.2."""
    newer = tuple("3.9.1" if word == "2.2.0" else word for word in FORM)
    document = answer(cli, *newer)
    validate(document, "recommendation", called="evaluate")
    everywhere = answer(cli, *newer, "--provider", "all")["recommendations"]
    prices = {
        each["provider"]: each["recommendation"]["monthlyPrice"]
        for each in everywhere
        if each["recommendation"] is not None and each["recommendation"]["monthlyPrice"] is not None
    }
    assert document["provider"] == min(prices, key=lambda name: prices[name])
    said = [each["reason"] for each in document["warnings"] if each["resource"] == "alibaba"]
    assert any("nearest is alikafka.hw.2xlarge: version: needs 3.9.1, has 2.2.0" in reason for reason in said)
    text = cli("evaluate", *newer).stdout
    assert re.search(r"^  ×  alibaba +nothing carries the needs$", text, re.MULTILINE)
    assert all(re.search(rf"^  \+  {each['provider']} ", text, re.MULTILINE) for each in everywhere[1:])
    named = answer(cli, *newer, "--provider", "alibaba", status=1)
    assert (named["provider"], named["recommendation"]) == ("alibaba", None), "who names a vendor is told of that one"


def test_what_no_vendor_sells_has_to_be_built_and_every_refusal_is_told(cli: Cli) -> None:
    asked = ("--server-version", "9.0", "--peak-traffic", "9000000", "--partitions", "10", "--disk", "10")
    assert answer(cli, *asked)["provider"] == "self-managed"
    text = cli("evaluate", *asked).stdout
    for provider in ("alibaba", "aws-msk", "byteplus", "confluent", "huawei-dms", "redpanda"):
        assert re.search(rf"^  ×  {provider} +nothing carries the needs$", text, re.MULTILINE)
        assert f"  ! {provider}: nothing here carries the needs; nearest is" in text
    assert "nearest is tier-9: write: needs 9,000,000 MB/s, has 2,000 MB/s" in text
    assert cli("evaluate", *asked, "--provider", "redpanda").returncode == 1


def test_the_screen_explains_every_step_with_bars_sources_and_dates(cli: Cli) -> None:
    done = cli("evaluate", *FORM)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (write,) = [line for line in lines if re.search(r"^  \+ write ", line)]
    assert "█" * 20 in write
    assert "100%  20 of 20 MB/s   ← binding" in write
    assert any("disk " in line and "900 GB" in line for line in lines)
    assert any("calibrated on one example" in line for line in lines if line.startswith("  !"))
    assert any("version: needs 2.2.0, has 0.10.2" in line for line in lines), "why the other edition is out"
    assert any("of 2021-06-28, more than a year old" in line for line in lines)
    assert any("next up: alikafka.hw.3xlarge" in line and "848.00 CNY a month more" in line for line in lines)
    assert any("are no longer sold" in line for line in lines), "what the catalogue says of itself"
    assert "\x1b" not in done.stdout


def test_all_vendors_stand_side_by_side_and_each_document_is_whole(cli: Cli) -> None:
    document = answer(cli, *FORM, "--provider", "all")
    validate(document, "recommendations", called="evaluate")
    for each in document["recommendations"]:
        validate(each, "recommendation", called=each["provider"])
    found = [each["provider"] for each in document["recommendations"]]
    assert found == [catalogue.provider for catalogue in shipped()]
    done = cli("evaluate", *FORM, "--provider", "all")
    assert all(re.search(rf"^  \+  {name} ", done.stdout, re.MULTILINE) for name in found)


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "nobody"), "--provider 'nobody' is not known"),
        (("--peak-traffic", "fast"), "--peak-traffic 'fast' is not a number"),
        (("--peak-traffic", "-1"), "--peak-traffic -1.0 is not usable"),
        (("--peak-traffic", "20", "--html", "nowhere/page.html"), "the folder nowhere does not exist"),
        (("--peak-traffic", "20 GB"), "GB cannot be turned into MB/s"),
        (("--partitions", "0"), "--partitions 0"),
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
    assert done.returncode == 0, done.stderr
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
    assert "INCOMPLETE: not known: write, read" in done.stdout
    for words in (
        "write: not known: .*with statistics once there are",
        "read: not known: .*--metrics-url",
        "read: .*--peak-traffic",
    ):
        assert re.search(rf"^  ! {words}", done.stdout, re.MULTILINE), words
    compared = cli("evaluate", "--provider", "all")
    assert compared.returncode == 1
    assert re.search(r"^  ! read: not known: .*--sample 60s", compared.stdout, re.MULTILINE)


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


@pytest.fixture
def page(cli: Cli, tmp_path: Path) -> Path:
    write_file(tmp_path, statistics())
    done = cli("evaluate", "--provider", "aws-msk", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    return tmp_path / "page.html"


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


def test_the_page_has_a_picture_of_rates_topics_brokers_and_utilisation(page: Path) -> None:
    parsed = Page(page.read_text())
    said = [str(attributes["alt"]) for tag, attributes in parsed.tags if tag == "img"]
    for words in ("Need as a share of capacity", "Write rate by hour", "The largest topics", "Partitions over brokers"):
        assert sum(words in each for each in said) == 1, words
    assert any("read rate derived from it: 1.50 ×" in each for each in said)
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
    assert "which ones are offered is not in this catalogue: ask whether 3.9 can be served" in words
    for told in ("SSD 2.0 TB, 1.0 TB free", "61.2 MB/s received, 88.4 MB/s sent", "16"):
        assert told in words
    assert "None" not in words
    assert "Mbit/s" not in words, "what is not known is not there"


def test_a_name_from_a_cluster_cannot_become_markup(cli: Cli, tmp_path: Path) -> None:
    stats = statistics()
    stats["gaps"] = [{"resource": "<img src=x onerror=alert(1)>", "reason": "\x1b[31m\u202eevil"}]
    write_file(tmp_path, stats)
    assert cli("evaluate", "--provider", "aws-msk", "--html", "page.html").returncode == 0
    text = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_without_the_pictures_library_the_way_to_install_it_is_said_before_the_work(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    done = cli("evaluate", *FORM, "--html", "page.html", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert 'pip install "kafka-meta[html]"' in done.stderr
    assert not (tmp_path / "page.html").exists()


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
    document = as_document(evaluate(needs, catalogue, today=date(2026, 11, 21)))
    document["warnings"] = [{"resource": "x\x1b[31m", "reason": "y\u202e"}]
    text = "\n".join(recommendation_lines(document, verbose=False))
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


def test_export_says_what_rates_it_found_and_what_is_missing() -> None:
    lines = stats_lines(statistics())
    assert "write 18.2 MB/s (hourly max)" in lines[0]
    assert "168 hours" in lines[0]
    assert any("quotas: not asked" in line for line in lines)
