"""The one table of units, for amounts that people type (`2TB`, `50MB/s`, `10m`) and figures in documents.

kB, MB, GB are powers of 1000, as disks and networks are sold. KiB, MiB, GiB are powers of 1024.
Vendors mix them, so nothing here guesses which one was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from kafka_meta.errors import UsageError

Dimension: TypeAlias = Literal["size", "rate", "time", "frequency", "count"]

_PREFIXES = ("k", "M", "G", "T", "P")
_SIZES: Mapping[str, float] = (
    {"B": 1, "bit": 1 / 8}
    | {f"{prefix}B": 1000.0**power for power, prefix in enumerate(_PREFIXES, 1)}
    | {f"{prefix}bit": 1000.0**power / 8 for power, prefix in enumerate(_PREFIXES, 1)}
    | {f"{prefix.upper()}iB": 1024.0**power for power, prefix in enumerate(_PREFIXES, 1)}
)
_TIMES: Mapping[str, float] = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
UNITS: Mapping[str, tuple[Dimension, float]] = {
    **{unit: ("size", factor) for unit, factor in _SIZES.items()},
    **{f"{unit}/s": ("rate", factor) for unit, factor in _SIZES.items()},
    **{unit: ("time", factor) for unit, factor in _TIMES.items()},
    "1/s": ("frequency", 1),
    "count": ("count", 1),
}
"""Unit → what it measures, and its factor to bytes, bytes a second, milliseconds."""

_SHORT: Mapping[str, Mapping[str, str]] = {
    "size": {prefix: f"{prefix}B" for prefix in _PREFIXES},
    "rate": {prefix: f"{prefix}B" for prefix in _PREFIXES},
    "time": {"m": "min"},
}
"""What people also type: `500k`, `10m`."""

_EXPECTED: Mapping[str, str] = {
    "size": "a size, such as 500000, 128MB, 2TB or 1GiB",
    "rate": "bytes a second, such as 500kB/s, 50MB/s or 400Mbit/s",
    "time": "a time, such as 90s, 10m or 2h",
}
_NUMBER = re.compile(
    r"([+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:e[+-]?\d{1,3})?)\s*([a-z/]*)", re.ASCII | re.IGNORECASE
)
MOST = 1e18
"""More than any flag can mean; keeps every product of two amounts a number."""


def convert(value: float, unit: str, to: str) -> float:
    """Raises UsageError for a unit that is not known, or that measures something else."""
    if unit == to:
        return value
    for name in (unit, to):
        if name not in UNITS:
            raise UsageError(f"the unit {name!r} is not known", f"Known are {', '.join(UNITS)}.")
    (dimension, factor), (wanted, divisor) = UNITS[unit], UNITS[to]
    if dimension != wanted:
        raise UsageError(f"{unit} cannot be turned into {to}", f"{unit} measures a {dimension}, {to} a {wanted}.")
    return value * factor / divisor


def amount(flag: str, text: str, unit: str) -> float:
    """What was typed behind `flag`, in `unit`; a number alone is in `unit`. Units in any case; a rate may leave out /s.

    Raises UsageError that names the flag. Zero is a number; whether it can be used is the caller's to say.
    """
    dimension = UNITS[unit][0]
    known = {name.lower(): name for name, (measures, _) in UNITS.items() if measures == dimension}
    known |= {name.removesuffix("/s"): full for name, full in known.items()} if dimension == "rate" else {}
    known |= {short.lower(): known[full.lower()] for short, full in _SHORT[dimension].items()}
    match = _NUMBER.fullmatch(text.strip())
    given = unit if match is None or not match[2] else known.get(match[2].lower())
    value = float(match[1]) if match is not None else -1
    if given is None and match is not None:
        sort = "a unit of time" if dimension == "time" else f"a unit of a {dimension}"
        reason = f"expected {_EXPECTED[dimension]}; {match[2]!r} is not {sort}"
    elif not 0 <= value <= MOST:
        reason = f"expected {_EXPECTED[dimension]}"
    else:
        return convert(value, given or unit, unit)
    raise UsageError(
        f"{flag} {text!r}: {reason}", f"A number alone is in {unit}. Examples: {flag} 20, {flag} 20{unit}."
    )


def count(flag: str, text: str) -> int:
    """How many there are: a whole number. Raises UsageError that names the flag."""
    match = _NUMBER.fullmatch(text.strip())
    value = float(match[1]) if match is not None and not match[2] else -1
    if not 0 <= value <= MOST or value != int(value):
        raise UsageError(f"{flag} {text!r}: expected a whole number, such as 800 or 1e3")
    return int(value)


def size_bytes(flag: str, text: str) -> int:
    """At least one byte. Raises UsageError."""
    return _whole(flag, text, "B")


def rate_bytes(flag: str, text: str) -> int:
    """Bytes a second, with or without `/s`; at least one. Raises UsageError."""
    return _whole(flag, text, "B/s")


def seconds(flag: str, text: str) -> int:
    """At least one second. Raises UsageError."""
    return _whole(flag, text, "s")


def duration(seconds: float) -> str:
    """`2 d 3 h`, `3 h 20 min`, `45 s`: the two largest units, as a person says it."""
    whole = round(seconds)
    parts = (whole // 86_400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 s"


def _whole(flag: str, text: str, unit: str) -> int:
    value = round(amount(flag, text, unit))
    if value < 1:
        raise UsageError(f"{flag} {text!r}: expected {_EXPECTED[UNITS[unit][0]]}, and at least 1 {unit}")
    return value
