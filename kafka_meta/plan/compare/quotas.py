"""Quotas: desired and actual → values to set."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.model import Quota, Resource, Snapshot
from kafka_meta.plan.actions import SetQuota, describe_entity, quota_text
from kafka_meta.plan.configs import parse_version
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.differences import Difference
from kafka_meta.plan.draft import Draft
from kafka_meta.plan.policy import OnDrift


def compare_quotas(desired: Desired, actual: Snapshot, on_drift: OnDrift, draft: Draft) -> None:
    """A missing value is set. A different value is drift; with `--on-drift set` it is set."""
    if desired.quotas is None:
        return
    if actual.quotas is None:
        if desired.quotas:
            draft.cannot_compare(Resource("quotas"), "the destination's quotas could not be read")
        return
    version = parse_version(actual.cluster.version)
    takes_quotas = version is None or version >= (2, 6)  # KIP-546
    there = {_key(quota): quota.values for quota in actual.quotas if quota.values}
    for quota in desired.quotas:
        draft.differs_as_intended(Resource("quota", describe_entity(quota.entity)))
        if quota.values:
            _compare(quota, there.get(_key(quota), {}), on_drift, draft, takes_quotas=takes_quotas)
    if desired.selection.narrows_users:
        return  # nobody said that the others ought not to be there
    wanted = {_key(quota): quota.values for quota in desired.quotas}
    for quota in actual.quotas:
        own = wanted.get(_key(quota), {})
        for name, value in sorted(quota.values.items()):
            if name not in own:
                draft.extra.append(
                    Difference(
                        resource=Resource("quota", describe_entity(quota.entity)),
                        difference="extra",
                        aspect=name,
                        dest=quota_text(value),
                    )
                )


def _compare(quota: Quota, found: Mapping[str, float], on_drift: OnDrift, draft: Draft, *, takes_quotas: bool) -> None:
    resource = Resource("quota", describe_entity(quota.entity))
    to_set: dict[str, float] = {}
    for name, value in sorted(quota.values.items()):
        now = found.get(name)
        if now == value:
            draft.equal["quotas"] += 1
        elif now is None or on_drift == "set":
            to_set[name] = value
        else:
            reason = "existing quotas are left alone (--on-drift set)"
            draft.drifts(resource, name, quota_text(value), quota_text(now), reason)
    if to_set and not takes_quotas:
        values = ",".join(f"{name}={quota_text(value)}" for name, value in to_set.items())
        draft.refuse(
            resource,
            "the brokers do not support AlterClientQuotas (Kafka does since 2.6): "
            f"set {values} with kafka-configs --zookeeper",
        )
    elif to_set:
        previous = {name: found.get(name) for name in to_set}
        draft.quotas.append(SetQuota(entity=quota.entity, values=to_set, previous=previous))
    elif all(found.get(name) == value for name, value in quota.values.items()):
        draft.present.append(resource)


def _key(quota: Quota) -> frozenset[tuple[str, str | None]]:
    return frozenset(quota.entity.items())
