"""Starts clusters, and ends them."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kafka_meta.errors import KafkaMetaError
from kafka_meta.files import write_private
from kafka_meta.playground import guard
from kafka_meta.playground.design import DEST, PLAINTEXT, SOURCE, Design, broker_settings
from kafka_meta.playground.jars import ZOOKEEPER_FROM, fetch, java, shared_classes
from kafka_meta.playground.probe import known_brokers, zookeeper_says
from kafka_meta.playground.process import PortTaken, Process, free_port, marked_environment, wait_until

ATTEMPTS = 3
"""How often a cluster is started when somebody else takes one of its ports meanwhile."""

JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a second sooner; a playground does not live long enough for the second compiler
    "-XX:-UsePerfData",  # else a killed JVM leaves a file behind
    "-Djava.net.preferIPv4Stack=true",
)
BROKER, ZOOKEEPER = "broker", "zookeeper"
"""Programs whose classes are shared; Kafka's tools need many of the broker's."""
LOG4J = """\
log4j.rootLogger={level}, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker of a running cluster."""

    id: int
    ports: Mapping[str, int]
    """Listener name → port."""
    data_dir: Path
    process: Process
    zookeeper_port: int | None

    @property
    def port(self) -> int:
        return self.ports[PLAINTEXT]

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self.process.pid

    @property
    def log_file(self) -> Path:
        return self.process.log_file

    def start(self) -> None:
        """Starts it again on the same ports with the same data; returns when the cluster has it back.

        Where that takes other brokers to be up as well (a KRaft quorum of three), use `Cluster.start`.
        """
        self.launch()
        self.process.wait_until_ready()

    def launch(self) -> None:
        """Starts it without waiting for an answer; does nothing while it runs."""
        if self.pid is not None:
            return
        if self.zookeeper_port is not None:
            # A broker refuses to start while the session of its killed predecessor has not expired.
            port = self.zookeeper_port
            wait_until(
                lambda: f"/brokers/ids/{self.id}\n" not in (zookeeper_says(port, "dump") or ""),
                f"the session of the former broker {self.id} has expired",
            )
        self.process.launch()

    def stop(self) -> None:
        """Ends it properly (SIGTERM)."""
        self.process.stop()

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self.process.kill()


class Cluster:
    """A running cluster. Ends with the `with` block that made it."""

    def __init__(self, design: Design) -> None:
        self.version = design.version
        self.mode = design.mode
        self._java = java()
        self._jars = fetch(design.version, design.pom)
        zookeeper_jars = fetch(ZOOKEEPER_FROM) if design.mode == "zookeeper" else None
        self.data_dir = Path(tempfile.mkdtemp(prefix="kafka-meta-"))
        self._guard = subprocess.Popen(
            [sys.executable, guard.__file__, str(self.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._zookeeper: Process | None = None
        self._zookeeper_port: int | None = None
        self.brokers: tuple[Broker, ...] = ()
        self._kept = False
        try:
            (self.data_dir / guard.SIGN).touch()
            for level, name in (("INFO", "server"), ("WARN", "tool")):
                (self.data_dir / f"{name}-log4j.properties").write_text(LOG4J.format(level=level))
            if zookeeper_jars is not None:
                self._zookeeper_port = free_port()
                self._zookeeper = self._new_zookeeper(design, zookeeper_jars, self._zookeeper_port)
            self.zookeeper_connect = (
                f"127.0.0.1:{self._zookeeper_port}{design.chroot}" if self._zookeeper_port is not None else None
            )
            self.brokers = self._new_brokers(design)
            for process in self._processes():
                process.launch()
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap_servers(self) -> str:
        """The PLAINTEXT listeners, where everybody is super user."""
        return self.bootstrap(PLAINTEXT)

    def bootstrap(self, listener: str) -> str:
        """The addresses of a listener."""
        return ",".join(f"127.0.0.1:{broker.ports[listener]}" for broker in self.brokers)

    @property
    def zookeeper(self) -> Process:
        if self._zookeeper is None:
            raise ValueError(f"Kafka {self.version} runs without ZooKeeper here")
        return self._zookeeper

    def tool(self, main_class: str, *arguments: str, input: str | None = None, timeout: float = 60) -> str:
        """What one of Kafka's own tools (of this cluster's version) prints; raises when it fails.

        Main classes: `org.apache.kafka.tools.TopicCommand`, `kafka.admin.AclCommand`, …
        """
        try:
            done = subprocess.run(
                self.tool_command(main_class, *arguments),
                check=False,
                input=input if input is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env=marked_environment(self.data_dir),
            )
        except subprocess.TimeoutExpired:
            raise KafkaMetaError(f"{main_class} was not done after {timeout:.0f} s.") from None
        if done.returncode != 0:
            raise KafkaMetaError(f"{main_class} ended with status {done.returncode}:\n{done.stderr}{done.stdout}")
        return done.stdout

    def tool_command(self, main_class: str, *arguments: str) -> list[str]:
        """The command that `tool` runs, for who wants to start it otherwise."""
        return [*self._jvm("tool", self._jars, ("-Xmx256m",)), main_class, *arguments]

    def start(self) -> None:
        """Starts whatever of it does not run; returns when every broker answers and knows all the others."""
        if self._zookeeper is not None:
            self._zookeeper.start()
        for broker in self.brokers:
            broker.launch()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when every broker answers and knows all the others."""
        for process in self._processes():
            process.wait_until_ready()
        ids = {broker.id for broker in self.brokers}
        wait_until(
            lambda: all(known_brokers(broker.port) == ids for broker in self.brokers),
            f"the brokers of Kafka {self.version} know each other",
        )

    def stop(self) -> None:
        """Ends whatever of it runs properly; `start` starts it again."""
        for process in reversed(self._processes()):
            process.stop()

    def close(self) -> None:
        """Ends everything and removes the directory, the same way as if we had died."""
        if self._kept:
            return
        try:
            self._guard.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self._guard.kill()
        guard.end(self.data_dir)  # had somebody ended the guard, this would still find everything
        for process in self._processes():
            process.reap()

    def detach(self) -> None:
        """Leaves everything running and the directory in place."""
        self._guard.communicate(guard.KEEP)
        self._kept = True
        for process in self._processes():
            process.release()

    def _processes(self) -> list[Process]:
        return [*([self._zookeeper] if self._zookeeper else []), *(broker.process for broker in self.brokers)]

    def _jvm(self, log: str, jars: Path, options: Sequence[str], program: str = BROKER) -> list[str]:
        shared = shared_classes(self._java, jars, program)
        return [
            self._java,
            *JVM_OPTIONS,
            *([f"-XX:SharedArchiveFile={shared}"] if shared.exists() else []),
            f"-Djava.io.tmpdir={self.data_dir}",
            f"-Dlog4j.configuration=file:{self.data_dir}/{log}-log4j.properties",
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={'info' if log == 'server' else 'warn'}",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            *options,
            "-cp",
            f"{jars}/*",
        ]

    def _new_zookeeper(self, design: Design, jars: Path, port: int) -> Process:
        directory = self.data_dir / "zookeeper"
        directory.mkdir()
        settings = {
            "dataDir": f"{directory}/data",
            "clientPort": str(port),
            "clientPortAddress": "127.0.0.1",
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "srvr,dump",
            "maxClientCnxns": "0",
            "forceSync": "no",
            **design.zookeeper_settings,
        }
        configuration = _write_properties(directory / "zookeeper.properties", settings)
        jvm = self._jvm("server", jars, ("-Xmx256m", *design.zookeeper_jvm_options), ZOOKEEPER)
        return Process(
            name="ZooKeeper",
            directory=directory,
            prepare=(),
            command=[*jvm, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(configuration)],
            ready=lambda: zookeeper_says(port, "srvr") is not None,
        )

    def _new_brokers(self, design: Design) -> tuple[Broker, ...]:
        ids = range(1, design.brokers + 1)
        ports = {id: {name: free_port() for name in (PLAINTEXT, *design.listeners)} for id in ids}
        controllers = {id: free_port() for id in ids} if design.mode == "kraft" else {}
        cluster_id = design.cluster_id or _random_cluster_id()
        jvm = self._jvm("server", self._jars, ("-Xmx512m", *design.jvm_options))
        brokers = []
        for id in ids:
            directory = self.data_dir / f"broker-{id}"
            directory.mkdir()
            settings = {
                "log.dirs": f"{directory}/data",
                **broker_settings(design, id, ports[id], controllers, self.zookeeper_connect),
            }
            configuration = str(_write_properties(directory / "server.properties", settings))
            format = [*jvm, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", configuration]
            process = Process(
                name=f"Kafka {design.version} broker {id}",
                directory=directory,
                prepare=format if controllers else (),
                command=[*jvm, "kafka.Kafka", configuration],
                ready=partial(_is_registered, ports[id][PLAINTEXT], id),
            )
            brokers.append(
                Broker(
                    id=id,
                    ports=ports[id],
                    data_dir=directory / "data",
                    process=process,
                    zookeeper_port=self._zookeeper_port,
                )
            )
        return tuple(brokers)


def prepare(design: Design) -> None:
    """Fetches a design's jars, and lets it run once to share its classes: whatever starts later takes half the time.
    Nothing depends on it."""
    jars = fetch(design.version, design.pom)
    programs = {BROKER: jars} | ({ZOOKEEPER: fetch(ZOOKEEPER_FROM)} if design.mode == "zookeeper" else {})
    wanted = {program: shared_classes(java(), folder, program) for program, folder in programs.items()}
    with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
        made = {program: Path(folder, program) for program, shared in wanted.items() if not shared.exists()}
        options = {program: [f"-XX:ArchiveClassesAtExit={file}"] for program, file in made.items()}
        if not made:
            return
        recorded = replace(
            design, jvm_options=options.get(BROKER, ()), zookeeper_jvm_options=options.get(ZOOKEEPER, ())
        )
        with running(recorded) as (cluster,):
            cluster.stop()
        for program, file in made.items():
            if file.exists():  # not every Java can share
                file.rename(wanted[program])


@contextmanager
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """The usual source (3.9.1 with ZooKeeper, chroot `/kafka`) and destination (4.3.1), started at the same time."""
    with running(SOURCE, DEST) as (source, dest):
        yield source, dest


@contextmanager
def running(*designs: Design) -> Iterator[list[Cluster]]:
    """The clusters of these designs, started at the same time, in this order."""
    java()
    for design in designs:  # before anything is started
        fetch(design.version, design.pom)
    clusters: list[Cluster] = []
    try:
        for design in designs:
            clusters.append(Cluster(design))
        for position, design in enumerate(designs):
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    clusters[position].wait_until_ready()
                    break
                except PortTaken:
                    if attempt == ATTEMPTS:
                        raise
                    clusters[position].close()
                    clusters[position] = Cluster(design)
        yield clusters
    finally:
        for cluster in clusters:
            cluster.close()


def _is_registered(port: int, id: int) -> bool:
    return id in known_brokers(port)


def _write_properties(path: Path, settings: Mapping[str, str]) -> Path:
    """Java's format: a backslash is the only character that our values need escaped."""
    # It may hold passwords of stores and logins.
    write_private(path, "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in settings.items()))
    return path


def _random_cluster_id() -> str:
    """As Kafka makes them: 16 random bytes in 22 characters; a leading `-` would look like an option."""
    while True:
        id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not id.startswith("-"):
            return id
