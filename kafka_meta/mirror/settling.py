"""Finds the leaders of the destination's partitions and the ends of their logs, while everything else goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from kafka_meta.journal import Place
from kafka_meta.mirror.log_end import LogEnd, look_at_destination
from kafka_meta.mirror.partitions import Partitions
from kafka_meta.wire.connection import Wire
from kafka_meta.wire.lines import Answers
from kafka_meta.wire.partitions import Failure, Recreated

_PAUSE_SECONDS = 0.2
_AFTER_LOSS_SECONDS = 0.5
"""A wait before the log's end is read again. The broker may still have a request in work, and should write it first."""


class Settling:
    """One look-up at a time, for all partitions that are unsettled."""

    def __init__(self, partitions: Partitions, dest: Wire, answers: Answers) -> None:
        self._partitions, self._dest, self._answers = partitions, dest, answers
        self._asking = False
        self._not_before = 0.0

    def go_on(self) -> None:
        partitions = self._partitions
        if partitions.unsettled and not self._asking and time.monotonic() >= self._not_before:
            self._asking = True
            unsettled = [partitions.by_place[place] for place in partitions.unsettled]
            epochs = {track.place: track.dest_epoch for track in unsettled if track.dest_epoch is not None}
            look = partial(look_at_destination, self._dest, [track.begun for track in unsettled], epochs)
            self._answers.meanwhile(look, self._heard)

    def wait_a_moment(self) -> None:
        self._not_before = time.monotonic() + _AFTER_LOSS_SECONDS

    def _heard(self, found: Mapping[Place, LogEnd | Failure]) -> None:
        """A failure that is not retriable ends the copy of its partition."""
        self._asking = False
        self._not_before = max(self._not_before, time.monotonic() + _PAUSE_SECONDS)
        ends: dict[Place, LogEnd] = {}
        for place, told in found.items():
            if place not in self._partitions.unsettled:
                continue
            track = self._partitions.by_place[place]
            if isinstance(told, LogEnd):
                ends[place] = told
            elif told.retriable:
                self._partitions.trouble = f"{track.name} on the destination: {told.reason}"
            else:
                self._partitions.fail(track, told.reason, final=isinstance(told, Recreated))
        if ends:
            self._partitions.settle(ends)
