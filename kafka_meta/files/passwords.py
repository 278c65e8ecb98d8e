"""Files of users' passwords: lines of `name=password`, which only their owner may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from kafka_meta.errors import UsageError
from kafka_meta.files.writing import write_private
from kafka_meta.model import Secret

_MOST_BYTES = 64 << 20


def read_passwords(path: Path, users: Iterable[str]) -> dict[str, Secret]:
    """Passwords by user. Raises UsageError, whose message never shows the content of the file.

    Names and passwords may contain `=`. A name ends at the first `=`, unless the line begins with a longer name of
    `users`.
    """
    holding = sorted((name for name in users if "=" in name), key=len, reverse=True)
    found: dict[str, Secret] = {}
    for number, line in enumerate(_private_text(path).split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        name = next((name for name in holding if line.startswith(f"{name}=")), line.partition("=")[0])
        if not name or not line.startswith(f"{name}="):
            raise UsageError(f"{path}: line {number} is not NAME=PASSWORD")
        password = line[len(name) + 1 :]
        if not password:
            raise UsageError(f"{path}: line {number} has an empty password")
        if name in found:
            raise UsageError(f"{path}: line {number} has a user who has a line already", "Keep one line for each user.")
        found[name] = Secret(password)
    return found


def write_passwords(path: Path, passwords: Mapping[str, Secret]) -> None:
    """Writes the file that `read_passwords` reads, with mode 0600. Raises KafkaMetaError."""
    write_private(path, "".join(f"{name}={secret.reveal()}\n" for name, secret in sorted(passwords.items())))


def _private_text(path: Path) -> str:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{path} is not a file")
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise UsageError(f"other users may read the passwords in {path} (mode {mode:04o})", f"chmod 600 {path}")
            if status.st_size > _MOST_BYTES:
                raise UsageError(f"{path} has {status.st_size:,} bytes, the limit is {_MOST_BYTES:,}")
            return file.read().decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
