"""SCRAM users: desired and actual → credentials to create, each with the origin of its secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka_meta.model import ScramCredential, Secret, Snapshot
from kafka_meta.plan.actions import SecretOrigin, UpsertUser
from kafka_meta.plan.configs import parse_version
from kafka_meta.plan.draft import Draft
from kafka_meta.plan.scram import HASHES, fits, fitted_iterations

NEEDS_PASSWORD = "needs a password: --passwords FILE, or --generate-passwords FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """What credentials can be made of."""

    given: Mapping[str, Secret] = field(default_factory=dict)
    """By user; each is compared with the exported key before use."""
    generate: bool = False
    """New ones for who is not given one."""
    keys: bool = False
    """The destination takes exported keys as they are: it runs with ZooKeeper, and we can write there."""


def compare_users(desired: Snapshot, actual: Snapshot, passwords: Passwords, draft: Draft) -> None:
    if desired.users is None:
        draft.skip("users", "not in the file")
        return
    if actual.users is None:
        if desired.users:
            draft.cannot_compare("users", "the destination's users could not be read")
        return
    version = parse_version(actual.cluster.version)
    takes_passwords = version is None or version >= (2, 7)  # KIP-554
    there = {user.name: {each.mechanism: each for each in user.credentials} for user in actual.users}
    for user in sorted(desired.users, key=lambda user: user.name):
        for credential in sorted(user.credentials):
            found = there.get(user.name, {}).get(credential.mechanism)
            if found is not None:
                _compare(user.name, credential, found, draft)
            else:
                _create(user.name, credential, passwords, draft, takes_passwords=takes_passwords)
    wanted = {(user.name, credential.mechanism) for user in desired.users for credential in user.credentials}
    for name, credentials in sorted(there.items()):
        for mechanism in sorted(credentials):
            if (name, mechanism) not in wanted:
                draft.only_there(f"user {name}", mechanism)


def _compare(user: str, credential: ScramCredential, found: ScramCredential, draft: Draft) -> None:
    """A password cannot be compared: brokers never tell keys."""
    resource, aspect = f"user {user}", f"{credential.mechanism} iterations"
    wanted = credential.iterations
    if found.iterations == wanted:
        draft.present.append(f"user {user} {credential.mechanism}")
        draft.equal["users"] += 1
    elif found.iterations == fitted_iterations(wanted):
        draft.intend(resource, aspect, wanted, found.iterations, _LIMITS)
    else:
        draft.drifts(resource, aspect, wanted, found.iterations, "users that exist are left as they are")


_PLAUSIBLE = 1_000_000
_NEEDS_KEY = (
    "brokers before 2.7 take no passwords: export its key (--secrets), and import with --dest-zk-connect, or create it "
    "with kafka-configs --zookeeper"
)
_LIMITS = "brokers take 4096 to 16384 iterations"


def _create(
    user: str, credential: ScramCredential, passwords: Passwords, draft: Draft, *, takes_passwords: bool
) -> None:
    resource, mechanism = f"user {user}", credential.mechanism
    secret = _origin(user, credential, passwords)
    if mechanism not in HASHES:
        draft.refuse(resource, f"{mechanism} is no mechanism that this version of kafka-meta knows")
    elif secret != "key" and not takes_passwords:
        draft.refuse(resource, _NEEDS_KEY)
    elif secret is None:
        draft.refuse(resource, NEEDS_PASSWORD)
    elif secret == "passwords" and credential.iterations > _PLAUSIBLE:
        draft.refuse(resource, f"{credential.iterations:,} iterations: no password is tried that often")
    elif secret == "passwords" and fits(passwords.given[user], credential) is False:
        draft.refuse(resource, f"the password of --passwords is not that of the exported key ({mechanism})")
    elif secret == "generated" and ("\n" in user or "\r" in user):
        draft.refuse(resource, "its name has a line break: no file of passwords can hold it")
    else:
        iterations = credential.iterations if secret == "key" else fitted_iterations(credential.iterations)
        draft.users.append(UpsertUser(user=user, mechanism=mechanism, iterations=iterations, secret=secret))
        if iterations != credential.iterations:
            draft.intend(resource, f"{mechanism} iterations", credential.iterations, iterations, _LIMITS)
        if secret == "passwords" and credential.stored_key is None:
            draft.warn(resource, "its password is not checked: the file has no key of it (export --secrets)")
        if secret == "generated":
            draft.warn(resource, "gets a new password, with which its clients must be told to log in")


def _origin(user: str, credential: ScramCredential, passwords: Passwords) -> SecretOrigin | None:
    if passwords.keys and credential.stored_key and credential.server_key and credential.salt:
        return "key"
    if user in passwords.given:
        return "passwords"
    return "generated" if passwords.generate else None
