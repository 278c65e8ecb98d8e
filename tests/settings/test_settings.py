"""Connection settings and policy options: where they come from, and what each client makes of them."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from kafka import KafkaAdminClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.sasl.oauth import AbstractTokenProvider
from kazoo.client import KazooClient

from kafka_meta import metrics
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.model import Secret
from kafka_meta.settings import (
    ClusterSettings,
    Sasl,
    Tls,
    TokenProvider,
    ZooKeeperSettings,
    find_toml,
    jks,
    policy_options,
    private_files,
    resolve,
    stores,
)
from kafka_meta.settings import keys as key_sets
from kafka_meta.settings.oauth import ClientCredentials, unsecured
from kafka_meta.settings.toml import read as read_toml
from tests.support.java_truth import Java
from tests.support.stores_made_by_java import JavaStores

pytest_plugins = ["tests.support.java_truth", "tests.support.stores_made_by_java"]

SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="s3cret-pw";'
PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="s3cret-pw";'
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "


def from_properties(text: str | bytes, files: Mapping[str, bytes] | None = None) -> ClusterSettings:
    """What becomes of `old.properties` with this text."""
    data = text if isinstance(text, bytes) else text.encode()
    available = {"old.properties": data, **(files or {})}

    def read_file(path: str) -> bytes:
        if path not in available:
            raise FileNotFoundError(path)
        return available[path]

    return resolve("source", flags={"source-config": "old.properties"}, environ={}, toml=None, read_file=read_file)


def refusal(text: str | bytes, files: Mapping[str, bytes] | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        from_properties(text, files)
    return caught.value


# -- where a value comes from ---------------------------------------------------------------------------------------


def test_nothing_given_is_not_an_error_so_that_addresses_can_be_looked_for() -> None:
    settings = resolve("dest", flags={}, environ={}, toml=None)
    assert (settings.bootstrap_servers, settings.zookeeper, settings.origins, settings.notes) == ("", None, {}, ())


LAYERS = ("flag", "environment", "toml", "properties")


@pytest.mark.parametrize("strongest", range(len(LAYERS)), ids=LAYERS)
def test_flag_beats_environment_beats_toml_beats_properties(strongest: int) -> None:
    present = LAYERS[strongest:]
    toml = read_toml(b'[source]\nbootstrap-servers = "toml:1"\n', "kafka-meta.toml")
    settings = resolve(
        "source",
        flags={
            "source-bootstrap-servers": "flag:1" if "flag" in present else None,
            "source-config": "old.properties",
            "dest-bootstrap-servers": "other-side:1",
        },
        environ={"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": "environment:1"} if "environment" in present else {},
        toml=toml if "toml" in present else None,
        read_file=lambda _: b"\nbootstrap.servers=properties:1\n",
    )
    assert settings.bootstrap_servers == f"{present[0]}:1"
    assert (
        settings.origins["bootstrap_servers"]
        == {
            "flag": "flag --source-bootstrap-servers",
            "environment": "environment KAFKA_META_SOURCE_BOOTSTRAP_SERVERS",
            "toml": "kafka-meta.toml [source] bootstrap-servers",
            "properties": "old.properties, line 2",
        }[present[0]]
    )


def test_an_address_in_the_properties_that_loses_is_named() -> None:
    settings = resolve(
        "source",
        flags={"source-bootstrap-servers": "a:1", "source-config": "old.properties"},
        environ={},
        toml=None,
        read_file=lambda _: b"bootstrap.servers=b:1",
    )
    assert settings.notes == (
        "old.properties, line 1: bootstrap.servers is not used, because flag --source-bootstrap-servers is stronger",
    )


def test_each_side_has_its_own_variables_and_table() -> None:
    toml = read_toml(b'[source]\nzk-connect = "s:1"\n[dest]\nzk-connect = "d:1"\n', "kafka-meta.toml")
    environ = {"KAFKA_META_SOURCE_BOOTSTRAP_SERVERS": "s:9", "KAFKA_META_DEST_BOOTSTRAP_SERVERS": "d:9"}
    source = resolve("source", flags={}, environ=environ, toml=toml)
    dest = resolve("dest", flags={}, environ=environ, toml=toml)
    assert source.zookeeper and dest.zookeeper
    assert (source.bootstrap_servers, source.zookeeper.connect) == ("s:9", "s:1")
    assert (dest.bootstrap_servers, dest.zookeeper.connect) == ("d:9", "d:1")


def test_an_empty_variable_is_not_set_and_an_empty_flag_is_refused() -> None:
    assert resolve("dest", flags={}, environ={"KAFKA_META_DEST_ZK_CONNECT": " "}, toml=None).zookeeper is None
    with pytest.raises(UsageError, match=r"flag --dest-zk-connect is empty"):
        resolve("dest", flags={"dest-zk-connect": ""}, environ={}, toml=None)


def test_a_config_file_in_the_toml_is_looked_for_beside_the_toml(tmp_path: Path) -> None:
    (tmp_path / "kafka-meta.toml").write_text('[dest]\nconfig = "new.properties"\n')
    (tmp_path / "new.properties").write_text("bootstrap.servers=n:1")
    settings = resolve("dest", flags={}, environ={}, toml=find_toml(str(tmp_path / "kafka-meta.toml")))
    assert settings.bootstrap_servers == "n:1"


def test_a_missing_config_file_is_named_with_where_its_name_came_from() -> None:
    with pytest.raises(UsageError, match=r"environment KAFKA_META_DEST_CONFIG names 'no\.properties'.* No such file"):
        resolve("dest", flags={}, environ={"KAFKA_META_DEST_CONFIG": "no.properties"}, toml=None)


def test_a_config_that_is_a_folder_or_too_large_or_not_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        resolve("dest", flags={"dest-config": str(tmp_path)}, environ={}, toml=None)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(UsageError, match="larger than"):
        resolve("dest", flags={"dest-config": str(large)}, environ={}, toml=None)
    with pytest.raises(UsageError, match="not a path"):
        resolve("dest", flags={"dest-config": "a\0b"}, environ={}, toml=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h:1", "h:1"),
        (" h1:1 , h2:2,", "h1:1,h2:2"),
        ("PLAINTEXT://h:9092", "h:9092"),
        ("[::1]:9092", "[::1]:9092"),
        ("SASL_SSL://[fe80::1%25eth0]:9093", "[fe80::1%25eth0]:9093"),
    ],
)
def test_broker_addresses_are_read_as_java_reads_them(text: str, expected: str) -> None:
    flags = {"source-bootstrap-servers": text}
    assert resolve("source", flags=flags, environ={}, toml=None).bootstrap_servers == expected


@pytest.mark.parametrize(
    "text", ["h", "h:", ":1", "h:0", "h:65536", "h:1/x", "h:1;i:1", "::1:9092", "h:1 i:1", ",", "h:٣"]
)
def test_what_is_no_broker_address_is_refused_with_its_origin(text: str) -> None:
    with pytest.raises(UsageError, match=r"^environment KAFKA_META_DEST_BOOTSTRAP_SERVERS"):
        resolve("dest", flags={}, environ={"KAFKA_META_DEST_BOOTSTRAP_SERVERS": text}, toml=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", "h:2181"),
        ("h1:1,h2", "h1:1,h2:2181"),
        (" h1:1 , h2:2/kafka ", "h1:1,h2:2/kafka"),
        ("h:1/a/b/", "h:1/a/b"),
        ("h:1/", "h:1"),
        ("[::1]:2181/k", "[::1]:2181/k"),
    ],
)
def test_zookeeper_connect_strings_are_read_as_java_reads_them(text: str, expected: str) -> None:
    zookeeper = resolve("source", flags={"source-zk-connect": text}, environ={}, toml=None).zookeeper
    assert zookeeper and zookeeper.connect == expected
    client = KazooClient(**zookeeper.kazoo())
    assert client.chroot == ("/" + expected.partition("/")[2]).rstrip("/")


@pytest.mark.parametrize(
    "text", ["/kafka", "h:x", "h:0", "h1:1/a,h2:1/a", "h:1//a", "h:1/a\x1b[0m", "http://h:1", "h h"]
)
def test_what_is_no_zookeeper_connect_string_is_refused_with_its_origin(text: str) -> None:
    with pytest.raises(UsageError, match=r"^flag --source-zk-connect"):
        resolve("source", flags={"source-zk-connect": text}, environ={}, toml=None)


# -- kafka-meta.toml and the policy ---------------------------------------------------------------------------------


def test_the_toml_of_the_current_directory_is_found_and_absence_is_fine(tmp_path: Path) -> None:
    assert find_toml(None, directory=tmp_path) is None
    (tmp_path / "kafka-meta.toml").write_text('[source]\nbootstrap-servers = "h:1"\n')
    found = find_toml(None, directory=tmp_path)
    assert found is not None and found.source == {"bootstrap-servers": "h:1"}
    with pytest.raises(UsageError, match=r"--config .*none\.toml: the file does not exist"):
        find_toml(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[source]\nbootstrap-server = "h:1"',
            r"\[source\] .*unknown key 'bootstrap-server'; did you mean 'bootstrap-servers'",
        ),
        ("[polcy]\n", r"the top level has an unknown key 'polcy'; did you mean 'policy'"),
        ('[policy]\nrenam = "a=b"', r"\[policy\] .*'renam'; did you mean 'rename'"),
        ("[policy]\ncommit = true", r"\[policy\] has 'commit', which is accepted on the command line only"),
        ("[policy]\nsecrets = true", r"'secrets'"),
        ("[dest]\nrestart = true", r"'restart'"),
        ("append = true", r"'append'"),
        ("source = 3", r"source is not a table"),
        ("[source]\nzk-connect = 3", r"zk-connect is empty or not a text"),
        ('[source]\nconfig = ""', r"config is empty or not a text"),
        ("[policy]\nrename = [1]", r"rename is not a list of texts"),
        ('[policy]\npin-defaults = "yes"', r"pin-defaults is not true or false"),
        ('[policy]\nfile-name = "a"\nfileName = "b"', r"'fileName' occurs twice"),
        ("[policy]\n=", r"not TOML \(at line 2"),
        ("a = " + "[" * 9000, r"not TOML"),
        ("a = " + "9" * 9000, r"not TOML"),
    ],
)
def test_a_toml_that_cannot_be_used_is_refused_with_file_and_key(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_toml(text.encode(), "dir/kafka-meta.toml")
    assert caught.value.message.startswith("dir/kafka-meta.toml")


def test_a_password_in_the_toml_is_sent_to_the_properties_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        read_toml(b'[source]\nsasl-password = "s3cret-pw"', "kafka-meta.toml")
    assert caught.value.hint == "Put passwords into the .properties file that `config` names."
    assert "s3cret" not in rendering(caught.value)


def test_binary_toml_is_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        read_toml(b"\xff\xfe", "kafka-meta.toml")


POLICY_TOML = read_toml(
    b"""
