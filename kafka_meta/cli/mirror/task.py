"""`task`: what a copy that goes on does, by its journal and its lease; and the wishes that it heeds."""

from __future__ import annotations

import getpass
import re
import socket
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kafka_meta.cli.mirror.journal import Which, existing_journal, journal_to_read, require_journal
from kafka_meta.cli.session import Session
from kafka_meta.documents.task import encode_task, encode_tasks
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.files import dumps
from kafka_meta.journal import Journal, Wishes, clusters_of, journals_folder
from kafka_meta.mirror.claims import give_up
from kafka_meta.mirror.lease import Lease, holder
from kafka_meta.mirror.task import Task, standing_of
from kafka_meta.plan import plural
from kafka_meta.quantities import rate_bytes, size_bytes
from kafka_meta.render import visible
from kafka_meta.render.task import deleted_lines, history_lines, task_lines, tasks_lines
from kafka_meta.settings import ClusterSettings
from kafka_meta.settings.policy import expression

_WATCH_S = 2.0
_FRESH_S = 30.0
"""A copier that has told nothing for so long does not run, as far as the journal shows it."""


def list_tasks(session: Session, which: Which) -> int:
    """Of each journal in its usual place, or of the named one, as it stands there: no cluster is asked."""
    path = which.path
    if path is not None:
        require_journal(path)
    found = [path] if path is not None else sorted(journals_folder().glob(f"*--{which.task or '*'}.sqlite"))
    tasks: list[Task] = []
    unread: dict[Path, str] = {}
    for each in found:
        try:
            tasks.append(_read(each))
        except KafkaMetaError as error:
            unread[each] = error.message
    session.screen.document(lambda: encode_tasks(tasks, unread))
    session.screen.result(tasks_lines(tasks, unread) or ["There is no task of this user on this machine."])
    return ExitStatus.FAILED if unread else ExitStatus.DONE


def show(session: Session, which: Which, *, history: bool, include: str | None) -> int:
    with journal_to_read(session, which) as (dest, journal):
        task, told = _look(dest, journal, history=history, include=include)
    session.screen.document(lambda: encode_task(task, told))
    session.screen.result(_lines(session, task, told))
    return ExitStatus.FAILED if task.failed else ExitStatus.DONE


def watch(session: Session, which: Which, *, history: bool, include: str | None) -> int:
    """Until ^C. On a terminal in one place; else one after the other, as JSON a line each."""
    screen = session.screen
    with journal_to_read(session, which) as (dest, journal), screen.in_place() as again:
        while True:
            task, told = _look(dest, journal, history=history, include=include)
            if screen.json:
                screen.text(dumps(encode_task(task, told), in_one_line=True))
            else:
                again(_lines(session, task, told))
            time.sleep(_WATCH_S)


def _look(
    dest: ClusterSettings, journal: Journal, *, history: bool, include: str | None
) -> tuple[Task, Sequence[tuple[int, str, str]]]:
    task = standing_of(journal, running=_runs(dest, journal))
    if include is not None:
        chosen = expression("--include-topics", include)
        task = replace(task, topics=tuple(each for each in task.topics if chosen.fullmatch(each.topic)))
    return task, journal.history() if history else ()


def _lines(session: Session, task: Task, told: Sequence[tuple[int, str, str]]) -> list[str]:
    return [*task_lines(task, verbose=session.screen.verbose), *history_lines(told)]


def pause(session: Session, which: Which, *, wanted: bool) -> int:
    """Written down at once; whether a copier runs that heeds it is said."""
    with existing_journal(session, which) as (dest, journal):
        before = journal.wishes().paused
        if before != wanted:
            journal.change_wishes(lambda wishes: replace(wishes, paused=wanted))
            _note(journal, "pauses" if wanted else "resumes")
        task = standing_of(journal, running=_runs(dest, journal))
    session.screen.document(lambda: encode_task(task, ()))
    if before == wanted:
        session.screen.result(["It is paused already." if wanted else "It is not paused."])
    else:
        done = "Paused: nothing more is sent. task resume goes on." if wanted else "Resumed."
        session.screen.result([_heeded(task, done)])
    return ExitStatus.DONE


