"""Plan ⇄ plan document; results and verify reports → documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from kafka_meta.files.metadata import (
    decode_acl,
    decode_offset,
    decode_remarks,
    encode_acl,
    encode_offset,
    encode_remarks,
    require_kind,
)
from kafka_meta.files.schemas import validate
from kafka_meta.files.text import load
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Difference,
    Plan,
    Report,
    Result,
    SetConfigs,
    SetQuota,
    UpsertUser,
)

PLAN_KIND = "kafka-meta-plan"
RESULT_KIND = "kafka-meta-result"
VERIFY_KIND = "kafka-meta-verify"
VERSION = "1.0"


def encode_plan(plan: Plan) -> dict[str, Any]:
    actions = [encode_action(action) for action in plan.actions]
    return {
        "kind": PLAN_KIND,
        "schemaVersion": VERSION,
        "source": {"clusterId": plan.source_id},
        "dest": {"clusterId": plan.dest_id},
        "actions": actions,
        "present": list(plan.present),
        "drift": encode_differences(plan.drift),
        "intended": encode_differences(plan.intended),
        "extra": encode_differences(plan.extra),
        "skipped": encode_remarks(plan.skipped),
        "refused": encode_remarks(plan.refused),
        "unread": encode_remarks(plan.unread),
        "warnings": encode_remarks(plan.warnings),
        "totals": {
            **Counter(action["type"] for action in actions),
            "actions": len(actions),
            "present": len(plan.present),
            "drift": len(plan.drift),
            "intended": len(plan.intended),
            "skipped": len(plan.skipped),
            "refused": len(plan.refused),
            "unread": len(plan.unread),
        },
    }


def encode_differences(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    return [
        {
            "resource": difference.resource,
            "difference": difference.difference,
            "aspect": difference.aspect,
            "source": difference.source,
            "dest": difference.dest,
            "reason": difference.reason,
        }
        for difference in differences
    ]


def encode_action(action: Action) -> dict[str, Any]:
    match action:
        case CreateTopic():
            return {
                "type": "createTopic",
                "topic": action.topic,
                "partitions": action.partitions,
                "replicationFactor": action.replication_factor,
                "configs": dict(action.configs),
                "compacted": action.compacted,
            }
        case AddPartitions():
            return {
                "type": "addPartitions",
                "topic": action.topic,
                "existing": action.existing,
                "total": action.total,
            }
        case SetConfigs():
            return {
                "type": "setConfigs",
                "topic": action.topic,
                "configs": dict(action.configs),
                "previous": dict(action.previous),
            }
        case CommitOffsets():
            return {
                "type": "commitOffsets",
                "group": action.group,
                "offsets": [encode_offset(offset) for offset in action.offsets],
            }
        case CreateAcl():
            return {"type": "createAcl", "acl": encode_acl(action.acl)}
        case UpsertUser():
            return {
                "type": "upsertUser",
                "user": action.user,
                "mechanism": action.mechanism,
                "iterations": action.iterations,
                "secret": action.secret,
            }
        case SetQuota():
            return {
                "type": "setQuota",
                "entity": dict(action.entity),
                "values": dict(action.values),
                "previous": dict(action.previous),
            }
        case _:
            assert_never(action)


def encode_result(result: Result) -> dict[str, Any]:
    return {"action": encode_action(result.action), "outcome": result.outcome, "error": result.error}


def encode_results(results: Sequence[Result], plan: Plan) -> dict[str, Any]:
    outcomes = Counter(result.outcome for result in results)
    return {
        "kind": RESULT_KIND,
        "schemaVersion": VERSION,
        "dest": {"clusterId": plan.dest_id},
        "results": [encode_result(result) for result in results],
        "present": list(plan.present),
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
        },
    }


def encode_verify(report: Report) -> dict[str, Any]:
    return {
        "kind": VERIFY_KIND,
        "schemaVersion": VERSION,
        "verdict": report.verdict,
        "counts": {section: dict(counts) for section, counts in report.counts.items()},
        "differences": encode_differences(report.differences),
        "intended": encode_differences(report.intended),
        "unread": encode_remarks(report.unread),
    }


_WRITTEN_BY = "kafka-meta import --save-plan writes it; --plan-file names another."


def read_plan(path: Path) -> Plan:
    """Raises UsageError with the place for a file that is no sound plan."""
    document = require_kind(load(path, written_by=_WRITTEN_BY), PLAN_KIND, VERSION, called=str(path))
    validate(document, "plan", called=str(path))
    return Plan(
        source_id=document["source"].get("clusterId"),
        dest_id=document["dest"].get("clusterId"),
        actions=tuple(_decode_action(action) for action in document["actions"]),
        present=tuple(document.get("present", ())),
        drift=_decode_differences(document.get("drift")),
        intended=_decode_differences(document.get("intended")),
        extra=_decode_differences(document.get("extra")),
        skipped=decode_remarks(document.get("skipped")),
        refused=decode_remarks(document.get("refused")),
        unread=decode_remarks(document.get("unread")),
        warnings=decode_remarks(document.get("warnings")),
    )


def _decode_differences(items: Iterable[Mapping[str, Any]] | None) -> tuple[Difference, ...]:
    return tuple(
        Difference(
            resource=item["resource"],
            difference=item["difference"],
            aspect=item.get("aspect"),
            source=item.get("source"),
            dest=item.get("dest"),
            reason=item.get("reason"),
        )
        for item in items or ()
    )


def _decode_action(item: Mapping[str, Any]) -> Action:
    match item["type"]:
        case "createTopic":
            return CreateTopic(
                topic=item["topic"],
                partitions=item["partitions"],
                replication_factor=item["replicationFactor"],
                configs=item.get("configs", {}),
                compacted=item.get("compacted", False),
            )
        case "addPartitions":
            return AddPartitions(topic=item["topic"], existing=item["existing"], total=item["total"])
        case "setConfigs":
            return SetConfigs(topic=item["topic"], configs=item["configs"], previous=item["previous"])
        case "commitOffsets":
            return CommitOffsets(group=item["group"], offsets=tuple(decode_offset(each) for each in item["offsets"]))
        case "createAcl":
            return CreateAcl(acl=decode_acl(item["acl"]))
        case "upsertUser":
            return UpsertUser(
                user=item["user"], mechanism=item["mechanism"], iterations=item["iterations"], secret=item["secret"]
            )
        case "setQuota":
            return SetQuota(
                entity=item["entity"],
                values={name: float(value) for name, value in item["values"].items()},
                previous={name: None if value is None else float(value) for name, value in item["previous"].items()},
            )
        case other:
            raise AssertionError(f"the schema lets an action of type {other!r} through")
