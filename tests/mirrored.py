"""The command as its users run it, with what a test has made and nothing else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kafka_meta.files import validate
from kafka_meta.playground import Cluster
from tests.conftest import Cli
from tests.traffic import commit, create, produce


class Mirror:
    """The command with the two clusters, a state folder of the test's own, and only what the test has made."""

    def __init__(self, cli: Cli, source: Cluster, dest: Cluster, state: Path, mine: str, name: str = "") -> None:
        self.cli, self.state = cli, state
        self.source, self.dest = source.bootstrap_servers, dest.bootstrap_servers
        self.mine = ("--include-topics", mine, "--include-groups", mine)
        self.topic, self.group = f"{name}.t", f"{name}.g"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        sides = ("--source-bootstrap-servers", self.source, "--dest-bootstrap-servers", self.dest)
        looks = any(word in arguments for word in ("--status", "--release", "--restart"))
        return self.cli(
            "mirror",
            *sides,
            *(() if looks else self.mine),
            *arguments,
            env={"XDG_STATE_HOME": str(self.state)},
        )

    def document(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        done = self(*arguments, "--output", "json")
        assert done.returncode == status, done.stderr + done.stdout
        document: dict[str, Any] = json.loads(done.stdout)
        validate(document, "mirror", called="the document")
        return document


@pytest.fixture
def small(source: Cluster, dest: Cluster, cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> Mirror:
    """A topic `<name>.t` of two partitions on both sides, 100 records in partition 0, a group `<name>.g` at 40."""
    name = request.node.name.replace("_", "-").removeprefix("test-")[:80]
    mirror = Mirror(cli, source, dest, tmp_path, rf"{name}\..*", name)
    create(mirror.source, {mirror.topic: 2}, {"retention.ms": "-1"})
    create(mirror.dest, {mirror.topic: 2})
    produce(mirror.source, mirror.topic, 0, (b"%d" % number for number in range(100)))
    commit(mirror.source, mirror.group, {(mirror.topic, 0): 40})
    return mirror