[policy]
rename = ["a=b", "c{1,2}=d"]
only = ["topics", "acls"]
replication-factor = 3
pin-defaults = true
fileName = "m.json"
include-topics = "toml.*"
""",
    "kafka-meta.toml",
)


def test_policy_options_come_from_flags_then_environment_then_toml() -> None:
    options = policy_options(
        {"include-topics": "flag.*", "rename": (), "pin-defaults": False},
        {"KAFKA_META_INCLUDE_TOPICS": "environment.*", "KAFKA_META_ON_DRIFT": "set", "KAFKA_META_FILE_NAME": "e.json"},
        POLICY_TOML,
    )
    assert (options.include_topics, options.on_drift, options.file_name) == ("flag.*", "set", "e.json")
    assert (options.rename, options.only) == (("a=b", "c{1,2}=d"), ("topics", "acls"))
    assert (options.replication_factor, options.pin_defaults) == ("3", True)
    assert options.origins == {
        "include_topics": "flag --include-topics",
        "on_drift": "environment KAFKA_META_ON_DRIFT",
        "file_name": "environment KAFKA_META_FILE_NAME",
        "rename": "kafka-meta.toml [policy] rename",
        "only": "kafka-meta.toml [policy] only",
        "replication_factor": "kafka-meta.toml [policy] replication-factor",
        "pin_defaults": "kafka-meta.toml [policy] pin-defaults",
    }


def test_lists_on_the_command_line_and_in_the_environment() -> None:
    options = policy_options(
        {"only": ("topics,groups", "acls"), "rename": ["x{1,2}=y", "a=b"], "evaluate": "false"},
        {"KAFKA_META_MAP_HOST": "10.0.0.1=10.1.0.1; 10.0.0.2=10.1.0.2", "KAFKA_META_ALL_DATA": "TRUE"},
        None,
    )
    assert options.only == ("topics", "groups", "acls")
    assert options.rename == ("x{1,2}=y", "a=b")
    assert options.map_host == ("10.0.0.1=10.1.0.1", "10.0.0.2=10.1.0.2")
    assert (options.evaluate, options.all_data) == (False, True)


def test_the_manual_names_every_option_that_a_settings_file_takes() -> None:
    from kafka_meta.settings.toml import POLICY_OPTIONS

    page = (Path(stores.__file__).parents[1] / "manual" / "settings.md").read_text()
    listed = page[page.index("- `[policy]` takes") : page.index("- An unknown key")]
    assert {name for name in POLICY_OPTIONS if f"`{name}`" not in listed} == set()


def test_every_field_of_the_policy_has_an_option() -> None:
    from kafka_meta.settings.toml import POLICY_OPTIONS

    named = {field.name.replace("_", "-") for field in fields(policy_options({}, {}, None))} - {"origins", "notes"}
    assert named == set(POLICY_OPTIONS)


def test_what_commits_or_reveals_never_comes_from_the_environment() -> None:
    options = policy_options({}, {"KAFKA_META_COMMIT": "true", "KAFKA_META_SECRETS": "1"}, None)
    assert len(options.notes) == 2
    assert "KAFKA_META_COMMIT has no effect: --commit is accepted on the command line only" in options.notes
    assert not hasattr(options, "commit")


def test_a_broken_expression_is_refused_with_its_origin() -> None:
    options = policy_options({}, {"KAFKA_META_EXCLUDE_GROUPS": "a("}, None)
    with pytest.raises(UsageError, match=r"environment KAFKA_META_EXCLUDE_GROUPS: 'a\(' is not a regular expression"):
        options.selection()
    selection = policy_options({"include-topics": "a.*", "exclude-topics": "ab"}, {}, None).selection()
    assert [name for name in ("a", "ab", "b", "xa") if selection.topic(name)] == ["a"]


@pytest.mark.parametrize("text", ["", "perhaps"])
def test_a_switch_in_the_environment_is_true_or_false(text: str) -> None:
    with pytest.raises(UsageError, match=r"--pin-defaults"):
        policy_options({"pin-defaults": text}, {}, None)


# -- the .properties format -----------------------------------------------------------------------------------------


def test_each_key_has_its_line_and_the_last_of_a_repetition_counts() -> None:
    settings = from_properties("# old cluster\nclient.id=a\n\nbootstrap.servers: h1:1,\\\n    h2:2\nclient.id  b\n")
    assert (settings.client_id, settings.bootstrap_servers) == ("b", "h1:1,h2:2")
    assert settings.origins["bootstrap_servers"] == "old.properties, line 4"
    assert settings.origins["client_id"] == "old.properties, line 6"
    assert settings.notes == ("old.properties: client.id is set in line 2 and again in line 6; the last one is used",)


def test_a_malformed_escape_is_refused_with_its_line() -> None:
    error = refusal("a=b\nssl.truststore.location=C:\\users\\x.jks\n")
    assert error.message == "old.properties, line 2: \\u is not followed by four hexadecimal digits"
    assert error.hint and "backslash" in error.hint


def test_half_of_a_surrogate_pair_is_refused_and_a_whole_one_is_a_letter() -> None:
    assert from_properties("client.id=\\ud83d\\ude00").client_id == "\U0001f600"
    assert "line 1" in refusal("client.id=\\ud83d").message


def test_letters_beyond_ascii_are_read_as_java_reads_them_and_said() -> None:
    settings = from_properties("client.id=ü".encode())
    assert settings.client_id == "Ã¼"
    assert [note for note in settings.notes if "line 1" in note and "ISO-8859-1" in note]
    assert from_properties("client.id=ü".encode("latin-1")).client_id == "ü"
    assert from_properties("\ufeffclient.id=ü".encode()).client_id == "ü"
    assert "byte order mark" in refusal(b"\xef\xbb\xbf\xff").message


# -- keys -------------------------------------------------------------------------------------------------------------


def test_keys_of_consumers_and_producers_are_passed_over_in_one_sentence() -> None:
    settings = from_properties("acks=all\nkey.deserializer=x.Y\ngroup.id=g\nssl.protocol=TLS\nretries=3")
    assert settings.notes == (
        "old.properties, line 3: group.id is not used: kafka-meta joins no group",
        "old.properties: not used here: acks, key.deserializer, retries, ssl.protocol",
    )


def test_a_key_that_is_not_understood_is_named_with_the_nearest_one() -> None:
    settings = from_properties("securty.protocol=SSL\nlog.dirs=/data\na.b=c\n")
    assert settings.notes == (
        "old.properties, line 1: securty.protocol is not known and not used; did you mean security.protocol?",
        "old.properties: not known and not used: log.dirs (line 2), a.b (line 3)",
    )


def test_a_line_that_may_be_a_password_is_not_named() -> None:
    settings = from_properties('sasl.jaas.config=x\n  hunter2\n  password="hunter2"\n')
    assert settings.notes == (
        "old.properties: not known and not used: text that is not a key (line 2), text that is not a key (line 3)",
    )
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("key", [*sorted(key_sets.LOADS_CODE), "config.providers.file.class"])
def test_a_key_that_loads_code_or_runs_a_program_is_refused_with_file_and_line(key: str) -> None:
    error = refusal(f"client.id=a\n{key}=evil.Class\n")
    assert error.message.startswith(f"old.properties, line 2: {key} makes a client load code or run a program")
    assert from_properties(f"{key}=").client_id == "kafka-meta"


@pytest.mark.parametrize("key", sorted(key_sets.KAFKAS_OWN_CLASSES))
def test_handlers_of_others_are_refused_and_kafkas_own_taken(key: str) -> None:
    assert refusal(f"{key}=evil.Class").message.startswith(f"old.properties, line 1: {key} names a class")
    for own in key_sets.KAFKAS_OWN_CLASSES[key]:
        assert from_properties(f"{key}={own}").notes == ()


def test_every_key_of_kafkas_clients_has_a_place(java: Java) -> None:
    """By the configNames() of AdminClientConfig, ConsumerConfig and ProducerConfig of Kafka 4.3.1."""
    placed = (
        key_sets.CARRIED | key_sets.CONSUMING_OR_PRODUCING | key_sets.TUNING | key_sets.LOADS_CODE
    ) | key_sets.KAFKAS_OWN_CLASSES.keys()
    names = java.client_config_names()
    assert len(names) > 100
    assert names - placed == set()


@pytest.mark.parametrize("value", ["${file:/run/secrets:pw}", "x${env:PW}y"])
def test_placeholders_are_refused_and_not_evaluated(value: str) -> None:
    error = refusal(f"ssl.truststore.password={value}")
    assert (
        error.message
        == "old.properties, line 1: ssl.truststore.password has a placeholder ${…}, which kafka-meta does not evaluate"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("security.protocol=SASL", "line 1: security.protocol is 'SASL'"),
        ("request.timeout.ms=soon", "line 1: request.timeout.ms is 'soon'"),
        ("request.timeout.ms=0", "line 1: request.timeout.ms is '0'"),
        ("request.timeout.ms=2147483648", "expected milliseconds from 1 to 2147483647"),
        ("client.dns.lookup=x", "line 1: client.dns.lookup is 'x'"),
        ("security.protocol=SSL\nssl.endpoint.identification.algorithm=none", "line 2: ssl.endpoint"),
        ("client.id=a\\u0000b", "line 1: the value has a NUL"),
        ("bootstrap.servers=h", "line 1: 'h' is not an address of a broker"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_line(text: str, message: str) -> None:
    assert message in refusal(text).message


def test_values_are_trimmed_as_kafka_does_and_passwords_are_not() -> None:
    settings = from_properties(
        f"security.protocol = SASL_PLAINTEXT \nsasl.mechanism=SCRAM-SHA-256\t\nrequest.timeout.ms= 5 \n"
        f"sasl.jaas.config={SCRAM.replace('s3cret-pw', ' s3cret-pw ')}"
    )
    assert (settings.security_protocol, settings.mechanism, settings.request_timeout_ms) == (
        "SASL_PLAINTEXT",
        "SCRAM-SHA-256",
        5,
    )
    assert settings.password == Secret(" s3cret-pw ")
    assert settings.notes == (
        "old.properties, line 4: the password begins or ends with white space, which is part of the password",
    )


# -- logins -----------------------------------------------------------------------------------------------------------


def sasl(mechanism: str, jaas: str, more: str = "") -> str:
    return f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={jaas}\n{more}"


@pytest.mark.parametrize(("mechanism", "jaas"), [("PLAIN", PLAIN), ("SCRAM-SHA-256", SCRAM), ("SCRAM-SHA-512", SCRAM)])
def test_username_and_password_are_taken_out_of_the_jaas_entry(mechanism: str, jaas: str) -> None:
    settings = from_properties(sasl(mechanism, jaas))
    assert (settings.mechanism, settings.username, settings.password) == (mechanism, "alice", Secret("s3cret-pw"))
    assert settings.origins["password"] == "old.properties, line 3"
    assert settings.origins["mechanism"] == "old.properties, line 2"


JAAS_FILE = b"""// clients
KafkaClient {
    org.apache.kafka.common.security.plain.PlainLoginModule required
    username="bob"   /* an account
                        of its own */
    password="p\\"w;}";
};

