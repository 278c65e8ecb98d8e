"""Requests to chosen brokers: each has an answer or `Unanswered`. kafka-python's loop runs on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeAlias

from kafka import errors
from kafka.future import Future
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.metadata import ApiVersionsRequest

from kafka_meta.wire.logins import Logins

BrokerId: TypeAlias = int | str
"""A node id; kafka-python has names such as "bootstrap-0" for addresses before it knows the cluster."""

RECEIVE_MAX_BYTES = 512 * 1024 * 1024
"""The manager's own limit of 1,000,000 bytes aborts the connection at the metadata of a large cluster."""

_IN_FLIGHT = 2
_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 1.0
"""Seconds after which a wait for answers checks again whether the loop still runs."""
_CLOSING_SECONDS = 3.0
_PROBE_MS = 2000
"""How long a broker that was silent for a whole request has to answer the smallest one, before it is asked again."""
_GRACE_SECONDS = 0.2
"""TCP has its own timeout and a better error message; it ends first."""

_SILENCE = (
    errors.RequestTimedOutError,
    errors.KafkaTimeoutError,
    errors.NodeNotReadyError,
    errors.KafkaConnectionError,
)
"""Somebody has not answered, or cannot be reached."""

_LIBRARY = logging.getLogger("kafka")


def keep_library_quiet() -> None:
    """Keeps kafka-python's log to itself: nothing on standard error, and no DEBUG, which has passwords in requests."""
    _LIBRARY.propagate = False
    if not _LIBRARY.handlers:
        _LIBRARY.addHandler(logging.NullHandler())
    if _LIBRARY.level < logging.INFO:
        _LIBRARY.setLevel(logging.INFO)


class Manager(KafkaConnectionManager):  # type: ignore[misc]  # comes without type information
    """Reads what a broker sends before it closes the connection, and limits the wait for a TLS handshake.

    Brokers send why they refuse a login, and then close the connection. When both arrive together, kafka-python's
    transport discards the answer. Here the end of the connection is seen only at the next read.

    A broker process that hangs still accepts connections: the operating system of its machine does that. kafka-python
    waits for the answer to a TLS handshake without a timeout, and so does every request to that broker.

    `login` returns the arguments that kafka-python logs in with: for each connection anew, since passwords change.
    """

    def __init__(self, net: NetworkSelector, *, login: Callable[[], Mapping[str, Any]], **configs: Any) -> None:
        super().__init__(net, **configs)
        self._login = login

    def get_connection(self, node_id: BrokerId, *arguments: Any, **more: Any) -> Any:
        if node_id not in self._conns:
            self.config.update(self._login())
        return super().get_connection(node_id, *arguments, **more)

    async def _build_transport(self, node: Any, timeout_at: float) -> Any:
        made, build = Future(), super()._build_transport

        async def make() -> None:
            try:
                made.success(await build(node, timeout_at=timeout_at))
            except Exception as error:
                made.failure(error)

        making = self._net.call_soon(make)
        try:
            transport = await self.wait_for(made, max(0.0, timeout_at + _GRACE_SECONDS - time.monotonic()) * 1000)
        finally:
            self._net.cancel(making)
        receive = transport._sock_recv

        def all_that_came() -> tuple[bytes, Exception | None]:
            data, error = receive()
            return data, None if data else error

        transport._sock_recv = all_that_came
        return transport


