"""A Java client's `.properties` file, translated: TLS material, login, ZooKeeper; each value with its line."""

from __future__ import annotations

import os.path
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, get_args
from urllib.request import url2pathname

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jaas, keys, stores
from kafka_meta.settings.connection import (
    MECHANISMS,
    SECURITY_PROTOCOLS,
    Mechanism,
    Origin,
    Sasl,
    SecurityProtocol,
    Tls,
)
from kafka_meta.settings.oauth import ClientCredentials, Fetch, TokenProvider, unsecured
from kafka_meta.settings.properties import Properties
from kafka_meta.settings.toml import nearest

ReadFile: TypeAlias = Callable[[str], bytes]
"""Bytes of the file at a path; raises OSError."""

_MODULES: Mapping[str, tuple[Mechanism, ...]] = {
    "org.apache.kafka.common.security.plain.PlainLoginModule": ("PLAIN",),
    "org.apache.kafka.common.security.scram.ScramLoginModule": ("SCRAM-SHA-256", "SCRAM-SHA-512"),
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule": ("OAUTHBEARER",),
}
_DIGEST_MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
_KERBEROS_MODULES = ("com.sun.security.auth.module.Krb5LoginModule", "com.ibm.security.auth.module.Krb5LoginModule")
_OAUTH = "org.apache.kafka.common.security.oauthbearer"
_KAFKAS_OWN = {
    "sasl.login.callback.handler.class": tuple(
        f"{_OAUTH}.{package}OAuthBearerLoginCallbackHandler" for package in ("", "secured.")
    ),
    "sasl.oauthbearer.jwt.retriever.class": tuple(
        f"{_OAUTH}.{name}JwtRetriever" for name in ("Default", "ClientCredentials", "File")
    ),
}
_KERBEROS_HINT = "Use a listener with SCRAM, PLAIN or TLS client certificates, or ask for one."
DnsLookup: TypeAlias = Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]


