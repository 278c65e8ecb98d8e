"""What a copy that goes on does: the documents of `task`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kafka_meta.files.metadata import iso_time
from kafka_meta.journal import Followed
from kafka_meta.mirror.task import Task, TopicStanding

KIND = "kafka-meta-task"


def encode_task(task: Task, history: Iterable[tuple[int, str, str]]) -> dict[str, Any]:
    return {
        "kind": KIND,
        "schemaVersion": "1.0",
        "task": _task(task),
        "topics": [_topic(each) for each in task.topics],
        "groups": [_group(each) for each in task.groups],
        "notices": [
            {
                "resource": {"kind": each.remark.resource.kind, "name": each.remark.resource.name},
                "reason": each.remark.reason,
                "since": iso_time(each.since_ms),
            }
            for each in task.notices
        ],
        "history": [{"at": iso_time(at_ms), "who": who, "what": what} for at_ms, who, what in history],
    }


def encode_tasks(tasks: Iterable[Task], unread: Mapping[Path, str]) -> dict[str, Any]:
    """`unread`: journals that could not be read, and why."""
    return {
        "kind": "kafka-meta-tasks",
        "schemaVersion": "1.0",
        "tasks": [_task(each) for each in tasks],
        "unread": [{"journal": str(path), "reason": reason} for path, reason in unread.items()],
    }


def _task(task: Task) -> dict[str, Any]:
    copier = task.copier
    following = None if copier is None else copier.following
    return {
        "journal": str(task.journal),
        "name": task.name,
        "source": task.source_id,
        "destination": task.dest_id,
        "state": task.state,
        "running": task.running,
        "copier": None
        if copier is None
        else {
            "host": copier.host,
            "process": copier.pid,
            "since": iso_time(copier.since_ms),
            "told": iso_time(copier.told_ms),
            "ended": copier.ended,
            "waitingFor": copier.waiting_for,
        },
        "lagOffsets": task.lag_offsets,
        "lagSeconds": None if following is None else round(following.lag_seconds, 1),
        "partitionsBehind": None if following is None else following.behind,
        "groupSyncAgeSeconds": None
        if following is None or following.sync_age_seconds is None
        else round(following.sync_age_seconds, 1),
        "groupStates": dict(sorted(task.group_states.items())),
    }


def _topic(topic: TopicStanding) -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "destTopic": topic.dest_topic,
        "state": topic.state,
        "since": None if topic.since_ms is None else iso_time(topic.since_ms),
        "reason": topic.reason,
        "partitions": topic.partitions,
        "records": topic.records,
        "lagOffsets": topic.lag_offsets,
        "recordsVerified": topic.verified,
        "stopped": [{"partition": partition, "reason": reason} for partition, reason in sorted(topic.failures.items())],
    }


def _group(each: Followed) -> dict[str, Any]:
    return {
        "group": each.group,
        "topic": each.topic,
        "partition": each.partition,
        "state": each.state,
        "since": iso_time(each.since_ms),
        "reason": each.reason,
        "sourceOffset": each.source_offset,
        "destOffset": each.dest_offset,
    }
