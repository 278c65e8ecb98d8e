"""SCRAM users and client quotas.

librdkafka has no quotas, and it cannot send a salted password: it would use a salt of its own, so that no credential
could stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from kafka.protocol.admin import (
    AlterClientQuotasRequest,
    AlterUserScramCredentialsRequest,
    DescribeClientQuotasRequest,
    DescribeUserScramCredentialsRequest,
)

from kafka_meta.model import Gap, Quota, Remark, Resource, ScramCredential, User
from kafka_meta.wire.connection import Unanswered, Wire, error_text, outcome

_MECHANISMS: Mapping[int, str] = {1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}
_RESOURCE_NOT_FOUND = 91
_NOT_SUPPORTED = (
    "the brokers do not support {} (Kafka does since {}); a ZooKeeper of theirs tells: --source-zk-connect, "
    "--dest-zk-connect"
)
_KINDS: Mapping[str, str] = {"user": "user", "client-id": "clientId", "ip": "ip"}
"""Kinds of entities, in the brokers' spelling and in ours (`org.apache.kafka.common.quota.ClientQuotaEntity`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsertion:
    """`salted_password` is PBKDF2's, and the only secret that a broker gets. It is never shown."""

    user: str
    mechanism: str
    iterations: int
    salt: bytes
    salted_password: bytes

    def __repr__(self) -> str:
        return f"Upsertion({self.user!r}, {self.mechanism})"


def users(wire: Wire) -> tuple[tuple[User, ...] | None, tuple[Gap, ...]]:
    """Users with a SCRAM credential, without keys (KIP-554, since 2.7); None when brokers do not return them."""
    if not wire.speaks(DescribeUserScramCredentialsRequest):
        return None, (
            Remark(resource=Resource("users"), reason=_NOT_SUPPORTED.format("DescribeUserScramCredentials", "2.7")),
        )
    try:
        # Empty and null both mean all users. A broker that refuses the request fails on null and never answers (seen on
        # 3.9).
        answer = wire.ask(DescribeUserScramCredentialsRequest(users=[]))
        if answer.error_code:
            return None, (
                Remark(resource=Resource("users"), reason=error_text(answer.error_code, answer.error_message)),
            )
        are_nodes = _are_nodes(wire, [told.user for told in answer.results if "%" in told.user])
    except Unanswered as silence:
        return None, (Remark(resource=Resource("users"), reason=silence.reason),)
    gaps = tuple(
        Remark(resource=Resource("user", told.user), reason=error_text(told.error_code, told.error_message))
        for told in answer.results
        if told.error_code
    )
    found = [
        User(
            name=told.user,
            credentials=tuple(
                sorted(
                    ScramCredential(mechanism=_MECHANISMS[info.mechanism], iterations=info.iterations)
                    for info in told.credential_infos
                    if info.mechanism in _MECHANISMS
                )
            ),
        )
        for told in answer.results
        if not told.error_code
    ]
    if are_nodes:
        found = [replace(user, name=unquote(user.name)) for user in found]
    return tuple(sorted(found, key=lambda user: user.name)), gaps


def _are_nodes(wire: Wire, names: Sequence[str]) -> bool:
    """Whether these names, which have a `%`, are names of ZooKeeper nodes (`al%20ice`). 2.8 returns such names for all
    users, but a request for one user needs the user's name.

    If they were names of users, each would be found under its own name.
    """
    if not names:
        return False
    request = DescribeUserScramCredentialsRequest
    answer = wire.ask(request(users=[request.UserName(name=name) for name in names]))
    return any(told.error_code == _RESOURCE_NOT_FOUND for told in answer.results)


def quotas(wire: Wire) -> tuple[tuple[Quota, ...] | None, tuple[Gap, ...]]:
    """Quotas of users, client ids, both together, and addresses (KIP-546); None before 2.6, and after an error."""
    if not wire.speaks(DescribeClientQuotasRequest):
        return None, (Remark(resource=Resource("quotas"), reason=_NOT_SUPPORTED.format("DescribeClientQuotas", "2.6")),)
    try:
        answer = wire.ask(DescribeClientQuotasRequest(components=[], strict=False))
    except Unanswered as silence:
        return None, (Remark(resource=Resource("quotas"), reason=silence.reason),)
    if answer.error_code:
        return None, (Remark(resource=Resource("quotas"), reason=error_text(answer.error_code, answer.error_message)),)
    known, unknown = [], 0
    for entry in answer.entries or ():
        if any(part.entity_type not in _KINDS for part in entry.entity):
            unknown += 1
            continue
        entity = {_KINDS[part.entity_type]: part.entity_name for part in entry.entity}
        known.append(Quota(entity=entity, values={value.key: value.value for value in entry.values}))
    reason = f"{unknown} of a kind that this kafka-meta does not know"
    gaps = (Remark(resource=Resource("quotas"), reason=reason),) if unknown else ()
    return tuple(sorted(known, key=_place)), gaps


def _place(quota: Quota) -> list[tuple[str, bool, str]]:
    return [(kind, name is not None, name or "") for kind, name in sorted(quota.entity.items())]


def upsert_users(wire: Wire, changes: Sequence[Upsertion], controller: int | None) -> list[Unanswered | None]:
    """For each credential, in order: None when it exists now, else why not. Each user once. Raises `Unanswered`.

    The controller is asked: in ZooKeeper mode no other broker answers. KRaft refuses two mechanisms of one user in one
    request (DUPLICATE_RESOURCE).
    """
    codes = {name: code for code, name in _MECHANISMS.items()}
    answer = wire.ask(
        AlterUserScramCredentialsRequest(
            deletions=[],
            upsertions=[
                AlterUserScramCredentialsRequest.ScramCredentialUpsertion(
                    name=change.user,
                    mechanism=codes[change.mechanism],
                    iterations=change.iterations,
                    salt=change.salt,
                    salted_password=change.salted_password,
                )
                for change in changes
            ],
        ),
        controller,
    )
    told = {result.user: result for result in answer.results}
    return [outcome(told.get(change.user)) for change in changes]


def set_quotas(wire: Wire, changes: Sequence[Quota]) -> list[Unanswered | None]:
    """For each entity, in order: None when its values are set now, else why not. Each entity once. Raises
    `Unanswered`."""
    kinds = {ours: theirs for theirs, ours in _KINDS.items()}
    request = AlterClientQuotasRequest
    entries = [
        request.EntryData(
            entity=[
                request.EntryData.EntityData(entity_type=kinds[kind], entity_name=name)
                for kind, name in change.entity.items()
            ],
            ops=[request.EntryData.OpData(key=key, value=value, remove=False) for key, value in change.values.items()],
        )
        for change in changes
    ]
    answer = wire.ask(request(entries=entries, validate_only=False))
    told = {_entity(entry): entry for entry in answer.entries}
    return [outcome(told.get(_entity(entry))) for entry in entries]


def _entity(entry: Any) -> frozenset[tuple[str, str | None]]:
    return frozenset((part.entity_type, part.entity_name) for part in entry.entity)
