"""Readers of settings files on input that nobody meant: only our own errors, and what Java reads where Java does."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_meta.errors import UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import jaas, jks, keys, properties, resolve, stores
from kafka_meta.settings.toml import read as read_toml
from tests.support.examples import many
from tests.support.java_truth import Java
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.java_truth", "tests.support.stores_made_by_java"]

MANY = settings(max_examples=many(600), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


PROPERTIES_TEXT = st.text(st.sampled_from("ab=: \t\f\\\n\r#!u00e4dtn\x85\x1c\xa0é\x00'\""), max_size=40).map(
    lambda text: text.encode("latin-1")
)


@MANY
@given(data=st.one_of(PROPERTIES_TEXT, st.binary(max_size=60)))
def test_properties_are_read_as_java_reads_them(java: Java, data: bytes) -> None:
    truth = java.properties(data)
    try:
        entries = properties.read(data, "f").entries
    except UsageError as error:
        # What Java takes and we do not: half of a surrogate pair, and UTF-8's mark, which Java makes a part of a key.
        assert truth is None or "surrogate" in error.message or data.startswith(b"\xef\xbb\xbf")
        return
    assert {entry.key: entry.value for entry in entries} == truth or data.startswith(b"\xef\xbb\xbf")
    lines = [entry.line for entry in entries]
    assert lines == sorted(set(lines))


WORDS = st.sampled_from(
    [
        "a.B", "required", "optional", "x=y", "x", "=", ";", "{", "}", '"q"', "'s'", '"\\"\\n\\101\\477\\x"', '"a;b}"',
        '"', "'", "\\", "/", "// c\n", "/* c */", "/*", "\n", "password", "é", "-", "7", "1.5e3", "-x", "$v", "_u", "*",
        "${p}", "${a:b}", "x.y-z_$9", "KafkaClient",
    ]
)  # fmt: skip
ENTRY = st.lists(WORDS, max_size=8).map(" ".join)
CLOSE_ENTRY = st.builds(
    "a.B required x={} y{}= {}".format, WORDS, st.sampled_from(["", " ", "\n", "/* */"]), ENTRY
).map(lambda text: text + ";")
JAAS_VALUE = st.one_of(ENTRY, CLOSE_ENTRY, st.text(max_size=30))


@MANY
@given(text=JAAS_VALUE)
def test_a_jaas_value_that_kafka_takes_means_the_same_here(java: Java, text: str) -> None:
    try:
        login = jaas.read_value(text, "f")
    except UsageError:
        _refused_for_a_reason(text, java.jaas_value(text))
        return
    truth = java.jaas_value(text)
    assert truth is None or (login.module, {key: value.reveal() for key, value in login.options.items()}) == truth


@MANY
@given(data=JAAS_VALUE.map(lambda entry: f"KafkaClient {{ {entry} }};".encode()))
def test_a_jaas_file_that_java_takes_means_the_same_here(java: Java, data: bytes) -> None:
    try:
        logins = jaas.read_file(data, "f").get("KafkaClient", ())
    except UsageError:
        _refused_for_a_reason(data.decode(), java.jaas_file(data))
        return
    truth = java.jaas_file(data)
    if truth is not None:
        (login,) = logins
        assert (login.module, {key: value.reveal() for key, value in login.options.items()}) == truth


def _refused_for_a_reason(text: str, truth: object) -> None:
    """What Java takes and we do not: placeholders, comments after a single /, quotes that end with their line."""
    assert truth is None or "${" in text or "/" in text or text.count('"') % 2 or text.count("'") % 2 or "\\" in text


@MANY
@given(data=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_as_jaas_file_or_toml_are_read_or_refused(data: bytes) -> None:
    for reader in (jaas.read_file, read_toml):
        try:
            reader(data, "f")
        except UsageError:
            continue


VALUES = st.one_of(
    st.sampled_from(
        [
            "", "true", "SSL", "SASL_SSL", "SASL_PLAINTEXT", "PLAIN", "SCRAM-SHA-256", "OAUTHBEARER", "h:1", "file:/x",
            "http://h/", "http://[", "https://u:p@h/", "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----",
            "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----", "9" * 5000, "f", "a\\u0000b",
            'org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";',
            'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="a" clientSecret=b;',
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)  # fmt: skip


@MANY
@given(
    lines=st.lists(st.tuples(st.sampled_from(sorted(keys.CARRIED)), VALUES), max_size=12),
    file=st.binary(max_size=40),
)
def test_any_values_of_known_keys_give_settings_or_our_own_error(lines: list[tuple[str, str]], file: bytes) -> None:
    text = "\n".join(f"{key}={value}" for key, value in lines).encode("latin-1")
    try:
        found = resolve(
            "source",
            flags={"source-config": "f.properties"},
            environ={},
            toml=None,
            read_file=lambda path: text if path == "f.properties" else file,
            write=lambda name, _: name,
        )
    except UsageError as error:
        assert error.message
        return
    found.librdkafka()
    found.kafka_python()
    if found.zookeeper:
        found.zookeeper.kazoo()


@settings(MANY, max_examples=many(200))
@given(
    name=st.sampled_from(["trust.jks", "key.jks", "trust.p12", "key.p12", "trust.pem", "key.pem"]),
    cut=st.floats(0, 1),
    at=st.floats(0, 1),
    byte=st.integers(0, 255),
    checked=st.booleans(),
)
def test_a_damaged_store_is_refused_or_still_good(
    stores_made_by_java: JavaStores, name: str, cut: float, at: float, byte: int, checked: bool
) -> None:
    whole = stores_made_by_java.store(name)
    data = bytearray(whole.data)
    data[int(at * (len(data) - 1))] = byte
    store = stores.Store(
        data=bytes(data[: max(1, int(len(data) * max(cut, 0.5) * 1.2))]),
        name=whole.name,
        password=whole.password if checked else None,
        key_password=whole.key_password or Secret(stores_made_by_java.password),
    )
    for use in (stores.trust_file, stores.key_files, lambda store, _: stores.has_root(store)):
        try:
            use(store, lambda file, _: file)
        except UsageError as error:
            assert name in error.message


@MANY
@given(data=st.binary(max_size=200))
def test_any_bytes_as_jks_are_refused_as_such(data: bytes) -> None:
    with pytest.raises((jks.BadStore, jks.WrongPassword)):
        jks.read(jks.MAGIC + data, "password")
    with suppress(jks.BadStore):
        jks.read(jks.MAGIC + b"\0\0\0\2" + data, None)
    with pytest.raises((jks.BadStore, jks.WrongPassword)):
        jks.unprotect(data, "password")


def test_deep_and_long_input_is_refused_quickly(tmp_path: Path) -> None:
    for data in (b"{" * 1_000_000, b'"' * 1_000_000, b"/*" * 500_000, b"a " * 500_000):
        with pytest.raises(UsageError):
            jaas.read_file(data, "f")
    assert len(properties.read(b"a\\\n" * 300_000, "f").entries) == 1
    assert len(properties.read(b"\\" * 1_000_001, "f").entries) == 1
