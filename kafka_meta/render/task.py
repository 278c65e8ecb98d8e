"""What a copy that goes on does, for a person."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from kafka_meta.journal import NOT_WRITTEN, Followed
from kafka_meta.mirror.task import Task, TopicStanding
from kafka_meta.plan import plural
from kafka_meta.quantities import duration
from kafka_meta.render.words import FEW, visible


def tasks_lines(tasks: Iterable[Task], unread: Mapping[Path, str]) -> list[str]:
    """A line each; then the journals that could not be read, with the reason."""
    return [
        *(f"{_name(task)}  {task.state}; {_behind(task)}      (journal: {task.journal})" for task in tasks),
        *(f"× {reason}" if str(path) in reason else f"× {path}: {reason}" for path, reason in unread.items()),
    ]


def task_lines(task: Task, *, verbose: bool) -> list[str]:
    """What runs, how far it is behind, each topic, and each group that is not simply in step."""
    topics = task.topics if verbose else sorted(task.topics, key=_worst_first)[:FEW]
    left_out = len(task.topics) - len(topics)
    return [
        f"Task  {_name(task)}      (journal: {task.journal})",
        "",
        *_state(task),
        "",
        *(line for topic in topics for line in _topic(topic)),
        *([f"  … {left_out:,} more topics (--verbose)"] if left_out > 0 else []),
        "",
        *_groups(task, verbose=verbose),
        *_notices(task, verbose=verbose),
    ]


def _name(task: Task) -> str:
    named = "" if task.name is None else f"{task.name}  "
    return f"{named}{task.source_id} → {task.dest_id}"


def history_lines(history: Iterable[tuple[int, str, str]]) -> list[str]:
    lines = [f"  {_moment(at_ms)}  {visible(who)} {visible(what)}" for at_ms, who, what in history]
    return ["", "History", *lines] if lines else []


def deleted_lines(task: Task, journal: Path, guarded: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """What stays on the destination. `guarded`: topic → configs that nobody sets again now, with their old values."""
    records = sum(topic.records for topic in task.topics)
    lines = [
        f"The task is deleted. Its journal is {journal} now.",
        f"What stays on the destination: {records:,} copied records in {plural(len(task.topics), 'topic')}, and the "
        f"positions of {plural(len({each.group for each in task.groups}), 'group')}.",
    ]
    for topic, configs in sorted(guarded.items()):
        old = ", ".join(
            f"{name}={'the default' if value is None else value}" for name, value in sorted(configs.items())
        )
        lines.append(f"  ! topic {visible(topic)}: its retention stays off. It had {old}")
    return lines


def _state(task: Task) -> list[str]:
    copier = task.copier
    lines = [f"{task.state}; {_behind(task)}"]
    if not task.running and task.running is not None:
        lines[0] += ". No copier runs. To go on: the same kafka-meta mirror --follow --commit"
    if task.state == "unknown":
        lines[0] += ". Whether a copier runs is not known: the destination is not named, or does not tell"
    if copier is not None:
        who = f"process {copier.pid} on {visible(copier.host)}"
        how = "ended at" if copier.ended else f"since {_moment(copier.since_ms)}, last heard of at"
        lines.append(f"  {who}, {how} {_moment(copier.told_ms)}")
        if copier.waiting_for is not None and task.running:
            lines.append(f"  ! waiting: {visible(copier.waiting_for)}")
    return lines


def _behind(task: Task) -> str:
    if task.stopped:
        return f"{plural(task.stopped, 'partition')} cannot go on; {task.lag_offsets:,} offsets are not copied"
    if not task.lag_offsets:
        return "everything that is known to be there is copied"
    following = None if task.copier is None else task.copier.following
    since = f", since {duration(following.lag_seconds)}" if following is not None and following.lag_seconds else ""
    return f"{task.lag_offsets:,} offsets behind{since}"


def _worst_first(topic: TopicStanding) -> tuple[bool, int, str]:
    return topic.state in ("following", "catching-up", "paused"), -topic.lag_offsets, topic.topic


def _topic(topic: TopicStanding) -> Iterable[str]:
    name = visible(topic.topic)
    if topic.dest_topic not in (topic.topic, None):
        name += f" → {visible(topic.dest_topic)}"
    behind = f", {topic.lag_offsets:,} offsets behind" if topic.lag_offsets else ""
    records = f"{topic.records:,} records, {topic.verified:,} of them compared"
    state = topic.state.replace("-", " ")
    if topic.since_ms is not None and topic.state != "following":
        state += f" since {_moment(topic.since_ms)}"
    if topic.dest_topic is not None:
        yield f"  {name}: {state}{behind}; {plural(topic.partitions, 'partition')}, {records}"
    else:
        yield f"  {name}: {state}"
    if topic.reason is not None and not topic.failures:
        yield f"  × {visible(topic.reason)}"
    for partition, reason in sorted(topic.failures.items()):
        yield f"  × partition {partition}: {visible(reason)}"


def _groups(task: Task, *, verbose: bool) -> list[str]:
    if not task.groups:
        return ["No position of a group has been looked at yet."]
    states = ", ".join(f"{count:,} {state.replace('-', ' ')}" for state, count in sorted(task.group_states.items()))
    special: dict[tuple[str, str, str | None], list[Followed]] = {}
    for each in task.groups:
        if each.state != "synced" and (each.state, each.reason) != ("not-yet", NOT_WRITTEN):
            special.setdefault((each.group, each.state, each.reason), []).append(each)
    lines = [
        f"  ! group {visible(group)}, {plural(len(some), 'partition')}: {state.replace('-', ' ')}"
        f"{f': {visible(why)}' if why else ''}"
        for (group, state, why), some in special.items()
    ]
    shown = lines if verbose else lines[:FEW]
    more = [f"  … {len(lines) - len(shown):,} more (--verbose)"] if len(shown) < len(lines) else []
    return [f"Positions of groups: {states}", *shown, *more]


def _notices(task: Task, *, verbose: bool) -> list[str]:
    """The newest last."""
    lines = [f"  ! {visible(str(each.remark.resource))}: {visible(each.remark.reason)}" for each in task.notices]
    shown = lines if verbose else lines[-FEW:]
    more = [f"  … {len(lines) - len(shown):,} more (--verbose)"] if len(shown) < len(lines) else []
    return ["", "To know", *more, *shown] if lines else []


def _moment(at_ms: int) -> str:
    ago = max(0.0, time.time() - at_ms / 1000)
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC ({duration(ago)} ago)"
