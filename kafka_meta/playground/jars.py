"""Where `java` is, and each version's jars: fetched once through Maven, kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka_meta.errors import KafkaMetaError

POM = Path(__file__).with_name("pom.xml")
"""The demo's two versions. Who wants others names a pom of the same kind: a profile `kafka-<version>` each."""
ZOOKEEPER_FROM = "3.9.1"
"""ZooKeeper 3.8.4 is among this version's dependencies, and serves brokers of every version."""
OLDEST_JAVA = 17
TESTED_JAVA = (17, 18, 19, 20, 21)
JAVA_PLACES = (
    "/usr/lib/jvm/*/bin/java",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java",
    "/opt/homebrew/opt/openjdk*/bin/java",
)
"""Where Debian, Fedora, macOS and Homebrew put what is not on the PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A `java`, and its feature release."""

    path: str
    version: int

    @property
    def remark(self) -> str | None:
        """What to say of it: brokers are released for some versions, and newer ones are tried at best."""
        if self.version in TESTED_JAVA:
            return None
        return f"{self.path} is Java {self.version}; Kafka 3.9 is tested with Java 17 and 21: install one of them."


def find_java() -> Java:
    """The Java in JAVA_HOME where it is new enough, else the first that brokers are tested with, else a newer one."""
    home = os.environ.get("JAVA_HOME")
    seen = []
    newer = None
    for path in _javas(home):
        try:
            answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
        except OSError as error:  # of another machine's kind
            seen.append(f"{path} cannot be started ({error.strerror})")
            continue
        version = re.search(r'version "(?:1\.)?(\d+)', answer)
        found = Java(path=path, version=int(version[1])) if version else None
        if found is None or found.version < OLDEST_JAVA:
            seen.append(f"{path} is " + (f"Java {found.version}" if found else "not a Java that tells its version"))
        elif found.version in TESTED_JAVA or (home and path.startswith(os.path.join(home, ""))):
            return found
        else:
            newer = newer or found
    if newer is not None:
        return newer
    advice = (
        "Install a JDK 17 or 21 (Debian and Ubuntu: `apt install openjdk-17-jdk-headless`, macOS: "
        "`brew install openjdk@21`), or let JAVA_HOME name one."
    )
    if seen:
        raise KafkaMetaError(f"{', '.join(seen)}; Kafka's brokers need Java {OLDEST_JAVA} or newer.", advice)
    raise KafkaMetaError(f"No Java was found on the PATH{f' or in JAVA_HOME ({home})' if home else ''}.", advice)


def java() -> str:
    """Path of the `java` that `find_java` chooses."""
    return find_java().path


def _javas(home: str | None) -> Iterator[str]:
    """Every `java` there is, once, in the order of preference."""
    known = set()
    paths = [os.path.join(home, "bin")] if home else []
    named = [shutil.which("java", path=path) for path in (*paths, None)]
    for path in (*named, *(path for place in JAVA_PLACES for path in sorted(glob.glob(place), reverse=True))):
        if path is not None and os.path.realpath(path) not in known:
            known.add(os.path.realpath(path))
            yield path


def versions(pom: Path = POM) -> tuple[str, ...]:
    """The Kafka versions that a pom has profiles for, in its order."""
    return tuple(re.findall(r"<id>kafka-([\d.]+)</id>", pom.read_text(encoding="utf-8")))


def fetch(version: str, pom: Path = POM) -> Path:
    """The folder with the jars of a Kafka version, fetched from Maven when it is not there yet.

    The folder's name carries a fingerprint of the pom, so a changed pom never meets yesterday's jars.
    """
    if version not in versions(pom):
        raise KafkaMetaError(f"The playground has no Kafka {version}.", f"It has {', '.join(versions(pom))}.")
    fingerprint = hashlib.sha256(pom.read_bytes()).hexdigest()[:8]
    folder = _cache() / "brokers" / f"{version}-{fingerprint}"
    if folder.is_dir():
        return folder
    maven = _maven()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _copy_dependencies(maven, version, pom, partial)
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


def _copy_dependencies(maven: str, version: str, pom: Path, folder: Path) -> None:
    arguments = ["-B", "-q", "-f", str(pom), "-P", f"kafka-{version}", "dependency:copy-dependencies"]
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
