"""Passwords of users: those that were given, and new ones with the file that holds them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kafka_meta import cluster, zookeeper
from kafka_meta.cli.screen import Screen
from kafka_meta.errors import UsageError
from kafka_meta.files import read_passwords, write_passwords
from kafka_meta.files.writing import require_output
from kafka_meta.model import Secret, Snapshot, User
from kafka_meta.plan import Action, Passwords, UpsertUser
from kafka_meta.render import names, visible
from kafka_meta.settings import ClusterSettings, PolicyOptions

_RANDOM_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordFiles:
    """What is in the files of `--passwords` and `--generate-passwords` when the command begins."""

    given: Mapping[str, Secret] = field(default_factory=dict)
    generated: Mapping[str, Secret] = field(default_factory=dict)
    """New passwords of an earlier run: an interrupted import is completed with the same ones."""
    new_file: Path | None = None

    def vault(self, actions: Iterable[Action], exported: Iterable[User], dest: ClusterSettings) -> cluster.Vault:
        """Passwords and keys for the users of these actions. New passwords are in their file before it returns."""
        upserts = [action for action in actions if isinstance(action, UpsertUser)]
        for action in upserts:
            if action.secret == "passwords" and action.user not in self.given:
                raise UsageError(
                    f"the plan needs the password of user {visible(action.user)}", "Give --passwords FILE."
                )
            if action.secret == "generated" and self.new_file is None:
                raise UsageError(
                    f"the plan makes a new password for user {visible(action.user)}",
                    "Give --generate-passwords FILE, into which it is written.",
                )
        wanted = sorted({action.user for action in upserts if action.secret == "generated"})
        made = {user: self.generated.get(user) or Secret(secrets.token_urlsafe(_RANDOM_BYTES)) for user in wanted}
        if self.new_file is not None and made.keys() - self.generated.keys():
            write_passwords(self.new_file, {**self.generated, **made})
        return cluster.Vault(passwords={**self.given, **made}, exported=exported, zookeeper=dest.zookeeper)


def password_files(chosen: PolicyOptions, users: Iterable[str], screen: Screen) -> PasswordFiles:
    """Reads both files. `users` are the names of users on the destination. Raises UsageError for a file that others may
    read, and for one that holds no passwords."""
    known = list(users)
    given: dict[str, Secret] = {}
    if chosen.passwords is not None:
        given = read_passwords(Path(chosen.passwords), known)
        if strangers := sorted(given.keys() - set(known)):
            screen.say(f"{chosen.passwords}: these users do not move: {names(strangers, verbose=screen.verbose)}")
    if chosen.generate_passwords is None:
        return PasswordFiles(given=given)
    path = Path(chosen.generate_passwords)
    generated = read_passwords(path, known) if path.exists() else {}
    return PasswordFiles(given=given, generated=generated, new_file=path)


def require_new_passwords(chosen: PolicyOptions, inputs: Mapping[str, Path | str | None]) -> None:
    """Raises UsageError where --generate-passwords names no file that can be written, or one of `inputs`."""
    if chosen.generate_passwords is not None:
        require_output(Path(chosen.generate_passwords), None, option="--generate-passwords", inputs=inputs)


def passwords_for(files: PasswordFiles, source: Snapshot, actual: Snapshot, dest: ClusterSettings) -> Passwords:
    """What users can be created from. Raises KafkaMetaError for a ZooKeeper that is not the destination's."""
    keys = False
    if dest.zookeeper is not None and actual.cluster.mode == "zookeeper":
        keys = any(each.stored_key is not None for user in source.users or () for each in user.credentials)
        if keys:
            zookeeper.require_cluster(dest.zookeeper, actual.cluster.id)
    return Passwords(given=files.given, generate=files.new_file is not None, keys=keys)
