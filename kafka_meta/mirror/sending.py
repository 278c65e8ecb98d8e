"""Produce requests that carry a batch for every partition; what is acknowledged, and what is not."""

from __future__ import annotations

import time

from kafka_meta.journal import Place
from kafka_meta.mirror.answers import Answers, Line, Lines
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.settling import Settling
from kafka_meta.mirror.track import Track
from kafka_meta.mirror.tracks import Tracks
from kafka_meta.wire.connection import Unanswered, error_text, is_retriable
from kafka_meta.wire.produce import Produce, Produced, Sent

_REQUEST_BYTES = 8 << 20
_SEQUENCE_CODES = frozenset({45, 46, 47, 59})
"""OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID: something of
ours has landed that we do not know of, so the position is read anew."""


class Sending:
    """`max_rate_bytes` is a second's."""

    def __init__(
        self,
        tracks: Tracks,
        lines: Lines,
        lease: Lease,
        settling: Settling,
        answers: Answers,
        *,
        timeout_ms: int,
        max_rate_bytes: int | None,
    ) -> None:
        self._tracks, self._lines, self._lease = tracks, lines, lease
        self._settling, self._answers = settling, answers
        self._timeout_ms = timeout_ms
        self._max_rate_bytes = max_rate_bytes
        self._term = lease.term
        self._not_before = 0.0

    @property
    def rest_seconds(self) -> float:
        """How long the rate limit keeps everything back."""
        return max(0.0, self._not_before - time.monotonic())

    def go_on(self) -> None:
        """Sends what is ready on every line that is not busy."""
        if self.rest_seconds or not any(self._tracks.sendable.values()):
            return
        if not self._lease.check():
            self._tracks.trouble = "the lease on the destination has run out; its group's coordinator does not answer"
            return
        if self._lease.term != self._term:
            self._start_term()
            return
        for sendable in self._tracks.sendable.values():
            while sendable and not self.rest_seconds:
                leader = next(iter(sendable.values())).dest_leader
                assert leader is not None
                if (line := self._lines.idle(leader)) is None:
                    break
                self._send(line, sendable)

    def _start_term(self) -> None:
        """The lease was lost and has been taken anew: somebody else may have copied in between."""
        self._tracks.journal.check_claim()
        self._term = self._lease.term
        for track in self._tracks.by_place.values():
            if track.settled:
                self._tracks.unsettle(track, "the lease on the destination had run out")

    def _send(self, line: Line, sendable: dict[Place, Track]) -> None:
        tracks: list[Track] = []
        size = 0
        # Half of what is there: the other half goes while this one is being acknowledged.
        most = len(sendable) if self._lines.busy_beside(line) else (len(sendable) + 1) // 2
        for track in sendable.values():
            tracks.append(track)
            size += track.ready[0].outgoing.size_bytes
            if size >= _REQUEST_BYTES or len(tracks) == most:
                break
        batches = []
        for track in tracks:
            del sendable[track.place]
            outgoing = track.take().outgoing
            begun = track.begun
            sent = Sent(topic=begun.dest_topic, partition=begun.partition, head=outgoing.head, body=outgoing.body)
            batches.append(sent)
            self._tracks.enlist(track)
        if self._max_rate_bytes is not None:
            self._not_before = max(self._not_before, time.monotonic()) + size / self._max_rate_bytes
        eras = {(track.begun.dest_topic, track.begun.partition): (track, track.era) for track in tracks}
        line.busy = True
        line.channel.ask(
            Produce(batches=batches, timeout_ms=self._timeout_ms),
            self._answers.to(self._heard, line, eras),
            self._lease.permit(self._term),
        )

    def _heard(self, answer: list[Produced] | Unanswered, line: Line, asked: dict[Place, tuple[Track, int]]) -> None:
        line.busy = False
        if isinstance(answer, Unanswered):
            self._settling.wait_a_moment()
            for track, era in asked.values():
                if track.era == era:
                    self._tracks.unsettle(track, f"the destination: {answer.reason}")
            return
        for produced in answer:
            track, era = asked[produced.topic, produced.partition]
            if track.closed or track.era != era:
                continue
            assert track.sending is not None
            if produced.error_code:
                self._refused(track, produced)
            elif produced.base_offset != track.begun.base + track.sending.rank:
                self._tracks.misplaced(track, produced)
            else:
                self._tracks.acknowledge(track, track.sending)

    def _refused(self, track: Track, produced: Produced) -> None:
        reason = error_text(produced.error_code, produced.error_message)
        if produced.error_code in _SEQUENCE_CODES:
            if self._tracks.refused(track, f"the destination refuses the next batch: {reason}"):
                self._tracks.unsettle(track, reason)
        elif is_retriable(produced.error_code):
            self._settling.wait_a_moment()
            self._tracks.unsettle(track, f"{track.name} on the destination: {reason}")
        else:
            assert track.acknowledged is not None
            at = track.acknowledged.source
            self._tracks.fail(track, f"the destination refuses the batch that follows source offset {at}: {reason}")
