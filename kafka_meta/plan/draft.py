"""A plan, and a plan that is being written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from kafka_meta.model import Remark, sorted_remarks
from kafka_meta.plan.actions import Action, CommitOffsets, CreateTopic, Result, resource_of

PartitionKey: TypeAlias = tuple[str, int]
Value: TypeAlias = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`source` is what ought to be on the destination, `dest` what is there."""

    resource: str
    difference: Literal["missing", "different", "extra"]
    aspect: str | None = None
    """Which part differs: a config's name, "partitions", "replicationFactor", "offset orders-3"."""
    source: Value = None
    dest: Value = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`skipped`: not moved, by the policy or by nature. `refused`: asked for, and not possible or
    not safe. Both always with a reason. `warnings` name what the operator ought to know first."""

    source_id: str | None
    dest_id: str | None
    actions: tuple[Action, ...] = ()
    present: tuple[str, ...] = ()
    drift: tuple[Difference, ...] = ()
    """Differs, and nobody said that it should; left alone."""
    intended: tuple[Difference, ...] = ()
    """Differs because a policy or the destination's nature says so."""
    extra: tuple[Difference, ...] = ()
    """Only on the destination; left alone."""
    skipped: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()
    unread: tuple[Remark, ...] = ()
    """What could not be compared, because one side could not be read."""
    warnings: tuple[Remark, ...] = ()
    equal: Mapping[str, int] = field(default_factory=dict)
    """How many topics, partitions, configs, positions, rules, users and quotas were found as they ought to be."""

    def without(self, rejected: Sequence[Result]) -> Plan:
        """The plan when the destination's own validation has refused some of its topics: they and the
        positions on them move from the actions to the refused, with the broker's reason."""
        topics = {result.action.topic for result in rejected if isinstance(result.action, CreateTopic)}
        refused = [
            Remark(resource=resource_of(result.action), reason=result.error or "refused by the destination")
            for result in rejected
        ]
        actions: list[Action] = []
        for action in self.actions:
            if isinstance(action, CreateTopic) and action.topic in topics:
                continue
            if isinstance(action, CommitOffsets):
                kept = tuple(offset for offset in action.offsets if offset.topic not in topics)
                refused += (
                    Remark(resource=f"group {action.group} on topic {topic}", reason="the topic is refused")
                    for topic in sorted({offset.topic for offset in action.offsets} & topics)
                )
                if not kept:
                    continue
                action = replace(action, offsets=kept)
            actions.append(action)
        return replace(self, actions=tuple(actions), refused=sorted_remarks((*self.refused, *refused)))


@dataclass(slots=True)
class Draft:
    """What the comparisons write into; the one thing in this room that changes."""

    topics: list[Action] = field(default_factory=list)
    partitions: list[Action] = field(default_factory=list)
    configs: list[Action] = field(default_factory=list)
    positions: list[Action] = field(default_factory=list)
    acls: list[Action] = field(default_factory=list)
    users: list[Action] = field(default_factory=list)
    quotas: list[Action] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    drift: list[Difference] = field(default_factory=list)
    intended: list[Difference] = field(default_factory=list)
    extra: list[Difference] = field(default_factory=list)
    skipped: list[Remark] = field(default_factory=list)
    refused: list[Remark] = field(default_factory=list)
    unread: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    equal: Counter[str] = field(default_factory=Counter)

    def skip(self, resource: str, reason: str) -> None:
        self.skipped.append(Remark(resource=resource, reason=reason))

    def refuse(self, resource: str, reason: str) -> None:
        self.refused.append(Remark(resource=resource, reason=reason))

    def cannot_compare(self, resource: str, reason: str) -> None:
        self.unread.append(Remark(resource=resource, reason=reason))

    def warn(self, resource: str, reason: str) -> None:
        self.warnings.append(Remark(resource=resource, reason=reason))

    def intend(self, resource: str, aspect: str, source: Value, dest: Value, reason: str) -> None:
        self.intended.append(_different(resource, aspect, source, dest, reason))

    def drifts(self, resource: str, aspect: str, source: Value, dest: Value, reason: str) -> None:
        self.drift.append(_different(resource, aspect, source, dest, reason))

    def only_there(self, resource: str, dest: Value) -> None:
        self.extra.append(Difference(resource=resource, difference="extra", dest=dest))

    def plan(self, source_id: str | None, dest_id: str | None, *, rules_first: bool) -> Plan:
        """The order of the actions is the order in which they are safe to carry out.

        With `rules_first` no topic is open for a moment. It takes an operator whose rights no rule can end:
        others could lose the right to set positions on the way.
        """
        topics = (*self.topics, *self.partitions, *self.configs, *self.positions)
        return Plan(
            source_id=source_id,
            dest_id=dest_id,
            # Who logs in before the rules are there could do more, or less, than the rules say.
            actions=(*((*self.acls, *topics) if rules_first else (*topics, *self.acls)), *self.users, *self.quotas),
            present=tuple(self.present),
            drift=tuple(self.drift),
            intended=tuple(self.intended),
            extra=tuple(self.extra),
            skipped=sorted_remarks(self.skipped),
            refused=sorted_remarks(self.refused),
            unread=sorted_remarks(self.unread),
            warnings=sorted_remarks(self.warnings),
            equal=dict(self.equal),
        )


def _different(resource: str, aspect: str, source: Value, dest: Value, reason: str) -> Difference:
    return Difference(resource=resource, difference="different", aspect=aspect, source=source, dest=dest, reason=reason)


def plural(count: int, noun: str) -> str:
    """`1 topic`, `2,000 topics`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
