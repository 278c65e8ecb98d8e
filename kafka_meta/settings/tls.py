"""TLS settings from a Java client's properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_meta.errors import UsageError
from kafka_meta.settings.connection import Tls
from kafka_meta.settings.java import JavaProperties

if TYPE_CHECKING:
    from kafka_meta.settings import stores


def tls(java: JavaProperties, prefix: str = "") -> Tls:
    """The settings in `ssl.…`; with the prefix "zookeeper." those in `zookeeper.ssl.…`. Raises UsageError."""
    from kafka_meta.settings import stores  # its library takes a while to import

    trust = _store(java, f"{prefix}ssl.truststore", "certificates")
    key = _store(java, f"{prefix}ssl.keystore", "key")
    files = stores.key_files(key, java.write) if key else None
    if trust is not None and not stores.has_root(trust):
        java.notes.append(
            f"{trust.name} has no self-signed certificate: kafka-meta's clients need the root authority. "
            "(Java also accepts a certificate in the middle of a chain.)"
        )
    return Tls(
        ca_file=stores.trust_file(trust, java.write) if trust else None,
        certificate_file=files.certificate_file if files else None,
        key_file=files.key_file if files else None,
        key_password=files.key_password if files else None,
        check_hostname=_check_hostname(java, prefix),
    )


def _check_hostname(java: JavaProperties, prefix: str) -> bool:
    key = f"{prefix}ssl.endpoint.identification.algorithm"
    value = java.raw(key)
    if value is None:
        return True
    java.origins[f"{prefix}check_hostname"] = java.where(key)
    if not value.strip():
        java.notes.append(
            f"{java.where(key)}: {key} is empty: host names in certificates are not checked. Anyone with a "
            "certificate of a trusted authority can pretend to be this cluster"
        )
        return False
    if value.strip().lower() != "https":
        raise java.unknown_value(key, value.strip(), ("https", "an empty value (host names are not checked)"))
    return True


def _store(java: JavaProperties, prefix: str, inline: str) -> stores.Store | None:
    """The store at `<prefix>.location`, or the PEM text in `<prefix>.<inline>` (KIP-651; not for ZooKeeper)."""
    from kafka_meta.settings import stores

    location = java.text(f"{prefix}.location")
    pem = java.text(f"{prefix}.{inline}") if prefix.startswith("ssl.") else None
    key = f"{prefix}.location" if location else f"{prefix}.{inline}"
    if location and pem:
        raise UsageError(f"{java.where(f'{prefix}.{inline}')}: both {key} and {prefix}.{inline} are set", "Keep one.")
    if location:
        data = java.read(location, key)
        name = f"{location} ({key}, {java.where(key)})"
    elif pem:
        chain = java.text(f"{prefix}.certificate.chain") or ""
        data = f"{pem}\n{chain}".encode()
        name = f"the PEM text of {key} ({java.where(key)})"
    else:
        return None
    java.origins[prefix.replace("ssl.", "")] = java.where(key)
    return stores.Store(
        data=data,
        name=name,
        password=java.secret(f"{prefix}.password"),
        key_password=java.secret("ssl.key.password") if prefix == "ssl.keystore" else None,
    )


def zookeeper_tls(java: JavaProperties) -> Tls | None:
    """The TLS settings for ZooKeeper; None where TLS is not turned on. Raises UsageError."""
    if (java.text("zookeeper.ssl.client.enable") or "false").lower() == "true":
        return tls(java, "zookeeper.")
    if java.text("zookeeper.ssl.truststore.location"):
        java.notes.append(
            f"{java.where('zookeeper.ssl.truststore.location')}: it is not used: ZooKeeper is reached without TLS, "
            "because zookeeper.ssl.client.enable is not true"
        )
    return None
