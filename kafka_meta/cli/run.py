"""From sys.argv to an exit status: signals, errors, the traceback of a defect."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import traceback
from types import FrameType
from typing import NoReturn

import typer

from kafka_meta import __version__
from kafka_meta.cli import commands
from kafka_meta.cli.spelling import normalise
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.files import dumps
from kafka_meta.render import visible


class Terminated(BaseException):
    """SIGTERM, as an exception: what is to be tidied up is tidied up, what was done is said."""


def main() -> NoReturn:
    signal.signal(signal.SIGTERM, _terminate)
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # Whoever read us (`| head`) has seen enough; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(int(status))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def run(arguments: list[str]) -> int:
    """One command line; every way out of it is an exit status of `errors.ExitStatus`."""
    as_json = _wants_json(arguments)
    try:
        status = commands.app(normalise(arguments or ["--help"]), prog_name="kafka-meta", standalone_mode=False)
        if not arguments:
            return ExitStatus.USAGE
        if status == ExitStatus.INTERRUPTED:  # what typer makes of a KeyboardInterrupt, without a word
            _complain("interrupted", None, as_json)
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
            _complain(error.format_message(), "kafka-meta COMMAND --help lists the options.", as_json)
        return ExitStatus.USAGE
    except BrokenPipeError:
        return ExitStatus.FAILED
    except Exception as error:
        _complain(
            f"a defect of kafka-meta: {type(error).__name__}",
            f"The traceback is in {_keep_traceback(arguments)}. Please report it; it holds no setting, but names.",
            as_json,
        )
        return ExitStatus.BUG


def _complain(message: str, hint: str | None, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(dumps({"kind": "kafka-meta-error", "message": message, "hint": hint}, in_one_line=True))
        return
    print(f"kafka-meta: {visible(message)}", file=sys.stderr)
    for line in (hint or "").splitlines():
        print(f"  {visible(line)}", file=sys.stderr)


def _keep_traceback(arguments: list[str]) -> str:
    # Only what the current exception says and where it was: no local variables, no command line values.
    descriptor, path = tempfile.mkstemp(prefix="kafka-meta-", suffix=".traceback.txt")
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
