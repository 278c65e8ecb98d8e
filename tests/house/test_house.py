"""The rules of the house, read from the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kafka_meta

PROJECT = Path(__file__).parents[2]
HOUSE = PROJECT / "kafka_meta"

THIRD_PARTY = {
    "backports": {"batches"},
    "compression": {"batches"},  # the standard library's from Python 3.14 on
    "confluent_kafka": {"cluster"},
    "cramjam": {"batches"},
    "crc32c": {"batches"},
    "cryptography": {"settings"},
    "jsonschema": {"files"},
    "jsonschema_rs": {"files"},
    "kafka": {"wire"},
    "kazoo": {"zookeeper"},
    "lz4": {"batches"},
    "matplotlib": {"report"},
    "prometheus_client": {"cli"},
    "psutil": {"host", "playground"},
    "rich": {"render", "report", "cli"},
    "typer": {"cli"},
}
"""Which rooms may import which package."""


def rooms() -> list[str]:
    """The map in the package's docstring, top to bottom."""
    return re.findall(r"^    ([a-z_]+) {2,}\S", kafka_meta.__doc__ or "", re.MULTILINE)


@pytest.fixture(scope="module")
def imports() -> list[tuple[Path, str, str]]:
    """(file, its room, dotted name imported) for every import statement, wherever in a file it stands."""
    return list(_imports())


def _imports() -> Iterator[tuple[Path, str, str]]:
    for path in sorted(HOUSE.rglob("*.py")):
        relative = path.relative_to(HOUSE)
        if str(relative) in ("__init__.py", "__main__.py"):
            continue
        room = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield path, room, alias.name
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import hides where a name comes from"
                if node.module == "kafka_meta":
                    for alias in node.names:
                        yield path, room, f"kafka_meta.{alias.name}"
                else:
                    yield path, room, node.module or ""


def test_every_room_is_on_the_map() -> None:
    found = {
        path.name.removesuffix(".py")
        for path in HOUSE.iterdir()
        if (path.suffix == ".py" and not path.name.startswith("_")) or (path / "__init__.py").is_file()
    }
    assert found - set(rooms()) == set()
    assert len(rooms()) == len(set(rooms()))


def test_a_module_imports_only_modules_above_it(imports: list[tuple[Path, str, str]]) -> None:
    order = {room: position for position, room in enumerate(rooms())}
    wrong = []
    for path, room, name in imports:
        if name.startswith("kafka_meta."):
            other = name.split(".")[1]
            if other != "__version__" and other != room and order.get(other, len(order)) > order[room]:
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


def test_each_third_party_package_is_imported_in_its_own_room_only(imports: list[tuple[Path, str, str]]) -> None:
    wrong = []
    for path, room, name in imports:
        package = name.split(".")[0]
        known = package == "kafka_meta" or package in sys.stdlib_module_names
        if not known and room not in THIRD_PARTY.get(package, set()):
            wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


FOREIGN = (
    # Spelt so that these lines do not match themselves.
    r"(?<![\w.~}*-])/(?:work|root|home|tmp|Users)/[\w.$]",
    r"pypi\.[o]rg|python[h]osted|repo1?\.[m]aven|maven\.[a]pache|npm[j]s",
    r"--(?:extra-)?index-[u]rl[ =]|--find-[l]inks[ =]|--trusted-[h]ost[ =]",
)


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    wrong = []
    for name in listing.stdout.decode().split("\0"):
        path = PROJECT / name
        if not name or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            wrong += [f"{name}:{number}: {line.strip()[:120]}" for pattern in FOREIGN if re.search(pattern, line)]
    assert wrong == []
