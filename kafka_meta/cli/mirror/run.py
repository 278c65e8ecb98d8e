"""The look of `kafka-meta mirror`, and with --commit the copy."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kafka_meta.cli.commands.mirror import Amount, Copy
from kafka_meta.cli.mirror.copier import Told
from kafka_meta.cli.mirror.journal import Which, cluster_of, open_journal
from kafka_meta.cli.mirror.log import Log
from kafka_meta.cli.screen import Meter, Screen
from kafka_meta.cli.session import Session
from kafka_meta.documents.mirror import encode_mirror
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.events import Emit, Event, Happened
from kafka_meta.journal import Journal, Wishes
from kafka_meta.mirror.claims import claim, keep_only
from kafka_meta.mirror.copy import IN_FLIGHT
from kafka_meta.mirror.findings import Allowed
from kafka_meta.mirror.follow import follow
from kafka_meta.mirror.following import NO_WISHES, Follow
from kafka_meta.mirror.groups import awaited
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.migrate import Pace, migrate, stands
from kafka_meta.mirror.outcome import GroupPosition, Mirrored
from kafka_meta.mirror.preflight import Preflight, preflight
from kafka_meta.mirror.prepare import Preparation, prepare, require_brokers
from kafka_meta.mirror.task import standing_of
from kafka_meta.model import Cluster, Remark, Resource
from kafka_meta.plan import Policy
from kafka_meta.quantities import rate_bytes, seconds, size_bytes
from kafka_meta.ranges import UncommittedPolicy
from kafka_meta.render.mirror import (
    failure_line,
    following_line,
    last_lines,
    next_lines,
    partition_lines,
    prepare_lines,
    standing_lines,
    summary_lines,
)
from kafka_meta.render.task import task_lines
from kafka_meta.settings import ClusterSettings, PolicyOptions
from kafka_meta.settings.matching import require_matches

_TELL_LAG_S = 60.0
_SHOW_S = 2.0


def mirror(session: Session, amount: Amount, copy: Copy, which: Which, *, same_id: bool, commit: bool) -> int:
    chosen = session.options()
    max_rate_bytes = None if chosen.max_rate is None else rate_bytes("--max-rate", chosen.max_rate)
    pace = Pace(
        max_rate_bytes=max_rate_bytes,
        memory_bytes=size_bytes("--memory", copy.memory),
        in_flight=copy.in_flight or IN_FLIGHT,
        quiet_s=seconds("--quiet", copy.quiet),
        give_up_after_s=seconds("--give-up-after", copy.give_up_after),
    )
    source = replace(session.source(), patience_s=pace.give_up_after_s)
    require_brokers(source)
    dest = session.dest() if commit else session.dest_if_any()
    dest = None if dest is None else replace(dest, patience_s=pace.give_up_after_s)
    if which.path is not None and which.path.is_dir():
        raise UsageError(f"the journal {which.path} is a directory", "Name a file.")
    run = _Run(
        chosen=chosen,
        source=source,
        dest=dest,
        decided=chosen.policy(),
        uncommitted=amount.uncommitted,
        all_data=chosen.all_data,
        unread_only=amount.unread_only,
        metrics=None if copy.metrics is None else _address(copy.metrics),
        allowed=Allowed(
            append=copy.append,
            until_lso=copy.until_lso,
            live_source=copy.allow_live_source,
            no_guard=copy.no_guard,
            same_id=same_id,
            follow=copy.follow,
        ),
        max_rate_bytes=max_rate_bytes,
        which=which,
        screen=session.screen,
        log=_log(copy.log, which.path, session.screen, commit=commit),
    )
    with run.log:
        return run.commit(pace) if commit else run.check()


def _address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` or `PORT`; without a host, loopback. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65_536:
        raise UsageError(f"--metrics {text!r} is not HOST:PORT", "For example: --metrics 127.0.0.1:9404")
    return host.strip("[]") or "127.0.0.1", int(port)


def _log(named: str | None, journal: Path | None, screen: Screen, *, commit: bool) -> Log:
    # What was done is kept; of looks only the last one.
    usual = f"kafka-meta-mirror-{datetime.now(UTC):%Y%m%d-%H%M%S}.log" if commit else "kafka-meta-mirror.log"
    return Log(Path(named or usual), append=named is not None, journal=journal, say=screen.say)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the command line says."""

    chosen: PolicyOptions
    source: ClusterSettings
    dest: ClusterSettings | None
    decided: Policy
    uncommitted: UncommittedPolicy
    all_data: bool
    unread_only: bool
    allowed: Allowed
    max_rate_bytes: int | None
    metrics: tuple[str, int] | None
    which: Which
    screen: Screen
    log: Log

    def check(self) -> int:
        with self.screen.progress() as meter:
            emit = _all(meter.emit, self.log.emit)
            wishes = NO_WISHES
            if self.dest is not None:
                # What cannot be reached is told before the source is read.
                wishes = self._wishes(cluster_of(self.source), cluster_of(self.dest))
            prepared = self._prepare(wishes, emit)
            looked, mirrored = None, _prepared(prepared)
            if self.dest is not None:
                looked, mirrored = self._look(self.dest, prepared, emit)
        self.screen.document(lambda: encode_mirror(mirrored))
        self._show(mirrored)
        self._end([*last_lines(mirrored, quiet=looked is None or looked.quiet), f"(log: {self.log.path})"])
        return ExitStatus.DONE

    def commit(self, pace: Pace) -> int:
        assert self.dest is not None
        since_ms = round(time.time() * 1000)
        with self.screen.progress() as meter:
            emit = _all(meter.emit, self.log.emit)
            here, there = cluster_of(self.source), cluster_of(self.dest)
            source_id, dest_id = str(here.id), str(there.id)
            task = self.which.name
            wishes = self._wishes(here, there)
            if wishes.paused and not self.allowed.follow:
                raise KafkaMetaError("the task is paused: nothing is copied", "kafka-meta task resume lets it go on.")
            if self.max_rate_bytes is None and wishes.max_rate not in (None, "none"):
                pace = replace(pace, max_rate_bytes=rate_bytes("--max-rate", str(wishes.max_rate)))
            with closing(Lease(self.dest, source_id, task, emit=emit)) as wanted:
                if source_id != dest_id:  # else nothing is ever sent: it may be the source itself
                    wanted.join()
                prepared = self._prepare(wishes, emit)
                looked, mirrored = self._look(self.dest, prepared, emit)
                self._show(mirrored)
                if looked.findings:
                    self.screen.document(lambda: encode_mirror(mirrored))
                    last = last_lines(mirrored, quiet=looked.quiet)
                    self._end([*last, f"(log: {self.log.path})", "exit status 1"])
                    return ExitStatus.FAILED
                # Who is refused by the lease leaves no journal behind.
                with (
                    wanted as lease,
                    Journal(self.which.where(here, there), source_id=source_id, dest_id=dest_id, task=task) as journal,
                    Told(journal, since_ms=since_ms) as told,
                    ExitStack() as stack,
                ):
                    emit(Happened(text=f"the lease is taken; the journal is {journal.path}"))
                    taken = claim(self.dest, source_id, task, {each.dest_topic for each in looked.begun})
                    stack.callback(self._free, journal)
                    for topic, reason in taken.items():
                        if not self.allowed.append:
                            raise KafkaMetaError(f"topic {topic}: {reason}")
                    if self.allowed.follow:
                        return self._follow(prepared, looked, journal, lease, pace, told, meter, emit)
                    try:
                        done = migrate(
                            self.source,
                            self.dest,
                            prepared,
                            looked,
                            journal,
                            lease=lease,
                            decided=self.decided,
                            pace=pace,
                            until_lso=self.allowed.until_lso,
                            guard=not self.allowed.no_guard,
                            emit=_all(emit, told.emit),
                        )
                    except BaseException as interruption:
                        if not isinstance(interruption, Exception):  # ^C, SIGTERM
                            self._stopped(mirrored, journal)
                        raise
        return self._finish(done, looked)

    def _follow(
        self,
        prepared: Preparation,
        looked: Preflight,
        journal: Journal,
        lease: Lease,
        pace: Pace,
        told: Told,
        meter: Meter,
        emit: Emit,
    ) -> int:
        """Until a signal. Says once a minute how far it is behind; on a terminal, always."""
        assert self.dest is not None
        said_at = shown_at = float("-inf")

        def look(shared: Follow) -> None:
            nonlocal said_at, shown_at
            if endpoint is not None:
                endpoint.looked(shared)
            standing = shared.standing()
            told.follow(standing)
            now = time.monotonic()
            if now - said_at >= _TELL_LAG_S:
                said_at = now
                line = following_line(standing)
                self.log.lines([line])
                if show is None:
                    self.screen.say(line)
            if show is not None and now - shown_at >= _SHOW_S:
                shown_at = now
                show(task_lines(standing_of(journal, running=True), verbose=False))

        who = f"process {os.getpid()} on {socket.gethostname()}"
        with ExitStack() as stack:
            endpoint = None
            if self.metrics is not None:
                from kafka_meta.cli.mirror.endpoint import served  # its library takes a while to import

                endpoint = stack.enter_context(served(self.metrics, journal, lease))
                emit(Happened(text=f"metrics are at http://{self.metrics[0]}:{self.metrics[1]}/metrics"))
            journal.note(who, "follows", round(time.time() * 1000))
            stack.callback(self._followed, journal, who)
            show = stack.enter_context(meter.table())
            follow(
                replace(self.source, asks_refused_logins_again=True),
                replace(self.dest, asks_refused_logins_again=True),
                prepared,
                looked,
                journal,
                lease=lease,
                decided=self.decided,
                pace=pace,
                guard=not self.allowed.no_guard,
                emit=_all(emit, told.emit),
                each_look=look,
            )
        return ExitStatus.FAILED

    def _followed(self, journal: Journal, who: str) -> None:
        """Shows in any case how far the copy is."""
        journal.note(who, "has ended", round(time.time() * 1000))
        now = stands(journal)
        self.screen.document(lambda: encode_mirror(now, interrupted=True))
        self.screen.result(["", *standing_lines(now.copied, verbose=self.screen.verbose)])
        self._end(["stopped; the same command goes on where it stopped", f"(log: {self.log.path})"])

    def _stopped(self, mirrored: Mirrored, journal: Journal) -> None:
        """Shows in any case how far the copy is."""
        now = stands(journal)
        stopped = replace(mirrored, committed=True, copied=now.copied, guarded=now.guarded)
        self.screen.document(lambda: encode_mirror(stopped, interrupted=True))
        self.screen.result(["", *standing_lines(now.copied, verbose=self.screen.verbose)])
        self.log.lines(standing_lines(now.copied, verbose=True, partitions=True))
        self._end(["stopped; what was copied stays, and the same command copies the rest", f"(log: {self.log.path})"])

    def _free(self, journal: Journal) -> None:
        """Topics that were marked, and not begun after all, are nobody's."""
        assert self.dest is not None
        with suppress(KafkaMetaError):
            keep_only(self.dest, journal.source_id, journal.task, set(journal.topic_names().values()))

    def _wishes(self, here: Cluster, there: Cluster) -> Wishes:
        """What `task change` has left in the journal, if there is one."""
        path = self.which.where(here, there)
        if not path.exists():
            return NO_WISHES
        with Journal(path, source_id=str(here.id), dest_id=str(there.id), task=self.which.task) as journal:
            return journal.wishes()

    def _prepare(self, wishes: Wishes, emit: Emit) -> Preparation:
        prepared = prepare(
            self.source,
            selection=self.decided.selection,
            uncommitted=self.uncommitted,
            all_data=self.all_data,
            unread_only=self.unread_only,
            left_out=wishes.detached,
            emit=emit,
            taken_at_ms=round(time.time() * 1000),
        )
        for told in require_matches(self.chosen, prepared.source, self.source.addresses):
            self.screen.say(told)
        if wishes.detached:
            self.screen.say(f"Left out by task change: {', '.join(sorted(wishes.detached))}")
        return prepared

    def _look(self, dest: ClusterSettings, prepared: Preparation, emit: Emit) -> tuple[Preflight, Mirrored]:
        """What is in the way; and what the journal, if there is one, knows of copied records and groups' positions."""
        with open_journal(self.source, dest, self.which) as journal:
            looked = preflight(
                self.source,
                dest,
                prepared,
                decided=self.decided,
                positions=() if journal is None else journal.positions(),
                guarded=() if journal is None else journal.guards(),
                task=self.which.name,
                allowed=self.allowed,
                max_rate_bytes=self.max_rate_bytes,
                emit=emit,
                now_ms=round(time.time() * 1000),
            )
            groups = awaited(prepared, journal, self.decided, looked.dest, looked.cut)
            known = None if journal is None else stands(journal)
            return looked, _prepared(prepared, looked, known, groups)

    def _show(self, mirrored: Mirrored) -> None:
        """Shows what would be copied; the log gets everything, and each partition."""
        to = "" if self.dest is None else f" → {self.dest.addresses}"
        title = f"Prepare to migrate  {self.source.addresses}{to}"
        self.screen.result([title, *prepare_lines(mirrored, verbose=self.screen.verbose)])
        self.log.lines([title, *prepare_lines(mirrored, verbose=True), *partition_lines(mirrored)])

    def _end(self, last: Sequence[str]) -> None:
        self.screen.result(last)
        self.log.lines(last)

    def _finish(self, done: Mirrored, looked: Preflight) -> int:
        self.screen.document(lambda: encode_mirror(done))
        meanwhile = [remark for remark in done.warnings if remark not in looked.warnings]
        self.screen.result(summary_lines(done, meanwhile, verbose=self.screen.verbose))
        self.log.lines(summary_lines(done, meanwhile, verbose=True))
        failure = failure_line(done)
        self._end([*next_lines(done), f"  log:    {self.log.path}", *([failure] if failure else [])])
        return ExitStatus.FAILED if failure else ExitStatus.DONE


