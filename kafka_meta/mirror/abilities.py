"""Whether both sides support the requests that a copy needs.

A finding names the request, not a version of Kafka: services that speak Kafka's protocol leave out some requests,
whatever their age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kafka_meta.mirror.findings import Findings
from kafka_meta.model import Remark, Resource
from kafka_meta.settings import Role
from kafka_meta.wire import Config, Unanswered, Wire
from kafka_meta.wire.abilities import (
    DESCRIBE_CONFIGS,
    FETCH,
    GROUPS,
    INCREMENTAL_ALTER_CONFIGS,
    LIST_OFFSETS,
    OFFSET_FOR_LEADER_EPOCH,
    POSITIONS,
    PRODUCE,
    Ability,
    missing,
)
from kafka_meta.wire.partitions import numbers_producers, producer_memory_ms

_SOURCE: Mapping[Ability, str] = {
    FETCH: "to read records",
    LIST_OFFSETS: "to know which records exist",
}
_DEST: Mapping[Ability, str] = {
    PRODUCE: "to write records",
    FETCH: "to compare what has arrived",
    LIST_OFFSETS: "to know which records have arrived",
    # ListOffsets returns the high watermark only: records above it that have arrived would be sent twice.
    OFFSET_FOR_LEADER_EPOCH: "to know which records have arrived, also those that are not replicated yet",
    **dict.fromkeys(GROUPS, "to prevent a second copy at the same time"),
    **dict.fromkeys(POSITIONS, "to set the groups' positions"),
}
_GUARD: Mapping[Ability, str] = {
    DESCRIBE_CONFIGS: "to know the retention that --release sets again",
    INCREMENTAL_ALTER_CONFIGS: "to turn retention off",
}
NO_IDEMPOTENCE = Remark(
    resource=Resource("destination"), reason="it does not support idempotent producers: batches are sent one at a time"
)
_WITHOUT_GUARD = "--no-guard copies without that"


def lacks(wire: Wire, role: Role, *, guard: bool) -> Iterator[str]:
    """What a copy needs and the brokers of this side do not support, one sentence each."""
    needed = _SOURCE if role == "source" else _DEST
    yield from (f"{_without(each)}, which is needed {needed[each]}" for each in missing(wire, needed))
    if role == "dest" and guard:
        for each in missing(wire, _GUARD):
            yield f"{_without(each)}, which is needed {_GUARD[each]}: {_WITHOUT_GUARD}"


def _without(ability: Ability) -> str:
    return f"its brokers do not support {ability}"


def look_at_abilities(
    from_source: Wire,
    to_dest: Wire,
    brokers: Iterable[Mapping[str, Config] | Unanswered],
    *,
    guard: bool,
    found: Findings,
) -> None:
    """`brokers` are the configs of the destination's brokers."""
    for reason in lacks(from_source, "source", guard=guard):
        found.find(Resource("source"), reason)
    for reason in lacks(to_dest, "dest", guard=guard):
        found.find(Resource("destination"), reason)
    if not numbers_producers(to_dest):
        found.warnings.append(NO_IDEMPOTENCE)
    elif producer_memory_ms(brokers) is None:
        reason = "its brokers do not report producer.id.expiration.ms: batches are sent one at a time"
        found.warn(Resource("destination"), reason)
