"""Where `java` is, and each version's jars: fetched once through Maven, kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_meta.errors import KafkaMetaError

VERSIONS = ("0.10.2.2", "0.11.0.3", "1.1.1", "2.8.2", "3.9.1", "4.3.1")
ZOOKEEPER_FROM = "3.9.1"
"""ZooKeeper 3.8.4 is among this version's dependencies, and serves brokers of every version."""

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


def java() -> str:
    """Path of a `java` that is new enough: the one in JAVA_HOME, else the one on the PATH."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=os.path.join(home, "bin") if home else None)
    advice = (
        f"Install a JDK {OLDEST_JAVA} or newer (Debian and Ubuntu: `apt install openjdk-{OLDEST_JAVA}-jdk-headless`, "
        "macOS: `brew install openjdk`), or let JAVA_HOME name one."
    )
    if found is None:
        raise KafkaMetaError(f"No Java was found {f'in JAVA_HOME ({home})' if home else 'on the PATH'}.", advice)
    answer = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', answer)
    if version is None or int(version[1]) < OLDEST_JAVA:
        seen = f"Java {version[1]}" if version else "not a Java that tells its version"
        raise KafkaMetaError(f"{found} is {seen}; Kafka's brokers need Java {OLDEST_JAVA} or newer.", advice)
    return found


def fetch(version: str) -> Path:
    """The folder with the jars of a Kafka version, fetched from Maven when it is not there yet.

    The folder's name carries a fingerprint of the pom, so a changed pom never meets yesterday's jars.
    """
    if version not in VERSIONS:
        raise KafkaMetaError(f"The playground has no Kafka {version}.", f"It has {', '.join(VERSIONS)}.")
    fingerprint = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    folder = _cache() / "brokers" / f"{version}-{fingerprint}"
    if folder.is_dir():
        return folder
    maven = _maven()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _copy_dependencies(maven, version, partial)
            partial.rename(folder)
    return folder


def shared_classes(java: str, jars: Path, program: str) -> Path:
    """Where the classes that a program loads from these jars are kept for this very `java`, if they are.

    A JVM maps them (class data sharing, JEP 350) instead of reading and checking them, and starts in half the time.
    """
    runtime = Path(java).resolve()
    fingerprint = hashlib.sha256(f"{runtime} {runtime.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    return jars.with_name(f"{jars.name}-{program}-{fingerprint}.jsa")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kafka-meta"


def _maven() -> str:
    found = shutil.which("mvn")
    if found is None:
        raise KafkaMetaError(
            "Maven (`mvn`) was not found on the PATH; it fetches the brokers.",
            "Install Maven (Debian and Ubuntu: `apt install maven`, macOS: `brew install maven`).",
        )
    java()
    return found


def _copy_dependencies(maven: str, version: str, folder: Path) -> None:
    arguments = ["-B", "-q", "-f", str(POM), "-P", f"kafka-{version}", "dependency:copy-dependencies"]
    done = subprocess.run(
        [maven, *arguments, f"-DoutputDirectory={folder}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(line for line in done.stdout.splitlines() if line.startswith("[ERROR]"))[:2000]
        raise KafkaMetaError(
            f"Maven could not fetch Kafka {version} (status {done.returncode}):\n{said or done.stdout[-2000:]}",
            "Can this machine reach a Maven repository? `~/.m2/settings.xml` names mirrors and proxies.",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
