"""Logs of one cluster, read from their present leaders; one engine for the copy, the check and the look.

    want ──▶ led? ──▶ its turn ──▶ Fetch ──▶ Arrived
               ▲                     │
               └─── another leader, ─┴─▶ doubt ──▶ Lost
                    a lost connection

The reader never blocks. Its owner calls `go_on`, takes answers from the queue, and then calls `take` for the events
that came of them. Only what the owner wants is asked for: a partition is asked for once, and again when its owner wants
the records that follow.

- Partitions whose records are known to exist take turns (`turns`). Partitions at the ends of their logs wait in a fetch
  session of their broker, on a connection of its own (`session`): for any number of them, one request is under way. The
  others are in no session. A broker looks at each partition of a session for each answer, and returns its records again
  and again until it is told of the next offset or to forget them.
- A throttled answer names no partition at all (KIP-219). All its partitions are asked for again after the throttle
  time, with a smaller request: a broker would refuse for ever what exceeds the whole window of a quota at once.
- A dead connection is replaced, and the leaders of the partitions that were asked for on it are looked up again. Each
  request has the leader's epoch, so that a broker that is no longer leader, and does not know it yet, refuses.
- A batch that came only in part is asked for in its own size. It is damaged when it does not exist as a whole, or when
  its broker itself cannot read it, asked again and again. Its owner finds all other damage (`batches.scan`).
- Before records are asked of another leader, its log is compared with what was read (`history`).
- "Out of range" and "no records, though some are due" are doubts. The start and the end of the log decide. They are
  requested from the present leader, once for all partitions in doubt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from kafka_meta.batches.format import first_size_bytes
from kafka_meta.events import Emit, Happened, silent
from kafka_meta.logs.history import Cut, Mark, compared
from kafka_meta.logs.session import Session
from kafka_meta.logs.turns import Turns
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Place, Unanswered, Wire
from kafka_meta.wire.connection import RECEIVE_MAX_BYTES, error_text, is_retriable
from kafka_meta.wire.contact import side_of
from kafka_meta.wire.fetch import Fetch, Fetched, SessionAnswer, Wanted
from kafka_meta.wire.lines import Answers, Line, Lines, Rest
from kafka_meta.wire.partitions import (
    EpochEnd,
    Failure,
    Leader,
    Recreated,
    epoch_ends,
    led,
    log_bounds,
)
from kafka_meta.wire.patience import Silence

_PARTITION_BYTES = 1 << 20
"""How much a partition is asked for in a turn; more where few wait, and less where many do."""
_FIRST_TURN = 4
"""Where many partitions wait, the first turn of each is this part of its records: so all of them move from the
beginning. Then turns are long: an append costs a broker as much as many records do."""
_BATCHES_A_TURN = 2
"""Of the size of its last ones, at least. A broker gives nothing of a batch that is larger than what is asked for,
unless its partition comes first."""
_SESSION_BYTES = 8 << 20
"""Of one answer in a session. A partition with more records takes its turn with the others. So much may arrive while a
round of the journal waits for its disk: with an eighth of it, and 500 busy partitions, the copy falls behind."""
_PAUSE_SECONDS = 0.2
"""Between two look-ups of leaders."""
_DOUBT_SECONDS = 0.5
_SAY_AGAIN_SECONDS = 60.0
_PATIENCE_WITH_DOUBTS = 10
_OFFSET_OUT_OF_RANGE, _CORRUPT_MESSAGE = 1, 2


@dataclass(slots=True, kw_only=True)
class Memory:
    """How many bytes may be held at a time, in answers that are on their way and in what was made of them."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The records of one answer, by partition, in the order of the answer. None of these partitions is wanted any
    more."""

    fetched: Sequence[Fetched]

    @property
    def size_bytes(self) -> int:
        return sum(len(each.records) for each in self.fetched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """The log starts after the wanted offset: by retention, or because somebody has deleted records."""

    place: Place
    offset: int
    log_start: int

    @property
    def reason(self) -> str:
        return f"offset {self.offset} is not there: the log begins at {self.log_start}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """The log ends before the wanted records: it was truncated, or it is another log."""

    place: Place
    log_end: int
    end: int

    @property
    def reason(self) -> str:
        return f"the log ends at {self.log_end}, {self.end} was expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutBack:
    """The log was cut back after it had been read up to the wanted offset."""

    place: Place
    cut: Cut

    @property
    def reason(self) -> str:
        return self.cut.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The broker refuses. `recreated`: another topic with the same name has replaced the topic."""

    place: Place
    reason: str
    recreated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """The batch with the wanted offset cannot be read."""

    place: Place
    offset: int
    seen: str

    @property
    def reason(self) -> str:
        return f"record batch at offset {self.offset}: {self.seen}"


