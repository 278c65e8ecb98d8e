"""How long there is still time, looked at every minute while a copy goes on.

headroom   when the source begins to delete what is not copied
held       which producer's open transaction holds records back
full       when the first disk of the destination is full, at the pace of the last minutes
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias

from kafka_meta import wire
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit
from kafka_meta.journal import Journal, Place
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.notices import Notices
from kafka_meta.model import Remark, Resource
from kafka_meta.quantities import duration
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire
from kafka_meta.wire.configs import effective
from kafka_meta.wire.partitions import Leader, led
from kafka_meta.wire.transactions import holders

EVERY_S = 60.0
_BEHIND_S = 30.0
"""Of a partition that is less behind, nobody asks how long the source keeps it."""
HORIZONS_S = (0.0, 300.0, 600.0, 1800.0, 3600.0, 2 * 3600.0, 6 * 3600.0, 12 * 3600.0, 86_400.0, 3 * 86_400.0)
"""A headroom is said as the longest of these that is certain."""
_SHORT_S = 3600.0
_SHORT_PART = 4
"""It is short when less than this part of the retention is left, or less than an hour."""
_HELD_S = 60.0
_SOON_FULL_S = (3600.0, 6 * 3600.0, 86_400.0)
_PACE_S = 600.0
"""The pace at which disks fill is that of so much time."""

Disk: TypeAlias = tuple[int, str]
"""Broker and log directory."""


class Headroom:
    """Everything happens on the thread that calls `run`."""

    def __init__(
        self, source: ClusterSettings, dest: ClusterSettings, journal: Journal, *, emit: Emit, every_s: float = EVERY_S
    ) -> None:
        self._source, self._dest = source, dest
        self._journal = journal
        self._every_s = every_s
        self._notices = Notices("headroom", emit)
        self._free: list[tuple[float, Mapping[Disk, int]]] = []
        """When, and how many bytes were free on each disk."""

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What a cluster does not tell is asked for in the next round."""
        with self._journal.again() as journal:
            told: dict[str, list[Remark]] = {}
            while not follow.ends.wait(self._every_s):
                for side, look in (("source", self._look_at_source), ("destination", self._look_at_dest)):
                    # The copy says what is wrong with a cluster. What was true before is so until it is known better.
                    with suppress(KafkaMetaError, Unanswered):
                        told[side] = list(look(journal, follow))
                self._notices.say(journal, [each for some in told.values() for each in some])

    def _look_at_source(self, journal: Journal, follow: Follow) -> Iterator[Remark]:
        far = {place for place, lag in (follow.lags or {}).items() if lag.seconds > _BEHIND_S or follow.paused}
        held = {place for place, each in follow.held.items() if each.seconds > _HELD_S}
        if not far and not held:
            follow.headroom_s = {}
            return
        copied = {each.begun.place: each.source for each in journal.positions() if each.begun.place in far}
        with wire.connect(self._source) as connection:
            found = led(connection, dict.fromkeys(far | held))
            leaders = {place: told.broker.id for place, told in found.items() if isinstance(told, Leader)}
            limits_ms = _retentions(connection, {topic for topic, _ in copied})
            follow.headroom_s = _headrooms(connection, copied, leaders, limits_ms)
            producers = holders(connection, {place: leaders[place] for place in held & leaders.keys()})
        for place, seconds in follow.headroom_s.items():
            if seconds < min(_SHORT_S, limits_ms[place[0]] / 1000 / _SHORT_PART):
                when = "now" if not seconds else f"in {duration(seconds)} or a bit later"
                reason = f"what is not copied begins to be deleted there {when} (retention.ms of the topic)"
                yield Remark(resource=Resource.partition(*place), reason=reason)
        for place in sorted(held):
            producer = producers.get(place)
            who = (
                "a producer that the brokers do not report" if producer is None else f"producer {producer.producer_id}"
            )
            if producer is not None and producer.transactional_id:
                who += f" (transactional id {producer.transactional_id})"
            reason = f"an open transaction of {who} holds records back: they wait for its end"
            yield Remark(resource=Resource.partition(*place), reason=reason)

    def _look_at_dest(self, _: Journal, follow: Follow) -> Iterator[Remark]:
        with wire.connect(self._dest) as connection:
            volumes = wire.log_dirs(connection).volumes
        now = time.monotonic()
        free = {(broker, each.path): each.usable_bytes for broker, some in volumes.items() for each in some}
        self._free.append((now, free))
        self._free = [each for each in self._free if now - each[0] <= _PACE_S] or self._free[-1:]
        full = full_in_s(self._free)
        follow.dest_full_s = min(full.values(), default=None)
        for (broker, path), seconds in sorted(full.items()):
            within_s = next((each for each in _SOON_FULL_S if seconds < each), None)
            if within_s is not None:
                reason = f"the disk of {path} is full within {duration(within_s)}, at the pace of the last minutes"
                yield Remark(resource=Resource("broker", f"{broker} of the destination"), reason=reason)


