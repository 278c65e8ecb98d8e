"""What is compared: the sections that were asked for, and of them what a selection of topics and groups leaves."""

from __future__ import annotations

from collections.abc import Mapping, Set

from kafka_meta.model import Acl, Resource, Security, Selection
from kafka_meta.plan.policy import Section

_COMPARED: Mapping[Section, frozenset[str]] = {
    "topics": frozenset({"topics", "topic", "configs of topics", "configs of topic", "cluster"}),
    "groups": frozenset({"groups", "group", "positions of group", "cluster"}),
    "acls": frozenset({"acls"}),
    "users": frozenset({"users", "user"}),
    "quotas": frozenset({"quotas", "quota"}),
}
"""The kinds of resources that are compared with each section. Without the right to see the cluster, brokers leave out
topics and groups."""


def is_about(resource: Resource, sections: Set[Section], security: Security) -> bool:
    """Whether these sections compare the resource of a cluster with this security. Without an authorizer it has no
    ACLs."""
    guarded = security.authorizer != "" or resource.kind != "acls"
    return guarded and any(resource.kind in _COMPARED[section] for section in sections)


def is_selected(resource: Resource, selection: Selection) -> bool:
    """Whether the resource is selected. A whole section is, and so is every user."""
    name = resource.name
    if name is None or resource.kind == "user":
        return True
    return selection.topic(name) if resource.kind in _COMPARED["topics"] else selection.group(name)


def why_left_out(acl: Acl, selection: Selection) -> str | None:
    """None for an ACL that counts under this selection."""
    if acl.pattern_type != "LITERAL" or acl.resource_name == "*":
        return None
    if acl.resource_type == "TOPIC" and not selection.topic(acl.resource_name):
        return "its topic is not selected"
    if acl.resource_type == "GROUP" and not selection.group(acl.resource_name):
        return "its group is not selected"
    return None
