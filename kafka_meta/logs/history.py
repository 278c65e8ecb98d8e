"""Whether a log still is the one that was read, by the epochs of its leaders (KIP-101, KIP-320).

A leader writes its epoch into each batch. The offset at which an epoch ends never changes after a later epoch has
begun. So when an epoch ends before the offset up to which its batches were read, the log has been cut back since: by an
unclean election, or because a broker was restored. Records that were read are missing then, and others may have their
offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from kafka_meta.events import Emit
from kafka_meta.wire import Place, Unanswered, Wire
from kafka_meta.wire.partitions import EpochEnd, Failure, Leader, epoch_ends, led
from kafka_meta.wire.patience import patiently

_PATIENCE_SECONDS = 10.0
"""An election takes less."""


class Mark(NamedTuple):
    """How far a log was read: the offset that follows, and the leader's epoch in the batch before it."""

    offset: int
    epoch: int


class Cut(NamedTuple):
    """The source's log was cut back to `offset` after it had been copied up to `copied`."""

    offset: int
    copied: int

    @property
    def reason(self) -> str:
        return (
            f"the source's log was cut back to offset {self.offset}, "
            f"offsets {self.offset}–{self.copied} had been copied"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold(Failure):
    """Nothing that brokers return shows whether the log was cut back."""


def compared(mark: Mark, told: EpochEnd | Failure) -> Cut | Failure | None:
    """None: up to the mark, the log is the one that was read. A `Failure` says why this is not known."""
    if isinstance(told, Failure):
        return told if told.retriable else Untold(reason=told.reason, retriable=False)
    if 0 <= told.offset < mark.offset:
        return Cut(told.offset, mark.offset)
    # Compaction may have removed all records of an epoch before a new replica was made.
    if told.offset < 0 or told.epoch not in (-1, mark.epoch):
        return Untold(reason="the leader of the partition does not know the epoch of what was copied", retriable=False)
    return None


def cuts(
    wire: Wire, marks: Mapping[Place, Mark], topic_ids: Mapping[Place, str | None], *, emit: Emit
) -> dict[Place, Cut | Failure]:
    """The partitions whose log was cut back since it was read up to the mark, and those of which this is not known.
    Asks again for some seconds: during an election nobody answers."""
    found: dict[Place, Cut | Failure] = {}
    left = dict(marks)

    def ask() -> None:
        told = _asked(wire, left, topic_ids)
        for place in list(left):
            found.pop(place, None)
            each = told[place]
            if each is not None:
                found[place] = each
            if not isinstance(each, Failure) or not each.retriable:
                del left[place]
        for place in left:
            raise Unanswered(found[place].reason, retriable=True)

    with suppress(Unanswered):
        patiently(ask, emit=emit, seconds=_PATIENCE_SECONDS)
    return found


def _asked(
    wire: Wire, marks: Mapping[Place, Mark], topic_ids: Mapping[Place, str | None]
) -> dict[Place, Cut | Failure | None]:
    epochs = {place: mark.epoch for place, mark in marks.items()}
    told = led(wire, {place: topic_ids[place] for place in marks}, epochs)
    leaders = {place: leader for place, leader in told.items() if isinstance(leader, Leader)}
    ends = epoch_ends(wire, leaders, {place: epochs[place] for place in leaders})
    silent = Failure(reason="its leader did not answer", retriable=True)
    found: dict[Place, Cut | Failure | None] = {}
    for place, mark in marks.items():
        leader = told[place]
        found[place] = leader if isinstance(leader, Failure) else compared(mark, ends.get(place, silent))
    return found
