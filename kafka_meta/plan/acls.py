"""Access rules: desired and actual → what is to be done, without widening rights or locking anyone out."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_meta.model import Acl, Security, Snapshot
from kafka_meta.plan.access import in_order, may_alter_cluster, overlap
from kafka_meta.plan.actions import CreateAcl, describe_acl
from kafka_meta.plan.draft import Draft, plural
from kafka_meta.plan.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who talks to the destination: a principal such as `User:alice`, and what the broker says it
    may do with the cluster resource. None: could not be told."""

    principal: str | None = None
    cluster_operations: frozenset[str] | None = None


def compare_acls(desired: Snapshot, actual: Snapshot, policy: Policy, operator: Operator, draft: Draft) -> None:
    if desired.cluster.security.authorizer == "":
        draft.skip("acls", "the source has no authorizer: it guards nothing")
        return
    if desired.acls is None:
        draft.cannot_compare("acls", "not in the file")
        return
    allows = [acl for acl in desired.acls if acl.permission == "ALLOW" and _why_left_out(acl, policy) is None]
    wanted: dict[Acl, None] = {}
    for acl in desired.acls:
        if (reason := _why_left_out(acl, policy)) is not None and not (
            # Without it, a broader ALLOW that moves would grant what the source denies.
            acl.permission == "DENY" and any(overlap(acl, allow) for allow in allows)
        ):
            draft.skip(f"acl {describe_acl(acl)}", reason)
            continue
        renamed = policy.acl(acl)
        wanted[renamed] = None
        resource = f"acl {describe_acl(renamed)}"
        if renamed.resource_name != acl.resource_name:
            draft.intend(resource, "resourceName", acl.resource_name, renamed.resource_name, "--rename")
        if renamed.host != acl.host:
            draft.intend(resource, "host", acl.host, renamed.host, "--map-host")
        elif acl.host != "*":
            draft.warn(resource, "holds for one host: will its clients come from there? (--map-host OLD=NEW)")
        if acl.pattern_type == "PREFIXED" and policy.renames:
            _warn_of_prefix(acl, renamed.resource_name, desired, policy, draft)
    if actual.cluster.security.authorizer == "":
        if wanted:
            draft.refuse("acls", f"the destination has no authorizer: {plural(len(wanted), 'rule')} cannot be created")
        return
    if actual.acls is None:
        draft.cannot_compare("acls", "the destination's access rules could not be read")
        return
    there = frozenset(actual.acls)
    draft.present.extend(f"acl {describe_acl(acl)}" for acl in wanted if acl in there)
    draft.equal["acls"] += len(wanted.keys() & there)
    for acl in sorted(there - wanted.keys()):
        if _why_left_out(acl, policy) is None:
            draft.only_there(f"acl {describe_acl(acl)}", acl.permission)
    if wanted:
        _warn_of_openness(desired.cluster.security, actual.cluster.security, draft)
        _warn_of_super_users(desired.cluster.security, actual.cluster.security, draft)
    new = in_order(wanted.keys() - there)
    draft.acls.extend(CreateAcl(acl=acl) for acl in _without_lockout(new, actual, operator, draft))


def _why_left_out(acl: Acl, policy: Policy) -> str | None:
    if acl.pattern_type != "LITERAL" or acl.resource_name == "*":
        return None
    if acl.resource_type == "TOPIC" and not policy.selection.topic(acl.resource_name):
        return "about a topic that is not selected"
    if acl.resource_type == "GROUP" and not policy.selection.group(acl.resource_name):
        return "about a group that is not selected"
    return None


