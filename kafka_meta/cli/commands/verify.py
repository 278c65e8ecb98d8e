"""`kafka-meta verify`: is the destination what it ought to be?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta verify --dest-bootstrap-servers new:9092",
    "kafka-meta verify --source-bootstrap-servers old:9092 --dest-bootstrap-servers new:9092 --ignore-extra",
    "kafka-meta verify --data --dest-bootstrap-servers new:9092",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    heading: ClassVar = "Comparison"

    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Do not count as a difference what only the destination has.")
    ] = False
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="Check what mirror has copied: the number of records, their content, the groups' positions."
        ),
    ] = False
    both: Annotated[
        bool,
        typer.Option("--both", help="With --data: read the records of the source again, and compare both sides."),
    ] = False
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="With --data: read also what an earlier check has found equal."),
    ] = False


@takes(
    given.Files,
    given.Source,
    given.DestBrokers,
    given.DestZooKeeper,
    given.Sections,
    given.TopicFilters,
    given.GroupFilters,
    given.PrincipalFilters,
    given.Renames,
    given.TopicPolicies,
    given.Drift,
    given.GroupPolicies,
    given.AclPolicies,
    given.WithholdWrite,
)
def verify(
    session: Session, internal: given.Internal, comparison: Comparison, journal: given.Journal, task: given.Task
) -> int:
    """Compare the destination with a metadata file, or with the live source if its address is given.

    Give the same filters and policies as to import. The exit status is 0 if both are equal, 3 if they differ, and 1 if
    something could not be compared.
    """
    from kafka_meta.cli.verify import verify

    return verify(
        session, comparison, include_internal=internal.include_internal, journal=journal.journal, task=task.task
    )
