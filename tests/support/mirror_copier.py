"""A copier as a process of its own, to be killed: `python -m tests.support.mirror_copier SETTINGS.json`.

Says "copying" once it copies, then every outcome, a line each; its last line is "end" when nothing is left.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from kafka_meta.errors import KafkaMetaError
from kafka_meta.events import Event, Progress
from kafka_meta.journal import Journal
from kafka_meta.mirror.copy import copy
from kafka_meta.mirror.lease import Lease
from kafka_meta.settings import ClusterSettings, resolve


def main(path: str) -> int:
    given = json.loads(Path(path).read_text())
    source, dest = _settings("source", given), _settings("dest", given)
    told = False

    def emit(event: Event) -> None:
        nonlocal told
        if not told and isinstance(event, Progress) and event.stage == "bytes" and event.done:
            told = True
            print("copying", flush=True)

    try:
        with (
            Lease(dest, given["source_id"], session_seconds=given["session_seconds"]) as lease,
            Journal(Path(given["journal"]), source_id=given["source_id"], dest_id=given["dest_id"]) as journal,
        ):
            options = {name: given[name] for name in ("max_rate_bytes", "in_flight", "memory_bytes") if name in given}
            for outcome in copy(source, dest, journal, lease=lease, emit=emit, **options):
                print(outcome, flush=True)
    except KafkaMetaError as error:
        print(f"refused: {error.message}", flush=True)
        return 1
    print("end", flush=True)
    return 0


def _settings(role: Literal["source", "dest"], given: dict[str, Any]) -> ClusterSettings:
    """With a `.properties` file for both sides, "config", when there is one."""
    flags = {f"{role}-bootstrap-servers": given[role]}
    if "config" in given:
        flags[f"{role}-config"] = given["config"]
    return replace(resolve(role, flags=flags, environ={}, toml=None), request_timeout_ms=10_000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
