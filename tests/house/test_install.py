"""That a fresh clone installs, whatever the index offers by then, and that the lower bounds in pyproject.toml work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))? \\$", re.MULTILINE)
LOCKS = ("requirements.lock", "requirements-dev.lock")
INSTALL = re.findall(r"^LOCKED = \$\(PIP\) (.+)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
"""What `make` gives to pip."""
NEWER = ("coverage", "rich", "hatchling")
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin")
UV = Path(sys.executable).with_name("uv")


def run(command: Sequence[object], folder: Path, **environ: str) -> str:
    unwanted = ("PIP_", "PYTHON", "COV_", "COVERAGE_", "VIRTUAL_ENV", "MAKE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | environ
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What lets pip find every wheel of the lock, and newer versions of three of them."""
    folder = tmp_path_factory.mktemp("index")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    where = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run([*command, "--only-binary", ":all:", "-r", PROJECT / "requirements-dev.lock", "-d", folder], PROJECT, **where)
    for name in NEWER:
        newer(name, folder)
    yield {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    shutil.rmtree(folder)


def newer(name: str, folder: Path) -> None:
    """A version of tomorrow, which needs a package that nobody has."""
    with zipfile.ZipFile(folder / f"{name}-9999.0-py3-none-any.whl", "w") as wheel:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999.0\nProvides-Extra: toml\n"
        wheel.writestr(f"{name}-9999.0.dist-info/METADATA", f"{about}Requires-Dist: nobody-has-this\n")
        wheel.writestr(f"{name}-9999.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-9999.0.dist-info/RECORD", "")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.guard
def test_the_lock_is_installed_as_it_stands_though_the_index_has_newer_versions(
    tmp_path: Path, index: dict[str, str]
) -> None:
    """Into an environment that has nothing, by what `make` gives to pip."""
    (locked,) = INSTALL
    run([sys.executable, "-m", "venv", tmp_path / "venv"], tmp_path)
    pip = [tmp_path / "venv/bin/python", "-m", "pip", *locked.replace("--quiet", "--dry-run").split()]
    said = run([*pip, PROJECT / "requirements-dev.lock"], tmp_path, **index)
    (chosen,) = re.findall("^Would install (.+)$", said, re.MULTILINE)
    pinned = {normal(f"{name}-{version}") for name, version, _ in PIN.findall(lock_text())}
    found = {normal(each) for each in chosen.split()}
    assert len(found) > 40
    assert found <= pinned


@pytest.mark.guard
def test_the_locks_are_what_pyproject_asks_for(tmp_path: Path) -> None:
    """`make lock` changes no version, unless somebody has changed pyproject.toml alone."""
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    run(["make", "--old-file=.venv/ready", "lock"], tmp_path)
    for name in LOCKS:
        now = PIN.findall((tmp_path / name).read_text(encoding="utf-8"))
        assert PIN.findall((PROJECT / name).read_text(encoding="utf-8")) == now


@pytest.mark.guard
def test_every_pinned_version_has_a_wheel_for_every_python_that_we_name(tmp_path: Path) -> None:
    classifiers = "\n".join(PYPROJECT["project"]["classifiers"])
    pythons = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.MULTILINE)
    assert pythons[0] == "3.11" and len(pythons) >= 4
    command = [UV, "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet"]
    for python in pythons:
        for platform in PLATFORMS:
            there = ["--python-version", python, "--python-platform", platform, "--target", tmp_path / platform]
            run([*command, *there, "-r", PROJECT / "requirements.lock"], tmp_path)


@pytest.mark.long
def test_a_fresh_clone_installs_the_lock_though_the_index_has_newer_versions(
    tmp_path: Path, index: dict[str, str]
) -> None:
    clone = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, clone / name)
    run(["make", ".venv/ready", f"PYTHON={sys.executable}"], clone, **index)
    frozen = run([".venv/bin/python", "-m", "pip", "list", "--format=freeze"], clone)
    found = {normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", frozen, re.MULTILINE)}
    pinned = {normal(name): version for name, version, _ in PIN.findall(lock_text())}
    assert {name: found.get(name) for name in NEWER} == {name: pinned[name] for name in NEWER}
    assert found.keys() - pinned.keys() <= {"kafka-meta", "pip", "setuptools"}
    assert {name: version for name, version in found.items() if name in pinned}.items() <= pinned.items()


@pytest.mark.long
def test_the_lowest_versions_that_pyproject_names_work(tmp_path: Path) -> None:
    """`kafka-meta --help`, and every test that needs neither brokers nor the development tools' own versions."""
    lowest, python = tmp_path / "lowest.txt", tmp_path / "venv/bin/python"
    wheels = ["--only-binary", ":all:", "--quiet"]
    resolve = [UV, "pip", "compile", "--resolution", "lowest-direct", "--extra", "html", *wheels, "-o", lowest]
    run([*resolve, PROJECT / "pyproject.toml"], tmp_path)
    locked = {normal(name): version for name, version, _ in PIN.findall(lock_text())}
    tools = [f"{name}=={locked[name]}" for name in ("pytest", "hypothesis", "coverage", "pytest-cov")]
    run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], tmp_path)
    run([UV, "pip", "install", "--python", python, *wheels, "-r", lowest, *tools], tmp_path)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    (packages / "kafka-meta.pth").write_text(f"{PROJECT}\n")
    chosen = dict(re.findall(r"^([\w.-]+)==(\S+)", lowest.read_text(), re.MULTILINE))
    asked = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["html"]]
    bounds = re.findall(r"^([\w.-]+)[>=]=([\d.]+)", "\n".join(asked), re.MULTILINE)
    assert len(bounds) == len(asked)
    for name, bound in bounds:
        assert version(chosen.get(normal(name), bound)) == version(bound), f"{name} {bound} has no wheel: raise it"
    for shown in ("--help", "--version"):
        assert "kafka-meta" in run([python, "-m", "kafka_meta", shown], PROJECT)
    run(
        [python, "-m", "pytest", "-q", "-m", "not brokers and not guard and not long", "-p", "no:cacheprovider"],
        PROJECT,
    )


def lock_text() -> str:
    return (PROJECT / "requirements-dev.lock").read_text(encoding="utf-8")


def version(text: str) -> list[int]:
    parts = [int(part) for part in text.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts
