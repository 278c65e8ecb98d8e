"""Signs of what does not move by itself: what was found, and what it means for the migration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from kafka_meta.model import Group, Remark, Resource

_CONNECT_TOPIC = re.compile(r"(?:.*[-_.])?connect(?:-[^.]*)?[-_.](?:configs?|offsets?|status(?:es)?)", re.IGNORECASE)


def signs(
    topics: Iterable[str],
    groups: Sequence[Group],
    transactional_ids: Sequence[str],
    *,
    delegation_tokens: bool,
) -> list[Remark]:
    names = sorted(topics)
    found = [*_of_topics(names), *_of_groups(names, groups)]
    if transactional_ids:
        some = ", ".join(transactional_ids[:3]) + (", …" if len(transactional_ids) > 3 else "")
        reason = f"{len(transactional_ids)} known ({some}): their state does not move; stop them before the mirror"
        found.append(Remark(resource=Resource("transactional producers"), reason=reason))
    if delegation_tokens:
        reason = "the brokers can issue them: they do not move; clients must request new ones on the destination"
        found.append(Remark(resource=Resource("delegation tokens"), reason=reason))
    return found


def _of_topics(names: Sequence[str]) -> Iterable[Remark]:
    for name in names:
        if name == "_schemas":
            yield Remark(
                resource=Resource("topic", name), reason="a schema registry keeps its schemas here: copy all of it"
            )
        elif _CONNECT_TOPIC.fullmatch(name):
            reason = "it looks like the state of a Connect cluster: connectors do not move by themselves"
            yield Remark(resource=Resource("topic", name), reason=reason)


def _of_groups(names: Sequence[str], groups: Sequence[Group]) -> Iterable[Remark]:
    inner: Counter[str] = Counter()
    for name in names:
        if name.endswith(("-changelog", "-repartition")):
            # The group's id ends before a dash. It may have dashes itself.
            inner.update(name[: dash.start()] for dash in re.finditer("-", name))
    for group in groups:
        resource = Resource("group", group.id)
        if group.protocol == "connect":
            yield Remark(resource=resource, reason="it only coordinates Connect workers: it has no positions to move")
        elif group.protocol == "sr":
            yield Remark(resource=resource, reason="it only coordinates schema registries: it has no positions to move")
        elif group.type == "share":
            yield Remark(
                resource=resource, reason="share group: its positions are not committed offsets and do not move"
            )
        elif group.type == "streams" or group.id in inner:
            reason = f"Streams application: copy all of its {inner[group.id]} changelog and repartition topics"
            yield Remark(resource=resource, reason=reason)
