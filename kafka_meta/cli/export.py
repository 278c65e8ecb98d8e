"""`kafka-meta export`: the source → one file."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kafka_meta import __version__, stats
from kafka_meta.cli import options as given
from kafka_meta.cli.quantities import seconds
from kafka_meta.cli.sides import (
    DEFAULT_FILE,
    SECOND_FILE,
    file_to_write,
    options,
    require_matches,
    side,
    source_settings,
)
from kafka_meta.errors import ExitStatus
from kafka_meta.export import export as read_source
from kafka_meta.files import dumps, encode_metadata, write_private
from kafka_meta.files.writing import require_writable
from kafka_meta.metrics import require_url
from kafka_meta.model import Snapshot
from kafka_meta.render import cluster_words, size, snapshot_lines
from kafka_meta.render.sizing import stats_lines
from kafka_meta.stats import Wanted

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

INSTALL_TSAR = (
    "--installTsar: nothing is installed; rates of the past come from the brokers' own offsets, those of now with "
    "--sample or --metrics-url, figures of a broker's machine from the system, and from tsar or sysstat where they run"
)
DEFAULT_STATISTICS = Wanted()
CREATED_BY = f"kafka-meta {__version__}"


def export(
    ctx: typer.Context,
    source_bootstrap_servers: given.SourceBootstrap = None,
    source_zk_connect: given.SourceZk = None,
    source_config: given.SourceConfig = None,
    file_name: given.FileName = None,
    target_directory: given.TargetDirectory = None,
    include_topics: given.IncludeTopics = None,
    exclude_topics: given.ExcludeTopics = None,
    include_groups: given.IncludeGroups = None,
    exclude_groups: given.ExcludeGroups = None,
    include_internal: Annotated[
        bool, typer.Option("--include-internal", rich_help_panel=given.FILTERS, help="Internal topics, too.")
    ] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Write users' salted keys into the file, too.")] = False,
    evaluate: given.Evaluate = None,
    sample: Annotated[
        str | None,
        typer.Option("--sample", metavar="60s", help="Watch what is written and read for so long, for sizing."),
    ] = None,
    metrics_url: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics-url",
            metavar="URL",
            help="A broker's metrics (Prometheus text of the JMX exporter, or Jolokia); once for each broker.",
        ),
    ] = None,
    install_tsar: Annotated[bool, typer.Option("--installTsar", "--install-tsar", hidden=True)] = False,
) -> int:
    """Read a cluster (topics, configs, groups, offsets, ACLs) and write it into one file.

    From the brokers, from ZooKeeper, or from both merged; found on this machine when no address is given.
    """
    flags = given.typed(ctx)
    if install_tsar:
        ctx.obj.screen.say(INSTALL_TSAR)
    wanted = Wanted(
        sample_s=0 if sample is None else seconds("--sample", sample), metrics_urls=tuple(metrics_url or ())
    )
    for url in wanted.metrics_urls:
        require_url(url)
    return export_to_file(ctx.obj, flags, include_internal=include_internal, secrets=secrets, wanted=wanted, write=True)


def export_to_file(
    session: Session,
    flags: dict[str, Any],
    *,
    include_internal: bool = False,
    secrets: bool = False,
    wanted: Wanted = DEFAULT_STATISTICS,
    write: bool,
) -> int:
    """`write` False: shows what the file would hold. `wanted` of statistics, where they are not turned off."""
    screen = session.screen
    toml = session.toml()
    chosen = options(flags, toml, screen)
    selection = chosen.selection(include_internal=include_internal)
    to_stdout = chosen.file_name == "-"
    path = file_to_write(chosen)
    if write and not to_stdout:
        require_writable(path)
    source = source_settings(flags, toml, screen)
    evaluate = chosen.evaluate is not False
    now_ms = round(time.time() * 1000)
    with screen.progress() as meter:
        snapshot = read_source(source, selection, emit=meter.emit, taken_at_ms=now_ms, secrets=secrets, sizes=evaluate)
        require_matches(chosen, snapshot, side(source), screen)
        if evaluate:
            statistics = stats.collect(source, snapshot, wanted, emit=meter.emit, now_ms=now_ms)
            snapshot = replace(snapshot, stats=statistics)
    document = encode_metadata(snapshot, created_by=CREATED_BY)
    text = dumps(document)
    if to_stdout and write:
        sys.stdout.write(text)
        return ExitStatus.DONE
    replaced = path.exists()
    if write:
        write_private(path, text)
    screen.result([f"Source  {side(source)}  {cluster_words(snapshot.cluster)}"])
    screen.result(snapshot_lines(snapshot, verbose=screen.verbose))
    if snapshot.stats is not None:
        screen.result(stats_lines(snapshot.stats, {gap.resource for gap in snapshot.gaps}))
    size_bytes = len(text.encode())
    if write:
        flag = _file_flag(path)
        written = f"{path} {'replaced' if replaced else 'written'} ({size(size_bytes)}, mode 0600)."
        screen.result(["", f"{written} Next: kafka-meta evaluate{flag} · kafka-meta import{flag}"])
    else:
        screen.result(["", f"Nothing was written. To write {path}: the same with --commit"])
    screen.document(_summary(snapshot, path if write else None, size_bytes))
    return ExitStatus.DONE


def _file_flag(path: Path) -> str:
    return "" if str(path) in (DEFAULT_FILE, SECOND_FILE) else f" --fileName {path}"


def _summary(snapshot: Snapshot, path: Path | None, size_bytes: int) -> dict[str, Any]:
    def count(items: tuple[object, ...] | None) -> int | None:
        return None if items is None else len(items)

    def remarks(items: Any) -> list[dict[str, str]]:
        return [{"resource": item.resource, "reason": item.reason} for item in items]

    return {
        "kind": "kafka-meta-export",
        "schemaVersion": "1.0",
        "fileName": None if path is None else str(path),
        "sizeBytes": size_bytes,
        "clusterId": snapshot.cluster.id,
        "totals": {
            "topics": count(snapshot.topics),
            "partitions": None if snapshot.topics is None else sum(len(topic.partitions) for topic in snapshot.topics),
            "groups": count(snapshot.groups),
            "acls": count(snapshot.acls),
            "users": count(snapshot.users),
            "quotas": count(snapshot.quotas),
        },
        "gaps": remarks(snapshot.gaps),
        "leftOut": remarks(snapshot.left_out),
        "disagreements": remarks(snapshot.disagreements),
        "signs": remarks(snapshot.signs),
    }
