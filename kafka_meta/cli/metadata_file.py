"""The metadata file by its name, or by the names that export gives it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from kafka_meta import wire, zookeeper
from kafka_meta.cli.session import Session
from kafka_meta.cluster.clients import background
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.files import read_metadata
from kafka_meta.model import Snapshot
from kafka_meta.plan import Policy
from kafka_meta.settings import ClusterSettings, PolicyOptions
from kafka_meta.settings.matching import idle_rules, require_matches, with_unmatched

DEFAULT_FILE = "kafka-metadata-export.json"
SECOND_FILE = "metadata.json"
_PATIENCE_S = 2.0


def file_to_write(given: PolicyOptions) -> Path:
    return Path(given.target_directory or ".", given.file_name or DEFAULT_FILE)


def file_to_read(given: PolicyOptions) -> Path:
    """The named file, else the one that is there under a default name. Raises UsageError when both are: which of them
    is meant, only the operator knows."""
    if given.file_name is not None:
        return Path(given.target_directory or ".", given.file_name)
    folder = Path(given.target_directory or ".")
    found = [folder / name for name in (DEFAULT_FILE, SECOND_FILE) if (folder / name).is_file()]
    if len(found) > 1:
        newest = max(found, key=lambda path: path.stat().st_mtime_ns)
        both = " and ".join(f"{path} (written {_written(path)})" for path in found)
        raise UsageError(
            f"there are two metadata files: {both}",
            f"Name the one to read. The newer one: --file-name {newest.name}",
        )
    return found[0] if found else folder / DEFAULT_FILE


def _written(path: Path) -> str:
    return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M:%S} UTC"


def read_selected(session: Session, given: PolicyOptions, decided: Policy, path: Path) -> Snapshot:
    """What is in the file. Raises UsageError for a file that cannot be used, and for a filter that matches nothing."""
    found = with_unmatched(read_metadata(path), decided)
    require_selected(session, given, decided, found, str(path))
    return found


def warn_of_another_source(session: Session, path: Path, found: Snapshot) -> None:
    """Says so where the settings name a source, and the file is of another cluster. Silent where that is not known
    within a moment: the file may have been carried to a place from where the source cannot be reached."""
    try:
        source = session.source_as_given()
        there = background(lambda: _cluster_id(source)).result(timeout=_PATIENCE_S)
    except (KafkaMetaError, TimeoutError):
        return
    if None not in (there, found.cluster.id) and there != found.cluster.id:
        place = source.origins.get("bootstrap_servers") or source.origins.get("zookeeper")
        session.screen.say(
            f"{path} is of cluster {found.cluster.id}, but the source that {place} names is cluster {there}: "
            "is that the file you mean?"
        )


def _cluster_id(source: ClusterSettings) -> str | None:
    if source.bootstrap_servers:
        with wire.connect(source) as connection:
            return connection.cluster_id
    return None if source.zookeeper is None else zookeeper.identify(source.zookeeper).id


def require_selected(session: Session, given: PolicyOptions, decided: Policy, found: Snapshot, where: str) -> None:
    """Raises UsageError for an include filter that matches nothing, says which others change nothing."""
    for told in (*require_matches(given, found, where), *idle_rules(given, decided, found)):
        session.screen.say(told)
