"""Who we are on a cluster and what we may do there, for `kafka-meta check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta import wire
from kafka_meta.cluster.brokers import broker_facts, cluster_of
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
        "ALTER_CONFIGS": "to set quotas",
    },
}
"""Operations on the cluster resource, and what for; rights on topics and groups come on top of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`operations` None: the brokers do not say."""

    cluster: Cluster
    principal: str | None
    """As Kafka builds it by default; None where a certificate or a token names it."""
    operations: frozenset[str] | None
    missing: Mapping[str, str] | None
    """Operations that the purpose needs and we may not do, with what they are for; None when it cannot be told."""
    gaps: tuple[Gap, ...] = ()


def access(settings: ClusterSettings, purpose: Purpose) -> Access:
    """Raises `KafkaMetaError` when the cluster cannot be reached."""
    with wire.connect(settings) as connection:
        try:
            # No topic: only the cluster.
            metadata = wire.metadata(connection, ())
        except Unanswered as silence:
            raise KafkaMetaError(
                f"the cluster at {settings.bootstrap_servers} tells nothing: {silence.reason}"
            ) from None
        facts = broker_facts(connection)
        allowed = metadata.cluster_operations
        return Access(
            cluster=cluster_of(connection, metadata, facts),
            principal=_principal(settings),
            operations=allowed,
            missing=None
            if allowed is None
            else {name: use for name, use in NEEDED[purpose].items() if name not in allowed},
            gaps=facts.gaps,
        )


def _principal(settings: ClusterSettings) -> str | None:
    """DefaultKafkaPrincipalBuilder: the user who logged in, ANONYMOUS where nobody did."""
    if settings.security_protocol == "PLAINTEXT":
        return "User:ANONYMOUS"
    if settings.sasl is None or settings.sasl.username is None:
        return None
    return f"User:{settings.sasl.username}"
