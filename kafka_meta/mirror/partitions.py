"""All partitions of a copy: what each one waits for, how much memory is free, what is to be written to the journal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from kafka_meta.events import Emit, Happened
from kafka_meta.journal import Boundary, Journal, Place, Position, Round, Wishes
from kafka_meta.logs.history import Cut
from kafka_meta.logs.reader import LogReader, Memory
from kafka_meta.mirror.log_end import LogEnd
from kafka_meta.mirror.tally import Tally
from kafka_meta.mirror.track import Held, Prepared, Ready, State, Track
from kafka_meta.model import Broker
from kafka_meta.wire.fetch import Fetched

PATIENCE_WITH_REFUSALS = 10
_KEEP_SECONDS = 1.0
_NAMED = 5
"""So many partitions are named of those to which the same has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDone:
    """Everything up to the range's end has been acknowledged, and the journal says so."""

    topic: str
    partition: int
    records: int
    """Messages, bytes and offsets of the whole migration, not only of this run."""
    size_bytes: int
    dest_start: int
    dest_end: int

    @property
    def in_words(self) -> str:
        where = f"offsets {self.dest_start} to {self.dest_end} of the destination"
        return f"{self.topic}-{self.partition} is complete: {self.records} records at {where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFailed:
    """The other partitions go on. The copied records of this one stay, and so does its position in the journal."""

    topic: str
    partition: int
    reason: str
    final: bool = False
    """It cannot be repaired: the next run would stop at the same place."""
    silent: bool = False
    """It was given up because nothing moved."""

    @property
    def in_words(self) -> str:
        return f"{self.topic}-{self.partition} has failed: {self.reason}"


Outcome: TypeAlias = PartitionDone | PartitionFailed


class Lag(NamedTuple):
    """What is not copied yet of a followed partition: how many offsets, and for how long the first of them has been
    readable on the source."""

    offsets: int
    seconds: float


