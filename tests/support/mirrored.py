"""The command as its users run it, with what a test has made and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kafka_meta.files import validate
from kafka_meta.playground import Cluster
from tests.support.commands import Cli, unmeasured_environment
from tests.support.shop import until
from tests.support.traffic import commit, create, produce, watermarks


class Mirror:
    """The command with the two clusters, a state folder of the test's own, and only what the test has made."""

    def __init__(self, cli: Cli, source: Cluster, dest: Cluster, state: Path, mine: str, name: str = "") -> None:
        self.cli, self.state = cli, state
        self.source, self.dest = source.bootstrap_servers, dest.bootstrap_servers
        self.mine = ("--include-topics", mine, "--include-groups", mine)
        self.quiet = ("--quiet", "1s")
        self.topic, self.group = f"{name}.t", f"{name}.g"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        sides = ("--source-bootstrap-servers", self.source, "--dest-bootstrap-servers", self.dest)
        chosen = any(word in arguments for word in ("--status", "--release", "--restart"))
        return self.cli(
            "mirror",
            *sides,
            *(() if chosen else (*self.mine, *self.quiet)),
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
    name = re.sub(r"[^\w.]+", "-", request.node.name.replace("_", "-")).removeprefix("test-").strip("-")[:80]
    mirror = Mirror(cli, source, dest, tmp_path, rf"{name}\..*", name)
    create(mirror.source, {mirror.topic: 2}, {"retention.ms": "-1"})
    create(mirror.dest, {mirror.topic: 2})
    produce(mirror.source, mirror.topic, 0, (b"%d" % number for number in range(100)))
    commit(mirror.source, mirror.group, {(mirror.topic, 0): 40})
    return mirror


def midway(
    mirror: Mirror,
    act: Callable[[subprocess.Popen[str]], object],
    *arguments: str,
    inside: Sequence[str] = (),
    rate: str = "500kB/s",
) -> tuple[int, str, str]:
    """A slow copy of 4 MB, with something done when its first records have arrived. `inside` are the words before the
    command, of a `SmallDisk`; `rate` is that of the copy."""
    produce(mirror.source, mirror.topic, 1, (b"%06d" % number * 1_000 for number in range(700)), {"linger.ms": 0})
    commit(mirror.source, mirror.group, {(mirror.topic, 1): 0})
    sides = ("--source-bootstrap-servers", mirror.source, "--dest-bootstrap-servers", mirror.dest)
    slowly = ("--max-rate", rate, "--memory", "1MB")
    running = subprocess.Popen(
        [*inside, sys.executable, "-m", "kafka_meta", "mirror", *sides, *mirror.mine, "--commit", *slowly, *arguments],
        cwd=mirror.state,
        env={**unmeasured_environment(), "XDG_STATE_HOME": str(mirror.state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: watermarks(mirror.dest, mirror.topic, 1)[1] > 0, "the first records have arrived")
        act(running)
        out, err = running.communicate(timeout=90)
    finally:
        running.kill()
    return running.returncode, out, err
