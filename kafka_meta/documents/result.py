"""What became of each action of an import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.files.plans import encode_action, encode_differences
from kafka_meta.plan import Plan, Result


def _result(result: Result) -> dict[str, Any]:
    return {"action": encode_action(result.action), "outcome": result.outcome, "error": result.error}


def encode_results(results: Sequence[Result], plan: Plan, *, interrupted: bool) -> dict[str, Any]:
    outcomes = Counter(result.outcome for result in results)
    return {
        "kind": "kafka-meta-result",
        "schemaVersion": "1.0",
        "dest": {"clusterId": plan.dest_id},
        "interrupted": interrupted,
        "results": [_result(result) for result in results],
        "present": [str(resource) for resource in plan.present],
        "drift": encode_differences(plan.drift),
        "skipped": encode_remarks(plan.skipped),
        "refused": encode_remarks(plan.refused),
        "unread": encode_remarks(plan.unread),
        "warnings": encode_remarks(plan.warnings),
        "totals": {
            "done": outcomes["done"],
            "present": outcomes["present"] + len(plan.present),
            "failed": outcomes["failed"],
            "refused": len(plan.refused),
            "unread": len(plan.unread),
        },
    }
