"""Requests to chosen brokers, answered or `Unanswered`; kafka-python's loop runs on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeAlias

from kafka import errors
from kafka.future import Future
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

BrokerId: TypeAlias = int | str
"""A node id; kafka-python calls the first address "bootstrap-0" before it knows the cluster."""

RECEIVE_MAX_BYTES = 512 * 1024 * 1024
"""The manager's own limit of 1,000,000 bytes aborts the connection at the metadata of a large cluster."""

_IN_FLIGHT = 2
_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 1.0
"""How often a wait for answers looks whether the loop still runs."""
_CLOSING_SECONDS = 3.0
_GRACE_SECONDS = 0.2
"""TCP has its own time and tells more; it ends first."""

_LIBRARY = logging.getLogger("kafka")


def keep_library_quiet() -> None:
    """Its log stays its own: nothing on standard error, and no DEBUG, which prints passwords in requests."""
    _LIBRARY.propagate = False
    if not _LIBRARY.handlers:
        _LIBRARY.addHandler(logging.NullHandler())
    if _LIBRARY.level < logging.INFO:
        _LIBRARY.setLevel(logging.INFO)


class Manager(KafkaConnectionManager):  # type: ignore[misc]  # comes without type information
    """Hears a broker's last words, and does not wait for ever for its first ones.

    Brokers say why they refuse a login and hang up; where both arrive at once, kafka-python's transport throws the
    words away. The end of the connection shows at the next look.

    A broker that hangs still takes connections: its machine does that for it. kafka-python waits for the answer to a
    TLS handshake without an end, and so does everything that is asked of that broker.
    """

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
    """A question that got no answer, and why, in words for a `Remark`. `retriable`: asking again may help."""

    def __init__(self, reason: str, *, retriable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retriable = retriable


class Wire:
    """A cluster that has been reached. Made by `connect`; a context manager that closes its connections.

    `version` is that of the broker which was reached first: "3.9", None when it is newer than what is known here.
    `kraft` tells whether that broker is run by KRaft.
    """

    def __init__(self, net: NetworkSelector, manager: Manager, *, version: str | None, kraft: bool) -> None:
        self._net = net
        self._manager = manager
        self.version = version
        self.kraft = kraft

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
        """`version` as numbers, to compare."""
        return None if self.version is None else tuple(int(part) for part in self.version.split("."))

    @property
    def cluster_id(self) -> str | None:
        """None before Kafka 0.10.1, which had no id."""
        return self._manager.cluster.cluster_id or None

    @property
    def broker_ids(self) -> tuple[int, ...]:
        return tuple(sorted(broker.node_id for broker in self._manager.cluster.brokers()))

    def speaks(self, request: Any, version: int = 0) -> bool:
        """Whether the brokers know this version of a request; they are taken to be of one release."""
        known = self._manager.broker_version_data.api_versions.get(request.API_KEY)
        return known is not None and known[1] >= version

    def ask(self, request: Any, broker: BrokerId | None = None) -> Any:
        """One answer, from any broker when none is named. Raises `Unanswered`."""
        (answer,) = self.ask_all([(broker, request)])
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    def ask_all(self, requests: Sequence[tuple[BrokerId | None, Any]]) -> list[Any]:
        """An answer or an `Unanswered` for each request, in their order."""
        answers: list[Any] = [None] * len(requests)
        for position, answer in self.ask_each(requests):
            answers[position] = answer
        return answers

    def ask_each(self, requests: Sequence[tuple[BrokerId | None, Any]]) -> Iterator[tuple[int, Any]]:
        """Position and answer (or `Unanswered`) of each request as they arrive, so that none need be kept.

        All brokers are asked at once, and each one is working on a request while the answer before it is decoded.
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
                    arrived.put((position, await self._send(request, broker)))
                except errors.UnknownBrokerIdError:
                    # It was down when we heard of the cluster, and has come back since.
                    self._manager.cluster.request_update()
                    arrived.put((position, Unanswered("the broker is not known yet", retriable=True)))
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
            # Each request has its time, but only while the loop runs: this raises what has ended it.
            self._net.call_soon_threadsafe(_nothing)

    async def _send(self, request: Any, broker: BrokerId | None) -> Any:
        """kafka-python refuses what it cannot send now: to a throttled or busy connection, or one that just failed."""
        deadline = time.monotonic() + self._manager.config["request_timeout_ms"] / 1000
        while True:
            try:
                return await self._manager.send(request, node_id=broker)
            except errors.NodeNotReadyError:
                if time.monotonic() > deadline:
                    raise
                await self._net.sleep(_PAUSE_SECONDS)


def hang_up(net: NetworkSelector, manager: Manager) -> None:
    """Closes all connections, and ends the loop.

    The loop does one thing at a time, and some it waits for: a resolver, an endpoint for tokens. Nobody who pressed ^C
    waits with it: after some seconds it is left alone, and does not keep the process alive.
    """

    def close() -> None:
        # What ended the loop was told to whoever asked something of it.
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
    """ "TOPIC_AUTHORIZATION_FAILED", and what the broker said to it."""
    name = str(errors.for_code(code).message)
    return f"{name}: {message}" if message else name


def is_retriable(code: int) -> bool:
    return bool(errors.for_code(code).retriable)


def _reason(error: errors.KafkaError) -> str:
    match error:
        case errors.IncompatibleBrokerVersion():
            return "the brokers are too old for this question"
        case errors.RequestTimedOutError() | errors.KafkaTimeoutError():
            return "the broker did not answer in time"
        case errors.NodeNotReadyError() | errors.KafkaConnectionError():
            return "the broker cannot be reached"
        case _:
            return str(error)


def authorized(operations: Any) -> frozenset[str] | None:
    """Names of the operations a caller may do; None when the broker does not say (KIP-430, since 2.3).

    kafka-python decodes the bit field into a set; a field of another version has an integer for its default.
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
