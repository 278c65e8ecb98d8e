"""What SQLite says of a file that it cannot read or write, in words for an operator."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_meta.errors import KafkaMetaError

_AGAIN = "Nothing that was copied is lost: then give the same command again, and it goes on."
_ANOTHER = "Name another file with --journal."
_DAMAGED = (
    "Put back a copy of the file that was made while no mirror ran. Without one, empty the copied topics on the "
    "destination, and copy them again with --journal FILE."
)
_PRIMARY = 0xFF
"""The lower byte of an error code is the error; the rest says more about it (https://sqlite.org/rescode.html)."""


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Raises KafkaMetaError for what SQLite or the system refuses. A mistake in our own statements stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        raise _told(path, code & _PRIMARY, str(error)) from error
    except OSError as error:
        raise KafkaMetaError(f"the journal {path} cannot be used: {error.strerror}", _ANOTHER) from error


def _told(path: Path, code: int, said: str) -> KafkaMetaError:
    match code:
        case sqlite3.SQLITE_FULL:
            return KafkaMetaError(f"there is no room left on the disk of the journal {path}", f"Make room. {_AGAIN}")
        case sqlite3.SQLITE_IOERR:
            return KafkaMetaError(
                f"the disk of the journal {path} refuses to read or write it: {said}",
                f"Look whether the disk is full or damaged, and repair that. {_AGAIN}",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return KafkaMetaError(
                f"another program has locked the journal {path} for more than {BUSY_SECONDS} s",
                f"Wait until it has ended. {_AGAIN}",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return KafkaMetaError(
                f"the journal {path} may not be written: {said}",
                f"Give yourself the right to write the file and its folder. {_AGAIN}",
            )
        case sqlite3.SQLITE_NOTADB:
            return KafkaMetaError(f"{path} is not the journal of a migration", _ANOTHER)
        case sqlite3.SQLITE_CORRUPT:
            return KafkaMetaError(f"the journal {path} is damaged: {said}", _DAMAGED)
        case _:
            return KafkaMetaError(f"the journal {path} cannot be used: {said}", _ANOTHER)


BUSY_SECONDS = 10
"""For so long SQLite waits for a lock of another process."""
