"""Desired and actual → Plan: the only comparison. Import applies the plan, verify reports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kafka_meta.model import Resource, Snapshot
from kafka_meta.plan.compare.acls import Operator, compare_acls, is_super_user
from kafka_meta.plan.compare.groups import compare_groups
from kafka_meta.plan.compare.quotas import compare_quotas
from kafka_meta.plan.compare.topics import compare_topics
from kafka_meta.plan.compare.users import Passwords, compare_users
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.differences import Difference
from kafka_meta.plan.draft import Draft, PartitionKey, Plan
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
    carry out: topics, partitions, configs, positions, DENY, ALLOW, users, quotas. The ACLs come first when they cannot
    end the operator's own rights.
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
    for gap in actual.gaps:
        compared = is_about(gap.resource, desired.sections, actual.cluster.security)
        if compared and is_selected(gap.resource, desired.selection):
            draft.cannot_compare(gap.resource, f"not read on the destination: {gap.reason}")
    return draft.plan(desired.source_id, actual.cluster.id, rules_first=is_super_user(operator, actual))


def _by_resource(desired: Desired) -> Mapping[Resource, list[Difference]]:
    found: dict[Resource, list[Difference]] = defaultdict(list)
    for each in desired.intended:
        found[each.resource].append(each)
    return found
