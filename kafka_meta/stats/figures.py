"""A number and its source, by schemas/stats.schema.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Figure: TypeAlias = dict[str, Any]
Method: TypeAlias = Literal["measured", "derived", "default"]
Confidence: TypeAlias = Literal["high", "medium", "low"]


def figure(
    value: float, unit: str, stat: str = "last", *, window: str | None = None, method: Method, confidence: Confidence
) -> Figure:
    # Six digits are more than enough for any of these, and the file stays readable.
    rounded = value if value == int(value) else float(f"{value:.6g}")
    return {
        "value": int(rounded) if rounded == int(rounded) else rounded,
        "unit": unit,
        "stat": stat,
        "window": window,
        "method": method,
        "confidence": confidence,
    }


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: a value from `values`, such that at least `share` of all values are not above it."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def moment(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def interval(from_ms: float, to_ms: float) -> str:
    """ISO 8601."""
    return f"{moment(from_ms)}/{moment(to_ms)}"
