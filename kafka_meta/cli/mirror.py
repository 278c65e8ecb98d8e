"""`kafka-meta mirror`: what no group has read yet, into the same partitions of the destination."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import dest_settings, has_dest, options, policy, side, source_settings
from kafka_meta.errors import ExitStatus
from kafka_meta.files import write_private
from kafka_meta.files.writing import require_writable
from kafka_meta.mirror.document import Mirrored, encode_mirror
from kafka_meta.mirror.prepare import Preparation, prepare
from kafka_meta.render.mirror import prepare_lines

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
    commit: given.Commit = False,
) -> int:
    """Show what no group has read yet (`Prepare to migrate`); copy it with --commit.

    Exactly once, in order, into the same partitions, and every group goes on at the record where it stopped.
    Interrupted, the same command continues; when more has arrived, it copies the rest. The source is only read.
    """
    flags = given.typed(ctx)
    session: Session = ctx.obj
    screen = session.screen
    toml = session.toml()
    chosen = options(flags, toml, screen)
    decided = policy(chosen)
    source = source_settings(flags, toml, screen)
    if commit and not has_dest(flags, toml):
        dest_settings(flags, toml, screen)  # says what is missing
    log = Path(f"kafka-meta-mirror-{datetime.now(UTC):%Y%m%d-%H%M%S}.log")
    require_writable(log)
    with screen.progress() as meter:
        prepared = prepare(
            source,
            selection=decided.selection,
            uncommitted=uncommitted,
            all_data=chosen.all_data,
            emit=meter.emit,
            taken_at_ms=round(time.time() * 1000),
        )
    mirrored = _prepared(prepared)
    title = f"Prepare to migrate  {side(source)}"
    _show(mirrored, title, log, screen)
    return ExitStatus.DONE


def _prepared(prepared: Preparation) -> Mirrored:
    return Mirrored(
        committed=False,
        source_id=prepared.source.cluster.id,
        dest_id=None,
        unread=prepared.unconsumed,
        open_transactions=prepared.open_transactions,
        warnings=prepared.source.gaps,
    )


def _show(mirrored: Mirrored, title: str, log: Path, screen: Screen) -> None:
    screen.document(encode_mirror(mirrored))
    write_private(log, "\n".join([title, *prepare_lines(mirrored, verbose=True)]) + "\n")
    screen.result([title, *prepare_lines(mirrored, verbose=screen.verbose)])
    if mirrored.unread.messages:
        screen.result([f"Nothing was copied. To do it: the same command with --commit      (log: {log})"])
    else:
        screen.result([f"Nothing was copied; there is nothing to copy.      (log: {log})"])
