"""`kafka-meta.toml`: connections (`[source]`, `[dest]`) and decisions (`[policy]`), no passwords."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from kafka_meta.errors import UsageError

FILE_NAME = "kafka-meta.toml"
CONNECTION_KEYS = ("bootstrap-servers", "zk-connect", "config")
TEXT_OPTIONS = (
    "file-name",
    "target-directory",
    "include-topics",
    "exclude-topics",
    "include-groups",
    "exclude-groups",
    "include-principals",
    "exclude-principals",
    "replication-factor",
    "group-offsets",
    "on-drift",
    "passwords",
    "generate-passwords",
    "max-rate",
)
LIST_OPTIONS = ("only", "rename", "map-principal", "map-host", "config", "drop-config", "allow-wider-rights")
SWITCHES = ("pin-defaults", "withhold-write", "all-data", "evaluate")
POLICY_OPTIONS = TEXT_OPTIONS + LIST_OPTIONS + SWITCHES
COMMAND_LINE_ONLY = ("commit", "secrets", "restart", "append")
"""Options that change a cluster, show keys or delete a journal: a person must type them each time."""

Value: TypeAlias = str | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toml:
    """The file's content: only known keys, with values of the right type. `path` is its name in error messages."""

    path: str
    source: Mapping[str, str] = field(default_factory=dict)
    dest: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, Value] = field(default_factory=dict)


def find(config: str | None, *, directory: str | Path = ".") -> Toml | None:
    """The file that `--config` names, else `kafka-meta.toml` in `directory`. None when neither exists.

    Raises UsageError when the file cannot be read or its content cannot be used.
    """
    path = Path(config) if config is not None else Path(directory, FILE_NAME)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if config is None:
            return None
        raise UsageError(f"--config {config}: the file does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return read(data, str(path))


def read(data: bytes, path: str) -> Toml:
    """The file's content from its bytes. Raises UsageError, with the place."""
    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not TOML: it is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        place = re.search(r"\(at .*\)$", str(error))
        raise UsageError(
            f"{path} is not TOML {place[0] if place else ''}".rstrip(), "See toml.io for the format."
        ) from None
    tables: dict[str, dict[str, Value]] = {"source": {}, "dest": {}, "policy": {}}
    for name, table in document.items():
        if name in COMMAND_LINE_ONLY:
            raise _only_typed(path, "the top level", name)
        if name not in tables:
            raise _unknown(path, "the top level", name, tables)
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is not a table", f"Write [{name}] on a line of its own.")
        tables[name] = _table(path, name, table)
    return Toml(path=path, source=_texts(tables["source"]), dest=_texts(tables["dest"]), policy=tables["policy"])


def _table(path: str, name: str, table: Mapping[str, object]) -> dict[str, Value]:
    known = POLICY_OPTIONS if name == "policy" else CONNECTION_KEYS
    values: dict[str, Value] = {}
    for spelled, value in table.items():
        key = re.sub(r"(?<=[a-z])([A-Z])", r"-\1", spelled).lower()
        if key in COMMAND_LINE_ONLY:
            raise _only_typed(path, f"[{name}]", spelled)
        if key not in known:
            raise _unknown(path, f"[{name}]", spelled, known)
        if key in values:
            raise UsageError(f"{path} [{name}]: {spelled!r} occurs twice, in two spellings", "Keep one.")
        values[key] = _value(path, name, key, value)
    return values


def _value(path: str, table: str, key: str, value: object) -> Value:
    if key in SWITCHES:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{path} [{table}]: {key} is not true or false")
    if key in LIST_OPTIONS and table == "policy":  # a table of a cluster has a text of the name config
        values = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) and item for item in values):
            return tuple(values)
        raise UsageError(f"{path} [{table}]: {key} is not a list of texts", f'For example: {key} = ["…", "…"]')
    if isinstance(value, int) and not isinstance(value, bool) and key == "replication-factor":
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{path} [{table}]: {key} is empty or not a text", f'For example: {key} = "…"')


def _texts(table: Mapping[str, Value]) -> dict[str, str]:
    return {key: value for key, value in table.items() if isinstance(value, str)}


def _only_typed(path: str, table: str, key: str) -> UsageError:
    return UsageError(
        f"{path}: {table} has {key!r}, which is accepted on the command line only",
        f"Remove it there, and type --{key} when you need it.",
    )


def _unknown(path: str, table: str, key: str, known: Iterable[str]) -> UsageError:
    if re.search("password|secret|token", key, re.IGNORECASE):
        hint = "Put passwords into the .properties file that `config` names."
    else:
        hint = f"Known keys: {', '.join(sorted(known))}."
    near = nearest(key, known)
    return UsageError(
        f"{path}: {table} has an unknown key {key!r}" + (f"; did you mean {near!r}?" if near else ""), hint
    )


def nearest(key: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known key that is spelled most like `key`; None where none is similar."""
    return next(iter(difflib.get_close_matches(key.lower().replace("_", "-"), list(known), n=1, cutoff=likeness)), None)
