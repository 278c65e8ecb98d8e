"""`kafka-meta check`: can both sides be reached, as whom, which versions, which rights are missing?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import one_of, takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta check --source-bootstrap-servers old:9092 --source-zk-connect old-zk:2181/kafka "
    "--dest-bootstrap-servers new:9092",
    "kafka-meta check --source-config old.properties --dest-config new.properties --for import",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    heading: ClassVar = "Options"

    step: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="import",
            autocompletion=one_of("import"),
            help="What is planned. import: also show which brokers of the destination do not answer, until when "
            "positions are kept that are set now, and which defaults differ.",
        ),
    ] = None


@takes(given.Source, given.DestBrokers, given.DestZooKeeper)
def check(session: Session, step: Step) -> int:
    """Show whether both clusters can be reached, as which user, which versions they run and which rights are missing.

    Nothing is changed. The exit status is 1 if a cluster cannot be reached or a right is missing.
    """
    from kafka_meta.cli.check import check

    return check(session, step.step)
