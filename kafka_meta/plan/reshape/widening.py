"""Whether rules would allow more under new names than they did on the source.

Who may do what is a question about names. A rename gives topics and groups new names, and moves their rules. Then a
rule may cover a name that it did not cover (a prefix that a new name begins with, the name of another topic), and a
DENY may no longer cover its topic. So each name of the destination is compared with the name of the source that it
stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from kafka_meta.model import Acl
from kafka_meta.plan.access import includes, meet
from kafka_meta.plan.pattern import Pattern
from kafka_meta.plan.rules import Rules


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
    by_source = {name: there for there, name in stands_for.items()}
    names_there, names_here = sorted(stands_for), sorted(by_source)
    on_source, on_dest = Rules(rules, lambda rule: rule.here), Rules(rules, lambda rule: rule.there)

    # Many rules are about one pattern. What it covers is looked for once.
    @cache
    def gained(here: Pattern, there: Pattern) -> Sequence[str]:
        """What the second pattern covers on the destination, where the first does not cover what it stands for."""
        return tuple(name for name in there.among(names_there) if not here.covers(stands_for[name]))

    @cache
    def lost(here: Pattern, there: Pattern) -> Sequence[str]:
        """What the first pattern covers on the source, where the second does not cover what stands for it."""
        return tuple(name for name in here.among(names_here) if not there.covers(by_source[name]))

    told: set[Acl] = set()
    for rule in rules:
        if rule.there in told or (rule.here.permission == "DENY" and rule.here.pattern_type == "PREFIXED"):
            continue  # a prefix that denies more than before is safe
        for name in gained(Pattern.of(rule.here), Pattern.of(rule.there)):
            if not any(
                other.here.permission == rule.here.permission and includes(other.here, rule.here)
                for other in on_source.covering(stands_for[name])
            ):
                told.add(rule.there)
                yield Wider(rule=rule, name=name, stands_for=stands_for[name])
                break
    for deny in rules:
        if deny.here.permission == "ALLOW":
            continue
        here = Pattern.of(deny.here)
        for name in here.among(names_here) if deny.there in told else lost(here, Pattern.of(deny.there)):
            there = by_source[name]
            if _is_denied(deny, there, on_dest, told):
                continue
            for rule in on_dest.covering(there):
                # As they are there: --map-principal may have given the rule to whom the DENY is for.
                if rule.there.permission == "ALLOW" and rule.there not in told and meet(rule.there, deny.there):
                    told.add(rule.there)
                    yield Wider(rule=rule, name=there, stands_for=name, deny=deny)


def _is_denied(deny: Moved, name: str, on_dest: Rules[Moved], told: set[Acl]) -> bool:
    """Whether another DENY covers the name on the destination."""
    return any(
        other.there.permission == "DENY" and other.there not in told and includes(other.here, deny.here)
        for other in on_dest.covering(name)
    )
