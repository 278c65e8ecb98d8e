"""Topics for the destination: their names, factors and configs there."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.model import Resource, Snapshot, Topic
from kafka_meta.plan.actions import BROKER_DEFAULT
from kafka_meta.plan.configs import Home, differing_defaults, fit
from kafka_meta.plan.desired import DesiredTopic
from kafka_meta.plan.draft import plural
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy


def reshape_topics(
    source: Snapshot, defaults: Mapping[str, str] | None, policy: Policy, home: Home, notes: Notes
) -> tuple[DesiredTopic, ...] | None:
    """The topics that move. `defaults` are the source's, fitted to the destination. Raises UsageError."""
    if source.topics is None:
        notes.cannot_compare(Resource("topics"), "not in the file")
        return None
    if policy.pin_defaults and defaults is None:
        notes.warn(Resource("defaults"), "--pin-defaults has no effect: the source's defaults are not in the file")
    pinned = differing_defaults(defaults or {}, home.defaults) if policy.pin_defaults else {}
    moving = destined(source, policy)
    wanted: list[DesiredTopic] = []
    for topic in source.topics:
        resource = Resource("topic", topic.name)
        if not policy.selection.topic(topic.name):
            notes.skip(resource, "not selected")
        elif topic.internal:
            notes.skip(resource, "internal: every cluster has its own")
        elif topic.name not in moving:
            name = policy.topic_name(topic.name)
            notes.refuse(resource, f"--rename gives it the name {name}, which another topic has already")
        else:
            wanted.append(_reshape_topic(topic, moving[topic.name], pinned, policy, home, notes))
    return tuple(wanted)


def destined(source: Snapshot, policy: Policy) -> dict[str, str]:
    """Name on the source → name on the destination of the topics that move: selected and not internal. Of two topics
    with the same name on the destination, only the first moves."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for topic in source.topics or ():
        if policy.selection.topic(topic.name) and not topic.internal:
            name = policy.topic_name(topic.name)
            if name not in taken:
                taken.add(name)
                names[topic.name] = name
    return names


def _reshape_topic(
    topic: Topic, name: str, pinned: Mapping[str, str], policy: Policy, home: Home, notes: Notes
) -> DesiredTopic:
    resource = Resource("topic", name)
    if name != topic.name:
        notes.intend(resource, "name", topic.name, name, "--rename")
    factor = _replication_factor(topic, policy, home)
    if factor not in (None, topic.replication_factor, BROKER_DEFAULT):
        notes.intend(resource, "replicationFactor", topic.replication_factor, factor, _why_factor(policy, home))
    if topic.configs is None:
        notes.cannot_compare(
            resource, "its configs could not be read on the source: the destination's defaults are used"
        )
    there = home.factors.get(name, _known_factor(factor, home))
    return DesiredTopic(
        name=name,
        partitions=len(topic.partitions),
        replication_factor=factor,
        configs=_configs(resource, topic.configs or {}, pinned, home, there, notes),
        configs_known=topic.configs is not None,
    )


def _configs(
    resource: Resource,
    overrides: Mapping[str, str],
    pinned: Mapping[str, str],
    home: Home,
    factor: int | None,
    notes: Notes,
) -> dict[str, str]:
    """The topic's overrides, fitted to the destination, where its replication factor is `factor`."""
    for config in sorted(pinned.keys() - overrides.keys()):
        notes.intend(resource, config, None, pinned[config], "--pin-defaults: the source's broker default")
    fitted, adjustments = fit({**pinned, **overrides}, home, replication_factor=factor)
    for adjustment in adjustments:
        if adjustment.value is None:
            notes.skip(resource, f"config {adjustment.name}: {adjustment.reason}")
        else:
            notes.intend(resource, adjustment.name, adjustment.was, adjustment.value, adjustment.reason)
    return fitted


def _replication_factor(topic: Topic, policy: Policy, home: Home) -> int | None:
    match policy.replication_factor:
        case "default":
            return BROKER_DEFAULT
        case "auto":
            if topic.replication_factor is None:
                return None
            return min(topic.replication_factor, home.brokers or topic.replication_factor)
        case number:
            return number


def _known_factor(factor: int | None, home: Home) -> int | None:
    if factor not in (None, BROKER_DEFAULT):
        return factor
    default = (home.defaults or {}).get("default.replication.factor")
    return None if default is None else int(default)


def _why_factor(policy: Policy, home: Home) -> str:
    if policy.replication_factor == "auto" and home.brokers is not None:
        return f"the destination has {plural(home.brokers, 'broker')}"
    return f"--replication-factor {policy.replication_factor}"
