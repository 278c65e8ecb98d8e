"""All partitions of a copy: which of them wait for what, how much memory is free, what is to be written down."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from kafka_meta.journal import Boundary, Journal, Place, Position, Round
from kafka_meta.mirror.settle import LogEnd
from kafka_meta.mirror.track import Held, Prepared, Ready, Track

PATIENCE_WITH_REFUSALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDone:
    """Everything up to the range's end has been acknowledged, and the journal says so."""

    topic: str
    partition: int
    records: int
    """Of the whole migration, as are the bytes and offsets."""
    size_bytes: int
    dest_start: int
    dest_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFailed:
    """The others go on. What has been copied of it stays, and so does its position in the journal."""

    topic: str
    partition: int
    reason: str
    final: bool = False
    """Nothing can be mended: the next run would stop there again."""


Outcome: TypeAlias = PartitionDone | PartitionFailed


class Tracks:
    """What fetching, sending and settling have in common. Every change of a track ends in one of these methods."""

    def __init__(self, journal: Journal, positions: Collection[Position], memory_bytes: int) -> None:
        self.journal = journal
        self.memory_bytes = self.free_bytes = memory_bytes
        self.by_place: dict[Place, Track] = {}
        self.open = 0
        self.unled: set[Place] = set()
        """Whose leader on the source is not known."""
        self.unsettled: set[Place] = set()
        """Whose position has to be read from the destination."""
        self.hungry: dict[int, dict[Place, Track]] = {}
        """Source broker → partitions to fetch from, the one that has waited longest first."""
        self.sendable: dict[int, dict[Place, Track]] = {}
        """Destination broker → partitions with a batch to send."""
        self._sated: dict[Place, Track] = {}
        """Partitions that have enough in memory for the moment."""
        self._complete: list[Track] = []
        self._round = Round()
        self.outcomes: deque[Outcome] = deque()
        self.trouble = ""
        """Why something does not move; empty once something has."""
        self.moved_at = time.monotonic()
        self.total_offsets = sum(each.begun.end - each.begun.start for each in positions)
        self.done_offsets = sum(min(each.source, each.begun.end) - each.begun.start for each in positions)
        self.sent_bytes = 0

    def open_all(self, tracks: Iterable[Track]) -> None:
        self.by_place = {track.place: track for track in tracks}
        self.open = len(self.by_place)
        self.unled, self.unsettled = set(self.by_place), set(self.by_place)

    # From step to step.

    def enlist(self, track: Track) -> None:
        """Puts a partition where its next step will find it."""
        if track.closed or not track.settled:
            return
        if track.complete:
            self._complete.append(track)
            track.closed = True
            return
        if track.source_leader is not None and not track.fetching and track.next < track.begun.end:
            if track.ready_bytes < self._share():
                self.hungry.setdefault(track.source_leader.id, {}).setdefault(track.place, track)
            else:
                self._sated[track.place] = track
        if track.dest_leader is not None and track.may_send():
            self.sendable.setdefault(track.dest_leader.id, {}).setdefault(track.place, track)

    def _share(self) -> int:
        """How much of a partition may wait in memory, so that none fills it alone."""
        return max(1, self.memory_bytes // (2 * self.open))

    def feed_again(self) -> None:
        """Looks who of those that had enough has sent some of it."""
        share = self._share() if self._sated else 0
        for track in [each for each in self._sated.values() if each.ready_bytes < share]:
            del self._sated[track.place]
            self.enlist(track)

    def first_next_time(self, track: Track) -> None:
        """Only the first partition of a request gets a batch that is larger than it asked for (KIP-74)."""
        if track.source_leader is not None and track.place in (hungry := self.hungry.get(track.source_leader.id, {})):
            others = {place: other for place, other in hungry.items() if place != track.place}
            hungry.clear()
            hungry[track.place] = track
            hungry.update(others)

    def keep(self, prepared: Mapping[Place, Prepared], held: Held) -> None:
        """Writes down what is about to be sent; only then it may be."""
        for place, made in prepared.items():
            self._round.intents[place] = made.boundaries
            if made.runs:
                self._round.runs[place] = made.runs
        if held.batches:
            self.free_bytes -= held.size_bytes
        if prepared:
            self.write_down()
        for place, made in prepared.items():
            self.by_place[place].put(made)

    def acknowledge(self, track: Track, ready: Ready) -> None:
        assert track.acknowledged is not None
        before = track.acknowledged
        track.acknowledge(ready)
        size_bytes = ready.outgoing.size_bytes
        _, so_far = self._round.acknowledged.get(track.place, (None, 0))
        self._round.acknowledged[track.place] = (ready.boundary, so_far + size_bytes)
        self.sent_bytes += size_bytes
        self._progress(ready.boundary.source - before.source)
        self._release(ready)
        self.enlist(track)

    def conclude(self) -> None:
        """Writes down which partitions are complete, many in one transaction."""
        if not self._complete:
            return
        for track in self._complete:
            assert track.acknowledged is not None
            _, size_bytes = self._round.acknowledged.get(track.place, (None, 0))
            end = Boundary(track.begun.end, track.rank, track.digest)
            self._round.acknowledged[track.place] = (end, size_bytes)
            self._progress(end.source - track.acknowledged.source)
        self.write_down()
        for track in self._complete:
            self.open -= 1
            self.outcomes.append(_done(self.journal.position(track.place)))
        self._complete.clear()

    def write_down(self) -> None:
        work = self._round
        if work.intents or work.acknowledged or work.runs:
            self._round = Round()
            self.journal.record(work)

    def _progress(self, offsets: int) -> None:
        self.done_offsets += offsets
        self.moved_at = time.monotonic()
        self.trouble = ""

    # Out of step.

    def settle(self, ends: Mapping[Place, LogEnd]) -> None:
        """Goes on from where the destination's logs end; gives up whose end nobody here has intended."""
        self.write_down()
        landed = {place: told.offset - self.by_place[place].begun.base for place, told in ends.items()}
        for place, position in self.journal.settle(landed).items():
            track = self.by_place[place]
            if position is None:
                self.fail(track, _disagreement(self.journal.position(place), ends[place].offset), final=True)
                continue
            assert track.acknowledged is not None
            before = track.acknowledged.source
            track.settle(position)
            track.dest_leader = ends[place].leader.broker
            self.unsettled.discard(place)
            if position.source > before:
                self._progress(position.source - before)
            self.enlist(track)

    def unsettle(self, track: Track, reason: str) -> None:
        """Whatever is not acknowledged at its own offset comes here; what was ready is fetched again."""
        if track.closed:
            return
        self.trouble = reason
        self._drop_from_lists(track)
        for ready in track.unsettle():
            self._release(ready)
        self.unsettled.add(track.place)

    def seek_leader(self, track: Track) -> None:
        if not track.closed:
            track.source_leader = None
            self.unled.add(track.place)
            self._drop_from_lists(track)
            self.enlist(track)

    def refused(self, track: Track, reason: str) -> bool:
        """Whether to try again."""
        track.refusals += 1
        self.trouble = f"{track.name}: {reason}"
        if track.refusals > PATIENCE_WITH_REFUSALS:
            self.fail(track, reason)
            return False
        return True

    def misplaced(self, track: Track, ready: Ready, arrived_at: int) -> None:
        expected = track.begun.base + ready.rank
        self.fail(
            track,
            f"a batch that belongs at offset {expected} of the destination arrived at {arrived_at}:"
            " someone else writes there",
            final=True,
        )

    def fail(self, track: Track, reason: str, *, final: bool = False) -> None:
        """`final`: nothing can be mended, and the next run would stop there again."""
        reason += "; this copy cannot go on" * final
        self.unsettle(track, reason)
        track.closed = True
        self.unled.discard(track.place)
        self.unsettled.discard(track.place)
        self.open -= 1
        self.write_down()
        self.journal.fail(track.place, reason)
        topic, partition = track.place
        self.outcomes.append(PartitionFailed(topic=topic, partition=partition, reason=reason, final=final))

    def _drop_from_lists(self, track: Track) -> None:
        for waiting in (*self.hungry.values(), *self.sendable.values(), self._sated):
            waiting.pop(track.place, None)

    def _release(self, ready: Ready) -> None:
        ready.held.batches -= 1
        if not ready.held.batches:
            self.free_bytes += ready.held.size_bytes


def _disagreement(position: Position, log_end: int) -> str:
    expected = position.dest_end
    if log_end < expected:
        return (
            f"the destination's log ends at {log_end}, and everything up to {expected} had been acknowledged:"
            " it was truncated or recreated"
        )
    return (
        f"the destination's log ends at {log_end}, which is not the end of a batch that was sent"
        f" (acknowledged up to {expected}): someone else writes there"
    )


def _done(position: Position) -> PartitionDone:
    begun = position.begun
    return PartitionDone(
        topic=begun.topic,
        partition=begun.partition,
        records=position.rank,
        size_bytes=position.size_bytes,
        dest_start=begun.base,
        dest_end=position.dest_end,
    )
