"""The copy beside MirrorMaker 2, MirrorMaker 1, kcat and a loop of confluent-kafka, with what the destination can take.

Every contender moves the same topic between the same two clusters, one after the other, and so in every round: the
disk under a virtual machine drifts, so only figures of one round compare.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions

from kafka_meta import playground
from kafka_meta.playground import Cluster
from kafka_meta.settings import ClusterSettings
from kafka_meta.wire import connect
from kafka_meta.wire.partitions import listed_offsets
from kafka_meta.wire.topics import Place
from tests.benchmarks.measure import Run, as_shipped, compiled, run
from tests.support.mirroring import begin, create, led, settings
from tests.support.stores_made_by_java import JavaStores
from tests.support.traffic import commit

ROUNDS = 3
PARTITIONS = 12
PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`rebuilt`: the source's log stamps the records, so that no batch can be forwarded as it is. `single`: each batch
    holds one record, as of a producer that never waits for more."""

    topic: str
    records: int
    value_bytes: int
    codec: str
    partitions: int = PARTITIONS
    rebuilt: bool = False
    single: bool = False
    transactional: bool = False

    @property
    def title(self) -> str:
        rebuilt = ", every batch rebuilt" if self.rebuilt else ""
        return f"{self.records / 1e6:g} M records of {self.value_bytes} B, {self.codec}{rebuilt}"


