"""`kafka-meta evaluate`: a metadata file, or the answers to a vendor's form, → what to buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka_meta import __version__
from kafka_meta.cli.commands.evaluate import HTML_NEEDS, Choice, Form
from kafka_meta.cli.metadata_file import DEFAULT_FILE, SECOND_FILE, file_to_read
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.session import Session
from kafka_meta.documents.recommendation import encode_recommendations
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.files import read_metadata, validate, write_private
from kafka_meta.files.metadata import iso_time
from kafka_meta.files.text import load
from kafka_meta.files.writing import require_output
from kafka_meta.quantities import amount, count
from kafka_meta.render.sizing import comparison_lines, recommendation_lines
from kafka_meta.settings import PolicyOptions
from kafka_meta.sizing import POLICIES, Catalogue, Needs, read_catalogue, shipped, survey
from kafka_meta.stats import inventory


def evaluate(session: Session, *, form: Form, choice: Choice, html: str | None) -> int:
    screen = session.screen
    declared = _declared(form)
    policy = choice.policy.lower()
    if policy not in POLICIES:
        raise UsageError(f"--policy {choice.policy!r} is not known", f"Give {' or '.join(POLICIES)}.")
    wanted = None if choice.provider is None else _vendors(choice.provider)
    path = _file(session.options(), screen, has_form=declared != Needs())
    page = _page_writer(html, {"the metadata file": path, "the file of --catalog": choice.catalog})
    catalogues = _own(choice.catalog, wanted) if choice.catalog is not None else _shipped(wanted)
    stats: Mapping[str, Any] | None
    if path is None:
        subject, stats, needs = "the answers given", None, declared
    else:
        subject, stats = _read(path)
        needs = declared.over(Needs.from_stats(stats))
    now = datetime.now(UTC)
    found = survey(needs, catalogues, policy, today=now.date())
    document = encode_recommendations(found)
    documents, refused = document["recommendations"], document["refused"]
    if page is not None:
        created = f"{now:%Y-%m-%d %H:%M} UTC, kafka-meta {__version__}"
        write_private(Path(str(html)), page(documents, refused, stats, subject=subject, created=created))
        screen.say(f"page written into {html}")
    screen.result([subject, ""])
    if len(catalogues) > 1:
        screen.result(comparison_lines(documents, refused))
        screen.result(["", "  one of them with every step: kafka-meta evaluate --provider NAME"])
        screen.document(lambda: document)
    else:
        screen.result(recommendation_lines(documents[0], verbose=screen.verbose))
        screen.document(lambda: documents[0])
    return ExitStatus.DONE if found.complete else ExitStatus.FAILED


def _declared(form: Form) -> Needs:
    return Needs.from_flags(
        server_version=form.server_version,
        idc_migration=form.idc_migration,
        peak_traffic=_amount("--peak-traffic", form.peak_traffic, "MB/s"),
        average_traffic=_amount("--average-traffic", form.average_traffic, "MB/s"),
        public_traffic=_amount("--public-traffic", form.public_traffic, "MB/s"),
        ssd=form.ssd,
        disk=_amount("--disk", form.disk, "GB"),
        topics=_count("--topics", form.topics),
        partitions=_count("--partitions", form.partitions),
        replicas=_count("--replicas", form.replicas),
        scenario=form.scenario,
        latency=form.latency,
    )


def _amount(flag: str, text: str | None, unit: str) -> float | None:
    return None if text is None else amount(flag, text, unit)


def _count(flag: str, text: str | None) -> int | None:
    return None if text is None else count(flag, text)


def _file(chosen: PolicyOptions, screen: Screen, *, has_form: bool) -> Path | None:
    """The file whose statistics count; None where needs were given as options and no file was named."""
    if chosen.file_name is None and has_form:
        found = [name for name in (DEFAULT_FILE, SECOND_FILE) if Path(chosen.target_directory or ".", name).is_file()]
        if found:
            screen.say(f"{found[0]} is not read, because needs were given as options; --file-name adds what it knows")
        return None
    path = file_to_read(chosen)
    if chosen.file_name is None and not path.is_file():
        raise UsageError(
            f"no metadata file is here ({path})",
            "Export first (kafka-meta export), name a file (--file-name), or give the needs: --peak-traffic, --disk, …",
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


def _vendors(provider: str) -> frozenset[str]:
    """The names in `a,b`, in any case; all of them for `all`. An own catalogue may have a name of its own."""
    names = frozenset(name.strip().lower() for name in provider.split(",") if name.strip())
    if not names:
        raise UsageError(f"--provider {provider!r} names no vendor", "Give a name, several with commas, or all.")
    return names


def _own(file: str, wanted: frozenset[str] | None) -> Sequence[Catalogue]:
    document = load(Path(file))
    validate(document, "catalogue", called=file)
    try:
        own = read_catalogue(document)  # type: ignore[arg-type]  # an object, says the schema
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}", error.hint) from error
    if wanted not in (None, {own.provider}):
        asked = ", ".join(sorted(wanted or ()))
        raise UsageError(f"{file} is a catalogue of {own.provider!r}, not of {asked!r}", "Leave out --provider.")
    return (own,)


def _shipped(wanted: frozenset[str] | None) -> Sequence[Catalogue]:
    """Those that were asked for, in their own order."""
    known = {each.provider: each for each in shipped()}
    unknown = sorted((wanted or frozenset()) - known.keys() - {"all"})
    if unknown:
        raise UsageError(f"--provider {unknown[0]!r} is not known", f"Give one or more of {', '.join(known)}, or all.")
    return [each for each in known.values() if wanted is None or "all" in wanted or each.provider in wanted]


def _page_writer(html: str | None, inputs: Mapping[str, Path | str | None]) -> Any:
    """The function that makes the page; None when no page is wanted. What would fail later, or would write over an
    input, is said before anything is read."""
    if html is None:
        return None
    require_output(Path(html), "an HTML page", option="--html", inputs=inputs)
    try:
        from kafka_meta import report
    except ImportError:
        raise KafkaMetaError(HTML_NEEDS) from None
    return report.page