def change(
    session: Session,
    which: Which,
    *,
    max_rate: str | None,
    memory: str | None,
    exclude: str | None,
    include: str | None,
    groups: Sequence[str],
) -> int:
    """Writes down what is wished. Raises UsageError for what means nothing to this task."""
    if not any((max_rate, memory, exclude, include, groups)):
        raise UsageError("task change changes nothing", "Say what: kafka-meta task --help shows the options.")
    if max_rate not in (None, "none"):
        rate_bytes("--max-rate", max_rate)
    if memory is not None:
        size_bytes("--memory", memory)
    out = None if exclude is None else expression("--exclude-topics", exclude)
    back = None if include is None else expression("--include-topics", include)
    with existing_journal(session, which) as (dest, journal):
        before = journal.wishes()
        topics = {each.begun.topic for each in journal.positions()}
        leave = _chosen("--exclude-topics", out, topics - before.detached, "that is followed")
        take = _chosen("--include-topics", back, before.detached, "that was left out")
        for group in groups:
            if group not in {each.group for each in journal.followed()}:
                raise UsageError(f"--resync-group {group!r}: no group of this name is followed by this task")

        def changed(wishes: Wishes) -> Wishes:
            return replace(
                wishes,
                max_rate=max_rate or wishes.max_rate,
                memory=memory or wishes.memory,
                detached=(wishes.detached | leave) - take,
                resync=wishes.resync | set(groups),
            )

        journal.change_wishes(changed)
        given = [
            *([f"--max-rate {max_rate}"] if max_rate else []),
            *([f"--memory {memory}"] if memory else []),
            *([f"--exclude-topics {exclude}"] if exclude else []),
            *([f"--include-topics {include}"] if include else []),
            *(f"--resync-group {group}" for group in groups),
        ]
        _note(journal, f"changes {' '.join(given)}")
        task = standing_of(journal, running=_runs(dest, journal))
    session.screen.document(lambda: encode_task(task, ()))
    session.screen.result(
        [
            _heeded(task, "Changed."),
            *(f"  topic {visible(topic)} is left out; its copy stays" for topic in sorted(leave)),
            *(f"  topic {visible(topic)} is followed again" for topic in sorted(take)),
        ]
    )
    return ExitStatus.DONE


def _chosen(option: str, pattern: re.Pattern[str] | None, topics: Collection[str], which: str) -> set[str]:
    if pattern is None:
        return set()
    found = set(filter(pattern.fullmatch, topics))
    if not found:
        raise UsageError(f"{option} {pattern.pattern!r} matches no topic {which}", "It must match the whole name.")
    return found


def delete(session: Session, which: Which, *, abandon: bool) -> int:
    """Puts the journal aside. What is on the clusters stays as it is, and is named."""
    with existing_journal(session, which) as (dest, journal), ExitStack() as stack:
        if (found := holder(dest, journal.source_id, journal.task)) is not None:
            raise KafkaMetaError(
                f"process {found.pid} on {found.host} copies: a task cannot be deleted while it runs", "End it first."
            )
        lease = stack.enter_context(Lease(dest, journal.source_id, journal.task))
        guarded, positions = journal.guards(), journal.positions()
        if not abandon and guarded:
            raise KafkaMetaError(
                f"retention is still off on {plural(len(guarded), 'topic')} of the destination, "
                "and only the journal knows the old values",
                "Put it back first: kafka-meta mirror --release --commit. To leave it off for good: --abandon",
            )
        behind = sum(not each.done for each in positions)
        if not abandon and behind:
            raise KafkaMetaError(
                f"{plural(behind, 'partition')} are not copied to the end, and without the journal no copy can go on",
                "Finish the copy, or give it up: --abandon",
            )
        if not lease.check():
            raise KafkaMetaError("the lease on the destination has run out", "Run the same command again.")
        give_up(dest, journal.source_id, journal.task, set(journal.topic_names().values()))
        _note(journal, "deletes it")
        task = standing_of(journal, running=False)
        put = journal.path.with_name(f"{journal.path.name}.deleted-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        old_configs = {topic: dict(configs) for topic, configs in guarded.items()}
        journal.close()
        for suffix in ("", "-wal", "-shm"):  # the last two while somebody still reads it
            left = journal.path.with_name(journal.path.name + suffix)
            if left.exists():
                left.rename(f"{put}{suffix}")
    session.screen.document(lambda: encode_task(replace(task, journal=put), ()))
    session.screen.result(deleted_lines(task, put, old_configs))
    return ExitStatus.DONE


def _note(journal: Journal, what: str) -> None:
    who = f"{getpass.getuser()} on {socket.gethostname()}"
    journal.note(who, what, round(time.time() * 1000))


def _heeded(task: Task, done: str) -> str:
    if not task.running:
        return "Written down. No copier is known to run now: the next mirror --follow heeds it."
    if task.copier is None or task.copier.following is None:
        return "Written down. The copier that runs now does not follow, and does not heed it."
    return done


def _read(path: Path) -> Task:
    source_id, dest_id = clusters_of(path)
    with Journal(path, source_id=source_id, dest_id=dest_id, read_only=True) as journal:
        return standing_of(journal, running=_told_lately(journal))


def _told_lately(journal: Journal) -> bool:
    copier = journal.copier()
    return copier is not None and not copier.ended and time.time() - copier.told_ms / 1000 < _FRESH_S


def _runs(dest: ClusterSettings, journal: Journal) -> bool | None:
    """Whether a copier has the lease; None where the destination does not tell."""
    if not dest.bootstrap_servers:
        return None
    try:
        return holder(dest, journal.source_id, journal.task) is not None
    except KafkaMetaError:
        return None
