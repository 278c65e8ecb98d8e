"""Files that a client library reads and nobody else may: with mode 0600, in a directory with mode 0700, removed when
the process ends."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

from kafka_meta.errors import KafkaMetaError

WritePrivate: TypeAlias = Callable[[str, bytes], str]
"""(file name, content) → path of a file that only we can read."""


def write_private(name: str, content: bytes) -> str:
    """Writes a new file with mode 0600 into this process's private directory. It is removed when the process ends.

    Raises KafkaMetaError.
    """
    try:
        path = Path(_directory(), f"{secrets.token_hex(4)}-{name}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise KafkaMetaError(
            f"what a keystore or truststore holds cannot be written into a temporary folder: {error.strerror}",
            "Name a folder that has room and takes files: TMPDIR=FOLDER kafka-meta …",
        ) from None
    return str(path)


@cache
def _directory() -> str:
    path = tempfile.mkdtemp(prefix="kafka-meta-pem-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
