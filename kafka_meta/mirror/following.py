"""What a copy that goes on and its other threads tell each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Set

from kafka_meta.journal import Begun, Following, Place, TopicState
from kafka_meta.mirror.partitions import Lag


class Follow:
    """The copy asks `ends` and `take` between two steps, and tells its lags; others set `ends`, and `add` partitions
    that have appeared on the source."""

    def __init__(self, places: Iterable[Place], *, paused: bool, stopped_before: Iterable[Place] = ()) -> None:
        self.places = set(places)
        """What is followed, in whatever state it is."""
        self.ends = threading.Event()
        self.paused = paused
        """Nothing is sent. The lease and the groups' positions are kept."""
        self.gone: frozenset[str] = frozenset()
        """Topics that were deleted on the source, and whose partitions are to be stopped."""
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

    def add(self, partitions: Iterable[Begun]) -> None:
        new = list(partitions)
        with self._lock:
            self._new += new
            self.places |= {each.place for each in new}

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
        return new

    def tell(self, lags: Mapping[Place, Lag], failed: Set[Place]) -> None:
        self._lags = lags
        if len(failed) + len(self._stopped_before) != len(self.failed):
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
