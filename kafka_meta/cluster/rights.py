"""What we may do on a cluster, for `kafka-meta check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta import wire
from kafka_meta.cluster.brokers import broker_facts, cluster_of
from kafka_meta.cluster.reader import hidden_topics, named_topics
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Cluster, Gap
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Unanswered

Purpose: TypeAlias = Literal["export", "import"]

NEEDED: Mapping[Purpose, Mapping[str, str]] = {
    "export": {
        "DESCRIBE": "to see all groups, the ACLs, users and log directories",
        "DESCRIBE_CONFIGS": "to read the brokers' defaults and the quotas",
    },
    "import": {
        "DESCRIBE": "to see what is there",
        "DESCRIBE_CONFIGS": "to read the brokers' defaults and the quotas",
        "CREATE": "to create topics",
        "ALTER": "to create ACLs and users",
        "ALTER_CONFIGS": "to set quotas and other configs",
    },
}
"""Operations on the cluster resource → what they are needed for. Rights on topics and groups are needed as well."""

_FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A cluster, and our rights on the cluster resource. `operations` is None where the brokers do not report them."""

    cluster: Cluster
    operations: frozenset[str] | None
    missing: Mapping[str, str] | None
    """The needed operations that we may not do → what they are needed for. None when it is not known."""
    gaps: tuple[Gap, ...] = ()


def access(settings: ClusterSettings, purpose: Purpose) -> Access:
    """The cluster and our rights for this purpose. Raises `KafkaMetaError` when the cluster cannot be reached."""
    with wire.connect(settings) as connection:
        try:
            metadata = wire.metadata(connection)
        except Unanswered as silence:
            raise KafkaMetaError(
                f"the brokers at {settings.bootstrap_servers} do not describe their cluster: {silence.reason}"
            ) from None
        facts = broker_facts(connection)
        allowed = metadata.cluster_operations
        hidden: tuple[Gap, ...] = ()
        if facts.security.authorizer != "":
            rules, _ = wire.acls(connection)
            hidden = hidden_topics(connection, metadata, named_topics(wire.log_dirs(connection), (), rules or ()))
        needed = {name: use for name, use in NEEDED[purpose].items() if allowed is not None and name not in allowed}
        if hidden:
            needed["DESCRIBE on topics"] = f"to see {_some(hidden)}"
        return Access(
            cluster=cluster_of(connection, metadata, facts),
            operations=allowed,
            missing=None if allowed is None and not hidden else needed,
            gaps=facts.gaps,
        )


def _some(hidden: Sequence[Gap]) -> str:
    names = [gap.resource.name or "" for gap in hidden]
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return f"the topics {', '.join(names[:_FEW])}{more}"
