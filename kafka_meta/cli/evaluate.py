"""`kafka-meta evaluate`: a metadata file, or the answers to a vendor's form, → what to buy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kafka_meta import __version__
from kafka_meta.cli import options as given
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import DEFAULT_FILE, SECOND_FILE, file_to_read, options
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.files import read_metadata, validate, write_private
from kafka_meta.files.metadata import iso_time
from kafka_meta.files.text import load
from kafka_meta.files.writing import require_writable
from kafka_meta.render.sizing import comparison_lines, recommendation_lines
from kafka_meta.settings import PolicyOptions
from kafka_meta.sizing import POLICIES, Catalogue, Needs, as_document, evaluate, read_catalogue, shipped
from kafka_meta.sizing.needs import convert
from kafka_meta.stats import inventory

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

Document = dict[str, Any]

FORM = "The vendor's form"
PROVIDER = "alibaba"
"""Whose form the flags are."""


def evaluate_(
    ctx: typer.Context,
    file_name: given.FileName = None,
    target_directory: given.TargetDirectory = None,
    server_version: Annotated[
        str | None,
        typer.Option("--server-version", metavar="2.2.0", rich_help_panel=FORM, help="Version of the brokers."),
    ] = None,
    idc_migration: Annotated[
        bool | None,
        typer.Option(
            "--idc-migration/--no-idc-migration", rich_help_panel=FORM, help="From a data centre of one's own?"
        ),
    ] = None,
    peak_traffic: Annotated[
        str | None,
        typer.Option(
            "--peak-traffic", metavar="MB/s", rich_help_panel=FORM, help="The larger of peak writing and peak reading."
        ),
    ] = None,
    public_traffic: Annotated[
        str | None,
        typer.Option("--public-traffic", metavar="MB/s", rich_help_panel=FORM, help="Peak of it over the internet."),
    ] = None,
    ssd: Annotated[bool | None, typer.Option("--ssd/--no-ssd", rich_help_panel=FORM, help="Solid state disks?")] = None,
    disk: Annotated[
        str | None, typer.Option("--disk", metavar="GB", rich_help_panel=FORM, help="Data to be kept, one copy of it.")
    ] = None,
    topics: Annotated[int | None, typer.Option("--topics", rich_help_panel=FORM, help="Number of topics.")] = None,
    partitions: Annotated[
        int | None, typer.Option("--partitions", rich_help_panel=FORM, help="Number of partitions, without replicas.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option("--replicas", rich_help_panel=FORM, help="Copies of each partition.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="business|bigdata", rich_help_panel=FORM, help="What the messages are."),
    ] = None,
    latency: Annotated[
        str | None, typer.Option("--latency", metavar="normal|low", rich_help_panel=FORM, help="How fast they must be.")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME|all",
            help=f"A vendor, or all side by side; without it {PROVIDER}, where it carries the cluster.",
        ),
    ] = None,
    policy: Annotated[
        Literal["minimal", "vendor", "safe"],
        typer.Option(
            "--policy",
            help="minimal: just enough; vendor: 30 % above the peak, as vendors advise; "
            "safe: only so full as it is known to run well.",
        ),
    ] = "minimal",
    catalog: Annotated[
        str | None, typer.Option("--catalog", metavar="FILE", help="Prices and limits of your own.")
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page with pictures, too (needs kafka-meta[html])."),
    ] = None,
) -> int:
    """Say what a destination has to be to carry a cluster: the cheapest that does, and every limit on the way.

    From the statistics that export has put into the file, from flags, or from both when the file is named (flags count
    more). Exit status 1 when something that matters is not known (the recommendation is then marked incomplete), or
    nothing carries it.
    """
    session: Session = ctx.obj
    screen = session.screen
    form = Needs.from_flags(
        server_version=server_version,
        idc_migration=idc_migration,
        peak_traffic=_amount("--peak-traffic", peak_traffic, "MB/s"),
        public_traffic=_amount("--public-traffic", public_traffic, "MB/s"),
        ssd=ssd,
        disk=_amount("--disk", disk, "GB"),
        topics=topics,
        partitions=partitions,
        replicas=replicas,
        scenario=scenario,
        latency=latency,
    )
    stats: Mapping[str, Any] | None
    page = _page_writer(html)
    catalogues = _catalogues(provider, catalog)
    chosen = options(given.typed(ctx), session.toml(), screen)
    path = _file(chosen, screen, has_form=form != Needs())
    if path is None:
        subject, stats, needs = "the answers given", None, form
    else:
        subject, stats = _read(path)
        needs = form.over(Needs.from_stats(stats))
    today = datetime.now(UTC)
    documents, refused = _documents(needs, catalogues, policy, today.date())
    compared: Sequence[Document] = documents if len(catalogues) > 1 else []
    if provider is None and catalog is None:
        documents, compared = _by_default(documents)
    if page is not None:
        created = f"{today:%Y-%m-%d %H:%M} UTC, kafka-meta {__version__}"
        write_private(Path(str(html)), page(documents, compared, stats, subject=subject, created=created))
        screen.say(f"page written into {html}")
    screen.result([subject, ""])
    if compared:
        screen.result(comparison_lines(compared, refused))
    if len(documents) > 1:
        screen.result(["", "  one of them with every step: kafka-meta evaluate --provider NAME"])
        screen.document(
            {
                "kind": "kafka-meta-recommendations",
                "schemaVersion": "1.0",
                "policy": policy,
                "recommendations": documents,
                "refused": refused,
            }
        )
    else:
        screen.result([""] if compared else [])
        screen.result(recommendation_lines(documents[0], verbose=screen.verbose))
        screen.document(documents[0])
        if provider is None and catalog is None:
            screen.result(["", "Other vendors: kafka-meta evaluate --provider all, or its name"])
    found = any(document["complete"] and document["recommendation"] is not None for document in documents)
    return ExitStatus.DONE if found else ExitStatus.FAILED


def _documents(
    needs: Needs, catalogues: Sequence[Catalogue], policy: str, today: date
) -> tuple[list[Document], list[dict[str, str]]]:
    """A recommendation of each catalogue, with what other policies come to; and which catalogues could not be used."""
    others = [each for name, each in POLICIES.items() if name != policy]
    documents: list[Document] = []
    refused: list[dict[str, str]] = []
    for catalogue in catalogues:
        try:
            chosen, *rest = (evaluate(needs, catalogue, each, today=today) for each in (POLICIES[policy], *others))
            documents.append(as_document(chosen, rest))
        except UsageError as error:
            if len(catalogues) == 1:
                raise
            refused.append({"provider": catalogue.provider, "message": error.message})
    return documents, refused


def _by_default(documents: Sequence[Document]) -> tuple[list[Document], Sequence[Document]]:
    """The vendor's whose form it is, by itself, where it carries the needs. Its list of 2021 ends with Kafka 2.2, so
    otherwise the cheapest of the others, with why, beside all of them; prices of one currency are compared only."""
    own = next(each for each in documents if each["provider"] == PROVIDER)
    carrying = [each for each in documents if each["recommendation"] is not None]
    if own in carrying or not carrying:
        return [own], [] if own in carrying else documents
    priced = [each for each in carrying if each["recommendation"]["monthlyPrice"] is not None]
    if priced and len({each["currency"] for each in priced}) == 1:
        chosen = min(priced, key=lambda each: each["recommendation"]["monthlyPrice"])
        why = "the cheapest of those that publish a price"
    else:
        chosen = carrying[-1]
        why = "no price of the others is published, or not in one currency"
    reasons = [each for each in own["warnings"] if each["resource"] == PROVIDER]
    reasons.append(
        {"resource": chosen["provider"], "reason": f"shown because {PROVIDER}, the default, carries none of it: {why}"}
    )
    return [{**chosen, "warnings": [*reasons, *chosen["warnings"]]}], documents


def _amount(flag: str, text: str | None, unit: str) -> float | None:
    """A number, in `unit` unless another one is written behind it. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+(?:/s)?)?\s*", text)
    if match is None:
        raise UsageError(f"{flag} {text!r} is not a number", f"For example: {flag} 20, which is 20 {unit}.")
    return convert(float(match[1]), match[2] or unit, unit)


