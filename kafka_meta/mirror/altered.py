"""Configs of topics, and ACLs, that are altered on the source while it is followed: the destination follows.

Three values decide about a config: that of the source, that of the destination, and the one on which both agreed last,
which is in the journal.

    the source's is another    the destination has what was agreed on: it is set there
    the destination's is       somebody has set it there: reported, and left alone
    both are                   as above

An ACL is created where it is missing, a DENY first. One that was on both sides and has gone on one of them is reported:
nothing is deleted, and nothing comes back that somebody has deleted. ACLs that allow to write to topics are withheld:
nobody shall write there as long as the copy goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kafka_meta import cluster, wire
from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Emit, Happened, Waiting, silent
from kafka_meta.journal import Journal
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.guard import GUARD
from kafka_meta.model import EVERYTHING, Acl, Remark, Resource, Snapshot
from kafka_meta.plan import (
    CreateAcl,
    Desired,
    Operator,
    Policy,
    Section,
    SetConfigs,
    compare,
    describe_acl,
    home_of,
    plural,
    reshape,
)
from kafka_meta.plan.configs import NOT_PINNED, same_value
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered, Wire

EVERY_S = 10.0
_RESTS = 50
"""A look may take this part of the time: of thousands of topics it takes seconds."""
_AGAIN_S = 60.0
"""Until what was refused is tried again."""
_SECTIONS: frozenset[Section] = frozenset({"topics", "acls"})
_ROOM = "altered"


@dataclass(slots=True, kw_only=True)
class Decided:
    """What becomes of the configs of one topic."""

    agreed: dict[str, str | None] = field(default_factory=dict)
    """Values to keep: both sides have them, or the source has them at the first look."""
    to_set: dict[str, str | None] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)
    """The reasons for configs that somebody has set on the destination."""


def decide(
    wanted: Mapping[str, str], there: Mapping[str, str | None], agreed: Mapping[str, str | None] | None
) -> Decided:
    """`wanted`: the source's own configs, as they would be on the destination. `there`: what the destination has; what
    the guard has put aside counts. `agreed`: None at the first look. A config that is not named has no own value."""
    found = Decided()
    for config in sorted({*wanted, *there} - (NOT_PINNED - wanted.keys())):
        ours, theirs = wanted.get(config), there.get(config)
        before = ours if agreed is None else agreed.get(config)
        if same_value(config, ours, theirs):
            if agreed is None or before != ours or config not in agreed:
                found.agreed[config] = ours
        elif agreed is not None and same_value(config, theirs, before):
            found.to_set[config] = ours
        else:
            if agreed is None:
                found.agreed[config] = ours
            found.alone.append(f"{config} is {_words(theirs)} there and {_words(ours)} on the source: left alone")
    return found


def _words(value: str | None) -> str:
    return "the default" if value is None else value


class Altered:
    """Everything happens on the thread that calls `run`."""

    def __init__(
        self,
        source: ClusterSettings,
        dest: ClusterSettings,
        journal: Journal,
        *,
        decided: Policy,
        guard: bool,
        emit: Emit,
        every_s: float = EVERY_S,
    ) -> None:
        self._source, self._dest = source, dest
        self._journal = journal
        self._decided = replace(decided, only=_SECTIONS, withhold_write=True)
        self._guard, self._emit, self._every_s = guard, emit, every_s
        self._seen: object = None
        """What was found when everything was in step, or when it was tried last."""
        self._not_before = 0.0
        self._told: set[Remark] = set()

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What goes wrong in a round is reported once, and tried again in the next one."""
        with self._journal.again() as journal:
            while not follow.ends.is_set():
                try:
                    with wire.connect(self._source) as here, wire.connect(self._dest) as there:
                        while not follow.ends.is_set():
                            began = time.monotonic()
                            self._round(here, there, journal, follow)
                            follow.ends.wait(max(self._every_s, _RESTS * (time.monotonic() - began)))
                except (KafkaMetaError, Unanswered) as error:
                    self._tell([Remark(resource=Resource("configs and acls"), reason=str(error))])
                    follow.ends.wait(self._every_s)

    def _tell(self, remarks: Iterable[Remark]) -> None:
        for remark in remarks:
            if remark not in self._told:
                self._told.add(remark)
                self._emit(Happened(text=f"{remark.resource}: {remark.reason}"))

    def _round(self, here: Wire, there: Wire, journal: Journal, follow: Follow) -> None:
        """A cheap look at each side. Everything else is read only when something is another than the last time."""
        names = {
            each.begun.topic: each.begun.dest_topic for each in journal.positions() if each.begun.place in follow.places
        }
        seen = (names, _glance(here, names.keys()), _glance(there, names.values()))
        if seen == self._seen and time.monotonic() < self._not_before:
            return
        remarks, done = self._keep_in_step(journal, names)
        journal.keep_notices(_ROOM, remarks, round(time.time() * 1000))
        self._tell(remarks)
        self._told &= set(remarks)
        self._seen, self._not_before = seen, float("inf") if done else time.monotonic() + _AGAIN_S

    def _keep_in_step(self, journal: Journal, names: Mapping[str, str]) -> tuple[list[Remark], bool]:
        """What there is to report; and whether nothing was refused."""
        here = self._read(self._source)
        there = self._read(self._dest)
        desired = reshape(here, self._decided, home_of(there))
        configs = self._configs(journal, desired, there, frozenset(names.values()))
        with cluster.Writer(self._dest) as writer:
            refused = list(_applied(configs.actions, writer, self._emit, _config_words))
            for topic, agreed in configs.agreed.items():
                if topic not in {str(each.resource.name) for each in refused}:
                    journal.keep_agreed(topic, agreed)
            rules, more = self._rules(journal, desired, there, writer)
        return [*configs.alone, *refused, *rules, *more], not refused and not more

    def _read(self, settings: ClusterSettings) -> Snapshot:
        selection = self._decided.selection if settings.role == "source" else EVERYTHING
        return cluster.read(
            settings,
            selection,
            emit=silent,
            taken_at_ms=round(time.time() * 1000),
            sections=_SECTIONS | {"groups"},
            offsets=False,
        )

    # Configs.

    def _configs(self, journal: Journal, desired: Desired, there: Snapshot, followed: frozenset[str]) -> _Configs:
        found = _Configs()
        guards, before = journal.guards(), journal.agreed()
        own = {topic.name: topic.configs for topic in there.topics or ()}
        for topic in desired.topics or ():
            configs = own.get(topic.name)
            if topic.name not in followed or configs is None or not topic.configs_known:
                continue
            aside = guards.get(topic.name, {})
            kept = {
                config for config in GUARD if self._guard and same_value(config, configs.get(config), GUARD[config])
            }
            # What the guard has put aside is what the topic has, in the end.
            counts = {**configs, **{config: aside[config] for config in aside.keys() & kept}}
            told = decide(topic.configs, counts, before.get(topic.name))
            to_set: dict[str, str | None] = {}
            for config, value in told.to_set.items():
                if self._guard and config in GUARD:
                    journal.change_guard(topic.name, config, value)
                    told.agreed[config] = value
                    text = f"{config} became {_words(value)} on the source: mirror --release will set it"
                    self._emit(Happened(text=f"topic {topic.name}: {text}"))
                    if config not in kept:
                        to_set[config] = GUARD[config]
                else:
                    told.agreed[config] = to_set[config] = value
            if to_set:
                previous = {config: configs.get(config) for config in to_set}
                found.actions.append(SetConfigs(topic=topic.name, configs=to_set, previous=previous))
            if told.agreed or topic.name not in before:
                found.agreed[topic.name] = told.agreed
            resource = Resource("topic", topic.name)
            found.alone += (Remark(resource=resource, reason=reason) for reason in told.alone)
        return found

    # ACLs.

    def _rules(
        self, journal: Journal, desired: Desired, there: Snapshot, writer: cluster.Writer
    ) -> tuple[list[Remark], list[Remark]]:
        """What is to report; and what was refused."""
        operator = Operator(principal=self._dest.principal, cluster_operations=there.operations)
        plan = compare(replace(desired, sections=frozenset({"acls"})), there, operator=operator)
        known = journal.rules()
        # Of several remarks about one thing, the last one has its cause.
        noted = {each.resource: each for each in (*_of_all(plan.warnings), *plan.unread, *plan.refused)}
        told = [each for each in noted.values() if each.resource.kind in ("acl", "acls")]
        wanted = [action for action in plan.actions if isinstance(action, CreateAcl)]
        new = [action for action in wanted if describe_acl(action.acl) not in known]
        told += (
            Remark(resource=action.resource, reason="somebody has deleted it on the destination: it stays away")
            for action in wanted
            if describe_acl(action.acl) in known
        )
        if desired.acls is not None and there.acls is not None:
            told += _left_over(known, desired, there.acls)
            told += _withheld(desired, there.acls)
        refused = list(_applied(new, writer, self._emit, _rule_words))
        missing = {str(each.resource.name) for each in (*refused, *plan.refused)}
        both = {describe_acl(acl) for acl in desired.acls or ()} if there.acls is not None else set()
        journal.keep_rules(sorted(both - missing - known))
        return told, refused


