from __future__ import annotations

import base64
import json
import math
import random
import socket
import struct
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import lz4.frame
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from kafka_meta.batches import (
    AbortedTransactions,
    Batch,
    Codec,
    Destination,
    Digest,
    Drop,
    Forward,
    Header,
    MalformedBatch,
    MessageSet,
    Neighbours,
    Outgoing,
    Producer,
    Rebuild,
    Record,
    RecordTooLarge,
    decide,
    forward,
    joinable,
    rebuild,
    records,
    scan,
)
from kafka_meta.batches import codecs as batch_codecs
from kafka_meta.batches.format import HEADER, HEADER_BYTES
from kafka_meta.playground import Cluster
from tests.support.examples import many

CASES = Path(__file__).parents[1] / "cases" / "batches"
NAMES = sorted(path.stem for path in CASES.glob("*.log"))
EVERYTHING = {"start": 0, "end": 1 << 62}
ANYWHERE = Destination()
PRODUCER = Producer(id=4711, epoch=3)
OLD_CODECS = (Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4)


# What a real broker stored, and what librdkafka's consumer made of it (tests/cases/batches/make.py).


def log_of(name: str) -> bytes:
    return (CASES / f"{name}.log").read_bytes()


def codecs_in(name: str) -> set[Codec]:
    return {batch.header.codec if isinstance(batch, Batch) else batch.codec for batch in scan(log_of(name))}


def expected(name: str, *, committed: bool = False) -> list[Record]:
    document = json.loads((CASES / f"{name}.json").read_text())
    found = [
        Record(
            offset=offset,
            timestamp=timestamp,
            key=decoded(key),
            value=decoded(value),
            headers=tuple((header.encode(), decoded(content)) for header, content in headers),
        )
        for offset, _, timestamp, key, value, headers in document["records"]
    ]
    if committed and "committed" in document:
        found = [record for record in found if record.offset in document["committed"]]
    return found


def aborted_in(name: str) -> list[tuple[int, int]]:
    return [
        (producer, first) for producer, first in json.loads((CASES / f"{name}.json").read_text()).get("aborted", [])
    ]


def decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def data_records(log: bytes) -> list[Record]:
    return [
        record
        for batch in scan(log)
        if not (isinstance(batch, Batch) and batch.header.control)
        for record in records(batch)
    ]


def moved(
    log: bytes,
    *,
    start: int = 0,
    end: int = 1 << 62,
    destination: Destination = ANYWHERE,
    aborted: Iterable[tuple[int, int]] = (),
    rank: int = 0,
) -> list[Outgoing]:
    """What a copy sends."""
    transactions = AbortedTransactions(aborted)
    sent: list[Outgoing] = []
    for batch in scan(log):
        fate = decide(batch, start=start, end=end, aborted=transactions.covers(batch), destination=destination)
        match fate:
            case Forward():
                assert isinstance(batch, Batch)
                outgoing = [forward(batch, producer=PRODUCER, rank=rank)]
            case Rebuild():
                outgoing = list(
                    rebuild(batch, start=start, end=end, destination=destination, producer=PRODUCER, rank=rank)
                )
            case Drop():
                outgoing = []
        sent += outgoing
        rank += sum(each.header.record_count for each in outgoing)
    return sent


def as_stored(sent: Iterable[Outgoing]) -> bytes:
    """As a destination stores them: it assigns the offsets, which lie outside the CRC."""
    log = bytearray()
    offset = 0
    for each in sent:
        log += struct.pack(">q", offset) + bytes(each)[8:]
        offset += each.header.record_count
    return bytes(log)


def plain(records: Iterable[Record]) -> list[tuple[object, ...]]:
    """Without offsets, which a copy changes."""
    return [(record.timestamp, record.key, record.value, record.headers) for record in records]


def by_kafka_python(log: bytes) -> list[Record]:
    """An independent reader."""
    return [
        Record(
            offset=record.offset,
            timestamp=-1 if record.timestamp is None else record.timestamp,
            key=None if record.key is None else bytes(record.key),
            value=None if record.value is None else bytes(record.value),
            headers=tuple((name.encode(), content) for name, content in record.headers),
        )
        for batch in MemoryRecords(log)
        if batch.validate_crc()
        for record in batch
    ]


@pytest.mark.parametrize("name", NAMES)
def test_records_reads_what_librdkafka_reads_of_a_broker_s_log(name: str) -> None:
    assert data_records(log_of(name)) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_moved_log_holds_exactly_the_committed_records_without_a_gap(name: str) -> None:
    sent = moved(log_of(name), aborted=aborted_in(name))
    stored = as_stored(sent)
    assert plain(data_records(stored)) == plain(expected(name, committed=True))
    assert [record.offset for record in data_records(stored)] == list(range(len(data_records(stored))))


@pytest.mark.parametrize("name", [name for name in NAMES if not {Codec.SNAPPY, Codec.ZSTD} & codecs_in(name)])
def test_kafka_python_reads_the_same_from_a_moved_log(name: str) -> None:
    assert plain(by_kafka_python(as_stored(moved(log_of(name), aborted=aborted_in(name))))) == plain(
        expected(name, committed=True)
    )


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=many(25), deadline=None)
@given(data=st.data())
def test_cutting_a_log_anywhere_keeps_exactly_the_records_inside(name: str, data: st.DataObject) -> None:
    log, all_records = log_of(name), expected(name, committed=True)
    last = all_records[-1].offset
    start = data.draw(st.integers(0, last + 2), label="start")
    end = data.draw(st.integers(start, last + 2), label="end")
    limit = data.draw(st.sampled_from([None, 400, 1500]), label="max.message.bytes")
    sent = moved(
        log, start=start, end=end, aborted=aborted_in(name), destination=Destination(max_message_bytes=limit), rank=7
    )
    inside = [record for record in all_records if start <= record.offset < end]
    assert plain(data_records(as_stored(sent))) == plain(inside)
    rank = 7
    for each in sent:
        header = each.header
        assert (header.base_offset, header.last_offset_delta) == (0, header.record_count - 1)
        assert (header.producer_id, header.producer_epoch, header.base_sequence) == (4711, 3, rank)
        assert header.attributes == header.codec
        assert limit is None or each.size_bytes <= limit
        rank += each.header.record_count
        copied_until = inside[: rank - 7][-1].offset
        assert copied_until < each.source_end <= end
        assert not [record for record in inside if copied_until < record.offset < each.source_end]