def _file(chosen: PolicyOptions, screen: Screen, *, has_form: bool) -> Path | None:
    """The file whose statistics count; None where the form was answered and no file was named."""
    if chosen.file_name is None and has_form:
        found = [name for name in (DEFAULT_FILE, SECOND_FILE) if Path(chosen.target_directory or ".", name).is_file()]
        if found:
            screen.say(f"{found[0]} is not read, because the form was answered; --fileName adds what it knows")
        return None
    path = file_to_read(chosen)
    if chosen.file_name is None and not path.is_file():
        raise UsageError(
            f"no metadata file is here ({path})",
            "Export first (kafka-meta export), name a file (--fileName), or answer the form: --peak-traffic, --disk, …",
        )
    return path


def _read(path: Path) -> tuple[str, Mapping[str, Any]]:
    """What is evaluated, in words, and its statistics: those that export collected, or what the file itself tells."""
    snapshot = read_metadata(path)
    subject = f"{path} (cluster {snapshot.cluster.id or 'unknown'}, {iso_time(snapshot.taken_at_ms)})"
    if snapshot.stats is None:
        return subject, inventory(snapshot)
    validate(snapshot.stats, "stats", called=f"{path}: stats")
    return subject, snapshot.stats


def _catalogues(provider: str | None, file: str | None) -> Sequence[Catalogue]:
    if file is not None:
        document = load(Path(file))
        validate(document, "catalogue", called=file)
        own = read_catalogue(document)  # type: ignore[arg-type]  # an object, says the schema
        if provider not in (None, own.provider):
            raise UsageError(f"{file} is a catalogue of {own.provider!r}, not of {provider!r}", "Leave out --provider.")
        return (own,)
    wanted = provider or "all"
    found = [each for each in shipped() if wanted in ("all", each.provider)]
    if not found:
        names = ", ".join(each.provider for each in shipped())
        raise UsageError(f"--provider {wanted!r} is not known", f"Give one of {names}, or all.")
    return found


def _page_writer(html: str | None) -> Any:
    """The function that makes the page, looked for before the work; None when no page is wanted."""
    if html is None:
        return None
    require_writable(Path(html))
    try:
        from kafka_meta import report
    except ImportError as error:
        raise KafkaMetaError(f"--html needs {error.name}", 'Install it: pip install "kafka-meta[html]"') from None
    return report.page
