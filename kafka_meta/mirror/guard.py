"""Keeps what arrives from vanishing before anybody has read it, and puts everything back when that is over.

Retention goes by the records' own time, so old ones may be deleted right after they have arrived. The guard stays when
the copy is done: whoever put it back at once would let the broker delete what nobody has read yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from kafka_meta import wire
from kafka_meta.apply import Writer, apply
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Waiting
from kafka_meta.journal import Journal, Position
from kafka_meta.model import Remark, Snapshot, Topic
from kafka_meta.plan import SetConfigs
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered

GUARD: Mapping[str, str] = {"cleanup.policy": "delete", "retention.bytes": "-1", "retention.ms": "-1"}


def looks_guarded(there: Topic, works: Mapping[str, str], source: Mapping[str, str]) -> bool:
    """Whether a destination topic is as the guard leaves one, and not because the source's is so, too. `works` and
    `source` are effective configs."""
    own = (there.configs or {}).get("retention.ms")
    guarded = all(works.get(name) == value for name, value in GUARD.items())
    return guarded and own == GUARD["retention.ms"] and source.get("retention.ms") != own


def set_guard(
    writer: Writer,
    journal: Journal,
    topics: Collection[str],
    *,
    overrides: Mapping[str, Mapping[str, str] | None],
    effective: Mapping[str, Mapping[str, str]],
    emit: Emit,
) -> None:
    """Sets what is not as the guard wants it. The values before are in the journal before they are changed.

    Raises KafkaMetaError when the destination refuses one: then nothing may be copied.
    """
    actions: list[SetConfigs] = []
    for topic in sorted(topics):
        own = overrides.get(topic)
        if own is None:
            raise KafkaMetaError(
                f"the configs of topic {topic} on the destination cannot be read, so they cannot be put back later",
                "copying needs DESCRIBE_CONFIGS on it",
            )
        works = effective.get(topic, {})
        wanted = {name: value for name, value in GUARD.items() if works.get(name) != value}
        if wanted:
            previous = {name: own.get(name) for name in wanted}
            journal.remember_guard(topic, previous)
            actions.append(SetConfigs(topic=topic, configs=wanted, previous=previous))
    for told in apply(actions, writer):
        if isinstance(told, Waiting):
            emit(told)
        elif told.outcome == "failed":
            assert isinstance(told.action, SetConfigs)
            raise KafkaMetaError(
                f"nothing was copied: the destination refuses to switch retention off on topic {told.action.topic}: "
                f"{told.error}",
                "what arrives there could expire before it is read; copying needs ALTER_CONFIGS on it",
            )


def release(dest: ClusterSettings, writer: Writer, journal: Journal, *, emit: Emit) -> Iterator[Remark | None]:
    """Puts back what the guard has changed: None for a topic that is as it was, else what is not, and why.

    A config that somebody has set to another value meanwhile is theirs, and left alone.
    """
    guards = journal.guards()
    with wire.connect(dest) as connection:
        now = dict(wire.overrides(connection, sorted(guards)))
    actions: list[SetConfigs] = []
    for topic, previous in guards.items():
        told = now[topic]
        if isinstance(told, Unanswered):
            if told.reason.startswith("UNKNOWN_TOPIC"):
                journal.forget_guard(topic)
                yield Remark(resource=f"topic {topic}", reason="it is no longer there: nothing is to be put back")
            else:
                yield Remark(resource=f"topic {topic}", reason=f"not put back: {told.reason}")
            continue
        ours = {name: value for name, value in previous.items() if told.get(name) == GUARD[name]}
        for name in sorted(previous.keys() - ours.keys()):
            if told.get(name) != previous[name]:
                yield Remark(
                    resource=f"topic {topic}",
                    reason=f"{name} is {told.get(name)}, which somebody has set meanwhile: left alone",
                )
        guarding = {name: GUARD[name] for name in ours}
        actions.append(SetConfigs(topic=topic, configs=ours, previous=guarding))
    for result in apply([action for action in actions if action.configs], writer):
        if isinstance(result, Waiting):
            emit(result)
            continue
        assert isinstance(result.action, SetConfigs)
        if result.outcome == "failed":
            yield Remark(resource=f"topic {result.action.topic}", reason=f"not put back: {result.error}")
        else:
            journal.forget_guard(result.action.topic)
            yield None
    for action in actions:
        if not action.configs:
            journal.forget_guard(action.topic)
            yield None


def not_read_yet(positions: Collection[Position], dest: Snapshot) -> dict[str, list[str]]:
    """Destination topic → groups with a position there that is before the end of what was copied."""
    ends = {(each.begun.dest_topic, each.begun.partition): each.dest_end for each in positions}
    behind: dict[str, list[str]] = {}
    for group in dest.groups or ():
        for topic in sorted(
            {
                each.topic
                for each in group.offsets or ()
                if each.offset < ends.get((each.topic, each.partition), each.offset)
            }
        ):
            behind.setdefault(topic, []).append(group.id)
    return behind
