"""Which requests of a list the brokers support, by the names that Kafka's protocol guide has for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kafka.protocol.admin import DescribeConfigsRequest, IncrementalAlterConfigsRequest
from kafka.protocol.consumer import (
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    ListOffsetsRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    OffsetForLeaderEpochRequest,
    SyncGroupRequest,
)
from kafka.protocol.metadata import FindCoordinatorRequest

from kafka_meta.wire.connection import Wire
from kafka_meta.wire.fetch import Fetch
from kafka_meta.wire.produce import Produce


class Ability(NamedTuple):
    """A request in one of the versions `lowest` … `highest`."""

    name: str
    api_key: int
    lowest: int
    highest: int

    def __str__(self) -> str:
        return f"{self.name} (version {self.lowest} or higher)" if self.lowest else self.name


def _of(request: type, lowest: int = 0) -> Ability:
    name = request.__name__.removesuffix("Request")
    return Ability(name, request.API_KEY, lowest, request.max_version)  # type: ignore[attr-defined]


PRODUCE = Ability("Produce", Produce.API_KEY, *Produce.VERSIONS)
FETCH = Ability("Fetch", Fetch.API_KEY, *Fetch.VERSIONS)
LIST_OFFSETS = _of(ListOffsetsRequest, 1)
"""Version 0 returns segments' offsets, not the offset at a time."""
OFFSET_FOR_LEADER_EPOCH = _of(OffsetForLeaderEpochRequest, 1)
"""Version 0 does not return the epoch that the answer is about."""
DESCRIBE_CONFIGS = _of(DescribeConfigsRequest)
INCREMENTAL_ALTER_CONFIGS = _of(IncrementalAlterConfigsRequest)
GROUPS = tuple(
    map(_of, (FindCoordinatorRequest, JoinGroupRequest, SyncGroupRequest, HeartbeatRequest, LeaveGroupRequest))
)
POSITIONS = tuple(map(_of, (OffsetCommitRequest, OffsetFetchRequest)))


def missing(wire: Wire, wanted: Iterable[Ability]) -> tuple[Ability, ...]:
    """Those of `wanted` of which the brokers support no version that we know."""
    return tuple(each for each in wanted if not wire.supports(each.api_key, each.lowest, each.highest))
