"""What a mirror has set on the destination, so that import neither reports it as drift nor changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Configs and positions that a mirror has set on the destination."""

    guarded: Mapping[str, Mapping[str, tuple[str, str | None]]] = field(default_factory=dict)
    """Destination topic → config → (the value that keeps the copied data, the value that `mirror --release` sets
    again; None: no override)."""
    positions: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    """(group, destination topic, partition) → the position that mirror has set."""
    copied: frozenset[str] = frozenset()
    """The destination topics into which a mirror copies, or has copied."""

    def and_of(self, other: Traces) -> Traces:
        """Those of two mirrors between the same clusters, with different topics."""
        return Traces(
            guarded={**self.guarded, **other.guarded},
            positions={**self.positions, **other.positions},
            copied=self.copied | other.copied,
        )


NO_TRACES = Traces()
