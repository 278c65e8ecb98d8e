"""What an operator should know of a destination before the first write, whatever the plan is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from kafka_meta.model import Remark, Resource, Snapshot
from kafka_meta.plan.configs import differing_defaults, fitted_defaults, home_of
from kafka_meta.plan.policy import SECTIONS, Section

_RIGHTS: Mapping[Section, tuple[str, str]] = {
    "topics": ("CREATE", "topics are created only where an ACL allows it by their name"),
    "acls": ("ALTER", "ACLs cannot be created"),
    "users": ("ALTER", "users cannot be created"),
    "quotas": ("ALTER_CONFIGS", "quotas cannot be set"),
    "other-configs": ("ALTER_CONFIGS", "configs of groups, client metrics and brokers cannot be set"),
}
"""The right on the cluster resource that a section needs, and what happens without it."""


def preflight(actual: Snapshot, sections: Iterable[Section] = SECTIONS) -> tuple[Remark, ...]:
    """Missing rights, brokers that do not answer, and until when positions are kept. `sections`: those into which
    something is written."""
    return tuple(_findings(actual, frozenset(sections)))


def other_defaults(source: Snapshot, actual: Snapshot) -> tuple[Remark, ...]:
    """The brokers' defaults that differ, and which clients of a topic notice. Where a side's are not known, it says
    so."""
    if source.defaults is None or actual.defaults is None:
        side = "source" if source.defaults is None else "destination"
        return (Remark(resource=Resource("defaults"), reason=f"those of the {side} could not be read"),)
    there, fitted = actual.defaults, fitted_defaults(source.defaults, home_of(actual))
    return tuple(
        Remark(
            resource=Resource("default", name),
            reason=f"{value} on the source, {there.get(name, 'not known')} on the destination (--pin-defaults)",
        )
        for name, value in differing_defaults(fitted, there).items()
    )


def _findings(actual: Snapshot, sections: frozenset[Section]) -> Iterator[Remark]:
    if actual.operations is not None:
        for section in SECTIONS:
            right, without = _RIGHTS.get(section, ("", ""))
            if section in sections and right and right not in actual.operations:
                yield Remark(resource=Resource(section), reason=f"no right to {right} on the cluster: {without}")
    for broker in actual.cluster.absent:
        yield Remark(resource=Resource("broker", str(broker)), reason="it belongs to the destination and is not there")
    for gap in actual.gaps:
        if gap.resource.kind == "configs of broker":
            reason = f"its configs could not be read: {gap.reason}"
            yield Remark(resource=Resource("broker", gap.resource.name), reason=reason)
    minutes = actual.cluster.offsets_retention_minutes
    if "groups" in sections and minutes is not None:
        last = datetime.fromtimestamp(actual.taken_at_ms / 1000 + 60 * minutes, UTC)
        reason = f"consumers that do not start until {last:%Y-%m-%d %H:%M} UTC lose the positions that are set now "
        reason += f"(offsets.retention.minutes={minutes} on the destination)"
        yield Remark(resource=Resource("groups"), reason=reason)
