"""What a part of a copy that goes on has to say at the moment."""

from __future__ import annotations

import time
from collections.abc import Iterable

from kafka_meta.events import Emit, Happened
from kafka_meta.journal import Journal
from kafka_meta.model import Remark


class Notices:
    """The journal keeps what `room` says now, for whoever asks; what is new is emitted. Use it from one thread."""

    def __init__(self, room: str, emit: Emit) -> None:
        self._room, self._emit = room, emit
        self._said: set[Remark] | None = None
        """None: nothing yet. What an earlier process has said may still be there."""

    def say(self, journal: Journal, remarks: Iterable[Remark]) -> None:
        """All that is to be said now, instead of what was said before."""
        now = list(remarks)
        before = self._said or set()
        if self._said is None or set(now) != before:
            journal.keep_notices(self._room, now, round(time.time() * 1000))
        self._said = set(now)
        for remark in now:
            if remark not in before:
                self._emit(Happened(text=f"{remark.resource}: {remark.reason}"))
