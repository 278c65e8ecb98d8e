"""`kafka-meta import`: a file (or a saved plan) → the destination."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kafka_meta import cluster, zookeeper
from kafka_meta.apply import apply
from kafka_meta.cli.commands.imports import SavedPlan
from kafka_meta.cli.metadata_file import file_to_read, read_selected, warn_of_another_source
from kafka_meta.cli.mirror.journal import journals_of, require_journal
from kafka_meta.cli.passwords import PasswordFiles, password_files, passwords_for, require_new_passwords
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.session import Session
from kafka_meta.documents.result import encode_results
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.events import Emit, Progress
from kafka_meta.export import read_dest as read_destination
from kafka_meta.files import dumps, encode_plan, read_metadata, read_plan, write_private
from kafka_meta.files.metadata import iso_time
from kafka_meta.files.writing import require_output
from kafka_meta.journal import Journal
from kafka_meta.mirror.migrate import traces
from kafka_meta.model import Cluster, Snapshot, User, sorted_remarks
from kafka_meta.plan import (
    NO_TRACES,
    CreateTopic,
    Operator,
    Passwords,
    Plan,
    Policy,
    Result,
    Section,
    Traces,
    UpsertUser,
    compare,
    existing_partitions,
    home_of,
    needed,
    occupied,
    partitions_to_measure,
    plural,
    preflight,
    recheck,
    reshape,
)
from kafka_meta.plan.identity import Identity, identity, require_two_clusters, topic_ids
from kafka_meta.plan.narrow import narrowed
from kafka_meta.render import FEW, cluster_words, plan_lines, remark_line, result_line, totals_line, visible
from kafka_meta.render.words import together
from kafka_meta.settings import ClusterSettings, PolicyOptions

NO_FILES = PasswordFiles()
NO_PASSWORDS = Passwords()


def import_(
    session: Session,
    saved: SavedPlan,
    *,
    include_internal: bool = False,
    journal: str | None,
    same_id: bool,
    commit: bool,
) -> int:
    if saved.plan_file is not None:
        return _import_plan(session, Path(saved.plan_file), same_id=same_id, commit=commit)
    if journal is not None:
        require_journal(Path(journal))
    chosen = session.options()
    decided = chosen.policy(include_internal=include_internal)
    dest = session.dest()
    path = file_to_read(chosen)
    inputs = {"the metadata file": path, "the file of --passwords": chosen.passwords, "the journal": journal}
    if saved.save_plan is not None:
        require_output(Path(saved.save_plan), "a plan", option="--save-plan", inputs=inputs)
    require_new_passwords(chosen, inputs | {"the file of --save-plan": saved.save_plan})
    source = read_selected(session, chosen, decided, path)
    warn_of_another_source(session, path, source)
    name = f"{path} (cluster {source.cluster.id or 'unknown'}, {iso_time(source.taken_at_ms)})"
    chosen_users = narrowed(source, decided.selection)[0].users or () if "users" in decided.only else ()
    users = [decided.user_name(user.name) for user in chosen_users]
    files = password_files(chosen, users, session.screen)
    return import_snapshot(
        session,
        source,
        name,
        dest,
        decided,
        files,
        save_plan=saved.save_plan,
        journal=journal,
        same_id=same_id,
        commit=commit,
    )


def import_snapshot(
    session: Session,
    source: Snapshot,
    name: str,
    dest: ClusterSettings,
    decided: Policy,
    files: PasswordFiles = NO_FILES,
    *,
    save_plan: str | None = None,
    journal: str | None = None,
    same_id: bool = False,
    commit: bool,
) -> int:
    """`name` says on the screen what is imported."""
    screen = session.screen
    with screen.progress() as meter:
        actual = read_dest(dest, decided, meter.emit, source)
        require_two_clusters(identity_of(source, actual), actual.cluster.id, allowed=same_id)
        passwords = passwords_for(files, source, actual, dest)
        plan = make_plan(
            source, actual, dest, decided, meter.emit, passwords=passwords, journal=journal, before_import=True
        )
        plan, rejected = _validated(plan, dest)
    screen.result([f"{name}  →  {headline(actual, dest)}"])
    if save_plan is not None:
        write_private(Path(save_plan), dumps(encode_plan(plan)))
        screen.say(f"the plan was written into {save_plan}")
    if not commit:
        return _show(plan, screen)
    return _commit(plan, rejected, dest, files.vault(plan.actions, source.users or (), dest), screen)


def read_dest(dest: ClusterSettings, decided: Policy, emit: Emit, source: Snapshot | None = None) -> Snapshot:
    """The destination as it is, as far as these decisions need it, without the offsets of its logs."""
    others = (source.other_configs if source is not None else None) or ()
    return read_destination(
        dest,
        configured=[decided.group_name(each.name) for each in others if each.resource_type == "GROUP"],
        sections=needed(decided.only),
        include_internal=decided.selection.include_internal,
        emit=emit,
        taken_at_ms=round(time.time() * 1000),
    )


def identity_of(source: Snapshot, actual: Snapshot) -> Identity:
    """Whether a file of a cluster, or a reading of it, and the destination are of one cluster."""
    if source.cluster.id is None or source.cluster.id != actual.cluster.id:
        return "two clusters"
    return identity(topic_ids(source.topics), topic_ids(actual.topics), at_one_time=False)


def make_plan(
    source: Snapshot,
    actual: Snapshot,
    dest: ClusterSettings,
    decided: Policy,
    emit: Emit,
    *,
    passwords: Passwords = NO_PASSWORDS,
    journal: str | None = None,
    before_import: bool = False,
) -> Plan:
    """What the destination ought to be, compared with what it is. Asks its brokers for the offsets that it needs.
    `before_import`: topics that are there are looked into."""
    desired = reshape(source, decided, home_of(actual))
    places = partitions_to_measure(desired, actual)
    there = existing_partitions(desired, actual) - places if before_import else frozenset()
    if places or there:
        actual = cluster.with_offsets(dest, actual, places, at_once=there, emit=emit)
    positions_at = None
    if decided.group_offsets.time_ms is not None and "groups" in decided.only:
        positions_at = cluster.offsets_at(dest, actual, decided.group_offsets.time_ms, places)
    found = _traces(source.cluster, actual.cluster, None if journal is None else Path(journal))
    plan = compare(
        desired,
        actual,
        on_drift=decided.on_drift,
        operator=Operator(principal=dest.principal, cluster_operations=actual.operations),
        positions_at=positions_at,
        passwords=passwords,
        traces=found,
    )
    if not before_import:
        return plan
    sections = frozenset(_SECTIONS[action.type] for action in plan.actions)
    notes = (*plan.warnings, *preflight(actual, sections), *occupied(desired, actual, found))
    return replace(plan, warnings=sorted_remarks(notes))


_SECTIONS: Mapping[str, Section] = {
    **dict.fromkeys(("createTopic", "addPartitions", "setConfigs"), "topics"),
    "commitOffsets": "groups",
    "createAcl": "acls",
    "upsertUser": "users",
    "setQuota": "quotas",
    "setOtherConfigs": "other-configs",
}
"""By the type of an action."""


def _traces(source: Cluster, there: Cluster, path: Path | None) -> Traces:
    """Of the mirrors between these clusters: by the named journal, or by those that this user has on this machine."""
    found = NO_TRACES
    if source.id is None or there.id is None:
        return found
    for each in [path] if path is not None else journals_of(source, there):
        with Journal(each, source_id=source.id, dest_id=there.id) as journal:
            found = found.and_of(traces(journal))
    return found


def headline(actual: Snapshot, dest: ClusterSettings) -> str:
    return f"{dest.addresses} ({cluster_words(actual.cluster)})"


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
    screen.document(lambda: encode_plan(plan))
    screen.result(plan_lines(plan, verbose=screen.verbose))
    if plan.actions:
        screen.result(["", "Nothing was changed. To do it: the same command with --commit"])
    else:
        screen.result(["", "Nothing was changed. There is nothing to do."])
    return ExitStatus.DONE


def _commit(plan: Plan, rejected: Sequence[Result], dest: ClusterSettings, vault: cluster.Vault, screen: Screen) -> int:
    # What is left alone, as in the dry run; then what becomes of each action, the refused ones first.
    named = {result.action.resource for result in rejected}
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
                    # On a terminal, thousands of successes would scroll the failures away.
                    if step.outcome == "failed" or well <= FEW or screen.verbose:
                        mark = "×" if step.outcome == "failed" else "=" if step.outcome == "present" else "+"
                        screen.result([f"  {mark} {result_line(step)}"])
                    meter.emit(Progress(stage="import", done=len(results), total=total))
                else:
                    meter.emit(step)
            for waiting in writer.settle():
                meter.emit(waiting)
    except BaseException:
        # ^C, SIGTERM, a destination that is gone: what was done is shown in any case.
        _finish(plan, results, screen, left=total - len(results))
        raise
    failed = any(result.outcome == "failed" for result in results) or bool(plan.refused or plan.unread)
    if well > FEW and not screen.verbose:
        screen.result([f"  … {well - FEW:,} more (--verbose, or --output json)"])
    _finish(plan, results, screen)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _finish(plan: Plan, results: Sequence[Result], screen: Screen, *, left: int | None = None) -> None:
    """`left`: how many actions have no result, if the import was interrupted."""
    document = encode_results(results, plan, interrupted=left is not None)
    screen.document(lambda: document)
    totals = {name: count for name, count in document["totals"].items() if count or name == "done"}
    screen.result(["", totals_line(totals)])
    if left is not None:
        asked = plural(len(plan.actions), "action")
        screen.result([f"stopped: {left:,} of {asked} got no answer; run the same command again: it does what is left"])
    elif totals.get("failed") or totals.get("refused"):
        failed = [result for result in results if result.outcome == "failed"]
        screen.result(f"  × {visible(str(each.action.resource))}: {visible(each.error or '')}" for each in failed[:FEW])
        if len(failed) > FEW:
            screen.result([f"  … {len(failed) - FEW:,} more failed (--output json)"])
        screen.result(
            ["Something failed: exit status 1. Mend it and run the same command again: it does what is left."]
        )
    elif plan.unread:
        screen.result(
            [
                f"Not compared: {together([each.resource for each in plan.unread], screen.verbose)}: exit status 1. "
                "Mend what could not be read and run the same command again, or leave it out with --only."
            ]
        )


def _import_plan(session: Session, path: Path, *, same_id: bool, commit: bool) -> int:
    """Exactly what was reviewed, or nothing."""
    decided_too = sorted(set(session.flags) - {*_WITH_PLAN})
    if decided_too:
        raise UsageError(
            f"--{decided_too[0]} cannot be given with --plan-file: the plan is carried out as it was saved",
            "Make a new plan with --save-plan.",
        )
    screen = session.screen
    chosen = session.options()
    named = {"the plan": path, "the metadata file": chosen.file_name, "the file of --passwords": chosen.passwords}
    require_new_passwords(chosen, named)
    dest = session.dest()
    plan = read_plan(path)
    with screen.progress() as meter:
        actual = read_dest(dest, Policy(), meter.emit)
    if plan.source_id is not None and plan.source_id == actual.cluster.id:
        # A plan has no ids of topics.
        require_two_clusters("not known", plan.source_id, allowed=same_id)
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
    keys = any(isinstance(action, UpsertUser) and action.secret == "key" for action in open_plan.actions)
    if keys and dest.zookeeper is not None:
        zookeeper.require_cluster(dest.zookeeper, actual.cluster.id)
    return _commit(open_plan, (), dest, _vault_for(open_plan, chosen, screen, dest), screen)


_WITH_PLAN = (
    *("plan-file", "commit", "allow-same-cluster-id", "dest-bootstrap-servers", "dest-config", "dest-zk-connect"),
    *("file-name", "target-directory", "passwords", "generate-passwords"),
)


def _vault_for(plan: Plan, chosen: PolicyOptions, screen: Screen, dest: ClusterSettings) -> cluster.Vault:
    """A plan holds no secret. Keys are read from the metadata file, to be written or to check passwords."""
    upserts = [action for action in plan.actions if isinstance(action, UpsertUser)]
    if not upserts:
        return cluster.Vault()
    exported: Sequence[User] = ()
    if any(action.secret != "generated" for action in upserts):
        path = file_to_read(chosen)
        desired = read_metadata(path)
        if desired.cluster.id != plan.source_id:
            raise UsageError(
                f"{path} is of cluster {desired.cluster.id}, but the plan is of cluster {plan.source_id}",
                "Name the metadata file of the plan with --file-name.",
            )
        exported = desired.users or ()
    named = {action.user for action in upserts} | {user.name for user in exported}
    return password_files(chosen, sorted(named), screen).vault(upserts, exported, dest)
