"""A saved plan compared with the destination of today: what is still to do, and which preconditions have broken."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kafka_meta.model import Acl, Remark, Resource, Snapshot
from kafka_meta.plan.actions import (
    BROKER_DEFAULT,
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    SetConfigs,
    SetOtherConfigs,
    SetQuota,
    UpsertUser,
    quota_text,
)
from kafka_meta.plan.compare.groups import liveness
from kafka_meta.plan.configs import same_value
from kafka_meta.plan.draft import Plan, names_there, plural
from kafka_meta.plan.pattern import Pattern


def recheck(plan: Plan, actual: Snapshot) -> tuple[Plan, tuple[Remark, ...]]:
    """The plan without the actions that are done already, and every broken precondition.

    After an interrupted commit of the same plan some actions are done exactly as planned: they are present, not
    broken. If any precondition is broken, no action of the plan may be carried out.
    """
    broken: list[Remark] = []
    if plan.dest_id is not None and actual.cluster.id != plan.dest_id:
        broken.append(
            Remark(
                resource=Resource("destination"),
                reason=f"the plan is for cluster {plan.dest_id}, this is cluster {actual.cluster.id}",
            )
        )
    state = _State(plan, actual)
    open_actions: list[Action] = []
    present = list(plan.present)
    for action in plan.actions:
        verdict = state.verdict(action)
        if verdict is None:
            open_actions.append(action)
        elif verdict == "":
            present.append(action.resource)
        else:
            broken.append(Remark(resource=action.resource, reason=verdict))
    return replace(plan, actions=tuple(open_actions), present=tuple(present)), tuple(broken)


class _State:
    """The destination, indexed. `verdict` is None for an action to do, "" for one that is done, else the broken
    precondition."""

    def __init__(self, plan: Plan, actual: Snapshot) -> None:
        self.actual = actual
        made = {action.resource for action in plan.actions if isinstance(action, CreateTopic | CommitOffsets)}
        new = sorted(names_there(actual) - plan.there - made, key=str)
        self.new = {kind: [each.name or "" for each in new if each.kind == kind] for kind in ("topic", "group")}
        self.topics = {topic.name: topic for topic in actual.topics or ()}
        self.groups = {group.id: group for group in actual.groups or () if group.source == "broker"}
        self.acls = frozenset(actual.acls or ())
        self.credentials = {
            (user.name, credential.mechanism) for user in actual.users or () for credential in user.credentials
        }
        self.quotas = {frozenset(quota.entity.items()): quota.values for quota in actual.quotas or ()}

    def verdict(self, action: Action) -> str | None:
        if self.actual.topics is None and not isinstance(action, CreateAcl | UpsertUser | SetQuota | SetOtherConfigs):
            return "the destination's topics could not be read"
        match action:
            case CreateTopic():
                return self._create_topic(action)
            case AddPartitions():
                found = len(self.topics[action.topic].partitions) if action.topic in self.topics else 0
                if found == action.existing:
                    return None
                return (
                    ""
                    if found == action.total
                    else f"it had {plural(action.existing, 'partition')}, now it has {found}"
                )
            case SetConfigs():
                return self._set_configs(action)
            case CommitOffsets():
                return self._commit_offsets(action)
            case CreateAcl():
                return "" if action.acl in self.acls else self._create_acl(action.acl)
            case UpsertUser():
                if self.actual.users is None:
                    return "the destination's users could not be read"
                return "" if (action.user, action.mechanism) in self.credentials else None
            case SetQuota():
                return self._set_quota(action)
            case SetOtherConfigs():
                return self._set_other_configs(action)
            case _:
                assert_never(action)

    def _create_acl(self, acl: Acl) -> str | None:
        kind = {"TOPIC": "topic", "GROUP": "group"}.get(acl.resource_type)
        pattern = Pattern.of(acl)
        if kind is None or acl.permission == "DENY" or not pattern.is_many:
            return None
        if (self.actual.topics if kind == "topic" else self.actual.groups) is None:
            return f"the destination's {kind}s could not be read"
        new = pattern.among(self.new[kind])
        return f"it would cover {new[0]}, which was not there when the plan was made" if new else None

    def _create_topic(self, action: CreateTopic) -> str | None:
        topic = self.topics.get(action.topic)
        if topic is None:
            return None
        same = (
            len(topic.partitions) == action.partitions
            and action.replication_factor in (topic.replication_factor, BROKER_DEFAULT)
            and topic.configs is not None
            and topic.configs.keys() == action.configs.keys()
            and all(same_value(name, topic.configs[name], value) for name, value in action.configs.items())
        )
        return "" if same else "it exists now, and differs from the plan"

    def _set_configs(self, action: SetConfigs) -> str | None:
        topic = self.topics.get(action.topic)
        if topic is None or topic.configs is None:
            return "its configs can no longer be read"
        configs = topic.configs
        if all(same_value(name, configs.get(name), value) for name, value in action.configs.items()):
            return ""
        for name, value in action.previous.items():
            if not same_value(name, configs.get(name), value):
                was, is_now = ("not overridden" if each is None else each for each in (value, configs.get(name)))
                return f"{name} was {was}, now it is {is_now}"
        return None

    def _set_quota(self, action: SetQuota) -> str | None:
        if self.actual.quotas is None:
            return "the destination's quotas could not be read"
        found = self.quotas.get(frozenset(action.entity.items()), {})
        if all(found.get(name) == value for name, value in action.values.items()):
            return ""
        for name, value in action.previous.items():
            now = found.get(name)
            if now != value:
                was, is_now = ("not set" if each is None else quota_text(each) for each in (value, now))
                return f"{name} was {was}, now it is {is_now}"
        return None

    def _set_other_configs(self, action: SetOtherConfigs) -> str | None:
        if self.actual.other_configs is None:
            return "the destination's could not be read"
        found = next((each.configs for each in self.actual.other_configs if each.resource == action.resource), {})
        if all(found.get(name) == value for name, value in action.configs.items()):
            return ""
        for name, value in action.previous.items():
            if found.get(name) != value:
                was, is_now = ("not set" if each is None else each for each in (value, found.get(name)))
                return f"{name} was {was}, now it is {is_now}"
        return None

    def _commit_offsets(self, action: CommitOffsets) -> str | None:
        if self.actual.groups is None:
            return "the destination's groups could not be read"
        group = self.groups.get(action.group)
        if group is None:
            return None
        if group.offsets is None:
            return "its positions can no longer be read"
        found = {(offset.topic, offset.partition): offset for offset in group.offsets}
        planned = {(offset.topic, offset.partition): offset for offset in action.offsets}
        if all(found.get(key) == offset for key, offset in planned.items()):
            return ""
        if (live := liveness(group)) is not None:
            return f"its consumers are running now: {live}"
        for key, offset in planned.items():
            if key in found and found[key] != offset:
                return f"it has position {found[key].offset} on {key[0]}-{key[1]} now"
        return None
