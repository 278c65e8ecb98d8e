"""The data that Kafka writes into ZooKeeper's nodes: bytes ⇄ values. Pure.

Formats: those of `kafka.zk.ZkData` in Apache Kafka 3.9 and of earlier versions. Invalid data raises `Unreadable`. Its
text never repeats the data, which may contain a credential.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeGuard, cast
from urllib.parse import quote, unquote

from kafka_meta.model import Acl, Broker, CommittedOffset, PatternType, Permission, ScramCredential, Secret

DEFAULT_ENTITY_NODE = "<default>"
SCRAM_PREFIX = "SCRAM-"
RESOURCE_TYPES = ("TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER")
OPERATIONS = (
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
)
PERMISSIONS = ("ALLOW", "DENY")
PATTERN_TYPES = ("LITERAL", "PREFIXED")


class Unreadable(ValueError):
    """A node's data is invalid. The text continues a sentence that begins with the node's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """The controller in ZooKeeper mode, or the sign of a KRaft quorum."""

    broker_id: int | None
    """None while none is elected."""
    kraft_epoch: int
    """Above 0: a KRaft quorum owns the cluster (KIP-866)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A topic's replicas."""

    topic_id: str | None
    replicas: Mapping[int, tuple[int, ...]]
    """By partition, ordered. Without the replicas that a reassignment is removing."""
    moving: tuple[int, ...]
    """Partitions under reassignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """A partition's leader (None: no leader) and in-sync replicas."""

    leader: int | None
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaEntity:
    """The quotas and SCRAM credentials of an entity."""

    names: tuple[tuple[str, str | None], ...]
    """("user", "clientId" or "ip", name) pairs; None is the default entity."""
    quotas: Mapping[str, float]
    credentials: tuple[ScramCredential, ...]


def broker(broker_id: int, data: bytes) -> Broker:
    """`/brokers/ids/<id>`, versions 1–5. Without a PLAINTEXT listener `host` is null and `port` is −1. Then the address
    is the first of `endpoints` (`NAME://host:port`)."""
    fields = _document(data)
    rack = _optional_text(fields, "rack")
    host, port = _optional_text(fields, "host"), fields.get("port")
    if host is not None and _is_int(port) and port > 0:
        return Broker(id=broker_id, host=host, port=port, rack=rack)
    for endpoint in _texts(fields.get("endpoints", []), "endpoints"):
        match = re.fullmatch(r"[^:/]+://\[?([^]]*?)]?:(\d+)", endpoint)
        if match:
            return Broker(id=broker_id, host=match[1] or None, port=int(match[2]), rack=rack)
    raise Unreadable("has neither a host and port nor an endpoint")


def controller(data: bytes) -> Controller:
    """`/controller`: v1 has `brokerid`, v2 (3.4 and later) also `kraftControllerEpoch`, −1 without KRaft."""
    fields = _document(data)
    epoch = fields.get("kraftControllerEpoch", -1)
    if not _is_int(epoch):
        raise Unreadable("has a kraftControllerEpoch that is not a number")
    broker_id = _integer(fields.get("brokerid"), "brokerid")
    return Controller(broker_id=broker_id if broker_id >= 0 else None, kraft_epoch=epoch)


def cluster_id(data: bytes) -> str:
    """`/cluster/id`."""
    return _text(_document(data).get("id"), "id")


def assignment(data: bytes) -> Assignment:
    """`/brokers/topics/<t>`: v1 to 2.3, v2 with `adding_replicas` and `removing_replicas` from 2.4
    (KIP-455), v3 with an optional `topic_id` from 2.8 (KIP-516)."""
    fields = _document(data)
    partitions = _replicas_by_partition(fields.get("partitions"), "partitions")
    if sorted(partitions) != list(range(len(partitions))) or not partitions:
        raise Unreadable(f"has partitions {sorted(partitions)}, expected 0, 1, 2 … without a gap")
    adding = _replicas_by_partition(fields.get("adding_replicas", {}), "adding_replicas")
    removing = _replicas_by_partition(fields.get("removing_replicas", {}), "removing_replicas")
    return Assignment(
        topic_id=_optional_text(fields, "topic_id"),
        replicas={
            number: tuple(replica for replica in partitions[number] if replica not in removing.get(number, ()))
            for number in sorted(partitions)
        },
        moving=tuple(sorted(number for number in partitions if adding.get(number) or removing.get(number))),
    )


