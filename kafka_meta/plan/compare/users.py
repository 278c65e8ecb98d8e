"""SCRAM users: desired and actual → the credentials to create, each with the origin of its secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka_meta.model import Resource, ScramCredential, Secret, Snapshot
from kafka_meta.plan.actions import SecretOrigin, UpsertUser
from kafka_meta.plan.configs import parse_version
from kafka_meta.plan.desired import Desired, DesiredUser
from kafka_meta.plan.draft import Draft
from kafka_meta.plan.scram import HASHES, fits, fitted_iterations

NEEDS_PASSWORD = "needs a password: --passwords FILE, or --generate-passwords FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """The secrets from which credentials can be made."""

    given: Mapping[str, Secret] = field(default_factory=dict)
    """Passwords by user. Each is compared with the exported key before use, where that is known."""
    generate: bool = False
    """Whether users without a given password get a new one."""
    keys: bool = False
    """Whether exported keys can be written as they are: the destination is in ZooKeeper mode, and we have its
    address."""


def compare_users(desired: Desired, actual: Snapshot, passwords: Passwords, draft: Draft) -> None:
    """Adds the credentials to create, and all remarks about users, to the draft."""
    if desired.users is None:
        return
    if actual.users is None:
        if desired.users:
            draft.cannot_compare(Resource("users"), "the destination's users could not be read")
        return
    version = parse_version(actual.cluster.version)
    takes_passwords = version is None or version >= (2, 7)  # KIP-554
    there = {user.name: {each.mechanism: each for each in user.credentials} for user in actual.users}
    unseen = {gap.resource.name for gap in actual.gaps if gap.resource.kind == "user"}
    for user in sorted(desired.users, key=lambda user: user.name):
        draft.differs_as_intended(Resource("user", user.name))
        for credential in sorted(user.credentials):
            found = there.get(user.name, {}).get(credential.mechanism)
            if user.name in unseen:
                draft.cannot_compare(
                    Resource("user", user.name), "its credentials on the destination could not be read"
                )
            elif found is not None:
                _compare(user.name, credential, found, draft)
            else:
                _create(user, credential, passwords, draft, takes_passwords=takes_passwords)
    if draft.equal["users"]:
        draft.warn(Resource("users"), _PASSWORDS_UNKNOWN)
    if desired.selection.narrows_users:
        return  # nobody said that the others ought not to be there
    wanted = {(user.name, credential.mechanism) for user in desired.users for credential in user.credentials}
    for name, credentials in sorted(there.items()):
        for mechanism in sorted(credentials):
            if (name, mechanism) not in wanted:
                draft.only_there(Resource("user", name), mechanism)


def _compare(user: str, credential: ScramCredential, found: ScramCredential, draft: Draft) -> None:
    """Only the iterations are compared: brokers never return keys."""
    resource, aspect = Resource("user", user), f"{credential.mechanism} iterations"
    wanted = credential.iterations
    if found.iterations == wanted:
        draft.present.append(resource)
        draft.equal["users"] += 1
    elif found.iterations == fitted_iterations(wanted):
        draft.intend(resource, aspect, wanted, found.iterations, _LIMITS)
    else:
        draft.drifts(resource, aspect, wanted, found.iterations, "existing users are left alone")


_PASSWORDS_UNKNOWN = "those that are there may have another password: brokers do not show keys, so it is not compared"
_PLAUSIBLE = 1_000_000
_NEEDS_KEY = (
    "the brokers do not support AlterUserScramCredentials (Kafka does since 2.7): export its key (--secrets) and "
    "import with --dest-zk-connect, or create the user with kafka-configs --zookeeper"
)
_LIMITS = "brokers accept 4096 to 16384 iterations"


def _create(
    desired: DesiredUser, credential: ScramCredential, passwords: Passwords, draft: Draft, *, takes_passwords: bool
) -> None:
    user, was = desired.name, desired.was
    resource, mechanism = Resource("user", user), credential.mechanism
    secret = _origin(user, credential, passwords)
    if mechanism not in HASHES:
        draft.refuse(resource, f"this kafka-meta does not know the mechanism {mechanism}")
    elif secret != "key" and not takes_passwords:
        draft.refuse(resource, _NEEDS_KEY)
    elif secret is None:
        draft.refuse(resource, NEEDS_PASSWORD)
    elif secret == "passwords" and credential.iterations > _PLAUSIBLE:
        draft.refuse(
            resource, f"{credential.iterations:,} iterations: kafka-meta checks passwords up to {_PLAUSIBLE:,}"
        )
    elif secret == "passwords" and fits(passwords.given[user], credential) is False:
        draft.refuse(resource, f"the password in --passwords does not fit the exported key ({mechanism})")
    elif secret == "generated" and ("\n" in user or "\r" in user):
        draft.refuse(resource, "its name has a line break, which a file of passwords cannot hold")
    else:
        iterations = credential.iterations if secret == "key" else fitted_iterations(credential.iterations)
        former = was if was != user else None
        draft.users.append(UpsertUser(user=user, mechanism=mechanism, iterations=iterations, secret=secret, was=former))
        if iterations != credential.iterations:
            draft.intend(resource, f"{mechanism} iterations", credential.iterations, iterations, _LIMITS)
        if secret == "passwords" and credential.stored_key is None:
            draft.warn(resource, "its password cannot be checked: the file has no key of this user (export --secrets)")
        if secret == "generated":
            draft.warn(resource, "gets a new password: give it to the user's clients")


def _origin(user: str, credential: ScramCredential, passwords: Passwords) -> SecretOrigin | None:
    if passwords.keys and credential.stored_key and credential.server_key and credential.salt:
        return "key"
    if user in passwords.given:
        return "passwords"
    return "generated" if passwords.generate else None
