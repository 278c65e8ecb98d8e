"""`kafka-meta export`: the source → one file."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kafka_meta import __version__, stats, wire
from kafka_meta.cli.commands.export import Statistics
from kafka_meta.cli.metadata_file import DEFAULT_FILE, SECOND_FILE, file_to_write
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.session import Session
from kafka_meta.documents.export import encode_export
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.export import export as read_source
from kafka_meta.files import dumps, encode_metadata, write_private
from kafka_meta.files.writing import require_output
from kafka_meta.metrics import require_url
from kafka_meta.quantities import seconds
from kafka_meta.render import cluster_words, size, snapshot_lines
from kafka_meta.render.sizing import stats_lines
from kafka_meta.settings import ClusterSettings
from kafka_meta.settings.matching import require_matches
from kafka_meta.stats import Wanted
from kafka_meta.wire.clock import TOLERATED_MS, clock_ahead_ms, in_words

INSTALL_TSAR = (
    "--installTsar: nothing is installed. Rates of the past are computed from the brokers' offsets; rates of now come "
    "from --sample or --metrics-url; figures of a broker's machine come from the system, tsar or sysstat, if they run."
)
CREATED_BY = f"kafka-meta {__version__}"
_STATISTICS = Statistics()


def export(
    session: Session,
    *,
    include_internal: bool = False,
    secrets: bool = False,
    statistics: Statistics = _STATISTICS,
    write: bool = True,
) -> int:
    """`write` False: shows what the file would hold."""
    screen = session.screen
    if "install-tsar" in session.flags:
        screen.say(INSTALL_TSAR)
    wanted = Wanted(
        sample_s=0 if statistics.sample is None else seconds("--sample", statistics.sample),
        metrics_urls=tuple(statistics.metrics_url or ()),
    )
    for url in wanted.metrics_urls:
        require_url(url)
    chosen = session.options()
    selection = chosen.selection(include_internal=include_internal)
    to_stdout = chosen.file_name == "-"
    path = file_to_write(chosen)
    if write and not to_stdout:
        require_output(path, "a metadata file", option="--file-name")
    source = session.source()
    evaluate = chosen.evaluate is not False
    now_ms = round(time.time() * 1000)
    with screen.progress() as meter:
        snapshot = read_source(source, selection, emit=meter.emit, taken_at_ms=now_ms, secrets=secrets, sizes=evaluate)
        for told in require_matches(chosen, snapshot, source.addresses):
            screen.say(told)
        if source.bootstrap_servers:
            now_ms += _clock_ahead_ms(source, screen)
            snapshot = replace(snapshot, taken_at_ms=now_ms)
        if evaluate:
            collected = stats.collect(source, snapshot, wanted, emit=meter.emit, now_ms=now_ms)
            snapshot = replace(snapshot, stats=collected)
    document = encode_metadata(snapshot, created_by=CREATED_BY)
    text = dumps(document)
    if to_stdout and write:
        screen.text(text)
        return ExitStatus.DONE
    replaced = path.exists()
    if write:
        write_private(path, text)
    screen.result([f"Source  {source.addresses}  {cluster_words(snapshot.cluster)}"])
    screen.result(snapshot_lines(snapshot, verbose=screen.verbose))
    if snapshot.stats is not None:
        screen.result(stats_lines(snapshot.stats, {str(gap.resource) for gap in snapshot.gaps}))
    size_bytes = len(text.encode())
    if write:
        flag = _file_flag(path)
        written = f"{path} {'replaced' if replaced else 'written'} ({size(size_bytes)}, mode 0600)."
        screen.result(["", f"{written} Next: kafka-meta evaluate{flag}, or kafka-meta import{flag}"])
    else:
        screen.result(["", f"Nothing was written. To write {path}: the same command with --commit"])
    screen.document(lambda: encode_export(snapshot, path if write else None, size_bytes))
    return ExitStatus.DONE


def _clock_ahead_ms(source: ClusterSettings, screen: Screen) -> int:
    """By how much the brokers' clock is ahead of this machine's, where they tell. Past hours are counted by it."""
    ahead_ms = 0
    with suppress(KafkaMetaError), wire.connect(source) as connection:  # the snapshot names what cannot be reached
        ahead_ms = clock_ahead_ms(connection) or 0
    if abs(ahead_ms) > TOLERATED_MS:
        screen.say(f"this machine: {in_words(ahead_ms, 'the source')}")
    return ahead_ms


def _file_flag(path: Path) -> str:
    return "" if str(path) in (DEFAULT_FILE, SECOND_FILE) else f" --file-name {path}"