def partition_state(data: bytes) -> PartitionState:
    """`/brokers/topics/<t>/partitions/<p>/state`. Leader −1 means "no leader"."""
    fields = _document(data)
    leader = _integer(fields.get("leader"), "leader")
    return PartitionState(leader=leader if leader >= 0 else None, isr=_integers(fields.get("isr"), "isr"))


def reassigned_topics(data: bytes) -> tuple[str, ...]:
    """`/admin/reassign_partitions`: the topics in it."""
    rows = _document(data).get("partitions")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("has no list of partitions")
    return tuple(sorted({_text(row.get("topic"), "topic") for row in rows}))


def entity_config(data: bytes) -> Mapping[str, str]:
    """`/config/<type>/<entity>`: `{"version":1,"config":{name: text}}`. A node without data has no config, as in Kafka:
    a user's node is empty when it is only the parent of its clients' quotas."""
    if not data:
        return {}
    config = _object(_document(data).get("config"), "config")
    return {name: _text(value, f"config {name}") for name, value in config.items()}


def entity_name(node: str) -> str | None:
    """The name of a node of `/config/{users,clients,ips}`; None for the default entity.

    Encoded by Kafka's `Sanitizer`: Java's `URLEncoder`, with `*` as `%2A` and space as `%20`. Only the default entity's
    node is not encoded. A user called `<default>` is `%3Cdefault%3E`.
    """
    if node == DEFAULT_ENTITY_NODE:
        return None
    try:
        return unquote(node, errors="strict")
    except UnicodeDecodeError:
        raise Unreadable("has a name that is not percent-encoded UTF-8") from None


def quota_entity(nodes: tuple[tuple[str, str], ...], data: bytes, *, secrets: bool) -> QuotaEntity:
    """`/config/{users,clients,ips}/…`. `nodes` are (kind, node) pairs. Without `secrets`, credentials have no salt and
    keys (base64)."""
    config = entity_config(data)
    return QuotaEntity(
        names=tuple((kind, entity_name(node)) for kind, node in nodes),
        quotas=_quota_values(config),
        credentials=tuple(
            _scram_credential(name, config[name], secrets=secrets)
            for name in sorted(config)
            if name.startswith(SCRAM_PREFIX)
        ),
    )


def _quota_values(config: Mapping[str, str]) -> Mapping[str, float]:
    quotas = {name: text for name, text in config.items() if not name.startswith(SCRAM_PREFIX)}
    return {name: _number(text, name) for name, text in quotas.items()}


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unreadable(f"has a {name} that is not a number")
    return number


def _scram_credential(mechanism: str, text: str, *, secrets: bool) -> ScramCredential:
    """`salt=<b64>,stored_key=<b64>,server_key=<b64>,iterations=<n>`; base64 may end in `=`."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    if not all(fields.get(name) for name in ("salt", "stored_key", "server_key")):
        raise Unreadable(f"has an incomplete {mechanism} credential")
    try:
        iterations = int(fields.get("iterations", ""))
    except ValueError:
        raise Unreadable(f"has a {mechanism} credential without iterations") from None
    if not secrets:
        return ScramCredential(mechanism=mechanism, iterations=iterations)
    return ScramCredential(
        mechanism=mechanism,
        iterations=iterations,
        salt=fields["salt"],
        stored_key=Secret(fields["stored_key"]),
        server_key=Secret(fields["server_key"]),
    )


def entity_node(name: str) -> str:
    """The node of a name: the inverse of `entity_name`."""
    return quote(name, safe="").replace("~", "%7E")


def with_credential(data: bytes, credential: ScramCredential) -> bytes:
    """The node's data with the credential added. The rest stays as it is. Raises `Unreadable`."""
    if credential.salt is None or credential.stored_key is None or credential.server_key is None:
        raise ValueError(f"the keys of this {credential.mechanism} credential are not known")
    value = (
        f"salt={credential.salt},stored_key={credential.stored_key.reveal()},"
        f"server_key={credential.server_key.reveal()},iterations={credential.iterations}"
    )
    config = {**entity_config(data), credential.mechanism: value}
    return json.dumps({"version": 1, "config": config}, separators=(",", ":"), ensure_ascii=False).encode()


