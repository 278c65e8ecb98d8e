"""Whatever the README and the examples tell people to type works, in the order in which they read it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import clean_environment
from shop import NAMES
from witness import TOPICS

from kafka_meta import playground
from kafka_meta.errors import EXIT_STATUSES
from kafka_meta.playground import Cluster

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text()

ELSEWHERE = {
    "pip install kafka-meta": "`make dist` installs the wheel that it has built",
    "kafka-meta export --source-bootstrap-servers old:9092 --sample 60s --metrics-url http://old:7071/metrics": (
        "test_stats.py, on a broker that shows metrics"
    ),
    "kafka-meta demo": "test_demo.py",
    "kafka-meta demo --keep": "test_demo.py",
    "kafka-meta demo --stop": "test_demo.py",
}
"""What we do not run here, and who does."""


TOML = """\
[source]
bootstrap-servers = "old:9092"
zk-connect = "old-zk:2181/kafka"
[dest]
bootstrap-servers = "new:9092"
"""


def commands() -> list[str]:
    """Every line of every `sh` block, and what follows `$ ` in every `console` block; continued lines are one."""
    found = []
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", README, re.M | re.S):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line.removeprefix("$ ") for line in lines if kind == "sh" or line.startswith("$ ")]
    return [line for line in found if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def new(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with playground.kraft_cluster() as cluster:
        yield cluster


@pytest.fixture
def folder(tmp_path: Path, shop_source: Cluster, new: Cluster) -> Path:
    """Where somebody types: with `kafka-meta` on the path, and the files that the commands refer to."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "kafka-meta"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kafka_meta "$@"\n')
    command.chmod(0o755)
    (tmp_path / "old.properties").write_text(f"bootstrap.servers={shop_source.bootstrap_servers}\ngroup.id=old\n")
    (tmp_path / "typed").mkdir()
    (tmp_path / "old.properties").rename(tmp_path / "typed" / "old.properties")
    return tmp_path / "typed"


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # The real start, which coverage would double, and what follows is measured elsewhere.
    environment = {name: value for name, value in clean_environment().items() if not name.startswith("COVERAGE_")}
    path = f"{folder.parent / 'bin'}:{environment['PATH']}"
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**environment, "PATH": path, "XDG_STATE_HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def addressed(text: str, source: Cluster, dest: Cluster) -> str:
    places = {
        "old-1:9092,old-2:9092": source.bootstrap_servers,
        "old:9092": source.bootstrap_servers,
        "old-zk:2181/kafka": str(source.zookeeper_connect),
        "new-1:9092,new-2:9092": dest.bootstrap_servers,
        "new:9092": dest.bootstrap_servers,
    }
    for name, address in places.items():
        text = text.replace(name, address)
    return text


def test_every_command_of_the_readme_runs_in_its_order(folder: Path, shop_source: Cluster, new: Cluster) -> None:
    typed = [command for command in commands() if command not in ELSEWHERE]
    assert len(typed) > 15
    settings = folder / "kafka-meta.toml"
    said = {}
    for command in typed:
        named = "--source" in command or "--dest" in command or "--properties" in command
        if not named:  # the two commands, which `demo --keep` gives their addresses
            settings.write_text(addressed(TOML, shop_source, new))
        done = shell(addressed(command, shop_source, new), folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout
        settings.unlink(missing_ok=True)
    assert json.loads(said["kafka-meta verify --dest-bootstrap-servers new:9092 --output json"])["verdict"] == "equal"
    described = new.tool(TOPICS, "--bootstrap-server", new.bootstrap_servers, "--list").split()
    assert {name for name in described if not name.startswith("__")} == set(NAMES)


def test_what_this_test_leaves_to_others_is_really_in_the_readme_or_named_there() -> None:
    for command in ELSEWHERE:
        assert command in README


def test_every_example_does_what_it_says(folder: Path, shop_source: Cluster) -> None:
    with playground.kraft_cluster() as dest:
        places = {"OLD": shop_source.bootstrap_servers, "OLD_ZK": str(shop_source.zookeeper_connect)}
        for example in (HERE / "examples").iterdir():
            (folder / example.name).write_text(addressed(example.read_text(), shop_source, dest))
        (folder / "kafka-meta.toml").rename(folder / "settings.toml")
        for script in ("journey.sh", "one-team.sh"):
            done = shell(f"sh {script}", folder, NEW=dest.bootstrap_servers, **places)
            assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
            assert done.stdout.endswith("\nequal\n")
        checked = shell("kafka-meta check --config settings.toml", folder)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        scripts = {path.name for path in (HERE / "examples").glob("*.sh")}
        assert scripts == {"journey.sh", "one-team.sh"}, "a new example needs its place in this test"
        listed = dest.tool(TOPICS, "--bootstrap-server", dest.bootstrap_servers, "--list").split()
        assert {"orders", "shop.orders", "shop.billing"} <= set(listed)


def test_the_readme_tells_every_exit_status() -> None:
    for status, meaning in EXIT_STATUSES:
        assert re.search(rf"^\| {status.value} \| ", README, re.M), meaning


def test_every_link_of_the_readme_into_the_project_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith("http") or (HERE / target).exists(), target
