"""A login whose file changes while a command runs."""

from __future__ import annotations

import os
from pathlib import Path

from kafka_meta.settings import ClusterSettings, resolve

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def text(password: str) -> str:
    entry = f'{PLAIN} required username="u" password="{password}";'
    return (
        f"bootstrap.servers=b:9092\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={entry}\n"
    )


def settings(path: Path) -> ClusterSettings:
    return resolve("source", flags={"source-config": str(path)}, environ={}, toml=None)


def passwords(found: ClusterSettings) -> set[str]:
    """What each client would log in with now."""
    return {
        found.kafka_python()["sasl_plain_password"],
        found.kafka_python_login()["sasl_plain_password"],
        found.librdkafka()["sasl.password"],
    }


def test_a_new_password_in_the_file_is_used_for_the_next_login(tmp_path: Path) -> None:
    path = tmp_path / "old.properties"
    path.write_text(text("first"))
    found = settings(path)
    assert passwords(found) == {"first"}
    path.write_text(text("second"))
    os.utime(path, ns=(1, 1))
    assert passwords(found) == {"second"}
    assert "second" not in repr(found)


def test_a_file_that_is_replaced_is_noticed_as_one_that_is_written(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets: a symbolic link that points to another folder."""
    for name in ("first", "other"):
        (tmp_path / name).write_text(text(name))
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "first")
    found = settings(link)
    (tmp_path / "new").symlink_to(tmp_path / "other")
    (tmp_path / "new").rename(link)
    assert passwords(found) == {"other"}


def test_a_file_that_is_gone_or_half_written_leaves_the_login_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.properties"
    path.write_text(text("first"))
    found = settings(path)
    path.write_text("sasl.jaas.config=(")
    assert passwords(found) == {"first"}
    path.unlink()
    assert passwords(found) == {"first"}
    path.write_text(text("second"))
    assert passwords(found) == {"second"}
