"""Pages of the manual."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kafka_meta.manual import Page


def encode_help(pages: Iterable[Page]) -> dict[str, Any]:
    topics = [{"topic": each.topic, "title": each.title, "text": each.text} for each in pages]
    return {"kind": "kafka-meta-help", "schemaVersion": "1.0", "topics": topics}
