"""What a mirror would copy, what it found in the way, and what arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from kafka_meta.mirror.bind import COPY_ANEW
from kafka_meta.mirror.document import Copied, GroupPosition, Mirrored, left, size_left, topics_of, totals
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.model import Remark
from kafka_meta.plan import plural
from kafka_meta.ranges import LeftBehind, Range
from kafka_meta.render.documents import remark_line, size, visible

LARGEST = 20
"""So many partitions stand on a screen; all of them in the log and in the document."""
_GROUPS_SHOWN = 3


def prepare_lines(mirrored: Mirrored, *, verbose: bool) -> list[str]:
    """The partitions with their numbers, the sums, and everything that would not be copied. Once a copy has begun, what
    is left of each, and what is there already."""
    unread = mirrored.unread
    copied = mirrored.copied
    still = left(unread.ranges, copied)
    shown = sorted(unread.ranges, key=lambda each: -still[each.topic, each.partition])[: None if verbose else LARGEST]
    lines = ["", *_table(sorted(shown, key=lambda each: (each.topic, each.partition)), copied, verbose)]
    if len(shown) < len(unread.ranges):
        lines.append(f"  … the {LARGEST} largest of {len(unread.ranges):,}; all in the log")
    lines += [_sum(unread.ranges, copied), ""]
    said = [
        *_limited("!", [*unread.warnings, *mirrored.warnings], verbose),
        *(_open(each) for each in mirrored.open_transactions),
        *_left_behind(unread.left_behind, verbose),
        *_limited("?", () if mirrored.findings else unread.unreadable, verbose, "not read: "),
        *_limited("-", unread.skipped, verbose, "skipped: "),
        *(f"  ! {_name(each)}: the last run stopped there: {visible(each.error)}" for each in copied if each.error),
        *_awaited(mirrored.groups),
        *_limited("×", mirrored.findings, verbose),
    ]
    return [*lines, *said, ""] if said else lines


def _awaited(groups: Sequence[GroupPosition]) -> list[str]:
    """Which positions stand there already, and which no run would set."""
    set_already = sum(1 for each in groups if each.outcome == "present")
    lines = [f"  = set already: {plural(set_already, 'position')} of groups"] if set_already else []
    for (group, reason), count in _counted(each for each in groups if each.outcome in ("left alone", "refused")):
        lines.append(f"  ! group {visible(group)}: {plural(count, 'position')} will not be set: {visible(reason)}")
    return lines


def _counted(groups: Iterable[GroupPosition]) -> list[tuple[tuple[str, str], int]]:
    return list(Counter((each.group, each.reason or "") for each in groups).items())


def _table(ranges: Sequence[Range], copied: Sequence[Copied], verbose: bool) -> list[str]:
    if not ranges:
        return ["  no group has a position on any of these topics"]
    there = {each.place: each for each in copied}
    still = left(ranges, copied)
    counts = ("copied", "left") if copied else ("messages",)
    rows: list[tuple[str, ...]] = [
        ("topic", "part", "groups", "committed", "earliest", "start", "end", *counts, "size", "")
    ]
    for each in ranges:
        place = (each.topic, each.partition)
        rows.append(_row(each, still[place], there.get(place), bool(copied), verbose))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    to_the_left = (0, 2, len(rows[0]) - 1)
    return [
        "  "
        + "  ".join(
            text.ljust(width) if column in to_the_left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(each: Range, still: int, there: Copied | None, continued: bool, verbose: bool) -> tuple[str, ...]:
    several = len(each.groups) > 1
    # Those that set the start come first where not all can be shown.
    names = sorted(each.groups, key=lambda group: (group not in each.set_by, group))
    shown = names if verbose else names[:_GROUPS_SHOWN]
    groups = ", ".join(visible(group) + "*" * (several and group in each.set_by) for group in shown)
    groups += f", … {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    notes = ["expired"] if each.expired else []
    if not still:
        notes.append("copied" if there is not None and there.messages else "skip migrate")
    notes += ["* sets the start"] if several and 0 < len(each.set_by) < len(each.groups) else []
    size_bytes = size_left(each, still)
    return (
        visible(each.topic),
        str(each.partition),
        groups or "-",
        "-" if each.committed is None else f"{each.committed:,}",
        f"{each.earliest:,}",
        f"{each.start:,}",
        f"{each.end:,}",
        *((f"{there.messages:,}" if there is not None else "-",) if continued else ()),
        f"{'≤ ' * (still > 0)}{still:,}",
        "?" if size_bytes is None else size(size_bytes),
        "; ".join(notes),
    )


def _sum(ranges: Sequence[Range], copied: Sequence[Copied]) -> str:
    sums = totals(ranges, copied)
    sizes = [size_left(each, still) for each, still in zip(ranges, left(ranges, copied).values(), strict=True)]
    text = f"  {plural(sums['topics'] or 0, 'topic')}, {plural(sums['partitions'] or 0, 'partition')}, "
    text += f"≤ {sums['left']:,} messages" if sums["left"] else "0 messages"
    text += " left" if copied else ""
    text += f", {size(sum(filter(None, sizes)))}" if sums["left"] and None not in sizes else ""
    if copied:
        done = sum(1 for each in left(ranges, copied).values() if not each)
        text += f"; copied already: {sums['copied']:,} messages, {done} of {plural(len(ranges), 'partition')} complete"
    elif sums["skipped"]:
        text += f"; {plural(sums['skipped'], 'partition')} skipped"
    if sums["expired"]:
        text += f"; ≤ {sums['expired']:,} messages had expired before every group had read them"
    return text


def _open(each: OpenTransaction) -> str:
    return (
        f"  ! {visible(each.topic)}-{each.partition}: a transaction of {visible(each.producer)} is open at offset "
        f"{each.stable}; {each.high_watermark - each.stable:,} offsets behind it wait (the partition ends at "
        f"{each.high_watermark})"
    )


def _left_behind(left: Sequence[LeftBehind], verbose: bool) -> list[str]:
    if not left:
        return []
    messages = sum(each.messages for each in left)
    by_reason: dict[str, list[str]] = {}
    for each in left:
        by_reason.setdefault(each.reason, []).append(f"{visible(each.topic)} (≤ {each.messages:,})")
    lines = [f"  ! left behind: {plural(len(left), 'topic')} with ≤ {messages:,} messages      (--all-data)"]
    for reason, topics in by_reason.items():
        some = topics if verbose else topics[:5]
        rest = f", … {len(topics) - len(some):,} more" if len(some) < len(topics) else ""
        lines.append(f"      {', '.join(some)}{rest}: {visible(reason)}")
    return lines


def _limited(mark: str, remarks: Sequence[Remark], verbose: bool, said: str = "") -> list[str]:
    shown = remarks if verbose else remarks[:10]
    lines = [f"  {mark} {said}{remark_line(remark)}" for remark in shown]
    if len(shown) < len(remarks):
        lines.append(f"  … {len(remarks) - len(shown):,} more (all in the log)")
    return lines


def copied_lines(copied: Sequence[Copied]) -> list[str]:
    """A line a topic: messages planned, copied, arrived, and whether they are the same."""
    head = ("topic", "planned", "copied", "arrived", "content")
    rows = [head]
    for topic, parts in topics_of(copied).items():
        arrived = [part.arrived for part in parts]
        contents = sorted({"incomplete" if _halfway(part) else part.content for part in parts})
        exact = all(part.done for part in parts)
        planned = sum(part.messages for part in parts) if exact else sum(part.planned for part in parts)
        rows.append(
            (
                visible(topic),
                f"{planned:,}" if exact else f"≤ {planned:,}",
                f"{sum(part.messages for part in parts):,}",
                "?" if None in arrived else f"{sum(filter(None, arrived)):,}",
                "equal" if contents == ["equal"] else ", ".join(word for word in contents if word != "equal"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        f"  {row[0].ljust(widths[0])}  "
        + "  ".join(text.rjust(width) for text, width in zip(row[1:4], widths[1:4], strict=True))
        + f"  {row[4]}"
        for row in rows
    ]
    return [*lines, *(f"  × {_name(each)}: {visible(each.error)}" for each in copied if each.error)]


def _halfway(part: Copied) -> bool:
    """What has been copied of it is as it should be."""
    return part.content == "equal" and not part.done


def standing_lines(copied: Sequence[Copied], *, verbose: bool) -> list[str]:
    """A line a topic: how far its copy is; what has failed by partition."""
    lines = []
    for topic, parts in topics_of(copied).items():
        done = sum(1 for part in parts if part.done)
        mark = "=" if done == len(parts) else "~"
        lines.append(
            f"  {mark} {visible(topic)}: {done} of {plural(len(parts), 'partition')} complete, "
            f"{_messages(sum(part.messages for part in parts))} copied{_left(parts)}"
        )
        if verbose:
            lines += [
                f"      {part.partition}: {_messages(part.messages)}, at {part.dest_start:,} to {part.dest_end:,} there"
                f"{_left([part])}"
                for part in parts
            ]
    lines += [f"  × {_name(each)}: {visible(each.error)}" for each in copied if each.error]
    return lines


def _name(each: Copied) -> str:
    return f"{visible(each.topic)}-{each.partition}"


def _messages(count: int) -> str:
    return f"{count:,} message" + "s" * (count != 1)


def _left(parts: Sequence[Copied]) -> str:
    messages = sum(part.planned - part.messages for part in parts if not part.done)
    return f", ≤ {messages:,} left" if messages else ""


def group_lines(groups: Sequence[GroupPosition]) -> list[str]:
    """How many positions of each group were set, and why others were not."""
    by_group: dict[str, list[GroupPosition]] = {}
    for each in groups:
        by_group.setdefault(each.group, []).append(each)
    lines: list[str] = []
    for group, positions in by_group.items():
        done = sum(1 for each in positions if each.outcome in ("set", "present"))
        if done:
            lines.append(f"  + group {visible(group)}: {plural(done, 'position')} set")
        by_reason: dict[tuple[str, str], int] = {}
        for each in positions:
            if each.outcome not in ("set", "present"):
                kind = each.outcome, each.reason or ""
                by_reason[kind] = by_reason.get(kind, 0) + 1
        for (outcome, reason), count in by_reason.items():
            mark = "-" if outcome == "later" else "×"
            words = "not set yet" if outcome == "later" else outcome
            lines.append(f"  {mark} group {visible(group)}: {plural(count, 'position')} {words}: {visible(reason)}")
    return lines


def next_lines(mirrored: Mirrored) -> list[str]:
    """The guard that stays, and what to do with the consumers."""
    lines = _guard(mirrored)
    if any(each.outcome in ("set", "present") for each in mirrored.groups):
        until = ""
        if mirrored.start_before_ms is not None:
            until = f" before {datetime.fromtimestamp(mirrored.start_before_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
            until += " (their positions expire then)"
        lines += [
            f"  next:   start the consumers on the destination{until};",
            "          consumers that subscribe just start; those that assign start at their group's position;",
            "          those that keep their own offsets: kafka-meta mirror --status --output json",
        ]
    if any(each.final for each in mirrored.copied):
        lines.append(f"  next:   what cannot go on: {COPY_ANEW}")
    return lines


def _guard(mirrored: Mirrored) -> list[str]:
    if not mirrored.guarded:
        return []
    topics = plural(len(mirrored.guarded), "topic")
    return [f"  guard:  retention is off on {topics} of the destination until kafka-meta mirror --release"]


def last_lines(mirrored: Mirrored, *, quiet: bool) -> list[str]:
    """What a look ends with: what is left to do, and how."""
    unread = mirrored.unread
    if mirrored.findings:
        return ["Nothing was copied, and could not be yet: see above (×)."]
    if not unread.ranges:
        return ["Nothing was copied; there is nothing to copy."]
    if mirrored.dest_id is None:
        return ["Nothing was copied. To do it: name the destination (--dest-bootstrap-servers), and --commit"]
    to_set = sum(1 for each in mirrored.groups if each.outcome == "later")
    if any(left(unread.ranges, mirrored.copied).values()):
        what = "The rest was not copied" if mirrored.copied else "Nothing was copied"
        return [f"{what}. To do it: the same command with --commit"]
    if to_set:
        done = "Everything is copied already" if mirrored.copied else "There is nothing to copy"
        how = "the same command with --commit" + ("" if quiet else ", when the source is quiet")
        return [f"{done}; {plural(to_set, 'position')} of groups not set yet. To do it: {how}"]
    lines = ["Nothing is left to do: everything is copied already, and the groups' positions are set."]
    if any(each.outcome != "present" for each in mirrored.groups):
        lines = ["Nothing is left to copy; the positions above (!) will not be set."]
    return [*lines, *_guard(mirrored)]


def failure_line(done: Mirrored) -> str | None:
    """Whether the same command can mend what has failed; None where everything went well."""
    parts = [each for each in done.copied if not each.equal]
    groups = [each for each in done.groups if each.outcome in ("left alone", "refused", "failed")]
    if not parts and not groups:
        return None
    mendable = any(not each.final for each in parts) or any(each.outcome != "refused" for each in groups)
    return "exit status 1; the same command " + (
        "goes on after mending" if mendable else "would stop in the same place again"
    )


def release_lines(behind: Mapping[str, Sequence[str]]) -> list[str]:
    """Groups by topic that have not read what was copied there."""
    return [
        f"  ! {visible(topic)}: not read to the end by {', '.join(map(visible, groups))}; its retention counts again"
        for topic, groups in behind.items()
    ]
