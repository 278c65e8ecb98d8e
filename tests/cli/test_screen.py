"""What is said while a command works, off a terminal: little, and at once where it is long."""

from __future__ import annotations

import pytest

from kafka_meta.cli import screen
from kafka_meta.cli.screen import Screen
from kafka_meta.events import Event, Progress, Waiting


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(screen, "time", time)
    return time


def said(capsys: pytest.CaptureFixture[str], time: Time, *events: tuple[float, Event]) -> list[str]:
    """What stands on standard error; each event comes so many seconds after the one before."""
    with Screen(output="text", verbose=False).progress() as meter:
        for seconds, event in events:
            time.now += seconds
            meter.emit(event)
    return capsys.readouterr().err.splitlines()


def test_a_line_wider_than_the_terminal_is_cut_between_words() -> None:
    line = "  × topic orders: " + "word " * 20 + "/a/path/of/a/file/that/is/longer/than/the/rest/of/the/line"
    parts = screen._folded(line, 80)
    assert len(parts) == 3 and all(len(part) <= 80 for part in parts)
    assert parts[0].startswith("  × topic orders: word") and parts[1].startswith("      word")
    assert " ".join(part.strip() for part in parts) == line.strip()
    assert screen._folded("  a  table  row", 80) == ["  a  table  row"] and screen._folded("", 80) == [""]


def groups(done: int) -> Progress:
    return Progress(stage="groups", done=done, total=2)


def test_what_is_quick_needs_no_progress(capsys: pytest.CaptureFixture[str], time: Time) -> None:
    assert said(capsys, time, (0, groups(0)), (4, groups(1)), (0, groups(2))) == []
    assert said(capsys, time, (0, groups(0)), (6, groups(1)), (1, groups(2))) == ["groups: 1 of 2"]


def test_a_stage_that_comes_again_begins_anew(capsys: pytest.CaptureFixture[str], time: Time) -> None:
    first_look, second_look = ((0, groups(0)), (0, groups(2))), ((30, groups(0)), (0, groups(2)))
    assert said(capsys, time, *first_look, *second_look) == []


def test_a_long_wait_is_said_before_it_begins(capsys: pytest.CaptureFixture[str], time: Time) -> None:
    long, short = (Waiting(reason="somebody has the lease", seconds=seconds) for seconds in (10, 1))
    assert said(capsys, time, (0, long)) == ["waiting 10 s: somebody has the lease"]
    assert said(capsys, time, (0, short), (1, long), (1, long)) == ["waiting 10 s: somebody has the lease"]
    assert said(capsys, time, (0, short)) == []
    assert said(capsys, time, *((1, short) for _ in range(7))) == ["waiting 1 s: somebody has the lease"]
