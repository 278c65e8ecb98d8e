"""The one error class that users meet, and the exit statuses of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process answers; `--help` and README repeat this table."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENT = 3
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_STATUSES: tuple[tuple[ExitStatus, str], ...] = (
    (ExitStatus.DONE, "done (a dry run is done, too, whatever it has found)"),
    (ExitStatus.FAILED, "something failed, be it a single item; or the answer is inconclusive"),
    (ExitStatus.USAGE, "the command line, a settings file or an input file cannot be used"),
    (ExitStatus.DIFFERENT, "verify found differences"),
    (ExitStatus.BUG, "a defect of kafka-meta; the traceback is in the file that is named"),
    (ExitStatus.INTERRUPTED, "interrupted with ^C"),
    (ExitStatus.TERMINATED, "ended by SIGTERM"),
)


class KafkaMetaError(Exception):
    """What was seen and what was expected (`message`), and what to do about it (`hint`).

    Neither may hold a secret: both are printed, logged and put into JSON documents.
    """

    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KafkaMetaError):
    """The command line, a settings file or an input file cannot be used as it is."""

    exit_status = ExitStatus.USAGE
