"""^C and SIGTERM end a command within a moment, whatever its main thread waits for.

Python's handler in C only notes a signal. Our handler runs when the main thread looks next, and the system wakes that
thread out of a wait only if it sleeps already and if it is the one that gets the signal. A signal that comes right
before the wait begins, or that another thread gets, is noted and not heeded: the command would wait for ever.

A signal that comes during an import waits until it is over. An import that is broken off leaves modules behind that are
half made, and what still has to be told would fail in them.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn

_NUDGE = signal.SIGURG
"""Ends a wait of the main thread and does nothing else. A program that does not know it ignores it."""

_NUDGE_EVERY_S = 0.2
_AGAIN_AFTER_S = 0.05
_HEEDED = 0
_AGAIN = 128
"""Beside the numbers of signals, in what the thread reads: the handler has run; it has to run again (with the signal's
number added)."""


class Interrupted(KeyboardInterrupt):
    """^C. Once a plain KeyboardInterrupt has passed `exec` or `eval` (each dataclass comes from one), Python lets a
    process die by SIGINT in the end, whatever its exit status is."""


class Terminated(BaseException):
    """SIGTERM, as an exception, so that resources are released and what was done is shown."""


def raise_signals() -> None:
    """From now on ^C raises Interrupted in the function that calls this, and SIGTERM Terminated. It must be in the main
    thread, and it should not end before the program does."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    caller = sys._getframe(1)

    def heed(number: int, frame: FrameType | None) -> None:
        if _imports(frame, caller):
            os.write(theirs, bytes([_HEEDED, _AGAIN + number]))
            return
        os.write(theirs, bytes([_HEEDED]))
        raise Terminated if number == signal.SIGTERM else Interrupted

    def unraisable(lost: Any) -> None:
        # Python goes on after an exception in, say, a destructor, which a signal may have interrupted.
        if not isinstance(lost.exc_value, Interrupted | Terminated):
            sys.__unraisablehook__(lost)
            return
        number = signal.SIGTERM if isinstance(lost.exc_value, Terminated) else signal.SIGINT
        os.write(theirs, bytes([_AGAIN + number]))

    sys.unraisablehook = unraisable
    signal.signal(_NUDGE, lambda number, frame: None)
    signal.signal(signal.SIGTERM, heed)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # a shell's background is deaf to ^C
        signal.signal(signal.SIGINT, heed)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=[ours, threading.get_ident()], name="signals", daemon=True).start()


def default_signals() -> None:
    """From now on a signal ends the process at once: there is nothing left to release or to show."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _imports(frame: FrameType | None, caller: FrameType) -> bool:
    """Whether `frame` is part of an import that `caller` has begun, itself or by what it calls."""
    while frame is not None and frame is not caller:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _watch(descriptor: int, main: int) -> NoReturn:
    """Nudges the thread `main` from a signal on until it has heeded it. `descriptor` gets a byte for each of both."""
    waiting = False
    while True:
        if waiting and not select.select([descriptor], [], [], _NUDGE_EVERY_S)[0]:
            signal.pthread_kill(main, _NUDGE)
            continue
        (byte,) = os.read(descriptor, 1)
        if byte > _AGAIN:
            time.sleep(_AGAIN_AFTER_S)
            os.kill(os.getpid(), byte - _AGAIN)
        elif byte in (_HEEDED, signal.SIGINT, signal.SIGTERM):
            waiting = byte != _HEEDED
