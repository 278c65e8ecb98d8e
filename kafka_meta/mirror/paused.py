"""How far a followed copy is behind while it is paused. Nothing is read then once the memory is full, so no answer
brings the ends of the source's logs: they are asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal import Place
from kafka_meta.mirror.partitions import Partitions
from kafka_meta.wire import Unanswered, Wire
from kafka_meta.wire.lines import Answers
from kafka_meta.wire.partitions import Leader, led
from kafka_meta.wire.transactions import stable_offsets

_EVERY_S = 5.0


class PausedEnds:
    """Nobody waits for an answer."""

    def __init__(self, partitions: Partitions, source: Wire, answers: Answers) -> None:
        self._partitions, self._source, self._answers = partitions, source, answers
        self._asking = False
        self._at = 0.0

    def go_on(self) -> None:
        """Call it while the copy is paused."""
        if self._asking or time.monotonic() - self._at < _EVERY_S:
            return
        self._asking, self._at = True, time.monotonic()
        places = [place for place, track in self._partitions.by_place.items() if track.open]
        self._answers.meanwhile(lambda: _ends(self._source, places), self._heard)

    def _heard(self, ends: Mapping[Place, int]) -> None:
        self._asking = False
        for place, end in ends.items():
            track = self._partitions.by_place.get(place)
            if track is not None and track.open:
                self._partitions.grow(track, end)


def _ends(source: Wire, places: Sequence[Place]) -> Mapping[Place, int]:
    """The last stable offsets that the source returns: what it does not tell is asked for the next time."""
    try:
        found = led(source, dict.fromkeys(places))
        leaders = {place: told.broker.id for place, told in found.items() if isinstance(told, Leader)}
        return stable_offsets(source, leaders)[0]
    except (KafkaMetaError, Unanswered):
        return {}
