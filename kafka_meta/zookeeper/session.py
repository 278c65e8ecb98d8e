"""A connection to ZooKeeper that only reads, thousands of nodes at a time.

kazoo answers one call in about 0.1 ms and a round trip takes several times that: calls are kept in
flight, `WINDOW` at a time, and answers come back in the order of the questions.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionLoss, NoAuthError, NoNodeError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler

from kafka_meta.errors import KafkaMetaError
from kafka_meta.settings import ZooKeeperSettings

WINDOW = 1000
PATIENCE_S = 15.0
"""How long to wait for a connection, or for one answer."""
CONNECT_PATIENCE_S = 4.0
"""With one address: two that swallow packets still leave time for a third."""
ROUNDS = 6
"""Through all addresses, with 0.1 … 1.6 s between them: a refused connection is told within seconds,
the restart of a lone server is outlasted."""
ATTEMPTS = 3
"""At one read, over lost connections."""

T = TypeVar("T")


class Absence(Enum):
    """Why a node has no value."""

    GONE = "no such node"
    FORBIDDEN = "NoAuth"


class Session:
    """Reads nodes under `root` ("" or "/chroot"); paths are Kafka's own, beginning with "/"."""

    def __init__(self, connection: _Connection, root: str) -> None:
        self._connection = connection
        self.root = root

    def at(self, root: str) -> Session:
        """The same connection under another root."""
        return Session(self._connection, root)

    def data(self, paths: Iterable[str]) -> Iterator[bytes | Absence]:
        """Each node's data, in the order of `paths`; `b""` where Kafka wrote null."""
        client = self._connection.client
        for answer in self._answers(client.get_async, paths):
            yield answer if isinstance(answer, Absence) else answer[0] or b""

    def children(self, paths: Iterable[str]) -> Iterator[list[str] | Absence]:
        """Each node's children, sorted, in the order of `paths`."""
        client = self._connection.client
        for answer in self._answers(client.get_children_async, paths):
            yield answer if isinstance(answer, Absence) else sorted(answer)

    def _answers(self, ask: Callable[[str], Any], paths: Iterable[str]) -> Iterator[Any | Absence]:
        in_flight: deque[tuple[str, Any]] = deque()
        for path in paths:
            absolute = self.root + path
            in_flight.append((absolute, ask(absolute)))
            if len(in_flight) == WINDOW:
                yield self._answer(ask, *in_flight.popleft())
        while in_flight:
            yield self._answer(ask, *in_flight.popleft())

    def _answer(self, ask: Callable[[str], Any], path: str, pending: Any) -> Any | Absence:
        for _ in range(ATTEMPTS):
            try:
                return pending.get(timeout=PATIENCE_S)
            except NoNodeError:
                return Absence.GONE
            except NoAuthError:
                return Absence.FORBIDDEN
            except (ConnectionLoss, SessionExpiredError, AuthFailedError):
                self._connection.wait_until_live()
                pending = ask(path)
            except KazooTimeoutError:
                break
        raise self._connection.failure(f"did not answer within {PATIENCE_S:.0f} s when asked for {path}")


@contextmanager
def connected(settings: ZooKeeperSettings) -> Iterator[Session]:
    """A session under the root that `settings` name.

    Raises `KafkaMetaError` when no server answers within `PATIENCE_S`, or one refuses the credentials.
    """
    arguments = dict(settings.kazoo())
    # kazoo warns about a root that does not exist and cannot look outside it: the root is kept here.
    hosts, _, root = arguments.pop("hosts").partition("/")
    connection = _Connection(hosts, arguments)
    try:
        connection.wait_until_live()
        yield Session(connection, "/" + root.strip("/") if root.strip("/") else "")
    finally:
        connection.close()


class _Connection:
    def __init__(self, hosts: str, arguments: dict[str, Any]) -> None:
        self.hosts = hosts
        self._use_ssl = bool(arguments.get("use_ssl"))
        self._warnings = _LastWarning()
        self._handler = _Handler()
        # A logger that nobody can configure: kazoo logs credentials at DEBUG, and to stderr from WARNING.
        logger = logging.Logger("kafka_meta.zookeeper", logging.WARNING)
        logger.addHandler(self._warnings)
        self.client: Any = KazooClient(  # type: ignore[no-untyped-call]
            **arguments,
            hosts=hosts,
            handler=self._handler,
            logger=logger,
            connection_retry={"max_tries": ROUNDS, "delay": 0.1, "max_jitter": 0.0},
        )
        self._live: threading.Event = self.client.start_async()  # type: ignore[no-untyped-call]

    def wait_until_live(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._live.wait(0.05):
            if self._handler.ended.is_set() or time.monotonic() > deadline:
                raise self.failure("cannot be reached")

    def failure(self, what: str) -> KafkaMetaError:
        """The error for a connection that is no longer of use, with the cause that kazoo logged."""
        cause = self._warnings.text
        if cause.startswith("AUTH_FAILED"):
            return KafkaMetaError(
                f"ZooKeeper at {self.hosts} refused the credentials",
                "check user name and password of ZooKeeper's `Client` section in the JAAS file",
            )
        if self._handler.failure is not None:
            cause = f"{type(self._handler.failure).__name__}: {self._handler.failure}"
        return KafkaMetaError(f"ZooKeeper at {self.hosts} {what}" + (f": {cause}" if cause else ""), self._hint(cause))

    def _hint(self, cause: str) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            return "check zookeeper.ssl.truststore.location, and that the certificate names this host"
        if self._use_ssl and ("WRONG_VERSION_NUMBER" in cause or "RECORD_LAYER_FAILURE" in cause):
            return "the port does not speak TLS: use ZooKeeper's secureClientPort, or turn TLS off"
        if not self._use_ssl and ("broken" in cause or "during read" in cause):
            return "if the port expects TLS, set zookeeper.ssl.client.enable=true; else check what listens there"
        return "check host and port in zookeeper.connect, and that ZooKeeper runs there"

    def close(self) -> None:
        # kazoo takes up to ten seconds to leave a server that hangs; nobody who pressed ^C waits for that.
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(timeout=1.0)

    def _close(self) -> None:
        try:
            self.client.stop()
            self.client.close()
        except Exception:
            # Everything was read or given up: a session that cannot be closed expires by itself.
            return


class _Handler(SequentialThreadingHandler):
    """kazoo's threads, told apart from ours: their exceptions are kept, not printed."""

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

    def create_connection(self, *args: Any, timeout: float, **kwargs: Any) -> Any:
        patience = min(timeout, CONNECT_PATIENCE_S)
        return super().create_connection(*args, timeout=patience, **kwargs)  # type: ignore[no-untyped-call]

    def select(self, reading: list[Any], writing: list[Any], failing: list[Any], timeout: float | None = None) -> Any:
        # kazoo makes and closes an epoll object here, five times a call: half of all the time it takes.
        try:
            return select.select(reading, writing, failing, timeout)
        except ValueError:  # a file descriptor above 1023
            return super().select(reading, writing, failing, timeout)  # type: ignore[no-untyped-call]


class _LastWarning(logging.Handler):
    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        for prefix in (
            "Connection dropped: socket connection error: ",
            "Connection dropped: ",
            "Connection time-out: ",
        ):
            text = text.removeprefix(prefix)
        # "Transition to CONNECTING" and the end of the retries say nothing about the cause.
        if not text.startswith(("Transition", "Failed connecting")):
            self.text = "timed out" if text == "None" else text
