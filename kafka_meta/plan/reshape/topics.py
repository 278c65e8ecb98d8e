"""Topics for the destination: their names, factors and configs there."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.model import INTERNAL_TOPICS, Resource, Snapshot, Topic, internal_to
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
        elif (reason := _why_stays(topic, policy)) is not None:
            notes.skip(resource, reason)
        elif topic.name not in moving:
            name = policy.topic_name(topic.name)
            notes.refuse(resource, f"--rename gives it the name {name}, which another topic has already")
        else:
            made = _reshape_topic(topic, moving[topic.name], pinned, policy, home, notes)
            if (reason := _why_not_now(made, policy, home)) is not None:
                notes.refuse(Resource("topic", made.name), reason)
            else:
                wanted.append(made)
    return tuple(wanted)


def _why_stays(topic: Topic, policy: Policy) -> str | None:
    """Why a topic does not move: every cluster has its own of that name."""
    owner = internal_to(topic.name)
    if topic.name in INTERNAL_TOPICS or (topic.internal and owner is None):
        return "internal: every cluster has its own"
    if owner is not None and not policy.selection.include_internal:
        return f"internal to {owner}: every cluster has its own (--include-internal takes it)"
    return None


def destined(source: Snapshot, policy: Policy) -> dict[str, str]:
    """Name on the source → name on the destination of the topics that move: selected, and not a cluster's own. Of two
    topics with the same name on the destination, only the first moves."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for topic in source.topics or ():
        if policy.selection.topic(topic.name) and _why_stays(topic, policy) is None:
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
        configs=_configs(resource, _chosen(resource, topic, policy, pinned, notes), home, there, notes),
        configs_known=topic.configs is not None,
    )


def _chosen(
    resource: Resource, topic: Topic, policy: Policy, pinned: Mapping[str, str], notes: Notes
) -> dict[str, str]:
    """The overrides that the operator wants for the topic."""
    overrides = topic.configs or {}
    chosen = {**pinned, **overrides}
    reasons = dict.fromkeys(pinned.keys() - overrides.keys(), "--pin-defaults: the source's broker default")
    for config in policy.configs:
        if config.applies(topic.name):
            chosen.pop(config.name, None)
            if config.value is not None:
                chosen[config.name] = config.value
            reasons[config.name] = config.option
    for name in sorted(reasons):
        if overrides.get(name) != chosen.get(name):
            notes.intend(resource, name, overrides.get(name), chosen.get(name), reasons[name])
    return chosen


def _configs(
    resource: Resource, chosen: Mapping[str, str], home: Home, factor: int | None, notes: Notes
) -> dict[str, str]:
    """The overrides, fitted to the destination, where the topic's replication factor is `factor`."""
    fitted, adjustments = fit(chosen, home, replication_factor=factor)
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


def _why_not_now(topic: DesiredTopic, policy: Policy, home: Home) -> str | None:
    """Why a new topic cannot have its replicas while brokers of the destination are not there. With fewer of them it
    would keep fewer replicas for ever."""
    there = (home.brokers or 0) - len(home.absent)
    factor = topic.replication_factor
    if policy.replication_factor != "auto" or not home.absent or topic.name in home.factors or (factor or 0) <= there:
        return None
    missing = ", ".join(map(str, home.absent))
    return (
        f"it has {plural(factor or 0, 'replica')}, and {plural(len(home.absent), 'broker')} of the destination "
        f"({missing}) cannot be reached: start it and run the same command again, or say --replication-factor {there}"
    )


def _known_factor(factor: int | None, home: Home) -> int | None:
    if factor not in (None, BROKER_DEFAULT):
        return factor
    default = (home.defaults or {}).get("default.replication.factor")
    return None if default is None else int(default)


def _why_factor(policy: Policy, home: Home) -> str:
    if policy.replication_factor == "auto" and home.brokers is not None:
        return f"the destination has {plural(home.brokers, 'broker')}"
    return f"--replication-factor {policy.replication_factor}"
