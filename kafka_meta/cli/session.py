"""One command line: its screen, what was typed, and the settings of both clusters that follow from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kafka_meta.cli.screen import Screen
from kafka_meta.errors import UsageError
from kafka_meta.settings import ClusterSettings, PolicyOptions, Toml, find_toml, policy_options, resolve


class Session:
    """`flags` by option name without dashes, only what was typed. Files are looked for when a command asks."""

    def __init__(self, screen: Screen, config: str | None, flags: Mapping[str, Any] | None = None) -> None:
        self.screen = screen
        self.flags = {} if flags is None else flags
        self._config = config
        self._toml: list[Toml | None] = []

    def with_flags(self, flags: Mapping[str, Any]) -> Session:
        return Session(self.screen, self._config, flags)

    def toml(self) -> Toml | None:
        """The settings file. One that lies in the current folder and was not named is told: it may be a stranger's."""
        if not self._toml:
            found = find_toml(self._config)
            self._toml.append(found)
            if found is not None and self._config is None and (told := _what_it_holds(found)):
                self.screen.say(f"Settings from {found.path}: {told}")
        return self._toml[0]

    def options(self) -> PolicyOptions:
        """Filters and policies, from the command line, the environment and the settings file."""
        resolved = policy_options(self.flags, os.environ, self.toml())
        self._say(resolved.notes)
        return resolved

    def source(self) -> ClusterSettings:
        """The source's. Without any address, the one of a cluster that runs on this machine."""
        settings = self._resolve("source", self.flags)
        if settings.bootstrap_servers or settings.zookeeper is not None:
            return settings
        from kafka_meta import host  # its library takes a while to import

        addresses = host.find_addresses()
        found = {
            "source-bootstrap-servers": addresses.bootstrap_servers,
            "source-zk-connect": addresses.zookeeper_connect,
        }
        there = " and ".join(filter(None, found.values()))
        self.screen.say(f"no address of the source is given; found {there} ({addresses.origin})")
        settings = resolve("source", flags={**self.flags, **found}, environ=os.environ, toml=self.toml())
        return replace(settings, origins={**settings.origins, "bootstrap_servers": addresses.origin})

    def source_as_given(self) -> ClusterSettings:
        """The source's; without an address where none was given. Says nothing."""
        return resolve("source", flags=self.flags, environ=os.environ, toml=self.toml())

    def has_source(self) -> bool:
        """Whether the command line names a live source."""
        return any(self.flags.get(f"source-{name}") for name in ("bootstrap-servers", "zk-connect", "config"))

    def dest(self) -> ClusterSettings:
        """The destination's, which is never guessed. Raises UsageError when no address was given."""
        settings = self.dest_as_given()
        if settings.bootstrap_servers:
            return settings
        raise UsageError(
            "no address of the destination is given",
            "Use --dest-bootstrap-servers HOST:PORT or --dest-config FILE, "
            "KAFKA_META_DEST_BOOTSTRAP_SERVERS, or [dest] in kafka-meta.toml.",
        )

    def dest_if_any(self) -> ClusterSettings | None:
        settings = self.dest_as_given()
        return settings if settings.bootstrap_servers else None

    def dest_as_given(self) -> ClusterSettings:
        """The destination's; with no address, or ZooKeeper's only, where no more was given."""
        return self._resolve("dest", self.flags)

    def _resolve(self, role: Any, flags: Mapping[str, Any]) -> ClusterSettings:
        settings = resolve(role, flags=flags, environ=os.environ, toml=self.toml())
        self._say(settings.notes)
        return settings

    def _say(self, notes: tuple[str, ...]) -> None:
        for note in notes:
            self.screen.say(note)


def _what_it_holds(toml: Toml) -> str:
    """`[source] bootstrap-servers, config; [policy] rename`."""
    tables = {"source": toml.source, "dest": toml.dest, "policy": toml.policy}
    return "; ".join(f"[{name}] {', '.join(table)}" for name, table in tables.items() if table)
