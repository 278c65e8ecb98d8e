"""What a command imports before its first request."""

from __future__ import annotations

import subprocess
import sys


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_commands_do_without_kafka_pythons_clients_and_what_only_some_of_them_need() -> None:
    heavy = ("kafka.admin.client", "kafka.consumer.group", "cryptography", "jsonschema", "psutil", "rich.progress")
    code = "import sys, kafka_meta.cli.mirror.run; print(*(name for name in sys.modules))"
    loaded = printed(code).split()
    assert [name for name in heavy if name in loaded] == []
    assert "kafka.net.manager" in loaded


def test_kafka_pythons_clients_are_there_for_who_asks() -> None:
    code = "import kafka_meta.wire, kafka; from kafka import {}; print(kafka.__version__ > '3', {}.__name__)"
    for name in ("KafkaAdminClient", "errors"):
        told = printed(code.replace("{}", name))
        assert told in ("True KafkaAdminClient", "True kafka.errors")
    assert printed("import kafka_meta.wire, kafka; print(hasattr(kafka, 'nothing_of_it'))") == "False"
