"""Runs as blocks of bytes: a source with 10⁷ small transactions has as many gaps. Pure.

A block is one row of the journal. Eight bytes a run, all of one length, so that a run is found without unpacking the
others.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

RUNS_A_BLOCK = 500
"""A row of so many fits into one page of the file. The last block of a partition is written again when it grows."""

_RUN = struct.Struct("<II")
"""Source offset and rank, as distances from those of the block's first run."""
_PENDING = struct.Struct("<qq")
_FARTHEST = (1 << 32) - 1


class Run(NamedTuple):
    """The start of source offsets without a gap: `source` is its source offset, `rank` its rank."""

    source: int
    rank: int


class Block(NamedTuple):
    """Runs that follow each other, from the one at `source` and `rank` on. `runs` holds that first one, too."""

    source: int
    rank: int
    runs: bytes

    @property
    def length(self) -> int:
        return len(self.runs) // _RUN.size

    def run(self, number: int) -> Run:
        source, rank = _RUN.unpack_from(self.runs, number * _RUN.size)
        return Run(self.source + source, self.rank + rank)


def appended(last: Block | None, runs: Iterable[Run]) -> Iterator[Block]:
    """The blocks that change or are new when `runs`, ascending, are put behind the last block of a partition.

    A block that changes keeps its source offset and rank.
    """
    block = last
    parts: list[bytes] = []
    count = 0 if block is None else block.length
    for source, rank in runs:
        # A rank never grows faster than the source offset.
        if block is None or count >= RUNS_A_BLOCK or source - block.source > _FARTHEST:
            if block is not None and parts:
                yield block._replace(runs=block.runs + b"".join(parts))
            block, parts, count = Block(source, rank, b""), [], 0
        parts.append(_RUN.pack(source - block.source, rank - block.rank))
        count += 1
    if block is not None and parts:
        yield block._replace(runs=block.runs + b"".join(parts))


def rank_in(block: Block, offset: int, behind: int) -> int:
    """The number of records with a source offset below `offset`, which is larger than the block's first.

    `behind` is the rank of the run that follows the block: an offset in a gap has the rank of the next run's start.
    """
    next_one = bisect_left(range(block.length), offset, key=lambda number: block.run(number).source)
    source, rank = block.run(next_one - 1)
    return min(rank + offset - source, block.run(next_one).rank if next_one < block.length else behind)


def packed_runs(runs: Iterable[Run]) -> bytes:
    """Runs that have not landed yet as the bytes of a row."""
    return b"".join(_PENDING.pack(*run) for run in runs)


def unpacked_runs(packed: bytes) -> Iterator[Run]:
    return map(Run._make, _PENDING.iter_unpack(packed))