class Partitions:
    """What fetching, sending and settling share. Every change of a track ends in one of these methods."""

    def __init__(
        self, journal: Journal, positions: Collection[Position], memory: Memory, reader: LogReader, emit: Emit
    ) -> None:
        self.journal = journal
        self._memory, self._reader = memory, reader
        self._emit = emit
        self._happened: dict[str, list[str]] = {}
        """What has happened since the last `tell` → the partitions."""
        self.by_place: dict[Place, Track] = {}
        self.open = 0
        self.unsettled: set[Place] = set()
        """Partitions for which the end of the destination's log has to be read."""
        self.behind: set[Place] = set()
        """Partitions that have something left to do."""
        self._grown: set[Place] = set()
        """Followed partitions of which the journal does not know how far they reach, or how far they are copied."""
        self._kept_at = 0.0
        self._intended: list[Mapping[Place, Prepared]] = []
        """What may be sent when the journal has it."""
        self.sendable: dict[int, dict[Place, Track]] = {}
        """Destination broker → partitions with a batch to send."""
        self._complete: list[Track] = []
        self._round = Round()
        self.outcomes: deque[Outcome] = deque()
        self.tally = Tally()
        self.failed: frozenset[Place] = frozenset()
        self._held: set[Place] = set()
        """Partitions on which an open transaction holds something back."""
        self.heeded: Wishes | None = None
        """The wishes of the operator that the copy has heeded last."""
        self.trouble = ""
        """Why something does not move; empty as soon as something has moved."""
        self.moved_at = time.monotonic()
        self.total_offsets = sum(each.begun.end - each.begun.start for each in positions)
        self.done_offsets = sum(min(each.source, each.begun.end) - each.begun.start for each in positions)
        self.sent_bytes = 0

    def open_all(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            self.by_place[track.place] = track
            track.count_from_now()
            self.open += 1
            self.unsettled.add(track.place)
            self.behind.add(track.place)

    def tell(self) -> None:
        """Reports what has happened to partitions since the last call: one event for all with the same reason."""
        for what, names in self._happened.items():
            more = f" and {len(names) - _NAMED} more partitions" if len(names) > _NAMED else ""
            self._emit(Happened(text=f"{', '.join(names[:_NAMED])}{more}: {what}"))
        self._happened.clear()

    # From step to step.

    def enlist(self, track: Track) -> None:
        """Adds a partition to the queue of its next step."""
        if track.state is not State.SETTLED:
            return
        if track.at_end:
            self.behind.discard(track.place)
            if not track.follows:
                track.complete()
                self._complete.append(track)
                return
            assert track.acknowledged is not None
            if track.acknowledged.source < track.next:
                self._grown.add(track.place)
        if track.obstacle:
            if not track.ready and not track.sending:
                self.fail(track, track.obstacle)
                return
        elif self._wants_more(track):
            track.fetching = True
            self._reader.want(track.place, track.next, track.end, track.begun.source_topic_id, track.epoch)
        if track.dest_leader is not None and track.may_send():
            self.sendable.setdefault(track.dest_leader.id, {}).setdefault(track.place, track)

    def _wants_more(self, track: Track) -> bool:
        """Of a followed partition also what may be written at its end."""
        more = track.follows or track.next < track.end
        return more and not track.fetching and track.ready_bytes < self._share() and not track.has_small_ones

    def note(self, told: Fetched) -> None:
        """What an answer without records says of a partition: its watermarks may have moved all the same."""
        track = self.by_place.get((told.topic, told.partition))
        if track is not None and track.open:
            self.watermarks(track, told)

    def watermarks(self, track: Track, told: Fetched) -> None:
        self.grow(track, told.stable)
        track.hold(told.high_watermark, told.stable)
        (self._held.add if track.held else self._held.discard)(track.place)

    def grow(self, track: Track, stable: int | None) -> None:
        """The end of a followed partition as the source has just returned it."""
        grown = track.grow(stable)
        if grown:
            self.total_offsets += grown
            self._grown.add(track.place)
            if track.place not in self.behind:
                self.behind.add(track.place)
                self.moved_at = time.monotonic()

    def keep_ends(self) -> None:
        """Writes down from time to time how far followed partitions reach and are copied: no round may follow soon.
        Behind the last record there may be markers and aborted batches, which bring no record."""
        if not self._grown or time.monotonic() - self._kept_at < _KEEP_SECONDS:
            return
        self._kept_at = time.monotonic()
        for place in self._grown:
            track = self.by_place[place]
            if not track.open:
                continue
            self._round.ends[place] = track.end
            if track.state is State.SETTLED and track.at_end:
                self._acknowledge_end(track)
        self._grown.clear()
        self.write_down()

    def _acknowledge_end(self, track: Track) -> None:
        """What is left before the end is no record."""
        assert track.acknowledged is not None
        _, size_bytes = self._round.acknowledged.get(track.place, (None, 0))
        end = Boundary(track.end, track.rank, track.digest, track.epoch)
        self._round.acknowledged[track.place] = (end, size_bytes)
        self.done_offsets += end.source - track.acknowledged.source
        track.acknowledged = end

    def _share(self) -> int:
        """How many bytes of a partition may wait in memory, so that no partition fills it alone."""
        return max(1, self._memory.total_bytes // (2 * max(1, len(self.behind))))

    def intend(self, prepared: Mapping[Place, Prepared], held: Held) -> None:
        """Adds what is about to be sent to the next round of the journal. Nothing of it may be sent before `keep`."""
        for place, made in prepared.items():
            self._round.intents[place] = made.boundaries
            if made.runs:
                self._round.runs[place] = made.runs
        if held.batches:
            self._memory.free_bytes -= held.size_bytes
        if prepared:
            self._intended.append(prepared)

    def keep(self) -> None:
        """Writes to the journal, in one round, what is about to be sent."""
        if not self._intended:
            return
        self.write_down()
        for prepared in self._intended:
            for place, made in prepared.items():
                self.by_place[place].put(made)
        self._intended.clear()

    def acknowledge(self, track: Track, ready: Ready) -> None:
        assert track.acknowledged is not None
        before = track.acknowledged
        track.acknowledge(ready)
        size_bytes = ready.outgoing.size_bytes
        _, so_far = self._round.acknowledged.get(track.place, (None, 0))
        self._round.acknowledged[track.place] = (ready.boundary, so_far + size_bytes)
        if track.follows:
            self._grown.add(track.place)
        self.sent_bytes += size_bytes
        self._progress(ready.boundary.source - before.source)
        self._release(ready)
        self.enlist(track)

    def conclude(self) -> None:
        """Writes to the journal which partitions are complete, many in one transaction."""
        if not self._complete:
            return
        for track in self._complete:
            self._acknowledge_end(track)
            self._progress(0)
        self.write_down()
        for track in self._complete:
            self._reader.forget(track.place)
            self.open -= 1
            self.outcomes.append(_done(track))
        self._complete.clear()

    def lags(self) -> dict[Place, Lag]:
        """Of the followed partitions that are not copied up to their ends, as far as the source has returned these."""
        tracks = (self.by_place[place] for place in self.behind)
        return {
            track.place: Lag(track.end - track.copied, track.lag_seconds())
            for track in tracks
            if track.follows and track.end > track.copied
        }

    def held(self) -> dict[Place, Lag]:
        """Of the partitions on which an open transaction holds something back: how many offsets, and since when."""
        now = time.monotonic()
        tracks = (self.by_place[place] for place in self._held)
        return {track.place: Lag(track.held, now - track.held_since) for track in tracks if track.open}

    def write_down(self) -> None:
        work = self._round
        if work.intents or work.acknowledged or work.runs or work.ends:
            self._round = Round()
            began = time.monotonic()
            self.journal.record(work)
            self.tally.rounds += 1
            self.tally.round_seconds += time.monotonic() - began

    def _progress(self, offsets: int) -> None:
        self.done_offsets += offsets
        self.moved_at = time.monotonic()
        self.trouble = ""

    # Out of step.

    def settle(self, ends: Mapping[Place, LogEnd]) -> None:
        """Continues the copy from the ends of the destination's logs. Gives up a partition whose log ends at an offset
        at which the copy cannot have ended."""
        self.write_down()
        landed = {place: told.offset - self.by_place[place].begun.base for place, told in ends.items()}
        epochs = {place: told.leader.epoch for place, told in ends.items()}
        for place, position in self.journal.settle(landed, epochs).items():
            track = self.by_place[place]
            if position is None:
                self.fail(track, _disagreement(self.journal.position(place), ends[place].offset), final=True)
                continue
            assert track.acknowledged is not None
            before = track.acknowledged.source
            track.settle(position)
            self.tally.settlements += 1
            self._note_settled(track, ends[place].leader.broker, landed=position.source - before)
            self.unsettled.discard(place)
            if position.source > before:
                self._progress(position.source - before)
            self.enlist(track)

    def _note_settled(self, track: Track, leader: Broker, *, landed: int) -> None:
        if track.led_by not in (None, leader.id):
            self._note(track, f"the leader on the destination was broker {track.led_by}, now it is {leader.id}")
        more = f" {landed} source offsets had arrived without an answer." if landed else ""
        self._note(track, f"settled: the copy goes on at the end of the log on broker {leader.id}.{more}")
        track.dest_leader, track.led_by = leader, leader.id

    def _note(self, track: Track, what: str) -> None:
        self._happened.setdefault(what, []).append(track.name)

    def unsettle(self, track: Track, reason: str) -> None:
        """A batch that is not acknowledged at its own offset ends here. Batches that were ready are fetched again."""
        if track.open:
            self.trouble = reason
            self._note(track, f"to be settled again: {reason.removeprefix(f'{track.name} on the ')}")
            self._drop(track, track.unsettle())
            self.unsettled.add(track.place)
            self.behind.add(track.place)

    def _drop(self, track: Track, dropped: Iterable[Ready]) -> None:
        """Nothing of the partition moves for now."""
        self._reader.forget(track.place)
        for sendable in self.sendable.values():
            sendable.pop(track.place, None)
        for ready in dropped:
            self._release(ready)

    def refused(self, track: Track, reason: str) -> bool:
        """Whether to try again."""
        track.refusals += 1
        self.trouble = f"{track.name}: {reason}"
        if track.refusals > PATIENCE_WITH_REFUSALS:
            self.fail(track, reason)
            return False
        return True

    def cut_back(self, track: Track, cut: Cut) -> None:
        """The source no longer has what was read of it. While some of that is not acknowledged, the end of the
        destination's log shows first how much of it has been copied."""
        assert track.acknowledged is not None
        if track.next > track.acknowledged.source:
            self.unsettle(track, f"{track.name}: the source's log was cut back to offset {cut.offset}")
        else:
            self.fail(track, cut.reason, final=True)

    def misplaced(self, track: Track, ready: Ready, arrived_at: int) -> None:
        expected = track.begun.base + ready.rank
        self.fail(
            track,
            f"a batch for offset {expected} of the destination arrived at {arrived_at}: another client writes to it",
            final=True,
        )

    def fail(self, track: Track, reason: str, *, final: bool = False, silent: bool = False) -> None:
        """`final`: it cannot be repaired, and the next run would stop at the same place. What is complete cannot
        fail."""
        if not track.open:
            return
        reason += "; this copy cannot go on" * final
        self._drop(track, track.fail())
        self.unsettled.discard(track.place)
        self.behind.discard(track.place)
        self.open -= 1
        self.trouble = ""
        self.write_down()
        self.journal.fail(track.place, reason)
        self.failed |= {track.place}
        topic, partition = track.place
        self.outcomes.append(
            PartitionFailed(topic=topic, partition=partition, reason=reason, final=final, silent=silent)
        )

    def leave(self, track: Track) -> None:
        """It is not followed any more. What is under way may still arrive: it is settled when the partition is taken
        up again."""
        if track.open:
            self._drop(track, track.fail())
            self.open -= 1
        self.unsettled.discard(track.place)
        self.behind.discard(track.place)
        self._grown.discard(track.place)
        self._held.discard(track.place)
        self.failed -= {track.place}
        self.write_down()
        del self.by_place[track.place]

    def resize_memory(self, total_bytes: int) -> None:
        self._memory.free_bytes += total_bytes - self._memory.total_bytes
        self._memory.total_bytes = total_bytes

    def _release(self, ready: Ready) -> None:
        ready.held.batches -= 1
        if not ready.held.batches:
            self._memory.free_bytes += ready.held.size_bytes


def _disagreement(position: Position, log_end: int) -> str:
    expected = position.dest_end
    if log_end < expected:
        return (
            f"the destination's log ends at {log_end}, but {expected} was acknowledged before:"
            " it was truncated or recreated"
        )
    return (
        f"the destination's log ends at {log_end}, which is not the end of a batch that was sent"
        f" (acknowledged up to {expected}): another client writes to it"
    )


def _done(track: Track) -> PartitionDone:
    begun = track.begun
    return PartitionDone(
        topic=begun.topic,
        partition=begun.partition,
        records=track.rank,
        size_bytes=track.size_bytes,
        dest_start=begun.base,
        dest_end=begun.base + track.rank,
    )
