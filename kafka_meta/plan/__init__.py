"""What must be done to make a destination like a source. Pure: no client, no clock, no environment.

`compare(desired, actual, policy)` is the only comparison: import applies its plan, verify reads it.

    actions.py    what can be done, each action with its precondition
    policy.py     what the operator decided: selection, names, factors, positions
    traces.py     what a mirror has left on the destination
    configs.py    topic configs fitted to the destination
    access.py     which access rules overlap, and what they allow
    draft.py      a plan, and a plan that is being written
    topics.py, groups.py, acls.py, users.py, quotas.py    desired and actual, section by section
    scram.py      a user's credential: what it is made of, whether a password fits it
    compare.py    the whole: desired and actual → Plan
    report.py     a plan read as an answer: is the destination what it ought to be?
    recheck.py    a saved plan against the destination of today
"""

from kafka_meta.plan.acls import Operator as Operator
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
from kafka_meta.plan.actions import (
    resource_of as resource_of,
)
from kafka_meta.plan.compare import compare as compare
from kafka_meta.plan.draft import Difference as Difference
from kafka_meta.plan.draft import Plan as Plan
from kafka_meta.plan.draft import plural as plural
from kafka_meta.plan.groups import partitions_to_measure as partitions_to_measure
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
from kafka_meta.plan.recheck import recheck as recheck
from kafka_meta.plan.report import Report as Report
from kafka_meta.plan.report import report as report
from kafka_meta.plan.traces import NO_TRACES as NO_TRACES
from kafka_meta.plan.traces import Traces as Traces
from kafka_meta.plan.users import Passwords as Passwords
