"""What a function that takes long reports meanwhile. It gets `emit: Emit`, calls it, and never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` of `total` items of a stage ("topics", "groups", …); `total` is None while unknown."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing moves at the moment. `reason` says why, with figures where there are any. `seconds` is the time until the
    next attempt, or the time that has passed without progress."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that ends nothing, and that explains a run afterwards: a leader that has changed, a position that was
    read again. `text` is a sentence."""

    text: str


Event: TypeAlias = Progress | Waiting | Happened
Emit: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """An `Emit` that ignores every event."""
