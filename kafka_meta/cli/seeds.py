"""The same jobs under the names, and with the flags, of the tool that some operators know."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.export import INSTALL_TSAR, export_to_file
from kafka_meta.cli.imports import import_snapshot
from kafka_meta.cli.sides import dest_settings, options, policy, require_matches, say_idle_rules, side, source_settings
from kafka_meta.errors import UsageError
from kafka_meta.export import export as read_source
from kafka_meta.plan import Section

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

_CLOUD = ("dest-ak", "dest-sk", "dest-region-id", "dest-instance-id")

DestAk = Annotated[str | None, typer.Option("--destAk", "--dest-ak", hidden=True)]
DestSk = Annotated[str | None, typer.Option("--destSk", "--dest-sk", hidden=True)]
DestRegionId = Annotated[str | None, typer.Option("--destRegionId", "--dest-region-id", hidden=True)]
DestInstanceId = Annotated[str | None, typer.Option("--destInstanceId", "--dest-instance-id", hidden=True)]
PropertiesPath = Annotated[
    str | None,
    typer.Option(
        "--propertiesPath",
        "--properties-path",
        metavar="FILE",
        rich_help_panel=given.SOURCE,
        help="Java .properties file with the source's connection settings. Its group.id is not joined.",
    ),
]


def migration_from_zk(
    ctx: typer.Context,
    source_zk_connect: given.SourceZk = None,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_config: given.SourceConfig = None,
    file_name: given.FileName = None,
    target_directory: given.TargetDirectory = None,
    evaluate: given.Evaluate = None,
    install_tsar: Annotated[bool, typer.Option("--installTsar", "--install-tsar", hidden=True)] = False,
    commit: given.Commit = False,
) -> int:
    """export, which shows what it would write until --commit is given."""
    if install_tsar:
        ctx.obj.screen.say(INSTALL_TSAR)
    return export_to_file(ctx.obj, given.typed(ctx), write=commit)


def topic_migration_from_zk(
    ctx: typer.Context,
    source_zk_connect: given.SourceZk = None,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_config: given.SourceConfig = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
    include_topics: given.IncludeTopics = None,
    exclude_topics: given.ExcludeTopics = None,
    rename: given.RenameRules = None,
    replication_factor: given.Factor = None,
    pin_defaults: given.PinDefaults = False,
    on_drift: given.OnDrift = None,
    dest_ak: DestAk = None,
    dest_sk: DestSk = None,
    dest_region_id: DestRegionId = None,
    dest_instance_id: DestInstanceId = None,
    commit: given.Commit = False,
) -> int:
    """Topics only, from the live source straight onto the destination."""
    return _migrate(ctx, given.typed(ctx), "topics", commit=commit)


def consumer_group_migration_from_topic(
    ctx: typer.Context,
    properties_path: PropertiesPath = None,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_config: given.SourceConfig = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
    include_groups: given.IncludeGroups = None,
    exclude_groups: given.ExcludeGroups = None,
    rename: given.RenameRules = None,
    group_offsets: given.Positions = None,
    dest_ak: DestAk = None,
    dest_sk: DestSk = None,
    dest_region_id: DestRegionId = None,
    dest_instance_id: DestInstanceId = None,
    commit: given.Commit = False,
) -> int:
    """Consumer groups only, from the live source straight onto the destination, whose topics must exist."""
    flags = given.typed(ctx)
    if properties_path is not None:
        if source_config is not None:
            raise UsageError("--propertiesPath and --source-config are the same; give one of them")
        flags["source-config"] = flags.pop("properties-path")
    return _migrate(ctx, flags, "groups", commit=commit)


def _migrate(ctx: typer.Context, flags: dict[str, Any], section: Section, *, commit: bool) -> int:
    session: Session = ctx.obj
    screen = session.screen
    cloud = [name for name in _CLOUD if flags.pop(name, None) is not None]
    toml = session.toml()
    if cloud:
        # They name an account of one cloud; the values are secrets and are not repeated.
        names = ", ".join(f"--{name}" for name in cloud)
        screen.say(f"{names}: not used; name the destination by --dest-bootstrap-servers or --dest-config")
    chosen = options(flags, toml, screen)
    decided = replace(policy(chosen), only=frozenset({section}))
    dest = dest_settings(flags, toml, screen)
    source = source_settings(flags, toml, screen)
    with screen.progress() as meter:
        desired = read_source(
            source, decided.selection, emit=meter.emit, taken_at_ms=round(time.time() * 1000), sizes=False
        )
        require_matches(chosen, desired, side(source), screen)
        say_idle_rules(chosen, decided, desired, screen)
    name = f"{side(source)} (cluster {desired.cluster.id or 'unknown'})"
    return import_snapshot(session, desired, name, dest, decided, commit=commit)
