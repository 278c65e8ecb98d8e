"""Nodes → values. Whatever could not be read becomes a gap.

A node that was deleted between listing and reading is not an error. A node that ZooKeeper does not show, or whose data
is invalid, is a gap with its path. It never counts as "nothing there".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from kafka_meta.events import Emit, Progress
from kafka_meta.model import Remark, Resource, Selection, Unmatched
from kafka_meta.zookeeper.multiread import Absence
from kafka_meta.zookeeper.payloads import Unreadable
from kafka_meta.zookeeper.session import Session

STEP = 500
"""Nodes between two reports of progress."""

K = TypeVar("K")
T = TypeVar("T")


class Reading:
    """One pass over a cluster's nodes, and the remarks that result."""

    def __init__(self, session: Session, selection: Selection, emit: Emit) -> None:
        self.session = session
        self.selection = selection
        self.emit = emit
        self.gaps: list[Remark] = []
        self.left_out: list[Remark] = []
        self.signs: list[Remark] = []
        self.unmatched: list[Unmatched] = []

    def value(self, path: str, decode: Callable[[bytes], T], resource: Resource) -> T | None:
        """One node's value. None when the node does not exist, or could not be read (then there is a gap)."""
        return self.values({None: path}, lambda _, data: decode(data), lambda _: resource).get(None)

    def values(
        self,
        paths: Mapping[K, str],
        decode: Callable[[K, bytes], T],
        resource: Callable[[K], Resource],
        *,
        stage: str | None = None,
    ) -> dict[K, T | None]:
        """Values by key. None for a node that could not be read; no key for a node that does not exist."""
        found: dict[K, T | None] = {}
        for done, (key, data) in enumerate(zip(paths, self.session.data(paths.values()), strict=True)):
            if stage is not None and done % STEP == 0:
                self.emit(Progress(stage=stage, done=done, total=len(paths)))
            if data is Absence.GONE:
                continue
            if isinstance(data, Absence):
                self._forbidden(paths[key], resource(key))
                found[key] = None
                continue
            try:
                found[key] = decode(key, data)
            except Unreadable as error:
                self.unreadable(paths[key], resource(key), error)
                found[key] = None
        if stage is not None:
            self.emit(Progress(stage=stage, done=len(paths), total=len(paths)))
        return found

    def listed(self, path: str, resource: Resource) -> list[str] | None:
        """A node's children, [] when it does not exist. None, with a gap, when they could not be read."""
        return self.listings({None: path}, lambda _: resource).get(None, [])

    def listings(self, paths: Mapping[K, str], resource: Callable[[K], Resource]) -> dict[K, list[str] | None]:
        """Children by key. None where they could not be read; no key for a node that does not exist."""
        found: dict[K, list[str] | None] = {}
        for key, children in zip(paths, self.session.children(paths.values()), strict=True):
            if children is Absence.GONE:
                continue
            if isinstance(children, Absence):
                self._forbidden(paths[key], resource(key))
                found[key] = None
            else:
                found[key] = children
        return found

    def unreadable(self, path: str, resource: Resource, error: Unreadable) -> None:
        """Adds a gap for a node with invalid data."""
        self.gaps.append(Remark(resource=resource, reason=f"{self.session.root}{path} in ZooKeeper {error}"))

    def _forbidden(self, path: str, resource: Resource) -> None:
        reason = (
            f"ZooKeeper does not show {self.session.root}{path} (NoAuth, as with zookeeper.set.acl=true): "
            "connect with the brokers' own credentials"
        )
        self.gaps.append(Remark(resource=resource, reason=reason))


def nested(listings: Mapping[K, Iterable[str] | None]) -> list[tuple[K, str]]:
    """(key, child) for every child of every listing that could be read."""
    return [(key, child) for key, children in listings.items() for child in children or ()]
