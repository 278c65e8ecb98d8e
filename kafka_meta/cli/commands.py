"""The commands by name, and the options that stand before or after any of them."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from kafka_meta import __version__
from kafka_meta.cli import check, demo, evaluate, export, imports, mirror, seeds, verify
from kafka_meta.cli.screen import Screen
from kafka_meta.errors import EXIT_STATUSES
from kafka_meta.settings import Toml, find_toml

_EPILOG = "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in EXIT_STATUSES) + "."

app = typer.Typer(
    no_args_is_help=True,
    # Boxes and colours are for a terminal; elsewhere plain text that can be searched.
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Session:
    """What the global options say; settings files are looked for only when a command asks."""

    def __init__(self, screen: Screen, config: str | None) -> None:
        self.screen = screen
        self._config = config

    def toml(self) -> Toml | None:
        return find_toml(self._config)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kafka-meta {__version__}")
        raise typer.Exit


@app.callback(epilog=_EPILOG)
def _everything(
    ctx: typer.Context,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", help="json: one document on standard output.")
    ] = "text",
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every item, not only the first few.")] = False,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Settings; kafka-meta.toml by default.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Moves what a Kafka cluster knows about itself (topics, configs, groups, ACLs) to another cluster.

    export reads the source and writes one file; import shows what would be created on the destination,
    and creates it with --commit; verify compares. The source is never changed, nothing is ever deleted.
    """
    ctx.obj = Session(Screen(output=output, verbose=verbose), config)


app.command("check", epilog=_EPILOG)(check.check)
app.command("export", epilog=_EPILOG)(export.export)
app.command("evaluate", epilog=_EPILOG)(evaluate.evaluate_)
app.command("import", epilog=_EPILOG)(imports.import_)
app.command("mirror", epilog=_EPILOG)(mirror.mirror)
app.command("verify", epilog=_EPILOG)(verify.verify)
app.command("demo", epilog=_EPILOG)(demo.demo)

_KNOWN = "Under the names of other tools"
app.command("MigrationFromZk", rich_help_panel=_KNOWN, epilog=_EPILOG)(seeds.migration_from_zk)
app.command("TopicMigrationFromZk", rich_help_panel=_KNOWN, epilog=_EPILOG)(seeds.topic_migration_from_zk)
app.command("ConsumerGroupMigrationFromTopic", rich_help_panel=_KNOWN, epilog=_EPILOG)(
    seeds.consumer_group_migration_from_topic
)
