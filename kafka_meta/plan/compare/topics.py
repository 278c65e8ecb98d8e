"""Topics, their partitions and configs: desired and actual → the actions."""

from __future__ import annotations

from collections.abc import Mapping, Set

from kafka_meta.model import Partition, Remark, Resource, Snapshot, Topic
from kafka_meta.plan.actions import BROKER_DEFAULT, AddPartitions, CreateTopic, SetConfigs
from kafka_meta.plan.configs import NOT_PINNED, differing_defaults, is_compacted, same_value
from kafka_meta.plan.desired import Desired, DesiredTopic
from kafka_meta.plan.draft import Draft, PartitionKey, plural
from kafka_meta.plan.policy import OnDrift
from kafka_meta.plan.traces import Traces


def compare_topics(desired: Desired, actual: Snapshot, on_drift: OnDrift, traces: Traces, draft: Draft) -> None:
    """Adds the topics to create or change, and all remarks about topics, to the draft."""
    if desired.topics is None:
        return
    if actual.topics is None:
        draft.cannot_compare(Resource("topics"), "the destination's topics could not be read")
        return
    there = {topic.name: topic for topic in actual.topics}
    unseen = unseen_topics(actual)
    for topic in desired.topics:
        resource = Resource("topic", topic.name)
        if topic.name in unseen:
            draft.cannot_compare(resource, UNSEEN)
        elif topic.name in there:
            _compare_existing(topic, there[topic.name], on_drift, traces.guarded.get(topic.name, {}), draft)
        elif not topic.partitions:
            draft.cannot_compare(resource, "its partitions could not be read on the source")
        else:
            _create(topic, actual.defaults, draft)
    known = {topic.name for topic in desired.topics}
    for name in sorted(there.keys() - known):
        if not there[name].internal and not desired.keeps_out(Resource("topic", name)):
            draft.only_there(Resource("topic", name), len(there[name].partitions))
    _compare_defaults(desired.topics, desired.defaults, actual.defaults, draft)


_MORE_PARTITIONS = "it gets more partitions: from then on, records of many keys go to another partition than before"


def occupied(desired: Desired, actual: Snapshot, traces: Traces) -> tuple[Remark, ...]:
    """The topics that an import finds with records in them which no mirror has copied: they may be somebody else's.
    Topics whose offsets are not known are left out."""
    wanted = {topic.name for topic in desired.topics or ()} - traces.copied
    return tuple(
        Remark(resource=Resource("topic", topic.name), reason=_OCCUPIED)
        for topic in actual.topics or ()
        if topic.name in wanted and any(map(_holds_records, topic.partitions))
    )


def existing_partitions(desired: Desired, actual: Snapshot) -> frozenset[PartitionKey]:
    """The partitions that wanted topics have on the destination already."""
    wanted = {topic.name for topic in desired.topics or ()}
    topics = (topic for topic in actual.topics or () if topic.name in wanted)
    return frozenset((topic.name, each.partition) for topic in topics for each in topic.partitions)


_OCCUPIED = "it is there already and holds records: if it is not yours, give yours another name (--rename)"


def _holds_records(partition: Partition) -> bool:
    start, end = partition.start_offset, partition.end_offset
    return start is not None and end is not None and end > start


UNSEEN = "the destination does not show it: nobody knows what is there"


def unseen_topics(actual: Snapshot) -> frozenset[str]:
    """The topics of the destination that could not be read: they may be there."""
    return frozenset(gap.resource.name or "" for gap in actual.gaps if gap.resource.kind == "topic")


def _create(topic: DesiredTopic, defaults: Mapping[str, str] | None, draft: Draft) -> None:
    resource, factor = Resource("topic", topic.name), topic.replication_factor
    if factor is None:
        draft.warn(resource, "its replication factor is not known: the destination's default is used")
    draft.differs_as_intended(resource)
    draft.topics.append(
        CreateTopic(
            topic=topic.name,
            partitions=topic.partitions,
            replication_factor=BROKER_DEFAULT if factor is None else factor,
            configs=topic.configs,
            compacted=is_compacted(topic.configs, defaults),
        )
    )


