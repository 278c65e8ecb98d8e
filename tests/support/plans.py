"""The plan of a source under a policy, and arbitrary plans."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kafka_meta.files.metadata import resource_of_words
from kafka_meta.model import CommittedOffset, Remark, Resource, Snapshot
from kafka_meta.plan import (
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Difference,
    Plan,
    Policy,
    SetConfigs,
    compare,
    home_of,
    reshape,
)
from tests.support.snapshots import any_acls, resources, topic_names, words


def planned(source: Snapshot, actual: Snapshot, policy: Policy, **rest: Any) -> Plan:
    """What an import of this source would do under the policy."""
    return compare(reshape(source, policy, home_of(actual)), actual, on_drift=policy.on_drift, **rest)


_counts = st.integers(0, 2**63 - 1)
_partitions = st.integers(1, 2**31 - 1)
_configs = st.dictionaries(words, words, max_size=3)
_offsets = st.builds(CommittedOffset, topic=topic_names, partition=_partitions, offset=_counts, metadata=words)
actions = st.one_of(
    st.builds(
        CreateTopic,
        topic=topic_names,
        partitions=_partitions,
        replication_factor=st.just(-1) | st.integers(1, 32767),
        configs=_configs,
        compacted=st.booleans(),
    ),
    st.builds(AddPartitions, topic=topic_names, existing=_partitions, total=st.integers(2, 2**31 - 1)),
    st.builds(
        SetConfigs, topic=topic_names, configs=_configs, previous=st.dictionaries(words, st.none() | words, max_size=3)
    ),
    st.builds(CommitOffsets, group=words, offsets=st.lists(_offsets, min_size=1, max_size=3).map(tuple)),
    st.builds(CreateAcl, acl=any_acls),
)
_values = st.none() | words | st.integers(-(2**63), 2**63 - 1)
differences = st.lists(
    st.builds(
        Difference,
        resource=resources,
        difference=st.sampled_from(("missing", "different", "extra")),
        aspect=st.none() | words,
        source=_values,
        dest=_values,
        reason=st.none() | words,
    ),
    max_size=2,
).map(tuple)
remarks = st.lists(st.builds(Remark, resource=resources, reason=words), max_size=2).map(
    lambda found: tuple(sorted(found, key=lambda remark: (str(remark.resource), remark.reason)))
)
plans = st.builds(
    Plan,
    source_id=st.none() | words,
    dest_id=st.none() | words,
    actions=st.lists(actions, max_size=4).map(tuple),
    present=st.lists(words.map(resource_of_words), max_size=2).map(tuple),
    drift=differences,
    intended=differences,
    extra=differences,
    skipped=remarks,
    refused=remarks,
    unread=remarks,
    warnings=remarks,
    there=st.frozensets(st.builds(Resource, st.sampled_from(("topic", "group")), topic_names), max_size=2),
)
