"""A Java client's `.properties` file: what its keys say, with their lines; `login` and `tls` translate it further."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jaas, keys, stores
from kafka_meta.settings.connection import SECURITY_PROTOCOLS, Origin, SecurityProtocol
from kafka_meta.settings.properties import Properties
from kafka_meta.settings.toml import nearest

ReadFile: TypeAlias = Callable[[str], bytes]
"""Bytes of the file at a path; raises OSError."""
DnsLookup: TypeAlias = Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]


class JavaProperties:
    """One file's keys, looked up with their lines; `notes` and `origins` grow while it is translated."""

    def __init__(self, properties: Properties, read_file: ReadFile, write: stores.WritePrivate) -> None:
        self._properties = properties
        self._read_file = read_file
        self.write = write
        self.origins: dict[str, Origin] = {}
        self.notes: list[str] = []
        self._refuse()
        self._remark()

    def text(self, key: str, field: str | None = None) -> str | None:
        """A value trimmed as ConfigDef does; None when it is not there or empty."""
        value = self._properties.get(key)
        if value is None or not value.strip():
            return None
        if field is not None:
            self.origins[field] = self.where(key)
        return value.strip()

    @property
    def path(self) -> str:
        return self._properties.path

    def raw(self, key: str) -> str | None:
        """A value as it is, empty included."""
        return self._properties.get(key)

    def where(self, key: str) -> Origin:
        return self._properties.where(key)

    def milliseconds(self, key: str, field: str) -> int | None:
        text = self.text(key, field)
        if text is None:
            return None
        if not re.fullmatch(r"\+?[0-9]{1,10}", text, re.ASCII) or not 0 < int(text) < 2**31:
            raise UsageError(f"{self.where(key)}: {key} is {text!r}, expected milliseconds from 1 to 2147483647")
        return int(text)

    def dns_lookup(self) -> DnsLookup | None:
        text = self.text("client.dns.lookup", "dns_lookup")
        for known in get_args(DnsLookup):
            if text == known:
                return known  # type: ignore[no-any-return]
        if text is None or text == "default":  # the word for "one address only" until Kafka 3.0
            return None
        raise self.unknown_value("client.dns.lookup", text, get_args(DnsLookup))

    def security_protocol(self) -> SecurityProtocol:
        text = self.text("security.protocol", "security_protocol")
        if text is None:
            return "PLAINTEXT"
        for known in SECURITY_PROTOCOLS:
            if text.upper() == known:
                return known
        raise self.unknown_value("security.protocol", text, SECURITY_PROTOCOLS)

    def read(self, path: str, key: str) -> bytes:
        """A file that the properties name: from the current directory as in Java, else beside the properties file."""
        beside = os.path.join(os.path.dirname(self._properties.path), path)
        for candidate in dict.fromkeys((path, beside)):
            try:
                return self._read_file(candidate)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not a path"
                raise UsageError(f"{self.where(key)}: {key} names {path!r}, which cannot be read: {reason}") from None
        raise UsageError(
            f"{self.where(key)}: {key} names {path!r}, and there is no such file",
            "A relative path counts from the current directory, as in Java, or from the folder of the settings file.",
        )

    def secret(self, key: str) -> Secret | None:
        value = self._properties.get(key)
        if value is None or value == "":
            return None
        secret = Secret(value)
        self.remark_password(secret, self.where(key))
        return secret

    def remark_password(self, secret: Secret, where: Origin) -> None:
        if secret.reveal() != secret.reveal().strip():
            self.notes.append(f"{where}: the password begins or ends with white space, which counts")

    def unknown_value(self, key: str, text: str, known: Sequence[str]) -> UsageError:
        return UsageError(f"{self.where(key)}: {key} is {text!r}", f"Expected {', '.join(known)}.")

    def _refuse(self) -> None:
        for entry in self._properties.entries:
            where = f"{self._properties.path}, line {entry.line}"
            value = entry.value.strip()
            if entry.key in keys.LOADS_CODE or entry.key.startswith("config.providers."):
                if value and value not in keys.HARMLESS_CLASSES.get(entry.key, ()):
                    raise UsageError(
                        f"{where}: {entry.key} makes a client load code or run a program, which kafka-meta does not do",
                        "Remove it from a copy of the file, if the connection can be made without it.",
                    )
            elif entry.key in keys.KAFKAS_OWN_CLASSES and value and value not in keys.KAFKAS_OWN_CLASSES[entry.key]:
                raise UsageError(
                    f"{where}: {entry.key} names a class that is not Kafka's own, and no code is loaded here"
                )
            elif entry.key in keys.CARRIED and jaas.PLACEHOLDER.search(value):
                raise UsageError(
                    f"{where}: {entry.key} holds a placeholder ${{…}}, and nothing is evaluated here",
                    "Write the value itself into a copy of the file that only you can read.",
                )
            elif "\0" in entry.value:
                raise UsageError(f"{where}: the value holds a NUL character, which no client can send")

    def _remark(self) -> None:
        first: dict[str, int] = {}
        unused: list[str] = []
        unknown: list[str] = []
        path = self._properties.path
        for entry in self._properties.entries:
            key, line = entry.key, entry.line
            if key in keys.CARRIED:
                if key in first:
                    self.notes.append(
                        f"{path}: {key} is set in line {first[key]} and again in line {line}, which counts"
                    )
            elif key == "group.id":
                self.notes.append(f"{path}, line {line}: group.id is not joined; kafka-meta consumes as no group")
            elif key in keys.CONSUMING_OR_PRODUCING or key in keys.TUNING or key in keys.LOADS_CODE:
                unused.append(key)
            elif near := nearest(key, keys.CARRIED, likeness=0.8):
                self.notes.append(f"{path}, line {line}: {key} is not understood and not used; did you mean {near}?")
            else:
                unknown.append(f"{_shown(key)} (line {line})")
            first.setdefault(key, line)
        if unused:
            self.notes.append(f"{path}: not used here: {', '.join(sorted(set(unused)))}")
        if unknown:
            self.notes.append(f"{path}: not understood and not used: {', '.join(unknown)}")
        for line in self._properties.latin1_lines:
            self.notes.append(
                f"{path}, line {line}: letters beyond ASCII are read as ISO-8859-1, as Java does; "
                "write \\u escapes for others"
            )


def _shown(key: str) -> str:
    """A key only when it looks like one: a line that lost its key may be a password."""
    return key if re.fullmatch(r"[a-z][a-z0-9_-]*(\.[a-zA-Z0-9_-]+)+", key) else "a text without a key"
