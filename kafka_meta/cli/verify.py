"""`kafka-meta verify`: is the destination what it ought to be?"""

from __future__ import annotations

import time
from pathlib import Path

from kafka_meta.cli.commands.verify import Comparison
from kafka_meta.cli.imports import headline, identity_of, make_plan, read_dest
from kafka_meta.cli.metadata_file import file_to_read, read_selected, require_selected, warn_of_another_source
from kafka_meta.cli.mirror.journal import Which, chosen_topics, existing_journal, require_journal
from kafka_meta.cli.session import Session
from kafka_meta.documents.verify import encode_verify
from kafka_meta.errors import ExitStatus, UsageError
from kafka_meta.export import export as read_source
from kafka_meta.mirror.migrate import copied_of
from kafka_meta.plan import report
from kafka_meta.plan.identity import require_two_clusters
from kafka_meta.plan.scope import without
from kafka_meta.render import report_lines
from kafka_meta.render.mirror import copied_lines
from kafka_meta.verify import check
from kafka_meta.verify import report as report_data

_STATUSES = {
    "equal": ExitStatus.DONE,
    "different": ExitStatus.DIFFERENT,
    "inconclusive": ExitStatus.FAILED,
}


def verify(
    session: Session, comparison: Comparison, *, include_internal: bool = False, journal: str | None, task: str | None
) -> int:
    screen = session.screen
    if comparison.data:
        return _verify_data(session, None if journal is None else Path(journal), task, comparison)
    for given, option in ((comparison.both, "--both"), (comparison.from_start, "--from-start")):
        if given:
            raise UsageError(f"{option} is only for --data", f"Give --data too, or leave out {option}.")
    if task is not None:
        raise UsageError("--task is only for --data", "Without --data, the journals of all tasks count.")
    if journal is not None:
        require_journal(Path(journal))
    chosen = session.options()
    decided = chosen.policy(include_internal=include_internal)
    dest = session.dest()
    if session.has_source() and "file-name" in session.flags:
        raise UsageError(
            "both --file-name and a live source are given", "verify compares one of them with the destination."
        )
    with screen.progress() as meter:
        if session.has_source():
            source = session.source()
            name = source.addresses
            found = read_source(
                source, decided.selection, emit=meter.emit, taken_at_ms=round(time.time() * 1000), sizes=False
            )
            require_selected(session, chosen, decided, found, name)
        else:
            path = file_to_read(chosen)
            name = str(path)
            found = read_selected(session, chosen, decided, path)
            warn_of_another_source(session, path, found)
        actual = read_dest(dest, decided, meter.emit, found)
        require_two_clusters(identity_of(found, actual), actual.cluster.id, allowed=True)
        plan = make_plan(found, actual, dest, decided, meter.emit, journal=journal)
    answer = report(plan, ignore_extra=comparison.ignore_extra)
    screen.result([f"{name}  ↔  {headline(actual, dest)}"])
    screen.document(lambda: encode_verify(answer))
    screen.result(report_lines(answer, verbose=screen.verbose))
    only_extra = answer.differences and all(each.difference == "extra" for each in answer.differences)
    hint = ": only by what the destination has in addition (--ignore-extra does not count it)" if only_extra else ""
    screen.result(["", f"{answer.verdict}{hint}"])
    others = without([each.resource for each in answer.unread], decided.only)
    if answer.verdict == "inconclusive" and 0 < len(others) < len(decided.only):
        screen.result([f"To compare what can be read: --only {','.join(others)}"])
    return _STATUSES[answer.verdict]


def _verify_data(session: Session, path: Path | None, task: str | None, comparison: Comparison) -> int:
    """What the journal says was copied, against what is there now."""
    screen = session.screen
    with existing_journal(session, Which(path=path, task=task)) as (dest, journal), screen.progress() as meter:
        selection, _ = chosen_topics(session, journal)
        positions = [each for each in journal.positions() if selection.topic(each.begun.topic)]
        committed = [
            each for each in journal.committed() if selection.topic(each.topic) and selection.group(each.group)
        ]
        checked = list(
            check(
                dest,
                positions,
                source=session.source() if comparison.both else None,
                both=comparison.both,
                from_start=comparison.from_start,
                journal=journal,
                emit=meter.emit,
            )
        )
        answer = report_data(dest, checked, committed)
    screen.document(lambda: encode_verify(answer, checked))
    screen.result(
        [
            *copied_lines([copied_of(each) for each in checked], verbose=screen.verbose),
            *report_lines(answer, verbose=True),
        ]
    )
    screen.result([answer.verdict])
    return _STATUSES[answer.verdict]
