"""What a person reads of a mirror."""

from __future__ import annotations

from dataclasses import replace

from kafka_meta.mirror.outcome import Copied, GroupOutcome, GroupPosition, Mirrored
from kafka_meta.model import Remark, Resource
from kafka_meta.ranges import LeftBehind, Range, Reader, Unconsumed
from kafka_meta.render.mirror import (
    copied_lines,
    failure_line,
    group_lines,
    last_lines,
    next_lines,
    partition_lines,
    prepare_lines,
    standing_lines,
    summary_lines,
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


def many_topics(count: int) -> Unconsumed:
    ranges = (
        replace(a_range(part, 10 * number + 1, "g"), topic=f"t{number:03}")
        for number in range(count)
        for part in (0, 1)
    )
    return Unconsumed(ranges=tuple(ranges))


def test_a_screen_shows_a_line_a_topic_and_of_many_the_largest() -> None:
    everything = mirrored(unread=many_topics(200))
    shown = [line.split() for line in prepare_lines(everything, verbose=False) if line.startswith("  t1")]
    assert [row[0] for row in shown] == [f"t{number}" for number in range(180, 200)]
    assert shown[-1][1:] == ["2", "g", "≤", "3,982", "?"]
    assert "  … these are the 20 largest of 200; the log has all" in prepare_lines(everything, verbose=False)
    assert len([line for line in prepare_lines(everything, verbose=True) if line.startswith("  t")]) == 201
    assert len(partition_lines(everything)) == 401


def test_what_prevents_a_copy_is_shown_first_and_what_is_the_same_once() -> None:
    findings = [Remark(resource=Resource("topic", f"t{number:03}"), reason="it is missing") for number in range(199)]
    findings.append(Remark(resource=Resource("topic", "t199"), reason="it is full"))
    warnings = (Remark(resource=Resource("topic", "t000"), reason="it is slow"),)
    everything = mirrored(unread=many_topics(200), findings=tuple(findings), warnings=warnings)
    lines = prepare_lines(everything, verbose=False)
    marked = [line.split()[0] for line in lines if line.strip()]
    assert marked[:3] == ["×", "×", "!"] and "×" not in marked[2:]
    assert lines[1].startswith("  × topic t000, t001") and lines[1].endswith(", … 189 more: it is missing")
    assert len(lines) < 40
    assert sum(line.count("t198") for line in prepare_lines(everything, verbose=True)) == 2


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


def test_a_topic_says_how_many_of_its_partitions_have_nothing_to_copy() -> None:
    gone = Range(
        topic="t", partition=2, start=9, end=9, earliest=9, readers=(Reader(group="g", committed=4),), reason="expired"
    )
    parts = (a_range(0, 10, "g"), a_range(1, 0, "g"), gone)
    lines = prepare_lines(mirrored(unread=Unconsumed(ranges=parts)), verbose=False)
    (line,) = [line for line in lines if line.startswith("  t ")]
    assert line.endswith("1 expired; 2 skip migrate")


def test_a_summary_begins_with_what_has_failed_and_shortens_what_is_equal() -> None:
    parts = [copied(f"t{number:03}") for number in range(200)]
    parts[150] = copied("t150", content="different", error="offset 5 differs")
    groups = tuple(replace(position("set"), group=f"g{number}") for number in range(50))
    done = mirrored(copied=tuple(parts), groups=(*groups, position("refused", "why")), unread=Unconsumed())
    lines = summary_lines(done, [Remark(resource=Resource("topic", "t"), reason="meanwhile")], verbose=False)
    assert lines[:3] == [
        "  × t150-0: offset 5 differs",
        "  × group g: 1 position refused: why",
        "  ! topic t: meanwhile",
    ]
    assert lines[4].split() == ["t150", "10", "10", "10", "different"]
    assert len(lines) < 50 and "  … 180 more (--verbose shows all)" in lines
    stopped = standing_lines(parts, verbose=False)
    assert stopped[0] == "  × t150-0: offset 5 differs" and len(stopped) < 25
    assert len(standing_lines(parts, verbose=True)) == 201


def test_names_cannot_deceive_the_reader() -> None:
    lines = prepare_lines(
        mirrored(
            unread=Unconsumed(
                ranges=(a_range(0, 5, "red\x1b[31m", "\u202eback"),),
                left_behind=(LeftBehind(topic="left\x07", partitions=(0,), messages=3, reason="r\x1b"),),
            ),
            findings=(Remark(resource=Resource("x\x1b"), reason="y\u202e"),),
        ),
        verbose=True,
    )
    lines += group_lines(
        [GroupPosition(group="g\x1b", topic="t", partition=0, source_offset=1, dest_offset=1, outcome="set")],
        verbose=True,
    )
    lines += copied_lines([copied("t\x1b", error="e\x1b")], verbose=True)
    lines += partition_lines(mirrored(unread=Unconsumed(ranges=(a_range(0, 5, "red\x1b[31m", "\u202eback"),))))
    assert not [line for line in lines if "\x1b" in line or "\u202e" in line or "\x07" in line]
    assert any("red\\x1b[31m" in line for line in lines)


def test_counts_are_at_most_until_a_topic_is_complete() -> None:
    lines = copied_lines(
        [
            copied("half", 0, planned=100, messages=40, arrived=40, done=False, error="lost offsets 40–60"),
            copied("half", 1, planned=100, messages=90, arrived=90),
            copied("whole", 0, planned=100, messages=90, arrived=90),
            copied("unread", 0, arrived=None, content="not compared"),
        ],
        verbose=True,
    )
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows["half"] == ["≤", "200", "130", "130", "incomplete"]
    assert rows["whole"] == ["90", "90", "90", "equal"]
    assert rows["unread"] == ["10", "10", "?", "not", "compared"]
    assert lines[0] == "  × half-0: lost offsets 40–60"


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
    (row,) = [line.split() for line in lines if line.startswith("  t ")]
    assert row[1:] == ["3", "g", "22", "≤", "18", "?", "2", "copied"]
    lines += partition_lines(mirrored(unread=unread, copied=begun))
    rows = {line.split()[1]: line.split()[7:] for line in lines if line.startswith("  t ") and line.split()[2] == "g"}
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
    assert "First mend what is marked ×" in last(findings=(Remark(resource=Resource("t"), reason="why"),))
    assert last(unread=Unconsumed()) == "Nothing was copied. There is nothing to copy."
    assert "name the destination" in last(dest_id=None)


def test_the_same_command_is_recommended_only_where_it_can_mend_something() -> None:
    lost = copied(done=False, error="lost offsets 10–12; this copy cannot go on", final=True)
    assert failure_line(mirrored(unread=Unconsumed(), copied=(copied(),), groups=(position("set"),))) is None
    passing = failure_line(mirrored(unread=Unconsumed(), copied=(lost, copied(done=False, error="no answer"))))
    assert passing == "exit status 1; the same command copies the rest when this is mended"
    for_good = mirrored(unread=Unconsumed(), copied=(lost, copied()), groups=(position("later"),))
    assert failure_line(for_good) == "exit status 1; the same command would stop at the same place again"
    assert "copy it from the start with a new journal" in next_lines(for_good)[-1]


def test_where_a_copy_stands_is_told_with_what_is_left_at_most() -> None:
    lines = standing_lines(
        [copied(messages=1), copied(number=1, planned=40, done=False)], verbose=True, partitions=True
    )
    assert lines == [
        "  ~ t: 1 of 2 partitions complete, 11 messages copied, ≤ 30 left",
        "      0: 1 message, at 0 to 10 there",
        "      1: 10 messages, at 0 to 10 there, ≤ 30 left",
    ]
