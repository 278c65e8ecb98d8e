"""`kafka-meta demo`: two real clusters on this machine, and the whole journey on them."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kafka_meta import playground
from kafka_meta.cli.screen import Screen
from kafka_meta.errors import ExitStatus, KafkaMetaError, UsageError
from kafka_meta.settings.toml import FILE_NAME

if TYPE_CHECKING:
    from kafka_meta.cli.commands import Session

STATE_FILE = Path("kafka-meta-demo.json")
RECORDS = 1200


def demo(
    ctx: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep", help=f"Leave the clusters running, with a {FILE_NAME} in this folder.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the clusters that --keep left running.")] = False,
) -> int:
    """Start two real clusters on this machine and move one onto the other.

    Needs a JDK 17 or newer, and Maven, which fetches the brokers once.
    """
    session: Session = ctx.obj
    if keep and stop:
        raise UsageError("--keep and --stop contradict each other")
    if stop:
        playground.stop_detached(STATE_FILE)
        Path(FILE_NAME).unlink(missing_ok=True)
        session.screen.say("The clusters have ended.")
        return ExitStatus.DONE
    return _keep(session.screen) if keep else _journey(session.screen)


def _keep(screen: Screen) -> int:
    if Path(FILE_NAME).exists():
        raise KafkaMetaError(f"{FILE_NAME} exists in this folder already", "Go to an empty folder, or move it away.")
    screen.say("Starting two clusters (the first time, Maven fetches them) …")
    with playground.kept_pair(STATE_FILE) as (source, dest):
        _fill(source)
        Path(FILE_NAME).write_text(
            f'[source]\nbootstrap-servers = "{source.bootstrap_servers}"\n'
            f'zk-connect = "{source.zookeeper_connect}"\n\n'
            f'[dest]\nbootstrap-servers = "{dest.bootstrap_servers}"\n'
        )
    screen.result(
        [
            f"source       {source.bootstrap_servers}  +  {source.zookeeper_connect}",
            f"destination  {dest.bootstrap_servers}",
            f"{FILE_NAME} in this folder names both. Now try:",
            "  kafka-meta export",
            "  kafka-meta import --commit",
            "  kafka-meta mirror --commit",
            "  kafka-meta demo --stop",
        ]
    )
    return ExitStatus.DONE


def _journey(screen: Screen) -> int:
    screen.say("Starting two clusters (the first time, Maven fetches them) …")
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
                ["export", *from_source, *from_zookeeper, "--fileName", "metadata.json"],
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
    with as_file(files("kafka_meta.playground") / "shop.json") as shop:
        arguments = ["import", "--fileName", str(shop), "--dest-bootstrap-servers", source.bootstrap_servers]
        _run([*arguments, "--group-offsets", "same", "--commit"], Path.cwd(), quiet=True)
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
    """A command as its users run it. Raises KafkaMetaError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "kafka_meta", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        told = f"{done.stdout}{done.stderr}" if quiet else None
        raise KafkaMetaError(f"kafka-meta {arguments[0]} ended with status {done.returncode}", told)
