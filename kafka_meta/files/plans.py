"""Plan ⇄ plan document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from kafka_meta.files.metadata import (
    decode_acl,
    decode_offset,
    decode_remarks,
    decode_resource,
    encode_acl,
    encode_offset,
    encode_remarks,
    encode_resource,
    require_kind,
    resource_of_words,
)
from kafka_meta.files.schemas import validate
from kafka_meta.files.text import load
from kafka_meta.model import Acl, Resource, camel
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Difference,
    Plan,
    SetConfigs,
    SetOtherConfigs,
    SetQuota,
    UpsertUser,
)

PLAN_KIND = "kafka-meta-plan"
VERSION = "1.0"


_NAMED = ("topic", "group")


def encode_plan(plan: Plan) -> dict[str, Any]:
    """The document of a plan (`schemas/plan.schema.json`)."""
    actions = [encode_action(action) for action in plan.actions]
    return {
        "kind": PLAN_KIND,
        "schemaVersion": VERSION,
        "source": {"clusterId": plan.source_id},
        "dest": {
            "clusterId": plan.dest_id,
            **{f"{kind}s": sorted(each.name or "" for each in plan.there if each.kind == kind) for kind in _NAMED},
        },
        "actions": actions,
        "present": [str(resource) for resource in plan.present],
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
            **encode_resource(difference.resource),
            "difference": difference.difference,
            "aspect": difference.aspect,
            "source": difference.source,
            "dest": difference.dest,
            "reason": difference.reason,
        }
        for difference in differences
    ]


def encode_action(action: Action) -> dict[str, Any]:
    """Its type, then its fields by their names in camel case. What a mirror has set before is not part of a plan."""
    told = {key: _encode_value(getattr(action, name)) for name, key in _NAMES[type(action)]}
    return {"type": action.type, **told}


_NAMES = {
    kind: tuple((field.name, camel(field.name)) for field in fields(kind) if field.name != "replaces")
    for kind in get_args(Action)
}
"""Each field's name, here and in a document."""


def _encode_value(value: object) -> Any:
    match value:
        case Acl():
            return encode_acl(value)
        case Mapping():
            return dict(value)
        case tuple():
            return [encode_offset(each) for each in value]
        case _:
            return value


_WRITTEN_BY = "kafka-meta import --save-plan writes it."


def read_plan(path: Path) -> Plan:
    """Raises UsageError, with the place, for a file that is not a sound plan."""
    document = require_kind(load(path, written_by=_WRITTEN_BY), PLAN_KIND, VERSION, called=str(path))
    validate(document, "plan", called=str(path))
    return Plan(
        source_id=document["source"].get("clusterId"),
        dest_id=document["dest"].get("clusterId"),
        there=frozenset(Resource(kind, name) for kind in _NAMED for name in document["dest"].get(f"{kind}s") or ()),
        actions=tuple(_decode_action(action) for action in document["actions"]),
        present=tuple(resource_of_words(words) for words in document.get("present", ())),
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
            resource=decode_resource(item),
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
                user=item["user"],
                mechanism=item["mechanism"],
                iterations=item["iterations"],
                secret=item["secret"],
                was=item.get("was"),
            )
        case "setQuota":
            return SetQuota(
                entity=item["entity"],
                values={name: float(value) for name, value in item["values"].items()},
                previous={name: None if value is None else float(value) for name, value in item["previous"].items()},
            )
        case "setOtherConfigs":
            return SetOtherConfigs(
                resource_type=item["resourceType"],
                name=item["name"],
                configs=item["configs"],
                previous=item["previous"],
            )
        case other:
            raise AssertionError(f"the schema lets an action of type {other!r} through")
