"""Logins that fail for a while, after they have worked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from kafka_meta.events import Event
from kafka_meta.playground import Cluster
from kafka_meta.wire import Unanswered, connect, metadata
from kafka_meta.wire.patience import patiently
from tests.support.logins import LOGINS, PASSWORD
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.stores_made_by_java", "tests.support.logins"]
USER, MECHANISM = "alice", ScramMechanism.SCRAM_SHA_256


def test_a_broker_that_does_not_know_its_user_for_a_while_is_asked_again(
    cluster: Cluster, stores_made_by_java: JavaStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"bootstrap.servers={cluster.bootstrap('LOGIN')}\n{LOGINS['alice by SCRAM-SHA-256']}"
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})

    def alter(change: UserScramCredentialDeletion | UserScramCredentialUpsertion) -> None:
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result(30)

    known = UserScramCredentialUpsertion(USER, ScramCredentialInfo(MECHANISM, 4096), PASSWORD.encode())
    waits: list[Event] = []

    def back_after(count: int) -> Callable[[Event], None]:
        def emit(event: Event) -> None:
            waits.append(event)
            if len(waits) == count:
                alter(known)

        return emit

    with connect(stores_made_by_java.settings(text, "trust.p12", "key.p12")) as wire:
        alter(UserScramCredentialDeletion(USER, MECHANISM))
        cluster.brokers[0].stop()
        cluster.start()
        with pytest.raises(Unanswered, match="Authentication failed") as refused:
            patiently(lambda: metadata(wire), emit=waits.append, seconds=1)
        assert refused.value.retriable
        with monkeypatch.context() as impatient, pytest.raises(Unanswered, match="Authentication failed") as refused:
            impatient.setattr("kafka_meta.wire.logins.PATIENCE_SECONDS", 0.5)
            patiently(lambda: metadata(wire), emit=waits.append, seconds=600)
        assert not refused.value.retriable, "a password that stays wrong is not tried for ever"
        waits.clear()
        assert patiently(lambda: metadata(wire), emit=back_after(3)).brokers
    assert len(waits) >= 3