Client {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username="zk"
    password="zk-pw";
};
"""


def test_a_jaas_file_serves_brokers_and_zookeeper() -> None:
    settings = from_properties(
        "zookeeper.connect=z:1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        "java.security.auth.login.config=jaas.conf\n",
        {"jaas.conf": JAAS_FILE},
    )
    assert settings.zookeeper
    assert (settings.username, settings.password) == ("bob", Secret('p"w;}'))
    assert (settings.zookeeper.username, settings.zookeeper.password) == ("zk", Secret("zk-pw"))
    assert settings.origins["username"] == "jaas.conf, line 3"
    assert settings.origins["zookeeper.username"] == "jaas.conf, line 10"


def test_sasl_jaas_config_is_stronger_than_the_jaas_file() -> None:
    settings = from_properties(
        sasl("PLAIN", PLAIN, "java.security.auth.login.config=jaas.conf"), {"jaas.conf": JAAS_FILE}
    )
    assert settings.username == "alice"


def test_a_jaas_file_is_found_by_url_and_beside_the_properties(tmp_path: Path) -> None:
    (tmp_path / "jaas.conf").write_bytes(JAAS_FILE)
    for name in ("jaas.conf", (tmp_path / "jaas.conf").as_uri()):
        config = tmp_path / "old.properties"
        config.write_text(
            f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\njava.security.auth.login.config={name}\n"
        )
        assert resolve("source", flags={"source-config": str(config)}, environ={}, toml=None).username == "bob"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN", "asks for a login, but no login is set"),
        ("security.protocol=SASL_SSL\nsasl.jaas.config=x", "sasl.mechanism is not set"),
        (
            sasl("GSSAPI", "com.sun.security.auth.module.Krb5LoginModule required;"),
            "line 2: kafka-meta does not support Kerberos (GSSAPI)",
        ),
        (
            sasl("PLAIN", "com.sun.security.auth.module.Krb5LoginModule required;"),
            "line 3: kafka-meta does not support Kerberos (Krb5LoginModule)",
        ),
        (sasl("AWS_MSK_IAM", "x"), "line 2: sasl.mechanism is 'AWS_MSK_IAM'"),
        (sasl("PLAIN", "evil.Module required;"), "line 3: login module evil.Module is not one of Kafka's own"),
        (sasl("PLAIN", "hunter2 required;"), "line 3: login module is not one of Kafka's own"),
        (sasl("PLAIN", SCRAM), "line 3: ScramLoginModule does not fit sasl.mechanism PLAIN"),
        (sasl("SCRAM-SHA-256", SCRAM.replace("required", "required tokenauth=true")), "delegation token"),
        (sasl("PLAIN", PLAIN.replace("username", "user")), "line 3: the login module has no username"),
        (sasl("PLAIN", PLAIN.replace("password", "pass")), "line 3: the login module has no password"),
        (sasl("PLAIN", PLAIN * 2), "has 2 login modules"),
        (sasl("PLAIN", PLAIN.replace(";", "")), "line 3, at the end: expected an option's name or ;"),
        (sasl("PLAIN", PLAIN.replace("required", "demanded")), "line 3: expected required, requisite"),
        (sasl("PLAIN", PLAIN.replace('pw"', "pw")), "line 3: a quote or a comment is not closed"),
        (sasl("PLAIN", PLAIN.replace("=", " ", 1)), "line 3: expected = in the JAAS configuration"),
        (sasl("PLAIN", PLAIN.replace("s3cret-pw", "${file:/x:y}")), "line 3: sasl.jaas.config has a placeholder"),
        (sasl("OAUTHBEARER", OAUTH + ";"), "line 3: OAUTHBEARER needs a token endpoint"),
        (sasl("OAUTHBEARER", OAUTH + ";", "sasl.oauthbearer.token.endpoint.url=ftp://h/"), "needs clientId"),
        (
            sasl("OAUTHBEARER", OAUTH + "clientId=a clientSecret=b;", "sasl.oauthbearer.token.endpoint.url=ftp://h/"),
            "line 4: sasl.oauthbearer.token.endpoint.url is not a file:, http: or https: address",
        ),
    ],
)
def test_a_login_that_cannot_be_carried_is_refused_with_its_line(text: str, message: str) -> None:
    error = refusal(text)
    assert message in error.message
    assert "s3cret" not in rendering(error) and "hunter2" not in rendering(error)


@pytest.mark.parametrize(
    ("jaas", "message"),
    [
        (b"KafkaClient {", "jaas.conf, at the end: expected a login module's class"),
        (b'KafkaClient {\n a.B required\n p="${pw}";\n};', "jaas.conf, line 3: option 'p' has a placeholder"),
        (b"KafkaClient { };\nKafkaClient { };", "jaas.conf, line 2: section 'KafkaClient' occurs twice"),
        (b"KafkaClient { };", "section KafkaClient has 0 login modules"),
        (b"KafkaClient {}", "expected ; in the JAAS"),
        (b"/*", "jaas.conf, line 1: a quote or a comment is not closed"),
        (b"\xff", "jaas.conf is not a JAAS file: it is not UTF-8 text"),
        (b"Client { };", "but no login is set"),
    ],
)
def test_a_broken_jaas_file_is_refused_with_its_line(jaas: bytes, message: str) -> None:
    text = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\njava.security.auth.login.config=jaas.conf"
    assert message in refusal(text, {"jaas.conf": jaas}).message


def test_zookeeper_logins_that_cannot_be_carried_are_refused_only_when_zookeeper_is_asked_for() -> None:
    text = "java.security.auth.login.config=jaas.conf\n"
    kerberos = {"jaas.conf": b"Client { com.sun.security.auth.module.Krb5LoginModule required; };"}
    assert from_properties(text, kerberos).zookeeper is None
    assert "Kerberos for ZooKeeper" in refusal(text + "zookeeper.connect=z:1", kerberos).message
    off = from_properties(text + "zookeeper.connect=z:1\nzookeeper.sasl.client=false", kerberos)
    assert off.zookeeper and off.zookeeper.username is None
    foreign = {"jaas.conf": b"Client { evil.Module required; };"}
    assert "evil.Module is not one of ZooKeeper's own" in refusal(text + "zookeeper.connect=z:1", foreign).message


def test_zookeepers_digest_scheme_is_a_key_of_ours() -> None:
    settings = from_properties("zookeeper.connect=z:1\nzookeeper.digest=me:d1gest")
    assert settings.zookeeper
    assert KazooClient(**settings.zookeeper.kazoo()).auth_data == {("digest", "me:d1gest")}
    assert "is not user:password" in refusal("zookeeper.connect=z:1\nzookeeper.digest=me").message


# -- what each client gets ------------------------------------------------------------------------------------------


def test_the_clients_take_a_scram_login() -> None:
    settings = from_properties(
        "bootstrap.servers=127.0.0.1:1,127.0.0.1:2\nclient.id=me\n" + sasl("SCRAM-SHA-512", SCRAM)
    )
    assert settings.librdkafka() == {
        "bootstrap.servers": "127.0.0.1:1,127.0.0.1:2",
        "client.id": "me",
        "security.protocol": "SASL_PLAINTEXT",
        "socket.timeout.ms": 30_000,
        "client.dns.lookup": "use_all_dns_ips",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "s3cret-pw",
    }
    assert settings.kafka_python() == {
        "bootstrap_servers": ["127.0.0.1:1", "127.0.0.1:2"],
        "client_id": "me",
        "security_protocol": "SASL_PLAINTEXT",
        "request_timeout_ms": 30_000,
        "client_dns_lookup": "use_all_dns_ips",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "s3cret-pw",
    }


def test_a_scram_name_is_escaped_for_kafka_python_and_a_plain_one_is_not() -> None:
    for mechanism, jaas, expected in (("SCRAM-SHA-256", SCRAM, "a=3Db=2Cc"), ("PLAIN", PLAIN, "a=b,c")):
        settings = from_properties(sasl(mechanism, jaas.replace("alice", "a=b,c")))
        assert settings.kafka_python()["sasl_plain_username"] == expected
        assert settings.librdkafka()["sasl.username"] == "a=b,c"


def every_kind_of_settings(stores_made_by_java: JavaStores) -> Iterator[ClusterSettings]:
    there = "bootstrap.servers=127.0.0.1:1\nzookeeper.connect=127.0.0.1:1\nclient.dns.lookup=use_all_dns_ips\n"
    yield from_properties(there)
    for mechanism, jaas in (
        ("PLAIN", PLAIN),
        ("SCRAM-SHA-256", SCRAM),
        ("SCRAM-SHA-512", SCRAM),
        ("OAUTHBEARER", OAUTH + 'unsecuredLoginStringClaim_sub="alice";'),
    ):
        yield from_properties(there + sasl(mechanism, jaas))
    yield stores_made_by_java.settings(there + "security.protocol=SSL")
    yield stores_made_by_java.settings(there + "security.protocol=SSL\nssl.endpoint.identification.algorithm=")
    yield stores_made_by_java.settings(
        there + "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=" + PLAIN
    )


def test_the_real_clients_accept_every_kind_of_settings(stores_made_by_java: JavaStores) -> None:
    AbstractTokenProvider.register(TokenProvider)
    for settings in every_kind_of_settings(stores_made_by_java):
        AdminClient(settings.librdkafka(), logger=None)
        arguments = settings.kafka_python()
        assert arguments.keys() <= KafkaConnectionManager.DEFAULT_CONFIG.keys()
        assert arguments.keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()
        assert settings.zookeeper
        KazooClient(**settings.zookeeper.kazoo())


def test_client_arguments_do_not_show_themselves(stores_made_by_java: JavaStores) -> None:
    for settings in every_kind_of_settings(stores_made_by_java):
        assert settings.zookeeper
        for arguments in (settings.librdkafka(), settings.kafka_python(), settings.zookeeper.kazoo()):
            assert "s3cret-pw" not in f"{arguments} {arguments!r} {settings!r}"


def test_tls_towards_zookeeper_needs_its_switch(stores_made_by_java: JavaStores) -> None:
    trust = (
        f"zookeeper.connect=z:1\nzookeeper.ssl.truststore.location={stores_made_by_java.path('trust.jks')}\n"
        f"zookeeper.ssl.truststore.password={stores_made_by_java.jks_password}\n"
    )
    without = stores_made_by_java.resolve(trust)
    assert without.zookeeper and without.zookeeper.tls is None
    assert [note for note in without.notes if "without TLS" in note]
    settings = stores_made_by_java.resolve(trust + "zookeeper.ssl.client.enable=true\n")
    assert settings.zookeeper
    arguments = settings.zookeeper.kazoo()
    assert (arguments["use_ssl"], arguments["verify_certs"], arguments["check_hostname"]) == (True, True, True)
    assert settings.origins["zookeeper.truststore"].endswith("line 2")
    unchecked = stores_made_by_java.resolve(
        trust + "zookeeper.ssl.client.enable=true\nzookeeper.ssl.endpoint.identification.algorithm=\n",
    )
    assert unchecked.zookeeper and unchecked.zookeeper.kazoo()["check_hostname"] is False


def test_settings_that_contradict_themselves_cannot_be_made() -> None:
    with pytest.raises(ValueError):
        ClusterSettings(role="source", security_protocol="SSL")
    with pytest.raises(ValueError):
        ClusterSettings(role="source", security_protocol="SASL_PLAINTEXT")
    with pytest.raises(ValueError):
        ZooKeeperSettings(connect="h:1", username="a")
    with pytest.raises(ValueError):
        Tls(certificate_file="c.pem")
    with pytest.raises(ValueError):
        Sasl(mechanism="PLAIN", username="a")
    with pytest.raises(ValueError):
        Sasl(mechanism="OAUTHBEARER", username="a", password=Secret("b"))


# -- tokens -----------------------------------------------------------------------------------------------------------


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_kept_for_four_fifths_of_its_life() -> None:
    clock = Clock()
    tokens = TokenProvider(unsecured("alice", life_s=100, clock=clock), clock=clock)
    first = tokens.token()
    clock.now += 79
    assert tokens.token() == first
    clock.now += 2
    assert tokens.token() != first
    token, expires_s, _, extensions = tokens.for_librdkafka("")
    assert (token, expires_s, extensions) == (tokens.token(), 1_000_181.0, {})


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.e30.c", "a.W10.c", "a." + "W" * 9999])
def test_a_token_without_an_expiry_is_refused(token: str) -> None:
    with pytest.raises(KafkaMetaError, match="not a JSON Web Token"):
        TokenProvider(lambda: token).token()


def test_a_token_file_is_read_again_when_a_token_ages(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(unsecured("one")() + "\n")
    settings = from_disk_text(
        tmp_path, sasl("OAUTHBEARER", OAUTH + ";", f"sasl.oauthbearer.token.endpoint.url={path.as_uri()}")
    )
    assert settings.sasl and settings.sasl.tokens
    assert settings.sasl.tokens.token() == path.read_text().strip()
    assert settings.origins["tokens"].endswith("line 3")


def from_disk_text(tmp_path: Path, text: str) -> ClusterSettings:
    config = tmp_path / "client.properties"
    config.write_text(text)
    return resolve("source", flags={"source-config": str(config)}, environ={}, toml=None)


@pytest.fixture
def token_endpoint() -> Iterator[Callable[[int, bytes], tuple[str, list[tuple[str, str]]]]]:
    """Serves one answer; gives its address and what was asked (Authorization, body)."""
    servers = []

    def serve(status: int, body: bytes) -> tuple[str, list[tuple[str, str]]]:
        asked: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked.append((self.headers["Authorization"], sent))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/token", asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_client_credentials_are_exchanged_for_a_token(token_endpoint: Any) -> None:
    token = unsecured("svc")()
    url, asked = token_endpoint(200, json.dumps({"access_token": token}).encode())
    settings = from_properties(
        sasl(
            "OAUTHBEARER",
            OAUTH + 'clientId="app" clientSecret="s3cret/pw" scope="kafka a" extension_logicalCluster="lkc-1";',
            f"sasl.oauthbearer.token.endpoint.url={url}\nsasl.oauthbearer.header.urlencode=true",
        )
    )
    assert settings.sasl and settings.sasl.tokens
    assert settings.sasl.tokens.token() == token
    assert asked == [("Basic YXBwOnMzY3JldCUyRnB3", "grant_type=client_credentials&scope=kafka+a")]
    assert settings.sasl.tokens.extensions() == {"logicalCluster": "lkc-1"}


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"s3cret-pw", "answered 401 for client 'app'"),
        (302, b"", "answered 302"),
        (200, b"not json", "did not answer with an access_token"),
        (200, b"{}", "did not answer with an access_token"),
        (200, b'{"access_token": 3}', "did not answer with an access_token"),
    ],
)
def test_a_token_endpoint_that_refuses_is_named(token_endpoint: Any, status: int, body: bytes, message: str) -> None:
    url, asked = token_endpoint(status, body)
    with pytest.raises(KafkaMetaError, match=message) as caught:
        ClientCredentials(url=url, client_id="app", client_secret=Secret("s3cret-pw"))()
    assert url in caught.value.message and "s3cret" not in rendering(caught.value)
    assert len(asked) == 1  # a redirect is not followed: it would carry the secret along


@pytest.fixture
def no_http() -> Iterator[str]:
    """The address of a service that says something else than HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1024)
                        connection.sendall(b"220 mail.example.org ESMTP\r\n" * 3)

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"


