"""What a copier tells about itself while it runs, for others who look at the journal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How far a copy that goes on is behind its source, over all partitions."""

    paused: bool
    behind: int
    """Partitions with something that is not copied."""
    lag_offsets: int
    """Of all of them together."""
    lag_seconds: float
    """The longest time for which something has been readable on the source and is not copied."""
    sync_age_seconds: float | None
    """Seconds since all positions of groups were set; None before the first time."""
    stopped: int = 0
    """Partitions that cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copier:
    """Times are milliseconds since 1970, by the clock of the copier's machine. None: not known, or nothing yet."""

    host: str
    pid: int
    since_ms: int
    told_ms: int
    """When it told this."""
    ended: bool = False
    """It has ended by itself, and not by a crash."""
    stage: str | None = None
    """What it does: "copying", "checking" or another stage of `events.Progress`."""
    done: int | None = None
    total: int | None = None
    """Of the stage; source offsets while it copies."""
    offsets_a_second: float | None = None
    bytes_a_second: float | None = None
    seconds_left: float | None = None
    waiting_for: str | None = None
    """Why nothing moves."""
    following: Following | None = None
    """Of a copy that goes on."""

    def encoded(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def decoded(text: str) -> Copier:
        told = json.loads(text)
        following = told.pop("following", None)
        return Copier(**told, following=None if following is None else Following(**following))
