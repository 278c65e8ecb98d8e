from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from kafka_meta import playground
from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Mode
from kafka_meta.playground import DEST, Cluster, Design, cluster, guard, jars, process
from kafka_meta.playground.design import broker_settings
from kafka_meta.playground.process import wait_until
from tests.support.brokers import VERSIONS, design, kraft_cluster, zookeeper_cluster

TOPIC = "org.apache.kafka.tools.TopicCommand"


def test_the_pair_is_a_zookeeper_cluster_with_a_chroot_and_a_kraft_cluster(source: Cluster, dest: Cluster) -> None:
    assert (source.version, source.mode) == ("3.9.1", "zookeeper")
    assert source.zookeeper_connect is not None
    assert source.zookeeper_connect.startswith("127.0.0.1:")
    assert source.zookeeper_connect.endswith("/kafka")
    assert (dest.version, dest.mode, dest.zookeeper_connect) == ("4.3.1", "kraft", None)


@pytest.mark.parametrize(("version", "mode"), [("3.9.1", "zookeeper"), ("4.3.1", "kraft")])
def test_brokers_as_shipped_have_no_setting_beyond_those_that_connect_them(version: str, mode: Mode) -> None:
    shipped = Design(version=version, mode=mode, brokers=3, as_shipped=True)
    names = set(
        broker_settings(shipped, 1, {"PLAINTEXT": 1}, {1: 2, 2: 3, 3: 4}, "zk" if mode == "zookeeper" else None)
    )
    of_all = {"listeners", "listener.security.protocol.map", "inter.broker.listener.name"}
    of_authorizer = {"authorizer.class.name", "super.users"}
    of_mode = {
        "zookeeper": {"broker.id", "zookeeper.connect", "zookeeper.connection.timeout.ms"},
        "kraft": {"process.roles", "node.id", "controller.quorum.voters", "controller.listener.names"},
    }
    assert names == of_all | of_authorizer | of_mode[mode]


def test_classes_that_a_version_has_shared_once_are_mapped_by_whatever_of_it_starts_later() -> None:
    playground.prepare(DEST)
    with playground.running(DEST) as (one,):
        (shared,) = {
            Path(part.removeprefix("-XX:SharedArchiveFile="))
            for part in psutil.Process(one.brokers[0].pid).cmdline()
            if part.startswith("-XX:SharedArchiveFile=")
        }
        assert str(shared) in {each.path for each in psutil.Process(one.brokers[0].pid).memory_maps()}
        one.stop()
        assert one.brokers[0].pid is None
        assert "[cds" not in one.brokers[0].log_file.read_text(), "the JVM has nothing to complain about"


def test_both_clusters_of_the_pair_have_an_authorizer(pair: tuple[Cluster, Cluster]) -> None:
    for one in pair:
        acls = f"{'kafka.admin' if one.mode == 'zookeeper' else 'org.apache.kafka.tools'}.AclCommand"
        where = ("--bootstrap-server", one.bootstrap_servers, "--topic", "playground")
        one.tool(acls, *where, "--add", "--allow-principal", "User:playground", "--operation", "Read")
        assert "User:playground" in one.tool(acls, *where, "--list")


def test_a_tool_that_fails_says_why(dest: Cluster) -> None:
    with pytest.raises(KafkaMetaError, match=r"TopicCommand ended with status 1:(.|\n)*no-such-topic"):
        dest.tool(TOPIC, "--bootstrap-server", dest.bootstrap_servers, "--describe", "--topic", "no-such-topic")


def test_a_tool_reads_what_is_given_to_it(dest: Cluster) -> None:
    where = ("--bootstrap-server", dest.bootstrap_servers)
    dest.tool(TOPIC, *where, "--create", "--topic", "playground.input")
    dest.tool("org.apache.kafka.tools.ConsoleProducer", *where, "--topic", "playground.input", input="a\nb\n")
    counted = dest.tool("org.apache.kafka.tools.GetOffsetShell", *where, "--topic", "playground.input")
    assert counted == "playground.input:0:2\n"


