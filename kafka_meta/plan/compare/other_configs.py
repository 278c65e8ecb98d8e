"""Configs of groups, client metrics and all brokers: desired and actual → values to set."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.model import OtherConfigs, Resource, Snapshot
from kafka_meta.plan.actions import SetOtherConfigs
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.draft import Draft
from kafka_meta.plan.policy import OnDrift


def compare_other_configs(desired: Desired, actual: Snapshot, on_drift: OnDrift, draft: Draft) -> None:
    """A missing value is set. A different value is drift; with `--on-drift set` it is set."""
    if desired.other_configs is None:
        return
    if actual.other_configs is None:
        if desired.other_configs:
            draft.cannot_compare(Resource("other configs"), "those of the destination could not be read")
        return
    there = {each.resource: each.configs for each in actual.other_configs}
    for wanted in desired.other_configs:
        draft.differs_as_intended(wanted.resource)
        _compare(wanted, there.get(wanted.resource, {}), on_drift, draft)
    own = {each.resource: each.configs for each in desired.other_configs}
    for found in actual.other_configs:
        if found.resource_type == "BROKER" and found.resource not in own:
            continue  # every cluster has its own
        if not desired.selection.narrows or found.resource in own:
            for name in sorted(found.configs.keys() - own.get(found.resource, {}).keys()):
                draft.only_there(found.resource, found.configs[name], aspect=name)


def _compare(wanted: OtherConfigs, found: Mapping[str, str], on_drift: OnDrift, draft: Draft) -> None:
    to_set: dict[str, str] = {}
    for name, value in sorted(wanted.configs.items()):
        now = found.get(name)
        if now == value:
            draft.equal["otherConfigs"] += 1
        elif now is None or on_drift == "set":
            to_set[name] = value
        else:
            draft.drifts(wanted.resource, name, value, now, "left alone (--on-drift set)")
    if to_set:
        draft.other_configs.append(
            SetOtherConfigs(
                resource_type=wanted.resource_type,
                name=wanted.name,
                configs=to_set,
                previous={name: found.get(name) for name in to_set},
            )
        )
    elif all(found.get(name) == value for name, value in wanted.configs.items()):
        draft.present.append(wanted.resource)
