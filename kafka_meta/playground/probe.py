"""Whether a ZooKeeper or a broker answers, asked on a plain socket: the playground needs no Kafka client."""

from __future__ import annotations

import socket
import struct

TIMEOUT_S = 5.0
METADATA = 3


def zookeeper_says(port: int, word: str) -> str | None:
    """The answer to a four-letter word (`srvr`, `dump`); None when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(word.encode())
            with connection.makefile("rb") as answer:
                return answer.read().decode(errors="replace") or None
    except OSError:
        return None


def known_brokers(port: int) -> frozenset[int]:
    """The ids of the brokers that this one knows; none while it does not answer or knows no controller.

    Metadata version 1 without any topic (https://kafka.apache.org/protocol#The_Messages_Metadata), which every broker
    from 0.10.0 to 4.x speaks.
    """
    client = b"kafka-meta"
    request = struct.pack(">hhih", METADATA, 1, 0, len(client)) + client + struct.pack(">i", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as answer:
                (size,) = struct.unpack(">i", answer.read(4))
                return _brokers(answer.read(size))
    except (OSError, struct.error):
        return frozenset()


def _brokers(metadata: bytes) -> frozenset[int]:
    (count,) = struct.unpack_from(">i", metadata, 4)
    position = 8
    ids = set()
    for _ in range(count):
        ids.add(struct.unpack_from(">i", metadata, position)[0])
        position = _after_string(metadata, position + 4)  # node id, host
        position = _after_string(metadata, position + 4)  # port, rack
    (controller,) = struct.unpack_from(">i", metadata, position)
    return frozenset(ids) if controller >= 0 else frozenset()


def _after_string(data: bytes, position: int) -> int:
    length: int = struct.unpack_from(">h", data, position)[0]
    return position + 2 + max(length, 0)