@pytest.mark.guard
def test_a_broker_comes_back_with_its_data_after_a_crash() -> None:
    with kraft_cluster() as one:
        where = ("--bootstrap-server", one.bootstrap_servers)
        one.tool(TOPIC, *where, "--create", "--topic", "kept")
        pid = one.brokers[0].pid
        one.brokers[0].kill()
        assert one.brokers[0].pid is None
        one.brokers[0].start()
        assert one.brokers[0].pid not in (None, pid)
        assert "kept" in one.tool(TOPIC, *where, "--list")


def test_nothing_is_left_after_the_block_whether_it_fails_or_not() -> None:
    with pytest.raises(ZeroDivisionError), zookeeper_cluster() as one:
        assert len(guard.processes(one.data_dir)) == 2
        raise ZeroDivisionError
    assert guard.processes(one.data_dir) == []
    assert not one.data_dir.exists()


def test_a_broker_that_does_not_start_shows_its_log_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = directories(monkeypatch)
    with (
        pytest.raises(KafkaMetaError, match=r"Kafka 4\.3\.1 broker 1 ended with status 1 (.|\n)*num\.partitions"),
        kraft_cluster(settings={"num.partitions": "many"}),
    ):
        pytest.fail("it started")
    (directory,) = made
    assert guard.processes(directory) == []
    assert not directory.exists()


@pytest.mark.guard
def test_a_cluster_whose_port_was_taken_meanwhile_starts_on_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        monkeypatch.setattr(cluster, "free_port", lambda: ports.pop() if ports else process.free_port())
        made = directories(monkeypatch)
        with kraft_cluster() as one:
            assert one.brokers[0].port != taken.getsockname()[1]
        assert len(made) == 2
        assert not any(directory.exists() for directory in made)


@pytest.mark.guard
def test_a_listener_of_another_kind_stands_beside_the_plain_one() -> None:
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";'
    with kraft_cluster(
        listeners={"SASL": "SASL_PLAINTEXT"},
        settings={
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": login,
        },
    ) as one:
        client = one.data_dir / "client.properties"
        client.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config="
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=alice password=secret;\n"
        )
        who = ("--bootstrap-server", one.bootstrap("SASL"), "--command-config", str(client))
        assert one.tool(TOPIC, *who, "--list").strip() == ""  # she gets that far, and may see nothing


@pytest.mark.guard
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_death_of_the_starting_process_ends_everything(how: signal.Signals) -> None:
    starter = start_in_another_process("with playground.running(DEST) as (one,): tell(one); time.sleep(600)")
    directory = told(starter)
    assert len(guard.processes(directory)) == 1
    starter.send_signal(how)
    assert starter.wait() != 0
    wait_until(lambda: gone(directory), "the guard has cleaned up")


@pytest.mark.guard
def test_an_interrupt_from_the_terminal_ends_everything() -> None:
    starter = start_in_another_process("with playground.running(DEST) as (one,): tell(one); time.sleep(600)")
    directory = told(starter)
    os.killpg(starter.pid, signal.SIGINT)  # ^C reaches the whole foreground group
    assert starter.wait() != 0
    wait_until(lambda: gone(directory), "everything is gone")


@pytest.mark.guard
def test_a_starter_killed_in_the_middle_of_the_start_leaves_nothing() -> None:
    starter = start_in_another_process("one = Cluster(DEST); tell(one); time.sleep(600)")
    directory = told(starter)
    starter.kill()
    starter.wait()
    wait_until(lambda: gone(directory), "the guard has cleaned up")


@pytest.mark.guard
def test_everything_ends_even_if_the_guard_was_killed() -> None:
    with kraft_cluster() as one:
        (watching,) = [
            child
            for child in psutil.Process().children()
            if str(one.data_dir) in child.cmdline() and "python" in child.name()
        ]
        watching.kill()
    assert gone(one.data_dir)


