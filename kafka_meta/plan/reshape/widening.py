"""Whether rules would allow more under new names than they did on the source.

Who may do what is a question about names. A rename gives topics and groups new names, and moves their rules. Then a
rule may cover a name that it did not cover (a prefix that a new name begins with, the name of another topic), and a
DENY may no longer cover its topic. So each name of the destination is compared with the name of the source that it
stands for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kafka_meta.model import Acl
from kafka_meta.plan.access import covers, includes, meet


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A rule of the source, and the same rule under the names of the destination."""

    here: Acl
    there: Acl


@dataclass(frozen=True, slots=True, kw_only=True)
class Wider:
    """`rule.there` would not be on the destination what `rule.here` is on the source."""

    rule: Moved
    name: str
    """On the destination: here the rights would be others than on the source."""
    stands_for: str
    """The name of `name` on the source."""
    deny: Moved | None = None
    """The DENY that no longer covers the name. None: `rule` covers a name that it does not cover on the source."""


def wider(rules: Sequence[Moved], stands_for: Mapping[str, str]) -> Iterator[Wider]:
    """Each rule that would allow more than the source, once, with the first name where it would.

    `rules` are of one resource type. `stands_for`: name on the destination → name on the source. A literal DENY that
    would cover another name than its own is told as well.
    """
    names_there = sorted(stands_for)
    on_source, on_dest = _Index((rule.here, rule) for rule in rules), _Index((rule.there, rule) for rule in rules)
    told: set[Acl] = set()
    for rule in rules:
        if rule.there not in told and (name := _foreign(rule, names_there, stands_for, on_source)) is not None:
            told.add(rule.there)
            yield Wider(rule=rule, name=name, stands_for=stands_for[name])
    by_source = {name: there for there, name in stands_for.items()}
    names_here = sorted(by_source)
    for deny in rules:
        if deny.here.permission == "ALLOW":
            continue
        for name in _covered(deny.here, names_here):
            there = by_source[name]
            if (covers(deny.there, there) and deny.there not in told) or _is_denied(deny, there, on_dest, told):
                continue
            for rule in on_dest.covering(there):
                if rule.there.permission == "ALLOW" and rule.there not in told and meet(rule.here, deny.here):
                    told.add(rule.there)
                    yield Wider(rule=rule, name=there, stands_for=name, deny=deny)


def _foreign(rule: Moved, names_there: Sequence[str], stands_for: Mapping[str, str], on_source: _Index) -> str | None:
    """The first name that the rule covers on the destination, and no such rule on the source."""
    if rule.here.permission == "DENY" and rule.here.pattern_type == "PREFIXED":
        return None  # it denies more than before: that is safe
    for name in _covered(rule.there, names_there):
        here = stands_for[name]
        if not covers(rule.here, here) and not any(
            other.here.permission == rule.here.permission and includes(other.here, rule.here)
            for other in on_source.covering(here)
        ):
            return name
    return None


def _is_denied(deny: Moved, name: str, on_dest: _Index, told: set[Acl]) -> bool:
    """Whether another DENY covers the name on the destination."""
    return any(
        other.there.permission == "DENY" and other.there not in told and includes(other.here, deny.here)
        for other in on_dest.covering(name)
    )


def _covered(rule: Acl, names: Sequence[str]) -> Sequence[str]:
    """The names, which are ordered, that the rule covers."""
    if rule.pattern_type == "PREFIXED":
        first = bisect_left(names, rule.resource_name)
        after = first
        while after < len(names) and names[after].startswith(rule.resource_name):
            after += 1
        return names[first:after]
    if rule.resource_name == "*":
        return names
    first = bisect_left(names, rule.resource_name)
    return names[first : first + 1] if names[first : first + 1] == [rule.resource_name] else ()


class _Index:
    """Rules by what they are about, to find those that cover a name."""

    def __init__(self, rules: Iterable[tuple[Acl, Moved]]) -> None:
        self._literal: dict[str, list[Moved]] = {}
        self._prefixed: dict[str, list[Moved]] = {}
        for acl, rule in rules:
            of_pattern = self._prefixed if acl.pattern_type == "PREFIXED" else self._literal
            of_pattern.setdefault(acl.resource_name, []).append(rule)

    def covering(self, name: str) -> Iterator[Moved]:
        yield from self._literal.get(name, ())
        if name != "*":
            yield from self._literal.get("*", ())
        for end in range(len(name) + 1):
            yield from self._prefixed.get(name[:end], ())