def test_an_endpoint_that_speaks_no_http_is_named(no_http: str) -> None:
    with pytest.raises(KafkaMetaError, match="does not speak HTTP") as caught:
        ClientCredentials(url=no_http, client_id="app", client_secret=Secret("s3cret-pw"))()
    assert no_http in caught.value.message
    assert metrics.read(no_http) == metrics.Unread(url=no_http, reason="it does not speak HTTP")


@pytest.mark.parametrize(("given", "waits"), [("305000", 300_000), ("300000", 300_000), ("5", 5)])
def test_a_request_timeout_that_a_library_does_not_take_is_shortened(given: str, waits: int) -> None:
    settings = from_properties(f"bootstrap.servers=h:1\nrequest.timeout.ms={given}")
    assert settings.request_timeout_ms == waits
    AdminClient(settings.librdkafka())
    assert [note for note in settings.notes if "request.timeout.ms" in note] == (
        ["old.properties, line 2: request.timeout.ms is 305000; kafka-meta waits 300000 ms at most"]
        if given == "305000"
        else []
    )


def test_a_token_tells_whose_it_is() -> None:
    def token(claims: object) -> str:
        return f"x.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.y"

    soon = time.time() + 600
    assert TokenProvider(lambda: token({"sub": "alice", "exp": soon})).subject() == "alice"
    assert TokenProvider(lambda: token({"exp": soon})).subject() is None
    assert TokenProvider(lambda: "no token").subject() is None


