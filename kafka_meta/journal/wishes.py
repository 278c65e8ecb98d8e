"""What the operator wishes of a copy that goes on, beside what the copier was started with."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    paused: bool = False
    """Nothing shall be sent."""
    max_rate: str | None = None
    """As it was typed: "50MB/s", or "none" for no limit. None: what the copier was started with."""
    memory: str | None = None
    """As it was typed: "256MB". None: what the copier was started with."""
    detached: frozenset[str] = frozenset()
    """Topics of the source that shall not be followed."""
    resync: frozenset[str] = frozenset()
    """Groups, by their names on the destination, that have moved and shall be in step with the source again. The copier
    takes them out when it has heeded that."""

    def encoded(self) -> str:
        told = {name: getattr(self, name) for name in ("paused", "max_rate", "memory")}
        return json.dumps({**told, "detached": sorted(self.detached), "resync": sorted(self.resync)})

    @staticmethod
    def decoded(text: str) -> Wishes:
        told = json.loads(text)
        return Wishes(**{**told, "detached": frozenset(told["detached"]), "resync": frozenset(told["resync"])})
