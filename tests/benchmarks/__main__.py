"""`python -m tests.benchmarks`: all of them, one after another."""

import platform

from tests.benchmarks import journal, metadata, mirror, mirror_lag, plan, statistics

print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
metadata.main()
plan.main()
statistics.main()
journal.main()
mirror.main()
mirror_lag.main()
