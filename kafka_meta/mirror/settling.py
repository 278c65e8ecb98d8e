"""Finds out, beside everything else, where partitions are led and where their logs end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from kafka_meta.journal import Place
from kafka_meta.mirror.answers import Answers
from kafka_meta.mirror.settle import LogEnd, Recreated, look_at_destination, look_at_source
from kafka_meta.mirror.tracks import Tracks
from kafka_meta.wire.connection import Wire
from kafka_meta.wire.partitions import Failure, Leader

_PAUSE_SECONDS = 0.2
_AFTER_LOSS_SECONDS = 0.5
"""Before a position is read anew: what is still in the broker's hands shall be in its log by then."""

Told = TypeVar("Told", Leader, LogEnd)


class Settling:
    """One look-up at a time on each side, for all partitions that need it."""

    def __init__(self, tracks: Tracks, source: Wire, dest: Wire, answers: Answers) -> None:
        self._tracks, self._source, self._dest, self._answers = tracks, source, dest, answers
        self._asking_source = self._asking_dest = False
        self._source_not_before = self._dest_not_before = 0.0

    def go_on(self) -> None:
        now = time.monotonic()
        tracks = self._tracks
        if tracks.unled and not self._asking_source and now >= self._source_not_before:
            self._asking_source = True
            begun = [tracks.by_place[place].begun for place in tracks.unled]
            self._answers.meanwhile(partial(look_at_source, self._source, begun), self._heard_leaders)
        if tracks.unsettled and not self._asking_dest and now >= self._dest_not_before:
            self._asking_dest = True
            begun = [tracks.by_place[place].begun for place in tracks.unsettled]
            self._answers.meanwhile(partial(look_at_destination, self._dest, begun), self._heard_ends)

    def wait_a_moment(self) -> None:
        self._dest_not_before = time.monotonic() + _AFTER_LOSS_SECONDS

    def _heard_leaders(self, found: Mapping[Place, Leader | Failure]) -> None:
        self._asking_source = False
        self._source_not_before = time.monotonic() + _PAUSE_SECONDS
        for place, leader in self._sorted(found, self._tracks.unled, "source").items():
            track = self._tracks.by_place[place]
            self._tracks.unled.discard(place)
            track.source_leader = leader.broker
            self._tracks.enlist(track)

    def _heard_ends(self, found: Mapping[Place, LogEnd | Failure]) -> None:
        self._asking_dest = False
        self._dest_not_before = max(self._dest_not_before, time.monotonic() + _PAUSE_SECONDS)
        if ends := self._sorted(found, self._tracks.unsettled, "destination"):
            self._tracks.settle(ends)

    def _sorted(self, found: Mapping[Place, Told | Failure], wanted: set[Place], side: str) -> dict[Place, Told]:
        """What is known of those that still want it; a failure that does not pass ends its partition."""
        known: dict[Place, Told] = {}
        for place, told in found.items():
            if place not in wanted:
                continue
            track = self._tracks.by_place[place]
            if not isinstance(told, Failure):
                known[place] = told
            elif told.retriable:
                self._tracks.trouble = f"{track.name} on the {side}: {told.reason}"
            else:
                self._tracks.fail(track, told.reason, final=isinstance(told, Recreated))
        return known