def test_an_unreachable_token_endpoint_is_named() -> None:
    with pytest.raises(KafkaMetaError, match=r"http://127\.0\.0\.1:1/ cannot be reached"):
        ClientCredentials(url="http://127.0.0.1:1/", client_id="app", client_secret=Secret("s3cret-pw"))()


# -- key and trust stores -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trust.jks", "trust.p12", "trust-legacy.p12", "trust.pem"])
def test_truststores_of_every_kind_become_the_same_pem(stores_made_by_java: JavaStores, name: str) -> None:
    written = Path(stores.trust_file(stores_made_by_java.store(name), private_files.write_private)).read_bytes()
    assert written.strip() == stores_made_by_java.path("trust.pem").read_bytes().strip()


@pytest.mark.parametrize("name", ["key.jks", "key.p12", "key-legacy.p12", "key.pem"])
def test_keystores_of_every_kind_give_key_and_chain(stores_made_by_java: JavaStores, name: str) -> None:
    files = stores.key_files(stores_made_by_java.store(name), private_files.write_private)
    key = load_pem_private_key(Path(files.key_file).read_bytes(), files.key_password.reveal().encode())
    assert key.public_key() == stores_made_by_java.client_key.public_key()
    assert Path(files.certificate_file).read_bytes() == stores_made_by_java.client_chain


