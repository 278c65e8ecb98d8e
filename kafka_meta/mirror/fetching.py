"""Takes records from the source and prepares them to be sent."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.batches import MalformedBatch, RecordTooLarge
from kafka_meta.journal import Place
from kafka_meta.logs.reader import Arrived, CutBack, Damaged, LogReader, Lost, Purged, Refused, Short
from kafka_meta.mirror.partitions import Partitions
from kafka_meta.mirror.track import Held, Prepared, Track, damaged

FETCH_BYTES = 16 << 20
"""A dozen partitions get all they ask for with this: 1.1 times the throughput of half of it."""


class Fetching:
    def __init__(self, partitions: Partitions, reader: LogReader) -> None:
        self._partitions, self._reader = partitions, reader

    def go_on(self) -> None:
        """Takes the records that have arrived, and lets the reader ask for more."""
        prepared: dict[Place, Prepared] = {}
        lost: list[Lost] = []
        for event in self._reader.take():
            if isinstance(event, Arrived):
                prepared |= self._prepared(event)
            else:
                lost.append(event)
        self._partitions.keep()
        self._enlist(prepared)
        for each in lost:
            self._lost(self._partitions.by_place[each.place], each)
        self._reader.go_on()

    def _prepared(self, arrived: Arrived) -> dict[Place, Prepared]:
        held = Held(size_bytes=arrived.size_bytes)
        prepared: dict[Place, Prepared] = {}
        for fetched in arrived.fetched:
            track = self._partitions.by_place[fetched.topic, fetched.partition]
            track.fetching = False
            self._partitions.watermarks(track, fetched)
            prepared[track.place] = track.prepare(fetched, held)
        self._partitions.intend({place: made for place, made in prepared.items() if made.ready}, held)
        return prepared

    def _enlist(self, prepared: Mapping[Place, Prepared]) -> None:
        for place, made in prepared.items():
            track = self._partitions.by_place[place]
            if made.obstacle is not None:
                self._obstructed(track, made.obstacle)
            self._partitions.enlist(track)

    def _obstructed(self, track: Track, error: MalformedBatch | RecordTooLarge) -> None:
        """A batch is fetched once more, since it may have been damaged on the way. If it is damaged again, the log
        is."""
        if isinstance(error, RecordTooLarge):
            track.obstacle = error.message
        elif track.doubt == track.next:
            track.obstacle = damaged(error.message, track.next)
        track.doubt = track.next

    def _lost(self, track: Track, lost: Lost) -> None:
        match lost:
            case Purged():
                self._partitions.tally.lost_offsets += lost.log_start - lost.offset
                reason = f"lost offsets {lost.offset}–{lost.log_start}: the source deleted them before they were copied"
                self._partitions.fail(track, reason, final=True)
            case CutBack():
                self._partitions.cut_back(track, lost.cut)
            case Short():
                self._partitions.fail(track, f"the source has been truncated or replaced: {lost.reason}")
            case Damaged():
                track.obstacle = damaged(lost.reason, track.next)
                self._partitions.enlist(track)
            case Refused():
                self._partitions.fail(track, lost.reason, final=lost.recreated)