@dataclass(slots=True, kw_only=True)
class _Configs:
    actions: list[SetConfigs] = field(default_factory=list)
    agreed: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """To be kept when the topic's action is done."""
    alone: list[Remark] = field(default_factory=list)


def _of_all(warnings: Iterable[Remark]) -> Iterator[Remark]:
    """What import warns of a single ACL, it has warned of."""
    return (each for each in warnings if each.resource.name is None)


def _left_over(known: Iterable[str], desired: Desired, there: Iterable[Acl]) -> Iterator[Remark]:
    here = {describe_acl(acl) for acl in (*(desired.acls or ()), *desired.withheld)}
    left = {describe_acl(acl) for acl in there} & set(known)
    for acl in sorted(left - here):
        yield Remark(resource=Resource("acl", acl), reason="it has gone on the source, and stays on the destination")


def _withheld(desired: Desired, there: Iterable[Acl]) -> Iterator[Remark]:
    early = set(desired.withheld) & set(there)
    for acl in sorted(map(describe_acl, early)):
        reason = "it is on the destination already: clients can write to topics that are still copied"
        yield Remark(resource=Resource("acl", acl), reason=reason)
    if later := len(desired.withheld) - len(early):
        reason = f"{plural(later, 'ACL')} that allow to write to topics are withheld until the switch"
        yield Remark(resource=Resource("acls"), reason=reason)


def _applied(actions: Iterable[Any], writer: cluster.Writer, emit: Emit, words: Any) -> Iterator[Remark]:
    """Reports what is done, and yields what is refused."""
    for told in apply(list(actions), writer):
        if isinstance(told, Waiting):
            continue
        if told.outcome == "failed":
            yield Remark(resource=told.action.resource, reason=f"{words(told.action)} was refused: {told.error}")
        elif told.outcome == "done":
            emit(Happened(text=f"{told.action.resource}: {words(told.action)}, as on the source"))


def _config_words(action: SetConfigs) -> str:
    return ", ".join(f"{config} = {_words(value)}" for config, value in sorted(action.configs.items()))


def _rule_words(action: CreateAcl) -> str:
    return "it was created"


def _glance(connection: Wire, topics: Iterable[str]) -> object:
    """What can be compared with the last time."""
    told = {
        topic: each.reason if isinstance(each, Unanswered) else dict(each)
        for topic, each in wire.overrides(connection, sorted(topics))
    }
    return told, wire.acls(connection)
