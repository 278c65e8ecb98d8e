"""What a destination has to carry: figures with where each came from. Unknown is None, never 0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from kafka_meta.errors import UsageError
from kafka_meta.model import Remark, Resource, camel
from kafka_meta.quantities import convert

Method: TypeAlias = Literal["measured", "derived", "declared", "default"]
Confidence: TypeAlias = Literal["high", "medium", "low"]

MOST = 1e15
"""More of anything than any cluster has; keeps every product of two figures a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and where it comes from. `stat` says what of the values in `window` it is: max, hourly max,
    mean, p50, p95, p99, last, total; `window` is an ISO 8601 duration or interval, None when it does not apply."""

    value: float
    unit: str
    stat: str = "last"
    window: str | None = None
    method: Method
    confidence: Confidence

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MOST:
            hint = f"Expected a number from 0 to {MOST:.0e}."
            raise UsageError(f"{self.value} {self.unit} is not a figure", hint)

    def __str__(self) -> str:
        return f"{self.value:,.6g} {self.unit}" if self.unit != "count" else f"{self.value:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Something known that is not a number."""

    value: str
    method: Method


FEATURES = ("compaction", "transactions", "idempotence", "acls", "scram")

NEED_UNITS: Mapping[str, str] = {
    "write": "MB/s",
    "read": "MB/s",
    "average_write": "MB/s",
    "public_traffic": "MB/s",
    "messages": "1/s",
    "largest_message": "MB",
    "data": "GB",
    "data_replicated": "GB",
    "data_retained": "GB",
    "topics": "count",
    "partitions": "count",
    "compacted_partitions": "count",
    "replicas": "count",
    "replication_factor": "count",
    "groups": "count",
    "connections": "count",
    "acls": "count",
    "retention": "h",
    "unlimited_retention_topics": "count",
}
_PEAKS = ("write", "read", "public_traffic", "messages", "connections", "largest_message", "retention")
PEAK_STATS = ("max", "hourly max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Traffic is what clients send and receive, before replication; `data` is one copy of it."""

    write: Figure | None = None
    """Highest rate of writing, MB/s."""
    read: Figure | None = None
    """Highest rate of reading by all consumers together, MB/s; followers are not consumers."""
    average_write: Figure | None = None
    public_traffic: Figure | None = None
    messages: Figure | None = None
    largest_message: Figure | None = None
    data: Figure | None = None
    data_replicated: Figure | None = None
    data_retained: Figure | None = None
    """What every topic holds at its average rate once its own retention has passed, one copy."""
    topics: Figure | None = None
    partitions: Figure | None = None
    """Before replication; `replicas` counts each copy."""
    compacted_partitions: Figure | None = None
    replicas: Figure | None = None
    replication_factor: Figure | None = None
    groups: Figure | None = None
    connections: Figure | None = None
    acls: Figure | None = None
    retention: Figure | None = None
    """The longest of any topic, hours."""
    unlimited_retention_topics: Figure | None = None
    server_version: Word | None = None
    ssd: Word | None = None
    """"yes" or "no"."""
    scenario: Word | None = None
    """"business" or "bigdata"."""
    latency: Word | None = None
    """"normal" or "low"."""
    idc_migration: Word | None = None
    """"yes" or "no"; no published rule uses it."""
    features: Mapping[str, bool | None] | None = None
    """Which of `FEATURES` are in use; None for one that could not be told."""
    gaps: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        for name, unit in NEED_UNITS.items():
            figure: Figure | None = getattr(self, name)
            if figure is not None and figure.unit != unit:
                raise ValueError(f"{name} is in {figure.unit}, expected {unit}")

    @classmethod
    def from_flags(
        cls,
        *,
        server_version: str | None = None,
        idc_migration: bool | None = None,
        peak_traffic: float | None = None,
        average_traffic: float | None = None,
        public_traffic: float | None = None,
        ssd: bool | None = None,
        disk: float | None = None,
        topics: int | None = None,
        partitions: int | None = None,
        replicas: int | None = None,
        scenario: str | None = None,
        latency: str | None = None,
    ) -> Needs:
        """The answers to the vendor's form, and the average rate of writing, which the form does not ask: traffic in
        MB/s, `disk` in GB to be stored once, `replicas` a partition. The form has one peak: the larger of reading and
        writing, so it stands for both. Raises UsageError naming the flag."""
        if server_version is not None and version_line(server_version) is None:
            raise UsageError(
                f"--server-version {server_version!r} is not a version", "Give e.g. 2.2.0, 2.x.x or <0.10."
            )
        for flag, word, words in (
            ("--scenario", scenario, ("business", "bigdata")),
            ("--latency", latency, ("normal", "low")),
        ):
            if word is not None and word not in words:
                raise UsageError(f"{flag} {word!r} is not known", f"Give {' or '.join(words)}.")
        peak = _declared("--peak-traffic", peak_traffic, "MB/s", "max")
        if peak_traffic is not None and average_traffic is not None and average_traffic > peak_traffic:
            raise UsageError(
                f"--average-traffic {average_traffic:g} MB/s is more than --peak-traffic {peak_traffic:g} MB/s",
                "An average cannot be more than the peak.",
            )
        return cls(
            write=peak,
            read=peak,
            average_write=_declared("--average-traffic", average_traffic, "MB/s", "mean"),
            public_traffic=_declared("--public-traffic", public_traffic, "MB/s", "max", least=0),
            data=_declared("--disk", disk, "GB", "last"),
            topics=_declared("--topics", topics, "count", "last"),
            partitions=_declared("--partitions", partitions, "count", "last"),
            replication_factor=_declared("--replicas", replicas, "count", "last"),
            server_version=_word(server_version),
            ssd=_word(ssd),
            scenario=_word(scenario),
            latency=_word(latency),
            idc_migration=_word(idc_migration),
        )

    @classmethod
    def from_stats(cls, stats: Mapping[str, Any]) -> Needs:
        """`stats` of a metadata file (schemas/stats.schema.json). Of several figures of one thing a peak is
        the highest one, any other the one that deserves most confidence. Raises UsageError by JSON path."""
        figures = stats.get("figures") or {}
        if not isinstance(figures, Mapping):
            raise UsageError("$.stats.figures is not an object", "Export again with --evaluate.")
        known: dict[str, Any] = {}
        for name, unit in NEED_UNITS.items():
            source = "write" if name == "average_write" else camel(name)
            entries = _figures(f"$.stats.figures.{source}", figures.get(source), unit)
            if name == "average_write":
                entries = [figure for figure in entries if figure.stat == "mean"]
            elif name in ("write", "read", "messages"):
                entries = [figure for figure in entries if figure.stat in PEAK_STATS]
            if entries:
                known[name] = (
                    max(entries, key=lambda figure: figure.value) if name in _PEAKS else max(entries, key=_trust)
                )
        features, version, gaps = stats.get("features"), stats.get("serverVersion"), stats.get("gaps") or ()
        try:
            remarks = tuple(Remark(resource=Resource(str(gap["resource"])), reason=str(gap["reason"])) for gap in gaps)
        except (KeyError, TypeError) as error:
            raise UsageError("$.stats.gaps is not a list of remarks", "Expected resource and reason.") from error
        return cls(
            **known,
            server_version=Word(value=version, method="measured") if isinstance(version, str) else None,
            ssd=_ssd(stats.get("host")),
            features=_features(features) if isinstance(features, Mapping) else None,
            gaps=remarks,
        )

    def over(self, base: Needs) -> Needs:
        """What is known here, else what `base` knows; a figure of `base` that a new one makes untrue is dropped."""
        own = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) not in (None, ())
        }
        stale: dict[str, Any] = {}
        if own.keys() & {"partitions", "replication_factor"} and "replicas" not in own:
            stale["replicas"] = None
        if own.keys() & {"data", "replication_factor"} and "data_replicated" not in own:
            stale["data_replicated"] = None
        if "average_write" in own and "data_retained" not in own:
            stale["data_retained"] = None
        if stale.keys() - {"data_retained"} and "data" not in own and base.data is None:
            own["data"] = base.held  # the copies are counted with the factor that they were measured with
        if own.get("data", ...) is None:
            del own["data"]
        # What could not be measured is no gap where it was declared.
        own.setdefault("gaps", tuple(gap for gap in base.gaps if gap.resource.kind not in own))
        return replace(base, **stale, **own)

    @property
    def held(self) -> Figure | None:
        """One copy of the data that is there now: as given, else copies ÷ replication factor. Topics that are empty now
        say nothing of what they will hold."""
        if self.data is not None and self.data.value > 0:
            return self.data
        if (
            self.data_replicated is not None
            and self.data_replicated.value > 0
            and self.replication_factor is not None
            and self.replication_factor.value > 0
        ):
            return replace(
                self.data_replicated, value=self.data_replicated.value / self.replication_factor.value, method="derived"
            )
        return None

    @property
    def stored(self) -> Figure | None:
        """One copy of the data that the destination has to hold: what was declared, else the larger of what is there
        now and what will be there once retention has passed."""
        if self.data_is_declared:
            return self.held
        figures = [self.held, None if self.retention_is_unlimited else self.retained]
        return max((each for each in figures if each is not None), key=lambda each: each.value, default=None)

    @property
    def retained(self) -> Figure | None:
        """What the disks hold once retention has passed: by topic where that is known, else average rate × the longest
        retention."""
        if self.data_retained is not None:
            return self.data_retained
        if self.average_write is None or self.retention is None:
            return None
        value = self.average_write.value * self.retention.value * 3600 / 1000
        return Figure(
            value=value, unit="GB", stat="mean", window=self.average_write.window, method="derived", confidence="medium"
        )

    @property
    def retention_is_unlimited(self) -> bool:
        return self.unlimited_retention_topics is not None and self.unlimited_retention_topics.value > 0

    @property
    def data_is_declared(self) -> bool:
        return self.data is not None and self.data.method == "declared"

    @property
    def fan_out(self) -> float | None:
        """How often what is written is read."""
        if self.read is None or self.write is None or self.write.value == 0:
            return None
        return self.read.value / self.write.value


