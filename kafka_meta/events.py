"""What verbs report while they work. A verb takes `emit: Emit` and never prints."""

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
    """Nothing moves for the moment, and why, with numbers."""

    reason: str
    seconds: float


Event: TypeAlias = Progress | Waiting
Emit: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """An `Emit` for callers whom progress does not concern."""
