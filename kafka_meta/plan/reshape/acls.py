"""ACLs for the destination, under the names that topics, groups, principals and hosts have there: none that would allow
more than on the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kafka_meta.model import Acl, Resource, Snapshot
from kafka_meta.plan.access import gives
from kafka_meta.plan.actions import describe_acl
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.pattern import beginning_with
from kafka_meta.plan.policy import EVERYONE, Policy, Renamed
from kafka_meta.plan.reshape.topics import destined
from kafka_meta.plan.reshape.widening import Moved, Wider, wider
from kafka_meta.plan.rules import Rules


def reshape_acls(
    source: Snapshot, whole: Snapshot, policy: Policy, notes: Notes
) -> tuple[tuple[Acl, ...] | None, tuple[Acl, ...]]:
    """The ACLs that move, and those that are withheld. `whole` has those as well that do not belong to the selection.
    Raises UsageError."""
    if source.cluster.security.authorizer == "":
        notes.skip(Resource("acls"), "the source has no authorizer, so it has no ACLs")
        return None, ()
    if source.acls is None:
        notes.cannot_compare(Resource("acls"), "not in the file")
        return None, ()
    wanted: dict[Acl, None] = {}
    withheld: dict[Acl, None] = {}
    moved: list[Moved] = []
    prefixes = _Prefixes(source, policy)
    for acl in source.acls:
        renamed = policy.acl(acl)
        resource = Resource("acl", describe_acl(renamed))
        if policy.withhold_write and allows_writing(acl):
            notes.skip(resource, "withheld: nobody shall write there yet (--withhold-write)")
            withheld[renamed] = None
            continue
        moved.append(Moved(here=acl, there=renamed))
        wanted[renamed] = None
        if renamed.resource_name != acl.resource_name:
            notes.intend(resource, "resourceName", acl.resource_name, renamed.resource_name, "--rename")
        if renamed.principal != acl.principal:
            notes.intend(resource, "principal", acl.principal, renamed.principal, "--map-principal")
        if renamed.host != acl.host:
            notes.intend(resource, "host", acl.host, renamed.host, "--map-host")
        elif acl.host != "*":
            notes.warn(resource, "it is for one host: if its clients get another address, use --map-host OLD=NEW")
        if (reason := prefixes.why_left(acl, renamed)) is not None:
            notes.warn(Resource("acl", describe_acl(acl)), reason)
    for refused in (*_refuse_wider(moved, source, policy, notes), *_refuse_joined(moved, whole, policy, notes)):
        wanted.pop(refused, None)
    return tuple(wanted), tuple(withheld)


def allows_writing(acl: Acl) -> bool:
    """Whether it allows to write to topics."""
    return (acl.permission, acl.resource_type) == ("ALLOW", "TOPIC") and acl.operation in ("WRITE", "ALL")


def _refuse_wider(moved: Sequence[Moved], source: Snapshot, policy: Policy, notes: Notes) -> Iterator[Acl]:
    """The rules, by their names on the destination, that would allow more there than on the source."""
    for resource_type, kind in (("TOPIC", "topic"), ("GROUP", "group")):
        if not any(rename.kind == kind for rename in policy.renames):
            continue  # every name stands for itself
        rules = [rule for rule in moved if rule.here.resource_type == resource_type]
        for each in wider(rules, _stands_for(resource_type, rules, source, policy)):
            if not notes.allow_wider(each.rule.there, _why_wider(each), policy.wider_rights):
                yield each.rule.there


def _refuse_joined(moved: Sequence[Moved], whole: Snapshot, policy: Policy, notes: Notes) -> Iterator[Acl]:
    """The rules that `--map-principal` would give to more than had them: several principals of the source may become
    one."""
    if not policy.principals:
        return
    rules = whole.acls or ()
    principals = {acl.principal for acl in rules} | {f"User:{user.name}" for user in whole.users or ()}
    joined: dict[str, list[str]] = {}
    for principal in sorted(principals):
        joined.setdefault(policy.principal(principal), []).append(principal)
    allows: dict[str, Rules[Acl]] = {}
    for resource_type in {acl.resource_type for acl in rules}:
        of_type = (acl for acl in rules if (acl.resource_type, acl.permission) == (resource_type, "ALLOW"))
        allows[resource_type] = Rules(of_type, lambda acl: acl)
    for rule in moved:
        here = rule.here
        if here.permission == "DENY" or here.principal == EVERYONE:
            continue
        for other in joined[rule.there.principal]:
            its = replace(here, principal=other)
            if not any(gives(each, its) for each in allows[here.resource_type].overlapping(its)):
                why = f"it would allow more than on the source: {other} becomes {rule.there.principal}, too, and "
                why += f"{describe_acl(here)} does not allow it to {other}"
                if not notes.allow_wider(rule.there, why, policy.wider_rights):
                    yield rule.there
                break


def _stands_for(resource_type: str, rules: Iterable[Moved], source: Snapshot, policy: Policy) -> dict[str, str]:
    """Name on the destination → name on the source: of what moves first, then of what only rules name."""
    if resource_type == "TOPIC":
        names = {there: name for name, there in destined(source, policy).items()}
    else:
        names = {}
        # As positions move: of two groups with the same name on the destination, the first.
        for group in sorted(source.groups or (), key=lambda group: (group.source != "broker", group.id)):
            if policy.selection.group(group.id):
                names.setdefault(policy.group_name(group.id), group.id)
    for rule in rules:
        if rule.here.pattern_type == "LITERAL" and rule.here.resource_name != "*":
            names.setdefault(rule.there.resource_name, rule.here.resource_name)
    return names


def _why_wider(found: Wider) -> str:
    here = describe_acl(found.rule.here)
    if found.deny is not None:
        return (
            f"it would allow more than on the source: there, {describe_acl(found.deny.here)} denies it on "
            f"{found.stands_for}, whose new name {found.name} {describe_acl(found.deny.there)} does not cover"
        )
    more = "deny" if found.rule.here.permission == "DENY" else "allow"
    return (
        f"it would {more} more than on the source: it covers {found.name}, the new name of {found.stands_for}, which "
        f"{here} does not cover"
    )


class _Prefixes:
    """Rules about prefixes, where the prefix and a name below it are renamed differently."""

    def __init__(self, source: Snapshot, policy: Policy) -> None:
        self._policy = policy
        topics, groups = (topic.name for topic in source.topics or ()), (group.id for group in source.groups or ())
        self._names = {"TOPIC": sorted(topics), "GROUP": sorted(groups)} if policy.renames else {}
        self._found: dict[tuple[str, str, str], str | None] = {}

    def why_left(self, acl: Acl, there: Acl) -> str | None:
        """A name that the rule covers on the source alone, in a sentence."""
        if acl.pattern_type != "PREFIXED" or acl.resource_type not in self._names:
            return None
        key = (acl.resource_type, acl.resource_name, there.resource_name)
        if key not in self._found:  # many rules are about one prefix
            self._found[key] = self._left(*key)
        return self._found[key]

    def _left(self, resource_type: str, prefix: str, prefix_there: str) -> str | None:
        kind: Renamed = "topic" if resource_type == "TOPIC" else "group"
        for name in beginning_with(prefix, self._names[resource_type]):
            there = self._policy.renamed(kind, name)
            if not there.startswith(prefix_there):
                return (
                    f"covers {name} on the source, but its prefix {prefix_there} on the destination does not cover "
                    f"{there}"
                )
        return None
