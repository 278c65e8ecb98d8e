"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import settings


def many(count: int) -> int:
    """So many; a fifth of them in `make quick`."""
    return max(10, count // 5) if settings.get_current_profile_name() == "quick" else count
