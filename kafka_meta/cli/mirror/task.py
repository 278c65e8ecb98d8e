"""`task`: what a copy that goes on does, by its journal and its lease; and the wishes that it heeds."""

from __future__ import annotations

import getpass
import socket
import time
from pathlib import Path

from kafka_meta.cli.mirror.journal import existing_journal, journal_to_read, require_journal
from kafka_meta.cli.session import Session
from kafka_meta.documents.task import encode_task, encode_tasks
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.journal import Journal, clusters_of, default_path
from kafka_meta.mirror.lease import holder
from kafka_meta.mirror.task import Task, standing_of
from kafka_meta.render.task import history_lines, task_lines, tasks_lines
from kafka_meta.settings import ClusterSettings

_FRESH_S = 30.0
"""A copier that has told nothing for so long does not run, as far as the journal shows it."""


def list_tasks(session: Session, path: Path | None) -> int:
    """Of each journal in its usual place, or of the named one, as it stands there: no cluster is asked."""
    if path is not None:
        require_journal(path)
    found = [path] if path is not None else sorted(default_path("", "").parent.glob("*--*.sqlite"))
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


def show(session: Session, path: Path | None, *, history: bool) -> int:
    with journal_to_read(session, path) as (dest, journal):
        task = standing_of(journal, running=_runs(dest, journal))
        told = journal.history() if history else ()
    session.screen.document(lambda: encode_task(task, told))
    session.screen.result([*task_lines(task, verbose=session.screen.verbose), *history_lines(told)])
    return ExitStatus.FAILED if task.failed else ExitStatus.DONE


def pause(session: Session, path: Path | None, *, wanted: bool) -> int:
    """Written down at once; whether a copier runs that heeds it is said."""
    with existing_journal(session, path) as (dest, journal):
        before = journal.pause_wished()
        if before != wanted:
            journal.wish_pause(wanted)
            who = f"{getpass.getuser()} on {socket.gethostname()}"
            journal.note(who, "pauses" if wanted else "resumes", round(time.time() * 1000))
        task = standing_of(journal, running=_runs(dest, journal))
    session.screen.document(lambda: encode_task(task, ()))
    session.screen.result([_said(task, wanted=wanted, before=before)])
    return ExitStatus.DONE


def _said(task: Task, *, wanted: bool, before: bool) -> str:
    if before == wanted:
        return "It is paused already." if wanted else "It is not paused."
    if not task.running:
        return "Written down. No copier is known to run now: the next mirror --follow heeds it."
    if task.copier is None or task.copier.following is None:
        return "Written down. The copier that runs now does not follow, and does not heed it."
    return "Paused: nothing more is sent. task resume goes on." if wanted else "Resumed."


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
        return holder(dest, journal.source_id) is not None
    except KafkaMetaError:
        return None
