"""What differs between the destination and what it ought to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.files.plans import encode_differences
from kafka_meta.plan import Report
from kafka_meta.verify import Checked


def encode_verify(report: Report, checked: Sequence[Checked] | None = None) -> dict[str, Any]:
    """`checked`: the data that were compared; None where only metadata were."""
    return {
        "kind": "kafka-meta-verify",
        "schemaVersion": "1.0",
        "verdict": report.verdict,
        "counts": {section: dict(counts) for section, counts in report.counts.items()},
        "differences": encode_differences(report.differences),
        "intended": encode_differences(report.intended),
        "unread": encode_remarks(report.unread),
        "warnings": encode_remarks(report.warnings),
        "messages": None
        if checked is None
        else {
            "verifiedEarlier": sum(each.earlier for each in checked),
            "verifiedNow": sum(each.now for each in checked),
        },
    }
