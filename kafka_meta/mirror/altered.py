"""Configs of topics, and ACLs, that are altered on the source while it is followed: the destination follows.

Three values decide about a config: that of the source, that of the destination, and the one on which both agreed last,
which is in the journal.

    the source's is another    the destination has what was agreed on: it is set there
    the destination's is       somebody has set it there: reported, and left alone
    both are                   as above

An ACL is created where it is missing, a DENY first. One that was on both sides and has gone on one of them is reported:
nothing is deleted, and nothing comes back that somebody has deleted. ACLs that allow to write to topics are withheld:
nobody shall write there as long as the copy goes on. Only a DENY comes back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kafka_meta import cluster, wire
from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.events import Emit, Happened, Waiting, silent
from kafka_meta.journal import Journal
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.guard import GUARD
from kafka_meta.mirror.notices import Notices
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
_MOST_REST_S = 300.0
_AGAIN_S = 60.0
"""Until what was refused or not read is tried again."""
_UNREAD_AGAIN_S = 900.0
"""Until what could not be read twice is tried again: a right may have been given."""
_SECTIONS: frozenset[Section] = frozenset({"topics", "acls"})


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
    for config in sorted({*wanted, *there, *(agreed or ())} - (NOT_PINNED - wanted.keys())):
        ours, theirs = wanted.get(config), there.get(config)
        before = ours if agreed is None else agreed.get(config)
        if same_value(config, ours, theirs):
            if agreed is None or before != ours:
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
        self._unread: set[Remark] = set()
        """What could not be read at the last look. That it cannot be read again is nothing new."""
        self._notices = Notices("altered", emit)

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What goes wrong in a round is reported once, and tried again in the next one."""
        with self._journal.again() as journal:
            while not follow.ends.is_set():
                try:
                    with wire.connect(self._source) as here, wire.connect(self._dest) as there:
                        while not follow.ends.is_set():
                            began = time.monotonic()
                            self._round(here, there, journal, follow)
                            rest_s = min(_RESTS * (time.monotonic() - began), _MOST_REST_S)
                            follow.ends.wait(max(self._every_s, rest_s))
                except (KafkaMetaError, Unanswered) as error:
                    self._notices.say(journal, [Remark(resource=Resource("configs and acls"), reason=str(error))])
                    follow.ends.wait(self._every_s)

    def _round(self, here: Wire, there: Wire, journal: Journal, follow: Follow) -> None:
        """A cheap look at each side. Everything else is read only when something is another than the last time, or when
        not everything could be read or done then."""
        followed = {topic for topic, _ in follow.places}
        names = {topic: name for topic, name in journal.topic_names().items() if topic in followed}
        seen = (names, _glance(here, names.keys()), _glance(there, names.values()))
        if seen == self._seen and time.monotonic() < self._not_before:
            return
        remarks, whole = self._keep_in_step(journal, names)
        self._notices.say(journal, remarks)
        again_s = _AGAIN_S if not whole else _UNREAD_AGAIN_S if self._unread else float("inf")
        self._seen, self._not_before = seen, time.monotonic() + again_s

    def _keep_in_step(self, journal: Journal, names: Mapping[str, str]) -> tuple[list[Remark], bool]:
        """What there is to report; and whether everything could be read and done."""
        here, illegal = _without_illegal(self._read(self._source), self._decided)
        there = self._read(self._dest)
        desired = reshape(here, self._decided, home_of(there))
        with cluster.Writer(self._dest) as writer:
            configs = self._configs(journal, desired, here, there, frozenset(names.values()), writer)
            if any(each.resource.kind == "acl" and str(each.resource.name).startswith("DENY") for each in illegal):
                reason = "no ACL follows as long as a DENY has no legal name on the destination"
                _note_both(journal, desired, there)
                rules = _Done(told=[Remark(resource=_ALL_RULES, reason=reason)])
            else:
                rules = self._rules(journal, desired, there, writer)
        unread = {*configs.unread, *here.gaps, *there.gaps}
        whole = not (configs.refused or rules.refused or unread - self._unread)
        self._unread = unread
        told = (*illegal, *configs.told, *_together(configs.unread), *_together(configs.refused), *rules.told)
        return [*told, *_together(rules.refused)], whole

    def _read(self, settings: ClusterSettings) -> Snapshot:
        """Also what is not selected: an ACL on many names needs to know which there are."""
        return cluster.read(
            settings,
            EVERYTHING,
            emit=silent,
            taken_at_ms=round(time.time() * 1000),
            sections=_SECTIONS | {"groups"},
            offsets=False,
        )

    # Configs.

    def _configs(
        self,
        journal: Journal,
        desired: Desired,
        here: Snapshot,
        there: Snapshot,
        followed: frozenset[str],
        writer: cluster.Writer,
    ) -> _Done:
        done = _Done()
        if there.defaults is None or (self._decided.pin_defaults and here.defaults is None):
            # Without them, a config that was pinned or fitted looks as if the source had given it up.
            reason = "the defaults of the brokers could not be read: configs of topics do not follow for now"
            done.unread.append(Remark(resource=Resource("defaults"), reason=reason))
            return done
        guards, before = journal.guards(), journal.agreed()
        own = {topic.name: topic.configs for topic in there.topics or ()}
        agreed: dict[str, dict[str, str | None]] = {}
        aside: list[tuple[str, str, str | None]] = []
        actions: list[SetConfigs] = []
        wanted: dict[tuple[str, str], str | None] = {}
        for topic in desired.topics or ():
            if topic.name not in followed:
                continue
            configs, resource = own.get(topic.name), Resource("topic", topic.name)
            if configs is None or not topic.configs_known:
                side = "destination" if configs is None else "source"
                reason = f"its configs could not be read on the {side}: they do not follow for now"
                done.unread.append(Remark(resource=resource, reason=reason))
                continue
            put_aside = guards.get(topic.name, {})
            guarding = {name for name in GUARD if self._guard and same_value(name, configs.get(name), GUARD[name])}
            # What the guard has put aside is what the topic has, in the end.
            counts = {**configs, **{name: put_aside[name] for name in put_aside.keys() & guarding}}
            told = decide(topic.configs, counts, before.get(topic.name))
            done.told += (Remark(resource=resource, reason=reason) for reason in told.alone)
            if told.agreed or topic.name not in before:
                agreed[topic.name] = told.agreed
            for name, value in told.to_set.items():
                change: str | None = value
                if self._guard and name in GUARD:
                    aside.append((topic.name, name, value))
                    text = f"{name} became {_words(value)} on the source: mirror --release will set it"
                    self._emit(Happened(text=f"topic {topic.name}: {text}"))
                    if name in guarding:
                        agreed.setdefault(topic.name, {})[name] = value
                        continue
                    change = GUARD[name]
                wanted[topic.name, name] = value
                actions.append(SetConfigs(topic=topic.name, configs={name: change}, previous={name: configs.get(name)}))
        journal.change_guards(aside)
        # One config each: one that is refused does not keep the others away.
        for round_ in _rounds(actions):
            refused = list(_applied(round_, writer, self._emit, _config_words))
            done.refused += refused
            left = {each.resource.name for each in refused}
            for action in round_:
                if action.topic not in left:
                    for name in action.configs:
                        agreed.setdefault(action.topic, {})[name] = wanted[action.topic, name]
        if agreed:
            journal.keep_agreed(agreed)
        return done

    # ACLs.

    def _rules(self, journal: Journal, desired: Desired, there: Snapshot, writer: cluster.Writer) -> _Done:
        done = _Done()
        operator = Operator(principal=self._dest.principal, cluster_operations=there.operations)
        plan = compare(replace(desired, sections=frozenset({"acls"})), there, operator=operator)
        known = journal.rules()
        # Of several remarks about one thing, the last one has its cause.
        noted = {each.resource: each for each in (*_of_all(plan.warnings), *plan.unread, *plan.refused)}
        done.told += (each for each in noted.values() if each.resource.kind in ("acl", "acls"))
        wanted = [action for action in plan.actions if isinstance(action, CreateAcl)]
        # A DENY that somebody has deleted comes back: else an ALLOW would allow more than on the source.
        away = {each for each in wanted if describe_acl(each.acl) in known and each.acl.permission == "ALLOW"}
        done.told += (
            Remark(resource=action.resource, reason="somebody has deleted it on the destination: it stays away")
            for action in wanted
            if action in away
        )
        if desired.acls is None or there.acls is None:
            return done
        done.told += _left_over(known, desired, there.acls)
        done.told += _withheld(desired, there.acls)
        new = [action for action in wanted if action not in away]
        if new and there.operations is not None and not there.operations & {"ALTER", "ALL"}:
            reason = f"{plural(len(new), 'ACL')} are missing there, and we may not create any (ALTER on the cluster)"
            done.refused.append(Remark(resource=Resource("acls"), reason=reason))
            _note_both(journal, desired, there)
            return done
        done.refused += _applied(new, writer, self._emit, _rule_words)
        missing = {str(each.resource.name) for each in (*done.refused, *plan.refused)}
        both = {describe_acl(acl) for acl in desired.acls} - missing - {describe_acl(each.acl) for each in away}
        here = {describe_acl(acl) for acl in (*desired.acls, *desired.withheld)}
        gone = known - here - {describe_acl(acl) for acl in there.acls}
        if both - known or gone:
            journal.change_rules(new=sorted(both - known), gone=sorted(gone))
        return done


