"""Atomic writing: a file is written whole, private (0600) and durable, or not at all."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from kafka_meta.errors import KafkaMetaError, UsageError


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by a file with mode 0600 and this text. Raises KafkaMetaError.

    The text is written into a new file in the same folder, which is then renamed. So a reader never sees half of the
    text, and a link at `path` is replaced, not followed.
    """
    require_writable(path)
    try:
        # mkstemp opens with 0600 and O_EXCL: the file is private from its first byte.
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
    """Raises UsageError when no file can be written at `path`. Call it before work whose result goes there."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", "Name a file.")
    if path.exists() and not path.is_file():
        # Replacing /dev/null would break the whole machine.
        raise UsageError(f"{path} is a device or a pipe, which cannot be replaced by a file", "Name a file.")
    if not path.parent.is_dir():
        raise UsageError(
            f"{path.parent} is a file, not a folder"
            if path.parent.exists()
            else f"the folder {path.parent} does not exist",
            "Create it, or name another folder.",
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"no right to write into {path.parent}", "Name another folder.")


Kind: TypeAlias = Literal["a metadata file", "a plan", "an HTML page", "a log"]

_MARKS: dict[Kind, bytes] = {
    "a metadata file": rb'"kind"\s*:\s*"kafka-metadata"',
    "a plan": rb'"kind"\s*:\s*"kafka-meta-plan"',
    "an HTML page": rb"(?i)\A\s*<!doctype html",
    "a log": rb"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
}


def require_output(
    path: Path, kind: Kind | None, *, option: str, inputs: Mapping[str, Path | str | None] | None = None
) -> None:
    """Raises UsageError unless `path` may be written: it is not one of the command's `inputs`, and it is new, empty, or
    an earlier file of this kind (None: the caller checks what is there).

    `inputs` has the files that the command reads, by their name in messages. `option` is the option that names `path`.
    """
    require_writable(path)
    for name, other in (inputs or {}).items():
        if other is not None and _same(path, Path(other)):
            raise UsageError(f"{option}: {path} is {name}", "Name another file.")
    if kind is not None and path.exists() and not _is_of(kind, path):
        raise UsageError(f"{option}: {path} exists and is not {kind}", "Name another file, or remove this one.")


def _same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return os.path.samefile(path, other)
    return path.resolve() == other.resolve()


def _is_of(kind: Kind, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return True
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return re.search(_MARKS[kind], content) is not None
    except OSError as error:
        raise KafkaMetaError(f"cannot read {path}: {error.strerror}") from None
