"""Snapshot ⇄ metadata document (`schemas/metadata.schema.json`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from kafka_meta.errors import UsageError
from kafka_meta.files.schemas import validate
from kafka_meta.files.text import Json, load, short
from kafka_meta.model import (
    SCHEMA_VERSION,
    Acl,
    Broker,
    Cluster,
    CommittedOffset,
    Group,
    Member,
    OtherConfigs,
    Partition,
    Quota,
    Remark,
    Resource,
    ScramCredential,
    Secret,
    Security,
    Snapshot,
    Topic,
    User,
)

KIND = "kafka-metadata"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_T = TypeVar("_T")


def encode_metadata(snapshot: Snapshot, *, created_by: str) -> dict[str, Any]:
    """Everything is sorted: two snapshots of an unchanged cluster differ only in createdAt and stats."""
    security = snapshot.cluster.security
    return {
        "kind": KIND,
        "schemaVersion": SCHEMA_VERSION,
        "createdAt": iso_time(snapshot.taken_at_ms),
        "createdBy": created_by,
        "cluster": {
            "id": snapshot.cluster.id,
            "mode": snapshot.cluster.mode,
            "version": snapshot.cluster.version,
            "controllerId": snapshot.cluster.controller_id,
            "brokers": [
                {"id": broker.id, "host": broker.host, "port": broker.port, "rack": broker.rack}
                for broker in sorted(snapshot.cluster.brokers, key=lambda broker: broker.id)
            ],
            "features": dict(sorted(snapshot.cluster.features.items())),
            "security": {
                "authorizer": security.authorizer,
                "allowEveryoneIfNoAclFound": security.allow_everyone_if_no_acl_found,
                "superUsers": None if security.super_users is None else sorted(security.super_users),
            },
        },
        "topics": _section(snapshot.topics, _topic, key=lambda topic: topic.name),
        "groups": _section(snapshot.groups, _group, key=lambda group: (group.id, group.source)),
        "acls": _section(snapshot.acls, encode_acl, key=lambda acl: acl),
        "users": _section(snapshot.users, _user, key=lambda user: user.name),
        "quotas": _section(snapshot.quotas, _quota, key=lambda quota: sorted(map(str, quota.entity.items()))),
        "otherConfigs": _section(snapshot.other_configs, _other_configs, key=lambda e: (e.resource_type, e.name)),
        "defaults": None if snapshot.defaults is None else dict(snapshot.defaults),
        "stats": None if snapshot.stats is None else dict(snapshot.stats),
        "gaps": encode_remarks(snapshot.gaps),
        "leftOut": encode_remarks(snapshot.left_out),
        "disagreements": encode_remarks(snapshot.disagreements),
        "signs": encode_remarks(snapshot.signs),
    }


def encode_remarks(remarks: Iterable[Remark]) -> list[dict[str, str | None]]:
    ordered = sorted(remarks, key=lambda remark: (str(remark.resource), remark.reason))
    return [{**encode_resource(remark.resource), "reason": remark.reason} for remark in ordered]


def encode_resource(resource: Resource) -> dict[str, str | None]:
    """`kind` and `name` are the resource, `resource` is it in words."""
    return {"resource": str(resource), "kind": resource.kind, "name": resource.name}


def encode_offset(offset: CommittedOffset) -> dict[str, Any]:
    return {
        "topic": offset.topic,
        "partition": offset.partition,
        "offset": offset.offset,
        "metadata": offset.metadata,
    }


def encode_acl(acl: Acl) -> dict[str, Any]:
    return {
        "resourceType": acl.resource_type,
        "resourceName": acl.resource_name,
        "patternType": acl.pattern_type,
        "principal": acl.principal,
        "host": acl.host,
        "operation": acl.operation,
        "permission": acl.permission,
    }


def iso_time(time_ms: int) -> str:
    """Milliseconds since 1970 as `2026-11-21T03:50:12.345Z`."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _section(items: Iterable[_T] | None, encode: Any, *, key: Any) -> list[Any] | None:
    return None if items is None else [encode(item) for item in sorted(items, key=key)]


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "id": topic.id,
        "internal": topic.internal,
        "partitions": [
            {
                "partition": partition.partition,
                "leader": partition.leader,
                "replicas": list(partition.replicas),
                # Its order is that in which the followers caught up. That is not a property of the cluster.
                "isr": None if partition.isr is None else sorted(partition.isr),
                "startOffset": partition.start_offset,
                "endOffset": partition.end_offset,
                "sizeBytes": partition.size_bytes,
            }
            for partition in topic.partitions
        ],
        "configs": None if topic.configs is None else dict(topic.configs),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "type": group.type,
        "state": group.state,
        "protocol": group.protocol,
        "members": [
            {"id": member.id, "clientId": member.client_id, "host": member.host}
            for member in sorted(group.members, key=lambda member: member.id)
        ],
        "source": group.source,
        "offsets": None if group.offsets is None else [encode_offset(offset) for offset in sorted(group.offsets)],
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "credentials": [
            {
                "mechanism": credential.mechanism,
                "iterations": credential.iterations,
                "salt": credential.salt,
                "storedKey": credential.stored_key.reveal() if credential.stored_key else None,
                "serverKey": credential.server_key.reveal() if credential.server_key else None,
            }
            for credential in sorted(user.credentials, key=lambda credential: credential.mechanism)
        ],
    }


