"""Two clusters that were formatted with one cluster id, as all containers of the image apache/kafka are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kafka_meta import playground
from kafka_meta.playground.design import Design
from tests.support.commands import Cli
from tests.support.traffic import commit, committed, create, produce, rows, watermarks

pytestmark = [pytest.mark.brokers, pytest.mark.guard]

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
QUIET = ("--quiet", "1s", "--commit")


def test_they_are_migrated_and_one_of_them_on_both_sides_is_still_refused(cli: Cli, tmp_path: Path) -> None:
    designs = [Design(version=version, mode="kraft", cluster_id=CLUSTER_ID) for version in ("3.9.1", "4.3.1")]
    with playground.running(*designs) as (source, dest):
        here = ("--source-bootstrap-servers", source.bootstrap_servers)
        there = ("--dest-bootstrap-servers", dest.bootstrap_servers)
        itself = ("--dest-bootstrap-servers", source.bootstrap_servers)

        def kafka_meta(*arguments: str, status: int = 0) -> tuple[str, str]:
            done = cli(*arguments, env={"XDG_STATE_HOME": str(tmp_path)})
            assert done.returncode == status, done.stdout + done.stderr
            return done.stdout, done.stderr

        create(source.bootstrap_servers, {"t": 1})
        produce(source.bootstrap_servers, "t", 0, (b"%d" % number for number in range(100)))
        commit(source.bootstrap_servers, "g", {("t", 0): 40})
        file = tmp_path / "metadata.json"
        kafka_meta("export", *here, "--file-name", str(file))

        imported = ("import", "--file-name", str(file), "--commit")
        _, said = kafka_meta(*imported, *there, status=1)
        assert f"the destination may be the source itself: both have the cluster id {CLUSTER_ID}" in said
        assert "--allow-same-cluster-id" in said
        for allowed in ((), ("--allow-same-cluster-id",)):
            _, said = kafka_meta(*imported, *itself, *allowed, status=1)
            assert "the destination is the source itself" in said
        plan = str(tmp_path / "plan.json")
        kafka_meta("import", "--file-name", str(file), *there, "--allow-same-cluster-id", "--save-plan", plan)
        _, said = kafka_meta("import", "--plan-file", plan, *there, "--commit", status=1)
        assert "the destination may be the source itself" in said
        kafka_meta("import", "--plan-file", plan, *there, "--allow-same-cluster-id", "--commit")

        shown, _ = kafka_meta("check", *here, *there)
        assert "ready" in shown
        shown, _ = kafka_meta("check", *here, *itself, status=1)
        assert "source and destination are the same cluster" in shown

        # The topic's id tells them apart: no option is needed.
        for allowed in ((), ("--allow-same-cluster-id",)):
            _, said = kafka_meta("mirror", *here, *itself, *QUIET, *allowed, status=1)
            assert "the destination is the source itself" in said
        kafka_meta("mirror", *here, *there, *QUIET)
        assert [row[2] for row in rows(dest.bootstrap_servers, "t", 0)] == [b"%d" % n for n in range(40, 100)]
        assert committed(dest.bootstrap_servers, "g") == {("t", 0): 0}
        assert watermarks(source.bootstrap_servers, "t", 0) == (0, 100)

        (journal,) = tmp_path.rglob("*.sqlite")
        assert journal.name == (
            f"{CLUSTER_ID}@127.0.0.1_{source.brokers[0].port}--{CLUSTER_ID}@127.0.0.1_{dest.brokers[0].port}.sqlite"
        )
        for sides in (there, (*here, *there)):
            shown, _ = kafka_meta("mirror", "--status", *sides)
            assert "1 of 1 partition complete" in shown
            shown, _ = kafka_meta("verify", "--data", *sides, "--output", "json")
            assert json.loads(shown)["verdict"] == "equal"
        produce(source.bootstrap_servers, "t", 0, [b"more"])
        kafka_meta("mirror", *here, *there, *QUIET)
        assert watermarks(dest.bootstrap_servers, "t", 0) == (0, 61)
        kafka_meta("verify", "--file-name", str(file), *there)
        kafka_meta("mirror", "--release", "--allow-unread", *there, "--commit")
