"""Standard output gets the result. Standard error gets notes, progress and errors."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, assert_never

from rich.console import Console

from kafka_meta import events
from kafka_meta.cli.rates import COPYING, SHARES, Rates, share
from kafka_meta.documents.event import encode_event, encode_note
from kafka_meta.files import dumps
from kafka_meta.render import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Show: TypeAlias = Callable[[list[str]], None]
"""Shows lines instead of those that it has shown before."""

_STYLES = {"+": "green", "~": "yellow", "!": "bold yellow", "×": "bold red", "?": "yellow", "·": "dim"}
_SECONDS_BETWEEN_LINES = 5.0
_INDENT = 4


class Screen:
    """Where a command writes. Lines arrive as they are to be shown. On a terminal they get a colour here."""

    def __init__(self, *, output: Literal["text", "json"], verbose: bool) -> None:
        self.json = output == "json"
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)
        self.above_bar: Console | None = None
        """Prints above the progress bar while one is on the same terminal."""
        # Nothing is shortened in a file or a pipe: it may be searched.
        self.verbose = verbose or not self.out.is_terminal

    def result(self, lines: Iterable[str]) -> None:
        """Lines of the result. Under `--output json` they are not shown: the document takes their place."""
        if not self.json:
            for line in lines:
                _write(self.above_bar or self.out, line)

    def document(self, document: Callable[[], dict[str, Any]]) -> None:
        """Under `--output json`: the one JSON document, which is made only then. A command calls this once."""
        if self.json:
            self.text(dumps(document()))

    def text(self, text: str) -> None:
        """On standard output as it is, in UTF-8, whatever the terminal's encoding: it is for a program or a file."""
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    def say(self, text: str) -> None:
        """A note for the operator, on standard error."""
        if self.json:
            self._json_line(encode_note(text))
        else:
            _write(self.err, visible(text))

    def _json_line(self, line: dict[str, Any]) -> None:
        sys.stderr.buffer.write(dumps(line, in_one_line=True).encode())
        sys.stderr.flush()

    def progress(self) -> Meter:
        return Meter(self)

    @contextmanager
    def in_place(self) -> Iterator[Show]:
        """A function that shows lines instead of those before: in one place of a terminal, else below them."""
        if self.out.is_terminal:
            with _table(self.out) as show:
                yield show
        else:
            yield lambda lines: self.result([*lines, ""])


class Meter:
    """Shows events: as a bar on a terminal, as a line now and then in a file or a pipe, as JSON lines under json."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line: dict[str, float] = {}
        self._rates = Rates()
        self._over = False
        """Whether something else shows how it goes on."""
        if screen.err.is_terminal and not screen.json:
            self._bar = _bar(screen.err)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            if self._screen.out.is_terminal:
                self._screen.above_bar = self._screen.err
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._screen.above_bar = None
            self._bar.stop()

    @contextmanager
    def table(self) -> Iterator[Show | None]:
        """On a terminal, a function that shows lines in one place instead of the bar; else None."""
        if self._bar is None:
            yield None
            return
        self._bar.stop()
        self._bar, self._over = None, True
        try:
            with _table(self._screen.err) as show:
                yield show
        finally:
            self._screen.above_bar = None

    def emit(self, event: events.Event) -> None:
        if self._over:
            return
        if self._screen.json:
            self._screen._json_line(encode_event(event))
            return
        match event:
            case events.Progress():
                stage, done, total, count = self._read(event)
                if total == 0:
                    pass  # a stage without work is not shown
                elif self._bar is not None:
                    self._show(stage, done, total, count)
                elif total != done:
                    self._line(stage, f"{stage}: {count}")
                else:
                    self._last_line.pop(stage, None)  # the next time, the waiting begins anew
            case events.Waiting():
                if self._bar is not None:
                    self._note(f"waiting: {visible(event.reason)}")
                else:
                    long = event.seconds >= _SECONDS_BETWEEN_LINES
                    stage = "waiting long" if long else "waiting"
                    self._line(stage, f"waiting {event.seconds:.0f} s: {event.reason}", at_once=long)
            case events.Happened():
                pass  # a log has it
            case _:
                assert_never(event)

    def _read(self, event: events.Progress) -> tuple[str, int, int | None, str]:
        """Stage, done, total, and a text for both. A copy's offsets and bytes are shown as one stage, with rates."""
        if event.stage in COPYING:
            self._rates.take(event)
            return "copying", self._rates.done, self._rates.total, self._rates.note()
        if event.stage in SHARES:
            return event.stage, event.done, event.total, share(event.done, event.total)
        total = "?" if event.total is None else f"{event.total:,}"
        return event.stage, event.done, event.total, f"{event.done:,} of {total}"

    def _show(self, stage: str, done: int, total: int | None, count: str) -> None:
        assert self._bar is not None
        self._note("")
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, note="", count=count)
        self._bar.update(self._tasks[stage], completed=done, total=total, note="", count=count)

    def _note(self, note: str) -> None:
        """Shown beside the bar of the last stage until something moves."""
        assert self._bar is not None
        if self._tasks:
            self._bar.update(list(self._tasks.values())[-1], note=note)

    def _line(self, stage: str, text: str, *, at_once: bool = False) -> None:
        """Nothing is shown in the first seconds of a stage: what is quick needs no progress."""
        now = time.monotonic()
        last = self._last_line.setdefault(stage, now - _SECONDS_BETWEEN_LINES if at_once else now)
        if now - last >= _SECONDS_BETWEEN_LINES:
            self._last_line[stage] = now
            self._screen.say(text)


@contextmanager
def _table(console: Console) -> Iterator[Show]:
    from rich.live import Live  # it takes a while to import
    from rich.text import Text

    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        yield lambda lines: live.update(Text("\n".join(lines)), refresh=True)


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn  # it takes a while to import
    from rich.table import Column

    return Progress(
        TextColumn("  {task.description:<12}", markup=False, table_column=Column(no_wrap=True, min_width=14)),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}", markup=False, table_column=Column(no_wrap=True)),
        # Shortened where the terminal is narrow; the stage and its count are not.
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=False,
    )


def _folded(line: str, width: int) -> list[str]:
    """A line in parts that are no wider than the terminal, cut between words. What follows is indented a bit more."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + _INDENT)
    parts = textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return parts or [line]


def _console(stream: Any) -> Console:
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        no_color="NO_COLOR" in os.environ or None,
    )


def _write(console: Console, line: str) -> None:
    if console.is_terminal:
        style = _STYLES.get(line.strip()[:1], "") if line.startswith(" ") else ""
        for part in _folded(line, console.width):
            console.print(part, style=style)
    else:
        console.file.write(line + "\n")
        console.file.flush()