def test_a_kept_pair_outlives_its_starter_and_is_ended_by_its_file(tmp_path: Path) -> None:
    state = tmp_path / "pair.json"
    starter = start_in_another_process(f"with playground.kept_pair(Path({str(state)!r})): pass")
    assert starter.wait() == 0
    pair = playground.detached_pair(state)
    try:
        assert [len(guard.processes(directory)) for directory in pair.directories] == [2, 1]
        with pytest.raises(KafkaMetaError, match="running already"), playground.kept_pair(state):
            pass
    finally:
        playground.stop_detached(state)
    assert all(gone(directory) for directory in pair.directories)
    assert not state.exists()
    with pytest.raises(KafkaMetaError, match="no pair was left running"):
        playground.stop_detached(state)


def test_a_directory_that_no_playground_made_is_never_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    state = tmp_path / "pair.json"
    state.write_text(
        '{"source_bootstrap_servers": "a:1", "source_zookeeper_connect": "a:2", "dest_bootstrap_servers": "a:3",'
        f' "directories": ["{precious}"]}}'
    )
    playground.stop_detached(state)
    assert precious.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"directories": 1}', '{"directories": [1]}'])
def test_a_file_that_tells_of_no_pair_is_refused(tmp_path: Path, content: str) -> None:
    state = tmp_path / "pair.json"
    state.write_text(content)
    with pytest.raises(KafkaMetaError, match="does not tell of a pair"):
        playground.stop_detached(state)
    assert state.exists()


def test_a_missing_java_is_one_sentence_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = directories(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(jars, "JAVA_PLACES", ())
    with pytest.raises(KafkaMetaError, match="No Java was found on the PATH") as error, playground.pair():
        pytest.fail("it started")
    assert "Install a JDK 17 or 21" in str(error.value.hint)
    assert made == []


def javas(monkeypatch: pytest.MonkeyPatch, folder: Path, **versions: str) -> None:
    """A machine with these versions of Java: in `home` (JAVA_HOME), on the `path`, and elsewhere."""
    for name, version in versions.items():
        executable(folder / name / "bin" / "java", f"echo 'openjdk version \"{version}\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(folder / "home"))
    monkeypatch.setenv("PATH", f"{folder / 'path' / 'bin'}")
    monkeypatch.setattr(jars, "JAVA_PLACES", (f"{folder}/elsewhere*/bin/java",))


@pytest.mark.brokers
def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    javas(monkeypatch, tmp_path, home="1.8.0_392")
    with pytest.raises(KafkaMetaError, match="is Java 8; Kafka's brokers need Java 17 or newer"):
        jars.java()


@pytest.mark.brokers
@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"home": "25", "path": "17.0.1", "elsewhere": "21"}, "home"),
        ({"home": "11.0.2", "path": "17.0.1", "elsewhere": "21"}, "path"),
        ({"path": "25.0.1", "elsewhere1": "24", "elsewhere2": "21.0.5"}, "elsewhere2"),
        ({"path": "11", "elsewhere1": "25"}, "elsewhere1"),
    ],
)
def test_java_17_to_21_is_preferred_unless_java_home_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], chosen: str
) -> None:
    javas(monkeypatch, tmp_path, **versions)
    found = jars.find_java()
    assert found.path == str(tmp_path / chosen / "bin" / "java")
    assert (found.remark is not None) == (found.version > 21)


def test_a_missing_maven_is_one_sentence_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "java", "echo 'openjdk version \"17.0.1\"' >&2")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = directories(monkeypatch)
    with pytest.raises(KafkaMetaError, match=r"Maven .* was not found") as error, playground.pair():
        pytest.fail("it started")
    assert "Install Maven" in str(error.value.hint)
    assert made == []


def test_jars_of_an_interrupted_fetch_are_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = 'for last; do :; done; mkdir -p "${last#*=}"; touch "${last#*=}'
    executable(tmp_path / "mvn", f'{copy}/half.jar"; echo "[ERROR] no route"; exit 1')
    with pytest.raises(KafkaMetaError, match=r"could not fetch Kafka 3\.9\.1 (.|\n)*no route"):
        playground.fetch("3.9.1")
    executable(tmp_path / "mvn", f'{copy}/whole.jar"')
    assert [jar.name for jar in playground.fetch("3.9.1").iterdir()] == ["whole.jar"]


