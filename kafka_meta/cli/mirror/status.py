"""`mirror --status`: who copies, how far it is by the journal, what is guarded, and where each group goes on.

It writes nothing, and works while a copy runs.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

from kafka_meta.cli.mirror.journal import Which, chosen_topics, journal_to_read
from kafka_meta.cli.rates import pace
from kafka_meta.cli.session import Session
from kafka_meta.documents.mirror import encode_mirror
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.journal import Copier, Journal
from kafka_meta.mirror.lease import Holder, holder
from kafka_meta.mirror.migrate import stands
from kafka_meta.mirror.outcome import Mirrored
from kafka_meta.quantities import duration
from kafka_meta.render import visible
from kafka_meta.render.mirror import group_lines, next_lines, standing_lines
from kafka_meta.settings import ClusterSettings


def status(session: Session, which: Which) -> int:
    screen = session.screen
    with journal_to_read(session, which) as (dest, journal):
        selection, _ = chosen_topics(session, journal)
        now = replace(stands(journal, selection), copier=journal.copier())
        now, lines = _running(now, dest, journal)
    screen.document(lambda: encode_mirror(now))
    screen.result([f"Migration  {now.source_id} → {now.dest_id}      (journal: {journal.path})", "", *lines, ""])
    verbose = screen.verbose
    screen.result(standing_lines(now.copied, verbose=verbose, partitions=verbose))
    screen.result([*group_lines(now.groups, verbose=verbose), *next_lines(now)])
    failed = any(each.error is not None for each in now.copied)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _running(now: Mirrored, dest: ClusterSettings, journal: Journal) -> tuple[Mirrored, list[str]]:
    """Whether a copier runs now: the destination knows who has the lease, and the journal what the copier does."""
    copier = now.copier
    if not dest.bootstrap_servers:
        return now, ["it is not known whether a copier runs: no address of the destination is given", *_last(copier)]
    try:
        found = holder(dest, journal.source_id, journal.task)
    except KafkaMetaError as error:
        return now, [f"it is not known whether a copier runs: {visible(error.message)}", *_last(copier)]
    now = replace(now, running=found is not None)
    if found is None:
        return now, ["no copier runs now", *_last(copier)]
    if copier is None or copier.ended or not _is_same(found, copier):
        who = "a process" if found.pid is None else f"process {found.pid} on {visible(found.host or '?')}"
        return now, [f"{who} has the lease: it looks before a copy, or copies with another journal", *_last(copier)]
    return now, _at_work(copier)


def _is_same(found: Holder, copier: Copier) -> bool:
    return found.pid is None or (found.host, found.pid) == (copier.host, copier.pid)


def _at_work(copier: Copier) -> list[str]:
    told_s = time.time() - copier.told_ms / 1000
    lines = [f"copying now: {_who(copier)}, since {_moment(copier.since_ms)}"]
    if copier.stage is not None and copier.done is not None:
        how_far = pace(
            copier.done,
            copier.total,
            copier.offsets_a_second or 0.0,
            copier.bytes_a_second or 0.0,
            copier.seconds_left,
        )
        lines.append(f"  {copier.stage}  {how_far}      (as of {duration(max(0.0, told_s))} ago)")
    if copier.waiting_for is not None:
        lines.append(f"  waiting: {visible(copier.waiting_for)}")
    return lines


def _last(copier: Copier | None) -> list[str]:
    if copier is None:
        return []
    how = "ended" if copier.ended else "was last heard of"
    return [f"  the last copier, {_who(copier)}, {how} at {_moment(copier.told_ms)}"]


def _who(copier: Copier) -> str:
    return f"process {copier.pid} on {visible(copier.host)}"


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
