"""What a mirror would copy, what it found in the way, and what arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from kafka_meta.journal import Following, Place
from kafka_meta.mirror.bind import COPY_ANEW
from kafka_meta.mirror.outcome import Copied, GroupPosition, Mirrored, left, size_left, topics_of, totals
from kafka_meta.mirror.prepare import OpenTransaction
from kafka_meta.mirror.release import Held, Released
from kafka_meta.model import Remark, Resource
from kafka_meta.plan import plural
from kafka_meta.quantities import duration
from kafka_meta.ranges import LeftBehind, Range
from kafka_meta.render.words import FEW, remark_line, size, together, visible

LARGEST = 20
"""So many topics are shown on a terminal. The log and the document hold all, and their partitions."""
_GROUPS_SHOWN = 3
_LIKE_EACH_OTHER = 4
"""From so many resources on, one line says what is the same for all of them."""


def prepare_lines(mirrored: Mirrored, *, verbose: bool) -> list[str]:
    """What is in the way, what the operator should know, and then a line a topic with the sums. Once a copy has begun,
    what is left of each topic, and what is there already. `verbose` shortens no list."""
    unread = mirrored.unread
    copied = mirrored.copied
    stopped = (Remark(resource=_resource(each), reason=each.error) for each in copied if each.error)
    said = [
        *_limited("×", mirrored.findings, verbose),
        *_limited("!", [*unread.warnings, *mirrored.warnings], verbose),
        *(_open(each) for each in mirrored.open_transactions),
        *_left_behind(unread.left_behind, verbose),
        *_limited(
            "!", [replace(each, reason=f"the last run stopped there: {each.reason}") for each in stopped], verbose
        ),
        *_not_to_be_set(mirrored.groups),
        *_limited("?", () if mirrored.findings else unread.unreadable, verbose, "not read: "),
    ]
    rest = [
        *_limited("-", unread.skipped, verbose, "skipped: "),
        *_youngest(mirrored.youngest_ms, verbose),
        *_set_already(mirrored.groups),
    ]
    topics = [*_topics(unread.ranges, copied, verbose), _sum(unread.ranges, copied)]
    return ["", *said, *([""] if said else []), *topics, "", *rest, *([""] if rest else [])]


def partition_lines(mirrored: Mirrored) -> list[str]:
    """A line for each partition that is copied, with its offsets."""
    unread, copied = mirrored.unread, mirrored.copied
    there = {each.place: each for each in copied}
    still = left(unread.ranges, copied)
    rows = [("topic", "part", "groups", "committed", "earliest", "start", "end", *_counts(copied), "size", "")]
    for each in unread.ranges:
        place = (each.topic, each.partition)
        rows.append(_partition(each, still[place], there.get(place), bool(copied)))
    return _aligned(rows, to_the_left=(0, 2, len(rows[0]) - 1)) if unread.ranges else []


def _not_to_be_set(groups: Sequence[GroupPosition]) -> list[str]:
    """Which positions no run would set."""
    return [
        f"  ! group {visible(group)}: {plural(count, 'position')} will not be set: {visible(reason)}"
        for (group, reason), count in _counted(each for each in groups if each.outcome in ("left alone", "refused"))
    ]


def _set_already(groups: Sequence[GroupPosition]) -> list[str]:
    count = sum(1 for each in groups if each.outcome == "present")
    return [f"  = set already: {plural(count, 'position')} of groups"] if count else []


def _counted(groups: Iterable[GroupPosition]) -> list[tuple[tuple[str, str], int]]:
    return list(Counter((each.group, each.reason or "") for each in groups).items())


def _counts(copied: Sequence[Copied]) -> tuple[str, ...]:
    return ("copied", "left") if copied else ("messages",)


def _topics(ranges: Sequence[Range], copied: Sequence[Copied], verbose: bool) -> list[str]:
    if not ranges:
        return ["  no consumer group has a position on any of these topics"]
    there = topics_of(copied)
    still = left(ranges, copied)
    by_topic: dict[str, list[Range]] = {}
    for each in ranges:
        by_topic.setdefault(each.topic, []).append(each)
    messages = {topic: sum(still[topic, each.partition] for each in parts) for topic, parts in by_topic.items()}
    shown = sorted(by_topic, key=lambda topic: (-messages[topic], topic))[: None if verbose else LARGEST]
    rows = [("topic", "partitions", "groups", *_counts(copied), "size", "")]
    for topic in sorted(shown):
        rows.append(_topic(by_topic[topic], still, there.get(topic, ()), continued=bool(copied), verbose=verbose))
    lines = _aligned(rows, to_the_left=(0, 2, len(rows[0]) - 1))
    if len(shown) < len(by_topic):
        lines.append(f"  … these are the {LARGEST} largest of {len(by_topic):,}; the log has all")
    return lines


def _topic(
    parts: Sequence[Range],
    still: Mapping[Place, int],
    there: Sequence[Copied],
    *,
    continued: bool,
    verbose: bool,
) -> tuple[str, ...]:
    over = [each for each in parts if not still[each.topic, each.partition]]
    sizes = [size_left(each, still[each.topic, each.partition]) for each in parts]
    groups = {reader.group for each in parts for reader in each.readers}
    set_by = {group for each in parts for group in each.set_by}
    notes = [_of_all(sum(1 for each in parts if each.expired), len(parts), "expired")]
    notes.append(_of_all(len(over), len(parts), "copied" if any(each.messages for each in there) else "skip migrate"))
    notes.append("* sets the start" if len(groups) > 1 and 0 < len(set_by) < len(groups) else "")
    messages = sum(still[each.topic, each.partition] for each in parts)
    return (
        visible(parts[0].topic),
        str(len(parts)),
        _groups(groups, set_by, verbose),
        *((f"{sum(each.messages for each in there):,}" if there else "-",) if continued else ()),
        f"{'≤ ' * (messages > 0)}{messages:,}",
        "?" if None in sizes else size(sum(filter(None, sizes))),
        "; ".join(filter(None, notes)),
    )


def _of_all(count: int, of: int, word: str) -> str:
    """`expired`, where it is so of all partitions; `2 expired`, where it is so of some."""
    return "" if not count else word if count == of else f"{count} {word}"


def _groups(groups: Collection[str], set_by: Collection[str], verbose: bool) -> str:
    several = len(groups) > 1
    # Those that set the start come first where not all can be shown.
    names = sorted(groups, key=lambda group: (group not in set_by, group))
    shown = names if verbose else names[:_GROUPS_SHOWN]
    text = ", ".join(visible(group) + "*" * (several and group in set_by) for group in shown)
    return (text + (f", … {len(names) - len(shown)} more" if len(shown) < len(names) else "")) or "-"


def _aligned(rows: Sequence[tuple[str, ...]], to_the_left: Collection[int]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            text.ljust(width) if column in to_the_left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _partition(each: Range, still: int, there: Copied | None, continued: bool) -> tuple[str, ...]:
    notes = ["expired"] if each.expired else []
    if not still:
        notes.append("copied" if there is not None and there.messages else "skip migrate")
    notes += ["* sets the start"] if len(each.groups) > 1 and 0 < len(each.set_by) < len(each.groups) else []
    size_bytes = size_left(each, still)
    return (
        visible(each.topic),
        str(each.partition),
        _groups(each.groups, each.set_by, verbose=True),
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


def _youngest(youngest_ms: Mapping[str, int], verbose: bool) -> list[str]:
    """The topics that were written to last. A producer that pauses for longer than `--quiet` shows only here."""
    latest = sorted(youngest_ms.items(), key=lambda each: (-each[1], each[0]))
    return [
        f"  · youngest record of {visible(topic)}: {_moment(at_ms)}"
        for topic, at_ms in latest[: None if verbose else 1]
    ]


def _moment(at_ms: int) -> str:
    """A record's timestamp is whatever its producer wrote."""
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms after 1970"


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
    """A line a remark; one line for many that say the same. Without `verbose`, the first few lines."""
    alike: dict[str, list[Resource]] = {}
    for remark in remarks:
        alike.setdefault(remark.reason, []).append(remark.resource)
    lines: list[str] = []
    for reason, resources in alike.items():
        if len(resources) < _LIKE_EACH_OTHER:
            lines += [f"  {mark} {said}{visible(str(resource))}: {visible(reason)}" for resource in resources]
        else:
            lines.append(f"  {mark} {said}{together(resources, verbose)}: {visible(reason)}")
    return _shortened(lines, FEW, verbose)


