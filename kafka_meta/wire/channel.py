"""A connection for much data: bytes are neither copied nor parsed on the way.

Why not `Wire`: kafka-python's transport receives 4 KiB a call and copies each byte four times. It may also send the
rest of a request an hour after its beginning. Here a thread sends the parts of a request without copying them, and
receives the answer into one buffer. Before every part it asks whether it may still send: a copier that was stopped
(SIGSTOP, a suspended machine) must not finish an old request when it wakes up.

When its connection ends, a channel ends, and all its open requests fail: while it is not known what happened to a
request, none may follow it.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Protocol, TypeAlias

from kafka import errors
from kafka.net.sasl import get_sasl_mechanism

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Broker
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire.connection import RECEIVE_MAX_BYTES, Unanswered, error_text
from kafka_meta.wire.contact import Address, dial, shake_hands, ssl_context
from kafka_meta.wire.logins import Logins

Buffer: TypeAlias = bytes | bytearray | memoryview

_API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 18, 17, 36
_PIECES_A_CALL = 512
"""The most pieces in one call: Linux accepts 1024 (IOV_MAX)."""
_CLOSING_SECONDS = 5.0


class Request(Protocol):
    """What a channel can send. Only versions before the flexible ones (KIP-482); all brokers since then accept them
    too."""

    API_KEY: ClassVar[int]
    VERSIONS: ClassVar[tuple[int, int]]

    def parts(self, version: int) -> Sequence[Buffer]:
        """The request after its header."""
        ...

    def answer(self, version: int, body: memoryview) -> tuple[Any, int]:
        """The decoded answer, and its throttle time in milliseconds (KIP-219)."""
        ...


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    request: Request
    deliver: Callable[[Any], None]
    permit: Callable[[], bool]


class Channel:
    """A thread that sends requests to one broker, in the order of `ask`; up to `depth` requests are under way.

    A request's `permit` is called before each piece of it. When it returns False, the connection is closed in the
    middle of the request, and the broker discards the part that it has received.
    """

    def __init__(
        self, settings: ClusterSettings, broker: Broker, *, depth: int = 1, logins: Logins | None = None
    ) -> None:
        self.broker = broker
        self._logins = logins or Logins(for_ever=settings.asks_refused_logins_again)
        self.dead = False
        self._settings = settings
        assert broker.host is not None and broker.port is not None
        self._address = Address(host=broker.host, port=broker.port)
        self._depth = depth
        self._timeout_seconds = settings.request_timeout_ms / 1000
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._under_way: deque[tuple[_Job, int]] = deque()
        """Requests that are sent and not answered, each with its version."""
        self._socket: socket.socket | None = None
        self._versions: dict[int, tuple[int, int]] = {}
        self._sent = self._answered = 0
        self._session_ends: float | None = None
        self._rest_until = 0.0
        self._ending = threading.Event()
        self._polling = False
        """Whether the thread waits, or will wait in a moment, for the broker and for the next request at the same
        time."""
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"channel to broker {broker.id}", daemon=True)
        self._thread.start()

    def ask(self, request: Request, deliver: Callable[[Any], None], permit: Callable[[], bool] = _always) -> None:
        """Calls `deliver` with the answer, or with an `Unanswered`, on the channel's own thread."""
        self._jobs.put(_Job(request=request, deliver=deliver, permit=permit))
        if self._polling:
            self._wake()

    @property
    def rest_seconds(self) -> float:
        """For how many seconds the broker throttles us (KIP-219). Requests wait until then."""
        return max(0.0, self._rest_until - time.monotonic())

    def close(self) -> None:
        """Closes the connection. Requests that are under way fail."""
        close_all([self])

    def _break_off(self) -> None:
        self._closed = True
        self._ending.set()
        self._jobs.put(None)
        self._wake()
        if (connection := self._socket) is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _wait_for_the_end(self, deadline: float) -> None:
        self._thread.join(timeout=max(0.0, deadline - time.monotonic()))
        self._waker.close()
        self._woken.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._waker.send(b"!")

    def _serve(self) -> None:
        while (job := self._next_job()) is not None or self._under_way:
            try:
                if self.dead:
                    raise Unanswered(f"the connection to broker {self.broker.id} was lost before", retriable=True)
                if job is not None:
                    self._ask(job)
                if job is None or len(self._under_way) == self._depth:
                    self._answer()
            except (Unanswered, KafkaMetaError, errors.KafkaError) as error:
                self._die(self._reason(error), job)
            except (OSError, ValueError, struct.error, IndexError) as error:
                self._die(self._reason(error), job)
        self._disconnect()

    def _next_job(self) -> _Job | None:
        """None when an answer arrives first, or when the channel is closed."""
        if not self._under_way:
            return None if self._closed else self._jobs.get()
        self._polling = True
        try:
            while not self._closed:
                with suppress(Empty):
                    return self._jobs.get_nowait()
                if self._answer_arrives():
                    return None
            return None
        finally:
            self._polling = False

    def _answer_arrives(self) -> bool:
        """Waits for the broker or another request. True when the broker was first, or nothing came in time."""
        connection = self._socket
        assert connection is not None
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        ready = {number for number, _ in poll.poll(self._timeout_seconds * 1000)}
        with suppress(BlockingIOError):
            self._woken.recv(4096)
        return not ready or connection.fileno() in ready

    def _die(self, silence: Unanswered, job: _Job | None) -> None:
        self.dead = True
        self._disconnect()
        waiting = [job for job, _ in self._under_way]
        self._under_way.clear()
        if job is not None and job not in waiting:
            waiting.append(job)
        for each in waiting:
            each.deliver(silence)

    def _reason(self, error: Exception) -> Unanswered:
        match error:
            case Unanswered():
                return error
            case KafkaMetaError():
                return Unanswered(error.message, retriable=True)
            case TimeoutError():
                return Unanswered(f"broker {self.broker.id} did not answer in time", retriable=True)
            case _:
                reason = f"the connection to broker {self.broker.id} was lost ({error or type(error).__name__})"
                return Unanswered(reason, retriable=True)

    def _disconnect(self) -> None:
        if (connection := self._socket) is not None:
            self._socket = None
            with suppress(OSError):
                connection.close()

    def _ask(self, job: _Job) -> None:
        if self._ending.wait(self.rest_seconds):
            raise ConnectionError("closed")
        if self._session_ends is not None and time.monotonic() > self._session_ends:
            while self._under_way:
                self._answer()
            self._disconnect()
        if self._socket is None:
            self._connect()
        lowest, highest = job.request.VERSIONS
        offered = self._versions.get(job.request.API_KEY, (0, -1))
        version = min(highest, offered[1])
        if version < max(lowest, offered[0]):
            name = type(job.request).__name__
            raise Unanswered(f"broker {self.broker.id} supports no version of {name} that kafka-meta knows")
        self._under_way.append((job, version))
        self._send_request(job.request.API_KEY, version, job.request.parts(version), job.permit)

    def _answer(self) -> None:
        body = self._receive_answer()
        job, version = self._under_way[0]
        answer, throttle_ms = job.request.answer(version, body)
        self._under_way.popleft()
        if throttle_ms > 0:
            self._rest_until = time.monotonic() + throttle_ms / 1000
        job.deliver(answer)

    # Connecting.

    def _connect(self) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        connection = dial(self._settings, self._address, deadline)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (context := ssl_context(self._settings)) is not None:
                connection = shake_hands(self._settings, self._address, connection, context, deadline)
            connection.setblocking(False)
            self._socket = connection
            self._versions = _versions(self._call(_API_VERSIONS, 0, ()))
            self._session_ends = None
            if self._settings.sasl is not None:
                self._log_in()
        except BaseException:
            self._socket = None
            connection.close()
            raise

    def _log_in(self) -> None:
        arguments = self._settings.kafka_python_login()
        name = str(arguments["sasl_mechanism"])
        framed = _SASL_AUTHENTICATE in self._versions
        refusal = _code(self._call(_SASL_HANDSHAKE, int(framed), (_string(name),)))
        if refusal:
            raise self._login_refused(f": {error_text(refusal)}")
        mechanism = get_sasl_mechanism(name)(host=self._address.host, **arguments)
        version = min(1, self._versions.get(_SASL_AUTHENTICATE, (0, 0))[1])
        while not mechanism.is_done():
            token = mechanism.auth_bytes()
            if not framed:
                # Before 1.0 (KIP-152) tokens are sent without a Kafka header: only their length stands before them.
                self._send([_INT32.pack(len(token)), token])
                mechanism.receive(bytes(self._receive()))
                continue
            told = self._call(_SASL_AUTHENTICATE, version, (_INT32.pack(len(token)), token))
            code, message, back, lifetime_ms = _authenticated(told, version)
            if code:
                raise self._login_refused(f": {error_text(code, message)}")
            mechanism.receive(back)
            if lifetime_ms > 0:
                # KIP-368: the broker closes a connection whose login is too old. Between two requests, a new
                # connection costs little.
                self._session_ends = time.monotonic() + 0.85 * lifetime_ms / 1000
        if not mechanism.is_authenticated():
            raise self._login_refused("")
        self._logins.accepted(self.broker.id)

    def _login_refused(self, reason: str) -> Unanswered:
        told = f"broker {self.broker.id} refuses the login{reason}"
        return Unanswered(told, retriable=self._logins.may_pass(self.broker.id))

    # Frames.

    def _call(self, api_key: int, version: int, parts: Sequence[Buffer]) -> memoryview:
        self._send_request(api_key, version, parts, _always)
        return self._receive_answer()

    def _send_request(self, api_key: int, version: int, parts: Sequence[Buffer], permit: Callable[[], bool]) -> None:
        self._sent = (self._sent + 1) & 0x7FFFFFFF
        client = self._settings.client_id.encode()
        header = struct.pack(f">hhih{len(client)}s", api_key, version, self._sent, len(client), client)
        length = len(header) + sum(map(len, parts))
        self._send([_INT32.pack(length) + header, *parts], permit)

    def _receive_answer(self) -> memoryview:
        self._answered = (self._answered + 1) & 0x7FFFFFFF
        body = self._receive()
        (correlation,) = _INT32.unpack_from(body)
        if correlation != self._answered:
            raise ValueError(f"answer {correlation} to request {self._answered}")
        return body[_INT32.size :]

    def _send(self, parts: Sequence[Buffer], permit: Callable[[], bool] = _always) -> None:
        connection, deadline = self._socket, time.monotonic() + self._timeout_seconds
        assert connection is not None
        if isinstance(connection, ssl.SSLSocket):
            parts = [b"".join(parts)]
        waiting = [memoryview(part) for part in reversed(parts)]
        while waiting:
            if not permit():
                raise Unanswered("not sent: the lease has expired", retriable=True)
            try:
                if isinstance(connection, ssl.SSLSocket):
                    sent = connection.send(waiting[-1])
                else:
                    sent = connection.sendmsg(waiting[: -_PIECES_A_CALL - 1 : -1])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, deadline)
                continue
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
                continue
            while waiting and sent >= len(waiting[-1]):
                sent -= len(waiting.pop())
            if sent:
                waiting[-1] = waiting[-1][sent:]

    def _receive(self) -> memoryview:
        # A throttled broker answers requests that were sent before only after the throttle time.
        deadline = max(time.monotonic(), self._rest_until) + self._timeout_seconds
        (length,) = _INT32.unpack(self._fill(bytearray(_INT32.size), deadline))
        if not 0 <= length <= RECEIVE_MAX_BYTES:
            raise ValueError(f"an answer of {length} bytes")
        return self._fill(bytearray(length), deadline)

    def _fill(self, buffer: bytearray, deadline: float) -> memoryview:
        connection = self._socket
        assert connection is not None
        data = memoryview(buffer)
        filled = 0
        while filled < len(data):
            try:
                received = connection.recv_into(data[filled:])
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN, deadline)
                continue
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline)
                continue
            if not received:
                raise ConnectionError("closed by the broker")
            filled += received
        return data

    def _wait(self, event: int, deadline: float) -> None:
        connection = self._socket
        assert connection is not None
        poll = select.poll()
        poll.register(connection, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError
        if self._closed:
            raise ConnectionError("closed")


def close_all(channels: Iterable[Channel]) -> None:
    """Closes all of them. Requests that are under way fail.

    A thread that is connecting to a host that does not answer cannot be stopped. The wait is a few seconds for all
    channels together, whatever their number.
    """
    channels = list(channels)
    for channel in channels:
        channel._break_off()
    deadline = time.monotonic() + _CLOSING_SECONDS
    for channel in channels:
        channel._wait_for_the_end(deadline)


_INT32 = struct.Struct(">i")


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(f">h{len(encoded)}s", len(encoded), encoded)


def _code(body: memoryview) -> int:
    return int(struct.unpack_from(">h", body)[0])


def _versions(body: memoryview) -> dict[int, tuple[int, int]]:
    """ApiVersionsResponse v0: error, then key, lowest and highest version of each request. Raises `Unanswered`."""
    code, count = struct.unpack_from(">hi", body)
    if code:
        raise Unanswered(error_text(code))
    return {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", body[6 : 6 + 6 * count])}


def _authenticated(body: memoryview, version: int) -> tuple[int, str | None, bytes, int]:
    """SaslAuthenticateResponse v0 and v1: error, message, token, for how many milliseconds the login is valid
    (KIP-368)."""
    code, length = struct.unpack_from(">hh", body)
    position = 4 + max(0, length)
    message = bytes(body[4:position]).decode() if length >= 0 else None
    (size,) = _INT32.unpack_from(body, position)
    position += 4
    token = bytes(body[position : position + size])
    lifetime_ms = struct.unpack_from(">q", body, position + size)[0] if version else 0
    return code, message, token, lifetime_ms
