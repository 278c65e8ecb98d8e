"""Fetch with the records as they came: a view into the answer, nothing decoded."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kafka_meta.wire.channel import Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """From this offset on, about so many bytes: at least one whole batch if it is the first one in the request."""

    topic: str
    partition: int
    offset: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Offsets are -1 where the broker does not tell, so after an error."""

    topic: str
    partition: int
    error_code: int
    high_watermark: int
    log_start: int
    aborted: tuple[tuple[int, int], ...]
    """(producer id, first offset) of aborted transactions, as `batches.AbortedTransactions` takes them."""
    records: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """FetchRequest v3 (0.10.1) to v11 (2.3), read_committed where transactions exist (v4), without a fetch session.

    v10 is the first one that gets zstd. The answer is a list of `Fetched`, in the order of the request.
    """

    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[tuple[int, int]] = (3, 11)

    wanted: Sequence[Wanted]
    max_bytes: int
    max_wait_ms: int = 500

    def parts(self, version: int) -> Sequence[Buffer]:
        request = bytearray(struct.pack(">iiii", -1, self.max_wait_ms, 1, self.max_bytes))
        if version >= 4:
            request += b"\1"  # read_committed
        if version >= 7:
            request += struct.pack(">ii", 0, -1)  # no session
        topics = _by_topic(self.wanted)
        request += struct.pack(">i", len(topics))
        for name, wanted in topics:
            encoded = name.encode()
            request += struct.pack(f">h{len(encoded)}si", len(encoded), encoded, len(wanted))
            for each in wanted:
                request += struct.pack(">i", each.partition)
                if version >= 9:
                    request += struct.pack(">i", -1)  # the leader epoch, not checked
                request += struct.pack(">q", each.offset)
                if version >= 5:
                    request += struct.pack(">q", -1)  # log start, a follower's field
                request += struct.pack(">i", each.max_bytes)
        if version >= 7:
            request += struct.pack(">i", 0)  # forgotten topics
        if version >= 11:
            request += struct.pack(">h", 0)  # no rack: from the leader
        return (request,)

    def answer(self, version: int, body: memoryview) -> tuple[list[Fetched], int]:
        (throttle_ms,) = _INT32.unpack_from(body)
        at = 4
        fetched: list[Fetched] = []
        if version >= 7:
            (code,) = _INT16.unpack_from(body, at)
            at += 6
            if code:
                return [_failed(wanted, code) for wanted in self.wanted], throttle_ms
        (topics,) = _INT32.unpack_from(body, at)
        at += 4
        for _ in range(topics):
            (length,) = _INT16.unpack_from(body, at)
            name = str(body[at + 2 : at + 2 + length], "utf-8")
            at += 2 + length
            (partitions,) = _INT32.unpack_from(body, at)
            at += 4
            for _ in range(partitions):
                partition, code, high_watermark = _PARTITION.unpack_from(body, at)
                at += _PARTITION.size
                log_start, aborted = -1, tuple[tuple[int, int], ...]()
                if version >= 4:
                    at += 8  # the last stable offset
                    if version >= 5:
                        (log_start,) = _INT64.unpack_from(body, at)
                        at += 8
                    (count,) = _INT32.unpack_from(body, at)
                    at += 4
                    if count > 0:
                        aborted = tuple(_ABORTED.iter_unpack(body[at : at + count * _ABORTED.size]))
                        at += count * _ABORTED.size
                if version >= 11:
                    at += 4  # a follower that could be asked instead
                (size,) = _INT32.unpack_from(body, at)
                at += 4
                size = max(0, size)
                fetched.append(
                    Fetched(
                        topic=name,
                        partition=partition,
                        error_code=code,
                        high_watermark=high_watermark,
                        log_start=log_start,
                        aborted=aborted,
                        records=body[at : at + size],
                    )
                )
                at += size
        return fetched, throttle_ms


_INT16, _INT32, _INT64 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_PARTITION = struct.Struct(">ihq")
_ABORTED = struct.Struct(">qq")


def _by_topic(wanted: Sequence[Wanted]) -> list[tuple[str, list[Wanted]]]:
    """Neighbours of a topic together, the order kept: brokers fill their answer in the order of the request."""
    topics: list[tuple[str, list[Wanted]]] = []
    for each in wanted:
        if not topics or topics[-1][0] != each.topic:
            topics.append((each.topic, []))
        topics[-1][1].append(each)
    return topics


def _failed(wanted: Wanted, code: int) -> Fetched:
    return Fetched(
        topic=wanted.topic,
        partition=wanted.partition,
        error_code=code,
        high_watermark=-1,
        log_start=-1,
        aborted=(),
        records=memoryview(b""),
    )
