"""Whatever a document tells people to type works: from its top, in one empty folder, onto an empty destination."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from kafka_meta import playground
from tests.support.commands import command_line, unmeasured_environment
from tests.support.documents import (
    ELSEWHERE,
    EXAMPLES,
    INSTALL,
    KEEP,
    MANUAL,
    PROJECT,
    README,
    RUN,
    STOP,
    Typed,
    commands,
    fits,
    name,
)
from tests.support.guarded import PASSWORD, PLAIN_LOGIN, Guarded
from tests.support.shop import until

pytest_plugins = ["tests.support.guarded"]
pytestmark = pytest.mark.brokers

OLD_USER, OLD_PASSWORD = "warehouse", "an old secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The pair that `kafka-meta demo --keep` has started in `folder`."""

    folder: Path
    state: Path
    bin: Path
    source: str
    zookeeper: str
    dest: str

    def type(self, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """What needs no shell goes without a Python of its own: README tries that, and each takes a second."""
        line, state = self.addressed(line), {"XDG_STATE_HOME": str(self.state)}
        if folder != self.folder and (words := _plain(line)):
            return command_line(folder)(*words, env=state)
        return shell(line, folder, self.bin, **state)

    def addressed(self, text: str) -> str:
        places = {
            "old-1:9092,old-2:9092": self.source,
            "old:9092": self.source,
            "old-zk:2181/kafka": self.zookeeper,
            "new-1:9092,new-2:9092": self.dest,
            "new:9092": self.dest,
        }
        for written, address in places.items():
            text = text.replace(written, address)
        return text


def _plain(line: str) -> list[str]:
    """The arguments of a line that is one kafka-meta command, in which a shell would only take quotes off."""
    words = shlex.split(line)
    return words[1:] if words[0] == "kafka-meta" and not re.search(r"[|;&<>$\n]", line) else []


def shell(line: str, folder: Path, bin: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # The real start, which coverage would double, and what follows is measured elsewhere.
    environment = unmeasured_environment()
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**environment, "PATH": f"{bin}:{environment['PATH']}", **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Started by the command of README."""
    assert commands(README)[len(INSTALL)].command == KEEP
    root = tmp_path_factory.mktemp("documents")
    folder, bin, state = root / "typed", root / "bin", root / "state"
    for each in (folder, bin, state):
        each.mkdir()
    command = bin / "kafka-meta"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kafka_meta "$@"\n')
    command.chmod(0o755)
    try:
        started = shell(KEEP, folder, bin)
        assert started.returncode == 0, started.stdout + started.stderr
        found = tomllib.loads((folder / "kafka-meta.toml").read_text())
        source, dest = found["source"], found["dest"]
        yield Demo(
            folder=folder,
            state=state,
            bin=bin,
            source=source["bootstrap-servers"],
            zookeeper=source["zk-connect"],
            dest=dest["bootstrap-servers"],
        )
    finally:
        if (folder / "kafka-meta-demo.json").exists():
            playground.stop_detached(folder / "kafka-meta-demo.json")


@pytest.fixture
def fresh(demo: Demo) -> Demo:
    """With nothing on the destination, and no journal."""
    admin = AdminClient({"bootstrap.servers": demo.dest, "log_level": 0})
    topics = [each for each in admin.list_topics(timeout=10).topics if not each.startswith("__")]
    anything = AclBindingFilter(
        *(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    )
    groups = [each.group_id for each in admin.list_consumer_groups().result().valid]
    users = admin.describe_user_scram_credentials().result()
    deletions = [UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256) for user in users]
    for futures in (
        admin.delete_topics(topics) if topics else {},
        admin.delete_consumer_groups(groups) if groups else {},
        admin.delete_acls([anything]),
        admin.alter_user_scram_credentials(deletions) if deletions else {},
    ):
        for future in futures.values():
            future.result()
    until(lambda: not {*topics} & {*admin.list_topics(timeout=10).topics}, "the topics are gone")
    shutil.rmtree(demo.state)
    demo.state.mkdir()
    return demo


@pytest.fixture
def folder(demo: Demo, tmp_path: Path) -> Path:
    """An empty folder but for the addresses."""
    shutil.copy(demo.folder / "kafka-meta.toml", tmp_path)
    return tmp_path


def follow(demo: Demo, typed: list[Typed], folder: Path) -> None:
    """Types all of it, as it stands, and compares with what the document shows."""
    exports: list[str] = []
    ran = 0
    for each in typed:
        if each.command in ELSEWHERE:
            continue
        if each.command.startswith("export "):
            exports.append(each.command)
            continue
        done = demo.type("\n".join([*exports, each.command]), folder)
        assert done.returncode == 0, f"{each.place}: {each.command}\n{done.stdout}{done.stderr}"
        if each.shown:
            assert fits(each.shown, done.stdout), f"{each.place}: {each.command}\n{done.stdout}{done.stderr}"
        ran += 1
    assert ran or not typed


def test_the_readme_works_as_typed_from_its_top(fresh: Demo) -> None:
    typed = [each.command for each in commands(README)]
    for given in ("kafka-meta export --fileName metadata.json", "kafka-meta import --commit"):
        assert given in typed
    follow(fresh, commands(README), fresh.folder)


@pytest.mark.parametrize("path", [path for path in RUN if path.parent == MANUAL and commands(path)], ids=name)
def test_every_page_of_the_manual_works_as_typed_from_its_top(fresh: Demo, folder: Path, path: Path) -> None:
    for side, address in (("old", fresh.source), ("new", fresh.dest)):
        (folder / f"{side}.properties").write_text(f"bootstrap.servers={address}\ngroup.id=ours\n")
    follow(fresh, commands(path), folder)


def test_the_text_of_the_cookbook_works_as_typed(fresh: Demo, tmp_path: Path) -> None:
    for example in EXAMPLES.iterdir():
        (tmp_path / example.name).write_text(fresh.addressed(example.read_text()))
    follow(fresh, commands(EXAMPLES / "README.md"), tmp_path)


@contextmanager
def users_of_the_source(demo: Demo) -> Iterator[None]:
    admin = AdminClient({"bootstrap.servers": demo.source, "log_level": 0})

    def change(what: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        for future in admin.alter_user_scram_credentials([what]).values():
            future.result()

    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    for user in (OLD_USER, "nobody-knows"):
        change(UserScramCredentialUpsertion(user, info, OLD_PASSWORD.encode()))
    try:
        yield
    finally:
        for user in (OLD_USER, "nobody-knows"):
            change(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))


ENDS_WITH = {
    "all-vendors.sh": "aws-msk",
    "ci.sh": "equal",
    "everything.sh": "equal",
    "mirror.sh": "equal",
    "one-team.sh": "equal",
    "principals.sh": "equal",
    "rename.sh": "equal",
    "reviewed-plan.sh": "equal",
    "secured.sh": "equal",
    "sizing.sh": "kafka.m7g",
    "users.sh": "equal",
    "vendor-names.sh": "equal",
}
"""Each recipe, and a word of what it prints when it has done what it says."""


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.sh")))
def test_every_recipe_does_what_it_says(fresh: Demo, folder: Path, script: str, request: pytest.FixtureRequest) -> None:
    shutil.copy(EXAMPLES / script, folder)
    if script == "users.sh":
        users = folder / "users.txt"
        users.touch(mode=0o600)
        users.write_text(f"{OLD_USER}={OLD_PASSWORD}\n")
    if script == "ci.sh":
        prepared = fresh.type("kafka-meta export --file-name metadata.json; kafka-meta import --commit", folder)
        assert prepared.returncode == 0, prepared.stderr
    if script == "secured.sh":
        guarded: Guarded = request.getfixturevalue("guarded")
        (folder / "old.properties").write_text(f"bootstrap.servers={fresh.source}\n")
        (folder / "new.properties").write_text(
            f"bootstrap.servers={guarded.address('LOGIN')}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
            f'sasl.jaas.config={PLAIN_LOGIN} required username="admin" password="{PASSWORD}";\n'
        )
        (folder / "kafka-meta.toml").unlink()
    with users_of_the_source(fresh) if script == "users.sh" else nullcontext():
        done = fresh.type(f"sh {script}", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"\b{re.escape(ENDS_WITH[script])}", done.stdout), done.stdout + done.stderr
    if script == "users.sh":
        assert re.findall(r"^(.+?)=", (folder / "new-users.txt").read_text(), re.M) == ["nobody-knows"]


def test_the_nightly_job_ends_with_3_and_names_what_differs(fresh: Demo, folder: Path) -> None:
    shutil.copy(EXAMPLES / "ci.sh", folder)
    exported = fresh.type("kafka-meta export --file-name metadata.json", folder)
    assert exported.returncode == 0, exported.stderr
    done = fresh.type("sh ci.sh", folder)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("different\n")
    assert re.search(r"^topic orders\tmissing", done.stdout, re.M)


def test_a_page_goes_into_a_pipe_that_closes_early(demo: Demo, tmp_path: Path) -> None:
    done = demo.type("kafka-meta help mirror | head -2", tmp_path)
    assert done.stdout.startswith("# mirror: ")
    assert done.stderr == ""


def test_the_last_command_of_the_readme_ends_both_clusters(demo: Demo) -> None:
    assert commands(README)[-1].command == STOP
    done = shell(STOP, demo.folder, demo.bin)
    assert done.returncode == 0, done.stderr
    assert not {"kafka-meta.toml", "kafka-meta-demo.json"} & {each.name for each in demo.folder.iterdir()}


@pytest.mark.long
def test_the_readme_tells_how_to_install(tmp_path: Path) -> None:
    """In a copy of what is checked out here, with a home of its own; then without the copy."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    checkout = tmp_path / "checkout"
    for each in filter(None, listed.stdout.split("\0")):
        target = checkout / each
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / each, target)
    lines = [each.command for each in commands(README)[: len(INSTALL)]]
    assert all(word in line for word, line in zip(INSTALL, lines, strict=True))
    home = tmp_path / "home"
    home.mkdir()
    asked = "\n".join(["set -e", *lines, "cd /", 'rm -rf "$CHECKOUT"', "kafka-meta --version", "kafka-meta help files"])
    done = shell(asked, checkout, Path(os.devnull), HOME=str(home), CHECKOUT=str(checkout))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "kafka-meta" / "bin" / "kafka-meta").is_file()
    assert "# files: " in done.stdout