def full_in_s(free: list[tuple[float, Mapping[Disk, int]]]) -> dict[Disk, float]:
    """Seconds until a disk is full. Without those that do not fill up, or whose pace is not known yet. `free`: moments
    in seconds, each with the free bytes of each disk."""
    (began, first), (now, last) = free[0], free[-1]
    found: dict[Disk, float] = {}
    for disk, left in last.items():
        used = first.get(disk, left) - left
        if used > 0 and now - began >= _PACE_S / 10:
            found[disk] = left * (now - began) / used
    return found


def _retentions(source: Wire, topics: Collection[str]) -> dict[str, int]:
    """Milliseconds, of the topics that delete by time."""
    found: dict[str, int] = {}
    for topic, told in effective(source, sorted(topics), ("cleanup.policy", "retention.ms")):
        if not isinstance(told, Unanswered) and "delete" in told.get("cleanup.policy", ""):
            limit_ms = int(told.get("retention.ms", -1))
            if limit_ms > 0:
                found[topic] = limit_ms
    return found


def _headrooms(
    source: Wire, copied: Mapping[Place, int], leaders: Mapping[Place, int], limits_ms: Mapping[str, int]
) -> dict[Place, float]:
    """Of the partitions whose topics delete by time. A segment is deleted when its youngest record is too old, so this
    is rather too short. That a topic may also delete by size is not looked at."""
    by_limit: dict[int, dict[Place, int]] = defaultdict(dict)
    for place in copied:
        if place[0] in limits_ms and place in leaders:
            by_limit[limits_ms[place[0]]][place] = leaders[place]
    now_ms = round(time.time() * 1000)
    found: dict[Place, float] = {}
    for retention_ms, some in by_limit.items():

        def first_kept(horizon_s: float, retention_ms: int = retention_ms, some: Mapping[Place, int] = some):  # type: ignore[no-untyped-def]
            return wire.offsets(source, some, now_ms - retention_ms + round(horizon_s * 1000), tries=1)[0]

        found |= _longest(copied, some, [each for each in HORIZONS_S if each * 1000 < retention_ms], first_kept)
    return found


def _longest(
    copied: Mapping[Place, int],
    places: Iterable[Place],
    horizons_s: Iterable[float],
    first_kept: Callable[[float], Mapping[Place, int | None]],
) -> dict[Place, float]:
    """The longest horizon after which the first record that is kept is not behind what is copied. `first_kept` returns
    the offset of the first record that is young enough; None where none is, nothing where that is not known."""
    left: set[Place] = set(places)
    found: dict[Place, float] = {}
    for horizon_s in horizons_s:
        kept = first_kept(horizon_s)
        if not horizon_s:
            found = dict.fromkeys(left & kept.keys(), 0.0)
        left = {place for place in left if (offset := kept.get(place)) is not None and offset <= copied[place]}
        found |= dict.fromkeys(left, horizon_s)
        if not left:
            break
    return found
