"""Counters of a broker at its metrics endpoint: Prometheus text of the JMX exporter agent, or Jolokia.

Names depend on the exporter's rules. Its default names are understood, and those of its Kafka examples:

    kafka_server_BrokerTopicMetrics_Count{name="BytesInPerSec"}        no rules
    kafka_server_brokertopicmetrics_bytesin_total                      kafka-2_0_0.yml, kafka-kraft-3_0_0.yml
    kafka_server_brokertopicmetrics_bytesinpersec_count                rules that keep the attribute's name

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/, https://jolokia.org/reference/html/manual/.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kafka_meta.errors import UsageError

TIMEOUT_S = 10.0
SHORTEST_S = 10.0
"""Seconds between two readings: a rate over a shorter time is not reliable."""

_MOST_BYTES = 64 * 1024 * 1024

_COUNTERS = {"bytesin": "write", "bytesout": "read", "messagesin": "messages"}
"""Those of BrokerTopicMetrics without a topic: the sums of all topics. Other counters count replication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """Counters at `at_s` of our monotonic clock (seconds): bytes and messages. None for a counter that is missing."""

    url: str
    at_s: float
    counters: Mapping[str, float | None]
    partition_count: int | None
    """The number of replicas on the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    url: str
    reason: str


def require_url(url: str) -> None:
    """Raises UsageError for a URL that is not http, or that holds a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        named = "@" in parts.netloc
    except ValueError:
        usable = named = False
    if named:
        raise UsageError("--metrics-url holds a user or a password", "They are not given on the command line.")
    if not usable:
        raise UsageError(f"--metrics-url {url!r} is not an address", "For example: http://broker1:7071/metrics")


def read(url: str) -> Scrape | Unread:
    """One reading. An endpoint that cannot be read gives `Unread`."""
    try:
        if "/jolokia" in url:
            counters, partitions = _jolokia(url)
        else:
            counters, partitions = _prometheus(_fetch(url).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Unread(url=url, reason=f"the endpoint answered {error.code} {error.reason}")
    except (urllib.error.URLError, OSError) as error:
        return Unread(url=url, reason=f"cannot be reached: {getattr(error, 'reason', None) or error}")
    except http.client.HTTPException:
        return Unread(url=url, reason="it does not speak HTTP")
    except (ValueError, OverflowError, RecursionError) as error:
        return Unread(url=url, reason=f"not understood: {error}")
    if all(value is None for value in counters.values()):
        return Unread(
            url=url,
            reason="it shows no BrokerTopicMetrics. Is it the endpoint of a Kafka broker, and do its rules keep them?",
        )
    return Scrape(url=url, at_s=time.monotonic(), counters=counters, partition_count=partitions)


def rates(before: Scrape, after: Scrape) -> dict[str, float | None]:
    """Bytes and messages a second by "write", "read" and "messages". None where a counter is missing, or went back
    because the broker was restarted."""
    span = after.at_s - before.at_s
    found: dict[str, float | None] = {}
    for name in _COUNTERS.values():
        here, there = before.counters.get(name), after.counters.get(name)
        known = here is not None and there is not None and there >= here and span > 0
        found[name] = (there - here) / span if known and here is not None and there is not None else None
    return found


def _fetch(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=body, headers={"Accept": "text/plain, application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES // 2**20} MiB")
    return content


_LINE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
_BY_NAME = re.compile(r"kafka_server_brokertopicmetrics_(bytesin|bytesout|messagesin)(?:_?persec)?(?:_count|_total)*")
_BY_LABEL = re.compile(r"(bytesin|bytesout|messagesin)persec")


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        yield match[1].lower(), dict(_LABEL.findall(match[2] or "")), value


def _prometheus(text: str) -> tuple[dict[str, float | None], int | None]:
    counters: dict[str, float | None] = dict.fromkeys(_COUNTERS.values())
    partitions: int | None = None
    for name, labels, value in _samples(text):
        label = labels.get("name", "").lower()
        if "topic" not in labels:
            counter = None
            if match := _BY_NAME.fullmatch(name):
                counter = match[1]
            elif name in ("kafka_server_brokertopicmetrics_count", "kafka_server_brokertopicmetrics_count_total"):
                counter = match[1] if (match := _BY_LABEL.fullmatch(label)) else None
            if counter is not None:
                counters[_COUNTERS[counter]] = value
        if name == "kafka_server_replicamanager_partitioncount" or (
            name == "kafka_server_replicamanager_value" and label == "partitioncount"
        ):
            partitions = int(value)
    return counters, partitions


def _jolokia(url: str) -> tuple[dict[str, float | None], int | None]:
    beans = [
        f"kafka.server:type=BrokerTopicMetrics,name={name}PerSec" for name in ("BytesIn", "BytesOut", "MessagesIn")
    ]
    questions = [{"type": "read", "mbean": bean, "attribute": "Count"} for bean in beans]
    manager = "kafka.server:type=ReplicaManager,name=PartitionCount"
    questions.append({"type": "read", "mbean": manager, "attribute": "Value"})
    answers: Any = json.loads(_fetch(url, json.dumps(questions).encode()))
    if not isinstance(answers, list) or len(answers) != len(questions):
        raise ValueError("Jolokia did not answer each question")
    values = [_number(answer) for answer in answers]
    *counts, partitions = values
    return dict(zip(_COUNTERS.values(), counts, strict=True)), None if partitions is None else int(partitions)


def _number(answer: Any) -> float | None:
    value = answer.get("value") if isinstance(answer, dict) and answer.get("status") == 200 else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
