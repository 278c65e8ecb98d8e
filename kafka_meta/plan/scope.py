"""What is compared: the sections that were asked for, and of them what a selection of topics and groups leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from kafka_meta.model import Resource, Security, Selection
from kafka_meta.plan.policy import SECTIONS, Section

_COMPARED: Mapping[Section, frozenset[str]] = {
    "topics": frozenset({"topics", "topic", "configs of topics", "configs of topic", "cluster"}),
    "groups": frozenset({"groups", "group", "positions of group", "cluster"}),
    "acls": frozenset({"acls"}),
    "users": frozenset({"users", "user"}),
    "quotas": frozenset({"quotas", "quota"}),
    "other-configs": frozenset({"other configs", "configs of group", "client metrics", "configs of all brokers"}),
}
"""The kinds of resources that are compared with each section. Without the right to see the cluster, brokers leave out
topics and groups."""


_NEEDED: Mapping[Section, frozenset[Section]] = {
    "topics": frozenset({"topics"}),
    "groups": frozenset({"topics", "groups"}),
    # A rule may cover topics and groups that only the destination has.
    "acls": frozenset({"topics", "groups", "acls"}),
    "users": frozenset({"users"}),
    "quotas": frozenset({"quotas"}),
    "other-configs": frozenset({"other-configs"}),
}


def needed(sections: Set[Section]) -> frozenset[Section]:
    """What must be read of a destination to compare these sections."""
    return frozenset[Section]().union(*(_NEEDED[section] for section in sections))


def without(unread: Iterable[Resource], sections: Set[Section]) -> tuple[Section, ...]:
    """The sections that are left to compare when the whole sections that could not be read are left out."""
    kinds = {resource.kind for resource in unread if resource.name is None}
    left_out = {section for section in sections if kinds & _COMPARED[section]}
    return tuple(section for section in SECTIONS if section in sections and section not in left_out)


def is_about(resource: Resource, sections: Set[Section], security: Security) -> bool:
    """Whether these sections compare the resource of a cluster with this security. Without an authorizer it has no
    ACLs."""
    guarded = security.authorizer != "" or resource.kind != "acls"
    return guarded and any(resource.kind in _COMPARED[section] for section in sections)


def is_selected(resource: Resource, selection: Selection) -> bool:
    """Whether the resource is selected. A whole section is."""
    name = resource.name
    if name is None:
        return True
    if resource.kind == "user":
        return selection.principal(f"User:{name}")
    return selection.topic(name) if resource.kind in _COMPARED["topics"] else selection.group(name)