@dataclass(slots=True, kw_only=True)
class _Done:
    told: list[Remark] = field(default_factory=list)
    refused: list[Remark] = field(default_factory=list)
    """What could not be done, and is tried again."""
    unread: list[Remark] = field(default_factory=list)


_ALL_RULES = Resource("acls")
_NAMED = 5


def _together(refused: Iterable[Remark]) -> list[Remark]:
    """Of thousands with one reason, one remark."""
    by_reason: dict[str, list[Remark]] = {}
    for each in refused:
        by_reason.setdefault(each.reason, []).append(each)
    found: list[Remark] = []
    for reason, some in by_reason.items():
        if len(some) <= _NAMED:
            found += some
        else:
            kind = Resource(f"{some[0].resource.kind}s")
            found.append(Remark(resource=kind, reason=f"{len(some):,} of them: {reason} ({some[0].resource.name}, …)"))
    return found


def _note_both(journal: Journal, desired: Desired, there: Snapshot) -> None:
    """The ACLs that are on both sides now: none of them comes back when somebody deletes it."""
    both = {describe_acl(acl) for acl in set(desired.acls or ()) & set(there.acls or ())}
    if new := both - journal.rules():
        journal.change_rules(new=sorted(new), gone=())


def _rounds(actions: Iterable[SetConfigs]) -> Iterator[list[SetConfigs]]:
    """Each topic once in a round."""
    rounds: list[list[SetConfigs]] = []
    count: Counter[str] = Counter()
    for action in actions:
        if count[action.topic] == len(rounds):
            rounds.append([])
        rounds[count[action.topic]].append(action)
        count[action.topic] += 1
    yield from rounds


