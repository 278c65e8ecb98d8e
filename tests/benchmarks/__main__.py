"""`python -m tests.benchmarks`: all of them, one after another."""

import platform
from pathlib import Path

from tests.benchmarks import (
    journal,
    metadata,
    mirror,
    mirror_again,
    mirror_gaps,
    mirror_lag,
    mirror_peer,
    plan,
    statistics,
)

print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
for disk in sorted(Path("/sys/block").glob("[sv]d*")) + sorted(Path("/sys/block").glob("nvme*")):
    print(f"read-ahead of {disk.name}: {(disk / 'queue' / 'read_ahead_kb').read_text().strip()} KB")
metadata.main()
plan.main()
statistics.main()
journal.main()
mirror.main()
mirror_again.main()
mirror_gaps.main()
mirror_peer.main()
mirror_lag.main()
