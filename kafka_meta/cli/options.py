"""Options that several commands share, in the groups that `--help` shows; and how a function gets them.

A group is a dataclass: a field an option, with what typer needs to know about it. Its `heading` is shown in the help.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias, get_args, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo


def one_of(*values: str) -> Callable[[str], list[str]]:
    """What a TAB offers for a value."""

    def complete(incomplete: str) -> list[str]:
        return [each for each in values if each.startswith(incomplete)]

    return complete


def several_of(*values: str) -> Callable[[str], list[str]]:
    """The same for a value with commas: behind the last one."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{each}" for each in one_of(*values)(last) if each not in before.split(",")]

    return complete


FileName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--file-name",
        metavar="FILE",
        help="The metadata file to read. Without it, kafka-metadata-export.json or metadata.json.",
    ),
]
TargetDirectory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--target-directory", metavar="DIR", help="The folder of the metadata file. Without it, the current folder."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    heading: ClassVar = "Files"

    file_name: FileName = None
    target_directory: TargetDirectory = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    heading: ClassVar = "Source"

    source_bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="Brokers of the source cluster.")
    ] = None
    source_zk_connect: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT,…/CHROOT", help="ZooKeeper of the source cluster."),
    ] = None
    source_config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Java .properties file with the source's addresses and login."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestBrokers:
    heading: ClassVar = "Destination"

    dest_bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="Brokers of the destination cluster.")
    ] = None
    dest_config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Java .properties file with the destination's addresses and login."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestZooKeeper:
    heading: ClassVar = "Destination"

    dest_zk_connect: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT,…/CHROOT",
            help="ZooKeeper of the destination, if it has one. Needed to create users from exported keys, "
            "and to read users and quotas of brokers older than 2.7.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    heading: ClassVar = "Filters"

    only: Annotated[
        str | None,
        typer.Option(
            metavar="topics,groups,acls,users,quotas,other-configs",
            help="Only these sections of the metadata, with commas between them. other-configs are those of groups and "
            "client metrics; named here, also those that are set for all brokers at run time.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFilters:
    heading: ClassVar = "Filters"

    include_topics: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Only topics whose whole name matches.")
    ] = None
    exclude_topics: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Leave out topics whose whole name matches.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilters:
    heading: ClassVar = "Filters"

    include_groups: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Only consumer groups whose whole name matches.")
    ] = None
    exclude_groups: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Leave out consumer groups whose whole name matches.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalFilters:
    heading: ClassVar = "Filters"

    include_principals: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Only ACLs, users and quotas of principals whose whole name matches, such as User:alice. Without it, "
            "--include-topics takes those that an ACL allows something on these topics.",
        ),
    ] = None
    exclude_principals: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Leave out principals whose whole name matches.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Internal:
    heading: ClassVar = "Filters"

    include_internal: Annotated[
        bool,
        typer.Option(
            "--include-internal",
            help="Take internal topics, too: those of Kafka, and those in which other products keep their own state.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    heading: ClassVar = "Policies"

    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help=r"Rename topics. OLD is a regular expression for the whole name; NEW may use its groups (\1). "
            "Positions and ACLs follow. group:OLD=NEW renames consumer groups. May be given several times; "
            "the first rule that matches a name is used.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPolicies:
    heading: ClassVar = "Policies"

    replication_factor: Annotated[
        str | None,
        typer.Option(
            metavar="auto|default|N",
            help="Replicas of new topics. auto (the default): as on the source, but no more than the destination has "
            "brokers. default: what the destination's brokers are configured to use.",
        ),
    ] = None
    config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TOPICS:]NAME=VALUE",
            help="Give topics this config, whatever they have on the source. TOPICS is a regular expression for whole "
            "names on the source; without it, all topics. May be given several times; the last one that matches "
            "counts.",
        ),
    ] = None
    drop_config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TOPICS:]NAME",
            help="Leave out this config: the destination's default counts. May be given several times.",
        ),
    ] = None
    pin_defaults: Annotated[
        bool,
        typer.Option(
            "--pin-defaults",
            help="Where the defaults of the two clusters' brokers differ, set the source's default on the topic.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    heading: ClassVar = "Policies"

    on_drift: Annotated[
        str | None,
        typer.Option(
            metavar="report|set",
            autocompletion=one_of("report", "set"),
            help="What to do with topics that exist and have other configs. report (the default): only show them. "
            "set: set the source's values.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPolicies:
    heading: ClassVar = "Policies"

    group_offsets: Annotated[
        str | None,
        typer.Option(
            metavar="start|end|same|time:ISO",
            help="Where new consumer groups start: at the first record of each partition (start, the default), behind "
            "the last (end), at the source's offset (same), or at a time (time:2026-11-21T03:50:00Z).",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AclPolicies:
    heading: ClassVar = "Policies"

    map_principal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help=r"Give the ACLs, the user and the quotas of principal OLD to principal NEW. OLD is a regular "
            r"expression for the whole principal: 'User:CN=(.*),O=Acme=User:\1'. May be given several times; the first "
            "rule that matches counts.",
        ),
    ] = None
    map_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Create ACLs and quotas of host OLD for host NEW instead. May be given several times.",
        ),
    ] = None
    allow_wider_rights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACL",
            help="Create this ACL although it would allow more on the destination than on the source. Give it as the "
            "refusal writes it: 'ALLOW User:alice READ on TOPIC eu.… from *'. May be given several times.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdWrite:
    heading: ClassVar = "Policies"

    withhold_write: Annotated[
        bool,
        typer.Option(
            "--withhold-write",
            help="Leave out the ACLs that allow to write to topics (WRITE, ALL): nobody can write there too early, "
            "while a mirror still copies. Without the option, a later import creates them.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    heading: ClassVar = "Files"

    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The journal of kafka-meta mirror, if mirror was given --journal. What a mirror has changed on the "
            "destination for a time is then not reported as a difference.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    heading: ClassVar = "Files"

    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The task's name. Tasks with different names copy different topics between the same clusters, on one "
            "machine or on several. Without it, the task of the two clusters that has no name.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SameId:
    heading: ClassVar = "Clusters"

    allow_same_cluster_id: Annotated[
        bool,
        typer.Option(
            "--allow-same-cluster-id",
            help="The destination is another cluster than the source, although both have the same cluster id (as every "
            "container of the image apache/kafka has). It is refused all the same where it is the source.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    heading: ClassVar = "Options"

    commit: Annotated[bool, typer.Option("--commit", help="Do it. Without --commit, nothing is changed.")] = False


def takes(*resolved: type) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Makes a command of a function whose parameters are a `Session` and groups of options.

    typer sees the options of `resolved`, then those of the parameters, each on its own. Of `resolved` the function gets
    nothing: what was typed of them stands in `Session.flags`, from which the environment and files are consulted too.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        # `Session` is imported for mypy only: help shall not wait for what it needs.
        hints = get_type_hints(function, localns={"Session": object}, include_extras=True)
        wanted: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
        groups = (*resolved, *wanted.values())

        def call(ctx: typer.Context, **values: Any) -> int:
            given = {
                name: group(**{field.name: values[field.name] for field in dataclasses.fields(group)})
                for name, group in wanted.items()
            }
            return function(ctx.obj.with_flags(typed(ctx)), **given)

        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters = [context, *(parameter for group in groups for parameter in _parameters(group))]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        call.__doc__ = function.__doc__
        return call

    return decorate


def _parameters(group: Any) -> Iterator[inspect.Parameter]:
    """One for each option, under the group's heading."""
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        kind, option = get_args(hints[field.name])
        assert isinstance(option, OptionInfo | ArgumentInfo)
        option = copy(option)
        option.rich_help_panel = group.heading
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=Annotated[kind, option],
        )


def typed(ctx: typer.Context) -> dict[str, Any]:
    """What was given on the command line, by option name without dashes; nothing that is a default.

    Settings and policies are resolved from this, the environment and files by `settings`, not by typer.
    """
    flags: dict[str, Any] = {}
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        if value is None or source is None or source.name != "COMMANDLINE":
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool) and option == "evaluate":
            flags[option] = str(value).lower()
        else:
            flags[option] = tuple(value) if isinstance(value, list) else value
    return flags
