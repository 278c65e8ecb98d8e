"""`kafka-meta mirror`: what no group has read yet, into the same partitions of the destination."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from kafka_meta.cli import options as given
from kafka_meta.cli.options import takes
from kafka_meta.errors import UsageError

if TYPE_CHECKING:
    from kafka_meta.cli.session import Session

EXAMPLES = (
    "kafka-meta mirror --source-bootstrap-servers old:9092 --dest-bootstrap-servers new:9092",
    "kafka-meta mirror --source-bootstrap-servers old:9092 --dest-bootstrap-servers new:9092 --commit",
    "kafka-meta mirror --source-config old.properties --dest-config new.properties --include-topics 'orders.*' "
    "--max-rate 50MB/s --commit",
    "kafka-meta mirror --status --dest-bootstrap-servers new:9092",
    "kafka-meta mirror --release --dest-bootstrap-servers new:9092",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much of a topic is copied."""

    heading: ClassVar = "Policies"

    all_data: Annotated[
        bool, typer.Option("--all-data", help="Copy whole topics, whether their records were read or not.")
    ] = False
    unread_only: Annotated[
        bool,
        typer.Option(
            "--unread-only",
            help="Copy only the unread records of compacted topics, too. Without it, a compacted topic that a group "
            "reads is copied whole, because a table is the sum of its records.",
        ),
    ] = False
    uncommitted: Annotated[
        Literal["earliest", "latest", "skip"],
        typer.Option(
            "--uncommitted",
            help="A group has positions on a topic, but none on one of its partitions: copy that partition for it from "
            "its first record and set it there (earliest), count it from the end (latest), or do not count it (skip).",
        ),
    ] = "earliest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    heading: ClassVar = "Copy"

    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="With --commit: go on until it is ended, while clients write and read. Records, new topics and "
            "partitions, and the positions of groups follow the source.",
        ),
    ] = False
    append: Annotated[
        bool,
        typer.Option(
            "--append", help="Copy also into partitions that hold records: behind what the destination has there."
        ),
    ] = False
    until_lso: Annotated[
        bool,
        typer.Option(
            "--until-lso",
            help="If a transaction is open on the source, copy the records before it. Those behind it are not copied.",
        ),
    ] = False
    allow_live_source: Annotated[
        bool,
        typer.Option(
            "--allow-live-source",
            help="Copy although clients still write to the source or read from it. The groups' positions are set by a "
            "later run, when the source is quiet.",
        ),
    ] = False
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            help="Leave retention and compaction of the destination as they are: for destinations that do not let us "
            "change them. The destination may then delete copied records before they are read, by their own "
            "timestamps. The look says which ones.",
        ),
    ] = False
    max_rate: Annotated[str | None, typer.Option(metavar="50MB/s", help="Copy no faster than this.")] = None
    memory: Annotated[
        str,
        typer.Option(metavar="128MB", help="Memory for records that were read and are not written yet."),
    ] = "128MiB"
    in_flight: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=5,
            help="Write requests to a partition that may be without an answer at a time. "
            "Records too old for the brokers to recognise duplicates are always sent one request at a time.",
        ),
    ] = None
    quiet: Annotated[
        str,
        typer.Option(
            metavar="10s",
            help="Set positions only if no client has written to the source, or read from it, for this long.",
        ),
    ] = "10s"
    give_up_after: Annotated[
        str, typer.Option(metavar="10m", help="Stop when nothing could be copied for this long.")
    ] = "10m"
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where the state of the migration is kept. Without it, a file in your home folder.",
        ),
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="With --follow: answer a Prometheus server here. Without a host, only on this machine.",
        ),
    ] = None
    log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where a look or a copy writes what it finds and what happens, with the time. An earlier log is "
            "continued. Without it, a file in the current folder.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    heading: ClassVar = "Instead of copying"

    status: Annotated[bool, typer.Option("--status", help="Show how far the migration is.")] = False
    release: Annotated[
        bool,
        typer.Option(
            "--release",
            help="Show which topics of the destination would get their retention and compaction back. With --commit, "
            "put them back. A topic keeps the guard while a group has not read all that was copied.",
        ),
    ] = False
    allow_unread: Annotated[
        bool,
        typer.Option(
            "--allow-unread",
            help="With --release: also topics that a group has not read to the end, or whose copy is not complete. "
            "Their records can then be deleted unread.",
        ),
    ] = False
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="With --commit, forget what was copied, to begin anew. Only if the partitions of the destination are "
            "empty.",
        ),
    ] = False


_OF_WHAT_IS_CREATED = {
    field.name.replace("_", "-")
    for group in (given.PrincipalFilters, given.TopicPolicies, given.AclPolicies)
    for field in fields(group)
}


@takes(
    given.Source,
    given.DestBrokers,
    given.TopicFilters,
    given.GroupFilters,
    given.Renames,
    given.PrincipalFilters,
    given.TopicPolicies,
    given.AclPolicies,
)
def mirror(
    session: Session,
    amount: Amount,
    copy: Copy,
    task: given.Task,
    instead: Instead,
    same_id: given.SameId,
    commit: given.Commit,
) -> int:
    """Show which records no consumer group has read yet. With --commit, copy them into the same partitions of the
    destination.

    Each record is copied once, in order, and every group goes on at the record where it stopped. If the copy was
    interrupted, or more records have arrived, the same command copies the rest. The source is only read.
    """
    verbs = {"--status": instead.status, "--release": instead.release, "--restart": instead.restart}
    chosen = [word for word, is_given in verbs.items() if is_given]
    if instead.status and commit.commit:
        chosen.append("--commit")
    if copy.metrics is not None and not copy.follow:
        raise UsageError("--metrics is only for --follow")
    if copy.follow and chosen:
        raise UsageError(f"--follow cannot be given with {chosen[0]}")
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot be given together")
    if instead.allow_unread and not instead.release:
        raise UsageError("--allow-unread is only for --release")
    if copy.log is not None and (instead.status or instead.release or instead.restart):
        raise UsageError(f"--log cannot be given with {chosen[0]}", "Only a look and a copy write a log.")
    if amount.all_data and amount.unread_only:
        raise UsageError("--all-data and --unread-only cannot be given together")
    from kafka_meta.cli.mirror.journal import Which

    creating = sorted(session.flags.keys() & _OF_WHAT_IS_CREATED)
    if creating and not copy.follow:
        raise UsageError(f"--{creating[0]} is only for --follow", "Without it, mirror creates no topics and no ACLs.")
    which = Which(path=None if copy.journal is None else Path(copy.journal), task=task.task)
    if instead.status:
        from kafka_meta.cli.mirror.status import status

        return status(session, which)
    if instead.release:
        from kafka_meta.cli.mirror.release import release

        return release(session, which, allow_unread=instead.allow_unread, commit=commit.commit)
    if instead.restart:
        from kafka_meta.cli.mirror.restart import restart

        return restart(session, which, commit=commit.commit)
    from kafka_meta.cli.mirror.run import mirror

    return mirror(session, amount, copy, which, same_id=same_id.allow_same_cluster_id, commit=commit.commit)
