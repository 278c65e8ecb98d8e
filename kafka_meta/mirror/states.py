"""In which state each followed topic is, since when, and why: kept in the journal, for whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka_meta.journal import FollowedTopic, Journal, Place, Position, TopicState
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.partitions import Lag

_EVERY_S = 2.0
_NEAR_S = 10.0
_FAR_S = 60.0
"""A topic that is catching up follows when it is less than ten seconds behind, and the other way round after a minute:
else a busy one would go from one state to the other all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A topic, over its partitions."""

    offsets: int = 0
    seconds: float = 0.0


NOT_BEHIND = Behind()


def behind(lags: Mapping[Place, Lag]) -> dict[str, Behind]:
    """Topic → how far it is behind; without those that are not."""
    found: dict[str, Behind] = {}
    for (topic, _), lag in lags.items():
        before = found.get(topic, NOT_BEHIND)
        found[topic] = Behind(offsets=before.offsets + lag.offsets, seconds=max(before.seconds, lag.seconds))
    return found


def decide(before: TopicState | None, lag: Behind, *, seen_for_s: float) -> TopicState:
    """The state of a topic that goes on. `seen_for_s`: for how long its lag is known. The lag of a topic that has just
    been begun is a moment old, however much there is to copy."""
    if not lag.offsets:
        return "following"
    if before == "following":
        return "catching-up" if lag.seconds > _FAR_S else "following"
    return "following" if lag.seconds < _NEAR_S < seen_for_s else "catching-up"


def _not_followed(positions: Iterable[Position]) -> dict[str, TopicState]:
    """What a topic of the journal is when this run does not follow it."""
    found: dict[str, TopicState] = {}
    for each in positions:
        topic = each.begun.topic
        if found.get(topic) != "not-selected":
            found[topic] = "released" if each.given_back else "not-selected"
    return found


class States:
    """Use it from the thread that has the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known = journal.topics()
        self._in_journal = _not_followed(journal.positions())
        self._seen_at: dict[str, float] = {}
        self._at = 0.0

    def look(self, follow: Follow) -> None:
        """Keeps what has changed since the last look, every two seconds."""
        now = time.monotonic()
        if follow.lags is None or now - self._at < _EVERY_S:
            return
        self._at = now
        far = behind(follow.lags)
        aside = dict(follow.aside)
        failed: dict[str, Place] = {place[0]: place for place in follow.failed}
        changed: list[FollowedTopic] = []
        now_there = {topic for topic, _ in follow.places} | aside.keys() | failed.keys() | follow.detached
        for topic in now_there | self._in_journal.keys():
            before = self._known.get(topic)
            reason: str | None = None
            state: TopicState
            if topic in follow.detached:
                state = "detached"
            elif topic in aside:
                state, reason = aside[topic]
            elif topic in failed:
                state, reason = "stopped", self._why(failed[topic])
            elif topic not in now_there:
                state = self._in_journal[topic]
            else:
                seen_for_s = now - self._seen_at.setdefault(topic, now)
                old = None if before is None else before.state
                state = decide(old, far.get(topic, NOT_BEHIND), seen_for_s=seen_for_s)
            if before is None or (before.state, before.reason) != (state, reason):
                since_ms = round(time.time() * 1000)
                if before is not None and before.state == state:
                    since_ms = before.since_ms
                changed.append(FollowedTopic(topic=topic, state=state, reason=reason, since_ms=since_ms))
        gone = self._known.keys() - now_there - self._in_journal.keys()
        if changed or gone:
            self._journal.keep_topics(changed, gone=gone)
            self._known = {topic: each for topic, each in self._known.items() if topic not in gone}
            self._known |= {each.topic: each for each in changed}

    def _why(self, place: Place) -> str | None:
        failure = self._journal.position(place).failure
        return None if failure is None else f"partition {place[1]}: {failure}"