LOADS = (
    Load(topic="plain", records=1_000_000, value_bytes=1000, codec="none"),
    Load(topic="json", records=5_000_000, value_bytes=91, codec="lz4"),
    Load(topic="stamped", records=2_000_000, value_bytes=91, codec="lz4", rebuilt=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Seconds from the start to the first and the last record on the destination; of the tool's process the rest.
    `untouched`: partitions that had no record yet when half of all records had arrived."""

    first_s: float
    last_s: float
    cpu_s: float
    peak_mb: float
    untouched: int

    def rate(self, records: int) -> float:
        return records / (self.last_s - self.first_s)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kafka-meta-bench-") as folder:
        stores = JavaStores(Path(folder))
        (Path(folder) / "tls.properties").write_text(f"security.protocol=SSL\n{trust(stores)}")
        tls = {
            "listener.name.tls.ssl.keystore.location": str(stores.path("server.jks")),
            "listener.name.tls.ssl.keystore.password": stores.password,
        }
        listeners = {"TLS": "SSL"}
        # Not as shipped: what a contender has moved makes room for the next one, on small disks.
        tidy = {**tls, "log.segment.delete.delay.ms": "100"}
        with playground.running(
            as_shipped("3.9.1", settings=tls, listeners=listeners),
            as_shipped("4.3.1", settings=tidy, listeners=listeners),
        ) as (source, dest):
            for load in LOADS:
                fill(source, load, Path(folder))
                measure(source, dest, load, Path(folder))
            measure_start(source, dest, Path(folder))


def trust(stores: JavaStores) -> str:
    return f"ssl.truststore.location={stores.path('trust.p12')}\nssl.truststore.password={stores.password}\n"


def fill(source: Cluster, load: Load, folder: Path) -> None:
    stamped = {"message.timestamp.type": "LogAppendTime"} if load.rebuilt else {}
    create(source, load.topic, partitions=load.partitions, config=stamped)
    payload = folder / "payload"
    dice = random.Random(1)
    with payload.open("w") as file:
        for number in range(20_000):
            row = {"id": number, "name": f"user{dice.randrange(10**6)}", "v": dice.random()}
            file.write((json.dumps(row) * (1 + load.value_bytes // 50))[: load.value_bytes] + "\n")
    source.tool(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", load.topic, "--num-records", str(load.records), "--throughput", "-1"),
        *("--payload-file", str(payload)),
        *(("--transactional-id", load.topic, "--transaction-duration-ms", "100") if load.transactional else ()),
        "--producer-props",
        *(f"bootstrap.servers={source.bootstrap_servers}", f"compression.type={load.codec}"),
        *(("batch.size=0", "delivery.timeout.ms=900000") if load.single else ("linger.ms=5",)),
        timeout=900,
    )


def measure(source: Cluster, dest: Cluster, load: Load, folder: Path) -> None:
    contenders = dict(contenders_of(source, dest, load, folder))
    found: dict[str, list[Moved]] = {name: [] for name in contenders}
    verified: list[Run] = []
    for _ in range(ROUNDS):
        for name, command in contenders.items():
            with fresh_topic(dest, load):
                found[name].append(moved(command(), dest, load))
                if name == OURS:
                    verified.append(verify(source, dest, folder))
    print(f"\n## {load.title}, {load.partitions} partitions; medians of {ROUNDS} rounds\n")
    print("| | records/s | of the limit | first record after | processor | peak memory |\n" + "| --- " * 6 + "|")
    limit = [each.rate(load.records) for each in found[LIMIT]]
    for name, runs in found.items():
        rates = [each.rate(load.records) for each in runs]
        share = median(rate / most for rate, most in zip(rates, limit, strict=True))
        print(
            f"| {name} | {median(rates) / 1000:,.0f} k ({min(rates) / 1000:,.0f}–{max(rates) / 1000:,.0f}) "
            f"| {share:.0%} "
            f"| {median(each.first_s for each in runs):.1f} s | {median(each.cpu_s for each in runs):.1f} s "
            f"| {max(each.peak_mb for each in runs):.0f} MB |",
            flush=True,
        )
    wall = median(each.wall_s for each in verified)
    rate, peak = load.records / wall / 1000, max(each.peak_mb for each in verified)
    print(f"\n`verify --data` of what our copy has brought: {wall:.1f} s, {rate:,.0f} k records/s, {peak:.0f} MB")


def measure_start(source: Cluster, dest: Cluster, folder: Path) -> None:
    """The whole command as it is typed, with its look and its lease. Few records: only the first one counts."""
    load = Load(topic="start", records=12_000, value_bytes=91, codec="lz4")
    fill(source, load, folder)
    commit(source.bootstrap_servers, "start", {("start", number): 0 for number in range(load.partitions)})
    only = ("--include-topics", "start", "--include-groups", "start")
    runs: list[Moved] = []
    for number in range(ROUNDS):
        state = ("--journal", str(folder / f"start{number}.sqlite"), "--log", str(folder / f"start{number}.log"))
        with fresh_topic(dest, load):
            runs.append(moved((*MIRROR, *sides(source, dest), *only, *state, "--commit"), dest, load))
    first = sorted(each.first_s for each in runs)
    print(
        f"\n`mirror --commit`, its first record: {median(first):.1f} s after its start ({first[0]:.1f}–{first[-1]:.1f})"
    )


def verify(source: Cluster, dest: Cluster, folder: Path) -> Run:
    """The whole command, with its start; it reads what has arrived, or both sides where batches were rebuilt."""
    verify = (sys.executable, "-m", "kafka_meta", "verify", "--data", "--journal", str(folder / "journal"))
    return run((*verify, *sides(source, dest)), cwd=folder)


MIRROR = (sys.executable, "-m", "kafka_meta", "mirror")


def whole_topic(source: Cluster, dest: Cluster, topic: str, folder: Path) -> tuple[str, ...]:
    """The command that copies all of a topic, for which no group needs to stand. How long the source's writers are
    watched is the operator's choice: here a second."""
    options = ("--include-topics", topic, "--all-data", "--commit", "--journal", str(folder / "journal"))
    return (*MIRROR, *sides(source, dest), *options, "--quiet", "1s")


def sides(source: Cluster, dest: Cluster) -> tuple[str, ...]:
    return ("--source-bootstrap-servers", source.bootstrap_servers, "--dest-bootstrap-servers", dest.bootstrap_servers)


LIMIT = "limit: ready batches from memory"
OURS = "**kafka-meta mirror**"
MIRROR_MAKER_2 = "MirrorMaker 2 (4.3.1, 4 tasks)"

Command = Callable[[], Sequence[str]]


def contenders_of(source: Cluster, dest: Cluster, load: Load, folder: Path) -> Iterator[tuple[str, Command]]:
    addresses = {"source": source.bootstrap_servers, "dest": dest.bootstrap_servers, "topic": load.topic}

    def ours(module: str, **options: object) -> Command:
        def command() -> Sequence[str]:
            journal = folder / "journal"
            for left in folder.glob("journal*"):
                left.unlink()
            ids = begin(journal, source, dest, [load.topic])
            given = {
                **addresses,
                "source_id": ids[0],
                "dest_id": ids[1],
                "journal": str(journal),
                "session_seconds": 10,
                "max_rate_bytes": None,
                **options,
            }
            (folder / "settings.json").write_text(json.dumps(given))
            return [sys.executable, "-m", module, str(folder / "settings.json")]

        return command

    yield LIMIT, ours("tests.benchmarks.mirror_limit")
    if load.codec == "none":
        yield "limit: the same, joined as the copy joins them", ours("tests.benchmarks.mirror_limit", joined=True)
    yield OURS, ours("tests.support.mirror_copier")
    if not load.rebuilt:
        yield MIRROR_MAKER_2, lambda: mirror_maker_2(addresses, load, folder)
        yield "MirrorMaker 1 (3.9.1, 2 streams)", lambda: mirror_maker_1(source, dest, load, folder)
    loop = [sys.executable, "-m", "tests.benchmarks.mirror_loop", json.dumps({**addresses, "records": load.records})]
    yield "confluent-kafka, consume → produce", lambda: loop
    if load.rebuilt:
        return
    if all("TLS" in cluster.brokers[0].ports for cluster in (source, dest)):
        encrypted = {"source": source.bootstrap("TLS"), "dest": dest.bootstrap("TLS")}
        config = str(folder / "tls.properties")
        yield f"{OURS}, TLS on both sides", ours("tests.support.mirror_copier", **encrypted, config=config)
        there = {**addresses, **encrypted}
        yield "MirrorMaker 2, TLS on both sides", lambda: mirror_maker_2(there, load, folder, config)
    if (kcat := shutil.which("kcat")) is not None:
        end = f"{kcat} -C -b {source.bootstrap_servers} -t {load.topic} -e -q -D '\\n'"
        yield (
            "kcat (values only)",
            lambda: ["sh", "-c", f"{end} | {kcat} -P -b {dest.bootstrap_servers} -t {load.topic}"],
        )


def mirror_maker_2(
    addresses: Mapping[str, str], load: Load, folder: Path, config: str | None = None, *, linger_ms: int = 20
) -> Sequence[str]:
    alias = f"from{time.monotonic_ns()}"  # its own positions are kept by it
    common = [] if config is None else Path(config).read_text().splitlines()
    path = folder / "mm2.properties"
    path.write_text(
        f"""clusters = {alias}, to
{alias}.bootstrap.servers = {addresses["source"]}
to.bootstrap.servers = {addresses["dest"]}
{alias}->to.enabled = true
{alias}->to.topics = {load.topic}
to->{alias}.enabled = false
tasks.max = 4
replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy
replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
offset-syncs.topic.replication.factor = 1
offset.storage.replication.factor = 1
status.storage.replication.factor = 1
config.storage.replication.factor = 1
emit.heartbeats.enabled = false
emit.checkpoints.enabled = false
sync.topic.configs.enabled = false
sync.topic.acls.enabled = false
refresh.topics.enabled = false
{alias}.consumer.auto.offset.reset = earliest
{alias}.consumer.max.poll.records = 10000
{alias}.consumer.fetch.max.bytes = 52428800
{alias}.consumer.max.partition.fetch.bytes = 4194304
to.producer.batch.size = 131072
to.producer.linger.ms = {linger_ms}
to.producer.compression.type = {load.codec}
to.producer.buffer.memory = 134217728
dedicated.mode.enable.internal.rest = false
"""
        + "".join(f"{side}.{line}\n" for side in (alias, "to") for line in common)
    )
    jars = playground.fetch("4.3.1", Path(__file__).with_name("pom.xml"))
    return [
        *(playground.jars.java(), "-Xmx2g", "-cp", f"{jars}/*"),
        *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "org.apache.kafka.connect.mirror.MirrorMaker", str(path)),
    ]


def mirror_maker_1(source: Cluster, dest: Cluster, load: Load, folder: Path) -> Sequence[str]:
    consumer, producer = folder / "mm1-consumer.properties", folder / "mm1-producer.properties"
    consumer.write_text(
        f"bootstrap.servers={source.bootstrap_servers}\ngroup.id=mm1-{time.monotonic_ns()}\n"
        "auto.offset.reset=earliest\nmax.poll.records=10000\nmax.partition.fetch.bytes=4194304\n"
    )
    producer.write_text(
        f"bootstrap.servers={dest.bootstrap_servers}\ncompression.type={load.codec}\nbatch.size=131072\nlinger.ms=20\n"
        "buffer.memory=134217728\n"
    )
    jars = playground.fetch("3.9.1")
    return [
        *(playground.jars.java(), "-Xmx1g", "-cp", f"{jars}/*", "kafka.tools.MirrorMaker"),
        *("--consumer.config", str(consumer), "--producer.config", str(producer)),
        *("--include", load.topic, "--num.streams", "2"),
    ]


@contextmanager
def fresh_topic(dest: Cluster, load: Load) -> Iterator[None]:
    """A controller makes at most 10,000 records of one request, so that many partitions come in two."""
    create(dest, load.topic, partitions=min(load.partitions, 5_000))
    if load.partitions > 5_000:
        admin = AdminClient({"bootstrap.servers": dest.bootstrap_servers})
        admin.create_partitions([NewPartitions(load.topic, load.partitions)])[load.topic].result(60)
        while len(admin.list_topics(load.topic, timeout=60).topics[load.topic].partitions) < load.partitions:
            time.sleep(0.5)
    yield
    delete(dest, load.topic)


def delete(cluster: Cluster, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    for future in admin.delete_topics([topic]).values():
        future.result(60)
    while True:
        with suppress(KafkaException):
            if topic not in admin.list_topics(timeout=10).topics:
                break
        time.sleep(0.1)


def moved(command: Sequence[str], dest: Cluster, load: Load) -> Moved:
    """Runs a tool until everything has arrived, and ends it then if it does not end by itself."""
    to: ClusterSettings = settings(dest, "dest")
    with connect(to) as wire, tempfile.TemporaryFile() as output:
        partitions = led(wire, [load.topic])
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=compiled(os.environ), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        watched = psutil.Process(process.pid)
        first, peak, cpu, arrived = None, 0.0, 0.0, 0
        untouched: set[Place] | None = None
        while arrived < load.records:
            # Looking costs the brokers something for each partition.
            time.sleep(max(0.02, load.partitions / 10_000))
            told = listed_offsets(wire, partitions)
            ends = {place: end for place, end in told.items() if isinstance(end, int)}
            arrived = sum(ends.values())
            if arrived and first is None:
                first = time.monotonic()
            if untouched is None and arrived >= load.records / 2:
                untouched = {place for place, end in ends.items() if not end}
            with suppress(psutil.Error):
                family = [watched, *watched.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in family) / 1e6)
                cpu = max(cpu, sum(sum(each.cpu_times()[:2]) for each in family))
            assert time.monotonic() - started < PATIENCE_SECONDS, tail(output)
            assert process.poll() in (None, 0) or arrived, tail(output)
        last = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)  # the copy gives its lease back, else the next one would wait for it
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert first is not None and untouched is not None
    # What is empty in the end is empty on the source: the producer has not chosen it.
    late = sum(1 for place in untouched if ends[place])
    return Moved(first_s=first - started, last_s=last - started, cpu_s=cpu, peak_mb=peak, untouched=late)


def tail(output: object) -> str:
    output.seek(0)  # type: ignore[attr-defined]
    return str(output.read()[-2000:])  # type: ignore[attr-defined]


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors")
    main()
