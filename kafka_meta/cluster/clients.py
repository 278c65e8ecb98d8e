"""Admin clients of librdkafka, and what their errors mean."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from kafka_meta.settings import ClusterSettings

T = TypeVar("T")

_LOG = logging.getLogger("kafka_meta.librdkafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


def admin(settings: ClusterSettings) -> AdminClient:
    """A client that never creates a topic by asking for it, and does not write its log to standard error."""
    config: dict[str, Any] = {
        **settings.librdkafka(),
        "allow.auto.create.topics": False,
        "error_cb": lambda error: _LOG.warning("%s", error),
    }
    return AdminClient(config, logger=_LOG)


def reason(error: BaseException) -> str:
    """The error of a librdkafka future as a remark's reason. It begins with Kafka's name of the error."""
    if not isinstance(error, KafkaException):
        return str(error) or type(error).__name__
    cause = error.args[0] if error.args else None
    if not isinstance(cause, KafkaError):
        return str(error)
    text = cause.str() or ""
    return f"{cause.name()}: {text}" if text and text != cause.name() else cause.name()


def code(error: BaseException) -> int | None:
    """Kafka's error code; negative codes are librdkafka's own. None for other errors."""
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return int(error.args[0].code())
    return None


def background(work: Callable[[], T]) -> Future[T]:
    """Runs `work` on a daemon thread: unlike a pool's thread, it does not keep the process alive after ^C."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="kafka-meta", daemon=True).start()
    return future
