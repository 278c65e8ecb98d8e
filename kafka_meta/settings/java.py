"""A Java client's `.properties` file: its keys, their values and lines. `login` and `tls` translate it further."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jaas, keys
from kafka_meta.settings.connection import SECURITY_PROTOCOLS, Origin, SecurityProtocol
from kafka_meta.settings.private_files import WritePrivate
from kafka_meta.settings.properties import Properties
from kafka_meta.settings.toml import nearest

ReadFile: TypeAlias = Callable[[str], bytes]
"""Returns the bytes of the file at a path; raises OSError."""
DnsLookup: TypeAlias = Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]


class JavaProperties:
    """The keys of one file. `notes` and `origins` are filled while it is translated.

    Raises UsageError for keys that would load code or run a program.
    """

    def __init__(self, properties: Properties, read_file: ReadFile, write: WritePrivate) -> None:
        self._properties = properties
        self._read_file = read_file
        self.write = write
        self.origins: dict[str, Origin] = {}
        self.notes: list[str] = []
        self._refuse()
        self._remark()

    def text(self, key: str, field: str | None = None) -> str | None:
        """A value without blanks at its ends, as ConfigDef reads it. None when it is missing or empty."""
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
        """A value as it is, also an empty one. None when it is missing."""
        return self._properties.get(key)

    def where(self, key: str) -> Origin:
        """The place of a key: "old.properties, line 7"."""
        return self._properties.where(key)

    def milliseconds(self, key: str, field: str) -> int | None:
        """The value of a key in milliseconds; None when it is missing or empty. Raises UsageError."""
        text = self.text(key, field)
        if text is None:
            return None
        if not re.fullmatch(r"\+?[0-9]{1,10}", text, re.ASCII) or not 0 < int(text) < 2**31:
            raise UsageError(f"{self.where(key)}: {key} is {text!r}, expected milliseconds from 1 to 2147483647")
        return int(text)

    def dns_lookup(self) -> DnsLookup | None:
        """The value of `client.dns.lookup`; None for the default. Raises UsageError."""
        text = self.text("client.dns.lookup", "dns_lookup")
        for known in get_args(DnsLookup):
            if text == known:
                return known  # type: ignore[no-any-return]
        if text is None or text == "default":  # until Kafka 3.0: use only the first address
            return None
        raise self.unknown_value("client.dns.lookup", text, get_args(DnsLookup))

    def security_protocol(self) -> SecurityProtocol:
        """The value of `security.protocol`, PLAINTEXT by default. Raises UsageError."""
        text = self.text("security.protocol", "security_protocol")
        if text is None:
            return "PLAINTEXT"
        for known in SECURITY_PROTOCOLS:
            if text.upper() == known:
                return known
        raise self.unknown_value("security.protocol", text, SECURITY_PROTOCOLS)

    def read(self, path: str, key: str) -> bytes:
        """A file that the properties name. A relative path is tried from the current directory, as in Java, then from
        the folder of the properties file. Raises UsageError."""
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
            f"{self.where(key)}: {key} names {path!r}, which does not exist",
            "A relative path is taken from the current directory, as in Java, or from the folder of the settings file.",
        )

    def secret(self, key: str) -> Secret | None:
        """A secret value as it is, blanks included; None when it is missing or empty."""
        value = self._properties.get(key)
        if value is None or value == "":
            return None
        secret = Secret(value)
        self.remark_password(secret, self.where(key))
        return secret

    def remark_password(self, secret: Secret, where: Origin) -> None:
        """Adds a note for a password that begins or ends with white space."""
        if secret.reveal() != secret.reveal().strip():
            self.notes.append(f"{where}: the password begins or ends with white space, which is part of the password")

    def unknown_value(self, key: str, text: str, known: Sequence[str]) -> UsageError:
        """The error for a value that is none of `known`."""
        return UsageError(f"{self.where(key)}: {key} is {text!r}", f"Expected {', '.join(known)}.")

    def _refuse(self) -> None:
        for entry in self._properties.entries:
            where = f"{self._properties.path}, line {entry.line}"
            value = entry.value.strip()
            if entry.key in keys.LOADS_CODE or entry.key.startswith("config.providers."):
                if value and value not in keys.HARMLESS_CLASSES.get(entry.key, ()):
                    raise UsageError(
                        f"{where}: {entry.key} makes a client load code or run a program, which kafka-meta does not do",
                        "If the connection works without it, remove it from a copy of the file.",
                    )
            elif entry.key in keys.KAFKAS_OWN_CLASSES and value and value not in keys.KAFKAS_OWN_CLASSES[entry.key]:
                raise UsageError(
                    f"{where}: {entry.key} names a class that is not Kafka's own, and kafka-meta does not load code"
                )
            elif entry.key in keys.CARRIED and jaas.PLACEHOLDER.search(value):
                raise UsageError(
                    f"{where}: {entry.key} has a placeholder ${{…}}, which kafka-meta does not evaluate",
                    "Write the value itself into a copy of the file that only you can read.",
                )
            elif "\0" in entry.value:
                raise UsageError(f"{where}: the value has a NUL character, which no client can send")

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
                        f"{path}: {key} is set in line {first[key]} and again in line {line}; the last one is used"
                    )
            elif key == "group.id":
                self.notes.append(f"{path}, line {line}: group.id is not used: kafka-meta joins no group")
            elif key in keys.CONSUMING_OR_PRODUCING or key in keys.TUNING or key in keys.LOADS_CODE:
                unused.append(key)
            elif near := nearest(key, keys.CARRIED, likeness=0.8):
                self.notes.append(f"{path}, line {line}: {key} is not known and not used; did you mean {near}?")
            else:
                unknown.append(f"{_shown(key)} (line {line})")
            first.setdefault(key, line)
        if unused:
            self.notes.append(f"{path}: not used here: {', '.join(sorted(set(unused)))}")
        if unknown:
            self.notes.append(f"{path}: not known and not used: {', '.join(unknown)}")
        for line in self._properties.latin1_lines:
            self.notes.append(
                f"{path}, line {line}: characters beyond ASCII are read as ISO-8859-1, as Java does; "
                "write all others as \\u escapes"
            )


def _shown(key: str) -> str:
    """The key if it looks like one. A line without a key may be a password, which is not shown."""
    return key if re.fullmatch(r"[a-z][a-z0-9_-]*(\.[a-zA-Z0-9_-]+)+", key) else "text that is not a key"