def _warn_of_prefix(acl: Acl, prefix: str, desired: Snapshot, policy: Policy, draft: Draft) -> None:
    """`prefix` is what the rule is about on the destination."""
    match acl.resource_type:
        case "TOPIC":
            names = [(topic.name, policy.renamed("topic", topic.name)) for topic in desired.topics or ()]
        case "GROUP":
            names = [(group.id, policy.renamed("group", group.id)) for group in desired.groups or ()]
        case _:
            return
    for name, there in names:
        if name.startswith(acl.resource_name) and not there.startswith(prefix):
            reason = f"covers {name} on the source; on the destination it is about {prefix}… and does not cover {there}"
            draft.warn(f"acl {describe_acl(acl)}", reason)
            return


def _warn_of_openness(source: Security, dest: Security, draft: Draft) -> None:
    name = "allow.everyone.if.no.acl.found"
    here, there = source.allow_everyone_if_no_acl_found, dest.allow_everyone_if_no_acl_found
    if there is False and here is None:
        return  # whatever it is on the source, nothing widens
    if here is None or there is None:
        side = "either side" if here is there else "the source" if here is None else "the destination"
        draft.warn(name, f"could not be read on {side}: if it is true only on the destination, rights widen")
    elif there and not here:
        draft.warn(name, "is true on the destination, false on the source: what has no rule is open to everyone there")
    elif here and not there:
        draft.warn(name, "is true on the source, false on the destination: what has no rule is closed there")


def _warn_of_super_users(source: Security, dest: Security, draft: Draft) -> None:
    """Nobody moves them: they are in the brokers' own files."""
    if source.super_users is None or dest.super_users is None:
        sides = [name for name, side in (("source", source), ("destination", dest)) if side.super_users is None]
        reason = f"hidden by the brokers of the {' and the '.join(sides)}: compare their server.properties by hand"
        draft.warn("super.users", reason)
        return
    for user in sorted({*source.super_users} - {*dest.super_users}):
        draft.warn("super.users", f"{user} is one on the source only: on the destination only rules give it rights")
    for user in sorted({*dest.super_users} - {*source.super_users}):
        draft.warn("super.users", f"{user} is one on the destination only: it may do everything there")


def _without_lockout(new: list[Acl], actual: Snapshot, operator: Operator, draft: Draft) -> list[Acl]:
    """The rules that can be created without ending the operator's own right to manage the cluster."""
    about_cluster = [acl for acl in new if acl.resource_type == "CLUSTER"]
    if not about_cluster or is_super_user(operator, actual):
        return new
    rules = plural(len(about_cluster), "rule") + " about the cluster"
    if operator.principal is None:
        draft.warn("acls", f"could not tell who you are on the destination: the {rules} may end your rights there")
        return new
    security = actual.cluster.security
    open_to_all = bool(security.allow_everyone_if_no_acl_found)
    denied = (*(actual.acls or ()), *(acl for acl in new if acl.permission == "DENY"))
    # In between, too: the ALLOW rules are created when the DENY rules count already.
    if all(
        may_alter_cluster(operator.principal, acls, without_rules=open_to_all) for acls in (denied, (*denied, *new))
    ):
        return new
    if security.super_users is None and security.allow_everyone_if_no_acl_found is not False:
        draft.warn(
            "acls",
            f"the {rules} end the right of {operator.principal} to manage the destination, unless it is a super user",
        )
        return new
    for acl in about_cluster:
        draft.refuse(
            f"acl {describe_acl(acl)}",
            f"would end the right of {operator.principal}, who is importing, to manage the destination: "
            "give it ALTER on the cluster there, or make it a super user",
        )
    return [acl for acl in new if acl.resource_type != "CLUSTER"]


def is_super_user(operator: Operator, actual: Snapshot) -> bool:
    security = actual.cluster.security
    if operator.principal is None:
        return False
    if operator.principal in (security.super_users or ()):
        return True
    # Brokers hide super.users. But whoever may alter a cluster whose rules do not say so is one.
    return (
        security.allow_everyone_if_no_acl_found is False
        and operator.cluster_operations is not None
        and bool(operator.cluster_operations & {"ALTER", "ALL"})
        and not may_alter_cluster(operator.principal, actual.acls or (), without_rules=False)
    )
