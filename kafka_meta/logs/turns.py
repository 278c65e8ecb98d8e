"""Which partitions a broker is asked for next, in the order of their turns. Pure.

A broker fills an answer in the order of the request, and only up to its size (KIP-74). So in an answer

- a partition *before* the first one with records has no records to give: it waits behind all others;
- a partition *behind* it that got no records may have been too late, or its next batch is too large for any place but
  the first: it comes first next time.

A partition that got records has to be added again, and then waits behind all others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence

from kafka_meta.wire.topics import Place

FEWEST, MOST = 32, 1000
"""Partitions in a request. Twice as many as got records in the last answer are enough. Where none came too late, the
number doubles: their records are few."""


class Turns:
    """The partitions that wait for one broker, in the order of their turns. A step costs O(partitions of the
    request)."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Place, None] = OrderedDict()
        self._count = FEWEST

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> Place:
        return next(iter(self._waiting))

    def add(self, place: Place) -> None:
        self._waiting[place] = None

    def discard(self, place: Place) -> None:
        self._waiting.pop(place, None)

    def take(self) -> list[Place]:
        """Removes and returns the partitions whose turn it is."""
        return [self._waiting.popitem(last=False)[0] for _ in range(min(self._count, len(self._waiting)))]

    def answered(self, asked: Sequence[Place], fed: Container[Place]) -> None:
        """Adds again those of `asked` that are not in `fed` (partitions that got records). `asked` is in the request's
        order."""
        first = next((position for position, place in enumerate(asked) if place in fed), len(asked))
        for place in asked[:first]:
            self.add(place)
        late = [place for place in asked[first:] if place not in fed]
        self._back_to_the_front(late)
        count_fed = len(asked) - first - len(late)
        self._count = min(MOST, max(FEWEST, first + 2 * count_fed) if late else 2 * self._count)

    def withheld(self, asked: Sequence[Place]) -> None:
        """Adds all again, at the front: the broker gave no records at all, since they would have exceeded a quota."""
        self._back_to_the_front(asked)

    def _back_to_the_front(self, places: Sequence[Place]) -> None:
        for place in reversed(places):
            self._waiting[place] = None
            self._waiting.move_to_end(place, last=False)
