"""What is known of a migration from its journal: where it stands, its guard, its end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka_meta import cluster, wire
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import dest_settings, require_journal
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.journal import Journal, clusters_of, default_path
from kafka_meta.mirror.document import Mirrored, encode_mirror
from kafka_meta.mirror.guard import not_read_yet
from kafka_meta.mirror.guard import release as put_back
from kafka_meta.mirror.migrate import stands
from kafka_meta.model import EVERYTHING, Remark
from kafka_meta.plan import plural
from kafka_meta.ranges import Unconsumed
from kafka_meta.render import remark_line
from kafka_meta.render.mirror import group_lines, next_lines, release_lines, standing_lines
from kafka_meta.settings import ClusterSettings, Toml, resolve


@contextmanager
def open_journal(source: ClusterSettings, dest: ClusterSettings, path: Path | None) -> Iterator[Journal | None]:
    """The journal of these two clusters; None where there is none, and none is made."""
    ids = {"source": _cluster_id(source), "dest": _cluster_id(dest)}
    where = path or default_path(ids["source"], ids["dest"])
    if not where.exists():
        yield None
        return
    with Journal(path, source_id=ids["source"], dest_id=ids["dest"]) as journal:
        yield journal


def _cluster_id(settings: ClusterSettings) -> str:
    with wire.connect(settings) as connection:
        if connection.cluster_id is None:
            raise KafkaMetaError(
                f"the brokers at {settings.bootstrap_servers} tell no cluster id, and a migration is bound to it",
                "Brokers have one since 0.10.1.",
            )
        return connection.cluster_id


@contextmanager
def existing_journal(
    flags: Mapping[str, Any], toml: Toml | None, path: Path | None, screen: Screen
) -> Iterator[tuple[ClusterSettings, Journal]]:
    """The destination and the journal of a migration to it. The source need not be there any more."""
    require_journal(path)
    dest = dest_settings(flags, toml, screen)
    dest_id = _cluster_id(dest)
    source = resolve("source", flags=flags, environ=os.environ, toml=toml)
    if path is not None:
        source_id = clusters_of(path)[0]
    elif source.bootstrap_servers:
        source_id = _cluster_id(source)
    else:
        source_id = _only_source(dest_id)
    where = path or default_path(source_id, dest_id)
    if not where.exists():
        raise KafkaMetaError(
            f"there is no journal of a migration to {dest.bootstrap_servers}: {where} does not exist",
            "Nothing was copied by this user on this machine, or it is elsewhere: --journal FILE.",
        )
    with Journal(path, source_id=source_id, dest_id=dest_id) as journal:
        yield dest, journal


def _only_source(dest_id: str) -> str:
    """The source of the only migration to this destination, from the journals' names."""
    folder = default_path("", "").parent
    found = [each.name.removesuffix(f"--{dest_id}.sqlite") for each in folder.glob(f"*--{dest_id}.sqlite")]
    if len(found) != 1:
        many = f"{len(found)} migrations" if found else "no migration"
        raise KafkaMetaError(
            f"{many} to this destination (cluster {dest_id}) in {folder}",
            "Say which: --source-bootstrap-servers HOST:PORT, or --journal FILE.",
        )
    return found[0]


def status(flags: Mapping[str, Any], toml: Toml | None, path: Path | None, screen: Screen) -> int:
    """Where every partition stands by the journal, what is guarded, and where each group goes on."""
    with existing_journal(flags, toml, path, screen) as (_, journal):
        now = stands(journal)
    screen.document(encode_mirror(now))
    screen.result([f"Migration  {now.source_id} → {now.dest_id}      (journal: {journal.path})", ""])
    screen.result([*standing_lines(now.copied, verbose=screen.verbose), *group_lines(now.groups), *next_lines(now)])
    failed = any(each.error is not None for each in now.copied)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def release(flags: Mapping[str, Any], toml: Toml | None, path: Path | None, screen: Screen) -> int:
    """Puts retention and compaction back, and says who has not read everything."""
    left: list[Remark] = []
    done = 0
    with existing_journal(flags, toml, path, screen) as (dest, journal), screen.progress() as meter:
        before = journal.guards()
        actual = cluster.read(
            dest, EVERYTHING, emit=meter.emit, taken_at_ms=0, sections=frozenset({"groups"}), offsets=False
        )
        behind = {
            topic: groups for topic, groups in not_read_yet(journal.positions(), actual).items() if topic in before
        }
        with cluster.Writer(dest) as writer:
            for told in put_back(dest, writer, journal, emit=meter.emit):
                if told is None:
                    done += 1
                else:
                    left.append(told)
        still = tuple(journal.guards())
        mirrored = Mirrored(
            committed=True,
            source_id=journal.source_id,
            dest_id=journal.dest_id,
            unread=Unconsumed(),
            warnings=tuple(left),
            guarded=still,
        )
    screen.document(encode_mirror(mirrored))
    screen.result(release_lines(behind))
    screen.result([f"  ! {remark_line(remark)}" for remark in left])
    if not before:
        screen.result(["nothing is guarded"])
    else:
        screen.result([f"retention and compaction are back on {done} of {plural(len(before), 'topic')}"])
    return ExitStatus.FAILED if still else ExitStatus.DONE


def restart(flags: Mapping[str, Any], toml: Toml | None, path: Path | None, screen: Screen) -> int:
    """Forgets the journal, if nothing of the copy is left on the destination."""
    with existing_journal(flags, toml, path, screen) as (dest, journal), screen.progress() as meter:
        if guards := journal.guards():
            raise KafkaMetaError(
                f"the journal holds how {plural(len(guards), 'topic')} of the destination stood before the copy",
                "First put them back: kafka-meta mirror --release",
            )
        actual = cluster.read(dest, EVERYTHING, emit=meter.emit, taken_at_ms=0, sections=frozenset({"topics"}))
        there = {
            (topic.name, partition.partition): partition
            for topic in actual.topics or ()
            for partition in topic.partitions
        }
        for position in journal.positions():
            begun = position.begun
            partition = there.get((begun.dest_topic, begun.partition))
            if partition is not None and partition.start_offset != partition.end_offset:
                raise KafkaMetaError(
                    f"{begun.dest_topic}-{begun.partition} is not empty on the destination (offsets "
                    f"{partition.start_offset} to {partition.end_offset}): what was copied would be copied again",
                    "Delete and create the topic there, or its records, if you mean it; then --restart.",
                )
        where = journal.path
    for suffix in ("", "-wal", "-shm"):
        where.with_name(where.name + suffix).unlink(missing_ok=True)
    screen.document({"kind": "kafka-meta-mirror-restart", "schemaVersion": "1.0", "forgotten": str(where)})
    screen.result([f"{where} is forgotten: the next --commit begins anew"])
    return ExitStatus.DONE
