"""One section of the live source straight onto the destination: what the vendor's commands do."""

from __future__ import annotations

import time
from dataclasses import replace

from kafka_meta.cli.imports import import_snapshot
from kafka_meta.cli.metadata_file import require_selected
from kafka_meta.cli.session import Session
from kafka_meta.errors import UsageError
from kafka_meta.export import export as read_source
from kafka_meta.plan import Section

_CLOUD = ("dest-ak", "dest-sk", "dest-region-id", "dest-instance-id")


def migrate(session: Session, section: Section, *, properties_path: str | None = None, commit: bool) -> int:
    """`properties_path` is another name of --source-config."""
    if properties_path is not None:
        if "source-config" in session.flags:
            raise UsageError("--properties-path and --source-config mean the same; give one of them")
        session = session.with_flags({**session.flags, "source-config": properties_path})
    screen = session.screen
    if cloud := [f"--{name}" for name in _CLOUD if name in session.flags]:
        # They name an account of one cloud; the values are secrets and are not repeated.
        screen.say(f"{', '.join(cloud)}: not used; name the destination with --dest-bootstrap-servers or --dest-config")
    chosen = session.options()
    decided = replace(chosen.policy(), only=frozenset({section}))
    dest = session.dest()
    source = session.source()
    with screen.progress() as meter:
        found = read_source(
            source, decided.selection, emit=meter.emit, taken_at_ms=round(time.time() * 1000), sizes=False
        )
        require_selected(session, chosen, decided, found, source.addresses)
    name = f"{source.addresses} (cluster {found.cluster.id or 'unknown'})"
    return import_snapshot(session, found, name, dest, decided, commit=commit)
