"""How a SCRAM credential is made from a password (RFC 5802 section 3, RFC 7677). Pure.

    password ── PBKDF2(salt, iterations) ──▶ salted password ──▶ stored key, server key

An admin client sends the salted password, and the brokers keep the two keys. The password cannot be computed from
them. With the salt and iterations of the exported credential, the same password gives the same keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from kafka_meta.model import ScramCredential, Secret

MIN_ITERATIONS = 4096
MAX_ITERATIONS = 16384
"""The limits of brokers (org.apache.kafka.common.security.scram.internals.ScramMechanism)."""

HASHES: Mapping[str, str] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def fitted_iterations(iterations: int) -> int:
    """The nearest number of iterations that brokers accept."""
    return min(max(iterations, MIN_ITERATIONS), MAX_ITERATIONS)


def salted(password: Secret, mechanism: str, salt: bytes, iterations: int) -> bytes:
    """Kafka hashes the password's UTF-8 bytes, without the SASLprep of the RFC (ScramFormatter.normalize)."""
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password.reveal().encode(), salt, iterations)


def stored_key(salted_password: bytes, mechanism: str) -> bytes:
    """The stored key (RFC 5802, section 3) of a salted password."""
    client_key = hmac.digest(salted_password, b"Client Key", HASHES[mechanism])
    return hashlib.new(HASHES[mechanism], client_key).digest()


def salt_of(credential: ScramCredential) -> bytes | None:
    """None when it is not known, or is not base64."""
    return None if credential.salt is None else _decoded(credential.salt)


def fits(password: Secret, credential: ScramCredential) -> bool | None:
    """Whether this is the credential's password; None when the keys are not known."""
    salt = salt_of(credential)
    if salt is None or credential.stored_key is None:
        return None
    found = stored_key(salted(password, credential.mechanism, salt, credential.iterations), credential.mechanism)
    known = _decoded(credential.stored_key.reveal())
    return known is not None and hmac.compare_digest(found, known)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
