"""`Prepare to migrate`: what will be copied, and what will be left behind. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from kafka_meta import cluster, wire, zookeeper
from kafka_meta.errors import UsageError
from kafka_meta.events import Emit
from kafka_meta.export import merge
from kafka_meta.model import Partition, Remark, Resource, Selection, Snapshot, Topic
from kafka_meta.ranges import UncommittedPolicy, Unconsumed, unconsumed
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Place, Unanswered
from kafka_meta.wire.configs import effective
from kafka_meta.wire.transactions import Holder, holders, stable_offsets

_SECTIONS = frozenset({"topics", "groups"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """Records behind the partition's last stable offset `stable` wait until this transaction ends."""

    topic: str
    partition: int
    stable: int
    high_watermark: int
    holder: Holder | None
    """None where the brokers do not return it (before 2.8)."""

    @property
    def producer(self) -> str:
        """The producer of the transaction, in words."""
        if self.holder is None:
            return "a producer that the brokers do not report"
        id = self.holder.transactional_id
        return f"producer {self.holder.producer_id}{f' (transactional id {id})' if id else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    source: Snapshot
    """A partition's `end_offset` is its last stable offset."""
    unconsumed: Unconsumed
    uncommitted: UncommittedPolicy = "earliest"
    open_transactions: tuple[OpenTransaction, ...] = ()

    @property
    def topics(self) -> Mapping[str, Topic]:
        return {topic.name: topic for topic in self.source.topics or ()}


def prepare(
    source: ClusterSettings,
    *,
    selection: Selection,
    uncommitted: UncommittedPolicy,
    all_data: bool,
    unread_only: bool = False,
    left_out: Collection[str] = (),
    emit: Emit,
    taken_at_ms: int,
) -> Preparation:
    """What the selected groups have not read of the selected topics. Compacted topics are complete unless
    `unread_only`. Committed offsets are read before the ends of the logs. `left_out`: topics by `task change`.

    Raises UsageError without brokers, KafkaMetaError when the source cannot be reached.
    """
    snapshot = _without(read_source(source, selection, emit=emit, taken_at_ms=taken_at_ms), left_out)
    stable, open_transactions = _stable(source, snapshot)
    compacted, unknown = _compacted(source, stable)
    unread = unconsumed(
        stable,
        selection=selection,
        uncommitted=uncommitted,
        all_data=all_data,
        whole=() if unread_only else compacted,
        high_watermarks=_ends(snapshot),
    )
    copied = {(each.topic, each.partition) for each in unread.ranges}
    return Preparation(
        source=replace(stable, gaps=(*stable.gaps, *unknown)),
        unconsumed=unread,
        uncommitted=uncommitted,
        open_transactions=tuple(each for each in open_transactions if (each.topic, each.partition) in copied),
    )


def _without(snapshot: Snapshot, topics: Collection[str]) -> Snapshot:
    """Without these topics, and what could not be read of them."""
    if not topics:
        return snapshot
    return replace(
        snapshot,
        topics=None if snapshot.topics is None else tuple(each for each in snapshot.topics if each.name not in topics),
        gaps=tuple(gap for gap in snapshot.gaps if "topic" not in gap.resource.kind or gap.resource.name not in topics),
    )


def _compacted(source: ClusterSettings, snapshot: Snapshot) -> tuple[frozenset[str], tuple[Remark, ...]]:
    """The topics whose effective cleanup.policy compacts, and a remark for those whose policy is not known."""
    found: set[str] = set()
    unknown: list[Remark] = []
    overrides = {topic.name: (topic.configs or {}).get("cleanup.policy") for topic in snapshot.topics or ()}
    with wire.connect(source) as connection:
        for topic, told in effective(connection, sorted(overrides), ("cleanup.policy",)):
            policy = overrides[topic] if isinstance(told, Unanswered) else told.get("cleanup.policy")
            if policy is None and isinstance(told, Unanswered):
                reason = f"whether it is compacted could not be read ({told.reason}): only unread records are copied"
                unknown.append(Remark(resource=Resource("topic", topic), reason=reason))
            elif "compact" in (policy or ""):
                found.add(topic)
    return frozenset(found), tuple(unknown)


def require_brokers(source: ClusterSettings) -> None:
    """Raises UsageError."""
    if not source.bootstrap_servers:
        raise UsageError(
            "no broker of the source is given: the mirror reads records from brokers",
            "Use --source-bootstrap-servers HOST:PORT.",
        )


def read_source(source: ClusterSettings, selection: Selection, *, emit: Emit, taken_at_ms: int) -> Snapshot:
    """Topics and groups of the source. With ZooKeeper's address, offsets of old consumers are read as well."""
    require_brokers(source)
    in_brokers = cluster.read(source, selection, emit=emit, taken_at_ms=taken_at_ms, sections=_SECTIONS)
    if source.zookeeper is None:
        return in_brokers
    in_zookeeper = zookeeper.read(source.zookeeper, selection, emit=emit, states=False, taken_at_ms=taken_at_ms)
    return merge(in_zookeeper, in_brokers)


def _stable(source: ClusterSettings, snapshot: Snapshot) -> tuple[Snapshot, list[OpenTransaction]]:
    """The snapshot with last stable offsets as ends, and the transactions that hold them back."""
    leaders = {
        (topic.name, partition.partition): partition.leader
        for topic in snapshot.topics or ()
        for partition in topic.partitions
        if partition.leader is not None and partition.end_offset is not None
    }
    with wire.connect(source) as connection:
        stable, failed = stable_offsets(connection, leaders)
        held = {
            place: end
            for place, end in _ends(snapshot).items()
            if (told := stable.get(place)) is not None and told < end
        }
        producers = holders(connection, {place: leaders[place] for place in held})
    topics = tuple(
        replace(topic, partitions=tuple(_with_end(topic.name, partition, stable) for partition in topic.partitions))
        for topic in snapshot.topics or ()
    )
    gaps = tuple(
        Remark(resource=Resource("topic", topic), reason=f"last stable offset of partition {partition}: {reason}")
        for (topic, partition), reason in failed.items()
    )
    found = [
        OpenTransaction(
            topic=place[0],
            partition=place[1],
            stable=stable[place],
            high_watermark=end,
            holder=producers.get(place),
        )
        for place, end in held.items()
    ]
    return replace(snapshot, topics=None if snapshot.topics is None else topics, gaps=(*snapshot.gaps, *gaps)), found


def _ends(snapshot: Snapshot) -> dict[Place, int]:
    return {
        (topic.name, partition.partition): partition.end_offset
        for topic in snapshot.topics or ()
        for partition in topic.partitions
        if partition.end_offset is not None
    }


def _with_end(topic: str, partition: Partition, stable: Mapping[Place, int]) -> Partition:
    return replace(partition, end_offset=stable.get((topic, partition.partition)))
