"""Logins that fail for a while, after they have worked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue

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
from kafka_meta.wire.channel import Channel
from kafka_meta.wire.fetch import Fetch
from kafka_meta.wire.logins import Logins
from kafka_meta.wire.patience import patiently
from tests.support.logins import LOGINS, PASSWORD
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.stores_made_by_java", "tests.support.logins"]
USER, MECHANISM = "alice", ScramMechanism.SCRAM_SHA_256


def alter(cluster: Cluster, change: UserScramCredentialDeletion | UserScramCredentialUpsertion) -> None:
    admin = AdminClient({"log_level": 0, "bootstrap.servers": cluster.bootstrap_servers})
    for future in admin.alter_user_scram_credentials([change]).values():
        future.result(30)


def password(text: str) -> UserScramCredentialUpsertion:
    return UserScramCredentialUpsertion(USER, ScramCredentialInfo(MECHANISM, 4096), text.encode())


def login_of(cluster: Cluster) -> str:
    return f"bootstrap.servers={cluster.bootstrap('LOGIN')}\n{LOGINS['alice by SCRAM-SHA-256']}"


@pytest.mark.parametrize("how", ["by a channel", "by the wire"])
def test_a_password_that_was_changed_is_read_again_from_its_file(
    cluster: Cluster, stores_made_by_java: JavaStores, how: str
) -> None:
    text, plain = login_of(cluster), stores_made_by_java.properties("trust.p12", "key.p12")
    rotated = LOGINS["alice by SCRAM-SHA-256"].rpartition('password="')[0] + 'password="rotated";'
    settings = stores_made_by_java.settings(text, "trust.p12", "key.p12")
    with connect(settings) as wire:
        (broker,) = metadata(wire).brokers
        logins = Logins()

        def ask() -> object:
            if how == "by the wire":
                return metadata(wire)
            answers: SimpleQueue[object] = SimpleQueue()
            with closing(Channel(settings, broker, logins=logins)) as channel:
                channel.ask(Fetch(wanted=[], max_bytes=1), answers.put)
                answer = answers.get(timeout=60)
            if isinstance(answer, Unanswered):
                raise answer
            return answer

        def end_connections() -> None:
            cluster.brokers[0].stop()
            cluster.start()

        assert patiently(ask) is not None
        alter(cluster, password("rotated"))
        try:
            end_connections()
            with pytest.raises(Unanswered, match="uthentication") as refused:
                patiently(ask, seconds=1)
            assert refused.value.retriable
            stores_made_by_java.path("client.properties").write_text("sasl.jaas.config=(half a file")
            with pytest.raises(Unanswered, match="uthentication"):
                patiently(ask, seconds=1)
            stores_made_by_java.path("client.properties").write_text(
                f"bootstrap.servers={cluster.bootstrap('LOGIN')}\n{rotated}\n{plain}", encoding="latin-1"
            )
            assert patiently(ask) is not None
            assert "rotated" not in repr(settings)
        finally:
            alter(cluster, password(PASSWORD))


def test_a_broker_that_does_not_know_its_user_for_a_while_is_asked_again(
    cluster: Cluster, stores_made_by_java: JavaStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[Event] = []

    def back_after(count: int) -> Callable[[Event], None]:
        def emit(event: Event) -> None:
            waits.append(event)
            if len(waits) == count:
                alter(cluster, password(PASSWORD))

        return emit

    with connect(stores_made_by_java.settings(login_of(cluster), "trust.p12", "key.p12")) as wire:
        alter(cluster, UserScramCredentialDeletion(USER, MECHANISM))
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
