"""Java's JKS key stores: certificates and private keys, without a JDK.

The format is that of sun.security.provider.JavaKeyStore: big-endian; a magic number, a version, the entries, then the
SHA-1 of the password, a fixed text and everything before. Keys are encrypted as by sun.security.provider.KeyProtector:
XOR with a chain of SHA-1 sums of password and salt.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass

MAGIC = b"\xfe\xed\xfe\xed"
_SALT_TEXT = b"Mighty Aphrodite"
_SHA1_BYTES = 20
_PROTECTOR_OID = bytes.fromhex("060a2b060104012a02110101")
"""DER of 1.3.6.1.4.1.42.2.17.1.1, the algorithm of every key in a JKS store."""


class BadStore(ValueError):
    """Not a JKS store as Java writes it. The message shows no secret of the store."""


class WrongPassword(ValueError):
    """The password does not open the store, or the key in it; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A private key, still encrypted, with its certificates."""

    alias: str
    protected: bytes
    """DER of an EncryptedPrivateKeyInfo; `unprotect` opens it."""
    chain: tuple[bytes, ...]
    """DER, the key's own certificate first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStore:
    """The entries of a store."""

    trusted: tuple[bytes, ...]
    """DER of the trusted certificates."""
    keys: tuple[PrivateKey, ...]


def read(data: bytes, password: str | None) -> KeyStore:
    """The entries of a store. Without a password its integrity is not checked; Java does the same.

    Raises BadStore and WrongPassword.
    """
    if not data.startswith(MAGIC) or len(data) < 12 + _SHA1_BYTES:
        raise BadStore("it is not a JKS store")
    content, digest = data[:-_SHA1_BYTES], data[-_SHA1_BYTES:]
    if password is not None:
        expected = hashlib.sha1(_utf16(password) + _SALT_TEXT + content, usedforsecurity=False).digest()
        if not hmac.compare_digest(digest, expected):
            raise WrongPassword("the password does not open it, or it is damaged")
    cursor = _Cursor(content, len(MAGIC))
    version, count = cursor.number(), cursor.number()
    if version not in (1, 2):
        raise BadStore(f"it is a JKS store of version {version}, expected 1 or 2")
    trusted = []
    keys = []
    for _ in range(count):
        kind, alias = cursor.number(), cursor.text()
        cursor.take(8)  # when it was made
        if kind == 1:
            protected = cursor.blob()
            chain = tuple(cursor.certificate(version) for _ in range(cursor.number()))
            keys.append(PrivateKey(alias=alias, protected=protected, chain=chain))
        elif kind == 2:
            trusted.append(cursor.certificate(version))
        else:
            raise BadStore(f"entry {alias!r} is neither a key nor a certificate")
    return KeyStore(trusted=tuple(trusted), keys=tuple(keys))


def unprotect(protected: bytes, password: str) -> bytes:
    """The PKCS#8 key (DER) of a key entry. Raises BadStore and WrongPassword."""
    oid = protected.find(_PROTECTOR_OID, 0, 32)
    if oid < 0:
        raise BadStore("its key is not protected the JKS way")
    # After the OID: an optional NULL, then OCTET STRING { salt | cipher | digest } in a definite length.
    position = oid + len(_PROTECTOR_OID)
    if protected[position : position + 2] == b"\x05\x00":
        position += 2
    if protected[position : position + 1] != b"\x04" or len(protected) < position + 2:
        raise BadStore("its key is not protected the JKS way")
    length_bytes = protected[position + 1]
    position += 2 + (length_bytes & 0x7F if length_bytes & 0x80 else 0)
    sealed = protected[position:]
    if len(sealed) <= 2 * _SHA1_BYTES:
        raise BadStore("its key is incomplete")
    salt, cipher, digest = sealed[:_SHA1_BYTES], sealed[_SHA1_BYTES:-_SHA1_BYTES], sealed[-_SHA1_BYTES:]
    secret = _utf16(password)
    stream = bytearray()
    block = salt
    while len(stream) < len(cipher):
        block = hashlib.sha1(secret + block, usedforsecurity=False).digest()
        stream += block
    plain = bytes(left ^ right for left, right in zip(cipher, stream, strict=False))
    if not hmac.compare_digest(hashlib.sha1(secret + plain, usedforsecurity=False).digest(), digest):
        raise WrongPassword("the password does not open its key")
    return plain


def _utf16(password: str) -> bytes:
    return password.encode("utf-16-be", "surrogatepass")


class _Cursor:
    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def take(self, count: int) -> bytes:
        piece = self._data[self._position : self._position + count]
        if len(piece) != count:
            raise BadStore("it is incomplete")
        self._position += count
        return piece

    def number(self) -> int:
        value: int = struct.unpack(">I", self.take(4))[0]
        return value

    def blob(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        (length,) = struct.unpack(">H", self.take(2))
        # Java's modified UTF-8 differs for NUL and beyond the basic plane. Names are only shown in messages.
        return self.take(length).decode("utf-8", "replace")

    def certificate(self, version: int) -> bytes:
        if version == 2 and self.text() != "X.509":
            raise BadStore("it has a certificate that is not X.509")
        return self.blob()
