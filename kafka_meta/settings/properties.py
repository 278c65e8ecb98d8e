"""Java's `.properties` format (java.util.Properties.load(InputStream)), read as Kafka's tools read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kafka_meta.errors import UsageError

_BLANK = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entry:
    """One key. `line` (from 1) is where its logical line begins. The value may be a secret: `repr` does not show it."""

    key: str
    value: str
    line: int

    def __repr__(self) -> str:
        return f"Entry(key={self.key!r}, line={self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """`entries` in the file's order. A key may occur several times: its last value is used, as in Java."""

    path: str
    entries: tuple[Entry, ...] = ()
    latin1_lines: tuple[int, ...] = ()
    """Lines whose bytes beyond ASCII look like UTF-8. Java reads them as ISO-8859-1, and so do we."""

    def get(self, key: str) -> str | None:
        """The value of a key that counts: its last one. None when the key is missing."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    def entry(self, key: str) -> Entry | None:
        """The last entry of a key; None when the key is missing."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)

    def where(self, key: str) -> str:
        """The place of a key: "old.properties, line 7"."""
        entry = self.entry(key)
        return self.path if entry is None else f"{self.path}, line {entry.line}"


def read(data: bytes, path: str) -> Properties:
    """The content of a `.properties` file. Raises UsageError for what Java refuses: an invalid \\u escape.

    It is decoded as ISO-8859-1, as in Java. A file with a UTF-8 byte order mark, which Java cannot read, is decoded as
    UTF-8.
    """
    marked = data.startswith(_BOM)
    try:
        text = data[len(_BOM) :].decode("utf-8") if marked else data.decode("iso-8859-1")
    except UnicodeDecodeError:
        raise UsageError(f"{path} begins with a UTF-8 byte order mark but is not UTF-8") from None
    entries = []
    latin1_lines = []
    for line, logical in _logical_lines(text):
        raw_key, raw_value = _split(logical)
        entries.append(Entry(key=_unescape(raw_key, path, line), value=_unescape(raw_value, path, line), line=line))
        if not marked and _looks_like_utf8(logical):
            latin1_lines.append(line)
    return Properties(path=path, entries=tuple(entries), latin1_lines=tuple(latin1_lines))


def _looks_like_utf8(logical: str) -> bool:
    if logical.isascii():
        return False
    try:
        logical.encode("iso-8859-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _natural_lines(text: str) -> list[str]:
    # Not str.splitlines: for Java a line ends only at \n, \r and \r\n.
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of each logical line: continued lines are joined, blank ones and comments left
    out."""
    lines = _natural_lines(text)
    position = 0
    while position < len(lines):
        piece = lines[position].lstrip(_BLANK)
        position += 1
        if not piece or piece[0] in "#!":
            continue
        number = position
        pieces = [piece]
        # A continuation is never a comment, even if it begins with #. After a line with only a backslash Java starts
        # a new logical line; if the file ends there, Java finds an empty key.
        while _continues(pieces[-1]):
            pieces[-1] = pieces[-1][:-1]
            if pieces == [""] or position == len(lines):
                break
            pieces.append(lines[position].lstrip(_BLANK))
            position += 1
        if pieces != [""] or position == len(lines):
            yield number, "".join(pieces)


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _split(logical: str) -> tuple[str, str]:
    end = 0
    while end < len(logical) and logical[end] not in f"=:{_BLANK}":
        end += 2 if logical[end] == "\\" else 1
    value = logical[end:].lstrip(_BLANK)
    if value[:1] in ("=", ":"):
        value = value[1:].lstrip(_BLANK)
    return logical[:end], value


def _unescape(text: str, path: str, line: int) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char != "\\":
            out.append(char)
            continue
        escaped = text[position : position + 1]
        position += 1
        if escaped != "u":
            out.append(_ESCAPES.get(escaped, escaped))
            continue
        digits = text[position : position + 4]
        position += 4
        if len(digits) != 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise UsageError(
                f"{path}, line {line}: \\u is not followed by four hexadecimal digits",
                r"In a .properties file write a backslash as \\, also in a Windows path.",
            )
        out.append(chr(int(digits, 16)))
    return _joined_surrogates("".join(out), path, line)


def _joined_surrogates(text: str, path: str, line: int) -> str:
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise UsageError(f"{path}, line {line}: a \\u escape is half of a surrogate pair") from None
