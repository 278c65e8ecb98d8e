"""Standard output carries the result, standard error the conversation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, Self, assert_never

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kafka_meta import events
from kafka_meta.cli.rates import COPYING, SHARES, Rates, share
from kafka_meta.files import dumps
from kafka_meta.render import visible

_STYLES = {"+": "green", "~": "yellow", "!": "bold yellow", "×": "bold red", "?": "yellow", "·": "dim"}
_SECONDS_BETWEEN_LINES = 5.0


class Screen:
    """Where a command writes. Lines arrive ready: made visible, unwrapped; here they get colour on a terminal."""

    def __init__(self, *, output: Literal["text", "json"], verbose: bool) -> None:
        self.json = output == "json"
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)
        self.above_bar: Console | None = None
        """While a bar is on the same terminal: who prints above it."""
        # Off a terminal nothing is shortened: somebody greps it.
        self.verbose = verbose or not self.out.is_terminal

    def result(self, lines: Iterable[str]) -> None:
        """Lines of the result; a document takes their place under `--output json`."""
        if not self.json:
            for line in lines:
                _write(self.above_bar or self.out, line)

    def document(self, document: dict[str, Any]) -> None:
        """The one JSON document, under `--output json`."""
        if self.json:
            sys.stdout.write(dumps(document))
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """The conversation."""
        if self.json:
            self._json_line({"event": "note", "text": text})
        else:
            _write(self.err, visible(text))

    def _json_line(self, line: dict[str, Any]) -> None:
        sys.stderr.write(dumps(line, in_one_line=True))
        sys.stderr.flush()

    def progress(self) -> Meter:
        return Meter(self)


class Meter:
    """Shows events: a bar on a terminal, now and then a line elsewhere, JSON under `--output json`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line: dict[str, float] = {}
        self._rates = Rates()
        if screen.err.is_terminal and not screen.json:
            self._bar = Progress(
                TextColumn("  {task.description:<12}", markup=False),
                BarColumn(bar_width=32),
                TextColumn("{task.fields[count]}", markup=False),
                TextColumn("{task.fields[note]}", markup=False),
                console=screen.err,
                transient=False,
            )

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

    def emit(self, event: events.Event) -> None:
        if self._screen.json:
            self._screen._json_line(_as_json(event))
            return
        match event:
            case events.Progress():
                stage, done, total, count = self._read(event)
                if total == 0:
                    pass  # nothing to do is no stage
                elif self._bar is not None:
                    self._show(stage, done, total, count)
                elif total != done:
                    self._line(stage, f"{stage}: {count}")
                else:
                    self._last_line.pop(stage, None)  # when it comes again, it begins anew
            case events.Waiting():
                if self._bar is not None:
                    self._note(f"waiting: {visible(event.reason)}")
                else:
                    long = event.seconds >= _SECONDS_BETWEEN_LINES
                    stage = "waiting long" if long else "waiting"
                    self._line(stage, f"waiting {event.seconds:.0f} s: {event.reason}", at_once=long)
            case _:
                assert_never(event)

    def _read(self, event: events.Progress) -> tuple[str, int, int | None, str]:
        """Stage, done, total, and both in words: a copy's offsets and bytes are one stage with its rates."""
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
        """Beside every bar, until something moves."""
        assert self._bar is not None
        for task in self._tasks.values():
            self._bar.update(task, note=note)

    def _line(self, stage: str, text: str, *, at_once: bool = False) -> None:
        """Not for the first seconds of a stage: what is quick needs no progress."""
        now = time.monotonic()
        last = self._last_line.setdefault(stage, now - _SECONDS_BETWEEN_LINES if at_once else now)
        if now - last >= _SECONDS_BETWEEN_LINES:
            self._last_line[stage] = now
            self._screen.say(text)


def _as_json(event: events.Event) -> dict[str, Any]:
    match event:
        case events.Progress():
            return {"event": "progress", "stage": event.stage, "done": event.done, "total": event.total}
        case events.Waiting():
            return {"event": "waiting", "reason": event.reason, "seconds": event.seconds}
        case _:
            assert_never(event)


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
        console.print(line, style=_STYLES.get(line.strip()[:1], "") if line.startswith(" ") else "")
    else:
        console.file.write(line + "\n")
        console.file.flush()
