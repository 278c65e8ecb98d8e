"""`kafka-meta export`: the source → one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta export --source-bootstrap-servers old:9092",
    "kafka-meta export --source-bootstrap-servers old:9092 --source-zk-connect old-zk:2181/kafka "
    "--file-name metadata.json",
    "kafka-meta export --source-config old.properties --include-topics 'orders.*' --include-groups 'orders-.*'",
    "kafka-meta export --source-bootstrap-servers old:9092 --sample 60s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    heading: ClassVar = "Files"

    file_name: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The metadata file to write; - is standard output. Without it, kafka-metadata-export.json.",
        ),
    ] = None
    target_directory: given.TargetDirectory = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    heading: ClassVar = "Users"

    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets",
            help="Write the users' salted SCRAM keys into the file. Whoever has the file can then log in as them.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    heading: ClassVar = "Statistics for evaluate"

    evaluate: Annotated[
        bool | None,
        typer.Option(
            "--evaluate/--no-evaluate",
            help="Collect sizes on disk and the rates of the past week. On unless --no-evaluate is given.",
        ),
    ] = None
    install_tsar: Annotated[bool, typer.Option("--install-tsar", hidden=True)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    heading: ClassVar = "Statistics for evaluate"

    sample: Annotated[
        str | None,
        typer.Option(metavar="60s", help="Watch for this long what is written and read, and keep the rates."),
    ] = None
    metrics_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Metrics of one broker: Prometheus text of the JMX exporter, or Jolokia. May be given several times.",
        ),
    ] = None


@takes(given.Source, WrittenFile, given.TopicFilters, given.GroupFilters, given.PrincipalFilters, Evaluate)
def export(session: Session, internal: given.Internal, keys: Keys, statistics: Statistics) -> int:
    """Read the metadata of a cluster (topics, configs, groups, positions, ACLs, users, quotas), and write a file.

    It is read from the brokers, from ZooKeeper, or from both and merged. Without an address, brokers and ZooKeeper that
    run on this machine are looked for.
    """
    from kafka_meta.cli.export import export

    return export(session, include_internal=internal.include_internal, secrets=keys.secrets, statistics=statistics)
