"""Whole processes, timed from outside: wall clock, processor time and peak memory as the kernel counted them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kafka_meta.playground import Design

JVM = ("-Xmx1g", "-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseG1GC")
"""What Kafka's own scripts let Java do; the playground's clusters save themselves the second compiler."""


def as_shipped(version: str, **design: Any) -> Design:
    """The design of a cluster for figures, which are true for brokers as operators have them only."""
    mode = "zookeeper" if version.startswith("3.") else "kraft"
    return Design(version=version, mode=mode, as_shipped=True, jvm_options=JVM, **design)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Seconds and MB (decimal) of one process and the children it waited for."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def compiled(env: Mapping[str, str]) -> dict[str, str]:
    """As an installed program runs: Python keeps what it has compiled."""
    return {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, status: int = 0) -> Run:
    """Raises AssertionError when the process ends with another exit status than `status`."""
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=compiled(env or os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, wait_status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        output.seek(0)
        text = output.read()
    assert process.returncode == status, f"{command} ended with {process.returncode}:\n{text[-2000:]}"
    return Run(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_mb=usage.ru_maxrss * 1024 / 1e6, output=text)


def row(name: str, runs: Sequence[Run], note: str = "") -> str:
    """Medians of several runs as a line of a table; the wall clock with its extremes."""
    walls = sorted(run.wall_s for run in runs)
    return (
        f"| {name} | {median(walls):.2f} s ({walls[0]:.2f}–{walls[-1]:.2f}) | {median(r.cpu_s for r in runs):.2f} s "
        f"| {max(r.peak_mb for r in runs):.0f} MB | {note} |"
    )


HEADER = "| | wall clock, median (range) | processor | peak memory | |\n| --- | --- | --- | --- | --- |"
