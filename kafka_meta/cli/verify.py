"""`kafka-meta verify`: is the destination what it ought to be?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.imports import headline, make_plan, read_dest
from kafka_meta.cli.migrations import existing_journal
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import (
    dest_settings,
    file_to_read,
    has_source,
    options,
    policy,
    read_file,
    require_matches,
    say_idle_rules,
    side,
    source_settings,
)
from kafka_meta.errors import ExitStatus, UsageError
from kafka_meta.export import export as read_source
from kafka_meta.files import encode_verify
from kafka_meta.mirror.migrate import copied_of
from kafka_meta.plan import report
from kafka_meta.render import report_lines
from kafka_meta.render.mirror import copied_lines
from kafka_meta.settings import Toml
from kafka_meta.verify import check
from kafka_meta.verify import report as report_data

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

_STATUSES = {
    "equal": ExitStatus.DONE,
    "different": ExitStatus.DIFFERENT,
    "inconclusive": ExitStatus.FAILED,
}


def verify(
    ctx: typer.Context,
    file_name: given.FileName = None,
    target_directory: given.TargetDirectory = None,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_zk_connect: given.SourceZk = None,
    source_config: given.SourceConfig = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
    dest_zk_connect: given.DestZk = None,
    only: given.Only = None,
    include_topics: given.IncludeTopics = None,
    exclude_topics: given.ExcludeTopics = None,
    include_groups: given.IncludeGroups = None,
    exclude_groups: given.ExcludeGroups = None,
    rename: given.RenameRules = None,
    map_host: given.HostRules = None,
    replication_factor: given.Factor = None,
    group_offsets: given.Positions = None,
    on_drift: given.OnDrift = None,
    pin_defaults: given.PinDefaults = False,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="What only the destination has is no difference.")
    ] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Compare what mirror has copied: counts, content, groups' positions.")
    ] = False,
    both: Annotated[
        bool, typer.Option("--both", help="With --data: read both sides, and not only what has arrived.")
    ] = False,
    journal: given.JournalFile = None,
) -> int:
    """Compare a file, or the live source, with the destination. Give the policies that import was given.

    Exit status 0: equal; 3: different; 1: something could not be compared.
    """
    flags = given.typed(ctx)
    session: Session = ctx.obj
    screen = session.screen
    toml = session.toml()
    if data:
        return _verify_data(flags, toml, None if journal is None else Path(journal), screen, both=both)
    if both:
        raise UsageError("--both goes with --data")
    chosen = options(flags, toml, screen)
    decided = policy(chosen)
    dest = dest_settings(flags, toml, screen)
    if has_source(flags) and "file-name" in flags:
        raise UsageError(
            "both --fileName and a live source are given", "verify compares one of them with the destination."
        )
    with screen.progress() as meter:
        if has_source(flags):
            source = source_settings(flags, toml, screen)
            name = side(source)
            desired = read_source(
                source, decided.selection, emit=meter.emit, taken_at_ms=round(time.time() * 1000), sizes=False
            )
            require_matches(chosen, desired, name, screen)
            say_idle_rules(chosen, decided, desired, screen)
        else:
            path = file_to_read(chosen)
            name = str(path)
            desired = read_file(chosen, decided, path, screen)
        actual = read_dest(dest, desired.cluster.id, meter.emit)
        plan = make_plan(desired, actual, dest, decided, meter.emit, journal=journal)
    answer = report(plan, ignore_extra=ignore_extra)
    screen.result([f"{name}  ↔  {headline(actual, dest)}"])
    screen.document(encode_verify(answer))
    screen.result(report_lines(answer, verbose=screen.verbose))
    only_extra = answer.differences and all(each.difference == "extra" for each in answer.differences)
    hint = ": only things that the destination has besides (--ignore-extra)" if only_extra else ""
    screen.result(["", f"{answer.verdict}{hint}"])
    return _STATUSES[answer.verdict]


def _verify_data(flags: dict[str, Any], toml: Toml | None, path: Path | None, screen: Screen, *, both: bool) -> int:
    """What the journal says was copied, against what is there now."""
    with existing_journal(flags, toml, path, screen) as (dest, journal), screen.progress() as meter:
        positions = journal.positions()
        source = source_settings(flags, toml, screen) if both else None
        checked = list(check(dest, positions, source=source, both=both, emit=meter.emit))
        answer = report_data(dest, checked, journal.committed())
    screen.document(encode_verify(answer))
    screen.result([*copied_lines([copied_of(each) for each in checked]), *report_lines(answer, verbose=True)])
    screen.result([answer.verdict])
    return _STATUSES[answer.verdict]
