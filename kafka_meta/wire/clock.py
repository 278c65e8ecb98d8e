"""What time it is for the brokers. No request asks for it, but some answers contain it."""

from __future__ import annotations

import time

from kafka.protocol.admin import DescribeQuorumRequest

from kafka_meta.quantities import duration
from kafka_meta.wire.connection import Unanswered, Wire
from kafka_meta.wire.partitions import Leader, leaders, youngest_records

TOLERATED_MS = 60_000
"""A clock without NTP is some seconds wrong, and nothing that is counted by it has to be exact to the minute."""

_TIMES_FROM = 1
_QUORUM = "__cluster_metadata"
_POSITIONS = "__consumer_offsets"


def clock_ahead_ms(wire: Wire) -> int | None:
    """By how many milliseconds the brokers' clock is ahead of this machine's; negative where it is behind. None: the
    brokers do not tell.

    The leader of a KRaft quorum says when it itself was last up to date, and that is now (KIP-836, since 3.3; needs
    DESCRIBE on the cluster). Other brokers show that their clock is ahead, but not that it is behind: by the time of
    the last record that they have written into the topic of groups' positions (since 3.0).
    """
    ahead_ms = _of_quorum(wire)
    if ahead_ms is not None:
        return ahead_ms
    try:
        led = leaders(wire, [_POSITIONS])
    except Unanswered:
        return None
    known = {place: leader for place, leader in led.items() if isinstance(leader, Leader)}
    newest_ms = max(youngest_records(wire, known).values(), default=0)
    ahead_ms = newest_ms - round(time.time() * 1000)
    return ahead_ms if ahead_ms > 0 else None


def in_words(ahead_ms: int, whose: str) -> str:
    """What to say of this machine's clock where the brokers' clock is so far ahead of it. `whose`: "the source"."""
    where = "behind" if ahead_ms > 0 else "ahead of"
    return f"its clock is {duration(abs(ahead_ms) / 1000)} {where} the clock of {whose}, which is used here: set it"


def _of_quorum(wire: Wire) -> int | None:
    if not wire.speaks(DescribeQuorumRequest, _TIMES_FROM):
        return None
    topic = DescribeQuorumRequest.TopicData
    partition = topic.PartitionData(partition_index=0)
    before = time.time()
    try:
        answer = wire.ask(DescribeQuorumRequest(topics=[topic(topic_name=_QUORUM, partitions=[partition])]))
    except Unanswered:
        return None
    now_ms = round((before + time.time()) / 2 * 1000)
    for told_topic in answer.topics:
        for told in told_topic.partitions:
            for voter in told.current_voters:
                if voter.replica_id == told.leader_id and voter.last_caught_up_timestamp > 0:
                    return int(voter.last_caught_up_timestamp) - now_ms
    return None
