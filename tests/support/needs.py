"""Which tests need brokers (or Java otherwise), told from what they use; a test that was missed is caught in the act.

`make quick` runs the rest, on machines that have no Java at all.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

MARK = "brokers"
STARTS = {
    "running",
    "started",
    "pair",
    "kept_pair",
    "kraft_cluster",
    "zookeeper_cluster",
    "fetch",
    "java",
    "Java",
    "JavaStores",
    "start_in_another_process",
}
"""Who calls one of these starts a broker, asks Java, or fetches jars."""
TESTS = str(Path(__file__).parents[1])
PROGRAMS = {"java", "javac", "keytool", "mvn"}

_running: list[pytest.Item] = []


def mark(items: list[pytest.Item]) -> None:
    """Marks each test that calls one of `STARTS`: itself, or by a fixture or a helper of the tests."""
    known: dict[object, bool] = {}
    for item in items:
        if isinstance(item, pytest.Function) and any(_starts(each, known) for each in _functions(item)):
            item.add_marker(MARK)


def watch() -> None:
    """From now on, Java in a test without the mark is a failure of that test: it would fail where there is none."""
    sys.addaudithook(_refuse)


def running(item: pytest.Item | None) -> None:
    _running[:] = [item] if item is not None else []


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or not _running or _running[0].get_closest_marker(MARK):
        return
    words = [os.fsdecode(word) for word in (arguments[0], *arguments[1]) if isinstance(word, str | bytes | os.PathLike)]
    programs = {os.path.basename(part) for word in words for part in word.split()[:1]}
    if programs & PROGRAMS or any("/bin/java " in word for word in words):
        pytest.fail(f"This test runs {words[0]}: it needs @pytest.mark.{MARK}.")


def _functions(item: pytest.Function) -> Iterator[Callable[..., object]]:
    yield item.function
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        yield definitions[-1].func


def _starts(function: Callable[..., object], known: dict[object, bool]) -> bool:
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType) or not function.__code__.co_filename.startswith(TESTS):
        return False
    if function not in known:
        known[function] = False  # while we look: functions may call each other
        names = set(_names(function.__code__))
        called = [function.__globals__.get(name) for name in names]
        known[function] = bool(names & STARTS) or any(_starts(each, known) for each in called if callable(each))
    return known[function]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
