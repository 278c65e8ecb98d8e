"""Names, sizes and lists as every screen shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kafka_meta.model import Remark, Resource

FEW = 10
"""So many lines of a kind are shown on a terminal. --verbose shows all; documents always hold all."""

# What Python calls printable and nobody sees: joiners, fillers, variation selectors (Default_Ignorable_Code_Point
# of Unicode's DerivedCoreProperties), and the blank of Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """`text` with everything that could deceive a reader written as an escape: `\\x1b`, `\\u202e`.

    Every name that came from a cluster or a file goes through here before a person sees it.
    """
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(
        character if character.isprintable() and not _UNSEEN.match(character) else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def size(count_bytes: float) -> str:
    """Bytes as `1.2 MB`: decimal units, as disks and networks are sold."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        # Rounded as it is written: 999,960 bytes are 1.0 MB, not 1000.0 kB.
        if round(count_bytes, 1) < 1000 or unit == "TB":
            return f"{count_bytes:.0f} {unit}" if unit == "bytes" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    raise AssertionError


def remark_line(remark: Remark) -> str:
    return f"{visible(str(remark.resource))}: {visible(remark.reason)}"


def names(resources: Sequence[str], *, verbose: bool) -> str:
    """Separated by commas; without `verbose`, the first few."""
    shown = resources if verbose else resources[:FEW]
    rest = f", … {len(resources) - len(shown):,} more" if len(resources) > len(shown) else ""
    return ", ".join(map(visible, shown)) + rest


def limited(lines: Sequence[str], verbose: bool, indent: str = "") -> list[str]:
    if verbose or len(lines) <= FEW:
        return list(lines)
    return [*lines[:FEW], f"{indent}… {len(lines) - FEW:,} more (--verbose, or --output json)"]


def together(resources: Sequence[Resource], verbose: bool) -> str:
    """`topic a, b, c`: the kind once where all are of one kind."""
    kind = resources[0].kind
    named = [resource.name for resource in resources if resource.kind == kind and resource.name is not None]
    if len(named) == len(resources):
        return f"{visible(kind)} {names(named, verbose=verbose)}"
    return names(list(map(str, resources)), verbose=verbose)
