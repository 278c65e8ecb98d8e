"""A plan, and the draft that the comparisons write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from kafka_meta.model import Remark, Resource, Snapshot, sorted_remarks
from kafka_meta.plan.actions import Action, CommitOffsets, CreateTopic, Result
from kafka_meta.plan.differences import Difference, Value
from kafka_meta.plan.notes import Notes, different

PartitionKey: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`skipped`: does not move, because of the policy or because it cannot. `refused`: was asked for, but is not
    possible or not safe. Both have a reason. `warnings`: what the operator should know before the commit."""

    source_id: str | None
    dest_id: str | None
    actions: tuple[Action, ...] = ()
    present: tuple[Resource, ...] = ()
    drift: tuple[Difference, ...] = ()
    """Differs, and no policy asks for it. Left alone."""
    intended: tuple[Difference, ...] = ()
    """Differs because a policy or a limit of the destination requires it."""
    extra: tuple[Difference, ...] = ()
    """Only on the destination. Left alone."""
    skipped: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()
    unread: tuple[Remark, ...] = ()
    """What could not be compared because one side could not be read."""
    warnings: tuple[Remark, ...] = ()
    there: frozenset[Resource] = frozenset()
    """The topics and groups that the destination had when the plan was made. Empty where no action depends on it."""
    equal: Mapping[str, int] = field(default_factory=dict)
    """How many topics, partitions, configs, groups, positions, ACLs, users, quotas and other configs are as they
    should be."""

    def without(self, rejected: Sequence[Result]) -> Plan:
        """The plan after the destination's own validation has refused some topics. These topics and the positions on
        them are no longer actions but refused, with the broker's reason."""
        topics = {result.action.topic for result in rejected if isinstance(result.action, CreateTopic)}
        refused = [
            Remark(resource=result.action.resource, reason=result.error or "refused by the destination")
            for result in rejected
        ]
        actions: list[Action] = []
        for action in self.actions:
            if isinstance(action, CreateTopic) and action.topic in topics:
                continue
            if isinstance(action, CommitOffsets):
                kept = tuple(offset for offset in action.offsets if offset.topic not in topics)
                refused += (
                    Remark(resource=action.resource, reason=f"on topic {topic}: its topic is refused")
                    for topic in sorted({offset.topic for offset in action.offsets} & topics)
                )
                if not kept:
                    continue
                action = replace(action, offsets=kept)
            actions.append(action)
        return replace(self, actions=tuple(actions), refused=sorted_remarks((*self.refused, *refused)))


def names_there(actual: Snapshot) -> frozenset[Resource]:
    """The topics and groups of a destination, but for its own internal topics."""
    topics = {Resource("topic", topic.name) for topic in actual.topics or () if not topic.internal}
    return frozenset(topics | {Resource("group", group.id) for group in actual.groups or ()})


@dataclass(slots=True, kw_only=True)
class Draft(Notes):
    """What the comparisons of the sections write."""

    as_intended: Mapping[Resource, Sequence[Difference]] = field(default_factory=dict)
    """How each resource ought to differ from the source."""
    topics: list[Action] = field(default_factory=list)
    partitions: list[Action] = field(default_factory=list)
    configs: list[Action] = field(default_factory=list)
    positions: list[Action] = field(default_factory=list)
    acls: list[Action] = field(default_factory=list)
    users: list[Action] = field(default_factory=list)
    quotas: list[Action] = field(default_factory=list)
    other_configs: list[Action] = field(default_factory=list)
    present: list[Resource] = field(default_factory=list)
    drift: list[Difference] = field(default_factory=list)
    extra: list[Difference] = field(default_factory=list)
    equal: Counter[str] = field(default_factory=Counter)

    def drifts(self, resource: Resource, aspect: str, source: Value, dest: Value, reason: str) -> None:
        self.drift.append(different(resource, aspect, source, dest, reason))

    def only_there(self, resource: Resource, dest: Value, *, aspect: str | None = None) -> None:
        self.extra.append(Difference(resource=resource, difference="extra", aspect=aspect, dest=dest))

    def differs_as_intended(self, resource: Resource, *, without: Collection[str] = ()) -> None:
        """Notes how the resource ought to differ from the source, but for the aspects `without`."""
        self.intended += (each for each in self.as_intended.get(resource, ()) if each.aspect not in without)

    def plan(
        self, source_id: str | None, dest_id: str | None, *, rules_first: bool, there: frozenset[Resource]
    ) -> Plan:
        """The plan, its actions in an order that is safe to carry out.

        With `rules_first` the ACLs exist before the topics, so that no topic is open at first. That is safe only for
        an operator whose rights no ACL can end: others could lose the right to set positions.
        """
        topics = (*self.topics, *self.partitions, *self.configs, *self.positions)
        last = (*self.quotas, *self.other_configs)
        return Plan(
            source_id=source_id,
            dest_id=dest_id,
            # Users come after the ACLs: a user that logs in earlier could do more, or less, than the ACLs allow.
            actions=(*((*self.acls, *topics) if rules_first else (*topics, *self.acls)), *self.users, *last),
            present=tuple(self.present),
            drift=tuple(self.drift),
            intended=tuple(self.intended),
            extra=tuple(self.extra),
            skipped=sorted_remarks(self.skipped),
            refused=sorted_remarks(self.refused),
            unread=sorted_remarks(self.unread),
            warnings=sorted_remarks(self.warnings),
            there=there,
            equal=dict(self.equal),
        )


def plural(count: int, noun: str) -> str:
    """`1 topic`, `2,000 topics`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
