"""`kafka-meta` without its start: a process that has imported it forks for each command line.

A start takes a third of a second, twice that while coverage looks on, and the tests make a thousand. A fork is a
process of its own in all that tests look at: arguments, environment, folder, streams, exit status, death by a signal.
Only the interpreter's own end is left out; threads and exit handlers have theirs.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NoReturn

NUMBER = struct.Struct("i")


class Forks:
    """One command line at a time. The process that forks starts with the first, and ends with `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        input: str = "",
        timeout: float = 60,
        stdout: IO[bytes] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`stdout` takes what the command prints; else the answer has it."""
        connection = self._socket or self._start(env)
        with ExitStack() as files:
            request, stdin, printed, stderr = (files.enter_context(tempfile.TemporaryFile()) for _ in range(4))
            request.write(json.dumps([list(arguments), dict(env), str(cwd)]).encode())
            stdin.write(input.encode(errors="surrogateescape"))
            for file in (request, stdin):
                file.seek(0)
            streams = (request, stdin, stdout or printed, stderr)
            socket.send_fds(connection, [b"!"], [file.fileno() for file in streams])
            pid = _number(connection)
            try:
                connection.settimeout(timeout)
                status = _number(connection)
            except BaseException:  # the time is over, or somebody has typed ^C
                os.kill(pid, signal.SIGKILL)
                connection.settimeout(None)
                _number(connection)
                raise
            return subprocess.CompletedProcess(["kafka-meta", *arguments], status, _text(printed), _text(stderr))

    def close(self) -> None:
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.wait(60)
            self._process = self._socket = None

    def _start(self, env: Mapping[str, str]) -> socket.socket:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                # Safe path: this file's folder is not where a user's command line looks for modules.
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=env,
            )
        return self._socket


FORKS = Forks()
"""For all tests; the session ends it."""


def _number(connection: socket.socket) -> int:
    data = connection.recv(NUMBER.size, socket.MSG_WAITALL)
    if not data:
        raise EOFError("the process that forks has ended")
    (number,) = NUMBER.unpack(data)
    return int(number)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def _serve(connection: socket.socket) -> None:
    """Forks for each request, tells the child's id, then its status. In a child it returns, ready for `main`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        word, files, _, _ = socket.recv_fds(connection, 1, 4)
        if not word:
            sys.exit()
        pid = os.fork()
        if pid == 0:
            break
        for file in files:
            os.close(file)
        connection.sendall(NUMBER.pack(pid))
        connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    connection.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(files[0], "rb") as request:
        arguments, environment, folder = json.load(request)
    for number, file in enumerate(files[1:]):
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["kafka-meta", *arguments]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None


def _end(status: int) -> NoReturn:
    """As Python ends, in the same order, but for taking itself apart: that costs ten times as much as the command."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    import kafka_meta.cli
    import kafka_meta.report  # with matplotlib
    from kafka_meta.cli.commands import COMMANDS
    from kafka_meta.cli.run import run

    # A command's module is imported when it is called, and typer imports a part of itself when it reads the first
    # command line: here all is imported, once for all children.
    for module in pkgutil.walk_packages(kafka_meta.cli.__path__, "kafka_meta.cli."):
        importlib.import_module(module.name)
    for command in COMMANDS:
        command.load()
    run(["help"])
    gc.freeze()  # else each child's last collection would copy all that was imported, page by page
    _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        kafka_meta.cli.main()
    except SystemExit as end:
        _end(int(end.code or 0))
