"""A login whose file changes while a command runs: a rotated password, a secret that is mounted anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from kafka_meta.errors import KafkaMetaError

T = TypeVar("T")
_Stamp: TypeAlias = "tuple[int, int, int] | None"


class Renewal(Generic[T]):
    """What was made of a file, made again when the file has changed. It may be used from any thread.

    A file that cannot be read or understood just now (it is being written) leaves everything as it was, and is read
    again at the next call. So does a pipe (`<(…)`), which can be read only once.
    """

    def __init__(self, path: str, first: T, make: Callable[[], T]) -> None:
        self._path = path
        self._make = make
        self._lock = threading.Lock()
        self._latest = first
        self._seen = _stamp(path)

    def latest(self) -> T:
        with self._lock:
            stamp = _stamp(self._path)
            if stamp is not None and stamp != self._seen:
                with suppress(KafkaMetaError):
                    self._latest = self._make()
                    self._seen = stamp
            return self._latest


def _stamp(path: str) -> _Stamp:
    """Changes when a file is written or replaced; None where there is none, and for a pipe."""
    with suppress(OSError, ValueError):
        told = os.stat(path)
        return (told.st_mtime_ns, told.st_size, told.st_ino) if os.path.isfile(path) else None
    return None