def test_a_private_key_on_disk_opens_with_this_process_only(stores_made_by_java: JavaStores) -> None:
    files = stores.key_files(stores_made_by_java.store("key.jks"), private_files.write_private)
    assert Path(files.key_file).read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    for path in (files.key_file, files.certificate_file):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_private_files_are_0600_from_the_first_byte_under_any_umask_and_gone_at_the_end(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "os.umask(0)\n"
        "seen = []\n"
        "really = os.open\n"
        "os.open = lambda *a, **k: seen.append(a) or really(*a, **k)\n"
        "from kafka_meta.settings.private_files import write_private\n"
        "path = write_private('key.pem', b'x')\n"
        "modes = [oct(os.stat(each).st_mode)[-3:] for each in (path, os.path.dirname(path))]\n"
        "assert modes == ['600', '700'], modes\n"
        "made = next(a for a in seen if a[0] == type(a[0])(path))\n"
        "assert made[1] & os.O_EXCL and made[2] == 0o600\n"
        "print(path)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.startswith(str(tmp_path)) and done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "secret",
    [
        'sasl.jaas.config=a.PlainLoginModule required username="u" password="hidden";',
        "ssl.keystore.password=hidden",
        "ssl.key.password: hidden",
        "zookeeper.digest=u:hidden",
        "sasl.oauthbearer.client.credentials.client.secret=hidden",
    ],
)
def test_a_password_in_a_file_that_others_may_read_is_told_with_its_mode(tmp_path: Path, secret: str) -> None:
    config = tmp_path / "client.properties"
    config.write_text(f"bootstrap.servers=b:1\n{secret}\n")
    told = f"{config} holds a password, and other users may read it (mode 0640): chmod 600 {config}"
    for mode, expected in ((0o640, [told]), (0o600, [])):
        config.chmod(mode)
        notes = resolve("dest", flags={"dest-config": str(config)}, environ={}, toml=None).notes
        assert [note for note in notes if "other users" in note] == expected
        assert "hidden" not in "".join(notes)


