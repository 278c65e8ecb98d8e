"""Whether both clusters can be reached, as whom, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.model import Remark


def encode_check(
    sides: Sequence[dict[str, Any]], problem: str | None, findings: Iterable[Remark] | None, *, ok: bool
) -> dict[str, Any]:
    """`sides` as `check` has asked them: each with all keys of the schema. `findings`: before the planned step; None
    where none is planned, or a side did not answer."""
    return {
        "kind": "kafka-meta-check",
        "schemaVersion": "1.0",
        "sides": list(sides),
        "problem": problem,
        "findings": None if findings is None else encode_remarks(findings),
        "ok": ok,
    }
