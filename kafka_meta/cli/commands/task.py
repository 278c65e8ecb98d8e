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
    "kafka-meta task change --dest-bootstrap-servers new:9092 --max-rate 50MB/s",
    "kafka-meta task change --dest-bootstrap-servers new:9092 --exclude-topics 'audit.*'",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    heading: ClassVar = "Arguments"

    verb: Annotated[
        Literal["list", "show", "pause", "resume", "change", "delete"],
        typer.Argument(
            metavar="VERB",
            autocompletion=one_of("list", "show", "pause", "resume", "change", "delete"),
            help="list: the tasks of this user on this machine. show: what runs, how far it is behind, what is in the "
            "way. pause: send no records for now. resume: go on. change: how fast it copies, which topics it leaves "
            "out, which groups it sets again. delete: end the task, and put its journal aside.",
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
    watch: Annotated[bool, typer.Option("--watch", help="With show: show it again every two seconds, until ^C.")] = (
        False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a running copy heeds within a second. It counts until it is changed again, also in a later run."""

    heading: ClassVar = "Change"

    max_rate: Annotated[
        str | None,
        typer.Option(metavar="50MB/s|none", help="With change: copy no faster than this. none: without a limit."),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(metavar="128MB", help="With change: memory for records that were read and are not written yet."),
    ] = None
    exclude_topics: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="With change: leave out these topics of the source from now on. What was copied stays, and their "
            "state is kept.",
        ),
    ] = None
    include_topics: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="With change: follow topics again that were left out by change. With show: show only these topics.",
        ),
    ] = None
    resync_group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="With change: set the positions of a group again that has moved to the destination. Its positions "
            "there are then lost. May be given several times.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    heading: ClassVar = "Delete"

    abandon: Annotated[
        bool,
        typer.Option(
            "--abandon",
            help="With delete: although retention is still off on the destination, or a copy is not complete.",
        ),
    ] = False


_ONLY_FOR = {
    "history": ("show",),
    "watch": ("show",),
    "max-rate": ("change",),
    "memory": ("change",),
    "exclude-topics": ("change",),
    "include-topics": ("change", "show"),
    "resync-group": ("change",),
    "abandon": ("delete",),
}


@takes(given.Source, given.DestBrokers)
def task(
    session: Session, verb: Verb, which: Which, name: given.Task, what: What, change: Change, delete: Delete
) -> int:
    """Show and steer what mirror --follow does.

    A task is the journal of a migration. What you wish is written there, and the copy heeds it within a second. This
    command changes no topic, record or position on either cluster.
    """
    from kafka_meta.cli.mirror import task as room
    from kafka_meta.cli.mirror.journal import Which as Journal

    for option, verbs in _ONLY_FOR.items():
        if option in session.flags and verb.verb not in verbs:
            raise UsageError(f"--{option} is only for task {' and task '.join(verbs)}")
    chosen = Journal(path=None if which.journal is None else Path(which.journal), task=name.task)
    match verb.verb:
        case "list":
            return room.list_tasks(session, chosen)
        case "show" if what.watch:
            return room.watch(session, chosen, history=what.history, include=change.include_topics)
        case "show":
            return room.show(session, chosen, history=what.history, include=change.include_topics)
        case "change":
            return room.change(
                session,
                chosen,
                max_rate=change.max_rate,
                memory=change.memory,
                exclude=change.exclude_topics,
                include=change.include_topics,
                groups=change.resync_group or [],
            )
        case "delete":
            return room.delete(session, chosen, abandon=delete.abandon)
        case steered:
            return room.pause(session, chosen, wanted=steered == "pause")
