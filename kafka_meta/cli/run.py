"""From sys.argv to an exit status: errors, the traceback of a defect."""

from __future__ import annotations

import io
import os
import platform
import sys
import tempfile
import traceback
from typing import Any, NoReturn

import typer

from kafka_meta import __version__
from kafka_meta.cli import commands
from kafka_meta.cli.lazy import RUN_AGAIN
from kafka_meta.cli.signals import Terminated, default_signals, raise_signals
from kafka_meta.cli.spelling import normalise
from kafka_meta.cli.wording import sentence
from kafka_meta.errors import ExitStatus, KafkaMetaError

_OUTPUT = "standard output"


class _Output(io.FileIO):
    """Standard output. Its errors have its name: those of a disk look the same wherever they come from."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _OUTPUT
            raise


def main() -> NoReturn:
    raise_signals()
    _make_streams_safe()
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the first was told
        status = ExitStatus.INTERRUPTED
    except Terminated:
        status = ExitStatus.TERMINATED
    default_signals()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # whoever read us (`| head`) has seen enough
    except OSError as error:
        status = _no_output(error, _wants_json(sys.argv[1:]))
    sys.exit(int(status))


def _drop_output() -> None:
    """Throws away what standard output did not take. Otherwise Python tries again at exit, and prints an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _no_output(error: OSError, as_json: bool) -> ExitStatus:
    _drop_output()
    _complain(f"cannot write to standard output: {error.strerror}", RUN_AGAIN, as_json)
    return ExitStatus.FAILED


def _make_streams_safe() -> None:
    """A character that the encoding lacks is written as an escape. What is closed (`>&-`) takes everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif name == "stderr":
            stream.reconfigure(errors="backslashreplace")
        else:
            output = io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False))
            sys.stdout = io.TextIOWrapper(output, stream.encoding, "backslashreplace", line_buffering=stream.isatty())


def run(arguments: list[str]) -> int:
    """One command line; every way out of it is an exit status of `errors.ExitStatus`."""
    as_json = _wants_json(arguments)
    try:
        status = commands.app(normalise(arguments or ["--help"]), prog_name="kafka-meta", standalone_mode=False)
        if not arguments:
            return ExitStatus.USAGE
        if status == ExitStatus.INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        return int(status or ExitStatus.DONE)
    except typer.Exit as exit:
        return exit.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted", None, as_json)
        return ExitStatus.INTERRUPTED
    except Terminated:
        _complain("ended by SIGTERM", None, as_json)
        return ExitStatus.TERMINATED
    except KafkaMetaError as error:
        _complain(error.message, error.hint, as_json)
        return error.exit_status
    except typer.TyperException as error:
        if error.message:
            _complain(sentence(error.format_message()), _where_help_is(arguments), as_json)
        return ExitStatus.USAGE
    except Exception as error:
        if isinstance(error, OSError) and error.filename == _OUTPUT:
            return _no_output(error, as_json)
        _complain(
            f"a defect of kafka-meta: {type(error).__name__}",
            f"The traceback is in {_keep_traceback(arguments)}. Please report it. It holds no settings, but may hold "
            "names of topics and groups.",
            as_json,
        )
        return ExitStatus.BUG


def _complain(message: str, hint: str | None, as_json: bool) -> None:
    # Only now: what needs no room of the house (help, completion) shall not wait for one.
    from kafka_meta.documents.error import encode_error
    from kafka_meta.files import dumps
    from kafka_meta.render import visible

    if as_json:
        sys.stderr.buffer.write(dumps(encode_error(message, hint), in_one_line=True).encode())
        sys.stderr.flush()
        return
    print(f"kafka-meta: {visible(message)}", file=sys.stderr)
    for line in (hint or "").splitlines():
        print(f"  {visible(line)}", file=sys.stderr)


def _where_help_is(arguments: list[str]) -> str:
    known = {each.name for each in commands.COMMANDS}
    command = next((f" {word}" for word in arguments if word in known), "")
    return f"kafka-meta{command} --help lists the {'options' if command else 'commands'}."


def _keep_traceback(arguments: list[str]) -> str:
    # Only what the current exception says and where it was: no local variables, no command line values.
    try:
        descriptor, path = tempfile.mkstemp(prefix="kafka-meta-", suffix=".traceback.txt")
    except OSError as error:
        traceback.print_exc(file=sys.stderr)
        return f"the lines above, since no file can be written ({error.strerror})"
    command = next((word for word in arguments if not word.startswith("-")), "")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"kafka-meta {__version__} {command}, Python {platform.python_version()}, {platform.platform()}\n\n")
        traceback.print_exc(file=file)
    return path


def _wants_json(arguments: list[str]) -> bool:
    for index, word in enumerate(arguments):
        if word == "--output=json" or (word == "--output" and arguments[index + 1 : index + 2] == ["json"]):
            return True
    return False