def _shortened(lines: Sequence[str], count: int, verbose: bool) -> list[str]:
    if verbose or len(lines) <= count:
        return list(lines)
    return [*lines[:count], f"  … {len(lines) - count:,} more (--verbose shows all)"]


def summary_lines(done: Mirrored, meanwhile: Sequence[Remark], *, verbose: bool) -> list[str]:
    """What has failed, what has changed `meanwhile`, a line a topic, and the groups' positions."""
    return [
        *_failed(done.copied, verbose),
        *_groups_not_set(done.groups, verbose),
        *_limited("!", meanwhile, verbose),
        *_compared(done.copied, verbose),
        *_read_now(done.copied),
        *_groups_set(done.groups, verbose),
    ]


def copied_lines(copied: Sequence[Copied], *, verbose: bool) -> list[str]:
    """What has failed, and a line a topic: messages planned, copied, arrived, and whether they are the same."""
    return [*_failed(copied, verbose), *_compared(copied, verbose), *_read_now(copied)]


def _failed(copied: Sequence[Copied], verbose: bool) -> list[str]:
    return _limited(
        "×", [Remark(resource=_resource(each), reason=each.error) for each in copied if each.error], verbose
    )


def _compared(copied: Sequence[Copied], verbose: bool) -> list[str]:
    topics = topics_of(copied)
    order = sorted(topics, key=lambda topic: all(part.equal for part in topics[topic]))
    rows: list[tuple[str, ...]] = [("topic", "planned", "copied", "arrived", "content")]
    rows += [_copied_row(topic, topics[topic]) for topic in order]
    return _shortened(_aligned(rows, to_the_left=(0, 4)), LARGEST + 1, verbose)


