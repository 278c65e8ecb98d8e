"""What must be done to make a destination like a source. Pure: no client, no clock, no environment.

`reshape(source, policy, home)` says what the destination ought to be: whatever a policy or a limit of the destination
changes is decided there. `compare(desired, actual)` knows drift only. It is the only comparison: import applies its
plan, verify reads it.

    differences.py how a destination differs from what it ought to be
    actions.py    the actions, each with its precondition
    policy.py     what the operator decided: selection, names, factors, positions
    traces.py     the configs and positions that a mirror has set on the destination
    configs.py    topic configs fitted to the destination
    pattern.py    what an ACL is about: all resources of a type, one name, or a prefix
    access.py     which ACLs overlap, and what they allow
    rules.py      ACLs, found by the names that they are about
    narrow.py     which rules, users and quotas belong to a selection
    scope.py      what is compared, and what must be read for it
    desired.py    what the destination ought to be
    notes.py      what is noted on the way: intended, skipped, refused, unread, warnings
    draft.py      a plan, and the draft that the comparisons write
    scram.py      a SCRAM credential: how it is made from a password, whether a password fits it
    reshape/      source and policy → desired: topics, groups, acls, other configs; widening: ACLs that would allow more
    compare/      desired and actual → plan: topics, groups, acls, users, quotas, other configs
    preflight.py  what to know of a destination before the first write
    report.py     a plan as an answer: is the destination as it should be?
    identity.py   whether two clusters with one cluster id are one
    recheck.py    a saved plan compared with the destination of today
"""

from kafka_meta.plan.actions import (
    Action as Action,
)
from kafka_meta.plan.actions import (
    AddPartitions as AddPartitions,
)
from kafka_meta.plan.actions import (
    CommitOffsets as CommitOffsets,
)
from kafka_meta.plan.actions import (
    CreateAcl as CreateAcl,
)
from kafka_meta.plan.actions import (
    CreateTopic as CreateTopic,
)
from kafka_meta.plan.actions import (
    Outcome as Outcome,
)
from kafka_meta.plan.actions import (
    Result as Result,
)
from kafka_meta.plan.actions import (
    SetConfigs as SetConfigs,
)
from kafka_meta.plan.actions import (
    SetOtherConfigs as SetOtherConfigs,
)
from kafka_meta.plan.actions import (
    SetQuota as SetQuota,
)
from kafka_meta.plan.actions import (
    UpsertUser as UpsertUser,
)
from kafka_meta.plan.actions import (
    describe_acl as describe_acl,
)
from kafka_meta.plan.actions import (
    describe_entity as describe_entity,
)
from kafka_meta.plan.actions import (
    quota_text as quota_text,
)
from kafka_meta.plan.compare import compare as compare
from kafka_meta.plan.compare.acls import Operator as Operator
from kafka_meta.plan.compare.groups import partitions_to_measure as partitions_to_measure
from kafka_meta.plan.compare.topics import existing_partitions as existing_partitions
from kafka_meta.plan.compare.topics import occupied as occupied
from kafka_meta.plan.compare.users import Passwords as Passwords
from kafka_meta.plan.configs import home_of as home_of
from kafka_meta.plan.desired import Desired as Desired
from kafka_meta.plan.differences import Difference as Difference
from kafka_meta.plan.draft import Plan as Plan
from kafka_meta.plan.draft import plural as plural
from kafka_meta.plan.policy import (
    SECTIONS as SECTIONS,
)
from kafka_meta.plan.policy import (
    GroupOffsets as GroupOffsets,
)
from kafka_meta.plan.policy import (
    Policy as Policy,
)
from kafka_meta.plan.policy import (
    Rename as Rename,
)
from kafka_meta.plan.policy import (
    Section as Section,
)
from kafka_meta.plan.policy import (
    parse_hosts as parse_hosts,
)
from kafka_meta.plan.policy import (
    parse_renames as parse_renames,
)
from kafka_meta.plan.preflight import other_defaults as other_defaults
from kafka_meta.plan.preflight import preflight as preflight
from kafka_meta.plan.recheck import recheck as recheck
from kafka_meta.plan.report import Report as Report
from kafka_meta.plan.report import report as report
from kafka_meta.plan.reshape import reshape as reshape
from kafka_meta.plan.scope import needed as needed
from kafka_meta.plan.traces import NO_TRACES as NO_TRACES
from kafka_meta.plan.traces import Traces as Traces
