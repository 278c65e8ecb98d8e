"""Topics, their partitions and configs: desired and actual → what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Set

from kafka_meta.model import Snapshot, Topic
from kafka_meta.plan.actions import BROKER_DEFAULT, AddPartitions, CreateTopic, SetConfigs
from kafka_meta.plan.configs import NOT_PINNED, Home, differing_defaults, fit, is_compacted, same_value
from kafka_meta.plan.draft import Draft, plural
from kafka_meta.plan.policy import Policy
from kafka_meta.plan.traces import Traces


def compare_topics(
    desired: Snapshot, actual: Snapshot, policy: Policy, home: Home, traces: Traces, draft: Draft
) -> None:
    if desired.topics is None:
        draft.cannot_compare("topics", "not in the file")
        return
    if actual.topics is None:
        draft.cannot_compare("topics", "the destination's topics could not be read")
        return
    there = {topic.name: topic for topic in actual.topics}
    moving = destined(desired, policy)
    for topic in desired.topics:
        resource = f"topic {topic.name}"
        if not policy.selection.topic(topic.name):
            draft.skip(resource, "not selected")
        elif topic.internal:
            draft.skip(resource, "internal: every cluster keeps its own")
        elif topic.name not in moving:
            draft.refuse(resource, f"would be called {policy.topic_name(topic.name)}, as another topic already is")
        else:
            name = moving[topic.name]
            _compare_topic(topic, name, there.get(name), policy, home, desired.defaults, traces, draft)
    known = {policy.renamed("topic", topic.name) for topic in desired.topics}
    for name in sorted(there.keys() - known):
        if not there[name].internal and policy.selection.topic(name):
            draft.only_there(f"topic {name}", len(there[name].partitions))
    _compare_defaults(desired, actual, policy, home, frozenset(moving), draft)


def destined(desired: Snapshot, policy: Policy) -> dict[str, str]:
    """The names on the destination of the topics that move: selected, not internal, and first of that name there."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for topic in desired.topics or ():
        if policy.selection.topic(topic.name) and not topic.internal:
            name = policy.topic_name(topic.name)
            if name not in taken:
                taken.add(name)
                names[topic.name] = name
    return names


def _compare_topic(
    topic: Topic,
    name: str,
    there: Topic | None,
    policy: Policy,
    home: Home,
    source_defaults: Mapping[str, str] | None,
    traces: Traces,
    draft: Draft,
) -> None:
    resource = f"topic {name}"
    if name != topic.name:
        draft.intend(resource, "name", topic.name, name, "--rename")
    if topic.configs is None:
        draft.cannot_compare(resource, "its configs could not be read on the source: the destination's defaults count")
    if there is not None:
        _compare_existing(topic, there, policy, home, source_defaults, traces.guarded.get(name, {}), draft)
    elif not topic.partitions:
        draft.cannot_compare(resource, "its partitions could not be read on the source")
    else:
        factor = _replication_factor(topic, policy, home)
        if policy.replication_factor == "auto" and topic.replication_factor is None:
            draft.warn(resource, "its replication factor is not known: the destination's default is used")
        elif factor not in (topic.replication_factor, BROKER_DEFAULT):
            draft.intend(resource, "replicationFactor", topic.replication_factor, factor, _why_factor(policy, home))
        configs = _desired_configs(topic, name, policy, home, source_defaults, factor, draft)
        draft.topics.append(
            CreateTopic(
                topic=name,
                partitions=len(topic.partitions),
                replication_factor=factor,
                configs=configs,
                compacted=is_compacted(configs, home.defaults),
            )
        )


def _compare_existing(
    topic: Topic,
    there: Topic,
    policy: Policy,
    home: Home,
    source_defaults: Mapping[str, str] | None,
    guarded: Mapping[str, tuple[str, str | None]],
    draft: Draft,
) -> None:
    resource = f"topic {there.name}"
    open_before = len(draft.drift) + len(draft.partitions) + len(draft.configs)
    wanted, found = len(topic.partitions), len(there.partitions)
    draft.equal["partitions"] += min(wanted, found)
    if wanted > found:
        draft.partitions.append(AddPartitions(topic=there.name, existing=found, total=wanted))
    elif 0 < wanted < found:
        draft.drifts(resource, "partitions", wanted, found, "partitions are never removed")
    _compare_factor(topic, there, policy, home, draft)
    if there.configs is None:
        draft.cannot_compare(resource, "its configs on the destination could not be read")
    elif topic.configs is not None:
        factor = there.replication_factor
        noted = len(draft.intended)
        configs = _desired_configs(topic, there.name, policy, home, source_defaults, factor, draft)
        changed = {each.aspect for each in draft.intended[noted:]}
        _compare_configs(there.name, configs, changed, there.configs, guarded, policy, draft)
    if len(draft.drift) + len(draft.partitions) + len(draft.configs) == open_before:
        draft.present.append(resource)
        draft.equal["topics"] += 1