class Unanswered(Exception):
    """A request without an answer, and the reason in words for a `Remark`. `retriable`: asking again may help."""

    def __init__(self, reason: str, *, retriable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retriable = retriable


class Wire:
    """A cluster that has been reached. Made by `connect`; a context manager that closes its connections.

    `version` is that of the broker that was reached first: "3.9", None when it is newer than the versions known here.
    `kraft` says whether that broker runs in KRaft mode, `features` the finalized level of each feature (KIP-584).
    """

    def __init__(
        self,
        net: NetworkSelector,
        manager: Manager,
        *,
        version: str | None,
        kraft: bool,
        features: Mapping[str, int] | None = None,
        asks_refused_logins_again: bool = False,
    ) -> None:
        self._net = net
        self._manager = manager
        self._logins = Logins(for_ever=asks_refused_logins_again)
        self._silent: set[BrokerId] = set()
        """Brokers that were asked last in vain: they are frozen, cut off, or dead."""
        self.version = version
        self.kraft = kraft
        self.features = features or {}

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        hang_up(self._net, self._manager)

    @property
    def release(self) -> tuple[int, ...] | None:
        """`version` as numbers, to compare; None when it is not known."""
        return None if self.version is None else tuple(int(part) for part in self.version.split("."))

    @property
    def cluster_id(self) -> str | None:
        """None before Kafka 0.10.1, which had no id."""
        return self._manager.cluster.cluster_id or None

    @property
    def broker_ids(self) -> tuple[int, ...]:
        return tuple(sorted(broker.node_id for broker in self._manager.cluster.brokers()))

    def speaks(self, request: Any, version: int = 0) -> bool:
        """Whether the brokers support this version of a request. All brokers are assumed to have the same release."""
        known = self._manager.broker_version_data.api_versions.get(request.API_KEY)
        return known is not None and known[1] >= version

    def supports(self, api_key: int, lowest: int, highest: int) -> bool:
        """Whether the brokers support a version of a request from `lowest` to `highest`, the same brokers as for
        `speaks`."""
        known = self._manager.broker_version_data.api_versions.get(api_key)
        return known is not None and known[0] <= highest and lowest <= known[1]

    @property
    def timeout_seconds(self) -> float:
        """How long a broker has to answer a request."""
        return float(self._manager.config["request_timeout_ms"]) / 1000

    def ask(self, request: Any, broker: BrokerId | None = None) -> Any:
        """One answer, from `broker` or from any broker; then another one is asked where the first is silent. Raises
        `Unanswered`."""
        (answer,) = self.ask_all([(broker, request)])
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    def reaches(self, broker: BrokerId) -> bool:
        """Whether this broker answers the smallest request."""
        try:
            self.ask(ApiVersionsRequest(max_version=0), broker)
        except Unanswered:
            return False
        return True

    def ask_all(self, requests: Sequence[tuple[BrokerId | None, Any]]) -> list[Any]:
        """An answer or an `Unanswered` for each request, in their order."""
        answers: list[Any] = [None] * len(requests)
        for position, answer in self.ask_each(requests):
            answers[position] = answer
        return answers

    def ask_each(
        self, requests: Sequence[tuple[BrokerId | None, Any]], *, elsewhere: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Position and answer (or `Unanswered`) of each request as they arrive, so that the caller need not keep them
        all. `elsewhere`: any broker can answer. Where the named one is silent, another one is asked.

        All brokers are asked at once. Each one works on a request while the answer before it is decoded.
        """
        arrived: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        waiting: dict[BrokerId | None, deque[int]] = {}
        for position, (broker, _) in enumerate(requests):
            waiting.setdefault(broker, deque()).append(position)

        async def serve(positions: deque[int]) -> None:
            while positions:
                position = positions.popleft()
                broker, request = requests[position]
                try:
                    answer = await self._answer(request, broker, elsewhere=elsewhere or broker is None)
                    self._logins.accepted(broker)
                    arrived.put((position, answer))
                except errors.UnknownBrokerIdError:
                    # The broker was down when the metadata was read, and has come back since.
                    self._manager.cluster.request_update()
                    arrived.put((position, Unanswered("the broker is not known yet", retriable=True)))
                except errors.SaslAuthenticationFailedError as error:
                    passes = self._logins.may_pass(broker)
                    arrived.put((position, Unanswered(_reason(error), retriable=passes)))
                except errors.KafkaError as error:
                    arrived.put((position, Unanswered(_reason(error), retriable=error.retriable)))
                except Exception as error:
                    arrived.put((position, error))

        for positions in waiting.values():
            for _ in range(min(_IN_FLIGHT, len(positions))):
                self._manager.call_soon(serve, positions)
        for _ in requests:
            position, answer = self._next(arrived)
            if isinstance(answer, Exception) and not isinstance(answer, Unanswered):
                raise answer
            yield position, answer

    def _next(self, arrived: SimpleQueue[tuple[int, Any]]) -> tuple[int, Any]:
        while True:
            with suppress(Empty):
                return arrived.get(timeout=_LOOK_SECONDS)
            # Each request has its timeout, but only while the loop runs: this raises the error that has ended the loop.
            self._net.call_soon_threadsafe(_nothing)

    async def _answer(self, request: Any, broker: BrokerId | None, *, elsewhere: bool) -> Any:
        asked = self._manager.least_loaded_node() if broker is None else broker
        if elsewhere and asked in self._silent:
            asked = self._other(asked) or asked
        try:
            return await self._send(request, asked)
        except _SILENCE:
            other = self._other(asked) if elsewhere else None
            if other is None:
                raise
            return await self._send(request, other)

    def _other(self, broker: BrokerId | None) -> int | None:
        """A broker that is not known to be silent, and is not this one."""
        return next((each for each in self.broker_ids if each != broker and each not in self._silent), None)

    async def _send(self, request: Any, broker: BrokerId | None) -> Any:
        """Sends again for a while: kafka-python refuses a request to a connection that is throttled, busy, or just
        failed. A broker that was silent must first show that it is there."""
        if broker in self._silent:
            await self._probe(broker)
            self._silent.discard(broker)
        deadline = time.monotonic() + self.timeout_seconds
        while True:
            try:
                return await self._manager.send(request, node_id=broker)
            except errors.NodeNotReadyError:
                if time.monotonic() > deadline:
                    self._note_silence(broker)
                    raise
                await self._net.sleep(_PAUSE_SECONDS)
            except _SILENCE:
                self._note_silence(broker)
                raise

    async def _probe(self, broker: BrokerId | None) -> None:
        """Raises KafkaError when the broker does not answer within two seconds."""
        deadline = time.monotonic() + _PROBE_MS / 1000
        while True:
            try:
                request = ApiVersionsRequest(max_version=0)
                await self._manager.send(request, node_id=broker, request_timeout_ms=_PROBE_MS)
                return
            except errors.NodeNotReadyError:  # the connection is being made, or has just failed
                if time.monotonic() > deadline:
                    raise
                await self._net.sleep(_PAUSE_SECONDS)

    def _note_silence(self, broker: BrokerId | None) -> None:
        if broker is not None:
            self._silent.add(broker)


def hang_up(net: NetworkSelector, manager: Manager) -> None:
    """Closes all connections, and ends the loop.

    The loop does one thing at a time, and it waits for some of them: a resolver, an endpoint for tokens. A user who
    pressed ^C should not wait for these. After some seconds the loop is left alone, and it does not keep the process
    alive.
    """

    def close() -> None:
        # The error that ended the loop was reported to everyone who waited for an answer.
        with suppress(Exception):
            net.run(manager.close)
        with suppress(Exception):
            net.stop(timeout_ms=1000)
            net.close()

    closing = threading.Thread(target=close, name="hang up", daemon=True)
    closing.start()
    closing.join(timeout=_CLOSING_SECONDS)


def _nothing() -> None:
    pass


def error_text(code: int, message: str | None = None) -> str:
    """ "TOPIC_AUTHORIZATION_FAILED", and the broker's own message."""
    name = str(errors.for_code(code).message)
    return f"{name}: {message}" if message else name


def is_retriable(code: int) -> bool:
    return bool(errors.for_code(code).retriable)


def outcome(told: Any) -> Unanswered | None:
    """What an answer says of one of the changes that were asked for: None when it was made, else why not."""
    if told is None:
        return Unanswered("the broker did not say what became of it")
    if told.error_code == 0:
        return None
    return Unanswered(error_text(told.error_code, told.error_message), retriable=is_retriable(told.error_code))


def _reason(error: errors.KafkaError) -> str:
    match error:
        case errors.IncompatibleBrokerVersion():
            return "the brokers do not support this request"
        case errors.RequestTimedOutError() | errors.KafkaTimeoutError():
            return "the broker did not answer in time"
        case errors.NodeNotReadyError() | errors.KafkaConnectionError():
            return "the broker cannot be reached"
        case _:
            return str(error)


def authorized(operations: Any) -> frozenset[str] | None:
    """Names of the operations that the caller may do; None when the broker does not return them (KIP-430, since 2.3).

    kafka-python decodes the bit field into a set. In a version without the field, its default is an integer.
    """
    if not isinstance(operations, set):
        return None
    return frozenset(OPERATIONS[code] for code in operations if code in OPERATIONS)


OPERATIONS: Mapping[int, str] = {
    3: "READ",
    4: "WRITE",
    5: "CREATE",
    6: "DELETE",
    7: "ALTER",
    8: "DESCRIBE",
    9: "CLUSTER_ACTION",
    10: "DESCRIBE_CONFIGS",
    11: "ALTER_CONFIGS",
    12: "IDEMPOTENT_WRITE",
    13: "CREATE_TOKENS",
    14: "DESCRIBE_TOKENS",
    15: "TWO_PHASE_COMMIT",
}
"""org.apache.kafka.common.acl.AclOperation."""
