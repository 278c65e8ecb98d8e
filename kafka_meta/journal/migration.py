"""Journals of earlier schema versions, changed in place, so that a copy that has begun goes on."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from kafka_meta.batches import Digest
from kafka_meta.journal.runs import Run, appended, packed_runs
from kafka_meta.journal.values import ADDED_COLUMNS, TABLES, Boundary, packed
from kafka_meta.journal.wishes import Wishes

_BOUNDARY_1 = struct.Struct("<qqII")


def from_version_1(db: sqlite3.Connection) -> None:
    """Version 1 had a row for each run, and no epochs. Call it in a transaction.

    Nothing counts as verified. Where no guard is kept, the topic may have been released.
    """
    for column in ADDED_COLUMNS:
        db.execute(f"ALTER TABLE partition ADD COLUMN {column}")
    db.execute("UPDATE partition SET released_rank = rank WHERE dest_topic NOT IN (SELECT topic FROM guard)")
    db.execute(
        """UPDATE partition SET generation = max(
            coalesce((SELECT max(generation) FROM intent WHERE intent.partition = partition.id), 0),
            coalesce((SELECT max(generation) FROM run WHERE run.partition = partition.id), 0))"""
    )
    intents = _intents(db)
    db.execute("DROP TABLE intent")
    for statement in TABLES:
        db.execute(statement)
    db.executemany("INSERT INTO intent VALUES (?, ?, ?, ?, ?)", intents)
    landed = db.execute(
        "SELECT run.partition, run.source, run.rank FROM run JOIN partition ON partition.id = run.partition"
        " WHERE run.rank < partition.rank ORDER BY run.partition, run.source"
    )
    db.executemany("INSERT INTO block VALUES (?, ?, ?, ?)", _blocks(landed))
    db.execute("DROP TABLE run")


def _intents(db: sqlite3.Connection) -> list[tuple[int, int, int, bytes, bytes]]:
    """With the runs that each of them would bring."""
    found = []
    before: dict[tuple[int, int], int] = {}
    for partition, generation, last_rank, boundaries, rank in db.execute(
        "SELECT intent.partition, intent.generation, last_rank, boundaries, partition.rank FROM intent"
        " JOIN partition ON partition.id = intent.partition ORDER BY last_rank"
    ):
        start = before.get((partition, generation), rank)
        runs = db.execute(
            "SELECT source, rank FROM run WHERE partition = ? AND generation = ? AND rank >= ? AND rank < ?"
            " ORDER BY rank",
            (partition, generation, start, last_rank),
        )
        again = packed(
            Boundary(source, rank, Digest(records=rank, crc32c=crc32c, crc32=crc32))
            for source, rank, crc32c, crc32 in _BOUNDARY_1.iter_unpack(boundaries)
        )
        found.append((partition, generation, last_rank, again, packed_runs(Run(*run) for run in runs)))
        before[partition, generation] = last_rank
    return found


def _blocks(runs: sqlite3.Cursor) -> Iterator[tuple[int, int, int, bytes]]:
    for partition, mine in groupby(runs, key=itemgetter(0)):
        for block in appended(None, (Run(source, rank) for _, source, rank in mine)):
            yield partition, *block


def from_version_3(db: sqlite3.Connection) -> None:
    """Version 3 wrote the states of groups with spaces, and knew no other wish than a pause. Call it in a
    transaction."""
    db.execute("DELETE FROM about WHERE name = 'paused' AND value = '0'")
    db.execute("UPDATE about SET name = 'wishes', value = ? WHERE name = 'paused'", (Wishes(paused=True).encoded(),))
    for before, now in _STATES_3.items():
        db.execute("UPDATE followed SET state = ? WHERE state = ?", (now, before))


_STATES_3 = {
    "not yet": "not-yet",
    "behind start": "behind-start",
    "both sides": "both-sides",
    "gone on the source": "source-gone",
    "left alone": "left-alone",
}
