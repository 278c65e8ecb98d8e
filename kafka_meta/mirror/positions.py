"""Positions of groups that are followed: each group stands on the destination where it stands on the source.

    read both sides ──▶ decide ──▶ journal: intended ──▶ OffsetCommit ──▶ journal: committed

A group whose consumers read on the destination, or whose position there somebody else has set, has moved. Its positions
are left alone from then on. Our own commit is recognised by the journal, which has its intent before it is sent.

A consumer that joins, commits exactly the position that we have set, and leaves between two rounds is not noticed. Nor
does that matter: the position is the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial

from kafka_meta import wire
from kafka_meta.cluster import GroupWatch
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.events import Emit, Happened
from kafka_meta.journal import NOT_WRITTEN, Followed, GroupOffset, GroupState, Journal, Place, Position
from kafka_meta.mirror.following import Follow
from kafka_meta.mirror.groups import SET_TO_START, ours_by_place
from kafka_meta.mirror.lease import Lease
from kafka_meta.mirror.notices import Notices
from kafka_meta.model import EVERYTHING, CommittedOffset, Group, Remark, Resource
from kafka_meta.plan import Policy
from kafka_meta.plan.compare.groups import liveness
from kafka_meta.plan.policy import COMMIT_METADATA_PREFIX
from kafka_meta.ranges import UncommittedPolicy
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import EARLIEST, LATEST, Unanswered, Wire
from kafka_meta.wire.configs import broker_configs
from kafka_meta.wire.partitions import Leader, led, listed_offsets

EVERY_S = 5.0
_RENEWALS = 4
"""In the time for which the destination keeps the positions of a group without members."""
_GROUPS_AT_ONCE = 20
_NEVER_S = 365 * 86400.0
_UNKNOWN_S = 86400.0
"""Where the destination does not tell how long it keeps positions."""
_IN_STEP: frozenset[GroupState] = frozenset({"synced", "ahead"})
_STAYS: frozenset[GroupState] = frozenset({"moved", "both-sides"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A group on one side: its positions by source topic and partition, and why it counts as alive. `unknown`: why its
    positions are not known."""

    offsets: Mapping[Place, CommittedOffset]
    alive: str | None = None
    unknown: str | None = None


