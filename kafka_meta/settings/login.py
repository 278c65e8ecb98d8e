"""Logins from a Java client's properties: SASL for brokers and ZooKeeper."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from urllib.request import url2pathname

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jaas
from kafka_meta.settings.connection import MECHANISMS, Mechanism, Sasl
from kafka_meta.settings.java import JavaProperties
from kafka_meta.settings.oauth import ClientCredentials, Fetch, TokenProvider, unsecured

_MODULES: Mapping[str, tuple[Mechanism, ...]] = {
    "org.apache.kafka.common.security.plain.PlainLoginModule": ("PLAIN",),
    "org.apache.kafka.common.security.scram.ScramLoginModule": ("SCRAM-SHA-256", "SCRAM-SHA-512"),
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule": ("OAUTHBEARER",),
}
_DIGEST_MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
_KERBEROS_MODULES = ("com.sun.security.auth.module.Krb5LoginModule", "com.ibm.security.auth.module.Krb5LoginModule")
_KERBEROS_HINT = "Use a listener with SCRAM, PLAIN or TLS client certificates."


def sasl(java: JavaProperties) -> Sasl:
    """The login for the brokers. Raises UsageError for a login that kafka-meta does not support."""
    mechanism = _mechanism(java)
    login = _login(java)
    if login.module in _KERBEROS_MODULES:
        raise UsageError(f"{login.where}: kafka-meta does not support Kerberos (Krb5LoginModule)", _KERBEROS_HINT)
    fitting = _MODULES.get(login.module)
    if fitting is None:
        raise _foreign(login, "Kafka", f"Known are {', '.join(name.rpartition('.')[2] for name in _MODULES)}.")
    if mechanism not in fitting:
        raise UsageError(
            f"{login.where}: {login.module.rpartition('.')[2]} does not fit sasl.mechanism {mechanism}",
            f"Use it with {' or '.join(fitting)}.",
        )
    if mechanism == "OAUTHBEARER":
        java.origins["tokens"] = login.where
        return Sasl(mechanism=mechanism, tokens=_tokens(java, login))
    if (login.option("tokenauth") or "").lower() == "true":
        raise UsageError(f"{login.where}: kafka-meta does not support logins with a delegation token (tokenauth)")
    username, password = _username_and_password(java, login)
    java.origins["username"] = java.origins["password"] = login.where
    return Sasl(mechanism=mechanism, username=username, password=password)


def _username_and_password(java: JavaProperties, login: jaas.Login) -> tuple[str, Secret]:
    username, password = login.option("username"), login.options.get("password")
    if not username or password is None:
        raise UsageError(f"{login.where}: the login module has no {'password' if username else 'username'}")
    java.remark_password(password, login.where)
    return username, password


def _foreign(login: jaas.Login, whose: str, hint: str) -> UsageError:
    # Shown only when it looks like a class: in an invalid entry the word may be a password.
    name = f" {login.module}" if re.fullmatch(r"[A-Za-z]\w*(\.\w+)+", login.module, re.ASCII) else ""
    return UsageError(
        f"{login.where}: login module{name} is not one of {whose}'s own, and kafka-meta does not load code", hint
    )


def _mechanism(java: JavaProperties) -> Mechanism:
    text = java.text("sasl.mechanism", "mechanism")
    if text is None:
        raise UsageError(
            f"{java.path}: security.protocol asks for a login, but sasl.mechanism is not set",
            f"Set it to one of {', '.join(MECHANISMS)}. (Without it, Kafka uses Kerberos.)",
        )
    for known in MECHANISMS:
        if text == known:
            return known
    if text == "GSSAPI":
        raise UsageError(
            f"{java.where('sasl.mechanism')}: kafka-meta does not support Kerberos (GSSAPI)", _KERBEROS_HINT
        )
    raise java.unknown_value("sasl.mechanism", text, MECHANISMS)


def _login(java: JavaProperties) -> jaas.Login:
    text = java.text("sasl.jaas.config")
    if text is not None:
        return jaas.read_value(text, java.where("sasl.jaas.config"))
    logins = _section(java, "KafkaClient")
    if logins is None:
        raise UsageError(
            f"{java.path}: security.protocol asks for a login, but no login is set",
            "Set sasl.jaas.config, or java.security.auth.login.config to a JAAS file with a section KafkaClient.",
        )
    return logins


def _section(java: JavaProperties, name: str) -> jaas.Login | None:
    path = java.text("java.security.auth.login.config")
    if path is None:
        return None
    where = java.where("java.security.auth.login.config")
    # The JVM takes a URL here as well as a path.
    local = url2pathname(urllib.parse.urlsplit(path).path) if path.startswith("file:") else path
    logins = jaas.read_file(java.read(local, "java.security.auth.login.config"), local).get(name)
    if logins is None:
        return None
    if len(logins) != 1:
        raise UsageError(f"{path} ({where}): section {name} has {len(logins)} login modules, exactly one is expected")
    return logins[0]


def _tokens(java: JavaProperties, login: jaas.Login) -> TokenProvider:
    extensions = {
        name.removeprefix("extension_"): value.reveal()
        for name, value in login.options.items()
        if name.startswith("extension_")
    }
    url = java.text("sasl.oauthbearer.token.endpoint.url")
    if url is not None:
        return TokenProvider(_token_source(java, url, login), extensions=extensions)
    principal = login.option("unsecuredLoginStringClaim_sub")
    if principal is None:
        raise UsageError(
            f"{login.where}: OAUTHBEARER needs a token endpoint",
            "Set sasl.oauthbearer.token.endpoint.url.",
        )
    java.notes.append(f"{login.where}: the token is not signed: use it for development only")
    return TokenProvider(unsecured(principal), extensions=extensions)


def _token_source(java: JavaProperties, url: str, login: jaas.Login) -> Fetch:
    key = "sasl.oauthbearer.token.endpoint.url"
    if url.startswith("file:"):
        path = url2pathname(urllib.parse.urlsplit(url).path)

        def from_file() -> str:
            # Read again each time: the file is replaced when the token is renewed.
            return java.read(path, key).decode("ascii", "replace").strip()

        return from_file
    client_id = java.text("sasl.oauthbearer.client.credentials.client.id") or login.option("clientId")
    secret = java.secret("sasl.oauthbearer.client.credentials.client.secret") or login.options.get("clientSecret")
    if not client_id or secret is None:
        raise UsageError(f"{login.where}: the token endpoint needs clientId and clientSecret in the JAAS entry")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise UsageError(f"{java.where(key)}: {key} is not a file:, http: or https: address without a login in it")
    return ClientCredentials(
        url=url,
        client_id=client_id,
        client_secret=secret,
        scope=java.text("sasl.oauthbearer.scope") or login.option("scope"),
        urlencode=(java.text("sasl.oauthbearer.header.urlencode") or "").lower() == "true",
    )


def zookeeper_login(java: JavaProperties) -> tuple[str, Secret] | None:
    """Username and password for SASL DIGEST-MD5, from the section `Client` of the JAAS file."""
    if (java.text("zookeeper.sasl.client") or "true").lower() == "false":
        return None
    section = java.text("zookeeper.sasl.clientconfig") or "Client"
    login = _section(java, section)
    if login is None:
        return None
    if login.module in _KERBEROS_MODULES:
        raise UsageError(f"{login.where}: kafka-meta does not support Kerberos for ZooKeeper", "Use DigestLoginModule.")
    if login.module != _DIGEST_MODULE:
        raise _foreign(login, "ZooKeeper", f"Expected {_DIGEST_MODULE}.")
    java.origins["zookeeper.username"] = java.origins["zookeeper.password"] = login.where
    return _username_and_password(java, login)


def zookeeper_digest(java: JavaProperties) -> Secret | None:
    """`zookeeper.digest=user:password`. This key is our own: Kafka itself cannot use ZooKeeper's digest scheme."""
    secret = java.secret("zookeeper.digest")
    if secret is not None:
        java.origins["zookeeper.digest"] = java.where("zookeeper.digest")
        if ":" not in secret.reveal():
            raise UsageError(f"{java.where('zookeeper.digest')}: zookeeper.digest is not user:password")
    return secret