Lost: TypeAlias = Purged | Short | CutBack | Refused | Damaged
Event: TypeAlias = Arrived | Lost


@dataclass(slots=True, kw_only=True, eq=False)
class _Log:
    """A partition that is read. Its records from `offset` to `end` are due: they are known to exist. Without such
    records, it is at its end."""

    place: Place
    topic_id: str | None
    offset: int = 0
    end: int = 0
    epoch: int | None = None
    """The leader's epoch in the batch before `offset`; None where it is not known, or nothing was read before."""
    leader: Leader | None = None
    compared: int | None = None
    """The epoch of the last leader whose log is the one that was read."""
    led_by: int | None = None
    """The last leader that is known, also while it may have changed."""
    doubts: int = 0
    """How many doubts there were since records last arrived."""
    batch_bytes: int = 0
    """The size of the next batch, where an answer had only a part of it."""
    turn_offsets: int = 0
    """How many of its offsets are its first turn's."""
    answer_bytes: int = 0
    """The size of the last answer."""

    @property
    def due(self) -> bool:
        return self.offset < self.end

    @property
    def least_end(self) -> int:
        """A log that ends before this is not the one that was read."""
        return self.offset + self.due


@dataclass(frozen=True, slots=True, kw_only=True)
class _Led:
    """A leader, and the end of the epoch of what was read, in its log; None where it was not asked for."""

    leader: Leader
    end: EpochEnd | Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """The start and the end of a log; None where one is not known for the moment."""

    leader: Leader
    start: int | None
    end: int | None
    certain: bool
    """Whether `end` is the end of the leader's own log. Else it is the high watermark, which lags behind for a
    moment."""


def _nobody(told: Fetched) -> None:
    """Hears nothing."""


