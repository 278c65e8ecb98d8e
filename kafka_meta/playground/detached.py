"""A pair that outlives the process that started it (`kafka-meta demo --keep`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from kafka_meta.errors import KafkaMetaError
from kafka_meta.playground import guard
from kafka_meta.playground.cluster import Cluster, pair


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedPair:
    """Where the clusters of a kept pair are."""

    source_bootstrap_servers: str
    source_zookeeper_connect: str
    dest_bootstrap_servers: str
    directories: tuple[Path, ...]
    """One a cluster: what its processes are known by (see `guard`)."""


@contextmanager
def kept_pair(state_file: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """A pair that goes on when the block has ended well; `stop_detached` with the same file ends it."""
    if state_file.exists():
        raise KafkaMetaError(f"{state_file} says that a pair is running already.", "End that one first.")
    with pair() as (source, dest):
        yield source, dest
        found = DetachedPair(
            source_bootstrap_servers=source.bootstrap_servers,
            source_zookeeper_connect=str(source.zookeeper_connect),
            dest_bootstrap_servers=dest.bootstrap_servers,
            directories=(source.data_dir, dest.data_dir),
        )
        state_file.write_text(json.dumps(asdict(found), indent=2, default=str) + "\n")
        source.detach()
        dest.detach()


def detached_pair(state_file: Path) -> DetachedPair:
    """The pair that this file tells of."""
    if not state_file.exists():
        raise KafkaMetaError(f"{state_file} does not exist: no pair was left running from here.")
    try:
        told = json.loads(state_file.read_text())
        return DetachedPair(**{**told, "directories": tuple(map(Path, told["directories"]))})
    except (ValueError, KeyError, TypeError) as error:
        raise KafkaMetaError(f"{state_file} does not tell of a pair: {error!r}") from None


def stop_detached(state_file: Path) -> None:
    """Ends the pair that this file tells of, and removes its data and the file."""
    for directory in detached_pair(state_file).directories:
        if guard.is_playground(directory):  # never remove a directory only because a file says so
            guard.end(directory)
    state_file.unlink()