NOWHERE = Side(offsets={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is known of the copy of a partition. `earliest` and `latest` are those of the source's log, where they
    matter; None: not known."""

    position: Position
    rank: Callable[[int], int | None]
    earliest: int | None = None
    latest: int | None = None


def decide(
    before: Followed, here: Side, there: Side, copy: Copy, *, ours: Collection[int], uncommitted: UncommittedPolicy
) -> Followed:
    """How a group stands on a partition now, with the position that it shall have on the destination. `before`: how it
    stood. `ours`: positions there that this migration has set, or was about to set."""
    begun = copy.position.begun
    place = begun.place
    now = replace(before, source_offset=None, reason=None)
    found = here.offsets.get(place)
    if found is not None:
        now = replace(now, source_offset=found.offset)
    at = there.offsets.get(place)
    if there.alive is not None:
        if here.alive is not None:
            return replace(now, state="both-sides", reason=f"on the destination: {there.alive}; here: {here.alive}")
        return replace(now, state="moved", reason=f"its consumers are running on the destination: {there.alive}")
    if before.state in _STAYS:
        return replace(now, state="moved", reason=before.reason)
    if there.unknown is not None:
        return replace(now, state="left-alone", reason=f"its positions on the destination: {there.unknown}")
    if copy.position.failure is not None:
        return replace(now, state="left-alone", reason=f"the copy has stopped: {copy.position.failure}")
    wanted, state, reason = _target(found, copy, uncommitted)
    if at is not None and at.offset not in (*ours, wanted) and not at.metadata.startswith(COMMIT_METADATA_PREFIX):
        reason = f"its position on the destination is {at.offset}, which this migration has not set"
        return replace(now, state="moved", reason=reason, dest_offset=at.offset)
    if here.unknown is not None:
        return replace(now, state="left-alone", reason=f"its positions on the source: {here.unknown}")
    return replace(now, state=state, reason=reason, dest_offset=before.dest_offset if wanted is None else wanted)


def _target(
    found: CommittedOffset | None, copy: Copy, uncommitted: UncommittedPolicy
) -> tuple[int | None, GroupState, str | None]:
    position = copy.position
    begun = position.begun
    if found is None and uncommitted != "earliest":
        return None, "left-alone", "it has no position on the partition, and is set nowhere (--uncommitted)"
    offset = -1 if found is None else found.offset
    if offset < begun.start:
        earliest = copy.earliest if begun.start else 0
        if earliest is None:
            return None, "left-alone", "the start of the source's log is not known"
        if earliest < begun.start:
            count = begun.start - max(offset, earliest)
            return None, "behind-start", f"the copy began at offset {begun.start}, {count} offsets after its position"
        why = "it has no position on the partition: it is set to the start of the copy" if found is None else None
        return begun.base, "synced", why
    if offset <= position.source:
        rank = copy.rank(offset)
        if rank is None:
            return None, "not-yet", NOT_WRITTEN
        return begun.base + rank, "synced", None
    if copy.latest is not None and offset > copy.latest:
        return None, "left-alone", f"its position {offset} lies behind the end of the source's log, {copy.latest}"
    return position.dest_end, "ahead", f"its position is {offset}, the copy ends at {position.source}"


class Positions:
    """Sets the positions of the selected groups every few seconds. Everything happens on the thread that calls
    `run`."""

    def __init__(
        self,
        source: ClusterSettings,
        dest: ClusterSettings,
        journal: Journal,
        *,
        lease: Lease,
        decided: Policy,
        uncommitted: UncommittedPolicy,
        emit: Emit,
        every_s: float = EVERY_S,
    ) -> None:
        self._source, self._dest = source, dest
        self._journal = journal
        self._lease = lease
        self._decided, self._uncommitted = decided, uncommitted
        self._emit, self._every_s = emit, every_s
        self._trouble = ""
        self._notices = Notices("positions", emit)
        self._left_out: set[str] = set()
        self.renewed_at = -2 * _NEVER_S
        """When all positions were set anew; not yet by this process, however often it connects again."""

    def run(self, follow: Follow) -> None:
        """Until `follow` ends. What goes wrong in a round is reported, and tried again in the next one."""
        with self._journal.again() as journal:
            while not follow.ends.is_set():
                try:
                    with ExitStack() as stack:
                        watches = [stack.enter_context(GroupWatch(each)) for each in (self._source, self._dest)]
                        rounds = _Rounds(self, journal, *watches)
                        while not follow.ends.wait(self._every_s):
                            refused = rounds.go(self._lease, follow)
                            if not refused:
                                follow.synced()
                            self._tell(refused, journal)
                except (KafkaMetaError, Unanswered) as error:
                    self._tell(str(error), journal)
                    follow.ends.wait(self._every_s)

    def _tell(self, trouble: str, journal: Journal) -> None:
        reason = f"positions are not set for now: {trouble}"
        self._notices.say(journal, [Remark(resource=Resource("groups"), reason=reason)] if trouble else [])
        self._trouble = trouble

    @property
    def trouble(self) -> str:
        """Why no position could be set in the round before."""
        return self._trouble

    @property
    def decided(self) -> Policy:
        return self._decided

    @property
    def uncommitted(self) -> UncommittedPolicy:
        return self._uncommitted

    def leave_out(self, groups: Collection[str]) -> None:
        """Says so once of each group."""
        for group in sorted(set(groups) - self._left_out):
            reason = "--rename gives it no legal name, or that of another group: its positions are not set"
            self._emit(Happened(text=f"group {group}: {reason}"))
            self._left_out.add(group)

    def report(self, changed: Iterable[Followed]) -> None:
        """One event for each group whose state has changed."""
        by_group: dict[tuple[str, str], list[Followed]] = {}
        for each in changed:
            by_group.setdefault((each.group, each.state), []).append(each)
        for (group, state), some in by_group.items():
            more = f" and {len(some) - 1} more partitions" if len(some) > 1 else ""
            why = f": {some[0].reason}" if some[0].reason else ""
            where = f"{some[0].topic}-{some[0].partition}{more}"
            self._emit(Happened(text=f"group {group} on {where}: {state.replace('-', ' ')}{why}"))


class _Rounds:
    """The rounds over one pair of connections."""

    def __init__(self, owner: Positions, journal: Journal, source: GroupWatch, dest: GroupWatch) -> None:
        self._owner, self._journal = owner, journal
        self._source, self._dest = source, dest
        self._renew_s = renewal_s(dest.wire)
        self._attempted = 0
        """How many positions were to be set in the last round."""

    def go(self, lease: Lease, follow: Follow) -> str:
        """What is refused is "not-yet", with its reason. Returns why no position could be set; empty when some are.
        Raises KafkaMetaError or Unanswered when a side does not tell its groups, or when somebody else has the
        lease."""
        here = self._groups(self._source)
        # Most topics of a large cluster are read by no group.
        positions = self._journal.positions({topic for side in here.values() for topic, _ in side.offsets})
        copies = {
            each.begun.place: each
            for each in positions
            if each.begun.place in follow.places or each.failure is not None
        }
        all_names = self._all_names(here)
        names = self._own_names(all_names)
        there = self._groups(
            self._dest, {position.begun.dest_topic: position.begun.topic for position in copies.values()}
        )
        before = {each.key: each for each in self._journal.followed()}
        self._note_landed(there)
        before = self._resynced(before, there, follow.wishes.resync)
        ours = ours_by_place(self._journal)
        now = [
            *self._decided(here, there, names, copies, before, ours),
            *self._gone(before, set(all_names.values())),
            *_detached(before, follow.detached),
        ]
        renew = time.monotonic() - self._owner.renewed_at >= self._renew_s
        failed = self._set(now, here, there, names, copies, lease, renew=renew)
        if renew:
            self._owner.renewed_at = time.monotonic()
        self._keep(before, {each.key: each for each in (*now, *failed)}.values())
        if len(failed) < self._attempted or not failed:
            return ""
        # One group that is refused for ever says nothing of the others: what was so before stays so.
        new = [each for each in failed if (old := before.get(each.key)) is None or old.reason != each.reason]
        return f"group {new[0].group}: {new[0].reason}" if new else self._owner.trouble

    def _all_names(self, groups: Iterable[str]) -> dict[str, str]:
        """The names on the destination. A group that has no legal one there is left out."""
        names: dict[str, str] = {}
        for group in groups:
            try:
                names[group] = self._owner.decided.group_name(group)
            except UsageError:
                self._owner.leave_out([group])
        return names

    def _own_names(self, names: Mapping[str, str]) -> dict[str, str]:
        """Without the groups that share theirs, which are left out."""
        count = Counter(names.values())
        found = {group: name for group, name in names.items() if count[name] == 1}
        self._owner.leave_out(names.keys() - found.keys())
        return found

    def _note_landed(self, there: Mapping[str, Side]) -> None:
        """A position that was intended, and is there, was set by us: an answer was lost, or a process."""
        landed = [
            each
            for each in self._journal.intended()
            if (at := there.get(each.group, NOWHERE).offsets.get((each.topic, each.partition))) is not None
            and at.offset == each.offset
        ]
        if landed:
            self._journal.set_committed(landed)

    def _keep(self, before: Mapping[tuple[str, str, int], Followed], now: Iterable[Followed]) -> None:
        now_ms = round(time.time() * 1000)
        entered: list[Followed] = []
        changed: list[Followed] = []
        for each in now:
            old = before.get(each.key)
            if old is None or old.state != each.state:
                each = replace(each, since_ms=now_ms)
                # A group at the end of its logs is ahead of the copy again and again.
                if old is None or {old.state, each.state} != _IN_STEP:
                    entered.append(each)
            if each != old:
                changed.append(each)
        if changed:
            self._journal.keep_followed(changed)
        self._owner.report(entered)

    def _groups(self, watch: GroupWatch, names: Mapping[str, str] | None = None) -> dict[str, Side]:
        """`names`: destination topic → source topic; of the source, the names are its own."""
        selection = self._owner.decided.selection if names is None else EVERYTHING
        told = watch.read(selection)
        if told.found is None:
            raise Unanswered("; ".join(gap.reason for gap in told.gaps) or "no broker returns its groups")
        unsure = [gap for gap in told.gaps if gap.resource.kind == "groups"]
        if unsure:
            raise Unanswered(unsure[0].reason)
        reasons = {gap.resource.name: gap.reason for gap in told.gaps}
        return {group.id: _side(group, names, reasons.get(group.id)) for group in told.found if group.type != "share"}

    def _decided(
        self,
        here: Mapping[str, Side],
        there: Mapping[str, Side],
        names: Mapping[str, str],
        copies: Mapping[Place, Position],
        before: Mapping[tuple[str, str, int], Followed],
        ours: Mapping[tuple[str, str, int], Collection[int]],
    ) -> Iterator[Followed]:
        by_topic: dict[str, list[Place]] = {}
        for place in copies:
            by_topic.setdefault(place[0], []).append(place)
        wanted = {
            group: [
                place for topic in sorted({topic for topic, _ in side.offsets}) for place in by_topic.get(topic, ())
            ]
            for group, side in here.items()
            if group in names
        }
        earliest, latest = self._bounds(here, wanted, copies)
        for group, places in wanted.items():
            name = names[group]
            found: list[Followed] = []
            for place in places:
                key = (name, *place)
                old = before.get(key) or Followed(group=name, topic=place[0], partition=place[1], state="not-yet")
                copy = Copy(
                    position=copies[place],
                    rank=partial(self._journal.rank, *place),
                    earliest=earliest.get(place),
                    latest=latest.get(place),
                )
                side = there.get(name, NOWHERE)
                mine = ours.get(key, ())
                found.append(decide(old, here[group], side, copy, ours=mine, uncommitted=self._owner.uncommitted))
            yield from _together(found)

    def _bounds(
        self, here: Mapping[str, Side], wanted: Mapping[str, Iterable[Place]], copies: Mapping[Place, Position]
    ) -> tuple[dict[Place, int], dict[Place, int]]:
        """Starts and ends of the source's logs, of the partitions where they decide."""
        below: set[Place] = set()
        above: set[Place] = set()
        for group, places in wanted.items():
            for place in places:
                found, begun = here[group].offsets.get(place), copies[place].begun
                if begun.start and (found is None or found.offset < begun.start):
                    below.add(place)
                elif found is not None and found.offset > begun.end:
                    above.add(place)
        return self._offsets(below, EARLIEST), self._offsets(above, LATEST)

    def _offsets(self, places: Collection[Place], at: int) -> dict[Place, int]:
        if not places:
            return {}
        leaders = led(self._source.wire, dict.fromkeys(places))
        known = {place: leader for place, leader in leaders.items() if isinstance(leader, Leader)}
        told = listed_offsets(self._source.wire, known, at)
        return {place: offset for place, offset in told.items() if isinstance(offset, int)}

    def _resynced(
        self, before: dict[tuple[str, str, int], Followed], there: Mapping[str, Side], groups: Collection[str]
    ) -> dict[tuple[str, str, int], Followed]:
        """Groups that have moved, and shall be in step again: what is there now counts as ours. The wish is taken back,
        so that consumers that start there later move the group once more."""
        if not groups:
            return before
        again = [key for key in before if key[0] in groups]
        found = {key: offset.offset for key in again if (offset := there.get(key[0], NOWHERE).offsets.get(key[1:]))}
        self._journal.set_committed(
            GroupOffset(group=group, topic=topic, partition=partition, offset=offset)
            for (group, topic, partition), offset in found.items()
        )
        self._journal.keep_followed(replace(before[key], state="not-yet", reason=None) for key in again)
        self._journal.change_wishes(lambda wishes: replace(wishes, resync=wishes.resync - set(groups)))
        return {each.key: each for each in self._journal.followed()}

    def _gone(self, before: Mapping[tuple[str, str, int], Followed], names: Collection[str]) -> Iterator[Followed]:
        for each in before.values():
            if each.group not in names and each.state not in _STAYS:
                yield replace(each, state="source-gone", reason="its positions on the destination stay")

    def _set(
        self,
        now: Iterable[Followed],
        here: Mapping[str, Side],
        there: Mapping[str, Side],
        names: Mapping[str, str],
        copies: Mapping[Place, Position],
        lease: Lease,
        *,
        renew: bool,
    ) -> list[Followed]:
        """Sets what is not set yet; returns how it failed."""
        sources = {name: group for group, name in names.items()}
        wanted: dict[str, list[CommittedOffset]] = {}
        followed: dict[tuple[str, str, int], Followed] = {}
        for each in now:
            place = (each.topic, each.partition)
            if each.state not in ("synced", "ahead") or each.dest_offset is None:
                continue
            origin = here[sources[each.group]].offsets.get(place)
            metadata = SET_TO_START if origin is None else origin.metadata
            at = there.get(each.group, NOWHERE).offsets.get(place)
            if not renew and at is not None and (at.offset, at.metadata) == (each.dest_offset, metadata):
                continue
            dest_topic = copies[place].begun.dest_topic
            offset = CommittedOffset(
                topic=dest_topic, partition=each.partition, offset=each.dest_offset, metadata=metadata
            )
            wanted.setdefault(each.group, []).append(offset)
            followed[each.group, dest_topic, each.partition] = each
        self._attempted = len(followed)
        if not wanted:
            return []
        self._journal.intend(map(_as_set, followed.values()))
        done: list[GroupOffset] = []
        failed: list[Followed] = []
        for group, told in self._commit(wanted, lease):
            for offset in wanted[group]:
                each = followed[group, offset.topic, offset.partition]
                if isinstance(told, Unanswered):
                    failed.append(replace(each, state="not-yet", reason=told.reason))
                elif (reason := told.get((offset.topic, offset.partition))) is not None:
                    failed.append(replace(each, state="not-yet", reason=reason))
                else:
                    done.append(_as_set(each))
        self._journal.set_committed(done)
        return failed

    def _commit(
        self, wanted: Mapping[str, Sequence[CommittedOffset]], lease: Lease
    ) -> Iterator[tuple[str, Mapping[tuple[str, int], str] | Unanswered]]:
        """A few groups at a time, each time only while the lease holds."""
        groups = sorted(wanted)
        for start in range(0, len(groups), _GROUPS_AT_ONCE):
            some = groups[start : start + _GROUPS_AT_ONCE]
            if lease.check():
                yield from wire.commit(self._dest.wire, {group: wanted[group] for group in some}, tries=1).items()
            else:
                yield from ((group, Unanswered("the lease does not hold for the moment")) for group in some)


def _together(found: Sequence[Followed]) -> Iterator[Followed]:
    """A group moves as a whole: where it has gone on by itself, its other positions are left alone, too."""
    moved = next((each for each in found if each.state == "moved"), None)
    for each in found:
        if moved is None or each.state in _STAYS:
            yield each
        else:
            yield replace(each, state="moved", reason=f"{moved.topic}-{moved.partition}: {moved.reason}")


def _detached(before: Mapping[tuple[str, str, int], Followed], topics: Collection[str]) -> Iterator[Followed]:
    for each in before.values():
        if each.topic in topics and each.state not in _STAYS:
            yield replace(each, state="left-alone", reason="its topic is detached (task change)")


def _as_set(each: Followed) -> GroupOffset:
    assert each.dest_offset is not None
    return GroupOffset(group=each.group, topic=each.topic, partition=each.partition, offset=each.dest_offset)


def _side(group: Group, names: Mapping[str, str] | None, unknown: str | None) -> Side:
    offsets = {
        (offset.topic if names is None else names[offset.topic], offset.partition): offset
        for offset in group.offsets or ()
        if names is None or offset.topic in names
    }
    known = group.offsets is not None
    return Side(offsets=offsets, alive=liveness(group), unknown=None if known else unknown or "they could not be read")


def renewal_s(dest: Wire) -> float:
    """After how many seconds positions of a group without members should be set again: the destination deletes them
    some time after the last commit."""
    minutes: list[int] = []
    with suppress(Unanswered, ValueError):
        for told in broker_configs(dest).values():
            config = None if isinstance(told, Unanswered) else told.get("offsets.retention.minutes")
            if config is not None and config.value is not None:
                minutes.append(int(config.value))
    return min(minutes) * 60 / _RENEWALS if minutes else _UNKNOWN_S