def _copied_row(topic: str, parts: Sequence[Copied]) -> tuple[str, ...]:
    arrived = [part.arrived for part in parts]
    contents = sorted({"incomplete" if _halfway(part) else part.content for part in parts})
    exact = all(part.done for part in parts)
    planned = sum(part.messages for part in parts) if exact else sum(part.planned for part in parts)
    return (
        visible(topic),
        f"{planned:,}" if exact else f"≤ {planned:,}",
        f"{sum(part.messages for part in parts):,}",
        "?" if None in arrived else f"{sum(filter(None, arrived)):,}",
        "equal" if contents == ["equal"] else ", ".join(word for word in contents if word != "equal"),
    )


def _read_now(copied: Sequence[Copied]) -> list[str]:
    """What was read now, where that is not all."""
    earlier, now = sum(each.verified_earlier for each in copied), sum(each.verified_now for each in copied)
    return [f"  found equal: {_messages(now)} now, {earlier:,} earlier and not read again"] if earlier else []


def _halfway(part: Copied) -> bool:
    """What has been copied of it is as it should be."""
    return part.content == "equal" and not part.done


def standing_lines(copied: Sequence[Copied], *, verbose: bool, partitions: bool = False) -> list[str]:
    """How far each topic is, a line each: first what has failed, then what is not complete. `partitions`: each of
    them, too."""
    lines = []
    for topic, parts in sorted(topics_of(copied).items(), key=lambda each: all(part.done for part in each[1])):
        done = sum(1 for part in parts if part.done)
        mark = "=" if done == len(parts) else "~"
        lines.append(
            f"  {mark} {visible(topic)}: {done} of {plural(len(parts), 'partition')} complete, "
            f"{_messages(sum(part.messages for part in parts))} copied{_left(parts)}"
        )
        if partitions:
            lines += [
                f"      {part.partition}: {_messages(part.messages)}, at {part.dest_start:,} to {part.dest_end:,} there"
                f"{_left([part])}"
                for part in parts
            ]
    return [*_failed(copied, verbose), *_shortened(lines, LARGEST, verbose)]


def _resource(each: Copied) -> Resource:
    """Its name alone, as everywhere in a table of partitions."""
    return Resource(f"{each.topic}-{each.partition}")


def _messages(count: int) -> str:
    return f"{count:,} message" + "s" * (count != 1)


def _left(parts: Sequence[Copied]) -> str:
    messages = sum(part.planned - part.messages for part in parts if not part.done)
    return f", ≤ {messages:,} left" if messages else ""


def group_lines(groups: Sequence[GroupPosition], *, verbose: bool) -> list[str]:
    """Why positions of groups were not set, and how many of each group were."""
    return [*_groups_not_set(groups, verbose), *_groups_set(groups, verbose)]


def _groups_not_set(groups: Sequence[GroupPosition], verbose: bool) -> list[str]:
    lines = []
    for outcome in ("failed", "refused", "left alone", "later"):
        mark, words = ("-", "not set yet") if outcome == "later" else ("×", outcome)
        lines += [
            f"  {mark} group {visible(group)}: {plural(count, 'position')} {words}: {visible(reason)}"
            for (group, reason), count in _counted(each for each in groups if each.outcome == outcome)
        ]
    return _shortened(lines, FEW, verbose)


