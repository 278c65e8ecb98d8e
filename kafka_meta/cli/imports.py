"""`kafka-meta import`: a file (or a saved plan) → the destination."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kafka_meta import cluster
from kafka_meta.apply import apply
from kafka_meta.cli import options as given
from kafka_meta.cli.passwords import PasswordFiles, password_files, passwords_for
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.sides import (
    dest_settings,
    file_to_read,
    options,
    policy,
    principal,
    read_file,
    require_journal,
    side,
)
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.events import Emit, Progress
from kafka_meta.export import read_dest as read_destination
from kafka_meta.files import dumps, encode_plan, encode_results, read_metadata, read_plan, write_private
from kafka_meta.files.metadata import iso_time
from kafka_meta.files.writing import require_writable
from kafka_meta.journal import Journal, default_path
from kafka_meta.mirror.migrate import traces
from kafka_meta.model import Snapshot, User
from kafka_meta.plan import (
    NO_TRACES,
    CreateTopic,
    Operator,
    Passwords,
    Plan,
    Policy,
    Result,
    Traces,
    UpsertUser,
    compare,
    partitions_to_measure,
    plural,
    recheck,
    resource_of,
)
from kafka_meta.render import FEW, cluster_words, plan_lines, remark_line, result_line, totals_line, visible
from kafka_meta.settings import ClusterSettings

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

NO_FILES = PasswordFiles()
NO_PASSWORDS = Passwords()

SavePlan = Annotated[
    str | None,
    typer.Option("--save-plan", metavar="FILE", help="Write the plan into a file, to be reviewed and committed later."),
]
PlanFile = Annotated[
    str | None,
    typer.Option("--plan-file", metavar="FILE", help="Carry out exactly this saved plan; the file is not read again."),
]


def import_(
    ctx: typer.Context,
    file_name: given.FileName = None,
    target_directory: given.TargetDirectory = None,
    dest_bootstrap_servers: given.DestBootstrap = None,
    dest_config: given.DestConfig = None,
    dest_zk_connect: given.DestZk = None,
    only: given.Only = None,
    include_topics: given.IncludeTopics = None,
    exclude_topics: given.ExcludeTopics = None,
    include_groups: given.IncludeGroups = None,
    exclude_groups: given.ExcludeGroups = None,
    rename: given.RenameRules = None,
    map_host: given.HostRules = None,
    replication_factor: given.Factor = None,
    group_offsets: given.Positions = None,
    on_drift: given.OnDrift = None,
    pin_defaults: given.PinDefaults = False,
    passwords: given.PasswordFile = None,
    generate_passwords: given.NewPasswords = None,
    save_plan: SavePlan = None,
    plan_file: PlanFile = None,
    journal: given.JournalFile = None,
    commit: given.Commit = False,
) -> int:
    """Show what a file would create on the destination; create it with --commit.

    What exists is never changed (but see --on-drift) and nothing is deleted. Running it again is safe,
    also after an interruption: it completes.
    """
    flags = given.typed(ctx)
    session: Session = ctx.obj
    if plan_file is not None:
        return _import_plan(session, flags, Path(plan_file), commit=commit)
    toml = session.toml()
    chosen = options(flags, toml, session.screen)
    decided = policy(chosen)
    dest = dest_settings(flags, toml, session.screen)
    path = file_to_read(chosen)
    desired = read_file(chosen, decided, path, session.screen)
    name = f"{path} (cluster {desired.cluster.id or 'unknown'}, {iso_time(desired.taken_at_ms)})"
    files = password_files(chosen, desired.users or (), session.screen)
    return import_snapshot(
        session, desired, name, dest, decided, files, save_plan=save_plan, journal=journal, commit=commit
    )


def import_snapshot(
    session: Session,
    desired: Snapshot,
    name: str,
    dest: ClusterSettings,
    decided: Policy,
    files: PasswordFiles = NO_FILES,
    *,
    save_plan: str | None = None,
    journal: str | None = None,
    commit: bool,
) -> int:
    """`name` is how the screen calls what is imported."""
    screen = session.screen
    if save_plan is not None:
        require_writable(Path(save_plan))
    with screen.progress() as meter:
        actual = read_dest(dest, desired.cluster.id, meter.emit)
        passwords = passwords_for(files, desired, actual, dest)
        plan = make_plan(desired, actual, dest, decided, meter.emit, passwords=passwords, journal=journal)
        plan, rejected = _validated(plan, dest)
    screen.result([f"{name}  →  {headline(actual, dest)}"])
    if save_plan is not None:
        write_private(Path(save_plan), dumps(encode_plan(plan)))
        screen.say(f"plan written into {save_plan}")
    if not commit:
        return _show(plan, screen)
    return _commit(plan, rejected, dest, files.vault(plan.actions, desired.users or (), dest), screen)


def read_dest(dest: ClusterSettings, source_id: str | None, emit: Emit) -> Snapshot:
    """The destination as it is, without the offsets of its logs; raises KafkaMetaError when it is the source."""
    actual = read_destination(dest, emit=emit, taken_at_ms=round(time.time() * 1000))
    if source_id is not None and actual.cluster.id == source_id:
        raise KafkaMetaError(
            f"the destination is the source itself: both have the cluster id {source_id}",
            "Nothing on the source is ever changed. Check --dest-bootstrap-servers.",
        )
    return actual


def make_plan(
    desired: Snapshot,
    actual: Snapshot,
    dest: ClusterSettings,
    decided: Policy,
    emit: Emit,
    *,
    passwords: Passwords = NO_PASSWORDS,
    journal: str | None = None,
) -> Plan:
    """The comparison, with what only the destination's brokers can say."""
    places = partitions_to_measure(desired, actual, decided)
    if places:
        actual = cluster.with_offsets(dest, actual, places, emit=emit)
    positions_at = None
    if decided.group_offsets.time_ms is not None and "groups" in decided.only:
        positions_at = cluster.offsets_at(dest, actual, decided.group_offsets.time_ms)
    operator = Operator(principal=principal(dest), cluster_operations=actual.operations)
    return compare(
        desired,
        actual,
        decided,
        operator=operator,
        positions_at=positions_at,
        passwords=passwords,
        traces=_traces(desired.cluster.id, actual.cluster.id, None if journal is None else Path(journal)),
    )


