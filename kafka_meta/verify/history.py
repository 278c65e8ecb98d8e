"""Whether the source's logs still are the ones that were copied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from kafka_meta.events import Emit
from kafka_meta.journal import Place, Position
from kafka_meta.logs.history import Cut, Mark, Untold, cuts
from kafka_meta.model import Remark, Resource
from kafka_meta.plan import plural
from kafka_meta.wire import Wire
from kafka_meta.wire.partitions import Failure

_SHOWN = 3


def cut_back(source: Wire, positions: Iterable[Position], *, emit: Emit) -> dict[Place, Cut | Failure]:
    """The partitions whose log on the source was cut back since it was copied, and those of which this is not known.
    Only partitions of which something was copied are asked for."""
    copied = {each.begun.place: each for each in positions if each.source > each.begun.start}
    marks = {place: Mark(each.source, each.epoch) for place, each in copied.items() if each.epoch is not None}
    unmarked = Untold(reason="what was copied of the partition last has no leader's epoch", retriable=False)
    ids = {place: each.begun.source_topic_id for place, each in copied.items()}
    return {**dict.fromkeys(copied.keys() - marks.keys(), unmarked), **cuts(source, marks, ids, emit=emit)}


def unknown(found: Mapping[Place, Cut | Failure]) -> list[Remark]:
    """One remark for each reason why it is not known whether logs were cut back."""
    topics: dict[str, set[str]] = defaultdict(set)
    for (topic, _), told in found.items():
        if isinstance(told, Failure):
            topics[told.reason].add(topic)
    return [
        Remark(
            resource=Resource("source"),
            reason=f"nobody can tell whether the log of {_named(names)} is cut back after it was copied: {reason}",
        )
        for reason, names in sorted(topics.items())
    ]


def _named(topics: Collection[str]) -> str:
    if len(topics) <= _SHOWN:
        return f"topic{'s' * (len(topics) > 1)} {', '.join(sorted(topics))}"
    return plural(len(topics), "topic")
