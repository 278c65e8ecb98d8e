"""Errors because of which a batch cannot be copied."""

from __future__ import annotations

from kafka_meta.errors import KafkaMetaError


class MalformedBatch(KafkaMetaError):
    """Bytes that are not a valid record batch: damaged on the source's disk or on the way, or not in Kafka's format.

    `offset` is the first offset in the batch's header; None where it could not be read. `seen` is what is wrong.
    """

    def __init__(self, offset: int | None, seen: str) -> None:
        where = "record batch" if offset is None else f"record batch at offset {offset}"
        super().__init__(
            f"{where}: {seen}",
            "If a second run says the same, the log is damaged. Check each replica: kafka-dump-log --deep-iteration.",
        )
        self.offset = offset
        self.seen = seen


class RecordTooLarge(KafkaMetaError):
    """A batch with only this record has `size_bytes`, more than the destination's `limit_bytes`."""

    def __init__(self, offset: int, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the record at offset {offset} needs a batch of {size_bytes} bytes, the destination accepts {limit_bytes}",
            f"Raise max.message.bytes of the destination's topic to {size_bytes} or more.",
        )
        self.offset = offset
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