def config_change(entity_path: str) -> bytes:
    """`/config/changes/config_change_<seq>`: the notice that makes brokers read the entity again."""
    return json.dumps({"version": 2, "entity_path": entity_path}, separators=(",", ":")).encode()


def acls(resource_type: str, resource_name: str, pattern_type: str, data: bytes) -> tuple[Acl, ...]:
    """`/kafka-acl/<Type>/<name>` and `/kafka-acl-extended/<pattern>/<Type>/<name>`. ZooKeeper has PascalCase words
    (`TransactionalId`), which Kafka reads in any case. The result has the words of Kafka's API."""
    rules = _document(data).get("acls")
    if not isinstance(rules, list):
        raise Unreadable("has no list of acls")
    kind = api_word(resource_type, RESOURCE_TYPES)
    pattern = cast(PatternType, api_word(pattern_type, PATTERN_TYPES))
    found = set()
    for rule in rules:
        fields = _object(rule, "acls")
        found.add(
            Acl(
                resource_type=kind,
                resource_name=resource_name,
                pattern_type=pattern,
                principal=_text(fields.get("principal"), "principal"),
                host=_text(fields.get("host"), "host"),
                operation=api_word(_text(fields.get("operation"), "operation"), OPERATIONS),
                permission=cast(
                    Permission, api_word(_text(fields.get("permissionType"), "permissionType"), PERMISSIONS)
                ),
            )
        )
    return tuple(sorted(found))


def api_word(word: str, known: Collection[str]) -> str:
    """`DescribeConfigs`, `describeconfigs` → `DESCRIBE_CONFIGS`."""
    folded = word.replace("_", "").upper()
    for candidate in known:
        if candidate.replace("_", "") == folded:
            return candidate
    raise Unreadable(f"has {word!r}, expected one of {', '.join(known)}")


def committed_offset(topic: str, partition: str, data: bytes) -> CommittedOffset:
    """`/consumers/<group>/offsets/<topic>/<partition>`: decimal text."""
    try:
        return CommittedOffset(topic=topic, partition=int(partition), offset=int(data.decode("ascii")))
    except ValueError:  # also an offset of −1
        raise Unreadable("is not an offset: a decimal number from 0") from None


def owner(data: bytes) -> str:
    """`/consumers/<group>/owners/<topic>/<partition>`: the name of a consumer's thread."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unreadable("is not a consumer's name in UTF-8") from None


def _document(data: bytes) -> Mapping[str, object]:
    if not data:
        raise Unreadable("is empty")
    try:
        parsed: object = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("is not JSON") from None
    if not isinstance(parsed, dict):
        raise Unreadable("is not a JSON object")
    return parsed


def _replicas_by_partition(value: object, name: str) -> Mapping[int, tuple[int, ...]]:
    found = {}
    for number, replicas in _object(value, name).items():
        if not re.fullmatch(r"\d{1,9}", number, re.ASCII):
            raise Unreadable(f"has the partition {number!r} in {name}")
        found[int(number)] = _integers(replicas, name)
    return found


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Unreadable(f"has no object {name!r}")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"has no text {name!r}")
    return value


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else _text(value, name)


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Unreadable(f"has no list {name!r}")
    return tuple(_text(item, name) for item in value)


def _integer(value: object, name: str) -> int:
    if not _is_int(value):
        raise Unreadable(f"has no number {name!r}")
    return value


def _integers(value: object, name: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise Unreadable(f"has no list {name!r}")
    return tuple(_integer(item, name) for item in value)


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
