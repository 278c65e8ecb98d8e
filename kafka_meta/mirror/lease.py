"""Only one copier at a time: its membership of a group on the destination is its lease.

A copier from a source is a live member of the group `kafka-meta-mirror.<source cluster id>`; that of a named task, of
one with a dot and the task's name behind it, so that tasks with other topics copy beside it. A second copier joins the
group as well. Then the group's leader tells all members who holds the lease: the member that says it does, else the
leader itself. A member that does not hold it leaves. A dead copier loses its membership when its session ends, and the
next copier's join waits for that.

A broker waits `group.initial.rebalance.delay.ms` (3 s as shipped) before it answers the first join of an empty group.
A copier does not wait for it. It looks meanwhile, on a second connection. When it has been the only member for a
second, it came first: so it will be the group's leader, and has the lease already. Each look that still finds it among
the members counts as a heartbeat, for a short time.

A coordinator that moves forgets a group that has not begun, and the broker that had it may not notice at once. So a
look counts only when every broker names the same coordinator. Whoever asks the next coordinator waits for longer than
an earlier look counts.

A copier may send only while its last answered heartbeat is younger than the session. So a process that was stopped and
wakes up knows by its clock, before it sends anything, that another copier may have the lease.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.model import LEASE_GROUPS
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.membership import Expelled, Joined, Membership, Rebalancing
from kafka_meta.wire.patience import patiently

SESSION_SECONDS = 10.0
_HEARTBEATS = 5
"""Heartbeats in a session. The lease counts as ended one interval before the session ends at the coordinator."""
_GRACE_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_LOOK_SECONDS = 0.1
_ALONE_SECONDS = 1.0
"""How long we must have been alone in a group that is about to begin, before we have the lease."""
_LOOK_COUNTS_SECONDS = 0.6
"""How long the lease holds after a look in that time: less than `_ALONE_SECONDS`, so that nobody has it twice."""
_SETTLE_SECONDS = 15.0
"""How long a coordinator has to load its groups, and a group to settle, before nobody knows who has the lease."""
_PARTING_SECONDS = 2.0
"""How long a coordinator has to take our leave."""
_KIND = LEASE_GROUPS.rstrip(".")


def group_of(source_id: str, task: str | None = None) -> str:
    """Cluster ids and names of tasks have no dots."""
    return LEASE_GROUPS + ".".join(filter(None, (source_id, task)))


class Lease:
    """A context manager. Entering it waits until the lease is taken, or raises `KafkaMetaError` with the host of the
    process that has it. `join` begins to take it, and returns at once; `close` gives it back, entered or not."""

    def __init__(
        self,
        dest: ClusterSettings,
        source_id: str,
        task: str | None = None,
        *,
        session_seconds: float = SESSION_SECONDS,
        emit: Emit = silent,
    ) -> None:
        self._dest = dest
        self._emit = emit
        self._session_seconds = session_seconds
        self._beat_seconds = session_seconds / _HEARTBEATS
        self._group = group_of(source_id, task)
        self._name = uuid.uuid4().hex
        self._says = {"host": socket.gethostname(), "pid": os.getpid(), "name": self._name}
        self._holding = False
        self._valid_until = 0.0
        self._lost: str | None = None
        self.term = 0
        """Goes up each time when the lease is taken: somebody else may have had it in between."""
        self._stop = threading.Event()
        self._answered = threading.Event()
        """Set when the lease is taken or refused."""
        self._joined_once = threading.Event()
        """Set when our first join has its answer, or will never have one."""
        self._refusal: Exception | None = None
        self._member_id = ""
        self._lock = threading.Lock()
        """For what looks change: `_holding`, `term`, `_valid_until`."""
        self._thread: threading.Thread | None = None
        self._wire: Wire | None = None

    def join(self) -> None:
        """Begins to take the lease. Raises `KafkaMetaError` when the destination cannot be reached."""
        self._wire = connect(self._impatient())
        try:
            self._member = Membership(wire=self._wire, group=self._group, kind=_KIND)
            self._say_whom_we_wait_for()
        except BaseException:
            self._wire.close()
            raise
        self._thread = threading.Thread(target=self._serve, name="lease", daemon=True)
        self._thread.start()

    def _impatient(self) -> ClusterSettings:
        """A coordinator that is down should be noticed soon, but joining may take as long as a session."""
        return replace(self._dest, request_timeout_ms=round(1000 * (self._session_seconds + _GRACE_SECONDS)))

    def __enter__(self) -> Lease:
        if self._thread is None:
            self.join()
        try:
            self._answered.wait()
            if self._refusal is not None:
                raise self._refusal
            self.check()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lease back, or takes the wish for it back. May be called again."""
        if self._thread is None or self._wire is None:
            return
        self._stop.set()
        # A coordinator that does not answer is not waited for, after ^C above all: the session ends by itself.
        with suppress(Unanswered, TimeoutError):
            background(self._part).result(timeout=_PARTING_SECONDS)
        self._wire.close()
        self._wire = None

    def _part(self) -> None:
        assert self._thread is not None
        if not self._joined_once.is_set():
            self._leave_while_joining()
        self._thread.join()
        if self._holding and self._lost is None:
            self._member.leave(self._coordinator, self._member_id)

    def _leave_while_joining(self) -> None:
        """On a connection of its own: a broker reads nothing from a connection on which it delays an answer."""
        with suppress(KafkaMetaError, Unanswered), connect(self._dest) as wire:
            member = Membership(wire=wire, group=self._group, kind=_KIND)
            if self._member_id:
                member.leave(member.coordinator(), self._member_id)

    def _serve(self) -> None:
        try:
            self._take()
        except Exception as error:
            self._end(error)
            return
        finally:
            self._joined_once.set()
            self._answered.set()
        self._keep()

    def _end(self, error: Exception) -> None:
        self._valid_until, self._holding = 0.0, False
        if self._answered.is_set():  # we came first, and the group has begun without us
            self._lost = f"the lease on the destination is lost: {error}"
        self._refusal = error

    def holds(self) -> bool:
        """Whether a byte may be sent now. It sends no request, so it can be called before every byte."""
        return not self._stop.is_set() and _now() < self._valid_until

    def permit(self, term: int) -> Callable[[], bool]:
        """A function that returns `holds()` during this term, and False in a later one."""
        return lambda: self.holds() and self.term == term

    def check(self) -> bool:
        """Whether the lease holds. False for the moment while the coordinator does not answer. Raises `KafkaMetaError`
        when somebody else has it."""
        if self._lost is not None:
            raise KafkaMetaError(self._lost, "Run the same command again: the copy continues where it stopped.")
        return self.holds()

    def _say_whom_we_wait_for(self) -> None:
        """Reports the members that have the lease or want it. A live one answers our join with its next heartbeat. For
        a dead one we wait until its session ends."""
        with suppress(Unanswered, Rebalancing, Expelled):
            for says in self._member.members(self._member.coordinator()):
                until = f"if it has died, its lease ends within {self._session_seconds:.0f} s"
                self._emit(Waiting(reason=f"{_has_the_lease(says)}; {until}", seconds=self._session_seconds))

    def _take(self) -> None:
        # The lease of a dead copier ends with its session.
        until = time.monotonic() + max(self._dest.patience_s, 2 * self._session_seconds)
        member_id = ""
        while time.monotonic() < until and not self._stop.is_set():
            try:
                self._join(member_id)
                return
            except Rebalancing:
                # Another copier has joined before we had what the leader sends. As the same member, we keep our place.
                member_id = self._member_id
            except Expelled:
                self._valid_until, self._holding = 0.0, False
                member_id = ""
            except Unanswered as silence:
                self._valid_until, self._holding = 0.0, False
                if not silence.retriable or time.monotonic() + _PAUSE_SECONDS > until:
                    raise KafkaMetaError(
                        f"the lease on the destination cannot be taken: group {self._group}: {silence.reason}",
                        "copying needs READ on that group",
                    ) from silence
                member_id = self._member_id
                time.sleep(_PAUSE_SECONDS)
        raise KafkaMetaError(f"the lease on the destination cannot be taken: group {self._group} does not settle")

    def _join(self, member_id: str = "") -> None:
        """Joins, gets the holder of the lease from the group's leader, and leaves again when the holder is somebody
        else."""
        self._coordinator = self._member.coordinator()
        says = json.dumps({**self._says, "holding": self._holding}).encode()
        session_ms = round(self._session_seconds * 1000)
        self._member_id = member_id or self._member.new_member_id(self._coordinator, says=says, session_ms=session_ms)
        if self._stop.is_set():
            raise Expelled  # who closes the lease knows this id from now on, and makes the group forget it
        with self._looking():
            joined = self._member.join(self._coordinator, member_id=self._member_id, says=says, session_ms=session_ms)
        self._member_id = joined.member_id
        self._joined = joined
        # The session starts again with the coordinator's answer to the join.
        asked = _now()
        holder = json.loads(self._member.sync(self._coordinator, joined, self._choose))
        if holder["name"] != self._name:
            with suppress(Unanswered):
                self._member.leave(self._coordinator, joined.member_id)
            raise KafkaMetaError(
                f"another kafka-meta is copying from this source: process {holder['pid']} on {holder['host']}",
                f"let it finish, or end it: its lease ends {self._session_seconds:.0f} s later",
            )
        if not self._holding:
            self._holding = True
            self.term += 1
        self._extend(asked)

    def _choose(self, members: Mapping[str, bytes]) -> bytes:
        """The group's leader sends this to all members: what the member that has the lease said, else what it says."""
        said = [json.loads(says) for says in members.values()]
        return json.dumps(next((each for each in said if each["holding"]), self._says)).encode()

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """While our first join has no answer, looks whether we came first. Nobody waits for a look."""
        ends = threading.Event()
        if not self._joined_once.is_set() and self._member_id:
            background(partial(self._look_whether_alone, self._coordinator, self._member_id, ends))
        try:
            yield
        finally:
            with self._lock:
                ends.set()

    def _look_whether_alone(self, coordinator: int, member_id: str, ends: threading.Event) -> None:
        alone_since: float | None = None
        with suppress(KafkaMetaError), connect(self._impatient()) as wire:
            member = Membership(wire=wire, group=self._group, kind=_KIND)
            while not ends.wait(_LOOK_SECONDS):
                asked = _now()
                members: frozenset[str] = frozenset()
                with suppress(Unanswered, Rebalancing, Expelled):
                    if member.coordinators() == {coordinator}:
                        members = member.member_ids(coordinator)
                with self._lock:
                    if ends.is_set():
                        return
                    if members != {member_id}:
                        alone_since = None
                    elif alone_since is None:
                        alone_since = asked
                    elif not self._holding and asked - alone_since > _ALONE_SECONDS:
                        self._holding = True
                        self.term += 1
                        self._answered.set()
                    if self._holding and member_id in members:
                        self._valid_until = asked + _LOOK_COUNTS_SECONDS

    def _extend(self, asked: float) -> None:
        self._valid_until = asked + self._session_seconds - self._beat_seconds

    def _keep(self) -> None:
        try:
            self._beat()
        except Exception:
            if not self._stop.is_set():  # else the connection was closed over a request that has no answer
                raise

    def _beat(self) -> None:
        while not self._stop.wait(self._beat_seconds):
            asked = _now()
            try:
                self._member.heartbeat(self._coordinator, self._joined)
                self._extend(asked)
            except Rebalancing:
                # Another copier is joining. It waits until we join again and say that we have the lease.
                self._rejoin(self._joined.member_id)
            except Expelled:
                # We were stopped, or cut off for a session. Now we have to join like any other copier.
                self._valid_until, self._holding = 0.0, False
                self._rejoin("")
            except Unanswered:
                self._look_for_coordinator()
            if self._lost is not None:
                return

    def _rejoin(self, member_id: str) -> None:
        try:
            self._join(member_id)
        except KafkaMetaError as error:
            self._valid_until = 0.0
            self._lost = f"the lease on the destination is lost: {error.message}"
        except (Expelled, Rebalancing, Unanswered):
            pass

    def _look_for_coordinator(self) -> None:
        with suppress(Unanswered, Expelled, Rebalancing):
            self._coordinator = self._member.coordinator()

    _coordinator: int
    _joined: Joined
    _member: Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has the lease, or wants it. None where the destination does not tell: for a moment while another
    process joins."""

    host: str | None
    pid: int | None


def holder(dest: ClusterSettings, source_id: str, task: str | None = None) -> Holder | None:
    """Who copies from this source, or is about to; None: nobody. Raises `KafkaMetaError` when the destination does not
    tell."""
    with connect(dest) as wire:
        member = Membership(wire=wire, group=group_of(source_id, task), kind=_KIND)

        def ask() -> tuple[bytes, ...]:
            return member.members(member.coordinator())

        try:
            said = patiently(ask, seconds=_SETTLE_SECONDS)
        except (Unanswered, Rebalancing, Expelled) as error:
            reason = error.reason if isinstance(error, Unanswered) else "the group is rebalancing"
            raise KafkaMetaError(f"the destination does not tell who has the lease: {reason}") from error
    members = [json.loads(says) for says in said if says]
    if not members:
        return Holder(host=None, pid=None) if said else None
    found = next((each for each in members if each["holding"]), members[0])
    return Holder(host=found["host"], pid=found["pid"])


def _has_the_lease(says: bytes) -> str:
    who = "another kafka-meta"
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(says)
        who = f"process {told['pid']} on {told['host']}"
    return f"{who} has the lease on the destination"


def _now() -> float:
    """Seconds of a clock that also runs while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
