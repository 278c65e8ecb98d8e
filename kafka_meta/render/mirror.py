"""What a mirror would copy, what it found in the way, and what arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kafka_meta.mirror.document import Copied, GroupPosition, Mirrored, topics_of, totals
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.model import Remark
from kafka_meta.plan import plural
from kafka_meta.ranges import LeftBehind, Range
from kafka_meta.render.documents import remark_line, size, visible

LARGEST = 20
"""So many partitions stand on a screen; all of them in the log and in the document."""
_GROUPS_SHOWN = 3


def prepare_lines(mirrored: Mirrored, *, verbose: bool) -> list[str]:
    """The partitions with their numbers, the sums, and everything that would not be copied."""
    unread = mirrored.unread
    shown = sorted(unread.ranges, key=lambda each: -each.messages)[: None if verbose else LARGEST]
    lines = ["", *_table(sorted(shown, key=lambda each: (each.topic, each.partition)), verbose)]
    if len(shown) < len(unread.ranges):
        lines.append(f"  … the {LARGEST} largest of {len(unread.ranges):,}; all in the log")
    lines += [_sum(unread.ranges), ""]
    said = [
        *_limited("!", [*unread.warnings, *mirrored.warnings], verbose),
        *(_open(each) for each in mirrored.open_transactions),
        *_left_behind(unread.left_behind, verbose),
        *_limited("?", () if mirrored.findings else unread.unreadable, verbose, "not read: "),
        *_limited("-", unread.skipped, verbose, "skipped: "),
        *_known(mirrored.copied if not mirrored.committed else ()),
        *_limited("×", mirrored.findings, verbose),
    ]
    return [*lines, *said, ""] if said else lines


def _known(copied: Sequence[Copied]) -> list[str]:
    """What earlier runs have copied of it."""
    if not copied:
        return []
    done = sum(1 for each in copied if each.done)
    messages = sum(each.messages for each in copied)
    return [f"  = copied already: {messages:,} messages; {done} of {plural(len(copied), 'partition')} complete"]


def _table(ranges: Sequence[Range], verbose: bool) -> list[str]:
    if not ranges:
        return ["  no group has a position on any of these topics"]
    head = ("topic", "part", "groups", "committed", "earliest", "start", "end", "messages", "size", "")
    rows = [head, *(_row(each, verbose) for each in ranges)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    left = (0, 2, 9)
    return [
        "  "
        + "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(each: Range, verbose: bool) -> tuple[str, ...]:
    several = len(each.groups) > 1
    # Those that set the start come first where not all can be shown.
    names = sorted(each.groups, key=lambda group: (group not in each.set_by, group))
    shown = names if verbose else names[:_GROUPS_SHOWN]
    groups = ", ".join(visible(group) + "*" * (several and group in each.set_by) for group in shown)
    groups += f", … {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    notes = ["expired"] if each.expired else []
    notes += ["skip migrate"] if each.start == each.end else []
    notes += ["* sets the start"] if several and 0 < len(each.set_by) < len(each.groups) else []
    return (
        visible(each.topic),
        str(each.partition),
        groups or "-",
        "-" if each.committed is None else f"{each.committed:,}",
        f"{each.earliest:,}",
        f"{each.start:,}",
        f"{each.end:,}",
        f"{'≤ ' * (each.messages > 0)}{each.messages:,}",
        "?" if each.size_bytes is None else size(each.size_bytes),
        "; ".join(notes),
    )


def _sum(ranges: Sequence[Range]) -> str:
    sums = totals(ranges)
    text = f"  {plural(sums['topics'] or 0, 'topic')}, {plural(sums['partitions'] or 0, 'partition')}, "
    text += f"≤ {sums['messages']:,} messages"
    text += "" if sums["sizeBytes"] is None else f", {size(sums['sizeBytes'])}"
    if sums["skipped"]:
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
        contents = sorted({part.content for part in parts})
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
    failed = [part for part in copied if part.error is not None]
    lines += [f"  × {visible(part.topic)}-{part.partition}: {visible(part.error or '')}" for part in failed]
    return lines


def standing_lines(copied: Sequence[Copied], *, verbose: bool) -> list[str]:
    """A line a topic: how far its copy is; what has failed by partition."""
    lines = []
    for topic, parts in topics_of(copied).items():
        done = sum(1 for part in parts if part.done)
        mark = "=" if done == len(parts) else "~"
        lines.append(
            f"  {mark} {visible(topic)}: {done} of {plural(len(parts), 'partition')} complete, "
            f"{sum(part.messages for part in parts):,} messages copied"
        )
        if verbose:
            lines += [
                f"      {part.partition}: {part.messages:,} messages, at {part.dest_start:,} to {part.dest_end:,} there"
                for part in parts
            ]
    lines += [f"  × {visible(each.topic)}-{each.partition}: {visible(each.error)}" for each in copied if each.error]
    return lines


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
    lines: list[str] = []
    if mirrored.guarded:
        topics = plural(len(mirrored.guarded), "topic")
        lines.append(f"  guard:  retention is off on {topics} of the destination until kafka-meta mirror --release")
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
    return lines


def release_lines(behind: Mapping[str, Sequence[str]]) -> list[str]:
    """Groups by topic that have not read what was copied there."""
    return [
        f"  ! {visible(topic)}: not read to the end by {', '.join(map(visible, groups))}; its retention counts again"
        for topic, groups in behind.items()
    ]