def version_line(version: str) -> tuple[int, int] | None:
    """Release line: (2, 0) of "2.4.1" and "2.x.x", (0, 10) of "0.10.2", (0, 9) of "<0.10"; None if it is none."""
    match = re.fullmatch(r"(<?)\s*(\d+)\.?(\d+|x)?([.\-].*)?", version.strip())
    if match is None or (match[2] == "0" and not (match[3] or "").isdigit()):
        return None
    if match[2] != "0":
        return int(match[2]), 0
    return 0, int(match[3]) - (1 if match[1] else 0)


def _declared(flag: str, value: float | None, unit: str, stat: str, *, least: float | None = None) -> Figure | None:
    if value is None:
        return None
    if not 0 <= value <= MOST or (value == 0 and least is None):
        least_words = "0 or more" if least is not None else "more than 0"
        raise UsageError(
            f"{flag} {value:g} cannot be used: expected {least_words}", "Leave the option out when it is not known."
        )
    return Figure(value=value, unit=unit, stat=stat, method="declared", confidence="medium")


def _word(value: str | bool | None) -> Word | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else "yes" if value else "no"
    return Word(value=text, method="declared")


def _ssd(host: Any) -> Word | None:
    """Of the broker's machine, where all its volumes are of one known kind."""
    volumes = host.get("volumes") if isinstance(host, Mapping) else None
    kinds = [each.get("ssd") for each in volumes if isinstance(each, Mapping)] if isinstance(volumes, list) else []
    same = bool(kinds) and isinstance(kinds[0], bool) and all(kind is kinds[0] for kind in kinds)
    return Word(value="yes" if kinds[0] else "no", method="measured") if same else None