def test_jars_that_two_want_at_once_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fetch = f'for last; do :; done; echo fetched >>"{tmp_path}/log"; sleep 0.5; mkdir -p "${{last#*=}}"'
    executable(tmp_path / "mvn", fetch)
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(playground.fetch, ["4.3.1", "4.3.1"])
    assert first == second
    assert (tmp_path / "log").read_text() == "fetched\n"


@pytest.mark.parametrize(("version", "mode"), [("4.3.1", "zookeeper"), ("2.8.2", "kraft"), ("9.9.9", "kraft")])
def test_a_version_that_cannot_run_so_is_refused(version: str, mode: Mode) -> None:
    with pytest.raises(KafkaMetaError, match=f"has no Kafka {version} in {mode} mode"):
        design(version, mode)


def test_the_playground_itself_has_the_demos_two_versions_and_fetches_nothing_of_connect() -> None:
    assert [each.version for each in (playground.SOURCE, playground.DEST)] == list(jars.versions())
    with pytest.raises(KafkaMetaError, match=r"has no Kafka 2\.8\.2"):
        Design(version="2.8.2", mode="zookeeper")
    for version in jars.versions():
        names = [jar.name for jar in playground.fetch(version).iterdir()]
        assert [name for name in names if name.startswith(("connect", "jetty", "jersey", "swagger"))] == []


@pytest.mark.long
@pytest.mark.parametrize("version", [version for version in VERSIONS if version < "4"])
def test_every_version_with_zookeeper_starts_stops_crashes_and_comes_back(version: str) -> None:
    with zookeeper_cluster(version, chroot="/a/b") as one:
        assert one.zookeeper_connect is not None
        (broker,) = one.brokers
        topic = TOPIC if version > "3" else "kafka.admin.TopicCommand"
        where = ("--bootstrap-server", one.bootstrap_servers)
        where = where if version > "2" else ("--zookeeper", one.zookeeper_connect)
        one.tool(topic, *where, "--create", "--topic", "kept", "--partitions", "1", "--replication-factor", "1")
        broker.stop()
        broker.start()
        broker.kill()
        broker.start()
        one.zookeeper.stop()
        one.zookeeper.start()
        assert one.tool(topic, *where, "--list").split() == ["kept"]
    assert gone(one.data_dir)


@pytest.mark.guard
@pytest.mark.parametrize("version", [version for version in VERSIONS if version > "3"])
def test_three_brokers_of_a_kraft_cluster_come_back_after_all_of_them_crashed(version: str) -> None:
    with kraft_cluster(version, brokers=3) as one:
        where = ("--bootstrap-server", one.bootstrap_servers)
        one.tool(TOPIC, *where, "--create", "--topic", "kept", "--replication-factor", "3")
        for broker in one.brokers:
            broker.kill()
        one.start()
        assert "ReplicationFactor: 3" in one.tool(TOPIC, *where, "--describe", "--topic", "kept")
    assert gone(one.data_dir)


def directories(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every directory that a playground makes from now on."""
    made: list[Path] = []
    make: Callable[..., str] = cluster.tempfile.mkdtemp

    def noted(*arguments: object, **named: object) -> str:
        made.append(Path(make(*arguments, **named)))
        return str(made[-1])

    monkeypatch.setattr(cluster.tempfile, "mkdtemp", noted)
    return made


def start_in_another_process(code: str) -> subprocess.Popen[str]:
    """Code that calls `tell(cluster)` when there is something to see; a process group of its own."""
    program = textwrap.dedent("""\
        import time
        from pathlib import Path
        from kafka_meta import playground
        from kafka_meta.playground import DEST, Cluster
        def tell(one): print(one.data_dir, flush=True)
        """)
    return subprocess.Popen(
        [sys.executable, "-c", program + code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def told(starter: subprocess.Popen[str]) -> Path:
    assert starter.stdout is not None
    with starter.stdout:
        return Path(starter.stdout.readline().strip())


def gone(directory: Path) -> bool:
    return not directory.exists() and guard.processes(directory) == []


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
