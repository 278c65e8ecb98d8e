"""What a mirror has left on the destination, so that nobody takes it for drift, or puts it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    guarded: Mapping[str, Mapping[str, tuple[str, str | None]]] = field(default_factory=dict)
    """Destination topic → config → the value that keeps what has arrived, and the one that `mirror --release` puts
    back (None: no override)."""
    positions: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    """Group, destination topic and partition → where the copy has left the group."""


NO_TRACES = Traces()