def _compare_existing(
    topic: DesiredTopic,
    there: Topic,
    on_drift: OnDrift,
    guarded: Mapping[str, tuple[str, str | None]],
    draft: Draft,
) -> None:
    resource = Resource("topic", there.name)
    open_before = len(draft.drift) + len(draft.partitions) + len(draft.configs)
    wanted, found = topic.partitions, len(there.partitions)
    draft.equal["partitions"] += min(wanted, found)
    if wanted > found:
        draft.partitions.append(AddPartitions(topic=there.name, existing=found, total=wanted))
        draft.warn(resource, _MORE_PARTITIONS)
    elif 0 < wanted < found:
        draft.drifts(resource, "partitions", wanted, found, "Kafka cannot remove partitions; left alone")
    same_factor = there.replication_factor in (topic.replication_factor, None)
    if not same_factor and topic.replication_factor not in (None, BROKER_DEFAULT):
        reason = "kafka-meta does not change it: use kafka-reassign-partitions"
        draft.drifts(resource, "replicationFactor", topic.replication_factor, there.replication_factor, reason)
    draft.differs_as_intended(resource, without=() if same_factor else ("replicationFactor",))
    if there.configs is None:
        draft.cannot_compare(resource, "its configs on the destination could not be read")
    elif topic.configs_known:
        intended = {each.aspect for each in draft.as_intended.get(resource, ())}
        _compare_configs(topic, intended, there.configs, guarded, on_drift, draft)
    if len(draft.drift) + len(draft.partitions) + len(draft.configs) == open_before:
        draft.present.append(resource)
        draft.equal["topics"] += 1


def _compare_configs(
    topic: DesiredTopic,
    intended: Set[str | None],
    found: Mapping[str, str],
    guarded: Mapping[str, tuple[str, str | None]],
    on_drift: OnDrift,
    draft: Draft,
) -> None:
    """`intended` are the configs that a policy or the destination changes. They are not counted as equal."""
    resource, wanted = Resource("topic", topic.name), topic.configs
    to_set = {config: value for config, value in wanted.items() if not same_value(config, found.get(config), value)}
    draft.equal["configs"] += len(wanted.keys() - to_set.keys() - intended)
    # With their own values the broker could delete what was copied before it is read.
    kept = {
        config: before
        for config, (now, before) in guarded.items()
        if found.get(config) == now and (config in to_set or config not in wanted)
    }
    for config, before in sorted(kept.items()):
        ought = to_set.pop(config, None)
        if same_value(config, before, ought):
            reason = "set by mirror, keeps the copied data until mirror --release"
            draft.intend(resource, config, ought, found[config], reason)
        else:
            reason = f"set by mirror, keeps the copied data; mirror --release sets {before or 'the default'} again"
            draft.drifts(resource, config, ought, found[config], reason)
    if to_set and on_drift == "set":
        previous = {config: found.get(config) for config in to_set}
        draft.configs.append(SetConfigs(topic=topic.name, configs=to_set, previous=previous))
    else:
        for config, value in to_set.items():
            draft.drifts(resource, config, value, found.get(config), "left alone (--on-drift set)")
    for config in sorted(found.keys() - wanted.keys() - NOT_PINNED - kept.keys()):
        draft.drifts(resource, config, None, found[config], "only the destination overrides it; left alone")


_KAFKAS_OWN = {
    "max.message.bytes": frozenset({"1000012", "1048588"}),  # since 2.5
    "message.timestamp.after.max.ms": frozenset({"9223372036854775807", "3600000"}),  # since 4.0
}
"""Defaults of Kafka itself, from one version to the next: nobody has set them."""


def _compare_defaults(
    topics: tuple[DesiredTopic, ...], source: Mapping[str, str] | None, dest: Mapping[str, str] | None, draft: Draft
) -> None:
    """Where defaults differ, topics without an override behave differently."""
    if source is None:
        return
    if dest is None:
        draft.warn(Resource("defaults"), "the destination's defaults could not be read, so they are not compared")
        return
    for name, value in differing_defaults(source, dest).items():
        relying = sum(1 for topic in topics if topic.configs_known and name not in topic.configs)
        if relying and name in dest:
            relies = f"{plural(relying, 'topic')} without an override (--pin-defaults)"
            if {value, dest[name]} <= _KAFKAS_OWN.get(name, frozenset()):
                draft.warn(
                    Resource("default", name), f"{value} on the source, {dest[name]} on the destination; {relies}"
                )
            else:
                draft.drifts(Resource("default", name), "value", value, dest[name], relies)
