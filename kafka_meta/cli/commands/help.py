"""`kafka-meta help [TOPIC]`: the manual."""

from __future__ import annotations

from typing import Annotated

import typer

from kafka_meta.cli.options import one_of
from kafka_meta.manual import TOPICS

EXAMPLES = ("kafka-meta help", "kafka-meta help mirror")


def help_(
    ctx: typer.Context,
    topic: Annotated[
        str | None,
        typer.Argument(metavar="TOPIC", autocompletion=one_of(*TOPICS), help="Without it, the pages are listed."),
    ] = None,
) -> int:
    """Show a page of the manual, or the list of its pages. Needs no network."""
    from kafka_meta.cli.help import help_

    return help_(ctx.obj, topic)