def _groups_set(groups: Sequence[GroupPosition], verbose: bool) -> list[str]:
    done = Counter(each.group for each in groups if each.outcome in ("set", "present"))
    lines = [f"  + group {visible(group)}: {plural(count, 'position')} set" for group, count in done.items()]
    return _shortened(lines, FEW, verbose)


def next_lines(mirrored: Mirrored) -> list[str]:
    """What is still guarded, and what to do with the consumers."""
    lines = _guard(mirrored)
    if any(each.outcome in ("set", "present") for each in mirrored.groups):
        until = ""
        if mirrored.start_before_ms is not None:
            until = f" before {datetime.fromtimestamp(mirrored.start_before_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
            until += " (their positions expire then)"
        lines += [
            f"  next:   start the consumers on the destination{until}.",
            "          They go on at the positions of their groups, if they subscribe or ask for these positions.",
            "          For consumers that keep offsets themselves: kafka-meta mirror --status --output json",
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
    """The end of a look: what is left to do, and how."""
    unread = mirrored.unread
    if mirrored.findings:
        return ["Nothing was copied. First mend what is marked × above."]
    if not unread.ranges:
        return ["Nothing was copied. There is nothing to copy."]
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


def following_line(standing: Following) -> str:
    """How far a copy that goes on is behind."""
    if standing.paused:
        return "paused: nothing is sent; kafka-meta task resume goes on"
    if not standing.lag_offsets:
        said = "everything that is known to be there is copied"
    else:
        parts = plural(standing.behind, "partition")
        said = f"behind: {standing.lag_offsets:,} offsets of {parts}, since {duration(standing.lag_seconds)} at most"
    age = standing.sync_age_seconds
    groups = "not set yet" if age is None else f"set {duration(age)} ago"
    stopped = f"{plural(standing.stopped, 'partition')} stopped for good; " if standing.stopped else ""
    return f"following; {stopped}{said}; positions of groups {groups}"


def failure_line(done: Mirrored) -> str | None:
    """What the same command would do after a failure. None if nothing failed."""
    parts = [each for each in done.copied if not each.equal]
    groups = [each for each in done.groups if each.outcome in ("left alone", "refused", "failed")]
    later = [each for each in done.groups if each.outcome == "later"]
    if not parts and not groups:
        if not later:
            return None
        return f"exit status 1; not finished: {plural(len(later), 'position')} of groups not set yet (see above)"
    mendable = any(not each.final for each in parts) or any(each.outcome != "refused" for each in groups)
    return "exit status 1; the same command " + (
        "copies the rest when this is mended" if mendable else "would stop at the same place again"
    )


def release_lines(looked: Sequence[Held], *, allow_unread: bool) -> list[str]:
    """What `--release` would do, topic by topic."""
    if not looked:
        return ["Nothing is guarded: there is nothing to put back."]
    lines: list[str] = []
    for each in looked:
        default = "the broker's default"
        configs = ", ".join(f"{name}:{value or default}" for name, value in each.configs.items())
        mark = "!" if allow_unread else "×"
        lines += [f"  {mark} {remark_line(remark)}" for remark in each.needed]
        if allow_unread or not each.needed:
            lines.append(f"Will put back topic:{visible(each.topic)}, {visible(configs)}")
    free = [each for each in looked if allow_unread or not each.needed]
    if free:
        return [*lines, "", "Nothing was changed. To do it: the same command with --commit"]
    return [
        *lines,
        "",
        "Nothing was changed, and --commit would change nothing: the topics above (×) are still needed.",
        "--allow-unread puts retention back although records could be deleted before they are read.",
    ]


def released_lines(done: Released) -> list[str]:
    """What `--release --commit` has done."""
    lines = [f"Release success, topic={visible(topic)}" for topic in done.topics]
    lines += [f"  × {remark_line(remark)}" for remark in done.needed]
    lines += [f"  ! {remark_line(remark)}" for remark in (*done.allowed, *done.remarks)]
    kept = len({remark.resource for remark in done.needed})
    if not lines:
        return ["Nothing is guarded: there is nothing to put back."]
    counts = f"retention and compaction are back on {plural(len(done.topics), 'topic')}"
    return [*lines, counts + (f", still off on {plural(kept, 'topic')} (--allow-unread)" if kept else "")]
