"""The operations that we may do on single topics and groups (KIP-430, since 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest

from kafka_meta.wire.connection import Unanswered, Wire, authorized
from kafka_meta.wire.topics import metadata

_GROUP = 0
_FIRST_VERSION = 8
"""The first version of Metadata that returns them; DescribeGroups returns them from version 3 on."""


def topic_operations(wire: Wire, topics: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """By topic. A topic is absent where the brokers do not return its operations, or return an error for it."""
    asked = [MetadataRequest.MetadataRequestTopic(name=name) for name in sorted(set(topics))]
    try:
        answer = wire.ask(
            MetadataRequest(
                topics=asked,
                allow_auto_topic_creation=False,
                include_topic_authorized_operations=True,
                min_version=_FIRST_VERSION,
            )
        )
    except Unanswered:
        return {}
    told = {topic.name: authorized(topic.authorized_operations) for topic in answer.topics if not topic.error_code}
    return {name: operations for name, operations in told.items() if operations is not None}


def group_operations(wire: Wire, groups: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """By group, whether it exists or not. A group is absent where its coordinator does not return its operations.

    After GROUP_AUTHORIZATION_FAILED the set is empty: whoever has any right on a group may describe it.
    """
    names = sorted(set(groups))
    told = metadata(wire, [OFFSETS_TOPIC])
    if OFFSETS_TOPIC not in told.topics and not any("AUTHORIZATION" in gap.reason for gap in told.gaps):
        # Asking for a coordinator creates the offsets topic, which a check must not do.
        return {}
    coordinators: list[Any] = wire.ask_all(
        [(None, FindCoordinatorRequest(key=name, key_type=_GROUP, max_version=3)) for name in names]
    )
    requests = [
        # Version 6 answers with an error, and without operations, for a group that does not exist.
        (coordinator.node_id, DescribeGroupsRequest(groups=[name], include_authorized_operations=True, max_version=5))
        for name, coordinator in zip(names, coordinators, strict=True)
        if not isinstance(coordinator, Unanswered) and not coordinator.error_code
    ]
    found: dict[str, frozenset[str]] = {}
    for name, coordinator in zip(names, coordinators, strict=True):
        if getattr(coordinator, "error_code", None) == _NOT_AUTHORIZED:
            found[name] = frozenset()
    for answer in wire.ask_all(requests):
        for group in () if isinstance(answer, Unanswered) else answer.groups:
            operations = frozenset() if group.error_code == _NOT_AUTHORIZED else authorized(group.authorized_operations)
            if operations is not None:
                found[group.group_id] = operations
    return found


OFFSETS_TOPIC = "__consumer_offsets"

_NOT_AUTHORIZED = 30
"""GROUP_AUTHORIZATION_FAILED."""