def _other_configs(other: OtherConfigs) -> dict[str, Any]:
    return {
        "resourceType": other.resource_type,
        "name": other.name,
        "configs": dict(sorted(other.configs.items())),
    }


def _quota(quota: Quota) -> dict[str, Any]:
    return {"entity": dict(quota.entity), "values": dict(quota.values)}


_WRITTEN_BY = "kafka-meta export writes it. To read another file, use --file-name."


def read_metadata(path: Path) -> Snapshot:
    """Raises UsageError, with the place, for a file that is missing, not sound JSON, of another kind or a newer major
    version, or contradicts itself. Fields of a newer minor version are ignored."""
    return decode_metadata(load(path, written_by=_WRITTEN_BY), called=str(path))


def decode_metadata(tree: Json, *, called: str) -> Snapshot:
    """`called` is the document's name in error messages. Raises UsageError as `read_metadata` does."""
    document = require_kind(tree, KIND, SCHEMA_VERSION, called=called)
    validate(document, "metadata", called=called)
    reader = _Reader(called)
    cluster = document["cluster"]
    security = cluster.get("security") or {}
    return Snapshot(
        taken_at_ms=reader.time(document["createdAt"], "$.createdAt"),
        cluster=Cluster(
            id=cluster.get("id"),
            mode=cluster.get("mode"),
            version=cluster.get("version"),
            controller_id=cluster.get("controllerId"),
            brokers=tuple(
                Broker(id=broker["id"], host=broker.get("host"), port=broker.get("port"), rack=broker.get("rack"))
                for broker in cluster.get("brokers", ())
            ),
            features=cluster.get("features") or {},
            security=Security(
                authorizer=security.get("authorizer"),
                allow_everyone_if_no_acl_found=security.get("allowEveryoneIfNoAclFound"),
                super_users=_tuple_or_none(security.get("superUsers")),
            ),
        ),
        topics=reader.section(document, "topics", reader.topic, unique=lambda topic: topic.name),
        groups=reader.section(document, "groups", reader.group, unique=lambda group: (group.source, group.id)),
        acls=reader.section(document, "acls", lambda acl, _: decode_acl(acl), unique=lambda acl: acl),
        users=reader.section(document, "users", reader.user, unique=lambda user: user.name),
        quotas=reader.section(
            document, "quotas", lambda quota, _: _decode_quota(quota), unique=lambda q: tuple(sorted(q.entity.items()))
        ),
        other_configs=reader.section(
            document, "otherConfigs", lambda item, _: _decode_other_configs(item), unique=lambda each: each.resource
        ),
        defaults=document.get("defaults"),
        stats=document.get("stats"),
        gaps=decode_remarks(document.get("gaps")),
        left_out=decode_remarks(document.get("leftOut")),
        disagreements=decode_remarks(document.get("disagreements")),
        signs=decode_remarks(document.get("signs")),
    )


def require_kind(document: Json, kind: str, version: str, *, called: str) -> dict[str, Any]:
    """The document, if it is of this kind and not of a newer major version. Raises UsageError."""
    if not isinstance(document, dict):
        raise UsageError(f"{called}: $: not a JSON object", f'A file of kind "{kind}" is expected.')
    if document.get("kind") != kind:
        kind_found = (
            f'{short(document["kind"])} is not "{kind}"' if "kind" in document else f'missing, "{kind}" expected'
        )
        raise UsageError(f"{called}: $.kind: {kind_found}", "Is it the right file?")
    found = document.get("schemaVersion")
    major = re.match(r"[0-9]{1,4}(?=\.)", found) if isinstance(found, str) else None
    if major is not None and int(major[0]) > int(version.partition(".")[0]):
        raise UsageError(
            f"{called}: $.schemaVersion: version {short(found)} is newer than {version}, which this program reads",
            "A newer kafka-meta wrote the file: use that version.",
        )
    return document


def decode_remarks(items: Any) -> tuple[Remark, ...]:
    return tuple(Remark(resource=decode_resource(item), reason=item["reason"]) for item in items or ())


def decode_resource(item: Mapping[str, Any]) -> Resource:
    if "kind" in item:
        return Resource(item["kind"], item.get("name"))
    return resource_of_words(item["resource"])


_NAMED_KINDS = ("topic", "group", "partition", "acl", "user", "quota")


