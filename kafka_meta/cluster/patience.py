"""Repeats attempts until each action has a result. A transient error means waiting, which is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from confluent_kafka import KafkaError

from kafka_meta.cluster.clients import code, reason
from kafka_meta.events import Waiting
from kafka_meta.plan import Action, Result

A = TypeVar("A", bound=Action)

_SECONDS_WITHOUT_PROGRESS = 120.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 1.0

_UNSURE = frozenset(
    {KafkaError.REQUEST_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.NETWORK_EXCEPTION}
)
"""After these errors it is not known whether the action was carried out."""

_TRANSIENT = _UNSURE | {
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_CONTROLLER,
    KafkaError.NOT_COORDINATOR,
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._WAIT_COORD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """No result yet: try again. `unsure`: the action may have been carried out already."""

    reason: str
    unsure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(Generic[A]):
    """An action to do. `unsure`: an earlier attempt may have carried it out already."""

    action: A
    unsure: bool = False


Verdict: TypeAlias = Result | Again


def verdict(action: Action, error: BaseException) -> Verdict:
    """The meaning of a librdkafka error for an action: try again, or failed."""
    if code(error) in _TRANSIENT:
        return Again(reason=reason(error), unsure=code(error) in _UNSURE)
    return Result(action=action, outcome="failed", error=reason(error))


class Patience:
    """How long to try without any progress. After a wait without success, each later action has only one attempt, until
    one succeeds."""

    def __init__(self, seconds: float = _SECONDS_WITHOUT_PROGRESS) -> None:
        self._seconds = seconds
        self.lost = False
        """Whether the last wait ended without success."""

    def results(
        self, actions: Sequence[A], attempt: Callable[[list[Try[A]]], list[Verdict]]
    ) -> Iterator[Result | Waiting]:
        """Yields a result for each action when it is known. `attempt` returns a verdict for each try, in order."""
        tries = [Try(action=action) for action in actions]
        pause = _FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + self._seconds
        while tries:
            verdicts = attempt(tries)
            waiting: list[tuple[Try[A], Again]] = []
            for done, outcome in zip(tries, verdicts, strict=True):
                if isinstance(outcome, Again):
                    waiting.append((done, outcome))
                    continue
                if outcome.outcome != "failed":
                    self.lost = False
                yield outcome
            if len(waiting) < len(tries):
                deadline, pause = time.monotonic() + self._seconds, _FIRST_PAUSE_SECONDS
            if not waiting:
                return
            if self.lost or time.monotonic() + pause > deadline:
                self.lost = True
                for left, again in waiting:
                    yield Result(action=left.action, outcome="failed", error=again.reason)
                return
            yield Waiting(reason=_said(waiting), seconds=pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            tries = [Try(action=left.action, unsure=left.unsure or again.unsure) for left, again in waiting]


def _said(waiting: Sequence[tuple[Try[A], Again]]) -> str:
    others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{waiting[0][1].reason}{others}"
