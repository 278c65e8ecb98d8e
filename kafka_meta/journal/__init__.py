"""The state of a migration, so that it can be resumed: one SQLite file for each pair of clusters.

Before a batch is sent, the journal has an *intent* for it. So after any interruption the destination's log end shows
how far the copy is:

    landed = log end of the destination − base        is the rank of an intended boundary: continue at its source offset

*Rank* is the number of mirrored records before an offset. A *boundary* is the end of a batch: a source offset and its
rank. A *run* is a range of source offsets without a gap. The start of each run is kept for good. So the rank of every
offset that the copy has passed is known, even after the source has compacted or deleted it.

Each settlement (a position that is read again from the destination) begins a new *generation* of intents. Intents of
earlier generations are kept until the copy has passed them: a batch that seemed lost may still arrive, and then its own
intent is needed.
"""

from kafka_meta.journal.copier import Copier, Following
from kafka_meta.journal.file import Journal, clusters_of, default_path, journals_folder, task_of
from kafka_meta.journal.runs import Run
from kafka_meta.journal.values import (
    NOT_WRITTEN,
    Begun,
    Boundary,
    Followed,
    FollowedTopic,
    GroupOffset,
    GroupState,
    Notice,
    Place,
    Position,
    Round,
    TopicState,
    Verified,
)
from kafka_meta.journal.wishes import Wishes

__all__ = [
    "NOT_WRITTEN",
    "Begun",
    "Boundary",
    "Copier",
    "Followed",
    "FollowedTopic",
    "Following",
    "GroupOffset",
    "GroupState",
    "Journal",
    "Notice",
    "Place",
    "Position",
    "Round",
    "Run",
    "TopicState",
    "Verified",
    "Wishes",
    "clusters_of",
    "default_path",
    "journals_folder",
    "task_of",
]
