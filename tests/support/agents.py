"""The agents that operators load into brokers to show their metrics, from Maven into the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

POM = Path(__file__).with_name("agents-pom.xml")


def agents() -> tuple[Path, Path]:
    """The jars of the Prometheus JMX exporter's agent and of Jolokia's."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "kafka-meta"
    folder = cache / f"agents-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        subprocess.run(["mvn", "-B", "-q", "-f", str(POM), *goal], check=True, stdin=subprocess.DEVNULL)
        try:
            partial.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(partial)
    (exporter,) = folder.glob("jmx_prometheus_javaagent-*.jar")
    (jolokia,) = folder.glob("jolokia-agent-jvm-*-javaagent.jar")
    return exporter, jolokia
