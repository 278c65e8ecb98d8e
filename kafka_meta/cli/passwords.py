"""Whose passwords are given, whose are made up, and the file that the new ones stand in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kafka_meta import cluster, zookeeper
from kafka_meta.cli.screen import Screen
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.files import read_passwords, write_passwords
from kafka_meta.files.writing import require_writable
from kafka_meta.model import Secret, Snapshot, User
from kafka_meta.plan import Action, Passwords, UpsertUser
from kafka_meta.render import names, visible
from kafka_meta.settings import ClusterSettings, PolicyOptions

_RANDOM_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordFiles:
    """`--passwords` and `--generate-passwords`, as they were when the command began."""

    given: Mapping[str, Secret] = field(default_factory=dict)
    generated: Mapping[str, Secret] = field(default_factory=dict)
    """Made up by an earlier run: what was interrupted is completed with the same passwords."""
    new_file: Path | None = None

    def vault(self, actions: Iterable[Action], exported: Iterable[User], dest: ClusterSettings) -> cluster.Vault:
        """What the users of these actions are made of. New passwords are in their file before it returns."""
        upserts = [action for action in actions if isinstance(action, UpsertUser)]
        for action in upserts:
            if action.secret == "passwords" and action.user not in self.given:
                raise UsageError(f"the plan takes the password of {visible(action.user)} from --passwords FILE")
            if action.secret == "generated" and self.new_file is None:
                raise UsageError(f"the plan makes a password for {visible(action.user)}: --generate-passwords FILE")
        wanted = sorted({action.user for action in upserts if action.secret == "generated"})
        made = {user: self.generated.get(user) or Secret(secrets.token_urlsafe(_RANDOM_BYTES)) for user in wanted}
        if self.new_file is not None and made.keys() - self.generated.keys():
            write_passwords(self.new_file, {**self.generated, **made})
        return cluster.Vault(passwords={**self.given, **made}, exported=exported, zookeeper=dest.zookeeper)


def password_files(chosen: PolicyOptions, users: Iterable[User], screen: Screen) -> PasswordFiles:
    """Reads both files. Raises UsageError for one that others may read, or that is not what it ought to be."""
    known = [user.name for user in users]
    given: dict[str, Secret] = {}
    if chosen.passwords is not None:
        given = read_passwords(Path(chosen.passwords), known)
        if strangers := sorted(given.keys() - set(known)):
            screen.say(f"{chosen.passwords}: no users of the source: {names(strangers, verbose=screen.verbose)}")
    if chosen.generate_passwords is None:
        return PasswordFiles(given=given)
    path = Path(chosen.generate_passwords)
    require_writable(path)
    generated = read_passwords(path, known) if path.exists() else {}
    return PasswordFiles(given=given, generated=generated, new_file=path)


def passwords_for(files: PasswordFiles, desired: Snapshot, actual: Snapshot, dest: ClusterSettings) -> Passwords:
    """What the plan may make users of. Raises KafkaMetaError when the destination's ZooKeeper is not its own."""
    keys = False
    if dest.zookeeper is not None and actual.cluster.mode == "zookeeper":
        keys = any(each.stored_key is not None for user in desired.users or () for each in user.credentials)
        found = zookeeper.identify(dest.zookeeper).id if keys else None
        if keys and found != actual.cluster.id:
            raise KafkaMetaError(
                f"two different clusters: the destination's ZooKeeper says {found}, its brokers {actual.cluster.id}",
                "Check --dest-zk-connect, or zookeeper.connect in the file of --dest-config.",
            )
    return Passwords(given=files.given, generate=files.new_file is not None, keys=keys)