def _traces(source_id: str | None, dest_id: str | None, path: Path | None) -> Traces:
    """Of a mirror between these clusters: by its journal, or by the one that this user has on this machine."""
    require_journal(path)
    if source_id is None or dest_id is None or not (path or default_path(source_id, dest_id)).exists():
        return NO_TRACES
    with Journal(path, source_id=source_id, dest_id=dest_id) as journal:
        return traces(journal)


def headline(actual: Snapshot, dest: ClusterSettings) -> str:
    return f"{side(dest)} ({cluster_words(actual.cluster)})"


def _validated(plan: Plan, dest: ClusterSettings) -> tuple[Plan, tuple[Result, ...]]:
    """The plan without the topics that the destination's brokers would refuse, and those refusals."""
    topics = [action for action in plan.actions if isinstance(action, CreateTopic)]
    if not topics:
        return plan, ()
    rejected = tuple(result for result in cluster.validate(dest, topics) if result.outcome == "failed")
    if not rejected:
        return plan, ()
    return plan.without(rejected), rejected


def _show(plan: Plan, screen: Screen) -> int:
    screen.document(encode_plan(plan))
    screen.result(plan_lines(plan, verbose=screen.verbose))
    if plan.actions:
        screen.result(["", "Nothing was changed. To do it: the same command with --commit"])
    else:
        screen.result(["", "Nothing was changed; there is nothing to do."])
    return ExitStatus.DONE


