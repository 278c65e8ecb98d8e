"""Turns retention off on the destination until the copied records have been read, and sets the old values again then.

Brokers delete records by the records' own timestamps, so they could delete old records right after these have arrived.
The guard stays after the copy: otherwise the broker could delete what no group has read yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from kafka_meta import wire
from kafka_meta.apply import Writer, apply
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Happened, Waiting
from kafka_meta.journal import Journal
from kafka_meta.model import Remark, Resource, Topic
from kafka_meta.plan import SetConfigs, plural
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered
from kafka_meta.wire.configs import effective

GUARD: Mapping[str, str] = {"cleanup.policy": "delete", "retention.bytes": "-1", "retention.ms": "-1"}


def looks_guarded(there: Topic, works: Mapping[str, str], source: Mapping[str, str]) -> bool:
    """Whether a destination topic has the configs that the guard sets, and the source's topic does not have them too.
    `works` and `source` are effective configs: `works` of the destination's topic, `source` of the source's."""
    own = (there.configs or {}).get("retention.ms")
    guarded = all(works.get(name) == value for name, value in GUARD.items())
    return guarded and own == GUARD["retention.ms"] and source.get("retention.ms") != own


def configs_now(
    dest: ClusterSettings, topics: Collection[str]
) -> tuple[dict[str, Mapping[str, str] | None], dict[str, Mapping[str, str]]]:
    """Each topic's own values, and the effective ones. The own ones are None where either cannot be read: without the
    effective ones, all that the guard has set looks as if it were still to be set."""
    own: dict[str, Mapping[str, str] | None] = {}
    works: dict[str, Mapping[str, str]] = {}
    if not topics:
        return own, works
    with wire.connect(dest) as connection:
        for topic, told in wire.overrides(connection, sorted(topics)):
            own[topic] = None if isinstance(told, Unanswered) else told
        for topic, told in effective(connection, sorted(topics), tuple(GUARD)):
            if not isinstance(told, Unanswered) and told:
                works[topic] = told
    return {topic: told if topic in works else None for topic, told in own.items()}, works


def guard_topics(
    dest: ClusterSettings, writer: Writer, journal: Journal, topics: Collection[str], *, emit: Emit
) -> None:
    """`set_guard`, by the configs that these topics have now: somebody may have changed them since a look."""
    overrides, works = configs_now(dest, topics)
    set_guard(writer, journal, topics, overrides=overrides, effective=works, emit=emit)
    if topics:
        emit(Happened(text=f"retention is off on {plural(len(topics), 'topic')} of the destination"))


def set_guard(
    writer: Writer,
    journal: Journal,
    topics: Collection[str],
    *,
    overrides: Mapping[str, Mapping[str, str] | None],
    effective: Mapping[str, Mapping[str, str]],
    emit: Emit,
) -> None:
    """Sets each config that is not as the guard needs it. The journal has the earlier values before they are changed.

    Raises KafkaMetaError when the destination refuses a config: then nothing may be copied.
    """
    actions: list[SetConfigs] = []
    before = journal.guards()
    changed: list[tuple[str, str, str | None]] = []
    for topic in sorted(topics):
        own = overrides.get(topic)
        if own is None:
            raise KafkaMetaError(
                f"the configs of topic {topic} on the destination cannot be read: --release could not set them again",
                "The copy needs DESCRIBE_CONFIGS on the topic.",
            )
        works = effective.get(topic, {})
        wanted = {name: value for name, value in GUARD.items() if works.get(name) != value}
        if wanted:
            previous = {name: own.get(name) for name in wanted}
            known = before.get(topic, {})
            # Somebody has set it since: that is what release sets then.
            since = {
                name: value
                for name, value in previous.items()
                if name in known and value not in (known[name], GUARD[name])
            }
            for name, value in since.items():
                changed.append((topic, name, value))
                was = "the default" if value is None else value
                emit(Happened(text=f"topic {topic}: {name} was {was}; mirror --release will set that"))
            journal.remember_guard(topic, previous)
            actions.append(SetConfigs(topic=topic, configs=wanted, previous=previous))
    journal.change_guards(changed)
    refusals: list[tuple[str, str | None]] = []
    for told in apply(actions, writer):
        if isinstance(told, Waiting):
            emit(told)
        elif told.outcome == "failed":
            assert isinstance(told.action, SetConfigs)
            # The destination has not changed these configs, so there is nothing to set again.
            new = told.action.configs.keys() - before.get(told.action.topic, {}).keys()
            journal.forget_guarded(told.action.topic, new)
            refusals.append((told.action.topic, told.error))
    if refusals:
        topic, reason = refusals[0]
        others = f" (and {plural(len(refusals) - 1, 'other topic')})" if len(refusals) > 1 else ""
        raise KafkaMetaError(
            f"nothing was copied: the destination refuses to turn off retention on topic {topic}{others}: {reason}",
            "Copied records could expire before they are read. The copy needs ALTER_CONFIGS on the topic.",
        )


def put_back(
    dest: ClusterSettings, writer: Writer, journal: Journal, topics: Collection[str], *, emit: Emit
) -> Iterator[Remark]:
    """Sets the earlier values again on these topics. Yields each config that could not be set, and why.

    A config that somebody else has changed since then is left alone and reported.
    """
    guards = {topic: previous for topic, previous in journal.guards().items() if topic in topics}
    with wire.connect(dest) as connection:
        now = dict(wire.overrides(connection, sorted(guards)))
    actions: list[SetConfigs] = []
    for topic, previous in guards.items():
        told = now[topic]
        if isinstance(told, Unanswered):
            if told.reason.startswith("UNKNOWN_TOPIC"):
                journal.forget_guard(topic)
                yield Remark(
                    resource=Resource("topic", topic),
                    reason="it does not exist any more: there is nothing to set again",
                )
            else:
                yield Remark(resource=Resource("topic", topic), reason=f"not released: {told.reason}")
            continue
        ours = {name: value for name, value in previous.items() if told.get(name) == GUARD[name]}
        for name in sorted(previous.keys() - ours.keys()):
            if told.get(name) != previous[name]:
                reason = f"{name} is {told.get(name, 'not overridden')} now, which mirror has not set: left alone"
                yield Remark(resource=Resource("topic", topic), reason=reason)
        if ours:
            guarding = {name: GUARD[name] for name in ours}
            actions.append(SetConfigs(topic=topic, configs=ours, previous=guarding))
        else:
            journal.forget_guard(topic)
    for result in apply(actions, writer):
        if isinstance(result, Waiting):
            emit(result)
            continue
        assert isinstance(result.action, SetConfigs)
        if result.outcome == "failed":
            yield Remark(resource=Resource("topic", result.action.topic), reason=f"not released: {result.error}")
        else:
            journal.forget_guard(result.action.topic)
