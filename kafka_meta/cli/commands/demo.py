"""`kafka-meta demo`: two real clusters on this machine, and the whole journey on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli.options import takes
from kafka_meta.errors import UsageError

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = ("kafka-meta demo", "kafka-meta demo --keep", "kafka-meta demo --stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    heading: ClassVar = "Clusters"

    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the clusters running, and write a kafka-meta.toml for them in this folder."),
    ] = False
    stop: Annotated[bool, typer.Option("--stop", help="End the clusters that --keep left running.")] = False


@takes()
def demo(session: Session, clusters: Clusters) -> int:
    """Start two real clusters on this machine, and move one to the other.

    Needs a JDK 17 or newer, and Maven, which downloads the brokers once.
    """
    if clusters.keep and clusters.stop:
        raise UsageError("--keep and --stop cannot be given together")
    from kafka_meta.cli.demo import demo

    return demo(session, keep=clusters.keep, stop=clusters.stop)
