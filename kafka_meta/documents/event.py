"""What is said while a command works: one line each."""

from __future__ import annotations

from typing import Any, assert_never

from kafka_meta.events import Event, Happened, Progress, Waiting

KIND = "kafka-meta-event"


def encode_event(event: Event) -> dict[str, Any]:
    match event:
        case Progress():
            return {
                "kind": KIND,
                "event": "progress",
                "stage": event.stage,
                "done": event.done,
                "total": event.total,
            }
        case Waiting():
            return {"kind": KIND, "event": "waiting", "reason": event.reason, "seconds": event.seconds}
        case Happened():
            return encode_note(event.text)
        case _:
            assert_never(event)


def encode_note(text: str) -> dict[str, Any]:
    return {"kind": KIND, "event": "note", "text": text}
