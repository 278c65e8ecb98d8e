"""The logs of partitions, read as they are stored: for the copy, for the check, and for the look.

turns     which partitions are asked for next; pure
session   partitions at the ends of their logs, which a broker watches; pure
history   whether a log still is the one that was read, by the epochs of its leaders
reader    one engine over the channels to a cluster: leaders, quotas, lost connections, records that are missing
pieces    spans of logs as batches
"""

from kafka_meta.logs.pieces import MEMORY_BYTES, Lost, Piece, Span, read

__all__ = ["MEMORY_BYTES", "Lost", "Piece", "Span", "read"]
