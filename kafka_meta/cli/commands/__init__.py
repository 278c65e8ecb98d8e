"""The commands by name, and the options that stand before or after any of them.

A module here says what may be typed: options, help, examples. What a command does is in the modules beside this folder,
which are imported when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kafka_meta import __version__
from kafka_meta.cli.lazy import LazyCommand, group

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

_HERE = "kafka_meta.cli.commands"

COMMANDS: tuple[LazyCommand, ...] = tuple(
    LazyCommand(name, line, module, function, vendor=module.endswith("vendor"))
    for name, module, function, line in (
        ("check", f"{_HERE}.check", "check", "Can both clusters be reached? Are rights missing?"),
        ("export", f"{_HERE}.export", "export", "Write the metadata of the source into a file."),
        ("evaluate", f"{_HERE}.evaluate", "evaluate", "What to buy, so that the destination can carry the load."),
        ("import", f"{_HERE}.imports", "import_", "Create on the destination what the file holds."),
        ("mirror", f"{_HERE}.mirror", "mirror", "Copy the records that no group has read yet."),
        ("task", f"{_HERE}.task", "task", "Show and steer a copy that goes on (mirror --follow)."),
        ("verify", f"{_HERE}.verify", "verify", "Compare the destination with the file or the source."),
        ("demo", f"{_HERE}.demo", "demo", "Try everything on two real clusters on this machine."),
        ("help", f"{_HERE}.help", "help_", "Read the manual: a page, or the list of its pages."),
        ("MigrationFromZk", f"{_HERE}.vendor", "migration_from_zk", "export; writes its file only with --commit."),
        (
            "TopicMigrationFromZk",
            f"{_HERE}.vendor",
            "topic_migration_from_zk",
            "Topics, from the source straight to the destination.",
        ),
        (
            "ConsumerGroupMigrationFromTopic",
            f"{_HERE}.vendor",
            "consumer_group_migration_from_topic",
            "Consumer groups, from the source straight to the destination.",
        ),
    )
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kafka-meta {__version__}")
        raise typer.Exit


def _everything(
    ctx: typer.Context,
    output: Annotated[
        Literal["text", "json"],
        typer.Option("--output", help="json: one JSON document on standard output. May stand behind the command, too."),
    ] = "text",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every item. Otherwise a terminal gets the first few.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings file. Without it kafka-meta.toml of the current folder is read, if there is one.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Move the metadata of a Kafka cluster (topics, configs, consumer groups, ACLs) to another cluster, and the records
    that no group has read yet.

    export reads the source and writes a file. import shows what it would create on the destination, and creates it with
    --commit. verify compares. The source is never changed. Nothing is ever deleted.
    """

    def session() -> Session:
        # Only when a command runs: its help and completion come without.
        from kafka_meta.cli.screen import Screen
        from kafka_meta.cli.session import Session

        return Session(Screen(output=output, verbose=verbose), config)

    ctx.obj = session


app = group(_everything, COMMANDS)


def examples() -> dict[str, tuple[str, ...]]:
    """The command lines that each command's help shows."""
    for each in COMMANDS:
        each.load()
    return {str(each.name): each.examples for each in COMMANDS}