def _compare_factor(topic: Topic, there: Topic, policy: Policy, home: Home, draft: Draft) -> None:
    resource = f"topic {there.name}"
    wanted = _replication_factor(topic, policy, home)
    source, dest = topic.replication_factor, there.replication_factor
    if wanted == BROKER_DEFAULT or source is None or dest is None:
        return
    if dest != wanted:
        reason = "replicas are moved by a reassignment, not by kafka-meta; left alone"
        draft.drifts(resource, "replicationFactor", wanted, dest, reason)
    elif wanted != source:
        draft.intend(resource, "replicationFactor", source, dest, _why_factor(policy, home))


def _compare_configs(
    name: str,
    wanted: Mapping[str, str],
    changed: Set[str | None],
    found: Mapping[str, str],
    guarded: Mapping[str, tuple[str, str | None]],
    policy: Policy,
    draft: Draft,
) -> None:
    """`changed` are those wanted otherwise than the source has them, on purpose: they do not count as equal."""
    to_set = {config: value for config, value in wanted.items() if not same_value(config, found.get(config), value)}
    draft.equal["configs"] += len(wanted.keys() - to_set.keys() - changed)
    # To set them now would let the broker delete what has been copied and not been read.
    kept = {
        config: before
        for config, (now, before) in guarded.items()
        if found.get(config) == now and (config in to_set or config not in wanted)
    }
    for config, before in sorted(kept.items()):
        ought = to_set.pop(config, None)
        if same_value(config, before, ought):
            reason = "keeps what was copied until mirror --release"
            draft.intend(f"topic {name}", config, ought, found[config], reason)
        else:
            reason = f"keeps what was copied; mirror --release will put {before or 'the default'} back"
            draft.drifts(f"topic {name}", config, ought, found[config], reason)
    if to_set and policy.on_drift == "set":
        previous = {config: found.get(config) for config in to_set}
        draft.configs.append(SetConfigs(topic=name, configs=to_set, previous=previous))
    else:
        for config, value in to_set.items():
            draft.drifts(f"topic {name}", config, value, found.get(config), "left alone; --on-drift set")
    for config in sorted(found.keys() - wanted.keys() - NOT_PINNED - kept.keys()):
        draft.drifts(f"topic {name}", config, None, found[config], "overridden only on the destination; left alone")


def _desired_configs(
    topic: Topic,
    name: str,
    policy: Policy,
    home: Home,
    source_defaults: Mapping[str, str] | None,
    factor: int | None,
    draft: Draft,
) -> dict[str, str]:
    """The topic's overrides as the destination can hold them; what changed on the way is noted."""
    resource = f"topic {name}"
    overrides = dict(topic.configs or {})
    if policy.pin_defaults and source_defaults is not None:
        pinned = differing_defaults(source_defaults, home)
        for config in sorted(pinned.keys() - overrides.keys()):
            overrides[config] = pinned[config]
            draft.intend(resource, config, None, pinned[config], "--pin-defaults: the source's broker default")
    fitted, adjustments = fit(overrides, home, replication_factor=_known_factor(factor, home))
    for adjustment in adjustments:
        if adjustment.value is None:
            draft.skip(f"config {adjustment.name} of topic {name}", adjustment.reason)
        else:
            draft.intend(resource, adjustment.name, adjustment.was, adjustment.value, adjustment.reason)
    return fitted


def _replication_factor(topic: Topic, policy: Policy, home: Home) -> int:
    match policy.replication_factor:
        case "default":
            return BROKER_DEFAULT
        case "auto":
            if topic.replication_factor is None:
                return BROKER_DEFAULT
            return min(topic.replication_factor, home.brokers or topic.replication_factor)
        case number:
            return number


def _known_factor(factor: int | None, home: Home) -> int | None:
    if factor != BROKER_DEFAULT:
        return factor
    default = (home.defaults or {}).get("default.replication.factor")
    return None if default is None else int(default)


def _why_factor(policy: Policy, home: Home) -> str:
    if policy.replication_factor == "auto" and home.brokers is not None:
        return f"the destination has {plural(home.brokers, 'broker')}"
    return f"--replication-factor {policy.replication_factor}"


def _compare_defaults(
    desired: Snapshot, actual: Snapshot, policy: Policy, home: Home, moving: frozenset[str], draft: Draft
) -> None:
    """Topics that rely on a broker default behave differently where the defaults differ."""
    if desired.defaults is None:
        if policy.pin_defaults:
            draft.warn("defaults", "--pin-defaults has nothing to write: the source's defaults are not in the file")
        return
    if actual.defaults is None:
        draft.warn("defaults", "the destination's could not be read: whether topics behave as before is not known")
        return
    if policy.pin_defaults:
        return
    overrides = [
        fit(topic.configs, home, replication_factor=None)[0]
        for topic in desired.topics or ()
        if topic.name in moving and topic.configs is not None
    ]
    for name, value in differing_defaults(desired.defaults, home).items():
        relying = sum(1 for configs in overrides if name not in configs)
        if relying and name in actual.defaults:
            draft.warn(
                f"default {name}",
                f"is {value} on the source, {actual.defaults[name]} on the destination; "
                f"not overridden by {plural(relying, 'topic')} (--pin-defaults)",
            )
