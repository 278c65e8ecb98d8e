"""A connection to ZooKeeper that reads hundreds of nodes at a time."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeAlias, cast

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionLoss,
    NoAuthError,
    NoNodeError,
    SessionExpiredError,
    UnimplementedError,
)
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler

from kafka_meta.errors import KafkaMetaError
from kafka_meta.settings import ZooKeeperSettings
from kafka_meta.zookeeper.login import log_in_with
from kafka_meta.zookeeper.multiread import Absence, Answer, MultiRead, Operation

BATCH = 100
"""Nodes in one request, at most; the first requests ask for `FIRST`."""
FIRST = 5
ANSWER_BYTES = 4 << 20
"""The limit of one answer, estimated by the largest node so far. A hundred ACL nodes of 1 MB in one answer crash a
ZooKeeper with little memory."""
IN_FLIGHT = 5
"""Requests that wait for their answers at the same time."""
PATIENCE_S = 15.0
"""How long to wait for a connection, or for one answer."""
CONNECT_PATIENCE_S = 4.0
"""How long to wait for one address: after two addresses without an answer there is time for a third."""
ROUNDS = 6
"""Attempts at all addresses, with 0.1 … 1.6 s between them: a refused connection is reported within seconds."""
ATTEMPTS = 3
"""Attempts at one request, when connections are lost."""

Pending: TypeAlias = Callable[[], list[Answer]]
"""Waits for the answers of one request."""


class Session:
    """Reads nodes under `root` ("" or "/chroot"). Paths are Kafka's own and begin with "/"."""

    def __init__(self, connection: _Connection, root: str) -> None:
        self._connection = connection
        self.root = root

    def at(self, root: str) -> Session:
        """The same connection under another root."""
        return Session(self._connection, root)

    @property
    def client(self) -> Any:
        """kazoo's own, for `credentials`."""
        return self._connection.client

    def data(self, paths: Iterable[str]) -> Iterator[bytes | Absence]:
        """Each node's data, in the order of `paths`; `b""` where Kafka wrote null."""
        return cast(Iterator[bytes | Absence], self._answers(Operation.GET_DATA, paths))

    def children(self, paths: Iterable[str]) -> Iterator[list[str] | Absence]:
        """Each node's children, sorted, in the order of `paths`."""
        for answer in self._answers(Operation.GET_CHILDREN, paths):
            yield sorted(cast(list[str], answer)) if not isinstance(answer, Absence) else answer

    def _answers(self, operation: Operation, paths: Iterable[str]) -> Iterator[Answer]:
        remaining = (self.root + path for path in paths)
        in_flight: deque[tuple[Sequence[str], Pending]] = deque()
        count, largest = FIRST, 1
        while batch := list(islice(remaining, count)):
            in_flight.append((batch, self._connection.ask(operation, batch)))
            if len(in_flight) == IN_FLIGHT:
                answers = self._connection.answers(operation, *in_flight.popleft())
                largest = max(largest, *map(_size, answers))
                count = min(BATCH, 2 * count, max(1, ANSWER_BYTES // largest))
                yield from answers
        while in_flight:
            yield from self._connection.answers(operation, *in_flight.popleft())


@contextmanager
def connected(settings: ZooKeeperSettings) -> Iterator[Session]:
    """A session under the chroot in `settings`.

    Raises `KafkaMetaError` when no server answers within `PATIENCE_S`, or a server refuses the credentials.
    """
    arguments = dict(settings.kazoo())
    # kazoo warns of a chroot that does not exist, and cannot look outside it. So paths get the chroot here.
    hosts, _, root = arguments.pop("hosts").partition("/")
    connection = _Connection(hosts, arguments, settings)
    try:
        connection.wait_until_live()
        yield Session(connection, "/" + root.strip("/") if root.strip("/") else "")
    finally:
        connection.close()


class _Connection:
    def __init__(self, hosts: str, arguments: dict[str, Any], settings: ZooKeeperSettings) -> None:
        self.hosts = hosts
        self._arguments = arguments
        self._settings = settings
        self._has_multiread = True
        """ZooKeeper 3.6 has it; Kafka before 2.5 came with older ones."""
        self._has_answered = False
        self._open()

    def ask(self, operation: Operation, paths: Sequence[str]) -> Pending:
        """Sends the request. The result waits for the answers and raises kazoo's exceptions."""
        if self._has_multiread:
            pending = self._handler.async_result()  # type: ignore[no-untyped-call]
            self.client._call(MultiRead(operation, paths), pending)
            return lambda: cast(list[Answer], pending.get(timeout=PATIENCE_S))
        client = self.client
        one = client.get_async if operation is Operation.GET_DATA else client.get_children_async
        each = [one(path) for path in paths]
        return lambda: [_single(operation, pending) for pending in each]

    def answers(self, operation: Operation, paths: Sequence[str], pending: Pending) -> list[Answer]:
        """Waits for the answers. Asks again when the connection was lost."""
        for _ in range(ATTEMPTS):
            try:
                found = pending()
                self._has_answered = True
                return found
            except UnimplementedError:
                self._has_multiread = False
            except (ConnectionLoss, SessionExpiredError, AuthFailedError):
                self.wait_until_live()
            except (KazooTimeoutError, ValueError):
                break
            pending = self.ask(operation, paths)
        raise self._failure(f"did not answer when asked for {paths[0]}")

    def wait_until_live(self) -> None:
        """Raises `KafkaMetaError` when kazoo gives up the first connection, or after `PATIENCE_S`."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._live.wait(0.05):
            if time.monotonic() > deadline or (self._handler.ended.is_set() and not self._has_answered):
                raise self._failure("cannot be reached")
            if self._handler.ended.is_set():  # the server has answered before: it will probably come back
                self.close()
                self._open()

    def close(self) -> None:
        # kazoo needs up to ten seconds to leave a server that hangs: too long after ^C.
        closing = threading.Thread(target=_close, args=[self.client], daemon=True)
        closing.start()
        closing.join(timeout=1.0)

    def _open(self) -> None:
        self._warnings = _LastWarning()
        self._handler = _Handler()
        # A logger that no configuration can reach: kazoo logs credentials at DEBUG, and to stderr from WARNING.
        logger = logging.Logger("kafka_meta.zookeeper", logging.WARNING)
        logger.addHandler(self._warnings)
        self.client: Any = KazooClient(  # type: ignore[no-untyped-call]
            **self._arguments,
            hosts=self.hosts,
            handler=self._handler,
            logger=logger,
            connection_retry={"max_tries": ROUNDS, "delay": 0.1, "max_jitter": 0.0},
        )
        if self._settings.username is not None and self._settings.password is not None:
            log_in_with(self.client, self._settings.username, self._settings.password)
        self._live: threading.Event = self.client.start_async()  # type: ignore[no-untyped-call]

    def _failure(self, what: str) -> KafkaMetaError:
        """The error for a connection that cannot be used any more, with the cause that kazoo has logged."""
        cause = self._warnings.text
        if cause.startswith("AUTH_FAILED"):
            return KafkaMetaError(
                f"ZooKeeper at {self.hosts} refused the credentials",
                "Check username and password in the section `Client` of the JAAS file.",
            )
        if self._handler.failure is not None:
            cause = f"{type(self._handler.failure).__name__}: {self._handler.failure}"
        return KafkaMetaError(f"ZooKeeper at {self.hosts} {what}" + (f": {cause}" if cause else ""), self._hint(cause))

    def _hint(self, cause: str) -> str:
        use_ssl = self._arguments.get("use_ssl", False)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            return "Check zookeeper.ssl.truststore.location, and that the certificate is for this host."
        if use_ssl and any(sign in cause for sign in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "EOF")):
            return "The port does not use TLS: use ZooKeeper's secureClientPort, or turn TLS off."
        if not use_ssl and any(sign in cause for sign in ("broken", "during read", "reset")):
            return (
                "If the port expects TLS, set zookeeper.ssl.client.enable=true. Else check that it is ZooKeeper's port."
            )
        return "Check host and port in zookeeper.connect, and that ZooKeeper runs there."


def _size(answer: Answer) -> int:
    return sum(map(len, answer)) if isinstance(answer, list) else len(answer)


def _single(operation: Operation, pending: Any) -> Answer:
    try:
        found = pending.get(timeout=PATIENCE_S)
    except NoNodeError:
        return Absence.GONE
    except NoAuthError:
        return Absence.FORBIDDEN
    return found[0] or b"" if operation is Operation.GET_DATA else cast(list[str], found)


def _close(client: Any) -> None:
    try:
        client.stop()
        client.close()
    except Exception:
        # Nothing more will be read. A session that cannot be closed expires by itself.
        return


class _Handler(SequentialThreadingHandler):
    """kazoo's threads. Their exceptions are kept, not printed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ended = threading.Event()
        """kazoo has given up (or was told to stop)."""
        self.failure: Exception | None = None

    def spawn(self, func: Callable[..., None], *args: Any, **kwargs: Any) -> threading.Thread:
        def quietly() -> None:
            try:
                func(*args, **kwargs)
            except Exception as error:
                self.failure = error
            finally:
                self.ended.set()

        thread = threading.Thread(target=quietly, daemon=True)
        thread.start()
        return thread

    def create_connection(
        self, address: tuple[str, int], hostname: str, timeout: float, use_ssl: bool, ca: str | None, **tls: Any
    ) -> Any:
        patience = min(timeout, CONNECT_PATIENCE_S)
        if not use_ssl or ca is None:
            return super().create_connection(  # type: ignore[no-untyped-call]
                address=address, hostname=hostname, timeout=patience, use_ssl=use_ssl, ca=ca, **tls
            )
        # kazoo would trust the authorities of this machine, too.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = tls["check_hostname"]
        context.load_verify_locations(ca)
        if tls["certfile"]:
            context.load_cert_chain(tls["certfile"], tls["keyfile"], tls["keyfile_password"])
        plain = socket.create_connection(address, patience)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname=hostname)
        except BaseException:
            plain.close()
            raise

    def select(self, reading: list[Any], writing: list[Any], failing: list[Any], timeout: float | None = None) -> Any:
        # kazoo creates and closes an epoll object here, five times for each request: half of its whole time.
        try:
            return select.select(reading, writing, failing, timeout)
        except ValueError:  # a file descriptor above 1023
            return super().select(reading, writing, failing, timeout)  # type: ignore[no-untyped-call]


class _LastWarning(logging.Handler):
    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        for prefix in ("Connection dropped: ", "socket connection error: ", "Connection time-out: "):
            text = text.removeprefix(prefix)
        # "Transition to CONNECTING" and the end of the retries say nothing about the cause.
        if not text.startswith(("Transition", "Failed connecting")):
            self.text = "timed out" if text == "None" else text
