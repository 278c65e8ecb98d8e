"""What a person reads of a mirror."""

from __future__ import annotations

from kafka_meta.mirror.document import Copied, GroupPosition, Mirrored
from kafka_meta.model import Remark
from kafka_meta.ranges import LeftBehind, Range, Reader, Unconsumed
from kafka_meta.render.mirror import copied_lines, group_lines, next_lines, prepare_lines


def a_range(number: int, end: int, *groups: str) -> Range:
    readers = tuple(Reader(group=group, committed=0) for group in groups)
    return Range(topic="t", partition=number, start=0, end=end, earliest=0, readers=readers, reason="committed 0")


def mirrored(**about: object) -> Mirrored:
    return Mirrored(committed=False, source_id="S", dest_id="D", **about)  # type: ignore[arg-type]


def copied(topic: str = "t", number: int = 0, **about: object) -> Copied:
    usual: dict[str, object] = {
        "planned": 10, "messages": 10, "size_bytes": 100, "dest_start": 0, "dest_end": 10, "arrived": 10,
        "content": "equal", "done": True,
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
    assert rows["half"] == ["≤", "200", "130", "130", "equal"]
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
