"""Ends a playground whatever becomes of the process that started it.

Run as a script in a session of its own, with a pipe to its starter as standard input. When the pipe closes, because the
starter is done with the playground or because it died of whatever cause, every process of the playground is killed and
its directory removed. (Linux' PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends.)

The processes are known by an environment variable that holds the directory, so none can be missed between its start and
a note of its id, and none is ever confused with a stranger that got a used id.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import psutil

MARK = "KAFKA_META_PLAYGROUND"
KEEP = b"keep"
"""What a starter writes before it closes the pipe, to leave the playground running."""


SIGN = "kafka-meta-playground"
"""An empty file of this name is in every directory that a playground has made."""


def is_playground(directory: Path) -> bool:
    return (directory / SIGN).is_file()


def processes(directory: Path) -> list[psutil.Process]:
    """The living processes of the playground in this directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(directory):
                found.append(process)
        except psutil.Error:  # gone meanwhile, a zombie, or somebody else's
            continue
    return found


def end(directory: Path) -> None:
    """Kills every process of the playground and removes its directory.

    Two looks in a row must find nothing: a starter that was killed may have left a child about to become a broker.
    """
    quiet = 0
    while quiet < 2:
        found = processes(directory)
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        quiet = 0 if found else quiet + 1
        time.sleep(0.02)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    if sys.stdin.buffer.read() != KEEP:
        end(Path(sys.argv[1]))