def _commit(plan: Plan, rejected: Sequence[Result], dest: ClusterSettings, vault: cluster.Vault, screen: Screen) -> int:
    # What is left alone, as in the dry run; then what becomes of each action, the refused ones first.
    named = {resource_of(result.action) for result in rejected}
    plan = replace(plan, refused=tuple(remark for remark in plan.refused if remark.resource not in named))
    screen.result(plan_lines(replace(plan, actions=()), verbose=screen.verbose))
    results = list(rejected)
    screen.result(f"  × {result_line(result)}" for result in rejected)
    total = len(plan.actions) + len(rejected)
    well = 0
    try:
        with screen.progress() as meter, cluster.Writer(dest, vault) as writer:
            writer.announce(plan.actions)
            for step in apply(plan.actions, writer):
                if isinstance(step, Result):
                    results.append(step)
                    well += step.outcome != "failed"
                    # On a terminal thousands of successes would push the failures out of sight.
                    if step.outcome == "failed" or well <= FEW or screen.verbose:
                        mark = "×" if step.outcome == "failed" else "=" if step.outcome == "present" else "+"
                        screen.result([f"  {mark} {result_line(step)}"])
                    meter.emit(Progress(stage="import", done=len(results), total=total))
                else:
                    meter.emit(step)
            for waiting in writer.settle():
                meter.emit(waiting)
    except BaseException:
        # ^C, SIGTERM, a lost destination: what was done is said in any case.
        _finish(plan, results, screen, left=total - len(results))
        raise
    failed = any(result.outcome == "failed" for result in results) or bool(plan.refused)
    if well > FEW and not screen.verbose:
        screen.result([f"  … {well - FEW:,} more (--verbose, or --output json)"])
    _finish(plan, results, screen)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _finish(plan: Plan, results: Sequence[Result], screen: Screen, *, left: int | None = None) -> None:
    """`left`: how many have no result, when something interrupted us."""
    document = encode_results(results, plan)
    document["interrupted"] = left is not None
    screen.document(document)
    totals = {name: count for name, count in document["totals"].items() if count or name == "done"}
    screen.result(["", totals_line(totals)])
    if left is not None:
        asked = plural(len(plan.actions), "action")
        screen.result([f"stopped: no answer to {left:,} of {asked}; run the same command again, it completes"])
    elif totals.get("failed") or totals.get("refused"):
        failed = [result for result in results if result.outcome == "failed"]
        screen.result(f"  × {visible(resource_of(each.action))}: {visible(each.error or '')}" for each in failed[:FEW])
        if len(failed) > FEW:
            screen.result([f"  … {len(failed) - FEW:,} more failed (--output json)"])
        screen.result(["exit status 1; run the same command again after mending"])


def _import_plan(session: Session, flags: dict[str, Any], path: Path, *, commit: bool) -> int:
    """Exactly what was reviewed, or nothing."""
    decided_too = sorted(set(flags) - {*_WITH_PLAN})
    if decided_too:
        raise UsageError(
            f"--plan-file carries out what was decided when the plan was made; --{decided_too[0]} comes too late",
            "Make a new plan with --save-plan.",
        )
    screen = session.screen
    dest = dest_settings(flags, session.toml(), screen)
    plan = read_plan(path)
    with screen.progress() as meter:
        actual = read_dest(dest, plan.source_id, meter.emit)
    open_plan, broken = recheck(plan, actual)
    if broken:
        shown = broken if screen.verbose else broken[:FEW]
        hints = [remark_line(remark) for remark in shown]
        hints += [f"… {len(broken) - len(shown):,} more (--verbose)"] if len(shown) < len(broken) else []
        hints.append("Make a new plan with --save-plan.")
        raise KafkaMetaError(f"{path} no longer fits the destination; nothing was changed", "\n".join(hints))
    screen.result([f"{path}  →  {headline(actual, dest)}"])
    if not commit:
        return _show(open_plan, screen)
    return _commit(open_plan, (), dest, _vault_for(open_plan, flags, session, dest), screen)


_WITH_PLAN = (
    *("plan-file", "commit", "dest-bootstrap-servers", "dest-config", "dest-zk-connect"),
    *("file-name", "target-directory", "passwords", "generate-passwords"),
)


def _vault_for(plan: Plan, flags: dict[str, Any], session: Session, dest: ClusterSettings) -> cluster.Vault:
    """A plan holds no secret: the metadata file has the keys, to write them or to check passwords."""
    upserts = [action for action in plan.actions if isinstance(action, UpsertUser)]
    if not upserts:
        return cluster.Vault()
    chosen = options(flags, session.toml(), session.screen)
    exported: Sequence[User] = ()
    if any(action.secret != "generated" for action in upserts):
        path = file_to_read(chosen)
        desired = read_metadata(path)
        if desired.cluster.id != plan.source_id:
            raise UsageError(
                f"{path} is of cluster {desired.cluster.id}, the plan of {plan.source_id}",
                "Name the metadata file of the plan: --fileName.",
            )
        exported = desired.users or ()
    named = exported or [User(name=action.user) for action in upserts]
    return password_files(chosen, named, session.screen).vault(upserts, exported, dest)
