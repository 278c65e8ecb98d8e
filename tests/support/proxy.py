"""TCP proxies before a broker: one cuts connections as a bad network does, one is far away, one hides what the broker
supports, one also notes the Fetch requests that pass."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType

from kafka_meta import playground
from kafka_meta.playground import Cluster
from kafka_meta.playground.design import Design


class Proxy:
    """Listens at once; forwards to `target` from the moment when that is set. Cuts every connection each time that
    `cut_after_bytes` have passed on all of them together."""

    def __init__(self, cut_after_bytes: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.target: int | None = None
        self.cuts = 0
        self.cut_after_bytes: int | None = None
        self._every = cut_after_bytes
        self._passed = 0
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=10)
        self._cut()
        self._listener.close()
        self._selector.close()

    def start_cutting(self) -> None:
        self._passed = 0
        self.cut_after_bytes = self._every

    def _serve(self) -> None:
        while not self._ending.is_set():
            for key, _ in self._selector.select(timeout=self._wait_s()):
                if key.fileobj is self._listener:
                    self._take()
                elif key.fileobj in self._peers:  # else it was cut a moment ago
                    self._pass_on(key.fileobj)  # type: ignore[arg-type]
            self._due()
            if self.cut_after_bytes is not None and self._passed >= self.cut_after_bytes:
                self._passed = 0
                self.cuts += 1
                self._cut()

    def _take(self) -> None:
        client, _ = self._listener.accept()
        try:
            broker = socket.create_connection(("127.0.0.1", self.target or 0), timeout=5)
        except OSError:
            client.close()
            return
        for one, other in ((client, broker), (broker, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)
        self._connected(client, broker)

    def _connected(self, client: socket.socket, broker: socket.socket) -> None:
        """A client has come, and it has a connection of its own to the broker."""

    def _edited(self, one: socket.socket, data: bytes) -> bytes:
        """What the peer of `one` gets of what `one` has sent."""
        return data

    def _wait_s(self) -> float:
        return 0.1

    def _due(self) -> None:
        """What is to be done after each wait."""

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 16)
            self._peers[one].sendall(self._edited(one, data))
        except OSError:
            data = b""
        self._passed += len(data)
        if not data:
            self._end(one)

    def _end(self, one: socket.socket) -> None:
        for each in (one, self._peers[one]):
            self._selector.unregister(each)
            del self._peers[each]
            with suppress(OSError):
                each.close()

    def _cut(self) -> None:
        for one in list(self._peers):
            if one in self._peers:
                self._end(one)


class Distant(Proxy):
    """A long link: each byte arrives `delay_s` later than it was sent, in either direction, however many there are."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._under_way: deque[tuple[float, socket.socket, bytes]] = deque()
        super().__init__()

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 18)
        except OSError:
            data = b""
        if data:
            self._under_way.append((time.monotonic() + self._delay_s, one, data))
        else:
            self._end(one)

    def _wait_s(self) -> float:
        return max(0.0, min(0.1, self._under_way[0][0] - time.monotonic())) if self._under_way else 0.1

    def _due(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, one, data = self._under_way.popleft()
            if one in self._peers:
                try:
                    self._peers[one].sendall(data)
                except OSError:
                    self._end(one)


def known_as(proxy: Proxy) -> dict[str, str]:
    """Settings of a broker that sends its clients to the proxy; with ZooKeeper, its controller would go there, too."""
    return {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}


@contextmanager
def pair_behind(proxies: Sequence[Proxy]) -> Iterator[tuple[Cluster, ...]]:
    """The usual versions of source and destination, each with one broker that is known by its proxy's address only."""
    designs = [
        Design(version=version, mode="kraft", settings=known_as(proxy))
        for version, proxy in zip(("3.9.1", "4.3.1"), proxies, strict=True)
    ]
    with playground.running(*designs) as clusters:
        for cluster, proxy in zip(clusters, proxies, strict=True):
            proxy.target = cluster.brokers[0].port
        yield tuple(clusters)


_FETCH, _API_VERSIONS = 1, 18
_FLEXIBLE_FROM = 3


class Hiding(Proxy):
    """A broker that does not support some requests: the answers to ApiVersions are edited.

    Connections that are made while `highest` is empty get everything. Nothing is cut.
    """

    def __init__(self) -> None:
        self.highest: dict[int, int] = {}
        """API key → the highest version that is left; -1 hides the request."""
        self._clients: dict[socket.socket, socket.socket] = {}
        """By the connection to the broker."""
        self._waiting: dict[socket.socket, bytes] = {}
        self._asked: dict[tuple[socket.socket, int], int] = {}
        """The client and the correlation id of an ApiVersions request → its version."""
        super().__init__()

    def _connected(self, client: socket.socket, broker: socket.socket) -> None:
        self._clients[broker] = client
        self._waiting |= {client: b"", broker: b""}

    def _edited(self, one: socket.socket, data: bytes) -> bytes:
        *frames, self._waiting[one] = _frames(self._waiting[one] + data)
        if (client := self._clients.get(one)) is None:
            for frame in frames:
                self._seen(frame)
                api_key, version, correlation = struct.unpack_from(">hhi", frame)
                if api_key == _API_VERSIONS:
                    self._asked[one, correlation] = version
            return data
        answers = (self._answer(client, frame) for frame in frames)
        return b"".join(struct.pack(">i", len(answer)) + answer for answer in answers)

    def _seen(self, frame: bytes) -> None:
        """A request that passes."""

    def _answer(self, client: socket.socket, frame: bytes) -> bytes:
        (correlation,) = struct.unpack_from(">i", frame)
        version = self._asked.pop((client, correlation), None)
        if version is None:
            return frame
        return frame[:4] + _without(frame[4:], version, self.highest)


class Abrupt(Hiding):
    """It closes a connection that asks for its versions in a newer way than it knows, as Azure Event Hubs does."""

    def __init__(self) -> None:
        self.closed = 0
        super().__init__()
        self.highest[_API_VERSIONS] = 1

    def _seen(self, frame: bytes) -> None:
        api_key, version = struct.unpack_from(">hh", frame)
        if api_key == _API_VERSIONS and version > self.highest[_API_VERSIONS]:
            self.closed += 1
            raise ConnectionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A FetchRequest as it passed. `session` is its id and epoch; None before v7."""

    version: int
    session: tuple[int, int] | None
    named: tuple[tuple[str, int], ...]
    forgotten: tuple[tuple[str, int], ...]

    @property
    def without_session(self) -> bool:
        return self.session in (None, (0, -1))


class Noting(Hiding):
    """`asked` has every FetchRequest of versions 3 to 11, in its order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        super().__init__()

    def _seen(self, frame: bytes) -> None:
        api_key, version, _, client = struct.unpack_from(">hhih", frame)
        if api_key == _FETCH and 3 <= version <= 11:
            self.asked.append(_asked(frame[10 + max(0, client) :], version))


def _asked(body: bytes, version: int) -> Asked:
    at = 16 + (version >= 4)  # replica, longest wait, least and most bytes, isolation level
    session: tuple[int, int] | None = None
    if version >= 7:
        session = struct.unpack_from(">ii", body, at)
        at += 8
    partition_bytes = 4 + 4 * (version >= 9) + 8 + 8 * (version >= 5) + 4
    named, at = _places(body, at, partition_bytes)
    forgotten = _places(body, at, 4)[0] if version >= 7 else ()
    return Asked(version=version, session=session, named=named, forgotten=forgotten)


def _places(body: bytes, at: int, partition_bytes: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """An array of topics with their partitions, and where it ends."""
    found: list[tuple[str, int]] = []
    (topics,) = struct.unpack_from(">i", body, at)
    at += 4
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", body, at)
        topic = body[at + 2 : at + 2 + length].decode()
        (partitions,) = struct.unpack_from(">i", body, at + 2 + length)
        at += 6 + length
        for _ in range(partitions):
            found.append((topic, struct.unpack_from(">i", body, at)[0]))
            at += partition_bytes
    return tuple(found), at


def _frames(data: bytes) -> Iterator[bytes]:
    """Every whole frame without its length, then what is left."""
    while len(data) >= 4 and len(data) >= 4 + (length := int(struct.unpack_from(">i", data)[0])):
        yield data[4 : 4 + length]
        data = data[4 + length :]
    yield data


def _without(body: bytes, version: int, highest: dict[int, int]) -> bytes:
    """An ApiVersionsResponse after its header. A refused version is answered in version 0."""
    (error,) = struct.unpack_from(">h", body)
    flexible = version >= _FLEXIBLE_FROM and not error
    count, at = (body[2] - 1, 3) if flexible else (struct.unpack_from(">i", body, 2)[0], 6)
    assert not flexible or body[2] < 128, "a length of two bytes"
    size = 7 if flexible else 6
    kept: list[bytes] = []
    for place in range(at, at + count * size, size):
        key, low, high = struct.unpack_from(">hhh", body, place)
        high = min(high, highest.get(key, high))
        if high >= low:
            kept.append(struct.pack(">hhh", key, low, high) + body[place + 6 : place + size])
    length = bytes([len(kept) + 1]) if flexible else struct.pack(">i", len(kept))
    return body[:2] + length + b"".join(kept) + body[at + count * size :]
