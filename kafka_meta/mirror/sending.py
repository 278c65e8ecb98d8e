"""Produce requests that carry a batch for each of many partitions; what is acknowledged, and what is not."""

from __future__ import annotations

import time
from typing import NamedTuple

from kafka_meta.batches import unreadable
from kafka_meta.journal import Place
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.partitions import Partitions
from kafka_meta.mirror.settling import Settling
from kafka_meta.mirror.track import Ready, State, Track, damaged
from kafka_meta.wire.connection import Unanswered, error_text, is_retriable
from kafka_meta.wire.lines import Answers, Line, Lines
from kafka_meta.wire.produce import Produce, Produced, Sent

PRODUCE_BYTES = 8 << 20
_SECOND_LOOK = frozenset({-1, 2, 45, 46, 47, 59})
"""UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE. OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER,
INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID: a batch of ours may have arrived, and we do not know it."""

_TOO_LARGE = frozenset({10, 18})
"""MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE (larger than a segment)."""


class _Asked(NamedTuple):
    """A batch on its way, and the era that its partition had when it was sent."""

    track: Track
    era: int
    ready: Ready


class Sending:
    """`max_rate_bytes` is bytes a second."""

    def __init__(
        self,
        partitions: Partitions,
        lines: Lines,
        lease: Lease,
        settling: Settling,
        answers: Answers,
        *,
        timeout_ms: int,
        max_rate_bytes: int | None,
    ) -> None:
        self._partitions, self._lines, self._lease = partitions, lines, lease
        self._settling, self._answers = settling, answers
        self._timeout_ms = timeout_ms
        self._max_rate_bytes = max_rate_bytes
        self._term = lease.term
        self._not_before = 0.0

    @property
    def rest_seconds(self) -> float:
        """For how many seconds the rate limit holds back everything."""
        return max(0.0, self._not_before - time.monotonic())

    def change_rate(self, max_rate_bytes: int | None) -> None:
        """From now on: a rest that the rate before has brought is over."""
        if max_rate_bytes != self._max_rate_bytes:
            self._max_rate_bytes, self._not_before = max_rate_bytes, 0.0

    @property
    def under_way(self) -> bool:
        """Whether a batch has no answer yet."""
        return any(track.sending for track in self._partitions.by_place.values())

    def go_on(self) -> None:
        """Sends what is ready on every line that is not busy."""
        if self.rest_seconds:
            self._partitions.moved_at = time.monotonic()  # waiting for the rate limit does not count as silence
            return
        if not any(self._partitions.sendable.values()):
            return
        if not self._lease.check():
            self._partitions.trouble = (
                "the lease on the destination has expired: its group's coordinator does not answer"
            )
            return
        if self._lease.term != self._term:
            self._start_term()
            return
        for sendable in self._partitions.sendable.values():
            while sendable and not self.rest_seconds:
                leader = next(iter(sendable.values())).dest_leader
                assert leader is not None
                if not any(self._send(line, sendable) for line in self._lines.free(leader)):
                    break

    def _start_term(self) -> None:
        """The lease was lost and has been taken again: somebody else may have copied in between."""
        self._partitions.journal.check_claim()
        self._term = self._lease.term
        for track in self._partitions.by_place.values():
            if track.state is State.SETTLED:
                self._partitions.unsettle(track, "the lease on the destination had expired")

    def _send(self, line: Line, sendable: dict[Place, Track]) -> bool:
        """Whether there was something for this line. While batches of a partition are under way, its next one goes on
        the same line, so that they arrive in order."""
        if self.rest_seconds:
            return False
        most = len(sendable)
        if self._lines.quiet(line.channel.broker):
            # Half of the partitions: the other half is sent while this request is being acknowledged.
            most = (most + 1) // 2
        tracks: list[Track] = []
        size = 0
        for track in sendable.values():
            if track.sending and track.line is not line:
                continue
            tracks.append(track)
            size += track.ready[0].outgoing.size_bytes
            if size >= line.pace.request_bytes or len(tracks) == most:
                break
        if not tracks:
            return False
        batches: list[Sent] = []
        asked: dict[Place, _Asked] = {}
        for track in tracks:
            del sendable[track.place]
            ready, begun, track.line = track.take(), track.begun, line
            head, body = ready.outgoing.head, ready.outgoing.body
            batches.append(Sent(topic=begun.dest_topic, partition=begun.partition, head=head, body=body))
            asked[begun.dest_topic, begun.partition] = _Asked(track=track, era=track.era, ready=ready)
            self._partitions.enlist(track)
        if self._max_rate_bytes is not None:
            self._not_before = max(self._not_before, time.monotonic()) + size / self._max_rate_bytes
        line.under_way += 1
        line.channel.ask(
            Produce(batches=batches, timeout_ms=self._timeout_ms),
            self._answers.to(self._heard, line, asked),
            self._lease.permit(self._term),
        )
        return True

    def _heard(self, answer: list[Produced] | Unanswered, line: Line, asked: dict[Place, _Asked]) -> None:
        line.answered(lost=isinstance(answer, Unanswered))
        if isinstance(answer, Unanswered):
            self._settling.wait_a_moment()
            for each in asked.values():
                if each.track.era != each.era:
                    continue
                if answer.retriable:
                    self._partitions.unsettle(each.track, f"the destination: {answer.reason}")
                else:
                    self._partitions.fail(each.track, f"the destination: {answer.reason}")
            return
        for produced in answer:
            each = asked[produced.topic, produced.partition]
            track = each.track
            if not track.open:
                continue
            if not produced.error_code and produced.base_offset != track.begun.base + each.ready.rank:
                self._partitions.misplaced(track, each.ready, produced.base_offset)
            elif track.era != each.era:
                continue  # the end of the destination's log will show that it has arrived
            elif produced.error_code:
                self._refused(track, each.ready, produced)
            else:
                self._partitions.acknowledge(track, each.ready)

    def _refused(self, track: Track, ready: Ready, produced: Produced) -> None:
        reason = error_text(produced.error_code, produced.error_message)
        self._partitions.tally.refusals[error_text(produced.error_code)] += 1
        assert track.acknowledged is not None
        at = track.acknowledged.source
        if track.sending[0] is ready and (seen := unreadable(ready.outgoing)) is not None:
            self._partitions.fail(track, damaged(f"record batch at offset {at}: {seen}", at))
        elif produced.error_code in _SECOND_LOOK:
            if self._partitions.refused(track, f"the destination refuses the next batch: {reason}"):
                self._partitions.unsettle(track, reason)
        elif is_retriable(produced.error_code):
            self._settling.wait_a_moment()
            self._partitions.unsettle(track, f"{track.name} on the destination: {reason}")
        elif produced.error_code in _TOO_LARGE and track.halve(ready):
            self._partitions.unsettle(track, f"{track.name} on the destination: {reason}")
        elif produced.error_code in _TOO_LARGE:
            self._partitions.fail(
                track,
                f"the destination refuses the last record before source offset {ready.outgoing.source_end}, compressed "
                f"anew: {reason}. Raise max.message.bytes of topic {track.begun.dest_topic}",
            )
        else:
            self._partitions.fail(track, f"the destination refuses the batch that follows source offset {at}: {reason}")