def resource_of_words(words: str) -> Resource:
    """For documents that earlier versions wrote: they have the words alone."""
    kind, space, name = words.partition(" ")
    return Resource(kind, name) if space and kind in _NAMED_KINDS else Resource(words)


def decode_offset(item: Mapping[str, Any]) -> CommittedOffset:
    return CommittedOffset(
        topic=item["topic"], partition=item["partition"], offset=item["offset"], metadata=item.get("metadata") or ""
    )


def decode_acl(item: Mapping[str, Any]) -> Acl:
    return Acl(
        resource_type=item["resourceType"],
        resource_name=item["resourceName"],
        pattern_type=item["patternType"],
        principal=item["principal"],
        host=item["host"],
        operation=item["operation"],
        permission=item["permission"],
    )


class _Reader:
    """Types from a document that follows the schema. What a schema cannot express is checked here."""

    def __init__(self, called: str) -> None:
        self.called = called

    def section(self, document: Mapping[str, Any], name: str, decode: Any, *, unique: Any) -> tuple[Any, ...] | None:
        items = document.get(name)
        if items is None:
            return None
        seen: dict[Any, int] = {}
        result = []
        for index, item in enumerate(items):
            path = f"$.{name}[{index}]"
            value = decode(item, path)
            key = unique(value)
            if key in seen:
                self.refuse(path, f"the same as $.{name}[{seen[key]}]")
            seen[key] = index
            result.append(value)
        return tuple(result)

    def topic(self, item: Mapping[str, Any], path: str) -> Topic:
        partitions = item["partitions"]
        for index, partition in enumerate(partitions):
            if partition["partition"] != index:
                numbers = [each["partition"] for each in partitions[:index]]
                again = partition["partition"] in numbers
                problem = "occurs twice" if again else f"is out of order, {index} is expected"
                self.refuse(f"{path}.partitions[{index}].partition", f"partition {partition['partition']} {problem}")
        return Topic(
            name=item["name"],
            id=item.get("id"),
            internal=item.get("internal", False),
            partitions=tuple(
                Partition(
                    partition=partition["partition"],
                    leader=partition.get("leader"),
                    replicas=tuple(partition.get("replicas", ())),
                    isr=_tuple_or_none(partition.get("isr")),
                    start_offset=partition.get("startOffset"),
                    end_offset=partition.get("endOffset"),
                    size_bytes=partition.get("sizeBytes"),
                )
                for partition in partitions
            ),
            configs=item.get("configs"),
        )

    def group(self, item: Mapping[str, Any], path: str) -> Group:
        offsets = item.get("offsets")
        if offsets is not None:
            seen: set[tuple[str, int]] = set()
            for index, offset in enumerate(offsets):
                key = (offset["topic"], offset["partition"])
                if key in seen:
                    self.refuse(f"{path}.offsets[{index}]", f"{key[0]}-{key[1]} occurs twice")
                seen.add(key)
        return Group(
            id=item["id"],
            type=item.get("type"),
            state=item.get("state"),
            protocol=item.get("protocol"),
            members=tuple(
                Member(id=member["id"], client_id=member.get("clientId"), host=member.get("host"))
                for member in item.get("members", ())
            ),
            source=item.get("source", "broker"),
            offsets=None if offsets is None else tuple(sorted(decode_offset(offset) for offset in offsets)),
        )

    def time(self, text: str, path: str) -> int:
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
        except ValueError:
            self.refuse(path, f"{text!r} is not a time")

    def user(self, item: Mapping[str, Any], path: str) -> User:
        mechanisms = [credential["mechanism"] for credential in item["credentials"]]
        for index, mechanism in enumerate(mechanisms):
            if mechanism in mechanisms[:index]:
                self.refuse(f"{path}.credentials[{index}]", f"a second credential of {mechanism}")
        return User(
            name=item["name"],
            credentials=tuple(
                ScramCredential(
                    mechanism=credential["mechanism"],
                    iterations=credential["iterations"],
                    salt=credential.get("salt"),
                    stored_key=_secret(credential.get("storedKey")),
                    server_key=_secret(credential.get("serverKey")),
                )
                for credential in item["credentials"]
            ),
        )

    def refuse(self, path: str, problem: str) -> NoReturn:
        raise UsageError(f"{self.called}: {path}: {problem}", "Nothing was created. Correct the file at that place.")


def _decode_other_configs(item: Mapping[str, Any]) -> OtherConfigs:
    return OtherConfigs(resource_type=item["resourceType"], name=item["name"], configs=item["configs"])


def _decode_quota(item: Mapping[str, Any]) -> Quota:
    return Quota(entity=dict(item["entity"]), values={name: float(value) for name, value in item["values"].items()})


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _tuple_or_none(items: list[Any] | None) -> tuple[Any, ...] | None:
    return None if items is None else tuple(items)
