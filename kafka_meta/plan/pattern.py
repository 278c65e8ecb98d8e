"""The patterns of ACLs, and the names that they cover."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from kafka_meta.model import Acl


@dataclass(frozen=True, slots=True)
class Pattern:
    """What an ACL is about, among resources of its type: all (`*`), one name, or every name with a prefix."""

    name: str
    is_prefix: bool

    @classmethod
    def of(cls, acl: Acl) -> Pattern:
        return cls(acl.resource_name, acl.pattern_type == "PREFIXED")

    @property
    def is_all(self) -> bool:
        return self.name == "*" and not self.is_prefix

    @property
    def is_many(self) -> bool:
        """Whether it can be about more than one name."""
        return self.is_prefix or self.is_all

    def covers(self, name: str) -> bool:
        return name.startswith(self.name) if self.is_prefix else self.name in (name, "*")

    def among(self, names: Sequence[str]) -> Sequence[str]:
        """The names that it covers. `names` are in order."""
        if self.is_prefix:
            return beginning_with(self.name, names)
        if self.is_all:
            return names
        first = bisect_left(names, self.name)
        return names[first : first + 1] if first < len(names) and names[first] == self.name else ()

    def includes(self, other: Pattern) -> bool:
        """Whether it covers every name that the other covers."""
        if other.is_all:
            return self.is_all
        return self.covers(other.name) if not other.is_prefix or self.is_prefix else self.is_all

    def meets(self, other: Pattern) -> bool:
        """Whether a name exists that both cover."""
        if self.is_prefix and other.is_prefix:
            return self.name.startswith(other.name) or other.name.startswith(self.name)
        return self.is_all or other.is_all or self.covers(other.name) or other.covers(self.name)


def beginning_with(prefix: str, names: Sequence[str]) -> Sequence[str]:
    """The names with this prefix. `names` are in order."""
    first = bisect_left(names, prefix)
    after = bisect_left(names, True, first, key=lambda name: not name.startswith(prefix))
    return names[first:after]