def _all(*emits: Emit) -> Emit:
    def emit(event: Event) -> None:
        for each in emits:
            each(event)

    return emit


def _prepared(
    prepared: Preparation,
    looked: Preflight | None = None,
    known: Mirrored | None = None,
    groups: tuple[GroupPosition, ...] = (),
) -> Mirrored:
    """What was found, without what the journal knows of topics that are not selected now."""
    selected = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
    copied = () if known is None else known.copied
    unfinished = (
        Remark(
            resource=Resource("topic", topic),
            reason="its copy is not complete, but the topic is not selected now: nothing more is copied",
        )
        for topic in sorted({each.topic for each in copied if not each.done and each.place not in selected})
    )
    mirrored = Mirrored(
        committed=False,
        source_id=prepared.source.cluster.id,
        dest_id=None,
        unread=prepared.unconsumed,
        open_transactions=prepared.open_transactions,
        warnings=prepared.source.gaps,
        copied=tuple(each for each in copied if each.place in selected),
        groups=groups,
        guarded=() if known is None else known.guarded,
    )
    if looked is None:
        return replace(mirrored, findings=prepared.unconsumed.refused)
    return replace(
        mirrored,
        dest_id=looked.dest.cluster.id,
        findings=looked.findings,
        youngest_ms=looked.first_look.youngest_ms,
        warnings=(*mirrored.warnings, *looked.warnings, *unfinished),
    )
