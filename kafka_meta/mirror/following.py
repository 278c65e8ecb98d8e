"""What a copy that goes on and its other threads tell each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Set

from kafka_meta.journal import Begun, Following, Place, TopicState, Wishes
from kafka_meta.mirror.partitions import Lag
from kafka_meta.mirror.tally import Tally
from kafka_meta.quantities import rate_bytes, size_bytes

NO_WISHES = Wishes()


class Follow:
    """The copy asks `ends` and `take` between two steps, and tells its lags; others set `ends`, and `add` partitions
    that have appeared on the source."""

    def __init__(
        self,
        places: Iterable[Place],
        *,
        wishes: Wishes = NO_WISHES,
        max_rate_bytes: int | None = None,
        stopped_before: Iterable[Place] = (),
    ) -> None:
        self.places = frozenset(places)
        """What is followed, in whatever state it is. It is replaced, never changed: other threads go through it."""
        self.ends = threading.Event()
        self.wishes = Wishes()
        """The last ones that were heeded."""
        self._started_with = max_rate_bytes
        self.gone: frozenset[str] = frozenset()
        """Topics that were deleted on the source, and whose partitions are to be stopped."""
        self.back: frozenset[str] = frozenset()
        """Topics that were left out, and shall be followed again."""
        self.aside: dict[str, tuple[TopicState, str]] = {}
        """Topics that are not copied, or not any more: their state, and why."""
        self._stopped_before = frozenset(stopped_before)
        self.failed = self._stopped_before
        """Partitions that cannot go on: from the beginning, or since."""
        self._take_at = 0.0
        self._lock = threading.Lock()
        self._new: list[Begun] = []
        self._lags: Mapping[Place, Lag] | None = None
        self._synced_at: float | None = None
        self.held: Mapping[Place, Lag] = {}
        """Partitions on which an open transaction holds something back."""
        self.tally = Tally()
        """What the copy counts."""
        self.headroom_s: Mapping[Place, float] = {}
        """Partition that is behind → seconds in which the source deletes nothing that is not copied."""
        self.dest_full_s: float | None = None
        """After how many seconds the first disk of the destination is full, at the pace of the last minutes; None: not
        known, or never."""
        self.heed(wishes)

    def add(self, partitions: Iterable[Begun]) -> None:
        new = list(partitions)
        with self._lock:
            self._new += new
            self.places |= frozenset(each.place for each in new)
            self._stopped_before -= frozenset(each.place for each in new)

    def want_back(self, topics: Set[str], *, but_not: Set[str]) -> None:
        """These were left out, and shall be followed again."""
        with self._lock:
            self.back = (self.back | topics) - but_not

    def is_back(self, topics: Set[str]) -> None:
        with self._lock:
            self.back -= topics

    def waiting(self) -> list[Begun]:
        """What was added and is not taken yet."""
        with self._lock:
            return list(self._new)

    def put_back(self, partitions: Iterable[Begun], *, for_seconds: float) -> None:
        """They cannot be begun for the moment."""
        self.add(partitions)
        self._take_at = time.monotonic() + for_seconds

    def take(self) -> list[Begun]:
        if not self._new or time.monotonic() < self._take_at:
            return []
        with self._lock:
            new, self._new = self._new, []
        return [each for each in new if each.topic not in self.detached]

    def heed(self, wishes: Wishes) -> None:
        """Raises UsageError for a rate or an amount of memory that is none."""
        self.max_rate_bytes = self._started_with
        if wishes.max_rate is not None:
            self.max_rate_bytes = None if wishes.max_rate == "none" else rate_bytes("--max-rate", wishes.max_rate)
        self.memory_bytes = None if wishes.memory is None else size_bytes("--memory", wishes.memory)
        self.wishes = wishes
        with self._lock:
            if wishes.detached:
                self.places, self._stopped_before = (
                    frozenset(place for place in places if place[0] not in wishes.detached)
                    for places in (self.places, self._stopped_before)
                )

    @property
    def paused(self) -> bool:
        """Nothing is sent. The lease and the groups' positions are kept."""
        return self.wishes.paused

    @property
    def detached(self) -> frozenset[str]:
        """Topics that are not followed for now."""
        return self.wishes.detached

    def tell(self, lags: Mapping[Place, Lag], held: Mapping[Place, Lag], failed: Set[Place]) -> None:
        self._lags, self.held = lags, held
        self.failed = self._stopped_before | failed

    def synced(self) -> None:
        """All groups have been read, and set where they stand."""
        self._synced_at = time.monotonic()

    @property
    def sync_age_s(self) -> float | None:
        """Seconds since then; None before the first time."""
        return None if self._synced_at is None else time.monotonic() - self._synced_at

    @property
    def lags(self) -> Mapping[Place, Lag] | None:
        """The partitions that are behind, as of less than a second ago; None as long as nothing is known."""
        return self._lags

    def standing(self) -> Following:
        lags = (self._lags or {}).values()
        return Following(
            paused=self.paused,
            stopped=len(self.failed),
            behind=len(lags),
            lag_offsets=sum(lag.offsets for lag in lags),
            lag_seconds=max((lag.seconds for lag in lags), default=0.0),
            sync_age_seconds=self.sync_age_s,
        )
