"""A login whose file changes while a command runs: a rotated password, a secret that is mounted anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from kafka_meta.errors import KafkaMetaError

T = TypeVar("T")
Stamp: TypeAlias = "tuple[int, int, int] | None"


class Renewal(Generic[T]):
    """What was made of a file, made again when the file has changed. It may be used from any thread.

    A file that cannot be read or understood just now (it is being written) leaves everything as it was, and is read
    again at the next call. So does a pipe (`<(…)`), which can be read only once.
    """

    def __init__(self, path: str, seen: Stamp, first: T, make: Callable[[], T]) -> None:
        """`seen`: the file's `stamp` from before it was read."""
        self._path, self._seen = path, seen
        self._latest, self._make = first, make
        self._lock = threading.Lock()

    def latest(self) -> T:
        with self._lock:
            now = stamp(self._path)
            if now is not None and now != self._seen:
                with suppress(KafkaMetaError):
                    self._latest = self._make()
                    self._seen = now
            return self._latest


def stamp(path: str) -> Stamp:
    """Changes when a file is written or replaced; None where there is none, and for a pipe."""
    with suppress(OSError, ValueError):
        told = os.stat(path)
        return (told.st_mtime_ns, told.st_size, told.st_ino) if os.path.isfile(path) else None
    return None
