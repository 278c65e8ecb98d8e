"""ACLs: desired and actual → the ACLs to create, without locking the operator out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kafka_meta.model import Acl, Resource, Security, Snapshot
from kafka_meta.plan.access import as_tuple, in_order, includes, may_alter_cluster
from kafka_meta.plan.actions import CreateAcl, describe_acl
from kafka_meta.plan.desired import Desired
from kafka_meta.plan.draft import Draft, names_there, plural
from kafka_meta.plan.pattern import Pattern
from kafka_meta.plan.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who imports: the principal on the destination, such as `User:alice`, and the operations on the cluster resource
    that the broker allows it. None where it is not known."""

    principal: str | None = None
    cluster_operations: frozenset[str] | None = None


def compare_acls(desired: Desired, actual: Snapshot, operator: Operator, draft: Draft) -> None:
    """Adds the ACLs to create, and all remarks about ACLs, to the draft."""
    security = actual.cluster.security
    if security.authorizer == "" or desired.security.authorizer == "":
        _compare_authorizers(desired.security, security, draft)
        if desired.acls:
            draft.refuse(
                Resource("acls"),
                f"the destination has no authorizer: {plural(len(desired.acls), 'ACL')} cannot be created",
            )
        return
    if desired.acls is None:
        return
    if actual.acls is None:
        draft.cannot_compare(Resource("acls"), "the destination's ACLs could not be read")
        return
    wanted, there = dict.fromkeys(desired.acls), frozenset(actual.acls)
    for acl in wanted:
        draft.differs_as_intended(Resource("acl", describe_acl(acl)))
    draft.present.extend(Resource("acl", describe_acl(acl)) for acl in wanted if acl in there)
    draft.equal["acls"] += len(wanted.keys() & there)
    names = {kind: sorted(own) for kind, own in desired.names.items() if own is not None}
    for acl in sorted(there - wanted.keys() - desired.other_rules):
        # Under a selection, a rule that only the destination has is extra where it covers what is selected.
        if not desired.selection.narrows or Pattern.of(acl).among(names.get(acl.resource_type, [])):
            draft.only_there(Resource("acl", describe_acl(acl)), acl.permission)
    if desired.withheld and security.allow_everyone_if_no_acl_found is not False:
        draft.warn(Resource("acls"), _OPEN_WHILE_WITHHELD)
    _compare_openness(desired.security, security, draft)
    _compare_super_users(desired.security, security, draft)
    wider = frozenset(_wider_there(wanted.keys() - there, desired, actual, draft))
    new = in_order(wanted.keys() - there - wider)
    draft.acls.extend(CreateAcl(acl=acl) for acl in _without_lockout(new, actual, operator, draft))


_OPEN_WHILE_WITHHELD = (
    "resources without an ACL are, or may be, open to everyone on the destination (allow.everyone.if.no.acl.found): to "
    "withhold an ACL does not close them"
)


def _wider_there(new: Iterable[Acl], desired: Desired, actual: Snapshot, draft: Draft) -> Iterator[Acl]:
    """The rules that would allow more than on the source: they cover what only the destination has, and others use."""
    allows = [acl for acl in actual.acls or () if acl.permission == "ALLOW"]
    there = {kind: Rules((acl for acl in allows if acl.resource_type == kind), lambda acl: acl) for kind in _OTHERS}
    foreign = {kind: _foreign(kind, desired, actual) for kind in _OTHERS}
    for acl in sorted(new, key=as_tuple):
        if acl.permission == "DENY" or acl.resource_type not in foreign:
            continue
        pattern, (names, unseen) = Pattern.of(acl), foreign[acl.resource_type]
        covered = (name for name in pattern.among(names) if not _is_allowed(acl, name, there[acl.resource_type]))
        if (name := next(covered, None)) is not None:
            why = f"it would allow more than on the source: it covers {name}, which only the destination has"
        elif unseen is not None and pattern.is_many:
            why = f"it may allow more than on the source: it covers more than one name, and {unseen}"
        else:
            continue
        if not draft.allow_wider(acl, why, desired.wider_rights):
            yield acl


_OTHERS = {"TOPIC": "topic", "GROUP": "group"}


def _is_allowed(acl: Acl, name: str, rules: Rules[Acl]) -> bool:
    return any(includes(each, acl) for each in rules.covering(name))


def _foreign(resource_type: str, desired: Desired, actual: Snapshot) -> tuple[list[str], str | None]:
    """The names that only the destination has, in order; and why there may be more of them."""
    kind = _OTHERS[resource_type]
    own = desired.names[resource_type]
    if own is None:
        return [], f"the source's {kind}s are not known"
    section = actual.topics if kind == "topic" else actual.groups
    gaps = {"topics", "topic", "cluster"} if kind == "topic" else {"groups", "cluster"}
    unseen = None
    if section is None or any(gap.resource.kind in gaps for gap in actual.gaps):
        unseen = f"the destination's {kind}s could not all be read"
    others = names_there(actual) - desired.left_behind - {Resource(kind, name) for name in own}
    return sorted(each.name or "" for each in others if each.kind == kind), unseen