def _without_illegal(here: Snapshot, decided: Policy) -> tuple[Snapshot, list[Remark]]:
    """Without the topics, groups and ACLs to which an option gives no legal name on the destination."""
    remarks: list[Remark] = []

    def legal(resource: Resource, rename: Callable[[], object]) -> bool:
        try:
            rename()
        except UsageError as error:
            remarks.append(Remark(resource=resource, reason=error.message))
            return False
        return True

    topics = [
        each
        for each in here.topics or ()
        if legal(Resource("topic", each.name), partial(decided.topic_name, each.name))
    ]
    groups = [
        each for each in here.groups or () if legal(Resource("group", each.id), partial(decided.group_name, each.id))
    ]
    rules = [each for each in here.acls or () if legal(Resource("acl", describe_acl(each)), partial(decided.acl, each))]
    return (
        replace(
            here,
            topics=None if here.topics is None else tuple(topics),
            groups=None if here.groups is None else tuple(groups),
            acls=None if here.acls is None else tuple(rules),
        ),
        remarks,
    )


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
            yield Remark(resource=told.action.resource, reason=f"{words(told.action)}: refused: {told.error}")
        elif told.outcome == "done":
            emit(Happened(text=f"{told.action.resource}: {words(told.action)}, as on the source"))


def _config_words(action: SetConfigs) -> str:
    return ", ".join(f"{config} = {_words(value)}" for config, value in sorted(action.configs.items()))


def _rule_words(action: CreateAcl) -> str:
    return "creation"


def _glance(connection: Wire, topics: Iterable[str]) -> object:
    """What can be compared with the last time."""
    told = {
        topic: each.reason if isinstance(each, Unanswered) else dict(each)
        for topic, each in wire.overrides(connection, sorted(topics))
    }
    return told, wire.acls(connection)
