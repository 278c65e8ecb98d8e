"""JSON text ⇄ values.

Python's own parser accepts duplicate keys, NaN, 1e999 (as infinity) and lone surrogates. It fails on deep nesting and
on very long integers. All of this is refused here, with its place.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from kafka_meta.errors import UsageError

Json: TypeAlias = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_BYTES = 512 * 1024 * 1024
MAX_DEPTH = 64
MAX_DIGITS = 20
"""More than any 64-bit integer has."""

EXPORT_AGAIN = "Export the cluster again, or check the file with a JSON tool."


class _Refused:
    """Replaces a refused value in the tree, so that `_check` can name its place."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def dumps(document: Mapping[str, object], *, in_one_line: bool = False) -> str:
    """A document as text. Keys are sorted, so that equal documents are equal texts. Each topic, group or ACL has a
    line of its own, so that a diff is easy to read. (Python's own indentation takes eight times as long.)

    Characters that a terminal would not show as they are (controls, bidi marks) are written as escapes.
    """
    # Outside of strings there are only printable ASCII characters and line ends.
    return re.sub(r"[^\n -~]", _escape, _encode(document) if in_one_line else _in_lines(document)) + "\n"


def _escape(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _in_lines(document: Mapping[str, object]) -> str:
    return "{\n" + ",\n".join(f" {_encode(name)}: {_member(document[name])}" for name in sorted(document)) + "\n}"


def _member(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(_encode, value)) + "\n ]"
    if isinstance(value, dict) and value:
        return "{\n  " + ",\n  ".join(f"{_encode(name)}: {_encode(value[name])}" for name in sorted(value)) + "\n }"
    return _encode(value)


def load(path: Path, *, written_by: str | None = None, max_bytes: int = MAX_BYTES) -> Json:
    """The values in a file. Raises UsageError, with the file and the place, for anything that is not sound JSON.

    `written_by` is the hint for a file that does not exist: the command that writes it.
    """
    try:
        with path.open("rb") as file:
            # One byte more than allowed: an endless file (/dev/zero) is refused, too.
            raw = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", written_by) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory", "Name a file.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > max_bytes:
        raise UsageError(f"{path} is larger than {max_bytes:,} bytes", "kafka-meta does not write files of this size.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: byte {error.start}", EXPORT_AGAIN) from None
    del raw
    return loads(text, name=str(path))


def loads(text: str, *, name: str) -> Json:
    """The values in a text. `name` is its name in error messages. Raises UsageError."""
    if not text.strip():
        raise UsageError(f"{name} is empty", EXPORT_AGAIN)
    try:
        tree = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=lambda word: _Refused(f"{word} is not a JSON value"),
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        # A string without an end is reported where it begins. A file that ends inside a string was cut off as well.
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        cut = " (the file ends there: it may have been cut off)" if ends else ""
        problem = error.msg.removesuffix(" starting at")
        raise UsageError(f"{name} is not JSON: {problem} at {where}{cut}", EXPORT_AGAIN) from None
    except RecursionError:
        raise UsageError(_too_deep(name, text), EXPORT_AGAIN) from None
    _check(tree, name, has_escapes="\\ud" in text or "\\uD" in text)
    return tree  # type: ignore[no-any-return]


def _object(pairs: list[tuple[str, object]]) -> object:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                return _Refused(f"the key {short(key)} occurs twice")
            seen.add(key)
    return result


def _integer(digits: str) -> object:
    if len(digits) > MAX_DIGITS:
        return _Refused(f"a number of {len(digits):,} digits, at most {MAX_DIGITS} are allowed")
    return int(digits)


def _number(text: str) -> object:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        return _Refused(f"{text[:20]} is too large for a number")
    return value


def _check(tree: object, name: str, *, has_escapes: bool) -> None:
    for path, value, depth in _walk(tree):
        if isinstance(value, _Refused):
            raise UsageError(f"{name}: {path}: {value.reason}", EXPORT_AGAIN)
        if depth > MAX_DEPTH:
            raise UsageError(f"{name}: {path}: nested more than {MAX_DEPTH} levels deep", EXPORT_AGAIN)
        if has_escapes:
            keys = value.keys() if isinstance(value, dict) else ()
            for text in (value, *keys):
                if isinstance(text, str) and re.search("[\ud800-\udfff]", text):
                    raise UsageError(f"{name}: {path}: a \\u escape is half of a surrogate pair", EXPORT_AGAIN)


def _walk(tree: object) -> Iterator[tuple[JsonPath, object, int]]:
    stack: list[tuple[JsonPath, object, int]] = [(JsonPath(), tree, 0)]
    while stack:
        path, value, depth = stack.pop()
        yield path, value, depth
        if isinstance(value, dict):
            stack.extend((JsonPath(path, key), child, depth + 1) for key, child in value.items())
        elif isinstance(value, list):
            stack.extend((JsonPath(path, index), child, depth + 1) for index, child in enumerate(value))


class JsonPath:
    """A place in a document. Its text, such as `$.topics[3].name`, is made only when it is needed."""

    __slots__ = ("_parent", "_step")

    def __init__(self, parent: JsonPath | None = None, step: str | int | None = None) -> None:
        self._parent, self._step = parent, step

    def __str__(self) -> str:
        steps: list[str | int] = []
        path: JsonPath | None = self
        while path is not None and path._step is not None:
            steps.append(path._step)
            path = path._parent
        return json_path(reversed(steps))


def short(value: object) -> str:
    """`value` as Python writes it, invisible characters escaped, at most about 80 characters."""
    limits = reprlib.Repr()
    limits.maxstring = limits.maxother = limits.maxlong = 80
    return limits.repr(value)


def json_path(steps: Iterator[str | int] | list[str | int]) -> str:
    """`["topics", 3, "name"]` → `$.topics[3].name`. A key that is not a plain word has brackets and quotes."""
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", step):
            text += f".{step}"
        else:
            text += f"[{short(step)}]"
    return text


def _too_deep(name: str, text: str) -> str:
    depth = 0
    in_string = False
    for match in re.finditer(r'\\.|["\[\]{}]', text):
        token = match.group()
        if token == '"':
            in_string = not in_string
        elif not in_string and token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, match.start()) + 1
                column = match.start() - text.rfind("\n", 0, match.start())
                return f"{name} is nested more than {MAX_DEPTH} levels deep at line {line}, column {column}"
        elif not in_string and token in "]}":
            depth -= 1
    return f"{name} is nested too deeply"
