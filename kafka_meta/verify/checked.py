"""The result for one partition's copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta.journal import Place, Position

Content: TypeAlias = Literal["equal", "different", "not compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result for one partition's copy.

    `arrived` is the number of records from its base on; None when they could not be read. It counts up to the end of a
    complete copy, and up to the end of the log for any other copy. `reason` says why the content that was copied so far
    is not equal.
    """

    position: Position
    arrived: int | None
    content: Content
    reason: str | None = None
    earlier: int = 0
    """So many records were found equal by earlier checks, and were not read by this one."""
    now: int = 0
    """So many records were read by this check and found equal."""

    @property
    def equal(self) -> bool:
        return self.arrived == self.position.rank and self.content == "equal"


def dest_place(position: Position) -> Place:
    return position.begun.dest_topic, position.begun.partition
