"""JAAS login configurations: the value of `sasl.jaas.config`, and files with sections such as `KafkaClient`.

The tokens are those of java.io.StreamTokenizer, as Kafka's JaasConfig and the JDK's ConfigFile configure it. Nothing is
evaluated: what Java would replace (`${…}`) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret

PLACEHOLDER = re.compile(r"\$\{[^}]*:[^}]*\}")
"""Text that Kafka's config providers would replace (org.apache.kafka.common.config.ConfigTransformer)."""

_FLAGS = frozenset({"required", "requisite", "sufficient", "optional"})

_TOKEN = re.compile(
    r"""
    (?P<blank>[\x00-\x20]+ | //[^\r\n]* | /\*.*?\*/)
  | (?P<open>/\*)
  | "(?P<double>(?:[^"\\\r\n]|\\[^\r\n])*)"
  | '(?P<single>(?:[^'\\\r\n]|\\[^\r\n])*)'
  | (?P<mark>[={};])
  | (?P<word>[^\x00-\x20"'={};/]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-3][0-7]{0,2}|[4-7][0-7]?|.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One login module and its options. A value may be a password, so each value is a Secret."""

    module: str
    options: Mapping[str, Secret]
    where: str

    def option(self, name: str) -> str | None:
        value = self.options.get(name)
        return None if value is None else value.reveal()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    line: int
    mark: bool = False


def read_value(text: str, where: str) -> Login:
    """The value of `sasl.jaas.config`: one `Module required option="value" …;`. Raises UsageError."""
    tokens = _Tokens(text, where)
    logins = []
    while not tokens.at_end():
        logins.append(_login(tokens))
    if len(logins) != 1:
        raise UsageError(
            f"{where}: sasl.jaas.config has {len(logins)} login modules, exactly one is expected",
            _HINTS[False],
        )
    return logins[0]


def read_file(data: bytes, path: str) -> Mapping[str, tuple[Login, ...]]:
    """Sections of a JAAS file by name (`KafkaClient { Module required …; };`). Raises UsageError."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a JAAS file: it is not UTF-8 text") from None
    tokens = _Tokens(text, path, lines=True)
    sections: dict[str, tuple[Login, ...]] = {}
    while not tokens.at_end():
        name = tokens.word("a section's name")
        if name.text in sections:
            raise UsageError(f"{tokens.at(name)}: section {name.text!r} occurs twice")
        tokens.expect("{")
        logins = []
        while not tokens.accept("}"):
            logins.append(_login(tokens))
        tokens.expect(";")
        sections[name.text] = tuple(logins)
    return sections


def _login(tokens: _Tokens) -> Login:
    module = tokens.word("a login module's class")
    flag = tokens.word("required, requisite, sufficient or optional")
    if flag.text.lower() not in _FLAGS:
        # The word itself is not shown: in an invalid entry it may be a password.
        raise UsageError(
            f"{tokens.at(flag)}: expected required, requisite, sufficient or optional after the login module's class"
        )
    options: dict[str, Secret] = {}
    while not tokens.accept(";"):
        key = tokens.word("an option's name or ;")
        tokens.expect("=")
        value = tokens.word("an option's value")
        if tokens.placeholder.search(value.text):
            raise UsageError(
                f"{tokens.at(value)}: option {key.text!r} has a placeholder ${{…}}, which kafka-meta does not evaluate",
                "Write the value itself into a copy of the file that only you can read.",
            )
        options[key.text] = Secret(value.text)
    return Login(module=module.text, options=options, where=tokens.at(module))


class _Tokens:
    """The tokens of a text, with one token of lookahead. No message shows a token: it may be a password."""

    def __init__(self, text: str, where: str, *, lines: bool = False) -> None:
        # The JDK replaces any ${…} in a JAAS file, Kafka's config providers only ${provider:…} in a property.
        self.placeholder = re.compile(r"\$\{") if lines else PLACEHOLDER
        self._where = where
        self._lines = lines
        self._line = 1
        self._tokens = self._scan(text)
        self._next = next(self._tokens, None)

    def at(self, token: _Token) -> str:
        return f"{self._where}, line {token.line}" if self._lines else self._where

    def at_end(self) -> bool:
        return self._next is None

    def accept(self, mark: str) -> bool:
        if self._next is not None and self._next.mark and self._next.text == mark:
            self._next = next(self._tokens, None)
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise UsageError(f"{self._here()}: expected {mark} in the JAAS configuration", _HINTS[self._lines])

    def word(self, expected: str) -> _Token:
        token = self._next
        if token is None or token.mark:
            raise UsageError(f"{self._here()}: expected {expected} in the JAAS configuration", _HINTS[self._lines])
        self._next = next(self._tokens, None)
        return token

    def _here(self) -> str:
        if self._next is None:
            return f"{self._where}, at the end"
        return self.at(self._next)

    def _scan(self, text: str) -> Iterator[_Token]:
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match["open"]:
                place = f"{self._where}, line {self._line}" if self._lines else self._where
                raise UsageError(
                    f"{place}: a quote or a comment is not closed, or there is a / outside of quotes",
                    _HINTS[self._lines],
                )
            token = match[0]
            if match["mark"]:
                yield _Token(text=token, line=self._line, mark=True)
            elif match["word"]:
                yield _Token(text=token, line=self._line)
            elif not match["blank"]:
                quoted = match["double"] if match["double"] is not None else match["single"]
                yield _Token(text=_ESCAPE.sub(_unescaped, quoted), line=self._line)
            self._line += token.count("\n")
            position = match.end()


_HINTS = {
    True: 'A section looks like: KafkaClient { org…PlainLoginModule required username="…" password="…"; };',
    False: 'It looks like: org…ScramLoginModule required username="…" password="…"; all in one line, '
    "or with a backslash at the end of each line but the last.",
}


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape, 8)) if escape[0] in "01234567" else _ESCAPES.get(escape, escape)
