"""ACLs, SCRAM users and quotas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from kafka_meta.model import Acl, Quota, Remark, Resource, User
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.payloads import QuotaEntity
from kafka_meta.zookeeper.reading import Reading, nested

T = TypeVar("T")
Nodes: TypeAlias = tuple[tuple[str, str], ...]
"""A quota's entity as (kind, node) pairs: (("user", "alice"),), (("user", "alice"), ("clientId", "<default>")), …"""


def acls(reading: Reading) -> tuple[Acl, ...] | None:
    """All ACLs, ordered. None, with a gap, where no authorizer keeps ACLs here, or none could be read."""
    roots = {"literal": "/kafka-acl"}
    patterns = reading.listed("/kafka-acl-extended", Resource("acls"))  # since 2.0 (KIP-290)
    roots |= {pattern: f"/kafka-acl-extended/{pattern}" for pattern in patterns or ()}
    kinds = reading.listings(roots, lambda _: Resource("acls"))
    if "literal" not in kinds:
        reason = f"{reading.session.root}/kafka-acl does not exist: no authorizer keeps its ACLs in this ZooKeeper"
        reading.gaps.append(Remark(resource=Resource("acls"), reason=reason))
    names = reading.listings(
        {(pattern, kind): f"{roots[pattern]}/{kind}" for pattern, kind in nested(kinds)}, lambda _: Resource("acls")
    )
    rules = reading.values(
        {(pattern, kind, name): f"{roots[pattern]}/{kind}/{name}" for (pattern, kind), name in nested(names)},
        lambda key, data: payloads.acls(key[1], key[2], key[0], data),
        lambda _: Resource("acls"),
        stage="acls",
    )
    return _section(reading, "acls", sorted(rule for node in rules.values() for rule in node or ()))


def users_and_quotas(reading: Reading, *, secrets: bool) -> tuple[tuple[User, ...] | None, tuple[Quota, ...] | None]:
    """SCRAM users by name, and the quotas of users, of client ids, of both together, and of addresses.

    ZooKeeper keeps a user's credentials and quotas in the same node: without access to it, both are missing.
    """
    entities = [
        entity
        for entity in reading.values(
            _entity_paths(reading),
            lambda nodes, data: payloads.quota_entity(nodes, data, secrets=secrets),
            lambda nodes: Resource("users" if _is_user(nodes) else "quotas"),
            stage="users and quotas",
        ).values()
        if entity is not None
    ]
    users = [User(name=user, credentials=entity.credentials) for entity in entities if (user := _scram_user(entity))]
    quotas = [Quota(entity=dict(entity.names), values=entity.quotas) for entity in entities if entity.quotas]
    return (
        _section(reading, "users", sorted(users, key=lambda user: user.name)),
        _section(reading, "quotas", sorted(quotas, key=_place)),
    )


def _entity_paths(reading: Reading) -> dict[Nodes, str]:
    users = reading.listed("/config/users", Resource("users"))
    if users is None:
        reason = f"quotas of users: {reading.session.root}/config/users in ZooKeeper could not be read"
        reading.gaps.append(Remark(resource=Resource("quotas"), reason=reason))
    paths: dict[Nodes, str] = {(("user", node),): f"/config/users/{node}" for node in users or ()}
    clients_of_users = reading.listings(
        {nodes: f"{path}/clients" for nodes, path in paths.items()}, lambda _: Resource("quotas")
    )
    for nodes, client in nested(clients_of_users):
        paths[(*nodes, ("clientId", client))] = f"{paths[nodes]}/clients/{client}"
    # Addresses: since 2.7 (KIP-612).
    for kind, path in (("clientId", "/config/clients"), ("ip", "/config/ips")):
        paths |= {((kind, node),): f"{path}/{node}" for node in reading.listed(path, Resource("quotas")) or ()}
    return paths


def _is_user(nodes: Nodes) -> bool:
    return [kind for kind, _ in nodes] == ["user"]


def _scram_user(entity: QuotaEntity) -> str | None:
    return dict(entity.names).get("user") if entity.credentials else None


def _place(quota: Quota) -> list[tuple[str, bool, str]]:
    return [(kind, name is not None, name or "") for kind, name in sorted(quota.entity.items())]


def _section(reading: Reading, section: str, found: Iterable[T]) -> tuple[T, ...] | None:
    """The values. None instead of () when something of this section could not be read."""
    values = tuple(found)
    return values if values or not any(gap.resource == Resource(section) for gap in reading.gaps) else None