@pytest.mark.parametrize("text", ["bootstrap.servers=b:1", "ssl.key.password=", "sasl.jaas.config="])
def test_a_file_that_others_may_read_and_that_holds_no_password_is_fine(tmp_path: Path, text: str) -> None:
    config = tmp_path / "client.properties"
    config.write_text(text)
    config.chmod(0o644)
    notes = resolve("dest", flags={"dest-config": str(config)}, environ={}, toml=None).notes
    assert not any("other users" in note for note in notes)


def test_a_temporary_folder_that_takes_no_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_files, "_directory", lambda: str(tmp_path / "gone"))
    with pytest.raises(KafkaMetaError, match="cannot be written into a temporary folder: No such file or directory"):
        private_files.write_private("key.pem", b"x")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("trust.jks", {"password": Secret("wrong")}, "does not open it"),
        ("trust.p12", {"password": Secret("wrong")}, "does not open it"),
        ("trust.p12", {"password": None}, "needs a password"),
        ("key.jks", {"key_password": Secret("wrong")}, "does not open its key"),
        ("key.jks", {"password": None, "key_password": None}, "needs a password"),
        ("key.p12", {"password": Secret("wrong")}, "does not open it"),
        ("key.pem", {"key_password": Secret("wrong")}, "does not open its key"),
        ("key.pem", {"key_password": None}, "ssl.key.password is not set"),
        ("key.pem", {"data": b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"}, "cannot be read"),
        ("trust.jks", {}, "has no private key"),
        ("trust.p12", {}, "has no private key"),
        ("trust.pem", {}, "has no private key"),
        ("key.jceks", {}, "neither a JKS, nor a PKCS#12, nor a PEM store"),
        ("trust.jks", {"data": b""}, "neither a JKS"),
        ("trust.jks", {"data": jks.MAGIC}, "it is not a JKS store"),
    ],
)
def test_a_store_that_does_not_open_is_named(
    stores_made_by_java: JavaStores, name: str, change: dict[str, Any], message: str
) -> None:
    store = replace(stores_made_by_java.store(name), **change)
    use = stores.trust_file if name.startswith("trust") and "private key" not in message else stores.key_files
    with pytest.raises(UsageError) as caught:
        use(store, private_files.write_private)
    assert name in caught.value.message and message in caught.value.message