class JavaProperties:
    """One file's keys, looked up with their lines; `notes` and `origins` grow while it is translated."""

    def __init__(self, properties: Properties, read_file: ReadFile, write: stores.WritePrivate) -> None:
        self._properties = properties
        self._read_file = read_file
        self._write = write
        self._jaas_sections: Mapping[str, tuple[jaas.Login, ...]] | None = None
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
        raise self._unknown_value("client.dns.lookup", text, get_args(DnsLookup))

    # -- the brokers -----------------------------------------------------------------------------------------------

    def security_protocol(self) -> SecurityProtocol:
        text = self.text("security.protocol", "security_protocol")
        if text is None:
            return "PLAINTEXT"
        for known in SECURITY_PROTOCOLS:
            if text.upper() == known:
                return known
        raise self._unknown_value("security.protocol", text, SECURITY_PROTOCOLS)

    def tls(self, prefix: str = "") -> Tls:
        """From `ssl.…`, or from `zookeeper.ssl.…` with the prefix "zookeeper."."""
        trust = self._store(f"{prefix}ssl.truststore", "certificates", f"{prefix}truststore")
        key = self._store(f"{prefix}ssl.keystore", "key", f"{prefix}keystore")
        files = stores.key_files(key, self._write) if key else None
        return Tls(
            ca_file=stores.trust_file(trust, self._write) if trust else None,
            certificate_file=files.certificate_file if files else None,
            key_file=files.key_file if files else None,
            key_password=files.key_password if files else None,
            check_hostname=self._check_hostname(prefix),
        )

    def _check_hostname(self, prefix: str) -> bool:
        key = f"{prefix}ssl.endpoint.identification.algorithm"
        value = self._properties.get(key)
        if value is None:
            return True
        self.origins[f"{prefix}check_hostname"] = self.where(key)
        if not value.strip():
            self.notes.append(
                f"{self.where(key)}: {key} is empty: host names in certificates are not checked, so anyone with a "
                "certificate of a trusted authority can pose as this cluster"
            )
            return False
        if value.strip().lower() != "https":
            raise self._unknown_value(key, value.strip(), ("https", "nothing, to check no host name"))
        return True

    def _store(self, prefix: str, inline: str, field: str) -> stores.Store | None:
        """`<prefix>.location`, or the PEM text that `<prefix>.<inline>` holds (KIP-651)."""
        location = self.text(f"{prefix}.location", field)
        pem = self.text(f"{prefix}.{inline}")
        if location and pem:
            raise UsageError(
                f"{self.where(f'{prefix}.{inline}')}: both {prefix}.location and {prefix}.{inline} are given",
                "Keep one of them.",
            )
        if location:
            key = f"{prefix}.location"
            data = self._read(location, key)
            name = f"{location} ({key}, {self.where(key)})"
        elif pem:
            key = f"{prefix}.{inline}"
            self.origins[field] = self.where(key)
            chain = self.text(f"{prefix}.certificate.chain") or ""
            data = f"{pem}\n{chain}".encode()
            name = f"the PEM text of {key} ({self.where(key)})"
        else:
            return None
        return stores.Store(
            data=data,
            name=name,
            password=self._secret(f"{prefix}.password"),
            key_password=self._secret("ssl.key.password") if prefix == "ssl.keystore" else None,
        )

    def sasl(self) -> Sasl:
        mechanism = self._mechanism()
        login = self._login()
        if login.module in _KERBEROS_MODULES:
            raise UsageError(f"{login.where}: Kerberos (Krb5LoginModule) cannot be used here", _KERBEROS_HINT)
        fitting = _MODULES.get(login.module)
        if fitting is None:
            raise UsageError(
                f"{login.where}: login module {login.module!r} is not one of Kafka's own, and no code is loaded here",
                f"Known are {', '.join(name.rpartition('.')[2] for name in _MODULES)}.",
            )
        if mechanism not in fitting:
            raise UsageError(
                f"{login.where}: {login.module.rpartition('.')[2]} does not fit sasl.mechanism {mechanism}",
                f"It logs in by {' or '.join(fitting)}.",
            )
        if mechanism == "OAUTHBEARER":
            self.origins["tokens"] = login.where
            return Sasl(mechanism=mechanism, tokens=self._tokens(login))
        if (login.option("tokenauth") or "").lower() == "true":
            raise UsageError(f"{login.where}: logging in by a delegation token (tokenauth) is not possible here")
        username, password = login.option("username"), login.options.get("password")
        if not username or password is None:
            raise UsageError(f"{login.where}: the login module has no {'password' if username else 'username'}")
        self.origins["username"] = self.origins["password"] = login.where
        self._remark_password(password, login.where)
        return Sasl(mechanism=mechanism, username=username, password=password)

    def _mechanism(self) -> Mechanism:
        text = self.text("sasl.mechanism", "mechanism")
        if text is None:
            raise UsageError(
                f"{self._properties.path}: security.protocol asks for a login and sasl.mechanism is not set",
                f"Set it to {', '.join(MECHANISMS)}. (Without it Kafka uses Kerberos.)",
            )
        for known in MECHANISMS:
            if text == known:
                return known
        if text == "GSSAPI":
            raise UsageError(f"{self.where('sasl.mechanism')}: Kerberos (GSSAPI) cannot be used here", _KERBEROS_HINT)
        raise self._unknown_value("sasl.mechanism", text, MECHANISMS)

    def _login(self) -> jaas.Login:
        text = self.text("sasl.jaas.config")
        if text is not None:
            return jaas.read_value(text, self.where("sasl.jaas.config"))
        logins = self._section("KafkaClient")
        if logins is None:
            raise UsageError(
                f"{self._properties.path}: security.protocol asks for a login and there is none",
                "Set sasl.jaas.config, or java.security.auth.login.config to a JAAS file with a section KafkaClient.",
            )
        return logins

    def _section(self, name: str) -> jaas.Login | None:
        path = self.text("java.security.auth.login.config")
        if path is None:
            return None
        where = self.where("java.security.auth.login.config")
        if self._jaas_sections is None:
            # The JVM takes a URL here as well as a path.
            local = url2pathname(urllib.parse.urlsplit(path).path) if path.startswith("file:") else path
            self._jaas_sections = jaas.read_file(self._read(local, "java.security.auth.login.config"), local)
        logins = self._jaas_sections.get(name)
        if logins is None:
            return None
        if len(logins) != 1:
            raise UsageError(f"{path} ({where}): section {name} holds {len(logins)} login modules, expected one")
        return logins[0]

    def _tokens(self, login: jaas.Login) -> TokenProvider:
        extensions = {
            name.removeprefix("extension_"): value.reveal()
            for name, value in login.options.items()
            if name.startswith("extension_")
        }
        url = self.text("sasl.oauthbearer.token.endpoint.url")
        if url is not None:
            return TokenProvider(self._token_source(url, login), extensions=extensions)
        principal = login.option("unsecuredLoginStringClaim_sub")
        if principal is None:
            raise UsageError(
                f"{login.where}: OAUTHBEARER has nowhere to get a token from",
                "Set sasl.oauthbearer.token.endpoint.url.",
            )
        self.notes.append(f"{login.where}: the token is unsecured: it proves nothing, and is for development only")
        return TokenProvider(unsecured(principal), extensions=extensions)

    def _token_source(self, url: str, login: jaas.Login) -> Fetch:
        key = "sasl.oauthbearer.token.endpoint.url"
        if url.startswith("file:"):
            path = url2pathname(urllib.parse.urlsplit(url).path)

            def from_file() -> str:
                # Read again each time: whoever renews the token replaces the file.
                return self._read(path, key).decode("ascii", "replace").strip()

            return from_file
        client_id = self.text("sasl.oauthbearer.client.credentials.client.id") or login.option("clientId")
        secret = self._secret("sasl.oauthbearer.client.credentials.client.secret") or login.options.get("clientSecret")
        if not client_id or secret is None:
            raise UsageError(f"{login.where}: the token endpoint needs clientId and clientSecret in the JAAS entry")
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise UsageError(f"{self.where(key)}: {key} is not a file, http or https address (without a login in it)")
        return ClientCredentials(
            url=url,
            client_id=client_id,
            client_secret=secret,
            scope=self.text("sasl.oauthbearer.scope") or login.option("scope"),
            urlencode=(self.text("sasl.oauthbearer.header.urlencode") or "").lower() == "true",
        )

    # -- ZooKeeper -------------------------------------------------------------------------------------------------

    def zookeeper_tls(self) -> Tls | None:
        if (self.text("zookeeper.ssl.client.enable") or "false").lower() == "true":
            return self.tls("zookeeper.")
        if self.text("zookeeper.ssl.truststore.location"):
            self.notes.append(
                f"{self.where('zookeeper.ssl.truststore.location')}: ZooKeeper is spoken to without TLS, "
                "for zookeeper.ssl.client.enable is not true"
            )
        return None

    def zookeeper_login(self) -> tuple[str, Secret] | None:
        """Username and password for SASL DIGEST-MD5, out of the JAAS file's section `Client`."""
        if (self.text("zookeeper.sasl.client") or "true").lower() == "false":
            return None
        section = self.text("zookeeper.sasl.clientconfig") or "Client"
        login = self._section(section)
        if login is None:
            return None
        if login.module in _KERBEROS_MODULES:
            raise UsageError(f"{login.where}: Kerberos towards ZooKeeper cannot be used here", "Use DigestLoginModule.")
        if login.module != _DIGEST_MODULE:
            raise UsageError(
                f"{login.where}: login module {login.module!r} is not ZooKeeper's own, and no code is loaded here",
                f"Expected {_DIGEST_MODULE}.",
            )
        username, password = login.option("username"), login.options.get("password")
        if not username or password is None:
            raise UsageError(f"{login.where}: the login module has no {'password' if username else 'username'}")
        self.origins["zookeeper.username"] = self.origins["zookeeper.password"] = login.where
        return username, password

    def zookeeper_digest(self) -> Secret | None:
        """`zookeeper.digest=user:password`, a key of ours: Kafka itself cannot use ZooKeeper's digest scheme."""
        secret = self._secret("zookeeper.digest")
        if secret is not None:
            self.origins["zookeeper.digest"] = self.where("zookeeper.digest")
            if ":" not in secret.reveal():
                raise UsageError(f"{self.where('zookeeper.digest')}: zookeeper.digest is not user:password")
        return secret

    # -- what is common to all -------------------------------------------------------------------------------------

    def _read(self, path: str, key: str) -> bytes:
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

    def _secret(self, key: str) -> Secret | None:
        value = self._properties.get(key)
        if value is None or value == "":
            return None
        secret = Secret(value)
        self._remark_password(secret, self.where(key))
        return secret

    def _remark_password(self, secret: Secret, where: Origin) -> None:
        if secret.reveal() != secret.reveal().strip():
            self.notes.append(f"{where}: the password begins or ends with white space, which counts")

    def _unknown_value(self, key: str, text: str, known: tuple[str, ...]) -> UsageError:
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
            elif entry.key in _KAFKAS_OWN and value and value not in _KAFKAS_OWN[entry.key]:
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
            else:
                self.notes.append(f"{path}, line {line}: {_not_understood(key)}")
            first.setdefault(key, line)
        if unused:
            self.notes.append(f"{path}: not used here: {', '.join(sorted(set(unused)))}")
        for line in self._properties.latin1_lines:
            self.notes.append(
                f"{path}, line {line}: letters beyond ASCII are read as ISO-8859-1, as Java does; "
                "write \\u escapes for others"
            )


def _not_understood(key: str) -> str:
    """Names a key only when it looks like one: a line that lost its key may be a password."""
    near = nearest(key, keys.CARRIED)
    if near is None and not re.fullmatch(r"[a-z][a-z0-9_-]*(\.[a-zA-Z0-9_-]+)+", key):
        return "a key that is not understood is not used"
    return f"{key} is not understood and not used" + (f"; did you mean {near}?" if near else "")
