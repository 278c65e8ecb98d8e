"""`kafka-meta task`: copies that go on (`mirror --follow`), shown and steered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import one_of, takes
from kafka_meta.errors import UsageError

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta task list",
    "kafka-meta task show --dest-bootstrap-servers new:9092",
    "kafka-meta task pause --dest-bootstrap-servers new:9092",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    heading: ClassVar = "Arguments"

    verb: Annotated[
        Literal["list", "show", "pause", "resume"],
        typer.Argument(
            metavar="VERB",
            autocompletion=one_of("list", "show", "pause", "resume"),
            help="list: the tasks of this user on this machine. show: what runs, how far it is behind, what is in the "
            "way. pause: send no records for now. resume: go on.",
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    heading: ClassVar = "Files"

    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The journal of kafka-meta mirror, if mirror was given --journal. It names the task."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    heading: ClassVar = "Show"

    history: Annotated[bool, typer.Option("--history", help="With show: what was done with the task, and when.")] = (
        False
    )


@takes(given.Source, given.DestBrokers)
def task(session: Session, verb: Verb, which: Which, what: What) -> int:
    """Show and steer what mirror --follow does.

    A task is the journal of a migration. Pause and resume are written there, and the copy heeds them within a second.
    This command changes nothing on either cluster.
    """
    from kafka_meta.cli.mirror import task as room

    if what.history and verb.verb != "show":
        raise UsageError("--history is only for task show")
    path = None if which.journal is None else Path(which.journal)
    if verb.verb == "list":
        return room.list_tasks(session, path)
    if verb.verb == "show":
        return room.show(session, path, history=what.history)
    return room.pause(session, path, wanted=verb.verb == "pause")
