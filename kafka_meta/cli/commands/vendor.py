"""The same jobs under the names, and with the flags, of Alibaba Cloud's migration tool, which some operators know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.commands.export import Evaluate, WrittenFile
from kafka_meta.cli.options import takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta MigrationFromZk --source-zk-connect old-zk:2181/kafka --target-directory . --commit",
    "kafka-meta TopicMigrationFromZk --source-zk-connect old-zk:2181/kafka --dest-bootstrap-servers new:9092 --commit",
    "kafka-meta ConsumerGroupMigrationFromTopic --properties-path old.properties --dest-bootstrap-servers new:9092 "
    "--commit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """An account of Alibaba Cloud. Not used: the destination is named by its brokers."""

    heading: ClassVar = "Destination"

    dest_ak: Annotated[str | None, typer.Option(hidden=True)] = None
    dest_sk: Annotated[str | None, typer.Option(hidden=True)] = None
    dest_region_id: Annotated[str | None, typer.Option(hidden=True)] = None
    dest_instance_id: Annotated[str | None, typer.Option(hidden=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    heading: ClassVar = "Source"

    properties_path: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The same as --source-config. The group.id in the file is not joined."),
    ] = None


@takes(given.Source, WrittenFile, Evaluate)
def migration_from_zk(session: Session, commit: given.Commit) -> int:
    """The same as kafka-meta export, but the file is written only with --commit."""
    from kafka_meta.cli.export import export

    return export(session, write=commit.commit)


@takes(given.Source, given.DestBrokers, given.TopicFilters, given.Renames, given.TopicPolicies, given.Drift, Cloud)
def topic_migration_from_zk(session: Session, commit: given.Commit) -> int:
    """Create the source's topics on the destination, without a file between them. Nothing else is created."""
    from kafka_meta.cli.vendor import migrate

    return migrate(session, "topics", commit=commit.commit)


@takes(given.Source, given.DestBrokers, given.GroupFilters, given.Renames, given.GroupPolicies, Cloud)
def consumer_group_migration_from_topic(session: Session, properties: Properties, commit: given.Commit) -> int:
    """Create the source's consumer groups on the destination, without a file between them.

    Their topics must exist there.
    """
    from kafka_meta.cli.vendor import migrate

    return migrate(session, "groups", properties_path=properties.properties_path, commit=commit.commit)
