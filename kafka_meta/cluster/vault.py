"""The secrets of new users. A `Vault` exists only together with a `Writer`: no action and no result holds a secret."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kafka_meta import zookeeper
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import ScramCredential, Secret, User
from kafka_meta.plan import Result, UpsertUser
from kafka_meta.plan.scram import fits, salt_of, salted
from kafka_meta.settings import ZooKeeperSettings
from kafka_meta.wire import Upsertion

_SALT_BYTES = 24


class Vault:
    """Passwords by user of the destination, exported credentials, and the ZooKeeper into which exported keys are
    written."""

    def __init__(
        self,
        *,
        passwords: Mapping[str, Secret] | None = None,
        exported: Iterable[User] = (),
        zookeeper: ZooKeeperSettings | None = None,
    ) -> None:
        self._passwords = passwords or {}
        self._exported = {(user.name, each.mechanism): each for user in exported for each in user.credentials}
        self._zookeeper = zookeeper

    def upsertion(self, action: UpsertUser) -> Upsertion | Result:
        """The request for a broker. A failed result where no password is given, or where it does not fit the exported
        key."""
        password = self._passwords.get(action.user)
        if password is None:
            return _failed(action, "no password is given for this user")
        exported = self._exported_of(action)
        salt = None
        if action.secret == "passwords" and exported is not None:
            if fits(password, exported) is False:
                return _failed(action, "the password in --passwords does not fit the exported key")
            salt = salt_of(exported)
        salt = salt or secrets.token_bytes(_SALT_BYTES)
        return Upsertion(
            user=action.user,
            mechanism=action.mechanism,
            iterations=action.iterations,
            salt=salt,
            salted_password=salted(password, action.mechanism, salt, action.iterations),
        )

    def _exported_of(self, action: UpsertUser) -> ScramCredential | None:
        return self._exported.get((action.was or action.user, action.mechanism))

    def write_keys(self, actions: Sequence[UpsertUser], cluster_id: str | None) -> Iterator[Result]:
        """Writes exported keys into the destination's ZooKeeper, which must be that of the cluster `cluster_id`.

        Yields a result for each action.
        """
        with_keys: dict[tuple[str, str], ScramCredential] = {}
        for action in actions:
            exported = self._exported_of(action)
            if exported is None or exported.stored_key is None or self._zookeeper is None:
                yield _failed(action, "no exported key of this user is given, or no address of the ZooKeeper")
            else:
                with_keys[action.user, action.mechanism] = exported
        if self._zookeeper is None or not with_keys:
            return
        by_key = {(action.user, action.mechanism): action for action in actions}
        try:
            for key, said in zookeeper.write_credentials(self._zookeeper, with_keys, cluster_id=cluster_id):
                action = by_key.pop(key)
                yield Result(action=action, outcome="done") if said is None else _failed(action, said)
        except KafkaMetaError as error:
            for key in with_keys:
                if key in by_key:
                    yield _failed(by_key[key], error.message)


def _failed(action: UpsertUser, said: str) -> Result:
    return Result(action=action, outcome="failed", error=said)
