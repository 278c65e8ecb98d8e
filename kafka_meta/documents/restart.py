"""What `mirror --restart` forgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def encode_restart(journal: Path, *, committed: bool) -> dict[str, Any]:
    return {
        "kind": "kafka-meta-mirror-restart",
        "schemaVersion": "1.0",
        "committed": committed,
        "journal": str(journal),
    }
