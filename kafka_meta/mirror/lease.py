"""One copier at a time: its membership of a group on the destination is its lease.

Whoever copies from a source is a live member of the group `kafka-meta-mirror.<source cluster id>`. A second copier
joins, too, and the group's leader tells everybody who holds the lease: the one that says it does, else the one who
came first by name. Whoever does not hold it leaves. A copier that is dead loses its membership with the session, and
the join of the next one waits for that.

A copier may send only while its last answered heartbeat is younger than the session: a stopped process that wakes up
knows by its clock, before it says a word, that somebody else may be copying by now.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting, silent
from kafka_meta.model import LEASE_GROUPS
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.membership import Expelled, Joined, Membership, Rebalancing

SESSION_SECONDS = 10.0
_HEARTBEATS = 5
"""A session; the last one is the margin by which we stop before the coordinator gives the lease to somebody else."""
_TRIES = 100
_PAUSE_SECONDS = 0.2
_KIND = LEASE_GROUPS.rstrip(".")


def group_of(source_id: str) -> str:
    return LEASE_GROUPS + source_id


class Lease:
    """A context manager. Entering takes the lease or raises `KafkaMetaError` naming the host of whoever holds it."""

    def __init__(
        self,
        dest: ClusterSettings,
        source_id: str,
        *,
        session_seconds: float = SESSION_SECONDS,
        emit: Emit = silent,
    ) -> None:
        self._dest = dest
        self._emit = emit
        self._session_seconds = session_seconds
        self._beat_seconds = session_seconds / _HEARTBEATS
        self._group = group_of(source_id)
        self._name = uuid.uuid4().hex
        self._says = {"host": socket.gethostname(), "pid": os.getpid(), "name": self._name}
        self._holding = False
        self._valid_until = 0.0
        self._lost: str | None = None
        self.term = 0
        """Goes up whenever the lease has been taken anew: in between somebody else may have had it."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._wire: Wire | None = None

    def __enter__(self) -> Lease:
        # A coordinator that is down is to be noticed soon; joining may take a session.
        patience_ms = round(self._session_seconds * 1000) + 2000
        self._wire = connect(replace(self._dest, request_timeout_ms=min(patience_ms, self._dest.request_timeout_ms)))
        try:
            self._member = Membership(wire=self._wire, group=self._group, kind=_KIND)
            self._say_whom_we_wait_for()
            self._take()
        except BaseException:
            self._wire.close()
            raise
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._valid_until = 0.0
        assert self._thread is not None and self._wire is not None
        self._thread.join(timeout=self._beat_seconds)
        if self._lost is None:
            with suppress(Unanswered):
                self._member.leave(self._coordinator, self._joined)
        self._wire.close()

    def holds(self) -> bool:
        """Whether a byte may leave now. Asks nobody, so it can be asked before every one."""
        return _now() < self._valid_until

    def permit(self, term: int) -> Callable[[], bool]:
        """What `holds` says in that term, and nothing in a later one."""
        return lambda: self.holds() and self.term == term

    def check(self) -> bool:
        """Whether it holds; not for the moment while the coordinator does not answer. Raises `KafkaMetaError` when
        somebody else has it."""
        if self._lost is not None:
            raise KafkaMetaError(self._lost, "run the same command again; it goes on where the copy stands")
        return self.holds()

    def _say_whom_we_wait_for(self) -> None:
        """Whoever is a member answers our knock with its next heartbeat; who is dead is waited for."""
        with suppress(Unanswered, Rebalancing, Expelled):
            for says in self._member.members(self._member.coordinator()):
                until = f"if it is dead, that ends within {self._session_seconds:.0f} s"
                self._emit(Waiting(reason=f"{_has_the_lease(says)}; {until}", seconds=self._session_seconds))

    def _take(self) -> None:
        for attempt in range(_TRIES):
            try:
                self._join()
                return
            except (Rebalancing, Expelled):
                continue
            except Unanswered as silence:
                if not silence.retriable or attempt == _TRIES - 1:
                    raise KafkaMetaError(
                        f"the lease on the destination cannot be taken: group {self._group}: {silence.reason}",
                        "copying needs READ on that group",
                    ) from silence
                time.sleep(_PAUSE_SECONDS)
        raise KafkaMetaError(f"the lease on the destination cannot be taken: group {self._group} does not settle")

    def _join(self, member_id: str = "") -> None:
        """Joins, hears who holds the lease, and leaves again when it is somebody else."""
        self._coordinator = self._member.coordinator()
        joined = self._member.join(
            self._coordinator,
            member_id=member_id,
            says=json.dumps({**self._says, "holding": self._holding}).encode(),
            session_ms=round(self._session_seconds * 1000),
        )
        self._joined = joined
        # The session counts anew from the coordinator's answer to this.
        asked = _now()
        holder = json.loads(self._member.sync(self._coordinator, joined, _holder))
        if holder["name"] != self._name:
            with suppress(Unanswered):
                self._member.leave(self._coordinator, joined)
            raise KafkaMetaError(
                f"another kafka-meta is copying from this source: process {holder['pid']} on {holder['host']}",
                f"let it finish, or end it: its lease ends {self._session_seconds:.0f} s later",
            )
        if not self._holding:
            self._holding = True
            self.term += 1
        self._extend(asked)

    def _extend(self, asked: float) -> None:
        self._valid_until = asked + self._session_seconds - self._beat_seconds

    def _keep(self) -> None:
        while not self._stop.wait(self._beat_seconds):
            asked = _now()
            try:
                self._member.heartbeat(self._coordinator, self._joined)
                self._extend(asked)
            except Rebalancing:
                # Somebody else knocks, and only waits to hear that we are here.
                self._rejoin(self._joined.member_id)
            except Expelled:
                # We were stopped or out of reach for a session: now we are one of those that knock.
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


def _has_the_lease(says: bytes) -> str:
    who = "another kafka-meta"
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(says)
        who = f"process {told['pid']} on {told['host']}"
    return f"{who} has the lease on the destination"


def _holder(members: Mapping[str, bytes]) -> bytes:
    """Said by the group's leader to all: the member that holds the lease, else the first one by name."""
    said = [json.loads(says) for says in members.values()]
    first = min(said, key=lambda member: (not member["holding"], member["name"]))
    return json.dumps(first).encode()


def _now() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
