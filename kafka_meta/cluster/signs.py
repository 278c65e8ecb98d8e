"""Traces of what does not move by itself: what was found, and what it means for the move."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kafka_meta.model import Group, Remark

_CONNECT_TOPIC = re.compile(r"(?:.*[-_.])?connect(?:-[^.]*)?[-_.](?:configs?|offsets?|status(?:es)?)", re.IGNORECASE)


def signs(
    topics: Iterable[str],
    groups: Sequence[Group],
    transactional_ids: Sequence[str],
    other_configs: Iterable[tuple[str, str]],
    *,
    delegation_tokens: bool,
) -> list[Remark]:
    """`other_configs` are kinds and names of resources that have configs and are neither topics nor brokers."""
    names = sorted(topics)
    found = [*_of_topics(names), *_of_groups(names, groups)]
    if transactional_ids:
        some = ", ".join(transactional_ids[:3]) + (", …" if len(transactional_ids) > 3 else "")
        reason = f"{len(transactional_ids)} known ({some}): their state stays; stop them before the data moves"
        found.append(Remark(resource="transactional producers", reason=reason))
    for kind, name in other_configs:
        found.append(Remark(resource=f"{kind} {name}", reason="has configs of its own: not moved"))
    if delegation_tokens:
        reason = "the brokers can issue some: not moved, clients have to ask for new ones"
        found.append(Remark(resource="delegation tokens", reason=reason))
    return found


def _of_topics(names: Sequence[str]) -> Iterable[Remark]:
    for name in names:
        if name == "_schemas":
            yield Remark(resource=f"topic {name}", reason="a schema registry keeps its schemas here: move it whole")
        elif _CONNECT_TOPIC.fullmatch(name):
            reason = "looks like the state of a Connect cluster: its connectors do not move by themselves"
            yield Remark(resource=f"topic {name}", reason=reason)


def _of_groups(names: Sequence[str], groups: Sequence[Group]) -> Iterable[Remark]:
    inner: dict[str, int] = {}
    for name in names:
        if name.endswith(("-changelog", "-repartition")):
            for group in groups:
                if name.startswith(f"{group.id}-"):
                    inner[group.id] = inner.get(group.id, 0) + 1
    for group in groups:
        resource = f"group {group.id}"
        if group.protocol == "connect":
            yield Remark(resource=resource, reason="coordinates Connect workers: it has no offsets to move")
        elif group.protocol == "sr":
            yield Remark(resource=resource, reason="coordinates schema registries: it has no offsets to move")
        elif group.type == "share":
            yield Remark(resource=resource, reason="a share group: its positions are not committed offsets and stay")
        elif group.type == "streams" or group.id in inner:
            reason = f"a Streams application: needs its {inner.get(group.id, 0)} changelog and repartition topics whole"
            yield Remark(resource=resource, reason=reason)
