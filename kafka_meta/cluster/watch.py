"""Groups of a cluster, read again and again over the same connections."""

from __future__ import annotations

from kafka_meta import wire
from kafka_meta.cluster.clients import admin
from kafka_meta.cluster.groups import Groups, read_groups
from kafka_meta.events import silent
from kafka_meta.model import Selection
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import Wire


class GroupWatch:
    """A context manager. Entering raises `KafkaMetaError` when the cluster cannot be reached; what cannot be read
    later is a gap."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings

    def __enter__(self) -> GroupWatch:
        self.wire: Wire = wire.connect(self._settings)
        self._client = admin(self._settings)
        return self

    def __exit__(self, *error: object) -> None:
        self.wire.close()

    def read(self, selection: Selection) -> Groups:
        return read_groups(
            self._client,
            self.wire,
            selection,
            emit=silent,
            version=self.wire.release,
            timeout_seconds=self._settings.request_timeout_ms / 1000,
        )