def test_without_its_password_a_jks_truststore_is_read_as_java_does(stores_made_by_java: JavaStores) -> None:
    store = replace(stores_made_by_java.store("trust.jks"), password=None)
    assert stores.trust_file(store, private_files.write_private)


def test_a_brokers_own_keystore_serves_as_truststore_as_in_java(stores_made_by_java: JavaStores) -> None:
    for name in ("key.jks", "key.p12"):
        assert stores.trust_file(stores_made_by_java.store(name), private_files.write_private)


def test_an_empty_truststore_and_one_without_a_root_are_told(stores_made_by_java: JavaStores) -> None:
    empty = replace(stores_made_by_java.store("trust.pem"), data=b"-----BEGIN X509 CRL-----")
    with pytest.raises(UsageError, match="has no trusted certificate"):
        stores.trust_file(empty, private_files.write_private)
    settings = stores_made_by_java.resolve(
        f"security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={stores_made_by_java.path('leaf.pem')}"
    )
    assert [note for note in settings.notes if "has no self-signed certificate" in note and "line 3" in note]


def test_pem_texts_in_the_properties_are_taken(stores_made_by_java: JavaStores) -> None:
    def inline(text: bytes) -> str:
        return text.decode().strip().replace("\n", "\\\n ")

    whole = stores_made_by_java.path("key.pem").read_bytes()
    key, chain = whole[: whole.index(b"-----BEGIN CERT")], whole[whole.index(b"-----BEGIN CERT") :]
    text = (
        "security.protocol=SSL\nssl.keystore.type=PEM\nssl.truststore.type=PEM\n"
        f"ssl.key.password={stores_made_by_java.key_password}\n"
        f"ssl.truststore.certificates={inline(stores_made_by_java.path('trust.pem').read_bytes())}\n"
        f"ssl.keystore.key={inline(key)}\nssl.keystore.certificate.chain={inline(chain)}\n"
    )
    settings = from_properties(text)
    assert settings.tls and settings.tls.certificate_file and settings.tls.ca_file
    assert Path(settings.tls.certificate_file).read_bytes() == stores_made_by_java.client_chain
    both = text + f"ssl.keystore.location={stores_made_by_java.path('key.pem')}\n"
    assert "both ssl.keystore.location and ssl.keystore.key are set" in refusal(both).message


def test_a_store_that_is_not_there_is_named_with_its_line() -> None:
    error = refusal("security.protocol=SSL\nssl.truststore.location=no.jks")
    assert error.message == "old.properties, line 2: ssl.truststore.location names 'no.jks', which does not exist"


def test_a_store_that_is_a_folder_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"client\.properties, line 2: ssl\.truststore\.location .* Is a directory"):
        from_disk_text(tmp_path, f"security.protocol=SSL\nssl.truststore.location={tmp_path}")


def test_host_names_are_checked_unless_the_file_turns_it_off_and_that_is_said() -> None:
    checked = from_properties("security.protocol=SSL")
    assert checked.librdkafka()["ssl.endpoint.identification.algorithm"] == "https"
    assert checked.kafka_python()["ssl_check_hostname"] is True
    off = from_properties("security.protocol=SSL\nssl.endpoint.identification.algorithm=\n")
    assert off.librdkafka()["ssl.endpoint.identification.algorithm"] == "none"
    assert off.kafka_python()["ssl_check_hostname"] is False
    assert off.notes[0].startswith("old.properties, line 2: ssl.endpoint.identification.algorithm is empty: host names")


# -- secrets ----------------------------------------------------------------------------------------------------------


def rendering(error: BaseException) -> str:
    """Everything that a person or a log could get to see of an error."""
    hint = error.hint if isinstance(error, KafkaMetaError) else ""
    # Without the source lines, which are indented deepest: they show names, and this test's own texts.
    text = re.sub(r"^ {4}.*", "", "".join(traceback.format_exception(error)), flags=re.MULTILINE)
    return "\n".join((str(error), repr(error), repr(error.args), str(hint), text))


SECRETS = re.compile("s3cret|hunter2")
LEAKY = {
    "sasl.jaas.config": (
        f"{PLAIN} trailing",
        PLAIN.replace('"s3cret-pw"', "s3cret-pw"),
        PLAIN.replace('"s3cret-pw"', '"s3cret-pw'),
        PLAIN.replace("password=", "password "),
        PLAIN.replace("required", "s3cret"),
        "s3cret-pw",
        'username="alice" password="s3cret-pw";',
        "${file:s3cret:x}",
        "s3cret {",
    ),
    "ssl.truststore.password": ("s3cret", "${env:s3cret}"),
    "ssl.keystore.password": ("s3cret",),
    "ssl.key.password": ("s3cret",),
    "ssl.keystore.key": ("s3cret", "-----BEGIN PRIVATE KEY-----s3cret-----END PRIVATE KEY-----"),
    "ssl.truststore.certificates": ("s3cret", "-----BEGIN CERTIFICATE-----s3cret-----END CERTIFICATE-----"),
    "zookeeper.digest": ("s3cret", "s3cret:s3cret"),
    "zookeeper.ssl.truststore.password": ("s3cret",),
    "sasl.oauthbearer.client.credentials.client.secret": ("s3cret",),
    "unknown.key": ("s3cret",),
    "s3cret": ("", "s3cret"),
}


@pytest.mark.parametrize("key", LEAKY)
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_SSL"])
def test_no_rendering_of_settings_or_errors_holds_a_secret(
    key: str, protocol: str, stores_made_by_java: JavaStores
) -> None:
    stores_given = "".join(
        f"{prefix}ssl.{kind}store.location={stores_made_by_java.path(f'{kind}.p12')}\n"
        for prefix in ("", "zookeeper.")
        for kind in ("trust", "key")
        if not key.startswith(f"ssl.{kind}store.") or key.endswith("password")
    )
    for value in LEAKY[key]:
        for extra in ("", stores_given):
            text = (
                f"zookeeper.connect=z:1\nzookeeper.ssl.client.enable=true\nsecurity.protocol={protocol}\n"
                f"sasl.mechanism=PLAIN\n{extra}{key}={value}\n"
            )
            try:
                settings = stores_made_by_java.resolve(text)
            except UsageError as error:
                shown = rendering(error)
            else:
                shown = f"{settings} {settings!r} {settings.notes} {settings.origins}"
            assert not SECRETS.search(shown), shown
