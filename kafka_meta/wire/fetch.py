"""Fetch requests. Records are a view into the answer: nothing is copied or decoded.

Every version is read_committed where transactions exist (v4). v10 is the first one that returns zstd batches.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kafka_meta.wire.channel import Buffer
from kafka_meta.wire.topics import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """From this offset on, about so many bytes. The first partition of a request gets at least one whole batch."""

    topic: str
    partition: int
    offset: int
    max_bytes: int
    epoch: int = -1
    """The leader's epoch that the caller knows; a broker with another epoch refuses. -1: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The answer for one partition; no records after an error."""

    topic: str
    partition: int
    error_code: int
    aborted: tuple[tuple[int, int], ...]
    """(producer id, first offset) of aborted transactions, as `batches.AbortedTransactions` takes them."""
    records: memoryview
    high_watermark: int | None = None
    stable: int | None = None
    """The last stable offset: nobody can read further yet. Before v4 (0.11) the high watermark."""


VERSIONS = (3, 11)
"""0.10.1 to 2.3."""
_NO_SESSION = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """FetchRequest without a fetch session: it names each partition that is asked for.

    The answer is a list of `Fetched`, in the order of the request. An empty list means that a quota is used up
    (KIP-219).
    """

    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[tuple[int, int]] = VERSIONS

    wanted: Sequence[Wanted]
    max_bytes: int
    max_wait_ms: int = 500

    def parts(self, version: int) -> Sequence[Buffer]:
        return (
            _head(version, self.max_wait_ms, self.max_bytes, (0, _NO_SESSION))
            + _asked_for(version, self.wanted)
            + _tail(version, ()),
        )

    def answer(self, version: int, body: memoryview) -> tuple[list[Fetched], int]:
        told, throttle_ms = _told(version, body)
        if told.error_code:
            return [_failed(wanted, told.error_code) for wanted in self.wanted], throttle_ms
        return told.fetched, throttle_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAnswer:
    """`session_id` 0: the broker remembers nothing, because it has no room for a session, or is older than v7 (1.1).
    With an error code nothing was fetched."""

    error_code: int
    session_id: int
    fetched: list[Fetched]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFetch:
    """FetchRequest in a fetch session (KIP-227). The broker remembers which partitions were asked for, from which
    offset.

    `epoch` 0 ends the session `session_id`, if there is one, and asks for another one, which has the partitions of
    `wanted`. With another epoch, `wanted` are the partitions that are new or have another offset, and `forgotten` are
    those that leave. The answer has only partitions with records, errors or other watermarks.
    """

    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[tuple[int, int]] = VERSIONS

    session_id: int
    epoch: int
    wanted: Sequence[Wanted]
    forgotten: Sequence[Place]
    max_bytes: int
    max_wait_ms: int = 500

    def parts(self, version: int) -> Sequence[Buffer]:
        return (
            _head(version, self.max_wait_ms, self.max_bytes, (self.session_id, self.epoch))
            + _asked_for(version, self.wanted)
            + _tail(version, self.forgotten),
        )

    def answer(self, version: int, body: memoryview) -> tuple[SessionAnswer, int]:
        return _told(version, body)


def _head(version: int, max_wait_ms: int, max_bytes: int, session: tuple[int, int]) -> bytearray:
    request = bytearray(struct.pack(">iiii", -1, max_wait_ms, 1, max_bytes))
    if version >= 4:
        request += b"\1"  # read_committed
    if version >= 7:
        request += struct.pack(">ii", *session)
    return request


def _asked_for(version: int, wanted: Sequence[Wanted]) -> bytearray:
    topics = _by_topic(wanted)
    request = bytearray(_INT32.pack(len(topics)))
    for name, partitions in topics:
        request += _named(name) + _INT32.pack(len(partitions))
        for each in partitions:
            request += _INT32.pack(each.partition)
            if version >= 9:
                request += _INT32.pack(each.epoch)
            request += struct.pack(">q", each.offset)
            if version >= 5:
                request += struct.pack(">q", -1)  # log start, a follower's field
            request += _INT32.pack(each.max_bytes)
    return request


def _tail(version: int, forgotten: Sequence[Place]) -> bytearray:
    request = bytearray()
    if version >= 7:
        request += _INT32.pack(len(forgotten))
        for topic, partition in forgotten:
            request += _named(topic) + struct.pack(">ii", 1, partition)
    if version >= 11:
        request += struct.pack(">h", 0)  # no rack: from the leader
    return request


def _told(version: int, body: memoryview) -> tuple[SessionAnswer, int]:
    """And the throttle time."""
    (throttle_ms,) = _INT32.unpack_from(body)
    at = 4
    code = session_id = 0
    if version >= 7:
        code, session_id = _SESSION.unpack_from(body, at)
        at += _SESSION.size
    (topics,) = _INT32.unpack_from(body, at)
    at += 4
    fetched: list[Fetched] = []
    for _ in range(topics):
        (length,) = _INT16.unpack_from(body, at)
        name = str(body[at + 2 : at + 2 + length], "utf-8")
        at += 2 + length
        (partitions,) = _INT32.unpack_from(body, at)
        at += 4
        for _ in range(partitions):
            at = _partition(version, body, at, name, fetched)
    # Before v8 (2.0) a broker waits for the throttle time itself, before it answers.
    answer = SessionAnswer(error_code=code, session_id=session_id, fetched=fetched)
    return answer, throttle_ms if version >= 8 else 0


def _partition(version: int, body: memoryview, at: int, topic: str, fetched: list[Fetched]) -> int:
    """Adds one partition of the answer. Returns where the next one begins."""
    partition, code, high_watermark = _PARTITION.unpack_from(body, at)
    at += _PARTITION.size
    aborted = tuple[tuple[int, int], ...]()
    stable = high_watermark
    if version >= 4:
        (stable,) = _INT64.unpack_from(body, at)
        at += 8
        if version >= 5:
            at += 8  # the log start offset
        (count,) = _INT32.unpack_from(body, at)
        at += 4
        if count > 0:
            aborted = tuple(_ABORTED.iter_unpack(body[at : at + count * _ABORTED.size]))
            at += count * _ABORTED.size
    if version >= 11:
        at += 4  # the preferred read replica: a follower that we could ask instead
    size = max(0, int(_INT32.unpack_from(body, at)[0]))
    at += 4
    fetched.append(
        Fetched(
            topic=topic,
            partition=partition,
            error_code=code,
            aborted=aborted,
            records=body[at : at + size],
            high_watermark=high_watermark if high_watermark >= 0 else None,
            stable=stable if stable >= 0 else None,
        )
    )
    return at + size


_INT16, _INT32, _INT64 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_SESSION = struct.Struct(">hi")
"""Error, id of the session."""
_PARTITION = struct.Struct(">ihq")
"""Partition, error, high watermark."""
_ABORTED = struct.Struct(">qq")


def _named(topic: str) -> bytes:
    encoded = topic.encode()
    return struct.pack(f">h{len(encoded)}s", len(encoded), encoded)


def _by_topic(wanted: Sequence[Wanted]) -> list[tuple[str, list[Wanted]]]:
    """Groups neighbours of the same topic and keeps their order: brokers fill an answer in the order of the request."""
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
        aborted=(),
        records=memoryview(b""),
    )
