"""A command whose module is loaded when it is needed, and its help: options in groups, examples; always plain text.

`kafka-meta --help`, `--version` and each TAB of completion load none of the rooms above: they answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from textwrap import wrap
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from kafka_meta.errors import EXIT_STATUSES, KafkaMetaError

RUN_AGAIN = "What was done stays done. Run the same command again: it does what is left."

WIDTH = 80
_COLUMN = 26


class LazyCommand(TyperCommand):
    """Known by its name and one line. Its module is imported when its options are asked for."""

    def __init__(self, name: str, line: str, module: str, function: str, *, vendor: bool) -> None:
        super().__init__(name, short_help=line, context_settings=SETTINGS, rich_markup_mode=None)
        self.vendor = vendor
        self.examples: tuple[str, ...] = ()
        self._place = (module, function)
        self._loaded = False

    def get_params(self, ctx: Any) -> Any:
        self.load()
        return super().get_params(ctx)

    def load(self) -> None:
        if self._loaded:
            return
        module = import_module(self._place[0])
        built = _command(getattr(module, self._place[1]))
        self.params, self.callback, self.help = built.params, built.callback, built.help
        self.examples = tuple(
            each for each in getattr(module, "EXAMPLES", ()) if each.split()[:2] == ["kafka-meta", self.name]
        )
        self._loaded = True

    def invoke(self, ctx: Any) -> Any:
        ctx.obj = ctx.obj()
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # typer would end without a word.
            raise KafkaMetaError(
                "the reader of the output has closed it, so the command has stopped", RUN_AGAIN
            ) from None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        _write_lines(formatter, "Examples", (line for each in self.examples for line in _broken(each)))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        formatter.write_paragraph()
        formatter.write_text("Exit status: see kafka-meta --help")


class Commands(TyperGroup):
    """`kafka-meta` itself: its commands by a line each, the exit statuses once."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        commands = [each for each in self.commands.values() if isinstance(each, LazyCommand)]
        for heading, vendor in (("Commands", False), ("Commands under the names of Alibaba Cloud's tool", True)):
            rows = [(str(each.name), each.short_help or "") for each in commands if each.vendor is vendor]
            _write_rows(formatter, heading, rows)
        _write_options(self, ctx, formatter)
        lines = (f"{status.value:>3}  {meaning}" for status, meaning in EXIT_STATUSES)
        _write_lines(formatter, "Exit status", lines)


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH}


def group(callback: Callable[..., None], commands: Iterable[LazyCommand]) -> Commands:
    """All commands, behind the options of `callback`."""
    app = typer.Typer(cls=Commands, rich_markup_mode=None, context_settings=SETTINGS, no_args_is_help=True)
    app.callback()(callback)
    app.command(hidden=True)(lambda: None)  # typer makes no group without one
    built = get_command(app)
    assert isinstance(built, Commands)
    built.commands = {str(each.name): each for each in commands}
    return built


def _command(function: Callable[..., Any]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(function)
    return get_command(app)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """By group, in the order in which they are declared; what belongs to no group comes last."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(ctx):
        record = option.get_help_record(ctx)
        if record is not None:
            heading = "Arguments" if option.param_type_name == "argument" else "Options"
            groups.setdefault(getattr(option, "rich_help_panel", None) or heading, []).append(record)
    last = groups.pop("Options", [])
    for heading, rows in (*groups.items(), ("Options", last)):
        _write_rows(formatter, heading, rows)


def _write_rows(formatter: Any, heading: str, rows: Iterable[tuple[str, str]]) -> None:
    """Descriptions stand in one column through all groups, below an option that reaches into it."""
    lines: list[str] = []
    for name, text in rows:
        wrapped = wrap(text, WIDTH - _COLUMN - 2, break_on_hyphens=False) or [""]
        if len(name) < _COLUMN - 1:
            lines.append(f"{name:<{_COLUMN}}{wrapped.pop(0)}")
        else:
            lines.append(name)
        lines += [" " * _COLUMN + line for line in wrapped]
    _write_lines(formatter, heading, lines)


def _write_lines(formatter: Any, heading: str, lines: Iterable[str]) -> None:
    with formatter.section(heading):
        for line in lines:
            formatter.write(f"{' ' * formatter.current_indent}{line}".rstrip() + "\n")


def _broken(example: str) -> list[str]:
    """A command line as it may be typed, in lines that a screen has room for."""
    lines = [""]
    for word in example.replace(" --", "\n--").splitlines():
        if lines[-1] and len(lines[-1]) + len(word) > WIDTH - 6:
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}".strip() if len(lines) == 1 else f"{lines[-1]} {word}"
    return lines