@pytest.mark.parametrize("name", NAMES)
def test_a_split_log_can_be_resumed_at_every_boundary(name: str) -> None:
    small = Destination(max_message_bytes=400)
    log, aborted = log_of(name), aborted_in(name)
    whole = moved(log, destination=small, aborted=aborted)
    assert whole
    for at, boundary in enumerate(whole, 1):
        rest = moved(log, start=boundary.source_end, destination=small, aborted=aborted)
        assert plain(data_records(as_stored(whole[:at] + rest))) == plain(expected(name, committed=True))


def test_golden_logs_hold_what_they_are_here_for() -> None:
    def seen(name: str) -> set[tuple[object, ...]]:
        return {
            (batch.header.magic, batch.header.codec, batch.header.timestamp_type)
            if isinstance(batch, Batch)
            else (batch.magic, batch.codec, batch.timestamp_type)
            for batch in scan(log_of(name))
        }

    for codec in Codec:
        for client in ("java", "librdkafka"):
            assert (2, codec, "CreateTime") in seen(f"v2-{codec.name.lower()}-{client}")
    for codec in OLD_CODECS:
        for magic in (0, 1):
            for client in ("java", "librdkafka"):
                assert (magic, codec, "CreateTime") in seen(f"v{magic}-{codec.name.lower()}-{client}")
    assert (2, Codec.LZ4, "LogAppendTime") in seen("v2-log-append-time")
    assert (1, Codec.SNAPPY, "LogAppendTime") in seen("v1-log-append-time")
    assert b"\x82SNAPPY" in log_of("v2-snappy-java")
    assert b"\x82SNAPPY" not in log_of("v2-snappy-librdkafka")
    assert any(isinstance(batch, Batch) and not batch.header.gapless for batch in scan(log_of("v2-compacted")))


def test_old_lz4_frames_with_their_wrong_header_checksum_need_and_get_the_right_one() -> None:
    (wrapper, *_) = scan(log_of("v0-lz4-java"))
    frame = bytes(wrapper.data)[bytes(wrapper.data).index(b"\x04\x22\x4d\x18") :]
    with pytest.raises(batch_codecs.UndecodableError):
        batch_codecs.decode(Codec.LZ4, frame)
    assert batch_codecs.decode(Codec.LZ4, batch_codecs.with_right_lz4_checksum(frame))


# What a real broker says to it.


