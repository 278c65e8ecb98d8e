"""Partitions at the ends of their logs, which one broker watches for us in a fetch session (KIP-227). Pure.

The broker remembers each partition and its offset. A request names only what has changed since the last one, and an
answer only what has moved. So a partition that gets no records costs nothing on the way, whatever the number of such
partitions. A broker that remembers nothing (no room for a session, or older than 1.1) gets all of them each time.
"""

from __future__ import annotations

from collections.abc import Iterator

from kafka_meta.wire.fetch import Fetched, SessionAnswer, SessionFetch, Wanted
from kafka_meta.wire.topics import Place

_FIRST_EPOCH = 0
_LAST_EPOCH = 2**31 - 1
_SESSION_IS_GONE = 70
"""FETCH_SESSION_ID_NOT_FOUND: the broker has restarted, or has given the room to somebody else."""
_NO_SESSION = 0


class Session:
    """One request at a time: `request`, and then `answered` or `lost`. A step costs O(what has changed)."""

    def __init__(self) -> None:
        self._wanted: dict[Place, Wanted] = {}
        self._changed: set[Place] = set()
        """Partitions that are new or have another offset, since the last request."""
        self._forgotten: set[Place] = set()
        """Partitions that have left since the last request, and that the broker may remember."""
        self._id, self._epoch = _NO_SESSION, _FIRST_EPOCH

    def __len__(self) -> int:
        return len(self._wanted)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._wanted)

    def add(self, wanted: Wanted) -> None:
        place = wanted.topic, wanted.partition
        self._wanted[place] = wanted
        self._changed.add(place)
        self._forgotten.discard(place)

    def discard(self, place: Place) -> None:
        if self._wanted.pop(place, None) is not None:
            self._changed.discard(place)
            self._forgotten.add(place)

    def request(self, max_bytes: int) -> SessionFetch:
        """All partitions begin a session; what has changed continues it."""
        full = self._epoch == _FIRST_EPOCH
        request = SessionFetch(
            session_id=self._id,
            epoch=self._epoch,
            wanted=[self._wanted[place] for place in (self._wanted if full else self._changed)],
            forgotten=() if full else tuple(self._forgotten),
            max_bytes=max_bytes,
        )
        self._changed.clear()
        self._forgotten.clear()
        return request

    def answered(self, answer: SessionAnswer) -> list[Fetched]:
        """What the answer has for partitions that have not changed since the request."""
        if answer.error_code:
            self._start_again(_NO_SESSION if answer.error_code == _SESSION_IS_GONE else self._id)
            return []
        if answer.session_id == _NO_SESSION:
            self._start_again(_NO_SESSION)
        else:
            self._id = answer.session_id
            self._epoch = 1 if self._epoch == _LAST_EPOCH else self._epoch + 1
        return [
            each
            for each in answer.fetched
            if (each.topic, each.partition) in self._wanted and (each.topic, each.partition) not in self._changed
        ]

    def lost(self) -> None:
        """The request has no answer, so it is not known what the broker remembers."""
        self._start_again(self._id)

    def _start_again(self, ended: int) -> None:
        """`ended`: the session for which the next one makes room."""
        self._id, self._epoch = ended, _FIRST_EPOCH
