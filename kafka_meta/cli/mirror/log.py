"""The log of a look or a copy: what was found, and what happened when, one line each with its time in UTC."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from kafka_meta.cli.rates import COPYING, Rates
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.events import Event, Happened, Progress, Waiting
from kafka_meta.files.writing import require_output
from kafka_meta.render import visible

_SECONDS_BETWEEN_LINES = 60.0
"""Progress, and a wait for the same reason, are written as often as this."""


class Log:
    """A context manager. The file is private (0600); `append` adds to an earlier log, else that one is replaced.

    The file is made when the first lines of the result are there: until then, a command line may still be refused. If
    the file cannot be written any more, because a disk is full, `say` gets a sentence, and the run goes on.
    """

    def __init__(self, path: Path, *, append: bool, journal: Path | None, say: Callable[[str], None]) -> None:
        """Raises `UsageError` when the file cannot be written."""
        require_output(path, "a log" if append else None, option="--log", inputs={"the journal": journal})
        if append and path.exists() and not os.access(path, os.W_OK):
            raise UsageError(f"--log: no right to write {path}", "Name another file.")
        self.path = path
        self._append = append
        self._say = say
        self._file: int | None = None
        self._early: list[str] | None = []
        """Lines before the file is made; None afterwards."""
        self._written_at: dict[str, float] = {}
        self._rates = Rates()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._write(f"ended: {_reason(error)}")
        if self._file is not None:
            os.close(self._file)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines of the result. The first ones make the file."""
        if self._early is not None:
            early, self._early = self._early, None
            self._file = self._open()
            self._put(early)
        for line in lines:
            if line:
                self._write(line)

    def emit(self, event: Event) -> None:
        """Writes an event that explains the run; of what is repeated, a line a minute."""
        match event:
            case Progress():
                self._progress(event)
            case Waiting():
                # Reasons for the same wait differ in their figures.
                if self._due(re.sub(r"\d+(\.\d+)?", "", event.reason)):
                    self._write(f"waiting {event.seconds:.1f} s: {visible(event.reason)}")
            case Happened():
                self._write(visible(event.text))
            case _:
                assert_never(event)

    def _progress(self, event: Progress) -> None:
        if event.stage in COPYING:
            self._rates.take(event)
            if self._due("copying"):
                self._write(f"copying: {self._rates.note()}")
        elif event.done == event.total:
            if event.total:
                self._write(f"{event.stage}: {event.done:,} of {event.total:,}")
            self._written_at.pop(event.stage, None)
        elif self._due(event.stage):
            total = "?" if event.total is None else f"{event.total:,}"
            self._write(f"{event.stage}: {event.done:,} of {total}")

    def _due(self, what: str) -> bool:
        now = time.monotonic()
        due = now - self._written_at.get(what, -_SECONDS_BETWEEN_LINES) >= _SECONDS_BETWEEN_LINES
        if due:
            self._written_at[what] = now
        return due

    def _open(self) -> int:
        try:
            if not self._append:
                # A link at the usual place is replaced, not followed.
                self.path.unlink(missing_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            os.fchmod(file, 0o600)
        except OSError as error:
            raise UsageError(f"the log {self.path} cannot be written: {error.strerror}", "--log FILE") from None
        return file

    def _write(self, text: str) -> None:
        line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}  {text}"
        if self._early is not None:
            self._early.append(line)
        else:
            self._put([line])

    def _put(self, lines: Iterable[str]) -> None:
        if self._file is None:
            return
        data = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            file, self._file = self._file, None
            with suppress(OSError):
                os.close(file)
            self._say(f"the log {self.path} ends here: {error.strerror}. The run goes on without it")


def _reason(error: BaseException) -> str:
    match error:
        case KafkaMetaError():
            return visible(error.message)
        case Exception():
            return f"a defect of kafka-meta: {type(error).__name__}"
        case _:
            return "interrupted"
