"""What a person reads of a mirror."""

from __future__ import annotations

from kafka_meta.mirror.document import Copied, GroupOutcome, GroupPosition, Mirrored
from kafka_meta.model import Remark
from kafka_meta.ranges import LeftBehind, Range, Reader, Unconsumed
from kafka_meta.render.mirror import (
    copied_lines,
    failure_line,
    group_lines,
    last_lines,
    next_lines,
    prepare_lines,
    standing_lines,
)


def a_range(number: int, end: int, *groups: str) -> Range:
    readers = tuple(Reader(group=group, committed=0) for group in groups)
    return Range(topic="t", partition=number, start=0, end=end, earliest=0, readers=readers, reason="committed 0")


def mirrored(**about: object) -> Mirrored:
    return Mirrored(**{"committed": False, "source_id": "S", "dest_id": "D", **about})  # type: ignore[arg-type]


def copied(topic: str = "t", number: int = 0, **about: object) -> Copied:
    usual: dict[str, object] = {
        "planned": 10, "messages": 10, "source_offset": 10, "size_bytes": 100, "dest_start": 0, "dest_end": 10,
        "arrived": 10, "content": "equal", "done": True,
    }  # fmt: skip
    return Copied(topic=topic, partition=number, dest_topic=topic, **{**usual, **about})  # type: ignore[arg-type]


def test_a_screen_shows_the_largest_partitions_and_a_log_all() -> None:
    everything = mirrored(unread=Unconsumed(ranges=tuple(a_range(number, 100 + number, "g") for number in range(50))))
    shown = [line for line in prepare_lines(everything, verbose=False) if line.startswith("  t ")]
    assert [line.split()[1] for line in shown] == [str(number) for number in range(30, 50)]
    assert "  … the 20 largest of 50; all in the log" in prepare_lines(everything, verbose=False)
    assert len([line for line in prepare_lines(everything, verbose=True) if line.startswith("  t ")]) == 50


def test_of_many_groups_those_that_set_the_start_are_shown() -> None:
    readers = tuple(Reader(group=f"g{number}", committed=0 if number == 7 else 5) for number in range(8))
    each = Range(
        topic="t", partition=0, start=0, end=9, earliest=0, readers=readers, set_by=("g7",), reason="committed 0"
    )
    (line,) = [
        line
        for line in prepare_lines(mirrored(unread=Unconsumed(ranges=(each,))), verbose=False)
        if line.startswith("  t ")
    ]
    assert "g7*, g0, g1, … 5 more" in line and line.endswith("* sets the start")


def test_names_cannot_deceive_the_reader() -> None:
    lines = prepare_lines(
        mirrored(
            unread=Unconsumed(
                ranges=(a_range(0, 5, "red\x1b[31m", "\u202eback"),),
                left_behind=(LeftBehind(topic="left\x07", partitions=(0,), messages=3, reason="r\x1b"),),
            ),
            findings=(Remark(resource="x\x1b", reason="y\u202e"),),
        ),
        verbose=True,
    )
    lines += group_lines(
        [GroupPosition(group="g\x1b", topic="t", partition=0, source_offset=1, dest_offset=1, outcome="set")]
    )
    lines += copied_lines([copied("t\x1b", error="e\x1b")])
    assert not [line for line in lines if "\x1b" in line or "\u202e" in line or "\x07" in line]
    assert any("red\\x1b[31m" in line for line in lines)


def test_counts_are_at_most_until_a_topic_is_complete() -> None:
    lines = copied_lines(
        [
            copied("half", 0, planned=100, messages=40, arrived=40, done=False, error="lost offsets 40–60"),
            copied("half", 1, planned=100, messages=90, arrived=90),
            copied("whole", 0, planned=100, messages=90, arrived=90),
            copied("unread", 0, arrived=None, content="not compared"),
        ]
    )
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:4]}
    assert rows["half"] == ["≤", "200", "130", "130", "incomplete"]
    assert rows["whole"] == ["90", "90", "90", "equal"]
    assert rows["unread"] == ["10", "10", "?", "not", "compared"]
    assert lines[-1] == "  × half-0: lost offsets 40–60"


