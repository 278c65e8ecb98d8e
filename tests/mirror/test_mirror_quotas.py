"""Client quotas on both sides, lower than the copy would go."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack

import pytest

from kafka_meta.files import validate
from kafka_meta.playground import Cluster
from tests.support.mirrored import Mirror, small
from tests.support.quotas import slowed
from tests.support.traffic import produce

__all__ = ["small"]
pytestmark = pytest.mark.guard

RATE = 300_000


def test_quotas_on_both_sides_slow_a_run_and_it_ends_well(small: Mirror, source: Cluster, dest: Cluster) -> None:
    dice = random.Random(1)
    produce(small.source, small.topic, 1, (dice.randbytes(1000) for _ in range(5000)))
    with ExitStack() as stack:
        stack.enter_context(slowed(source, "consumer_byte_rate", RATE))
        stack.enter_context(slowed(dest, "producer_byte_rate", RATE))
        stack.enter_context(slowed(dest, "consumer_byte_rate", RATE))
        done = small("--commit", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(done.stdout)
    validate(document, "mirror", called="the document")
    assert [(each["messages"], each["outcome"]) for each in document["copied"]] == [(60, "done"), (5000, "done")]
    assert {each["outcome"] for each in document["groups"]} == {"set"}
    waits = {each["reason"] for each in map(json.loads, done.stderr.splitlines()) if each.get("event") == "waiting"}
    for side in ("source", "destination"):
        assert any(f"of the {side} makes us wait" in reason for reason in waits), waits
