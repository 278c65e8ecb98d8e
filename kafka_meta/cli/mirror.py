"""`kafka-meta mirror`: what no group has read yet, into the same partitions of the destination."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.migrations import open_journal, release, restart, status
from kafka_meta.cli.quantities import rate_bytes, seconds, size_bytes
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import (
    dest_settings,
    dest_settings_if_any,
    options,
    policy,
    require_matches,
    side,
    source_settings,
)
from kafka_meta.errors import ExitStatus, UsageError
from kafka_meta.events import Emit
from kafka_meta.files import write_private
from kafka_meta.files.writing import require_writable
from kafka_meta.journal import Journal
from kafka_meta.mirror.copy import IN_FLIGHT
from kafka_meta.mirror.document import GroupPosition, Mirrored, encode_mirror
from kafka_meta.mirror.findings import Allowed
from kafka_meta.mirror.groups import awaited
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.migrate import Pace, migrate, stands
from kafka_meta.mirror.preflight import Preflight, preflight
from kafka_meta.mirror.prepare import Preparation, prepare
from kafka_meta.model import Remark
from kafka_meta.plan import Policy
from kafka_meta.ranges import UncommittedPolicy
from kafka_meta.render import remark_line
from kafka_meta.render.mirror import (
    copied_lines,
    failure_line,
    group_lines,
    last_lines,
    next_lines,
    prepare_lines,
    standing_lines,
)
from kafka_meta.settings import ClusterSettings, PolicyOptions

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

_COPY = "Copy"
_OTHER = "Instead of copying"


def mirror(
    ctx: typer.Context,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_zk_connect: given.SourceZk = None,
    source_config: given.SourceConfig = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
    include_topics: given.IncludeTopics = None,
    exclude_topics: given.ExcludeTopics = None,
    include_groups: given.IncludeGroups = None,
    exclude_groups: given.ExcludeGroups = None,
    rename: given.RenameRules = None,
    all_data: Annotated[
        bool, typer.Option("--all-data", rich_help_panel=given.POLICIES, help="Whole topics, read or not.")
    ] = False,
    uncommitted: Annotated[
        Literal["earliest", "latest", "skip"],
        typer.Option(
            "--uncommitted",
            rich_help_panel=given.POLICIES,
            help="Where a group counts from that has positions on a topic, but none on this partition.",
        ),
    ] = "earliest",
    append: Annotated[
        bool,
        typer.Option("--append", rich_help_panel=_COPY, help="Copy behind what is on the destination partitions."),
    ] = False,
    until_lso: Annotated[
        bool,
        typer.Option(
            "--until-lso",
            rich_help_panel=_COPY,
            help="With a transaction open, copy up to it; what lies behind stays there.",
        ),
    ] = False,
    allow_live_source: Annotated[
        bool,
        typer.Option(
            "--allow-live-source",
            rich_help_panel=_COPY,
            help="Copy although somebody still writes or reads; positions are set by a later run, on a quiet source.",
        ),
    ] = False,
    max_rate: Annotated[
        str | None, typer.Option("--max-rate", metavar="50MB/s", rich_help_panel=_COPY, help="No faster than this.")
    ] = None,
    memory: Annotated[
        str, typer.Option("--memory", metavar="128MB", rich_help_panel=_COPY, help="For records on their way.")
    ] = "128MiB",
    in_flight: Annotated[
        int,
        typer.Option(
            "--in-flight",
            min=1,
            max=5,
            rich_help_panel=_COPY,
            help="Batches of a partition under way at a time, while the destination is sure to remember who sends "
            "them; of older records always 1.",
        ),
    ] = IN_FLIGHT,
    give_up_after: Annotated[
        str,
        typer.Option(
            "--give-up-after", metavar="10m", rich_help_panel=_COPY, help="When nothing has moved for so long."
        ),
    ] = "10m",
    journal: Annotated[
        str | None,
        typer.Option("--journal", metavar="FILE", rich_help_panel=_COPY, help="Where the migration's state is kept."),
    ] = None,
    show_status: Annotated[
        bool, typer.Option("--status", rich_help_panel=_OTHER, help="Show where the migration stands.")
    ] = False,
    put_back: Annotated[
        bool,
        typer.Option(
            "--release",
            rich_help_panel=_OTHER,
            help="Put retention and compaction of the destination topics back as they were before the copy.",
        ),
    ] = False,
    start_again: Annotated[
        bool,
        typer.Option(
            "--restart",
            rich_help_panel=_OTHER,
            help="Forget what was copied; only when the destination partitions are empty.",
        ),
    ] = False,
    commit: given.Commit = False,
) -> int:
    """Show what no group has read yet (`Prepare to migrate`); copy it with --commit.

    Exactly once, in order, into the same partitions, and every group goes on at the record where it stopped.
    Interrupted, the same command continues; when more has arrived, it copies the rest. The source is only read.
    """
    flags = given.typed(ctx)
    session: Session = ctx.obj
    screen = session.screen
    words = {"--commit": commit, "--status": show_status, "--release": put_back, "--restart": start_again}
    chosen_words = [word for word, is_given in words.items() if is_given]
    if len(chosen_words) > 1:
        raise UsageError(f"{' and '.join(chosen_words)} contradict each other")
    toml = session.toml()
    path = None if journal is None else Path(journal)
    if show_status:
        return status(flags, toml, path, screen)
    if put_back:
        return release(flags, toml, path, screen)
    if start_again:
        return restart(flags, toml, path, screen)
    chosen = options(flags, toml, screen)
    rate = None if chosen.max_rate is None else rate_bytes("--max-rate", chosen.max_rate)
    pace = Pace(
        max_rate_bytes=rate,
        memory_bytes=size_bytes("--memory", memory),
        in_flight=in_flight,
        give_up_after_s=seconds("--give-up-after", give_up_after),
    )
    source = source_settings(flags, toml, screen)
    dest = (dest_settings if commit else dest_settings_if_any)(flags, toml, screen)
    # What was done is kept; of looks only the last one.
    log = Path(f"kafka-meta-mirror-{datetime.now(UTC):%Y%m%d-%H%M%S}.log" if commit else "kafka-meta-mirror.log")
    require_writable(log)
    run = _Run(
        chosen=chosen,
        source=source,
        dest=dest,
        decided=policy(chosen),
        uncommitted=uncommitted,
        all_data=chosen.all_data,
        allowed=Allowed(append=append, until_lso=until_lso, live_source=allow_live_source),
        journal=path,
        log=log,
        screen=screen,
    )
    return run.commit(pace) if commit else run.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the command line says."""

    chosen: PolicyOptions
    source: ClusterSettings
    dest: ClusterSettings | None
    decided: Policy
    uncommitted: UncommittedPolicy
    all_data: bool
    allowed: Allowed
    journal: Path | None
    log: Path
    screen: Screen

    def check(self) -> int:
        with self.screen.progress() as meter:
            prepared = self._prepare(meter.emit)
            looked, mirrored = None, _prepared(prepared)
            if self.dest is not None:
                looked, mirrored = self._look(self.dest, prepared, meter.emit)
        self.screen.document(encode_mirror(mirrored))
        lines = self._show(mirrored)
        self._end([*last_lines(mirrored, quiet=looked is None or looked.quiet), f"(log: {self.log})"], lines)
        return ExitStatus.DONE

    def commit(self, pace: Pace) -> int:
        assert self.dest is not None
        with self.screen.progress() as meter:
            prepared = self._prepare(meter.emit)
            looked, mirrored = self._look(self.dest, prepared, meter.emit)
            lines = self._show(mirrored)
            if looked.findings:
                self.screen.document(encode_mirror(mirrored))
                self._end([*last_lines(mirrored, quiet=looked.quiet), f"(log: {self.log})", "exit status 1"], lines)
                return ExitStatus.FAILED
            source_id, dest_id = prepared.source.cluster.id, looked.dest.cluster.id
            assert source_id is not None and dest_id is not None  # or preflight would have refused
            # Who is refused by the lease leaves no journal behind.
            with (
                Lease(self.dest, source_id, emit=meter.emit) as lease,
                Journal(self.journal, source_id=source_id, dest_id=dest_id) as journal,
            ):
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
                        emit=meter.emit,
                    )
                except BaseException as interruption:
                    if not isinstance(interruption, Exception):  # ^C, SIGTERM
                        self._stopped(mirrored, journal)
                    raise
        return self._finish(done, looked, lines)

    def _stopped(self, mirrored: Mirrored, journal: Journal) -> None:
        """Where it stands is said in any case."""
        now = stands(journal)
        document = encode_mirror(replace(mirrored, committed=True, copied=now.copied, guarded=now.guarded))
        self.screen.document({**document, "interrupted": True})
        self.screen.result(["", *standing_lines(now.copied, verbose=False)])
        self.screen.result(["stopped; what was copied stays, and the same command goes on from there"])

    def _prepare(self, emit: Emit) -> Preparation:
        prepared = prepare(
            self.source,
            selection=self.decided.selection,
            uncommitted=self.uncommitted,
            all_data=self.all_data,
            emit=emit,
            taken_at_ms=round(time.time() * 1000),
        )
        require_matches(self.chosen, prepared.source, side(self.source), self.screen)
        return prepared

    def _look(self, dest: ClusterSettings, prepared: Preparation, emit: Emit) -> tuple[Preflight, Mirrored]:
        """What is in the way; and, by the journal if there is one, what has been copied and where the groups stand."""
        with open_journal(self.source, dest, self.journal) as journal:
            looked = preflight(
                self.source,
                dest,
                prepared,
                decided=self.decided,
                positions=() if journal is None else journal.positions(),
                guarded=() if journal is None else journal.guards(),
                allowed=self.allowed,
                emit=emit,
                now_ms=round(time.time() * 1000),
            )
            groups = awaited(prepared, journal, self.decided, looked.dest)
            known = None if journal is None else stands(journal)
            return looked, _prepared(prepared, looked, known, groups)

    def _show(self, mirrored: Mirrored) -> list[str]:
        """Says what would be copied; the same, with nothing left out, for the log."""
        to = "" if self.dest is None else f" → {side(self.dest)}"
        title = f"Prepare to migrate  {side(self.source)}{to}"

        self.screen.result([title, *prepare_lines(mirrored, verbose=self.screen.verbose)])
        lines = [title, *prepare_lines(mirrored, verbose=True)]
        write_private(self.log, "\n".join(lines) + "\n")
        return lines

    def _end(self, last: Sequence[str], lines: Sequence[str]) -> None:
        self.screen.result(last)
        write_private(self.log, "\n".join([*lines, *last]) + "\n")

    def _finish(self, done: Mirrored, looked: Preflight, lines: Sequence[str]) -> int:
        self.screen.document(encode_mirror(done))
        meanwhile = [f"  ! {remark_line(remark)}" for remark in done.warnings if remark not in looked.warnings]
        last = [*copied_lines(done.copied), *meanwhile, *group_lines(done.groups), *next_lines(done)]
        last.append(f"  log:    {self.log}")
        failure = failure_line(done)
        self._end([*last, *([failure] if failure else [])], lines)
        return ExitStatus.FAILED if failure else ExitStatus.DONE


def _prepared(
    prepared: Preparation,
    looked: Preflight | None = None,
    known: Mirrored | None = None,
    groups: tuple[GroupPosition, ...] = (),
) -> Mirrored:
    """Of what the journal knows only what is selected now."""
    selected = {(each.topic, each.partition) for each in prepared.unconsumed.ranges}
    copied = () if known is None else known.copied
    unfinished = (
        Remark(resource=f"topic {topic}", reason="its copy is not complete, and not selected now: it stays as it is")
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
        warnings=(*mirrored.warnings, *looked.warnings, *unfinished),
    )