def test_what_to_do_next_is_said_only_when_there_is_something_to_do() -> None:
    assert next_lines(mirrored(unread=Unconsumed())) == []
    position = GroupPosition(group="g", topic="t", partition=0, source_offset=1, dest_offset=1, outcome="set")
    done = mirrored(unread=Unconsumed(), groups=(position,), guarded=("t",), start_before_ms=0)
    text = "\n".join(next_lines(done))
    assert "retention is off on 1 topic" in text
    assert "start the consumers on the destination before 1970-01-01 00:00 UTC" in text


def position(outcome: GroupOutcome, reason: str | None = None) -> GroupPosition:
    return GroupPosition(
        group="g", topic="t", partition=0, source_offset=1, dest_offset=1, outcome=outcome, reason=reason
    )


def test_a_copy_that_has_begun_is_shown_with_what_is_left_of_it() -> None:
    unread = Unconsumed(ranges=(a_range(0, 10, "g"), a_range(1, 30, "g"), a_range(2, 0, "g")))
    begun = (copied(number=0), copied(number=1, messages=12, source_offset=12, done=False, error="lost offsets 12–15"))
    lines = prepare_lines(mirrored(unread=unread, copied=begun), verbose=True)
    rows = {line.split()[1]: line.split()[7:] for line in lines if line.startswith("  t ")}
    assert rows["0"] == ["10", "0", "?", "copied"]
    assert rows["1"] == ["12", "≤", "18", "?"]
    assert rows["2"] == ["-", "0", "?", "skip", "migrate"]
    assert (
        "  1 topic, 3 partitions, ≤ 18 messages left; copied already: 22 messages, 2 of 3 partitions complete" in lines
    )
    assert "  ! t-1: the last run stopped there: lost offsets 12–15" in lines


def test_a_look_ends_with_what_is_left_to_do() -> None:
    unread = Unconsumed(ranges=(a_range(0, 10, "g"),))

    def last(**about: object) -> str:
        return "\n".join(last_lines(mirrored(**{"unread": unread, **about}), quiet=True))

    again = "To do it: the same command with --commit"
    assert last() == f"Nothing was copied. {again}"
    assert last(copied=(copied(source_offset=5, done=False),)) == f"The rest was not copied. {again}"
    complete = {"copied": (copied(),), "guarded": ("t",)}
    assert last(**complete, groups=(position("later"),)).startswith(
        "Everything is copied already; 1 position of groups"
    )
    done = last(**complete, groups=(position("present"),))
    assert done.startswith("Nothing is left to do") and "--commit" not in done
    assert "retention is off on 1 topic" in done
    assert last(**complete, groups=(position("left alone", "why"),)).startswith(
        "Nothing is left to copy; the positions"
    )
    assert "could not be yet" in last(findings=(Remark(resource="t", reason="why"),))
    assert last(unread=Unconsumed()) == "Nothing was copied; there is nothing to copy."
    assert "name the destination" in last(dest_id=None)


def test_the_same_command_is_recommended_only_where_it_can_mend_something() -> None:
    lost = copied(done=False, error="lost offsets 10–12; this copy cannot go on", final=True)
    assert failure_line(mirrored(unread=Unconsumed(), copied=(copied(),), groups=(position("set"),))) is None
    passing = failure_line(mirrored(unread=Unconsumed(), copied=(lost, copied(done=False, error="no answer"))))
    assert passing == "exit status 1; the same command goes on after mending"
    for_good = mirrored(unread=Unconsumed(), copied=(lost, copied()), groups=(position("later"),))
    assert failure_line(for_good) == "exit status 1; the same command would stop in the same place again"
    assert "copy it anew with a journal of its own" in next_lines(for_good)[-1]


def test_where_a_copy_stands_is_told_with_what_is_left_at_most() -> None:
    lines = standing_lines([copied(messages=1), copied(number=1, planned=40, done=False)], verbose=True)
    assert lines == [
        "  ~ t: 1 of 2 partitions complete, 11 messages copied, ≤ 30 left",
        "      0: 1 message, at 0 to 10 there",
        "      1: 10 messages, at 0 to 10 there, ≤ 30 left",
    ]
