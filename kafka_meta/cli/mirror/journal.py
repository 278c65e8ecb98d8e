"""The journal of a migration: which one is meant, and that it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from kafka_meta import wire
from kafka_meta.cli.session import Session
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.journal import Journal, clusters_of, default_path, journals_folder, task_of
from kafka_meta.model import Cluster, Selection
from kafka_meta.settings import ClusterSettings
from kafka_meta.settings.matching import require_each_matches
from kafka_meta.wire import Unanswered

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which journal the operator means: by its file, by the name of the task, or by the clusters alone."""

    path: Path | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and not _NAME.fullmatch(self.task):
            raise UsageError(
                f"--task {self.task!r} is not the name of a task", "It has 1 to 64 of the characters a-z A-Z 0-9 _ -."
            )

    @property
    def name(self) -> str | None:
        """The name of the task. A journal that exists knows it."""
        if self.task is None and self.path is not None and self.path.is_file():
            return task_of(self.path)
        return self.task

    def where(self, source: Cluster, dest: Cluster) -> Path:
        return self.path or journal_path(source, dest, self.task)


THE_PAIR = Which()


def require_journal(path: Path) -> None:
    """Raises UsageError for one that is named and not there."""
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise UsageError(
            f"the journal {path} {what}", "mirror --commit writes it; without --journal, in your home folder."
        )


@contextmanager
def open_journal(source: ClusterSettings, dest: ClusterSettings, which: Which) -> Iterator[Journal | None]:
    """The journal of these two clusters; None where there is none, and none is made."""
    here, there = cluster_of(source), cluster_of(dest)
    where = which.where(here, there)
    if not where.exists():
        yield None
        return
    with Journal(where, source_id=_id(here), dest_id=_id(there), task=which.task) as journal:
        yield journal


def journal_path(source: Cluster, dest: Cluster, task: str | None = None) -> Path:
    """The default place of the journal. Clusters that share their cluster id with each other are told apart by the
    address of their first broker, too."""
    if source.id == dest.id:
        return default_path(_with_address(source), _with_address(dest), task)
    return default_path(_id(source), _id(dest), task)


def journals_of(source: Cluster, dest: Cluster) -> list[Path]:
    """Those of this user on this machine, of all tasks between these clusters."""
    alone = journal_path(source, dest)
    named = sorted(alone.parent.glob(f"{escape(alone.stem)}--*.sqlite"))
    return [each for each in (alone, *named) if each.is_file()]


def _with_address(cluster: Cluster) -> str:
    first = min(cluster.brokers, key=lambda broker: broker.id)
    return f"{_id(cluster)}@{first.host}_{first.port}"


def _id(cluster: Cluster) -> str:
    assert cluster.id is not None  # `cluster_of` and the look of mirror require it
    return cluster.id


def chosen_topics(session: Session, journal: Journal) -> tuple[Selection, frozenset[str]]:
    """The filters, and the destination's names of the copied topics that they choose. Raises UsageError for a filter
    that chooses none of them."""
    given = session.options()
    selection = given.selection()
    # A guard may be there without a copy: a run that was refused or ended before its first byte.
    names = {topic: topic for topic in journal.guards()}
    names |= {position.begun.topic: position.begun.dest_topic for position in journal.positions()}
    groups = {each.group for each in journal.committed()}
    unmatched = selection.unmatched(topics=names, groups=groups or None)
    for idle in require_each_matches(given, unmatched, f"the journal {journal.path}"):
        session.screen.say(idle)
    return selection, frozenset(there for name, there in names.items() if selection.topic(name))


def cluster_of(settings: ClusterSettings) -> Cluster:
    """Its id and its brokers."""
    with wire.connect(settings) as connection:
        if connection.cluster_id is None:
            raise KafkaMetaError(
                f"the brokers at {settings.bootstrap_servers} tell no cluster id; mirror needs one on both sides",
                "Brokers tell it from version 0.10.1 on.",
            )
        try:
            told = wire.metadata(connection, ())
        except Unanswered as silence:
            message = f"the brokers at {settings.bootstrap_servers} do not describe their cluster: {silence.reason}"
            raise KafkaMetaError(message) from silence
        return Cluster(id=told.cluster_id, brokers=told.brokers)


@contextmanager
def existing_journal(session: Session, which: Which) -> Iterator[tuple[ClusterSettings, Journal]]:
    """The destination and the journal of a migration to it. The source need not be there any more."""
    if which.path is not None:
        require_journal(which.path)
    dest = session.dest()
    there = cluster_of(dest)
    where = which.path or _usual_path(session, there, which.task)
    _require_there(where, dest)
    with Journal(where, source_id=clusters_of(where)[0], dest_id=_id(there), task=which.task) as journal:
        yield dest, journal


@contextmanager
def journal_to_read(session: Session, which: Which) -> Iterator[tuple[ClusterSettings, Journal]]:
    """As `existing_journal`, and nothing in it is changed, also while a copier writes to it. Where its file is named,
    no cluster need be there; the destination may be without an address then."""
    if which.path is not None:
        require_journal(which.path)
        dest, where = session.dest_as_given(), which.path
    else:
        dest = session.dest()
        where = _usual_path(session, cluster_of(dest), which.task)
        _require_there(where, dest)
    source_id, dest_id = clusters_of(where)
    with Journal(where, source_id=source_id, dest_id=dest_id, read_only=True) as journal:
        yield dest, journal


def _usual_path(session: Session, dest: Cluster, task: str | None) -> Path:
    source = session.source_as_given()
    return journal_path(cluster_of(source), dest, task) if source.bootstrap_servers else _only_journal(dest, task)


def _require_there(where: Path, dest: ClusterSettings) -> None:
    if not where.exists():
        raise KafkaMetaError(
            f"there is no journal of a migration to {dest.bootstrap_servers}: {where} does not exist",
            "Nothing was copied by this user on this machine, or the journal has another place: --journal FILE.",
        )


def _only_journal(dest: Cluster, task: str | None) -> Path:
    """That of the only migration to this destination, by the journals' names; with `task`, of those with that name."""
    folder = journals_folder()
    names = (_id(dest), _with_address(dest))
    ends = [f"*--{escape(name)}{f'--{task}' if task else ''}.sqlite" for name in names]
    found = [each for end in ends for each in folder.glob(end)]
    if len(found) != 1:
        many = f"{len(found)} migrations" if found else "no migration" if task is None else f"no task {task}"
        raise KafkaMetaError(
            f"{many} to this destination (cluster {dest.id}) in {folder}",
            "Say which: --source-bootstrap-servers HOST:PORT, --task NAME, or --journal FILE.",
        )
    return found[0]
