"""`kafka-meta import`: a file (or a saved plan) → the destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta import --dest-bootstrap-servers new:9092",
    "kafka-meta import --dest-bootstrap-servers new:9092 --commit",
    "kafka-meta import --dest-bootstrap-servers new:9092 --only topics --rename 'orders(.*)=shop.orders\\1'",
    "kafka-meta import --dest-bootstrap-servers new:9092 --save-plan plan.json",
    "kafka-meta import --dest-bootstrap-servers new:9092 --plan-file plan.json --commit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    heading: ClassVar = "Users"

    passwords: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Passwords of users: lines name=password, file mode 0600. A password that does not fit the exported "
            "key is refused.",
        ),
    ] = None
    generate_passwords: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Make new passwords for all other users and write them into FILE (mode 0600).",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    heading: ClassVar = "Plan"

    save_plan: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the plan into FILE, to be reviewed and committed later."),
    ] = None
    plan_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Carry out exactly this saved plan, if it still fits the destination."),
    ] = None


@takes(
    given.Files,
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
    Passwords,
)
def import_(
    session: Session,
    internal: given.Internal,
    plan: SavedPlan,
    same_id: given.SameId,
    journal: given.Journal,
    commit: given.Commit,
) -> int:
    """Show what a metadata file would create on the destination. With --commit, create it.

    What exists is not changed (except with --on-drift set), and nothing is deleted. The command may be run again at any
    time: it then does what is left to do.
    """
    from kafka_meta.cli.imports import import_

    return import_(
        session,
        plan,
        include_internal=internal.include_internal,
        journal=journal.journal,
        same_id=same_id.allow_same_cluster_id,
        commit=commit.commit,
    )
