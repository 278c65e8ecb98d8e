"""Java itself, asked what it makes of a text: java.util.Properties, the JDK's JAAS reader, Kafka's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kafka_meta.playground import fetch, jars

SOURCE = """
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.URIParameter;
import java.util.*;
import javax.security.auth.login.*;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.security.JaasContext;

/** A line in, a line out: a word for the reader, then the text as hex; the answer is pairs of hex, or "refused". */
public class Truth {
    static String hex(String text) { return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_16BE)); }

    static String entries(Map<?, ?> map) {
        StringJoiner out = new StringJoiner(" ");
        map.forEach((key, value) -> out.add(hex((String) key) + "=" + hex((String) value)));
        return out.toString();
    }

    static String login(AppConfigurationEntry[] logins) {
        if (logins == null || logins.length != 1) return "refused";
        return hex(logins[0].getLoginModuleName()) + "= " + entries(logins[0].getOptions());
    }

    static String answer(String reader, byte[] text) throws Exception {
        switch (reader) {
            case "properties":
                Properties properties = new Properties();
                properties.load(new ByteArrayInputStream(text));
                return entries(properties);
            case "jaas-file":
                Path file = Files.createTempFile("truth", ".conf");
                try {
                    Files.write(file, text);
                    Configuration read = Configuration.getInstance("JavaLoginConfig", new URIParameter(file.toUri()));
                    return login(read.getAppConfigurationEntry("KafkaClient"));
                } finally {
                    Files.delete(file);
                }
            case "jaas-value":
                Object value = new Password(new String(text, StandardCharsets.UTF_8));
                return login(JaasContext.loadClientContext(Map.of("sasl.jaas.config", value))
                    .configurationEntries().toArray(new AppConfigurationEntry[0]));
            case "names":
                Map<String, String> names = new TreeMap<>();
                for (Set<String> some : List.of(
                    AdminClientConfig.configNames(),
                    ConsumerConfig.configNames(),
                    ProducerConfig.configNames()))
                    for (String name : some) names.put(name, "");
                return entries(names);
            default:
                throw new IllegalStateException(reader);
        }
    }

    public static void main(String[] none) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            int blank = line.indexOf(' ');
            String answer;
            try {
                answer = answer(line.substring(0, blank), HexFormat.of().parseHex(line.substring(blank + 1)));
            } catch (Exception | Error error) {
                answer = "refused";
            }
            System.out.println(answer);
            System.out.flush();
        }
    }
}
"""


class Java:
    def __init__(self, directory: Path) -> None:
        program = directory / "Truth.java"
        program.write_text(SOURCE)
        self._process = subprocess.Popen(
            [
                jars.java(),
                "-XX:TieredStopAtLevel=1",
                f"-Djava.io.tmpdir={directory}",
                "-cp",
                f"{fetch('4.3.1')}/*",
                program,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def properties(self, data: bytes) -> dict[str, str] | None:
        """What `Properties.load` finds; None when it refuses."""
        return self._ask("properties", data)

    def jaas_file(self, data: bytes) -> tuple[str, dict[str, str]] | None:
        """Module and options of section KafkaClient as the JDK reads a JAAS file; None when it refuses."""
        return _login(self._ask("jaas-file", data))

    def jaas_value(self, text: str) -> tuple[str, dict[str, str]] | None:
        """Module and options of a `sasl.jaas.config` as Kafka reads it; None when it refuses."""
        return _login(self._ask("jaas-value", text.encode()))

    def client_config_names(self) -> set[str]:
        return set(self._ask("names", b"") or {})

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, reader: str, data: bytes) -> dict[str, str] | None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{reader} {data.hex()}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "Java ended"
        if answer.strip() == "refused":
            return None
        pairs = [pair.split("=") for pair in answer.split()]
        return {_text(key): _text(value) for key, value in pairs}


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Java]:
    with closing(Java(tmp_path_factory.mktemp("java"))) as running:
        yield running


def _login(found: dict[str, str] | None) -> tuple[str, dict[str, str]] | None:
    if found is None:
        return None
    module, *options = found.items()
    return module[0], dict(options)


def _text(hex: str) -> str:
    return bytes.fromhex(hex).decode("utf-16-be", "surrogatepass")
