"""Produce requests of batches that are ready. Headers and bodies are not copied."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from kafka_meta.wire.channel import Buffer


class Sent(NamedTuple):
    """One batch for one partition, in two pieces."""

    topic: str
    partition: int
    head: Buffer
    body: Buffer


class Produced(NamedTuple):
    """`base_offset` is -1 after an error."""

    topic: str
    partition: int
    error_code: int
    error_message: str | None
    base_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Produce:
    """ProduceRequest v3 (0.11) to v8 (2.4), acks=all; at most one batch a partition. The answer is a list of
    `Produced`.

    All versions carry the same batches. Redpanda and Azure Event Hubs support it up to v7. zstd needs v7 (KIP-110).
    Only v8 returns the reason of a refusal.
    """

    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[tuple[int, int]] = (3, 8)

    batches: Sequence[Sent]
    timeout_ms: int

    def parts(self, version: int) -> Sequence[Buffer]:
        topics: dict[str, list[Sent]] = {}
        for sent in self.batches:
            topics.setdefault(sent.topic, []).append(sent)
        parts: list[Buffer] = []
        before = struct.pack(">hhii", -1, -1, self.timeout_ms, len(topics))
        for name, batches in topics.items():
            encoded = name.encode()
            before += struct.pack(f">h{len(encoded)}si", len(encoded), encoded, len(batches))
            for sent in batches:
                size = len(sent.head) + len(sent.body)
                parts += (before + _PARTITION.pack(sent.partition, size) + sent.head, sent.body)
                before = b""
        return parts

    def answer(self, version: int, body: memoryview) -> tuple[list[Produced], int]:
        produced: list[Produced] = []
        (topics,) = _INT32.unpack_from(body)
        at = 4
        for _ in range(topics):
            name, at = _string(body, at)
            (partitions,) = _INT32.unpack_from(body, at)
            at += 4
            for _ in range(partitions):
                partition, code, base_offset, _ = _ANSWER.unpack_from(body, at)
                at += _ANSWER.size
                if version >= 5:
                    at += 8  # the log's start offset
                told = None
                if version >= 8:
                    told, at = _reason(body, at)
                produced.append(
                    Produced(
                        topic=name or "",
                        partition=partition,
                        error_code=code,
                        error_message=told,
                        base_offset=base_offset,
                    )
                )
        (throttle_ms,) = _INT32.unpack_from(body, at)
        return produced, throttle_ms


_INT16, _INT32 = struct.Struct(">h"), struct.Struct(">i")
_PARTITION = struct.Struct(">ii")
_ANSWER = struct.Struct(">ihqq")
"""Partition, error, base offset, log append time."""


def _reason(body: memoryview, at: int) -> tuple[str | None, int]:
    """The broker's message about the batch, else about the first record that has one; and the position after it."""
    (errors,) = _INT32.unpack_from(body, at)
    at += 4
    reasons: list[str | None] = []
    for _ in range(max(0, errors)):
        reason, at = _string(body, at + 4)
        reasons.append(reason)
    message, at = _string(body, at)
    return message or next((reason for reason in reasons if reason), None), at


def _string(body: memoryview, at: int) -> tuple[str | None, int]:
    (length,) = _INT16.unpack_from(body, at)
    at += 2
    return (None, at) if length < 0 else (str(body[at : at + length], "utf-8"), at + length)
