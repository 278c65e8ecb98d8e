"""Java's key and trust stores (JKS, PKCS#12, PEM) → PEM files that every client can read.

A private key in them is encrypted with a password that only this process knows: a file that a killed process leaves
behind is of no use.
"""

from __future__ import annotations

import re
import secrets
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jks
from kafka_meta.settings.private_files import WritePrivate

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN (TRUSTED )?CERTIFICATE-----.*?-----END \1?CERTIFICATE-----", re.DOTALL)
_TO_PKCS12 = "-destkeystore new.p12 -deststoretype PKCS12"
_PEM_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Store:
    """A store's bytes, its passwords, and its name in messages: "t.jks (ssl.truststore.location, old.properties, line
    3)"."""

    data: bytes
    name: str
    password: Secret | None = None
    key_password: Secret | None = None

    def __repr__(self) -> str:
        return f"Store({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """PEM files with a client certificate and its private key, which `key_password` decrypts."""

    certificate_file: str
    key_file: str
    key_password: Secret


def trust_file(store: Store, write: WritePrivate) -> str:
    """The path of a PEM file with the store's trusted certificates. Raises UsageError."""
    certificates = _trusted(store)
    if not certificates:
        raise UsageError(
            f"{store.name} has no trusted certificate",
            "Add the certificate of the brokers' authority: keytool -importcert -keystore …",
        )
    try:
        # Checked here: a client would refuse it later, without the file's name.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b"".join(certificates))
    except ssl.SSLError:
        raise UsageError(f"{store.name} has a certificate that cannot be read") from None
    return write("truststore.pem", "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode())


def has_root(store: Store) -> bool:
    """Whether one of the trusted certificates is self-signed: OpenSSL accepts no other end of a chain."""
    return any(_issuer_and_subject(each)[0] == _issuer_and_subject(each)[1] for each in _trusted(store))


def _issuer_and_subject(certificate: bytes) -> tuple[bytes, bytes]:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        return parsed.issuer.public_bytes(), parsed.subject.public_bytes()
    except ValueError:
        return b"", b""  # OpenSSL may still accept it


def key_files(store: Store, write: WritePrivate) -> KeyFiles:
    """The paths of PEM files with the store's first private key and its certificates. Raises UsageError."""
    key, chain = _key(store)
    if not chain:
        raise UsageError(f"{store.name} has no certificate for its private key")
    password = Secret(secrets.token_urlsafe(24))
    encryption = BestAvailableEncryption(password.reveal().encode())
    return KeyFiles(
        certificate_file=write("certificate.pem", "".join(map(ssl.DER_cert_to_PEM_cert, chain)).encode()),
        key_file=write("key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)),
        key_password=password,
    )


def _trusted(store: Store) -> tuple[bytes, ...]:
    """The trusted certificates, and those of keys: Java trusts them as well (sun.security.validator.TrustStoreUtil)."""
    match _kind(store):
        case "JKS":
            opened = _jks(store)
            return (*opened.trusted, *(key.chain[0] for key in opened.keys if key.chain))
        case "PKCS12":
            return _certificates(_pkcs12(store))
        case _:
            return _pem_certificates(store)


def _key(store: Store) -> tuple[PrivateKeyTypes, tuple[bytes, ...]]:
    match _kind(store):
        case "JKS":
            keys = _jks(store).keys
            if not keys:
                raise _no_key(store)
            password = store.key_password or store.password
            if password is None:
                raise _password_needed(store)
            try:
                plain = jks.unprotect(keys[0].protected, password.reveal())
                return load_der_private_key(plain, None), keys[0].chain
            except jks.WrongPassword:
                raise _wrong_password(store, "its key") from None
            except Exception:  # cryptography raises many kinds of errors for a key that it cannot read
                raise _damaged(store) from None
        case "PKCS12":
            opened = _pkcs12(store)
            if opened.key is None:
                raise _no_key(store)
            return opened.key, _chain(_certificates(opened))
        case _:
            return _pem_key(store), _pem_certificates(store)


def _kind(store: Store) -> str:
    """The store's type, by its content: Java's type "JKS" also reads PKCS#12, and keytool writes PKCS#12 into files
    named .jks."""
    if store.data.startswith(jks.MAGIC):
        return "JKS"
    if store.data.startswith(b"\x30"):
        return "PKCS12"
    if b"-----BEGIN " in store.data:
        return "PEM"
    raise UsageError(
        f"{store.name} is neither a JKS, nor a PKCS#12, nor a PEM store",
        f"Convert it: keytool -importkeystore -srckeystore FILE -srcstoretype TYPE {_TO_PKCS12}",
    )


def _jks(store: Store) -> jks.KeyStore:
    try:
        return jks.read(store.data, store.password.reveal() if store.password else None)
    except jks.WrongPassword:
        raise _wrong_password(store, "it") from None
    except jks.BadStore as error:
        raise UsageError(f"{store.name} cannot be read: {error}") from None


def _pkcs12(store: Store) -> pkcs12.PKCS12KeyAndCertificates:
    if store.password is None:
        raise _password_needed(store)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pkcs12.load_pkcs12(store.data, store.password.reveal().encode())
    except ValueError:
        raise _wrong_password(store, "it") from None
    except Exception:  # old ciphers and unusual certificates raise many kinds of errors
        raise UsageError(
            f"{store.name} cannot be read",
            f"Rewrite it with a current JDK: keytool -importkeystore -srckeystore FILE {_TO_PKCS12}",
        ) from None


def _certificates(opened: pkcs12.PKCS12KeyAndCertificates) -> tuple[bytes, ...]:
    """The key's own certificate first."""
    both = (*((opened.cert,) if opened.cert else ()), *opened.additional_certs)
    return tuple(each.certificate.public_bytes(Encoding.DER) for each in both)


def _chain(certificates: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The first certificate, then its issuer, and so on: PKCS#12 has them in any order, TLS needs this one."""
    chain = list(certificates[:1])
    by_subject = {_issuer_and_subject(each)[1]: each for each in reversed(certificates[1:])}
    while chain and (issuer := by_subject.pop(_issuer_and_subject(chain[-1])[0], None)):
        chain.append(issuer)
    return tuple(chain)


def _pem_certificates(store: Store) -> tuple[bytes, ...]:
    try:
        return tuple(ssl.PEM_cert_to_DER_cert(_plain(match[0])) for match in _PEM_CERTIFICATE.finditer(store.data))
    except ValueError:
        raise UsageError(f"{store.name} has a certificate that is not PEM") from None


def _plain(pem: bytes) -> str:
    return pem.decode("ascii", "replace").replace("TRUSTED CERTIFICATE", "CERTIFICATE")


def _pem_key(store: Store) -> PrivateKeyTypes:
    match = _PEM_KEY.search(store.data)
    if match is None:
        raise _no_key(store)
    password = store.key_password
    enciphered = match[1] == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in match[0]
    if enciphered and password is None:
        raise UsageError(f"{store.name} has an encrypted private key, but ssl.key.password is not set")
    try:
        return load_pem_private_key(match[0], password.reveal().encode() if enciphered and password else None)
    except ValueError:
        if enciphered:
            raise _wrong_password(store, "its key") from None
        raise _damaged(store) from None
    except Exception:  # a kind of key that cryptography does not know
        raise _damaged(store) from None


def _no_key(store: Store) -> UsageError:
    return UsageError(
        f"{store.name} has no private key",
        "A keystore must have this client's private key and certificate. Is it a truststore?",
    )


def _damaged(store: Store) -> UsageError:
    return UsageError(f"{store.name} has a private key that cannot be read")


def _password_needed(store: Store) -> UsageError:
    return UsageError(
        f"{store.name} needs a password, but none is set", "Set the store's .password key as well as its .location."
    )


def _wrong_password(store: Store, what: str) -> UsageError:
    return UsageError(f"the password given for {store.name} does not open {what}, or the store is damaged")


def subject_of(path: str) -> str:
    """The subject of the first certificate in a PEM file, as brokers write it without rules of their own (RFC 4514)."""
    return x509.load_pem_x509_certificate(Path(path).read_bytes()).subject.rfc4514_string()
