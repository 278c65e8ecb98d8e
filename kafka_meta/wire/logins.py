"""How long refused logins to a cluster that has let us in before may pass by themselves.

A broker that starts may not know its users yet. A password that was changed stays wrong.
"""

from __future__ import annotations

import time

PATIENCE_SECONDS = 30.0


class Logins:
    """Of one cluster, by broker. It may be used from any thread."""

    def __init__(self, *, for_ever: bool = False) -> None:
        self._for_ever = for_ever
        self._refused_since: dict[int | str | None, float] = {}

    def accepted(self, broker: int | str | None) -> None:
        self._refused_since.pop(broker, None)

    def may_pass(self, broker: int | str | None) -> bool:
        """Call it for every refusal. Whether to ask this broker again."""
        since = self._refused_since.setdefault(broker, time.monotonic())
        return self._for_ever or time.monotonic() - since < PATIENCE_SECONDS
