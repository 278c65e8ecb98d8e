"""What stands in the way of copying a batch."""

from __future__ import annotations

from kafka_meta.errors import KafkaMetaError


class MalformedBatch(KafkaMetaError):
    """Bytes that are no record batch: damaged on the source's disk or on the way, or not Kafka's format.

    `offset` is the batch's own claim of its first offset; None where not even that could be read.
    """

    def __init__(self, offset: int | None, seen: str) -> None:
        where = "record batch" if offset is None else f"record batch at offset {offset}"
        super().__init__(
            f"{where}: {seen}",
            "if a second try says the same, the log is damaged: kafka-dump-log --deep-iteration tells, on each replica",
        )
        self.offset = offset


class RecordTooLarge(KafkaMetaError):
    """A single record, alone in a batch of `size_bytes`, is above the destination's `limit_bytes`."""

    def __init__(self, offset: int, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the record at offset {offset} needs a batch of {size_bytes} bytes, the destination takes {limit_bytes}",
            f"raise max.message.bytes of the destination's topic to {size_bytes} or more",
        )
        self.offset = offset
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
