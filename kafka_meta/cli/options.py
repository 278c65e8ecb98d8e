"""Options that several commands share, and what was typed of them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

SOURCE = "Source"
DEST = "Destination"
FILTERS = "Filters"
POLICIES = "Policies"

SourceBootstrap: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--source-bootstrap-servers", metavar="HOST:PORT,…", rich_help_panel=SOURCE, help="Brokers of the source."
    ),
]
SourceZk: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--source-zk-connect", metavar="HOST:PORT,…/CHROOT", rich_help_panel=SOURCE, help="ZooKeeper of the source."
    ),
]
SourceConfig: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--source-config",
        metavar="FILE",
        rich_help_panel=SOURCE,
        help="Java .properties file with the source's connection settings.",
    ),
]
DestBootstrap: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dest-bootstrap-servers", metavar="HOST:PORT,…", rich_help_panel=DEST, help="Brokers of the destination."
    ),
]
DestConfig: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dest-config",
        metavar="FILE",
        rich_help_panel=DEST,
        help="Java .properties file with the destination's connection settings.",
    ),
]
DestZk: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dest-zk-connect",
        metavar="HOST:PORT,…/CHROOT",
        rich_help_panel=DEST,
        help="ZooKeeper of a destination that runs with it: takes exported keys of users as they are, "
        "and tells users and quotas of brokers before 2.7.",
    ),
]
FileName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--fileName", "--file-name", metavar="FILE", help="The metadata file; export takes - for standard output."
    ),
]
TargetDirectory: TypeAlias = Annotated[
    str | None, typer.Option("--targetDirectory", "--target-directory", metavar="DIR", help="Folder for the file.")
]
Evaluate: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--evaluate/--no-evaluate", help="Collect statistics for sizing: sizes on disk, rates of the past week."
    ),
]
IncludeTopics: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--include-topics", metavar="RE", rich_help_panel=FILTERS, help="Only topics whose whole name matches."
    ),
]
ExcludeTopics: TypeAlias = Annotated[
    str | None,
    typer.Option("--exclude-topics", metavar="RE", rich_help_panel=FILTERS, help="No topics whose whole name matches."),
]
IncludeGroups: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--include-groups", metavar="RE", rich_help_panel=FILTERS, help="Only groups whose whole name matches."
    ),
]
ExcludeGroups: TypeAlias = Annotated[
    str | None,
    typer.Option("--exclude-groups", metavar="RE", rich_help_panel=FILTERS, help="No groups whose whole name matches."),
]
Only: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--only", metavar="topics,groups,acls,users,quotas", rich_help_panel=FILTERS, help="Only these sections."
    ),
]
RenameRules: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="OLD=NEW",
        rich_help_panel=POLICIES,
        help=r"Rename topics: OLD a regular expression for the whole name, NEW may use its groups (\1); "
        "positions and ACLs follow. group:OLD=NEW renames groups. Can be repeated; the first that matches counts.",
    ),
]
HostRules: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--map-host",
        metavar="OLD=NEW",
        rich_help_panel=POLICIES,
        help="ACLs for host OLD are made for host NEW. Can be repeated.",
    ),
]
PasswordFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--passwords",
        metavar="FILE",
        rich_help_panel=POLICIES,
        help="Users' passwords, name=password lines (mode 0600); compared with the exported keys before use.",
    ),
]
NewPasswords: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--generate-passwords",
        metavar="FILE",
        rich_help_panel=POLICIES,
        help="Make new passwords for all other users and write them into FILE (mode 0600).",
    ),
]
Factor: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--replication-factor",
        metavar="auto|default|N",
        rich_help_panel=POLICIES,
        help="auto (the default): the source's, at most as many as there are brokers; default: the destination's own.",
    ),
]
Positions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--group-offsets",
        metavar="start|end|same|time:ISO",
        rich_help_panel=POLICIES,
        help="Where a group without a position on the destination is put; start is the default.",
    ),
]
OnDrift: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--on-drift",
        metavar="report|set",
        rich_help_panel=POLICIES,
        help="Configs that differ on topics that exist: report them (the default), or set the source's.",
    ),
]
PinDefaults: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--pin-defaults",
        rich_help_panel=POLICIES,
        help="Write the source's broker defaults onto the topics where the destination's are others.",
    ),
]
JournalFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="Of a mirror between the two clusters, where it was given one: what it has left is intended.",
    ),
]
Commit: TypeAlias = Annotated[bool, typer.Option("--commit", help="Do it. Without this nothing is changed.")]


def typed(ctx: typer.Context) -> dict[str, Any]:
    """What was given on the command line, by option name without dashes; nothing that is a default.

    Settings and policies are resolved from this, the environment and files by `settings`, not by typer.
    """
    flags: dict[str, Any] = {}
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        if value is None or source is None or source.name != "COMMANDLINE":
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool) and option == "evaluate":
            flags[option] = str(value).lower()
        else:
            flags[option] = tuple(value) if isinstance(value, list) else value
    return flags
