"""The one error class whose messages users see, and the exit statuses of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit status of the process. `--help` and README show this table."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENT = 3
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_STATUSES: tuple[tuple[ExitStatus, str], ...] = (
    (ExitStatus.DONE, "done; a run without --commit is done whatever it has found"),
    (ExitStatus.FAILED, "something failed, even a single item; or there is no certain answer"),
    (ExitStatus.USAGE, "the command line, a settings file or an input file cannot be used"),
    (ExitStatus.DIFFERENT, "verify found differences"),
    (ExitStatus.BUG, "a defect of kafka-meta; the message names the file with the traceback"),
    (ExitStatus.INTERRUPTED, "interrupted with ^C"),
    (ExitStatus.TERMINATED, "ended by SIGTERM"),
)


class KafkaMetaError(Exception):
    """`message` says what was found and what was expected. `hint` says what to do about it.

    Neither may hold a secret: both are printed, logged and written into JSON documents.
    """

    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KafkaMetaError):
    """The command line, a settings file or an input file cannot be used as it is."""

    exit_status = ExitStatus.USAGE