_CLUSTER = Resource("cluster")


def _compare_authorizers(source: Security, dest: Security, draft: Draft) -> None:
    """Where one side alone has an authorizer, the other is open to everyone."""
    here, there = source.authorizer, dest.authorizer
    if None not in (here, there) and bool(here) != bool(there):
        reason = "the side without one is open to everyone"
        draft.drifts(_CLUSTER, "authorizer.class.name", here or "none", there or "none", reason)


def _compare_openness(source: Security, dest: Security, draft: Draft) -> None:
    name = "allow.everyone.if.no.acl.found"
    here, there = source.allow_everyone_if_no_acl_found, dest.allow_everyone_if_no_acl_found
    if there is False and here is None:
        return  # false on the destination: no right can become wider
    if here is None or there is None:
        side = "both sides" if here is there else "the source" if here is None else "the destination"
        reason = f"could not be read on {side}: if it is true only on the destination, rights are wider there"
        draft.warn(Resource(name), reason)
    elif here != there:
        reason = f"resources without an ACL are {'open' if there else 'closed'} on the destination"
        draft.drifts(_CLUSTER, name, str(here).lower(), str(there).lower(), reason)


def _compare_super_users(source: Security, dest: Security, draft: Draft) -> None:
    """Super users do not move: they are set in the brokers' own files."""
    if source.super_users is None or dest.super_users is None:
        sides = [name for name, side in (("source", source), ("destination", dest)) if side.super_users is None]
        reason = f"hidden by the brokers of the {' and the '.join(sides)}: compare their server.properties by hand"
        draft.warn(Resource("super.users"), reason)
        return
    here, there = set(source.super_users), set(dest.super_users)
    reasons = [f"{user} needs ACLs on the destination" for user in sorted(here - there)]
    reasons += [f"{user} may do everything on the destination" for user in sorted(there - here)]
    if reasons:
        wanted, found = (";".join(sorted(users)) or "none" for users in (here, there))
        draft.drifts(_CLUSTER, "super.users", wanted, found, "; ".join(reasons))


def _without_lockout(new: list[Acl], actual: Snapshot, operator: Operator, draft: Draft) -> list[Acl]:
    """The ACLs that can be created without ending the operator's own right to manage the cluster."""
    about_cluster = [acl for acl in new if acl.resource_type == "CLUSTER"]
    if not about_cluster or is_super_user(operator, actual):
        return new
    rules = plural(len(about_cluster), "ACL") + " about the cluster"
    if operator.principal is None:
        draft.warn(
            Resource("acls"), f"your principal on the destination is not known: {rules} may end your rights there"
        )
        return new
    security = actual.cluster.security
    open_to_all = bool(security.allow_everyone_if_no_acl_found)
    denied = (*(actual.acls or ()), *(acl for acl in new if acl.permission == "DENY"))
    # Checked in between as well: while the ALLOW ACLs are created, the DENY ACLs are already in force.
    if all(
        may_alter_cluster(operator.principal, acls, without_rules=open_to_all) for acls in (denied, (*denied, *new))
    ):
        return new
    if security.super_users is None and security.allow_everyone_if_no_acl_found is not False:
        draft.warn(
            Resource("acls"),
            f"{rules} may end the right of {operator.principal} to manage the destination: make it a super user first",
        )
        return new
    for acl in about_cluster:
        draft.refuse(
            Resource("acl", describe_acl(acl)),
            f"would end the right of {operator.principal}, as which you import, to manage the destination: "
            "allow it ALTER on the cluster there, or make it a super user",
        )
    return [acl for acl in new if acl.resource_type != "CLUSTER"]


def may_go_first(operator: Operator, actual: Snapshot, new: Iterable[Acl]) -> bool:
    """Whether these ACLs certainly take no right from the operator, who creates topics and positions after them."""
    if is_super_user(operator, actual):
        return True
    # Where a resource without an ACL is open to everyone, its first ALLOW closes it.
    denied = {acl.principal for acl in new if acl.permission == "DENY"}
    closed = actual.cluster.security.allow_everyone_if_no_acl_found is False
    return closed and operator.principal is not None and denied.isdisjoint((operator.principal, "User:*"))


def is_super_user(operator: Operator, actual: Snapshot) -> bool:
    """Whether the operator is certainly a super user of the destination. False also where it is not known."""
    security = actual.cluster.security
    if operator.principal is None:
        return False
    if operator.principal in (security.super_users or ()):
        return True
    # Brokers hide super.users. But a principal that may alter the cluster without an ACL for it is a super user.
    return (
        security.allow_everyone_if_no_acl_found is False
        and operator.cluster_operations is not None
        and bool(operator.cluster_operations & {"ALTER", "ALL"})
        and not may_alter_cluster(operator.principal, actual.acls or (), without_rules=False)
    )
