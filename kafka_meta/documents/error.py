"""Why a command ended."""

from __future__ import annotations

from typing import Any


def encode_error(message: str, hint: str | None) -> dict[str, Any]:
    return {"kind": "kafka-meta-error", "message": message, "hint": hint}
