"""A login to ZooKeeper with SASL DIGEST-MD5 (RFC 2831), the mechanism of Kafka's JAAS section `Client`.

kazoo leaves it to pure-sasl, which is no longer kept, comes as source only, and hashes UTF-8 where Java hashes
ISO-8859-1.
"""

from __future__ import annotations

import re
import secrets
from hashlib import md5
from typing import Any

from kazoo.exceptions import AuthFailedError, ConnectionDropped
from kazoo.protocol.serialization import SASL

from kafka_meta.model import Secret

URI = b"zookeeper/zk-sasl-md5"
"""ZooKeeper's servers are all called that, whatever host they run on (`SecurityUtils` in ZooKeeper)."""
DIRECTIVE = re.compile(rb'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)', re.DOTALL)


def log_in_with(client: Any, username: str, password: Secret) -> None:
    """Has a kazoo client that is not started yet log in, each time it connects."""
    connection = client._connection

    def log_in(_: str, timeout_s: float) -> None:
        challenge = _exchange(connection, b"", 1, timeout_s)
        said, expected = answer(challenge, username, password, URI, secrets.token_hex(16).encode())
        if directives(_exchange(connection, said, 2, timeout_s)).get("rspauth") != expected:
            raise AuthFailedError("the server does not know the password")

    connection.sasl_options = {}  # without any, kazoo does not log in
    connection._authenticate_with_sasl = log_in


def _exchange(connection: Any, token: bytes, number: int, timeout_s: float) -> bytes:
    connection._submit(SASL(token), timeout_s, number)
    try:
        header, answer, offset = connection._read_header(timeout_s)
    except ConnectionDropped:
        if number == 1:  # nothing has been asserted yet: kazoo tries again
            raise
        raise AuthFailedError("the connection was closed") from None  # ZooKeeper's way to refuse a login
    if header.err:
        raise AuthFailedError(f"error {header.err}")
    token = SASL.deserialize(answer, offset)[0]  # type: ignore[no-untyped-call]
    return token or b""


def answer(challenge: bytes, username: str, password: Secret, uri: bytes, cnonce: bytes) -> tuple[bytes, bytes]:
    """What to answer to a server's challenge, and the `rspauth` by which the server then proves itself.

    Only the quality of protection `auth`: ZooKeeper offers no other. Raises ValueError for a challenge that breaks the
    RFC.
    """
    asked = directives(challenge)
    if "nonce" not in asked or asked.get("algorithm") != b"md5-sess":
        raise ValueError(f"not a challenge of DIGEST-MD5: {challenge!r}")
    if b"auth" not in re.split(rb"[\s,]+", asked.get("qop", b"auth")):
        raise ValueError(f"no common quality of protection: {challenge!r}")
    utf8 = asked.get("charset", b"").lower() == b"utf-8"
    realm, nonce, count = asked.get("realm", b""), asked["nonce"], b"00000001"
    secret = md5(b":".join((_hashed(username, utf8), realm, _hashed(password.reveal(), utf8)))).digest()
    session = _hex(b":".join((secret, nonce, cnonce)))

    def proof(method: bytes) -> bytes:
        return _hex(b":".join((session, nonce, count, cnonce, b"auth", _hex(method + b":" + uri))))

    said = {
        "charset": b"utf-8" if utf8 else None,
        "username": _quoted(username.encode("utf-8" if utf8 else "iso-8859-1")),
        "realm": _quoted(realm) if realm else None,
        "nonce": _quoted(nonce),
        "nc": count,
        "cnonce": _quoted(cnonce),
        "digest-uri": _quoted(uri),
        "response": proof(b"AUTHENTICATE"),
        "qop": b"auth",
    }
    return b",".join(name.encode() + b"=" + value for name, value in said.items() if value is not None), proof(b"")


def directives(message: bytes) -> dict[str, bytes]:
    """The `name=value` pairs of a message, quotes undone; of a realm that is offered twice, the first."""
    found: dict[str, bytes] = {}
    for name, quoted, plain in DIRECTIVE.findall(message):
        found.setdefault(name.decode().lower(), re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) or plain)
    return found


def _hashed(text: str, utf8: bool) -> bytes:
    """ISO-8859-1 where that suffices, though the message itself is in UTF-8 (section 2.1.2.1)."""
    try:
        return text.encode("iso-8859-1")
    except UnicodeEncodeError:
        if utf8:
            return text.encode()
        # The error of the codec would hold the text.
        raise ValueError("the server takes only characters of ISO-8859-1 in names and passwords") from None


def _hex(data: bytes) -> bytes:
    return md5(data).hexdigest().encode()


def _quoted(value: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'
