"""Settings of the two clusters, the policy, and files by their default names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka_meta import host
from kafka_meta.cli.screen import Screen
from kafka_meta.errors import UsageError
from kafka_meta.files import read_metadata
from kafka_meta.model import Snapshot
from kafka_meta.plan import SECTIONS, GroupOffsets, Policy, Section, parse_hosts, parse_renames
from kafka_meta.render import visible
from kafka_meta.settings import ClusterSettings, PolicyOptions, Toml, policy_options, resolve

DEFAULT_FILE = "kafka-metadata-export.json"
SECOND_FILE = "metadata.json"


def source_settings(flags: Mapping[str, Any], toml: Toml | None, screen: Screen) -> ClusterSettings:
    """The source's; found on this machine when no address was given anywhere."""
    settings = resolve("source", flags=flags, environ=os.environ, toml=toml)
    _say_notes(settings, screen)
    if settings.bootstrap_servers or settings.zookeeper is not None:
        return settings
    addresses = host.find_addresses()
    found = {
        "source-bootstrap-servers": addresses.bootstrap_servers,
        "source-zk-connect": addresses.zookeeper_connect,
    }
    screen.say(f"no address given; found {' and '.join(filter(None, found.values()))}: {addresses.origin}")
    settings = resolve("source", flags={**flags, **found}, environ=os.environ, toml=toml)
    return replace(settings, origins={**settings.origins, "bootstrap_servers": addresses.origin})


def dest_settings(flags: Mapping[str, Any], toml: Toml | None, screen: Screen) -> ClusterSettings:
    """The destination's, which is never guessed."""
    settings = dest_settings_if_any(flags, toml, screen)
    if settings is None:
        raise UsageError(
            "no address of the destination is given",
            "Use --dest-bootstrap-servers HOST:PORT or --dest-config FILE, "
            "KAFKA_META_DEST_BOOTSTRAP_SERVERS, or [dest] in kafka-meta.toml.",
        )
    return settings


def has_source(flags: Mapping[str, Any]) -> bool:
    """Whether the command line names a live source."""
    return any(flags.get(f"source-{name}") for name in ("bootstrap-servers", "zk-connect", "config"))


def dest_settings_if_any(flags: Mapping[str, Any], toml: Toml | None, screen: Screen) -> ClusterSettings | None:
    settings = resolve("dest", flags=flags, environ=os.environ, toml=toml)
    _say_notes(settings, screen)
    return settings if settings.bootstrap_servers else None


def options(flags: Mapping[str, Any], toml: Toml | None, screen: Screen) -> PolicyOptions:
    resolved = policy_options(flags, os.environ, toml)
    for note in resolved.notes:
        screen.say(note)
    return resolved


def policy(given: PolicyOptions) -> Policy:
    """Raises UsageError for values that are none."""
    return Policy(
        only=_sections(given.only),
        selection=given.selection(),
        renames=parse_renames(given.rename),
        hosts=parse_hosts(given.map_host),
        replication_factor=_replication_factor(given.replication_factor),
        group_offsets=_group_offsets(given.group_offsets),
        on_drift=_on_drift(given.on_drift),
        pin_defaults=given.pin_defaults,
    )


def _sections(words: tuple[str, ...]) -> frozenset[Section]:
    if not words:
        return frozenset(SECTIONS)
    for word in words:
        if word not in SECTIONS:
            raise UsageError(f"--only: there is no section {word!r}", f"Known are {', '.join(SECTIONS)}.")
    return frozenset(section for section in SECTIONS if section in words)


def _replication_factor(text: str | None) -> Any:
    if text is None or text in ("auto", "default"):
        return text or "auto"
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 32768:
        return int(text)
    raise UsageError(f"--replication-factor {text!r}: expected auto, default or a number from 1")


def _group_offsets(text: str | None) -> GroupOffsets:
    match (text or "start").partition(":"):
        case ("start" | "end" | "same") as position, "", "":
            return GroupOffsets(position=position, label=position)
        case "time", ":", moment:
            try:
                when = datetime.fromisoformat(moment)
            except ValueError:
                pass
            else:
                when = when if when.tzinfo else when.replace(tzinfo=UTC)
                return GroupOffsets(position="time", time_ms=round(when.timestamp() * 1000), label=f"time:{moment}")
    raise UsageError(
        f"--group-offsets {text!r}: expected start, end, same or time:ISO", "For example: time:2026-11-21T03:50:00Z"
    )


