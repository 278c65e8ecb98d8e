"""Topics with their partitions and overrides."""

from __future__ import annotations

from kafka_meta.model import Partition, Remark, Resource, Topic, internal_to
from kafka_meta.zookeeper import payloads
from kafka_meta.zookeeper.payloads import Assignment, PartitionState
from kafka_meta.zookeeper.reading import Reading


def topics(reading: Reading, *, states: bool) -> tuple[Topic, ...] | None:
    """The selected topics, ordered by name. Leaders and in-sync replicas only with `states`. None when the topics could
    not be listed.

    Internal topics (unless selected) and topics that are being deleted are left out and reported. A running
    reassignment is a sign.
    """
    names = reading.listed("/brokers/topics", Resource("topics"))
    if names is None:
        return None
    reading.unmatched += reading.selection.unmatched(topics=names)
    chosen = _chosen(reading, names)
    assignments = reading.values(
        {name: f"/brokers/topics/{name}" for name in chosen},
        lambda _, data: payloads.assignment(data),
        _resource,
        stage="topics",
    )
    known = {name: assignment for name, assignment in assignments.items() if assignment is not None}
    overridden = reading.listed("/config/topics", Resource("configs of topics"))
    configs = reading.values(
        {name: f"/config/topics/{name}" for name in overridden or () if name in known},
        lambda _, data: payloads.entity_config(data),
        _configs,
        stage="topic configs",
    )
    states_by_partition = _states(reading, known) if states else {}
    _note_reassignments(reading, known)
    return tuple(
        Topic(
            name=name,
            id=assignment.topic_id,
            internal=internal_to(name) is not None,
            partitions=tuple(
                _partition(number, replicas, states_by_partition.get((name, number)))
                for number, replicas in assignment.replicas.items()
            ),
            configs=None if overridden is None else configs.get(name, {}),
        )
        for name, assignment in known.items()
    )


def _chosen(reading: Reading, names: list[str]) -> list[str]:
    doomed = set(reading.listed("/admin/delete_topics", Resource("topics pending deletion")) or ())
    chosen = []
    for name in filter(reading.selection.topic, names):
        if name in doomed:
            reading.left_out.append(Remark(resource=_resource(name), reason="it is being deleted"))
        elif (owner := internal_to(name)) is not None and not reading.selection.include_internal:
            reading.left_out.append(Remark(resource=_resource(name), reason=f"internal to {owner}"))
        else:
            chosen.append(name)
    return chosen


def _states(reading: Reading, known: dict[str, Assignment]) -> dict[tuple[str, int], PartitionState | None]:
    paths = {
        (name, number): f"/brokers/topics/{name}/partitions/{number}/state"
        for name, assignment in known.items()
        for number in assignment.replicas
    }
    return reading.values(
        paths,
        lambda _, data: payloads.partition_state(data),
        lambda key: Resource.partition(*key),
        stage="partitions",
    )


def _partition(number: int, replicas: tuple[int, ...], state: PartitionState | None) -> Partition:
    if state is None:
        return Partition(partition=number, replicas=replicas)
    return Partition(partition=number, replicas=replicas, leader=state.leader, isr=state.isr)


def _note_reassignments(reading: Reading, known: dict[str, Assignment]) -> None:
    # Brokers before 2.4 keep a reassignment in this node, later ones in the node of each topic (KIP-455).
    named = reading.value("/admin/reassign_partitions", payloads.reassigned_topics, Resource("reassignments")) or ()
    for name, assignment in known.items():
        if assignment.moving:
            which = f"partitions {', '.join(map(str, assignment.moving))} are being reassigned"
        elif name in named:
            which = "partitions are being reassigned"
        else:
            continue
        reading.signs.append(Remark(resource=_resource(name), reason=f"{which}: its replicas will change"))


def _resource(name: str) -> Resource:
    return Resource("topic", name)


def _configs(name: str) -> Resource:
    return Resource("configs of topic", name)
