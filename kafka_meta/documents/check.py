"""Whether both clusters can be reached, as whom, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def encode_check(sides: Sequence[dict[str, Any]], problem: str | None, *, ok: bool) -> dict[str, Any]:
    """`sides` as `check` has asked them: each with all keys of the schema."""
    return {
        "kind": "kafka-meta-check",
        "schemaVersion": "1.0",
        "sides": list(sides),
        "problem": problem,
        "ok": ok,
    }