def _on_drift(text: str | None) -> Any:
    if text in (None, "report", "set"):
        return text or "report"
    raise UsageError(f"--on-drift {text!r}: expected report or set")


def require_matches(given: PolicyOptions, found: Snapshot, where: str, screen: Screen) -> None:
    """Raises UsageError for an include expression that no name of `where` matches. An exclude expression may be there
    for the case that something appears: it is only said to be idle. Nothing is said where names could not be read."""
    unknown = {gap.resource for gap in found.gaps}
    refused: list[str] = []
    near: list[str] = []
    for each in found.unmatched:
        if each.section in unknown:
            continue
        told = f"{given.origins[each.option]}: '{getattr(given, each.option)}' matches "
        told += f"none of the {each.names:,} {each.section} of {where}" if each.names else "nothing: "
        told += "" if each.names else f"{where} has no {each.section}"
        if each.option.startswith("exclude"):
            screen.say(told)
        else:
            refused.append(told)
            near += map(visible, each.near)
    if refused:
        hints = ["The expression must match a whole name." + (f" Near: {', '.join(near)}." if near else "")]
        hints += (f"{gap.resource}: {gap.reason}" for gap in found.gaps if gap.resource == "cluster")
        raise UsageError("; ".join(refused), "\n".join(hints))


def say_idle_rules(given: PolicyOptions, decided: Policy, source: Snapshot, screen: Screen) -> None:
    """Names the rules that change nothing: most often they are misspelt, and names stay as they were."""
    for rule in decided.idle_renames(source):
        first = " that an earlier rule does not rename" if len(decided.renames) > 1 else ""
        screen.say(f"{given.origins['rename']}: '{rule}' renames nothing: there is no such {rule.kind}{first}")
    there = {acl.host for acl in source.acls or ()}
    for host_there in decided.hosts.keys() - there if source.acls is not None else ():
        screen.say(f"{given.origins['map_host']}: no ACL of the source is about the host {host_there}")


def read_file(given: PolicyOptions, decided: Policy, path: Path, screen: Screen) -> Snapshot:
    """What is in the file; raises UsageError for a file that cannot be used, and as `require_matches`."""
    found = read_metadata(path)
    # A rule may be about a topic or a group that is not there yet.
    rules = [acl for acl in found.acls or () if acl.pattern_type == "LITERAL" and acl.resource_name != "*"]
    names = {
        section: None if items is None else {*items, *(acl.resource_name for acl in rules if acl.resource_type == kind)}
        for section, kind, items in (
            ("topics", "TOPIC", None if found.topics is None else [topic.name for topic in found.topics]),
            ("groups", "GROUP", None if found.groups is None else [group.id for group in found.groups]),
        )
    }
    found = replace(found, unmatched=decided.selection.unmatched(topics=names["topics"], groups=names["groups"]))
    require_matches(given, found, str(path), screen)
    say_idle_rules(given, decided, found, screen)
    return found


def require_journal(path: Path | None) -> None:
    """Raises UsageError for one that is named and not there."""
    if path is not None and not path.exists():
        raise UsageError(f"the journal {path} does not exist", "mirror --commit writes it; without --journal, at home.")


def file_to_read(given: PolicyOptions) -> Path:
    """The named file, else the one that export wrote under its default name or as metadata.json."""
    if given.file_name is not None:
        return Path(given.target_directory or ".", given.file_name)
    folder = Path(given.target_directory or ".")
    found = [folder / name for name in (DEFAULT_FILE, SECOND_FILE) if (folder / name).is_file()]
    if len(found) > 1:
        raise UsageError(f"both {found[0]} and {found[1]} are here", "Say which one: --fileName.")
    return found[0] if found else folder / DEFAULT_FILE


def file_to_write(given: PolicyOptions) -> Path:
    return Path(given.target_directory or ".", given.file_name or DEFAULT_FILE)


def side(settings: ClusterSettings) -> str:
    """The address(es) of a cluster, as a headline names them."""
    zookeeper = settings.zookeeper.connect if settings.zookeeper else None
    return "  +  ".join(filter(None, (settings.bootstrap_servers, zookeeper)))


def principal(settings: ClusterSettings) -> str | None:
    """Who we are to the brokers; None where only they know (a token, a client certificate)."""
    if settings.username is not None:
        return f"User:{settings.username}"
    certified = settings.tls is not None and settings.tls.certificate_file is not None
    return None if settings.sasl is not None or certified else "User:ANONYMOUS"


def _say_notes(settings: ClusterSettings, screen: Screen) -> None:
    for note in settings.notes:
        screen.say(note)
