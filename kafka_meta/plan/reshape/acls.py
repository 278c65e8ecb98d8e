"""ACLs for the destination, under the names that topics, groups and hosts have there: none that would allow more than
on the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kafka_meta.model import Acl, Resource, Snapshot
from kafka_meta.plan.access import overlap
from kafka_meta.plan.actions import describe_acl
from kafka_meta.plan.notes import Notes
from kafka_meta.plan.policy import Policy
from kafka_meta.plan.reshape.topics import destined
from kafka_meta.plan.reshape.widening import Moved, Wider, wider
from kafka_meta.plan.scope import why_left_out


def reshape_acls(source: Snapshot, policy: Policy, notes: Notes) -> tuple[Acl, ...] | None:
    """The ACLs that move. Raises UsageError."""
    if source.cluster.security.authorizer == "":
        notes.skip(Resource("acls"), "the source has no authorizer, so it has no ACLs")
        return None
    if source.acls is None:
        notes.cannot_compare(Resource("acls"), "not in the file")
        return None
    allows = [acl for acl in source.acls if acl.permission == "ALLOW" and why_left_out(acl, policy.selection) is None]
    wanted: dict[Acl, None] = {}
    moved: list[Moved] = []
    for acl in source.acls:
        if (reason := why_left_out(acl, policy.selection)) is not None and not (
            # Without this DENY, a broader ALLOW that moves would allow what the source denies.
            acl.permission == "DENY" and any(overlap(acl, allow) for allow in allows)
        ):
            notes.skip(Resource("acl", describe_acl(acl)), reason)
            continue
        renamed = policy.acl(acl)
        moved.append(Moved(here=acl, there=renamed))
        wanted[renamed] = None
        resource = Resource("acl", describe_acl(renamed))
        if renamed.resource_name != acl.resource_name:
            notes.intend(resource, "resourceName", acl.resource_name, renamed.resource_name, "--rename")
        if renamed.host != acl.host:
            notes.intend(resource, "host", acl.host, renamed.host, "--map-host")
        elif acl.host != "*":
            notes.warn(resource, "it is for one host: if its clients get another address, use --map-host OLD=NEW")
        if acl.pattern_type == "PREFIXED" and policy.renames:
            _warn_of_prefix(acl, renamed.resource_name, source, policy, notes)
    for refused in _refuse_wider(moved, source, policy, notes):
        wanted.pop(refused, None)
    return tuple(wanted)


def _refuse_wider(moved: Sequence[Moved], source: Snapshot, policy: Policy, notes: Notes) -> Iterator[Acl]:
    """The rules, by their names on the destination, that would allow more there than on the source."""
    for resource_type, kind in (("TOPIC", "topic"), ("GROUP", "group")):
        if not any(rename.kind == kind for rename in policy.renames):
            continue  # every name stands for itself
        rules = [rule for rule in moved if rule.here.resource_type == resource_type]
        for each in wider(rules, _stands_for(resource_type, rules, source, policy)):
            words = describe_acl(each.rule.there)
            if words in policy.wider_rights:
                notes.warn(Resource("acl", words), f"--allow-wider-rights: {_why_wider(each)}")
            else:
                notes.refuse(Resource("acl", words), f"{_why_wider(each)}. To allow it, name it: --allow-wider-rights")
                yield each.rule.there


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


def _warn_of_prefix(acl: Acl, prefix: str, source: Snapshot, policy: Policy, notes: Notes) -> None:
    """Where the prefix and a name below it are renamed differently. `prefix` is the ACL's on the destination."""
    match acl.resource_type:
        case "TOPIC":
            names = [(topic.name, policy.renamed("topic", topic.name)) for topic in source.topics or ()]
        case "GROUP":
            names = [(group.id, policy.renamed("group", group.id)) for group in source.groups or ()]
        case _:
            return
    for name, there in names:
        if name.startswith(acl.resource_name) and not there.startswith(prefix):
            reason = f"covers {name} on the source, but its prefix {prefix} on the destination does not cover {there}"
            notes.warn(Resource("acl", describe_acl(acl)), reason)
            return
