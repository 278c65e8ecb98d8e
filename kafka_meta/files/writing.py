"""A file appears whole, private and durable, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from kafka_meta.errors import KafkaMetaError, UsageError


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by a file with mode 0600 and this text. Raises KafkaMetaError.

    The text goes into a new file of the same folder, which then takes the name: a reader never sees
    half of it, and a link at `path` is replaced, not followed.
    """
    require_writable(path)
    try:
        # mkstemp opens with 0600 and O_EXCL: private from the first byte on.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise KafkaMetaError(f"cannot write into {path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise KafkaMetaError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def require_writable(path: Path) -> None:
    """Raises UsageError when `path` cannot become a file: before the work whose result it takes."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", "Name a file.")
    if path.exists() and not path.is_file():
        # Replacing it would take /dev/null away from everybody.
        raise UsageError(f"{path} is a device or a pipe, which cannot be replaced by a file", "Name a file.")
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist", "Create it, or name another one.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"no right to write into {path.parent}", "Name another folder.")
