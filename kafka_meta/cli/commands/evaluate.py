"""`kafka-meta evaluate`: what does the destination have to be?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import one_of, several_of, takes

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta evaluate",
    "kafka-meta evaluate --file-name metadata.json --provider aws-msk --html page.html",
    "kafka-meta evaluate --peak-traffic 20MB/s --average-traffic 5MB/s --disk 2TB --topics 60 --partitions 800",
)

HTML_NEEDS = '--html needs matplotlib: pip install "matplotlib>=3.10"'
PROVIDERS = (
    *("alibaba", "aws-msk", "byteplus", "confluent"),
    *("gcp-managed-kafka", "huawei-dms", "redpanda", "self-managed"),
)
"""Of the shipped catalogues, which help and completion do not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The questions of a vendor's form, and the average rate of writing, which it does not ask."""

    heading: ClassVar = "What the destination has to carry"

    server_version: Annotated[
        str | None,
        typer.Option(
            metavar="2.2.0",
            help="Kafka version of the source's brokers. The destination must not be of an older release line.",
        ),
    ] = None
    peak_traffic: Annotated[
        str | None,
        typer.Option(
            metavar="MB/s",
            help="The highest rate at which clients write, or at which they read if that is more. Without replication.",
        ),
    ] = None
    average_traffic: Annotated[
        str | None,
        typer.Option(
            metavar="MB/s",
            help="The average rate at which clients write. Some vendors bill every byte that is written.",
        ),
    ] = None
    public_traffic: Annotated[
        str | None,
        typer.Option(
            metavar="MB/s",
            help="The highest rate over the internet. 0 if all clients are in the private network.",
        ),
    ] = None
    disk: Annotated[
        str | None,
        typer.Option(
            metavar="GB", help="How much data the destination has to hold. One copy: replicas are added for you."
        ),
    ] = None
    topics: Annotated[str | None, typer.Option(metavar="N", help="How many topics there are.")] = None
    partitions: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many partitions all topics have together. Replicas are not counted."),
    ] = None
    replicas: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many copies each partition has (the replication factor)."),
    ] = None
    ssd: Annotated[
        bool | None,
        typer.Option(
            "--ssd/--no-ssd",
            help="Whether the source's disks are solid state disks. If they are not, a slower disk may be enough.",
        ),
    ] = None
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="business|bigdata",
            help="What the messages are used for. business: orders or payments. bigdata: logs or analytics. "
            "Only --policy safe uses it.",
        ),
    ] = None
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="normal|low",
            help="low: a message has to be read within milliseconds after it was written. Only --policy safe uses it.",
        ),
    ] = None
    idc_migration: Annotated[
        bool | None,
        typer.Option(
            "--idc-migration/--no-idc-migration",
            help="Whether the source runs in your own data centre. It is noted only: no published rule uses it.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    heading: ClassVar = "What to choose from"

    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…|all",
            autocompletion=several_of(*PROVIDERS, "all"),
            help="One vendor with every step, or several side by side. Without it, all of them: "
            f"{', '.join(PROVIDERS)}.",
        ),
    ] = None
    policy: Annotated[
        str,
        typer.Option(
            metavar="minimal|vendor|safe",
            autocompletion=one_of("minimal", "vendor", "safe"),
            help="How much room to leave. minimal: none. vendor: 30 % above the peak, as vendors advise. "
            "safe: each limit is used only as far as it is known to run well.",
        ),
    ] = "minimal"
    catalog: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A catalogue of your own, with your prices and limits, instead of those that are shipped.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    heading: ClassVar = "Files"

    html: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"Write the answer as a page with pictures, too, to be mailed or printed. {HTML_NEEDS}.",
        ),
    ] = None


@takes(given.Files)
def evaluate(session: Session, page: Page, form: Form, choice: Choice) -> int:
    """Say what a destination has to be so that it carries the cluster, what that costs, and why.

    The needs come from the statistics in the metadata file, from the options below, or from both: an option counts more
    than the file. If such options are given, the file is read only if it is named.

    The exit status is 1 if the answer is incomplete, because something that matters is not known or has no price, and
    if no vendor carries the needs.
    """
    from kafka_meta.cli.evaluate import evaluate

    return evaluate(session, form=form, choice=choice, html=page.html)
