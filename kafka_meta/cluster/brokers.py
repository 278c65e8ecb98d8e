"""The cluster's mode, authorizer and topic defaults, from the brokers' own configs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kafka_meta import wire
from kafka_meta.cluster.defaults import common, topic_defaults
from kafka_meta.model import Cluster, Gap, Mode, OtherConfigs, Remark, Resource, Security
from kafka_meta.wire import Config, Metadata, Unanswered, Wire

_KNOWN_AUTHORIZERS = frozenset(
    {
        "kafka.security.auth.SimpleAclAuthorizer",
        "kafka.security.authorizer.AclAuthorizer",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    }
)
"""Their settings are `super.users` (default: none) and `allow.everyone.if.no.acl.found` (default: false)."""

_LISTS_OTHERS = (1, 1)
_KRAFT = (2, 8)
_TOKEN_KEYS = ("delegation.token.secret.key", "delegation.token.master.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What the brokers' configs say about the cluster."""

    mode: Mode | None = None
    security: Security = field(default_factory=Security)
    defaults: Mapping[str, str] | None = None
    offsets_retention_minutes: int | None = None
    delegation_tokens: bool = False
    """Whether the brokers can issue delegation tokens: a key is set."""
    gaps: tuple[Gap, ...] = ()
    disagreements: tuple[Remark, ...] = ()
    dynamic: tuple[OtherConfigs, ...] = ()
    """Settings that were made at run time for one broker, without sensitive ones."""
    signs: tuple[Remark, ...] = ()


def cluster_of(connection: Wire, metadata: Metadata, facts: BrokerFacts) -> Cluster:
    """The cluster, from its metadata and the configs of its brokers."""
    return Cluster(
        id=metadata.cluster_id,
        mode=facts.mode,
        version=connection.version,
        controller_id=None if connection.kraft else metadata.controller_id,
        brokers=metadata.brokers,
        features=connection.features,
        offsets_retention_minutes=facts.offsets_retention_minutes,
        security=facts.security,
    )


def broker_facts(connection: Wire) -> BrokerFacts:
    """Reads the configs of all brokers. A broker that does not answer is a gap."""
    told: dict[int, Mapping[str, Config]] = {}
    gaps: list[Gap] = []
    for broker, configs in wire.broker_configs(connection).items():
        if isinstance(configs, Unanswered):
            gaps.append(Remark(resource=Resource("configs of broker", str(broker)), reason=configs.reason))
        else:
            told[broker] = configs
    old: Mode | None = "zookeeper" if connection.release is not None and connection.release < _KRAFT else None
    if not told:
        gaps.append(Remark(resource=Resource("defaults"), reason="no broker returned its configs"))
        return BrokerFacts(mode=old, gaps=tuple(gaps))
    values = {broker: {name: config.value for name, config in configs.items()} for broker, configs in told.items()}
    defaults, differing = common({broker: topic_defaults(configs) for broker, configs in values.items()})
    first = told[min(told)]
    return BrokerFacts(
        mode=old or _mode(first),
        security=_security(first, connection.release),
        defaults=defaults,
        offsets_retention_minutes=_shortest(configs.get("offsets.retention.minutes") for configs in told.values()),
        delegation_tokens=any(_is_set(configs, name) for name in _TOKEN_KEYS for configs in told.values()),
        gaps=tuple(gaps),
        disagreements=tuple(
            Remark(
                resource=Resource("default", name),
                reason=", ".join(f"{value} on broker {broker}" for broker, value in sorted(by_broker.items())),
            )
            for name, by_broker in differing.items()
        ),
        dynamic=_dynamic(told),
        signs=tuple(_staying(told)),
    )


def _dynamic(told: Mapping[int, Mapping[str, Config]]) -> tuple[OtherConfigs, ...]:
    by_owner: dict[str, dict[str, str]] = {}
    for broker, configs in sorted(told.items()):
        for name, config in sorted(configs.items()):
            if config.origin == "broker" and not config.sensitive and config.value is not None:
                by_owner.setdefault(str(broker), {})[name] = config.value
    return tuple(
        OtherConfigs(resource_type="BROKER", name=owner, configs=by_owner[owner]) for owner in sorted(by_owner)
    )


def _staying(told: Mapping[int, Mapping[str, Config]]) -> Iterator[Remark]:
    """Configs set at run time that do not move, by name only: values may be passwords."""
    by_owner: dict[str, set[str]] = {}
    for broker, configs in told.items():
        for name, config in configs.items():
            if config.origin == "broker" or (config.origin == "brokers" and config.sensitive):
                owner = f"broker {broker}" if config.origin == "broker" else "all brokers"
                by_owner.setdefault(owner, set()).add(name)
    for owner, names in by_owner.items():
        reason = f"set dynamically for {owner}, do not move: {', '.join(sorted(names))}"
        yield Remark(resource=Resource("broker configs"), reason=reason)


def _shortest(configs: Iterable[Config | None]) -> int | None:
    """The smallest of these numbers; None where no broker has one."""
    values = (config.value for config in configs if config is not None)
    return min((int(value) for value in values if value is not None and value.isdecimal()), default=None)


def _is_set(configs: Mapping[str, Config], name: str) -> bool:
    return name in configs and configs[name].origin in ("file", "broker", "brokers")


def _mode(configs: Mapping[str, Config]) -> Mode | None:
    """`process.roles` exists since KRaft (2.8) and is set only there. `zookeeper.connect` exists until 4.0."""
    roles, zookeeper = configs.get("process.roles"), configs.get("zookeeper.connect")
    if roles is not None and roles.value:
        return "kraft"
    return "zookeeper" if zookeeper is not None and zookeeper.value else None


def _security(configs: Mapping[str, Config], version: tuple[int, ...] | None) -> Security:
    """Since 1.1 brokers list an authorizer's setting only if it is set, and hide its value (KIP-226).

    So a setting that is not listed has its default, and the value of one that is listed is not known.
    """
    named = configs.get("authorizer.class.name")
    if named is None or named.value is None:
        return Security()
    if named.value not in _KNOWN_AUTHORIZERS or version is None or version < _LISTS_OTHERS:
        return Security(authorizer=named.value)
    everyone, users = (configs.get(name) for name in ("allow.everyone.if.no.acl.found", "super.users"))
    return Security(
        authorizer=named.value,
        allow_everyone_if_no_acl_found=False if everyone is None else _truth(everyone.value),
        super_users=() if users is None else _users(users.value),
    )


def _truth(value: str | None) -> bool | None:
    return None if value is None else value.strip().lower() == "true"


def _users(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(sorted(user.strip() for user in value.split(";") if user.strip()))
