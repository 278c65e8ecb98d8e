"""Words as people type them → the options that we declare.

The tools that our users come from spell options in camelCase and give switches a value
(`--evaluate false`); global options stand before or after the command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kafka_meta.errors import UsageError

GLOBAL_WITH_VALUE = ("--output", "--config")
GLOBAL_SWITCHES = ("--verbose",)

ANSWERS = frozenset({"--idc-migration", "--ssd"})
BOTH_WAYS = ANSWERS | {"--evaluate"}
"""Switches with a --no- form: they are on by default, or their default is not known. The others are left out."""

SWITCHES = frozenset(
    {
        "--all-data",
        "--allow-live-source",
        "--allow-same-cluster-id",
        "--allow-unread",
        "--append",
        "--both",
        "--commit",
        "--data",
        "--evaluate",
        "--follow",
        "--from-start",
        "--history",
        "--idc-migration",
        "--ignore-extra",
        "--include-internal",
        "--install-tsar",
        "--pin-defaults",
        "--withhold-write",
        "--watch",
        "--abandon",
        "--release",
        "--restart",
        "--secrets",
        "--keep",
        "--no-guard",
        "--ssd",
        "--status",
        "--stop",
        "--unread-only",
        "--until-lso",
        *GLOBAL_SWITCHES,
    }
)


_TOPIC_CONFIG = re.compile(r"(?:.+:)?(?:[a-z]+(?:\.[a-z0-9]+)+|preallocate)=", re.DOTALL)
"""`retention.ms=1000`, `orders\\..*:retention.ms=1000`."""


def normalise(arguments: Sequence[str]) -> list[str]:
    """The same command line in our own spelling, global options first. Raises UsageError."""
    front: list[str] = []
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            rest += [word, *words]
            break
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, equals, value = word.partition("=")
        name = _kebab(name)
        if name in SWITCHES:
            if not equals and words and words[0].lower() in _values(name):
                equals, value = "=", words.pop(0)
            target = front if name in GLOBAL_SWITCHES else rest
            target += _switch(name, value if equals else "true")
        elif name in GLOBAL_WITH_VALUE:
            if not equals:
                if not words or words[0].startswith("--"):
                    raise UsageError(f"{name} needs a value")
                value = words.pop(0)
            # `--config` names the settings file, and for import and verify also a config of topics.
            (rest if name == "--config" and _TOPIC_CONFIG.match(value) else front).extend([name, value])
        else:
            rest.append(f"{name}{equals}{value}")
    return front + rest


def _kebab(name: str) -> str:
    """`--sourceZkConnect` → `--source-zk-connect`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).lower()


def _values(name: str) -> Mapping[str, str]:
    """Words that may follow a switch, and what they mean. The questions of a form may be answered with yes and no."""
    truth = {"true": "true", "false": "false"}
    return truth | {"yes": "true", "no": "false"} if name in ANSWERS else truth


def _switch(name: str, value: str) -> list[str]:
    match _values(name).get(value.lower()):
        case "true":
            return [name]
        case "false":
            return [f"--no-{name.removeprefix('--')}"] if name in BOTH_WAYS else []
        case _:
            raise UsageError(f"{name} is a switch: expected true or false, not {value!r}")
