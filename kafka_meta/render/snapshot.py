"""What an export has found; what `check` was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kafka_meta.model import Cluster, Remark, Resource, Snapshot
from kafka_meta.plan import plural
from kafka_meta.render.words import limited, size, together, visible


def snapshot_lines(snapshot: Snapshot, *, verbose: bool) -> list[str]:
    """What an export has found, left out and not been able to read."""
    lines = ["", *_counts(snapshot)]
    lines += _remarks("left out", snapshot.left_out, verbose)
    lines += _remarks("seen here, and not moved by kafka-meta", snapshot.signs, verbose)
    lines += _remarks("ZooKeeper and brokers disagree", snapshot.disagreements, verbose, mark="!")
    lines += _remarks("not read", snapshot.gaps, verbose, mark="!")
    return lines


def _counts(snapshot: Snapshot) -> list[str]:
    topics = snapshot.topics
    rows: list[tuple[int | None, str, str]] = []
    if topics is None:
        rows.append((None, "topics", "not read"))
    else:
        partitions = [partition for topic in topics for partition in topic.partitions]
        sizes = [partition.size_bytes for partition in partitions]
        copies = sum(len(partition.replicas) for partition in partitions)
        details = [plural(len(partitions), "partition"), plural(copies, "replica")]
        known = [value for value in sizes if value is not None]
        if known:
            unknown = f" ({plural(len(sizes) - len(known), 'partition')} not known)" if len(known) < len(sizes) else ""
            details.append(f"{size(sum(known))} without replicas{unknown}")
        rows.append((len(topics), "topics", ", ".join(details)))
    if snapshot.groups is None:
        rows.append((None, "groups", "not read"))
    else:
        states = Counter(
            "in ZooKeeper (old consumers)"
            if group.source == "zookeeper"
            else visible(group.state or "state unknown").lower()
            for group in snapshot.groups
        )
        details = [f"{count:,} {state}" for state, count in sorted(states.items())]
        unread = unread_records(snapshot)
        if unread is not None and snapshot.groups:
            details.append(f"{plural(unread, 'record')} not read yet")
        rows.append((len(snapshot.groups), "groups", ", ".join(details)))
    acls = snapshot.acls
    if acls is None and snapshot.cluster.security.authorizer == "":
        rows.append((None, "ACLs", "no authorizer"))
    elif acls is None:
        rows.append((None, "ACLs", "not read"))
    else:
        denies = sum(1 for acl in acls if acl.permission == "DENY")
        rows.append((len(acls), "ACLs", f"{denies:,} of them DENY" if denies else ""))
    others = tuple(each for each in snapshot.other_configs or () if each.configs) or None
    for name, items in (("users", snapshot.users), ("quotas", snapshot.quotas), ("other configs", others)):
        if items is not None:
            rows.append((len(items), name, ""))
    lines: list[str] = []
    for count, name, detail in rows:
        number, noun = "?" if count is None else f"{count:,}", name.removesuffix("s") if count == 1 else name
        lines.append(f"  {number:>7} {noun:<8}{detail}".rstrip())
    return lines


def unread_records(snapshot: Snapshot) -> int | None:
    """Offsets between committed positions and ends, summed over groups; None where no end is known."""
    ends = {
        (topic.name, partition.partition): partition.end_offset
        for topic in snapshot.topics or ()
        for partition in topic.partitions
    }
    lags = [
        max(0, end - offset.offset)
        for group in snapshot.groups or ()
        for offset in group.offsets or ()
        if (end := ends.get((offset.topic, offset.partition))) is not None
    ]
    return sum(lags) if lags else None


def cluster_words(cluster: Cluster) -> str:
    """`3.9, ZooKeeper mode, 3 brokers`."""
    return _cluster_words(cluster.version, cluster.mode, len(cluster.brokers))


def _cluster_words(version: str | None, mode: str | None, brokers: int) -> str:
    mode_words = {"zookeeper": "ZooKeeper mode", "kraft": "KRaft"}.get(mode or "", "mode unknown")
    return f"{visible(version or 'version unknown')}, {mode_words}, {plural(brokers, 'broker')}"


def access_lines(side: Mapping[str, Any]) -> list[str]:
    """One side as `check` found it."""
    name = "source" if side["role"] == "source" else "destination"
    if side["error"] is not None:
        lines = [f"  × {name:<12} {visible(side['address'])}", f"      {visible(side['error'])}"]
        return lines + [f"      {visible(line)}" for line in (side["hint"] or "").splitlines()]
    if side["via"] == "zookeeper":
        words = f"ZooKeeper, {plural(side['brokers'], 'broker')}"
    else:
        words = _cluster_words(side["version"], side["mode"], side["brokers"])
    cluster_id = visible(side["clusterId"] or "unknown")
    lines = [f"  + {name:<12} {visible(side['address'])}  {words}, cluster {cluster_id}"]
    if side["via"] == "brokers":
        who = visible(side["principal"] or side["shownAs"] or "unknown")
        rights = "all that are needed"
        if side["operations"] is None:
            rights = "not known (the brokers do not report them)"
        elif side["missing"]:
            rights = ", ".join(side["operations"]) or "none"
        authorizer = {None: "authorizer unknown", "": "no authorizer"}.get(side["authorizer"]) or visible(
            side["authorizer"]
        )
        lines.append(f"      as {who}; rights on the cluster: {rights}; {authorizer}")
    lines += [f"  ! right missing: {operation}, {use}" for operation, use in sorted((side["missing"] or {}).items())]
    lines += [f"  ! {visible(gap['resource'])}: {visible(gap['reason'])}" for gap in side["gaps"]]
    return lines


def _remarks(title: str, remarks: Sequence[Remark], verbose: bool, mark: str = " ") -> list[str]:
    if not remarks:
        return []
    by_reason: dict[str, list[Resource]] = {}
    for remark in remarks:
        by_reason.setdefault(remark.reason, []).append(remark.resource)
    lines = [f"      {together(resources, verbose)}: {visible(reason)}" for reason, resources in by_reason.items()]
    return [f"  {mark} {title}", *limited(lines, verbose, indent="      ")]
