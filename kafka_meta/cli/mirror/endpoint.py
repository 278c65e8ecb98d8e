"""`mirror --follow --metrics`: what a copy that goes on tells a Prometheus server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal import Followed, Journal
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.task import standing_of

_PREFIX = "kafka_meta_mirror_"
_ALIVE_S = 60.0
"""A copier whose main thread has not looked for so long hangs: then the endpoint answers with an error."""


class Endpoint(Collector):
    """Everything is read at the moment in which it is asked for, on the thread that answers."""

    def __init__(self, journal: Journal, lease: Lease) -> None:
        self._journal, self._lease = journal, lease
        self._follow: Follow | None = None
        self._looked_at: float | None = None

    def looked(self, follow: Follow) -> None:
        """Call it from the main thread, again and again."""
        self._follow, self._looked_at = follow, time.monotonic()

    @property
    def hangs(self) -> bool:
        """Not before the first look: it may take a while to begin."""
        return self._looked_at is not None and time.monotonic() - self._looked_at > _ALIVE_S

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would ask for everything when this is registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        with self._journal.again(read_only=True) as journal:
            yield from self._of_task(journal)
        if self._follow is not None:
            yield from _of_copy(self._follow)
        yield _gauge("lease_held", "Whether this process may copy: 1 or 0.", int(self._lease.holds()))

    def _of_task(self, journal: Journal) -> Iterator[Metric]:
        task = standing_of(journal, running=True)
        # Of all topics: a counter must not fall when one is left out.
        records = sum(each.records for each in task.topics)
        verified = sum(each.verified for each in task.topics)
        size_bytes = sum(each.size_bytes for each in task.topics)
        yield _counter("records", "Records that are copied, by this process or before.", records)
        yield _counter("bytes", "Bytes of the acknowledged batches of the migration.", size_bytes)
        yield _gauge("records_unverified", "Copied records that are not compared yet.", records - verified)
        yield _by_state("topics", "Topics by state.", Counter(each.state for each in task.topics))
        yield _by_state("groups", "Groups by the worst state of their positions.", _groups(task.groups))
        if self._follow is not None:
            stopped = len(self._follow.failed)
            counts = {"stopped": stopped, "following": len(self._follow.places - self._follow.failed)}
            yield _by_state("partitions", "Partitions by state.", counts)


def _of_copy(follow: Follow) -> Iterator[Metric]:
    lags = follow.lags
    if lags is not None:
        places = sorted(follow.places)
        offsets = {place: float(lags[place].offsets) if place in lags else 0.0 for place in places}
        seconds = {place: lags[place].seconds if place in lags else 0.0 for place in places}
        yield _by_place("lag_offsets", "Last stable offset of the source minus what is copied.", offsets)
        yield _by_place("lag_seconds", "For how long something has been readable and is not copied.", seconds)
        yield _gauge("lag_offsets_sum", "Of all partitions.", sum(offsets.values()))
        yield _gauge("lag_offsets_max", "Of the partition that is most behind.", max(offsets.values(), default=0))
        yield _gauge("lag_seconds_max", "Of the partition that is longest behind.", max(seconds.values(), default=0))
    held = {place: float(each.offsets) for place, each in follow.held.items()}
    yield _by_place("held_offsets", "High watermark minus last stable offset: held by an open transaction.", held)
    seconds = {place: each.seconds for place, each in follow.held.items()}
    yield _by_place("held_seconds", "Since when.", seconds)
    if follow.headroom_s:
        yield _by_place(
            "source_headroom_seconds",
            "Of partitions that are behind: in this time the source deletes nothing by age that is not copied.",
            follow.headroom_s,
        )
    if follow.dest_full_s is not None:
        yield _gauge("dest_full_seconds", "Until the first disk is full, at the pace of minutes.", follow.dest_full_s)
    if follow.sync_age_s is not None:
        yield _gauge("group_sync_age_seconds", "Since all positions of groups were set.", follow.sync_age_s)
    yield _gauge("paused", "1: by task pause.", int(follow.paused))
    tally = follow.tally
    yield _counter("settlements", "Partitions read again at the destination's log end.", tally.settlements)
    yield _counter("lost_offsets", "Offsets deleted by the source before they were copied.", tally.lost_offsets)
    refusals = CounterMetricFamily(f"{_PREFIX}refusals", "Batches that the destination has refused.", labels=["code"])
    for code, count in sorted(tally.refusals.items()):
        refusals.add_metric([code], count)
    yield refusals
    rounds = SummaryMetricFamily(f"{_PREFIX}journal_round_seconds", "Transactions of the journal.")
    rounds.add_metric([], count_value=tally.rounds, sum_value=tally.round_seconds)
    yield rounds


_WORST = ("both-sides", "left-alone", "behind-start", "not-yet", "ahead", "moved", "source-gone", "synced")


def _groups(positions: Iterable[Followed]) -> Counter[str]:
    worst: dict[str, str] = {}
    for each in positions:
        before = worst.setdefault(each.group, each.state)
        if _WORST.index(each.state) < _WORST.index(before):
            worst[each.group] = each.state
    return Counter(worst.values())


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, says, value=value)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, says, value=value)


def _by_state(name: str, says: str, counts: Any) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, says, labels=["state"])
    for state, count in sorted(counts.items()):
        family.add_metric([state], count)
    return family


def _by_place(name: str, says: str, values: Any) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, says, labels=["topic", "partition"])
    for (topic, partition), value in sorted(values.items()):
        family.add_metric([topic, str(partition)], value)
    return family


@contextmanager
def served(address: tuple[str, int], journal: Journal, lease: Lease) -> Iterator[Endpoint]:
    """Answers while the block runs. Raises `KafkaMetaError` when the address is taken, or none of this machine."""
    host, port = address
    endpoint = Endpoint(journal, lease)
    registry = CollectorRegistry()
    registry.register(endpoint)
    answer = make_wsgi_app(registry)

    def app(environ: Any, respond: Any) -> Any:
        if endpoint.hangs:
            respond("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"The copier has not looked around for a minute: it hangs.\n"]
        return answer(environ, respond)

    try:
        server = make_server(host, port, app, _Server, handler_class=_Silent)
    except OSError as error:
        raise KafkaMetaError(f"--metrics {host}:{port}: {error.strerror}", "Name another address.") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    """One slow reader does not keep others waiting."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing of a request."""
