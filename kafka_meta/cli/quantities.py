"""Amounts as people write them: `128MB`, `50MB/s`, `10m`."""

from __future__ import annotations

import re

from kafka_meta.errors import UsageError

_BYTES = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SECONDS = {"": 1, "S": 1, "M": 60, "MIN": 60, "H": 3600, "D": 86400}


def size_bytes(option: str, text: str) -> int:
    """Decimal units as disks and networks are sold; `MiB` are powers of two. At least one. Raises UsageError."""
    return _parsed(option, text, _BYTES, "bytes: 500000, 128MB, 1GiB")


def rate_bytes(option: str, text: str) -> int:
    """Bytes a second, with or without `/s`."""
    return _parsed(option, text, _BYTES, "bytes a second: 500kB/s, 50MB/s", per="/s")


def seconds(option: str, text: str) -> int:
    return _parsed(option, text, _SECONDS, "a time: 90s, 10m, 2h")


def _parsed(option: str, text: str, units: dict[str, int], expected: str, per: str = "") -> int:
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([a-zA-Z]*)", text.strip().removesuffix(per), re.ASCII)
    unit = units.get(match[2].upper()) if match else None
    amount = round(float(match[1]) * unit) if match and unit else 0
    if amount < 1:
        raise UsageError(f"{option} {text!r}: expected {expected}")
    return amount
