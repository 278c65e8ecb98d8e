"""One stream of Fetch requests to every source broker, as far as memory goes."""

from __future__ import annotations

from kafka_meta.batches import MalformedBatch, RecordTooLarge
from kafka_meta.errors import KafkaMetaError
from kafka_meta.journal import Place
from kafka_meta.mirror.answers import Answers, Line, Lines
from kafka_meta.mirror.settle import Recreated, look_at_source
from kafka_meta.mirror.track import Held, Prepared, Track
from kafka_meta.mirror.tracks import Tracks
from kafka_meta.wire.connection import Unanswered, Wire, error_text, is_retriable
from kafka_meta.wire.fetch import Fetch, Fetched, Wanted
from kafka_meta.wire.partitions import Failure, listed_offsets
from kafka_meta.wire.topics import EARLIEST

_REQUEST_BYTES = 16 << 20
"""A dozen partitions get as much as they ask for: 1.1 times the throughput of half of it."""
_PARTITION_BYTES = 1 << 20
_PARTITIONS = 1000
_OFFSET_OUT_OF_RANGE = 1


class Fetching:
    def __init__(self, tracks: Tracks, lines: Lines, wire: Wire, answers: Answers) -> None:
        self._tracks, self._lines, self._wire, self._answers = tracks, lines, wire, answers

    def go_on(self) -> None:
        """Asks every broker that is not busy for the partitions that have waited longest."""
        # Half of the memory is for answers, so that every broker has its turn; what waits to be sent takes the other.
        size = min(_REQUEST_BYTES, self._tracks.memory_bytes // (2 * max(1, len(self._tracks.hungry))))
        for hungry in self._tracks.hungry.values():
            if not hungry or self._tracks.free_bytes < size:
                continue
            tracks = [track for _, track in zip(range(_PARTITIONS), hungry.values(), strict=False)]
            leader = tracks[0].source_leader
            assert leader is not None
            for line in self._lines.free(leader):
                self._ask(line, tracks, size)

    def _ask(self, line: Line, tracks: list[Track], size: int) -> None:
        wanted = [
            Wanted(
                topic=track.begun.topic,
                partition=track.begun.partition,
                offset=track.next,
                max_bytes=max(_PARTITION_BYTES, size // len(tracks)),
            )
            for track in tracks
        ]
        for track in tracks:
            track.fetching = True
            del self._tracks.hungry[line.channel.broker.id][track.place]
        self._tracks.free_bytes -= size
        line.under_way += 1
        eras = {track.place: track.era for track in tracks}
        line.channel.ask(Fetch(wanted=wanted, max_bytes=size), self._answers.to(self._heard, line, eras, size))

    def _heard(self, answer: list[Fetched] | Unanswered, line: Line, eras: dict[Place, int], reserved: int) -> None:
        line.under_way -= 1
        self._tracks.free_bytes += reserved
        asked = [self._tracks.by_place[place] for place in eras]
        for track in asked:
            track.fetching = False
        if isinstance(answer, Unanswered):
            self._tracks.trouble = f"the source: {answer.reason}"
            for track in asked:
                self._tracks.seek_leader(track)
            return
        held = Held(size_bytes=sum(len(each.records) for each in answer))
        prepared: dict[Place, Prepared] = {}
        starved: list[Track] = []
        for fetched in answer:
            track = self._tracks.by_place[fetched.topic, fetched.partition]
            if track.closed or not track.settled or track.era != eras[track.place]:
                continue
            if fetched.error_code:
                self._refused(track, fetched)
                continue
            before = track.next
            made = self._prepare(track, fetched, held)
            if made.ready:
                prepared[track.place] = made
            if track.next == before:
                starved.append(track)
        self._tracks.keep(prepared, held)
        for track in asked:
            self._tracks.enlist(track)
        for track in starved:
            self._tracks.first_next_time(track)

    def _prepare(self, track: Track, fetched: Fetched, held: Held) -> Prepared:
        batches = held.batches
        try:
            return track.prepare(fetched, held)
        except (MalformedBatch, RecordTooLarge) as error:
            held.batches = batches
            self._reject(track, error)
            return Prepared()

    def _reject(self, track: Track, error: KafkaMetaError) -> None:
        """A second look tells damage on the way from damage in the log."""
        if isinstance(error, RecordTooLarge) or track.refusals:
            self._tracks.fail(track, error.message)
        else:
            track.refusals += 1
            self._tracks.unsettle(track, error.message)

    def _refused(self, track: Track, fetched: Fetched) -> None:
        reason = error_text(fetched.error_code)
        if fetched.error_code == _OFFSET_OUT_OF_RANGE:
            self._answers.meanwhile(lambda: self._earliest(track), lambda told: self._heard_earliest(track, told))
        elif is_retriable(fetched.error_code):
            self._tracks.trouble = f"{track.name} on the source: {reason}"
            self._tracks.seek_leader(track)
        else:
            self._tracks.fail(track, f"the source refuses to be read: {reason}")

    def _earliest(self, track: Track) -> int | Failure:
        leader = look_at_source(self._wire, [track.begun])[track.place]
        if isinstance(leader, Failure):
            return leader
        return listed_offsets(self._wire, {track.place: leader}, EARLIEST)[track.place]

    def _heard_earliest(self, track: Track, told: int | Failure) -> None:
        if track.closed:
            return
        if isinstance(told, Failure) and not told.retriable:
            self._tracks.fail(track, told.reason, final=isinstance(told, Recreated))
        elif isinstance(told, int) and told > track.next:
            reason = f"lost offsets {track.next}–{told}: the source deleted them before they were copied"
            self._tracks.fail(track, reason, final=True)
        elif self._tracks.refused(track, "the source says that the offset to go on from is out of its range"):
            self._tracks.seek_leader(track)
