"""Filter and policy options from the command line, the environment and `kafka-meta.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from kafka_meta.errors import UsageError
from kafka_meta.model import Selection
from kafka_meta.plan.policy import (
    Policy,
    parse_configs,
    parse_group_offsets,
    parse_hosts,
    parse_on_drift,
    parse_principals,
    parse_renames,
    parse_replication_factor,
    parse_sections,
)
from kafka_meta.settings.connection import Origin
from kafka_meta.settings.toml import COMMAND_LINE_ONLY, LIST_OPTIONS, POLICY_OPTIONS, SWITCHES, Toml, Value

Flag: TypeAlias = str | bool | Sequence[str] | None

_SEPARATORS = {"only": ","}
"""In an environment variable a list is one text. Its items are separated by semicolons, since rules may contain commas
("{1,3}"); those of `only` by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """The options as texts; None or empty where not given.

    `origins` has the place of each, by field ("rename", "on_drift", …).
    """

    file_name: str | None = None
    target_directory: str | None = None
    only: tuple[str, ...] = ()
    include_topics: str | None = None
    exclude_topics: str | None = None
    include_groups: str | None = None
    exclude_groups: str | None = None
    include_principals: str | None = None
    exclude_principals: str | None = None
    rename: tuple[str, ...] = ()
    map_principal: tuple[str, ...] = ()
    map_host: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    drop_config: tuple[str, ...] = ()
    allow_wider_rights: tuple[str, ...] = ()
    replication_factor: str | None = None
    group_offsets: str | None = None
    on_drift: str | None = None
    pin_defaults: bool = False
    withhold_write: bool = False
    all_data: bool = False
    evaluate: bool | None = None
    passwords: str | None = None
    generate_passwords: str | None = None
    max_rate: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def selection(self, *, include_internal: bool = False) -> Selection:
        """The include and exclude expressions, compiled. Raises UsageError, with the place of an invalid one."""
        return Selection(
            include_topics=self._pattern("include_topics", self.include_topics),
            exclude_topics=self._pattern("exclude_topics", self.exclude_topics),
            include_groups=self._pattern("include_groups", self.include_groups),
            exclude_groups=self._pattern("exclude_groups", self.exclude_groups),
            include_principals=self._pattern("include_principals", self.include_principals),
            exclude_principals=self._pattern("exclude_principals", self.exclude_principals),
            include_internal=include_internal,
        )

    def policy(self, *, include_internal: bool = False) -> Policy:
        """What the texts mean; raises UsageError for one that means nothing."""
        return Policy(
            only=parse_sections(self.only),
            broker_configs="other-configs" in self.only,
            selection=self.selection(include_internal=include_internal),
            renames=parse_renames(self.rename),
            principals=parse_principals(self.map_principal),
            hosts=parse_hosts(self.map_host),
            configs=parse_configs(self.config, self.drop_config),
            wider_rights=frozenset(self.allow_wider_rights),
            replication_factor=parse_replication_factor(self.replication_factor or "auto"),
            group_offsets=parse_group_offsets(self.group_offsets or "start"),
            on_drift=parse_on_drift(self.on_drift or "report"),
            pin_defaults=self.pin_defaults,
            withhold_write=self.withhold_write,
        )

    def _pattern(self, name: str, text: str | None) -> re.Pattern[str] | None:
        return None if text is None else expression(self.origins.get(name, name), text)


def expression(origin: Origin, text: str) -> re.Pattern[str]:
    """An expression for whole names. Raises UsageError, with its place."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{origin}: {text!r} is not a regular expression: {error}",
            "The expression must match a whole name, e.g. 'orders-.*'.",
        ) from None


def policy_options(flags: Mapping[str, Flag], environ: Mapping[str, str], toml: Toml | None) -> PolicyOptions:
    """Resolves every option of `POLICY_OPTIONS`. Strongest first: flag, environment, `[policy]`.

    `flags` has option names without dashes ("include-topics"). None, False and () mean "not typed". A switch that can
    be turned off, such as `--no-evaluate`, passes the text "false". Raises UsageError.
    """
    values: dict[str, Value] = {}
    origins: dict[str, Origin] = {}
    for option in POLICY_OPTIONS:
        found = _from_flag(option, flags) or _from_environment(option, environ) or _from_toml(option, toml)
        if found is not None:
            name = option.replace("-", "_")
            values[name], origins[name] = found
    notes = tuple(
        f"{variable} has no effect: --{option} is accepted on the command line only"
        for option in COMMAND_LINE_ONLY
        if environ.get(variable := environment_name(option))
    )
    return PolicyOptions(**values, origins=origins, notes=notes)  # type: ignore[arg-type]  # by option, see toml.py


def environment_name(option: str) -> str:
    """ "include-topics" → "KAFKA_META_INCLUDE_TOPICS"."""
    return f"KAFKA_META_{option.replace('-', '_').upper()}"


def _from_flag(option: str, flags: Mapping[str, Flag]) -> tuple[Value, Origin] | None:
    value = flags.get(option)
    if value is None or value is False or value == ():
        return None
    origin = f"flag --{option}"
    if isinstance(value, bool):
        return value, origin
    if isinstance(value, str):
        return _from_text(option, value, origin)
    items = tuple(value)
    if option == "only":
        items = tuple(part for item in items for part in _split(option, item))
    return (items, origin) if items else None


def _from_environment(option: str, environ: Mapping[str, str]) -> tuple[Value, Origin] | None:
    variable = environment_name(option)
    text = environ.get(variable, "")
    return _from_text(option, text, f"environment {variable}") if text else None


def _from_toml(option: str, toml: Toml | None) -> tuple[Value, Origin] | None:
    if toml is None or option not in toml.policy:
        return None
    return toml.policy[option], f"{toml.path} [policy] {option}"


def _from_text(option: str, text: str, origin: Origin) -> tuple[Value, Origin]:
    if not text:
        raise UsageError(f"{origin} is empty", "Give it a value or leave it out.")
    if option in LIST_OPTIONS:
        return _split(option, text), origin
    if option in SWITCHES:
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{origin} is {text!r}, expected true or false")
        return text.lower() == "true", origin
    return text, origin


def _split(option: str, text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(_SEPARATORS.get(option, ";"))) if part)
