"""What applications do: topics, records, positions, by confluent-kafka; and reading back, record by record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

Row = tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], tuple[int, int]]
"""Offset, key, value, headers in order, (timestamp type, timestamp)."""


def admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"log_level": 0, "bootstrap.servers": bootstrap_servers})


def create(
    bootstrap_servers: str, topics: Mapping[str, int], configs: Mapping[str, str] | None = None, replicas: int = 1
) -> None:
    """Topics by name with their partition counts; returns when all exist."""
    new = [NewTopic(name, count, replicas, config=dict(configs or {})) for name, count in topics.items()]
    client = admin(bootstrap_servers)
    for future in client.create_topics(new).values():
        future.result(30)


def produce(
    bootstrap_servers: str, topic: str, partition: int, values: Iterable[Any], settings: Mapping[str, Any] | None = None
) -> None:
    """In order. A value is bytes, None, or the keyword arguments of `Producer.produce`."""
    config = {
        "log_level": 0,
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "linger.ms": 5,
        **(settings or {}),
    }
    producer = Producer(config)
    failed: list[object] = []
    for value in values:
        arguments = value if isinstance(value, dict) else {"value": value}
        while True:
            try:
                producer.produce(
                    topic, partition=partition, **arguments, on_delivery=lambda e, _: failed.append(e) if e else None
                )
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush(60)
    assert failed == []


def commit(bootstrap_servers: str, group: str, positions: Mapping[tuple[str, int], int], metadata: str = "") -> None:
    places = [TopicPartition(topic, part, offset, metadata) for (topic, part), offset in positions.items()]
    client = admin(bootstrap_servers)

    def ask() -> None:
        asked = client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        for place in asked[group].result(10).topic_partitions:
            if place.error is not None:
                raise KafkaException(place.error)

    _patiently(ask)


def committed(bootstrap_servers: str, group: str) -> dict[tuple[str, int], int]:
    client = admin(bootstrap_servers)
    asked = [ConsumerGroupTopicPartitions(group)]
    told = _patiently(lambda: client.list_consumer_group_offsets(asked)[group].result(10))
    return {(place.topic, place.partition): place.offset for place in told.topic_partitions}


T = TypeVar("T")


def _patiently(ask: Callable[[], T]) -> T:
    """The first group of a cluster makes the topic of the groups' positions, and its coordinator needs a moment; where
    that topic has many partitions, librdkafka may be told too early, and is silent then."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except (KafkaException, TimeoutError) as error:
            # Of several brokers, the coordinator may not know a new topic yet.
            passing = ("OORDINATOR", "UNKNOWN_TOPIC_OR_PART")
            busy = isinstance(error, TimeoutError) or any(word in error.args[0].name() for word in passing)
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def config(bootstrap_servers: str, topic: str, name: str) -> str | None:
    """The topic's own value, None when it has none."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    client = admin(bootstrap_servers)
    entry = client.describe_configs([resource])[resource].result(30)[name]
    return entry.value if entry.source == 1 else None


def set_config(bootstrap_servers: str, topic: str, name: str, value: str) -> None:
    alter(bootstrap_servers, topic, {name: value})


def purge(bootstrap_servers: str, topic: str, partition: int, before: int) -> None:
    """The log begins at `before` from now on, as retention would do it."""
    place = TopicPartition(topic, partition, before)
    client = admin(bootstrap_servers)
    client.delete_records([place])[place].result(30)


def watermarks(bootstrap_servers: str, topic: str, partition: int) -> tuple[int, int]:
    consumer = Consumer({"log_level": 0, "bootstrap.servers": bootstrap_servers, "group.id": "unused"})
    try:
        for left in range(100, -1, -1):
            try:
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
                return low, high
            except KafkaException as error:
                # A leader that has just been elected is not known everywhere.
                if left == 0 or error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise
                time.sleep(0.1)
        raise AssertionError
    finally:
        consumer.close()


def rows(
    bootstrap_servers: str,
    topic: str,
    partition: int,
    start: int = 0,
    end: int | None = None,
    *,
    committed: bool = True,
) -> list[Row]:
    """Every record from offset `start` on, before `end` (or the partition's end)."""
    consumer = Consumer(
        {
            "log_level": 0,
            "bootstrap.servers": bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "fetch.wait.max.ms": 50,  # the end is told by an empty answer, after this time
        }
    )
    found: list[Row] = []
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        while True:
            message = consumer.poll(30)
            assert message is not None, "nothing arrives, not even the end"
            if message.error() is not None:
                assert message.error().name() == "_PARTITION_EOF", message.error()
                return found
            if end is not None and message.offset() >= end:
                return found
            headers = tuple(message.headers() or ())
            found.append((message.offset(), message.key(), message.value(), headers, message.timestamp()))
    finally:
        consumer.close()


def alter(servers: str, topic: str, configs: Mapping[str, str | None]) -> None:
    entries = [
        ConfigEntry(
            name,
            value,
            incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
        )
        for name, value in configs.items()
    ]
    client = admin(servers)
    for future in client.incremental_alter_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)]
    ).values():
        future.result(30)


def binding(topic: str, principal: str, operation: str, permission: str) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        principal,
        "*",
        AclOperation[operation],
        AclPermissionType[permission],
    )


def rule(servers: str, *bindings: AclBinding) -> None:
    client = admin(servers)
    for future in client.create_acls(list(bindings)).values():
        future.result(30)


def unrule(servers: str, each: AclBinding) -> None:
    client = admin(servers)
    filters = [
        AclBindingFilter(
            each.restype,
            each.name,
            each.resource_pattern_type,
            each.principal,
            each.host,
            each.operation,
            each.permission_type,
        )
    ]
    for future in client.delete_acls(filters).values():
        future.result(30)


def rules(servers: str, topic: str) -> set[tuple[Any, ...]]:
    client = admin(servers)
    every = AclBindingFilter(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    return {
        (each.principal, each.operation.name, each.permission_type.name)
        for each in client.describe_acls(every).result(30)
    }
