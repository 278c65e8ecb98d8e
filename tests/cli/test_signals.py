"""^C and SIGTERM at the worst moments: before a wait, during an import, in a destructor, in another thread, twice."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import unmeasured_environment

UNHEEDED = """
import runpy, signal, sys, threading
def unheeded():
    signal.pthread_kill(threading.get_ident(), int(sys.stdin.readline()))
threading.Thread(target=unheeded, daemon=True).start()
runpy.run_module("kafka_meta", run_name="__main__", alter_sys=True)
"""
"""Python notes a signal that another thread gets; nothing wakes the main thread. So it is, by chance, with one that
comes between the main thread's last look at signals and the system call in which it waits."""

WAITS = {
    "a pipe": "os.read(os.pipe()[0], 1)",
    "a socket": "socket.create_server(('127.0.0.1', 0)).accept()",
    "a lock": "threading.Event().wait()",
    "a process": "subprocess.run(['sleep', '60'])",
    "the time": "time.sleep(60)",
    "what is compiled": "eval('time.sleep(60)')",
}

WAITING = """
import os, signal, socket, subprocess, sys, threading, time
from kafka_meta.cli import signals
def unheeded():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), {number})
signals.raise_signals()
threading.Thread(target=unheeded, daemon=True).start()
try:
    {wait}
except (signals.Interrupted, signals.Terminated) as raised:
    nudges = []
    signal.signal(signal.SIGURG, lambda *said: nudges.append(said))
    time.sleep(0.5)  # nothing is raised again
    print(type(raised).__name__, len(nudges))
"""

IN_A_DESTRUCTOR = """
import signal, sys, time
from kafka_meta.cli import signals
class Released:
    def __del__(self):
        signal.raise_signal({number})
signals.raise_signals()
try:
    Released()
    time.sleep(60)
except (signals.Interrupted, signals.Terminated) as raised:
    print(type(raised).__name__)
"""

IN_AN_IMPORT = """
import signal, sys, time
from kafka_meta.cli import signals
def command():
    signals.raise_signals()
    try:
        import a_slow_one.part
        time.sleep(60)
    except (signals.Interrupted, signals.Terminated) as raised:
        import a_slow_one.part
        print(type(raised).__name__, a_slow_one.part.whole)
command()
"""

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
RAISED = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


@BOTH
def test_a_signal_that_does_not_wake_the_main_thread_ends_the_command_all_the_same(
    number: signal.Signals, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    arguments = ("import", "--file-name", "pipe.json", "--dest-bootstrap-servers", "127.0.0.1:1")
    with subprocess.Popen(
        [sys.executable, "-c", UNHEEDED, *arguments],
        cwd=tmp_path,
        env=unmeasured_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            # Opens when the command has come to read it.
            with (tmp_path / "pipe.json").open("wb"):
                time.sleep(0.5)  # into the wait
                began = time.monotonic()
                _, error = process.communicate(f"{number.value}\n", timeout=10)
        finally:
            process.kill()
    assert time.monotonic() - began < 5
    assert process.returncode == 128 + number
    assert error.count("\n") == 1 and error.startswith("kafka-meta: ")


@BOTH
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_a_signal_is_raised_once_whatever_the_main_thread_waits_for(wait: str, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING.format(wait=wait, number=number.value)],
        env=unmeasured_environment(),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{RAISED[number]} 0\n", "", 0)


@BOTH
def test_a_signal_whose_exception_python_passes_over_is_raised_again(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_DESTRUCTOR.format(number=number.value)],
        env=unmeasured_environment(),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{RAISED[number]}\n", "", 0)


@BOTH
def test_a_signal_in_an_import_is_raised_when_it_is_over_so_that_no_module_is_half_made(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "a_slow_one").mkdir()
    (tmp_path / "a_slow_one" / "__init__.py").write_text("from a_slow_one.part import whole\n\nknown = part.whole\n")
    slow = f"import signal, time\nsignal.raise_signal({number.value})\ntime.sleep(0.5)\nwhole = 'whole'\n"
    (tmp_path / "a_slow_one" / "part.py").write_text(slow)
    done = subprocess.run(
        [sys.executable, "-c", IN_AN_IMPORT],
        env={**unmeasured_environment(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{RAISED[number]} whole\n", "", 0)


@BOTH
def test_a_second_signal_while_the_first_is_told_ends_the_command_without_a_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    ours, theirs = os.pipe()
    room = fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ)
    os.write(theirs, b"." * room)  # whoever tells something waits until it is read
    process = subprocess.Popen(
        [sys.executable, "-m", "kafka_meta", "import", "--file-name", "pipe.json", "--dest-bootstrap-servers", "h:1"],
        cwd=tmp_path,
        env=unmeasured_environment(),
        stderr=theirs,
    )
    os.close(theirs)
    try:
        with (tmp_path / "pipe.json").open("wb"):
            for _ in range(2):
                time.sleep(0.7)
                process.send_signal(number)
            time.sleep(0.3)
        with os.fdopen(ours, "rb") as read:
            said = read.read()[room:].decode()
        assert process.wait(10) == 128 + number
    finally:
        process.kill()
    assert "Traceback" not in said
