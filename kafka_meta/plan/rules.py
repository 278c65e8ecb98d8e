"""ACLs, found by the names that they are about: one by one, tens of thousands of rules would take minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from kafka_meta.model import Acl
from kafka_meta.plan.access import meet
from kafka_meta.plan.pattern import Pattern, beginning_with

R = TypeVar("R")


class Rules(Generic[R]):
    """Rules of one resource type. `acl` gives the ACL of a rule, for rules that are more than an ACL."""

    def __init__(self, rules: Iterable[R], acl: Callable[[R], Acl]) -> None:
        self._acl = acl
        self._literal: dict[str, list[R]] = {}
        self._prefixed: dict[str, list[R]] = {}
        for rule in rules:
            of_pattern = self._prefixed if acl(rule).pattern_type == "PREFIXED" else self._literal
            of_pattern.setdefault(acl(rule).resource_name, []).append(rule)
        self._names, self._prefixes = sorted(self._literal), sorted(self._prefixed)

    def covering(self, name: str) -> Iterator[R]:
        """The rules that are about the resource of this name."""
        yield from self._literal.get(name, ())
        if name != "*":
            yield from self._literal.get("*", ())
        for end in range(len(name) + 1):
            yield from self._prefixed.get(name[:end], ())

    def overlapping(self, acl: Acl) -> Iterator[R]:
        """The rules that can apply to the same principal, host, operation and resource, of the same resource type."""
        return (rule for rule in self._beside(acl) if meet(self._acl(rule), acl))

    def _beside(self, acl: Acl) -> Iterator[R]:
        """The rules with a pattern that has a name in common with this one's."""
        pattern = Pattern.of(acl)
        if not pattern.is_prefix and not pattern.is_all:
            yield from self.covering(pattern.name)
            return
        start = "" if pattern.is_all else pattern.name
        for end in range(len(start)):
            yield from self._prefixed.get(start[:end], ())
        for prefix in beginning_with(start, self._prefixes):
            yield from self._prefixed[prefix]
        for name in beginning_with(start, self._names):
            if name != "*":
                yield from self._literal[name]
        yield from self._literal.get("*", ())
