"""The documents that people read, and what is in them: blocks, commands, names in the running text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MANUAL = PROJECT / "kafka_meta" / "manual"
NOT_OURS = (".venv", "dist", "node_modules")

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)[ \t]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$", re.M | re.S)
ANYTHING = "…"
"""A line of its own in a block: what stands there is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(slots=True, kw_only=True)
class Typed:
    """A command as a reader types it, and the lines that the document shows behind it."""

    place: str
    command: str
    shown: list[str] = field(default_factory=list)


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    found = (path for path in PROJECT.rglob("*.md") if not set(path.relative_to(PROJECT).parts) & {*NOT_OURS})
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(PROJECT).parts))


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def blocks(path: Path) -> Iterator[Block]:
    """Every fenced block, its indentation taken away."""
    whole = path.read_text(encoding="utf-8")
    for match in _FENCE.finditer(whole):
        indent = len(match["indent"])
        text = "".join(line[indent:] if line.strip() else "\n" for line in match["text"].splitlines(keepends=True))
        line = whole.count("\n", 0, match.start()) + 1
        yield Block(document=name(path), line=line, language=match["language"], text=text)


def typed(block: Block) -> list[Typed]:
    """The commands of a `sh` or `console` block in their order; what a backslash continues is one."""
    found: list[Typed] = []
    goes_on = False
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if goes_on:
            found[-1].command += f" {line.strip()}"
        elif block.language == "sh" or line.startswith("$ "):
            if not line.strip() or line.startswith("#"):
                continue
            found.append(Typed(place=f"{block.document}:{number}", command=line.removeprefix("$ ")))
        else:
            found[-1].shown.append(line)
            continue
        goes_on = found[-1].command.endswith("\\")
        found[-1].command = found[-1].command.removesuffix("\\").rstrip()
    return found


def commands(path: Path) -> list[Typed]:
    return [each for block in blocks(path) if block.language in ("sh", "console") for each in typed(block)]


def running_text(path: Path) -> str:
    """Everything outside of the fenced blocks; their lines are empty, so that line numbers stay."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text(encoding="utf-8"))


def code_words(path: Path) -> list[str]:
    """What stands between backticks in the running text, on one line each."""
    return [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", running_text(path))]


_PLACES = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z)?", "TIME"),
    (r"\b(127\.0\.0\.1|localhost):\d+", "ADDRESS"),
    (r"\b[A-Za-z0-9_-]{22}\b", "ID"),
    (r"\b[\d,]+(\.\d+)? (bytes|[kMGT]i?B)\b", "SIZE"),
    (r"[ \t]+", " "),
)


def normal(line: str) -> str:
    """Without what differs from run to run: addresses, ids, times, sizes and the width of columns."""
    for pattern, word in _PLACES:
        line = re.sub(pattern, word, line)
    return line.strip()


def fits(shown: list[str], printed: str) -> bool:
    """Whether the document shows what was printed; a line `…` stands for any number of lines."""
    lines = [normal(line) for line in printed.splitlines()]
    at = 0
    anywhere = False
    for line in map(normal, shown):
        if line == ANYTHING:
            anywhere = True
            continue
        where = next((number for number in range(at, len(lines)) if lines[number] == line), None)
        if where is None or (where != at and not anywhere):
            return False
        at, anywhere = where + 1, False
    return anywhere or at == len(lines)


README = PROJECT / "README.md"
EXAMPLES = PROJECT / "examples"
TESTS = PROJECT / "tests" / "README.md"
RUN = (README, *sorted(MANUAL.glob("*.md")), EXAMPLES / "README.md", TESTS)

METRICS_URL = "http://old:7071/metrics"
METRICS = f"kafka-meta export --file-name metadata.json --sample 60s --metrics-url {METRICS_URL}"
KEEP, STOP = "kafka-meta demo --keep", "kafka-meta demo --stop"
HERE = "tests/documents/test_commands.py"
INSTALL = (
    "make dist",
    "python3 -m venv",
    "pip install --no-deps --require-hashes",
    "pip install --no-deps dist",
    "export PATH=",
)

ELSEWHERE: Mapping[str, tuple[str, str]] = {
    KEEP: (HERE, "KEEP"),
    STOP: (HERE, "STOP"),
    **{
        each.command: (HERE, "def test_the_readme_tells_how_to_install")
        for each in commands(README)
        if any(word in each.command for word in INSTALL)
    },
    METRICS: ("tests/stats/test_stats.py", "loaded.typed(run, METRICS"),
}
"""What is not run with the rest of its document; by which test it is, and a word of that test."""