def _features(features: Mapping[str, Any]) -> dict[str, bool | None]:
    return {name: value if isinstance(value := features.get(name), bool) else None for name in FEATURES}


def _figures(place: str, entries: Any, unit: str) -> list[Figure]:
    if entries is not None and not isinstance(entries, list):
        raise UsageError(f"{place} is not a list of figures", "Export again with --evaluate.")
    return [_figure(f"{place}[{number}]", entry, unit) for number, entry in enumerate(entries or ())]


def _figure(place: str, entry: Any, unit: str) -> Figure:
    try:
        words = {name: entry[name] for name in ("unit", "stat", "method", "confidence")} | {
            "window": entry.get("window")
        }
        if any(not isinstance(word, str) for name, word in words.items() if name != "window" or word is not None):
            raise TypeError("one of its words is not a text")
        if words["method"] not in get_args(Method) or words["confidence"] not in get_args(Confidence):
            raise ValueError(f"method {words['method']!r}, confidence {words['confidence']!r}")
        value = convert(float(entry["value"]), words.pop("unit"), unit)
        return Figure(value=value, unit=unit, **words)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"{place} is not a figure: {error}", "Expected value, unit, stat, method and confidence."
        ) from error
    except UsageError as error:
        raise UsageError(f"{place}: {error.message}", error.hint) from error


def _trust(figure: Figure) -> int:
    return get_args(Confidence)[::-1].index(figure.confidence)
