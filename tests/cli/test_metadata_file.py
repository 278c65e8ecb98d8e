"""Whether the metadata file is of the source that the settings name."""

from __future__ import annotations

import json
import socket
import time
from importlib.resources import files
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from kafka_meta.playground import Cluster
from tests.support.commands import Cli


def id_of(cluster: Cluster) -> str:
    return str(AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(timeout=10).cluster_id)


def file_of(folder: Path, cluster_id: str | None) -> None:
    document = json.loads((files("kafka_meta.playground") / "shop.json").read_text())
    document["cluster"]["id"] = cluster_id
    (folder / "metadata.json").write_text(json.dumps(document))


@pytest.mark.parametrize("command", ["import", "verify"])
@pytest.mark.parametrize("by", ["bootstrap-servers", "zk-connect"])
def test_a_file_of_another_cluster_than_the_settings_source_is_told_with_both_ids(
    command: str, by: str, cli: Cli, source: Cluster, dest: Cluster, tmp_path: Path
) -> None:
    address = source.bootstrap_servers if by == "bootstrap-servers" else source.zookeeper_connect
    (tmp_path / "kafka-meta.toml").write_text(
        f'[source]\n{by} = "{address}"\n[dest]\nbootstrap-servers = "{dest.bootstrap_servers}"\n'
    )
    told = f"metadata.json is of cluster another, but the source that kafka-meta.toml [source] {by} names is cluster "
    for cluster_id, is_told in (("another", True), (id_of(source), False), (None, False)):
        file_of(tmp_path, cluster_id)
        done = cli(command)
        assert done.returncode in (0, 1, 3), done.stderr
        assert (f"{told}{id_of(source)}: is that the file you mean?" in done.stderr) == is_told, done.stderr


def test_an_import_does_not_wait_for_a_source_that_is_silent(cli: Cli, dest: Cluster, tmp_path: Path) -> None:
    file_of(tmp_path, "another")
    to = ("--dest-bootstrap-servers", dest.bootstrap_servers)
    began = time.monotonic()
    assert cli("import", *to).returncode in (0, 1)
    alone = time.monotonic() - began
    with socket.create_server(("127.0.0.1", 0)) as silent:
        named = {"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": f"127.0.0.1:{silent.getsockname()[1]}"}
        began = time.monotonic()
        done = cli("import", *to, env=named)
    assert done.returncode in (0, 1)
    assert "is of cluster" not in done.stderr
    assert time.monotonic() - began < alone + 10
