"""Plan and Writer → results: batches of one action type, in the plan's order. A failed action stops only the actions
that depend on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

from kafka_meta.events import Waiting
from kafka_meta.model import Acl, CommittedOffset
from kafka_meta.plan import (
    Action,
    AddPartitions,
    CommitOffsets,
    CreateAcl,
    CreateTopic,
    Result,
    UpsertUser,
    describe_acl,
)
from kafka_meta.plan.access import overlap


class Writer(Protocol):
    """Changes a destination. One exists only with `--commit`."""

    def apply(self, actions: Sequence[Action]) -> Iterator[Result | Waiting]:
        """Carries out actions of one type. Yields one result for each action, in any order."""
        ...


def apply(actions: Sequence[Action], writer: Writer) -> Iterator[Result | Waiting]:
    """Yields one result for each action, as soon as it is known.

    If a topic could not be created, no position on it is set. If a DENY could not be created, neither an ALLOW that
    overlaps it nor a user that it names is created: rights would be wider than on the source.
    """
    missing: dict[str, int] = {}
    """Topics that failed → the first of their partitions that does not exist."""
    failed_denies: list[Acl] = []
    for _, group in groupby(actions, key=_stage):
        batch: list[Action] = []
        for action in group:
            match action:
                case CommitOffsets() if any(_is_missing(offset, missing) for offset in action.offsets):
                    yield from _commit_possible(action, missing, writer)
                case CreateAcl() if (deny := _failed_deny(action.acl, failed_denies)) is not None:
                    reason = f"not created, because an ACL that overlaps it failed: {describe_acl(deny)}"
                    yield Result(action=action, outcome="failed", error=reason)
                case UpsertUser() if (deny := _denied(action.user, failed_denies)) is not None:
                    reason = f"not created, because an ACL that denies it failed: {describe_acl(deny)}"
                    yield Result(action=action, outcome="failed", error=reason)
                case _:
                    batch.append(action)
        for result in writer.apply(batch) if batch else ():
            if isinstance(result, Result) and result.outcome == "failed":
                match result.action:
                    case CreateTopic():
                        missing[result.action.topic] = 0
                    case AddPartitions():
                        missing[result.action.topic] = result.action.existing
                    case CreateAcl() if result.action.acl.permission == "DENY":
                        failed_denies.append(result.action.acl)
                    case _:
                        pass
            yield result


def _stage(action: Action) -> tuple[str, bool]:
    deny = isinstance(action, CreateAcl) and action.acl.permission == "DENY"
    return type(action).__name__, deny


def _failed_deny(acl: Acl, failed_denies: Sequence[Acl]) -> Acl | None:
    if acl.permission == "DENY":
        return None
    return next((deny for deny in failed_denies if overlap(deny, acl)), None)


def _denied(user: str, failed_denies: Sequence[Acl]) -> Acl | None:
    return next((deny for deny in failed_denies if deny.principal in (f"User:{user}", "User:*")), None)


def _is_missing(offset: CommittedOffset, missing: Mapping[str, int]) -> bool:
    return offset.topic in missing and offset.partition >= missing[offset.topic]


def _commit_possible(action: CommitOffsets, missing: Mapping[str, int], writer: Writer) -> Iterator[Result | Waiting]:
    """Sets the positions on partitions that exist. The action as a whole has failed."""
    possible = tuple(offset for offset in action.offsets if not _is_missing(offset, missing))
    failed = sorted({offset.topic for offset in action.offsets if _is_missing(offset, missing)})
    error = f"no position set on {', '.join(failed)}: the topic failed"
    for result in writer.apply([replace(action, offsets=possible)]) if possible else ():
        if isinstance(result, Waiting):
            yield result
        elif result.error is not None:
            error = f"{error}; {result.error}"
    yield Result(action=action, outcome="failed", error=error)
