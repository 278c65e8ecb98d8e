"""`kafka-meta demo`: two real clusters on this machine, and the whole journey on them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from kafka_meta import playground
from kafka_meta.cli.screen import Screen
from kafka_meta.cli.session import Session
from kafka_meta.errors import ExitStatus, KafkaMetaError
from kafka_meta.files.writing import require_writable
from kafka_meta.settings.toml import FILE_NAME

STATE_FILE = Path("kafka-meta-demo.json")
RECORDS = 1200
ENVIRON = "KAFKA_META_"


def demo(session: Session, *, keep: bool, stop: bool) -> int:
    if stop:
        return _stop(session.screen)
    return _keep(session.screen) if keep else _journey(session.screen)


def _keep(screen: Screen) -> int:
    settings = Path(FILE_NAME)
    if Path(STATE_FILE).exists():
        raise KafkaMetaError(
            "the demo's clusters are running already", "kafka-meta demo --stop in this folder ends them."
        )
    if settings.exists():
        raise KafkaMetaError(f"{FILE_NAME} exists in this folder already", "Go to an empty folder, or move it away.")
    if stronger := sorted(name for name in os.environ if name.startswith(ENVIRON)):
        raise KafkaMetaError(
            f"{', '.join(stronger)} in the environment would be stronger than the demo's {FILE_NAME}",
            f"Take it out of the environment first: unset {' '.join(stronger)}",
        )
    require_writable(settings)
    _starting(screen)
    with playground.kept_pair(STATE_FILE) as (source, dest):
        _fill(source)
        try:
            with settings.open("x") as file:  # never over a file that came meanwhile
                file.write(_settings(source.bootstrap_servers, str(source.zookeeper_connect), dest.bootstrap_servers))
        except OSError as error:
            raise KafkaMetaError(
                f"cannot write {FILE_NAME}: {error.strerror}; the clusters have ended", "Go to an empty folder."
            ) from None
    pair = playground.detached_pair(STATE_FILE)
    screen.result(
        [
            f"source       {pair.source_bootstrap_servers}  +  {pair.source_zookeeper_connect}",
            f"destination  {pair.dest_bootstrap_servers}",
            f"{FILE_NAME} in this folder names both. Now try:",
            "  kafka-meta check",
            "  kafka-meta export --fileName metadata.json",
            "  kafka-meta import --commit",
            "  kafka-meta verify",
            "  kafka-meta mirror --commit",
            "  kafka-meta demo --stop",
        ]
    )
    return ExitStatus.DONE


def _stop(screen: Screen) -> int:
    settings = Path(FILE_NAME)
    pair = playground.detached_pair(STATE_FILE)
    playground.stop_detached(STATE_FILE)
    if settings.exists() and settings.read_text(errors="replace") == _settings(
        pair.source_bootstrap_servers, pair.source_zookeeper_connect, pair.dest_bootstrap_servers
    ):
        settings.unlink()
    elif settings.exists():
        screen.say(f"{FILE_NAME} is not as the demo wrote it: it stays.")
    screen.say("The clusters have ended.")
    return ExitStatus.DONE


def _settings(source: str, zookeeper: str, dest: str) -> str:
    return (
        "# Of `kafka-meta demo --keep`; `kafka-meta demo --stop` removes it.\n"
        f'[source]\nbootstrap-servers = "{source}"\nzk-connect = "{zookeeper}"\n\n'
        f'[dest]\nbootstrap-servers = "{dest}"\n'
    )


def _starting(screen: Screen) -> None:
    if remark := playground.find_java().remark:
        screen.say(remark)
    screen.say("Starting two clusters (the first time, Maven fetches them) …")


def _journey(screen: Screen) -> int:
    _starting(screen)
    with playground.pair() as (source, dest), tempfile.TemporaryDirectory(prefix="kafka-meta-demo-") as folder:
        _fill(source)
        screen.say(f"source:      Kafka {source.version}, ZooKeeper mode, at {source.bootstrap_servers}")
        screen.say(f"destination: Kafka {dest.version}, KRaft, at {dest.bootstrap_servers}")
        from_source = ["--source-bootstrap-servers", source.bootstrap_servers]
        from_zookeeper = ["--source-zk-connect", str(source.zookeeper_connect)]
        to_dest = ["--dest-bootstrap-servers", dest.bootstrap_servers]
        journal = ["--journal", "mirror.sqlite"]
        for title, arguments in (
            ("Can both sides be reached?", ["check", *from_source, *from_zookeeper, *to_dest]),
            (
                "Everything on the source, into one file",
                ["export", *from_source, *from_zookeeper, "--file-name", "metadata.json"],
            ),
            ("What would be created? Nothing is changed yet", ["import", *to_dest]),
            ("Do it", ["import", *to_dest, "--commit"]),
            ("Again: there is nothing left to do", ["import", *to_dest, "--commit"]),
            ("Did it arrive?", ["verify", *to_dest]),
            ("What has nobody read yet?", ["mirror", *from_source, *to_dest, *journal]),
            (
                "Copy it, and leave every group where it stopped",
                ["mirror", *from_source, *to_dest, *journal, "--commit"],
            ),
            ("Is what was copied there?", ["verify", "--data", *to_dest, *journal]),
        ):
            _show(screen, title, arguments, folder)
        screen.result(["", "What Kafka's own tool says of the destination:"])
        described = dest.tool(
            "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", dest.bootstrap_servers, "--describe"
        )
        screen.result(f"  {line}" for line in described.splitlines() if line.startswith("Topic:"))
    screen.result(["", "The clusters have ended, nothing is left of them. Try it yourself: kafka-meta demo --keep"])
    return ExitStatus.DONE


def _fill(source: playground.Cluster) -> None:
    """Topics, groups and rules of a small shop: imported, as anything else is. Then records that no group has read."""
    with (
        as_file(files("kafka_meta.playground") / "shop.json") as shop,
        tempfile.TemporaryDirectory(prefix="kafka-meta-demo-") as folder,
    ):
        arguments = ["import", "--file-name", str(shop), "--dest-bootstrap-servers", source.bootstrap_servers]
        _run([*arguments, "--group-offsets", "same", "--commit"], Path(folder), quiet=True)
    source.tool(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", "orders", "--num-records", str(RECORDS), "--record-size", "100", "--throughput", "-1"),
        *("--producer-props", f"bootstrap.servers={source.bootstrap_servers}"),
    )


def _show(screen: Screen, title: str, arguments: list[str], folder: str) -> None:
    screen.result(["", f"# {title}", f"$ kafka-meta {shlex.join(arguments)}"])
    sys.stdout.flush()
    _run(arguments, Path(folder), quiet=False)


def _run(arguments: list[str], folder: Path, *, quiet: bool) -> None:
    """A command as its users run it, in a folder of the demo's own and without their settings: they may name a cluster
    in production. Raises KafkaMetaError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "kafka_meta", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(ENVIRON)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        told = f"{done.stdout}{done.stderr}" if quiet else None
        raise KafkaMetaError(f"kafka-meta {arguments[0]} ended with status {done.returncode}", told)