class LogReader:
    """`request_bytes` is how much a broker is asked for in one request, at most. `note` hears of each partition for
    which an answer has watermarks, and no records."""

    def __init__(
        self,
        settings: ClusterSettings,
        wire: Wire,
        answers: Answers,
        memory: Memory,
        *,
        request_bytes: int,
        note: Callable[[Fetched], None] = _nobody,
        emit: Emit = silent,
    ) -> None:
        self._note = note
        self._emit = emit
        self._side = side_of(settings)
        self._wire, self._answers, self._memory = wire, answers, memory
        self._lines = Lines(settings, count=1, depth=1, most_bytes=request_bytes)
        self._session_lines = Lines(settings, count=1, depth=1, most_bytes=_SESSION_BYTES)
        self._logs: dict[Place, _Log] = {}
        self._unled: set[Place] = set()
        self._out_of_range: set[Place] = set()
        """Partitions that are asked for again only when the bounds of their logs are known."""
        self._overdue: set[Place] = set()
        """Partitions whose records do not arrive though they are due. They are still asked for."""
        self._turns: dict[int, Turns] = {}
        """The turns of each broker, by its id."""
        self._sessions: dict[int, Session] = {}
        """The partitions of each broker that are at their ends."""
        self._events: list[list[tuple[_Log, Fetched]] | tuple[_Log, Lost]] = []
        self._looking_for_leaders = self._looking_at_bounds = False
        self._leaders_not_before = self._bounds_not_before = 0.0
        self._due: set[Place] = set()
        self._epochs: dict[Place, int] = {}
        """The highest epoch that was seen of each partition's leaders. A broker that tells of an earlier one does not
        know of the last election yet."""
        self._batch_bytes = 0
        """The size of the last batch that came first in an answer."""
        self._offset_bytes = 0.0
        """Bytes an offset, in the last answer that was used up."""
        self._silence = Silence()
        self._trouble = ""
        self._said_at: dict[str, float] = {}

    def want(self, place: Place, offset: int, end: int, topic_id: str | None = None, epoch: int | None = None) -> None:
        """Asks for the records from `offset` on, which are due up to `end`; with `end` = `offset`, for records that may
        come or not. Not for a partition that is wanted already. `epoch`: the leader's epoch in the batch before
        `offset`, if that was read and has one."""
        log = self._logs.get(place)
        if log is None:
            log = self._logs[place] = _Log(place=place, topic_id=topic_id, turn_offsets=(end - offset) // _FIRST_TURN)
        elif offset > log.offset and log.answer_bytes:
            self._offset_bytes = log.answer_bytes / (offset - log.offset)
        log.offset, log.end, log.epoch = offset, end, epoch
        self._epochs[place] = max(-1 if epoch is None else epoch, self._epochs.get(place, -1))
        if log.due:
            self._due.add(place)
        self._queue(log)

    def forget(self, place: Place) -> None:
        """Ends the reading of a partition. Records of it that are on their way are discarded."""
        log = self._logs.pop(place, None)
        if log is not None:
            self._stop(log)

    def take(self) -> Iterator[Event]:
        """The events since the last call, each one once. Events of partitions that were forgotten since then are left
        out."""
        events, self._events = self._events, []
        for event in events:
            if isinstance(event, list):
                fetched = [each for log, each in event if self._logs.get(log.place) is log]
                if fetched:
                    yield Arrived(fetched=fetched)
            else:
                log, told = event
                if self._logs.get(log.place) is log:
                    # An answer that was under way may have put it into a queue again.
                    self._stop(log)
                    del self._logs[log.place]
                    yield told

    def close(self) -> None:
        self._lines.close()
        self._session_lines.close()

    @property
    def silent_seconds(self) -> float:
        """For how many seconds no records that are due have arrived, as `go_on` sees it. The time for which a broker
        throttles us does not count."""
        return self._silence.seconds

    @property
    def rest(self) -> Rest | None:
        """The longest time for which a broker throttles us at the moment; None when no broker does."""
        rests = (lines.resting() for lines in (self._lines, self._session_lines))
        return max(filter(None, rests), key=lambda rest: rest.seconds, default=None)

    @property
    def resting(self) -> bool:
        """Whether a broker throttles us at the moment."""
        return self.rest is not None

    @property
    def trouble(self) -> str:
        """Why some records do not arrive; empty when no reason is known."""
        rest = self.rest
        return self._trouble if rest is None else rest.reason

    def go_on(self) -> None:
        """Looks up the leaders and bounds that are needed, and sends requests to every broker that is not busy."""
        now = time.monotonic()
        self._silence.look()
        if not self._due or self.resting:
            self._silence.broken()
        if self._unled and not self._looking_for_leaders and now >= self._leaders_not_before:
            self._looking_for_leaders = True
            logs = {place: self._logs[place] for place in self._unled}
            wanted = {place: log.topic_id for place, log in logs.items()}
            read = {place: (log.epoch, log.compared) for place, log in logs.items() if log.epoch is not None}
            self._answers.meanwhile(
                partial(_led, self._wire, wanted, dict(self._epochs), read), partial(self._heard_leaders, logs)
            )
        doubtful = self._out_of_range | self._overdue
        if doubtful and not self._looking_at_bounds and now >= self._bounds_not_before:
            self._looking_at_bounds = True
            wanted = {place: self._logs[place].topic_id for place in doubtful}
            self._answers.meanwhile(partial(_bounds, self._wire, wanted, dict(self._epochs)), self._heard_bounds)
        self._ask()

    # Asking.

    def _stop(self, log: _Log) -> None:
        for waiting in (self._due, self._unled, self._out_of_range, self._overdue):
            waiting.discard(log.place)
        self._dequeue(log)

    def _dequeue(self, log: _Log) -> None:
        if log.leader is not None:
            self._turns[log.leader.broker.id].discard(log.place)
            self._sessions[log.leader.broker.id].discard(log.place)

    def _queue(self, log: _Log) -> None:
        if log.leader is None:
            self._unled.add(log.place)
        elif log.due or log.batch_bytes:
            self._turns[log.leader.broker.id].add(log.place)
        else:
            self._sessions[log.leader.broker.id].add(_wanted(log, _PARTITION_BYTES))

    def _ask(self) -> None:
        waiting = [turns for turns in self._turns.values() if turns]
        # Half of the memory is for answers, so that every broker has its turn; the other half is the owner's.
        most_bytes = self._memory.total_bytes // (2 * max(1, len(waiting)))
        for turns in waiting:
            leader = self._logs[turns.first].leader
            assert leader is not None
            for line in self._lines.free(leader.broker):
                size_bytes = min(line.pace.request_bytes, most_bytes)
                if self._memory.free_bytes >= size_bytes:
                    self._send(line, turns, size_bytes)
        sessions = [session for session in self._sessions.values() if session]
        for session in sessions:
            self._send_session(session, self._memory.total_bytes // (2 * len(sessions)))

    def _send(self, line: Line, turns: Turns, size_bytes: int) -> None:
        waiting = len(turns)
        logs = [self._logs[place] for place in turns.take()]
        size_bytes = max(size_bytes, *(log.batch_bytes for log in logs), 0)
        most = max(_PARTITION_BYTES, size_bytes // len(logs))
        least = max(size_bytes // waiting, _BATCHES_A_TURN * self._batch_bytes)
        wanted = [_wanted(log, self._share(log, least, most)) for log in logs]
        self._memory.free_bytes -= size_bytes
        line.under_way += 1
        request = Fetch(wanted=wanted, max_bytes=size_bytes)
        line.channel.ask(request, self._answers.to(self._heard, line, turns, logs, size_bytes))

    def _share(self, log: _Log, least: int, most: int) -> int:
        """How many bytes a partition is asked for. Before the first records have come, nothing is known of them."""
        if not self._offset_bytes or log.answer_bytes:
            return most
        return min(most, max(least, round(log.turn_offsets * self._offset_bytes)))

    def _send_session(self, session: Session, most_bytes: int) -> None:
        leader = self._logs[next(iter(session))].leader
        assert leader is not None
        for line in self._session_lines.free(leader.broker):
            size_bytes = min(line.pace.request_bytes, most_bytes)
            if self._memory.free_bytes >= size_bytes:
                self._memory.free_bytes -= size_bytes
                line.under_way += 1
                line.channel.ask(
                    session.request(size_bytes), self._answers.to(self._heard_session, line, session, size_bytes)
                )

    # Hearing.

    def _heard(
        self, answer: list[Fetched] | Unanswered, line: Line, turns: Turns, logs: Sequence[_Log], reserved_bytes: int
    ) -> None:
        # A throttled answer names no partition.
        line.answered(lost=isinstance(answer, Unanswered) or not answer)
        self._memory.free_bytes += reserved_bytes
        asked = {log.place: log for log in logs if self._logs.get(log.place) is log}
        if isinstance(answer, Unanswered):
            self._unanswered(answer, line, asked.values())
        elif not answer:
            turns.withheld(list(asked))
        else:
            self._understand(answer, turns, asked)

    def _unanswered(self, silence: Unanswered, line: Line, asked: Iterable[_Log]) -> None:
        self._trouble = f"the {self._side}: {silence.reason}"
        self._say(f"broker {line.channel.broker.id} of {self._trouble}. It is asked again")
        for log in asked:
            if silence.retriable:
                self._seek_leader(log)
            else:
                self._is_over(log, Refused(place=log.place, reason=self._trouble))

    def _say(self, text: str) -> None:
        """The same thing once a minute: a login that is refused for days is refused several times a second."""
        now = time.monotonic()
        if now - self._said_at.get(text, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            self._said_at[text] = now
            self._emit(Happened(text=text))

    def _heard_session(
        self, answer: SessionAnswer | Unanswered, line: Line, session: Session, reserved_bytes: int
    ) -> None:
        line.answered(lost=isinstance(answer, Unanswered))
        self._memory.free_bytes += reserved_bytes
        if isinstance(answer, Unanswered):
            session.lost()
            self._unanswered(answer, line, [self._logs[place] for place in session])
            return
        self._trouble = ""
        told: list[Fetched] = []
        for each in session.answered(answer):
            if each.error_code or each.records:
                told.append(each)
            else:
                self._note(each)
        asked = {(each.topic, each.partition): self._logs[each.topic, each.partition] for each in told}
        for log in asked.values():
            self._dequeue(log)
        fed = self._fed(told, asked)
        for place in asked.keys() - fed.keys():
            self._queue(asked[place])  # a part of a batch came
        self._hand_over(asked, fed)

    def _understand(self, answer: Sequence[Fetched], turns: Turns, asked: dict[Place, _Log]) -> None:
        fed = self._fed(answer, asked)
        if any(len(fetched.records) for fetched in answer) and not fed:
            # A partition that was forgotten meanwhile got all the records. That says nothing about the others.
            turns.withheld(list(asked))
            return
        turns.answered(list(asked), fed)
        if not fed:
            # When no partition got records, no partition had any to give.
            self._overdue |= asked.keys()
        self._hand_over(asked, fed)

    def _fed(self, answer: Sequence[Fetched], asked: dict[Place, _Log]) -> dict[Place, Fetched]:
        """Those of `asked` that got records. Those that were refused, or are damaged, leave `asked`."""
        fed: dict[Place, Fetched] = {}
        for fetched in answer:
            place = fetched.topic, fetched.partition
            if place not in asked:
                continue
            if fetched.error_code:
                self._refuse(asked.pop(place), fetched.error_code)
            elif not fetched.records:
                self._note(fetched)
            elif len(fetched.records) < first_size_bytes(fetched.records):
                if self._is_damaged(asked[place], fetched):
                    del asked[place]
            else:
                fed[place] = fetched
        return fed

    def _hand_over(self, asked: Mapping[Place, _Log], fed: Mapping[Place, Fetched]) -> None:
        if not fed:
            return
        for place, fetched in fed.items():
            log = asked[place]
            log.doubts = log.batch_bytes = 0
            log.answer_bytes = len(fetched.records)
            self._batch_bytes = first_size_bytes(fetched.records)
        self._overdue -= fed.keys()
        self._due -= fed.keys()
        self._has_moved()
        self._events.append([(asked[place], fetched) for place, fetched in fed.items()])

    def _is_damaged(self, log: _Log, partial: Fetched) -> bool:
        """Whether a batch that came only in part does not exist as a whole. Else it is asked for again, in its own
        size: it was larger than what was asked for. (Kafka itself returns the first batch of an answer whole.)"""
        size_bytes, asked_bytes = first_size_bytes(partial.records), log.batch_bytes
        log.batch_bytes = size_bytes
        if size_bytes <= RECEIVE_MAX_BYTES and size_bytes != asked_bytes:
            return False
        seen = f"it claims {size_bytes} bytes, and {len(partial.records)} arrive"
        self._is_over(log, Damaged(place=log.place, offset=log.offset, seen=seen))
        return True

    def _refuse(self, log: _Log, code: int) -> None:
        if code == _OFFSET_OUT_OF_RANGE:
            self._out_of_range.add(log.place)
        elif code == _CORRUPT_MESSAGE and log.doubts >= _PATIENCE_WITH_DOUBTS:
            seen = f"the {self._side} itself cannot read it ({error_text(code)})"
            self._is_over(log, Damaged(place=log.place, offset=log.offset, seen=seen))
        elif code == _CORRUPT_MESSAGE or is_retriable(code):
            log.doubts += code == _CORRUPT_MESSAGE  # another replica may have it as it was
            self._trouble = f"{_name(log.place)} on the {self._side}: {error_text(code)}"
            self._seek_leader(log)
        else:
            reason = f"the {self._side} refuses the fetch: {error_text(code)}"
            self._is_over(log, Refused(place=log.place, reason=reason))

    def _seek_leader(self, log: _Log) -> None:
        self._dequeue(log)
        log.leader = None
        self._unled.add(log.place)

    def _lead(self, log: _Log, leader: Leader) -> None:
        log.leader = leader
        self._turns.setdefault(leader.broker.id, Turns())
        self._sessions.setdefault(leader.broker.id, Session())
        self._queue(log)

    def _heard_leaders(self, logs: Mapping[Place, _Log], found: Mapping[Place, _Led | Failure]) -> None:
        self._looking_for_leaders = False
        self._leaders_not_before = time.monotonic() + _PAUSE_SECONDS
        moved: dict[tuple[int, int], list[Place]] = {}
        for place, told in found.items():
            log = logs[place]
            if place not in self._unled or self._logs[place] is not log:
                continue
            if isinstance(told, Failure):
                self._fail(place, told)
                continue
            self._epochs[place] = max(told.leader.epoch, self._epochs[place])
            difference = None
            if told.end is not None and log.epoch is not None:
                difference = compared(Mark(log.offset, log.epoch), told.end)
            if isinstance(difference, Cut):
                self._is_over(log, CutBack(place=place, cut=difference))
            elif isinstance(difference, Failure) and difference.retriable:
                self._fail(place, difference)
            else:
                # What brokers do not tell cannot be compared: the owner says so.
                log.compared = told.leader.epoch
                self._unled.discard(place)
                new, before = told.leader.broker.id, log.led_by
                if before not in (None, new):
                    moved.setdefault((before, new), []).append(place)
                log.led_by = new
                self._lead(log, told.leader)
        for (old, new), places in moved.items():
            more = f" and {len(places) - 1} more partitions" if len(places) > 1 else ""
            text = f"{_name(places[0])}{more}: the leader on the {self._side} was broker {old}, now it is {new}"
            self._emit(Happened(text=text))

    def _heard_bounds(self, found: Mapping[Place, _Bounds | Failure]) -> None:
        self._looking_at_bounds = False
        self._bounds_not_before = time.monotonic() + _DOUBT_SECONDS
        for place, told in found.items():
            if place not in self._out_of_range and place not in self._overdue:
                continue
            log = self._logs[place]
            if isinstance(told, Failure):
                self._fail(place, told)
                continue
            if log.epoch is not None and told.leader.epoch != log.compared:
                # Another leader: whether its log is the one that was read comes first.
                self._out_of_range.discard(place)
                self._overdue.discard(place)
                self._seek_leader(log)
                continue
            # What is not known is asked for again; a broker may be down.
            log.doubts += told.start is not None and told.end is not None
            patient = log.doubts < _PATIENCE_WITH_DOUBTS
            if told.start is not None and told.start > log.offset:
                self._is_over(log, Purged(place=place, offset=log.offset, log_start=told.start))
            elif told.end is not None and told.end < log.least_end and (told.certain or not patient):
                self._is_over(log, Short(place=place, log_end=told.end, end=log.end))
            elif place in self._out_of_range and patient:
                self._out_of_range.discard(place)
                self._lead(log, told.leader)
            elif place in self._out_of_range:
                bounds = f"the log goes from {told.start} to {told.end}"
                reason = f"the {self._side} says that offset {log.offset} is out of range, and that {bounds}"
                self._is_over(log, Refused(place=place, reason=reason))
            else:
                # A leader that is new may not know its high watermark for a moment.
                self._overdue.discard(place)
                self._trouble = (
                    f"{_name(place)} on the {self._side}: offset {log.offset} does not arrive, "
                    f"but the log goes from {told.start} to {told.end}"
                )

    def _fail(self, place: Place, failure: Failure) -> None:
        if failure.retriable:
            self._trouble = f"{_name(place)} on the {self._side}: {failure.reason}"
        else:
            recreated = isinstance(failure, Recreated)
            self._is_over(self._logs[place], Refused(place=place, reason=failure.reason, recreated=recreated))

    def _is_over(self, log: _Log, event: Lost) -> None:
        self._stop(log)
        self._has_moved()
        self._events.append((log, event))

    def _has_moved(self) -> None:
        self._silence.broken()
        self._trouble = ""


def _name(place: Place) -> str:
    return f"{place[0]}-{place[1]}"


def _wanted(log: _Log, max_bytes: int) -> Wanted:
    return Wanted(
        topic=log.place[0],
        partition=log.place[1],
        offset=log.offset,
        max_bytes=max(max_bytes, log.batch_bytes),
        epoch=-1 if log.leader is None else log.leader.epoch,
    )


def _led(
    wire: Wire,
    wanted: Mapping[Place, str | None],
    epochs: Mapping[Place, int],
    read: Mapping[Place, tuple[int, int | None]],
) -> dict[Place, _Led | Failure]:
    """`read`: the epoch of what was read last of a partition, and the epoch of the leader whose log was compared last.
    Before 2.1 leaders' epochs are not known, so every leader that is found is asked."""
    found = led(wire, wanted, epochs)
    known = {place: leader for place, leader in found.items() if isinstance(leader, Leader)}
    asked = {
        place: epoch
        for place, (epoch, compared) in read.items()
        if place in known and (known[place].epoch < 0 or known[place].epoch != compared)
    }
    ends = epoch_ends(wire, known, asked)
    silent = Failure(reason="its leader did not answer", retriable=True)
    return {
        place: told
        if isinstance(told, Failure)
        else _Led(leader=told, end=ends.get(place, silent) if place in asked else None)
        for place, told in found.items()
    }


def _bounds(
    wire: Wire, wanted: Mapping[Place, str | None], epochs: Mapping[Place, int]
) -> dict[Place, _Bounds | Failure]:
    found = led(wire, wanted, epochs)
    known = {place: leader for place, leader in found.items() if isinstance(leader, Leader)}
    starts, ends, uncertain = log_bounds(wire, known)
    bounds: dict[Place, _Bounds | Failure] = {}
    for place, told in found.items():
        if isinstance(told, Leader):
            start, end = _number(starts.get(place)), _number(ends.get(place))
            bounds[place] = _Bounds(leader=told, start=start, end=end, certain=place not in uncertain)
        else:
            bounds[place] = told
    return bounds


def _number(told: int | Failure | None) -> int | None:
    return told if isinstance(told, int) else None
