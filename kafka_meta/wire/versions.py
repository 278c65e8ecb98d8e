"""The version of brokers. No broker reports it; the requests that it supports show it."""

from __future__ import annotations

from collections.abc import Mapping

from kafka.protocol.broker_version_data import infer_broker_version_from_api_versions

_METADATA_VERSIONS = (
    (1, "3.0"),
    (2, "3.1"),
    (4, "3.2"),
    (7, "3.3"),
    (8, "3.4"),
    (11, "3.5"),
    (14, "3.6"),
    (19, "3.7"),
    (20, "3.8"),
    (21, "3.9"),
    (25, "4.0"),
    (27, "4.1"),
    (29, "4.2"),
    (30, "4.3"),
)
"""The highest `metadata.version` that each release supports (org.apache.kafka.server.common.MetadataVersion)."""


def release(api_versions: Mapping[int, tuple[int, int]], metadata_version: int | None) -> str | None:
    """ "3.9"; None for a broker that is newer than this table.

    KRaft brokers return the highest metadata version that they support. Older brokers and those in ZooKeeper mode are
    recognised by a request that their release was the first to support, by kafka-python's table.
    """
    if metadata_version is None:
        return ".".join(str(part) for part in infer_broker_version_from_api_versions(api_versions))
    return next((name for highest, name in _METADATA_VERSIONS if metadata_version <= highest), None)
