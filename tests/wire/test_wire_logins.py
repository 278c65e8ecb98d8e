"""Refused logins: for how long they may pass."""

from __future__ import annotations

import pytest

from kafka_meta.wire.logins import PATIENCE_SECONDS, Logins


def test_a_refused_login_is_tried_again_for_a_while_and_then_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kafka_meta.wire.logins.time.monotonic", lambda: now)
    logins = Logins()
    assert logins.may_pass(1)
    now += PATIENCE_SECONDS - 1
    assert logins.may_pass(1) and logins.may_pass(2)
    now += 2
    assert not logins.may_pass(1) and logins.may_pass(2)
    logins.accepted(1)
    assert logins.may_pass(1)
