"""What an export has written: numbers, and what it could not read."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Any

from kafka_meta.files.metadata import encode_remarks
from kafka_meta.model import Snapshot


def encode_export(snapshot: Snapshot, path: Path | None, size_bytes: int) -> dict[str, Any]:
    """`path` None: nothing was written."""
    topics = snapshot.topics
    return {
        "kind": "kafka-meta-export",
        "schemaVersion": "1.0",
        "fileName": None if path is None else str(path),
        "sizeBytes": size_bytes,
        "clusterId": snapshot.cluster.id,
        "totals": {
            "topics": _count(topics),
            "partitions": None if topics is None else sum(len(topic.partitions) for topic in topics),
            "groups": _count(snapshot.groups),
            "acls": _count(snapshot.acls),
            "users": _count(snapshot.users),
            "quotas": _count(snapshot.quotas),
            "otherConfigs": _count(snapshot.other_configs),
        },
        "gaps": encode_remarks(snapshot.gaps),
        "leftOut": encode_remarks(snapshot.left_out),
        "disagreements": encode_remarks(snapshot.disagreements),
        "signs": encode_remarks(snapshot.signs),
    }


def _count(items: Sized | None) -> int | None:
    return None if items is None else len(items)