@pytest.fixture(scope="module", params=["3.9.1", "4.3.1"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue("source" if request.param == "3.9.1" else "dest")
    return found


@pytest.mark.brokers
def test_brokers_take_every_batch_and_librdkafka_reads_the_records_back(cluster: Cluster) -> None:
    configs = {"retention.ms": "-1", "max.message.bytes": "1500"}
    topics = {name: f"test-batches-{name}" for name in NAMES}
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    created = admin.create_topics([NewTopic(topic, 1, 1, config=configs) for topic in topics.values()])
    for future in created.values():
        future.result()
    with socket.create_connection(("127.0.0.1", cluster.brokers[0].port), timeout=20) as connection:
        for name, topic in topics.items():
            destination = Destination(max_message_bytes=1500)
            rank = 0
            for each in moved(log_of(name), start=1, destination=destination, aborted=aborted_in(name)):
                assert produced(connection, topic, bytes(each)) == (0, rank)
                rank += each.header.record_count
    for name, topic in topics.items():
        wanted = [record for record in expected(name, committed=True) if record.offset >= 1]
        assert plain(by_librdkafka(cluster, topic, len(wanted))) == plain(wanted)


def produced(connection: socket.socket, topic: str, batch: bytes) -> tuple[int, int]:
    """Error code and base offset of a Produce request (version 7), asked again until a new topic has its leader."""
    deadline = time.monotonic() + 20
    while (answer := asked_to_produce(connection, topic, batch))[0] in NO_LEADER_YET and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


NO_LEADER_YET = (3, 5, 6)


def asked_to_produce(connection: socket.socket, topic: str, batch: bytes) -> tuple[int, int]:
    name = topic.encode()
    body = struct.pack(f">hhihhhiih{len(name)}siii", 0, 7, 1, -1, -1, -1, 20_000, 1, len(name), name, 1, 0, len(batch))
    connection.sendall(struct.pack(">i", len(body) + len(batch)) + body + batch)
    with connection.makefile("rb") as answers:
        (size,) = struct.unpack(">i", answers.read(4))
        answer = answers.read(size)
    error, base_offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    return error, base_offset


def by_librdkafka(cluster: Cluster, topic: str, count: int) -> list[Record]:
    consumer = Consumer(
        {
            "log_level": 0,
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = consumer.consume(count, timeout=20)
    finally:
        consumer.close()
    return [
        Record(
            offset=message.offset(),
            timestamp=message.timestamp()[1] if message.timestamp()[0] else -1,
            key=message.key(),
            value=message.value(),
            headers=tuple((name.encode(), content) for name, content in message.headers() or ()),
        )
        for message in messages
    ]


def test_the_old_checksum_is_found_behind_a_content_size_too() -> None:
    right = lz4.frame.compress(b"some bytes" * 9, store_size=True)
    wrong = right[:14] + bytes([right[14] ^ 0xFF]) + right[15:]
    assert batch_codecs.with_right_lz4_checksum(wrong) == right


# Any records.

some_bytes = st.none() | st.binary(max_size=40) | st.integers(60, 20_000).map(bytes)
headers = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.none() | st.binary(max_size=9)), max_size=3)
timestamps = st.sampled_from([-1, 0, 1]) | st.integers(-1, 1 << 45)
contents = st.lists(st.tuples(timestamps, some_bytes, some_bytes, headers), min_size=1, max_size=40)


@st.composite
def offsets(draw: st.DrawFn, count: int) -> list[int]:
    """Ascending, with gaps now and then."""
    base = draw(st.sampled_from([0, 1, 1 << 40]) | st.integers(0, 1 << 20))
    gaps = draw(st.just([0] * count) | st.lists(st.sampled_from([0, 0, 1, 300]), min_size=count, max_size=count))
    return [base + number + sum(gaps[: number + 1]) for number in range(count)]


Content = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def a_batch(
    content: Sequence[Content], at: Sequence[int], codec: Codec = Codec.NONE, attributes: int = 0, **fields: int
) -> bytes:
    """By kafka-python's builder; what it cannot say is set afterwards."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for (timestamp, key, value, headers), offset in zip(content, at, strict=True):
        builder.append(offset - at[0], timestamp, key, value, headers)
    built = bytes(builder.build())
    header = next(batch.header for batch in scan(built) if isinstance(batch, Batch))
    body = batch_codecs.encode(codec, built[HEADER_BYTES:])
    header = header._replace(base_offset=at[0], attributes=codec | attributes, length=49 + len(body))
    return sealed(HEADER.pack(*header._replace(**fields)) + body)


def sealed(batch: bytes) -> bytes:
    return batch[:17] + struct.pack(">I", crc32c(batch[21:])) + batch[21:]


def an_old_set(
    content: Sequence[Content], at: Sequence[int], magic: int, codec: Codec, stamped: int | None = None
) -> bytes:
    """Magic 0 or 1 by kafka-python's builder; `stamped` is the log's own time (magic 1)."""
    inner = at if codec is Codec.NONE or magic == 0 else [offset - at[0] for offset in at]
    log = b""
    for (timestamp, key, value, _), offset in zip(content, inner, strict=True):
        builder = LegacyRecordBatchBuilder(magic, 0, 1 << 30)
        builder.append(offset, timestamp, key, value)
        log += bytes(builder.build())
    return log if codec is Codec.NONE else an_old_wrapper(log, at[-1], magic, codec, stamped)


def an_old_wrapper(inner: bytes, at: int, magic: int, codec: Codec, stamped: int | None = None) -> bytes:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 30)
    builder.append(at, stamped or 0, None, batch_codecs.encode(codec, inner))
    message = bytearray(builder.build())
    message[17] = codec | (0x08 if stamped is not None else 0)
    message[12:16] = struct.pack(">I", zlib.crc32(message[16:]))
    return bytes(message)


def as_records(content: Sequence[Content], at: Sequence[int]) -> list[Record]:
    return [
        Record(
            offset=offset,
            timestamp=timestamp,
            key=key,
            value=value,
            headers=tuple((name.encode(), content) for name, content in headers),
        )
        for (timestamp, key, value, headers), offset in zip(content, at, strict=True)
    ]


@settings(deadline=None)
@given(content=contents, data=st.data(), codec=st.sampled_from(Codec))
def test_forwarding_and_rebuilding_keep_every_record(content: list[Content], data: st.DataObject, codec: Codec) -> None:
    at = data.draw(offsets(len(content)))
    log = a_batch(content, at, codec)
    assert data_records(log) == as_records(content, at)
    sent = moved(log)
    assert len(sent) == 1
    uncompressed = [
        sealed(bytes(each)[:21] + b"\0\0" + bytes(each)[23:HEADER_BYTES] + batch_codecs.decode(codec, each.body))
        for each in sent
    ]
    lengthened = [struct.pack(">qi", 0, len(each) - 12) + each[12:] for each in uncompressed]
    assert plain(by_kafka_python(b"".join(lengthened))) == plain(as_records(content, at))
    assert sent[0].header.max_timestamp == max(row[0] for row in content)


def joined(log: bytes, limit_bytes: int | None = None) -> list[Outgoing]:
    """All batches of a log, joined where they go together."""
    joining = Neighbours(Destination(max_message_bytes=limit_bytes))
    sent: list[Outgoing] = []
    rank = 7
    for batch in scan(log):
        assert isinstance(batch, Batch)
        if not joining.add(batch):
            sent.append(joining.take(producer=PRODUCER, rank=rank))
            rank += sent[-1].header.record_count
            assert joining.add(batch)
    return [*sent, joining.take(producer=PRODUCER, rank=rank)]


@settings(deadline=None)
@given(
    parts=st.lists(st.tuples(contents, st.sampled_from([0, 1, 300])), min_size=2, max_size=5),
    base=st.integers(0, 1 << 40),
    codec=st.sampled_from(Codec),
)
def test_joined_batches_keep_every_record_and_not_the_gaps_between_them(
    parts: list[tuple[list[Content], int]], base: int, codec: Codec
) -> None:
    log, content, at = b"", list[Content](), list[int]()
    for part, gap in parts:
        first = (at[-1] + 1 if at else base) + gap
        at += range(first, first + len(part))
        log += a_batch(part, at[-len(part) :], codec)
        content += part
    sent = joined(log)
    size_bytes = sum(len(key or b"") + len(value or b"") for _, key, value, _ in content)
    assert len(sent) == 1 or size_bytes > 100_000, "as many as fit go together"
    assert plain(data_records(as_stored(sent))) == plain(as_records(content, at))
    assert [record.offset for record in data_records(as_stored(sent))] == list(range(len(content)))
    assert sent[-1].source_end == at[-1] + 1
    assert max(each.header.max_timestamp for each in sent) == max(row[0] for row in content)
    rank = 7
    read: list[Record] = []
    for each in sent:
        assert each.header.codec is codec
        assert (each.header.producer_id, each.header.base_sequence) == (PRODUCER.id, rank)
        rank += each.header.record_count
        uncompressed = sealed(
            bytes(each)[:21] + b"\0\0" + bytes(each)[23:HEADER_BYTES] + batch_codecs.decode(codec, each.body)
        )
        read += by_kafka_python(struct.pack(">qi", 0, len(uncompressed) - 12) + uncompressed[12:])
    assert plain(read) == plain(as_records(content, at))


def test_joined_batches_may_hold_thousands_of_records() -> None:
    content: list[Content] = [(number, None, b"%d" % number, []) for number in range(20_000)]
    log = b"".join(a_batch(content[at : at + 500], range(at, at + 500)) for at in range(0, 20_000, 500))
    joining = Neighbours(Destination())
    taken = [joining.add(batch) for batch in scan(log) if isinstance(batch, Batch)]
    held = 500 * taken.count(True)
    assert 5_000 <= held < 20_000, "as many as 256 KiB may hold"
    sent = joining.take(producer=PRODUCER, rank=7)
    assert by_kafka_python(bytes(sent)) == as_records(content[:held], range(held))


@pytest.mark.parametrize("codec", list(Codec))
def test_one_record_batches_are_joined_up_to_what_the_destination_accepts(codec: Codec) -> None:
    """Bytes that cannot be compressed: the joined batch is not larger than the limit all the same."""
    noise = random.Random(codec).randbytes(60 * 3_000)
    content: list[Content] = [(number, None, noise[60 * number :][:60], []) for number in range(3_000)]
    log = b"".join(a_batch([row], [number], codec) for number, row in enumerate(content))
    assert all(joinable(batch) for batch in scan(log) if isinstance(batch, Batch))
    sent = joined(log, 20_000)
    assert len(sent) < 15
    assert all(each.size_bytes <= 20_000 for each in sent)
    assert plain(data_records(as_stored(sent))) == plain(as_records(content, range(3_000)))


def test_only_neighbours_of_one_codec_are_joined() -> None:
    log = a_batch(ROWS[:2], [0, 1], Codec.LZ4) + a_batch(ROWS[2:4], [2, 3]) + a_batch(ROWS[4:6], [4, 5])
    sent = joined(log)
    assert [(each.header.codec, each.header.record_count) for each in sent] == [(Codec.LZ4, 2), (Codec.NONE, 4)]


def test_a_small_batch_that_decodes_to_a_large_one_goes_alone() -> None:
    large: Content = (0, None, bytes(600_000), [])
    log = a_batch([ROWS[0]], [0], Codec.ZSTD) + a_batch([large], [1], Codec.ZSTD) + a_batch([ROWS[1]], [2], Codec.ZSTD)
    assert [each.header.record_count for each in joined(log)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "codec", "expected"),
    [
        (1, Codec.NONE, True),
        (1, Codec.LZ4, True),
        (40, Codec.ZSTD, True),
        (200, Codec.LZ4, False),
        (200, Codec.NONE, False),
    ],
)
def test_batches_of_few_records_are_joined_whatever_their_codec(rows: int, codec: Codec, expected: bool) -> None:
    (batch,) = scan(a_batch([(0, None, b"small", [])] * rows, range(rows), codec))
    assert isinstance(batch, Batch)
    assert joinable(batch) is expected


@settings(deadline=None)
@given(data=st.binary(max_size=300), count=st.integers(1, 1 << 31 - 1), codec=st.sampled_from(Codec))
def test_no_bytes_crash_joining(data: bytes, count: int, codec: Codec) -> None:
    header = HEADER.pack(5, 49 + len(data), 0, 2, 0, codec, count - 1, 0, 0, -1, -1, -1, count)
    with suppress(MalformedBatch):
        sent = joined(a_batch(ROWS[:2], [3, 4], codec) + sealed(header + data))
        assert sum(each.header.record_count for each in sent) == 2 + count


@settings(deadline=None)
@given(content=contents, data=st.data(), magic=st.sampled_from([0, 1]), codec=st.sampled_from(OLD_CODECS))
def test_messages_of_magic_0_and_1_become_batches_of_magic_2_with_the_same_records(
    content: list[Content], data: st.DataObject, magic: int, codec: Codec
) -> None:
    at = data.draw(offsets(len(content)))
    log = an_old_set(content, at, magic, codec)
    want = [(timestamp if magic else -1, key, value, []) for timestamp, key, value, _ in content]
    assert data_records(log) == as_records(want, at)
    sent = moved(log)
    assert [each.header.magic for each in sent] == [2]
    assert plain(data_records(as_stored(sent))) == plain(as_records(want, at))


@settings(deadline=None)
@given(content=contents, limit=st.integers(61 + 60, 2000), codec=st.sampled_from(Codec))
def test_batches_above_the_limit_are_split_in_order_and_only_a_single_record_above_it_is_refused(
    content: list[Content], limit: int, codec: Codec
) -> None:
    at = range(10, 10 + len(content))
    log = a_batch(content, at, codec)
    try:
        sent = moved(log, destination=Destination(max_message_bytes=limit))
    except RecordTooLarge as error:
        alone = a_batch([content[error.offset - 10]], [0], codec)
        assert error.size_bytes == len(alone) > limit
        return
    assert all(len(bytes(each)) == each.size_bytes <= limit for each in sent)
    assert plain(data_records(as_stored(sent))) == plain(as_records(content, at))
    assert len(log) > limit or len(sent) == 1


def test_a_record_that_is_too_large_is_named_by_its_offset_and_sizes() -> None:
    log = a_batch([(0, None, b"small", []), (0, None, bytes(5000), [])], [70, 71])
    with pytest.raises(RecordTooLarge, match=r"the record at offset 71 needs a batch of 50\d\d bytes, .* accepts 1000"):
        moved(log, destination=Destination(max_message_bytes=1000))


# Fates.

ROWS: list[Content] = [(1000 + number, None, b"%d" % number, []) for number in range(10)]
AT = range(100, 110)


def fate_of(
    log: bytes, destination: Destination = ANYWHERE, *, aborted: bool = False, **span: int
) -> Forward | Rebuild | Drop:
    (batch,) = scan(log)
    return decide(batch, **{**EVERYTHING, **span}, aborted=aborted, destination=destination)


def test_a_whole_batch_is_forwarded_without_copying_its_records() -> None:
    log = a_batch(ROWS, AT, Codec.LZ4)
    assert fate_of(log) == fate_of(log, start=100, end=110) == Forward()
    (sent,) = moved(log)
    assert isinstance(sent.body, memoryview)
    assert sent.body.obj is log
    assert (sent.source_end, sent.header.record_count) == (110, 10)


@pytest.mark.parametrize("span", [{"start": 101}, {"end": 109}])
def test_a_batch_across_a_range_s_edge_is_rebuilt(span: dict[str, int]) -> None:
    assert fate_of(a_batch(ROWS, AT), **span) == Rebuild()


@pytest.mark.parametrize("span", [{"start": 110}, {"end": 100}])
def test_a_batch_beside_the_range_is_dropped(span: dict[str, int]) -> None:
    assert fate_of(a_batch(ROWS, AT), **span) == Drop()
    assert fate_of(an_old_set(ROWS, AT, 1, Codec.NONE), **span) == Drop()


def test_a_thinned_batch_is_rebuilt_and_an_emptied_one_dropped() -> None:
    assert fate_of(a_batch(ROWS[:9], [*AT[:8], 109])) == Rebuild()
    assert fate_of(a_batch(ROWS, AT, last_offset_delta=10)) == Rebuild()
    emptied = sealed(a_batch(ROWS, AT, record_count=0, length=49)[:HEADER_BYTES])
    assert fate_of(emptied) == Drop()


def test_the_end_of_a_thinned_batch_counts_as_copied() -> None:
    (sent,) = moved(a_batch(ROWS, AT, last_offset_delta=20))
    assert (sent.source_end, sent.header.record_count) == (121, 10)


def test_markers_and_aborted_batches_are_dropped_before_anything_else_is_asked() -> None:
    assert fate_of(a_batch(ROWS, AT, attributes=0x20), start=105) == Drop()
    assert fate_of(a_batch(ROWS, AT), start=105, aborted=True) == Drop()


def test_a_stamped_batch_keeps_for_a_create_time_destination_the_time_that_consumers_saw() -> None:
    log = a_batch(ROWS, AT, Codec.GZIP, attributes=0x08, max_timestamp=5_000)
    assert fate_of(log) == Rebuild()
    (sent,) = moved(log)
    assert sent.header.timestamp_type == "CreateTime"
    assert {record.timestamp for record in by_kafka_python(bytes(sent))} == {5_000}


def test_a_stamped_batch_goes_without_its_stamp_to_a_destination_that_stamps() -> None:
    log = a_batch(ROWS, AT, attributes=0x08, max_timestamp=5_000)
    stamping = Destination(timestamp_type="LogAppendTime")
    assert fate_of(log, stamping) == Forward()
    (sent,) = moved(log, destination=stamping)
    assert sent.header.timestamp_type == "CreateTime"


def test_old_messages_in_a_stamped_wrapper_have_its_time() -> None:
    log = an_old_set(ROWS, AT, 1, Codec.GZIP, stamped=7_000)
    (sent,) = moved(log)
    assert {record.timestamp for record in by_kafka_python(bytes(sent))} == {7_000}


@pytest.mark.parametrize(("magic", "inner"), [(0, [100, 101, 105]), (1, [0, 1, 5])])
def test_offsets_inside_a_thinned_wrapper_are_absolute_with_magic_0_and_relative_with_magic_1(
    magic: int, inner: list[int]
) -> None:
    wrapper_at = 105 if magic else 107  # what the inner messages say counts with magic 0
    log = an_old_wrapper(an_old_set(ROWS[:3], inner, magic, Codec.NONE), wrapper_at, magic, Codec.GZIP)
    assert [record.offset for record in data_records(log)] == [100, 101, 105]


def test_transaction_and_delete_horizon_bits_do_not_travel_and_timestamps_do() -> None:
    log = a_batch(ROWS, AT, attributes=0x10 | 0x40, producer_id=9, producer_epoch=9, base_sequence=9)
    (sent,) = moved(log)
    assert sent.header.attributes == 0
    assert plain(data_records(bytes(sent))) == plain(data_records(log))


def test_the_limit_is_for_the_whole_batch_to_the_byte() -> None:
    log = a_batch(ROWS, AT)
    assert fate_of(log, Destination(max_message_bytes=len(log))) == Forward()
    assert isinstance(fate_of(log, Destination(max_message_bytes=len(log) - 1)), Rebuild)


def test_a_rebuilt_batch_may_be_as_large_as_the_limit_to_the_byte() -> None:
    log = a_batch(ROWS, AT)
    (whole,) = moved(log, start=101)
    assert len(moved(log, start=101, destination=Destination(max_message_bytes=whole.size_bytes))) == 1
    assert len(moved(log, start=101, destination=Destination(max_message_bytes=whole.size_bytes - 1))) == 2


def test_old_messages_are_rebuilt_together_and_not_one_by_one() -> None:
    log = an_old_set(ROWS, AT, 1, Codec.NONE)
    assert fate_of(log) == Rebuild()
    assert [each.header.record_count for each in moved(log)] == [10]


def test_sequences_follow_ranks_and_go_round_after_two_to_the_31() -> None:
    (batch,) = scan(a_batch(ROWS, AT))
    assert isinstance(batch, Batch)

    def sequence(rank: int, producer: Producer = PRODUCER) -> int:
        return forward(batch, producer=producer, rank=rank).header.base_sequence

    assert [sequence(rank) for rank in (0, 17, (1 << 31) - 1, 1 << 31, (1 << 31) + 5)] == [0, 17, (1 << 31) - 1, 0, 5]
    assert sequence(17, Producer()) == -1
    cut = moved(a_batch(ROWS, AT), destination=Destination(max_message_bytes=100), rank=(1 << 31) - 1)
    assert [each.header.base_sequence for each in cut[:2]] == [(1 << 31) - 1, cut[0].header.record_count - 1]


# Transactions.


def marker(producer: int, at: int, *, commit: bool) -> bytes:
    key = struct.pack(">hh", 0, 1 if commit else 0)
    row: Content = (0, key, b"\0\0\0\0\0\0", [])
    return a_batch([row], [at], attributes=0x30, producer_id=producer, producer_epoch=0)


def written(producer: int, at: int, *, transactional: bool = True) -> bytes:
    return a_batch(ROWS[:1], [at], attributes=0x10 * transactional, producer_id=producer, producer_epoch=0)


def covered(log: bytes, aborted: list[tuple[int, int]] | None) -> list[int]:
    transactions = AbortedTransactions(aborted)
    return [batch.next_offset - 1 for batch in scan(log) if transactions.covers(batch)]


def test_a_producer_is_aborted_from_the_listed_offset_to_its_abort_marker() -> None:
    log = written(7, 0) + marker(7, 1, commit=True) + written(7, 2) + written(8, 3) + written(7, 4)
    log += marker(8, 5, commit=True) + marker(7, 6, commit=False) + written(7, 7) + marker(7, 8, commit=True)
    assert covered(log, [(7, 2)]) == [2, 4]
    assert covered(log, []) == covered(log, None) == []


def test_a_transaction_that_began_before_the_fetch_is_aborted_from_its_first_batch_on() -> None:
    assert covered(written(7, 50) + marker(7, 51, commit=False) + written(7, 52), [(7, 3)]) == [50]


def test_an_aborted_transaction_begins_at_its_first_offset_and_not_a_batch_earlier() -> None:
    assert covered(written(7, 0) + written(7, 1), [(7, 1)]) == [1]


def test_two_aborted_transactions_of_one_producer_are_told_apart() -> None:
    log = written(7, 0) + marker(7, 1, commit=False) + written(7, 2) + marker(7, 3, commit=True)
    log += written(7, 4) + marker(7, 5, commit=False)
    assert covered(log, [(7, 4), (7, 0)]) == [0, 4]


def test_what_a_producer_wrote_outside_transactions_is_never_aborted() -> None:
    log = written(7, 0, transactional=False) + written(-1, 1) + an_old_set(ROWS[:1], [2], 1, Codec.NONE)
    assert covered(log, [(7, 0), (-1, 0)]) == []


# Bytes as they come.


@settings(deadline=None)
@given(cut=st.integers(0, 10_000), name=st.sampled_from(NAMES))
def test_a_truncated_last_batch_is_no_error_and_the_whole_ones_before_it_are_read(cut: int, name: str) -> None:
    log = log_of(name)[:cut]
    whole = data_records(log)
    assert whole == expected(name)[: len(whole)]
    assert len(log) < len(log_of(name)) or whole == expected(name)


def test_formats_may_change_within_a_response() -> None:
    log = b"".join(
        (
            an_old_set(ROWS[:2], [0, 1], 0, Codec.NONE),
            an_old_set(ROWS[:2], [2, 3], 1, Codec.NONE),
            an_old_set(ROWS[:2], [4, 5], 1, Codec.GZIP),
            an_old_set(ROWS[:2], [6, 7], 1, Codec.NONE),
            a_batch(ROWS[:2], [8, 9], Codec.ZSTD),
        )
    )
    found = list(scan(log))
    assert [batch.magic if isinstance(batch, MessageSet) else 2 for batch in found] == [0, 1, 1, 1, 2]
    assert [batch.next_offset for batch in found] == [2, 4, 6, 8, 10]
    assert [record.offset for record in data_records(log)] == list(range(10))


@pytest.mark.parametrize("position", [21, 40, 61, 70])
def test_a_flipped_bit_is_noticed(position: int) -> None:
    log = bytearray(a_batch(ROWS, AT))
    log[position] ^= 1
    with pytest.raises(MalformedBatch, match="at offset 100: its CRC-32C is"):
        list(scan(bytes(log)))


@pytest.mark.parametrize("bit", [0, 5, 20, 40])
@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_flipped_bit_in_a_first_offset_hides_nothing_though_the_crc_does_not_cover_it(damaged: int, bit: int) -> None:
    content = [(0, b"k", b"v", [])] * 3
    log = [bytearray(a_batch(content, range(at, at + 3))) for at in (100, 103, 106)]
    log[damaged][7 - bit // 8] ^= 1 << bit % 8
    read = []
    with pytest.raises(MalformedBatch, match=r"it ends at offset .* but "):
        for batch in scan(b"".join(log), start=101, high_watermark=109):
            read.append(batch.next_offset)
    assert read == [103, 106, 109][: len(read)] and len(read) <= damaged


def test_a_flipped_bit_in_an_old_message_is_noticed() -> None:
    log = bytearray(an_old_set(ROWS, AT, 0, Codec.NONE))
    log[-1] ^= 1
    with pytest.raises(MalformedBatch, match=r"at offset 109: .*CRC-32"):
        list(scan(bytes(log)))


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"record_count": 11, "last_offset_delta": 10}, "ends before its 11 records"),
        ({"record_count": 9, "last_offset_delta": 8}, "its 9 records take"),
        ({"record_count": -1}, "-1 records"),
        ({"record_count": 12}, "12 records up to offset delta 9"),
        ({"last_offset_delta": -5, "record_count": 0}, "offset delta -5"),
        ({"record_count": 9, "last_offset_delta": 8, "attributes": 7}, "codec 7 is unknown"),
        ({"attributes": 1}, "gzip data that cannot be decoded"),
        ({"attributes": 2}, "snappy data that cannot be decoded"),
        ({"attributes": 3}, "lz4 data that cannot be decoded"),
        ({"attributes": 4}, "zstd data that cannot be decoded"),
        ({"length": 20}, "its length is 20"),
        ({"length": -1}, "its length is -1"),
        ({"magic": 3}, "magic is 3"),
        ({"magic": -1}, "magic is -1"),
    ],
)
def test_a_header_that_lies_is_refused_with_what_was_seen(fields: dict[str, int], seen: str) -> None:
    builder = bytearray(a_batch(ROWS, AT))
    header = HEADER.unpack_from(builder)
    changed = [fields.get(name, value) for name, value in zip(Header._fields, header, strict=True)]
    log = sealed(HEADER.pack(*changed) + bytes(builder[HEADER_BYTES:]))
    with pytest.raises(MalformedBatch, match=seen):
        data_records(log)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"\x01", "length is negative"),
        (b"\x02\0\0\0", "longer than it says"),
        (b"\x02" + b"\0" + b"\xff" * 11, "more than 10 bytes"),
        (b"\x0c\0\0\0\x03\1\0", "-2 bytes, but only"),
        (b"\x0c\0\0\0\x14\1\0", "10 bytes, but only 2 are left"),
        (b"\x0c\0\0\0\1\1\x01", "-1 headers"),
        (b"\x0c\0\0\0\1\1\x04", "index out of range"),
        (b"\x10\0\0\0\1\1\x02\1\1", "a header without a name"),
        (b"\x0e\0\0\0\1\1\0\0", "1 bytes too long"),
    ],
)
def test_a_record_that_lies_is_refused_with_what_was_seen(body: bytes, seen: str) -> None:
    header = HEADER.pack(7, 49 + len(body), 0, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1)
    with pytest.raises(MalformedBatch, match=f"at offset 7: .*({seen})"):
        data_records(sealed(header + body))


@pytest.mark.parametrize(
    ("count", "body", "seen"),
    [
        (1, b"\x01\0", "length is negative"),
        (1, b"\x02\0\0\0", "longer than it says"),
        (1, b"\x02" + b"\0" + b"\xff" * 11, "more than 10 bytes"),
        (1, b"\x0c\0\0\2\1\1\0", "do not follow each other"),
        (1, b"\x0c\0\0\0\1\1\0\0", "take 7 bytes, it has 8"),
        (1, b"\x0e\0\0\0\1\1\0", "take 8 bytes, it has 7"),
        (2, b"\x0c\0\0\0\1\1\0", "ends before its 2 records do"),
    ],
)
def test_a_record_that_lies_is_not_joined_with_others(count: int, body: bytes, seen: str) -> None:
    header = HEADER.pack(7, 49 + len(body), 0, 2, 0, 0, count - 1, 0, 0, -1, -1, -1, count)
    with pytest.raises(MalformedBatch, match=f"at offset 7: .*({seen})"):
        joined(a_batch(ROWS[:3], [4, 5, 6]) + sealed(header + body))


@pytest.mark.parametrize("length", [-1, 50, 1 << 30])
def test_a_snappy_block_that_lies_about_its_length_is_refused(length: int) -> None:
    framed = b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, length) + b"abc"
    with pytest.raises(batch_codecs.UndecodableError, match=f"a snappy block of {length} bytes, but only 3 are left"):
        batch_codecs.decode(Codec.SNAPPY, framed)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (struct.pack(">ii", 5, -1), "a field of 5 bytes, but only 4 are left"),
        (struct.pack(">ii", -2, -1), "a field of -2 bytes"),
        (struct.pack(">iii", -1, -1, 0), "4 bytes after its value"),
        (struct.pack(">i3si", 3, b"key", -1)[:9], "ends before its value"),
    ],
)
def test_an_old_message_that_lies_is_refused_with_what_was_seen(content: bytes, seen: str) -> None:
    message = b"\0\0" + content.ljust(8, b"\0")[: max(8, len(content))]
    log = struct.pack(">qiI", 7, 4 + len(message), zlib.crc32(message)) + message
    with pytest.raises(MalformedBatch, match=f"at offset 7: .*{seen}"):
        data_records(log)


def test_records_whose_offsets_run_backwards_are_refused() -> None:
    body = b"\x0c\0\0\0\1\1\0" + b"\x0c\0\0\0\1\1\0"
    header = HEADER.pack(0, 49 + len(body), 0, 2, 0, 0, 1, 0, 0, -1, -1, -1, 2)
    with pytest.raises(MalformedBatch, match="not in order"):
        data_records(sealed(header + body))


def test_a_compressed_message_inside_a_compressed_message_is_refused_as_kafka_s_consumer_does() -> None:
    inner = an_old_set(ROWS, range(10), 1, Codec.GZIP)
    with pytest.raises(MalformedBatch, match="a compressed message inside a compressed message"):
        data_records(an_old_wrapper(inner, 9, 1, Codec.GZIP))


def test_old_messages_whose_offsets_run_backwards_are_refused() -> None:
    with pytest.raises(MalformedBatch, match="not in order"):
        data_records(an_old_set(ROWS[:2], [5, 4], 1, Codec.NONE))


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec])
def test_what_a_batch_decodes_to_is_bounded(codec: Codec) -> None:
    bomb = batch_codecs.encode(codec, bytes(3 << 20))
    assert batch_codecs.decode(codec, bomb, limit=3 << 20) == bytes(3 << 20)
    with pytest.raises(batch_codecs.UndecodableError, match="decodes to more than 3145727 bytes"):
        batch_codecs.decode(codec, bomb, limit=(3 << 20) - 1)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.ZSTD])
def test_streams_may_follow_each_other_within_a_batch(codec: Codec) -> None:
    both = batch_codecs.encode(codec, b"one") + batch_codecs.encode(codec, b"other")
    assert batch_codecs.decode(codec, both) == b"oneother"
    with pytest.raises(batch_codecs.UndecodableError, match="more than 7 bytes"):
        batch_codecs.decode(codec, both, limit=7)


def test_lz4_blocks_are_independent_since_kafka_reads_no_others() -> None:
    assert batch_codecs.encode(Codec.LZ4, bytes(200_000))[4] & 0x20


@settings(deadline=None)
@given(data=st.binary(max_size=300), codec=st.sampled_from(Codec), count=st.integers(0, 1 << 31 - 1))
def test_no_bytes_crash_the_reader(data: bytes, codec: Codec, count: int) -> None:
    for body in (data, batch_codecs.encode(codec, data)):
        header = HEADER.pack(0, 49 + len(body), 0, 2, 0, codec, max(0, count - 1), 0, 0, -1, -1, -1, count)
        try:
            data_records(sealed(header + body))
            moved(sealed(header + body))
        except MalformedBatch as error:
            assert error.offset == 0


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES), damages=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1)
)
def test_no_damage_crashes_the_reader_even_behind_a_right_crc(name: str, damages: list[tuple[int, int]]) -> None:
    log = bytearray(log_of(name))
    for position, byte in damages:
        log[position % len(log)] = byte
    position = 0
    while position + 61 <= len(log):  # give damaged batches CRCs that say they are whole
        length, magic = struct.unpack_from(">i", log, position + 8)[0], log[position + 16]
        end = position + 12 + length
        if not position + 30 < end <= len(log):
            break
        at, crc = (17, crc32c(log[position + 21 : end])) if magic == 2 else (12, zlib.crc32(log[position + 16 : end]))
        struct.pack_into(">I", log, position + at, crc)
        position = end
    try:
        moved(bytes(log), destination=Destination(max_message_bytes=500))
        data_records(bytes(log))
    except (MalformedBatch, RecordTooLarge):
        assert bytes(log) != log_of(name)


# Digests.


def digest(log: bytes, **options: bool) -> Digest:
    made = Digest()
    for batch in scan(log):
        made = made.with_records(batch, **EVERYTHING, **options)
    return made


@pytest.mark.parametrize("name", [name for name in NAMES if name != "v2-transactions"])
def test_a_digest_does_not_depend_on_codec_batching_offsets_or_format(name: str) -> None:
    log = log_of(name)
    split = as_stored(moved(log, destination=Destination(max_message_bytes=400)))
    assert digest(log) == digest(as_stored(moved(log))) == digest(split)
    assert digest(log).records == len(expected(name))


@settings(deadline=None)
@given(content=contents, data=st.data())
def test_a_digest_tells_any_two_different_streams_apart(content: list[Content], data: st.DataObject) -> None:
    other = list(content)
    where = data.draw(st.integers(0, len(content) - 1))
    timestamp, key, value, headers = other[where]
    other[where] = data.draw(
        st.sampled_from(
            [
                (timestamp + 1, key, value, headers),
                (timestamp, value, key, headers),
                (timestamp, key, b"" if value is None else None, headers),
                (timestamp, key, value, [*headers, ("new", None)]),
                (timestamp, key, value, headers[::-1]),
            ]
        )
    )
    other = data.draw(st.just(other) | st.permutations(content) | st.just(content[:-1] or other))
    same = plain(as_records(content, range(len(content)))) == plain(as_records(other, range(len(other))))
    assert (digest(a_batch(content, range(len(content)))) == digest(a_batch(other, range(len(other))))) == same


def test_a_digest_can_leave_timestamps_out() -> None:
    later: list[Content] = [(timestamp + 5, *rest) for timestamp, *rest in ROWS]
    assert digest(a_batch(ROWS, AT)) != digest(a_batch(later, AT))
    assert digest(a_batch(ROWS, AT), timestamps=False) == digest(a_batch(later, AT), timestamps=False)


def test_a_digest_goes_on_from_what_was_kept_of_it() -> None:
    first, second = a_batch(ROWS, AT), a_batch(ROWS, range(110, 120))
    kept = digest(first)
    resumed = Digest(records=kept.records, crc32c=kept.crc32c, crc32=kept.crc32)
    (batch,) = scan(second)
    assert resumed.with_records(batch, **EVERYTHING) == digest(first + second)


@pytest.mark.parametrize("name", NAMES)
def test_the_digest_of_encoded_batches_is_equal_for_what_was_sent_and_what_is_stored(name: str) -> None:
    sent = moved(log_of(name), aborted=aborted_in(name))
    ours, stored = Digest(), Digest()
    for each in sent:
        ours = ours.with_batch(each)
    for batch in scan(as_stored(sent)):
        assert isinstance(batch, Batch)
        stored = stored.with_batch(batch)
    assert ours == stored
    assert ours.records == len(expected(name, committed=True))
    for one, other in pairwise(sent):
        assert Digest().with_batch(one).with_batch(other) != Digest().with_batch(other).with_batch(one)


def test_codec_levels_do_not_inflate_what_a_client_had_compressed() -> None:
    for codec in Codec:
        for client in ("java", "librdkafka"):
            log = log_of(f"v2-{codec.name.lower()}-{client}")
            again = as_stored(moved(log, start=1))
            assert math.isclose(len(log), len(again), rel_tol=0.15)


def test_no_batch_has_more_records_than_the_destination_takes() -> None:
    content: list[Content] = [(number, None, b"%d" % number, []) for number in range(100)]
    few = Destination(max_records=13)
    (one,) = scan(a_batch(content, range(100)))
    assert isinstance(decide(one, start=0, end=100, aborted=False, destination=few), Rebuild)
    sent = list(rebuild(one, start=0, end=100, destination=few, producer=PRODUCER, rank=7))
    assert max(each.header.record_count for each in sent) <= 13 and sent[-1].source_end == 100
    assert sum(each.header.record_count for each in sent) == 100
    joining = Neighbours(few)
    singles = scan(b"".join(a_batch([each], [offset]) for offset, each in enumerate(content)))
    assert [joining.add(batch) for batch in singles if isinstance(batch, Batch)].count(True) == 13
