"""Desired and actual → Plan. The one comparison that import applies and verify reads."""

from __future__ import annotations

from collections.abc import Mapping

from kafka_meta.model import Snapshot
from kafka_meta.plan.acls import Operator, compare_acls, is_super_user
from kafka_meta.plan.configs import home_of
from kafka_meta.plan.draft import Draft, PartitionKey, Plan
from kafka_meta.plan.groups import compare_groups
from kafka_meta.plan.policy import Policy
from kafka_meta.plan.quotas import compare_quotas
from kafka_meta.plan.topics import compare_topics
from kafka_meta.plan.traces import NO_TRACES, Traces
from kafka_meta.plan.users import Passwords, compare_users

UNKNOWN_OPERATOR = Operator()
NO_PASSWORDS = Passwords()


def compare(
    desired: Snapshot,
    actual: Snapshot,
    policy: Policy,
    *,
    operator: Operator = UNKNOWN_OPERATOR,
    positions_at: Mapping[PartitionKey, int] | None = None,
    passwords: Passwords = NO_PASSWORDS,
    traces: Traces = NO_TRACES,
) -> Plan:
    """What makes `actual` like `desired` under `policy`.

    `positions_at` holds, for the policy `time:…`, the offset of each existing destination partition at that time;
    `traces` what a mirror between the two has left there. The order of the actions is the order in which they are safe
    to carry out: topics, partitions, configs, positions, DENY, ALLOW, users, quotas; the rules first when they cannot
    end the operator's own.
    """
    draft = Draft()
    if "topics" in policy.only:
        compare_topics(desired, actual, policy, home_of(actual), traces, draft)
    if "groups" in policy.only:
        compare_groups(desired, actual, policy, positions_at or {}, traces, draft)
    if "acls" in policy.only:
        compare_acls(desired, actual, policy, operator, draft)
    if "users" in policy.only:
        compare_users(desired, actual, passwords, draft)
    if "quotas" in policy.only:
        compare_quotas(desired, actual, policy, draft)
    _note_gaps(desired, actual, policy, draft)
    return draft.plan(desired.cluster.id, actual.cluster.id, rules_first=is_super_user(operator, actual))


def _note_gaps(desired: Snapshot, actual: Snapshot, policy: Policy, draft: Draft) -> None:
    """A section that was read in part has not been compared as a whole; other gaps of the source are passed on."""
    for side, snapshot in (("source", desired), ("destination", actual)):
        guarded = snapshot.cluster.security.authorizer != ""
        for gap in snapshot.gaps:
            if gap.resource in policy.only and (guarded or gap.resource != "acls"):
                draft.cannot_compare(gap.resource, f"not read on the {side}: {gap.reason}")
            elif snapshot is desired:
                draft.warn(gap.resource, f"not read on the source: {gap.reason}")
