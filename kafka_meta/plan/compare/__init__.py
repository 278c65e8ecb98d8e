"""Desired and actual → Plan: the only comparison. Import applies the plan, verify reports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kafka_meta.model import Resource, Snapshot
from kafka_meta.plan.actions import CreateAcl
from kafka_meta.plan.compare.acls import Operator, compare_acls, may_go_first
from kafka_meta.plan.compare.groups import compare_groups
from kafka_meta.plan.compare.other_configs import compare_other_configs
from kafka_meta.plan.compare.quotas import compare_quotas
from kafka_meta.plan.compare.topics import compare_topics
from kafka_meta.plan.compare.users import Passwords, compare_users
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.differences import Difference
from kafka_meta.plan.draft import Draft, PartitionKey, Plan, names_there
from kafka_meta.plan.pattern import Pattern
from kafka_meta.plan.policy import OnDrift
from kafka_meta.plan.scope import is_about, is_selected
from kafka_meta.plan.traces import NO_TRACES, Traces

UNKNOWN_OPERATOR = Operator()
NO_PASSWORDS = Passwords()


def compare(
    desired: Desired,
    actual: Snapshot,
    *,
    on_drift: OnDrift = "report",
    operator: Operator = UNKNOWN_OPERATOR,
    positions_at: Mapping[PartitionKey, int] | None = None,
    passwords: Passwords = NO_PASSWORDS,
    traces: Traces = NO_TRACES,
) -> Plan:
    """The plan that makes `actual` what is desired.

    `positions_at` is for `--group-offsets time:…`: the offset of each existing destination partition at that time.
    `traces` is what a mirror between the two clusters has set on the destination. The order of the actions is safe to
    carry out: topics, partitions, configs, positions, DENY, ALLOW, users, quotas, other configs. The ACLs come first
    when they cannot end the operator's own rights.
    """
    draft = Draft(
        as_intended=_by_resource(desired),
        skipped=list(desired.skipped),
        refused=list(desired.refused),
        unread=list(desired.unread),
        warnings=list(desired.warnings),
    )
    if "topics" in desired.sections:
        compare_topics(desired, actual, on_drift, traces, draft)
    if "groups" in desired.sections:
        compare_groups(desired, actual, positions_at or {}, traces, draft)
    if "acls" in desired.sections:
        compare_acls(desired, actual, operator, draft)
    if "users" in desired.sections:
        compare_users(desired, actual, passwords, draft)
    if "quotas" in desired.sections:
        compare_quotas(desired, actual, on_drift, draft)
    if "other-configs" in desired.sections:
        compare_other_configs(desired, actual, on_drift, draft)
    _compare_features(desired.features, actual.cluster.features, draft)
    for gap in actual.gaps:
        compared = is_about(gap.resource, desired.sections, actual.cluster.security)
        if compared and is_selected(gap.resource, desired.selection):
            draft.cannot_compare(gap.resource, f"not read on the destination: {gap.reason}")
    new = [action.acl for action in draft.acls if isinstance(action, CreateAcl)]
    first = may_go_first(operator, actual, new)
    # A rule on many names may cover more when a saved plan is carried out than when it was made.
    many = any(acl.permission == "ALLOW" and Pattern.of(acl).is_many for acl in new)
    there = names_there(actual) if many else frozenset()
    return draft.plan(desired.source_id, actual.cluster.id, rules_first=first, there=there)


def _compare_features(source: Mapping[str, int], dest: Mapping[str, int], draft: Draft) -> None:
    """What the source's cluster can do, and the destination's cannot: an operator raises it (kafka-features)."""
    for name, level in sorted(source.items()):
        if dest and dest.get(name, 0) < level:
            reason = f"level {level} on the source, {dest.get(name, 0)} on the destination"
            draft.warn(Resource("feature", name), reason)


def _by_resource(desired: Desired) -> Mapping[Resource, list[Difference]]:
    found: dict[Resource, list[Difference]] = defaultdict(list)
    for each in desired.intended:
        found[each.resource].append(each)
    return found
