"""A migration's resume state: one SQLite file for each pair of clusters.

What a copy is about to send is written here before its first byte leaves, so that after any interruption the
destination's log end tells how far it came:

    landed = log end of the destination − base        is the rank of a boundary that was intended: go on from its source

A *boundary* is the end of a batch: everything before a source offset is what has been mirrored up to a rank. A *run* is
a stretch of source offsets without a gap; where each one begins is kept for good, so that the rank of every offset the
copy has passed is known, compacted or purged as the source may be by then.

Every settlement (a position read anew) begins a new *generation* of intents. Those of earlier generations are kept
until the copy has passed them: a packet that was thought lost may still arrive, and then it is theirs that count.
"""

from kafka_meta.journal.file import Journal, clusters_of, default_path
from kafka_meta.journal.values import Begun, Boundary, GroupOffset, Place, Position, Round, Run

__all__ = [
    "Begun",
    "Boundary",
    "GroupOffset",
    "Journal",
    "Place",
    "Position",
    "Round",
    "Run",
    "clusters_of",
    "default_path",
]
